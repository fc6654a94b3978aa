"""A meter: how good the estimate of ∂h/∂θ is, along what a trainer really does."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nbt import _arguments
from nbt.dynamics import is_fast
from nbt.errors import DataError, DivergenceError, MissingExtra
from nbt.inputs import Symbols
from nbt.readouts import Softmax
from nbt.trainers import RTRL, NoBackTrack

__all__ = ["Diagnosis", "DiagnosisRow", "diagnose"]

OTHER_SIGNS = 0x9E3779B97F4A7C15  # xor-ed to the trainer's seed: the replicas' signs are others
BLOCK = 1 << 12  # symbols read at once
DRAWN = 1e-6  # less is rounding
PAIRS = {"estimator.v", "estimator.w", "window.v", "window.scale"}  # what signs have gone into
FOLLOWED = ("theta", "alpha", "theta_J", "theta_J0", "fisher")


class DiagnosisRow(NamedTuple):
    """What was measured before one step; norms are Euclidean (Frobenius).

    G is the exact ∂h/∂θ, G̃ the estimate, g = (∂ℓ/∂h) G and g̃ the gradients for the symbol to come.

    Attributes
    ----------
    step : int
        Steps taken before it, since the diagnosis began.
    exact : float
        ‖G‖.
    bias : float
        ‖mean of G̃ - G‖ / ‖G‖, the mean being that of the replicas.
    standard_error : float
        What `bias` is expected to be for so many replicas if there is none:
        sqrt(variance / replicas).
    variance : float
        E ‖G̃ - E G̃‖² / ‖G‖², from the replicas.
    gradient_variance : float
        E ‖g̃ - E g̃‖² / ‖g‖², from the replicas.
    cosine, cosine_std : float
        Of the angle between g̃ and g: mean and standard deviation over the replicas.
    v, w : float
        ‖v̄‖ and ‖w̄‖ of the trainer's own estimate (root mean square over its pairs).
    spectral_radius : float
        Of ∂h(t+1)/∂h(t).
    """

    step: int
    exact: float
    bias: float
    standard_error: float
    variance: float
    gradient_variance: float
    cosine: float
    cosine_std: float
    v: float
    w: float
    spectral_radius: float

    def to_json(self) -> str:
        """One line of JSON; null for what is not defined."""
        good = {k: v if math.isfinite(v) else None for k, v in self._asdict().items()}
        return json.dumps(good)


class Diagnosis:
    """Rows of `DiagnosisRow` at the steps 1, 2, 4, 8, … and the last.

    Attributes
    ----------
    rows : list of DiagnosisRow
    settings : dict
        Trainer, stream, steps and replicas.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.rows: list[DiagnosisRow] = []

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> DiagnosisRow:
        return self.rows[i]

    def __iter__(self) -> Iterator[DiagnosisRow]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.settings['steps']} steps, {len(self)} rows>"

    def column(self, name: str) -> np.ndarray:
        """One field of all rows, float64 (int64 for `step`)."""
        _arguments.one_of("name", name, DiagnosisRow._fields)
        kind = np.int64 if name == "step" else np.float64
        return np.array([getattr(row, name) for row in self.rows], kind)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Four panels over the steps: error of the estimate, angle, norms, spectral radius.

        Parameters
        ----------
        path : str or path-like, optional
            Write it there, in the format of the suffix (.png, .svg, .pdf).

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingExtra
            matplotlib is not installed: ``pip install "nobacktrack[plot]"``.
        """
        picture = figure()
        error, angle, norms, radius = picture.subplots(2, 2, sharex=True).ravel()
        step = self.column("step")

        def draw(axes, name, label, **style):
            values = self.column(name)
            axes.plot(step, np.where(values > DRAWN, values, np.nan), label=label, **style)

        draw(error, "variance", "variance of G̃ / ‖G‖²", marker="o")
        draw(error, "gradient_variance", "variance of g̃ / ‖g‖²", marker="s")
        draw(error, "bias", "bias of G̃ / ‖G‖", marker="^")
        draw(error, "standard_error", "bias expected of an unbiased one", linestyle="--")
        error.set(title="error of the estimate", yscale="log")
        mean, std = self.column("cosine"), self.column("cosine_std")
        angle.fill_between(step, mean - std, mean + std, alpha=0.25, label="± 1 standard deviation")
        angle.plot(step, mean, marker="o", label="mean")
        angle.set(title="cosine of estimated and exact gradient", ylim=(-1.05, 1.05))
        angle.axhline(0, color="0.6", linewidth=0.8)
        draw(norms, "exact", "‖G‖", marker="o")
        draw(norms, "v", "‖v̄‖", marker="s")
        draw(norms, "w", "‖w̄‖", marker="^")
        norms.set(title="norms", yscale="log", xlabel="step")
        radius.plot(step, self.column("spectral_radius"), marker="o")
        radius.axhline(1, color="0.6", linewidth=0.8)
        radius.set(title="spectral radius of ∂h(t+1)/∂h(t)", xlabel="step", ylim=(0, None))
        error.set_xscale("log")
        for axes in (error, angle, norms):
            axes.legend(fontsize="small")
        if path is not None:
            picture.savefig(path)
        return picture


def diagnose(
    trainer: NoBackTrack,
    stream: Any,
    steps: int,
    *,
    replicas: int = 100,
    progress: Callable[[DiagnosisRow], None] | None = None,
) -> Diagnosis:
    """Measure bias and variance of a trainer's estimate against exact RTRL, along one trajectory.

    A copy of the trainer learns from the stream as the trainer would have: that is the trajectory
    of parameters and states. Carried along it are the exact ∂h/∂θ, and `replicas` of the trainer's
    estimate that differ from it in their random signs alone. Since those signs have no part in the
    trajectory, the mean of a replica is the exact ∂h/∂θ, (19), if the rule is unbiased, and the
    spread of the replicas is its variance. (Of the trainer's own estimate that cannot be asked: it
    has made the trajectory.)

    The trainer itself stays as it is; the stream moves on by `steps`. If the trainer has learned
    before, everything starts from its present estimate: then it is the noise added since that is
    measured.

    Parameters
    ----------
    trainer : NoBackTrack
        Fed with the symbols that it predicts.
    stream
        Has `read(n)`.
    steps : int
        How many to take, at least 2. Fewer, if the stream ends.
    replicas : int
        How many, at least 2. `bias` can be seen down to sqrt(variance / replicas).
    progress : callable, optional
        Called with each `DiagnosisRow` as it comes.

    Returns
    -------
    Diagnosis

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.
    DataError
        The stream has fewer than 2 symbols left.
    DivergenceError
        Its attribute `diagnosis` has what was measured until then.

    Notes
    -----
    A step costs one of RTRL and `replicas` of the trainer, and a Python loop around them. All are
    of the trainer's dtype, so that they see the same states, bit for bit.

    Examples
    --------
    >>> import nbt
    >>> trainer = nbt.NoBackTrack(nbt.LeakyRNN(5), nbt.Softmax(3), dtype="float64")
    >>> diagnosis = diagnose(trainer, nbt.datasets.anbn(1, 4), 100)
    >>> diagnosis.column("step").tolist()
    [1, 2, 4, 8, 16, 32, 64, 99]
    >>> diagnosis[-1].bias < 4 * diagnosis[-1].standard_error
    True
    """
    _check(trainer, stream)
    steps = _arguments.whole("steps", steps, low=2, high=2**31)
    replicas = _arguments.whole("replicas", replicas, low=2, high=2**16 // trainer.rank)
    run = _Trajectory(trainer, replicas)
    result = Diagnosis(
        {
            "trainer": trainer.describe(),
            "stream": getattr(stream, "name", repr(stream)),
            "steps": 0,
            "replicas": replicas,
        }
    )
    try:
        for t, (symbol, last) in enumerate(_symbols(stream, steps)):
            if t and (last or t & (t - 1) == 0):
                result.rows.append(run.measure(t, int(symbol[0])))
                if progress is not None:
                    progress(result.rows[-1])
            run.step(symbol)
            result.settings["steps"] = t + 1
    except DivergenceError as error:
        error.diagnosis = result
        raise
    if not result.rows:
        name = getattr(stream, "name", stream)
        raise DataError(f"{name}: expected at least 2 symbols, got fewer")
    return result


class _Trajectory:
    """The copy that learns, and what is carried along behind it."""

    def __init__(self, trainer: NoBackTrack, replicas: int) -> None:
        self.leader, self.replicas = copy.copy(trainer), replicas
        state = trainer.state_dict()
        common = {"inputs": trainer.inputs, "dtype": trainer.dtype, "seed": trainer.seed}
        values = trainer.cell, trainer.readout, trainer.optimizer
        self.exact = RTRL(*values, **common)
        kept = {k: v for k, v in state.items() if not k.startswith(("estimator.", "window."))}
        self.exact.load_state_dict(kept | {"estimator.G": trainer.influence()})
        common["seed"] ^= OTHER_SIGNS
        own = trainer._own_arguments() | {"rank": replicas * trainer.rank}
        self.crowd = NoBackTrack(*values, **common, **own)
        for key in PAIRS & set(state):
            state[key] = np.tile(state[key], (replicas, *(1,) * (state[key].ndim - 1)))
        self.crowd.load_state_dict(state | {"seed": np.uint64(common["seed"])})

    def step(self, symbol: np.ndarray) -> None:
        """The leader learns; the others take the same transition with the same parameters."""
        self.leader.learn(symbol)
        source = self.leader._core.arrays
        for follower in (self.exact, self.crowd):
            target = follower._core.arrays
            for name in FOLLOWED:
                if name in target and name in source:
                    target[name][...] = source[name]
            follower.observe(symbol)

    def measure(self, step: int, symbol: int) -> DiagnosisRow:
        """The row of this moment, `symbol` being the next."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self._measure(step, symbol)

    def _measure(self, step: int, symbol: int) -> DiagnosisRow:
        state = {key: value.astype(np.float64) for key, value in self.leader.state_dict().items()}
        slope = _slope(state["state.h"], self.leader.cell.activation)
        delta = self.leader.predict()
        delta[symbol] -= 1
        H = slope * (state["readout.W"] @ delta)
        F = state["cell.W"].T * slope + np.diag(state["cell.alpha"])
        G = self.exact.influence()
        v, w, known = self._pairs()
        bias, variance = _moments(v, w, known, G)
        size = (G * G).sum()
        return DiagnosisRow(
            step=step,
            exact=math.sqrt(size),
            bias=math.sqrt(bias / size),
            standard_error=math.sqrt(variance / self.replicas / size),
            variance=float(variance / size),
            **_angles(H, v, w, known, np.einsum("j,jpi->pi", H, G)),
            v=_rms(state["estimator.v"]),
            w=_rms(state["estimator.w"]),
            spectral_radius=float(np.abs(np.linalg.eigvals(F)).max()),
        )

    def _pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """v (R, K, n units, n states), each unit with its block's; w (R, K, P, n); what the
        replicas know exactly (n, P, n)."""
        state = self.crowd.state_dict()
        n, K = self.crowd.cell.units, self.leader.rank
        v, w = (state[f"estimator.{key}"].astype(np.float64) for key in "vw")
        v = v[:, np.arange(n) % self.crowd.blocks]
        known = self.crowd._exact_part(state)
        return v.reshape(-1, K, n, n), w.reshape(-1, K, *w.shape[1:]), known


