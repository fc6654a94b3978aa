"""Records of CSV and JSON. A stream of them can go on after one that cannot be read."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from nbt.streams.characters import NOTED, FileStream
from nbt.streams.sources.source import Source
from nbt.streams.tables.cutting import Overlong, csv_records, json_elements, json_lines
from nbt.streams.tables.dialects import (
    DELIMITERS,
    Heading,
    Reading,
    check_of,
    choose,
    name_of,
    said_delimiter,
)

__all__ = ["Records"]

PEEK = 1 << 12  # bytes read to see how a file is written
HOPELESS = 100  # give up if none of so many first records can be read


class Records(FileStream):
    """Columns of records. Subclasses define `_value`.

    What lies before a record, such as a heading, may be taken from `_rest` before the record is
    given. The state of the stream is then still that before the heading, kept in `_before`.
    """

    _unit = "records"
    _later = FileStream._later | {"delimiter", "width", "check", "array"}
    _spaces = False  # whether spaces may stand before a field

    def __init__(
        self,
        source: Source,
        reading: Reading,
        columns: tuple[str, ...],
        cap: int = 2,
        **choices: Any,
    ) -> None:
        self._reading, self._columns = reading, columns
        self._stops = (reading.on_bad_record or ("skip" if source.live else "stop")) == "stop"
        self._set_heading(None)
        super().__init__(source, cap, **choices)
        self._sizes: list[int] = []

    def _begin(self) -> None:
        super()._begin()
        self._before: dict[str, int] | None = None
        self._fresh = True  # a heading is expected
        self._array = False  # whether the file is a JSON array
        self._dropping = False  # whether we are inside a line that is too long

    @property
    def form(self) -> str:
        """How the table is written, as far as that is known."""
        if self._reading.format != "csv":
            return "JSON array" if self._array else "JSON lines"
        return f"csv ({', '.join(marks)})" if (marks := self._marks_shown()) else "csv"

    def _marks_shown(self) -> list[str]:
        """Return in words the marks that differ from the usual ones."""
        delimiter = self._heading.delimiter if self._heading else self._reading.delimiter
        return [f"delimiter {delimiter!r}"] if delimiter not in (None, ",") else []

    def peek(self) -> None:
        """Read the next record of a file ahead, so that `form` says how it is written."""
        while not (self.live or self._failure or self._cut(1)[1] or self._final):
            self._fill(PEEK)

    @abstractmethod
    def _value(self, fields: list[Any]) -> Any:
        """Return the value of a record, given its fields in the columns. ValueError if it has
        none."""

    def _set_heading(self, heading: Heading | None) -> None:
        self._heading = heading
        self._width, self._places = (heading.width, heading.places) if heading else (0, ())

    # ---- cutting ---------------------------------------------------------------------------------

    def _cut(self, n: int) -> tuple[list[Any], int]:
        while not self._failure and self._ready():
            values, end, what = self._whole_records(n)
            if values:
                return values, sum(self._sizes)
            if not end:
                self._failure = self._undecodable("a record")
                break
            self._pass(end, what)
        return [], 0

    def _whole_records(self, n: int) -> tuple[list[Any], int, Heading | ValueError | None]:
        """Return the values of the records at the beginning.

        If there is none, return where the text before the first record ends, and what this text is:
        a heading, None for space, or the error of a bad record.
        """
        values: list[Any] = []
        self._sizes, used, passed = [], 0, 0
        for end, record in self._pieces():
            if record is not None:
                try:
                    values.append(self._value(self._fields(record)))
                except ValueError as error:
                    if values or passed:
                        break
                    return values, end, self._again(record) or error
                self._sizes.append(end - used)
                used = end
            passed = end
            if len(values) == n:
                break
        return values, passed, None

    def _pieces(self) -> Iterator[tuple[int, Any]]:
        if self._reading.format == "csv":
            return self._csv(self._heading.delimiter)
        cut = json_elements if self._array else json_lines
        return cut(self._look().text, self._whole, self._reading.longest)

    def _csv(self, delimiter: str) -> Iterator[tuple[int, Any]]:
        text, longest = self._look().text, self._reading.longest
        return csv_records(text, self._whole, longest, delimiter, self._spaces)

    def _size(self, symbols: Any) -> int:
        return sum(self._sizes[: len(symbols)])

    def _fields(self, record: Any) -> list[Any]:
        if type(record) is dict:
            return [record.get(column, "") for column in self._columns]
        if type(record) is not list:
            raise record
        if not self._width and len(record) > max(self._places):  # an older state has no width
            self._width = len(record)
        if len(record) != self._width:
            raise ValueError(
                f"expected {self._width} fields, got {len(record)}{self._comma(record)}"
            )
        fields = [record[place] for place in self._places]
        name, field = self._columns[0], fields[0]
        if name in field and name_of(field) == name and self._again(record):
            raise ValueError("the heading")
        return fields

    def _comma(self, record: list[str]) -> str:
        """Return a hint for an error message, where a record has too many fields."""
        many = len(record) > self._width and self._heading.delimiter == ","
        return "; a decimal comma needs quotes, or another delimiter" if many else ""

    # ---- what is no record -----------------------------------------------------------------------

    def _ready(self) -> bool:
        """Take what comes before the first record; return False if more of the file is needed."""
        if self._dropping:
            self._drop()
        if self._dropping:
            return False
        if not (self._fresh or self._at_beginning):
            return True
        if self._reading.format == "csv":
            return self._read_heading()
        first = self._look().text.lstrip()[:1]
        self._array = first == "["
        self._fresh = not first
        return bool(first)

    def _read_heading(self) -> bool:
        """Read the heading: the first record of a file, or the one after a line such as
        ``sep=;``."""
        while (end := self._look().text.find("\n") + 1) and not self._look().text[:end].strip():
            self._step(end)
        try:
            found, ends = self._candidates(self._reading.delimiter or DELIMITERS)
            if not found:
                self._failure = self._undecodable("a heading")
                return False
            delimiter = choose(found, self._columns)
            heading = Heading.of(delimiter, found[delimiter], self._columns)
            self._step(ends[delimiter])
            self._set_heading(heading)
        except ValueError as error:
            if self._heading is None:
                self._failure = f"{self._where()}: not a heading of csv: {error}"
                return False
        self._fresh = False  # a file that continues another one may have no heading
        return True

    def _undecodable(self, what: str) -> str:
        """Return the error message for a record whose bytes are invalid; "" if they are not."""
        why = self._look().failure
        if not why:
            return ""
        return (
            f"{self._where()}: not {what} of {self._reading.format}: it {why}; encoding='cp1252' "
            "reads a file of that encoding, and errors='replace' goes on after it"
        )

    def _candidates(self, delimiters: str) -> tuple[dict[str, list[str]], dict[str, int]]:
        """Return the fields of the first record by each delimiter, and where it ends; nothing if
        more text is needed."""
        found, ends = {}, {}
        for delimiter in delimiters:
            end, record = next(self._csv(delimiter), (0, None))
            if not end:
                return {}, {}
            if isinstance(record, list):
                said = said_delimiter(self._look().text[:end])
                if said and not self._reading.delimiter:
                    self._step(end)
                    return self._candidates(said)
                found[delimiter], ends[delimiter] = record, end
        if not found:
            raise record
        return found, ends

    def _again(self, record: Any) -> Heading | None:
        """Return the heading if the record repeats it, as at the beginning of another file."""
        if not isinstance(record, list) or check_of(record) != self._heading.check:
            return None
        return self._heading

    def _pass(self, end: int, what: Heading | ValueError | None) -> None:
        """Pass what is no record: space, a heading, or a bad record."""
        if not isinstance(what, ValueError):
            self._step(end)
            self._set_heading(what or self._heading)
        elif self._stops:
            said = f"not a record of {self._reading.format}: {what}"
            self._failure = f"{self._where()}: {said}; on_bad_record='skip' goes on after it"
        elif isinstance(what, Overlong) and not (self._cut_at(end) or self._final):
            self._step(end)
            self._dropping = True
        else:
            self._pass_over(end, what)

    def _cut_at(self, end: int) -> bool:
        """Return whether a line ends there."""
        return self._look().text[end - 1] == "\n"

    def _drop(self) -> None:
        """Drop the rest of a line that is too long."""
        text = self._look().text
        end = text.find("\n") + 1
        self._dropping = not (end or self._final)
        if self._dropping:
            self._step(len(text))
        else:
            self._pass_over(end or len(text), Overlong(self._reading.longest))

    def _pass_over(self, end: int, why: ValueError) -> None:
        said = f"not a record of {self._reading.format}, passed over: {why}"
        self._count("skipped", 1, 0, said)
        count = self._counts["skipped"]
        if count >= HOPELESS and not self.position:
            where = f"the last: {self._where()}: {said}"
            self._failure = f"{self.name}: none of the first {count} records can be read; {where}"
        elif count > NOTED and str(count).strip("0") == "1":
            so_far = f"{count:,} records passed over so far"
            self.notes.append(f"{self.name}: {so_far}; the last: {said}")
        self._step(end)
        self._before = None  # a skipped record is not read again

    def _empty(self) -> str:
        if skipped := self._counts["skipped"]:
            return f"{self.name}: none of its {skipped} records can be read"
        return f"{self.name}: {'has a heading and no records' if self._heading else 'is empty'}"

    # ---- where it is -----------------------------------------------------------------------------

    def _step(self, count: int) -> None:
        """Take text that is no symbol. For others the stream stays where it was."""
        if self._before is None:
            self._before = self._here()
        super()._take(count)

    def _take(self, count: int) -> None:
        super()._take(count)
        self._before = None

    def _cursor(self) -> dict[str, int]:
        return self._before or self._here()

    def _here(self) -> dict[str, int]:
        heading = self._heading or Heading("\0", (-1,) * len(self._columns), 0, 0)
        return {
            **super()._cursor(),
            "hash": self._crc,
            "delimiter": ord(heading.delimiter),
            "width": heading.width,
            "check": heading.check,
            "array": int(self._array and self._offset > 0),
            **self._in_state([place + 1 for place in heading.places]),
        }

    def _in_state(self, places: list[int]) -> dict[str, int]:
        """Return the places of the columns by their keys in a state."""
        return {f"column.{i}": place for i, place in enumerate(places)}

    def _seek(self, state: Mapping[str, int]) -> None:
        super()._seek(state)
        places = tuple(state[key] - 1 for key in self._in_state([0] * len(self._columns)))
        heading = None
        if min(places) >= 0:
            delimiter = chr(min(state["delimiter"], 0x10FFFF) or ord(","))  # 0 in an older state
            heading = Heading(delimiter, places, state["width"], state["check"])
            if max(places) >= (heading.width or sys.maxsize):
                raise ValueError(f"state: expected columns before {heading.width}, got {places}")
        self._set_heading(heading)
        if not self._at_beginning:  # otherwise a heading may come
            self._array = bool(state["array"])
            self._fresh = self._heading is None and self._reading.format == "csv"
