"""Online standardisation: the running mean and variance of each number of a vector.

The n-th value of a number that is not NaN changes them with the weight 1 / n, or 1 / HORIZON when
more have come: Welford's recursion, then an exponentially weighted one.
"""

import numpy as np

HORIZON = 65536.0


class Scaler:
    """`state` has "<name>.count", "<name>.mean" and "<name>.variance", each (size,)."""

    def __init__(self, state, name):
        self.name = name
        self.count, self.mean, self.variance = (
            np.array(state[f"{name}.{key}"], dtype=float) for key in ("count", "mean", "variance")
        )

    @property
    def deviation(self):
        """The scale: 1 while a number has not varied."""
        return np.where(self.variance > 0, np.sqrt(self.variance), 1.0)

    def read_input(self, x):
        """What is not known, or has not varied, is as its mean: 0."""
        z = (x - self.mean) / self.deviation
        return np.where(np.isnan(x) | (self.variance == 0), 0.0, z)

    def read_target(self, y):
        return (y - self.mean) / self.deviation

    def follow(self, x):
        for d, value in enumerate(x):
            if np.isnan(value):
                continue
            self.count[d] = min(self.count[d] + 1, HORIZON)
            weight = 1 / self.count[d]
            before = value - self.mean[d]
            self.mean[d] += weight * before
            product = before * (value - self.mean[d])
            self.variance[d] += weight * (product - self.variance[d])

    def state(self):
        return {
            f"{self.name}.count": self.count,
            f"{self.name}.mean": self.mean,
            f"{self.name}.variance": self.variance,
        }
