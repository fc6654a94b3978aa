"""Stochastic automata whose symbols determine the state: exact entropy rate, and samples.

An automaton is a function `step(state)` that returns ``{symbol: (weight, next state)}`` with
positive integers as weights, and a start state to which every path returns. The symbols until then
are a piece. Pieces are independent, so the rate is the expected bits of a piece over its expected
length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from graphlib import TopologicalSorter
from itertools import accumulate
from typing import Any

import numpy as np

__all__ = ["Automaton"]

Step = Mapping[str, tuple[int, Any]]


class Automaton:
    """A start state and a function `step`, see the module. States are explored as they are
    needed."""

    def __init__(self, start: Hashable, step: Callable[[Any], Step]) -> None:
        self.start = start
        self._step = step
        self._steps: dict[Hashable, Step] = {}

    def step(self, state: Hashable) -> Step:
        """Return what may come in a state, with its weight, and the state that follows."""
        if state not in self._steps:
            self._steps[state] = self._step(state)
        return self._steps[state]

    def visits(self) -> dict[Hashable, float]:
        """Return the expected number of visits to each state in a piece.

        Divided by their sum, these are the stationary distribution. Raise `graphlib.CycleError` if
        there is a cycle that avoids the start.
        """
        visits = dict.fromkeys(self._in_order(), 0.0)
        visits[self.start] = 1.0
        for state in visits:
            step = self.step(state)
            weights = sum(weight for weight, _ in step.values())
            for weight, following in step.values():
                if following != self.start:
                    visits[following] += visits[state] * weight / weights
        return visits

    def _in_order(self) -> list[Hashable]:
        """Return the states in an order in which each comes after all states that lead to it."""
        order: TopologicalSorter[Hashable] = TopologicalSorter({self.start: ()})
        found, waiting = {self.start}, [self.start]
        while waiting:
            state = waiting.pop()
            for _, following in self.step(state).values():
                if following != self.start:
                    order.add(following, state)
                    if following not in found:
                        found.add(following)
                        waiting.append(following)
        return list(order.static_order())

    def entropy_rate(self) -> float:
        """Return the bits per symbol: the entropy of the next symbol in a state, averaged over
        states."""
        visits = self.visits()
        bits = math.fsum(visits[state] * self._entropy(state) for state in visits)
        return bits / math.fsum(visits.values())

    def _entropy(self, state: Hashable) -> float:
        weights = [weight for weight, _ in self.step(state).values()]
        total = sum(weights)
        return sum(w / total * math.log2(total / w) for w in weights)

    def sample(self, length: int, seed: int) -> str:
        """Return the first `length` symbols from the start on.

        The symbols of a seed will not change between versions. Symbol t is the one whose weight
        covers ``r W >> 64``. Here r is output t of ``numpy.random.PCG64(seed)``, W is the sum of
        the weights in the state, and the weights lie side by side in the order of `step`.
        """
        raw = np.random.PCG64(seed).random_raw(length).tolist()
        symbols, state = [], self.start
        for number in raw:
            symbol, state = self._choose(state, number)
            symbols.append(symbol)
        return "".join(symbols)

    def _choose(self, state: Hashable, number: int) -> tuple[str, Hashable]:
        step = self.step(state)
        place = number * sum(weight for weight, _ in step.values()) >> 64
        passed = accumulate(weight for weight, _ in step.values())
        symbol, (_, following) = next(
            one for one, end in zip(step.items(), passed, strict=True) if place < end
        )
        return symbol, following
