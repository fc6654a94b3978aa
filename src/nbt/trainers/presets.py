"""The best known settings: what a newcomer gets."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from nbt import _arguments
from nbt.cells import LSTM, RNN, is_gated
from nbt.inputs import Inputs, Vector, as_inputs
from nbt.optimizers import SGD, Adam, Kalman, Optimizer, default_for_readout
from nbt.readouts import Bernoulli, Gaussian, Readout, Softmax
from nbt.schedules import InverseSqrt
from nbt.trainers.windowed import EVERY

__all__ = [
    *("MOST_SEEN", "MOST_TWICE", "OPTIMIZER_OF_RULE", "Effort", "Kind"),
    *("default_optimizer", "preset"),
]

Kind = Literal["text", "symbols", "lines", "numbers", "clean"]
Effort = Literal["fast", "default", "best", "paper"]

OPTIMIZER_OF_RULE: dict[str, Optimizer] = {
    "nobacktrack": Kalman(),
    "rtrl": Kalman(),
    "uoro": Kalman(),
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
LEARNED: dict[str, Any] = {"cell": RNN(20), "optimizer": Kalman()}
MOST_TWICE, MOST_SEEN = 16, 64
"""Up to so many numbers a readout sees the last two inputs, or the last one."""


def _echo(units: int) -> dict[str, Any]:
    """Return an echo state network, whose readout learns by recursive least squares."""
    scales = {"spectral_radius": 0.9, "input_scaling": 0.2, "bias_scaling": 0.3}
    return {
        "cell": RNN(units, "tanh", learn=False, **scales),
        "optimizer": Kalman(),
        "readout_optimizer": Kalman(reduction="shared"),
    }


def _numbers(units: int) -> dict[str, Any]:
    """Return a network that is learned, whose readout learns by recursive least squares."""
    squares = Kalman(readout_prior=1.0, reduction="shared")
    return {"cell": RNN(units), "optimizer": Kalman(), "readout_optimizer": squares}


PRESETS: dict[tuple[Kind, Effort], dict[str, Any]] = {  # measured: docs/learning.md
    ("text", "fast"): {"cell": LSTM(16), **GATED},
    ("text", "default"): {"cell": LSTM(64), **GATED},
    ("text", "best"): {"cell": LSTM(96, norm="rms", memory=(1, 8)), **GATED},
    ("symbols", "fast"): {"cell": LSTM(32), **GATED},
    ("symbols", "default"): {"cell": LSTM(96), **GATED},
    ("symbols", "best"): {"cell": LSTM(192, coupled=True, norm="rms", memory=(1, 16)), **GATED},
    ("symbols", "paper"): PAPER,
    ("lines", "default"): LEARNED,
    ("clean", "fast"): _echo(100),
    ("clean", "default"): _echo(200),
    ("clean", "best"): _echo(400),
    ("numbers", "fast"): _numbers(20),
    ("numbers", "default"): _numbers(32),
    ("numbers", "best"): _numbers(64),
    ("numbers", "paper"): PAPER,
}
EVENTS: dict[str, Any] = {"cell": RNN(20, "tanh"), "optimizer": Kalman()}
OF_READOUT: dict[Kind, dict[str, Any]] = {
    "text": {"counts": 6},
    "numbers": {"direct": True},
    "clean": {"direct": True},
}
"""What a preset changes of a readout, unless it is the paper's."""
NEEDS: dict[Kind, tuple[type, ...]] = {"text": (Softmax,), "numbers": (Gaussian, Bernoulli)}
"""The readouts that a kind needs, unless it is the paper's."""


