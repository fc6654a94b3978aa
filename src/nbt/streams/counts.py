"""Counts of the faults that a stream met and went on after."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COUNTS", "noted"]

COUNTS = {  # the names, and the words for a person
    "replaced": ("bad byte", "bad bytes", "replaced"),
    "unknown": ("symbol", "symbols", "outside the alphabet passed over"),
    "skipped": ("bad record", "bad records", "skipped"),
}


def noted(counts: Mapping[str, int]) -> str:
    """Return the counts in words; "" if all are 0."""
    said = []
    for name, count in counts.items():
        one, many, done = COUNTS[name]
        said += [f"{count:,} {one if count == 1 else many} {done}"] if count else []
    return ", ".join(said)
