"""The meter where θ is learned once in several steps: against trainers that take the step."""

import json

import numpy as np
import pytest

import nbt
from nbt.cli import run as command
from nbt.diagnosis import measure
from nbt.diagnosis.windows import WindowedTrajectory
from nbt.trainers.state.layered import without_layer

A, M, N, T = 3, 2, 4, 3

CELLS = {
    "lstm": nbt.LSTM(N),
    "coupled": nbt.LSTM(N, coupled=True),
    "normed": nbt.LSTM(N, norm="rms"),
    "diagonal": nbt.LSTM(N, recurrent=False),
    "gru": nbt.GRU(N),
    "mgu": nbt.MGU(N),
    "lru": nbt.LRU(N),
    "rnn": nbt.RNN(N, "tanh"),
    "leaky": nbt.LeakyRNN(N, leak=0.6),
    "lstms": nbt.Stack([nbt.LSTM(1), nbt.LSTM(3)]),
    "lrus": nbt.Stack([nbt.LRU(2), nbt.LRU(2)]),
    "grus": nbt.Stack([nbt.GRU(2, norm="rms"), nbt.GRU(1, norm="rms"), nbt.GRU(1, norm="rms")]),
}
ORDER = "b", "gain", "polar", "W", "r"  # of θ's rows
STREAMS = ("symbols", "pairs", "numbers")


def data(kind, steps, seed=5):
    """Blocks of x, or of (x, y); numbers have gaps."""
    rng = np.random.default_rng(seed)
    if kind == "symbols":
        return (rng.integers(0, A, steps),)
    x = np.cumsum(rng.normal(size=(steps, M)), axis=0)
    if kind == "numbers":
        x[rng.random(x.shape) < 0.1] = np.nan
        x[7:8] = np.nan
        return (x,)
    return x, rng.integers(0, A, steps)


def build(cell="lstm", kind="symbols", rule=nbt.NoBackTrack, **choices):
    values = {
        "symbols": (nbt.Softmax(A),),
        "pairs": (nbt.Softmax(A),),
        "numbers": (nbt.Gaussian(M),),
    }[kind]
    more = {"pairs": {"inputs": M}, "numbers": {"missing": "mask"}}.get(kind, {})
    choices = {"every": T, "dtype": "float64", "seed": 4, **more, **choices}
    optimizer = choices.pop("optimizer", nbt.Adam(0.02))
    return rule(CELLS[cell], *values, optimizer, **choices)


def walk(trainer, kind, steps, replicas=4):
    """A trajectory that many steps on, and the data of the next."""
    run, parts = WindowedTrajectory(trainer, replicas), data(kind, steps + 1)
    for t in range(steps):
        run.step(*(part[t : t + 1] for part in parts))
    return run, tuple(part[steps:] for part in parts)


def gradient_of(trainer, state, now):
    """What θ of such a trainer learns from, put there: the step that SGD of rate 1 takes."""
    trainer.load_state_dict({key: state[key] for key in trainer.state_dict()})
    trainer.learn(*now)
    after, of_layers = trainer.state_dict(), []
    for b in (key for key in state if without_layer(key) == "cell.b"):
        keys = [b[:-1] + name for name in ORDER if b[:-1] + name in state]
        parts = [state[key] - after[key] for key in keys]
        n = state[b].shape[-1]
        gates = len(state[b]) if state[b].ndim == 2 else 1
        flat = np.concatenate([part.reshape(gates, -1, n) for part in parts], axis=1)
        of_layers.append(flat.ravel())
    return np.concatenate(of_layers)


def named(state, *names):
    """The arrays of these names, of all layers."""
    return {key: x for key, x in state.items() if without_layer(key) in names}


PLAIN = {"optimizer": nbt.SGD(1.0)}


def own_readout(trainer):
    return {"readout_optimizer": trainer.readout_optimizer}


