"""Each of θ and φ by an optimizer of its own: C against the oracle, and what follows from the
equations."""

import itertools

import numpy as np
import pytest
from helpers.pairs import FEW, TOLERANCE, few

import nbt

KINDS = ("sgd", "kalman", "adam")
PAIRS = list(itertools.product(KINDS, KINDS))
MIXED = [pair for pair in PAIRS if pair[0] != pair[1]]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("optimizer", "readout_optimizer"), MIXED)
@pytest.mark.parametrize("name", FEW)
def test_any_two(name, optimizer, readout_optimizer, dtype):
    for seed, inputs in enumerate(("own", "vector")):
        pair = few(
            name,
            optimizer,
            readout_optimizer=readout_optimizer,
            dtype=dtype,
            inputs=inputs,
            seed=seed,
        )
        assert not pair.follow(9), inputs


@pytest.mark.parametrize("readout", ["gaussian", "bernoulli"])
@pytest.mark.parametrize(("optimizer", "readout_optimizer"), [*MIXED, ("adam", "adam")])
@pytest.mark.parametrize("name", ["default", "rtrl", "bptt"])
def test_numbers(name, optimizer, readout_optimizer, readout):
    """The readout's method decides what its gradient is where targets are standardised, and whether
    J takes the readout's own information."""
    for standardize in (False, True):
        pair = few(
            name,
            optimizer,
            readout_optimizer=readout_optimizer,
            readout=readout,
            inputs="vector",
            standardize=standardize,
            missing="mask",
        )
        assert not pair.follow(9), standardize


# ---- what follows from Adam's equations ----------------------------------------------------------


def made(b1=0.9, b2=0.9999, rate=0.01, kind=nbt.RTRL, **own):
    adam = nbt.Adam(rate, b1, b2)
    own = {"dtype": "float64", **own}
    return kind(nbt.RNN(7), nbt.Softmax(5), adam, readout_optimizer=adam, **own)


