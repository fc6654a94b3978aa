"""Smoothed statistics of a hidden Markov model, in one pass over the data: Cappé 2011.

For N states and M symbols the statistics are one array of P = N + M rows and N columns: row i < N
of column j counts transitions from i to j, row N + y counts symbol y in state j. S is their mean
given the past, a running average with weights γ. The auxiliary array

    G[k] = the same average given that the state is k,    S = Σ_k φ_k G[k],

with φ the filter, obeys a linear recursion of the form (4). With

    back[i, k] = P(state i at t | state k at t + 1, y_0 … y_t)

and the newest terms own (P, N), γ times (back; one-hot of y),

    G[k] <- (1 - γ) Σ_i back[i, k] G[i] + own[:, k] in column k.                              (*)

The newest terms of state k lie only in column k, like the parameters of a unit in a recurrent
network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from nbt import _core

__all__ = ["Exact", "Filtered", "RankOne", "shapes"]

Arrays = Mapping[str, np.ndarray]

Statistics = Literal["exact", "rank-one", "filtered"]
KINDS = get_args(Statistics)
NEGLIGIBLE = 1e-6  # added to the probability of a state, so that no weight is 0
BITS = 128  # signs that one call of sign_bits returns


def shapes(
    kind: str, states: int, symbols: int, rank: int, blocks: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays of one kind of statistics, by name."""
    rows = states + symbols
    more = {
        "exact": {"G": (states, rows, states)},
        "filtered": {},
        "rank-one": {
            "v": (rank, blocks, states),
            "w": (rank, rows, states),
            "own": (rows, states),
        },
    }
    return {"S": (rows, states), **more[kind]}


class Exact:
    """Statistics by Cappé's recursion (*) itself: N³ (N + M) multiply-adds a step."""

    def step(self, a: Arrays, t: int, gamma: float, phi, back, phi_next, own) -> Arrays:
        """Return the arrays after an observation; the given ones do not change. phi and phi_next
        (N,) are the filter before and after it."""
        N = len(phi)
        G = ((1 - gamma) * back.T @ a["G"].reshape(N, -1)).reshape(a["G"].shape)
        k = np.arange(N)
        G[k, :, k] += own.T
        return {"S": np.tensordot(phi_next, G, 1), "G": G}


class Filtered:
    """The statistics S alone, each step given only the past. What later data say about it is left
    out, so it is biased."""

    def step(self, a: Arrays, t: int, gamma: float, phi, back, phi_next, own) -> Arrays:
        """Return the arrays after an observation, as `Exact` does."""
        return {"S": (1 - gamma) * a["S"] + own * phi_next}


class RankOne:
    """The exact S, but for a rank-one estimate of D[k] = G[k] - S: O(N² + N M) multiply-adds a
    step.

    G itself should not be reduced: all G[k] agree on the distant past, so errors would be kept as
    long as S is. Their differences are forgotten as fast as the model mixes. With 1 the column of
    ones and Q = Id - 1 φ_nextᵀ, (*) is

        S <- (1 - γ) (S + Σ_i (smooth_i - φ_i) D[i]) + Σ_k φ_next_k own_k
        D <- Q ((1 - γ) backᵀ D + Σ_k e_k own_kᵀ),

    where smooth = back φ_next is the distribution of the state before, given also the new symbol. S
    is an average over 1 / γ steps of terms that are linear in D. So the noise of the estimate

        D ≈ mean over pairs of v̄_s w̄ᵀ + Σ_k Q e_k own_kᵀ

    averages out. It is unbiased, by Proposition 2. Column i of w̄ belongs to block s = i mod S of
    `blocks`, as in `nbt.NoBackTrack`; v̄ (rank, blocks, N), w̄ (rank, P, N).
    """

    def __init__(self, states: int, rank: int, blocks: int, seed: int) -> None:
        self.rank, self.seed = rank, seed
        self.block = np.arange(states) % blocks
        self.members = np.zeros((blocks, states))  # [s, i]: 1 if i belongs to s
        self.members[self.block, np.arange(states)] = 1.0

    def step(self, a: Arrays, t: int, gamma: float, phi, back, phi_next, own) -> Arrays:
        """Return the arrays after an observation, as `Exact` does. t determines the signs."""
        v, w, last = a["v"], a["w"], a["own"]
        smooth = back @ phi_next
        along = (v @ (smooth - phi))[:, self.block]  # (rank, N): for each column
        noise = np.einsum("kj,kpj->pj", along, w) / len(v)
        S = (1 - gamma) * (a["S"] + noise + (smooth - phi) * last) + own * phi_next
        v, w = self._fold(self._signs(t), v, w, last, phi)
        v = (1 - gamma) * (v @ back)
        return {"S": S, "v": v - (v @ phi_next)[..., np.newaxis], "w": w, "own": own}

    def _fold(self, signs, v, w, own, phi):
        """Return v̄ and w̄ after (13)-(14), with Q e_i instead of e_i; O(rank N (N + M)).

        An error in D[k] counts by the probability of state k: ‖v‖² = Σ_k φ_k v_k². For Q e_i this
        is φ_i (1 - φ_i).
        """
        u = phi + NEGLIGIBLE
        w2 = (w * w).sum(axis=1) @ self.members.T
        rho_bar, inverse_bar = _balance(w2, (v * v) @ u)
        rho, inverse = _balance((own * own).sum(axis=0), u * (1 - 2 * phi) + phi * phi * u.sum())
        added = (signs * rho)[:, np.newaxis] * self.members  # (rank, blocks, N)
        added -= (added @ phi)[..., np.newaxis]
        v = rho_bar[..., np.newaxis] * v + added
        w = inverse_bar[:, np.newaxis, self.block] * w + (signs * inverse)[:, np.newaxis] * own
        return v, w

    def _signs(self, t: int) -> np.ndarray:
        """Return signs (rank, N), a pure function of seed, pair, t and state."""
        states = len(self.block)
        words = [
            _core.sign_bits(self.seed, k, t, group)
            for k in range(self.rank)
            for group in range(-(-states // BITS))
        ]
        raw = np.array(words, "<u4").reshape(self.rank, -1).view(np.uint8)
        bits = np.unpackbits(raw, axis=1, bitorder="little")[:, :states]
        return 2.0 * bits - 1.0


def _balance(w2, v2):
    """Return ρ = sqrt(‖w‖ / ‖v‖) and 1 / ρ; 0 and 0 where a factor is 0, as the term is then 0."""
    there = (w2 > 0) & (v2 > 0)
    rho = np.sqrt(np.sqrt(np.where(there, w2, 1.0) / np.where(there, v2, 1.0)))
    return np.where(there, rho, 0.0), np.where(there, 1 / rho, 0.0)
