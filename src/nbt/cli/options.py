"""From the options of the command line to a stream and a trainer.

Only what the user gave is passed on: the defaults are those of the classes.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any

import click

from nbt.errors import DataError

UNITS = 20  # the one size for which the classes have no default
DT = 0.1  # of ctrnn, whose time constants are drawn from [1, 10]

APPLIES = {  # option: what it needs
    "learn_leak": ("cell", "leaky"),
    "dt": ("cell", "ctrnn"),
    "rank": ("trainer", "nobacktrack"),
    "blocks": ("trainer", "nobacktrack"),
    "exact_self": ("trainer", "nobacktrack"),
    "norm": ("trainer", "nobacktrack"),
    "window": ("trainer", "tbptt or nobacktrack"),
    "decay": ("optimizer", "kalman"),
    "prior": ("optimizer", "kalman"),
    "readout_prior": ("optimizer", "kalman"),
    "rate": ("optimizer", "sgd"),
}
OF_OPTIMIZERS = tuple(name for name, (kind, _) in APPLIES.items() if kind == "optimizer")


SOURCES = ("alphabet", "format", "column", "follow", "cap")
NUMBERS = ("columns", "target", "missing")  # of a source of numbers


def source_options(command: Any) -> Any:
    """The options that say what the symbols of SOURCE are."""
    for option in (
        click.option("--cap", type=Count(), help="Most symbols of grow.  [default: 1024]"),
        click.option("--follow", is_flag=True, help="Wait for more at the end, as tail -F does."),
        click.option("--column", metavar="NAME", help="Of csv or jsonl."),
        click.option(
            "--alphabet",
            metavar="file|bytes|grow|CHARACTERS",
            help="Symbols: those that occur, all bytes, as they come, these.  "
            "[default: file; bytes or grow for what cannot be read twice]",
        ),
        click.option(
            "--format",
            type=click.Choice(["text", "lines", "bytes", "csv", "jsonl", "npy"]),
            help="What a symbol is: a character, the same of whole lines, a byte, a value in a "
            "column, an integer.  [default: text]",
        ),
    ):
        command = option(command)
    return command


def number_options(command: Any) -> Any:
    """The options that say which numbers of SOURCE are learned."""
    for option in (
        click.option(
            "--missing",
            type=click.Choice(["error", "skip", "mask"]),
            help="What an empty field does: end it, pass its record, or itself only.  "
            "[default: error]",
        ),
        click.option("--target", metavar="NAMES", help="Numbers that --columns predict."),
        click.option(
            "--columns",
            metavar="NAMES",
            help="Numbers of csv or jsonl, by name, with commas: each record from those before.",
        ),
    ):
        command = option(command)
    return command


class Count(click.ParamType):
    """A positive whole number; 1e6 and 1_000_000 will do."""

    name = "count"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            number = int(value)
        except ValueError:
            number = _real(value)
        if not (1 <= number < 2**63 and number == int(number)):
            self.fail(f"{value!r} is not a positive whole number", param, ctx)
        return int(number)


class Positive(click.ParamType):
    """A positive finite number."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number = _real(value)
        if not 0 < number < math.inf:
            self.fail(f"{value!r} is not a positive number", param, ctx)
        return number


class Every(click.ParamType):
    """A time (60s, 5m, 2h) or a positive whole number of steps."""

    name = "60s|STEPS"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        every(self, value, param, ctx)
        return value


def every(kind: click.ParamType, value: str, param: Any = None, ctx: Any = None) -> dict[str, Any]:
    """What "60s" or "1000" is, as arguments of `Run`."""
    scale = {"s": 1, "m": 60, "h": 3600}.get(value[-1:])
    if scale is None:
        return {"every_steps": Count().convert(value, param, ctx)}
    seconds = _real(value[:-1]) * scale
    if not 0 <= seconds < math.inf:
        kind.fail(f"{value!r} is neither a time such as 60s nor a number of steps", param, ctx)
    return {"every_seconds": seconds}