def preset(
    kind: Kind,
    effort: Effort = "default",
    *,
    readout: Readout | None = None,
    inputs: Inputs | int | None = None,
) -> dict[str, Any]:
    """Return the best known arguments of `NoBackTrack` for a kind of stream.

    They are what the command line takes where it is told nothing else. A later version may know
    better ones; a trainer that is saved keeps its own.

    Parameters
    ----------
    kind : {"text", "symbols", "lines", "numbers", "clean"}
        What is predicted. "text": the characters or bytes of texts and logs; the network has counts
        of contexts beside it. "symbols": other symbols, such as made-up sequences, where no
        contexts come again and again. "lines": symbols whose lines are scored (`nbt score`); it
        predicts less well, but learns less from a single strange line, and so finds more of them.
        "numbers": numbers, by `Gaussian` and `Bernoulli`: a network that is learned, and a readout
        that sees the last two inputs beside it and learns by recursive least squares (not events,
        by `Bernoulli`). "clean": numbers with hardly any noise, such as those of equations, by
        `Gaussian`: a network that is not learned, and a readout that learns by recursive least
        squares, which fits noise, too, where there is some.
    effort : {"fast", "default", "best", "paper"}
        How much time a step may take. For text and symbols: "fast" is about a fourth of "default",
        "best" about two to four times as much, with normalised sums: on streams such as aⁿbⁿ, where
        units must count, it learns less well than "default". For numbers they are
        20, 32 and 64 units, for events always 20; for clean numbers 100, 200 and 400. "paper": the
        paper's algorithm to the letter, for "symbols" and "numbers". Lines have no other effort.
    readout : Softmax, Gaussian or Bernoulli, optional
        What is predicted, with its sizes. It comes back as "readout", with what the preset changes
        of it: `counts` for text, and `direct` for numbers, which both need it.
    inputs : Symbols, Vector or int, optional
        What the network receives, where it is not what is predicted. It comes back as "inputs". For
        numbers, inputs are then a `Vector`, with two lags where it has the default of one, and is
        of the size of what is predicted. Of more than 16 numbers the readout sees the last only,
        of more than 64 none: the setting is then that of "lines".

    Returns
    -------
    dict
        A new dictionary of arguments, among them "cell" and "optimizer"; "readout" if it was given.

    Raises
    ------
    TypeError
        `kind` or `effort` is no string; `readout` is missing or is not of the kind; or `inputs` is
        neither Symbols nor Vector nor an integer.
    ValueError
        `kind` or `effort` is none of those above, the kind does not have the effort, or `inputs` is
        out of range.

    Examples
    --------
    >>> import nbt
    >>> trainer = nbt.NoBackTrack(**nbt.preset("text", "fast", readout=nbt.Softmax(64)))
    >>> trainer.cell, trainer.every, trainer.readout.counts
    (LSTM(units=16), 10, 6)
    """
    _arguments.one_of("kind", kind, get_args(Kind))
    _arguments.one_of("effort", effort, get_args(Effort))
    efforts = [other for known, other in PRESETS if known == kind]
    setting = dict(PRESETS[kind, _arguments.one_of("effort", effort, efforts)])
    if effort == "paper":
        return setting | _given(readout=readout, inputs=inputs)
    changed = OF_READOUT.get(kind, {})
    if kind in NEEDS and not isinstance(readout, NEEDS[kind]):
        raise TypeError(
            f"readout: expected the {' or '.join(one.__name__ for one in NEEDS[kind])} that "
            f"{kind!r} is to have with {', '.join(changed)}, got {readout!r}"
        )
    if kind == "numbers":
        return _of_numbers(setting, readout, inputs)
    if readout is not None:
        readout = dataclasses.replace(readout, **changed)
    return setting | _given(readout=readout, inputs=inputs)


def _of_numbers(setting: dict[str, Any], readout: Any, inputs: Any) -> dict[str, Any]:
    """Return the setting for numbers or events, with what the readout sees of the inputs."""
    inputs = as_inputs(inputs, readout.targets, getattr(readout, "standardize", False))
    own = isinstance(inputs, Vector) and dataclasses.replace(inputs, lags=1) == readout.targets
    if own and inputs.lags == 1 and inputs.size <= MOST_TWICE:
        inputs = dataclasses.replace(inputs, lags=2)
    if not isinstance(inputs, Vector) or inputs.width > MOST_SEEN:
        return {**LEARNED, "readout": readout, "inputs": inputs}
    if isinstance(readout, Bernoulli):
        setting = dict(EVENTS)
    readout = dataclasses.replace(readout, **OF_READOUT["numbers"])
    return {**setting, "readout": readout, "inputs": inputs}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def default_optimizer(rule: str, cell: object) -> Optimizer:
    """Return the optimizer of a rule for a cell where none was given."""
    return GATED["optimizer"] if is_gated(cell) else OPTIMIZER_OF_RULE[rule]
