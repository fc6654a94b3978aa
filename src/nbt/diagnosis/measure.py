"""Measure how good the estimate of ∂h/∂θ is, along what a trainer really does."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.diagnosis.result import Diagnosis, DiagnosisRow
from nbt.diagnosis.trajectory import Trajectory
from nbt.diagnosis.windows import WindowedTrajectory
from nbt.divergence import DivergenceError
from nbt.errors import DataError
from nbt.trainers import NoBackTrack
from nbt.trainers.binding import is_learned
from nbt.trainers.state.layered import without_layer
from nbt.trainers.windowed import WindowedForm
from nbt.training.loop import check_stream

__all__ = ["diagnose"]

CHUNK = 1 << 12  # steps read at once


def diagnose(
    trainer: NoBackTrack,
    stream: Any,
    steps: int,
    *,
    replicas: int = 100,
    progress: Callable[[DiagnosisRow], None] | None = None,
) -> Diagnosis:
    """Measure bias and variance of a trainer's estimate against exact RTRL, along one trajectory.

    A copy of the trainer learns from the stream, as the trainer itself would. This gives the
    trajectory of parameters and states. The exact ∂h/∂θ is computed along it, and so are `replicas`
    of the trainer's estimate, which differ from it only in their random signs. These signs do not
    influence the trajectory. So if the rule is unbiased, the expectation of a replica is the exact
    ∂h/∂θ, (19), and the spread of the replicas is the variance. (The trainer's own estimate cannot
    be tested in this way, because it has made the trajectory.)

    The trainer itself does not change; the stream moves on by `steps`. If the trainer has learned
    before, everything starts from its present estimate. Then only the noise added since is
    measured.

    Parameters
    ----------
    trainer : NoBackTrack
        With any cell or system, and any readout. With `every` above 1 or with gates, it is measured
        at the ends of windows: see `DiagnosisRow`.
    stream
        An object with `read(n)`, which returns targets, or pairs (inputs, targets).
    steps : int
        Number of steps, from 2 to 2³¹. Fewer are taken if the stream ends.
    replicas : int
        Number of replicas, from 2 to 2¹⁶ / rank. `bias` can be seen down to sqrt(variance /
        replicas). With rank=0 nothing is random: all replicas are alike, and the bias is exact.
    progress : callable, optional
        Called with each `DiagnosisRow` as it comes.

    Returns
    -------
    Diagnosis

    Raises
    ------
    TypeError
        `trainer` is no `NoBackTrack`, `stream` has no `read`, or `steps` or `replicas` is no
        integer.
    ValueError
        `steps` or `replicas` is out of range, the stream has more symbols than the trainer
        predicts, or the trainer's cell has learn=False.
    DataError
        The stream has fewer than 2 steps left, or than two windows.
    DivergenceError
        Learning diverged. The attribute `diagnosis` has what was measured until then.

    Notes
    -----
    A step costs one step of RTRL, `replicas` steps of the trainer, and a Python loop around them.
    All have the trainer's dtype and see the same states, bit for bit. The exact side of cells with
    gates takes 8 units² × parameters / `every` multiply-adds a step: some hundred units are slow.

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
    _arguments.instance("trainer", trainer, NoBackTrack)
    if not is_learned(trainer.cell):
        raise ValueError(f"trainer: expected one whose cell is learned, got {trainer}")
    check_stream(trainer, stream)
    steps = _arguments.integer("steps", steps, low=2, high=2**31)
    replicas = _arguments.integer("replicas", replicas, low=2, high=2**16 // max(trainer.rank, 1))
    windowed = isinstance(trainer._live.plan.form, WindowedForm)
    run = (WindowedTrajectory if windowed else Trajectory)(trainer, replicas)
    result = Diagnosis(
        {
            "trainer": trainer.describe(),
            "stream": getattr(stream, "name", repr(stream)),
            "steps": 0,
            "replicas": replicas,
        }
    )
    try:
        for row in _rows(run, _steps(stream, steps, run.every), result.settings):
            result.rows.append(row)
            if progress is not None:
                progress(row)
    except DivergenceError as error:
        error.diagnosis = result
        raise
    if not result.rows:
        name = getattr(stream, "name", stream)
        least = 2 * run.every
        raise DataError(f"{name}: expected at least {least} steps, got {result.settings['steps']}")
    return result


def _rows(run: Trajectory, steps: Iterator, settings: dict[str, Any]) -> Iterator[DiagnosisRow]:
    """Take the steps, and yield the rows: of the first moments at which something can be measured
    after 1, 2, 4, 8, … steps, and of the last one. At the very first there is only what the trainer
    brought.
    """
    due = 0
    for t, (data, more) in enumerate(steps):
        ends = run.ends(*data)
        wanted = ends and due and (t >= due or more < run.every)
        yield from _one_step(run, t, data, wanted)
        settings["steps"] = t + 1
        if ends and t >= due:
            due = 1 << t.bit_length()


def _one_step(run: Trajectory, t: int, data: tuple[np.ndarray, ...], wanted) -> Iterator:
    """Take a step, and yield its row if it is wanted.

    The row is of the moment at which the target comes: before the step, or, where an input comes
    first, after its transition.
    """
    later, seen = len(data) > 1 and run.begins_with_input, run.look(*data) if wanted else ()
    if seen and not later:
        yield _row(run, t, *seen)
    run.step(*data)
    if seen and later:
        yield _row(run, t, *seen)


def _row(
    run: Trajectory, step: int, H: np.ndarray, F: np.ndarray, inside: np.ndarray | float = 0.0
) -> DiagnosisRow:
    """Return the row of this moment, from ∂ℓ/∂h and ∂h(t+1)/∂h(t), or with windows from ∂L/∂s, ∂s
    after a window by ∂s before it, and the gradient inside the window."""
    own, G = run.leader.state_dict(), run.exact_influence()
    v, w, known = run.replicas.factors()
    G = G.reshape(known.shape)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        bias, variance = _moments(v, w, known, G)
        size = (G * G).sum()
        return DiagnosisRow(
            step=step,
            exact=math.sqrt(size),
            bias=float(np.sqrt(bias / size)),
            standard_error=float(np.sqrt(variance / len(v) / size)),
            variance=float(variance / size),
            **_angles(H, v, w, known, np.einsum("j,jpi->pi", H, G), inside),
            v=_rms(own, "estimator.v"),
            w=_rms(own, "estimator.w"),
            spectral_radius=float(np.abs(np.linalg.eigvals(F)).max() ** (1 / run.every)),
        )


def _moments(v, w, known, G) -> tuple[float, float]:
    """Return ‖mean G̃ - G‖² and E ‖G̃ - E G̃‖²; `known`, the exact part, is the same in all
    replicas."""
    R, K = len(v), max(v.shape[1], 1)
    n = G.shape[0]
    bias = mean2 = 0.0
    for i in range(G.shape[2]):  # the parameters that share a v̄, at a time: (n, rows)
        mean = v[:, :, i].reshape(-1, n).T @ w[..., i].reshape(-1, len(G[0])) / (R * K)
        mean2 += (mean * mean).sum()
        bias += ((mean + known[:, :, i] - G[:, :, i]) ** 2).sum()
    products = np.einsum("rkij,rlij->rkli", v, v) * np.einsum("rkpi,rlpi->rkli", w, w)
    second = products.sum() / K**2
    return float(bias), float(max(0.0, (second - R * mean2) / (R - 1)))


def _angles(H, v, w, known, g, inside) -> dict[str, float]:
    """Return variance, bias and angles of the replicas' gradients (R, P, n), compared with the
    exact one. `inside` is in all of them."""
    R, K = len(v), max(v.shape[1], 1)
    g = g + inside
    g_all = np.einsum("rki,rkpi->rpi", v @ H, w) / K + np.einsum("j,jpi->pi", H, known) + inside
    size = (g * g).sum()
    mean = g_all.mean(axis=0)
    variance = ((g_all - mean) ** 2).sum() / (R - 1)
    lengths = np.sqrt((g_all * g_all).sum(axis=(1, 2)) * size)
    cosines = np.einsum("rpi,pi->r", g_all, g) / lengths
    return {
        "gradient_variance": float(variance / size),
        "cosine": float(cosines.mean()),
        "cosine_std": float(cosines.std(ddof=1)),
        "gradient_bias": float(np.sqrt(((mean - g) ** 2).sum() / size)),
    }


def _rms(state: Mapping[str, np.ndarray], name: str) -> float:
    """Return the root mean square of the norms of the pairs, axis 0, over all layers; NaN if there
    are none."""
    parts = [x for key, x in state.items() if without_layer(key) == name]
    if not parts:
        return math.nan
    return math.sqrt(sum((x * x).sum() for x in parts) / len(parts[0]))


def _steps(stream, steps: int, ahead: int) -> Iterator[tuple[tuple[np.ndarray, ...], int]]:
    """Yield up to `steps` steps: what is learned in each, and how many more are known to come, up
    to `ahead`."""
    waiting: collections.deque[tuple[np.ndarray, ...]] = collections.deque()
    left = steps
    while left:
        chunk = stream.read(min(left, CHUNK))
        chunk = tuple(map(np.asarray, chunk if isinstance(chunk, tuple) else (chunk,)))
        if not len(chunk[0]):
            break
        left -= len(chunk[0])
        for i in range(len(chunk[0])):
            waiting.append(tuple(part[i : i + 1] for part in chunk))
            if len(waiting) > ahead:
                yield waiting.popleft(), ahead
    while waiting:
        yield waiting.popleft(), len(waiting)
