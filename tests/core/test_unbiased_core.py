"""The C core is unbiased, exactly: the mean of its estimate over all signs is RTRL's G (19).

The core takes its signs from Philox, a pure function of (seed, pair, step, unit), so every sequence
of n signs over T steps is that of some seed: `seeds` scans for one seed of each of the 2^(nT). What
runs is what a user runs, and RTRL is the core's own.

Parameters are held fixed, since a theta that moves depends on the signs: SGD learns at a rate of 0
(and norm `fisher` moves its weights), Kalman observes, from a state with a J of its own.
"""

import functools
import itertools

import numpy as np
import oracle
import oracle.philox
import pytest

import nbt
from nbt import _core

TOLERANCE = 1e-13  # of the largest entry of G
M, A = 4, 4  # inputs are the symbols
SIZES = ((3, 3), (2, 7), (5, 2))
BLOCK = (3, 0, 2, 2, 1, 3, 0)

#: The optimizers under which a norm is another norm.
OPTIMIZERS = {
    "euclidean": ["sgd"],
    "none": ["sgd"],
    "kalman": ["kalman"],
    "fisher": ["sgd", "kalman"],
}


@functools.cache
def seeds(n, T, start):
    """A seed for each of the 2^(nT) sign sequences of pair 0 at the steps from `start` on."""
    found = {}
    seed = 0
    while len(found) < 2 ** (n * T):
        sequence = tuple(
            _core.sign_bits(seed, 0, step, 0)[0] % 2**n for step in range(start, start + T)
        )
        found.setdefault(sequence, seed)
        seed += 1
    return tuple(found.values())


def build(n, optimizer, start, **own):
    """NoBackTrack and RTRL with the same parameters, h and J; RTRL has the estimate's G."""
    choice = nbt.SGD(0.0) if optimizer == "sgd" else nbt.Kalman(0.2, prior=0.3)
    common = {"dtype": "float64", "seed": 1}
    cell, readout = nbt.LeakyRNN(n), nbt.Softmax(A)
    trainer = nbt.NoBackTrack(cell, readout, choice, **own, **common)
    state = oracle.initial_state(
        np.random.default_rng(41),
        n,
        M,
        A,
        fresh=start == 0,
        kalman=optimizer == "kalman",
        step=start,
        **{"rank": 1} | own,
    )
    if optimizer == "kalman":  # also at the beginning
        other = oracle.initial_state(np.random.default_rng(42), n, M, A, kalman=True)
        state |= {key: value for key, value in other.items() if key.startswith("optimizer")}
    trainer.load_state_dict(state)
    rtrl = nbt.RTRL(cell, readout, choice, **common)
    shared = {key: value for key, value in state.items() if not key.startswith("estimator")}
    rtrl.load_state_dict(shared | {"estimator.G": trainer.influence()})
    return trainer, rtrl


def samples(trainer, verb, block, seeds):
    """v (seeds, K, S, n) and w (seeds, K, P, n) after the block, from the same state each time."""
    core = trainer._live.learner
    start, counters = {name: array.copy() for name, array in core.arrays.items()}, core.counters()
    v, w = [], []
    run = getattr(trainer, verb)
    for seed in seeds:
        for name in ("v", "w", "d", "z", "h", "fisher"):
            if name in start:
                core.arrays[name][:] = start[name]
        core.set_counters(**counters | {"seed": seed})
        core.refresh()
        run(block)
        core.settle()
        v.append(trainer._live.table.read("estimator.v"))
        w.append(trainer._live.table.read("estimator.w"))
    return np.array(v), np.array(w)


def influences(trainer, v, w):
    """The estimate of dh/dtheta for each sample, (seeds, n, P, n), from its definition."""
    state = trainer.state_dict()
    N, K, S, n = v.shape
    G = np.zeros((N, n, w.shape[2], n))
    for i in range(n):
        for k in range(K):
            G[..., i] += v[:, k, i % S, :, None] * w[:, k, None, :, i] / K
        G[:, i, :, i] += state["estimator.d"][:, i] if trainer.exact_self else state["estimator.z"]
    return G


CASES = [
    pytest.param(
        n,
        T,
        start,
        optimizer,
        {"norm": norm, "blocks": blocks, "exact_self": exact_self},
        id=f"n{n}-T{T}-t{start}-{norm}-{optimizer}-S{blocks}-{'exact' if exact_self else 'plain'}",
    )
    for n, T in SIZES
    for start in (0, 5)
    for norm in OPTIMIZERS
    for optimizer in OPTIMIZERS[norm]
    for blocks in sorted({1, 2, n})
    for exact_self in (False, True)
]


