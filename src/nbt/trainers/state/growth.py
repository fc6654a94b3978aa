"""Arrays of a state with room for more outputs, or for more numbers of an input."""

from __future__ import annotations

import numpy as np

from nbt.trainers.state.layered import layer_in, without_layer

__all__ = ["INPUTS", "OF_PHI", "VECTORS", "with_inputs", "with_outputs"]

# Arrays whose last axis is that of the outputs. Then arrays with an axis for the inputs, and which.
OUTPUTS = {
    *("readout.b", "readout.W", "readout.r", "optimizer.phi.J", "optimizer.phi.J0"),
    *("optimizer.phi.m", "optimizer.phi.v"),
    *("window.delta", "window.g_phi"),
}
INPUTS = {
    **dict.fromkeys(("cell.r", "optimizer.theta.J", "optimizer.theta.J0", "window.g_theta"), -2),
    **{"optimizer.theta.m": -2, "optimizer.theta.v": -2},
    **{"estimator.d": -2, "estimator.z": 0, "estimator.w": -2, "estimator.G": -2},
}
OF_PHI = {  # where the readout sees the input
    **dict.fromkeys(("readout.r", "optimizer.phi.J", "optimizer.phi.J0", "window.g_phi"), 0),
    **{"optimizer.phi.m": 0, "optimizer.phi.v": 0, "optimizer.phi.P": 0},
}
VECTORS = {
    **{"window.x": 1, "inputs.count": 0, "inputs.mean": 0, "inputs.variance": 0},
    **{"state.lags": 1, "state.x": 0},
}
# Of these, arrays of all that the network reads at once.
LAGGED = {*INPUTS, *OF_PHI, "window.x", "state.x"}


def with_outputs(key: str, value: np.ndarray, more: int) -> np.ndarray:
    """Return an array with zeros for that many more outputs."""
    return _padded(value, -1, more) if key in OUTPUTS else value


def with_inputs(
    key: str, value: np.ndarray, inputs: int, lags: int, more: int, direct: bool
) -> np.ndarray:
    """Return an array with zeros for that many more numbers after each of its last inputs: `lags`
    of them, or one. `direct`: the readout sees inputs."""
    key = without_layer(key) if layer_in(key) in (None, 0) else key  # the others see no input
    axis = (INPUTS | VECTORS | (OF_PHI if direct else {})).get(key)
    if axis is None or not more:
        return value
    lags = lags if key in LAGGED else 1
    value = _widened(value, axis, inputs, lags, more)
    return _widened(value, 1, inputs, lags, more) if key == "optimizer.phi.P" else value


def _widened(value: np.ndarray, axis: int, inputs: int, lags: int, more: int) -> np.ndarray:
    """Return the array with that many zeros after each of the last `lags` inputs of an axis."""
    first, last = np.split(value, [value.shape[axis] - lags * inputs], axis)
    each = (_padded(one, axis, more) for one in np.split(last, lags, axis))
    return np.concatenate([first, *each], axis)


def _padded(array: np.ndarray, axis: int, more: int) -> np.ndarray:
    """Return the array with `more` zeros at the end of an axis."""
    shape = list(array.shape)
    shape[axis] = more
    return np.concatenate([array, np.zeros(shape, array.dtype)], axis)
