"""Cost and error of online EM against the number of states; what docs/hmm.md shows.

`python docs/pictures.py hmm` draws the picture, `python docs/hmm_study.py` prints the table.
Set OPENBLAS_NUM_THREADS=1 for costs on one core.
"""

from __future__ import annotations

import time

import numpy as np

import nbt

SYMBOLS = 16
STATES = (2, 4, 8, 16, 32, 64, 128)
KINDS = {
    "exact": {"statistics": "exact"},
    "rank-one, a block a state": {"statistics": "rank-one", "blocks": None},
    "rank-one, 1 block": {"statistics": "rank-one", "blocks": 1},
    "filtered": {"statistics": "filtered"},
}


def chain(states: int, symbols: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random model: states last a few symbols, and each has a few symbols of its own."""
    random = np.random.default_rng(seed)
    jumps = random.dirichlet(np.full(states, 0.3), states)
    return 0.7 * np.eye(states) + 0.3 * jumps, random.dirichlet(np.full(symbols, 0.3), states)


def sample(A: np.ndarray, B: np.ndarray, steps: int, seed: int) -> np.ndarray:
    """Symbols from a model, beginning in state 0."""
    uniform = np.random.default_rng(seed).random((steps, 2)) * (1 - 1e-9)
    a, b, state = A.cumsum(axis=1), B.cumsum(axis=1), 0
    y = np.empty(steps, int)
    for t in range(steps):
        state = int(np.searchsorted(a[state], uniform[t, 0]))
        y[t] = np.searchsorted(b[state], uniform[t, 1])
    return y


def model(A, B, kind: str, **own) -> nbt.HMM:
    """An HMM with these parameters."""
    choice = dict(KINDS[kind])
    if choice.get("blocks", 0) is None:
        choice["blocks"] = len(A)
    result = nbt.HMM(*B.shape, **choice, **own)
    result.load_state_dict(result.state_dict() | {"transmat": A, "emissionprob": B})
    return result


def costs_and_errors(states: int, kind: str, steps: int) -> tuple[float, np.ndarray]:
    """Microseconds a symbol, and the statistics after `steps` symbols, the true parameters kept."""
    A, B = chain(states, SYMBOLS, seed=states)
    hmm = model(A, B, kind, burn_in=2**60)
    y = sample(A, B, steps, seed=1)
    start = time.process_time()
    hmm.learn(y)
    microseconds = (time.process_time() - start) / steps * 1e6
    return microseconds, hmm.state_dict()["statistics.S"]


def picture(path) -> None:
    """Left: cost. Right: ‖statistics - exact ones‖ / ‖exact ones‖, parameters held."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    cost, error = figure.subplots(1, 2)
    found = {
        (kind, n): costs_and_errors(n, kind, 2000 if n < 128 else 300)
        for kind in KINDS
        for n in STATES
    }
    for i, kind in enumerate(KINDS):
        style = {"marker": "os^x"[i], "color": f"C{i}", "label": kind}
        cost.plot(STATES, [found[kind, n][0] for n in STATES], **style)
        if kind == "exact":
            continue
        errors = []
        for n in STATES[:-1]:
            exact = found["exact", n][1]
            errors.append(np.linalg.norm(found[kind, n][1] - exact) / np.linalg.norm(exact))
        error.plot(STATES[:-1], errors, **style)
        print(kind, [f"{found[kind, n][0]:.0f}" for n in STATES], [f"{e:.3g}" for e in errors])
    print("exact", [f"{found['exact', n][0]:.0f}" for n in STATES])
    for axes, title in (
        (cost, "microseconds a symbol"),
        (error, "error of the statistics after 2000 symbols, relative"),
    ):
        axes.set(xscale="log", yscale="log", xlabel="states", title=title)
        axes.set_xticks(STATES, [str(n) for n in STATES])
        axes.minorticks_off()
        axes.legend(fontsize="small")
    figure.savefig(path)


def learning(states: int = 8, symbols: int = 12, steps: int = 30_000, seeds: int = 3) -> None:
    """Bits a symbol on 5000 unseen ones, after learning from scratch."""
    A, B = chain(states, symbols, seed=0)
    y, unseen = sample(A, B, steps, seed=1), sample(A, B, 5000, seed=2)
    bits = -1 / np.log(2) / len(unseen)
    print(f"the true model {model(A, B, 'exact').score(unseen) * bits:.3f}")
    for kind, choice in KINDS.items():
        runs = [nbt.HMM(states, symbols, seed=s, **choice).partial_fit(y) for s in range(seeds)]
        print(kind, [f"{hmm.score(unseen) * bits:.3f}" for hmm in runs])


if __name__ == "__main__":
    learning()
