"""Trainers of systems as the oracle of systems (oracle/general.py) wants them."""

import functools

import numpy as np
import oracle.general
import oracle.metric

import nbt


def phases_of(system):
    """A system with one phase for each phase of `system`."""
    if system.phases == 1:
        return [system]
    names = ("step", "jvp", "vjp", "rows")
    return [
        nbt.System(**{k: functools.partial(getattr(system, k), phase=q) for k in names})
        for q in range(system.phases)
    ]


def whole(J, J0, starts):
    """J (p, p) from its diagonal and its blocks' first rows."""
    result, block = np.diag(J), oracle.metric.members(len(J), starts)
    for b, first in enumerate(starts):
        rest = np.flatnonzero(block == b)[1:]
        result[first, rest] = result[rest, first] = J0[rest]
    return result


def oracle_state(state, starts):
    """A state_dict as the oracle wants it."""
    n, symbols = state["readout.W"].shape
    result = {
        "h": state["state.h"],
        "theta": state["cell.theta"],
        "phi": np.vstack([state["readout.b"], state["readout.W"]]),
        "step": state["step"],
        "seed": state["seed"],
    }
    p = len(result["theta"])
    if "estimator.v" in state:
        result |= {"v": state["estimator.v"], "w": state["estimator.w"]}
    if "estimator.rows.data" in state:
        csr = [state[f"estimator.rows.{part}"] for part in ("indptr", "indices", "data")]
        result |= {"rows": oracle.general.dense(csr, n, p), "fisher": state.get("estimator.fisher")}
    if "estimator.G" in state:
        result["G"] = state["estimator.G"]
    for name, of in (("theta", starts), ("phi", range(0, symbols * (1 + n), 1 + n))):
        keys = ("J", "J0", "m", "v", "updates")
        found = {key: state.get(f"optimizer.{name}.{key}") for key in keys}
        kept = {key: np.asarray(value) for key, value in found.items() if value is not None}
        if name == "phi":
            kept = {key: value.T.ravel() if value.ndim else value for key, value in kept.items()}
        if "J" in kept:
            kept = {"J": whole(kept["J"], kept["J0"], of)}
        result |= {f"{key}_{name}": value for key, value in kept.items()}
    return {key: np.array(value, float) if key not in ("step", "seed") else value
            for key, value in result.items() if value is not None}  # fmt: skip
