"""Learning that left the finite numbers, and which number it was, found in the state after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["ORDER", "DivergenceError", "again", "named"]

#: Parts of a state, by the first word of their names: what the gradient is made of, what is learned
#: from it, what is carried along. Of all that left its range in one step the first is named.
ORDER = ("estimator", "window", "optimizer", "cell", "readout", "inputs", "targets", "state")


#: What to do then.
GO_ON = (
    "To go on: load_state_dict() of a state from before, or nbt.load() of a checkpoint; "
    "reset_state() keeps what was learned, if that is finite"
)


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
        self.history: Any | None = None
        self.diagnosis: Any | None = None

    def __str__(self) -> str:
        return str(self.args[0])


def again(error: DivergenceError) -> DivergenceError:
    """What a later call says of a trainer that diverged."""
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
    """The core's error, saying what it was, given the state after the step.

    What overflows is infinite, and what is computed from it NaN. So it is the first infinite number
    in the order above, or else the loss, or the first NaN, or, where all is finite but what is
    computed of it, such as a sum of squares, the largest number.
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
    when = f" after step {error.step}, x[{error.position}] of the block"
    if error.position is None:
        when = f", so what is predicted at step {error.step} is not finite"
    made = DivergenceError(
        what + when, error.step, position=error.position, loss=error.loss, **named
    )
    made.add_note(GO_ON)
    return made


def _first(arrays: Mapping[str, np.ndarray], wrong: Callable) -> tuple[str, tuple] | None:
    """Name and index of the first number that is."""
    for key, value in arrays.items():
        if wrong(value).any():
            return key, tuple(np.argwhere(wrong(value))[0].tolist())
    return None


def _largest(arrays: Mapping[str, np.ndarray]) -> tuple[str, tuple]:
    key = max(arrays, key=lambda key: np.abs(arrays[key]).max())
    place = np.unravel_index(np.abs(arrays[key]).argmax(), arrays[key].shape)
    return key, tuple(map(int, place))
