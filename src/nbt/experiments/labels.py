"""Place labels so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["spread"]


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions near the wanted ones, in the same order, at least `gap` apart, in [low,
    high].

    Labels that are too close become a group around their mean, which gives the least sum of squared
    displacements. If there is not enough room, the labels are spread evenly.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[tuple[float, int]] = []  # mean of (wanted - rank in all * gap), members
    for rank, i in enumerate(order):
        mean, size = wanted[i] - rank * gap, 1
        while groups and groups[-1][0] > mean:
            before, count = groups.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        groups.append((mean, size))
    offsets = [mean for mean, size in groups for _ in range(size)]
    top = high - (len(wanted) - 1) * gap
    places = [0.0] * len(wanted)
    for rank, (i, offset) in enumerate(zip(order, offsets, strict=True)):
        places[i] = min(max(offset, low), max(low, top)) + rank * gap
    return places
