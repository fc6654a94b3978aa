"""What the presets take on each kind of stream of symbols, a row each: part of bench/learning.py.

The logs are any files NAME.log in a folder; CTW of depth 16 and xz read them in the same run. Rows
of 5·10⁶ characters and more are made only if they are asked for.
"""

from __future__ import annotations

import lzma
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import nbt

DATA = os.environ.get("NBT_DATA_DIR")
COLUMNS = ("stream", "trainer", "characters", "seeds", "all", "worst", "last half", "worst")
COLUMNS += ("last tenth", "worst", "peak", "µs", "of others'", "diverged")
TEXTS = 2  # of them
FIRST, PIECE = 10**6, 10**5  # a peak is the worst piece of so many characters after the first
DEPTH = 16
LONG = 5 * 10**6  # characters from which on a row is long
CHUNK = 1 << 16

Open = Callable[[int], Any]


@dataclass(frozen=True)
class Row:
    """One preset on one stream: so many characters, or all of a file."""

    stream: str
    trainer: str
    open: Open
    settings: dict[str, Any]
    steps: int | None
    kind: str = "symbols"
    effort: str = "default"
    path: Path | None = None  # of a log


@dataclass(frozen=True)
class Run:
    row: Row
    seed: int

    def __str__(self) -> str:
        return f"{self.row.stream}; {self.row.trainer}; seed {self.seed}"


@dataclass(frozen=True)
class Result:
    """Bits a character over all, the last half, the last tenth and in the worst piece; inf where
    the run diverged."""

    characters: int
    all: float
    last_half: float = math.inf
    last_tenth: float = math.inf
    peak: float = math.inf
    seconds: float = math.nan
    others: float = math.nan  # the better of CTW and xz


def anbn(high: int, seed: int):
    return nbt.datasets.anbn(1, high, seed=1000 + seed)


def seeded(make: Callable[..., Any], seed: int):
    return make(seed=1000 + seed)


def shakespeare(seed: int):
    return nbt.streams.text(Path(DATA or "") / "shakespeare.txt", alphabet="file")


def log(path: Path, seed: int):
    return nbt.streams.text(path, alphabet="file", errors="replace")


def rows(logs: Path | None) -> Iterator[Row]:
    """Every row for which there are data."""
    for text in [shakespeare] if DATA and (Path(DATA) / "shakespeare.txt").is_file() else []:
        normed = {"cell": nbt.LSTM(96, norm="rms", memory=(1, 8))}
        several = [
            ("symbols", "default", {}),
            ("symbols", "default", normed),
            ("symbols", "best", {}),
            *(("text", effort, {}) for effort in ("fast", "default", "best")),
        ]
        for kind, effort, other in several:
            yield row("Shakespeare", text, 10**6, kind, effort, **other)
    words = partial(anbn, 32)
    for effort in ("fast", "default"):
        yield row("aⁿbⁿ [1;32]", words, 10**6, effort=effort)
        yield row("aⁿbⁿ [1;32]", words, 10**7, effort=effort)
    for high in (64, 128):
        longest = partial(anbn, high)
        yield row(f"aⁿbⁿ [1;{high}]", longest, LONG)
        yield row(f"aⁿbⁿ [1;{high}]", longest, LONG, cell=nbt.LSTM(96, memory=(1, 128)))
        patient = {"cell": nbt.LSTM(96, memory=(1, 128)), "every": 32}
        yield row(f"aⁿbⁿ [1;{high}]", longest, LONG, **patient)
    yield row("music", partial(seeded, nbt.datasets.music), 3 * 10**5)
    yield row("brackets", partial(seeded, nbt.datasets.brackets), 3 * 10**5)
    copied = partial(seeded, nbt.datasets.delayed_copy)
    for effort in ("default", "best"):
        yield row("delayed copy", copied, 10**6, effort=effort)
    yield row("delayed copy", copied, 10**6, every=32)
    for path in sorted(logs.glob("*.log")) if logs else ():
        made = row(path.name, partial(log, path), None, "text")
        yield replace(made, path=path)


