"""What a seed makes: a trainer of any kind, data for it, and a script."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from helpers import systems

import nbt
from nbt.cells import is_gated, layers_of
from nbt.trainers.binding import has_dense_rule

#: Just below, at and just above whole vecs of every width, their halves and quarters.
SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 18, 19, 20, 23, 24, 28, 31, 32, 33, 40)
SMALL = tuple(size for size in SIZES if size <= 20)
ALPHABETS = (1, 2, 3, 5, 7, 8, 9, 10, 13, 16, 17, 31, 33, 40)  # rows wait above 8
STEPS = (0, 0, 3, 61, 8184, 2**32 - 3)  # about where an epoch, an era, 32 bits end
RULES = {
    "nobacktrack": nbt.NoBackTrack,
    "rtrl": nbt.RTRL,
    "bptt": nbt.TruncatedBPTT,
}
CHANGES = ("reset", "grow", "edit", "flush")  # verbs that take no steps
OWN = ("split", "blocks", "exact_self", "window", "norm", "rank", "every")  # choices of a rule


@dataclass(frozen=True)
class Case:
    """A trainer by its arguments, how its state begins, and `script`: tuples of a verb and numbers.

    Verbs: "learn", "observe" with a form ("own" or "pairs") and a number of steps; "pass", inputs
    without targets; "reset", "grow" (more outputs, more inputs), "edit", "flush".
    """

    seed: int
    rule: str
    arguments: dict[str, Any]
    step: int
    script: tuple

    def build(self, kind=None, **changes):
        """The trainer, its state drawn. kind: another class than the rule's."""
        trainer = (kind or RULES[self.rule])(**self.arguments | changes)
        rng = np.random.default_rng(self.seed)
        state = trainer.state_dict()
        state["step"] = np.uint64(self.step)
        for key in ("readout.b", "readout.W", "readout.r", "state.h"):
            if key in state:
                scale = 0.5 if key == "readout.b" else 1 / math.sqrt(trainer.cell.units)
                state[key] = scale * rng.normal(size=state[key].shape)
        if self.seed % 4:  # scales that are known to some extent
            for key in state:
                if key.endswith(".count"):
                    state[key] += 6
                    scale = scale_of(self.seed, key.startswith("targets."))
                    state[key.replace("count", "mean")] += scale
                    state[key.replace("count", "variance")] += scale**2
        trainer.load_state_dict(state)
        return trainer

    def data(self, k, count, trainer):
        """x and y for step k of the script."""
        rng = np.random.default_rng((self.seed, k))
        gaps = self.arguments["missing"] != "error"
        y = values(rng, count, trainer.readout.targets, gaps, scale_of(self.seed, True))
        if isinstance(trainer.readout, nbt.Bernoulli):
            y = np.where(np.isnan(y), y, y > 0) if rng.random() < 0.5 else np.abs(y) % 1
        return values(rng, count, trainer.inputs, gaps, scale_of(self.seed, False)), y


def scale_of(seed, targets):
    """Of numbers that are standardised: their deviation, and their mean."""
    return 10.0 ** np.random.default_rng((seed, 1 + targets)).uniform(-2, 2)


def values(rng, count, kind, gaps, scale):
    """Symbols, of which few come often, or numbers, some missing."""
    if isinstance(kind, nbt.Symbols):
        often = rng.integers(0, kind.size, count) % (1 + rng.integers(kind.size))
        return np.where(rng.random(count) < 0.7, often, rng.integers(0, kind.size, count))
    x = rng.normal(size=(count, kind.size))
    if kind.standardize:
        x = scale * (x + 1)
    if gaps:
        lost = rng.random(x.shape) < rng.choice([0.0, 0.1])
        x[lost | (rng.random((count, 1)) < 0.2)] = np.nan
    return x


def case(seed):
    """The case that a seed makes; the same on every machine."""
    rng = random.Random(seed)
    rule = rng.choice(("nobacktrack", "nobacktrack", "nobacktrack", "rtrl", "bptt"))
    n = rng.choice(SMALL if rule == "rtrl" else SIZES)
    cell = draw_cell(rng, n)
    readout = draw_readout(rng)
    inputs = draw_inputs(rng, readout)
    if isinstance(cell, nbt.System):
        inputs = nbt.Vector(2, False) if rng.random() < 0.5 else nbt.Symbols(2)
    missing = rng.choice(("error", "error", "skip", "mask"))
    optimizer = draw_optimizer(rng, cell, readout, missing, rule)
    arguments = {
        "cell": cell,
        "readout": readout,
        "optimizer": optimizer,
        "inputs": inputs,
        "dtype": rng.choice(("float64", "float32")),
        "seed": rng.choice((0, 1, 2**32 - 1, rng.getrandbits(64))),
        "threads": rng.choice((1, 1, 2, 3)),
        "missing": missing,
        **draw_own(rng, rule, cell, optimizer),
    }
    own = inputs is None or inputs == readout.targets
    step, script = rng.choice(STEPS), draw_script(rng, own, arguments)
    arguments |= draw_others(rng, optimizer)
    arguments = draw_beside(rng, rule, draw_more(rng, rule, arguments))
    return Case(seed, rule, arguments, step, script)


