"""Every exception of its own that this package raises."""

from __future__ import annotations

__all__ = ["CheckpointError", "DataError", "DivergenceError", "MissingExtra"]


class DivergenceError(ArithmeticError):
    """Learning left the finite numbers.

    Parameters
    ----------
    message : str
        What became non-finite.
    step : int, optional
        The step at which it was noticed.

    Attributes
    ----------
    step : int or None
        The step at which it was noticed.
    history : nbt.history.History or None
        What had been measured until then; set by `nbt.train`.

    Examples
    --------
    >>> str(DivergenceError("the loss is not finite at step 7", 7))
    'the loss is not finite at step 7'
    """

    def __init__(self, message: str = "learning diverged", step: int | None = None) -> None:
        super().__init__(message, step)
        self.step = step
        self.history = None

    def __str__(self) -> str:
        return str(self.args[0])


class DataError(ValueError):
    """A source of data is empty, damaged, or holds what its alphabet does not."""


class CheckpointError(ValueError):
    """A checkpoint cannot be written, or what was read is not a sound checkpoint."""


class MissingExtra(ImportError):  # noqa: N818 - named after what is missing
    """An optional dependency is not installed; the message names the pip command."""
