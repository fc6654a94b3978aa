"""The result of `diagnose`."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nbt import _arguments
from nbt.display.plots import figure, legend

__all__ = ["Diagnosis", "DiagnosisRow"]

DRAWN = 1e-6  # smaller values are rounding errors and are not drawn


class DiagnosisRow(NamedTuple):
    """Measurements of one step, before its update; norms are Euclidean (Frobenius).

    G is the exact ∂h/∂θ and G̃ the estimate; g = (∂ℓ/∂h) G and g̃ are the gradients for the next
    target. They are measured at the beginning of the step, or, where an input comes first, after
    its transition. Where there is no target the gradients are 0, and their angle and variance NaN.

    Where θ is learned once in T steps (`every`), rows are of steps that end a window. h is then the
    whole state s = (c, y) where the window begins, and g the gradient of the sum of its losses: of
    what is inside the window, which is exact in g̃, too, and (∂L/∂s) G.

    Attributes
    ----------
    step : int
        Number of steps before this one, since the diagnosis began.
    exact : float
        ‖G‖.
    bias : float
        ‖mean of G̃ - G‖ / ‖G‖, with the mean over the replicas.
    standard_error : float
        Expected `bias` of an unbiased estimate with this number of replicas: sqrt(variance /
        replicas).
    variance : float
        E ‖G̃ - E G̃‖² / ‖G‖², from the replicas.
    gradient_variance : float
        E ‖g̃ - E g̃‖² / ‖g‖², from the replicas.
    cosine, cosine_std : float
        Mean and standard deviation over the replicas of the cosine of the angle between g̃ and g.
    v, w : float
        ‖v̄‖ and ‖w̄‖ of the trainer's own estimate (root mean square over its pairs); NaN where it
        has none.
    spectral_radius : float
        Spectral radius of ∂h(t+1)/∂h(t) over the whole step: all layers of a stack, all phases of a
        system. With windows, of ∂s after a window by ∂s before it, to the power 1/T.
    gradient_bias : float
        ‖mean of g̃ - g‖ / ‖g‖. An unbiased one shows about sqrt(gradient_variance / replicas).
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
    gradient_bias: float

    def to_json(self) -> str:
        """Return the row as one line of JSON, with null for what is not defined."""
        good = {k: v if math.isfinite(v) else None for k, v in self._asdict().items()}
        return json.dumps(good)


class Diagnosis:
    """Rows of measurements at the steps 1, 2, 4, 8, … and the last.

    Parameters
    ----------
    settings : dict
        Trainer, stream, steps and replicas.

    Attributes
    ----------
    rows : list of DiagnosisRow
        The measurements.
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
        """Return one field of all rows, float64 (int64 for `step`).

        Parameters
        ----------
        name : str
            A field of `DiagnosisRow`.

        Raises
        ------
        TypeError
            `name` is no string.
        ValueError
            `name` is no field of `DiagnosisRow`.
        """
        _arguments.one_of("name", name, DiagnosisRow._fields)
        kind = np.int64 if name == "step" else np.float64
        return np.array([getattr(row, name) for row in self.rows], kind)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Plot four panels over the steps: error of the estimate, angle, norms, spectral radius.

        Parameters
        ----------
        path : str or path-like, optional
            File to write the plot to, in the format of its suffix (.png, .svg, .pdf).

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
        draw(error, "gradient_bias", "bias of g̃ / ‖g‖", marker="v")
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
        values = self.column("spectral_radius")
        top = 1.05 * np.max(values, initial=1, where=np.isfinite(values))
        radius.plot(step, values, marker="o")
        radius.axhline(1, color="0.6", linewidth=0.8)
        radius.set(title="spectral radius of ∂h(t+1)/∂h(t)", xlabel="step", ylim=(0, top))
        error.set_xscale("log")
        for axes, columns in ((error, 2), (angle, 2), (norms, 3)):
            legend(axes, columns)
        if path is not None:
            picture.savefig(path)
        return picture
