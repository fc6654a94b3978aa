"""Forms: the own arguments of a learning rule as frozen values, and the arrays that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from nbt import _arguments
from nbt.cells import Gated, is_gated
from nbt.optimizers import OPTIMIZERS, Kalman
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System
from nbt.trainers.binding import check_cell, has_dense_rule, is_dense, is_learned
from nbt.trainers.form import Form
from nbt.trainers.state.sizes import KEPT, Shape, Sizes
from nbt.trainers.windowed import (
    WindowedBPTTForm,
    WindowedNoBackTrackForm,
    WindowedRTRLForm,
    is_windowed,
    steps_of_update,
)

__all__ = [
    *("BPTTForm", "FixedForm", "Form", "ListeningForm"),
    *("NoBackTrackForm", "RTRLForm", "UOROForm"),
    *("bptt_form", "described_bptt", "described_nobacktrack", "described_rtrl"),
    *("nobacktrack_form", "rtrl_form", "uoro_form"),
]

SMALL_UNITS = 32  # up to so many units, each is a block; for more (as in docs/learning.md):
BLOCKS, WINDOWED_BLOCKS, WINDOW = 16, 4, 4
Norm = Literal["fisher", "kalman", "euclidean", "none"]  # those of `_core.NORMS`
Split = Literal["blocks"]
SPLITS = get_args(Split)


@dataclass(frozen=True)
class NoBackTrackForm(Form):
    """Form of `NoBackTrack`."""

    rank: int = 1
    blocks: int = 1
    exact_self: bool = False
    window: int = 0
    norm: Norm = "euclidean"
    split: Split | None = None

    rule = "nobacktrack"
    every: ClassVar[int] = 1

    @classmethod
    def of(
        cls,
        cell: Any,
        optimizer: Any,
        *,
        rank: object,
        split: object,
        blocks: object,
        exact_self: object,
        window: object,
        norm: object,
    ) -> Self:
        """Return the form for a user's arguments, a cell and an optimizer. None stands for the best
        known choice."""
        rank = _arguments.integer("rank", 1 if rank is None else rank, high=2**16)
        split = None if split is None else _arguments.one_of("split", split, SPLITS)
        _arguments.instance("optimizer", optimizer, *OPTIMIZERS)
        own = _of_dense_cells(cell, optimizer, split, blocks, exact_self, window)
        norm = _arguments.one_of("norm", "fisher" if norm is None else norm, get_args(Norm))
        if norm == "kalman" and not isinstance(optimizer, Kalman):
            raise ValueError(
                "norm: 'kalman' measures with the optimizer's covariance, "
                f"which {type(optimizer).__name__} does not have; expected 'fisher' or 'euclidean'"
            )
        return cls(rank, *own, norm, split)

    @property
    def steps(self) -> int:
        return self.window

    def said(self) -> dict[str, Any]:
        own = self._arguments()
        absent = {"window": 0, "split": None}
        return {name: value for name, value in own.items() if absent.get(name, ...) != value}

    def asked(self) -> dict[str, Any]:
        return self._arguments() | {"split": self.split is not None}

    def kept(self, sizes: Sizes) -> dict[str, Shape]:
        n, rank = sizes.units, self.rank
        if sizes.dense:
            shapes: dict[str, Shape] = {
                "estimator.v": (rank, self.blocks, n),
                "estimator.w": (rank, *sizes.theta),
            }
            own = {"estimator.d": sizes.theta} if self.exact_self else {}
            shapes |= own or {"estimator.z": sizes.theta[:1]}
        else:
            w = sizes.theta if self.split else (rank, *sizes.theta)
            shapes = {"estimator.v": (rank, n), "estimator.w": w}
        if self.norm == "fisher":
            shapes["estimator.fisher"] = (n,)
        return shapes | (self._of_window(sizes) if self.window else {})

    def _of_window(self, sizes: Sizes) -> dict[str, Shape]:
        """Return the shapes for the last T steps, newest first: F of the transition, (1, a, x)
        before it, and the terms of the pairs that began in it."""
        steps, n = self.window, sizes.units
        return {
            "window.F": (steps, n, n),
            "window.a": (steps, n),
            **sizes.vectors("window.x", steps),
            "window.v": (self.rank, steps, self.blocks, n),
            "window.scale": (self.rank, steps, n),
        }


@dataclass(frozen=True)
class FixedForm(Form):
    """Form of `NoBackTrack` for a cell that is not learned: nothing is kept for its parameters."""

    rule = "fixed"

    @classmethod
    def in_place_of(cls, asked: Form, usual: Form, optimizer: Any) -> Self:
        """Return the form, after checking that no argument is about an estimate: there is none, so
        that the form that is asked for must be the usual one."""
        for name, value in asked._arguments().items():
            expected = getattr(usual, name)
            if value != expected:
                raise ValueError(
                    f"{name}: expected its default, {expected!r}, for a cell with learn=False, "
                    f"of which nothing is estimated, got {value!r}"
                )
        if not optimizer.plain:
            raise ValueError(
                "optimizer: expected SGD, Adam or the default metric of Kalman for a cell with "
                f"learn=False, got {optimizer}"
            )
        return cls()

    def shapes(self, sizes: Sizes) -> dict[str, Shape]:
        shapes = super().shapes(sizes).items()
        return {key: shape for key, shape in shapes if not key.startswith("optimizer.theta.")}

    def asked(self) -> dict[str, Any]:
        return {"keep_scales": True}

    def kept(self, sizes: Sizes) -> dict[str, Shape]:
        """Return the shapes of the scales that inputs are read by (csrc/shared/scaler.h)."""
        size = (sizes.inputs.size,)
        return dict.fromkeys(KEPT, size) if getattr(sizes.inputs, "standardize", False) else {}


@dataclass(frozen=True)
class ListeningForm(FixedForm):
    """Form of a copy that predicts as a trainer with gates that learns."""

    def asked(self) -> dict[str, Any]:
        return {}

    def kept(self, sizes: Sizes) -> dict[str, Shape]:
        return {}


@dataclass(frozen=True)
class RTRLForm(Form):
    """Form of `RTRL`."""

    rule = "rtrl"

    def kept(self, sizes: Sizes) -> dict[str, Shape]:
        return {"estimator.G": (sizes.units, *sizes.theta)}


@dataclass(frozen=True)
class UOROForm(Form):
    """Form of `UORO`."""

    rank: int = 1

    rule = "uoro"
    as_system: ClassVar[bool] = True

    def kept(self, sizes: Sizes) -> dict[str, Shape]:
        shapes = {"v": (self.rank, sizes.units), "w": (self.rank, *sizes.theta)}
        return {f"estimator.{name}": shape for name, shape in shapes.items()}


@dataclass(frozen=True)
class BPTTForm(Form):
    """Form of `TruncatedBPTT`."""

    window: int = 15

    rule = "bptt"
    enters = True

    @property
    def steps(self) -> int:
        return self.window

    def kept(self, sizes: Sizes) -> dict[str, Shape]:
        steps, n = self.window, sizes.units
        states = (steps, n) if sizes.dense else (steps, sizes.phases, n)
        shapes = {
            "window.h": states,
            **sizes.vectors("window.x", steps),
            "window.delta": (steps, sizes.readout.outputs),
            "window.g_theta": sizes.theta,
        }
        return shapes | ({"window.g_phi": sizes.phi} if sizes.phi else {})


def nobacktrack_form(
    cell: Any, optimizer: Any, *, every: object, **own: object
) -> NoBackTrackForm | WindowedNoBackTrackForm | FixedForm:
    """Return the form of `NoBackTrack` for a user's arguments, a cell and an optimizer."""
    check_cell(cell)
    form = _learning_form(cell, optimizer, every, own)
    if is_learned(cell):
        return form
    usual = _learning_form(cell, optimizer, None, dict.fromkeys(own))
    return FixedForm.in_place_of(form, usual, optimizer)


