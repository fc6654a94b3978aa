"""Forms of the rules that learn θ once in T steps (csrc/gated/): any dense cell, gated or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from nbt import _arguments
from nbt.cells import is_gated
from nbt.trainers.binding import is_dense
from nbt.trainers.form import Form
from nbt.trainers.state.sizes import Shape, Sizes

__all__ = [
    *("WindowedBPTTForm", "WindowedForm", "WindowedNoBackTrackForm", "WindowedRTRLForm"),
    *("EVERY", "is_windowed", "steps_of_update"),
]

EVERY = 10  # default of cells with gates: steps between two updates of θ
MOST_STEPS = 2**16
Norm = Literal["euclidean", "none"]


def steps_of_update(cell: Any, every: object) -> int:
    """Return the steps between two updates of θ; None stands for the best known choice."""
    if every is None:
        return EVERY if is_gated(cell) else 1
    steps = _arguments.integer("every", every, high=MOST_STEPS)
    if steps > 1 and not is_dense(cell):
        raise ValueError(f"every: expected 1 for a cell that is not fully connected, got {steps}")
    return steps


def is_windowed(cell: Any, every: int) -> bool:
    """Return whether a rule with a window learns the cell."""
    return is_gated(cell) or every > 1


@dataclass(frozen=True)
class WindowedForm(Form):
    """Base of these forms. θ is learned once in `steps` steps; in between, the steps are kept."""

    enters = True

    def _own(self, sizes: Sizes) -> dict[str, Shape]:
        """Return the shapes of what the rule keeps of what came before the window."""
        return {}

    def working(self, sizes: Sizes) -> int:
        """Return how many numbers follow from the steps of a window (`windowed` in csrc/arrays.h):
        the derivatives of each gate, and what its weights meet in up to three ways back."""
        if sizes.layers:
            return sum(map(self.working, sizes.layers))
        gates = sizes.theta[0] if sizes.gates else 1
        ways = {"bptt": 1, "rtrl": 2}.get(self.rule, 3 if self.asked()["rank"] else 2)
        return self.steps * sizes.units * (gates * (1 + 3 * ways) + 2)

    def asked(self) -> dict[str, Any]:
        return {"window": self.steps, "windowed": True, "rank": 0}

    def kept(self, sizes: Sizes) -> dict[str, Shape]:
        """Return the shapes of what came before the window; of the state before each of its steps,
        the inputs, ∂ℓ/∂y; of gradients of windows that closed while nothing was learned."""
        steps, n = self.steps, sizes.units
        if sizes.layers:
            each = sizes.of_layers(self.kept).items()
            inside = {key: shape for key, shape in each if not key.endswith(".x")}
            return inside | sizes.vectors("window.x", steps)  # what others see follows from y
        return {
            **self._own(sizes),
            **{f"window.{name}": (steps, n) for name in sizes.state},
            **sizes.vectors("window.x", steps),
            "window.H": (steps, n),
            "window.g_theta": sizes.theta,
            **({"window.slope": (n,)} if sizes.gated else {}),
        }


@dataclass(frozen=True)
class WindowedNoBackTrackForm(WindowedForm):
    """Form of `NoBackTrack` where θ is learned once in `every` steps."""

    every: int
    rank: int = 0
    norm: Norm = "euclidean"

    rule = "nobacktrack"
    blocks: ClassVar[int] = 1
    exact_self: ClassVar[bool] = True
    window: ClassVar[int] = 0

    @classmethod
    def of(cls, cell: Any, every: int, *, rank: object, norm: object, **own: object) -> Self:
        """Return the form for a user's arguments. None stands for the best known choice; the
        arguments in `own` have only one."""
        why = "for cells with gates" if is_gated(cell) else f"with every={every}"
        for name, only in (("split", None), ("blocks", 1), ("exact_self", True), ("window", 0)):
            if own[name] not in (None, only):
                raise ValueError(f"{name}: expected {only} {why}, got {own[name]!r}")
        rank = (0 if is_gated(cell) else 1) if rank is None else rank
        norm = "euclidean" if norm is None else _arguments.one_of("norm", norm, NORMS)
        return cls(every, _arguments.integer("rank", rank, low=0, high=2**16), norm)

    @property
    def steps(self) -> int:
        return self.every

    def asked(self) -> dict[str, Any]:
        return super().asked() | {"rank": self.rank, "norm": self.norm, "exact_self": True}

    def _own(self, sizes: Sizes) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {"estimator.d": sizes.kept}
        if self.rank:
            shapes["estimator.v"] = (self.rank, 2, sizes.units)
            shapes["estimator.w"] = (self.rank, *sizes.theta)
        return shapes


@dataclass(frozen=True)
class WindowedRTRLForm(WindowedForm):
    """Form of `RTRL` where θ is learned once in `every` steps."""

    every: int = 1

    rule = "rtrl"

    @property
    def steps(self) -> int:
        return self.every

    def _own(self, sizes: Sizes) -> dict[str, Shape]:
        return {"estimator.G": (2, sizes.states, *sizes.theta)}


@dataclass(frozen=True)
class WindowedBPTTForm(WindowedForm):
    """Form of `TruncatedBPTT` for cells with gates."""

    window: int = 15

    rule = "bptt"

    @property
    def steps(self) -> int:
        return self.window


NORMS = get_args(Norm)
