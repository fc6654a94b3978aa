"""The oracle's reduction and NoBackTrack against dense algebra, and what every rule promises."""

import itertools

import numpy as np
import oracle
import pytest
from helpers.oracle_checks import NORMS, SYMBOLS, all_signs, close, dense, dense_norm2, fixed
from oracle import cell, optimizer, reduction

# The rank-one trick


@pytest.mark.parametrize("metric", ["euclidean", "kalman"])
@pytest.mark.parametrize("blocks", [1, 2, 4])
@pytest.mark.parametrize("exact_self", [False, True])
def test_variance_of_one_reduction(metric, blocks, exact_self):
    """(58), summed over the blocks, by enumeration of the signs; measured in the metric in use."""
    rng = np.random.default_rng(16)
    n, P, S = 4, 6, blocks
    v, w = rng.normal(size=(S, n)), rng.normal(size=(P, n))
    right, u, prior = rng.normal(size=(P, n)), rng.uniform(0.5, 2.0, n), 0.3
    left = rng.normal(size=(n, n)) if exact_self else np.eye(n)
    gs = rng.normal(size=(3, P, n)) * (metric == "kalman")
    J, J0 = (gs**2).sum(axis=0), (gs[:, :1] * gs).sum(axis=0)
    J0[0] = 0.0

    def inner(a, b):
        return optimizer.inner(J, J0, prior, a, b)

    def squared(G):
        """Hilbert-Schmidt norm of G (n, P, n) with the metrics u on states, M^-1 on parameters."""
        return sum(u[j] * inner(G[j], G[j]).sum() for j in range(n))

    A = np.zeros((n, P, n))
    terms = [[] for _ in range(S)]  # of each block: (v_i, w_i), w_i in all the block's parameters
    for s in range(S):
        members = np.zeros((P, n))
        members[:, s::S] = w[:, s::S]
        terms[s].append((v[s], members))
    for i in range(n):
        alone = np.zeros((P, n))
        alone[:, i] = right[:, i]
        terms[i % S].append((left[:, i], alone))
    expected = 0.0
    for block in terms:
        for x, y in block:
            A += np.einsum("j,pi->jpi", x, y)
        for (v1, w1), (v2, w2) in itertools.permutations(block, 2):
            vv, ww = (u * v1 * v2).sum(), inner(w1, w2).sum()
            norms2 = (
                (u * v1**2).sum() * (u * v2**2).sum() * inner(w1, w1).sum() * inner(w2, w2).sum()
            )
            expected += np.sqrt(norms2) + vv * ww

    mean, second = 0.0, 0.0
    for sign in all_signs(n):
        new_v, new_w = reduction.fold(v, w, left, right, sign, u, inner)
        G = np.stack([np.outer(new_v[i % S], new_w[:, i]).reshape(n, P) for i in range(n)], axis=-1)
        mean, second = mean + G / 2**n, second + squared(G - A) / 2**n
    close(mean, A)
    assert second == pytest.approx(expected, rel=1e-12, abs=1e-12 * squared(A))


def test_balance_gives_up_a_product_that_is_zero():
    assert reduction.balance(16.0, 1.0) == (2.0, 0.5)
    assert reduction.balance(0.0, 1.0) == reduction.balance(1.0, 0.0) == (0.0, 0.0)
    assert reduction.balance(0.0, 0.0) == (0.0, 0.0)
    assert reduction.unbalanced(16.0, 1.0) == (1.0, 1.0)
    assert reduction.unbalanced(0.0, 1.0) == reduction.unbalanced(1.0, 0.0) == (0.0, 0.0)


