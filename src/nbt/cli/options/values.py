"""Types of the values of options: numbers, times, schedules, rules, one value or one for each
layer."""

from __future__ import annotations

import math
import re
from typing import Any

import click

PATH = click.Path(readable=False)  # checked when it is opened; shells complete it
UNITS_OF_TIME = {"s": 1, "m": 60, "h": 3600}
NONE = "none"  # a value; None means that the option was not given


class Count(click.ParamType):
    """Integer from `least` to `most`; 1e6 and 1_000_000 are accepted."""

    name = "count"

    def __init__(self, least: int = 1, most: int = 2**63 - 1) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            number = int(value)
        except ValueError:
            number = _real(value)
        if not (self.least <= number < 2**63 and number == int(number)):
            kind = "positive whole number" if self.least else "whole number of at least 0"
            self.fail(f"{value!r} is not a {kind}", param, ctx)
        if number > self.most:
            self.fail(f"{value!r} is more than {self.most:,}", param, ctx)
        return int(number)


class Seed(click.ParamType):
    """Integer of 64 bits."""

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
    """Positive finite number."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number = _real(value)
        if not 0 < number < math.inf:
            self.fail(f"{value!r} is not a positive number", param, ctx)
        return number


class Range(click.ParamType):
    """Two numbers, the smaller one first, separated by a comma: a tuple."""

    name = "from,to"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, float]:
        parts = value.split(",") if isinstance(value, str) else list(value)
        numbers = [_real(part) for part in parts]
        if len(numbers) != 2 or not -math.inf < numbers[0] <= numbers[1] < math.inf:
            self.fail(
                f"{value!r} is not two numbers such as 1,32, the smaller one first", param, ctx
            )
        return numbers[0], numbers[1]


class Duration(click.ParamType):
    """Time in seconds, at most 10⁹: 20, 20s, 1.5m, 2h."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        seconds = _real(value) if isinstance(value, float) else _seconds(value.strip(), 1)
        if not 0 < seconds <= 1e9:
            self.fail(f"{value!r} is not a time such as 20s, 1.5m or 2h", param, ctx)
        return seconds


class Every(click.ParamType):
    """Time (60s, 5m, 2h) or positive integer number of steps."""

    name = "time|count"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        every(self, value, param, ctx)
        return value


def every(kind: click.ParamType, value: str, param: Any = None, ctx: Any = None) -> dict[str, Any]:
    """Return "60s" or "1000" as arguments of `Run`."""
    if value[-1:] not in UNITS_OF_TIME:
        return {"every_steps": Count().convert(value, param, ctx)}
    seconds = _seconds(value)
    if not 0 <= seconds < math.inf:
        kind.fail(f"{value!r} is neither a time such as 60s nor a number of steps", param, ctx)
    return {"every_seconds": seconds}


class Rules(click.ParamType):
    """Names of learning rules, separated by commas."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        from nbt.experiments import RULES

        names = [name.strip() for name in value.split(",") if name.strip()]
        unknown = [name for name in names if name not in RULES]
        if unknown or not names:
            what = f"no rule {unknown[0]!r}" if unknown else "no rules"
            self.fail(f"{what}; there are {', '.join(RULES)}", param, ctx)
        return tuple(RULES[name] for name in dict.fromkeys(names))


class Schedule(click.ParamType):
    """Number, which is constant as in Python; c/sqrt(t) for c / sqrt(t + 1) at step t = 0, 1, …; or
    c/sqrt(1+t/s) for c / sqrt(1 + t / s)."""

    name = "NUMBER|NUMBER/sqrt(t)"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from nbt import schedules

        if not isinstance(value, str):
            return value
        kind, *numbers = _schedule(value.strip())
        if any(map(math.isnan, numbers)):
            self.fail(f"{value!r} is neither a number nor NUMBER/sqrt(t)", param, ctx)
        try:
            return getattr(schedules, kind)(*numbers)
        except ValueError as error:  # it names the argument of the schedule, not the option
            self.fail(str(error).partition(": ")[2], param, ctx)


SLOWLY = r"(.+?)\s*/\s*sqrt\(\s*1\s*\+\s*t\s*/\s*(.+?)\s*\)"


def _schedule(text: str) -> tuple[Any, ...]:
    """Return the class and its numbers, NaN for one that is none. const: and sqrt: are older
    spellings."""
    if slowly := re.fullmatch(SLOWLY, text):
        return "InverseSqrt", _real(slowly[1]), _real(slowly[2])
    falling = re.fullmatch(r"(?:sqrt:(.+)|(.+?)\s*/\s*(?:√t|sqrt\(t(?:\s*\+\s*1)?\)))", text)
    if falling:
        return "InverseSqrt", _real(falling[1] or falling[2])
    return "Constant", _real(text.removeprefix("const:"))


class OrNone(click.ParamType):
    """Value of a type, or the word none."""

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
    """One value for all layers, or one for each, separated by commas: a tuple."""

    def __init__(self, kind: click.ParamType) -> None:
        self.kind, self.name = kind, f"{kind.name}[,...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(self.kind.convert(part.strip(), param, ctx) for part in value.split(","))


def given(**options: Any) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def flag(name: str) -> str:
    """Return the word of an option, without its dashes."""
    return name.replace("_", "-")


def _seconds(text: str, plain: float = math.nan) -> float:
    """Return a time in seconds; `plain` is the unit of a number without one."""
    scale = UNITS_OF_TIME.get(text[-1:])
    return _real(text[:-1]) * scale if scale else _real(text) * plain


def _real(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
