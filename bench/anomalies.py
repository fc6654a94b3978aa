"""How well `nbt score` finds planted anomalies in access logs, and how fast: the README's figures.

    python bench/anomalies.py [--lines 20000] [--seeds 3]

The area under the ROC curve, over the lines after the first tenth, of three scores that have seen
the lines so far and no labels: mean bits per character of a network that learns as it reads; how
rare a line is; how rare it is once its numbers are masked. Speeds are for CPU time on one core.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nbt
from bench import logs
from nbt.scoring import listener, score


def area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: a positive scores above a negative; ties count half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def rarity(lines: list[str]) -> np.ndarray:
    """-ln of the share that a line has among those so far, itself included."""
    seen: Counter[str] = Counter()
    scores = np.empty(len(lines))
    for i, line in enumerate(lines):
        seen[line] += 1
        scores[i] = -np.log(seen[line] / (i + 1))
    return scores


def surprise(path: Path) -> tuple[np.ndarray, nbt.NoBackTrack, float]:
    """Bits per character of each line, the trainer at the end, characters a second."""
    stream = nbt.streams.text(path, "grow")
    trainer = nbt.NoBackTrack(readout=nbt.Softmax(1), **nbt.preset("lines"))
    begun = time.process_time()
    bits = np.array([line.bits for line in score(trainer, stream, learn=True)])
    return bits, trainer, stream.position / (time.process_time() - begun)


def without_learning(path: Path, trainer: nbt.NoBackTrack, alphabet) -> float:
    """Characters a second when nothing is learned."""
    stream = nbt.streams.text(path, alphabet)
    begun = time.process_time()
    for _ in score(listener(trainer), stream, learn=False):
        pass
    return stream.position / (time.process_time() - begun)


def measure(count: int, seed: int, folder: Path) -> dict[str, float]:
    lines, planted = logs.lines(count, seed)
    path = folder / "access.log"
    path.write_text("\n".join(lines) + "\n")
    after = slice(count // 10, None)
    bits, trainer, learning = surprise(path)
    masked = [re.sub(r"\d+", "0", line) for line in lines]
    alphabet = "\ufffd" + "".join(dict.fromkeys(path.read_text()))
    return {
        "nbt score": area(bits[after], planted[after]),
        "line frequency": area(rarity(lines)[after], planted[after]),
        "masked line frequency": area(rarity(masked)[after], planted[after]),
        "characters/s, learning": learning,
        "characters/s, not learning": without_learning(
            path, trainer, nbt.streams.Alphabet(alphabet)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [measure(options.lines, seed, Path(folder)) for seed in range(options.seeds)]
    for name in found[0]:
        values = [one[name] for one in found]
        shown = ", ".join(f"{value:,.0f}" if value > 10 else f"{value:.3f}" for value in values)
        print(f"{name:<28}{shown}")


if __name__ == "__main__":
    main()
