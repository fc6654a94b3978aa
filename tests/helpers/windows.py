"""A trainer that learns θ once in T steps, and its oracle, as in `pairs`."""

import numpy as np
from oracle import gated
from oracle.complex_units import LRU
from oracle.windowed import Windowed

import nbt
from helpers.pairs import READOUTS, TOLERANCE, Pair
from helpers.stacked import StackedWindowed
from nbt.trainers.state.layered import layer_in, without_layer

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
    "lru": (lambda n: nbt.LRU(n + n % 2), lambda state: LRU()),
    "rnn": (nbt.RNN, lambda state: gated.Leaky(state["cell.alpha"])),
    "tanh": (
        lambda n: nbt.RNN(n, "tanh"),
        lambda state: gated.Leaky(state["cell.alpha"], "tanh"),
    ),
    "leaky": (nbt.LeakyRNN, lambda state: gated.Leaky(state["cell.alpha"])),
}
ONE_GATE = ("rnn", "tanh", "leaky")


def stacked(cell, layers=2):
    """A stack of that many layers, of different sizes, which have n units in all."""

    def make(n):
        units = [n // layers - (k < 1) for k in range(layers - 1)]
        return nbt.Stack([CELLS[cell][0](one) for one in (*units, n - sum(units))])

    return make


STACKS = {
    "stack of lstm": (stacked("lstm"), CELLS["lstm"][1]),
    "stack of coupled": (stacked("coupled", 3), CELLS["coupled"][1]),
    "stack of diagonal": (stacked("diagonal"), CELLS["diagonal"][1]),
    "stack of rms": (stacked("rms"), CELLS["rms"][1]),
    "stack of gru": (stacked("gru", 3), CELLS["gru"][1]),
    "stack of rms mgu": (stacked("rms mgu"), CELLS["mgu"][1]),
    "stack of lru": (stacked("lru"), CELLS["lru"][1]),
}


def trainer_of(rule, cell, readout, optimizer, every, rank=0, norm="euclidean", **more):
    if rule == "rtrl":
        return nbt.RTRL(cell, readout, optimizer, every=every, **more)
    if rule == "bptt":
        return nbt.TruncatedBPTT(cell, readout, optimizer, window=every, **more)
    own = {"every": every, "rank": rank, "norm": norm}
    return nbt.NoBackTrack(cell, readout, optimizer, **own, **more)


def unseen(sizes):
    """Where gates do not see y or x, of the shape of θ; None: nowhere."""
    if sizes.blind is None:
        return None
    mask = np.zeros(sizes.theta, bool)
    mask[sizes.blind[0], sizes.rows["W"]] = mask[sizes.blind[1], sizes.rows["r"]] = True
    return mask


def sizes_of(trainer, key):
    """Sizes of the layer of which this is an array, or of the whole cell."""
    sizes = trainer._live.plan.sizes(None)
    return sizes.layers[layer_in(key) or 0] if sizes.layers else sizes


def seen_by_gates(trainer, key):
    """Which numbers of ``cell.W`` or ``cell.r`` a gate can see; of other arrays all."""
    own, sizes = without_layer(key), sizes_of(trainer, key)
    mask = unseen(sizes) if sizes.gated and own in ("cell.W", "cell.r") else None
    if mask is None:
        return ...
    return ~mask[:, sizes.rows[own.removeprefix("cell.")]]


def random_state(trainer, rng, *, step=3):
    """A state of such a trainer with nothing zero that need not be, at the begin of a window."""
    state = trainer.state_dict()
    n, leaky = trainer.cell.units, isinstance(trainer.cell, nbt.LeakyRNN)
    for key, value in state.items():
        part, own = key.partition(".")[0], without_layer(key)
        if part not in ("cell", "readout", "state", "estimator", "optimizer") and own not in (
            *("window.g_theta", "window.slope"),
        ):
            continue
        sizes = sizes_of(trainer, key)
        mask = unseen(sizes)
        new = rng.normal(size=value.shape)
        if own in ("cell.W", "readout.W"):
            new *= 1.2 / np.sqrt(n)
        if own.endswith((".J", "theta.v", "phi.v")):
            new = new**2 + 0.1
        if own.endswith(".updates"):
            new = np.uint64(3)
        if own == "cell.alpha":
            new = rng.uniform(0.1, 0.9, n) if leaky else 0 * new
        if own.endswith(".J0"):
            new[..., 0, :] = 0
            new *= 0.1
        if mask is not None and value.shape[-3:] == mask.shape:
            new[..., mask] = 0
        if mask is not None and own in ("cell.W", "cell.r"):
            new[mask[:, sizes.rows[own.removeprefix("cell.")]]] = 0
        if mask is not None and own == "window.slope":
            new = np.ones(value.shape)
        state[key] = new
    if unseen(sizes_of(trainer, "cell.0.b")) is not None:
        state["state.y"] = state["state.c"]
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
        make, self.unit = (CELLS | STACKS)[cell]
        rate, decay = nbt.InverseSqrt(0.1), nbt.InverseSqrt(0.3)
        slow = nbt.InverseSqrt(0.02, 7)
        first, theirs = {
            "sgd": (nbt.SGD(rate), ("sgd", rate)),
            "kalman": (nbt.Kalman(decay, 0.7), ("kalman", decay, 0.7)),
            "adam": (nbt.Adam(slow, 0.8, 0.95), ("adam", slow, 0.8, 0.95)),
        }[optimizer]
        self.trainer = trainer_of(
            rule,
            make(n),
            self.readout,
            first,
            every,
            readout_optimizer=first,
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
            "units": self.trainer.cell.units,
            "rule": rule,
            "every": every,
            "inputs": "vector" if self.vectors else "symbols",
            "optimizer": theirs,
            "readout": readout,
            "missing": missing,
            **own,
        }
        self.trainer.load_state_dict(random_state(self.trainer, self.rng))
        self.start_oracle()

    def start_oracle(self):
        state = self.trainer.state_dict()
        kind = StackedWindowed if isinstance(self.trainer.cell, nbt.Stack) else Windowed
        self.oracle = kind(state, unit=self.unit(state), **self.choices)
