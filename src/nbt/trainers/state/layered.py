"""Names of arrays of which each layer of a stack has its own: "cell.0.W", "estimator.1.d"."""

from __future__ import annotations

__all__ = ["layer_in", "of_layer", "without_layer"]


def of_layer(key: str, layer: int) -> str:
    """Return the name of an array of this layer."""
    part, _, name = key.rpartition(".")
    return f"{part}.{layer}.{name}"


def layer_in(key: str) -> int | None:
    """Return which layer the name is of; None if it is of no layer."""
    place = key.split(".")[-2:-1]
    return int(place[0]) if place and place[0].isdecimal() else None


def without_layer(key: str) -> str:
    """Return the name without its layer."""
    part, _, name = key.rpartition(".")
    return key if layer_in(key) is None else f"{part.rpartition('.')[0]}.{name}"
