from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import Any, TypeVar

import numpy as np

from nbt.divergence import DivergenceError

_T = TypeVar("_T")

RULES: dict[str, int]
ACTIVATIONS: dict[str, int]
READOUTS: dict[str, int]
OPTIMIZERS: dict[str, int]
MISSING: dict[str, int]
NORMS: dict[str, int]
CELLS: dict[str, int]
SCHEDULES: dict[str, int]
KINDS: dict[str, int]
DTYPES: dict[str, int]
LEAKS: dict[str | None, int]
COUNTS_BITS: int
COUNTS_BUCKET: int
COUNTS_DEEPEST: int
COUNTS_MOST: int
COUNTS_WAYS: int
CTW_SYMBOLS: int
CTW_DEEPEST: int
CTW_RECORD: np.dtype
LARGE: int

def isas() -> list[str]: ...
def compiled() -> dict[str, Any]: ...
def philox(counter: Sequence[int], key: Sequence[int]) -> tuple[int, int, int, int]: ...
def sign_bits(seed: int, pair: int, step: int, draw: int) -> tuple[int, int, int, int]: ...
def rate(kind: str, scale: float, after: float, step: int) -> float: ...
def aligned_zeros(shapes: Sequence[tuple[int, int]], dtype: Any) -> list[np.ndarray]: ...
def aligned_bytes(size: int) -> np.ndarray: ...

class Turns:
    @property
    def waiting(self) -> int: ...
    def alone(self, function: Callable[..., _T], *arguments: Any, **more: Any) -> _T: ...
    def look(self, function: Callable[..., _T], *arguments: Any, **more: Any) -> _T: ...
    def renew(self, function: Callable[..., _T], *arguments: Any, **more: Any) -> _T: ...
    def rest(self) -> None: ...

class CoreSystem:
    @property
    def sizes(self) -> dict[str, int]: ...

class SymbolCounts:
    arrays: dict[str, np.ndarray]
    def __init__(self, *, symbols: int, orders: int, buckets: int, of_inputs: bool) -> None: ...
    @property
    def symbols(self) -> int: ...
    @property
    def written(self) -> int: ...
    def begin(self) -> dict[str, np.ndarray]: ...
    def undo(self, kept: dict[str, np.ndarray]) -> None: ...
    def refresh(self) -> None: ...
    def first_bad(self, slots: np.ndarray) -> int: ...

class CompiledCoreSystem(CoreSystem):
    def __init__(
        self,
        *,
        n: int,
        m: int,
        p: int,
        entries: int,
        step: int,
        jvp: int,
        rows: int,
        vjp: int = ...,
        move: int = ...,
        loss: int = ...,
        data: int = ...,
        pattern: tuple[np.ndarray, np.ndarray] | None = ...,
    ) -> None: ...

class PythonCoreSystem(CoreSystem):
    def __init__(
        self,
        *,
        n: int,
        m: int,
        p: int,
        entries: int,
        phases: int,
        dtype: Any,
        functions: Mapping[str, Callable[..., Any] | None],
        targets: int = ...,
    ) -> None: ...

class NetworkCoreSystem(CoreSystem):
    def __init__(
        self, layers: Sequence[Any], *, inputs: int, dtype: str, isa: str | None = ...
    ) -> None: ...

class EulerCoreSystem(CoreSystem):
    def __init__(
        self, field: CoreSystem, *, dt: float, dtype: str, isa: str | None = ...
    ) -> None: ...

class LearnerState:
    arrays: dict[str, np.ndarray]
    dtype: np.dtype
    stamp: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    pair: np.ndarray
    counts: SymbolCounts | None
    def __init__(
        self,
        *,
        turns: Turns | None = ...,
        rule: str,
        dtype: str,
        n: int,
        m: int,
        outputs: int,
        one_hot: bool,
        activation: str | Sequence[str],
        theta: dict[str, Any],
        phi: dict[str, Any],
        readout: str = ...,
        norm: str = ...,
        rank: int = ...,
        blocks: int = ...,
        exact_self: bool = ...,
        window: int = ...,
        seed: int = ...,
        isa: str | None = ...,
        threads: int = ...,
        missing: str = ...,
        standardize_inputs: bool = ...,
        standardize_targets: bool = ...,
        system: CoreSystem | None = ...,
        starts: Sequence[int] | np.ndarray | None = ...,
        targets: int = ...,
        split: bool = ...,
        phi_starts: Sequence[int] | np.ndarray | None = ...,
        dense: bool = ...,
        exact_fisher: bool = ...,
        lags: int = ...,
        cell: str = ...,
        recurrent: bool = ...,
        windowed: bool = ...,
        direct: bool = ...,
        counts: SymbolCounts | None = ...,
        rms: bool = ...,
        upper: bool = ...,
        layers: Sequence[LearnerState] = ...,
        states: int = ...,
        keep_scales: bool = ...,
    ) -> None: ...
    layers: tuple[LearnerState, ...]
    @property
    def work_of_step(self) -> float: ...
    @property
    def step(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def units(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def targets(self) -> int: ...
    @property
    def inputs(self) -> int: ...
    @property
    def lags(self) -> int: ...
    @property
    def parameters(self) -> int: ...
    @property
    def entries(self) -> int: ...
    def named(self, kind: str, *parts: str) -> set[str]: ...
    @property
    def has_readout(self) -> bool: ...
    @property
    def one_hot(self) -> bool: ...
    @property
    def direct(self) -> bool: ...
    seen: int
    @property
    def predicts_inputs(self) -> bool: ...
    @property
    def strip(self) -> int: ...
    @property
    def head(self) -> int: ...
    def panels(self, matrix: str) -> dict[str, int]: ...
    def counters(self) -> dict[str, Any]: ...
    def set_counters(
        self,
        step: int,
        seed: int,
        seen: int,
        theta_updates: int,
        phi_updates: int,
        length: int,
        entered: bool,
        symbols: np.ndarray,
    ) -> None: ...
    def settle(self) -> None: ...
    def refresh(self, resumed: bool = ...) -> None: ...
    @property
    def windowed(self) -> bool: ...
    @property
    def lazy(self) -> bool: ...
    @property
    def era(self) -> int: ...
    def brought_up(self) -> dict[str, np.ndarray]: ...
    def check(self) -> None: ...
    @property
    def looks(self) -> int: ...
    @property
    def lost(self) -> DivergenceError | None: ...
    def retire(self) -> None: ...

class Learner(LearnerState):
    def predict(self, trainer: Any, x: Any = ...) -> np.ndarray: ...
    def flush(self, trainer: Any) -> None: ...
    def predict_along(self, trainer: Any, x: Any) -> np.ndarray: ...
    def run(
        self, trainer: Any, x: Any, y: Any | None | EllipsisType, learn: bool
    ) -> np.ndarray | None: ...

class ContextTree:
    turns: Turns
    pool: np.ndarray
    history: np.ndarray
    def __init__(
        self,
        *,
        symbols: int,
        depth: int,
        alpha: float,
        limit: int,
        nodes: int,
        buckets: int,
        history: int,
    ) -> None: ...
    @property
    def step(self) -> int: ...
    @property
    def used(self) -> int: ...
    def load(self, records: np.ndarray, history: np.ndarray, step: int) -> None: ...
    def predict(self) -> np.ndarray: ...
    def run(self, x: Any, learn: bool) -> np.ndarray: ...
