"""The paper's linear example (28), h(t+1) = (1 - α) h(t) + θ: exact variances, and those of nbt.

`python docs/pictures.py linear_example` draws them.
"""

from __future__ import annotations

import numpy as np

import nbt


def exact_variance(n: int, alpha: float, steps: int, *, rho: bool) -> np.ndarray:
    """E ‖G̃ - G‖² after 1, …, `steps` transitions, (steps,): a recursion on moments.

    With a = 1 - α, ‖ε‖² = n and E εεᵀ = Id. Without ρ, (29)-(30), v' = a (v + ε) and w' = w + ε, so

        E ‖v'‖²‖w'‖² = a² (E ‖v‖²‖w‖² + n E ‖v‖² + n E ‖w‖² + 4 E ⟨v, w⟩ + n²).

    With ρ, footnote 9, v = a u and w = u after a transition, where u' = √a u + ε, so

        E ‖u'‖⁴ = a² E ‖u‖⁴ + 2a (n + 2) E ‖u‖² + n².

    The mean of v̄ w̄ᵀ is G - Id = (a + … + aᵗ) Id.
    """
    a = 1 - alpha
    second = np.empty(steps)  # E ‖v̄ w̄ᵀ‖²
    if rho:
        u2 = u4 = 0.0
        for t in range(steps):
            second[t] = a**2 * u4
            u2, u4 = a * u2 + n, a**2 * u4 + 2 * a * (n + 2) * u2 + n**2
    else:
        v2 = w2 = vw = v2w2 = 0.0
        for t in range(steps):
            second[t] = v2w2
            v2w2 = a**2 * (v2w2 + n * v2 + n * w2 + 4 * vw + n**2)
            v2, w2, vw = a**2 * (v2 + n), w2 + n, a * (vw + n)
    mean = np.cumsum(a ** np.arange(steps)) - 1
    return second - n * mean**2


def limit(n: int, alpha: float) -> float:
    """What the variance with ρ tends to."""
    a = 1 - alpha
    return n * a**2 * (n * (1 + a) + 3 * a - 1) / ((1 + a) * alpha**2)


def slope(n: int, alpha: float) -> float:
    """What the variance without ρ comes to grow by at each step."""
    a = 1 - alpha
    return n**2 * a**2 / (1 - a**2)


def trainer(n: int, alpha: float, *, rho: bool, seed: int = 0, rank: int = 1) -> nbt.NoBackTrack:
    """The example in nbt: with tanh units, W = 0 and inputs 0 all activities stay 0, only the
    biases act, and a leaky network is (28) with θ = b."""
    result = nbt.NoBackTrack(
        nbt.LeakyRNN(n, leak=1 - alpha, activation="tanh"),
        nbt.Softmax(2),
        nbt.SGD(0.0),
        inputs=nbt.Vector(1, standardize=False),
        rank=rank,
        blocks=1,
        exact_self=False,
        norm="euclidean" if rho else "none",
        dtype="float64",
        seed=seed,
    )
    result.load_state_dict(result.state_dict() | {"cell.W": np.zeros((n, n))})
    return result


def measured_variance(n: int, alpha: float, at, *, rho: bool, pairs: int) -> np.ndarray:
    """Mean of ‖G̃ - G‖² over `pairs` independent estimates, after each number of steps in `at`."""
    network = trainer(n, alpha, rho=rho, rank=pairs)
    found, done = [], 0
    for steps in at:
        network.observe(np.zeros((steps - done, 1)), ...)
        done = steps
        state = network.state_dict()
        v, w = state["estimator.v"][:, 0], state["estimator.w"][:, 0]  # row 0 of w̄: the biases
        mean = (1 - alpha) * (1 - (1 - alpha) ** (steps - 1)) / alpha
        distance = (v**2).sum(1) * (w**2).sum(1) - 2 * mean * (v * w).sum(1) + n * mean**2
        found.append(distance.mean())
    return np.array(found)


def picture(path) -> None:
    """Variance over ‖G‖² with and without ρ, for three α; lines exact, points by the core."""
    from matplotlib.figure import Figure

    n, steps, pairs = 10, 3000, 1000
    at = np.unique(np.geomspace(2, steps, 16).astype(int))
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for alpha, colour in ((0.3, "C0"), (0.1, "C1"), (0.03, "C2")):
        G2 = n * np.cumsum((1 - alpha) ** np.arange(steps)) ** 2
        for rho, style, mark in ((False, "--", "x"), (True, "-", "o")):
            exact = exact_variance(n, alpha, steps, rho=rho) / G2
            label = f"α = {alpha}, {'with' if rho else 'without'} ρ"
            axes.plot(np.arange(2, steps + 1), exact[1:], style, color=colour, label=label)
            points = measured_variance(n, alpha, at, rho=rho, pairs=pairs) / G2[at - 1]
            axes.plot(at, points, mark, color=colour, markersize=5)
    axes.set(xscale="log", yscale="log", xlabel="step t", ylabel="variance of G̃ / ‖G‖²")
    axes.set_title(f"h(t+1) = (1 - α) h(t) + θ, n = {n}: lines exact, points {pairs} runs of nbt")
    axes.legend(fontsize="small")
    figure.savefig(path)
