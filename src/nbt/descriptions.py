"""Frozen values as plain data that JSON can hold, and back; a trainer from its description."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, get_args, get_type_hints

from nbt.cells import CTRNN, GRU, LRU, LSTM, MGU, RNN, Continuous, LeakyRNN, Stack
from nbt.graphs import Graph
from nbt.inputs import Symbols, Vector
from nbt.optimizers import OPTIMIZERS
from nbt.readouts import Bernoulli, Gaussian, OwnLoss, Softmax
from nbt.schedules import Constant, InverseSqrt
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import System

__all__ = ["build", "is_system", "rebuild", "value_in", "value_out"]

_VALUES = {
    kind.__name__: kind
    for kind in (
        *(RNN, LeakyRNN, LSTM, GRU, MGU, LRU, CTRNN, Continuous, Stack, Graph, *OPTIMIZERS),
        *(Softmax, Gaussian, Bernoulli, OwnLoss),
        *(Constant, InverseSqrt, Symbols, Vector),
    )
}


def value_out(value) -> object:
    """Return a frozen value as {"kind": …, field: …}, and anything else as it is.

    Of a system only the kind is given, because its functions are no plain data. A field that came
    later than version 0.1.0 is left out where it has its default, as in files of that version.
    """
    if isinstance(value, System | CompiledSystem):
        return {"kind": type(value).__name__}
    if not dataclasses.is_dataclass(value):
        return [value_out(one) for one in value] if isinstance(value, tuple) else value
    fields, lacking = {}, getattr(value, "lacking", {})
    for field in dataclasses.fields(value):
        own = getattr(value, field.name)
        if not field.metadata.get("later") or own != lacking.get(field.name, field.default):
            fields[field.name] = value_out(own)
    return {"kind": type(value).__name__, **fields}


def value_in(value) -> object:
    """Return the value that `value_out` described.

    A field that may be None and is left out is None, because TOML cannot write None. A field that
    an older version did not have means what it did then.
    """
    if isinstance(value, list):
        return [value_in(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    fields = {key: value_in(part) for key, part in value.items() if key != "kind"}
    if value.get("kind") in ("System", "CompiledSystem"):
        raise ValueError(
            "cell: the functions of a system are in no checkpoint; "
            "expected nbt.load(path, cell=...)"
        )
    kind = _VALUES.get(value.get("kind"))
    if kind is None:
        raise ValueError(f"kind: expected one of {sorted(_VALUES)}, got {value.get('kind')!r}")
    lacking = dict.fromkeys(_may_be_none(kind)) | dict(getattr(kind, "lacking", {}))
    return kind(**lacking | fields)


def is_system(cell: Mapping[str, Any]) -> bool:
    """Return whether a description is that of a user's system, or of a step of one in continuous
    time."""
    return "System" in str(cell.get("field", cell).get("kind"))


@functools.cache
def _may_be_none(kind: type) -> tuple[str, ...]:
    """Return the fields of a value that may be None, by their types."""
    return tuple(name for name, hint in get_type_hints(kind).items() if NoneType in get_args(hint))


def build(kind: Callable[..., Any], description: Mapping, **more: Any) -> Any:
    """Return a new trainer of this kind with the arguments that `describe` gave, and others."""
    arguments = {key: value_in(v) for key, v in description.items() if key != "trainer"}
    return kind(**arguments, **more)


def rebuild(
    kind: Callable[..., Any], description: Mapping, state: Mapping, threads: int | None = None
) -> Any:
    """Return a new trainer or model as `build` does, and put it into that state."""
    trainer = build(kind, description, **({} if threads is None else {"threads": threads}))
    trainer.load_state_dict(state)
    return trainer
