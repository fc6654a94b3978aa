"""The best known settings: what a newcomer gets."""

from __future__ import annotations

from typing import Any, Literal, get_args

from nbt import _arguments
from nbt.cells import LSTM, RNN
from nbt.optimizers import SGD, Adam, Kalman, Optimizer, default_for_readout
from nbt.schedules import InverseSqrt
from nbt.trainers.binding import is_gated
from nbt.trainers.windowed import EVERY

__all__ = ["OPTIMIZER_OF_RULE", "Effort", "Kind", "default_optimizer", "preset"]

Kind = Literal["symbols", "lines", "numbers"]
Effort = Literal["fast", "default", "best", "paper"]

OPTIMIZER_OF_RULE: dict[str, Optimizer] = {
    "nobacktrack": Kalman(),
    "rtrl": Kalman(),
    "tbptt": SGD(InverseSqrt(1.0)),
}
"""The default optimizer of each rule for cells without gates."""

GATED: dict[str, Any] = {
    "optimizer": Adam(),
    "readout_optimizer": default_for_readout(Adam()),
    "every": EVERY,
    "rank": 0,
}
PAPER: dict[str, Any] = {
    "cell": RNN(20),
    "optimizer": Kalman(InverseSqrt(1.0), prior=1.0, outlier=None),
    "rank": 1,
    "blocks": 1,
    "exact_self": False,
    "norm": "kalman",
    "dtype": "float64",
}
PRESETS: dict[tuple[Kind, Effort], dict[str, Any]] = {  # measured: docs/learning.md
    ("symbols", "fast"): {"cell": LSTM(32), **GATED},
    ("symbols", "default"): {"cell": LSTM(96), **GATED},
    ("symbols", "best"): {"cell": LSTM(160, norm="rms", memory=(1, 8)), **GATED},
    ("symbols", "paper"): PAPER,
    ("lines", "default"): {"cell": RNN(20), "optimizer": Kalman()},
    ("numbers", "default"): {"cell": RNN(20), "optimizer": Kalman()},
    ("numbers", "paper"): PAPER,
}


def preset(kind: Kind, effort: Effort = "default") -> dict[str, Any]:
    """Return the best known arguments of `NoBackTrack` for a kind of stream.

    They are what the command line takes where it is told nothing else. A later version may know
    better ones; a trainer that is saved keeps its own.

    Parameters
    ----------
    kind : {"symbols", "lines", "numbers"}
        What is predicted: symbols, by `Softmax`, or numbers, by `Gaussian` and `Bernoulli`. "lines"
        is for symbols whose lines are scored (`nbt score`): it predicts less well, but learns less
        from a single strange line, and so finds more of them.
    effort : {"fast", "default", "best", "paper"}
        How much time a step may take. For symbols: "fast" is 32 units and "default" 96 units of
        `LSTM`; "best" is 160 with normalised sums, for text: on streams such as aⁿbⁿ, where units
        must count or keep something exactly, it learns less well than "default". "paper": the
        paper's algorithm to the letter. For numbers there are only "default" and "paper" yet, for
        lines only "default".

    Returns
    -------
    dict
        A new dictionary of arguments, among them "cell" and "optimizer".

    Raises
    ------
    TypeError
        `kind` or `effort` is no string.
    ValueError
        `kind` or `effort` is none of those above, or the kind does not have the effort.

    Examples
    --------
    >>> import nbt
    >>> trainer = nbt.NoBackTrack(readout=nbt.Softmax(64), **nbt.preset("symbols", "fast"))
    >>> trainer.cell, trainer.every
    (LSTM(units=32), 10)
    """
    _arguments.one_of("kind", kind, get_args(Kind))
    _arguments.one_of("effort", effort, get_args(Effort))
    efforts = [other for known, other in PRESETS if known == kind]
    return dict(PRESETS[kind, _arguments.one_of("effort", effort, efforts)])


def default_optimizer(rule: str, cell: object) -> Optimizer:
    """Return the optimizer of a rule for a cell where none was given."""
    return GATED["optimizer"] if is_gated(cell) else OPTIMIZER_OF_RULE[rule]
