"""`nbt info`, `nbt predict`: what a saved model is and expects."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import click
import numpy as np

from nbt.cli.faults import Faults
from nbt.cli.forecasts import columns_of, print_forecast, print_next, text_of
from nbt.cli.options import (
    FAULTS,
    asked_for,
    build_stream,
    learned_model,
    load_model,
    source_options,
)
from nbt.cli.options.values import PATH, Count, Seed, flag
from nbt.cli.options.written import WRITTEN, written_options
from nbt.cli.pipes import quietly

MODEL = click.option(
    "-m",
    "--model",
    type=PATH,
    metavar="FILE|RUN",
    required=True,
    help="A checkpoint, or the folder of a run.",
)


@click.command(short_help="Show what a checkpoint holds.")
@click.argument("file", type=PATH, metavar="FILE|RUN")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@quietly
def info(file: str, as_json: bool) -> int:
    """What the checkpoint FILE holds, or the newest of the folder RUN."""
    from nbt.cli.screen import network, open_console, print_facts

    checkpoint = load_model(file, network=False)
    facts = _facts(checkpoint) | _estimator_facts(file, checkpoint)
    if as_json:
        click.echo(json.dumps(facts))
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
    """A fact on one line."""
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
    return {
        "trainer": type(trainer).__name__,
        "form": ", ".join(f"{k}={v!r}" for k, v in trainer.form.items()) or None,
        "cell": str(trainer.cell),
        "readout": str(trainer.readout),
        "inputs": None if trainer.inputs == trainer.readout.targets else str(trainer.inputs),
        "optimizer": str(trainer.optimizer),
        "dtype": trainer.dtype,
        "seed": trainer.seed,
        "parameters": trainer.parameters,
    }


def _hmm_facts(model: Any) -> dict[str, Any]:
    return model.describe() | {"rate": model.rate and str(model.rate)}


def _estimator_facts(file: str, checkpoint: Any) -> dict[str, Any]:
    """Of a classifier or a regressor: what it is, its features and labels, the mean and deviation
    by which numbers are standardised, and what was learned."""
    from nbt.checkpoints.checkpoint import model_of

    if checkpoint.estimator is None:
        return {}
    model, state = model_of(file, checkpoint), checkpoint.trainer.state_dict()

    def scales(of: str, names: list[str]) -> dict[str, list[float]]:
        """Of those that have come."""
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


@click.command(short_help="Say what comes next.")
@MODEL
@click.argument("source", type=PATH, required=False)
@click.option("--top", type=Count(), default=5, show_default=True, help="So many symbols.")
@click.option("--ahead", type=Count(), help="Steps to forecast numbers; 5 %, 50 %, 95 % quantiles.")
@click.option(
    "--inputs",
    type=PATH,
    metavar="FILE",
    help="With --ahead, of a model with --target: a table of the inputs to come.",
)
@click.option("--paths", type=Count(), default=200, show_default=True, help="Simulated for that.")
@click.option("--seed", type=Seed(), default=0, show_default=True, help="Of what is simulated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@source_options("format", "column", "encoding", *FAULTS)
@written_options
@click.pass_context
@quietly
def predict(
    context: click.Context,
    model: str,
    source: str | None,
    top: int,
    ahead: int | None,
    inputs: str | None,
    paths: int,
    seed: int,
    as_json: bool,
    **options: Any,
) -> int:
    """What comes next, after what the model has read or after SOURCE: the most probable symbols, or
    of each number the mean and the deviation."""
    from nbt.readouts import Softmax
    from nbt.scoring import BLOCK, listener
    from nbt.streams.alphabets import known

    asked = asked_for(context)
    for name in asked & {"paths", "seed", "inputs"} if not ahead else ():
        raise click.UsageError(f"--{name} needs --ahead")
    reading = {"format", "column", "encoding", *FAULTS, *WRITTEN}
    for name in asked & reading if source is None else ():
        raise click.UsageError(f"--{flag(name)} needs SOURCE")
    checkpoint = learned_model(model)
    trainer = listener(checkpoint.trainer)
    numbers = not isinstance(trainer.readout, Softmax)
    if ahead and not numbers:
        raise click.UsageError(f"--ahead is for numbers, and {model} predicts symbols")
    if "top" in asked and numbers:
        raise click.UsageError(f"--top is for symbols, and {model} predicts numbers")
    if source is not None:
        stream = _continued(checkpoint, model, source, options, numbers)
        while len((block := _pair(stream.read(BLOCK)))[0]):
            block = block if numbers else (known(block[0]),)
            if len(block[0]):
                trainer.observe(*block)
        Faults(stream).total()
    if ahead:
        x = _inputs_to_come(checkpoint, model, inputs, ahead)
        print_forecast(checkpoint, trainer, ahead, paths, seed, as_json, x)
        return 0
    if numbers:
        print_next(checkpoint, trainer, as_json)
        return 0
    probabilities = trainer.predict()
    for code in np.argsort(-probabilities, kind="stable")[:top].tolist():
        symbol = _symbol(checkpoint.alphabet, code)
        p = float(probabilities[code])
        row = {"symbol": symbol, "code": code, "probability": p}
        click.echo(json.dumps(row) if as_json else f"{symbol!r}\t{p:.6f}")
    return 0


def _continued(
    checkpoint: Any, model: str, source: str, options: dict[str, Any], numbers: bool
) -> Any:
    """SOURCE as the model's own was read."""
    names = ("format", "column", "encoding", *FAULTS, *WRITTEN)
    choice = {name: options[name] for name in names}
    choice["unknown"] = options["unknown"] or "skip"
    if not numbers:
        alphabet = alphabet_of(checkpoint, model)
        if choice["format"] is None and not source.startswith("data:"):
            choice |= {
                "format": text_of(checkpoint, "format"),
                "column": choice["column"] or text_of(checkpoint, "column"),
            }
        if isinstance(alphabet.symbols, tuple) and choice["format"] not in ("csv", "jsonl"):
            raise click.UsageError(
                f"--format: {model} learned words; give --format csv or jsonl, and --column"
            )
        return build_stream(source, alphabet, None, **choice)
    columns, targets = columns_of(checkpoint)
    gaps = checkpoint.trainer.missing
    return build_stream(source, None, None, **choice, columns=columns, target=targets, missing=gaps)


