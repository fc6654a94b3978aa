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
        csr = [state[f"estimator.rows.{part}"] for part in ("indptr", "indices", "data")]
        result |= {"v": state["estimator.v"], "w": state["estimator.w"]}
        result |= {"rows": oracle.general.dense(csr, n, p), "fisher": state.get("estimator.fisher")}
    if "estimator.G" in state:
        result["G"] = state["estimator.G"]
    if "optimizer.theta.J" in state:
        parts = {name: state[f"optimizer.theta.{name}"] for name in ("J", "J0")}
        result["J_theta"] = whole(parts["J"], parts["J0"], starts)
        flat = [state[f"optimizer.phi.{name}"].T.ravel() for name in ("J", "J0")]
        result["J_phi"] = whole(*flat, range(0, symbols * (1 + n), 1 + n))
    return {key: np.array(value, float) if key not in ("step", "seed") else value
            for key, value in result.items() if value is not None}  # fmt: skip
