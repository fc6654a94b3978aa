"""The learning rules that are compared, each with its optimizer, as frozen values.

The paper's rules have exactly its settings: one block, no exact self-influence, norm `euclidean`
with SGD and `kalman` with Kalman, decay 1/√t, prior 1, double precision. They are compared with the
package's defaults, and with each of its rules under each optimizer: the effect of a rule shows only
between two rules with the same optimizer.

Cells with gates learn their readout in the same way beside each optimizer of the network, so that
the effect of the latter shows, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbt.cells import Cell
from nbt.optimizers import SGD, Adam, Kalman, Optimizer, default_for_readout
from nbt.readouts import Softmax
from nbt.schedules import InverseSqrt
from nbt.trainers import RTRL, NoBackTrack, Trainer, TruncatedBPTT
from nbt.trainers.binding import is_gated
from nbt.trainers.windowed import EVERY

__all__ = ["GATED", "PAIRS", "READOUT", "RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """Learning rule with its settings, before it is given a network.

    Parameters
    ----------
    name : str
        Unique name, used in files of results and on the command line.
    method : str
        Name of the rule in tables, without its optimizer.
    kind : type
        NoBackTrack, RTRL or TruncatedBPTT.
    optimizer : SGD, Kalman or Adam
        Its rate or decay falls like 1/√t.
    choices : mapping
        Further arguments of `kind`.
    origin : {"paper", "package"}
        Whose settings these are.
    """

    name: str
    method: str
    kind: type[Trainer]
    optimizer: Optimizer
    choices: Mapping[str, Any] = field(default_factory=dict, hash=False)
    origin: str = "paper"

    @property
    def short(self) -> str:
        """Name of optimizer and rule."""
        return f"{type(self.optimizer).__name__} {self.method}"

    @property
    def label(self) -> str:
        """Text in a plot: `short`, and whose settings these are."""
        return self.short + (" (paper)" if self.origin == "paper" else "")

    @property
    def optimized(self) -> str:
        """The optimizer with its rate or decay, for a table."""
        schedule = self.optimizer.schedule
        by = "t" if schedule.after == 1 else f"(1+t/{schedule.after:g})"
        return f"{type(self.optimizer).__name__} {schedule.scale:g}/√{by}"

    def build(self, cell: Cell, symbols: int, seed: int) -> Trainer:
        """Return a new trainer of a network `cell` that predicts one of so many symbols."""
        choices = {**self.choices, "seed": seed}
        if is_gated(cell):
            choices["readout_optimizer"] = READOUT
        return self.kind(cell, Softmax(symbols), self.optimizer, **choices)


READOUT = default_for_readout(Adam())  # of cells with gates, and beside Adam
LITERAL = {"blocks": 1, "exact_self": False, "dtype": "float64"}
DOUBLE = {"dtype": "float64"}
ONE, SMALL = InverseSqrt(1.0), InverseSqrt(0.03)
PAPER_KALMAN = Kalman(ONE, prior=1.0, outlier=None)
RANKS = (1, 2, 10)


def _euclidean(rate: InverseSqrt, suffix: str = "") -> list[Rule]:
    """Return the rules with SGD: the paper's NoBackTrack of every rank, and RTRL."""
    sgd = SGD(rate)
    ranks = [
        Rule(
            f"euclidean-{rank}{suffix}",
            f"NoBackTrack rank {rank}",
            NoBackTrack,
            sgd,
            {"rank": rank, "norm": "euclidean", **LITERAL},
        )
        for rank in RANKS
    ]
    return [
        *ranks,
        Rule(f"rtrl-euclidean{suffix}", "RTRL", RTRL, sgd, DOUBLE),
    ]


def _kalman() -> list[Rule]:
    """Return the rules with Kalman: the paper's NoBackTrack of every rank, RTRL, and the package's
    NoBackTrack at rank 4."""
    ranks = [
        Rule(
            f"kalman-{rank}",
            f"NoBackTrack rank {rank}",
            NoBackTrack,
            PAPER_KALMAN,
            {"rank": rank, "norm": "kalman", **LITERAL},
        )
        for rank in RANKS
    ]
    four = {"rank": 4}
    return [
        *ranks,
        Rule("rtrl-kalman", "RTRL", RTRL, PAPER_KALMAN, DOUBLE),
        Rule("nobacktrack-4", "NoBackTrack rank 4", NoBackTrack, Kalman(), four, "package"),
    ]


WINDOW, WINDOWS = 15, (5, 15, 50)  # the default of the class, and all
Method = tuple[str, str, type[Trainer], dict[str, Any]]
METHODS: tuple[Method, ...] = (
    ("nobacktrack", "NoBackTrack", NoBackTrack, {}),
    ("rtrl", "RTRL", RTRL, {}),
    *(
        (f"tbptt-{w}".removesuffix(f"-{WINDOW}"), f"TBPTT-{w}", TruncatedBPTT, {"window": w})
        for w in WINDOWS
    ),
)
OF_GATES: tuple[Method, ...] = (  # all learn once in as many steps
    ("nobacktrack-0", "NoBackTrack rank 0", NoBackTrack, {"rank": 0, "every": EVERY}),
    ("nobacktrack-1", "NoBackTrack rank 1", NoBackTrack, {"rank": 1, "every": EVERY}),
    (f"tbptt-{EVERY}", f"TBPTT-{EVERY}", TruncatedBPTT, {"window": EVERY}),
    (f"rtrl-{EVERY}", f"RTRL every {EVERY}", RTRL, {"every": EVERY}),
)


def _each(methods: tuple[Method, ...], *optimizers: Optimizer) -> tuple[Rule, ...]:
    """Return rules of the package with each optimizer; nothing else differs.

    A name without an optimizer or a window means the default of the class.
    """
    return tuple(
        Rule(_pair(name, kind, of), method, kind, of, choices, "package")
        for name, method, kind, choices in methods
        for of in optimizers
    )


def _pair(name: str, kind: type[Trainer], optimizer: Optimizer) -> str:
    own = SGD if kind is TruncatedBPTT else Kalman
    return name if isinstance(optimizer, own) else f"{name}-{type(optimizer).__name__.lower()}"


PAIRS: tuple[Rule, ...] = _each(METHODS, Kalman(), SGD(ONE))
"""Each rule of the package with each optimizer of the paper."""

GATED: tuple[Rule, ...] = _each(OF_GATES, Adam(), Kalman(), SGD(ONE))
"""Each rule that learns once in several steps with each optimizer; for cells with gates."""

SLOW = Rule("nobacktrack-sgd-0.03", "NoBackTrack", NoBackTrack, SGD(SMALL), {}, "package")
TRUNCATED = Rule("tbptt-paper", "TBPTT-15", TruncatedBPTT, SGD(ONE), {"window": WINDOW, **DOUBLE})

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        *(*_euclidean(ONE), *_euclidean(SMALL, "-0.03"), SLOW),
        *(*_kalman(), TRUNCATED, *PAIRS, *_each(METHODS, Adam()), *GATED),
    )
}
"""Every rule by its name."""
