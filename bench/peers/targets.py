"""What the package is to reach, and what was measured: ratios within repetitions of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.alternate import spread
from bench.peers.job import EVERY, ONLINE, Job
from bench.peers.limits import least

__all__ = ["TARGETS", "Outcome", "Target", "outcomes"]

Times = Mapping[str, np.ndarray]  # name of a contender: seconds a step, by repetition


@dataclass(frozen=True)
class Target:
    """A figure to reach. `bound`: at least it, or at most it (`most`); None: shown without one.
    `best`: what it would be if our step took no longer than `limits` says; None: unknown."""

    what: str
    units: str
    bound: float | None
    unit: str
    most: bool
    value: Callable[[Times], np.ndarray]
    best: Callable[[Times], np.ndarray] | None = None

    def wanted(self) -> str:
        """The bound as people read it."""
        if self.bound is None:
            return ""
        return f"{'≤' if self.most else '≥'} {self.bound:g} {self.unit}"


@dataclass(frozen=True)
class Outcome:
    """A target and what was measured; `figures` are quartiles, None where something was missing.
    `best`: the median of the target's."""

    target: Target
    figures: tuple[float, float, float] | None
    best: float | None = None

    @property
    def met(self) -> bool | None:
        """None without a target. What could not be measured is not met."""
        if self.target.bound is None:
            return None
        if self.figures is None:
            return False
        middle = self.figures[1]
        return middle <= self.target.bound if self.target.most else middle >= self.target.bound

    def cells(self) -> list[str]:
        """One string for each column of the table."""
        low, middle, high = self.figures or (None, None, None)
        measured = "not measured" if middle is None else f"{middle:.3g} {self.target.unit}"
        between = "" if low is None else f"{low:.3g}–{high:.3g}"
        verdict = {None: "", True: "met", False: "not met"}[self.met]
        return [
            self.target.what,
            self.target.units,
            self.target.wanted(),
            measured,
            between,
            "" if self.best is None else f"{self.best:.3g} {self.target.unit}",
            verdict,
        ]


# ---- kinds of figures --------------------------------------------------------------------------


def limit(times: Times, rule: str, units: int) -> np.ndarray:
    """Seconds of a step of a rank-one rule that only computes, or only moves, what it must
    (`limits.least`), whichever is longer."""
    arithmetic, moved = least(rule, Job(units))
    return np.maximum(
        arithmetic * times[f"limit: multiply-adds, {units}"],
        moved * times[f"limit: bytes, {rule}, {units}"],
    )


def ratio(what, units, bound, above, below, *, most=False, best=None) -> Target:
    """Time of one contender over that of another."""

    def value(times: Times) -> np.ndarray:
        return times[above] / times[below]

    return Target(what, str(units), bound, "×", most, value, best)


def over(what, units, bound, above, below, best=None) -> Target:
    """The same, to be at most the bound."""
    names = f"nbt, {above}", f"nbt, {below}"
    return ratio(what, units, bound, *names, most=True, best=best)


def duration(what, units, bound, name) -> Target:
    """Microseconds a step, at most the bound."""
    return Target(what, str(units), bound, "µs", True, lambda times: 1e6 * times[f"nbt, {name}"])


def share(what, units, bound, name, limit, each) -> Target:
    """Percent of a machine's rate: `each` units of `limit` a step."""

    def value(times: Times) -> np.ndarray:
        return 100 * each * times[f"limit: {limit}"] / times[f"nbt, {name}"]

    return Target(what, str(units), bound, "%", False, value)


def worst(what, units, bound, pairs) -> Target:
    """The largest of several ratios, to be at most the bound."""

    def value(times: Times) -> np.ndarray:
        ratios = [times[f"nbt, {above}"] / times[f"nbt, {below}"] for above, below in pairs]
        return max(ratios, key=np.median)

    return Target(what, units, bound, "×", True, value)


# ---- the list ----------------------------------------------------------------------------------

