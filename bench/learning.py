"""What is learned, not how fast: bits per character, over seeds, by rule and by optimizer.

Run by hand, an hour. Three streams. Words aⁿ newline bⁿ newline, n uniform in [1, 32]: an average
of 0.1429 bits a character is the least that is possible, and 0.286 what a model without the second
half's memory gets; the same with n up to 64. And Shakespeare, if there is a file shakespeare.txt in
the folder that the environment variable NBT_DATA_DIR names.

Every rule has each optimizer: first over equally many characters, then in equal CPU time, that of
the default for so many characters, measured in the same run.

Another table, `today`, has what the presets take on each kind of stream of symbols; see today.py.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import nbt
from bench import today

DATA = os.environ.get("NBT_DATA_DIR")
SHAKESPEARE = Path(DATA) / "shakespeare.txt" if DATA else None
UNITS = 20
ANBN = f"aⁿbⁿ [1;32], {UNITS} leaky units"
LONG = f"aⁿbⁿ [1;64], {UNITS} leaky units"
TEXT = f"Shakespeare, plain RNN, {UNITS} units"
STREAMS = {"anbn": ANBN, "long": LONG, "text": TEXT}
TODAY = "today"
CELLS = {ANBN: nbt.LeakyRNN, LONG: nbt.LeakyRNN, TEXT: nbt.RNN}
CHUNK = 4096  # characters between two looks at the clock
COLUMNS = ("stream", "rule", "optimizer", "characters", "median, all", "worst, all")
COLUMNS += ("median, last half", "worst, last half", "µs", "diverged")
TEXTS = 3  # of them

Make = Callable[[type, nbt.Softmax, int], nbt.Trainer]
FIRST = nbt.InverseSqrt(1.0)
KALMAN, SGD = "Kalman", "SGD 1/√t"
OPTIMIZERS = {KALMAN: nbt.Kalman(), SGD: nbt.SGD(FIRST)}
PAPERS = nbt.Kalman(FIRST, prior=1.0, outlier=None)
LITERAL = {"norm": "kalman", "blocks": 1, "exact_self": False}


def rule(kind, optimizer=KALMAN, units=UNITS, activation="sigmoid", **choices) -> Make:
    """A trainer with every default, but for what is named."""
    chosen = OPTIMIZERS.get(optimizer, optimizer)

    def make(cell, readout, seed):
        return kind(cell(units, activation=activation), readout, chosen, seed=seed, **choices)

    return make


DEFAULT = "NoBackTrack", KALMAN
METHODS = {
    "NoBackTrack": partial(rule, nbt.NoBackTrack),
    "RTRL, exact": partial(rule, nbt.RTRL),
    **{f"TBPTT-{t}": partial(rule, nbt.TruncatedBPTT, window=t) for t in (5, 15, 50)},
}
PAIRS = {(name, by): method(by) for name, method in METHODS.items() for by in OPTIMIZERS}
MORE = {  # over equally many characters only
    ANBN: {
        ("NoBackTrack, rank=4", KALMAN): rule(nbt.NoBackTrack, rank=4),
        ("NoBackTrack, tanh units", KALMAN): rule(nbt.NoBackTrack, activation="tanh"),
        ("NoBackTrack, the paper's", "Kalman 1/√t"): rule(nbt.NoBackTrack, PAPERS, **LITERAL),
    },
    LONG: {("TBPTT-150", KALMAN): rule(nbt.TruncatedBPTT, window=150)},
    TEXT: {
        ("NoBackTrack, 64 units", KALMAN): rule(nbt.NoBackTrack, units=64),
        ("NoBackTrack, 128 units", KALMAN): rule(nbt.NoBackTrack, units=128),
        ("NoBackTrack, the paper's", "Kalman 1/√t"): rule(nbt.NoBackTrack, PAPERS, **LITERAL),
    },
}

COMPRESSORS = {
    "gzip -9": partial(gzip.compress, compresslevel=9),
    "bzip2 -9": partial(bz2.compress, compresslevel=9),
    "xz -9e": partial(lzma.compress, preset=9 | lzma.PRESET_EXTREME),
}


@dataclass(frozen=True)
class Run:
    """One learner, or compressor, on one stream: so many characters, or so many CPU seconds."""

    stream: str
    rule: tuple[str, str]
    seed: int
    steps: int | None
    seconds: float = math.inf

    def __str__(self) -> str:
        limit = f"{self.steps} characters" if self.steps else f"{self.seconds:.2f} s"
        return f"{self.stream}; {', '.join(filter(None, self.rule))}; seed {self.seed}; {limit}"


@dataclass(frozen=True)
class Result:
    """Average bits per character, over all and over the last half; inf where it diverged."""

    characters: int
    all: float
    last_half: float = math.nan
    seconds: float = math.nan


def opened(stream: str, seed: int):
    """The stream of a seed; the text is the same for every seed."""
    if stream != TEXT:
        return nbt.datasets.anbn(1, 32 if stream == ANBN else 64, seed=1000 + seed)
    return nbt.streams.text(SHAKESPEARE, alphabet="file")


@cache
def compressed(stream: str, seed: int, steps: int, name: str) -> float:
    source, blocks, left = opened(stream, seed), [], steps
    while left and len(block := source.read(left)):
        blocks.append(block)
        left -= len(block)
    symbols = np.concatenate(blocks)
    return 8 * len(COMPRESSORS[name](source.alphabet.decode(symbols).encode())) / len(symbols)


def measure(run: Run) -> Result:
    """The time is the CPU time of this process, in `learn` alone."""
    name = run.rule[0]
    if name in COMPRESSORS:
        return Result(run.steps, compressed(run.stream, run.seed, run.steps, name))
    source = opened(run.stream, run.seed)
    make = PAIRS.get(run.rule) or MORE[run.stream][run.rule]
    trainer = make(CELLS[run.stream], nbt.Softmax(len(source.alphabet)), run.seed)
    parts, spent, left = [], 0.0, run.steps or sys.maxsize
    while left and spent < run.seconds and len(block := source.read(min(left, CHUNK))):
        begun = time.process_time()
        try:
            parts.append(trainer.learn(block))
        except nbt.DivergenceError as error:
            return Result(error.step, math.inf, math.inf)
        spent += time.process_time() - begun
        left -= len(block)
    bits = np.concatenate(parts) / math.log(2)
    return Result(len(bits), bits.mean(), bits[len(bits) // 2 :].mean(), spent)


def equal_steps(streams: list[str], seeds: int, steps: int) -> list[Run]:
    """Every run over so many characters, those of one line of the table together."""
    runs = []
    for stream in streams:
        names = [*PAIRS, *MORE[stream], *((name, "") for name in COMPRESSORS)]
        for name in names:
            same = stream == TEXT and name[0] in COMPRESSORS
            runs += [Run(stream, name, seed, steps) for seed in range(1 if same else seeds)]
    return runs


def equal_time(runs: list[Run], results: list[Result]) -> list[Run]:
    """Each pair in the CPU time that the default took, in the median over its seeds."""
    times: dict[str, list[float]] = {}
    for run, result in zip(runs, results, strict=True):
        if run.rule == DEFAULT:
            times.setdefault(run.stream, []).append(result.seconds)
    return [
        Run(run.stream, run.rule, run.seed, None, float(np.nanmedian(times[run.stream])))
        for run in runs
        if run.rule in PAIRS
    ]


def table(runs: list[Run], results: list[Result]) -> list[list[str]]:
    """One row for each stream, rule and optimizer."""
    rows = []
    for stream, name in dict.fromkeys((run.stream, run.rule) for run in runs):
        pairs = zip(runs, results, strict=True)
        of = [result for run, result in pairs if (run.stream, run.rule) == (stream, name)]
        figures = [f"{np.median([result.characters for result in of]):.3g}"]
        for values in ([result.all for result in of], [result.last_half for result in of]):
            figures += [number(np.median(values)), number(np.max(values))]
        whole = [result for result in of if math.isfinite(result.seconds)]
        each = [1e6 * result.seconds / result.characters for result in whole]
        figures.append(f"{np.median(each):.2f}" if each else "")
        diverged = sum(math.isinf(result.all) for result in of)
        count = "" if name[0] in COMPRESSORS else f"{diverged} of {len(of)}"
        rows.append([stream, *name, *figures, count])
    return rows


def number(bits: float) -> str:
    return "" if math.isnan(bits) else "∞" if math.isinf(bits) else f"{bits:.3f}"


def show(rows: list[list[str]], caption: str, columns=COLUMNS, texts=TEXTS) -> None:
    """Prints the table."""
    shown = Table(*columns, caption=caption, caption_justify="left")
    for column in shown.columns[texts:]:
        column.justify = "right"
    for row, before in zip(rows, [None, *rows], strict=False):
        if before and before[0] != row[0]:
            shown.add_section()
        shown.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 170).print(shown)


def as_markdown(rows: list[list[str]], caption: str, columns=COLUMNS, texts=TEXTS) -> str:
    """The same as a Markdown table."""
    lines = [columns, ["---"] * texts + ["---:"] * (len(columns) - texts), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{caption}\n"


def made(runs: list, jobs: int, by: Callable = measure) -> list:
    results = []
    with ProcessPoolExecutor(jobs) as pool:
        for run, result in zip(runs, pool.map(by, runs), strict=True):
            results.append(result)
            click.echo(
                f"{len(results)} of {len(runs)}: {run}: {result.all:.4f} {result.last_half:.4f}, "
                f"{result.characters} characters, {result.seconds:.2f} s",
                err=True,
            )
    return results


def of_today(seeds: int, jobs: int, long: bool, logs: Path | None, scale: float) -> tuple:
    """The table of the presets, with its caption and columns."""
    runs = today.runs(seeds, long, logs, scale)
    caption = (
        "Bits per character of the presets, medians and worst seeds; float32; each seed has a "
        "learner and (but for texts) a stream of its own. Peak: the worst 10⁵ characters after "
        "the first 10⁶, of all seeds. Of others': against the better of CTW of depth "
        f"{today.DEPTH} and xz. µs of the process's CPU time. nbt {nbt.build_info()['version']}, "
        f"{nbt.build_info()['isa']}."
    )
    results = made(runs, jobs, today.measure)
    rows = today.table(list(zip(runs, results, strict=True)))
    return rows, caption, today.COLUMNS, today.TEXTS


@click.command(help=__doc__.splitlines()[0])
@click.option("--steps", type=click.IntRange(2), default=10**6, show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), help="[default: all CPUs]")
@click.option("--stream", type=click.Choice([*STREAMS, TODAY]), help="[default: all]")
@click.option("--equal-time/--no-equal-time", "timed", default=True, show_default=True)
@click.option("--long", is_flag=True, help="Of the presets, also what takes 5·10⁶ characters.")
@click.option("--logs", type=Path, envvar="NBT_LOGS", help="Folder of NAME.log for the presets.")
@click.option("--scale", type=float, default=1.0, help="Share of the presets' characters.")
@click.option("--markdown", type=Path, help="Also write the tables there.")
def main(steps, seeds, jobs, stream, timed, long, logs, scale, markdown) -> None:
    streams = [STREAMS[stream]] if stream in STREAMS else []
    streams = streams if stream else list(STREAMS.values())
    if TEXT in streams and not (SHAKESPEARE and SHAKESPEARE.is_file()):
        why = f"no file {SHAKESPEARE}" if SHAKESPEARE else "NBT_DATA_DIR names no folder"
        click.echo(f"left out: {TEXT} ({why})", err=True)
        streams.remove(TEXT)
    build = nbt.build_info()
    caption = (
        f"Bits per character, {{}}; float32; {seeds} seeds, each with a learner and (aⁿbⁿ) a "
        f"stream of its own; µs of the process's CPU time. The entropy of aⁿbⁿ [1;32] is "
        f"{nbt.datasets.anbn(1, 32).entropy_rate:.4f}. nbt {build['version']}, {build['isa']}."
    )
    tables: list[tuple] = []
    if stream in (None, TODAY):
        tables.append(of_today(seeds, jobs, long, logs, scale))
    if streams:
        runs = equal_steps(streams, seeds, steps)
        results = made(runs, jobs)
        tables.append((table(runs, results), caption.format(f"the first {steps} characters")))
    if streams and timed:
        runs = equal_time(runs, results)
        limits = dict.fromkeys(f"{run.seconds:.2f} s of {run.stream}" for run in runs)
        title = caption.format(f"in equal CPU time ({', '.join(limits)})")
        tables.append((table(runs, made(runs, jobs)), title))
    for each in tables:
        show(*each)
    if markdown:
        markdown.write_text("\n".join(as_markdown(*each) for each in tables), encoding="utf-8")


if __name__ == "__main__":
    main()
