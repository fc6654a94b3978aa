"""Halve the rate of a run that diverged and goes back to its last checkpoint."""

from __future__ import annotations

from typing import Any

__all__ = ["with_half_the_rate"]


def with_half_the_rate(diverged: Any, before: Any) -> Any:
    """Return a trainer with the state of `before`, and half the rates and decays of `diverged`."""
    from nbt.trainers import from_description

    description = diverged.describe()
    halved = ("optimizer", "readout_optimizer")
    description |= {key: _halved(description[key]) for key in halved if key in description}
    described = before.describe()
    sizes = {name: described[name] for name in ("readout", "inputs")}  # an alphabet may have grown
    trainer = from_description({**description, **sizes})
    trainer.load_state_dict(before.state_dict())
    trainer.threads = diverged.threads
    return trainer


def _halved(optimizer: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an optimizer with half the rate or decay."""
    name = "rate" if "rate" in optimizer else "decay"
    schedule = optimizer[name]
    size = "scale" if "scale" in schedule else "value"
    return {**optimizer, name: {**schedule, size: schedule[size] / 2}}
