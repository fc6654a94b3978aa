"""Online EM: exact statistics are Cappé's, those of the rank-one form have them as their mean."""

import copy
import itertools
import pickle

import numpy as np
import oracle.models.hmm
import pytest

import nbt
from nbt.hmm.statistics import RankOne

KINDS = {
    "exact": {"statistics": "exact"},
    "filtered": {"statistics": "filtered"},
    "rank-one": {"statistics": "rank-one", "rank": 2, "blocks": 2},
}
NEVER = 10**6  # as burn_in: the parameters stay


def model(N, M, seed=1, **own):
    """With parameters that are all different, and not those of a uniform start."""
    result = nbt.HMM(N, M, seed=seed, **own)
    rng = np.random.default_rng(seed + 100)
    start = rng.dirichlet(np.ones(N))
    A, B = rng.dirichlet(np.ones(N), N), rng.dirichlet(np.ones(M), N)
    state = result.state_dict() | {"transmat": A, "emissionprob": B, "startprob": start}
    result.load_state_dict(state)
    return result


def sequence(M, T, seed=7):
    return np.random.default_rng(seed).integers(M, size=T)


def sample(A, B, T, seed):
    rng = np.random.default_rng(seed)
    x, y = 0, np.empty(T, int)
    a, b, u = A.cumsum(axis=1), B.cumsum(axis=1), rng.random((T, 2)) * (1 - 1e-9)
    for t in range(T):
        x = int(np.searchsorted(a[x], u[t, 0]))
        y[t] = np.searchsorted(b[x], u[t, 1])
    return y


def statistics(hmm):
    S = hmm.state_dict()["statistics.S"]
    return S[: hmm.states], S[hmm.states :].T


# ---- the oracle, and the exact recursion ---------------------------------------------------------