def _inputs_to_come(checkpoint: Any, model: str, path: str | None, steps: int) -> Any:
    """The records that a model with targets is fed on the way; None of one that predicts what it is
    fed."""
    columns, targets = columns_of(checkpoint)
    if not targets:
        if path is not None:
            raise click.UsageError(f"--inputs: {model} predicts its own inputs")
        return None
    if path is None:
        raise click.UsageError(
            f"--ahead: {model} predicts {', '.join(targets)} from {', '.join(columns)}; give the "
            f"{steps} records of {', '.join(columns)} to come with --inputs FILE"
        )
    gaps = checkpoint.trainer.missing
    stream = build_stream(path, None, None, columns=columns, target=None, missing=gaps)
    blocks: list[Any] = []
    while (left := steps - sum(map(len, blocks))) and len(block := stream.read(left)):
        blocks.append(block)
    if left:
        raise click.UsageError(f"--inputs: expected {steps} records, got {steps - left}: {path}")
    return np.concatenate(blocks)


def _pair(block: Any) -> tuple[Any, ...]:
    return block if isinstance(block, tuple) else (block,)


def alphabet_of(checkpoint: Any, model: str) -> Any:
    """What the symbols of a model stand for."""
    from nbt.readouts import Softmax
    from nbt.streams import Alphabet

    if not isinstance(checkpoint.trainer.readout, Softmax):
        raise click.UsageError(f"{model} predicts numbers, not symbols")
    if not checkpoint.trainer.predicts_inputs:
        raise click.UsageError(f"{model} is fed other things than the symbols that it predicts")
    return checkpoint.alphabet or Alphabet(range(checkpoint.trainer.readout.symbols))


def _symbol(alphabet: Any, code: int) -> Any:
    if alphabet is None or code >= len(alphabet):
        return code
    symbol = alphabet.decode([code])
    if isinstance(symbol, bytes):
        return symbol.decode("latin-1")
    return symbol if isinstance(symbol, str) else np.asarray(symbol).tolist()[0]