def draw_cell(rng, n):
    activation = rng.choice(("sigmoid", "tanh"))
    kind = rng.choice(("dense",) * 5 + ("graph", "learned", "time", "stack", "system"))
    if kind == "dense":
        return draw_layer(rng, n, activation)
    if kind == "learned":
        return nbt.LeakyRNN(n, activation=activation, learn_leak=True)
    if kind == "graph":
        return draw_layer(rng, n, activation, nbt.Graph.random(n, rng.randrange(n), seed=n))
    if kind == "time":
        return nbt.Continuous(nbt.CTRNN(n, activation=activation), 0.2)
    if kind == "system":
        return SYSTEMS[rng.randrange(len(SYSTEMS))]
    cells = [draw_part(rng, rng.choice((1, 2, 3, 5, 8, 9))) for _ in range(rng.randint(1, 3))]
    return nbt.Stack(cells, skip=rng.random() < 0.5)


def draw_layer(rng, n, activation, graph=None):
    if rng.random() < 0.4:
        return nbt.RNN(n, activation, graph=graph)
    leak = rng.choice(("random", 0.0, 0.5, 1.0))
    return nbt.LeakyRNN(n, activation=activation, leak=leak, graph=graph)


def draw_part(rng, n):
    activation = rng.choice(("sigmoid", "tanh"))
    kind = rng.choice(("dense", "graph", "learned", "time"))
    graph = nbt.Graph.random(n, rng.randrange(n), seed=n) if kind == "graph" else None
    if kind == "learned":
        return nbt.LeakyRNN(n, activation=activation, learn_leak=True, graph=graph)
    if kind == "time":
        return nbt.Continuous(nbt.CTRNN(n, activation=activation), 0.2)
    return draw_layer(rng, n, activation, graph)


SYSTEMS = (systems.ring(), systems.layers(), systems.ring(activation="tanh"))


def draw_readout(rng):
    kind = rng.choice(("softmax", "softmax", "gaussian", "bernoulli"))
    if kind == "softmax":
        return nbt.Softmax(rng.choice(ALPHABETS))
    if kind == "gaussian":
        return nbt.Gaussian(rng.choice((1, 2, 3, 8, 9, 17)), standardize=rng.random() < 0.5)
    return nbt.Bernoulli(rng.choice((1, 2, 7, 8, 17, 33)))


def draw_inputs(rng, readout):
    kind = rng.choice(("own", "own", "symbols", "vector"))
    if kind == "own":
        return None
    if kind == "symbols":
        return nbt.Symbols(rng.choice(ALPHABETS))
    return nbt.Vector(rng.choice((1, 2, 3, 4, 5, 8, 9, 16, 17, 33)), rng.random() < 0.4)


def draw_optimizer(rng, cell, readout, missing, rule):
    schedule = rng.choice((nbt.InverseSqrt(0.1), nbt.InverseSqrt(0.3), nbt.Constant(0.01), 0.0))
    if rng.random() < 0.4:
        return nbt.SGD(schedule)
    prior, own = rng.choice((None, 0.5, 1.0)), rng.choice((None, None, 0.3, 3.0))
    more = {"outlier": rng.choice((10.0, 10.0, None, 0.5))}
    if cell.units <= 9 and rng.random() < 0.3:
        more |= {"reduction": rng.choice(("diagonal", "block", "full")), "outlier": None}
    exact = missing != "mask" and rule != "bptt" and not getattr(readout, "standardize", False)
    if exact and cell.units <= 9 and rng.random() < 0.15:
        more |= {"fisher": "exact", "outlier": None}
    return nbt.Kalman(schedule, prior, own, **more)


def draw_others(rng, optimizer):
    """Adam in place of SGD; an optimizer of its own for the readout. κ, where both have it, is one
    number of the oracle."""
    rate = rng.choice((nbt.InverseSqrt(0.01, after=50), nbt.Constant(0.003)))
    adam = nbt.Adam(rate, rng.choice((0.0, 0.9)), rng.choice((0.9, 0.9999)))
    kappa = getattr(optimizer, "outlier", rng.choice((10.0, None, 0.5)))
    kalman = nbt.Kalman(rng.choice((0.05, nbt.InverseSqrt(0.2))), 0.5, outlier=kappa)
    other = rng.choice((None, None, nbt.SGD(0.05), kalman, adam))
    if isinstance(optimizer, nbt.SGD) and rng.random() < 0.4:
        optimizer = adam
    if other is None or not optimizer.plain:
        return {"optimizer": optimizer}
    return {"optimizer": optimizer, "readout_optimizer": other}


