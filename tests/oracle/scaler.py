"""Online standardisation: the running mean and variance of each number of a vector.

The n-th value of a number that is not NaN changes them with the weight 1 / n, or 1 / HORIZON when
more have come: Welford's recursion, then an exponentially weighted one. A value is at most
sqrt(n + ROOM) deviations off: one value doubles the variance at most. Before there is a variance,
it may be JUMP times the mean's size off, or anything where that is 0.

The third value makes mean and variance anew where it is near one of the first two, m +- s, compared
with the distance between them: one of the three is far off, and two are alike.

Inputs may be read by a mean and a variance that are kept from the SETTLED-th value on, and then
move only to stay near: within a deviation of the mean, a factor NEAR of the variance.
"""

import numpy as np

HORIZON = 65536.0
SETTLED, NEAR = 32, 9.0
FIRST = 3  # values that make a scale
ROOM = 8.0
WIDEST = 10.0  # deviations that the network sees of an input
JUMP = 1e3
ALIKE = 1e-2
ROUNDING = 1e-9
KEPT = ("kept_mean", "kept_variance")


class Scaler:
    """`state` has "<name>.count", "<name>.mean" and "<name>.variance", each (size,); of targets
    "<name>.error" and "<name>.limited", too: the mean square of errors, and of what gradients see
    of them, both without what the readout's log-variance explains."""

    def __init__(self, state, name):
        self.name = name
        self.keys = [
            key for key in ("count", "mean", "variance", "error", "limited", *KEPT)
            if f"{name}.{key}" in state
        ]  # fmt: skip
        for key in self.keys:
            setattr(self, key, np.array(state[f"{name}.{key}"], dtype=float))

    @property
    def known(self):
        """Is there a scale?"""
        return (self.count >= FIRST) & (self.variance > 0)

    @property
    def deviation(self):
        """The scale: while there is none, the first two values', or the mean's size / count."""
        size = np.where(self.mean != 0, np.abs(self.mean), 1.0) / np.maximum(self.count, 1.0)
        return np.where(self.variance > 0, np.sqrt(self.variance), size)

    @property
    def mean_square(self):
        """The variance of errors: that of values, until something is known of it."""
        found = self.known & (self.error > 0)
        return np.where(found, self.error, self.deviation**2)

    @property
    def share(self):
        """The mean of the squared errors that gradients see, in units of their variance."""
        return np.where(self.error > 0, self.limited / np.where(self.error > 0, self.error, 1), 0)

    def read_input(self, x):
        """What is not known, or has no scale, is as its mean: 0."""
        mean, deviation, known = self.mean, self.deviation, self.known
        if KEPT[0] in self.keys:
            mean, known = self.kept_mean, (self.count >= FIRST) & (self.kept_variance > 0)
            deviation = np.sqrt(np.where(known, self.kept_variance, 1.0))
        z = np.clip((x - mean) / deviation, -WIDEST, WIDEST)
        return np.where(np.isnan(x) | ~known, 0.0, z)

    def keep(self):
        """After `follow`, where scales are kept."""
        free = (self.count <= SETTLED) | ~(self.kept_variance > 0)
        s = np.sqrt(self.variance)
        mean = np.clip(self.kept_mean, self.mean - s, self.mean + s)
        variance = np.clip(self.kept_variance, self.variance / NEAR, self.variance * NEAR)
        self.kept_mean = np.where(free, self.mean, mean)
        self.kept_variance = np.where(free, self.variance, variance)

    def follow_errors(self, x, whole, part):
        """whole, part: the last squared errors, and what of them gradients saw."""
        error = np.where(self.error > 0, self.error, self.mean_square)
        n = self.count + 1
        whole = np.minimum(whole, (n + ROOM) * error)
        part = np.minimum(part, whole)
        counts = self.known & ~np.isnan(x)
        self.error = np.where(counts, error + (whole - error) / n, self.error)
        self.limited = np.where(counts, self.limited + (part - self.limited) / n, self.limited)

    def follow(self, x):
        for d, value in enumerate(x):
            if np.isnan(value):
                continue
            self.count[d] = min(self.count[d] + 1, HORIZON)
            n, mean, variance = self.count[d], self.mean[d], self.variance[d]
            half = np.sqrt(variance)
            gap = min(abs(value - (mean - half)), abs(value - (mean + half)))
            if n == FIRST and gap < ALIKE * half:
                self.mean[d] = value
                self.variance[d] = gap**2 if gap > ROUNDING * (abs(mean) + half) else 0.0
                continue
            off = value - mean
            if n >= FIRST and variance > 0:
                off = np.clip(off, -np.sqrt((n + ROOM) * variance), np.sqrt((n + ROOM) * variance))
            elif n >= FIRST and mean != 0:
                off = np.clip(off, -JUMP * abs(mean), JUMP * abs(mean))
            self.mean[d] += off / n
            self.variance[d] += (off * (off - off / n) - variance) / n

    def state(self):
        return {f"{self.name}.{key}": getattr(self, key) for key in self.keys}