def test_the_oracle_is_the_sum_over_all_paths():
    hmm = model(3, 4)
    y = sequence(4, 6)
    gammas = [None, *(s**-0.6 for s in range(1, 6))]
    parameters = hmm.startprob_, hmm.transmat_, hmm.emissionprob_
    em = oracle.models.hmm.OnlineEM(*parameters, lambda t: gammas[t], NEVER, 0)
    for symbol in y:
        em.learn(symbol)
    expected = oracle.models.hmm.smoothed_statistics(*parameters, y, gammas)
    np.testing.assert_allclose(em.S_q, expected[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(em.S_g, expected[1], rtol=0, atol=1e-14)
    assert em.S_q.sum() == pytest.approx(1)  # the first weight is 1


@pytest.mark.parametrize("rate", [None, 0.05, nbt.InverseSqrt(0.7)])
def test_exact_equals_the_oracle_while_it_learns(rate):
    hmm = model(3, 4, burn_in=5, rate=rate)
    if rate is None:
        gamma = lambda t: t**-0.6  # noqa: E731
    elif rate == 0.05:
        gamma = lambda t: 0.05  # noqa: E731
    else:
        gamma = lambda t: min(1, 0.7 / t**0.5)  # noqa: E731
    em = oracle.models.hmm.OnlineEM(
        hmm.startprob_, hmm.transmat_, hmm.emissionprob_, gamma, burn_in=5, least=1e-4
    )
    before = hmm.transmat_.copy()
    for symbol in sequence(4, 40):
        assert hmm.learn([symbol])[0] == pytest.approx(em.learn(symbol), 1e-12)
        for actual, expected in zip(statistics(hmm), (em.S_q, em.S_g), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13)
        np.testing.assert_allclose(hmm.transmat_, em.A, rtol=1e-10)
        np.testing.assert_allclose(hmm.emissionprob_, em.B, rtol=1e-10)
    assert np.abs(hmm.transmat_ - before).max() > 0.05


# ---- the rank-one form ---------------------------------------------------------------------------


def all_runs(hmm, y, monkeypatch):
    """The model after y for every choice of signs; those of the first two steps have no effect."""
    shape = hmm.rank, hmm.states
    free = len(y) - 2
    for draw in itertools.product((-1.0, 1.0), repeat=free * shape[0] * shape[1]):
        signs = np.reshape(draw, (free, *shape))
        monkeypatch.setattr(RankOne, "_signs", lambda self, t, s=signs: s[t - 2] if t > 1 else s[0])
        run = copy.deepcopy(hmm)
        run.learn(y)
        yield run


@pytest.mark.parametrize(
    ("N", "M", "T", "rank", "blocks"),
    [(2, 3, 7, 1, 1), (2, 3, 7, 1, 2), (3, 4, 5, 1, 1), (3, 4, 5, 1, 2), (3, 2, 5, 1, 3),
     (2, 3, 4, 2, 1), (2, 5, 4, 2, 2)],
)  # fmt: skip
def test_mean_over_all_signs_is_exact(N, M, T, rank, blocks, monkeypatch):
    """S, and D with it: G[k] = S + D[k]. From a run under way, with a rate that changes."""
    own = {"statistics": "rank-one", "rank": rank, "blocks": blocks}
    hmm = model(N, M, burn_in=NEVER, **own)
    exact = model(N, M, burn_in=NEVER)
    y = sequence(M, T)
    exact.learn(y)
    S, G = [], []
    for run in all_runs(hmm, y, monkeypatch):
        a = run.state_dict()
        v, w, own_terms = (a[f"statistics.{key}"] for key in ("v", "w", "own"))
        v = v[:, np.arange(N) % blocks]  # (rank, column, state)
        D = np.einsum("rjk,rpj->kpj", v, w) / rank
        Q = np.eye(N) - np.outer(np.ones(N), a["filter"])
        D += np.einsum("kj,pj->kpj", Q, own_terms)
        S.append(a["statistics.S"])
        G.append(a["statistics.S"] + D)
    expected = exact.state_dict()
    for actual, wanted in ((S, "statistics.S"), (G, "statistics.G")):
        mean = np.mean(actual, axis=0)
        np.testing.assert_allclose(mean, expected[wanted], rtol=0, atol=1e-14)
    assert np.var(S, axis=0).sum() > (1e-9 if T > 4 else -1)
    assert len(S) == 2 ** (N * (T - 2) * rank)


def test_signs_are_a_function_of_seed_and_step():
    """And each state's is its own, past 128 states, too."""
    one, other = RankOne(300, 2, 1, seed=5), RankOne(300, 2, 1, seed=6)
    signs = one._signs(9)
    assert signs.shape == (2, 300)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    np.testing.assert_array_equal(one._signs(9), signs)
    for different in (one._signs(10), other._signs(9), signs[::-1]):
        assert (different != signs).mean() > 0.3
    bits = [b for group in range(3) for word in nbt._core.sign_bits(5, 1, 9, group)
            for b in ((word >> i) & 1 for i in range(32))]  # fmt: skip
    np.testing.assert_array_equal(signs[1], 2.0 * np.array(bits[:300]) - 1)


def test_filtered_is_biased():
    y = sequence(4, 200)
    exact, filtered = (model(3, 4, burn_in=NEVER, statistics=s) for s in ("exact", "filtered"))
    errors = np.abs(exact.learn(y) - filtered.learn(y)).max()
    assert errors == 0  # the same parameters
    assert np.abs(statistics(exact)[0] - statistics(filtered)[0]).max() > 0.005


A_TRUE = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.3, 0.0, 0.7]])
B_TRUE = np.array([[0.8, 0.1, 0.05, 0.05], [0.05, 0.1, 0.8, 0.05], [0.1, 0.2, 0.0, 0.7]])


@pytest.mark.parametrize(
    "own",
    [{"statistics": "exact"}, {"statistics": "rank-one"}, {"statistics": "rank-one", "blocks": 1}],
)
def test_recovers_a_known_model(own):
    """Up to the names of the states, from 12 000 symbols."""
    hmm = nbt.HMM(3, 4, seed=2, **own).partial_fit(sample(A_TRUE, B_TRUE, 12_000, seed=3))
    best = min(
        np.abs(hmm.transmat_[np.ix_(order, order)] - A_TRUE).max()
        + np.abs(hmm.emissionprob_[list(order)] - B_TRUE).max()
        for order in itertools.permutations(range(3))
    )
    assert best < 0.12
    test = sample(A_TRUE, B_TRUE, 3000, seed=4)
    truth = nbt.HMM(3, 4)
    truth.load_state_dict(truth.state_dict() | {"transmat": A_TRUE, "emissionprob": B_TRUE})
    assert truth.score(test) - 90 < hmm.score(test) < truth.score(test)  # of 3000 nats or so
    assert nbt.HMM(3, 4, seed=2).score(test) < truth.score(test) - 700


