"""What options are given as: kinds of numbers, times, schedules, one or one for each layer."""

from __future__ import annotations

import math
import re
from typing import Any

import click

PATH = click.Path(readable=False)  # checked where it is opened; shells complete it
NONE = "none"  # as a value: None is an option that was not given


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


class Seed(click.ParamType):
    """A whole number of 64 bits."""

    name = "seed"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            number = int(value)
        except ValueError:
            number = -1
        if not 0 <= number < 2**64:
            self.fail(f"{value!r} is not a whole number in [0, 2^64)", param, ctx)
        return number


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
    """A number, constant as in Python, or c/sqrt(t) for c / sqrt(t + 1) at step t = 0, 1, …"""

    name = "NUMBER|NUMBER/sqrt(t)"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from nbt import schedules

        if not isinstance(value, str):
            return value
        kind, number = _schedule(value.strip())
        if math.isnan(number):
            self.fail(f"{value!r} is neither a number nor NUMBER/sqrt(t)", param, ctx)
        try:
            return getattr(schedules, kind)(number)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _schedule(text: str) -> tuple[str, float]:
    """The class and its number; NaN where it is none. const: and sqrt: are older spellings."""
    falling = re.fullmatch(r"(?:sqrt:(.+)|(.+?)\s*/\s*(?:√t|sqrt\(t(?:\s*\+\s*1)?\)))", text)
    if falling:
        return "InverseSqrt", _real(falling[1] or falling[2])
    return "Constant", _real(text.removeprefix("const:"))


class OrNone(click.ParamType):
    """A value of a kind, or none, which is a choice too."""

    def __init__(self, kind: click.ParamType) -> None:
        self.kind, self.name = kind, f"{kind.name}|{NONE}"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == NONE:
            return NONE
        try:
            return self.kind.convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(f"{error.message.rstrip('.')}, nor none", param, ctx)


class Each(click.ParamType):
    """One value for all layers, or one for each, with commas between them: a tuple."""

    def __init__(self, kind: click.ParamType) -> None:
        self.kind, self.name = kind, f"{kind.name}[,...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(self.kind.convert(part.strip(), param, ctx) for part in value.split(","))


def given(**options: Any) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def flag(name: str) -> str:
    """The option of an argument, without its dashes."""
    return name.replace("_", "-")


def _real(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
