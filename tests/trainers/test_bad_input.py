"""What Python passes is checked before anything moves.

Two tables. Bad calls: each raises exactly the class written beside it, with a message that names
the argument, and leaves every bit of the state as it was. Odd calls: unusual but sound; each does
what the plain call does, and does not touch what it was given.
"""

import array as plain_array
import copy
import decimal
import fractions
import threading
import time
import types

import numpy as np
import pytest
from helpers.refusals import expect, numbered

import nbt
from nbt.trainers import from_description

SYMBOLS, INPUTS, UNITS = 5, 3, 4

# ---- values and trainers that cannot be made ---------------------------------------------------

NAN, INF = float("nan"), float("inf")
CELL, READOUT, SGD = nbt.RNN(UNITS), nbt.Softmax(SYMBOLS), nbt.SGD(0.1)

VALUES = [
    # argument, exception, call
    ("units", TypeError, lambda: nbt.RNN()),
    ("units", TypeError, lambda: nbt.RNN(None)),
    ("units", TypeError, lambda: nbt.RNN("20")),
    ("units", TypeError, lambda: nbt.RNN(20.0)),
    ("units", TypeError, lambda: nbt.RNN(True)),
    ("units", TypeError, lambda: nbt.RNN(np.True_)),
    ("units", TypeError, lambda: nbt.RNN([20])),
    ("units", TypeError, lambda: nbt.RNN(np.array([1, 2]))),
    ("units", TypeError, lambda: nbt.RNN(np.array(2.0))),
    ("units", ValueError, lambda: nbt.RNN(0)),
    ("units", ValueError, lambda: nbt.RNN(-1)),
    ("units", ValueError, lambda: nbt.RNN(2**31)),
    ("units", ValueError, lambda: nbt.RNN(2**64)),
    ("units", ValueError, lambda: nbt.LeakyRNN(0)),
    ("units", TypeError, lambda: nbt.LeakyRNN(1j)),
    ("activation", TypeError, lambda: nbt.RNN(3, None)),
    ("activation", TypeError, lambda: nbt.RNN(3, activation=b"tanh")),
    ("activation", ValueError, lambda: nbt.RNN(3, activation="relu")),
    ("activation", ValueError, lambda: nbt.RNN(3, activation="Tanh")),
    ("activation", ValueError, lambda: nbt.LeakyRNN(3, activation="")),
    ("leak", TypeError, lambda: nbt.LeakyRNN(3, leak=None)),
    ("leak", TypeError, lambda: nbt.LeakyRNN(3, leak=True)),
    ("leak", TypeError, lambda: nbt.LeakyRNN(3, leak={0.5})),
    ("leak", TypeError, lambda: nbt.LeakyRNN(3, leak=0.5j)),
    ("leak", TypeError, lambda: nbt.LeakyRNN(3, leak=["a", "b", "c"])),
    ("leak", TypeError, lambda: nbt.LeakyRNN(3, leak=[None, 0.5, 0.5])),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak="zufällig")),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak=1.5)),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak=-1e-9)),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak=NAN)),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak=[0.5, 0.5])),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak=[])),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak=np.full((3, 1), 0.5))),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak=[0.5, 0.5, 2.0])),
    ("leak", ValueError, lambda: nbt.LeakyRNN(3, leak=[0.5, NAN, 0.5])),
    ("leak", TypeError, lambda: nbt.LeakyRNN(3, leak=[[0.5], [0.5, 0.5], 0.5])),
    ("symbols", TypeError, lambda: nbt.Softmax("abc")),
    ("symbols", TypeError, lambda: nbt.Softmax(2.5)),
    ("symbols", ValueError, lambda: nbt.Softmax(0)),
    ("symbols", ValueError, lambda: nbt.Softmax(2**31)),
    ("size", ValueError, lambda: nbt.Symbols(0)),
    ("size", TypeError, lambda: nbt.Symbols(None)),
    ("size", ValueError, lambda: nbt.Vector(-3)),
    ("size", TypeError, lambda: nbt.Vector(False)),
    ("rate", TypeError, lambda: nbt.SGD(None)),
    ("rate", TypeError, lambda: nbt.SGD("0.1")),
    ("rate", TypeError, lambda: nbt.SGD(True)),
    ("rate", TypeError, lambda: nbt.SGD(np.array([0.1]))),
    ("rate", TypeError, lambda: nbt.SGD(decimal.Decimal("0.1"))),
    ("rate", TypeError, lambda: nbt.SGD(lambda t: 0.1)),
    ("rate", ValueError, lambda: nbt.SGD(-0.1)),
    ("rate", ValueError, lambda: nbt.SGD(NAN)),
    ("rate", ValueError, lambda: nbt.SGD(INF)),
    ("rate", ValueError, lambda: nbt.SGD(10**400)),
    ("decay", TypeError, lambda: nbt.Kalman([0.1])),
    ("decay", ValueError, lambda: nbt.Kalman(-1)),
    ("decay", ValueError, lambda: nbt.Kalman(np.float32(NAN))),
    ("prior", TypeError, lambda: nbt.Kalman(prior="1")),
    ("prior", TypeError, lambda: nbt.Kalman(prior=[1.0])),
    ("prior", ValueError, lambda: nbt.Kalman(prior=0)),
    ("prior", ValueError, lambda: nbt.Kalman(prior=-1.0)),
    ("prior", ValueError, lambda: nbt.Kalman(prior=INF)),
    ("readout_prior", ValueError, lambda: nbt.Kalman(readout_prior=0)),
    ("readout_prior", TypeError, lambda: nbt.Kalman(readout_prior="1")),
    ("outlier", ValueError, lambda: nbt.Kalman(outlier=0)),
    ("scale", TypeError, lambda: nbt.InverseSqrt(None)),
    ("scale", ValueError, lambda: nbt.InverseSqrt(-0.3)),
    ("scale", ValueError, lambda: nbt.InverseSqrt(NAN)),
    ("value", TypeError, lambda: nbt.Constant("fast")),
    ("value", ValueError, lambda: nbt.Constant(-1)),
    ("t", TypeError, lambda: nbt.InverseSqrt(0.3)(1.5)),
    ("t", ValueError, lambda: nbt.InverseSqrt(0.3)(-1)),
    ("t", ValueError, lambda: nbt.Constant(0.3)(2**64)),
    # trainers
    ("cell", TypeError, lambda: nbt.NoBackTrack()),
    ("readout", TypeError, lambda: nbt.NoBackTrack(CELL)),
    ("cell", TypeError, lambda: nbt.NoBackTrack(None, READOUT, SGD)),
    ("cell", TypeError, lambda: nbt.NoBackTrack(20, READOUT, SGD)),
    ("cell", TypeError, lambda: nbt.NoBackTrack(READOUT, CELL, SGD)),
    ("cell", TypeError, lambda: nbt.NoBackTrack(nbt.RNN, READOUT, SGD)),
    ("cell", TypeError, lambda: nbt.RTRL("rnn", READOUT, SGD)),
    ("cell", TypeError, lambda: nbt.TruncatedBPTT({"units": 3}, READOUT, SGD)),
    ("readout", TypeError, lambda: nbt.NoBackTrack(CELL, 5, SGD)),
    ("readout", TypeError, lambda: nbt.RTRL(CELL, None, SGD)),
    ("readout", TypeError, lambda: nbt.TruncatedBPTT(CELL, nbt.Symbols(5), SGD)),
    ("optimizer", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, "kalman")),
    ("optimizer", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, 0.1)),
    ("optimizer", TypeError, lambda: nbt.RTRL(CELL, READOUT, nbt.InverseSqrt(0.1))),
    ("optimizer", TypeError, lambda: nbt.TruncatedBPTT(CELL, READOUT, nbt.Adam)),
    ("inputs", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, inputs="ab")),
    ("inputs", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, inputs=3.0)),
    ("inputs", TypeError, lambda: nbt.RTRL(CELL, READOUT, SGD, inputs=True)),
    ("inputs", TypeError, lambda: nbt.RTRL(CELL, READOUT, SGD, inputs=READOUT)),
    ("inputs", ValueError, lambda: nbt.TruncatedBPTT(CELL, READOUT, SGD, inputs=0)),
    ("inputs", ValueError, lambda: nbt.RTRL(CELL, READOUT, SGD, inputs=2**31)),
    ("rank", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, rank="1")),
    ("rank", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, rank=True)),
    ("rank", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, rank=1.0)),
    ("rank", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, rank=0)),
    ("rank", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, rank=-1)),
    ("rank", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, rank=2**31)),
    ("rank", TypeError, lambda: nbt.RTRL(CELL, READOUT, SGD, rank=1)),
    ("blocks", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, blocks="all")),
    ("blocks", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, blocks=False)),
    ("blocks", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, blocks=0)),
    ("blocks", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, blocks=UNITS + 1)),
    ("exact_self", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, exact_self=1)),
    ("exact_self", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, exact_self="no")),
    ("norm", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, norm=True)),
    ("norm", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, norm=2)),
    ("norm", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, norm="euclid")),
    ("norm", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, norm="kalman")),
    ("window", TypeError, lambda: nbt.TruncatedBPTT(CELL, READOUT, SGD, window=None)),
    ("window", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, window=-1)),
    ("window", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, exact_self=False, window=2)),
    ("window", TypeError, lambda: nbt.TruncatedBPTT(CELL, READOUT, SGD, window=2.0)),
    ("window", ValueError, lambda: nbt.TruncatedBPTT(CELL, READOUT, SGD, window=0)),
    ("window", ValueError, lambda: nbt.TruncatedBPTT(CELL, READOUT, SGD, window=2**31)),
    ("dtype", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, dtype=np.float16)),
    ("dtype", TypeError, lambda: nbt.RTRL(CELL, READOUT, SGD, dtype=0)),
    ("dtype", ValueError, lambda: nbt.RTRL(CELL, READOUT, SGD, dtype=np.dtype("int32"))),
    ("dtype", ValueError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, dtype="float16")),
    ("dtype", ValueError, lambda: nbt.TruncatedBPTT(CELL, READOUT, SGD, dtype="f4")),
    ("seed", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, seed=None)),
    ("seed", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, seed=0.0)),
    ("seed", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, seed="0")),
    ("seed", ValueError, lambda: nbt.RTRL(CELL, READOUT, SGD, seed=-1)),
    ("seed", ValueError, lambda: nbt.TruncatedBPTT(CELL, READOUT, SGD, seed=2**64)),
    ("units", ValueError, lambda: nbt.NoBackTrack(nbt.RNN(2**20), READOUT, SGD)),
    ("units", ValueError, lambda: nbt.RTRL(nbt.RNN(2**16), READOUT, SGD)),
    ("units", ValueError, lambda: nbt.NoBackTrack(nbt.RNN(2**15), READOUT, SGD, rank=2**16)),
    ("momentum", TypeError, lambda: nbt.NoBackTrack(CELL, READOUT, SGD, momentum=0.9)),
    # descriptions
    ("description", TypeError, lambda: from_description(None)),
    ("description", TypeError, lambda: from_description("NoBackTrack")),
    ("trainer", ValueError, lambda: from_description({})),
    ("trainer", ValueError, lambda: from_description(described(trainer="EKF"))),
    ("trainer", ValueError, lambda: from_description(described(trainer="os.system"))),
    ("kind", ValueError, lambda: from_description(described(cell={"kind": "UGRNN", "units": 3}))),
    ("kind", ValueError, lambda: from_description(described(cell={"units": 3}))),
    ("cell", TypeError, lambda: from_description(described(cell={"kind": "SGD", "rate": 0.1}))),
    ("cell", TypeError, lambda: from_description(described(cell=None))),
    ("units", ValueError, lambda: from_description(described(cell={"kind": "RNN", "units": 0}))),
    ("seed", ValueError, lambda: from_description(described(seed=-1))),
    ("rank", ValueError, lambda: from_description(described(rank=0))),
    ("window", TypeError, lambda: from_description(described(window="4"))),
]


