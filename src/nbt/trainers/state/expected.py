"""What arrays a file must have for the trainer that it describes, before one is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbt.descriptions import is_system, value_in
from nbt.trainers.binding import is_fast
from nbt.trainers.network import Network

__all__ = ["check_positive", "shapes_of"]

SHORT = 1 << 16  # characters of a description without graphs


def shapes_of(trainer: Mapping[str, Any], layout: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The arrays that between them bound every size of the trainer that is described."""
    cell, m, outputs = trainer["cell"], trainer["inputs"]["size"], _outputs(trainer["readout"])
    window = trainer.get("window", 0)
    sizes = [m, outputs, trainer.get("rank", 1), trainer.get("blocks", 1), window or 1]
    sizes += [cell["units"]] if "units" in cell else []
    check_positive(sizes)
    if is_system(cell):
        return _system_shapes(trainer, layout)
    _check_graphs(cell, layout)
    described, optimizer = value_in(cell), value_in(trainer["optimizer"])
    if not is_fast(described, optimizer, trainer.get("split")):
        return _network_shapes(trainer, Network(described, m))
    n = described.units
    shapes = {"cell.W": (n, n), "cell.r": (m, n), "readout.W": (n, outputs)}
    if "rank" in trainer:
        shapes["estimator.v"] = (trainer["rank"], trainer["blocks"], n)
        shapes["estimator.w"] = (trainer["rank"], 1 + n + m, n)
    if window and trainer.get("trainer") == "NoBackTrack":
        shapes["window.F"] = (window, n, n)
        shapes["window.v"] = (trainer["rank"], window, trainer["blocks"], n)
    elif window:
        shapes["window.h"] = (window, n)
        shapes["window.delta"] = (window, outputs)
    if trainer.get("trainer") == "RTRL":
        shapes["estimator.G"] = (n, 1 + n + m, n)
    return shapes


def _network_shapes(trainer: Mapping[str, Any], network: Network) -> dict[str, tuple[int, ...]]:
    n, p, outputs = network.units, network.size, _outputs(trainer["readout"])
    shapes = {f"cell.{name}": shape for name, shape in network.shapes().items()}
    shapes["readout.W"] = (n, outputs)
    if "rank" in trainer:
        shapes["estimator.v"] = (trainer["rank"], n)
        shapes["estimator.w"] = (p,) if "split" in trainer else (trainer["rank"], p)
    if trainer.get("window"):
        shapes["window.h"] = (trainer["window"], len(network.layers), n)
        shapes["window.delta"] = (trainer["window"], outputs)
    if trainer.get("trainer") == "RTRL":
        shapes["estimator.G"] = (n, p)
    return shapes


def _system_shapes(trainer: Mapping[str, Any], layout: Any) -> dict[str, tuple[int, ...]]:
    """The same for a system, which has as many states and parameters as the file has."""
    (n,), outputs = layout["state.h"]["shape"], _outputs(trainer["readout"])
    own = trainer["readout"]["kind"] == "OwnLoss"
    shapes = {} if own else {"readout.W": (n, outputs)}
    for name, size in (("estimator.v", "rank"), ("window.h", "window")):
        if trainer.get(size):
            shapes[name] = (trainer[size], *layout[name]["shape"][1:])
    return shapes


def _check_graphs(cell: Mapping[str, Any], layout: Mapping[str, Any]) -> None:
    """Graphs are text; each of their edges and units has numbers in the arrays that take more."""
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
    """Raises TypeError."""
    if not all(type(size) is int and size > 0 for size in sizes):
        raise TypeError(f"trainer: expected positive sizes, got {sizes}")


def _outputs(readout: Mapping[str, Any]) -> int:
    if readout["kind"] == "Softmax":
        return readout["symbols"]
    if readout["kind"] == "OwnLoss":
        return readout["units"]
    return readout["dim"] * (2 if readout["kind"] == "Gaussian" else 1)
