"""The rules with windows in the C core are unbiased, exactly: by the mean over all signs.

As in `test_unbiased_core`, signs are drawn from (seed, pair, step, unit), so every sequence of them
is that of some seed. θ is held fixed while signs are drawn, because these windows are observed. The
window that follows is learned with SGD: the difference in θ is the estimated gradient.
"""

import functools

import numpy as np
import pytest
from helpers.windows import CELLS, ONE_GATE, random_state, trainer_of
from oracle.cell import activate

import nbt
from nbt import _core

N, A, M = 2, 4, 3
T = pytest.mark.parametrize("T", [1, 2, 3])
START = 3  # the first step
RATE = 0.5
TOLERANCE = 1e-11  # of the largest entry; θ is near 1, its change near 10^-3
BY_TARGET, BY_TRANSITION, BY_FLUSH = range(3)


@functools.cache
def seeds(draws, units):
    """A seed for each sequence of the signs, 2 for a unit, of each draw, (pair, step)."""
    found, seed = {}, 0
    while len(found) < 4 ** (units * len(draws)):
        sequence = tuple(_core.sign_bits(seed, *draw, 0)[0] % 4**units for draw in draws)
        found.setdefault(sequence, seed)
        seed += 1
    return tuple(found.values())


def build(rule, cell, every, *, readout=None, **own):
    one_gate = cell in ONE_GATE
    every = max(every, 2) if one_gate else every
    own |= {"dtype": "float64", "seed": 1, "inputs": nbt.Vector(M, False)}
    cell = CELLS[cell][0](N) if isinstance(cell, str) else cell
    return trainer_of(rule, cell, readout or nbt.Softmax(A), nbt.SGD(RATE), every, **own)


def data(steps, seed=7):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, M)), rng.integers(0, A, steps)


def change(trainer, x, y):
    """What learning from these steps, and the end of the window, adds to θ."""
    before = trainer.parameters
    trainer.learn(x, y)
    trainer.flush()
    after = trainer.parameters
    return {key: after[key] - before[key] for key in before if key.startswith("cell.")}


def gradients(trainer, state, seed, observe, last):
    """Change of θ by the last window, and the estimate before it, with the signs of a seed."""
    trainer.load_state_dict(state | {"seed": np.uint64(seed)})
    observe(trainer)
    G = trainer.influence()
    return change(trainer, *last), G


def check_mean(trainer, state, draws, observe, last, exact, units=N):
    """`exact`: change of θ and influence, the latter None if it is not known."""
    samples = [gradients(trainer, state, seed, observe, last) for seed in seeds(draws, units)]
    wanted, G = exact
    varied = 0.0
    for key, value in wanted.items():
        made = np.array([one[key] for one, _ in samples])
        wrong = np.abs(made.mean(0) - value).max()
        assert wrong <= TOLERANCE * max(np.abs(value).max(), 1e-3), key
        varied += made.var(0).sum()
    if G is not None:
        made = np.array([one for _, one in samples])
        assert np.abs((made - G).mean(0)).max() <= TOLERANCE * np.abs(G).max()
    return varied


def exact_rule(cell, every, trainer, state, **more):
    """RTRL with the same parameters and states, which knows what the estimate says."""
    rtrl = build("rtrl", cell, every, **more)
    trainer.load_state_dict(state)
    shared = {key: value for key, value in state.items() if key in rtrl.state_dict()}
    G = trainer.influence() if cell not in ONE_GATE else of_both(trainer, state)
    rtrl.load_state_dict(shared | {"estimator.G": G})
    return rtrl


def of_both(trainer, state):
    """The estimate of ∂s/∂θ for a cell with one gate: that of y too, which has signs of its own."""
    y = activate(state["state.h"], trainer.cell.activation)
    slope = 1 - y**2 if trainer.cell.activation == "tanh" else y * (1 - y)
    G = np.einsum("ksj,kpi->sjpi", state["estimator.v"], state["estimator.w"]) / trainer.rank
    for i in range(N):
        G[0, i, :, i] += state["estimator.d"][:, i]
        G[1, i, :, i] += state["estimator.d"][:, i] * slope[i]
    return G