def row(
    stream: str, source: Open, steps: int | None, kind="symbols", effort="default", **other
) -> Row:
    settings = nbt.preset(kind, effort, readout=nbt.Softmax(2)) | other
    name = f"{kind}, {effort}: {settings['cell']}".replace("units=", "").replace(".0", "")
    if settings["every"] != 10:
        name += f", every={settings['every']}"
    return Row(stream, name, source, other, steps, kind, effort)


def measure(run: Run) -> Result:
    """The time is the CPU time of this process, in `learn` alone."""
    row = run.row
    source = row.open(run.seed)
    readout = nbt.Softmax(len(source.alphabet))
    settings = nbt.preset(row.kind, row.effort, readout=readout) | row.settings
    trainer = nbt.NoBackTrack(**{"readout": readout} | settings, seed=run.seed)
    parts, spent, left = [], 0.0, row.steps or math.inf
    while left and len(block := source.read(int(min(left, CHUNK)))):
        begun = time.process_time()
        try:
            parts.append(trainer.learn(block))
        except nbt.DivergenceError as error:
            return Result(error.step, math.inf)
        spent += time.process_time() - begun
        left -= len(block)
    bits = np.concatenate(parts) / math.log(2)
    n = len(bits)
    pieces = [bits[t : t + PIECE].mean() for t in range(FIRST, n - PIECE + 1, PIECE)]
    return Result(
        n,
        bits.mean(),
        bits[n // 2 :].mean(),
        bits[n - n // 10 :].mean(),
        max(pieces, default=math.nan),
        spent,
        others(row.path) if row.path else math.nan,
    )


@cache
def others(path: Path) -> float:
    """The better of context tree weighting and xz, bits a character of this log."""
    source, blocks = log(path, 0), []
    while len(block := source.read(CHUNK)):
        blocks.append(block)
    symbols = np.concatenate(blocks)
    tree = nbt.baselines.CTW(len(source.alphabet), depth=DEPTH).learn(symbols)
    packed = lzma.compress(path.read_bytes(), preset=9 | lzma.PRESET_EXTREME)
    return min(tree.mean() / math.log(2), 8 * len(packed) / len(symbols))


def runs(seeds: int, long: bool, logs: Path | None, scale: float) -> list[Run]:
    """Every run, those of a row together; `scale`: the share of its characters."""
    chosen = [row for row in rows(logs) if long or (row.steps or 0) < LONG]
    scaled = [replace(row, steps=row.steps and max(2, round(scale * row.steps))) for row in chosen]
    return [Run(row, seed) for row in scaled for seed in range(seeds)]


def table(made: list[tuple[Run, Result]]) -> list[list[str]]:
    """A line for each row: medians, and the worst seed."""
    lines: dict[tuple[str, str, int | None], list[Result]] = {}
    for run, result in made:
        key = run.row.stream, run.row.trainer, run.row.steps
        lines.setdefault(key, []).append(result)
    return [[*key[:2], *figures(of)] for key, of in lines.items()]


def figures(of: list[Result]) -> list[str]:
    values = {name: [getattr(result, name) for result in of] for name in Result.__annotations__}
    cells = [f"{max(values['characters']):.3g}", str(len(of))]
    for name in ("all", "last_half", "last_tenth"):
        cells += [number(np.median(values[name])), number(np.max(values[name]))]
    each = [1e6 * result.seconds / result.characters for result in of]
    share = np.median(values["all"]) / np.median(values["others"])
    cells += [number(np.max(values["peak"])), f"{np.nanmedian(each):.2f}", number(share)]
    return [*cells, f"{sum(map(math.isinf, values['all']))} of {len(of)}"]


def number(bits: float) -> str:
    """Four decimals where they tell something."""
    if not math.isfinite(bits):
        return "" if math.isnan(bits) else "∞"
    return f"{bits:.4f}" if bits < 1 else f"{bits:.3f}"
