"""A divergence names the number that left its range."""

import pickle

import numpy as np
import pytest
from helpers import systems

import nbt
from nbt import divergence

STATE = {
    "cell.W": np.ones((2, 3)),
    "readout.b": np.ones(4),
    "state.h": np.ones(3),
    "optimizer.theta.J": np.ones((6, 3)),
    "estimator.v": np.ones((1, 2, 3)),
    "estimator.z": np.ones(0),
    "step": np.uint64(8),
    "window.x": np.full(3, -1, np.int32),
}


def named(edits, loss=None):
    state = {key: value.copy() for key, value in STATE.items()}
    for key, index, value in edits:
        state[key][index] = value
    error = nbt.DivergenceError("something", 7, position=2, loss=loss)
    return divergence.named(error, state)


J, H, V = "optimizer.theta.J", "state.h", "estimator.v"


@pytest.mark.parametrize(
    ("edits", "loss", "array", "index", "words"),
    [
        ([(H, 1, np.inf)], None, H, (1,), "state.h[1] is inf"),
        ([(H, 1, np.inf), (J, (4, 2), np.inf)], np.nan, J, (4, 2), "J[4, 2] is inf"),
        ([(J, (4, 2), -np.inf), (V, (0, 1, 2), np.nan)], 1.0, J, (4, 2), "J[4, 2] is -inf"),
        ([(J, (4, 2), np.nan), (V, (0, 1, 2), np.nan)], 1.0, V, (0, 1, 2), "v[0, 1, 2] is nan"),
        ([(J, (4, 2), np.nan)], np.inf, None, None, "the loss is inf"),
        ([(J, (4, 2), -3e38)], 1.0, J, (4, 2), "J[4, 2] is -3e+38, too large"),
    ],
)
def test_what_is_named(edits, loss, array, index, words):
    """Infinite before NaN, the estimate before J before the state; the largest if all is finite."""
    error = named(edits, loss)
    assert (error.array, error.index) == (array, index)
    assert words in str(error)
    assert str(error).endswith("after step 7, x[2] of the chunk")
    assert (error.step, error.position) == (7, 2)


def test_an_error_is_pickled_whole():
    error = named([(J, (4, 2), np.inf)], 0.5)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert vars(again) == vars(error)


RULES = {
    "exact self": (nbt.NoBackTrack, {}),
    "window": (nbt.NoBackTrack, {"window": 2}),
    "rank 2": (nbt.NoBackTrack, {"rank": 2, "blocks": 3, "norm": "euclidean"}),
    "paper's": (nbt.NoBackTrack, {"exact_self": False, "blocks": 1, "norm": "euclidean"}),
    "RTRL": (nbt.RTRL, {}),
    "RTRL on a graph": (nbt.RTRL, {}),
    "a pair on a graph": (nbt.NoBackTrack, {}),
    "plain, on a graph": (nbt.NoBackTrack, {"norm": "none"}),
    "rank 2 on a graph": (nbt.NoBackTrack, {"rank": 2, "norm": "euclidean"}),
    "shared, on a graph": (nbt.NoBackTrack, {"rank": 2, "split": "blocks"}),
}


@pytest.mark.parametrize("symbols", [3, 30])
@pytest.mark.parametrize("optimizer", [nbt.SGD(0.0), nbt.Kalman()])
@pytest.mark.parametrize("name", RULES)
def test_an_estimate_that_grows_is_named(name, optimizer, symbols):
    """tanh bounds h, and nothing is learned: nothing else can leave its range. The state was sound
    before that step."""
    rule, own = RULES[name]
    graph = np.ones((4, 4), bool) if "graph" in name else None
    cell = nbt.RNN(4, activation="tanh", graph=graph)
    trainer = rule(cell, nbt.Softmax(symbols), optimizer, **own)
    state = trainer.state_dict()
    W = np.eye(4) * 3 + 1
    state |= {"cell.W": W.reshape(state["cell.W"].shape), "cell.r": 0 * state["cell.r"]}
    trainer.load_state_dict(state | {"state.h": np.zeros(4)})
    x = np.random.default_rng(0).integers(0, symbols, 5000)
    trainer.observe(x[:10])
    before = trainer.state_dict()
    with pytest.raises(nbt.DivergenceError) as caught:
        trainer.observe(x[10:])
    error = caught.value
    assert error.array.split(".")[0] in ("estimator", "window")
    assert error.position == error.step - 10
    assert np.isfinite(error.loss)
    trainer.load_state_dict(before)
    trainer.observe(x[10 : error.step])
    assert all(np.isfinite(value).all() for value in trainer.state_dict().values())


