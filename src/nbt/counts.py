"""What a stream met that is not as it should be, and went on after."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COUNTS", "noted"]

COUNTS = {  # the names, and how a person is told
    "replaced": "bad bytes replaced",
    "unknown": "symbols outside the alphabet passed over",
    "skipped": "bad records skipped",
}


def noted(counts: Mapping[str, int]) -> str:
    """The counts for a person; "" where all are 0."""
    return ", ".join(f"{n:,} {COUNTS[name]}" for name, n in counts.items() if n)
