"""Unbiasedness is exact: over all sign sequences the mean of the estimate is RTRL's G (19).

Parameters are held fixed, since a theta that moves depends on the signs. What sets rho may move: J
and the running mean of H^2 are measured on the estimate and so depend on *past* signs; the fresh
ones are independent of them, and given the past each reduction is unbiased.

The sequences are walked as a tree: from each node one step with every choice of the fresh signs.
At t = 0 of a fresh start there is nothing to reduce and the signs do not matter: the tree need not
branch there, and a test says so.
"""

import copy
import itertools

import numpy as np
import oracle
import pytest
from oracle.cell import jacobian

NORMS = ("euclidean", "kalman", "fisher", "none")
TOLERANCE = 1e-13  # of the largest entry of G


def fixed(value):
    return lambda t: value


def build(
    rule, n, *, seed, optimizer, m=4, A=4, inputs="symbols", fresh=True, expanding=False, **own
):
    """A trainer with frozen parameters; those of the same seed have the same network. `expanding`:
    units of tanh, near 0, where F_ii is 1.4 and -1.4, and 0.7 of a third."""
    kind = {"nobacktrack": oracle.NoBackTrack, "rtrl": oracle.RTRL}[rule]
    state = oracle.initial_state(
        np.random.default_rng(seed), n, m, A, rule=rule, inputs=inputs, fresh=fresh,
        kalman=optimizer[0] == "kalman", **own,
    )  # fmt: skip
    if expanding:
        for key in ("cell.b", "cell.r", "state.h"):
            state[key] *= 0.1
        state["cell.W"][np.diag_indices(n)] = np.array([1.4, -1.4, 0.7])[:n] - state["cell.alpha"]
    return kind(
        state,
        units=n,
        activation="tanh" if expanding else "sigmoid",
        inputs=inputs,
        optimizer=optimizer,
        frozen=True,
        **own,
    )


def leaves(trainer, steps, certain=0):
    """Every trainer after `steps`, a list of arguments of learn(): all signs, but +1 at the first
    `certain` of them."""
    if not steps:
        yield trainer
        return
    K, n = trainer.K, trainer.n
    draws = [(1.0,) * (K * n)] if certain else itertools.product((-1.0, 1.0), repeat=K * n)
    for draw in draws:
        moved = child(trainer, steps[0], np.reshape(draw, (K, n)))
        yield from leaves(moved, steps[1:], max(certain - 1, 0))


def child(trainer, step, signs):
    """A copy of the trainer one step on, with the given signs (K, n). The trainer stays."""
    child = copy.copy(trainer)
    child.v, child.w = trainer.v.copy(), trainer.w.copy()  # all else is replaced, not written into
    child.theta_optimizer = copy.copy(trainer.theta_optimizer)
    child.phi_optimizer = copy.copy(trainer.phi_optimizer)
    child.sign_source = lambda k, t, n: signs[k]
    child.learn(*step)
    return child


def moments(trainer, steps, certain=0):
    """Mean of the influence, its variance (the mean squared distance), number of sequences."""
    samples = np.array([leaf.influence() for leaf in leaves(trainer, steps, certain)])
    mean = samples.mean(axis=0)
    return mean, ((samples - mean) ** 2).sum(axis=(1, 2, 3)).mean(), len(samples)


def check(estimate, exact):
    np.testing.assert_allclose(estimate, exact, rtol=0, atol=TOLERANCE * np.abs(exact).max())


SGD = "sgd", fixed(0.0)
KALMAN = "kalman", lambda t: 0.5 / np.sqrt(t + 1), 0.3
#: The optimizers under which a norm is another norm.
OPTIMIZERS = {"euclidean": [SGD], "none": [SGD], "kalman": [KALMAN], "fisher": [SGD, KALMAN]}

CASES = [
    pytest.param(
        n, T, norm, optimizer, blocks, exact_self,
        id=f"n{n}-T{T}-{norm}-{optimizer[0]}-S{blocks}-{'exact_self' if exact_self else 'plain'}",
    )
    for n, T in ((3, 3), (2, 7), (5, 2))
    for norm in NORMS
    for optimizer in OPTIMIZERS[norm]
    for blocks in sorted({1, 2, n})
    for exact_self in (False, True)
]  # fmt: skip


@pytest.mark.parametrize(("n", "T", "norm", "optimizer", "blocks", "exact_self"), CASES)
def test_mean_over_all_signs_is_exact(n, T, norm, optimizer, blocks, exact_self):
    steps = [([symbol],) for symbol in (3, 0, 2, 2, 1, 3, 0)[:T]]
    rtrl = build("rtrl", n, seed=31, optimizer=optimizer)
    for step in steps:
        rtrl.learn(*step)
    trainer = build(
        "nobacktrack",
        n,
        seed=31,
        optimizer=optimizer,
        norm=norm,
        blocks=blocks,
        exact_self=exact_self,
    )
    mean, variance, count = moments(trainer, steps, certain=1)
    assert count == 2 ** (n * (T - 1))
    check(mean, rtrl.influence())
    if T == 2 and blocks == n:
        assert variance < 1e-25  # one term for each v_s: nothing has been mixed yet
    else:
        assert variance > 1e-3


