"""What is promised of a trainer holds where it trains a system, too."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from helpers import systems

import nbt

A = 4
RULES = {
    "nobacktrack": nbt.NoBackTrack,
    "split": nbt.NoBackTrack,
    "rtrl": nbt.RTRL,
    "bptt": nbt.TruncatedBPTT,
    "uoro": nbt.UORO,
}
KALMAN, SGD = nbt.Kalman(nbt.InverseSqrt(0.3), prior=0.5), nbt.SGD(nbt.InverseSqrt(0.1))


@pytest.fixture(params=["ring", "layers"])
def name(request):
    return request.param


@pytest.fixture(params=RULES)
def rule(request):
    return request.param


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    return request.param


def build(name, rule, dtype="float64", optimizer=KALMAN, inputs=2, **changes):
    own = {
        "nobacktrack": {"rank": 2},
        "split": {"rank": 2, "split": "blocks"},
        "bptt": {"window": 4},
        "uoro": {"rank": 2},
    }.get(rule, {})
    system = getattr(systems, name)(**changes)
    return RULES[rule](system, nbt.Softmax(A), optimizer, inputs=inputs, dtype=dtype, seed=9, **own)


def data(steps, seed=3, inputs=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, 2)) if inputs == 2 else rng.integers(0, 2, steps)
    return x, rng.integers(0, A, steps)


@pytest.mark.parametrize("optimizer", [SGD, KALMAN], ids=["sgd", "kalman"])
@pytest.mark.parametrize("inputs", [2, nbt.Symbols(2)], ids=str)
def test_the_same_bits_however_it_is_cut(name, rule, dtype, optimizer, inputs, assert_same_state):
    whole, cut = (build(name, rule, dtype, optimizer, inputs) for _ in range(2))
    x, y = data(140, inputs=inputs)
    losses = whole.learn(x, y)
    parts = [cut.learn(x[a:b], y[a:b]) for a, b in ((0, 1), (1, 3), (3, 70), (70, 71), (71, 140))]
    assert np.concatenate(parts).tobytes() == losses.tobytes()
    assert_same_state(whole.state_dict(), cut.state_dict())


def test_stopped_and_gone_on_with(name, rule, dtype, tmp_path, assert_same_state):
    trainer = build(name, rule, dtype)
    x, y = data(140)
    trainer.learn(x[:67], y[:67])
    trainer.save(tmp_path / "a.safetensors")
    again = nbt.load(tmp_path / "a.safetensors", cell=trainer.cell)
    assert_same_state(trainer.state_dict(), again.state_dict())
    twins = [again, copy.copy(trainer)]
    losses = trainer.learn(x[67:], y[67:])
    for twin in twins:
        assert twin.learn(x[67:], y[67:]).tobytes() == losses.tobytes()
        assert_same_state(trainer.state_dict(), twin.state_dict())


def test_a_checkpoint_holds_no_functions(rule, tmp_path):
    build("ring", rule).save(tmp_path / "a.safetensors")
    with pytest.raises(nbt.CheckpointError, match=r"no checkpoint; expected nbt.load\(path, cell="):
        nbt.load(tmp_path / "a.safetensors")


def test_pickled_where_its_functions_are(name, rule):
    trainer = build(name, rule) if name == "ring" else None
    if trainer is None:
        pytest.skip("methods of a class bound to a phase are pickled like any other")
    trainer.learn(*data(9))
    twin = pickle.loads(pickle.dumps(trainer))
    assert twin.learn(*data(9)).tobytes() == trainer.learn(*data(9)).tobytes()


def test_looking_changes_nothing(name, rule, assert_same_state):
    looked_at, left_alone = build(name, rule), build(name, rule)
    x, y = data(10)
    for trainer in (looked_at, left_alone):
        trainer.learn(x, y)
    for _ in range(2):
        p = looked_at.predict(x[3])
        assert p.shape == (A,)
        assert abs(p.sum() - 1) < 1e-12
        looked_at.predict()
        looked_at.state_dict()
        assert "System(step=step" in repr(looked_at)
        if rule != "bptt":
            n, p = (len(part) for part in looked_at.cell.first_values())
            assert looked_at.influence().shape == (n, p)
    assert looked_at.learn(x, y).tobytes() == left_alone.learn(x, y).tobytes()
    assert_same_state(looked_at.state_dict(), left_alone.state_dict())
    ahead = looked_at.predict(x[0])
    looked_at.observe(x[:1], ...)
    assert ahead.tobytes() == looked_at.predict().tobytes()


def test_observing_learns_nothing(name, rule):
    trainer = build(name, rule)
    trainer.learn(*data(9))
    before = trainer.state_dict()
    trainer.observe(*data(9, seed=4))
    after = trainer.state_dict()
    for key in ("cell.theta", "readout.b", "readout.W", "optimizer.theta.J"):
        assert before[key].tobytes() == after[key].tobytes()
    assert (before["state.h"] != after["state.h"]).all()


@pytest.mark.parametrize("broken", ["step", "jvp", "vjp", "rows"])
@pytest.mark.parametrize("when", [0, 7])
def test_an_exception_of_the_users_undoes_the_call(broken, when, rule, assert_same_state):
    """It comes through as it was raised, and learning goes on as if the call had not been made."""
    calls, armed = [], []

    def failing(*arguments):
        calls.append(broken)
        if armed and len(calls) >= armed[0]:
            raise KeyError("mine")
        return getattr(systems.Ring, broken)(*arguments)

    trainer, untouched = build("ring", rule, **{broken: failing}), build("ring", rule)
    x, y = data(30)
    for one in (trainer, untouched):
        one.learn(x[:9], y[:9])
    if not calls:
        assert (broken, rule) in {
            ("jvp", "bptt"),
            ("vjp", "rtrl"),
            ("vjp", "nobacktrack"),
            ("vjp", "split"),
            ("vjp", "uoro"),
        }
        return
    before = trainer.state_dict()
    armed.append(len(calls) + 1 + when)
    with pytest.raises(KeyError, match="mine"):
        trainer.learn(x[9:], y[9:])
    assert_same_state(trainer.state_dict(), before)
    armed.clear()
    assert trainer.learn(x[9:], y[9:]).tobytes() == untouched.learn(x[9:], y[9:]).tobytes()
    assert_same_state(trainer.state_dict(), untouched.state_dict())


def counting(memory, left):
    """A ring beside counts, which fails where `left` has a number and that many steps are done."""

    def step(*arguments):
        for k in range(len(left)):
            left[k] -= 1
            if left[k] < 0:
                raise KeyError("mine")
        return systems.Ring.step(*arguments)

    readout = nbt.Softmax(A, counts=3, counts_memory=memory)
    return nbt.NoBackTrack(systems.ring(step=step), readout, SGD, inputs=2, seed=9)


@pytest.mark.parametrize("memory", [4096, 2**26])
@pytest.mark.parametrize("failed", [1, 40, 900])
def test_counts_of_a_failed_call_are_taken_back(memory, failed, assert_same_state):
    """Also where slots were given up and counts halved."""
    rng, left = np.random.default_rng(1), []
    y = np.where(rng.random(2400) < 0.7, 1, rng.integers(0, A, 2400))
    x = rng.normal(size=(2400, 2))
    broken, untouched = counting(memory, left), counting(memory, [])
    for one in (broken, untouched):
        one.learn(x[:600], y[:600])
    before = broken.state_dict()
    left.append(failed)
    with pytest.raises(KeyError, match="mine"):
        broken.learn(x[600:1700], y[600:1700])
    assert_same_state(broken.state_dict(), before)
    left.clear()
    assert broken.learn(x[600:], y[600:]).tobytes() == untouched.learn(x[600:], y[600:]).tobytes()
    assert_same_state(broken.state_dict(), untouched.state_dict())


def test_a_call_that_may_fail_keeps_only_the_counts_it_writes():
    trainer = counting(2**26, [])
    x, y = data(30)
    counts = trainer._live.learner.counts
    for steps in (20, 10):
        trainer.learn(x[:steps], y[:steps])
        assert 0 < counts.written <= 4 * steps


def returns(name, value):
    return {name: lambda *_: value}


BAD = [
    (returns("step", np.zeros(2)), ValueError, r"step: expected .* of shape \(3,\), got"),
    (returns("step", ["a", "b", "c"]), ValueError, "step: expected an array of real numbers"),
    (returns("jvp", np.zeros((3, 1))), ValueError, r"jvp: expected an array .* shape \(3, 1\)"),
    (returns("jvp", None), ValueError, "jvp: expected an array"),
    (returns("rows", np.zeros((3, 8))), TypeError, r"rows: expected \(indptr, indices, data\)"),
    (returns("rows", ([0, 1, 2, 3], [0, 1, 8], np.ones(3))), ValueError, "rows: expected indi"),
    (returns("rows", ([0, 1, 2, 3], [0, 1, -1], np.ones(3))), ValueError, r"in \[0, 8\), got -1"),
    (returns("rows", ([0, 2, 1, 3], [0, 1, 2], np.ones(3))), ValueError, "never fall"),
    (returns("rows", ([0, 1, 2, 4], [0, 1, 2], np.ones(3))), ValueError, "expected 4 indices"),
    (returns("rows", ([0, 1, 2, 3], [0, 1, 2.0], np.ones(3))), TypeError, "expected integers in"),
    (returns("rows", ([0, 1, 2, 3], [0, 1, 2**32], np.ones(3))), ValueError, r"in \[0, 8\)"),
    (returns("rows", ([0, 1, 2, 3], [0, 1, 1 - 2**32], np.ones(3))), ValueError, r"in \[0, 8\)"),
    (returns("rows", ([0, 4, 8, 12], np.arange(12) % 8, np.ones(12))), ValueError, "at most 11 e"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_what_a_function_returns_is_checked(case, assert_same_state):
    changes, error, message = BAD[case]
    trainer = build("ring", "nobacktrack", **changes)
    before = trainer.state_dict()
    with pytest.raises(error, match=message):
        trainer.learn(*data(5))
    assert_same_state(trainer.state_dict(), before)


def test_csr_arrays_of_any_kind():
    """Attributes as scipy.sparse has them, lists, wide and narrow integers, integers as data."""

    class Sparse:
        def __init__(self, indptr, indices, data):
            self.indptr, self.indices, self.data = indptr, indices, data

    def lists(*arguments):
        return tuple(part.tolist() for part in systems.Ring.rows(*arguments))

    kinds = [
        lambda *a: Sparse(*systems.Ring.rows(*a)),
        lists,
        lambda *a: tuple(
            part.astype(k)
            for part, k in zip(systems.Ring.rows(*a), ("u1", "i2", "f8"), strict=True)
        ),
    ]
    states = []
    for rows in (systems.Ring.rows, *kinds):
        trainer = build("ring", "nobacktrack", rows=rows)
        trainer.learn(*data(20))
        states.append(trainer.state_dict()["cell.theta"].tobytes())
    assert len(set(states)) == 1


def test_arguments_are_read_only():
    def greedy(h, x, theta):
        theta += 1
        return h

    with pytest.raises(ValueError, match="read-only"):
        build("ring", "rtrl", step=greedy).learn(*data(2))


def test_arrays_have_the_trainers_dtype(dtype):
    seen = set()

    def spy(h, x, theta):
        seen.update((part.dtype.name, part.shape, part.flags.writeable) for part in (h, x, theta))
        return systems.Ring.step(h, x, theta)

    build("ring", "rtrl", dtype, step=spy).learn(*data(2))
    assert seen == {(dtype, (size,), False) for size in (3, 2, 8)}


def test_a_function_that_calls_its_trainer_is_refused():
    def nosy(h, x, theta):
        trainer.predict()

    trainer = build("ring", "rtrl", step=nosy)
    with pytest.raises(RuntimeError, match="in use by another call"):
        trainer.learn(*data(2))


def test_divergence_names_its_step():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        trainer = build("ring", "nobacktrack", optimizer=nbt.SGD(1e300))
        with pytest.raises(nbt.DivergenceError, match="after step"):
            trainer.learn(*data(50))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", ["none", "euclidean"])
@pytest.mark.parametrize("kind", ["graph", "ring"])
def test_divergence_is_seen_before_a_call_returns(kind, norm, dtype):
    """SGD with steps far too large: no call leaves a state behind that is not finite. Once where
    each parameter acts on one unit, once where they share some."""
    cell = systems.ring() if kind == "ring" else nbt.RNN(5, graph=nbt.Graph.random(5, 2))
    largest = float(np.finfo(dtype).max)
    for rate in (largest / 4, largest**0.5, largest**0.75):
        trainer = nbt.NoBackTrack(
            cell, nbt.Softmax(2), nbt.SGD(rate), norm=norm, inputs=2, dtype=dtype,
            blocks=1, exact_self=False,
        )  # fmt: skip
        x, y = data(400)
        y %= 2
        diverged = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for t in range(400):
                try:
                    trainer.learn(x[t : t + 1], y[t : t + 1])
                except nbt.DivergenceError:
                    diverged = True
                    break
                for key, value in trainer.state_dict().items():
                    assert np.isfinite(value).all(), f"{key} after step {t}"
        assert diverged or rate < largest / 4


def test_bad_arguments():
    system = systems.ring()
    with pytest.raises(ValueError, match="blocks: expected 1 for a system"):
        nbt.NoBackTrack(system, nbt.Softmax(2), blocks=3)
    with pytest.raises(ValueError, match="exact_self: expected False for a system"):
        nbt.NoBackTrack(system, nbt.Softmax(2), exact_self=True)
    with pytest.raises(TypeError, match=r"state: expected System\(state=...\)"):
        nbt.RTRL(systems.ring(state=None), nbt.Softmax(2))
    with pytest.raises(TypeError, match=r"vjp: expected System\(vjp=...\)"):
        nbt.TruncatedBPTT(systems.ring(vjp=None), nbt.Softmax(2))
    with pytest.raises(TypeError, match="cell: expected a cell"):
        nbt.RTRL("RNN", nbt.Softmax(2))
    for starts in ([1, 2], [0, 0], [0, 8], [[0]], []):
        with pytest.raises(ValueError, match="starts: expected rising integers"):
            systems.ring(starts=starts)
    with pytest.raises(TypeError, match="inputs: expected 2, as many as the system"):
        nbt.RTRL(system, nbt.Softmax(2)).grow(3)


EDITS = [
    ({"cell.theta": np.zeros(7)}, "cell.theta: expected shape"),
    ({"estimator.rows.indices": np.full(11, 8)}, "columns in"),
    ({"estimator.rows.indices": np.zeros(11, int)}, "each column once in a row"),
    ({"estimator.rows.indptr": np.array([0, 4, 8, 12])}, "expected 12 columns"),
    ({"estimator.rows.indptr": np.array([0, 8, 4, 11])}, "never fall"),
    ({"estimator.rows.data": np.full(11, np.nan)}, "finite"),
    ({"estimator.rows.data": np.zeros(3)}, "expected shape"),
]


@pytest.mark.parametrize("case", range(len(EDITS)))
def test_an_edited_state_is_checked(case, assert_same_state):
    edit, message = EDITS[case]
    trainer = build("ring", "nobacktrack")
    trainer.learn(*data(5))
    before = trainer.state_dict()
    with pytest.raises(ValueError, match=message):
        trainer.load_state_dict(before | edit)
    assert_same_state(trainer.state_dict(), before)
    lacking = {key: value for key, value in before.items() if key != "estimator.rows.data"}
    with pytest.raises(ValueError, match="lacks"):
        trainer.load_state_dict(lacking)