def _learning_form(
    cell: Any, optimizer: Any, every: object, own: Mapping[str, object]
) -> NoBackTrackForm | WindowedNoBackTrackForm:
    steps = steps_of_update(cell, every)
    if is_windowed(cell, steps):
        return WindowedNoBackTrackForm.of(cell, steps, **own)
    return NoBackTrackForm.of(cell, optimizer, **own)


def rtrl_form(cell: Any, every: object) -> RTRLForm | WindowedRTRLForm:
    """Return the form of `RTRL` for a user's argument and a cell."""
    check_cell(cell)
    steps = steps_of_update(cell, 1 if every is None else every)
    return WindowedRTRLForm(steps) if is_windowed(cell, steps) else RTRLForm()


def uoro_form(cell: Any, rank: object) -> UOROForm:
    """Return the form of `UORO` for a user's argument and a cell."""
    check_cell(cell)
    if is_gated(cell):
        raise ValueError(
            f"cell: expected one without gates; NoBackTrack(rank=1) has pairs for {cell}"
        )
    return UOROForm(_arguments.integer("rank", rank, high=2**16))


def bptt_form(cell: Any, window: object) -> BPTTForm | WindowedBPTTForm:
    """Return the form of `TruncatedBPTT` for a user's argument and a cell."""
    steps = _arguments.integer("window", window, high=2**20)
    return WindowedBPTTForm(steps) if is_gated(cell) else BPTTForm(steps)


