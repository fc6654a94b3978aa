"""Longer input vectors; predictions along a block; the short way into C of one vector."""

import copy

import numpy as np
import pytest
from helpers.refusals import expect
from helpers.subjects import INPUTS, SUBJECTS

import nbt

FED_VECTORS = [subject for subject in SUBJECTS if subject.inputs == "vector"]


@pytest.mark.parametrize("subject", [one for one in FED_VECTORS if one.rule != "fixed"], ids=str)
def test_longer_vectors_leave_what_is_known(subject):
    x, y = subject.data(33)
    trainer = subject.build()
    trainer.learn(x, y)
    before, known = trainer.state_dict(), trainer.predict(x[:1])
    trainer.grow(inputs=INPUTS + 2)
    wide = np.hstack([x, np.full((33, 2), 3.0)])
    if subject.by_units:
        assert (trainer.predict(wide[:1]) == known).all()
    else:  # sums over more numbers are taken in another order
        np.testing.assert_allclose(trainer.predict(wide[:1]), known, rtol=1e-5)
    for key, value in trainer.state_dict().items() if subject.by_units else ():
        where = tuple(slice(0, size) for size in before[key].shape)
        assert value[where].tobytes() == before[key].tobytes(), key
        rest = value.copy()
        rest[where] = 0
        if key == "optimizer.phi.P":  # of the new weights: the prior's, and none with the others
            assert (np.diag(rest)[len(before[key]) :] == 1 / nbt.optimizers.SHARED_PRIOR).all()
            rest -= np.diag(np.diag(rest))
        assert not rest.any(), key
    trainer.learn(wide, y)
    if subject.cell == "dense":
        assert trainer.state_dict()["cell.r"][INPUTS:].any()
    assert trainer.inputs == nbt.Vector(INPUTS + 2, False)


@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
@pytest.mark.parametrize(
    "cell", [nbt.Stack([nbt.RNN(4), nbt.LeakyRNN(3)]), nbt.LeakyRNN(5, learn_leak=True)], ids=repr
)
def test_longer_vectors_of_other_cells(cell, rule):
    """What was known predicts and learns as before where the new numbers are 0."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), rng.integers(3, size=30)
    wide = np.hstack([x, np.zeros((30, 3))])
    vector = nbt.Vector(2, standardize=True)
    trainer = rule(cell, nbt.Softmax(3), nbt.SGD(nbt.Constant(0.1)), inputs=vector)
    trainer.learn(x[:20], y[:20])
    other = copy.deepcopy(trainer)
    other.grow(inputs=5)
    assert (other.predict(wide[:1]) == trainer.predict(x[:1])).all()
    other.learn(wide[20:], y[20:])
    trainer.learn(x[20:], y[20:])
    np.testing.assert_allclose(other.predict(wide[:1]), trainer.predict(x[:1]), rtol=1e-5)
    assert other.state_dict()["inputs.count"].tolist() == [30, 30, 10, 10, 10]


def test_longer_vectors_are_standardised():
    vector = nbt.Vector(2, standardize=True)
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(3), inputs=vector)
    trainer.learn(np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 3)
    trainer.grow(4, inputs=3)
    assert trainer.inputs == nbt.Vector(3, standardize=True)
    assert trainer.readout == nbt.Softmax(4)
    trainer.learn(np.random.default_rng(0).normal(7, 2, size=(20, 3)), np.arange(20) % 4)
    state = trainer.state_dict()
    assert state["inputs.count"].tolist() == [40, 40, 20]
    assert state["inputs.mean"][2] == pytest.approx(7, abs=2)


@pytest.mark.parametrize("inputs", [2, 0, -1, 2.0, "5", True])
def test_vectors_that_are_refused(inputs, assert_same_state):
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(5), inputs=nbt.Vector(3, False))
    before = trainer.state_dict()
    with pytest.raises((TypeError, ValueError), match="inputs"):
        trainer.grow(inputs=inputs)
    assert_same_state(trainer.state_dict(), before)
    expect(TypeError, "inputs", lambda: nbt.RTRL(nbt.RNN(4), nbt.Softmax(5)).grow(inputs=6))


def test_predictions_along_a_block(subject, assert_same_state):
    x, y = subject.data(40, form="pairs")
    trainer = subject.build()
    trainer.learn(x[:20], y[:20])
    before = trainer.state_dict()
    along = trainer.predict_along(x[20:])
    assert_same_state(trainer.state_dict(), before)
    for k in range(20, 40):
        one = x[k] if np.ndim(x[k]) == 0 else x[k : k + 1]
        expected = trainer.predict(one)
        np.testing.assert_allclose(along[k - 20], expected, rtol=1e-5, atol=1e-7)
        of_targets = subject.readout == "counts" and subject.inputs != "own"
        trainer.observe(x[k : k + 1], ... if of_targets else y[k : k + 1])  # moves no context
    assert trainer.predict_along(x[:0]).shape == (0, *np.shape(trainer.predict()))


ODD = {
    "whole": lambda x: x,
    "transposed": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "other type": lambda x: x.astype(np.float64 if x.dtype == np.float32 else np.float32),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("layout", ODD)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_layout_is_the_same_vector(layout, dtype, assert_same_state):
    rng = np.random.default_rng(0)
    x = rng.integers(-8, 8, size=(6, 3)).astype(dtype) / 4
    y = rng.integers(-8, 8, size=(6, 2)).astype(dtype) / 4
    states = []
    for form in ("whole", layout):
        trainer = nbt.NoBackTrack(
            nbt.RNN(4), nbt.Gaussian(2, False), inputs=nbt.Vector(3, False), dtype=dtype
        )
        trainer.learn(ODD[form](x), ODD[form](y))
        states.append(trainer.state_dict())
    assert_same_state(*states)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("missing", ["error", "mask"])
def test_bad_numbers_are_refused_however_they_come(missing, dtype, assert_same_state):
    trainer = nbt.NoBackTrack(
        nbt.RNN(4),
        nbt.Gaussian(1, False),
        inputs=nbt.Vector(1, False),
        dtype=dtype,
        missing=missing,
    )
    trainer.learn([1.0, 2.0], [3.0, 1.0])
    before = trainer.state_dict()
    good = np.ones((1, 1), dtype)
    bad = [np.inf, -np.inf] + [np.nan] * (missing == "error") + [1e300] * (dtype == "float32")
    for value in bad:
        with np.errstate(over="ignore"):
            array = np.full((1, 1), value).astype(dtype)
        for one in (value, array):
            for call in (
                lambda one=one: trainer.learn(one, good),
                lambda one=one: trainer.learn(good, one),
                lambda one=one: trainer.observe(one, 1.0),
                lambda one=one: trainer.predict(one),
                lambda one=one: trainer.predict_along(one),
            ):
                expect(ValueError, "expected finite", call)
    assert_same_state(trainer.state_dict(), before)
