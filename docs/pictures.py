"""Makes the pictures of these pages: python docs/pictures.py [NAME ...]. Needs the extra `plot`."""

from __future__ import annotations

import sys
from pathlib import Path

import hmm_study
import learning_reach as reach
import linear_example as linear

import nbt
from nbt.display.plots import figure

HERE = Path(__file__).parent


def diagnose_default() -> None:
    _diagnose("diagnose_default.png")


def diagnose_paper() -> None:
    own = {"blocks": 1, "exact_self": False, "norm": "kalman"}
    literal = nbt.Kalman(nbt.InverseSqrt(1.0), prior=1.0, outlier=None)
    _diagnose("diagnose_paper.png", literal, **own)


def linear_example() -> None:
    linear.picture(HERE / "linear_example.png")


def hmm() -> None:
    hmm_study.picture(HERE / "hmm.png")


def learning_reach() -> None:
    reach.picture(HERE / "learning_reach.png")


def forecasting() -> None:
    """Mackey-Glass with noise, 100 000 steps learned: what is expected of the next 40."""
    stream = nbt.datasets.mackey_glass(noise=0.05, seed=0)
    trainer = nbt.NoBackTrack(nbt.LeakyRNN(20), nbt.Gaussian(1, standardize=True), seed=0)
    past = stream.read(100_000)[:, 0]
    trainer.learn(past)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    low, quarter, middle, three, high = trainer.forecast(40, quantiles=levels, paths=1000)[..., 0]
    comes, ahead = stream.read(40)[:, 0], range(1, 41)
    axes = figure().add_subplot()
    axes.fill_between(ahead, low, high, color="#1f5fa8", alpha=0.18, lw=0, label="5 % to 95 %")
    axes.fill_between(ahead, quarter, three, color="#1f5fa8", alpha=0.3, lw=0, label="25 % to 75 %")
    axes.plot(ahead, middle, color="#1f5fa8", label="median")
    axes.plot(range(-39, 1), past[-40:], color="#222", lw=1)
    axes.plot(ahead, comes, ".", color="#222", label="what came")
    axes.axvline(0.5, color="#999", lw=0.8, ls="--")
    axes.set(xlabel="steps ahead", ylabel="x", title="Mackey-Glass, noise 0.05: 1000 futures")
    axes.set_ylim(bottom=0.15)
    axes.legend(loc="lower left", frameon=False, ncols=2)
    axes.figure.set_size_inches(8, 4)
    axes.figure.savefig(HERE / "forecasting.png", dpi=110)


def _diagnose(name: str, optimizer=None, **own) -> None:
    """20 leaky units on aⁿbⁿ, 10 000 steps."""
    optimizer = optimizer or nbt.Kalman()
    trainer = nbt.NoBackTrack(
        nbt.LeakyRNN(20), nbt.Softmax(3), optimizer, dtype="float64", seed=0, **own
    )
    nbt.diagnose(trainer, nbt.datasets.anbn(1, 32, seed=0), 10_000).plot(HERE / name)


MAKES = diagnose_default, diagnose_paper, linear_example, hmm, forecasting, learning_reach
PICTURES = {make.__name__: make for make in MAKES}

if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        print(name)
        PICTURES[name]()
