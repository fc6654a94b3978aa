"""The file of results: one JSON object a line, appended as runs end, read by a second call."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from nbt.errors import DataError
from nbt.experiments.jobs import Job, key

__all__ = ["Store"]

FORMAT = "nbt-results"
SCHEMA = 1


class Store:
    """Records of jobs, in memory and in a file.

    Parameters
    ----------
    path : path-like
        Made if it is not there. A last line that was cut off in the middle is dropped: its run is
        made again.

    Raises
    ------
    DataError
        The file is something else, naming the line.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._records: list[dict[str, Any]] = []
        self._known: dict[str, dict[str, Any]] = {}
        text = self.path.read_bytes() if self.path.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            self._records.append(self._parsed(number, line))
        if len(whole) < len(text):
            os.truncate(self.path, len(whole))

    def __len__(self) -> int:
        return len(self._records)

    def get(self, job: Job) -> dict[str, Any] | None:
        """The record of a job, if it was done; the last one if more than once."""
        identity = job.identity()
        wanted = key(identity)
        if wanted not in self._known:
            for record in self._records:
                if record.get("kind") == identity["kind"]:
                    self._known[key(record, tuple(identity))] = record
        return self._known.get(wanted)

    def add(self, record: dict[str, Any]) -> None:
        """Append a record; it is on the disk when this returns."""
        line = json.dumps({"format": FORMAT, "schema": SCHEMA, **record}, allow_nan=False)
        with open(self.path, "a", encoding="utf-8", newline="\n") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._records.append(json.loads(line))

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        good = isinstance(record, dict) and record.get("format") == FORMAT
        if not (good and record.get("schema") == SCHEMA):
            raise DataError(f"{self.path}: line {number}: not a result of schema {SCHEMA}")
        return record
