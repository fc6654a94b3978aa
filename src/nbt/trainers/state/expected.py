"""The arrays that a file must have for the trainer that it describes, before one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nbt.descriptions import is_system, value_in
from nbt.trainers.binding import has_dense_rule, is_learned
from nbt.trainers.form import Form
from nbt.trainers.forms import FixedForm
from nbt.trainers.network import Network
from nbt.trainers.state.sizes import Shape, Sizes

__all__ = ["check_positive", "shapes_of"]

SHORT = 1 << 16  # most characters of a description without graphs
SIZES = ("units", "symbols", "dim")  # of cells and readouts
STANDARDIZED = ("inputs.", "targets.")  # not larger than other arrays; older files lack some


def shapes_of(
    described: Callable[[Mapping[str, Any]], Form],
    trainer: Mapping[str, Any],
    layout: Mapping[str, Any],
) -> dict[str, Shape]:
    """Return the arrays of the described trainer. They bound all of its sizes."""
    cell = trainer["cell"]
    numbers = [trainer["inputs"]["size"], trainer.get("window", 0) or 1]
    rank = trainer.get("rank", 1)
    numbers += [1 if rank == 0 and "every" in trainer else rank]
    numbers += [trainer.get(key, 1) for key in ("blocks", "every")]
    numbers += [trainer["inputs"].get("lags", 1)]
    numbers += [of[key] for of in (cell, trainer["readout"]) for key in SIZES if key in of]
    check_positive(numbers)
    form = described(trainer)
    values = [value_in(trainer[name]) for name in ("inputs", "readout", "optimizer")]
    values.append(value_in(trainer.get("readout_optimizer", trainer["optimizer"])))
    if is_system(cell):
        sizes = _of_system(layout, values)
    else:
        _check_graphs(cell, layout)
        cell = value_in(cell)
        form = form if is_learned(cell) else FixedForm()
        sizes = _of_cell(cell, form, values)
    return {
        key: shape for key, shape in form.shapes(sizes).items() if not key.startswith(STANDARDIZED)
    }


def _of_cell(cell: Any, form: Form, values: list[Any]) -> Sizes:
    inputs, _, optimizer, _ = values
    if has_dense_rule(cell, optimizer, form.as_system):
        return Sizes.of_dense(cell, *values)
    network = Network(cell, inputs.width)
    squares = sum(layer.squares for layer in network.layers)
    phases = len(network.layers)
    return Sizes(network.units, *values, network.shapes(), (network.size,), squares, phases)


def _of_system(layout: Mapping[str, Any], values: list[Any]) -> Sizes:
    """Return the sizes of a system, which has as many states and parameters as the file."""
    (n,), theta = layout["state.h"]["shape"], tuple(layout["cell.theta"]["shape"])
    phases = layout["window.h"]["shape"][1] if "window.h" in layout else 1
    return Sizes(n, *values, {"theta": theta}, theta, phases=phases)


def _check_graphs(cell: Mapping[str, Any], layout: Mapping[str, Any]) -> None:
    """Check the length of graphs, which are text: each edge and unit has numbers in the arrays,
    which take more."""
    held = max((array["data_offsets"][1] for array in layout.values()), default=0)
    text = sum(map(len, _texts(cell)))
    if text > SHORT + held:
        raise ValueError(f"cell: {text} characters of text describe {held} bytes of arrays")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


def check_positive(sizes: list[Any]) -> None:
    """Raise TypeError unless all sizes are positive integers."""
    if not all(type(size) is int and size > 0 for size in sizes):
        raise TypeError(f"trainer: expected positive sizes, got {sizes}")
