"""From the options of the command line to a stream and a trainer.

Only what the user gave is passed on: the defaults are those of the classes.
"""

from __future__ import annotations

import math
import os
from typing import Any

import click

from nbt.errors import DataError

UNITS = 20  # the one size for which the classes have no default

APPLIES = {  # option: what it needs
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
) -> Any:
    """The stream that SOURCE names."""
    from nbt import streams

    if source.startswith("data:"):
        unfit = {"alphabet": isinstance(alphabet, str), "format": format, "column": column}
        for name, value in {**unfit, "follow": follow, "cap": cap}.items():
            if value:
                raise click.UsageError(f"--{name}: {source} has its own")
        return _generated(source, seed)
    pipe = source == "-" or (os.path.exists(source) and not os.path.isfile(source))
    if (pipe or follow) and alphabet == "file":
        raise click.UsageError(
            f"--alphabet file reads the source twice, which {source!r} does not allow; "
            "give bytes, grow or a string of its characters"
        )
    try:
        return streams.file(
            source, format or "text", alphabet, column=column, follow=follow, **given(cap=cap)
        )
    except DataError:
        raise
    except OSError as error:
        raise click.UsageError(f"{source!r}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None


def _generated(source: str, seed: int | None) -> Any:
    from nbt import datasets

    try:
        return datasets.by_name(source.removeprefix("data:"), seed)
    except DataError:
        raise
    except ValueError as error:
        raise click.UsageError(f"{source!r}: {error}") from None


def build_trainer(symbols: int, options: dict[str, Any]) -> Any:
    """The trainer that the options describe, for an alphabet of so many symbols."""
    import nbt

    options = _settled(options)
    cells = {"rnn": nbt.RNN, "leaky": nbt.LeakyRNN}
    optimizers = {"kalman": nbt.Kalman, "sgd": nbt.SGD}
    trainers = {"nobacktrack": nbt.NoBackTrack, "rtrl": nbt.RTRL, "tbptt": nbt.TruncatedBPTT}

    def chosen(*names: str) -> dict[str, Any]:
        return given(**{name: options[name] for name in names})

    try:
        cell = cells[options["cell"]](options["units"] or UNITS, **chosen("activation"))
        settings = chosen("rank", "blocks", "exact_self", "norm", "window", "dtype", "seed")
        if options["optimizer"]:
            optimizer = optimizers[options["optimizer"]]
            settings["optimizer"] = optimizer(**chosen(*OF_OPTIMIZERS))
        return trainers[options["trainer"]](cell, nbt.Softmax(symbols), **settings)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except MemoryError:
        raise click.UsageError("there is not enough memory for a network of this size") from None


def _settled(options: dict[str, Any]) -> dict[str, Any]:
    """The options with what follows from them, once each fits the others."""
    if not options["optimizer"]:
        options = {**options, "optimizer": _implied_optimizer(options)}
    for name, (kind, wanted) in APPLIES.items():
        if options[name] is not None and options[kind] not in wanted.split(" or "):
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
