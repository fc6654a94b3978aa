"""The defaults that the help shows, read from the classes that have them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from nbt import optimizers
from nbt.cells import RNN
from nbt.checkpoints import runs
from nbt.optimizers import SGD, Kalman
from nbt.schedules import Constant, InverseSqrt
from nbt.streams import file
from nbt.trainers import RTRL, NoBackTrack, TruncatedBPTT
from nbt.trainers.forms import BLOCKS, SMALL_UNITS, WINDOW, WINDOWED_BLOCKS
from nbt.trainers.plan import DTYPE

__all__ = ["DEFAULTS", "TRAINERS", "of", "optimizer_of", "shown", "with_default"]

TRAINERS = {"nobacktrack": NoBackTrack, "rtrl": RTRL, "tbptt": TruncatedBPTT}
OPTIMIZERS = {"kalman": Kalman, "sgd": SGD}


def of(made: Callable[..., Any], name: str) -> Any:
    """The default of an argument of a class or a function."""
    return inspect.signature(made).parameters[name].default


def shown(value: Any) -> str:
    """A value as one would type it."""
    if isinstance(value, InverseSqrt):
        return f"{value.scale:g}/sqrt(t)"
    if isinstance(value, Constant):
        return f"{value.value:g}"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def optimizer_of(trainer: str, numbers: bool) -> str:
    """The optimizer of a learning rule where none is named; `numbers`: of what is learned."""
    own = type(of(TRAINERS[trainer], "optimizer"))
    return "kalman" if numbers or own is Kalman else "sgd"


def _optimizers() -> str:
    rule, *others = [
        f"{optimizer_of(name, False)} of {name}"
        for name in TRAINERS
        if optimizer_of(name, False) != optimizer_of("nobacktrack", False)
    ]
    assert not others
    return f"{optimizer_of('nobacktrack', False)}; {rule} where symbols are learned"


def _rates() -> str:
    unnamed = of(TruncatedBPTT, "optimizer").rate
    return f"{shown(of(SGD, 'rate'))}; {shown(unnamed)} of tbptt without --optimizer"


def _priors() -> str:
    by = optimizers.DEFAULT_PRIOR
    plain = f"{optimizers.PLAIN_PRIOR:g} of rnn for symbols"
    return f"{by['sigmoid']:g}; {by['tanh']:g} with tanh units; {plain}, with sigmoid units"


def _readout_priors() -> str:
    network = "of numbers, or with --prior, as the network's"
    return f"{optimizers.DEFAULT_READOUT_PRIOR:g}, not times units; {network}"


SMALL, LARGE = (
    f"up to {SMALL_UNITS} units",
    f"for more than {SMALL_UNITS} units",
)

DEFAULTS: dict[str, str] = {
    "activation": shown(of(RNN, "activation")),
    "window": f"{of(TruncatedBPTT, 'window')} of tbptt; of nobacktrack 0, {WINDOW} {LARGE}",
    "rank": shown(of(NoBackTrack, "rank")),
    "split": shown(of(NoBackTrack, "split")),
    "blocks": f"one for each unit {SMALL}; then {WINDOWED_BLOCKS}, or {BLOCKS} without a window",
    "exact_self": "exact for fully connected networks",
    "norm": shown(of(NoBackTrack, "norm")),
    "optimizer": _optimizers(),
    "rate": _rates(),
    "decay": shown(of(Kalman, "decay")),
    "prior": _priors(),
    "readout_prior": _readout_priors(),
    "outlier": shown(of(Kalman, "outlier")),
    "reduction": shown(of(Kalman, "reduction")),
    "fisher": shown(of(Kalman, "fisher")),
    "dtype": DTYPE,
    "seed": shown(of(NoBackTrack, "seed")),
    "threads": shown(of(NoBackTrack, "threads")),
    "missing": shown(of(NoBackTrack, "missing")),
    "cap": shown(of(file, "cap")),
    "keep": shown(of(runs.Run, "keep")),
    "steps": "to the end of SOURCE",
    "seconds": "to the end of SOURCE",
}
"""By option; of those that are the command's own, the option itself says it."""


def with_default(name: str, text: str) -> str:
    """The help of an option, and its default."""
    return f"{text}  [default: {DEFAULTS[name]}]"
