"""Learning that diverged, and which number of the state did so first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["ORDER", "DivergenceError", "again", "named"]

#: Parts of a state, by the first word of their names: what the gradient is made of, what is learned
#: from it, what is carried along. If several left their range in one step, the first is named.
ORDER = ("estimator", "window", "optimizer", "cell", "readout", "inputs", "targets", "state")


#: What to do after a divergence.
GO_ON = (
    "To go on: load_state_dict() of a state from before, or nbt.load() of a checkpoint; "
    "reset_state() keeps what was learned, if that is finite"
)


class DivergenceError(ArithmeticError):
    """Learning diverged: a number became infinite, NaN or too large.

    Parameters
    ----------
    message : str
        Which number left its range.
    step, position, loss, array, index : optional
        The attributes of these names.

    Attributes
    ----------
    step : int or None
        The step at which it was noticed.
    position : int or None
        Place of that step's input in the array that was passed to the call.
    loss : float or None
        Loss of that step, in nats; None where there was no target.
    array : str or None
        Name in `state_dict()` of the array that has the number. If several arrays have one, it is
        the first that is infinite (else NaN, else the one with the largest number) in the order
        estimator, optimizer, parameters, state. None where only the loss left its range.
    index : tuple of int or None
        Place of the number in that array. In the arrays of a fully connected cell the last index is
        the unit; in ``readout.…`` and ``optimizer.phi.…`` it is the output.
    history : History or None
        What had been measured until then; set by `nbt.train`.
    diagnosis : Diagnosis or None
        What had been measured until then; set by `nbt.diagnose`.

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
        self.history: Any | None = None
        self.diagnosis: Any | None = None

    def __str__(self) -> str:
        return str(self.args[0])


def again(error: DivergenceError) -> DivergenceError:
    """Return the error that a later call raises for a trainer that diverged before."""
    message = f"{error}: nothing was learned or predicted since. {GO_ON}"
    return DivergenceError(
        message,
        error.step,
        position=error.position,
        loss=error.loss,
        array=error.array,
        index=error.index,
    )


def named(error: DivergenceError, state: Mapping[str, np.ndarray]) -> DivergenceError:
    """Return the core's error with the number that caused it, given the state after the step.

    A number that overflows becomes infinite, and what is computed from it NaN. So the cause is the
    first infinite number in the order above, or else the loss, or else the first NaN. Where all
    numbers are finite, something computed from them, such as a sum of squares, is not; then the
    largest number is named.
    """
    arrays = {
        key: value
        for part in ORDER
        for key, value in state.items()
        if key.split(".")[0] == part and value.dtype.kind == "f" and value.size
    }
    lost = error.loss is not None and not np.isfinite(error.loss)
    place = _first(arrays, np.isinf)
    if place is None and not lost:
        place = _first(arrays, np.isnan) or _largest(arrays)
    if place is None:
        return _made(error, f"the loss is {error.loss:.3g}")
    key, index = place
    value = arrays[key][index]
    where = ", ".join(map(str, index))
    what = f"{key}[{where}] is {value:.3g}" + ", too large" * bool(np.isfinite(value))
    if abs(value) < 1e15:  # not even its square overflows
        what = f"what was made of the state is not finite ({key}[{where}] is {value:.3g})"
    return _made(error, what, array=key, index=index)


def _made(error: DivergenceError, what: str, **named) -> DivergenceError:
    when = f" after step {error.step}, x[{error.position}] of the chunk"
    if error.position is None:
        when = f", so what is predicted at step {error.step} is not finite"
    made = DivergenceError(
        what + when, error.step, position=error.position, loss=error.loss, **named
    )
    made.add_note(GO_ON)
    return made


def _first(arrays: Mapping[str, np.ndarray], wrong: Callable) -> tuple[str, tuple] | None:
    """Return name and index of the first number for which `wrong` is true."""
    for key, value in arrays.items():
        if wrong(value).any():
            return key, tuple(np.argwhere(wrong(value))[0].tolist())
    return None


def _largest(arrays: Mapping[str, np.ndarray]) -> tuple[str, tuple]:
    key = max(arrays, key=lambda key: np.abs(arrays[key]).max())
    place = np.unravel_index(np.abs(arrays[key]).argmax(), arrays[key].shape)
    return key, tuple(map(int, place))