def kalman_trainer(rng, *, rank, blocks, exact_self, norm, inputs="self", fresh=False, **choices):
    """A NoBackTrack under way with the Kalman optimizer, n = 4, m = 5, A = 5."""
    state = oracle.initial_state(
        rng,
        4,
        5,
        5,
        rank=rank,
        blocks=blocks,
        exact_self=exact_self,
        norm=norm,
        kalman=True,
        fresh=fresh,
    )
    return oracle.NoBackTrack(
        state,
        units=4,
        activation="sigmoid",
        inputs="symbols",
        optimizer=("kalman", fixed(0.2), 0.6),
        rank=rank,
        blocks=blocks,
        exact_self=exact_self,
        norm=norm,
        **choices,
    )


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("blocks", [1, 2, 4])
@pytest.mark.parametrize("exact_self", [False, True])
def test_scales_of_one_step_against_dense_metrics(norm, blocks, exact_self):
    """The transition is odd and even in the signs, which separates old from new: read off every
    rho, and compare with the norms of dense matrices."""
    n, K, S, prior = 4, 2, blocks, 0.6 * 4
    sign = np.array([1.0, -1.0, -1.0, 1.0])
    pair = []
    for flip in (1.0, -1.0):
        trainer = kalman_trainer(
            np.random.default_rng(18), rank=K, blocks=S, exact_self=exact_self, norm=norm,
            sign_source=lambda k, t, n, flip=flip: flip * sign,
        )  # fmt: skip
        trainer._observe(3, learning=True)
        before = trainer.state_dict()
        F = cell.jacobian(trainer.h, trainer.theta, trainer.alpha, "sigmoid")
        trainer._advance(3)
        pair.append(trainer.state_dict())
    own = before["estimator.d"] if exact_self else np.outer(before["estimator.z"], np.ones(n))
    J, J0 = before["optimizer.theta.J"], before["optimizer.theta.J0"]
    M = [dense(J, J0, prior, i) for i in range(n)]
    if norm in ("euclidean", "none"):
        M = [np.eye(len(own))] * n
    columns = F - np.diag(np.diag(F).clip(-1, 1)) if exact_self else np.eye(n)
    carry = np.eye(n) if exact_self else F
    for k in range(K):
        v, w = before["estimator.v"][k], before["estimator.w"][k]
        u = np.ones(n)
        if norm == "fisher":
            u = before["estimator.fisher"] + 1e-4
        if norm == "kalman":
            for j in range(n):  # row j of G~, unit by unit
                rows = [v[i % S, j] * w[:, i] + (own[:, i] if i == j else 0) for i in range(n)]
                u[j] = 1 / sum(dense_norm2(M[i], rows[i]) for i in range(n))
        old_v, old_w, new_v, new_w = (
            (pair[0][f"estimator.{x}"][k] + c * pair[1][f"estimator.{x}"][k]) / 2
            for c in (1, -1)
            for x in "vw"
        )
        rho = np.empty(n)
        for i in range(n):
            rho[i] = (sign[i] * own[:, i] @ own[:, i]) / (own[:, i] @ new_w[:, i])
            close(new_w[:, i], sign[i] * own[:, i] / rho[i])
            fourth = dense_norm2(M[i], own[:, i]) / (u * columns[:, i] ** 2).sum()
            assert rho[i] ** 4 == pytest.approx(1.0 if norm == "none" else fourth, rel=1e-11)
        for s in range(S):
            members = range(s, n, S)
            close(new_v[s], carry @ sum(sign[i] * rho[i] * columns[:, i] for i in members))
            source = F @ v[s] if exact_self else v[s]
            fourth = sum(dense_norm2(M[i], w[:, i]) for i in members) / (u * source**2).sum()
            rho_bar = 1.0 if norm == "none" else fourth**0.25
            close(old_v[s], rho_bar * (carry @ source))
            for i in members:
                close(old_w[:, i], w[:, i] / rho_bar)


# NoBackTrack


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("exact_self", [False, True])
def test_gradient_is_that_of_the_estimated_influence(norm, exact_self):
    rng = np.random.default_rng(19)
    trainer = kalman_trainer(rng, rank=3, blocks=2, exact_self=exact_self, norm=norm)
    trainer.learn(SYMBOLS)
    influence = trainer.influence()
    trainer._observe(2, learning=True)
    close(trainer.g_theta, np.einsum("k,kpi->pi", trainer.H, influence))


def test_without_cross_connections_exact_self_influence_is_exact():
    """As long as |F_ii| <= 1; what is beyond is estimated."""
    rng = np.random.default_rng(20)
    seed = int(rng.integers(2**32))
    trainers = []
    for rule, kind in (("nobacktrack", oracle.NoBackTrack), ("rtrl", oracle.RTRL)):
        state = oracle.initial_state(
            np.random.default_rng(seed), 3, 5, 5, rule=rule, fresh=True, exact_self=True
        )
        state["cell.W"] = np.diag(np.diag(state["cell.W"]).clip(-1, 1) * (1 - state["cell.alpha"]))
        choices = {"exact_self": True} if rule == "nobacktrack" else {}
        trainer = kind(
            state,
            units=3,
            activation="tanh",
            inputs="symbols",
            optimizer=("sgd", fixed(0.0)),
            **choices,
        )
        trainer.learn(SYMBOLS)
        trainers.append(trainer)
    close(trainers[0].influence(), trainers[1].influence())