@pytest.mark.parametrize("kind", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_without_memory_it_steps_by_the_sign(kind):
    """b1 = b2 = 0: θ ← θ - η g / √(g² + 10⁻⁶)."""
    own = {"window": 1} if kind is nbt.TruncatedBPTT else {}
    trainer = made(0, 0, kind=kind, **own)
    before, g = trainer.state_dict()["readout.b"], trainer.predict()
    g[3] -= 1
    trainer.learn([3])
    after = trainer.state_dict()["readout.b"]
    np.testing.assert_allclose(after, before - 0.01 * g / np.sqrt(g**2 + 1e-6), rtol=1e-12)


def test_the_first_step_is_that_of_the_sign():
    """Both means are complete from the beginning, so that no update is small for being early."""
    trainer = made(0.9, 0.9999)
    before, g = trainer.state_dict()["readout.b"], trainer.predict()
    g[3] -= 1
    trainer.learn([3])
    np.testing.assert_allclose(
        trainer.state_dict()["readout.b"], before - 0.01 * g / np.sqrt(g**2 + 1e-6), rtol=1e-9
    )


@pytest.mark.parametrize("isa", nbt.build_info()["isas"])
def test_a_step_of_float32_is_right_to_some_roundings(isa, monkeypatch):
    """Its root is a machine's guess that is made better once (lanes_twice_per_root)."""
    monkeypatch.setenv("NBT_ISA", isa)
    trainer = made(rate=nbt.Constant(0.5), dtype="float32")
    state, random = trainer.state_dict(), np.random.default_rng(1)
    means = {mean: state[f"optimizer.phi.{mean}"] for mean in "mv"}
    means["m"][:] = random.normal(size=means["m"].shape)
    means["v"][:] = 10 ** random.uniform(-14, 37, means["v"].shape)
    state["readout.b"][:] = state["readout.W"][:] = 0
    state["optimizer.phi.updates"][...] = 10**6
    trainer.load_state_dict(state)
    trainer.learn([3])
    after = trainer.state_dict()
    m, v = (after[f"optimizer.phi.{mean}"].astype("f8") for mean in "mv")
    phi = np.vstack([after["readout.b"], after["readout.W"]])
    np.testing.assert_allclose(phi, -0.5 * m / np.sqrt(v + 1e-6), rtol=1e-6)


def test_updates_are_counted_not_steps():
    trainer = made(kind=nbt.TruncatedBPTT, window=4)
    trainer.learn([0, 1, 2] * 3)
    state = trainer.state_dict()
    assert trainer.step == 9
    assert state["optimizer.theta.updates"] == state["optimizer.phi.updates"] == 2
    trainer.observe([0, 1, 2] * 3)
    again = trainer.state_dict()
    for name in ("theta", "phi"):
        for key in ("m", "v", "updates"):
            np.testing.assert_array_equal(
                again[f"optimizer.{name}.{key}"], state[f"optimizer.{name}.{key}"]
            )


def test_rate_and_decay_are_those_of_the_step():
    """Each part follows its own schedule."""
    for first, second in itertools.product((nbt.Constant(0.0), nbt.InverseSqrt(0.1)), repeat=2):
        trainer = nbt.NoBackTrack(
            nbt.RNN(7), nbt.Softmax(5), nbt.SGD(first), readout_optimizer=nbt.Adam(second)
        )
        state = trainer.state_dict()
        state["readout.W"][:] = np.random.default_rng(1).normal(size=(7, 5))
        trainer.load_state_dict(state)
        trainer.learn([0, 1])
        before = trainer.parameters
        trainer.learn([2, 3, 1])
        moved = {key: (value != before[key]).any() for key, value in trainer.parameters.items()}
        assert moved["cell.W"] == (first != nbt.Constant(0.0))
        assert moved["readout.W"] == (second != nbt.Constant(0.0))


# ---- what a trainer says of them -----------------------------------------------------------------


def test_the_readouts_default():
    """The network's optimizer; beside Adam, a Kalman filter."""
    values = nbt.RNN(7), nbt.Softmax(5)
    for optimizer in (nbt.SGD(), nbt.Kalman(0.3)):
        trainer = nbt.NoBackTrack(*values, optimizer)
        assert trainer.readout_optimizer == optimizer
        assert "readout_optimizer" not in trainer.describe()
    trainer = nbt.NoBackTrack(*values, nbt.Adam())
    assert trainer.optimizer == nbt.Adam()
    assert trainer.readout_optimizer == nbt.Kalman(nbt.InverseSqrt(0.02))
    assert trainer.describe()["readout_optimizer"]["decay"]["scale"] == 0.02
    same = nbt.NoBackTrack(*values, nbt.Adam(), readout_optimizer=nbt.Adam())
    assert nbt.trainers.from_description(same.describe()).readout_optimizer == nbt.Adam()


@pytest.mark.parametrize(("optimizer", "readout_optimizer"), PAIRS)
def test_text_and_description(optimizer, readout_optimizer):
    trainer = few("default", optimizer, readout_optimizer=readout_optimizer).trainer
    for again in (
        nbt.trainers.from_description(trainer.describe()),
        eval(repr(trainer), vars(nbt)),
    ):
        assert again.optimizer == trainer.optimizer
        assert again.readout_optimizer == trainer.readout_optimizer
        again.load_state_dict(trainer.state_dict())
        assert again.learn([0, 1, 2]).tobytes() == trainer.learn([0, 1, 2]).tobytes()
        assert again.describe() == trainer.describe()


def test_what_is_refused():
    values = nbt.RNN(7), nbt.Softmax(5)
    for wrong in ({"b1": 1}, {"b1": -0.1}, {"b2": 1.0}, {"b2": float("nan")}, {"rate": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            nbt.Adam(**wrong)
    with pytest.raises(TypeError, match="b2: expected a number"):
        nbt.Adam(b2="high")
    with pytest.raises(TypeError, match="readout_optimizer: expected SGD or Kalman or Adam, got 0"):
        nbt.RTRL(*values, readout_optimizer=0)
    with pytest.raises(ValueError, match=r"norm: 'kalman' .* which Adam does not have"):
        nbt.NoBackTrack(*values, nbt.Adam(), norm="kalman")
    with pytest.raises(ValueError, match="readout_optimizer: expected the reduction"):
        nbt.RTRL(*values, nbt.Kalman(reduction="block"), readout_optimizer=nbt.Adam())
    with pytest.raises(ValueError, match="readout_optimizer: expected the reduction"):
        nbt.RTRL(*values, nbt.Adam(), readout_optimizer=nbt.Kalman(fisher="exact"))
    trainer = made()
    state = trainer.state_dict()
    for key, value, error in (
        ("optimizer.theta.v", -state["optimizer.theta.v"] - 1, "means of squares"),
        ("optimizer.phi.updates", np.array(-1), "expected an integer in"),
    ):
        with pytest.raises(ValueError, match=error):
            trainer.load_state_dict(state | {key: value})


def test_an_older_description_has_one_optimizer():
    for optimizer in (nbt.SGD(0.1), nbt.Kalman(nbt.InverseSqrt(0.3))):
        described = nbt.RTRL(nbt.RNN(7), nbt.Softmax(5), optimizer).describe()
        assert set(described) == {
            *("trainer", "cell", "readout", "optimizer", "inputs", "dtype", "seed"),
        }
        assert "after" not in str(described)  # as files of 0.1.0
        again = nbt.trainers.from_description(described)
        assert again.optimizer == again.readout_optimizer == optimizer


# ---- saved, grown --------------------------------------------------------------------------------

CELLS = {
    "dense": nbt.LeakyRNN(7),
    "graph": nbt.LeakyRNN(7, graph=nbt.Graph.random(7, 3)),
    "stack": nbt.Stack([nbt.RNN(4), nbt.RNN(3)]),
}


@pytest.mark.parametrize("kind", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
@pytest.mark.parametrize("cell", CELLS)
def test_resume_to_the_bit(tmp_path, cell, kind):
    rng = np.random.default_rng(5)
    values = CELLS[cell], nbt.Gaussian(2), nbt.Adam(0.01, 0.8, 0.99)
    for other in (None, nbt.Adam(0.02), nbt.SGD(0.01)):
        trainer = kind(*values, readout_optimizer=other, inputs=3)
        x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
        trainer.learn(x[:21], y[:21])
        trainer.save(tmp_path / "x.safetensors")
        loaded = nbt.load(tmp_path / "x.safetensors")
        assert loaded.readout_optimizer == trainer.readout_optimizer
        expected = trainer.learn(x[21:], y[21:])
        assert loaded.learn(x[21:], y[21:]).tobytes() == expected.tobytes()
        assert all(
            value.tobytes() == trainer.state_dict()[key].tobytes()
            for key, value in loaded.state_dict().items()
        )


@pytest.mark.parametrize("cell", CELLS)
def test_grown_it_knows_what_it_knew(cell):
    """What is new has no gradient behind it: m and v are 0, and updates go on counting."""
    adam = nbt.Adam(0.01)
    trainer = nbt.NoBackTrack(CELLS[cell], nbt.Softmax(5), adam, readout_optimizer=adam)
    trainer.learn(np.random.default_rng(6).integers(0, 5, 30))
    before = trainer.state_dict()
    trainer.grow(8)
    after = trainer.state_dict()
    assert after["optimizer.phi.updates"] == after["optimizer.theta.updates"] == 30
    for key in "mv":
        phi, old = after[f"optimizer.phi.{key}"], before[f"optimizer.phi.{key}"]
        np.testing.assert_array_equal(phi[:, :5], old)
        assert not phi[:, 5:].any()
        theta, old = (state[f"optimizer.theta.{key}"] for state in (after, before))
        assert theta.size > old.size
        np.testing.assert_array_equal(theta[theta != 0], old[old != 0])
    trainer.learn([7, 6, 5, 0, 1])
    assert trainer.state_dict()["optimizer.theta.updates"] == 35