def described(**changes):
    return nbt.NoBackTrack(CELL, READOUT, SGD).describe() | changes


@pytest.mark.parametrize(("argument", "exception", "call"), numbered(VALUES))
def test_values_that_cannot_be_made(argument, exception, call):
    expect(exception, argument, call)


def test_unknown_instruction_set(monkeypatch):
    monkeypatch.setenv("NBT_ISA", "mmx")
    expect(ValueError, "NBT_ISA", lambda: nbt.RTRL(CELL, READOUT, SGD))


# ---- calls that are refused --------------------------------------------------------------------


class Refuses:
    """Cannot be made an array, in its own way."""

    def __array__(self, *_, **__):
        raise OSError("x: no data")


def ints(*values, dtype=np.int32):
    return np.array(values, dtype=dtype)


X, Y = np.arange(INPUTS, dtype=float)[None] / 4, ints(2)

#: Of a trainer fed its own symbols.
OWN = [
    ("x", TypeError, lambda t: t.learn()),
    ("x", TypeError, lambda t: t.learn(None)),
    ("x", TypeError, lambda t: t.learn("hello")),
    ("x", TypeError, lambda t: t.learn("")),
    ("x", TypeError, lambda t: t.learn(b"hello")),
    ("x", TypeError, lambda t: t.learn(1.0)),
    ("x", TypeError, lambda t: t.learn(True)),
    ("x", TypeError, lambda t: t.learn(1j)),
    ("x", TypeError, lambda t: t.learn([0.0, 1.0])),
    ("x", TypeError, lambda t: t.learn([0, 1.5])),
    ("x", TypeError, lambda t: t.learn([True, False])),
    ("x", TypeError, lambda t: t.learn(["a", "b"])),
    ("x", TypeError, lambda t: t.learn([0, None])),
    ("x", TypeError, lambda t: t.learn({0, 1})),
    ("x", TypeError, lambda t: t.learn({0: 1})),
    ("x", TypeError, lambda t: t.learn(iter([0, 1]))),
    ("x", TypeError, lambda t: t.learn(object())),
    ("x", TypeError, lambda t: t.learn(np.array([0, 1], dtype=object))),
    ("x", TypeError, lambda t: t.learn(np.array([0, 1], dtype="S1"))),
    ("x", TypeError, lambda t: t.learn(np.array([0, 1], dtype="m8[s]"))),
    ("x", TypeError, lambda t: t.learn(np.array([0, 1], dtype="M8[s]"))),
    ("x", TypeError, lambda t: t.learn(np.array([(0, 1)], dtype="i4,i4"))),
    ("x", TypeError, lambda t: t.learn(np.zeros(3))),
    ("x", TypeError, lambda t: t.learn(np.zeros(0))),
    ("x", TypeError, lambda t: t.learn(np.zeros(3, complex))),
    ("x", TypeError, lambda t: t.learn(np.zeros(3, bool))),
    ("x", TypeError, lambda t: t.learn([0, 2**70])),
    ("x", TypeError, lambda t: t.learn(np.ma.masked_equal([0, 1, 2], 1))),
    ("x", OSError, lambda t: t.learn(Refuses())),
    ("x", ValueError, lambda t: t.learn([[0, 1], [2, 3]])),
    ("x", ValueError, lambda t: t.learn([[0, 1], [2]])),
    ("x", ValueError, lambda t: t.learn(np.zeros((2, 0), int))),
    ("x", ValueError, lambda t: t.learn(np.zeros((1, 1, 1), np.int32))),
    ("x", ValueError, lambda t: t.learn(SYMBOLS)),
    ("x", ValueError, lambda t: t.learn(-1)),
    ("x", ValueError, lambda t: t.learn(2**31)),
    ("x", ValueError, lambda t: t.learn(2**32)),
    ("x", ValueError, lambda t: t.learn(2**63)),
    ("x", ValueError, lambda t: t.learn(-(2**31) - 1)),
    ("x", ValueError, lambda t: t.learn([0, 1, SYMBOLS])),
    ("x", ValueError, lambda t: t.learn([0, 1, -1])),
    ("x", ValueError, lambda t: t.learn(ints(0, 1, SYMBOLS))),
    ("x", ValueError, lambda t: t.learn(ints(-(2**31), 1))),
    ("x", ValueError, lambda t: t.learn(ints(-1, 1, dtype=np.int8))),
    ("x", ValueError, lambda t: t.learn(ints(0, 2**32, dtype=np.int64))),
    ("x", ValueError, lambda t: t.learn(ints(0, 2**64 - 1, dtype=np.uint64))),
    ("x", ValueError, lambda t: t.learn(ints(0, 1 << 24, dtype=">i4"))),
    ("x", ValueError, lambda t: t.learn(ints(0, 1, SYMBOLS)[::-1])),
    ("x", ValueError, lambda t: t.learn(np.concatenate([np.zeros(10**6, np.int32), ints(9)]))),
    ("x", ValueError, lambda t: t.observe([0, 1, SYMBOLS])),
    ("x", TypeError, lambda t: t.observe("hello")),
    ("x", ValueError, lambda t: t.observe([0, SYMBOLS], ...)),
    ("x", TypeError, lambda t: t.observe([0.5], ...)),
    ("y", TypeError, lambda t: t.learn([0, 1], ...)),
    ("y", TypeError, lambda t: t.learn([0, 1], "ab")),
    ("y", TypeError, lambda t: t.learn([0, 1], [0.0, 1.0])),
    ("y", TypeError, lambda t: t.learn([0, 1], True)),
    ("y", TypeError, lambda t: t.learn([0, 1], [None, None])),
    ("y", ValueError, lambda t: t.learn([0, 1], [0])),
    ("y", ValueError, lambda t: t.learn([0, 1], [0, 1, 2])),
    ("y", ValueError, lambda t: t.learn([0, 1], [])),
    ("y", ValueError, lambda t: t.learn([], [0])),
    ("y", ValueError, lambda t: t.learn([0, 1], 0)),
    ("y", ValueError, lambda t: t.learn([0, 1], [[0, 1]])),
    ("y", ValueError, lambda t: t.learn([0, 1], [0, SYMBOLS])),
    ("y", ValueError, lambda t: t.learn([0, 1], [-1, 0])),
    ("y", ValueError, lambda t: t.observe([0, 1], [0, SYMBOLS])),
    ("x", ValueError, lambda t: t.learn([SYMBOLS, 1], [0, 1])),
    ("x", ValueError, lambda t: t.predict([])),
    ("x", ValueError, lambda t: t.predict([0, 1])),
    ("x", ValueError, lambda t: t.predict(SYMBOLS)),
    ("x", ValueError, lambda t: t.predict(-1)),
    ("x", TypeError, lambda t: t.predict(0.0)),
    ("x", TypeError, lambda t: t.predict("a")),
    ("x", TypeError, lambda t: t.predict(...)),
]

