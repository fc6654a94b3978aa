"""The exceptions of this package; `DivergenceError` is in `nbt.divergence`."""

from __future__ import annotations

__all__ = ["CheckpointError", "DataError", "MissingExtra"]


class DataError(ValueError):
    """A source of data is empty or damaged, or has a symbol that is not in its alphabet."""


class CheckpointError(ValueError):
    """A checkpoint cannot be written, or a file that was read is not a sound checkpoint."""


class MissingExtra(ImportError):  # noqa: N818 - named after what is missing
    """An optional dependency is not installed. The message names the pip command that installs
    it."""