def _moments(v, w, known, G) -> tuple[float, float]:
    """‖mean G̃ - G‖² and E ‖G̃ - E G̃‖²; `known`, the exact part, is the same in all replicas."""
    R, K = v.shape[:2]
    n = G.shape[0]
    bias = mean2 = 0.0
    for i in range(n):  # a unit's block of G at a time: (n, P)
        mean = v[:, :, i].reshape(R * K, n).T @ w[..., i].reshape(R * K, -1) / (R * K)
        mean2 += (mean * mean).sum()
        bias += ((mean + known[:, :, i] - G[:, :, i]) ** 2).sum()
    products = np.einsum("rkij,rlij->rkli", v, v) * np.einsum("rkpi,rlpi->rkli", w, w)
    second = products.sum() / K**2
    return float(bias), float(max(0.0, (second - R * mean2) / (R - 1)))


def _angles(H, v, w, known, g) -> dict[str, float]:
    """How the replicas' gradients (R, P, n) lie to the exact one."""
    R, K = v.shape[:2]
    g_all = np.einsum("rki,rkpi->rpi", v @ H, w) / K + np.einsum("j,jpi->pi", H, known)
    size = (g * g).sum()
    variance = ((g_all - g_all.mean(axis=0)) ** 2).sum() / (R - 1)
    lengths = np.sqrt((g_all * g_all).sum(axis=(1, 2)) * size)
    cosines = np.einsum("rpi,pi->r", g_all, g) / lengths
    return {
        "gradient_variance": float(variance / size),
        "cosine": float(cosines.mean()),
        "cosine_std": float(cosines.std(ddof=1)),
    }