#: Of a trainer fed another alphabet, or vectors of three numbers.
OTHER = [
    ("y", TypeError, lambda t: t.learn([0, 1])),
    ("y", TypeError, lambda t: t.observe([0, 1])),
    ("y", TypeError, lambda t: t.learn([0, 1], None)),
    ("x", ValueError, lambda t: t.learn([0, INPUTS], [0, 4])),
    ("y", ValueError, lambda t: t.learn([0, 2], [0, SYMBOLS])),
    ("x", ValueError, lambda t: t.predict(INPUTS)),
]

VECTORS = [
    ("y", TypeError, lambda t: t.learn(X)),
    ("y", TypeError, lambda t: t.learn(X, None)),
    ("y", TypeError, lambda t: t.observe(X)),
    ("y", TypeError, lambda t: t.learn(X, ...)),
    ("x", TypeError, lambda t: t.learn(None, Y)),
    ("x", TypeError, lambda t: t.learn("abc", Y)),
    ("x", TypeError, lambda t: t.learn(b"abc", Y)),
    ("x", TypeError, lambda t: t.learn(X + 0j, Y)),
    ("x", TypeError, lambda t: t.learn(X > 0, Y)),
    ("x", TypeError, lambda t: t.learn(X.astype(object), Y)),
    ("x", TypeError, lambda t: t.learn(np.ma.masked_greater(X, X.min()), Y)),
    ("x", TypeError, lambda t: t.learn([["a", "b", "c"]], Y)),
    ("x", TypeError, lambda t: t.learn([[0.0, None, 1.0]], Y)),
    ("x", ValueError, lambda t: t.learn(X[:, :2], Y)),
    ("x", ValueError, lambda t: t.learn(np.zeros((1, 4)), Y)),
    ("x", ValueError, lambda t: t.learn(X[None], Y)),
    ("x", ValueError, lambda t: t.learn(1.5, Y)),
    ("x", ValueError, lambda t: t.learn([], Y)),
    ("x", ValueError, lambda t: t.learn([[0.0, 1.0, 2.0], [0.0, 1.0]], Y)),
    ("x", ValueError, lambda t: t.learn(X.T, [0, 1, 2])),
    ("x", ValueError, lambda t: t.learn([[0.0, NAN, 1.0]], Y)),
    ("x", ValueError, lambda t: t.learn([[0.0, INF, 1.0]], Y)),
    ("x", ValueError, lambda t: t.learn([[0.0, 1.0, -INF]], Y)),
    ("x", ValueError, lambda t: t.learn([[0, 0, 0]] * 99 + [[0, NAN, 0]], [0] * 100)),
    ("x", ValueError, lambda t: t.learn([[0.0, 1e300, 1.0]], Y)),  # infinite in float32
    ("x", ValueError, lambda t: t.observe([[0.0, NAN, 1.0]], Y)),
    ("x", ValueError, lambda t: t.observe([[0.0, NAN, 1.0]], ...)),
    ("y", ValueError, lambda t: t.learn(X, [])),
    ("y", ValueError, lambda t: t.learn(X, [0, 1])),
    ("y", ValueError, lambda t: t.learn(np.zeros((0, INPUTS)), Y)),
    ("y", ValueError, lambda t: t.learn(X, [SYMBOLS])),
    ("y", ValueError, lambda t: t.learn(X, [-1])),
    ("y", TypeError, lambda t: t.learn(X, [0.0])),
    ("y", TypeError, lambda t: t.learn(X, X)),
    ("x", ValueError, lambda t: t.predict(np.zeros((2, INPUTS)))),
    ("x", ValueError, lambda t: t.predict(np.zeros((0, INPUTS)))),
    ("x", ValueError, lambda t: t.predict([0.0, NAN, 0.0])),
    ("x", ValueError, lambda t: t.predict(0)),
]


