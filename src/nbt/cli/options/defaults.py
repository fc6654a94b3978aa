"""The defaults that the help shows, read from the classes that have them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from nbt import optimizers
from nbt.cells import GRU, LRU, LSTM, MGU
from nbt.optimizers import SGD, SHARED, Adam, Kalman, default_for_readout
from nbt.readouts import Gaussian, Softmax
from nbt.schedules import Constant, InverseSqrt
from nbt.trainers import RTRL, NoBackTrack, TruncatedBPTT, forms, windowed
from nbt.trainers.presets import MOST_SEEN, MOST_TWICE, OPTIMIZER_OF_RULE, preset

__all__ = [
    *("BLOCKS", "CELL", "DT", "EVERY", "EXACT_STEPS", "OPTIMIZERS", "PRIOR", "RATE"),
    *(
        "READOUT_DECAY",
        "READOUT_OPTIMIZER",
        "READOUT_PRIOR",
        "READOUT_REDUCTION",
        "READOUT_RATE",
        "RULES",
        "RULES_OF_GATED",
        "SGD_RATE",
    ),
    *(
        "ADAM_RATE",
        "DIRECT",
        "GATED",
        "LAGS",
        "MEMORY",
        "NORM",
        "NORMED",
        "OPTIMIZER",
        "RANK",
        "STEPS_OF_UPDATE",
        "TRAINERS",
        "UNITS",
    ),
    *("UNITS_OF_CELL", "UNITS_OF_SCORE", "WINDOW", "kind_of", "of", "optimizer_of", "shown"),
]

TRAINERS = {"nobacktrack": NoBackTrack, "rtrl": RTRL, "tbptt": TruncatedBPTT}
OPTIMIZERS = {"kalman": Kalman, "sgd": SGD, "adam": Adam}

UNITS = 20  # the classes have no default for it
DT = 0.1  # for ctrnn, whose time constants are drawn from [1, 10]

EVERY = "60s"  # between two checkpoints

RULES = (  # each rule with each optimizer
    "nobacktrack,nobacktrack-sgd,rtrl,rtrl-sgd,tbptt-5-kalman,tbptt-5,tbptt-kalman,tbptt,"
    "tbptt-50-kalman,tbptt-50"
)
RULES_OF_GATED = (  # the same; RTRL takes too long
    "nobacktrack-0-adam,nobacktrack-0,nobacktrack-0-sgd,nobacktrack-1-adam,nobacktrack-1,"
    "nobacktrack-1-sgd,tbptt-10-adam,tbptt-10-kalman,tbptt-10"
)


def of(made: Callable[..., Any], name: str) -> Any:
    """Return the default of an argument of a class or a function."""
    return inspect.signature(made).parameters[name].default


def shown(value: Any) -> str:
    """Return a value as one would type it."""
    if isinstance(value, InverseSqrt):
        by = "t" if value.after == 1 else f"1+t/{value.after:g}"
        return f"{value.scale:g}/sqrt({by})"
    if isinstance(value, Constant):
        return f"{value.value:g}"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def kind_of(optimizer: Any) -> str:
    """Return the name of an optimizer's kind."""
    return next(name for name, kind in OPTIMIZERS.items() if isinstance(optimizer, kind))


def optimizer_of(rule: str, numbers: bool) -> str:
    """Return the default optimizer of a learning rule for cells without gates; `numbers` says that
    numbers are learned."""
    return "kalman" if numbers else kind_of(OPTIMIZER_OF_RULE[rule])


def _optimizers() -> str:
    usual = optimizer_of("nobacktrack", False)
    [(other, rule)] = [
        (optimizer, rule) for rule in TRAINERS if (optimizer := optimizer_of(rule, False)) != usual
    ]
    gated = kind_of(preset("symbols")["optimizer"])
    return f"{gated} for cells with gates; {usual}; {other} for {rule} that learns symbols"


OPTIMIZER = _optimizers()
SGD_RATE = shown(of(SGD, "rate"))
ADAM_RATE = shown(of(Adam, "rate"))
RATE = (
    f"{SGD_RATE}; {shown(OPTIMIZER_OF_RULE['tbptt'].rate)} for tbptt without --optimizer; "
    f"{ADAM_RATE} for adam"
)
READOUT_OPTIMIZER = "that of the network; kalman beside adam"
READOUT_REDUCTION = f"that of the network; {SHARED} for numbers with the best known setting"
READOUT_DECAY = f"that of the network; {shown(default_for_readout(Adam()).schedule)} beside adam"
READOUT_RATE = f"that of the network, or {SGD_RATE}, {ADAM_RATE} for adam"

GATED = {"lstm": LSTM, "gru": GRU, "mgu": MGU, "lru": LRU}
NORMED = ("lstm", "gru", "mgu")  # whose sums can be normalised
CELL = "lstm for symbols; rnn for numbers, another --rule, --paper, and options that lstm lacks"
LAGS = f"2 for up to {MOST_TWICE} numbers with the best known setting, else 1"
DIRECT = f"yes for up to {MOST_SEEN} numbers with the best known setting, else no"
UNITS_OF_SCORE = str(preset("lines")["cell"].units)


def _units(effort: str) -> str:
    """Return the units of the presets of that effort, of text, made-up symbols and numbers."""
    kinds = {"text": Softmax(2), "symbols": Softmax(2), "numbers": Gaussian(1)}
    each = [preset(kind, effort, readout=readout)["cell"].units for kind, readout in kinds.items()]
    return "{} ({} for data:NAME, {} for numbers)".format(*each)


UNITS_OF_CELL = (
    f"{_units('default')}; {_units('fast')} with --fast; {_units('best')} with --best; {UNITS} "
    "for --cell rnn, leaky or ctrnn, or another --rule"
)


def _memory(cell: Any) -> str:
    """Return the range of time constants of a cell with gates, as one would type it."""
    return ",".join(f"{time:g}" for time in cell.memory)


MEMORY = f"{_memory(LSTM(1))}; {_memory(preset('symbols', 'best')['cell'])} with --best"
STEPS_OF_UPDATE = f"{windowed.EVERY} for cells with gates, else 1"
RANK = "1; 0 for cells with gates"
NORM = "fisher; euclidean with --every"
LARGE = f"for more than {forms.SMALL_UNITS} units"
WINDOW = shown(of(TruncatedBPTT, "window"))
EXACT_STEPS = f"0; {forms.WINDOW} {LARGE} without --blocks"
BLOCKS = (
    f"one for each unit; {forms.WINDOWED_BLOCKS} {LARGE}, or {forms.BLOCKS} if no last steps are "
    "exact"
)

PRIOR = (
    f"{optimizers.DEFAULT_PRIOR['sigmoid']:g}; {optimizers.DEFAULT_PRIOR['tanh']:g} with tanh "
    f"units; {optimizers.PLAIN_PRIOR:g} for sigmoid units without leaks that learn symbols"
)
READOUT_PRIOR = (
    f"{optimizers.DEFAULT_READOUT_PRIOR:g}; {optimizers.GATED_READOUT_PRIOR:g}/√A for A symbols "
    "and cells with gates; that of the network where numbers are learned or --prior is given"
)
