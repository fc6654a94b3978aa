"""Makes the pictures of these pages: python docs/pictures.py [NAME ...]. Needs the extra `plot`."""

from __future__ import annotations

import sys
from pathlib import Path

import hmm_study
import learning_reach as reach
import linear_example as linear

import nbt

HERE = Path(__file__).parent


def diagnose_default() -> None:
    _diagnose("diagnose_default.png")


def diagnose_paper() -> None:
    own = {"blocks": 1, "exact_self": False, "norm": "kalman"}
    _diagnose("diagnose_paper.png", nbt.Kalman(nbt.InverseSqrt(1.0)), **own)


def linear_example() -> None:
    linear.picture(HERE / "linear_example.png")


def hmm() -> None:
    hmm_study.picture(HERE / "hmm.png")


def learning_reach() -> None:
    reach.picture(HERE / "learning_reach.png")


def _diagnose(name: str, optimizer=None, **own) -> None:
    """20 leaky units on aⁿbⁿ, 10 000 steps."""
    optimizer = optimizer or nbt.Kalman()
    trainer = nbt.NoBackTrack(
        nbt.LeakyRNN(20), nbt.Softmax(3), optimizer, dtype="float64", seed=0, **own
    )
    nbt.diagnose(trainer, nbt.datasets.anbn(1, 32, seed=0), 10_000).plot(HERE / name)


MAKES = diagnose_default, diagnose_paper, linear_example, hmm, learning_reach
PICTURES = {make.__name__: make for make in MAKES}

if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        print(name)
        PICTURES[name]()
