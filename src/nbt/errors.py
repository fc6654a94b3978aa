"""Every exception of its own that this package raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbt.diagnosis import Diagnosis
    from nbt.history import History

__all__ = ["CheckpointError", "DataError", "DivergenceError", "MissingExtra"]


class DivergenceError(ArithmeticError):
    """Learning left the finite numbers.

    Parameters
    ----------
    message : str
        What left the range of numbers.
    step, position, loss, array, index : optional
        As below.

    Attributes
    ----------
    step : int or None
        The step at which it was noticed.
    position : int or None
        Where in the block that was handed over that step's input is.
    loss : float or None
        Of that step, in nats; None where there was no target.
    array : str or None
        The name in `state_dict()` of the array that a number of left its range: of several, the
        first that is infinite (or else NaN, or the largest) in the order estimator, optimizer,
        parameters, state. None where only the loss did.
    index : tuple of int or None
        Where in that array; in those of a fully connected cell the last index is the unit, of
        ``readout.…`` and ``optimizer.phi.…`` the output.
    history : History or None
        What had been measured until then; set by `nbt.train`.
    diagnosis : Diagnosis or None
        The same; set by `nbt.diagnose`.

    Examples
    --------
    >>> str(DivergenceError("the loss is not finite at step 7", 7))
    'the loss is not finite at step 7'
    """

    def __init__(
        self,
        message: str = "learning diverged",
        step: int | None = None,
        *,
        position: int | None = None,
        loss: float | None = None,
        array: str | None = None,
        index: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(message, step)
        self.step, self.position, self.loss = step, position, loss
        self.array, self.index = array, index
        self.history: History | None = None
        self.diagnosis: Diagnosis | None = None

    def __str__(self) -> str:
        return str(self.args[0])


class DataError(ValueError):
    """A source of data is empty, damaged, or holds what its alphabet does not."""


class CheckpointError(ValueError):
    """A checkpoint cannot be written, or what was read is not a sound checkpoint."""


class MissingExtra(ImportError):  # noqa: N818 - named after what is missing
    """An optional dependency is not installed; the message names the pip command."""
