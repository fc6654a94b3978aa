"""Handle output that nobody reads any more."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any


def silence() -> None:
    """Discard the rest of the output, because its reader has gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def quietly(command: Callable[..., int]) -> Callable[..., int]:
    """Return the command as one that ends silently when nobody reads its output any more."""

    @functools.wraps(command)
    def quiet(*args: Any, **options: Any) -> int:
        try:
            return command(*args, **options)
        except BrokenPipeError:
            silence()
            return 0

    return quiet
