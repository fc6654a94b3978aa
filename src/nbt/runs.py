"""A run in a folder, which can be stopped at any moment and gone on with.

    run.toml                         what was asked for
    metrics.jsonl                    a row of the history a line, as they come
    checkpoints/last.safetensors     the newest checkpoint
    checkpoints/step-….safetensors   older ones
    report.html                      on request
    lock                             held by the process that writes here

Everything but metrics.jsonl is replaced whole (durable.py); metrics.jsonl is written anew from the
checkpoint when a run goes on.
"""

from __future__ import annotations

import glob
import json
import os
import re
import time
import tomllib
from collections.abc import Mapping
from typing import Any

from nbt.build import __version__
from nbt.checkpoint import Checkpoint
from nbt.durable import Lock, clean, replace
from nbt.errors import CheckpointError
from nbt.history import History

__all__ = ["Run", "newest", "settings_of"]

KEEP = 3
LAST = "last.safetensors"


def settings_of(path: str) -> dict[str, Any] | None:
    """What run.toml in a folder says; None if there is none.

    Raises `CheckpointError` if it is damaged.
    """
    name = os.path.join(path, "run.toml")
    try:
        with open(name, "rb") as file:
            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise CheckpointError(f"{name}: {error}") from None


def newest(path: str, cell: Any = None) -> tuple[Checkpoint | None, list[str]]:
    """As `Run.newest`, of a folder that may be another process's; `cell` as in `nbt.load`."""
    folder = os.path.join(path, "checkpoints")
    troubles: list[str] = []
    for name in [os.path.join(folder, LAST), *reversed(_older(folder))]:
        try:
            return Checkpoint.load(name, cell), troubles
        except FileNotFoundError:
            continue
        except (CheckpointError, OSError) as error:
            troubles.append(str(error))
    if troubles:
        raise CheckpointError(f"{path}: no sound checkpoint; {'; '.join(troubles)}")
    return None, []


def _older(folder: str) -> list[str]:
    """Checkpoints before the last one, the oldest first."""
    names = glob.glob(os.path.join(glob.escape(folder), "step-*.safetensors"))
    return sorted(name for name in names if re.search(r"step-\d{20}\.safetensors$", name))


class Run:
    """A folder that one process writes to.

    Parameters
    ----------
    path : str
        Made if it is not there.
    every_seconds, every_steps : number, optional
        When a checkpoint is due.
    keep : int
        How many checkpoints are kept, the last one included.

    Raises
    ------
    BlockingIOError
        Another process writes there.
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
        self._checkpoints = os.path.join(path, "checkpoints")
        os.makedirs(self._checkpoints, exist_ok=True)
        self._lock = Lock(os.path.join(path, "lock"))
        self._metrics: Any = None
        self._rows = 0
        self._last_step: int | None = None  # of last.safetensors
        self._last_time = time.monotonic()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self._metrics:
            self._metrics.close()
        self._lock.release()

    def file(self, name: str) -> str:
        """Path of a file of the run."""
        return os.path.join(self.path, name)

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Write run.toml."""
        lines = _toml({"version": __version__, **settings})
        replace(self.file("run.toml"), "\n".join(lines).encode("utf-8", "replace") + b"\n")

    # ---- checkpoints ---------------------------------------------------------------------------

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that is sound, and what is wrong with newer ones.

        Raises
        ------
        CheckpointError
            There are some, and none is sound.
        """
        clean(os.path.join(self._checkpoints, LAST))
        checkpoint, troubles = newest(self.path)
        if checkpoint and not troubles:
            self._last_step = checkpoint.trainer.step
        return checkpoint, troubles

    def save(self, checkpoint: Checkpoint) -> None:
        """Make it the last one; the one before joins the older ones.

        Raises
        ------
        CheckpointError, OSError
            As `Checkpoint.save`. The last one is then still there.
        """
        aside = None
        step = checkpoint.trainer.step
        if self._last_step is not None and self._last_step != step and self._keep > 1:
            aside = os.path.join(self._checkpoints, f"step-{self._last_step:020}.safetensors")
        self._last_time = time.monotonic()  # a disk that is full is not asked again at once
        checkpoint.save(os.path.join(self._checkpoints, LAST), aside)
        self._last_step = step
        older = _older(self._checkpoints)
        for path in older[: max(0, len(older) - (self._keep - 1))]:
            os.unlink(path)

    def holds(self, step: int) -> bool:
        """Is the last checkpoint of this step?"""
        return step == self._last_step

    def due(self, step: int) -> bool:
        """Is it time for a checkpoint?"""
        if self.holds(step):
            return False
        if self.every_steps is not None:
            return step // self.every_steps != (self._last_step or 0) // self.every_steps
        if self.every_seconds is not None:
            return time.monotonic() - self._last_time >= self.every_seconds
        return False

    # ---- metrics -------------------------------------------------------------------------------

    def rows(self, history: History) -> None:
        """Write the rows of the history that are new; the first time, all."""
        if self._metrics and self._rows == len(history):
            return
        try:
            if not self._metrics:
                lines = "".join(row.to_json() + "\n" for row in history)
                replace(self.file("metrics.jsonl"), lines.encode())
                self._metrics = open(self.file("metrics.jsonl"), "ab", buffering=0)  # noqa: SIM115
                self._rows = len(history)
            for i in range(self._rows, len(history)):
                self._metrics.write(f"{history[i].to_json()}\n".encode())
        except OSError as error:
            if self._metrics:  # there may be half a line
                self._metrics.close()
            self._metrics = None
            error.filename = error.filename or self.file("metrics.jsonl")
            raise
        self._rows = len(history)


def _toml(values: Mapping[str, Any], table: str = "") -> list[str]:
    """Lines of TOML, whose strings and numbers are JSON's; what is None is left out."""
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
