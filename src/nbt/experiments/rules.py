"""The learning rules that are compared, as frozen values.

Those of the paper are its own to the letter (one block, nothing exact but the newest term, norm
`euclidean` under SGD and `kalman` under Kalman, decay 1/√t, prior 1, double precision). The
package's defaults stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbt.cells import Cell
from nbt.optimizers import SGD, Kalman, Optimizer
from nbt.readouts import Softmax
from nbt.schedules import InverseSqrt
from nbt.trainers import RTRL, NoBackTrack, Trainer, TruncatedBPTT

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """A learning rule with its settings, before it is given a network.

    Parameters
    ----------
    name : str
        Unique; what is written in a file of results and on the command line.
    label : str
        What a plot says.
    kind : type
        NoBackTrack, RTRL or TruncatedBPTT.
    optimizer : SGD or Kalman
    choices : mapping
        Further arguments of `kind`.
    origin : {"paper", "package"}
        Whose settings these are.
    """

    name: str
    label: str
    kind: type[Trainer]
    optimizer: Optimizer
    choices: Mapping[str, Any] = field(default_factory=dict, hash=False)
    origin: str = "paper"

    @property
    def short(self) -> str:
        """The label without whose settings they are."""
        return self.label.split(" (")[0]

    def build(self, cell: Cell, symbols: int, seed: int) -> Trainer:
        """A new trainer of a network `cell` that predicts one of so many symbols."""
        return self.kind(cell, Softmax(symbols), self.optimizer, seed=seed, **self.choices)


LITERAL = {"blocks": 1, "exact_self": False, "dtype": "float64"}
DOUBLE = {"dtype": "float64"}
ONE, SMALL = InverseSqrt(1.0), InverseSqrt(0.03)
PAPER_KALMAN = Kalman(ONE, prior=1.0, outlier=None)
RANKS = (1, 2, 10)


def _euclidean(rate: InverseSqrt, suffix: str = "") -> list[Rule]:
    """Under SGD: the paper's NoBackTrack of every rank, RTRL; the package's NoBackTrack."""
    sgd = SGD(rate)
    ranks = [
        Rule(
            f"euclidean-{rank}{suffix}",
            f"NoBackTrack rank {rank} (paper)",
            NoBackTrack,
            sgd,
            {"rank": rank, "norm": "euclidean", **LITERAL},
        )
        for rank in RANKS
    ]
    return [
        *ranks,
        Rule(f"rtrl-euclidean{suffix}", "RTRL, Euclidean (paper)", RTRL, sgd, DOUBLE),
        Rule(
            f"nobacktrack-sgd{suffix}",
            "NoBackTrack, SGD (defaults)",
            NoBackTrack,
            sgd,
            {},
            "package",
        ),
    ]


def _kalman() -> list[Rule]:
    """Under Kalman: the paper's NoBackTrack of every rank, RTRL; the package's."""
    ranks = [
        Rule(
            f"kalman-{rank}",
            f"NoBackTrack rank {rank} (paper)",
            NoBackTrack,
            PAPER_KALMAN,
            {"rank": rank, "norm": "kalman", **LITERAL},
        )
        for rank in RANKS
    ]
    four = {"rank": 4}
    return [
        *ranks,
        Rule("rtrl-kalman", "RTRL, Kalman (paper)", RTRL, PAPER_KALMAN, DOUBLE),
        Rule("nobacktrack", "NoBackTrack (defaults)", NoBackTrack, Kalman(), {}, "package"),
        Rule(
            "nobacktrack-4", "NoBackTrack rank 4 (defaults)", NoBackTrack, Kalman(), four, "package"
        ),
        Rule("rtrl", "RTRL (defaults)", RTRL, Kalman(), {}, "package"),
    ]


def _truncated() -> list[Rule]:
    """Truncated backpropagation, as in footnote 13; by default the same in single precision."""
    sgd, window = SGD(ONE), {"window": 15}
    return [
        Rule("tbptt-paper", "BPTT-15 (paper)", TruncatedBPTT, sgd, {**window, **DOUBLE}),
        Rule("tbptt", "BPTT-15 (defaults)", TruncatedBPTT, sgd, window, "package"),
    ]


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (*_euclidean(ONE), *_euclidean(SMALL, "-0.03"), *_kalman(), *_truncated())
}
"""Every rule by its name."""
