"""Check the arguments of a hidden Markov model: symbols, probabilities, a state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.hmm import statistics
from nbt.trainers.plan import MOST_BYTES
from nbt.trainers.state.checks import integers, numbers, refuse_mask
from nbt.trainers.state.dense import LAST_STEP
from nbt.trainers.state.expected import check_positive

__all__ = ["check_size", "file_shapes", "probabilities", "state", "symbols"]

NEAR = 1e-5  # a row of probabilities must add up to 1 within this
ROWS = ("transmat", "emissionprob", "startprob")


def check_size(statistics: str, sizes: Mapping[str, int], shapes: Mapping[str, tuple]) -> None:
    """Raise before too much memory is allocated. Sizes are Python integers, so nothing
    overflows."""
    size = 8 * sum(_product(shape) for shape in shapes.values())
    if size > MOST_BYTES:
        named = ", ".join(f"{value} {name}" for name, value in sizes.items())
        raise ValueError(
            f"states: {statistics!r} statistics of {named} take {size / 2**30:.0f} GiB; "
            f"expected at most {MOST_BYTES / 2**30:.0f} GiB"
        )


def file_shapes(model: Mapping[str, Any], layout: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays that a file must have for the model that it describes."""
    sizes = [model[name] for name in ("states", "symbols")]
    sizes += [model.get(name, 1) for name in ("rank", "blocks")]
    check_positive(sizes)
    states, symbols = sizes[:2]
    kind = _arguments.one_of("statistics", model["statistics"], statistics.KINDS)
    arrays = statistics.shapes(kind, *sizes)
    return {
        "transmat": (states, states),
        "emissionprob": (states, symbols),
        "startprob": (states,),
        "filter": (states,),
        **{f"statistics.{name}": shape for name, shape in arrays.items()},
    }


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result


def symbols(y: Any, count: int) -> np.ndarray:
    """Return symbols as integers (steps,) in [0, count).

    Raises
    ------
    TypeError, ValueError
        `y` is something else.
    """
    if isinstance(y, str | bytes):
        raise TypeError(
            f"y: expected integer symbols, got {type(y).__name__}; "
            "an alphabet's encode() makes symbols of text"
        )
    refuse_mask("y", y, "an HMM has no missing symbols: leave those steps out")
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise ValueError(f"y: expected a sequence of integers, got {error}") from None
    if array.ndim != 1:
        raise ValueError(f"y: expected shape (steps,), got {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"y: expected integers, got {array.dtype}")
    bad = (array < 0) | (array >= count)
    if bad.any():
        t = int(np.argmax(bad))
        raise ValueError(f"y: expected symbols in [0, {count}), got {array[t]} at position {t}")
    return array


def probabilities(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a read-only copy, float64, of this shape, whose rows are distributions.

    Raises
    ------
    TypeError, ValueError
        `value` is something else.
    """
    array = np.array(numbers(name, value, shape, "float64"))
    if (array < 0).any():
        at = tuple(np.argwhere(array < 0)[0].tolist())
        raise ValueError(f"{name}: expected probabilities not below 0, got {array[at]} at {at}")
    with np.errstate(over="ignore"):
        sums = array.sum(axis=-1, keepdims=True)
    wrong = ~(np.abs(sums - 1) <= NEAR)
    if wrong.any():
        at = np.argwhere(wrong)[0][:-1].tolist()
        where = f"row {at[0]}" if at else "it"
        raise ValueError(
            f"{name}: expected probabilities that add up to 1, within {NEAR}, "
            f"but {where} adds up to {sums[wrong][0]:.6g}"
        )
    array.flags.writeable = False
    return array


def state(given: Any, present: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return copies of the arrays of a state, with the names and shapes of the present ones.

    Raises
    ------
    TypeError, ValueError
        A key is missing or unknown, or a shape or a number is wrong.
    """
    _arguments.instance("state", given, Mapping)
    if set(given) != set(present):
        names = sorted(map(str, set(given) ^ set(present)))
        raise ValueError(f"state: expected the names of state_dict(), not so {names}")
    step = int(integers("step", given["step"], ()))
    if not 0 <= step <= LAST_STEP:
        raise ValueError(f"step: expected an integer in [0, {LAST_STEP}], got {step}")
    certain = (*ROWS, "filter") if step else ROWS  # the filter is not used before the first symbol
    taken = {"step": np.uint64(step)}
    for key, old in present.items():
        if key in certain:
            taken[key] = probabilities(key, given[key], old.shape)
        elif key != "step":
            taken[key] = np.array(numbers(key, given[key], old.shape, "float64"))
    return taken