def edited(**changes):
    """A call that loads a state which is sound but for some entries: replaced, or None: left out.

    "_" is written for ".". What is sound differs from the trainer's own: to write it would be seen.
    """

    def call(trainer):
        state = {
            key: value / 2 if value.dtype.kind == "f" else value
            for key, value in trainer.state_dict().items()
        }
        for key, value in changes.items():
            key = key.replace("_", ".")
            if value is None:
                del state[key]
            else:
                state[key] = value(state.get(key)) if callable(value) else value
        trainer.load_state_dict(state)

    return call


def filled(value):
    """The last entry set to a value."""

    def change(array):
        array = array.copy()
        array.flat[-1] = value
        return array

    return change


STATES = [
    ("state", TypeError, lambda t: t.load_state_dict()),
    ("state", TypeError, lambda t: t.load_state_dict(None)),
    ("state", TypeError, lambda t: t.load_state_dict([("step", 0)])),
    ("state", TypeError, lambda t: t.load_state_dict("state")),
    ("state", ValueError, lambda t: t.load_state_dict({})),
    ("cell.W", ValueError, edited(cell_W=None)),
    ("step", ValueError, edited(step=None)),
    ("extra", ValueError, edited(extra=np.zeros(3))),
    ("extra", ValueError, lambda t: t.load_state_dict(t.state_dict() | {3: 0, "extra": 0})),
    ("cell.b", ValueError, edited(cell_b=np.zeros(UNITS + 1))),
    ("cell.b", ValueError, edited(cell_b=0.0)),
    ("cell.b", TypeError, edited(cell_b=lambda b: b + 0j)),
    ("cell.b", TypeError, edited(cell_b=lambda b: b > 0)),
    ("cell.b", TypeError, edited(cell_b=lambda b: b.astype(object))),
    ("cell.b", TypeError, edited(cell_b=lambda b: "b")),
    ("cell.W", ValueError, edited(cell_W=lambda W: W[:-1])),
    ("cell.W", ValueError, edited(cell_W=lambda W: W[None])),
    ("cell.W", ValueError, edited(cell_W=lambda W: [[1.0], [1.0, 2.0]])),
    ("cell.W", ValueError, edited(cell_W=filled(NAN))),
    ("cell.W", ValueError, edited(cell_W=filled(INF))),
    ("cell.W", ValueError, edited(cell_W=lambda W: np.full(W.shape, 1e300))),
    ("cell.r", ValueError, edited(cell_r=lambda r: r.T)),
    ("cell.alpha", ValueError, edited(cell_alpha=filled(2.0))),
    ("cell.alpha", ValueError, edited(cell_alpha=filled(-0.5))),
    ("readout.W", ValueError, edited(readout_W=lambda W: W.T)),
    ("readout.b", ValueError, edited(readout_b=filled(NAN))),
    ("state.h", ValueError, edited(state_h=filled(-INF))),
    ("state.h", ValueError, edited(state_h=lambda h: h[:, None])),
    ("step", ValueError, edited(step=-1)),
    ("step", ValueError, edited(step=2**64)),
    ("step", ValueError, edited(step=1.0)),
    ("step", ValueError, edited(step=lambda _: np.zeros(2, int))),
    ("step", ValueError, edited(step=lambda _: "3")),
    ("seed", ValueError, edited(seed=-1)),
    ("seed", ValueError, edited(seed=True)),
    ("seed", ValueError, edited(seed=lambda _: np.array(NAN))),
]

