"""Tables in dialects drawn from a seed: what is read is what was written, however it is cut, and
what pandas reads with the same options."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import math
import os
import random
import tempfile
import threading

import numpy as np

import nbt

from .checks import Unlike

NAN = float("nan")
NAMES = ["time", "a b", "x,y", 'say "z"', "Größe", "b", "n"]
NOTES = ["", "plain", "with, comma; and\ttab", 'a "quote"', "two\nlines", "ünï", " spaces "]
GAPS = ["", "NA", "n/a", "?", "-", "#N/A", "NULL", "\\N"]


class Drawn:
    """A table: its text, how it is to be read, and what is in it."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.delimiter = rng.choice(",;\t|")
        self.decimal = rng.choice(".,")
        others = [mark for mark in "., '" if mark != self.decimal]
        self.thousands = rng.choice(["", "", *others])
        self.names = rng.sample(NAMES, rng.randint(2, 5))
        self.wanted = rng.sample(self.names[:-1], rng.randint(1, len(self.names) - 1))
        self.newline = rng.choice(["\n", "\r\n"])
        self.encoding = rng.choice(["utf-8", "utf-8-sig", "cp1252", "utf-16"])
        self.packed = rng.random() < 0.2
        self.bad = rng.random() < 0.3
        rows = [self._row(rng) for _ in range(rng.randint(1, 30))]
        self.numbers = np.array([row[0] for row in rows], float)
        self._lines = [row[1] for row in rows]
        self.text = self._written(rng)

    def _row(self, rng: random.Random) -> tuple[list[float], list[str]]:
        fields = {name: self._field(rng) for name in self.names[:-1]}
        note = rng.choice(NOTES)
        note = note if self.encoding != "cp1252" else note.replace("ï", "i")
        numbers = [fields[name][0] for name in self.wanted]
        return numbers, [*(fields[name][1] for name in self.names[:-1]), note]

    def _field(self, rng: random.Random) -> tuple[float, str]:
        if rng.random() < 0.1:
            return NAN, rng.choice(GAPS)
        number = round(rng.gauss(0, 10 ** rng.randint(-2, 7)), rng.randint(0, 4))
        number = number + 0.0  # no negative zero
        text = f"{number:,.4f}" if self.thousands else f"{number:.4f}"
        text = text.rstrip("0").rstrip(".") if rng.random() < 0.5 else text
        swap = {",": self.thousands, ".": self.decimal}
        return number, "".join(swap.get(mark, mark) for mark in text)

    def _written(self, rng: random.Random) -> bytes:
        file = io.StringIO(newline="")
        quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
        writer = csv.writer(
            file, delimiter=self.delimiter, lineterminator=self.newline, quoting=quoting
        )
        writer.writerow(self.names)
        for line in self._lines:
            writer.writerow(line)
            if self.bad and rng.random() < 0.1:
                file.write(rng.choice(["ERR", "1" + 9 * self.delimiter]) + self.newline)
        raw = file.getvalue().encode(self.encoding)
        return gzip.compress(raw) if self.packed else raw

    def options(self, sniffed: bool) -> dict:
        """Of `table`; sniffed: what is found out is not said."""
        known = {"utf-8": None, "utf-8-sig": None, "utf-16": None}
        given = {"encoding": known.get(self.encoding, self.encoding)}
        given["on_bad_record"] = "skip" if self.bad else "stop"
        if not sniffed:
            given |= {"delimiter": self.delimiter, "decimal": self.decimal}
            given["thousands"] = self.thousands
        return given


def check_dialects(case) -> None:
    """A table by the options it was written with: in files, in pieces, from a pipe, and pandas."""
    drawn = Drawn(case.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "table")
        with open(path, "wb") as file:
            file.write(drawn.text)
        read = _all(nbt.streams.table(path, drawn.wanted, **drawn.options(False)), 7)
        _same("what was written", read, drawn.numbers)
        _check_cuts(drawn, path, random.Random(case.seed))
        _check_sniffed(drawn, path)
        if not drawn.bad and not drawn.packed:
            _same("pandas", _by_pandas(drawn, path), drawn.numbers)
    if hasattr(os, "mkfifo"):
        _check_pipe(drawn)


def _check_cuts(drawn: Drawn, path: str, rng: random.Random) -> None:
    cut = rng.randint(1, len(drawn.numbers))
    first = nbt.streams.table(path, drawn.wanted, **drawn.options(False))
    parts = [first.read(cut)] if cut % 2 else []
    state = first.state_dict()
    first.peek()
    if first.state_dict() != state and not drawn.bad:  # a bad record is passed over for good
        raise Unlike("looking ahead changes the state")
    if not parts:
        parts, state = [first.read(cut)], first.state_dict()
    again = nbt.streams.table(path, drawn.wanted, **drawn.options(False))
    again.load_state_dict(state)
    parts.append(_all(again, rng.randint(1, 5)))
    _same(f"cut at {cut}", np.concatenate(parts), drawn.numbers)


def _check_sniffed(drawn: Drawn, path: str) -> None:
    """What is found out is right, or refused: never another number."""
    stream = nbt.streams.table(path, drawn.wanted, **drawn.options(True))
    rows = []
    with contextlib.suppress(nbt.DataError):
        while len(row := stream.read(1)):
            rows.append(row[0])
    told = any(drawn.decimal in str(text) for line in drawn._lines for text in line)
    if not drawn.bad and not drawn.thousands and told and rows:
        _same("what was found out", np.array(rows), drawn.numbers[: len(rows)])


def _check_pipe(drawn: Drawn) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(drawn.text)

    thread = threading.Thread(target=write)
    thread.start()
    options = {**drawn.options(False), "errors": "strict"}
    stream = nbt.streams.table(f"/dev/fd/{reading}", drawn.wanted, **options)
    parts = []
    while stream.wait(5) and len(part := stream.read(3)):
        parts.append(part)
    thread.join()
    os.close(reading)
    _same("a pipe", np.concatenate(parts), drawn.numbers)


def _by_pandas(drawn: Drawn, path: str) -> np.ndarray:
    import pandas

    frame = pandas.read_csv(
        path, sep=drawn.delimiter, decimal=drawn.decimal, thousands=drawn.thousands or None,
        encoding=drawn.encoding, na_values=GAPS, skipinitialspace=True,
        float_precision="round_trip", engine="c",
    )  # fmt: skip
    return frame[drawn.wanted].astype(float).to_numpy()


def _all(stream, size: int) -> np.ndarray:
    parts = []
    while len(part := stream.read(size)):
        parts.append(part)
    return np.concatenate(parts) if parts else np.empty((0, len(stream.columns)))


def _same(what: str, found: np.ndarray, expected: np.ndarray) -> None:
    if found.shape != expected.shape or not np.array_equal(found, expected, equal_nan=True):
        at = next(
            (k for k in range(min(len(found), len(expected)))
             if not all(a == b or (math.isnan(a) and math.isnan(b))
                        for a, b in zip(found[k], expected[k], strict=True))),
            None,
        )  # fmt: skip
        raise Unlike(f"{what}: {found.shape} for {expected.shape}, first other at {at}: "
                     f"{None if at is None else (found[at], expected[at])}")  # fmt: skip
