"""Rank-one NoBackTrack in NumPy: one Python step a symbol, whole arrays in each operation."""

from __future__ import annotations

import numpy as np

__all__ = ["RULES", "Euclidean"]


def quotient(a: float, b: float) -> tuple[float, float]:
    """(a / b)^(1/4) and its inverse, both 0 where a or b is 0: (13), (14) from squared norms."""
    if not (a > 0 and b > 0):
        return 0.0, 0.0
    rho = (a / b) ** 0.25
    return rho, 1 / rho


class Euclidean:
    """Euclidean norms, gradient descent."""

    def __init__(self, theta, phi, scale, seed) -> None:
        P, n = theta.shape
        self.theta, self.phi, self.scale = theta.copy(), phi.copy(), scale
        self.random = np.random.default_rng(seed)
        self.h, self.v = np.zeros(n, theta.dtype), np.zeros(n, theta.dtype)
        self.w, self.z = np.zeros((P, n), theta.dtype), np.zeros(P, theta.dtype)
        self.a1 = np.ones(1 + n, theta.dtype)
        self.product, self.phi_product = np.empty_like(self.w), np.empty_like(self.phi)
        self.step = 0

    def learn(self, symbols, signs=None) -> np.ndarray:
        """Losses of a block, in nats; `signs` (steps, n) in place of its own random ones."""
        n = len(self.h)
        if signs is None:
            signs = 2 * self.random.integers(0, 2, (len(symbols), n), np.int8) - 1
            signs = signs.astype(self.theta.dtype)
        losses = np.empty(len(symbols))
        for t, symbol in enumerate(symbols.tolist()):
            losses[t] = self._observe(symbol)
            self._advance(symbol, signs[t])
            self.step += 1
        return losses

    def _observe(self, y) -> float:
        n = len(self.h)
        rate = self.theta.dtype.type(self.scale / np.sqrt(self.step + 1))
        a1 = self.a1
        a = a1[1:] = 1 / (1 + np.exp(-self.h))
        self.slope = a * (1 - a)
        logits = a1 @ self.phi
        logits -= logits.max()
        delta = np.exp(logits)
        total = delta.sum()
        loss = np.log(total) - logits[y]
        delta /= total
        delta[y] -= 1
        H = self.slope * (self.phi[1:] @ delta)
        delta *= rate
        self.phi -= np.multiply(a1[:, None], delta, out=self.phi_product)
        self.theta -= np.multiply(rate * (H @ self.v), self.w, out=self.product)
        H *= rate
        self.theta[: 1 + n] -= np.outer(self.z[: 1 + n], H)
        if self.step:
            self.theta[self.row] -= H
        return loss

    def _advance(self, x, sign) -> None:
        n, theta = len(self.h), self.theta
        rho_bar, inverse_bar = quotient(np.vdot(self.w, self.w), self.v @ self.v)
        rho, inverse = quotient(self.z @ self.z, 1.0)
        folded = self.slope * (rho_bar * self.v + rho * sign)
        self.v = folded @ theta[1 : 1 + n]
        self.w *= inverse_bar
        sign = inverse * sign
        self.w[: 1 + n] += np.outer(self.z[: 1 + n], sign)
        if self.step:
            self.w[self.row] += sign
            self.z[self.row] = 0
        self.row = 1 + n + x
        self.z[: 1 + n] = self.a1
        self.z[self.row] = 1
        self.h = self.a1 @ theta[: 1 + n] + theta[self.row]


RULES = {"euclidean": {"arrays": Euclidean}}
