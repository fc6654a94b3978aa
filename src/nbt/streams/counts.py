"""What a stream met that is not as it should be, and went on after."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COUNTS", "noted"]

COUNTS = {  # the names, and how a person is told
    "replaced": ("bad byte", "bad bytes", "replaced"),
    "unknown": ("symbol", "symbols", "outside the alphabet passed over"),
    "skipped": ("bad record", "bad records", "skipped"),
}


def noted(counts: Mapping[str, int]) -> str:
    """The counts for a person; "" where all are 0."""
    said = []
    for name, count in counts.items():
        one, many, done = COUNTS[name]
        said += [f"{count:,} {one if count == 1 else many} {done}"] if count else []
    return ", ".join(said)
