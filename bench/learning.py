"""What is learned, not how fast: bits per character, over seeds. Run by hand, a quarter of an hour.

Two streams. Words aⁿ newline bⁿ newline, n uniform in [1, 32]: an average of 0.1429 bits a
character is the least that is possible, and 0.286 what a model without the second half's memory
gets. And Shakespeare, if there is a file shakespeare.txt in the folder that NBT_DATA_DIR names, or
in ../shared/data.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import nbt

DATA = Path(os.environ.get("NBT_DATA_DIR") or Path(__file__).parents[2] / "shared" / "data")
SHAKESPEARE = DATA / "shakespeare.txt"
UNITS = 20
ANBN = f"aⁿbⁿ [1;32], {UNITS} leaky units"
TEXT = f"Shakespeare, plain RNN, {UNITS} units"
SEEDS = {ANBN: 20, TEXT: 10}
COLUMNS = (
    "stream",
    "rule",
    "median, all",
    "worst, all",
    "median, last half",
    "worst, last half",
    "diverged",
)

FIRST = nbt.InverseSqrt(1.0)
LITERAL = {"decay": FIRST, "norm": "kalman", "blocks": 1, "exact_self": False}


def nobacktrack(cell, readout, seed, units=UNITS, activation="sigmoid", decay=None, **choices):
    """The defaults, but for what is named."""
    optimizer = nbt.Kalman() if decay is None else nbt.Kalman(decay, prior=1.0, outlier=None)
    cell = cell(units, activation=activation)
    return nbt.NoBackTrack(cell, readout, optimizer, seed=seed, **choices)


def rtrl(cell, readout, seed):
    return nbt.RTRL(cell(UNITS), readout, nbt.Kalman(), seed=seed)


def tbptt(cell, readout, seed):
    return nbt.TruncatedBPTT(cell(UNITS), readout, nbt.SGD(FIRST), window=15, seed=seed)


COMPRESSORS = {
    "gzip -9": partial(gzip.compress, compresslevel=9),
    "bzip2 -9": partial(bz2.compress, compresslevel=9),
    "xz -9e": partial(lzma.compress, preset=9 | lzma.PRESET_EXTREME),
}
PAPER = "NoBackTrack, the paper's: norm='kalman', decay 1/√t"
RULES = {
    ANBN: {
        "NoBackTrack, defaults": nobacktrack,
        "NoBackTrack, rank=4": partial(nobacktrack, rank=4),
        "NoBackTrack, tanh units": partial(nobacktrack, activation="tanh"),
        PAPER: partial(nobacktrack, **LITERAL),
        "RTRL, Kalman": rtrl,
        "TBPTT-15, SGD 1/√t": tbptt,
    },
    TEXT: {
        "NoBackTrack, defaults": nobacktrack,
        "NoBackTrack, 64 units": partial(nobacktrack, units=64),
        "NoBackTrack, 128 units": partial(nobacktrack, units=128),
        PAPER: partial(nobacktrack, **LITERAL),
        "TBPTT-15, SGD 1/√t": tbptt,
    },
}
CELLS = {ANBN: nbt.LeakyRNN, TEXT: nbt.RNN}


@dataclass(frozen=True)
class Run:
    """One learner, or compressor, on one stream."""

    stream: str
    rule: str
    seed: int
    steps: int


@cache
def characters(stream: str, seed: int, steps: int) -> tuple[nbt.streams.Alphabet, np.ndarray]:
    """The stream's alphabet and its first symbols; the text is the same for every seed."""
    if stream == ANBN:
        source = nbt.datasets.anbn(1, 32, seed=1000 + seed)
    else:
        source = nbt.streams.text(SHAKESPEARE, alphabet="file")
    blocks, left = [], steps
    while left and len(block := source.read(left)):
        blocks.append(block)
        left -= len(block)
    return source.alphabet, np.concatenate(blocks)


