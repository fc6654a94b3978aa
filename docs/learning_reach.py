"""How far a dependency reaches that was learned: what a word of aⁿ newline bⁿ newline still costs
once its aⁿ was read, by n. `python docs/pictures.py learning_reach` draws it; the measurements are
kept in a file beside this one, and made again if it is not there (some minutes).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

import nbt

HERE = Path(__file__).parent
KEPT = HERE / "learning_reach.json"
STEPS, SEEDS, HIGHS = 10**6, 3, (64, 128)
PAPER = {"blocks": 1, "exact_self": False, "norm": "kalman", "window": 0}
ROOT = nbt.InverseSqrt(1.0)
RULES = {
    "NoBackTrack, defaults": lambda cell, readout, seed: nbt.NoBackTrack(cell, readout, seed=seed),
    "RTRL, exact": lambda cell, readout, seed: nbt.RTRL(cell, readout, seed=seed),
    "truncated BPTT, 15 steps": lambda cell, readout, seed: nbt.TruncatedBPTT(
        cell, readout, nbt.SGD(ROOT), seed=seed
    ),
    "NoBackTrack, the paper's": lambda cell, readout, seed: nbt.NoBackTrack(
        cell, readout, nbt.Kalman(ROOT, prior=1.0), seed=seed, **PAPER
    ),
}
COLOURS = dict(zip(RULES, ("#0072B2", "#000000", "#D55E00", "#999999"), strict=True))


def second_halves(symbols: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """n and the bits spent on bⁿ newline, of every whole word; symbols are a, b, newline."""
    ends = np.flatnonzero(symbols == 2)[1::2]
    starts = np.concatenate([[-1], ends[:-1]])
    n = (ends - starts - 2) // 2
    total = np.concatenate([[0.0], np.cumsum(losses)])
    return n, total[ends + 1] - total[starts + n + 2]


def measure(rule: str, high: int, seed: int) -> list[float | None]:
    """Bits of bⁿ newline for n in each eighth of [1; high], over the last fifth of the run; None
    where the run diverged."""
    stream = nbt.datasets.anbn(1, high, seed=1000 + seed)
    symbols = stream.read(STEPS)
    trainer = RULES[rule](nbt.LeakyRNN(20), nbt.Softmax(3), seed)
    try:
        losses = trainer.learn(symbols) / math.log(2)
    except nbt.DivergenceError:
        return [None] * 8
    n, bits = second_halves(symbols, losses)
    late = np.arange(len(n)) >= 0.8 * len(n)
    eighth = (n - 1) * 8 // high
    return [float(bits[late & (eighth == e)].mean()) for e in range(8)]


def measured() -> dict[str, dict[str, list[list[float | None]]]]:
    """{range: {rule: one list of eight a seed}}, from the file, or made and kept there."""
    if KEPT.exists():
        return json.loads(KEPT.read_text())
    values = {
        str(high): {rule: [measure(rule, high, seed) for seed in range(SEEDS)] for rule in RULES}
        for high in HIGHS
    }
    KEPT.write_text(json.dumps(values))
    return values


def picture(path: Path) -> None:
    """A panel for each range: medians over seeds, and every seed as a thin line."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(HIGHS), sharey=True)
    for axes, (high, rules) in zip(panels, measured().items(), strict=True):
        high = int(high)
        middle = (np.arange(8) + 0.5) * high / 8
        for rule, runs in rules.items():
            bits = np.array([[math.inf if x is None else x for x in run] for run in runs])
            bits = np.where(np.isfinite(bits), bits, np.nan)
            for run in bits:
                axes.plot(middle, run, color=COLOURS[rule], linewidth=0.6, alpha=0.4)
            median = np.nanmedian(bits, axis=0)
            axes.plot(middle, median, "o-", color=COLOURS[rule], label=rule, markersize=4)
        floor = {"color": "#555555", "linestyle": "--", "linewidth": 1}
        axes.axhline(math.log2(high), label="who forgets n, on average", **floor)
        axes.set(title=f"n uniform in [1; {high}]", xlabel="n", xlim=(0, high))
    panels[0].set(ylabel="bits for bⁿ newline, after aⁿ newline", ylim=(0, 14))
    panels[0].legend(frameon=False, fontsize=8, loc="upper left")
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
