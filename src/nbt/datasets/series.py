"""Numbers to forecast: Mackey-Glass, Lorenz, and a sine whose regime changes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping

import numpy as np

from nbt import _arguments
from nbt.datasets.words import checked_seed
from nbt.streams.base import Numbers

__all__ = ["lorenz", "mackey_glass", "sines"]

SECTION = 1024  # steps made at once, from one state of the process and random numbers of their own


def mackey_glass(tau: float = 17.0, every: float = 6.0, noise: float = 0.0, seed: int = 0):
    """Return an endless stream of the Mackey-Glass equation, dx/dt = 0.2 x(t - τ) / (1 + x(t -
    τ)¹⁰) - 0.1 x(t).

    It is chaotic from τ ≈ 16.8 on. M. C. Mackey, L. Glass, *Oscillation and chaos in physiological
    control systems*, Science 197 (1977).

    Parameters
    ----------
    tau : float
        The delay τ, from 1 to 1000.
    every : float
        Time between two steps that are read, from 0.01 to `tau`. It is rounded to a multiple of the
        integration step.
    noise : float
        Standard deviation of the noise added to each number that is read, at least 0. It does not
        act on the process.
    seed : int
        Seed of the start and of the noise, in [0, 2⁶⁴). For all times before 0, x is 1.2 plus a
        random number below 0.1; the first 1000 units of time are skipped.

    Returns
    -------
    Numbers
        An endless stream with one column, "x".

    Raises
    ------
    TypeError
        `tau`, `every` or `noise` is no number, `seed` no integer.
    ValueError
        `tau`, `every`, `noise` or `seed` is out of range or not finite.

    Notes
    -----
    The equation is integrated in steps of about τ / ⌈10 τ⌉: exactly in x(t), with the delayed term
    linear within a step. The same seed gives the same numbers on one machine. Another machine may
    differ in the last bits, which chaos makes visible.

    Examples
    --------
    >>> mackey_glass().read(3).shape
    (3, 1)
    """
    tau = _arguments.real("tau", tau, 1.0, 1000.0)
    every = _arguments.real("every", every, 0.01, tau)
    return _MackeyGlass(tau, every, _arguments.real("noise", noise, 0.0), checked_seed(seed))


def lorenz(every: float = 0.05, noise: float = 0.0, seed: int = 0):
    """Return an endless stream of the Lorenz equations, dx/dt = 10 (y - x), dy/dt = x (28 - z) - y,
    dz/dt = x y - 8/3 z.

    E. N. Lorenz, *Deterministic nonperiodic flow*, J. Atmos. Sci. 20 (1963).

    Parameters
    ----------
    every : float
        Time between two steps that are read, from 0.01 to 1. It is rounded to a multiple of 0.01.
    noise, seed
        As in `mackey_glass`. The start is near (1, 1, 25), and the first 25 units of time are
        skipped.

    Returns
    -------
    Numbers
        An endless stream with three columns, "x", "y" and "z".

    Raises
    ------
    TypeError
        `every` or `noise` is no number, `seed` no integer.
    ValueError
        `every`, `noise` or `seed` is out of range or not finite.

    Notes
    -----
    The equations are integrated by the classical Runge-Kutta method of order 4 in steps of 0.01.

    Examples
    --------
    >>> lorenz().read(3).shape
    (3, 3)
    """
    every = _arguments.real("every", every, 0.01, 1.0)
    return _Lorenz(every, _arguments.real("noise", noise, 0.0), checked_seed(seed))


def sines(length: float = 1000.0, noise: float = 0.1, seed: int = 0):
    """Return an endless stream of a noisy sine whose regime changes: y_t = a sin φ_t + s ε_t, φ_t =
    φ_{t-1} + 2π / p.

    A regime has an amplitude a, uniform in [0.5, 2], a period p, uniform in [8, 40], and a noise s,
    which is `noise` times a number whose logarithm is uniform in [ln 1/2, ln 2]. At each step a new
    regime begins with the probability 1 / length; φ goes on without a jump.

    Parameters
    ----------
    length : float
        Mean number of steps of a regime, at least 1.
    noise : float
        The scale of s, at least 0. The ε_t are independent standard normal numbers.
    seed : int
        In [0, 2⁶⁴).

    Returns
    -------
    Numbers
        An endless stream with one column, "y".

    Raises
    ------
    TypeError
        `length` or `noise` is no number, `seed` no integer.
    ValueError
        `length`, `noise` or `seed` is out of range or not finite.

    Examples
    --------
    >>> sines().read(3).shape
    (3, 1)
    """
    length = _arguments.real("length", length, 1.0)
    return _Sines(length, _arguments.real("noise", noise, 0.0), checked_seed(seed))


class _Generated(Numbers):
    """Stream made in sections of SECTION steps. A section depends on the state of the process when
    it begins and on random numbers of its own. Subclasses define `_first` and `_make`."""

    def __init__(self, name: str, columns: tuple[str, ...], noise: float, seed: int) -> None:
        super().__init__(name, columns, endless=True)
        self._noise, self._seed = noise, seed
        self._from = self._first(self._random(0))
        self._begin(0)

    def _random(self, section: int) -> np.random.Generator:
        """Return the random generator of a section: 0 is the start of the process, 1, 2, … are the
        sections."""
        return np.random.default_rng([self._seed, section])

    def _begin(self, section: int) -> None:
        random = self._random(1 + section)
        self._section, self._until = self._make(self._from, random)
        if self._noise_outside:
            noise = random.standard_normal(self._section.shape)
            self._section = self._section + self._noise * noise

    _noise_outside = True

    @abstractmethod
    def _first(self, random: np.random.Generator) -> np.ndarray:
        """Return the state of the process before the first step, float64, of one dimension."""

    @abstractmethod
    def _make(self, at: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the next SECTION steps, (SECTION, columns), and the state of the process after
        them."""

    def _next(self, n: int) -> np.ndarray:
        place = self.position % SECTION
        if place == 0 and self.position:
            self._from = self._until
            self._begin(self.position // SECTION)
        return self._section[place : place + n].copy()

    def _cursor(self) -> dict[str, int]:
        return {"seed": self._seed, "process": int.from_bytes(self._from.tobytes(), "little")}

    def _seek(self, state: Mapping[str, int]) -> None:
        at = np.frombuffer(state["process"].to_bytes(self._from.nbytes, "little")).copy()
        if state["seed"] != self._seed or not np.isfinite(at).all():
            raise ValueError(f"state: expected one of {self.name} with seed {self._seed}")
        # at the end of a section the next one has not begun yet
        self._from = at
        self._begin(max(state["position"] - 1, 0) // SECTION)


class _MackeyGlass(_Generated):
    """Stream whose state is x on the grid over the last τ."""

    def __init__(self, tau: float, every: float, noise: float, seed: int) -> None:
        self._delay = math.ceil(10 * tau)  # steps of the integration in τ
        self._step = tau / self._delay
        self._stride = max(1, round(every / self._step))
        super().__init__("mackey_glass", ("x",), noise, seed)

    def _first(self, random: np.random.Generator) -> np.ndarray:
        past = np.full(self._delay + 1, 1.2 + 0.1 * random.random())
        return self._run(past, round(1000 / self._step))[-self._delay - 1 :]

    def _make(self, at: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = self._run(at, SECTION * self._stride)
        steps = x[len(at) :][self._stride - 1 :: self._stride]
        return steps[:, np.newaxis], x[-len(at) :].copy()

    def _run(self, past: np.ndarray, count: int) -> np.ndarray:
        """Return `past`, x at the last `delay` + 1 points, and the next `count` points.

        With g, the delayed term, linear over a step, x' = g - x / 10 has the solution x_{k+1} = e
        x_k + left g_k + right g_{k+1}, e = exp(-h / 10). Over a run of `delay` steps all g are
        known, so the recursion is a sum.
        """
        h, delay = self._step, self._delay
        e = math.exp(-0.1 * h)
        right = 10 * (1 - (1 - e) / (0.1 * h))
        left = 10 * (1 - e) - right
        x = np.concatenate([past, np.empty(count)])
        powers = e ** np.arange(delay + 1)
        for k in range(delay, len(x) - 1, delay):
            run = min(delay, len(x) - 1 - k)
            late = x[k - delay : k - delay + run + 1]
            g = 0.2 * late / (1 + late**10)
            pushed = left * g[:-1] + right * g[1:]
            sums = np.cumsum(pushed / powers[1 : run + 1])
            x[k + 1 : k + run + 1] = powers[1 : run + 1] * (x[k] + sums)
        return x


class _Lorenz(_Generated):
    """Stream whose state is (x, y, z)."""

    def __init__(self, every: float, noise: float, seed: int) -> None:
        self._stride = max(1, round(every / 0.01))
        super().__init__("lorenz", ("x", "y", "z"), noise, seed)

    def _first(self, random: np.random.Generator) -> np.ndarray:
        return _lorenz_steps(np.array([1.0, 1.0, 25.0]) + random.random(3), 1, 2500)[-1]

    def _make(self, at: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        steps = _lorenz_steps(at, SECTION, self._stride)
        return steps, steps[-1]


def _lorenz_steps(at: np.ndarray, count: int, stride: int) -> np.ndarray:
    """Return (count, 3): every `stride`-th of the integration steps after `at`."""

    def slope(x: float, y: float, z: float) -> tuple[float, float, float]:
        return 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z

    x, y, z = at.tolist()
    h, out = 0.01, np.empty((count, 3))
    for row in out:
        for _ in range(stride):
            a, b, c = slope(x, y, z)
            d, e, f = slope(x + h / 2 * a, y + h / 2 * b, z + h / 2 * c)
            p, q, r = slope(x + h / 2 * d, y + h / 2 * e, z + h / 2 * f)
            u, v, w = slope(x + h * p, y + h * q, z + h * r)
            x += h / 6 * (a + 2 * d + 2 * p + u)
            y += h / 6 * (b + 2 * e + 2 * q + v)
            z += h / 6 * (c + 2 * f + 2 * r + w)
        row[:] = x, y, z
    return out


class _Sines(_Generated):
    """Stream whose state is φ, a, p and s."""

    _noise_outside = False

    def __init__(self, length: float, noise: float, seed: int) -> None:
        self._length = length
        super().__init__("sines", ("y",), noise, seed)

    def _regime(self, random: np.random.Generator) -> list[float]:
        a, p, s = random.random(3).tolist()
        return [0.5 + 1.5 * a, 8 + 32 * p, self._noise * 2 ** (2 * s - 1)]

    def _first(self, random: np.random.Generator) -> np.ndarray:
        return np.array([2 * math.pi * random.random(), *self._regime(random)])

    def _make(self, at: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        changes = np.flatnonzero(random.random(SECTION) < 1 / self._length).tolist()
        noise = random.standard_normal(SECTION)
        phase, *regime = at.tolist()
        y = np.empty(SECTION)
        for begin, end in zip([0, *changes], [*changes, SECTION], strict=True):
            if begin in changes:
                regime = self._regime(random)
            a, p, s = regime
            phases = phase + 2 * math.pi / p * np.arange(1, end - begin + 1)
            y[begin:end] = a * np.sin(phases) + s * noise[begin:end]
            phase = float(phases[-1]) % (2 * math.pi) if end > begin else phase
        return y[:, np.newaxis], np.array([phase, *regime])