NOBACKTRACK_STATES = [
    ("estimator.v", ValueError, edited(estimator_v=lambda v: v[:, :1])),
    ("estimator.v", ValueError, edited(estimator_v=filled(NAN))),
    ("estimator.w", ValueError, edited(estimator_w=lambda w: w[0])),
    ("estimator.w", ValueError, edited(estimator_w=None)),
    ("estimator.d", ValueError, edited(estimator_d=lambda d: d.T)),
    ("estimator.z", ValueError, edited(estimator_z=np.zeros(9))),
    ("estimator.G", ValueError, edited(estimator_G=np.zeros(9))),
    ("estimator.fisher", ValueError, edited(estimator_fisher=filled(NAN))),
    ("estimator.fisher", ValueError, edited(estimator_fisher=filled(-1.0))),
    ("optimizer.theta.J", ValueError, edited(optimizer_theta_J=filled(-1e-3))),
    ("optimizer.theta.J", ValueError, edited(optimizer_theta_J=filled(NAN))),
    ("optimizer.theta.J", ValueError, edited(optimizer_theta_J=None)),
    ("optimizer.theta.J0", ValueError, edited(optimizer_theta_J0=filled(INF))),
    ("optimizer.phi.J", ValueError, edited(optimizer_phi_J=filled(-1.0))),
    ("optimizer.phi.J0", ValueError, edited(optimizer_phi_J0=lambda J: J[1:])),
]

