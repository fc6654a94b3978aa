"""A trainer that learns θ once in T steps, and its oracle, as in `pairs`."""

import numpy as np
from oracle import gated
from oracle.windowed import Windowed

import nbt
from helpers.pairs import READOUTS, TOLERANCE, Pair

#: Cells by name: the value, and what a unit does, from the leaks of the state.
CELLS = {
    "lstm": (nbt.LSTM, lambda state: gated.LSTM()),
    "coupled": (lambda n: nbt.LSTM(n, coupled=True), lambda state: gated.LSTM(coupled=True)),
    "diagonal": (lambda n: nbt.LSTM(n, recurrent=False), lambda state: gated.LSTM()),
    "rms": (lambda n: nbt.LSTM(n, norm="rms"), lambda state: gated.LSTM()),
    "rms alone": (
        lambda n: nbt.LSTM(n, norm="rms", coupled=True, recurrent=False),
        lambda state: gated.LSTM(coupled=True),
    ),
    "gru": (nbt.GRU, lambda state: gated.GRU()),
    "mgu": (nbt.MGU, lambda state: gated.MGU()),
    "rms gru": (lambda n: nbt.GRU(n, norm="rms"), lambda state: gated.GRU()),
    "rms mgu": (lambda n: nbt.MGU(n, norm="rms"), lambda state: gated.MGU()),
    "rnn": (nbt.RNN, lambda state: gated.Leaky(state["cell.alpha"])),
    "tanh": (
        lambda n: nbt.RNN(n, "tanh"),
        lambda state: gated.Leaky(state["cell.alpha"], "tanh"),
    ),
    "leaky": (nbt.LeakyRNN, lambda state: gated.Leaky(state["cell.alpha"])),
}
ONE_GATE = ("rnn", "tanh", "leaky")


def trainer_of(rule, cell, readout, optimizer, every, rank=0, norm="euclidean", **more):
    if rule == "rtrl":
        return nbt.RTRL(cell, readout, optimizer, every=every, **more)
    if rule == "bptt":
        return nbt.TruncatedBPTT(cell, readout, optimizer, window=every, **more)
    own = {"every": every, "rank": rank, "norm": norm}
    return nbt.NoBackTrack(cell, readout, optimizer, **own, **more)


def unseen(trainer):
    """Where gates do not see y or x, of the shape of θ; None: nowhere."""
    sizes = trainer._live.plan.sizes(None)
    if sizes.blind is None:
        return None
    mask = np.zeros(sizes.theta, bool)
    mask[sizes.blind[0], sizes.rows["W"]] = mask[sizes.blind[1], sizes.rows["r"]] = True
    return mask


def seen_by_gates(trainer, key):
    """Which numbers of ``cell.W`` or ``cell.r`` a gate can see; of other arrays all."""
    gated = isinstance(trainer.cell, nbt.GRU | nbt.MGU)
    mask = unseen(trainer) if gated and key in ("cell.W", "cell.r") else None
    if mask is None:
        return ...
    return ~mask[:, trainer._live.plan.sizes(None).rows[key.removeprefix("cell.")]]


def random_state(trainer, rng, *, step=3):
    """A state of such a trainer with nothing zero that need not be, at the begin of a window."""
    state, mask = trainer.state_dict(), unseen(trainer)
    n = trainer.cell.units
    for key, value in state.items():
        name = key.partition(".")[0]
        if name not in ("cell", "readout", "state", "estimator", "optimizer") and key not in (
            *("window.g_theta", "window.slope"),
        ):
            continue
        new = rng.normal(size=value.shape)
        if key in ("cell.W", "readout.W"):
            new *= 1.2 / np.sqrt(n)
        if key.endswith(".J"):
            new = new**2 + 0.1
        if key == "cell.alpha":
            new = rng.uniform(0.1, 0.9, n) if isinstance(trainer.cell, nbt.LeakyRNN) else 0 * new
        if mask is not None and value.shape[-3:] == mask.shape:
            new[..., mask] = 0
        state[key] = new
    for key in ("theta", "phi"):
        if f"optimizer.{key}.J0" in state:
            J0 = state[f"optimizer.{key}.J0"]
            J0[..., 0, :] = 0
            J0 *= 0.1
    if mask is not None:
        rows = trainer._live.plan.sizes(None).rows
        state["cell.W"][mask[:, rows["W"]]] = state["cell.r"][mask[:, rows["r"]]] = 0
        state["state.y"], state["window.slope"] = state["state.c"], np.ones(n)
    return state | {"step": np.uint64(step), "seed": np.uint64(rng.integers(2**63))}


class WindowedPair(Pair):
    """A pair as in `Pair`, whose rule has windows of `every` steps."""

    def __init__(
        self,
        rule="nobacktrack",
        *,
        cell="lstm",
        inputs="own",
        optimizer="kalman",
        readout="softmax",
        dtype="float64",
        n=7,
        A=5,
        m=3,
        seed=1,
        every=2,
        missing="error",
        standardize=False,
        **own,
    ):
        self.rng = np.random.default_rng(seed)
        self.dtype, self.tolerance, self.A = dtype, TOLERANCE[dtype], A
        self.m = A if inputs == "own" else m
        own_forms = ("symbols", "pairs", "no target")
        self.kinds = own_forms if inputs == "own" else own_forms[1:]
        self.missing = missing
        scale = {"standardize": standardize} if readout == "gaussian" else {}
        self.readout = READOUTS[readout](A, **scale)
        self.vectors = inputs == "vector" or (inputs == "own" and readout != "softmax")
        make, self.unit = CELLS[cell]
        rate, decay = nbt.InverseSqrt(0.1), nbt.InverseSqrt(0.3)
        self.trainer = trainer_of(
            rule,
            make(n),
            self.readout,
            nbt.SGD(rate) if optimizer == "sgd" else nbt.Kalman(decay, 0.7),
            every,
            inputs={
                "own": nbt.Vector(A, standardize) if self.vectors else None,
                "other": nbt.Symbols(m),
                "vector": nbt.Vector(m, standardize),
            }[inputs],
            dtype=dtype,
            missing=missing,
            **own,
        )
        self.choices = {
            "units": n,
            "rule": rule,
            "every": every,
            "inputs": "vector" if self.vectors else "symbols",
            "optimizer": ("sgd", rate) if optimizer == "sgd" else ("kalman", decay, 0.7),
            "readout": readout,
            "missing": missing,
            **own,
        }
        self.trainer.load_state_dict(random_state(self.trainer, self.rng))
        self.start_oracle()

    def start_oracle(self):
        state = self.trainer.state_dict()
        self.oracle = Windowed(state, unit=self.unit(state), **self.choices)
