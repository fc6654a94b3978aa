"""Random states to start from: nothing zero, square, symmetric or equal that need not be."""

import numpy as np


def initial_state(
    rng,
    n,
    m,
    A,
    *,
    rule="nobacktrack",
    inputs="symbols",
    scaled=(),
    fresh=False,
    kalman=False,
    optimizers=(),
    leaky=True,
    rank=1,
    blocks=1,
    exact_self=False,
    norm="euclidean",
    window=None,
    step=None,
    seed=None,
    direct=False,
):
    """A state_dict for n units, m inputs, A outputs.

    optimizers: those of theta and phi, "sgd", "adam" or "kalman"; `kalman` stands for both.
    inputs: "symbols", "vector", or "own vector": those that are predicted.
    direct: does the readout see the last input?
    scaled: "inputs" and "targets" that are standardised, as {name: size}.

    rule: "nobacktrack", "rtrl" or "bptt". With `fresh` the parameters and h are random, and the
    clock, the estimator and the optimizer are at their beginning, all 0. Otherwise they look like
    those of a run under way, and the regressors of the last transition hold a one-hot symbol when
    `inputs` are symbols. A window of "bptt" (4 steps unless given) always begins empty; that of
    "nobacktrack" (0) is full, but for its oldest step.
    """
    P = 1 + n + m

    def normal(*shape):
        return np.zeros(shape) if fresh else rng.normal(size=shape)

    state = {
        "cell.b": rng.normal(size=n) * 0.3,
        "cell.W": rng.normal(size=(n, n)) * 1.2,
        "cell.r": rng.normal(size=(m, n)),
        "cell.alpha": rng.uniform(0.1, 0.9, n) if leaky else np.zeros(n),
        "readout.b": rng.normal(size=A) * 0.5,
        "readout.W": rng.normal(size=(n, A)),
        "state.h": rng.normal(size=n),
        "step": np.array((0 if fresh else 3) if step is None else step, np.uint64),
        "seed": np.array(rng.integers(2**63) if seed is None else seed, np.uint64),
    }
    for name, size in dict(scaled).items():
        state[f"{name}.count"] = rng.integers(2, 9, size).astype(float) * (not fresh)
        state[f"{name}.mean"] = normal(size)
        state[f"{name}.variance"] = (normal(size) ** 2 + 0.3) * (not fresh)
        if name == "targets":
            state["targets.error"] = state["targets.variance"] * rng.uniform(0.2, 0.9, size)
            state["targets.limited"] = state["targets.error"] * rng.uniform(0.3, 1.0, size)
    rows = 1 + n + m * direct  # of phi
    if direct:
        state["readout.r"] = rng.normal(size=(m, A)) * 0.7
        x = rng.normal(size=m) * (not fresh)
        state["state.x"] = x
        if inputs == "symbols":
            state["state.x"] = np.array(-1 if fresh else rng.integers(m), np.int64)
    z = np.zeros(P)
    if not fresh:
        x = np.eye(m)[rng.integers(m)] if inputs == "symbols" else rng.normal(size=m)
        z = np.concatenate([[1.0], rng.uniform(0.1, 0.9, n), x])
    if rule == "nobacktrack":
        state["estimator.v"] = normal(rank, blocks, n)
        state["estimator.w"] = normal(rank, P, n)
        if exact_self:
            state["estimator.d"] = normal(P, n)
        else:
            state["estimator.z"] = z
        if norm == "fisher":
            state["estimator.fisher"] = normal(n) ** 2
        if window:
            length = 0 if fresh else max(window - 1, 1)
            state["window.F"] = normal(window, n, n) * 0.4
            state["window.a"] = np.zeros((window, n))
            state["window.a"][:length] = rng.uniform(0.1, 0.9, (length, n))
            state["window.x"] = np.full(window, -1, np.int32)
            state["window.x"][:length] = rng.integers(m, size=length)
            if inputs != "symbols":
                state["window.x"] = np.zeros((window, m))
                state["window.x"][:length] = rng.normal(size=(length, m))
            state["window.length"] = np.array(length, np.int64)
            state["window.v"] = normal(rank, window, blocks, n)
            state["window.scale"] = normal(rank, window, n)
    elif rule == "rtrl":
        state["estimator.G"] = normal(n, P, n)
    elif rule == "bptt":
        window = window or 4
        state["window.length"] = np.array(0, np.int64)
        state["window.entered"] = np.array(0, np.int64)
        state["window.h"] = np.zeros((window, n))
        if inputs == "symbols":
            state["window.x"] = np.full(window, -1, np.int32)
        else:
            state["window.x"] = np.zeros((window, m))
            if inputs == "own vector":
                state["window.moved"] = np.zeros(window, np.int32)
        state["window.delta"] = np.zeros((window, A))
        state["window.g_theta"] = normal(P, n)
        state["window.g_phi"] = normal(rows, A)
    else:
        raise ValueError(f"no rule is called {rule!r}")
    kinds = optimizers or ("kalman" if kalman else "sgd",) * 2
    for name, kind, shape in zip(("theta", "phi"), kinds, ((P, n), (rows, A)), strict=True):
        if kind == "sgd":
            continue
        g = normal(5, *shape)
        if kind == "adam":
            kept = {"m": g.mean(axis=0), "v": (g**2).mean(axis=0)}
            kept["updates"] = np.array(0 if fresh else 3, np.uint64)
        else:
            kept = {"J": (g**2).sum(axis=0), "J0": (g[:, :1] * g).sum(axis=0)}
            kept["J0"][0] = 0.0
            if kind == "shared":
                kept["J"][:, : A // 2] = kept["J0"][:, : A // 2] = 0.0
                root = rng.normal(size=(rows, rows)) * 0.3 + np.eye(rows)
                kept["P"] = root @ root.T if not fresh else np.zeros((rows, rows))
            if name == "phi" and direct and inputs == "symbols":
                kept["J0"][1 + n :] = 0.0
        state |= {f"optimizer.{name}.{key}": value for key, value in kept.items()}
    return state