WINDOW_STATES = [
    ("window.length", ValueError, edited(window_length=4)),
    ("window.length", ValueError, edited(window_length=-1)),
    ("window.length", ValueError, edited(window_length=0.0)),
    ("window.entered", ValueError, edited(window_entered=2)),
    ("window.x", ValueError, edited(window_x=filled(SYMBOLS))),
    ("window.x", ValueError, edited(window_x=filled(-2))),
    ("window.x", ValueError, edited(window_x=lambda x: x.astype(float))),
    ("window.x", ValueError, edited(window_x=lambda x: x[:-1])),
    ("window.h", ValueError, edited(window_h=filled(NAN))),
    ("window.delta", ValueError, edited(window_delta=lambda x: x.T)),
    (
        "window.g_theta",
        ValueError,
        lambda t: t.load_state_dict(
            t.state_dict() | {"window.g_theta": np.full((1 + UNITS + SYMBOLS, UNITS), NAN)}
        ),
    ),
]


def nobacktrack(inputs=None):
    return nbt.NoBackTrack(CELL, READOUT, nbt.Kalman(), inputs=inputs)


def bptt(inputs=None):
    return nbt.TruncatedBPTT(CELL, READOUT, nbt.SGD(), window=4, inputs=inputs)


CALLS = [
    (maker, *row)
    for maker, table in {
        nobacktrack: OWN + STATES + NOBACKTRACK_STATES,
        bptt: OWN + STATES + WINDOW_STATES,
        lambda: nobacktrack(nbt.Symbols(INPUTS)): OTHER,
        lambda: bptt(nbt.Symbols(INPUTS)): OTHER,
        lambda: nobacktrack(nbt.Vector(INPUTS, False)): VECTORS,
        lambda: bptt(nbt.Vector(INPUTS, False)): VECTORS,
    }.items()
    for row in table
]


