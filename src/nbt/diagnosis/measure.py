"""A meter: how good the estimate of ∂h/∂θ is, along what a trainer really does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nbt import _arguments
from nbt.diagnosis.result import Diagnosis, DiagnosisRow
from nbt.diagnosis.trajectory import Trajectory
from nbt.divergence import DivergenceError
from nbt.errors import DataError
from nbt.trainers import NoBackTrack
from nbt.training.loop import check_stream

__all__ = ["diagnose"]

BLOCK = 1 << 12  # steps read at once


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
        Of any cell or system, with any readout.
    stream
        Has `read(n)`: blocks of what is predicted, or pairs (inputs, targets).
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
        The stream has fewer than 2 steps left.
    DivergenceError
        Its attribute `diagnosis` has what was measured until then.

    Notes
    -----
    A step costs one of RTRL and `replicas` of the trainer, and a Python loop around them. All are
    of the trainer's dtype, and see the same states, bit for bit.

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
    check_stream(trainer, stream)
    steps = _arguments.whole("steps", steps, low=2, high=2**31)
    replicas = _arguments.whole("replicas", replicas, low=2, high=2**16 // trainer.rank)
    run = Trajectory(trainer, replicas)
    result = Diagnosis(
        {
            "trainer": trainer.describe(),
            "stream": getattr(stream, "name", repr(stream)),
            "steps": 0,
            "replicas": replicas,
        }
    )
    try:
        for t, (data, last) in enumerate(_steps(stream, steps)):
            for row in _one_step(run, t, data, t and (last or t & (t - 1) == 0)):
                result.rows.append(row)
                if progress is not None:
                    progress(row)
            result.settings["steps"] = t + 1
    except DivergenceError as error:
        error.diagnosis = result
        raise
    if not result.rows:
        name = getattr(stream, "name", stream)
        raise DataError(f"{name}: expected at least 2 steps, got fewer")
    return result


def _one_step(run: Trajectory, t: int, data: tuple[np.ndarray, ...], wanted) -> Iterator:
    """Takes a step; the row of the moment at which the target comes, if it is wanted: before the
    step, or, where an input comes first, after its transition."""
    paired, seen = len(data) > 1, run.look(*data) if wanted else ()
    if seen and not paired:
        yield _row(run, t, *seen)
    run.step(*data)
    if seen and paired:
        yield _row(run, t, *seen)


def _row(run: Trajectory, step: int, H: np.ndarray, F: np.ndarray) -> DiagnosisRow:
    """The row of this moment, from ∂ℓ/∂h and ∂h(t+1)/∂h(t)."""
    own, G = run.leader.state_dict(), run.exact.influence()
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
            **_angles(H, v, w, known, np.einsum("j,jpi->pi", H, G)),
            v=_rms(own["estimator.v"]),
            w=_rms(own["estimator.w"]),
            spectral_radius=float(np.abs(np.linalg.eigvals(F)).max()),
        )


def _moments(v, w, known, G) -> tuple[float, float]:
    """‖mean G̃ - G‖² and E ‖G̃ - E G̃‖²; `known`, the exact part, is the same in all replicas."""
    R, K = v.shape[:2]
    n = G.shape[0]
    bias = mean2 = 0.0
    for i in range(G.shape[2]):  # parameters with the same v̄ at a time: (n, rows)
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


def _steps(stream, steps: int) -> Iterator[tuple[tuple[np.ndarray, ...], bool]]:
    """Up to `steps` steps, what is learned in each, and whether it is the last."""
    before, left = None, steps
    while left:
        block = stream.read(min(left, BLOCK))
        block = tuple(map(np.asarray, block if isinstance(block, tuple) else (block,)))
        if not len(block[0]):
            break
        left -= len(block[0])
        for i in range(len(block[0])):
            if before is not None:
                yield before, False
            before = tuple(part[i : i + 1] for part in block)
    if before is not None:
        yield before, True
