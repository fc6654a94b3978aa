"""Probabilities of hidden states, given symbols, with fixed parameters."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["forward", "normalized", "smoothed"]

LEAST = 1e-4  # least learned probability, so that nothing becomes impossible for ever


def forward(start, A, B, y) -> tuple[np.ndarray, np.ndarray]:
    """Return the filter at each step, (steps, N), and ln P(y_s | y before s), (steps,).

    start (N,), A (N, N) from i to j, B (N, M), y (steps,). From an impossible symbol on they are
    NaN and -inf.
    """
    phi, logs = np.empty((len(y), len(A))), np.empty(len(y))
    prior = start
    for s, symbol in enumerate(y):
        likely = prior * B[:, symbol]
        total = likely.sum()
        if not total > 0:
            logs[s:], phi[s:] = -math.inf, np.nan
            break
        phi[s], logs[s] = likely / total, math.log(total)
        prior = phi[s] @ A
    return phi, logs


def smoothed(start, A, B, y) -> np.ndarray:
    """Return P(state at s | all of y), (steps, N); NaN from an impossible symbol on."""
    alpha, logs = forward(start, A, B, y)
    if not np.isfinite(logs).all():
        return alpha
    later = np.ones(len(A))
    for s in reversed(range(len(y) - 1)):
        later = A @ (B[:, y[s + 1]] * later)
        later /= later.sum()
        alpha[s] *= later
    return alpha / alpha.sum(axis=1, keepdims=True)


def normalized(rows: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return rows as probabilities, none below about LEAST. Rows without statistics stay as in
    `before`."""
    rows = np.maximum(rows, 0.0)
    totals = rows.sum(axis=1, keepdims=True)
    rows = np.where(totals > 0, rows / np.where(totals > 0, totals, 1.0), before)
    rows = np.maximum(rows, LEAST)
    return rows / rows.sum(axis=1, keepdims=True)
