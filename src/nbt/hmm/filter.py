"""Probabilities of hidden states, given symbols, with parameters that stay as they are."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["forward", "normalized", "smoothed"]

LEAST = 1e-4  # of a probability, so that nothing learned is for ever impossible


def forward(start, A, B, y) -> tuple[np.ndarray, np.ndarray]:
    """The filter at each step, (steps, N), and ln P(y_s | before), (steps,).

    start (N,), A (N, N) from i to j, B (N, M), y (steps,). From a symbol on that cannot be, NaN and
    -inf.
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
    """P(state at s | all of y), (steps, N); NaN from a symbol on that cannot be."""
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
    """Rows as probabilities, none below about LEAST; rows without any statistics as they were."""
    rows = np.maximum(rows, 0.0)
    totals = rows.sum(axis=1, keepdims=True)
    rows = np.where(totals > 0, rows / np.where(totals > 0, totals, 1.0), before)
    rows = np.maximum(rows, LEAST)
    return rows / rows.sum(axis=1, keepdims=True)
