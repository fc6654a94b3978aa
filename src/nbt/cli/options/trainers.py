"""Make a trainer from the options of a network and its learning.

Only what the user gave is passed on. The defaults are those of the classes, as in `defaults`.
"""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

import click

from nbt.cli.options.defaults import (
    DT,
    GATED,
    OPTIMIZERS,
    TRAINERS,
    UNITS,
    kind_of,
    optimizer_of,
    shown,
)
from nbt.cli.options.efforts import setting_of, stream_kind
from nbt.cli.options.layers import layers, of_gates
from nbt.cli.options.rows import note
from nbt.cli.options.table import TABLE, names
from nbt.cli.options.values import NONE, given
from nbt.optimizers import default_for_readout
from nbt.trainers.presets import default_optimizer

__all__ = ["OF_TRAINER", "as_before_schedules", "build_trainer", "with_exact_steps"]

OF_TRAINER = (*names("Network", "Learning rule", "Optimizer"), "dtype", "seed")
"""The options that describe a trainer."""
OF_READOUT = (
    "readout_optimizer",
    "readout_prior",
    "readout_rate",
    "readout_decay",
    "readout_reduction",
)
NEEDS = {row.name: row.needs for row in TABLE.values() if row.needs is not None}


def _with(choice: str) -> tuple[str, ...]:
    """Return the options that are only for some rules, or only for some optimizers."""
    return tuple(name for name, (other, *_) in NEEDS.items() if other == choice)


def build_trainer(source: str, readout: Any, options: dict[str, Any], inputs: Any = None) -> Any:
    """Return the trainer that the options describe, for what that source gives. Options that are
    missing have their defaults."""
    import nbt

    options = {**dict.fromkeys((*OF_TRAINER, "missing")), **options}
    kind = stream_kind(source, readout)
    inputs = _lagged(inputs, options["lags"])
    setting = setting_of(options, kind, readout, inputs)
    readout = setting.pop("readout", readout)
    first, second = (setting.pop(name, None) for name in ("optimizer", "readout_optimizer"))
    network = options["cell"] or _name_of(setting.get("cell"))
    options = _settled(options, kind == "numbers", first, network)
    if options["counts"] is not None:
        if not isinstance(readout, nbt.Softmax):
            raise click.UsageError(f"{TABLE['counts'].word} is for symbols, not for numbers")
        readout = dataclasses.replace(readout, counts=options["counts"])

    def chosen(*named: str) -> dict[str, Any]:
        """Return the options that were given, by the names of their arguments."""
        return {TABLE[name].takes: options[name] for name in named if options[name] is not None}

    cell = setting.pop("cell") if setting else _cell(options)
    settings = given(inputs=inputs) | setting | chosen(*_with("rule"), "dtype", "seed", "missing")
    settings |= given(inputs=_lagged(settings.get("inputs"), options["lags"]))
    if options["optimizer"]:
        kind = OPTIMIZERS[options["optimizer"]]
        if not isinstance(first, kind):
            first, second = kind(), None
        shared = ("readout_prior",) if options["optimizer"] == "kalman" and second is None else ()
        own = chosen(*_with("optimizer"), *shared)
        own = {name: None if value == NONE else value for name, value in own.items()}
        first = dataclasses.replace(first, **own)
        of_readout = chosen(*(name for name in _with("readout_optimizer") if name not in shared))
        if of_readout or options["readout_optimizer"] not in (None, _beside(options["optimizer"])):
            name = options["readout_optimizer"] or _beside(options["optimizer"])
            second = _of_readout(name, (second, first), of_readout)
    if options["direct"] is not None:
        readout = dataclasses.replace(readout, direct=options["direct"])
    settings |= given(optimizer=first, readout_optimizer=second)
    return TRAINERS[options["rule"]](cell, readout, **settings)


def _beside(optimizer: str) -> str:
    """Return the name of the optimizer that a readout has beside this one of the network."""
    default = type(default_for_readout(OPTIMIZERS[optimizer]()))
    return next(name for name, kind in OPTIMIZERS.items() if kind is default)


def _of_readout(name: str, set_before: tuple[Any, Any], own: dict[str, Any]) -> Any:
    """Return the optimizer of that name for the readout. What is not told is as in the readout's
    own, in that of the network, or as the library has it beside that of the network."""
    kind = OPTIMIZERS[name]
    beside = default_for_readout(set_before[1])
    known = next((one for one in (*set_before, beside) if isinstance(one, kind)), kind())
    return dataclasses.replace(known, **own)


