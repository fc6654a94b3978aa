"""From the options of a network and its learning to a trainer.

Only what the user gave is passed on: the defaults are those of the classes, as `defaults` shows.
"""

from __future__ import annotations

import shlex
from typing import Any

import click

from nbt.cli.options.defaults import TRAINERS, optimizer_of, shown
from nbt.cli.options.values import NONE, flag, given

UNITS = 20  # the one size for which the classes have no default
DT = 0.1  # of ctrnn, whose time constants are drawn from [1, 10]

APPLIES = {  # option: what it needs
    "learn_leak": ("cell", "leaky"),
    "dt": ("cell", "ctrnn"),
    "rank": ("trainer", "nobacktrack"),
    "split": ("trainer", "nobacktrack"),
    "blocks": ("trainer", "nobacktrack"),
    "exact_self": ("trainer", "nobacktrack"),
    "norm": ("trainer", "nobacktrack"),
    "window": ("trainer", "tbptt or nobacktrack"),
    "decay": ("optimizer", "kalman"),
    "prior": ("optimizer", "kalman"),
    "readout_prior": ("optimizer", "kalman"),
    "outlier": ("optimizer", "kalman"),
    "reduction": ("optimizer", "kalman"),
    "fisher": ("optimizer", "kalman"),
    "rate": ("optimizer", "sgd"),
}
OF_TRAINERS, OF_OPTIMIZERS = (
    tuple(name for name, (kind, _) in APPLIES.items() if kind == of)
    for of in ("trainer", "optimizer")
)


def build_trainer(readout: Any, options: dict[str, Any], inputs: Any = None) -> Any:
    """The trainer that the options describe."""
    import nbt

    options = _settled(options, numbers=isinstance(readout, nbt.Gaussian))
    optimizers = {"kalman": nbt.Kalman, "sgd": nbt.SGD}

    def chosen(*names: str) -> dict[str, Any]:
        return given(**{name: options[name] for name in names})

    try:
        cell = _cell(options)
        settings = chosen(*OF_TRAINERS, "dtype", "seed")
        settings |= given(inputs=inputs, missing=options.get("missing"))
        if options["optimizer"]:
            own = chosen(*OF_OPTIMIZERS).items()
            own = {name: None if value == NONE else value for name, value in own}
            settings["optimizer"] = optimizers[options["optimizer"]](**own)
        return TRAINERS[options["trainer"]](cell, readout, **settings)
    except ValueError as error:
        raise click.UsageError(_of_option(error, options)) from error


def _of_option(error: ValueError, options: dict[str, Any]) -> str:
    """What a class says of its argument, said of the option."""
    name = str(error).partition(":")[0]
    return f"--{flag(name)}{str(error)[len(name) :]}" if name in options else str(error)


def _cell(options: dict[str, Any]) -> Any:
    """The network, or one for each layer, with a graph of its own."""
    import nbt

    cells = [_layer(options, k, *layer) for k, layer in enumerate(_layers(options))]
    return cells[0] if len(cells) == 1 else nbt.Stack(cells)


def _layers(options: dict[str, Any]) -> list[tuple[int, str | None, int | None]]:
    """Units, activation and sources of each layer, from one for all or one for each."""
    from nbt._arguments import whole
    from nbt.cells import MOST_LAYERS

    lists = {"units": options["units"] or (UNITS,)}
    lists |= {name: options[name] or (None,) for name in ("activation", "sources")}
    counts = {f"--layers {options['layers']}": options["layers"]} if options["layers"] else {}
    for name, values in lists.items():
        if len(values) > 1:
            counts[f"--{name} {','.join(map(str, values))}"] = len(values)
    (first, layers), *others = counts.items() or [("", 1)]
    for other, count in others:
        if count != layers:
            raise click.UsageError(
                f"{first} and {other}: expected one value for all layers or one for each, "
                f"got {layers} and {count}"
            )
    whole("layers", layers, high=MOST_LAYERS)
    each = (values if len(values) > 1 else values * layers for values in lists.values())
    return list(zip(*each, strict=True))


def _layer(
    options: dict[str, Any], k: int, units: int, activation: str | None, sources: int | None
) -> Any:
    import nbt

    chosen: dict[str, Any] = given(activation=activation)
    if sources:
        seed = ((options["seed"] or 0) + k) % 2**64
        chosen["graph"] = nbt.Graph.random(units, sources, seed)
    if options["cell"] == "ctrnn":
        return nbt.Continuous(nbt.CTRNN(units, **chosen), options["dt"] or DT)
    if options["cell"] == "leaky":
        return nbt.LeakyRNN(units, learn_leak=bool(options["learn_leak"]), **chosen)
    return nbt.RNN(units, **chosen)


def _settled(options: dict[str, Any], numbers: bool) -> dict[str, Any]:
    """The options with what follows from them, once each fits the others."""
    unnamed = options["optimizer"] is None
    own = "sgd" if options["paper"] and options["trainer"] == "tbptt" else None
    own = own or optimizer_of(options["trainer"], numbers)
    chosen = {**options, "optimizer": own if unnamed else options["optimizer"]}
    for name, (kind, wanted) in APPLIES.items():
        if options.get(name) is None or chosen[kind] in wanted.split(" or "):
            continue
        said = f"--{flag(name)} is for --{kind} {wanted}, not {chosen[kind]}"
        if kind == "optimizer" and unnamed:
            value = shlex.quote(shown(options[name]))
            said += f", which {options['trainer']} has unless told: --optimizer {wanted} "
            said += f"--{flag(name)} {value}"
        raise click.UsageError(said)
    for name, only in (("reduction", "quasi-diagonal"), ("fisher", "outer")):
        if options["outlier"] not in (None, NONE) and options[name] not in (None, only):
            raise click.UsageError(f"--outlier is for --{name} {only}, not {options[name]}")
    given_own = any(options[name] is not None for name in OF_OPTIMIZERS)
    if given_own or options["paper"] or numbers:
        options = chosen  # else the class has it, with a rate of its own
    if options["paper"]:
        settings = _paper(options["trainer"], options["optimizer"])
        options = {**options, **settings, **given(**options)}
    return options


def as_before_schedules(options: dict[str, Any]) -> dict[str, Any]:
    """What the options of a run meant before a number became a constant rate: c / sqrt(t + 1), and
    any option of an optimizer chose it."""
    from nbt.schedules import Constant, InverseSqrt

    falling = {
        name: InverseSqrt(value.value)
        for name in ("rate", "decay")
        if isinstance(value := options[name], Constant)
    }
    implied = {APPLIES[name][1] for name in OF_OPTIMIZERS if options[name] is not None}
    optimizer = options["optimizer"] or min(implied, default=None)
    return {**options, **falling, "optimizer": optimizer}


def _paper(trainer: str, optimizer: str) -> dict[str, Any]:
    """Settings of the paper, to the letter."""
    from nbt.schedules import InverseSqrt

    kalman, one = optimizer == "kalman", InverseSqrt(1.0)
    settings: dict[str, Any] = {"dtype": "float64"}
    settings |= {"decay": one, "prior": 1.0, "outlier": NONE} if kalman else {"rate": one}
    if trainer == "nobacktrack":
        norm = "kalman" if kalman else "euclidean"
        settings |= {"rank": 1, "blocks": 1, "exact_self": False, "norm": norm}
    return settings