def test_fisher_is_a_running_mean():
    """s after steps 0, 1 with weights 1 and 1/sqrt(2); observing leaves it, J, theta, phi alone."""
    trainer = kalman_trainer(
        np.random.default_rng(21), rank=1, blocks=2, exact_self=True, norm="fisher", fresh=True
    )
    trainer.learn([1])
    first = trainer.H**2
    close(trainer.fisher, first)
    trainer.learn([4])
    close(trainer.fisher, first + (trainer.H**2 - first) / np.sqrt(2))
    before, h = trainer.state_dict(), trainer.h
    trainer.observe([0, 2])
    after = trainer.state_dict()
    for key in before:
        if key.startswith(("optimizer", "cell", "readout")) or key == "estimator.fisher":
            assert (before[key] == after[key]).all(), key
    assert after["step"] == 4
    assert (after["state.h"] != h).all()


def test_kalman_norm_needs_the_kalman_optimizer():
    state = oracle.initial_state(np.random.default_rng(22), 3, 5, 5)
    with pytest.raises(ValueError, match="kalman"):
        oracle.NoBackTrack(
            state,
            units=3,
            activation="tanh",
            inputs="symbols",
            optimizer=("sgd", fixed(0.1)),
            norm="kalman",
        )


RULES = {
    "rtrl": (oracle.RTRL, {}),
    "bptt": (oracle.TruncatedBPTT, {"window": 3}),
    "plain": (oracle.NoBackTrack, {"rank": 2, "blocks": 2, "norm": "kalman"}),
    "exact": (oracle.NoBackTrack, {"rank": 2, "blocks": 3, "norm": "fisher", "exact_self": True}),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("supervised", [False, True])
def test_a_run_resumes_from_its_state(name, supervised):
    """Any cut, the state given back and taken again: the same bits, and the state not touched."""
    kind, own = RULES[name]
    rule = name if name in ("rtrl", "bptt") else "nobacktrack"
    state = oracle.initial_state(
        np.random.default_rng(23), 3, 5, 5, rule=rule, kalman=True, fresh=True, **own
    )
    x, y = list(SYMBOLS), list(SYMBOLS[::-1])
    data = (x, y) if supervised else (x,)

    def build(state):
        optimizer = ("kalman", lambda t: 0.3 / np.sqrt(t + 1), 0.2)
        return kind(state, units=3, activation="tanh", inputs="symbols", optimizer=optimizer, **own)

    copy = {key: value.copy() for key, value in state.items()}
    whole = build(state)
    losses = list(whole.learn(*data))
    assert state.keys() == whole.state_dict().keys()
    for cut in range(len(x) + 1):
        first = build(state)
        start = list(first.learn(*(part[:cut] for part in data)))
        second = build(first.state_dict())
        assert start + list(second.learn(*(part[cut:] for part in data))) == losses
        for key, value in second.state_dict().items():
            assert (value == whole.state_dict()[key]).all(), key
            assert (value.shape, value.dtype) == (state[key].shape, state[key].dtype), key
    for key, value in state.items():
        assert (value == copy[key]).all(), key


def test_seed_decides_the_signs():
    state = oracle.initial_state(np.random.default_rng(24), 3, 5, 5)
    choices = dict(units=3, activation="tanh", inputs="symbols", optimizer=("sgd", fixed(0.1)))
    runs = []
    for seed in (None, int(state["seed"]), 5):
        trainer = oracle.NoBackTrack(state, seed=seed, **choices)
        trainer.learn(SYMBOLS)
        runs.append(trainer.influence())
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


def test_predict_changes_nothing_and_looks_one_input_ahead():
    trainer = kalman_trainer(
        np.random.default_rng(25), rank=1, blocks=4, exact_self=True, norm="fisher"
    )
    before = trainer.state_dict()
    p, ahead = trainer.predict(), trainer.predict(3)
    for key, value in trainer.state_dict().items():
        assert (value == before[key]).all()
    assert trainer.observe([3])[0] == pytest.approx(-np.log(p[3]), rel=1e-13)
    close(trainer.predict(), ahead)
