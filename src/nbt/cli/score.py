"""`nbt score`: the surprise of each line."""

from __future__ import annotations

import dataclasses
import heapq
import json
import sys
from typing import Any

import click

from nbt.cli.faults import Faults
from nbt.cli.hints import hint
from nbt.cli.options.command import command
from nbt.cli.options.places import alphabet_of, check_place, learned_model, load_model
from nbt.cli.options.streams import build_stream, reading
from nbt.cli.options.table import TABLE
from nbt.cli.options.values import PATH
from nbt.cli.pipes import quietly
from nbt.display.visible import visible

STRANGE = 4.0  # a character is highlighted from so many bits above the line's mean


@command("score", "Find the strange lines of a file.")
@click.argument("source", type=PATH)
@quietly
def score(source: str, **options: Any) -> int:
    """Print the surprise of each line of SOURCE, in bits, as it comes.

    \b
    nbt score access.log --top 20
    tail -F access.log | nbt score - --json

    The columns, with tabs between them, are the number of the line, the mean bits per character
    (each is predicted from all before it), and the rank of the line among the --recent ones in per
    cent: 99.9 is stranger than 999 of 1000. --top 20 prints the 20 strangest lines instead, with
    their strange characters highlighted. They are ordered by their bits, or by their rank where
    the model learns, as everything is strange at first.

    A character that the model lacks has a surprise of its own, and bytes that are no character are
    read as --errors says. stderr tells how many there were.

    Without --model a new model learns as it reads. With --model nothing is learned, unless --learn
    is given.
    """
    from nbt.scoring import listener
    from nbt.scoring import score as lines
    from nbt.training.interrupts import Interrupts

    check_place("--save", options["save"])
    stream, trainer, learn = _prepare(source, options)
    hint(source, options, "scored")
    reader = trainer if learn else listener(trainer)
    faults = Faults(stream)
    found = lines(reader, stream, learn=learn, window=options["recent"], seen=trainer.step)
    found = faults.along(found)
    try:
        with Interrupts(terminate=True):
            if options["top"]:
                _print_top(found, options["top"], options["json"], learn)
            else:
                for line in found:
                    print(_json(line) if options["json"] else _columns(line), flush=True)
                sys.stdout.flush()
    finally:
        faults.total()
        if options["save"]:
            reader.save(options["save"], stream) if learn else trainer.save(options["save"], stream)
    return 0


def _prepare(source: str, options: dict[str, Any]) -> tuple[Any, Any, bool]:
    """Return the stream, the trainer, and whether it learns."""
    import nbt

    choice = reading(options) | {"errors": options["errors"] or "replace", "unknown": "skip"}
    if source.startswith("data:"):
        raise click.UsageError(f"{source}: expected lines of a file, or - for standard input")
    if not options["model"]:
        alphabet = options["alphabet"] or ("bytes" if options["format"] == "bytes" else "grow")
        stream = build_stream(source, alphabet, None, **choice)
        setting = nbt.preset("lines")
        if options["units"]:
            setting["cell"] = dataclasses.replace(setting["cell"], units=options["units"])
        readout = nbt.Softmax(len(stream.alphabet), counts=options["counts"] or 0)
        return stream, nbt.NoBackTrack(readout=readout, **setting), True
    for name in ("units", "counts", "alphabet"):
        if options[name] is not None:
            raise click.UsageError(f"{TABLE[name].word}: expected none, the model has its own")
    checkpoint = (load_model if options["learn"] else learned_model)(options["model"])
    alphabet = alphabet_of(checkpoint, options["model"])  # refuses a model of numbers
    if not isinstance(alphabet.symbols, str | bytes):
        raise click.UsageError(f"{options['model']}: expected a model of characters or bytes")
    stream = build_stream(source, checkpoint.alphabet, None, **choice)
    return stream, checkpoint.trainer, bool(options["learn"])


def _columns(line: Any) -> str:
    return f"{line.line}\t{line.bits:.4f}\t{line.percentile:.2f}"


def _json(line: Any, text: bool = False) -> str:
    values = {"line": line.line, "bits": line.bits, "percentile": line.percentile}
    return json.dumps({**values, **({"text": line.text} if text else {})})


def _print_top(found: Any, count: int, as_json: bool, by_rank: bool) -> None:
    """Print the strangest lines, the strangest first; after Ctrl-C, those of what was read."""
    best: list[Any] = []
    stopped = None
    try:
        for line in found:
            item = (line.percentile if by_rank else 0.0, line.bits, -line.line, line)
            if len(best) < count:
                heapq.heappush(best, item)
            elif item > best[0]:
                heapq.heapreplace(best, item)
    except KeyboardInterrupt as interrupt:
        stopped = interrupt
    lines = [item[-1] for item in sorted(best, reverse=True)]
    if as_json:
        for line in lines:
            print(_json(line, text=True))
    else:
        _print_highlighted(lines)
    sys.stdout.flush()
    if stopped:
        raise stopped


def _print_highlighted(lines: list[Any]) -> None:
    from rich.text import Text

    from nbt.cli.screen import open_console

    console = open_console(sys.stdout)
    width = max((len(str(line.line)) for line in lines), default=1)
    heading = f"{'line':>{max(width, 4)}}   bits  percentile"
    console.print(Text(heading, style="bold"), soft_wrap=True)
    for line in lines:
        text = Text(f"{line.line:>{max(width, 4)}} {line.bits:6.2f} {line.percentile:10.2f}  ")
        limit = line.bits + STRANGE
        for character, bits in zip(line.text, line.highest().tolist(), strict=True):
            text.append(visible(character), style="bold red reverse" if bits > limit else "")
        console.print(text, soft_wrap=True)
