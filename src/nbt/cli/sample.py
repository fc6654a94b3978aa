"""`nbt sample`: symbols drawn from a model."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from nbt.cli.options.command import command
from nbt.cli.options.places import alphabet_of, learned_model
from nbt.cli.pipes import quietly
from nbt.display.visible import visible

COLDEST = 1e-300  # for colder ones, log p / temperature may overflow


@command("sample", "Make up symbols.")
@quietly
def sample(
    model: str, count: int, prompt: str | None, temperature: float, seed: int, raw: bool | None
) -> int:
    """Make up symbols as the model expects them, and print them.

    A file or a pipe gets them as they are: characters in UTF-8, bytes as bytes, words and numbers
    on a line each. On a terminal control characters are shown as pictures, except newlines and
    tabs.
    """
    from nbt.scoring import listener

    checkpoint = learned_model(model)
    alphabet, trainer = alphabet_of(checkpoint, model), listener(checkpoint.trainer)
    if prompt:
        trainer.observe(alphabet.encode(_prompt(alphabet, prompt)))
    generator = np.random.default_rng(seed)
    harmless = sys.stdout.isatty() and not raw
    show = _harmless(alphabet) if harmless else _exact(alphabet)
    for _ in range(count):
        code = _draw(trainer.predict()[: len(alphabet)], temperature, generator)
        trainer.observe([code])
        show(code)
    if sys.stdout.isatty():  # so that the shell's prompt is on its own line
        click.echo()
    _write_end()
    return 0


def _draw(probabilities: np.ndarray, temperature: float, generator: np.random.Generator) -> int:
    """Return a symbol drawn with probability ∝ p^(1/temperature)."""
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities) / max(temperature, COLDEST)
    weights = np.cumsum(np.exp(logits - logits.max()))
    return int(np.searchsorted(weights, generator.random() * weights[-1], side="right"))


def _prompt(alphabet: Any, prompt: str) -> Any:
    if isinstance(alphabet.symbols, bytes):
        return prompt.encode()
    if isinstance(alphabet.symbols, tuple):
        return prompt.split(",")
    return [int(code) for code in prompt.split()] if isinstance(alphabet.symbols, range) else prompt


def _exact(alphabet: Any) -> Callable[[int], None]:
    """Return a function that writes symbols as they are: their bytes."""

    def write(code: int) -> None:
        symbol = alphabet.decode([code])
        if not isinstance(symbol, bytes | str):
            symbol = f"{np.asarray(symbol).tolist()[0]}\n"
        sys.stdout.flush()
        sys.stdout.buffer.write(symbol if isinstance(symbol, bytes) else _bytes(symbol))

    return write


def _bytes(text: str) -> bytes:
    """Return UTF-8. A surrogate that stands for an invalid byte becomes that byte again."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _harmless(alphabet: Any) -> Callable[[int], None]:
    """Return a function that writes symbols in a form that is safe to show. Bytes are decoded as
    UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def write(code: int) -> None:
        symbol = alphabet.decode([code])
        if isinstance(symbol, bytes):
            symbol = decoder.decode(symbol)
        text = symbol if isinstance(symbol, str) else np.asarray(symbol).tolist()[0]
        end = "" if isinstance(symbol, str) else "\n"
        sys.stdout.write(visible(text, keep="\n\t") + end)

    return write


def _write_end() -> None:
    sys.stdout.flush()
    sys.stdout.buffer.flush()