RULES = ("euclidean", "kalman", "default")
NAMES = {"euclidean": "rank 1, Euclidean", "kalman": "rank 1, Kalman", "default": "the default"}


def against_limit(theirs: str, rule: str, units: int, times: Times) -> np.ndarray:
    """How many times as fast as another tool this rule could be."""
    return times[theirs] / limit(times, rule, units)


def limit_over_forward(rule: str, units: int, times: Times) -> np.ndarray:
    """How little learning could cost, in steps that do not learn."""
    return limit(times, rule, units) / times[f"nbt, forward, {units}"]


def against_tools():
    bounds = {
        ("euclidean", "numba", "loops, fastmath"): (3.5, 3),
        ("euclidean", "jax", "scan"): (20, 5),
        ("euclidean", "jax", "scan, tuned"): (None, None),
        ("kalman", "numba", "loops, fastmath"): (None, None),
        ("kalman", "jax", "scan"): (15, 9),
        ("kalman", "jax", "scan, tuned"): (None, None),
        ("tbptt", "torch", "eager"): (40, 12),
        ("tbptt", "torch", "compiled"): (None, None),
        ("tbptt", "jax", "scan"): (5, 2),
        ("tbptt", "jax", "scan, tuned"): (None, None),
    }
    tools = {"numba": "Numba", "jax": "JAX", "torch": "PyTorch"}
    for (rule, tool, variant), of_size in bounds.items():
        for units, bound in zip((20, 128), of_size, strict=True):
            what = f"{NAMES.get(rule, 'TBPTT-15')}: {tools[tool]} {variant} / nbt"
            theirs = f"{tool}, {rule}, {variant}, {units}"
            best = partial(against_limit, theirs, rule, units) if rule in NAMES else None
            yield ratio(what, units, bound, theirs, f"nbt, {rule}, {units}", best=best)


def of_lstm():
    bounds = {
        ("torch", "nn.LSTM"): 15,
        ("torch", "nn.LSTMCell"): 15,
        ("jax", "scan"): None,
        ("jax", "scan, tuned"): 2.5,
    }
    tools = {"jax": "JAX", "torch": "PyTorch"}
    for (tool, variant), bound in bounds.items():
        what = f"LSTM, TBPTT-10: {tools[tool]} {variant} / nbt"
        yield ratio(what, 64, bound, f"{tool}, lstm, {variant}, 64", "nbt, lstm, 64")
    yield over("LSTM: the default / TBPTT-10", 64, None, "lstm default, 64", "lstm, 64")
    yield over("LSTM, TBPTT-10: learning / forward only", 64, None, "lstm, 64", "lstm forward, 64")


def among_modes():
    for rule, bounds in {"euclidean": (1.6, 2.2), "kalman": (3.5, 5)}.items():
        for units, bound in zip((20, 128), bounds, strict=True):
            what = f"{NAMES[rule]}: learning / forward only"
            best = partial(limit_over_forward, rule, units)
            yield over(what, units, bound, f"{rule}, {units}", f"forward, {units}", best)
    for rule, bounds in {"euclidean": (1.8, 2.2), "kalman": (2.5, 3.5)}.items():
        for units, bound in zip((20, 128), bounds, strict=True):
            what = f"{NAMES[rule]}{EVERY}: learning / forward only"
            yield over(what, units, bound, f"{rule}{EVERY}, {units}", f"forward, {units}")
    yield over("the default / rank 1, Kalman", 20, 1.5, "default, 20", "kalman, 20")
    what = "blocks=16, exact_self / rank 1, Kalman"
    for units in (128, 512):
        yield over(what, units, 1.8, f"blocks {units}", f"kalman {units}")
        yield over(
            "the default / rank 1, Kalman", units, None, f"default {units}", f"kalman {units}"
        )
    for units in (20, 128):
        for rule in RULES:
            name = f"{rule} {units}"
            what = f"{NAMES[rule]}: float64 / float32"
            yield over(what, units, 1.6, f"{name} float64", f"{name} float32")
    for rule in ("kalman", "default"):
        for rank in (2, 4):
            name = "Kalman" if rule == "kalman" else NAMES[rule]
            bound = 1 + 0.6 * (rank - 1)
            above, below = (f"{rule} 128 rank {k}" for k in (rank, 1))
            yield over(f"{name}: rank {rank} / rank 1", 128, bound, above, below)
    yield duration("one live learn(symbol), rank 1, Euclidean", 20, 1.5, "live euclidean 20")
    for rule in ("kalman", "default"):
        yield duration(f"one live learn(symbol), {NAMES[rule]}", 20, None, f"live {rule} 20")
    for units in (20, 128):
        what = "20 000 input symbols / 64"
        names = f"20000 input symbols {units}", f"64 input symbols {units}"
        yield over(what, units, 1.3, *names)


