"""`nbt info`, `nbt predict`, `nbt sample`: what a saved model is, expects, and makes up."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
import numpy as np

from nbt.cli.options import (
    SOURCES,
    Count,
    Positive,
    build_stream,
    load_model,
    source_options,
)
from nbt.cli.pipes import quietly

MODEL = click.option(
    "-m", "--model", metavar="FILE", required=True, help="A checkpoint, or the folder of a run."
)


@click.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@quietly
def info(file: str, as_json: bool) -> int:
    """What the checkpoint FILE holds, or the last one of a run."""
    checkpoint = load_model(file)
    facts = _facts(checkpoint)
    if as_json:
        click.echo(json.dumps(facts))
        return 0
    for name, value in facts.items():
        if value is not None:
            click.echo(f"{name:<12}{value:,}" if isinstance(value, int) else f"{name:<12}{value}")
    return 0


def _facts(checkpoint: Any) -> dict[str, Any]:
    trainer, stream, history = checkpoint.trainer, checkpoint.stream, checkpoint.history
    now = history.live() if history is not None and len(history) else None
    return {
        "trainer": type(trainer).__name__,
        "cell": str(trainer.cell),
        "readout": str(trainer.readout),
        "optimizer": str(trainer.optimizer),
        "dtype": trainer.dtype,
        "seed": trainer.seed,
        "parameters": trainer.parameters,
        "step": trainer.step,
        "alphabet": None if checkpoint.alphabet is None else repr(checkpoint.alphabet),
        "stream": stream and stream["name"],
        "position": stream and stream["state"] and stream["state"]["position"],
        "bits": now and round(now.average_bits, 4),
        "seconds": now and round(now.seconds, 1),
    }


@click.command()
@MODEL
@click.argument("source", required=False)
@click.option("--top", type=Count(), default=5, show_default=True, help="So many symbols.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@source_options
@quietly
def predict(model: str, source: str | None, top: int, as_json: bool, **options: Any) -> int:
    """The most probable next symbols: after what the model has read, or after SOURCE."""
    from nbt.scoring import BLOCK, listener

    checkpoint = load_model(model)
    trainer = listener(checkpoint.trainer)
    if source is not None:
        choice = {name: options[name] for name in SOURCES if name != "alphabet"}
        stream = build_stream(source, _alphabet(checkpoint, model), None, **choice)
        while (block := stream.read(BLOCK)).size:
            trainer.observe(block)
    probabilities = trainer.predict()
    for code in np.argsort(-probabilities, kind="stable")[:top].tolist():
        symbol = _symbol(checkpoint.alphabet, code)
        p = float(probabilities[code])
        row = {"symbol": symbol, "code": code, "probability": p}
        click.echo(json.dumps(row) if as_json else f"{symbol!r}\t{p:.6f}")
    return 0


@click.command()
@MODEL
@click.option("-n", "--count", type=Count(), default=500, show_default=True, help="Symbols.")
@click.option("--prompt", default="", help="Read first, and not printed.")
@click.option(
    "--temperature", type=Positive(), default=1.0, show_default=True, help="Below 1: safer."
)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True)
@quietly
def sample(model: str, count: int, prompt: str, temperature: float, seed: int) -> int:
    """Make up symbols as the model expects them, and print them."""
    from nbt.scoring import listener

    checkpoint = load_model(model)
    alphabet, trainer = _alphabet(checkpoint, model), listener(checkpoint.trainer)
    if prompt:
        trainer.observe(alphabet.encode(_prompt(alphabet, prompt)))
    generator = np.random.default_rng(seed)
    for _ in range(count):
        code = _draw(trainer.predict(), temperature, generator)
        trainer.observe([code])
        _write(alphabet, code)
    _write_end()
    return 0


def _draw(probabilities: np.ndarray, temperature: float, generator: np.random.Generator) -> int:
    """A symbol with probability ∝ p^(1/temperature)."""
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities) / temperature
    weights = np.cumsum(np.exp(logits - logits.max()))
    return int(np.searchsorted(weights, generator.random() * weights[-1], side="right"))


def _alphabet(checkpoint: Any, model: str) -> Any:
    from nbt.streams import Alphabet

    return checkpoint.alphabet or Alphabet(range(checkpoint.trainer.readout.symbols))


def _prompt(alphabet: Any, prompt: str) -> Any:
    if isinstance(alphabet.symbols, bytes):
        return prompt.encode()
    if isinstance(alphabet.symbols, tuple):
        return prompt.split(",")
    return [int(code) for code in prompt.split()] if isinstance(alphabet.symbols, range) else prompt


def _symbol(alphabet: Any, code: int) -> Any:
    if alphabet is None:
        return code
    symbol = alphabet.decode([code])
    if isinstance(symbol, bytes):
        return symbol.decode("latin-1")
    return symbol if isinstance(symbol, str) else np.asarray(symbol).tolist()[0]


def _write(alphabet: Any, code: int) -> None:
    symbol = alphabet.decode([code])
    if isinstance(symbol, bytes):
        sys.stdout.flush()
        sys.stdout.buffer.write(symbol)
    elif isinstance(symbol, str):
        sys.stdout.write(symbol.encode("utf-8", "replace").decode())
    else:
        sys.stdout.write(f"{np.asarray(symbol).tolist()[0]}\n")


def _write_end() -> None:
    sys.stdout.flush()
    sys.stdout.buffer.flush()