@pytest.mark.parametrize(
    ("maker", "argument", "exception", "call"),
    [pytest.param(*row, id=f"{k}-{row[1]}") for k, row in enumerate(CALLS)],
)
def test_refused_and_nothing_moved(maker, argument, exception, call, assert_same_state):
    trainer = maker()
    vectors = isinstance(trainer.inputs, nbt.Vector)
    x, y = (np.ones((6, INPUTS)), [0, 1, 2, 4, 3, 0]) if vectors else ([0, 1, 2, 2, 1, 0],) * 2
    trainer.learn(x, y)
    reference = copy.copy(trainer)
    state = trainer.state_dict()
    expect(exception, argument, lambda: call(trainer))
    assert_same_state(trainer.state_dict(), state)
    assert trainer.learn(x, y).tobytes() == reference.learn(x, y).tobytes()
    assert_same_state(trainer.state_dict(), reference.state_dict())


def test_the_tables_are_long_enough():
    assert len(VALUES) > 130
    assert len(CALLS) > 300


def test_a_symbol_that_changes_during_the_call():
    """Indices are checked again where C uses them: another thread may write in the meantime."""
    trainer = nbt.RTRL(nbt.RNN(30), READOUT, SGD)
    x = np.zeros(100_000, np.int32)
    caught = []

    def run():
        try:
            trainer.learn(x)
        except ValueError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while trainer.step == 0:
        time.sleep(0.001)
    x[2000:] = 10**9
    thread.join()
    assert len(caught) == 1
    assert "x" in str(caught[0])
    assert 0 < trainer.step < len(x)
    assert np.isfinite(trainer.learn([0, 1])).all()


# ---- odd, but sound ----------------------------------------------------------------------------

PLAIN = [0, 1, 4, 4, 2, 3]


def readonly(array):
    array.flags.writeable = False
    return array


class ArrayLike:
    def __array__(self, dtype=None, copy=None):
        return np.array(PLAIN, dtype)


class Index:
    def __index__(self):
        return 4


ODD_SYMBOLS = {
    "list": lambda: list(PLAIN),
    "tuple": lambda: tuple(PLAIN),
    "range": lambda: range(5),
    "list of numpy integers": lambda: [np.int64(k) for k in PLAIN],
    "bytes as numbers": lambda: np.frombuffer(bytes(PLAIN), np.uint8),
    "array.array": lambda: plain_array.array("q", PLAIN),
    "memoryview": lambda: memoryview(plain_array.array("i", PLAIN)),
    "array-like": ArrayLike,
    "int32": lambda: np.array(PLAIN, np.int32),
    "int8": lambda: np.array(PLAIN, np.int8),
    "uint16": lambda: np.array(PLAIN, np.uint16),
    "int64": lambda: np.array(PLAIN, np.int64),
    "uint64": lambda: np.array(PLAIN, np.uint64),
    "big-endian": lambda: np.array(PLAIN, ">i4"),
    "big-endian int64": lambda: np.array(PLAIN, ">i8"),
    "read-only": lambda: readonly(np.array(PLAIN, np.int32)),
    "every other": lambda: np.repeat(np.array(PLAIN, np.int32), 2)[::2],
    "backwards": lambda: np.array(PLAIN[::-1], np.int32)[::-1],
    "column": lambda: np.stack([np.array(PLAIN, np.int32)] * 3, axis=1)[:, 1],
    "field": lambda: np.array([(k, 0) for k in PLAIN], dtype=[("x", "i4"), ("y", "i2")])["x"],
    "unaligned": lambda: np.frombuffer(b"\0" + np.array(PLAIN, "<i4").tobytes(), "<i4", offset=1),
    "broadcast": lambda: np.broadcast_to(np.int32(4), 7),
    "subclass": lambda: np.array(PLAIN, np.int32).view(np.recarray),
    "empty list": list,
    "empty tuple": tuple,
    "empty array": lambda: np.zeros(0, np.int32),
    "empty int64": lambda: np.zeros(0, np.int64),
    "int": lambda: 4,
    "numpy int": lambda: np.uint8(4),
    "0-d": lambda: np.array(4),
}


@pytest.mark.parametrize("name", ODD_SYMBOLS)
def test_odd_symbols(name, assert_same_state):
    given = ODD_SYMBOLS[name]()
    plain = np.array(np.atleast_1d(np.asarray(given)), dtype=np.int32)
    assert plain.ndim == 1
    for maker in (nobacktrack, bptt):
        one, two = maker(), maker()
        before = copy.deepcopy(given) if not isinstance(given, memoryview) else None
        assert one.learn(given).tobytes() == two.learn(plain).tobytes()
        assert one.learn(given, given).tobytes() == two.learn(plain, plain).tobytes()
        assert one.observe(given).tobytes() == two.observe(plain).tobytes()
        assert one.observe(given, ...) is None
        assert two.observe(plain, ...) is None
        if len(plain) == 1:
            assert one.predict(given).tobytes() == two.predict(plain).tobytes()
        assert_same_state(one.state_dict(), two.state_dict())
        if isinstance(given, np.ndarray):
            assert given.tobytes() == before.tobytes()
            assert given.dtype == before.dtype