@pytest.mark.parametrize(("n", "T", "window"), [(2, 6, 1), (2, 7, 3), (3, 5, 1), (3, 4, 2)])
@pytest.mark.parametrize("norm", NORMS)
def test_mean_with_a_window_is_exact(norm, n, T, window):
    """Terms that left their unit up to T - 1 - window steps ago have joined the pairs by then."""
    steps = [([symbol],) for symbol in (3, 0, 2, 2, 1, 3, 0)[:T]]
    own = {"norm": norm, "blocks": n - 1, "exact_self": True, "window": window}
    rtrl = build("rtrl", n, seed=31, optimizer=OPTIMIZERS[norm][-1])
    for step in steps:
        rtrl.learn(*step)
    trainer = build("nobacktrack", n, seed=31, optimizer=OPTIMIZERS[norm][-1], **own)
    mean, variance, _ = moments(trainer, steps, certain=1)
    check(mean, rtrl.influence())
    assert variance > 1e-9


@pytest.mark.parametrize(
    ("n", "T", "blocks", "window"),
    [(3, 4, 1, 0), (3, 4, 2, 0), (3, 4, 3, 0), (2, 6, 1, 2), (2, 6, 2, 1)],
)
@pytest.mark.parametrize("norm", NORMS)
def test_mean_is_exact_where_units_expand(norm, n, T, blocks, window):
    """F_ii beyond 1 and -1: what exact self-influence leaves to the pairs is unbiased, too."""
    symbols = (3, 0, 2, 2, 1, 3)[:T]
    common = {"seed": 36, "optimizer": OPTIMIZERS[norm][-1], "expanding": True}
    own = {"norm": norm, "blocks": blocks, "exact_self": True, "window": window}
    rtrl = build("rtrl", n, **common)
    factors = []
    for symbol in symbols:
        factors.append(np.diag(jacobian(rtrl.h, rtrl.theta, rtrl.alpha, "tanh")))
        rtrl.learn([symbol])
    factors = np.array(factors)[1 : T - window]  # of what was there, and has left the window
    assert factors.min() < -1
    assert factors.max() > 1
    trainer = build("nobacktrack", n, **common, **own)
    mean, variance, _ = moments(trainer, [([symbol],) for symbol in symbols], certain=1)
    check(mean, rtrl.influence())
    assert variance > 1e-3


def test_a_window_as_long_as_the_run_is_exact():
    steps = [([symbol],) for symbol in (3, 0, 2, 1)]
    own = {"norm": "fisher", "blocks": 1, "exact_self": True, "window": 4}
    rtrl, trainer = (
        build(rule, 3, seed=31, optimizer=KALMAN, **choices)
        for rule, choices in (("rtrl", {}), ("nobacktrack", own))
    )
    for step in steps:
        rtrl.learn(*step)
        trainer.learn(*step)
        check(trainer.influence(), rtrl.influence())


@pytest.mark.parametrize("exact_self", [False, True])
@pytest.mark.parametrize("norm", NORMS)
def test_signs_before_anything_happened_do_not_matter(norm, exact_self):
    trainer = build(
        "nobacktrack",
        3,
        seed=32,
        optimizer=OPTIMIZERS[norm][-1],
        norm=norm,
        blocks=2,
        exact_self=exact_self,
    )
    states = [leaf.state_dict() for leaf in leaves(trainer, [([1],)])]
    assert len(states) == 8
    for state in states[1:]:
        for key, value in state.items():
            assert (value == states[0][key]).all(), key


@pytest.mark.parametrize("exact_self", [False, True])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("n", "T", "rank", "blocks"), [(3, 3, 1, 2), (2, 2, 2, 1), (3, 1, 3, 2), (4, 2, 1, 3)]
)
def test_any_state_is_carried_on_without_bias(n, T, rank, blocks, norm, exact_self):
    """From a run under way, at any rank: RTRL goes on from the estimate. Vectors, and x first."""
    rng = np.random.default_rng(33)
    m, A, optimizer = 3, 5, OPTIMIZERS[norm][-1]
    steps = [([rng.normal(size=m)], [int(y)]) for y in rng.integers(A, size=T)]
    common = {
        "seed": 34,
        "optimizer": optimizer,
        "m": m,
        "A": A,
        "inputs": "vector",
        "fresh": False,
    }
    own = {"rank": rank, "blocks": blocks, "exact_self": exact_self, "norm": norm}
    trainer = build("nobacktrack", n, **common, **own)
    rtrl = build("rtrl", n, **common)
    rtrl.G = trainer.influence()
    for step in steps:
        rtrl.learn(*step)
    mean, variance, count = moments(trainer, steps)
    assert count == 2 ** (n * T * rank)
    assert variance > 1e-3
    check(mean, rtrl.influence())


def test_variance_falls_with_rank_blocks_and_exact_self_influence():
    """Rank K divides it by K exactly, theta held fixed; the rest is a fact about one network."""
    steps = [([symbol],) for symbol in (3, 0, 2, 1)]

    def variance(n, steps, **own):
        return moments(build("nobacktrack", n, seed=35, optimizer=SGD, **own), steps, certain=1)[1]

    one = variance(2, steps[:3], rank=1)
    assert variance(2, steps[:3], rank=2) == pytest.approx(one / 2, rel=1e-12)
    plain = variance(3, steps)
    blocks, exact_self = variance(3, steps, blocks=3), variance(3, steps, exact_self=True)
    both = variance(3, steps, blocks=3, exact_self=True)
    none = variance(3, steps, norm="none")
    assert both < min(blocks, exact_self)
    assert max(blocks, exact_self) < plain < none