# ---- questions -----------------------------------------------------------------------------------


def test_score_and_predict_proba_are_sums_over_all_paths():
    hmm = model(3, 4)
    y = sequence(4, 5)
    found = list(oracle.models.hmm.paths(hmm.startprob_, hmm.transmat_, hmm.emissionprob_, y))
    total = sum(p for _, p in found)
    posterior = np.zeros((5, 3))
    for path, p in found:
        posterior[range(5), path] += p / total
    assert hmm.score(y) == pytest.approx(np.log(total), 1e-12)
    np.testing.assert_allclose(hmm.predict_proba(y), posterior, rtol=1e-11)


def test_predict_is_what_the_next_loss_is_made_of():
    hmm = model(3, 4)
    for symbol in sequence(4, 30):
        p = hmm.predict()
        assert p.sum() == pytest.approx(1)
        assert hmm.learn([symbol])[0] == pytest.approx(-np.log(p[symbol]), 1e-12)


def test_losses_add_up_to_the_score_while_nothing_is_learned():
    hmm = model(3, 4, burn_in=NEVER)
    y = sequence(4, 300)
    assert hmm.learn(y).sum() == pytest.approx(-hmm.score(y), 1e-12)


def test_impossible_symbols():
    hmm = nbt.HMM(2, 3)
    B = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    hmm.load_state_dict(hmm.state_dict() | {"emissionprob": B})
    assert hmm.score([0, 1, 2]) == -np.inf
    with pytest.raises(ValueError, match="y: expected a possible sequence, got probability 0 at 2"):
        hmm.predict_proba([0, 1, 2, 0])
    with pytest.raises(nbt.DivergenceError, match="symbol 2 has probability 0 at step 1") as caught:
        hmm.learn([0, 2])
    assert caught.value.step == 1


def test_nbt_train_trains_it():
    stream = nbt.datasets.anbn(1, 4, seed=1)
    history = nbt.train(nbt.HMM(6, 3, seed=1), stream, steps=3000)
    assert history.stopped == "steps"
    assert history.tail()[1] < 1.2 < history[0].average_bits


# ---- promises ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_however_cut_saved_copied_or_pickled(kind, assert_same_state):
    y = sequence(4, 120)
    whole = model(3, 4, **KINDS[kind])
    losses = whole.learn(y)
    cut = model(3, 4, **KINDS[kind])
    parts = [cut.learn(y[:1]), cut.learn(y[1:50])]
    assert cut.partial_fit([]) is cut
    copies = [copy.copy(cut), copy.deepcopy(cut), pickle.loads(pickle.dumps(cut))]
    copies.append(model(3, 4, **KINDS[kind]))
    copies[-1].load_state_dict(cut.state_dict())
    cut.score(y), cut.predict(), cut.predict_proba(y)
    parts.append(cut.learn(y[50:]))
    np.testing.assert_array_equal(np.concatenate(parts), losses)
    for other in [cut, *(c.partial_fit(y[50:]) for c in copies)]:
        assert_same_state(other.state_dict(), whole.state_dict())
        assert other.step == 120


def test_seeds_matter():
    y = sequence(4, 60)
    runs = [nbt.HMM(3, 4, seed=s, statistics="rank-one").partial_fit(y) for s in (1, 1, 2)]
    assert (runs[0].transmat_ == runs[1].transmat_).all()
    assert (runs[0].transmat_ != runs[2].transmat_).any()


def test_what_a_call_is_given_stays_as_it_is():
    hmm, y = nbt.HMM(3, 4), sequence(4, 50)
    kept, state = y.copy(), hmm.state_dict()
    given = {key: value.copy() for key, value in state.items()}
    hmm.load_state_dict(state)
    hmm.learn(y)
    np.testing.assert_array_equal(y, kept)
    for key, value in state.items():
        np.testing.assert_array_equal(value, given[key])


