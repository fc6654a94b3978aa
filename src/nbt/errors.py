"""Exceptions of this package's own; `DivergenceError` is in `nbt.divergence`."""

from __future__ import annotations

__all__ = ["CheckpointError", "DataError", "MissingExtra"]


class DataError(ValueError):
    """A source of data is empty, damaged, or holds what its alphabet does not."""


class CheckpointError(ValueError):
    """A checkpoint cannot be written, or what was read is not a sound checkpoint."""


class MissingExtra(ImportError):  # noqa: N818 - named after what is missing
    """An optional dependency is not installed; the message names the pip command."""