def test_a_sum_of_squares_that_overflows_is_that_of_the_unit_at_fault():
    """J of unit 2 takes in a gradient whose square is beyond float32."""
    trainer = nbt.NoBackTrack(nbt.RNN(5), nbt.Softmax(3), nbt.Kalman())
    trainer.learn([0, 1, 2])
    state = trainer.state_dict()
    state["estimator.d"][4, 2] = 1e22
    state["estimator.w"][:] = 0
    trainer.load_state_dict(state)
    with pytest.raises(nbt.DivergenceError) as caught:
        trainer.learn([1, 0])
    assert caught.value.array == J
    assert caught.value.index == (4, 2)


@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_parameters_of_a_system_are_named(rule):
    trainer = rule(
        systems.ring(), nbt.Softmax(2), nbt.SGD(1e300), inputs=nbt.Vector(2, False), dtype="float64"
    )
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"), pytest.raises(nbt.DivergenceError) as caught:
        trainer.learn(rng.normal(size=(50, 2)), rng.integers(0, 2, 50))
    error = caught.value
    assert f"{error.array}[" in str(error)
    value = trainer.state_dict()[error.array][error.index]
    assert not np.isfinite(value) or (abs(value) > 1e299 and ", too large" in str(error))


@pytest.mark.parametrize("rule", ["RTRL", "paper's", "window"])
@pytest.mark.parametrize(("rate", "sound"), [(1e17, True), (1e38, True), (3e38, False)])
def test_a_step_of_the_readout_that_is_too_large(rule, rate, sound):
    """As large as numbers are, and no larger; nothing else moves, as φ = 0 and so H = 0."""
    rule, own = RULES[rule]
    trainer = rule(nbt.RNN(4), nbt.Softmax(3), nbt.SGD(rate), **own)
    state = trainer.state_dict()
    start = {"readout.W": np.zeros_like(state["readout.W"]), "readout.b": np.full(3, 3e38)}
    if sound:
        start["readout.b"] *= 0
    trainer.load_state_dict(state | start)
    if sound:
        assert np.isfinite(trainer.learn([1])).all()
        assert np.abs(trainer.state_dict()["readout.b"]).max() == pytest.approx(rate * 2 / 3)
        return
    with pytest.raises(nbt.DivergenceError, match=r"readout\.b\[1\] is inf"):
        trainer.learn([1])


def test_without_targets_and_along_a_block():
    """No loss, and h leaves its range with the input that is too large for it."""
    trainer = nbt.RTRL(nbt.LeakyRNN(3), nbt.Softmax(2), inputs=nbt.Vector(2, False))
    trainer.load_state_dict(trainer.state_dict() | {"cell.r": [[1e6] * 3, [0.5] * 3]})
    x = np.ones((50, 2))
    x[20, 0] = 1e35
    for verb, arguments in (("predict_along", ()), ("observe", (...,))):
        with pytest.raises(nbt.DivergenceError, match=r"^state\.h\[0\] is inf after") as caught:
            getattr(trainer, verb)(x, *arguments)
        error = caught.value
        assert (error.loss, error.array, error.position) == (None, "state.h", 20)


@pytest.mark.parametrize("reduction", ["quasi-diagonal", "diagonal", "block", "full"])
@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_a_covariance_that_overflows_is_named(rule, reduction):
    """The loss is finite, the gradient too, but not its square; the step it makes is 0."""
    own = {nbt.TruncatedBPTT: {"window": 1}, nbt.NoBackTrack: {"norm": "euclidean"}}.get(rule, {})
    optimizer = nbt.Kalman(reduction=reduction, outlier=None)
    trainer = rule(nbt.LeakyRNN(3), nbt.Gaussian(1, False), optimizer, dtype="float64", **own)
    state = trainer.state_dict()
    small = {"readout.b": [0, -40], "readout.W": [[1, 0], [2, 0], [-1, 0]]}  # the variance
    trainer.load_state_dict(state | small)
    name = r"optimizer\.theta\.(J|blocks)\[.*inf"
    with pytest.raises(nbt.DivergenceError, match=name) as caught:
        trainer.learn([0, 1e150])
    assert np.isfinite(caught.value.loss)


@pytest.mark.parametrize("graph", [None, np.ones((3, 3))])
def test_a_norm_that_overflows_is_named_in_its_own_step(graph):
    """The gradient of a target that comes after its input: its square is for the next step."""
    cell = nbt.LeakyRNN(3, graph=graph)
    trainer = nbt.NoBackTrack(
        cell, nbt.Bernoulli(1), nbt.SGD(0.0), inputs=nbt.Vector(1, False), dtype="float32"
    )
    state = trainer.state_dict()
    trainer.load_state_dict(state | {"readout.W": np.full((3, 1), 1e22)})
    with pytest.raises(nbt.DivergenceError, match=r"estimator\.fisher\[0\] is inf") as caught:
        trainer.learn([0.5], [0.5])
    assert np.isfinite(caught.value.loss)