@pytest.mark.parametrize("cell", CELLS)
def test_the_exact_gradient_is_that_of_the_whole_past(cell):
    """With parameters at rest: of the last window's losses, by a way back over all steps."""
    still = {"optimizer": nbt.SGD(0.0), "readout_optimizer": nbt.SGD(0.0)}
    trainer = build(cell, **still)
    state = trainer.state_dict()
    state["readout.W"] = np.random.default_rng(6).normal(size=state["readout.W"].shape)
    trainer.load_state_dict(state)
    steps = 5 * T
    run, now = walk(trainer, "symbols", steps - 1)
    before, F, inside = run.look(*now)
    G = run.exact_influence().reshape(2 * N, -1)
    whole = build(cell, rule=nbt.RTRL, every=steps, **{**still, **PLAIN})
    begun = whole.state_dict()
    whole.load_state_dict(begun | {"readout.W": state["readout.W"]})
    (symbols,) = data("symbols", steps)
    whole.observe(symbols[: steps - T])
    whole.learn(symbols[steps - T : -1])
    state = whole.state_dict()
    expected = gradient_of(whole, state, (symbols[-1:],))
    np.testing.assert_allclose(before @ G + inside.ravel(), expected, rtol=1e-9, atol=1e-12)
    assert np.abs(before @ G).max() > 1e-4
    assert F.shape == (2 * N, 2 * N)


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("cell", ["lstm", "normed", "gru", "leaky", "lstms", "grus"])
def test_statistics_are_those_of_the_replicas_one_by_one(cell, kind, rank):
    """Each replica as a trainer that takes the step; and RTRL as one."""
    R, K = 5, rank
    trainer = build(cell, kind, rank=rank)
    run, now = walk(trainer, kind, 8 * T - 1, R)
    assert run.ends(*now)
    state, crowd = run.leader.state_dict(), run.replicas.trainers[0].state_dict()
    row = measure._row(run, 8 * T - 1, *run.look(*now))
    lone = build(cell, kind, rank=rank, **PLAIN, **own_readout(trainer))
    g_all, G_all = [], []
    for r in range(R):
        whole = named(crowd, "estimator.v", "estimator.w")
        pairs = {key: x[r * K : r * K + K] for key, x in whole.items()}
        zero = {key: 0 * x for key, x in named(state, "window.g_theta").items()}
        g_all.append(gradient_of(lone, state | pairs | zero, now))
        lone.load_state_dict({key: (state | pairs)[key] for key in lone.state_dict()})
        G_all.append(lone.influence())
    exact = build(cell, kind, nbt.RTRL, **PLAIN, **own_readout(trainer))
    g = gradient_of(exact, state | zero | named(run.exact.state_dict(), "estimator.G"), now)
    G = run.exact_influence()
    g_all, g2 = np.array(g_all), g @ g
    close = {"rel": 1e-8, "abs": 1e-12}
    error = g_all.mean(0) - g
    assert row.gradient_bias == pytest.approx(np.sqrt(error @ error / g2), **close)
    assert row.gradient_variance == pytest.approx(g_all.var(0, ddof=1).sum() / g2, **close)
    cosines = [x @ g / np.sqrt((x @ x) * g2) for x in g_all]
    assert row.cosine == pytest.approx(np.mean(cosines), **close)
    assert row.cosine_std == pytest.approx(np.std(cosines, ddof=1), **close)
    assert row.exact == pytest.approx(np.linalg.norm(G))
    if "state.c" in state:  # otherwise influence() is of h alone
        G_all = np.array(G_all).reshape(R, *G.shape)
        assert row.bias == pytest.approx(
            np.linalg.norm(G_all.mean(0) - G) / np.linalg.norm(G), **close
        )
        assert row.variance == pytest.approx(
            G_all.var(0, ddof=1).sum() / np.linalg.norm(G) ** 2, **close
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("cell", CELLS)
def test_all_are_on_the_trajectory(cell, kind, dtype):
    """The same states, windows and parameters, bit for bit, also in the midst of a window; the
    leader is what the trainer would be; no two pairs are alike."""
    trainer = build(cell, kind, rank=1, dtype=dtype)
    begun = data(kind, 4, seed=2)
    trainer.learn(*begun)  # in the midst of a window
    run, _ = walk(trainer, kind, 31)
    trainer.learn(*(part[:31] for part in data(kind, 32)))
    states = [one.state_dict() for one in (run.leader, run.exact, run.replicas.trainers[0])]
    own = ("estimator.", "window.H", "window.g_theta", "seed", "optimizer.", "readout.")
    for key, value in trainer.state_dict().items():
        np.testing.assert_array_equal(states[0][key], value, err_msg=key)
        if not without_layer(key).startswith(own):
            for other in states[1:]:
                np.testing.assert_array_equal(other[key], value, err_msg=key)
    v = [named(state, "estimator.v").values() for state in (states[0], states[2])]
    pairs = [pair for parts in v for pair in np.concatenate([*parts], axis=-1)]
    assert len({pair.tobytes() for pair in pairs}) == 5


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("cell", CELLS)
def test_pairs_show_no_bias_and_without_them_there_is_one(cell, kind):
    """Of the gradient as a whole; but a unit's own path is all there is where units do not see each
    other."""
    with_pairs = nbt.diagnose(build(cell, kind, rank=1), Stream(kind, 60), 60, replicas=1500)
    without = nbt.diagnose(build(cell, kind, rank=0), Stream(kind, 60), 60, replicas=2)
    for row in with_pairs:
        assert row.bias < 3 * row.standard_error + 1e-15
        if row.step > 9:  # by then the readout says something
            assert row.gradient_bias < 3 * np.sqrt(row.gradient_variance / 1500)
    last, biased = with_pairs[-1], without[-1]
    assert last.gradient_variance > 1e-4
    assert (biased.variance, biased.gradient_variance) == pytest.approx((0, 0), abs=1e-20)
    assert np.isnan([biased.v, biased.w]).all()
    if cell in ("diagonal", "lru"):
        assert biased.gradient_bias < 1e-12
    else:  # nothing is random, so this is no chance
        assert biased.gradient_bias > 1e-3
        assert biased.bias > 0.01


class Stream:
    """With all that `diagnose` asks of one."""

    def __init__(self, kind, steps):
        self.name, self.parts, self.place = kind, data(kind, steps), 0
        self.alphabet = range(A) if kind == "symbols" else None

    def read(self, n):
        begin, self.place = self.place, self.place + n
        blocks = tuple(part[begin : self.place] for part in self.parts)
        return blocks if len(blocks) > 1 else blocks[0]


def test_rows_are_of_the_ends_of_windows(assert_same_state):
    trainer = build(every=10)
    before = trainer.state_dict()
    rows = nbt.diagnose(trainer, nbt.datasets.anbn(1, 4), 95, replicas=3).column("step").tolist()
    assert rows == [19, 39, 69, 89]
    assert_same_state(trainer.state_dict(), before)
    assert nbt.diagnose(build(every=1), Stream("symbols", 9), 50, replicas=3).column(
        "step"
    ).tolist() == [1, 2, 4, 8]
    trainer.learn([0, 1, 2])  # windows end three steps earlier
    rows = nbt.diagnose(trainer, nbt.datasets.anbn(1, 4), 95, replicas=3).column("step").tolist()
    assert rows == [16, 36, 66, 86]
    short = Stream("symbols", 15)
    with pytest.raises(nbt.DataError, match="expected at least 20 steps, got 15"):
        nbt.diagnose(build(every=10), short, 50, replicas=3)


def test_a_trainer_under_way_starts_from_its_estimate():
    """Also in the midst of a window; then the noise added since is what is measured."""
    for cell in ("lstm", "rnn", "lstms", "grus"):
        trainer = build(cell, rank=2)
        (symbols,) = data("symbols", 3 * T)
        trainer.learn(symbols[:-2])
        run = WindowedTrajectory(trainer, 3)
        run.step(symbols[-2:-1])
        G = run.exact_influence()
        row = measure._row(run, 1, *run.look(symbols[-1:]))
        assert (row.bias, row.variance, row.gradient_bias) == pytest.approx((0, 0, 0), abs=1e-10)
        known = trainer.influence()
        G = G[:N] if cell == "rnn" else G
        np.testing.assert_allclose(G, known.reshape(len(G), -1), atol=1e-12)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--cell", "lstm", "--rank", "1"], "rank=1, every=10, "),
        (["--cell", "gru", "--every", "4"], "rank=0, every=4, "),
        (["--every", "4", "--rank", "2"], "rank=2, every=4, "),
        (["--cell", "lstm", "--layers", "2", "--rank", "1"], "rank=1, every=10, "),
    ],
)
def test_the_command(args, said, capsys):
    small = ["--units", "3", "--replicas", "4", "--steps", "60", "--json"]
    assert command(["diagnose", "data:anbn[1,4]", *args, *small]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows[-1]["step"] == 59
    assert (rows[-1]["v"] is None) == ("rank=0" in said)
    assert rows[-1]["gradient_bias"] > 0
    assert said in err


RLS = nbt.Kalman(nbt.Constant(0.001), reduction="shared")
MORE = {  # readout, what else, stream
    "direct": (nbt.Softmax(3, direct=True), {}, lambda: nbt.datasets.anbn(1, 4)),
    "counts": (nbt.Softmax(3, counts=4), {}, lambda: nbt.datasets.anbn(1, 4)),
    "lags, least squares": (
        nbt.Gaussian(1, direct=True),
        {"inputs": nbt.Vector(1, lags=4), "readout_optimizer": RLS},
        nbt.datasets.mackey_glass,
    ),
    "skip": (nbt.Gaussian(1), {"missing": "skip"}, nbt.datasets.mackey_glass),
}


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("case", MORE)
def test_whatever_the_readout_sees(case, rank):
    """The leader is what the trainer would be, the pairs show no bias, and without them there is
    one."""
    readout, more, stream = MORE[case]
    trainer = nbt.NoBackTrack(CELLS["lstm"], readout, rank=rank, every=T, dtype="float64", **more)
    rows = nbt.diagnose(trainer, stream(), 120, replicas=400 if rank else 2)
    assert len(rows) == 6
    for row in rows:
        if rank:
            assert row.bias < 3 * row.standard_error
        else:
            assert row.variance < 1e-20
    assert rows[-1].gradient_variance > 1e-3 if rank else rows[-1].gradient_bias > 1e-3