class Schedule(click.ParamType):
    """A number c for c / sqrt(t + 1), the same as sqrt:c, or const:c."""

    name = "schedule"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from nbt import schedules

        if not isinstance(value, str):
            return value
        kind, _, scale = value.rpartition(":")
        kinds = {"": "InverseSqrt", "sqrt": "InverseSqrt", "const": "Constant"}
        number = _real(scale)
        if kind not in kinds or math.isnan(number):
            self.fail(f"{value!r} is not a number, sqrt:NUMBER or const:NUMBER", param, ctx)
        try:
            return getattr(schedules, kinds[kind])(number)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def load_model(path: str) -> Any:
    """The checkpoint in a file, or the newest of a run's folder."""
    import nbt
    from nbt.runs import newest

    if not os.path.isdir(path):
        return nbt.Checkpoint.load(path)
    checkpoint = newest(path)[0]
    if checkpoint is None:
        raise click.UsageError(f"{path}: there is no checkpoint in this folder")
    return checkpoint


def build_stream(
    source: str,
    alphabet: Any,
    seed: int | None,
    *,
    format: str | None = None,
    column: str | None = None,
    follow: bool | None = False,
    cap: int | None = None,
    **numbers: Any,
) -> Any:
    """The stream that SOURCE names; of numbers only where `numbers` are given, or None."""
    from nbt import streams

    if source.startswith("data:"):
        unfit = {"alphabet": isinstance(alphabet, str), "format": format, "column": column}
        unfit |= {name: numbers.get(name) for name in ("columns", "target")}
        for name, value in {**unfit, "follow": follow, "cap": cap}.items():
            if value:
                raise click.UsageError(f"--{name}: {source} has its own")
        stream = _generated(source, seed)
        if stream.alphabet is None and not numbers:
            raise click.UsageError(f"{source}: expected symbols, and these are numbers")
        return stream
    if numbers.get("columns"):
        return _table(source, alphabet, format, column, follow, cap, **numbers)
    for name in ("target", "missing"):
        if numbers.get(name):
            raise click.UsageError(f"--{name} needs --columns")
    pipe = source == "-" or (os.path.exists(source) and not os.path.isfile(source))
    if (pipe or follow) and alphabet == "file":
        raise click.UsageError(
            f"--alphabet file reads the source twice, which {source!r} does not allow; "
            "give bytes, grow or a string of its characters"
        )
    with _said_of(source):
        return streams.file(
            source, format or "text", alphabet, column=column, follow=follow, **given(cap=cap)
        )


