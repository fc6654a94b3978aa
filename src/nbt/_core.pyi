from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np

RULES: dict[str, int]
ACTIVATIONS: dict[str, int]
OPTIMIZERS: dict[str, int]
NORMS: dict[str, int]
SCHEDULES: dict[str, int]
DTYPES: dict[str, int]

def isas() -> list[str]: ...
def compiled() -> dict[str, Any]: ...
def philox(counter: Sequence[int], key: Sequence[int]) -> tuple[int, int, int, int]: ...
def sign_bits(seed: int, pair: int, step: int, group: int) -> tuple[int, int, int, int]: ...
def rate(kind: str, scale: float, step: int) -> float: ...
def aligned_zeros(rows: int, columns: int, dtype: Any) -> np.ndarray: ...

class Learner:
    arrays: dict[str, np.ndarray]
    dtype: np.dtype
    def __init__(
        self,
        *,
        rule: str,
        dtype: str,
        n: int,
        m: int,
        symbols: int,
        one_hot: bool,
        activation: str,
        optimizer: str,
        schedule: tuple[str, float],
        lambda_: float,
        norm: str = ...,
        rank: int = ...,
        blocks: int = ...,
        exact_self: bool = ...,
        window: int = ...,
        seed: int = ...,
        isa: str | None = ...,
    ) -> None: ...
    @property
    def step(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def symbols(self) -> int: ...
    @property
    def inputs(self) -> int: ...
    @property
    def one_hot(self) -> bool: ...
    def counters(self) -> dict[str, Any]: ...
    def set_counters(
        self, step: int, seed: int, length: int, entered: bool, symbols: np.ndarray
    ) -> None: ...
    def settle(self) -> None: ...
    def refresh(self) -> None: ...
    def predict(self, x: Any = ...) -> np.ndarray: ...
    def run(self, x: Any, y: Any | None | EllipsisType, learn: bool) -> np.ndarray | None: ...