@T
@pytest.mark.parametrize(("rank", "windows"), [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("cell", CELLS)
def test_mean_over_all_signs_is_exact(cell, rank, windows, T):
    """From an estimate under way: the estimate after the windows, and the gradient of the next."""
    norm = ("euclidean", "none")[(list(CELLS).index(cell) + rank + windows + T) % 2]
    trainer = build("nobacktrack", cell, T, rank=rank, norm=norm)
    T = trainer.every
    state = random_state(trainer, np.random.default_rng(5), step=START)
    x, y = data((windows + 1) * T)
    first, last = slice(0, windows * T), slice(windows * T, None)
    ends = [START + (k + 1) * T - 1 for k in range(windows)]
    draws = tuple((BY_TARGET * rank + pair, end) for pair in range(rank) for end in ends)
    rtrl = exact_rule(cell, T, trainer, state)

    def observe(one):
        one.observe(x[first], y[first])

    observe(rtrl)
    G = rtrl.influence()
    exact = change(rtrl, x[last], y[last]), G
    assert check_mean(trainer, state, draws, observe, (x[last], y[last]), exact) > 1e-9


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("closed", ["by a transition", "by a flush", "by a flush after one"])
@pytest.mark.parametrize("cell", ["lstm", "rms gru", "mgu", "lru", "leaky"])
def test_windows_that_close_otherwise(cell, closed, rank):
    """By the transition after one without a target; by `flush`, sooner than they are full."""
    trainer = build("nobacktrack", cell, 3, rank=rank)
    state = random_state(trainer, np.random.default_rng(5), step=START)
    (x, y), T = data(6), trainer.every
    steps = T if closed == "by a transition" else 2
    by = BY_TRANSITION if closed == "by a transition" else BY_FLUSH
    draws = tuple((by * rank + pair, START + steps) for pair in range(rank))
    last = x[T:], y[T:]

    def observe(one):
        one.observe(x[:steps], ... if "transition" in closed or "after" in closed else y[:steps])
        if by == BY_FLUSH:
            one.flush()

    rtrl = exact_rule(cell, T, trainer, state)
    observe(rtrl)
    G = rtrl.influence() if by == BY_FLUSH else None
    exact = change(rtrl, *last), G
    assert check_mean(trainer, state, draws, observe, last, exact) > 1e-9


@T
@pytest.mark.parametrize(
    ("cell", "rank"),
    [
        (nbt.Stack([nbt.LSTM(2), nbt.LSTM(1)]), 1),
        (nbt.Stack([nbt.LSTM(1), nbt.LSTM(1)]), 2),
        (nbt.Stack([nbt.LSTM(1, recurrent=False), nbt.LSTM(2, recurrent=False)]), 1),
        (nbt.Stack([nbt.GRU(1), nbt.GRU(1), nbt.GRU(1)]), 1),
        (nbt.Stack([nbt.MGU(2, norm="rms"), nbt.MGU(2, norm="rms")]), 1),
        (nbt.Stack([nbt.LRU(2), nbt.LRU(2)]), 1),
    ],
    ids=str,
)
def test_stacks(cell, rank, T):
    """From the beginning of an estimate, against one window over all steps."""
    trainer = build("nobacktrack", cell, T, rank=rank)
    state = random_state(trainer, np.random.default_rng(5), step=START)
    none = ("estimator.", "window.")  # nothing older, no gradient left
    state |= {key: 0 * value for key, value in state.items() if key.startswith(none)}
    x, y = data(2 * T)
    first, last = slice(0, T), slice(T, None)
    whole = build("bptt", cell, 2 * T)
    shared = whole.state_dict()
    shared |= {key: state[key] for key in shared if not key.startswith("window.")}
    whole.load_state_dict(shared)

    def observe(one):
        one.observe(x[first], y[first])

    observe(whole)
    exact = change(whole, x[last], y[last]), None
    draws = tuple((pair, START + T - 1) for pair in range(rank))
    check_mean(trainer, state, draws, observe, (x[last], y[last]), exact, cell.units)


@pytest.mark.parametrize("missing", ["skip", "mask"])
@pytest.mark.parametrize("cell", ["lstm", "rms mgu", "lru", "leaky"])
def test_missing_targets(cell, missing):
    """Numbers, some missing, in the windows before and in that which is learned."""
    readout = nbt.Gaussian(A, standardize=False)
    trainer = build("nobacktrack", cell, 2, rank=1, readout=readout, missing=missing)
    state = random_state(trainer, np.random.default_rng(5), step=START)
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(4, M)), rng.normal(size=(4, A))
    x[0, 1] = y[1, 2] = y[2, 0] = np.nan
    if missing == "mask":
        y[3, :2] = np.nan
    draw = (BY_TARGET, START + 1) if missing == "mask" else (BY_TRANSITION, START + 2)
    more = {"readout": readout, "missing": missing}
    rtrl = exact_rule(cell, 2, trainer, state, **more)

    def observe(one):
        one.observe(x[:2], y[:2])

    observe(rtrl)
    G = rtrl.influence()
    exact = change(rtrl, x[2:], y[2:]), G
    assert check_mean(trainer, state, (draw,), observe, (x[2:], y[2:]), exact) > 1e-9


@T
@pytest.mark.parametrize(
    "cell",
    [
        nbt.LSTM(5, recurrent=False),
        nbt.LSTM(5, coupled=True, recurrent=False),
        nbt.LRU(6),
        nbt.LRU(20),
    ],
    ids=repr,
)
@pytest.mark.parametrize("readout", [nbt.Softmax(A), nbt.Gaussian(A, standardize=False)])
def test_own_paths_are_exact_without_recurrence(readout, cell, T):
    """`rank=0` is RTRL where W is absent: no path leaves its unit."""
    own = {"dtype": "float64", "inputs": nbt.Vector(M, False), "seed": 2}
    ours, exact = (
        trainer_of(rule, cell, readout, nbt.SGD(0.1), T, **own) for rule in ("nobacktrack", "rtrl")
    )
    x, y = data(40)
    if isinstance(readout, nbt.Gaussian):
        y = np.random.default_rng(8).normal(size=(40, A))
    losses, wanted = ours.learn(x, y), exact.learn(x, y)
    np.testing.assert_allclose(losses, wanted, rtol=1e-12, atol=1e-12)
    ours.flush(), exact.flush()
    for key, value in exact.parameters.items():
        assert np.abs(ours.parameters[key] - value).max() <= 1e-12 * np.abs(value).max(), key
    G = exact.influence()[0]  # of c; nothing comes from y(t) any more
    assert np.abs(ours.influence()[0] - G).max() <= 1e-12 * np.abs(G).max()