def test_repr():
    assert repr(nbt.HMM(3, 4)) == "HMM(3, 4, statistics='exact', burn_in=20, seed=0)  # step 0"
    assert "rank=1, blocks=16, rate=Constant(value=0.1)" in repr(
        nbt.HMM(40, 4, statistics="rank-one", rate=0.1)
    )


MASKED = np.ma.masked_equal([0, 1, 3, 2], 3)
BAD = [
    (lambda h: nbt.HMM(0, 4), ValueError, "states"),
    (lambda h: nbt.HMM(3, 4.0), TypeError, "symbols"),
    (lambda h: nbt.HMM(3, 4, statistics="full"), ValueError, "statistics"),
    (lambda h: nbt.HMM(3, 4, rank=2), ValueError, "rank, blocks"),
    (lambda h: nbt.HMM(3, 4, statistics="rank-one", blocks=4), ValueError, "blocks"),
    (lambda h: nbt.HMM(3, 4, rate=-1), ValueError, "rate"),
    (lambda h: nbt.HMM(3, 4, burn_in=-1), ValueError, "burn_in"),
    (lambda h: nbt.HMM(3, 4, seed=-1), ValueError, "seed"),
    (
        lambda h: h.learn([0, 4]),
        ValueError,
        r"y: expected symbols in \[0, 4\), got 4 at position 1",
    ),
    (lambda h: h.learn([0, -1]), ValueError, "got -1 at position 1"),
    (lambda h: h.learn([[0]]), ValueError, "y: expected shape"),
    (lambda h: h.learn([0.5]), TypeError, "y: expected integers"),
    (lambda h: h.score("ab"), TypeError, r"y: expected integer symbols, got str; .*encode\(\)"),
    (lambda h: h.save(3), TypeError, "path: expected a str or a path, got 3"),
    (lambda h: h.load_state_dict({}), ValueError, "state: expected the names"),
    (lambda h: h.load_state_dict(7), TypeError, "state"),
    (lambda h: h.learn(MASKED), TypeError, "y: expected an array without a mask"),
    (lambda h: h.score(MASKED), TypeError, "y: expected an array without a mask"),
    (lambda h: h.predict_proba(MASKED), TypeError, "y: expected an array without a mask"),
    (lambda h: h.partial_fit([True, False]), TypeError, "y: expected integers, got bool"),
    (lambda h: h.learn([[0], [1, 2]]), ValueError, "y: expected a sequence of integers"),
    (lambda h: h.learn(None), ValueError, r"y: expected shape \(steps,\)"),
    (lambda h: h.learn([0, None]), TypeError, "y: expected integers, got object"),
    (lambda h: nbt.HMM(4096, 2**24), ValueError, "states: 'exact' statistics of 4096 states"),
    (lambda h: setattr(h, "states", 4), AttributeError, "states: cannot be set"),
    (lambda h: setattr(h, "rate", 0.1), AttributeError, "rate: cannot be set"),
    (lambda h: setattr(h, "step", -1), AttributeError, "step: of HMM it can be read"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_input_is_named_and_changes_nothing(case, assert_same_state):
    call, error, message = BAD[case]
    hmm = nbt.HMM(3, 4).partial_fit([0, 1, 2, 3])
    before = hmm.state_dict()
    with pytest.raises(error, match=message):
        call(hmm)
    assert_same_state(hmm.state_dict(), before)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("transmat", np.ones((3, 3)), "add up to 1"),
        ("transmat", np.eye(4), "expected shape"),
        ("filter", np.array([1.0, -1, 1]), "not below 0"),
        ("statistics.S", np.full((7, 3), np.nan), "finite"),
        ("step", np.uint64(2**64 - 1), "step: expected an integer in"),
        ("step", -1, "step: expected an integer in"),
        ("step", [3], "step: expected integers of shape"),
        ("filter", np.zeros(3), "filter: expected probabilities that add up to 1"),
    ],
)
def test_a_bad_state_is_refused_whole(key, value, message, assert_same_state):
    hmm = nbt.HMM(3, 4).partial_fit([0, 1, 2, 3])
    before = hmm.state_dict()
    with pytest.raises(ValueError, match=message):
        hmm.load_state_dict(before | {"step": np.uint64(99), key: value})
    assert_same_state(hmm.state_dict(), before)