def _rms(pairs: np.ndarray) -> float:
    """Root mean square of the norms of the pairs, axis 0."""
    return math.sqrt((pairs * pairs).sum() / len(pairs))


def _slope(h: np.ndarray, activation: str) -> np.ndarray:
    """σ'(h), without cancellation for large |h|."""
    if activation == "sigmoid":
        e = np.exp(-np.abs(h))
        return e / (1 + e) ** 2
    e = np.exp(-2 * np.abs(h))
    return 4 * e / (1 + e) ** 2


def _check(trainer, stream) -> None:
    _arguments.instance("trainer", trainer, NoBackTrack)
    _arguments.instance("trainer.readout", trainer.readout, Softmax)
    if not is_fast(trainer.cell, trainer.optimizer, trainer.split):
        raise ValueError(
            "trainer: expected one of RNN or LeakyRNN, all edges, leaks fixed, the default metric, "
            f"got {trainer!r}"
        )
    symbols = trainer.readout.symbols
    if trainer.inputs != Symbols(symbols):
        raise ValueError(
            f"trainer: expected one whose inputs are the symbols it predicts, got {trainer.inputs}"
        )
    if symbols < len(stream.alphabet):
        raise ValueError(f"stream: it has {len(stream.alphabet)} symbols, the readout {symbols}")


def _symbols(stream, steps: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Up to `steps` symbols, (1,) each, and whether it is the last."""
    before, left = None, steps
    while left:
        block = np.asarray(stream.read(min(left, BLOCK)))
        if not len(block):
            break
        left -= len(block)
        for i in range(len(block)):
            if before is not None:
                yield before, False
            before = block[i : i + 1]
    if before is not None:
        yield before, True


def figure() -> Any:
    """An empty picture, by matplotlib alone: no window, no global state."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra('plots need matplotlib: pip install "nobacktrack[plot]"') from None
    return Figure(figsize=(10, 7), layout="constrained")
