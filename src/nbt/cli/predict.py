"""`nbt predict`: what a model says comes next."""

from __future__ import annotations

from json import dumps
from typing import Any

import click
import numpy as np

from nbt.cli.faults import Faults
from nbt.cli.forecasts import columns_of, print_forecast, print_next, text_of
from nbt.cli.options.command import asked_for, command
from nbt.cli.options.places import alphabet_of, learned_model
from nbt.cli.options.streams import READING, build_stream, reading
from nbt.cli.options.table import TABLE
from nbt.cli.options.values import PATH
from nbt.cli.pipes import quietly

SYMBOLS = {  # by the type of an alphabet's symbols: what they are, and what files of them can be
    str: ("characters", ("text", "lines")),
    bytes: ("bytes", ("text", "lines", "bytes")),
    tuple: ("words", ("csv", "jsonl")),
    range: ("integers", ("npy",)),
}


@command("predict", "Say what comes next.")
@click.argument("source", type=PATH, required=False)
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
    json: bool | None,
    **options: Any,
) -> int:
    """Say what comes next, after what the model has read or after SOURCE.

    \b
    nbt predict -m RUN
    nbt predict -m RUN --ahead 24

    Of a model of symbols the most probable ones are printed; of a model of numbers the mean and
    the standard deviation of each, or with --ahead quantiles of simulated futures.
    """
    from nbt.readouts import Softmax
    from nbt.scoring import CHUNK, listener
    from nbt.streams.alphabets import known

    asked = asked_for(context)
    for name in asked & {"paths", "seed", "inputs"} if not ahead else ():
        raise click.UsageError(f"{TABLE[name].word} needs --ahead")
    for name in asked & set(READING) if source is None else ():
        raise click.UsageError(f"{TABLE[name].word} needs SOURCE")
    checkpoint = learned_model(model)
    trainer = listener(checkpoint.trainer)
    numbers = not isinstance(trainer.readout, Softmax)
    if ahead and not numbers:
        raise click.UsageError(f"--ahead is for numbers, and {model} predicts symbols")
    if "top" in asked and numbers:
        raise click.UsageError(f"--top is for symbols, and {model} predicts numbers")
    if source is not None:
        stream = _continued(checkpoint, model, source, options, numbers)
        while len((chunk := _pair(stream.read(CHUNK)))[0]):
            chunk = chunk if numbers else (known(chunk[0]),)
            if len(chunk[0]):
                trainer.observe(*chunk)
        Faults(stream).total()
    if ahead:
        x = _inputs_to_come(checkpoint, model, inputs, ahead)
        print_forecast(checkpoint, trainer, ahead, paths, seed, json, x)
        return 0
    if numbers:
        print_next(checkpoint, trainer, json)
        return 0
    probabilities = trainer.predict()
    for code in np.argsort(-probabilities, kind="stable")[:top].tolist():
        symbol = _symbol(checkpoint.alphabet, code)
        p = float(probabilities[code])
        row = {"symbol": symbol, "code": code, "probability": p}
        click.echo(dumps(row) if json else f"{symbol!r}\t{p:.6f}")
    return 0


def _continued(
    checkpoint: Any, model: str, source: str, options: dict[str, Any], numbers: bool
) -> Any:
    """Return SOURCE as a stream that is read like the model's own."""
    choice = reading(options) | {"unknown": options["unknown"] or "skip"}
    if not numbers:
        alphabet = alphabet_of(checkpoint, model)
        if choice["format"] is None and not source.startswith("data:"):
            choice |= {
                "format": text_of(checkpoint, "format"),
                "column": choice["column"] or text_of(checkpoint, "column"),
            }
        _check_format(alphabet, model, source, choice["format"])
        return build_stream(source, alphabet, None, **choice)
    columns, targets = columns_of(checkpoint)
    gaps = checkpoint.trainer.missing
    return build_stream(source, None, None, **choice, columns=columns, target=targets, missing=gaps)


def _check_format(alphabet: Any, model: str, source: str, format: str | None) -> None:
    """Raise unless a file of this format has such symbols as the model learned."""
    from nbt.streams.files import usual_format

    learned, formats = SYMBOLS[type(alphabet.symbols)]
    if source.startswith("data:") and format is None and learned != "words":
        return
    if (format or usual_format(source)) not in formats:
        column = ", and --column" if learned == "words" else ""
        raise click.UsageError(
            f"--format: {model} learned {learned}; give --format {' or '.join(formats)}{column}"
        )


def _inputs_to_come(checkpoint: Any, model: str, path: str | None, steps: int) -> Any:
    """Return the inputs of the coming steps for a model with targets; None for a model whose inputs
    are what it predicts."""
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
    chunks: list[Any] = []
    while (left := steps - sum(map(len, chunks))) and len(chunk := stream.read(left)):
        chunks.append(chunk)
    if left:
        raise click.UsageError(f"--inputs: expected {steps} records, got {steps - left}: {path}")
    return np.concatenate(chunks)


def _pair(chunk: Any) -> tuple[Any, ...]:
    return chunk if isinstance(chunk, tuple) else (chunk,)


def _symbol(alphabet: Any, code: int) -> Any:
    if alphabet is None or code >= len(alphabet):
        return code
    symbol = alphabet.decode([code])
    if isinstance(symbol, bytes):
        return symbol.decode("latin-1")
    return symbol if isinstance(symbol, str) else np.asarray(symbol).tolist()[0]
