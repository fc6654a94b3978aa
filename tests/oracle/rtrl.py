"""Real-time recurrent learning: the exact G = dh/dtheta, carried forward by (4)."""

import numpy as np

from .trainer import Trainer


class RTRL(Trainer):
    """G (n, P, n): [state, parameter row, unit]. Arguments as in `Trainer`."""

    def __init__(self, state, **choices):
        super().__init__(state, **choices)
        self.G = np.array(state["estimator.G"], dtype=float)

    def _gradient(self, H):
        """dloss/dtheta = H G (6)."""
        return np.einsum("k,kpi->pi", H, self.G)

    def _move(self, F, z):
        """G <- F G + df/dtheta (4), where df_i/dtheta is z on unit i's own parameters."""
        self.G = np.einsum("kj,jpi->kpi", F, self.G)
        for i in range(self.n):
            self.G[i, :, i] += z

    def influence(self):
        """dh/dtheta, shape (n, P, n)."""
        return self.G.copy()

    def _rule_state(self):
        return {"estimator.G": self.G}
