"""Baselines for a recurrent network: context tree weighting, and general compressors."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt import _arguments, _core
from nbt.streams import Stream
from nbt.trainers.turns import alone

__all__ = ["CTW", "compressed_bits"]

LARGEST_LIMIT = 2**31 - 1
LARGEST_POOL = 2**31 - 1


class CTW:
    """Context tree weighting: the mixture of all tree sources up to a depth, learned online.

    Every symbol is predicted from at most `depth` symbols before it, by the Bayesian mixture over
    all prunings of the context tree. Symbols are split into binary decisions, and each decision has
    a tree. Willems, Shtarkov, Tjalkens, *The context-tree weighting method* (1995).

    Parameters
    ----------
    symbols : int
        Size of the alphabet, from 1 to 256.
    depth : int
        Most symbols of a context, from 0 to 64.
    alpha : float
        Count of each outcome of a decision before it was seen, above 0 and at most 10⁶. 1/2 gives
        the estimator of Krichevsky and Trofimov; text has many certain decisions and needs less.
    limit : int, optional
        The counts of a decision are halved when their sum would exceed this, so that old data is
        forgotten. From 2 to 2³¹ - 1, which is the default.
    nodes : int
        Most records of the tree, from 1024 to 2³¹ - 1. A record has 24 bytes, which are used only
        when needed. A full tree goes on learning, but does not grow.

    Raises
    ------
    TypeError
        `symbols`, `depth`, `limit` or `nodes` is no integer, `alpha` no number.
    ValueError
        `symbols`, `depth`, `alpha`, `limit` or `nodes` is out of range, or `alpha` is not finite.

    Notes
    -----
    Bits per character on the first 10⁶ characters of Shakespeare: at depth 8, 2.079 with alpha 1/2,
    2.053 with 0.2, and 2.056 with 0.1; at depth 4, 2.152 with 1/2 and 2.135 with 0.2. The
    zero-redundancy estimator (a mixture with the two deterministic outcomes) gives 2.054, about as
    0.2 does. A character takes 1.8 µs and 140 bytes, on one busy core of an AMD EPYC.

    Examples
    --------
    >>> import nbt
    >>> stream = nbt.datasets.anbn(1, 4, seed=0)
    >>> ctw = nbt.baselines.CTW(len(stream.alphabet))
    >>> ctw.learn(stream.read(10_000)).shape
    (10000,)
    """

    def __init__(
        self,
        symbols: int,
        depth: int = 8,
        *,
        alpha: float = 0.2,
        limit: int | None = None,
        nodes: int = 2**25,
    ) -> None:
        self.symbols = _arguments.integer("symbols", symbols, high=_core.CTW_SYMBOLS)
        self.depth = _arguments.integer("depth", depth, low=0, high=_core.CTW_DEEPEST)
        self.alpha = _arguments.real("alpha", alpha, high=1e6, above=0.0)
        self.limit = limit
        if limit is not None:
            self.limit = _arguments.integer("limit", limit, low=2, high=LARGEST_LIMIT)
        self.nodes = _arguments.integer("nodes", nodes, low=1024, high=LARGEST_POOL)
        power = 1 << (self.nodes.bit_length() - 1)
        self._core = _core.ContextTree(
            symbols=self.symbols,
            depth=self.depth if self.symbols > 1 else 0,
            alpha=self.alpha,
            limit=self.limit or LARGEST_LIMIT,
            nodes=self.nodes,
            buckets=power // 4,
            history=power,
        )
        self._turns = self._core.turns

    def learn(self, x: Any) -> np.ndarray:
        """Predict each symbol, then learn it.

        Parameters
        ----------
        x : array (steps,) of integers in [0, symbols)
            The symbols, in order.

        Returns
        -------
        array (steps,), float64
            The loss of each symbol in nats, before it was learned.

        Raises
        ------
        TypeError
            `x` is not of integers.
        ValueError
            `x` has not one dimension, or has a symbol outside [0, symbols).
        KeyboardInterrupt
            Ctrl-C was pressed; raised between two symbols.
        """
        return self._core.run(x, True)

    def observe(self, x: Any) -> np.ndarray:
        """Predict each symbol without learning it: only the context moves on.

        Parameters
        ----------
        x : array (steps,) of integers in [0, symbols)
            As in `learn`.

        Returns
        -------
        array (steps,), float64
            The loss of each symbol in nats.

        Raises
        ------
        TypeError, ValueError, KeyboardInterrupt
            As in `learn`.
        """
        return self._core.run(x, False)

    def predict(self) -> np.ndarray:
        """Return the probabilities of the next symbol, float64, shape (symbols,). Nothing
        changes."""
        return self._core.predict()

    @property
    def step(self) -> int:
        """Number of symbols learned or observed so far."""
        return self._core.step

    @property
    def used(self) -> int:
        """Number of records in use."""
        return self._core.used

    @alone
    def state_dict(self) -> dict[str, np.ndarray]:
        """Return all that was learned, as arrays that `load_state_dict` takes.

        ``tree.records`` (used, 6) are the records of csrc/baselines/ctw.h as 32-bit words.
        ``history`` has the last symbols, that of step t at the place t modulo its length.
        """
        core = self._core
        return {
            "symbols": np.asarray(np.int64(self.symbols)),
            "depth": np.asarray(np.int64(self.depth)),
            "step": np.asarray(np.uint64(core.step)),
            "history": core.history[: min(core.step, len(core.history))].copy(),
            "tree.records": core.pool[: core.used].view(np.uint32).reshape(-1, 6).copy(),
        }

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from where `state` was taken, by a CTW with the same arguments.

        Parameters
        ----------
        state : mapping of str to array
            What `state_dict` returned.

        Raises
        ------
        TypeError
            `state` is no mapping, or an array in it is of another type. Nothing was changed.
        ValueError
            `state` has other names, shapes or sizes, or numbers out of range. Nothing was changed.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state: expected a mapping of names to arrays, got {state!r}")
        names = ["depth", "history", "step", "symbols", "tree.records"]
        if set(state) != set(names):
            raise ValueError(f"state: expected {', '.join(names)}, got {sorted(map(str, state))}")
        for name in ("symbols", "depth"):
            found = _integers(name, state[name], ())
            if int(found) != getattr(self, name):
                raise ValueError(f"{name}: expected {getattr(self, name)}, got {found}")
        step = int(_integers("step", state["step"], ()))
        if not 0 <= step < 2**64:
            raise ValueError(f"step: expected an integer in [0, 2**64), got {step}")
        length = min(step, len(self._core.history))
        history = _integers("history", state["history"], (length,))
        if length and not (history.min() >= 0 and history.max() < self.symbols):
            raise ValueError(f"history: expected symbols in [0, {self.symbols})")
        records = _integers("tree.records", state["tree.records"], (None, 6))
        if not 2 <= len(records) <= self.nodes:
            raise ValueError(
                f"tree.records: expected between 2 and {self.nodes}, got {len(records)}"
            )
        if records.dtype != np.uint32:
            raise TypeError(f"tree.records: expected uint32, got {records.dtype}")
        copies = np.empty(len(records), _core.CTW_RECORD)
        copies.view(np.uint32).reshape(-1, 6)[...] = records
        self._core.load(copies, history, step)

    def describe(self) -> dict[str, Any]:
        """Return the arguments that this was made with, as plain values."""
        arguments = ("symbols", "depth", "alpha", "limit", "nodes")
        return {"trainer": "CTW", **{name: getattr(self, name) for name in arguments}}

    def __repr__(self) -> str:
        limit = "" if self.limit is None else f", limit={self.limit}"
        return (
            f"CTW({self.symbols}, depth={self.depth}, alpha={self.alpha}{limit}, "
            f"nodes={self.nodes})  # step {self.step}"
        )

    def __reduce__(self):
        return _rebuild, (self.describe(), self.state_dict())

    def __copy__(self):
        return self.__deepcopy__({})

    def __deepcopy__(self, memo):
        return _rebuild(self.describe(), self.state_dict())


def _rebuild(description: dict[str, Any], state: dict[str, np.ndarray]) -> CTW:
    ctw = CTW(**{name: value for name, value in description.items() if name != "trainer"})
    ctw.load_state_dict(state)
    return ctw


def _integers(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got {array.dtype}")
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    return array


# ---- compressors -------------------------------------------------------------------------------

COMPRESSORS = {
    "gzip": lambda data: gzip.compress(data, compresslevel=9, mtime=0),
    "bzip2": lambda data: bz2.compress(data, compresslevel=9),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
}
"""The compressors at their best level, by the name of their command."""


def compressed_bits(data: Any, symbols: int | None = None) -> dict[str, float]:
    """Return the bits per symbol that gzip, bzip2 and xz need at their best level (-9, xz -9e).

    Parameters
    ----------
    data : str, bytes, array of int or Stream
        Characters (encoded as UTF-8), bytes, numbers below 256 (one byte each), or a stream to read
        from.
    symbols : int, optional
        Number of symbols to take, at least 1: the first ones, or the next ones of a stream.
        Default: all. An endless stream needs it.

    Returns
    -------
    dict
        ``{"gzip": bits, "bzip2": bits, "xz": bits}``, headers included.

    Raises
    ------
    TypeError
        `data` is no str, bytes, array of integers or stream, or `symbols` is no integer.
    ValueError
        `data` has no symbol, or a number outside [0, 256); `symbols` is less than 1, or is missing
        for an endless stream.

    Examples
    --------
    >>> bits = compressed_bits("ab" * 10_000)
    >>> sorted(bits), bits["gzip"] < 0.1
    (['bzip2', 'gzip', 'xz'], True)
    """
    if symbols is not None:
        symbols = _arguments.integer("symbols", symbols, high=2**63 - 1)
    if isinstance(data, Stream):
        data = _prefix(data, symbols)
    if not isinstance(data, str | bytes):
        data = _as_bytes(data)
    data = data[:symbols]
    if not data:
        raise ValueError("data: expected at least one symbol, got none")
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return {name: 8 * len(press(raw)) / len(data) for name, press in COMPRESSORS.items()}


def _prefix(stream: Stream, symbols: int | None) -> str | bytes | np.ndarray:
    if symbols is None and stream.endless:
        raise ValueError(f"symbols: expected how many to take, {stream.name} never ends")
    parts, missing = [np.empty(0, np.int32)], symbols
    while missing is None or missing > 0:
        part = stream.read(1 << 20 if missing is None else min(missing, 1 << 20))
        if not len(part):
            break
        parts.append(part)
        missing = None if missing is None else missing - len(part)
    return stream.alphabet.decode(np.concatenate(parts))


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    array = np.asarray(data)
    if array.size and (array.dtype.kind not in "iu" or array.ndim != 1):
        raise TypeError(f"data: expected str, bytes, integers or a stream, got {data!r}")
    if array.size and (array.min() < 0 or array.max() > 255):
        raise ValueError(f"data: expected numbers in [0, 256), got {array.min()}..{array.max()}")
    return array.astype(np.uint8).tobytes()
