"""A run in a folder: it can be stopped at any moment and resumed.

    run.toml                         what was asked for
    metrics.jsonl                    a row of the history a line, as they come
    checkpoints/last.safetensors     the newest checkpoint (checkpoint.py)
    checkpoints/step-….safetensors   older ones
    report.html                      on request
    lock                             held by the process that writes here

All files but metrics.jsonl are replaced as a whole (storage/atomic.py). When a run is resumed,
metrics.jsonl is written anew from the checkpoint. The folder may come from someone unknown: no link
in it is followed (storage/folders.py), and its content is checked before it is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import tomllib
from collections.abc import Mapping
from typing import Any

from nbt.build import __version__
from nbt.checkpoints.checkpoint import CHECKPOINTS, LAST, Checkpoint, encoded, newest_in, older
from nbt.errors import CheckpointError
from nbt.storage.atomic import Lock, clean, replace_in
from nbt.storage.folders import opened
from nbt.training.history import History

__all__ = ["Run", "settings_of"]

KEEP = 3
SETTINGS, METRICS, REPORT, LOCK = "run.toml", "metrics.jsonl", "report.html", "lock"

LONGEST = 48 << 20  # most bytes of run.toml, which may hold a graph as one long word
WORD = re.compile(rb"[A-Za-z0-9+/]{4096,}")
MOST_TEXT, MOST_DOTS = 1 << 18, 2000  # without such words; the cost of parsing grows with them


def settings_of(path: str) -> dict[str, Any] | None:
    """Return the content of run.toml in a folder; None if there is none.

    Raise `CheckpointError` if it is damaged or no regular file.
    """
    try:
        with opened(path, CheckpointError) as folder:
            text = folder.read(SETTINGS, LONGEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    name = os.path.join(path, SETTINGS)
    if len(WORD.sub(b"", text)) > MOST_TEXT or text.count(b".") > MOST_DOTS:
        raise CheckpointError(f"{name}: too much text for what a run was asked for")
    try:
        return tomllib.loads(text.decode())
    except RecursionError:
        raise CheckpointError(f"{name}: nested too deeply") from None
    except ValueError as error:
        raise CheckpointError(f"{name}: {error}") from None


class Run:
    """Folder of a run, to which one process writes.

    Parameters
    ----------
    path : str
        Path of the folder. It is made if it does not exist.
    every_seconds, every_steps : number, optional
        Time, or number of steps, between two checkpoints.
    keep : int
        Number of checkpoints that are kept, including the last one.

    Raises
    ------
    BlockingIOError
        Another process writes to the folder.
    CheckpointError
        Something in it is a link, or not a regular file where there should be one.
    OSError
        The folder cannot be made or written to.
    """

    def __init__(
        self,
        path: str,
        *,
        every_seconds: float | None = None,
        every_steps: int | None = None,
        keep: int = KEEP,
    ) -> None:
        self.path = path
        self.every_seconds, self.every_steps, self._keep = every_seconds, every_steps, keep
        os.makedirs(path, exist_ok=True)
        with contextlib.ExitStack() as stack:
            self._folder = stack.enter_context(opened(path, CheckpointError))
            self._checkpoints = stack.enter_context(self._folder.sub(CHECKPOINTS, make=True))
            self._lock = stack.enter_context(Lock(self._folder, LOCK))
            for name in (SETTINGS, METRICS, REPORT):
                self._folder.is_there(name)
            for name in (LAST, *older(self._checkpoints)):
                self._checkpoints.is_there(name)
            self._open = stack.pop_all()
        self._metrics: Any = None
        self._rows = 0
        self._last_step: int | None = None  # step of last.safetensors
        self._last_time = time.monotonic()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self._metrics:
            self._metrics.close()
        self._open.close()

    def write(self, name: str, data: bytes) -> None:
        """Replace a file of the run."""
        replace_in(self._folder, name, data)

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Write run.toml."""
        lines = _toml({"version": __version__, **settings})
        self.write(SETTINGS, "\n".join(lines).encode("utf-8", "replace") + b"\n")

    # ---- checkpoints ---------------------------------------------------------------------------

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """Return the newest sound checkpoint, and what is wrong with newer ones.

        Raises
        ------
        CheckpointError
            There are checkpoints, but none is sound.
        """
        clean(self._checkpoints, LAST)
        checkpoint, troubles = newest_in(self._checkpoints)
        if checkpoint and not troubles:
            self._last_step = checkpoint.trainer.step
        return checkpoint, troubles

    def save(self, checkpoint: Checkpoint) -> None:
        """Make this the last checkpoint. The previous one joins the older ones.

        Raises
        ------
        CheckpointError, OSError
            As in `Checkpoint.save`. The previous checkpoint is then still there.
        """
        aside = None
        step = checkpoint.trainer.step
        if self._last_step is not None and self._last_step != step and self._keep > 1:
            aside = f"step-{self._last_step:020}.safetensors"
        self._last_time = time.monotonic()  # set first: a full disk is not tried again at once
        data = encoded(checkpoint, self._checkpoints.file(LAST))
        replace_in(self._checkpoints, LAST, data, aside)
        self._last_step = step
        kept = older(self._checkpoints)
        for name in kept[: max(0, len(kept) - (self._keep - 1))]:
            self._checkpoints.unlink(name)

    def holds(self, step: int) -> bool:
        """Return whether the last checkpoint is of this step."""
        return step == self._last_step

    def due(self, step: int) -> bool:
        """Return whether it is time for a checkpoint."""
        if self.holds(step):
            return False
        if self.every_steps is not None:
            return step // self.every_steps != (self._last_step or 0) // self.every_steps
        if self.every_seconds is not None:
            return time.monotonic() - self._last_time >= self.every_seconds
        return False

    # ---- metrics -------------------------------------------------------------------------------

    def rows(self, history: History) -> None:
        """Write the new rows of the history; at the first call, all rows."""
        if self._metrics and self._rows == len(history):
            return
        try:
            if not self._metrics:
                lines = "".join(row.to_json() + "\n" for row in history)
                self.write(METRICS, lines.encode())
                handle = self._folder.open(METRICS, os.O_WRONLY | os.O_APPEND)
                self._metrics = open(handle, "ab", buffering=0)  # noqa: SIM115
                self._rows = len(history)
            for i in range(self._rows, len(history)):
                self._metrics.write(f"{history[i].to_json()}\n".encode())
        except OSError as error:
            if self._metrics:  # the last line may be incomplete
                self._metrics.close()
            self._metrics = None
            error.filename = error.filename or self._folder.file(METRICS)
            raise
        self._rows = len(history)


def _toml(values: Mapping[str, Any], table: str = "") -> list[str]:
    """Return lines of TOML. Strings and numbers are written as in JSON; None is left out."""
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"{key} = {_toml_value(v)}" for key, v in plain.items() if v is not None]
    for key in (key for key in values if key not in plain):
        name = f"{table}.{key}" if table else key
        lines += ["", f"[{name}]", *_toml(values[key], name)]
    return lines


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, Mapping):  # in a list
        parts = (f"{key} = {_toml_value(v)}" for key, v in value.items() if v is not None)
        return f"{{{', '.join(parts)}}}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
