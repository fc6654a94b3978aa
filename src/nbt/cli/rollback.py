"""Halve the rate of a run that diverged and goes back to its last checkpoint."""

from __future__ import annotations

from typing import Any

__all__ = ["with_half_the_rate"]


def with_half_the_rate(diverged: Any, before: Any) -> Any:
    """Return a trainer with the state of `before`, and half the rate or decay of `diverged`."""
    from nbt.trainers import from_description

    description = _halved(diverged.describe())
    described = before.describe()
    sizes = {name: described[name] for name in ("readout", "inputs")}  # an alphabet may have grown
    trainer = from_description({**description, **sizes})
    trainer.load_state_dict(before.state_dict())
    trainer.threads = diverged.threads
    return trainer


def _halved(description: dict[str, Any]) -> dict[str, Any]:
    optimizer = dict(description["optimizer"])
    name = "rate" if "rate" in optimizer else "decay"
    schedule = optimizer[name]
    scale = next(key for key in schedule if key != "kind")
    optimizer[name] = {**schedule, scale: schedule[scale] / 2}
    return {**description, "optimizer": optimizer}