def described_nobacktrack(trainer: Mapping[str, Any]) -> Form:
    """Return the form in the description of a `NoBackTrack`."""
    kind: type[Form] = WindowedNoBackTrackForm if "every" in trainer else NoBackTrackForm
    return kind.described(trainer)


def described_rtrl(trainer: Mapping[str, Any]) -> Form:
    """Return the form in the description of an `RTRL`."""
    kind: type[Form] = WindowedRTRLForm if "every" in trainer else RTRLForm
    return kind.described(trainer)


def described_bptt(trainer: Mapping[str, Any]) -> Form:
    """Return the form in the description of a `TruncatedBPTT`."""
    cell = trainer["cell"]
    layer = cell["cells"][0] if cell.get("kind") == "Stack" else cell
    gated = layer.get("kind") in [kind.__name__ for kind in get_args(Gated)]
    kind: type[Form] = WindowedBPTTForm if gated else BPTTForm
    return kind.described(trainer)


def _of_dense_cells(cell, optimizer, split, blocks, exact_self, window) -> tuple[int, bool, int]:
    """Return blocks of units, exact self-influence and window, which only dense cells have."""
    if not has_dense_rule(cell, optimizer, split is not None):
        for name, value, only in (
            ("blocks", blocks, 1),
            ("exact_self", exact_self, False),
            ("window", window, 0),
        ):
            if value not in (None, only):
                why = _why_as_system(cell, optimizer, split)
                raise ValueError(f"{name}: expected {only} {why}, got {value!r}")
        return 1, False, 0
    exact_self = True if exact_self is None else _arguments.flag("exact_self", exact_self)
    small = cell.units <= SMALL_UNITS
    if window is None:
        window = 0 if small or blocks is not None or not exact_self else WINDOW
    window = _arguments.integer("window", window, low=0, high=2**16)
    if window and not exact_self:
        raise ValueError(f"window: expected 0 without exact_self, got {window}")
    if blocks is None:
        blocks = cell.units if small else WINDOWED_BLOCKS if window else BLOCKS
    return _arguments.integer("blocks", blocks, high=cell.units), exact_self, window


def _why_as_system(cell, optimizer, split) -> str:
    """Return in words why a trainer takes the path for systems, which has none of these."""
    if isinstance(cell, System | CompiledSystem):
        return "for a system"
    if not is_dense(cell):
        return "for layers, graphs, learned leaks and continuous time"
    if split:
        return f"with split={split!r}"
    return f"with reduction={optimizer.reduction!r}, fisher={optimizer.fisher!r}"