def with_exact_steps(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a command, in which the old --window N of nobacktrack becomes
    --exact-steps N."""
    new = options["rule"] != "nobacktrack" or options["exact_steps"] is not None
    if options["window"] is None or new:
        return options
    note("--window of nobacktrack is --exact-steps now")
    return {**options, "window": None, "exact_steps": options["window"]}


def _lagged(inputs: Any, lags: int | None) -> Any:
    """Return the inputs with that many lags, where the user gave a number."""
    if lags is None:
        return inputs
    if inputs is None:
        raise click.UsageError("--lags is for numbers, which --columns names, not for symbols")
    return dataclasses.replace(inputs, lags=lags)


def _cell(options: dict[str, Any]) -> Any:
    """Return the network, or a stack of one for each layer, each with its own graph."""
    import nbt

    cells = [_layer(options, k, *layer) for k, layer in enumerate(layers(options, UNITS))]
    return cells[0] if len(cells) == 1 else nbt.Stack(cells)


def _layer(
    options: dict[str, Any], k: int, units: int, activation: str | None, sources: int | None
) -> Any:
    import nbt

    chosen: dict[str, Any] = given(activation=activation)
    if sources:
        seed = ((options["seed"] or 0) + k) % 2**64
        chosen["graph"] = nbt.Graph.random(units, sources, seed)
    if options["cell"] in GATED:
        for name in chosen:
            word = "sources" if name == "graph" else name
            raise click.UsageError(f"--{word} is not for --cell {options['cell']}")
        return GATED[options["cell"]](units, **of_gates(options))
    if options["cell"] == "ctrnn":
        return nbt.Continuous(nbt.CTRNN(units, **chosen), options["dt"] or DT)
    if options["cell"] == "leaky":
        return nbt.LeakyRNN(units, learn_leak=bool(options["learn_leak"]), **chosen)
    return nbt.RNN(units, **chosen)


def _name_of(cell: Any) -> str:
    """Return the word for a cell, or for those of a stack; None is the default of a trainer."""
    layer = getattr(cell, "cells", (cell,))[0]
    return next((word for word, kind in GATED.items() if isinstance(layer, kind)), "rnn")


def _check_paper(options: dict[str, Any]) -> None:
    """Refuse what the algorithm of the paper does not have."""
    if not options["paper"] or options["rule"] != "nobacktrack":
        return
    unfit = {"cell": options["cell"] in GATED, "every": (options["every"] or 1) > 1}
    unfit |= {"rank": options["rank"] == 0}
    for name, wrong in unfit.items():
        if wrong:
            raise click.UsageError(
                f"--paper and {TABLE[name].word} {options[name]}: the algorithm of the paper is "
                "for cells without gates, learns at every step, and has a rank of at least 1; give "
                "one of the two options"
            )


def _settled(options: dict[str, Any], numbers: bool, first: Any, network: str) -> dict[str, Any]:
    """Return the options with what follows from them, after checking that they fit together;
    `first` is the network's optimizer if none is asked for, or None, `network` the word for its
    cell."""
    _check_paper(options)
    rule, unnamed = options["rule"], options["optimizer"] is None
    own = "sgd" if options["paper"] and rule == "tbptt" else optimizer_of(rule, numbers)
    if first is None and options["cell"] in GATED and not options["paper"]:
        first = default_optimizer(rule, GATED[options["cell"]](2))
    own = own if first is None else kind_of(first)
    chosen = {**options, "optimizer": own if unnamed else options["optimizer"]}
    of_readout = options["readout_optimizer"] or _beside(chosen["optimizer"])
    told = {**chosen, "readout_optimizer": of_readout, "cell": network}
    for name, (other, *wanted) in NEEDS.items():
        if options[name] is None or told[other] in wanted:
            continue
        word = TABLE[other].word
        said = f"{TABLE[name].word} is for {word} {' or '.join(wanted)}, not {told[other]}"
        if other == "optimizer" and unnamed:
            value = shlex.quote(shown(options[name]))
            said += f", which {rule} has unless told: {word} {wanted[0]} "
            said += f"{TABLE[name].word} {value}"
        raise click.UsageError(said)
    for name, only in (("reduction", "quasi-diagonal"), ("fisher", "outer")):
        if options["outlier"] not in (None, NONE) and options[name] not in (None, only):
            raise click.UsageError(f"--outlier is for --{name} {only}, not {options[name]}")
    given_own = any(options[name] is not None for name in (*_with("optimizer"), *OF_READOUT))
    if given_own or options["paper"] or numbers:
        options = chosen  # otherwise the class chooses its optimizer and its rate
    if options["paper"]:
        options = {**options, **_paper(rule, options["optimizer"]), **given(**options)}
    return options


def as_before_schedules(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the options of a run meant in older versions, where a number was the rate c /
    sqrt(t + 1), and any option of an optimizer chose that optimizer."""
    from nbt.schedules import Constant, InverseSqrt

    falling = {
        name: InverseSqrt(value.value)
        for name in ("rate", "decay")
        if isinstance(value := options[name], Constant)
    }
    own = (*_with("optimizer"), "readout_prior")
    implied = {NEEDS[name][1] for name in own if options[name] is not None}
    optimizer = options["optimizer"] or min(implied, default=None)
    return {**options, **falling, "optimizer": optimizer}


def _paper(rule: str, optimizer: str) -> dict[str, Any]:
    """Return the settings of the paper."""
    from nbt.schedules import InverseSqrt

    kalman, one = optimizer == "kalman", InverseSqrt(1.0)
    settings: dict[str, Any] = {"dtype": "float64"}
    settings |= {"decay": one, "prior": 1.0, "outlier": NONE} if kalman else {"rate": one}
    if rule == "nobacktrack":
        norm = "kalman" if kalman else "euclidean"
        settings |= {"rank": 1, "blocks": 1, "exact_self": False, "norm": norm}
    return settings
