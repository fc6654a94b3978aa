"""The file of results: one JSON object a line, appended as runs end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from nbt.errors import DataError
from nbt.experiments.jobs import Job, key
from nbt.experiments.records import check
from nbt.storage.atomic import replace_in
from nbt.storage.folders import opened
from nbt.storage.strangers import ROOM, parsed, words

__all__ = ["Store"]

FORMAT = "nbt-results"
SCHEMA = 1
LARGEST = 1 << 30  # most bytes of a file


class Store:
    """Records of jobs, in memory and in a file.

    Parameters
    ----------
    path : path-like
        The file. It is made if it does not exist, and must not be a link. An incomplete last line
        is ignored, and removed when another record is added; its run is made again.

    Raises
    ------
    DataError
        The file has other content; the message names the line.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._records: list[dict[str, Any]] = []
        self._known: dict[str, dict[str, Any]] = {}
        text = b""
        with opened(self.path.parent, DataError) as folder:
            if folder.is_there(self.path.name):
                text = folder.read(self.path.name, LARGEST)
        whole = text[: text.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            self._records.append(self._parsed(number, line))
        self._cut = len(whole) < len(text)

    def __len__(self) -> int:
        return len(self._records)

    def get(self, job: Job) -> dict[str, Any] | None:
        """Return the record of a job, the last one if there are several; None if the job was not
        done."""
        identity = job.identity()
        wanted = key(identity)
        if wanted not in self._known:
            for record in self._records:
                if record.get("kind") == identity["kind"]:
                    self._known[key(record, tuple(identity))] = record
        return self._known.get(wanted)

    def add(self, record: dict[str, Any]) -> None:
        """Append a record. It is on the disk when this returns."""
        self._records.append(json.loads(_line(record)))
        with opened(self.path.parent, DataError) as folder:
            handle = folder.open(self.path.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with open(handle, "ab", buffering=0) as file:
                if self._cut or os.fstat(handle).st_nlink > 1:  # it has another name elsewhere
                    replace_in(folder, self.path.name, b"".join(map(_line, self._records)))
                    self._cut = False
                    return
                file.write(_line(record))
                os.fsync(handle)

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        why = ""
        try:
            record = parsed(line, ROOM + 10 * len(line))
            marks = isinstance(record, dict) and (record.get("format"), record.get("schema"))
            if marks == (FORMAT, SCHEMA):
                check(record)
                return record
        except (ValueError, RecursionError) as error:
            why = f": {words(error)}"
        raise DataError(f"{self.path}: line {number}: not a result of schema {SCHEMA}{why}")


def _line(record: dict[str, Any]) -> bytes:
    line = json.dumps({"format": FORMAT, "schema": SCHEMA, **record}, allow_nan=False)
    return line.encode() + b"\n"
