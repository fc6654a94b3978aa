"""Records cut from bytes: columns of CSV and of JSON lines, and words in one of them."""

from __future__ import annotations

import csv
import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from nbt.filestreams import LONGEST_LINE, FileStream
from nbt.sources import Source

__all__ = ["Records", "Words"]


class Records(FileStream):
    """Columns of CSV or of JSON lines: a record a line. Subclasses give `_value`."""

    def __init__(
        self,
        source: Source,
        format: str,
        columns: tuple[str, ...],
        cap: int = 2,
        **choices: Any,
    ) -> None:
        super().__init__(source, cap, **choices)
        self._format, self._columns = format, columns
        self._sizes: list[int] = []

    def _begin(self) -> None:
        super()._begin()
        self._places: list[int] = []  # of the columns, once the heading was read

    @abstractmethod
    def _value(self, fields: list[Any]) -> Any:
        """What is given for a record, of whose fields these are in the columns. ValueError if that
        cannot be."""

    def _cut(self, n: int) -> tuple[list[Any], int]:
        values, self._sizes, used = [], [], 0
        look = self._look()
        text, whole = look.text, self._whole
        while len(values) < n:
            end = text.find("\n", used) + 1 or (len(text) if whole else 0)
            if end <= used:
                break
            try:
                fields = self._fields(text[used:end].rstrip("\r\n"))
                if fields is None:  # a heading or an empty line
                    if values:
                        break
                    return [], end
                values.append(self._value(fields))
            except (ValueError, csv.Error) as error:
                if not values:
                    self._failure = f"{self._where()}: not a record of {self._format}: {error}"
                break
            self._sizes.append(end - used)
            used = end
        if not values and look.failure and "\n" not in text and not self._failure:
            self._failure = f"{self._where()}: not a record of {self._format}: {look.failure}"
        if not values and not self._failure and len(self._rest) > LONGEST_LINE:
            self._failure = f"{self._where()}: a record longer than {LONGEST_LINE} bytes"
        return values, used

    def _size(self, symbols: Any) -> int:
        return sum(self._sizes[: len(symbols)])

    def _fields(self, line: str) -> list[Any] | None:
        if not line.strip():
            return None
        if self._format == "jsonl":
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("expected an object")
            return [record.get(column, "") for column in self._columns]
        (fields,) = csv.reader([line], strict=True)
        if self._at_beginning or not self._places:
            for column in self._columns:
                if column not in fields:
                    raise ValueError(f"no column {column!r} among {', '.join(fields)}")
            self._places = [fields.index(column) for column in self._columns]
            return None
        return [fields[place] if place < len(fields) else "" for place in self._places]

    def _seek(self, state: Mapping[str, int]) -> None:
        super()._seek(state)
        if self._offset:
            self._places = self._places_in(state)

    def _places_in(self, state: Mapping[str, int]) -> list[int]:
        places = [state[key] for key in self._cursor() if key.startswith("column")]
        return [place - 1 for place in places] if all(places) else []


class Words(Records):
    """The values in one column, as words."""

    def __init__(self, source: Source, format: str, column: str, cap: int, **choices: Any) -> None:
        super().__init__(source, format, (column,), cap, **choices)

    def _value(self, fields: list[Any]) -> str:
        return fields[0] if isinstance(fields[0], str) else json.dumps(fields[0])

    def _cursor(self) -> dict[str, int]:
        place = self._places[0] + 1 if self._places else 0
        return {**super()._cursor(), "column": place}
