"""The meter measures what it says: against a plain recursion, brute force, and all signs."""

import itertools
import json
import sys

import numpy as np
import oracle.cell
import oracle.readout
import pytest

import nbt
from nbt.diagnosis import measure as diagnosis
from nbt.diagnosis import trajectory

A, N = 3, 5

FORMS = {
    "default": {},
    "window": {"blocks": 2, "window": 2},
    "paper": {"blocks": 1, "exact_self": False, "norm": "kalman"},
    "rank": {"rank": 3, "blocks": 2, "exact_self": False, "norm": "fisher"},
}
PLAIN = {"blocks": 1, "exact_self": False, "norm": "euclidean"}


def build(form="default", *, optimizer=None, cell=None, **common):
    cell = cell or nbt.LeakyRNN(N)
    common = {"dtype": "float64", "seed": 4} | common
    optimizer = optimizer or nbt.Kalman(0.2)
    own = PLAIN if form == "plain" else FORMS[form]
    return nbt.NoBackTrack(cell, nbt.Softmax(A), optimizer, **own, **common)


def stream(seed=5):
    return nbt.datasets.anbn(1, 4, seed=seed)


def measure(run, step, symbol):
    return diagnosis._row(run, step, *run.look(np.array([symbol])))


def plain_steps(trainer, symbols):
    """Before each step: the exact dh/dtheta by (4), dh'/dh, and the state; plain NumPy."""
    activation = trainer.cell.activation
    state = trainer.state_dict()
    n, m = len(state["state.h"]), len(state["cell.r"])
    G = np.zeros((n, 1 + n + m, n))
    for symbol in symbols:
        h = state["state.h"]
        theta = np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]])
        F = oracle.cell.jacobian(h, theta, state["cell.alpha"], activation)
        yield G, F, state, symbol
        trainer.learn([symbol])
        state = trainer.state_dict()  # the transition was made with the new theta
        theta = np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]])
        F = oracle.cell.jacobian(h, theta, state["cell.alpha"], activation)
        z = oracle.cell.regressors(h, np.eye(m)[symbol], activation)
        G = np.einsum("kj,jpi->kpi", F, G)
        for i in range(n):
            G[i, :, i] += z


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("form", FORMS)
def test_exact_side_is_the_plain_recursion(form, activation):
    """‖G‖, the spectral radius, ‖v̄‖ and ‖w̄‖ along what the trainer does while it learns."""
    cell = nbt.LeakyRNN(N, activation=activation)
    rows = {row.step: row for row in nbt.diagnose(build(form, cell=cell), stream(), 50)}
    assert list(rows) == [1, 2, 4, 8, 16, 32, 49]
    trainer = build(form, cell=cell)
    for t, (G, F, state, _) in enumerate(plain_steps(trainer, stream().read(50))):
        if t not in rows:
            continue
        row = rows[t]
        assert row.exact == pytest.approx(np.linalg.norm(G), 1e-9)
        assert row.spectral_radius == pytest.approx(np.abs(np.linalg.eigvals(F)).max(), 1e-12)
        for name in "vw":
            pairs = state[f"estimator.{name}"]
            expected = np.sqrt((pairs**2).sum() / len(pairs))
            assert getattr(row, name) == pytest.approx(expected, 1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_statistics_are_those_of_the_replicas_one_by_one(form):
    """Each replica as a trainer of its own: its influence(), and the gradient made from it."""
    R, T = 4, 20
    symbols = stream().read(T + 1)
    run = trajectory.Trajectory(build(form), R)
    for t in range(T):
        run.step(symbols[t : t + 1])
    row = measure(run, T, symbols[T])
    lone, crowd = build(form), run.replicas.trainers[0].state_dict()
    K = lone.rank
    G_all = []
    for r in range(R):
        keys = trajectory.PAIRS & set(crowd)
        pairs = {key: crowd[key][r * K : r * K + K] for key in keys}
        lone.load_state_dict(crowd | pairs)
        G_all.append(lone.influence())
    G_all, G = np.array(G_all), run.exact.influence()
    state = run.leader.state_dict()
    phi = np.vstack([state["readout.b"], state["readout.W"]])
    delta = oracle.readout.delta(state["state.h"], symbols[T], phi, "sigmoid")
    H = oracle.readout.backward(state["state.h"], delta, phi, "sigmoid")
    g, g_all = np.einsum("k,kpi->pi", H, G), np.einsum("k,rkpi->rpi", H, G_all)
    G2, g2 = (G**2).sum(), (g**2).sum()
    assert row.bias == pytest.approx(np.sqrt(((G_all.mean(0) - G) ** 2).sum() / G2), 1e-9)
    assert row.variance == pytest.approx(G_all.var(0, ddof=1).sum() / G2, 1e-9)
    assert row.standard_error == pytest.approx(np.sqrt(row.variance / R), 1e-12)
    assert row.gradient_variance == pytest.approx(g_all.var(0, ddof=1).sum() / g2, 1e-9)
    cosines = [(x * g).sum() / np.sqrt((x**2).sum() * g2) for x in g_all]
    assert row.cosine == pytest.approx(np.mean(cosines), 1e-9)
    assert row.cosine_std == pytest.approx(np.std(cosines, ddof=1), 1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["default", "rank"])
def test_replicas_are_on_the_trajectory_and_unbiased(form, dtype):
    """Same states bit for bit, same J and s; and a bias no larger than chance allows."""
    run = trajectory.Trajectory(build(form, dtype=dtype), 500)
    symbols = stream().read(301)
    for t in range(300):
        run.step(symbols[t : t + 1])
    states = [one.state_dict() for one in (run.leader, run.exact, run.replicas.trainers[0])]
    for key in states[0]:
        if key.startswith(("cell.", "state.", "optimizer.theta.", "step")):
            for other in states[1:]:
                np.testing.assert_array_equal(other[key], states[0][key], err_msg=key)
    np.testing.assert_array_equal(states[2]["estimator.fisher"], states[0]["estimator.fisher"])
    v = states[2]["estimator.v"]
    pairs = {pair.tobytes() for pair in [*v, *states[0]["estimator.v"]]}
    assert len(pairs) == len(v) + run.leader.rank  # no two alike, nor like the trainer's own
    row = measure(run, 300, symbols[300])
    assert row.variance > 1e-3
    assert 0.3 * row.standard_error < row.bias < 2 * row.standard_error


def test_a_bias_would_be_seen():
    """Replicas that do not follow the parameters miss the exact influence by far."""
    run = trajectory.Trajectory(build(optimizer=nbt.SGD(nbt.Constant(0.5))), 500)
    symbols = stream().read(301)
    for t in range(300):
        run.leader.learn(symbols[t : t + 1])
        for one in (run.exact, run.replicas.trainers[0]):
            if one is run.exact:
                source, target = run.leader._live.learner.arrays, one._live.learner.arrays
                target["theta"][...] = source["theta"]
            one.observe(symbols[t : t + 1])
    row = measure(run, 300, symbols[300])
    assert row.bias > 5 * row.standard_error


def test_variance_is_that_of_all_signs():
    """2 units, 3 steps: 16 sign sequences matter; 60000 replicas know the variance to a few %."""
    T, n = 3, 2
    cell = nbt.LeakyRNN(n)
    frozen = {"optimizer": nbt.SGD(0.0), "cell": cell}
    row = nbt.diagnose(build("plain", **frozen), stream(), T + 1, replicas=60000)[-1]
    symbols = stream().read(T)
    found = {}
    for seed in itertools.count():
        trainer = build("plain", **frozen)
        state = trainer.state_dict()
        trainer.load_state_dict(state | {"seed": np.uint64(seed)})
        signs = tuple(nbt._core.sign_bits(seed, 0, t, 0)[0] % 2**n for t in (1, 2))
        if signs not in found:
            trainer.learn(symbols)
            found[signs] = trainer.influence()
        if len(found) == 16:
            break
    G_all = np.array(list(found.values()))
    exact = G_all.var(axis=0).sum() / (G_all.mean(axis=0) ** 2).sum()
    assert row.variance == pytest.approx(exact, 0.03)
    assert exact > 0.1


# ---- what it does to its arguments --------------------------------------------------------------


def test_the_trainer_stays_and_the_stream_moves(assert_same_state):
    trainer, source = build(), stream()
    trainer.learn(source.read(10))
    before = trainer.state_dict()
    rows = []
    result = nbt.diagnose(trainer, source, 40, replicas=3, progress=rows.append)
    assert rows == list(result) == result.rows
    assert len(result) == len(rows)
    assert_same_state(trainer.state_dict(), before)
    np.testing.assert_array_equal(source.read(20), stream().read(70)[50:])


def test_a_trainer_under_way_starts_from_its_estimate():
    """Then the noise added since is what is measured; and what it does is what it would have."""
    trainer = build()
    symbols = stream().read(100)
    trainer.learn(symbols[:50])
    run = trajectory.Trajectory(trainer, 4)
    row = measure(run, 0, symbols[50])
    assert (row.bias, row.variance) == pytest.approx((0, 0), abs=1e-12)
    assert row.exact == pytest.approx(np.linalg.norm(trainer.influence()))
    for t in range(50, 100):
        run.step(symbols[t : t + 1])
    trainer.learn(symbols[50:])
    assert run.leader.state_dict()["cell.W"].tobytes() == trainer.state_dict()["cell.W"].tobytes()
    assert measure(run, 50, symbols[0]).variance > 0


def test_an_ending_stream(tmp_path):
    symbols = stream().read(11)
    short = nbt.streams.symbols(symbols, alphabet=A)
    assert nbt.diagnose(build(), short, 1000, replicas=2).column("step").tolist() == [
        1,
        2,
        4,
        8,
        10,
    ]
    with pytest.raises(nbt.DataError, match="expected at least 2 steps"):
        nbt.diagnose(build(), short, 1000)


def test_bad_arguments():
    good = build()
    rtrl = nbt.RTRL(nbt.RNN(N), nbt.Softmax(A))
    other = nbt.NoBackTrack(nbt.RNN(N), nbt.Softmax(A), inputs=nbt.Vector(2, False))
    small = nbt.NoBackTrack(nbt.RNN(N), nbt.Softmax(2))
    for trainer, steps, replicas, error, message in [
        (rtrl, 10, 9, TypeError, "trainer: expected NoBackTrack"),
        (other, 10, 9, TypeError, "y: expected targets"),
        (small, 10, 9, ValueError, "stream: it has 3 symbols, the readout 2"),
        (good, 1, 9, ValueError, "steps"),
        (good, 10, 1, ValueError, "replicas"),
        (good, 10, 2**17, ValueError, "replicas"),
    ]:
        with pytest.raises(error, match=message):
            nbt.diagnose(trainer, stream(), steps, replicas=replicas)
    with pytest.raises(TypeError, match=r"stream: expected what has read\(n\), .* got list"):
        nbt.diagnose(good, [0, 1, 2], 10)


def test_divergence_keeps_what_was_measured():
    trainer = build("plain", cell=nbt.LeakyRNN(20), optimizer=nbt.SGD(1e120))
    with pytest.raises(nbt.DivergenceError) as caught:
        nbt.diagnose(trainer, stream(), 1000, replicas=2)
    assert len(caught.value.diagnosis) >= 1


# ---- what is made of it --------------------------------------------------------------------------


def test_rows_as_json_and_columns():
    result = nbt.diagnose(build(), stream(), 9, replicas=3)
    assert result.column("step").dtype == np.int64
    row = json.loads(result[2].to_json())
    assert list(row) == list(diagnosis.DiagnosisRow._fields)
    assert row["variance"] == result[2].variance == result.column("variance")[2]
    assert json.loads(result[0]._replace(cosine=float("nan")).to_json())["cosine"] is None
    with pytest.raises(ValueError, match="name: expected one of"):
        result.column("colour")
    assert repr(result) == "<Diagnosis: 9 steps, 4 rows>"


def test_legends_hide_nothing():
    pytest.importorskip("matplotlib")
    picture = nbt.diagnose(build(), stream(), 40, replicas=3).plot()
    picture.canvas.draw()
    for axes in picture.axes:
        if (legend := axes.get_legend()) is not None:
            place = legend.get_window_extent()
            assert not place.overlaps(axes.get_window_extent())
            assert not place.overlaps(axes.xaxis.label.get_window_extent())


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    figure = nbt.diagnose(build(), stream(), 40, replicas=3).plot(tmp_path / "picture.svg")
    assert len(figure.axes) == 4
    assert (tmp_path / "picture.svg").read_text(encoding="utf-8").count("<svg") == 1


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = nbt.diagnose(build(), stream(), 4, replicas=2)
    with pytest.raises(nbt.MissingExtra, match=r"pip install \"nobacktrack\[plot\]\""):
        result.plot()
