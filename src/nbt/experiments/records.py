"""Check the record of a job before anything is drawn or decided from it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

from nbt.storage.strangers import named

__all__ = ["check"]

RATES = {"run": ("entropy_rate",), "baselines": ("entropy_rate", "forgetful_rate")}
CURVE = ("step", "average_bits", "seconds")


def check(record: Mapping[str, Any]) -> None:
    """Raise ValueError for a run or baselines with other content than they should have."""
    if record.get("kind") == "run":
        _check_curve(record)
        trainer = record.get("trainer")
        _expect("trainer", trainer, isinstance(trainer, dict), "a mapping")
    if record.get("kind") == "baselines":
        bits = record.get("bits")
        good = isinstance(bits, dict) and all(map(_is_number, bits.values()))
        _expect("bits", bits, good, "numbers by name")
    for name in RATES.get(str(record.get("kind")), ()):
        rate = record.get(name, "nothing")
        _expect(name, rate, rate is None or _is_number(rate), "a number or null")


def _check_curve(record: Mapping[str, Any]) -> None:
    columns = [record.get(name) for name in CURVE]
    for name, column in zip(CURVE, columns, strict=True):
        good = isinstance(column, list) and all(map(_is_number, column))
        _expect(
            name,
            column,
            good and len(column) == len(columns[0]),
            "a list of numbers, as long as the others",
        )
    steps = [0, *columns[0]]
    rising = all(type(b) is int and a < b < 2**63 for a, b in itertools.pairwise(steps))
    _expect("step", columns[0], rising, "whole numbers that rise")
    at = record.get("diverged_at", "nothing")
    _expect(
        "diverged_at", at, at is None or (type(at) is int and 0 <= at < 2**63), "a step or null"
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)


def _expect(name: str, value: Any, good: bool, wanted: str) -> None:
    if not good:
        raise ValueError(f"{name}: expected {wanted}, got {named(value)}")