def draw_own(rng, rule, cell, optimizer):
    """The choices that a rule has of its own."""
    if rule == "rtrl":
        return {}
    if rule == "bptt":
        return {"window": rng.choice((1, 2, 3, 5, 15))}
    kalman = isinstance(optimizer, nbt.Kalman)
    norms = ("fisher", "fisher", "euclidean", "none", *(("kalman",) if kalman else ()))
    own = {"norm": rng.choice(norms), "rank": rng.choice((1, 1, 2, 3, 5))}
    n = cell.units
    fast = isinstance(cell, nbt.RNN | nbt.LeakyRNN) and optimizer.plain
    fast = fast and cell.graph is None and not getattr(cell, "learn_leak", False)
    if rng.random() < 0.1 and getattr(optimizer, "reduction", "") not in ("block", "full"):
        return own | {"split": "blocks"}
    if not fast or rng.random() < 0.1:
        return own
    blocks = rng.choice((1, 1, n, rng.randint(1, n)))
    exact = rng.random() < 0.6
    window = rng.choice((0, 0, 1, 2, 3, 6)) if exact else 0
    return own | {"blocks": blocks, "exact_self": exact, "window": window}


def draw_more(rng, rule, arguments):
    """Often, in place of a fully connected cell: gates, or windows of steps, or one that is not
    learned. Inputs that are kept, and that the readout sees."""
    cell, inputs = arguments["cell"], arguments["inputs"]
    if isinstance(cell, nbt.System):
        return arguments
    arguments = arguments | {"readout": replace(arguments["readout"], direct=rng.random() < 0.2)}
    if isinstance(inputs, nbt.Vector) and rng.random() < 0.3:
        arguments["inputs"] = replace(inputs, lags=rng.choice((2, 3, 5)))
    if not has_dense_rule(cell, arguments["optimizer"], "split" in arguments):
        return arguments
    kind = rng.choice(("before", "gates", "gates", "every", "fixed"))
    every, rank = rng.choice((1, 2, 3, 5, 10, 40)), rng.choice((0, 0, 1, 2, 3))
    norm, gated = rng.choice(("euclidean", "euclidean", "none")), draw_gated(rng, cell.units)
    if kind == "before" or (kind == "every" and rule == "bptt"):
        return arguments
    own = {key: value for key, value in arguments.items() if key not in OWN}
    if kind == "fixed":
        if rule != "nobacktrack":
            return arguments
        layers = [replace(one, learn=False) for one in layers_of(rng.choice((cell, gated)))]
        return own | {"cell": layers[0] if len(layers) == 1 else nbt.Stack(layers)}
    if kind == "every":
        every = max(2, every)
    else:
        own["cell"] = gated
    if rule == "bptt":
        return own | {"window": arguments["window"]}
    more = {"rank": rank, "norm": norm} if rule == "nobacktrack" else {}
    return own | {"every": every} | more


def draw_gated(rng, n):
    memory, norm = rng.choice(((1, 32), (1, 1), (5, 500))), rng.choice((None, None, "rms"))
    cell = rng.choice(
        (
            nbt.LSTM(n, norm=norm, memory=memory),
            nbt.LSTM(n, norm=norm, coupled=True, memory=memory),
            nbt.LSTM(n, norm=norm, recurrent=False, memory=memory),
            nbt.GRU(n, norm=norm, memory=memory),
            nbt.MGU(n, norm=norm, memory=memory),
            nbt.LRU(n + n % 2, memory=memory),
        )
    )
    if n < 2 or rng.random() < 0.7:
        return cell
    first = rng.randint(1, n - 1)
    if isinstance(cell, nbt.LRU):
        first, n = 2 * first, 2 * n
    return nbt.Stack([replace(cell, units=first), replace(cell, units=n - first)])


def draw_beside(rng, rule, arguments):
    """Counts of symbols, a covariance that all means share."""
    cell, readout, optimizer = (arguments[name] for name in ("cell", "readout", "optimizer"))
    chance, K, memory = rng.random(), rng.choice((1, 2, 5, 16)), rng.choice((4096, 2**15))
    own = getattr(optimizer, "outlier", None)
    shared = nbt.Kalman(0.01, outlier=own, reduction="shared")
    if isinstance(readout, nbt.Softmax) and chance < 0.25:
        arguments = arguments | {"readout": replace(readout, counts=K, counts_memory=memory)}
    dense = has_dense_rule(cell, optimizer, "split" in arguments)
    dense = dense and (rule != "bptt" or is_gated(cell))
    if isinstance(readout, nbt.Gaussian) and dense and optimizer.plain and chance < 0.5:
        arguments = arguments | {"readout_optimizer": shared}
    return arguments


def draw_script(rng, own, arguments):
    """5 to 10 operations of up to 30 steps."""
    forms = ("own", "own", "pairs") if own else ("pairs",)
    script = []
    for _ in range(rng.randint(5, 10)):
        verb = rng.choice(("learn",) * 6 + ("observe", "observe", "pass", "other"))
        count = rng.choice((0, 1, 1, 2, 3, 7, 12, 30))
        if verb == "other":
            verb = rng.choice(CHANGES)
        script.append((verb, rng.choice(forms), count, rng.randint(0, 3)))
    return tuple(script)