X3 = np.arange(9.0).reshape(3, 3) / 8 - 0.5

ODD_VECTORS = {
    "list": lambda: X3.tolist(),
    "list of arrays": lambda: list(X3),
    "float16": lambda: X3.astype(np.float16),
    "float32": lambda: X3.astype(np.float32),
    "float64": lambda: X3.copy(),
    "longdouble": lambda: X3.astype(np.longdouble),
    "big-endian": lambda: X3.astype(">f4"),
    "column order": lambda: np.asfortranarray(X3),
    "every other": lambda: np.repeat(np.repeat(X3, 2, axis=0), 2, axis=1)[::2, ::2],
    "backwards": lambda: X3[::-1].copy()[::-1],
    "read-only": lambda: readonly(X3.astype(np.float32)),
    "broadcast": lambda: np.broadcast_to(np.float32(0.25), (3, 3)),
    "integers": lambda: np.array([[0, 1, 2], [-1, 0, 0], [3, 3, 3]]),
    "bytes as numbers": lambda: np.array([[0, 1, 2], [255, 0, 0], [3, 3, 3]], np.uint8),
    "fractions of a list": lambda: [[0, 0.5, 1], [1, 2, 3], [-1, 0, 0.25]],
    "tiny": lambda: np.full((3, 3), 1e-300),
    "no steps": lambda: np.zeros((0, 3)),
    "no steps, float32": lambda: np.zeros((0, 3), np.float32),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ODD_VECTORS)
def test_odd_vectors(name, dtype, assert_same_state):
    given = ODD_VECTORS[name]()
    plain = np.array(given, dtype=dtype, order="C")
    y = [1, 0, 4][: len(plain)]
    for rule in (nbt.NoBackTrack, nbt.TruncatedBPTT):
        one, two = (rule(CELL, READOUT, inputs=nbt.Vector(3, False), dtype=dtype) for _ in range(2))
        before = np.array(given)
        assert one.learn(given, y).tobytes() == two.learn(plain, y).tobytes()
        assert one.observe(given, y).tobytes() == two.observe(plain, y).tobytes()
        if len(plain):
            assert one.learn(given[0], 2).tobytes() == two.learn(plain[:1], [2]).tobytes()
            assert one.predict(given[0]).tobytes() == two.predict(plain[:1]).tobytes()
        assert_same_state(one.state_dict(), two.state_dict())
        assert np.array(given).tobytes() == before.tobytes()


def test_odd_states(assert_same_state):
    """What a state may come as: other precision, order, layout, lists, another mapping."""
    trainer = nobacktrack()
    trainer.learn(PLAIN)
    state = trainer.state_dict()
    odd = {
        key: value.astype(np.float64).astype(">f8") if value.dtype.kind == "f" else int(value)
        for key, value in state.items()
    }
    odd["cell.W"] = np.asfortranarray(state["cell.W"])
    odd["cell.b"] = state["cell.b"].tolist()
    odd["cell.r"] = readonly(state["cell.r"].copy())
    other = nobacktrack()
    other.load_state_dict(types.MappingProxyType(odd))
    assert_same_state(other.state_dict(), state)
    assert other.learn(PLAIN).tobytes() == trainer.learn(PLAIN).tobytes()


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (lambda: nbt.RNN(np.int64(20)), nbt.RNN(20)),
        (lambda: nbt.RNN(np.array(20)), nbt.RNN(20)),
        (lambda: nbt.RNN(Index()), nbt.RNN(4)),
        (lambda: nbt.LeakyRNN(2, leak=np.array([0, 1])), nbt.LeakyRNN(2, leak=(0.0, 1.0))),
        (lambda: nbt.LeakyRNN(2, leak=np.float32(0.5)), nbt.LeakyRNN(2, leak=0.5)),
        (lambda: nbt.LeakyRNN(2, leak=1), nbt.LeakyRNN(2, leak=1.0)),
        (lambda: nbt.SGD(0), nbt.SGD(0.0)),
        (lambda: nbt.SGD(fractions.Fraction(1, 2)), nbt.SGD(0.5)),
        (lambda: nbt.SGD(np.float64(0.5)), nbt.SGD(nbt.Constant(0.5))),
        (lambda: nbt.Kalman(2), nbt.Kalman(nbt.Constant(2.0))),
        (lambda: nbt.InverseSqrt(0), nbt.InverseSqrt(0.0)),
        (lambda: nbt.Vector(np.uint8(3)), nbt.Vector(3)),
    ],
)
def test_odd_values(given, plain):
    assert given() == plain
    assert repr(given()) == repr(plain)
    assert hash(given()) == hash(plain)