@contextlib.contextmanager
def _said_of(source: str) -> Iterator[None]:
    """What is wrong with a file, or with an argument that has the name of an option, as an error of
    the command line; what is wrong with the data stays as it is."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        raise click.UsageError(f"{source!r}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None


def _table(
    source: str,
    alphabet: Any,
    format: str | None,
    column: str | None,
    follow: bool | None,
    cap: int | None,
    columns: str,
    target: str | None,
    missing: str | None,
) -> Any:
    from nbt import streams

    for name, value in {"alphabet": alphabet, "column": column, "cap": cap}.items():
        if value:
            raise click.UsageError(f"--{name} is for symbols, --columns for numbers")
    names = ([name.strip() for name in (given or "").split(",")] for given in (columns, target))
    columns, targets = ([name for name in part if name] for part in names)
    gaps = "keep" if missing in ("skip", "mask") else "error"
    with _said_of(source):
        return streams.table(
            source, columns, targets, format=format, missing=gaps, follow=bool(follow)
        )


def _generated(source: str, seed: int | None) -> Any:
    from nbt import datasets

    try:
        return datasets.by_name(source.removeprefix("data:"), seed)
    except DataError:
        raise
    except ValueError as error:
        raise click.UsageError(f"{source!r}: {error}") from None


def sizes_of(stream: Any) -> tuple[Any, Any]:
    """The readout for what a stream gives, and the inputs; None: what is predicted."""
    import nbt

    if stream.alphabet is not None:
        return nbt.Softmax(len(stream.alphabet)), None
    inputs = nbt.Vector(len(stream.columns), standardize=True)
    targets = getattr(stream, "targets", ()) or stream.columns
    return nbt.Gaussian(len(targets), standardize=True), inputs


def kind_of(stream: Any) -> str:
    """What a stream is of, for people."""
    if stream.alphabet is not None:
        return f"{len(stream.alphabet)} symbols"
    targets = getattr(stream, "targets", ())
    return ", ".join(stream.columns) + (f" -> {', '.join(targets)}" if targets else "")


def build_trainer(readout: Any, options: dict[str, Any], inputs: Any = None) -> Any:
    """The trainer that the options describe."""
    import nbt

    if isinstance(readout, nbt.Gaussian) and not (options["optimizer"] or options["rate"]):
        options = {**options, "optimizer": "kalman"}
    options = _settled(options)
    optimizers = {"kalman": nbt.Kalman, "sgd": nbt.SGD}
    trainers = {"nobacktrack": nbt.NoBackTrack, "rtrl": nbt.RTRL, "tbptt": nbt.TruncatedBPTT}

    def chosen(*names: str) -> dict[str, Any]:
        return given(**{name: options[name] for name in names})

    try:
        cell = _cell(options, **chosen("activation"))
        settings = chosen("rank", "blocks", "exact_self", "norm", "window", "dtype", "seed")
        settings |= given(inputs=inputs, missing=options.get("missing"))
        if options["optimizer"]:
            optimizer = optimizers[options["optimizer"]]
            literal = options["paper"] and optimizer is nbt.Kalman
            own = chosen(*OF_OPTIMIZERS) | ({"outlier": None} if literal else {})
            settings["optimizer"] = optimizer(**own)
        return trainers[options["trainer"]](cell, readout, **settings)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except MemoryError:
        raise click.UsageError("there is not enough memory for a network of this size") from None


def _cell(options: dict[str, Any], **chosen: Any) -> Any:
    """The network, or so many of it in layers, each with a graph of its own."""
    import nbt

    layers = options["layers"] or 1
    if layers > 1:
        return nbt.Stack([_layer(options, k, **chosen) for k in range(layers)])
    return _layer(options, 0, **chosen)


def _layer(options: dict[str, Any], k: int, **chosen: Any) -> Any:
    import nbt

    units = options["units"] or UNITS
    if options["sources"]:
        seed = ((options["seed"] or 0) + k) % 2**64
        chosen["graph"] = nbt.Graph.random(units, options["sources"], seed)
    if options["cell"] == "ctrnn":
        return nbt.Continuous(nbt.CTRNN(units, **chosen), options["dt"] or DT)
    if options["cell"] == "leaky":
        return nbt.LeakyRNN(units, learn_leak=bool(options["learn_leak"]), **chosen)
    return nbt.RNN(units, **chosen)


def _settled(options: dict[str, Any]) -> dict[str, Any]:
    """The options with what follows from them, once each fits the others."""
    if not options["optimizer"]:
        options = {**options, "optimizer": _implied_optimizer(options)}
    for name, (kind, wanted) in APPLIES.items():
        if options.get(name) is not None and options[kind] not in wanted.split(" or "):
            flag = name.replace("_", "-")
            raise click.UsageError(f"--{flag} is for --{kind} {wanted}, not {options[kind]}")
    if options["paper"]:
        settings = _paper(options["trainer"], options["optimizer"])
        options = {**options, **settings, **given(**options)}
    return options


def _implied_optimizer(options: dict[str, Any]) -> str | None:
    """By its own options; by --paper, which has truncated BPTT with plain gradients; or none."""
    implied = {APPLIES[name][1] for name in OF_OPTIMIZERS if options[name] is not None}
    if implied:
        return min(implied)
    if options["paper"]:
        return "sgd" if options["trainer"] == "tbptt" else "kalman"
    return None


def _paper(trainer: str, optimizer: str) -> dict[str, Any]:
    """Settings of the paper, to the letter."""
    from nbt.schedules import InverseSqrt

    kalman = optimizer == "kalman"
    settings: dict[str, Any] = {"dtype": "float64"}
    settings |= {"decay": InverseSqrt(1.0), "prior": 1.0} if kalman else {"rate": InverseSqrt(1.0)}
    if trainer == "nobacktrack":
        norm = "kalman" if kalman else "euclidean"
        settings |= {"rank": 1, "blocks": 1, "exact_self": False, "norm": norm}
    return settings


def given(**options: Any) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def _real(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
