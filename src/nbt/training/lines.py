"""A history as JSON lines: the settings, then one row a line."""

from __future__ import annotations

import json
import math
from typing import Any

from nbt.errors import DataError
from nbt.storage.strangers import ROOM, parsed
from nbt.streams.counts import COUNTS
from nbt.training.rows import LOSSES, UNITS, HistoryRow, Sum, converted

__all__ = ["read_rows", "write"]

FORMAT = "nbt-history"
SCHEMA = 1
WHOLE = ("step", "unscored", *COUNTS)


def write(history: Any, path: str) -> None:
    """Write the whole history. Raise OSError if the file cannot be written."""
    head = {"format": FORMAT, "schema": SCHEMA, "settings": history.settings}
    head |= {"stopped": history.stopped, "per_octave": history.per_octave}
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head) + "\n")
        file.writelines(row.to_json() + "\n" for row in history)


def read_rows(path: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the first line and the other lines, parsed. Raise DataError if they are no history."""
    with open(path, "rb") as file:
        objects = [_parsed(path, i, line) for i, line in enumerate(file, 1)]
    if not objects or (objects[0].get("format"), objects[0].get("schema")) != (FORMAT, SCHEMA):
        raise DataError(f"{path}: line 1: not a history of schema {SCHEMA}")
    return objects[0], objects[1:]


def row_of(values: dict[str, Any], unit: str, after: int) -> tuple[HistoryRow, Sum]:
    """Return a row, in the unit of its history, and the sums up to it.

    Older versions wrote bits for numbers, too. Raise ValueError, TypeError, KeyError or
    OverflowError if the values are no row.
    """
    values = dict(values)
    for name in LOSSES:
        written = next((u for u in UNITS if f"{name}_{u}" in values), unit)
        loss = values.pop(f"{name}_{written}")
        values[name] = converted(math.nan if loss is None else float(loss), written, unit)
    for name, value in values.items():
        kind = int if name in WHOLE else float
        values[name] = math.nan if value is None else kind(value)
    row = HistoryRow(**values, unit=unit)
    if not row.step > after:
        raise ValueError("step does not grow")
    scored = row.step - max(row.unscored, 0)
    if scored < 0 or row.step >= 2**63:
        raise ValueError("more steps without a loss than steps")
    nats = converted(row.average, unit, "nats") * scored if scored else 0.0
    return row, Sum(row.step, nats, row.seconds, max(row.unscored, 0))


def _parsed(path: str, line: int, text: bytes) -> dict[str, Any]:
    try:
        value = parsed(text, ROOM + 10 * len(text))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DataError(f"{path}: line {line}: not a JSON object")
    return value