def test_a_masked_state_is_refused(assert_same_state):
    """Of an HMM and of a trainer: what is masked would be taken for a number."""
    trainer = nbt.RTRL(nbt.RNN(3), nbt.Softmax(2))
    for model, key in ((nbt.HMM(3, 4), "transmat"), (trainer, "cell.W")):
        before = model.state_dict()
        masked = np.ma.masked_less(before[key], before[key].mean())
        with pytest.raises(TypeError, match=f"{key}: expected an array without a mask"):
            model.load_state_dict(before | {key: masked})
        assert_same_state(model.state_dict(), before)


# ---- probabilities that are set ----------------------------------------------------------------

GOOD = {
    "startprob_": [0.2, 0.3, 0.5],
    "transmat_": [[0.5, 0.25, 0.25], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]],
    "emissionprob_": [[1, 0, 0, 0], [0.25] * 4, [0.1, 0.2, 0.3, 0.4]],
}


@pytest.mark.parametrize("name", GOOD)
def test_probabilities_may_be_set_to_what_is_like_an_array(name):
    for given in (GOOD[name], tuple(GOOD[name]), np.array(GOOD[name], "float32")):
        hmm = nbt.HMM(3, 4).partial_fit([0, 1])
        setattr(hmm, name, given)
        np.testing.assert_allclose(getattr(hmm, name), GOOD[name], rtol=1e-6)
        assert getattr(hmm, name).dtype == np.float64
        assert sum(hmm.predict()) == pytest.approx(1)
        assert hmm.score([1, 2]) < 0


def test_what_was_set_is_a_copy_that_cannot_be_written():
    given = np.array(GOOD["transmat_"])
    hmm = nbt.HMM(3, 4)
    hmm.transmat_ = given
    given[:] = 9
    assert hmm.transmat_.tolist() == GOOD["transmat_"]
    more = [hmm, copy.copy(hmm), copy.deepcopy(hmm), pickle.loads(pickle.dumps(hmm))]
    more.append(nbt.HMM(3, 4, burn_in=0).partial_fit([0, 1, 2]))
    more.append(nbt.HMM(3, 4))
    more[-1].load_state_dict(hmm.state_dict())
    for model in more:
        for name in GOOD:
            with pytest.raises(ValueError, match="read-only"):
                getattr(model, name)[0] = 1.0


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda a: a * 3, ValueError, "add up to 1, within 1e-05, but (row 0|it) adds up to 3"),
        (lambda a: a * (1 + 3e-5), ValueError, "add up to 1"),
        (lambda a: a - 0.5, ValueError, r"expected probabilities not below 0, got -0\.\d+ at \("),
        (lambda a: a * np.nan, ValueError, "expected finite float64 numbers"),
        (lambda a: a * np.inf, ValueError, "expected finite float64 numbers"),
        (lambda a: a[:-1], ValueError, "expected shape"),
        (lambda a: a[np.newaxis], ValueError, "expected shape"),
        (lambda a: a.astype(str), TypeError, "expected real numbers, got <U"),
        (lambda a: a + 0j, TypeError, "expected real numbers, got complex128"),
        (lambda a: np.ma.masked_less(a, 0.3), TypeError, "expected an array without a mask"),
        (lambda a: [[1], [1, 2]], ValueError, "expected shape"),
        (lambda a: None, TypeError, "expected real numbers, got object"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_no_probability_is_refused(name, spoil, error, message, assert_same_state):
    hmm = nbt.HMM(3, 4).partial_fit([0, 1, 2, 3])
    before = hmm.state_dict()
    with pytest.raises(error, match=f"^{name}: .*{message}"):
        setattr(hmm, name, spoil(np.array(GOOD[name], float)))
    assert_same_state(hmm.state_dict(), before)


def test_what_adds_up_to_1_within_the_tolerance_is_kept_as_it_is():
    hmm = nbt.HMM(3, 4)
    hmm.startprob_ = np.array(GOOD["startprob_"]) * (1 + 9e-6)
    assert hmm.startprob_[0] == 0.2 * (1 + 9e-6)
