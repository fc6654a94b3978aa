"""The ∂h/∂θ of a dense cell under NoBackTrack, from its state: the estimated and the exact part."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nbt.trainers.state.layered import layer_in, of_layer, without_layer

__all__ = [
    *("by_theta", "estimated", "estimated_before", "exact", "of_layers", "of_stack", "own_paths"),
]


def estimated(state: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the mean over the pairs of v̄ ⊗ w̄, (n, P, n), float64."""
    v, w = (state[key].astype(np.float64) for key in ("estimator.v", "estimator.w"))
    rank, blocks, n = v.shape
    of_units = v[:, np.arange(n) % blocks]  # (K, unit, state)
    return np.einsum("kij,kpi->jpi", of_units, w) / rank


def exact(state: Mapping[str, np.ndarray], window: int, symbols: int | None) -> np.ndarray:
    """Return the steps of the window, and before them each unit's own path, (n, P, n), float64.

    Parameters
    ----------
    state : mapping of str to array
        The state.
    window : int
        T, the number of steps of the window.
    symbols : int, optional
        m, if inputs are symbols.
    """
    n = len(state["state.h"])
    path = np.eye(n)  # ∂h(t)/∂h(t - l)
    own = state.get("estimator.d")
    if own is None:  # w_i, the same for every unit
        own = np.repeat(state["estimator.z"][:, np.newaxis], n, axis=1)
    whole = np.zeros((n, *own.shape))
    for lag in range(window):
        whole += path[:, np.newaxis] * _regressors(state, lag, symbols)[:, np.newaxis]
        path = path @ state["window.F"][lag].astype(np.float64)
    return whole + path[:, np.newaxis] * own.astype(np.float64)


def _regressors(state: Mapping[str, np.ndarray], lag: int, symbols: int | None) -> np.ndarray:
    """Return (1, a, x) of the transition `lag` before the last; zeros if there was none."""
    x = state["window.x"][lag]
    if symbols is None:
        there = lag < state["window.length"]
    else:
        there, x = x >= 0, np.arange(symbols) == x
    return there * np.concatenate([[1.0], state["window.a"][lag], x])


def estimated_before(state: Mapping[str, np.ndarray]) -> np.ndarray | float:
    """Return the mean over the pairs of v̄ ⊗ w̄ where θ is learned once in T steps: of ∂(c, y)/∂θ at
    the begin of the window, (2, n, …, P, n), float64; 0 without pairs."""
    if "estimator.v" not in state:
        return 0.0
    v, w = (state[key].astype(np.float64) for key in ("estimator.v", "estimator.w"))
    return np.tensordot(v, w, (0, 0)) / len(v)


def of_stack(
    state: Mapping[str, np.ndarray],
    layers: int,
    estimated: Callable[[Mapping[str, np.ndarray]], np.ndarray | float] | None = None,
) -> np.ndarray:
    """Return the sum of `own_paths` and what is estimated for a stack of layers, (2, n, p),
    float64: θ is a vector, one layer after the other, in each the order of (gates, P, units)."""
    each = of_layers(state, layers, estimated)
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in each], axis=-1)


def of_layers(
    state: Mapping[str, np.ndarray],
    layers: int,
    estimated: Callable[[Mapping[str, np.ndarray]], np.ndarray | float] | None = None,
) -> list[np.ndarray]:
    """Return the parts of `of_stack` for θ of each layer, (2, n, gates, P, units)."""
    own = [_of_layer(state, k) for k in range(layers)]
    ends = np.cumsum([0, *(len(one["window.slope"]) for one in own)])
    parts = []
    for layer, first, last in zip(own, ends, ends[1:], strict=False):
        exact = own_paths(layer)
        whole = np.zeros((2, ends[-1], *exact.shape[2:]))
        whole[:, first:last] = exact
        if estimated is not None and "estimator.v" in layer:
            v = np.concatenate([one["estimator.v"] for one in own], axis=-1)
            whole += estimated({**layer, "estimator.v": v})
        parts.append(whole)
    return parts


def _of_layer(state: Mapping[str, np.ndarray], layer: int) -> dict[str, np.ndarray]:
    """Return the arrays of one layer, by the names that they would have alone."""
    return {without_layer(key): x for key, x in state.items() if layer_in(key) == layer}


def own_paths(state: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return what is known exactly of the same, each unit's own path: (2, n, …, P, n), float64.

    y is a function of c. Of gates that c does not depend on, nothing older than the window is kept.
    """
    own = state["estimator.d"].astype(np.float64)
    if "cell.polar" in state:
        return _complex_paths(own, state["window.slope"].astype(np.float64))
    n = own.shape[-1]
    gates = state["cell.b"].shape[:-1]
    slope = state["window.slope"].astype(np.float64) if "window.slope" in state else np.ones(n)
    whole = np.zeros((2, n, *gates, *own.shape[-2:]))
    unit = np.arange(n)
    kept = whole[:, :, : len(own)] if gates else whole
    kept[0][unit, ..., unit] = np.moveaxis(own, -1, 0)
    kept[1][unit, ..., unit] = np.moveaxis(slope * own, -1, 0)
    return whole


def _complex_paths(own: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return the same of complex units, whose own paths (1, P, n) have one complex number for both
    parts of a parameter."""
    n = own.shape[-1]
    whole = np.zeros((2, n, *own.shape))
    re, real, imaginary = np.arange(0, n, 2), own[0, :, ::2].T, own[0, :, 1::2].T
    whole[0, re, 0, :, re] = whole[0, re + 1, 0, :, re + 1] = real
    whole[0, re + 1, 0, :, re] = imaginary
    whole[0, re, 0, :, re + 1] = -imaginary
    whole[1] = slope[:, np.newaxis, np.newaxis, np.newaxis] * whole[0]
    return whole


def by_theta(state: Mapping[str, np.ndarray], key: str, kept: np.ndarray) -> np.ndarray:
    """Return the derivatives by θ, (…, P, n), from an array of those that rules keep. Of complex
    units these are by ln |λ| and arg λ in place of ν and η."""
    layer = layer_in(key)
    polar = state.get("cell.polar" if layer is None else of_layer("cell.polar", layer))
    if polar is None:
        return kept
    nu, eta = polar.astype(np.float64).reshape(-1, 2).T
    slopes = np.stack([1 / (1 + np.exp(nu)), 1 / np.cosh(eta)], axis=-1).ravel()
    made = kept.astype(np.float64)
    made[..., 1, :] *= slopes
    return made
