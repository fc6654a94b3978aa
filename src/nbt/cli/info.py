"""`nbt info`: the facts of a saved model."""

from __future__ import annotations

import math
import sys
from json import dumps
from typing import Any

import click

from nbt.cli.forecasts import text_of
from nbt.cli.options.command import command
from nbt.cli.options.places import load_model
from nbt.cli.options.rows import OlderArgument
from nbt.cli.options.table import TABLE
from nbt.cli.pipes import quietly


@command(
    "info",
    "Show what a saved model holds.",
    OlderArgument("nbt info RUN", "nbt info -m RUN", TABLE["model"]),
)
@quietly
def info(model: str, json: bool | None) -> int:
    """Show what a saved model holds: its network, how far it learned, and how well."""
    from nbt.cli.screen import network, open_console, print_facts

    checkpoint = load_model(model, network=False)
    facts = _facts(checkpoint) | _estimator_facts(model, checkpoint)
    if json:
        click.echo(dumps(facts))
        return 0
    lines: dict[str, str] = {}
    for name, value in facts.items():
        if name == "cell":
            lines |= network(checkpoint.trainer.cell, name)
        elif value is not None:
            lines[name] = _shown(value)
    print_facts(open_console(sys.stdout), lines, least=12)
    return 0


def _shown(value: Any) -> str:
    """Return a fact on one line."""
    from nbt.estimators.base import some

    if isinstance(value, list):
        return some(value)
    if isinstance(value, dict):
        return some([f"{name} {mean:.4g} ± {std:.4g}" for name, (mean, std) in value.items()])
    return f"{value:,}" if isinstance(value, int) else str(value)


def _facts(checkpoint: Any) -> dict[str, Any]:
    trainer, stream, history = checkpoint.trainer, checkpoint.stream, checkpoint.history
    now = history.live() if history is not None and len(history) else None
    position = ((stream or {}).get("state") or {}).get("position")
    return {
        **(_network_facts(trainer) if hasattr(trainer, "cell") else _hmm_facts(trainer)),
        "step": trainer.step,
        "alphabet": None if checkpoint.alphabet is None else repr(checkpoint.alphabet),
        "stream": stream and stream["name"],
        "position": position if type(position) is int else None,
        **_loss(history, now),
        "failure": text_of(checkpoint, "failure"),
        "seconds": now and round(now.seconds, 1),
    }


def _network_facts(trainer: Any) -> dict[str, Any]:
    from nbt.cli.screen import optimizers

    return {
        "trainer": type(trainer).__name__,
        "form": ", ".join(f"{k}={v!r}" for k, v in trainer.form.items()) or None,
        "cell": str(trainer.cell),
        "readout": str(trainer.readout),
        "inputs": None if trainer.inputs == trainer.readout.targets else str(trainer.inputs),
        **optimizers(trainer),
        "dtype": trainer.dtype,
        "seed": trainer.seed,
        "parameters": trainer.parameter_count,
    }


def _hmm_facts(model: Any) -> dict[str, Any]:
    return model.describe() | {"rate": model.rate and str(model.rate)}


def _estimator_facts(file: str, checkpoint: Any) -> dict[str, Any]:
    """Return the facts of a classifier or a regressor: its kind, its features and labels, the mean
    and deviation by which numbers are standardised, and what was learned."""
    from nbt.checkpoints.checkpoint import model_of

    if checkpoint.estimator is None:
        return {}
    model, state = model_of(file, checkpoint), checkpoint.trainer.state_dict()

    def scales(of: str, names: list[str]) -> dict[str, list[float]]:
        """Return mean and deviation of the numbers that have come."""
        columns = (state[f"{of}.{key}"].tolist() for key in ("count", "mean", "variance"))
        rows = zip(names, *columns, strict=False)
        return {name: [mean, variance**0.5] for name, count, mean, variance in rows if count}

    numbers = "targets.mean" in state
    unit, scale = ("nats", 1.0) if numbers else ("bits", 1 / math.log(2))
    return {
        "estimator": repr(model).partition("  #")[0],
        "features": model.features,
        "scaling": scales("inputs", model.columns),
        "labels": None if numbers else model.labels,
        "targets": scales("targets", ["y"]) if numbers else None,
        "learned": model.learned,
        unit: round(model.loss * scale, 4) if model.learned else None,
    }


def _loss(history: Any, now: Any) -> dict[str, float | None]:
    return {"bits" if history is None else history.unit: now and round(now.average, 4)}
