"""A stream of the values in one column of records, as words."""

from __future__ import annotations

import json
from typing import Any

from nbt.streams.sources.source import Source
from nbt.streams.tables.dialects import Reading
from nbt.streams.tables.records import Records

__all__ = ["Words"]


class Words(Records):
    """Stream of the values in one column, as words."""

    def __init__(
        self, source: Source, reading: Reading, column: str, cap: int, **choices: Any
    ) -> None:
        super().__init__(source, reading, (column,), cap, **choices)

    def _value(self, fields: list[Any]) -> str:
        if isinstance(fields[0], str):
            return fields[0]
        try:
            return json.dumps(fields[0])
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def _in_state(self, places: list[int]) -> dict[str, int]:
        return {"column": places[0]}