def against_the_machine():
    yield duration("exact RTRL, 30 symbols", 20, 10, "rtrl 20")
    for units in (64, 256):
        what = "exact RTRL, 30 symbols: multiply-adds, of those in registers"
        work = units**3 * (1 + units + 30)
        yield share(what, units, 50, f"rtrl {units}", "multiply-adds", work)
    for rule, arrays, bound in (("euclidean", 2, 70), ("kalman", 4, 60)):
        what = f"{NAMES[rule]}: bytes moved, of a loop over two arrays"
        moved = arrays * 2 * 4 * 4096 * 4097
        yield share(what, 4096, bound, f"{rule} 4096", "bytes", moved)
    for units, bound in ((2048, 1.7), (20, 0.97), (128, 0.97), (512, 0.97)):
        names = (f"nbt, euclidean {units} {count} threads" for count in (1, 2))
        yield ratio("rank 1, Euclidean: one thread / two", units, bound, *names)
    names = "nbt, replicas in turn", "nbt, replicas together"
    yield ratio("two trainers: in turn / together", 20, 1.8, *names)


def denormals():
    for what, above, below in (
        ("vectors of denormal numbers / of ordinary ones", "inputs of 1e-40", "inputs of 1"),
        ("estimate of denormal numbers / of ordinary ones", "state of 1e-40", "state of 1"),
        ("one symbol without end / a stream", "one symbol", "many symbols"),
    ):
        pairs = [(f"{rule} {above}", f"{rule} {below}") for rule in RULES]
        yield worst(what, "20", 2, pairs)


def flatness(times: Times, largest: str = "a parameter") -> np.ndarray:
    """Largest over smallest time a parameter, from 64 units to the last level of the cache, of the
    rule for which this is largest. largest: "a loop", if the largest took no longer than a loop
    that only moves its bytes, of the rank-one rules, which have no scratch to speak of."""
    found = []
    for rule in RULES if largest == "a parameter" else ONLINE:
        ours, others = (
            [values for key, values in times.items() if key.startswith(f"{of}, {rule} ")]
            for of in ("a parameter", largest)
        )
        if not ours or not others:
            raise KeyError(rule)
        found.append(np.max(others, axis=0) / np.min(ours, axis=0))
    return max(found, key=np.median)


def sizes() -> Target:
    what = "time a parameter, in cache: largest / smallest"
    return Target(what, "64 …", 2, "×", True, flatness, partial(flatness, largest="a loop"))


TARGETS = (
    *against_tools(),
    *of_lstm(),
    *among_modes(),
    *against_the_machine(),
    sizes(),
    *denormals(),
)


def figures(value: Callable[[Times], np.ndarray] | None, times: Times):
    """Quartiles, or None: where it is not known, or a contender was not there."""
    try:
        return value and spread(value(times))
    except KeyError:
        return None


def outcomes(times: Times) -> list[Outcome]:
    """Every target with its figures; without, where a contender was not there."""
    found = []
    for target in TARGETS:
        best = figures(target.best, times)
        found.append(Outcome(target, figures(target.value, times), best and best[1]))
    return found
