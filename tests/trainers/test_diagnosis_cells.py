"""The meter for every cell, readout and kind of stream: against plain differences and replicas."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import systems

import nbt
from nbt.diagnosis import measure as diagnosis
from nbt.diagnosis.trajectory import PAIRS, Trajectory

A, M = 3, 2
GRAPH = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0]], bool)
STACK = nbt.Stack([nbt.RNN(3, "tanh"), nbt.LeakyRNN(2, leak=0.6)])

CASES = {  # cell, readout, what is fed, more
    "graph": (nbt.RNN(4, graph=GRAPH), nbt.Softmax(A), "symbols", {}),
    "learned leaks": (nbt.LeakyRNN(4, learn_leak=True), nbt.Softmax(A), "symbols", {"rank": 2}),
    "stack": (STACK, nbt.Softmax(A), "symbols", {"norm": "kalman"}),
    "stack of pairs": (STACK, nbt.Bernoulli(2), "pairs", {}),
    "time": (nbt.Continuous(nbt.CTRNN(4, tau=2.0), 0.5), nbt.Softmax(A), "symbols", {}),
    "shared": (
        nbt.LeakyRNN(4, leak=0.5),
        nbt.Softmax(A),
        "symbols",
        {"rank": 3, "split": "blocks"},
    ),
    "filter": (
        nbt.LeakyRNN(4, leak=0.5),
        nbt.Softmax(A),
        "symbols",
        {"optimizer": nbt.Kalman(0.2, reduction="block", fisher="exact")},
    ),
    "dense pairs": (nbt.LeakyRNN(4, leak=0.5), nbt.Softmax(A), "pairs", {"blocks": 2}),
    "window": (nbt.LeakyRNN(4, leak=0.5), nbt.Softmax(A), "symbols", {"blocks": 2, "window": 2}),
    "numbers": (
        nbt.LeakyRNN(4, leak=0.5),
        nbt.Gaussian(M, standardize=False),
        "numbers",
        {"inputs": nbt.Vector(M), "missing": "mask"},
    ),
    "scaled": (nbt.LeakyRNN(4, leak=0.5), nbt.Gaussian(M), "numbers", {"missing": "mask"}),
    "system": (systems.ring(), nbt.Gaussian(M, False), "pairs", {"norm": "kalman"}),
    "phases": (systems.layers(), nbt.Softmax(A), "pairs", {}),
    "loss": (systems.ring(), None, "pairs", {}),
    "waiting": (
        nbt.LeakyRNN(4, leak=0.5),
        nbt.Softmax(12),
        "symbols",
        {"optimizer": nbt.SGD(0.3), "blocks": 1, "exact_self": False, "norm": "euclidean"},
    ),
}


def data(case, steps, seed=5):
    """Blocks of x, or of (x, y)."""
    _, readout, fed, _ = CASES[case]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, M))
    if fed == "numbers":
        return (np.cumsum(x, axis=0),)
    if fed == "symbols":
        return (rng.integers(0, readout.symbols, steps),)
    if readout is None:
        return x, rng.normal(size=(steps, 3))
    if isinstance(readout, nbt.Softmax):
        return x, rng.integers(0, A, steps)
    y = rng.normal(size=(steps, readout.dim))
    return x, (y > 0).astype(float) if isinstance(readout, nbt.Bernoulli) else y


def build(case, dtype="float64"):
    cell, readout, fed, more = CASES[case]
    inputs = {"inputs": M} if fed == "pairs" else {}
    more = {"optimizer": nbt.Kalman(0.2), **inputs, "dtype": dtype, "seed": 4, **more}
    trainer = nbt.NoBackTrack(cell, readout, more.pop("optimizer"), **more)
    state = trainer.state_dict()
    rng = np.random.default_rng(6)  # a readout that says something
    for key in {"readout.W"} & set(state):
        state[key] = rng.normal(size=state[key].shape).astype(dtype)
    trainer.load_state_dict(state)
    return trainer


def stream(case, steps):
    """With all that `diagnose` asks of one."""
    parts = data(case, steps)

    class Stream(SimpleNamespace):
        name, place = case, 0
        alphabet = range(getattr(CASES[case][1], "symbols", 0)) or None

        def read(self, n):
            begin, self.place = self.place, self.place + n
            blocks = tuple(part[begin : self.place] for part in parts)
            return blocks if len(blocks) > 1 else blocks[0]

    return Stream()


def walk(case, steps, replicas=4, dtype="float64"):
    """A trajectory that many steps on, and the data of the next."""
    run, parts = Trajectory(build(case, dtype), replicas), data(case, steps + 1)
    for t in range(steps):
        run.step(*(part[t : t + 1] for part in parts))
    return run, tuple(part[steps:] for part in parts)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_all_are_on_the_trajectory(case, dtype):
    """The same states and parameters, bit for bit; the same J and s; no two estimates alike."""
    run, _ = walk(case, 40, dtype=dtype)
    states = [one.state_dict() for one in (run.leader, run.exact, *run.replicas.trainers)]
    same = ("cell.", "state.h", "optimizer.theta.", "step", "inputs.", "targets.")
    for key in states[0]:
        if key.startswith(same):
            for other in states[1:]:
                np.testing.assert_array_equal(other[key], states[0][key], err_msg=key)
    if "estimator.fisher" in states[0]:
        np.testing.assert_array_equal(states[2]["estimator.fisher"], states[0]["estimator.fisher"])
    v = [pair.tobytes() for k in (0, *range(2, len(states))) for pair in states[k]["estimator.v"]]
    assert len(set(v)) == len(v) == 5 * run.leader.rank


@pytest.mark.parametrize("case", [case for case in CASES if case != "scaled"])
def test_what_it_sees_are_the_derivatives(case):
    """∂ℓ/∂h and ∂h(t+1)/∂h(t) against differences of losses and states of a trainer put there."""
    run, now = walk(case, 12)
    leader = run.leader
    state, n = leader.state_dict(), leader.cell.units
    H, F = run.look(*now)
    paired = len(now) > 1

    def there(h):
        """The loss in state h, or in the state that follows where an input comes first."""
        leader.load_state_dict(state | {"state.h": h})
        losses = leader.observe(*now)
        return losses[0], leader.state_dict()["state.h"]

    step = 1e-6
    rows = [[there(state["state.h"] + sign * step * e) for sign in (1, -1)] for e in np.eye(n)]
    losses = np.array([(up[0] - down[0]) / (2 * step) for up, down in rows])
    moves = np.stack([(up[1] - down[1]) / (2 * step) for up, down in rows], axis=1)
    np.testing.assert_allclose(F, moves, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(H @ F if paired else H, losses, rtol=1e-6, atol=1e-8)
    assert np.abs(H).max() > 1e-3


@pytest.mark.parametrize("case", CASES)
def test_statistics_are_those_of_the_replicas_one_by_one(case):
    """Each replica as a trainer of its own: its influence(), and the gradient made from it."""
    R = 5
    run, now = walk(case, 20, R)
    H, F = run.look(*now)
    row = diagnosis._row(run, 20, H, F)
    lone, K, G_all = build(case), run.leader.rank, []
    for one in run.replicas.trainers:
        state = one.state_dict()
        for r in range(R // len(run.replicas.trainers)):
            own = PAIRS & set(state) if lone.split is None else ()
            pairs = {key: state[key][r * K : r * K + K] for key in own}
            kept = {key: value for key, value in state.items() if key[:8] != "waiting."}
            lone.load_state_dict(kept | pairs)
            G_all.append(lone.influence().reshape(lone.cell.units, -1))
    G_all, G = np.array(G_all), run.exact.influence().reshape(run.leader.cell.units, -1)
    g, g_all = H @ G, H @ G_all
    G2, g2 = (G**2).sum(), (g**2).sum()
    assert row.exact == pytest.approx(np.sqrt(G2), 1e-12)
    assert row.bias == pytest.approx(np.sqrt(((G_all.mean(0) - G) ** 2).sum() / G2), 1e-9)
    assert row.variance == pytest.approx(G_all.var(0, ddof=1).sum() / G2, 1e-9)
    assert row.gradient_variance == pytest.approx(g_all.var(0, ddof=1).sum() / g2, 1e-9)
    cosines = [(x @ g) / np.sqrt((x @ x) * g2) for x in g_all]
    assert row.cosine == pytest.approx(np.mean(cosines), 1e-9)
    assert row.cosine_std == pytest.approx(np.std(cosines, ddof=1), 1e-9)
    assert row.spectral_radius == pytest.approx(np.abs(np.linalg.eigvals(F)).max())


@pytest.mark.parametrize("case", CASES)
def test_no_bias_is_seen(case, assert_same_state):
    trainer = build(case)
    before = trainer.state_dict()
    result = nbt.diagnose(trainer, stream(case, 65), 65, replicas=60)
    assert_same_state(trainer.state_dict(), before)
    assert result.column("step").tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert (result.column("bias") < 3 * result.column("standard_error") + 1e-12).all()
    assert result[-1].variance > 1e-3
    assert np.isfinite(result.column("spectral_radius")).all()


def test_a_step_without_a_target_has_no_gradient():
    """What is missing is no number in that row; the estimate is measured all the same."""
    trainer = build("numbers")
    source = stream("numbers", 10)
    block = source.read(10)
    block[4] = np.nan
    blocks = [block, block[:0]]
    source.read = lambda n: blocks.pop(0)
    row = {row.step: row for row in nbt.diagnose(trainer, source, 9, replicas=3)}[4]
    assert np.isnan(row.cosine)
    assert np.isfinite(row.variance)


def test_a_compiled_system(tmp_path):
    """As the same network in Python."""
    library = systems.compile_network(tmp_path)
    if library is None:
        pytest.skip("no C compiler")
    theta, h = np.random.default_rng(3).normal(size=(1 + 4 + M, 4)) / 2, np.zeros(4)
    cells = (
        systems.compiled_network(library, 4, M, theta.T.ravel()),
        systems.network(theta, h, "sigmoid"),
    )
    x, y = data("stack of pairs", 33)
    rows = []
    for cell in cells:
        trainer = nbt.NoBackTrack(
            cell, nbt.Bernoulli(2), inputs=nbt.Vector(M, False), dtype="float64", seed=2
        )
        blocks = [(x, y), (x[:0], y[:0])]
        source = SimpleNamespace(name="pairs", alphabet=None, read=lambda n, b=blocks: b.pop(0))
        rows.append(nbt.diagnose(trainer, source, 33, replicas=20)[-1])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-6)
    assert rows[0].variance > 1e-3