@pytest.mark.parametrize(("n", "T", "start", "optimizer", "own"), CASES)
def test_mean_over_all_signs_is_exact(n, T, start, optimizer, own):
    """From the beginning, where the estimate is 0, and from an estimate under way."""
    trainer, rtrl = build(n, optimizer, start, **own)
    verb = "learn" if optimizer == "sgd" else "observe"
    block = np.array(BLOCK[:T], dtype=np.int32)
    expected = seeds(n, T, start)
    assert len(set(expected)) == 2 ** (n * T)
    v, w = samples(trainer, verb, block, expected)
    getattr(rtrl, verb)(block)
    G = influences(trainer, v, w)
    np.testing.assert_array_equal(G[-1], trainer.influence())
    exact = rtrl.influence()
    assert trainer.step == rtrl.step == start + T
    error = (G - exact).mean(axis=0)  # a mean of 16384 numbers near 6 would be off by 10^-13 itself
    np.testing.assert_allclose(error, 0, rtol=0, atol=TOLERANCE * np.abs(exact).max())
    # and the signs did matter
    if start or T > 2 or own["blocks"] < n:
        assert G.var(axis=0).sum() > 1e-3


@pytest.mark.parametrize("exact_self", [False, True])
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize(("norm", "optimizer"), [("kalman", "kalman"), ("fisher", "kalman")])
def test_pairs_are_independent_estimates(norm, optimizer, blocks, exact_self):
    """Rank K is K estimates, each with its own signs and as it would be alone."""
    n, T, K = 2, 3, 500
    own = {"norm": norm, "blocks": blocks, "exact_self": exact_self}
    one, rtrl = build(n, optimizer, 5, **own)
    many = nbt.NoBackTrack(
        one.cell, one.readout, one.optimizer, dtype="float64", rank=K, **own, seed=1
    )
    state = one.state_dict()
    for key in ("estimator.v", "estimator.w"):
        state[key] = np.repeat(state[key], K, axis=0)
    many.load_state_dict(state | {"seed": np.uint64(77)})
    block = np.array(BLOCK[:T], dtype=np.int32)
    many.observe(block)
    rtrl.observe(block)
    state = many.state_dict()
    # the first pair with each of the 64 sign sequences
    found = {}
    for k in range(K):
        sequence = tuple(_core.sign_bits(77, k, 5 + step, 0)[0] % 2**n for step in range(T))
        found.setdefault(sequence, k)
    assert len(found) == 2 ** (n * T)
    chosen = list(found.values())
    v, w = state["estimator.v"][chosen], state["estimator.w"][chosen]
    mean = influences(many, v[:, None], w[:, None]).mean(axis=0)
    exact = rtrl.influence()
    np.testing.assert_allclose(mean, exact, rtol=0, atol=TOLERANCE * np.abs(exact).max())
    # pair by pair, what rank 1 gives for the same signs
    by_sequence = dict(zip(_sequences(n, T, 5), seeds(n, T, 5), strict=True))
    lone_v, lone_w = samples(one, "observe", block, [by_sequence[key] for key in found])
    np.testing.assert_allclose(v, lone_v[:, 0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(w, lone_w[:, 0], rtol=1e-12, atol=1e-14)


def _sequences(n, T, start):
    for seed in seeds(n, T, start):
        yield tuple(_core.sign_bits(seed, 0, step, 0)[0] % 2**n for step in range(start, start + T))


# ---- the signs themselves ----------------------------------------------------------------------

#: Random123's kat_vectors: counter, key, result of Philox4x32-10.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_known_answers(counter, key, words):
    assert _core.philox(counter, key) == words


def test_philox_equals_the_oracles():
    rng = np.random.default_rng(43)
    for _ in range(500):
        counter = tuple(int(x) for x in rng.integers(2**32, size=4))
        key = tuple(int(x) for x in rng.integers(2**32, size=2))
        assert _core.philox(counter, key) == oracle.philox.philox4x32(counter, key)


def test_signs_equal_the_oracles():
    rng = np.random.default_rng(44)
    edges = (0, 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1)
    draws = [(int(a), int(b)) for a, b in rng.integers(2**64, size=(30, 2), dtype=np.uint64)]
    for seed, step in [*itertools.product(edges, edges), *draws]:
        for pair in (0, 1, 65535):
            words = [_core.sign_bits(seed, pair, step, group) for group in range(3)]
            bits = [(word >> bit) & 1 for group in words for word in group for bit in range(32)]
            signs = oracle.philox.signs(seed, pair, step, 300)
            assert [2.0 * bit - 1 for bit in bits[:300]] == list(signs)


def test_the_core_uses_those_signs():
    """Their effect, unit by unit: from v = 0 the paper's form adds eps_i rho_i e_i, then F."""
    n = 200
    trainer = nbt.NoBackTrack(
        nbt.RNN(n),
        nbt.Softmax(2),
        nbt.SGD(0.0),
        rank=2,
        blocks=1,
        exact_self=False,
        norm="euclidean",
        dtype="float64",
        seed=3**40,
    )
    trainer.load_state_dict(trainer.state_dict() | {"cell.W": 4 * np.eye(n)})  # F = 1 at h = 0
    trainer.observe([0, 1])  # at step 1 there is a w_i to fold in
    v, h = trainer.state_dict()["estimator.v"], trainer.state_dict()["state.h"]
    assert np.isfinite(h).all()
    for k in range(2):
        np.testing.assert_array_equal(np.sign(v[k, 0]), oracle.philox.signs(3**40, k, 1, n))