def bits(run: Run) -> tuple[float, float]:
    """Average bits per character, over all and over the last half; inf where it diverged."""
    alphabet, symbols = characters(run.stream, run.seed, run.steps)
    if run.rule in COMPRESSORS:
        data = alphabet.decode(symbols).encode()
        return 8 * len(COMPRESSORS[run.rule](data)) / len(symbols), math.nan
    make, cell = RULES[run.stream][run.rule], CELLS[run.stream]
    trainer = make(cell, nbt.Softmax(len(alphabet)), run.seed)
    try:
        losses = trainer.learn(symbols) / math.log(2)
    except nbt.DivergenceError:
        return math.inf, math.inf
    return losses.mean(), losses[len(losses) // 2 :].mean()


def plan(streams: list[str], seeds: int | None, steps: int) -> list[Run]:
    """Every run, those of one line of the table together."""
    runs = []
    for stream in streams:
        count = seeds or SEEDS[stream]
        for rule in (*RULES[stream], *COMPRESSORS):
            same = stream == TEXT and rule in COMPRESSORS
            runs += [Run(stream, rule, seed, steps) for seed in range(1 if same else count)]
    return runs


def table(runs: list[Run], results: list[tuple[float, float]]) -> list[list[str]]:
    """One row for each stream and rule."""
    rows = []
    for stream, rule in dict.fromkeys((run.stream, run.rule) for run in runs):
        pairs = zip(runs, results, strict=True)
        of_rule = [result for run, result in pairs if (run.stream, run.rule) == (stream, rule)]
        figures = []
        for values in np.array(of_rule).T:
            figures += [np.median(values), np.max(values)]
        cells = ["" if math.isnan(x) else "∞" if math.isinf(x) else f"{x:.3f}" for x in figures]
        diverged = sum(math.isinf(result[0]) for result in of_rule)
        count = "" if rule in COMPRESSORS else f"{diverged} of {len(of_rule)}"
        rows.append([stream, rule, *cells, count])
    return rows


def show(rows: list[list[str]], caption: str) -> None:
    """Prints the table."""
    shown = Table(*COLUMNS, caption=caption, caption_justify="left")
    for column in shown.columns[2:]:
        column.justify = "right"
    for row, before in zip(rows, [None, *rows], strict=False):
        if before and before[0] != row[0]:
            shown.add_section()
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 150).print(shown)


def as_markdown(rows: list[list[str]], caption: str) -> str:
    """The same as a Markdown table."""
    lines = [COLUMNS, ["---"] * 2 + ["---:"] * (len(COLUMNS) - 2), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{caption}\n"


@click.command(help=__doc__.splitlines()[0])
@click.option("--steps", type=click.IntRange(2), default=10**6, show_default=True)
@click.option("--seeds", type=click.IntRange(1), help="[default: 20, and 10 of Shakespeare]")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), help="[default: all CPUs]")
@click.option("--stream", type=click.Choice(["anbn", "text"]), help="[default: both]")
@click.option("--markdown", type=Path, help="Also write the table there.")
def main(steps, seeds, jobs, stream, markdown) -> None:
    streams = {"anbn": [ANBN], "text": [TEXT]}.get(stream, [ANBN, TEXT])
    if TEXT in streams and not SHAKESPEARE.exists():
        why = f"no file {SHAKESPEARE}; NBT_DATA_DIR names a folder"
        click.echo(f"left out: {TEXT} ({why})", err=True)
        streams.remove(TEXT)
    runs = plan(streams, seeds, steps)
    results = []
    with ProcessPoolExecutor(jobs) as pool:
        for run, result in zip(runs, pool.map(bits, runs), strict=True):
            results.append(result)
            click.echo(
                f"{len(results)} of {len(runs)}: {run.stream}; {run.rule}; seed {run.seed}: "
                f"{result[0]:.4f} {result[1]:.4f}",
                err=True,
            )
    build = nbt.build_info()
    caption = (
        f"Bits per character over the first {steps} characters, float32; each seed has a learner "
        f"and (aⁿbⁿ) a stream of its own. The entropy of aⁿbⁿ is "
        f"{nbt.datasets.anbn(1, 32).entropy_rate:.4f}. nbt {build['version']}, {build['isa']}."
    )
    rows = table(runs, results)
    show(rows, caption)
    if markdown:
        markdown.write_text(as_markdown(rows, caption), encoding="utf-8")


if __name__ == "__main__":
    main()
