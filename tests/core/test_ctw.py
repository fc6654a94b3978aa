"""Context tree weighting: the mixture over all trees, its promises, what it does without room."""

import copy
import math
import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from helpers.calls import Call, until
from oracle.models import ctw as oracle

import nbt
from nbt import _core
from nbt.baselines import CTW

LN2 = math.log(2)


def symbols_like_text(length, symbols, seed=0):
    """A source with memory: the next symbol follows the last two, or is drawn."""
    rng = np.random.default_rng(seed)
    x = list(rng.integers(0, symbols, 2))
    for _ in range(length - 2):
        draw = rng.integers(0, symbols) if rng.random() < 0.4 else (3 * x[-1] + x[-2] + 1) % symbols
        x.append(draw)
    return np.array(x, dtype=np.int32)


# ---- the mixture -------------------------------------------------------------------------------


@pytest.mark.parametrize(("symbols", "depth"), [(2, 3), (3, 2), (5, 1), (4, 0)])
def test_prior_over_trees_sums_to_one(symbols, depth):
    assert sum(Fraction(1, 2**cost) for _, cost in oracle.trees(symbols, depth)) == 1


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize(
    ("symbols", "depth", "alpha"),
    [(2, 3, "1/2"), (3, 2, "1/2"), (3, 2, "1/5"), (5, 1, "1/3"), (6, 0, "1/2"), (2, 1, "2")],
)
def test_the_mixture_over_all_trees(symbols, depth, alpha, limit):
    alpha = Fraction(alpha)
    x = symbols_like_text(24 if depth < 3 else 9, symbols, seed=depth).tolist()
    whole = [oracle.probability(x[:t], symbols, depth, alpha, limit) for t in range(len(x) + 1)]
    expected = [math.log(a / b) for a, b in pairwise(whole)]
    ctw = CTW(symbols, depth, alpha=float(alpha), limit=limit, nodes=4096)
    np.testing.assert_allclose(ctw.learn(x), expected, rtol=0, atol=1e-12)


def test_predictions_are_those_of_the_mixture():
    x = symbols_like_text(12, 3).tolist()
    ctw = CTW(3, 2, alpha=0.5, nodes=4096)
    for t in range(len(x)):
        here = oracle.probability(x[:t], 3, 2, Fraction(1, 2))
        next_ones = [oracle.probability([*x[:t], s], 3, 2, Fraction(1, 2)) for s in range(3)]
        np.testing.assert_allclose(ctw.predict(), [float(p / here) for p in next_ones], atol=1e-12)
        ctw.learn(x[t])


def test_decisions_separate_symbols():
    for symbols in (1, 2, 3, 80, 256):
        paths = [tuple(oracle.decisions(s, symbols)) for s in range(symbols)]
        assert len(set(paths)) == symbols
        assert max(map(len, paths)) == math.ceil(math.log2(symbols))


# ---- promises ----------------------------------------------------------------------------------

CASES = {  # a full pool, a forgotten past, and neither
    "room": (7, {"depth": 5}, 4000),
    "halved": (7, {"depth": 3, "limit": 20}, 4000),
    "full": (7, {"depth": 5, "nodes": 1500}, 4000),
    "forgets": (2, {"depth": 12, "nodes": 1500}, 9000),
    "bytes": (256, {"depth": 2}, 3000),
    "one": (1, {"depth": 3}, 100),
}


@pytest.fixture(params=CASES)
def case(request):
    """(a function that makes one, symbols for it)."""
    symbols, arguments, steps = CASES[request.param]
    arguments = {"nodes": 1 << 18} | arguments
    if request.param == "forgets":  # rare words, far apart
        x = np.zeros(steps, np.int32)
        for k, at in enumerate(range(50, steps - 20, 1100)):
            x[at : at + 6] = [1, 0, 1, 1, 0, k % 2]
        return lambda: CTW(symbols, **arguments), x
    return lambda: CTW(symbols, **arguments), symbols_like_text(steps, symbols)


def test_any_cut_gives_the_same_bits(case, assert_same_state):
    make, x = case
    whole, cut = make(), make()
    expected = whole.learn(x)
    parts, at = [], 0
    for size in [1, 1, 2, 5, 30, 0, 1000, 7, len(x)]:
        parts.append(cut.learn(x[at : at + size]))
        at += size
    assert np.concatenate(parts).tobytes() == expected.tobytes()
    assert_same_state(whole.state_dict(), cut.state_dict())


def test_predict_changes_nothing_and_gives_the_loss(case, assert_same_state):
    make, x = case
    ctw = make()
    for t in [*range(20), *range(1200, 1210), *range(2900, 2905)]:
        if t >= len(x):
            break
        if ctw.step < t:
            ctw.learn(x[ctw.step : t])
        before = ctw.state_dict()
        p = ctw.predict()
        assert_same_state(before, ctw.state_dict())
        assert p.dtype == np.float64
        assert p.shape == (ctw.symbols,)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-12)
        assert ctw.learn(x[t])[0] == pytest.approx(-math.log(p[x[t]]), abs=1e-12)


@pytest.mark.parametrize("way", ["state", "pickle", "deepcopy"])
def test_goes_on_from_a_state(case, way, assert_same_state):
    make, x = case
    first = make()
    half = len(x) // 2
    first.learn(x[:half])
    if way == "state":
        second = make()
        second.learn(x[:33])
        second.load_state_dict(first.state_dict())
    else:
        second = copy.deepcopy(first) if way == "deepcopy" else pickle.loads(pickle.dumps(first))
    assert repr(first) == repr(second)
    assert_same_state(first.state_dict(), second.state_dict())
    assert first.learn(x[half:]).tobytes() == second.learn(x[half:]).tobytes()
    assert_same_state(first.state_dict(), second.state_dict())


def test_observe_learns_nothing():
    x = symbols_like_text(3000, 5)
    a, b = CTW(5, 4, nodes=1 << 16), CTW(5, 4, nodes=1 << 16)
    a.learn(x[:1000]), b.learn(x[:1000])
    seen = a.observe(x[1000:1500])
    assert seen.shape == (500,)
    b.observe(x[1000:1496])
    b.observe(x[1496:1500])
    assert a.predict().tobytes() == b.predict().tobytes()
    # what passes is predicted by what was learned before, with the contexts of now
    again = CTW(5, 4, nodes=1 << 16)
    again.learn(x[:1000])
    p = np.array([again.predict()[s] for s in x[1000:1100] if again.observe(s) is not None])
    assert p.shape == (100,)
    counts = a.state_dict()["step"]
    assert int(counts) == 1500
    assert a.learn(x[1500:2000]).tobytes() == b.learn(x[1500:2000]).tobytes()


def test_a_full_tree_stays_within_its_pool_and_goes_on_learning():
    x = symbols_like_text(20_000, 7)
    small, large = CTW(7, 5, nodes=1500), CTW(7, 5)
    bits_small, bits_large = small.learn(x) / LN2, large.learn(x) / LN2
    assert small.used <= small.nodes < large.used
    full = np.flatnonzero(bits_small != bits_large)[0]
    assert full > 100  # until then, the same
    assert bits_small[-5000:].mean() < bits_small[full : full + 500].mean()
    assert bits_small[-5000:].mean() < math.log2(7) - 1


def small_tree(depth, *, nodes, history=64):
    return _core.ContextTree(
        symbols=2, depth=depth, alpha=0.5, limit=1000, nodes=nodes, buckets=16, history=history
    )


def test_without_room_the_longest_context_predicts_alone():
    """Records for the empty context's node, and none for a longer one: depth 0."""
    x = symbols_like_text(200, 2)
    unused, empty, node, room = 1, 1, 1, 9 * 3
    tree = small_tree(2, nodes=unused + empty + node + room - 1)
    expected = CTW(2, 0, alpha=0.5, nodes=1024).learn(x)
    assert tree.run(x, True).tolist() == expected.tolist()
    assert tree.used == unused + empty + node
    assert tree.predict().sum() == 1


def depth_one(x, history):
    """Depth 1, two symbols, alpha 1/2, written out; a visit older than `history` is forgotten."""
    root, beta, counts, seen, losses = [0, 0], 1, {}, {}, []
    for t, bit in enumerate(x):
        context = x[t - 1] if t else None
        if context in seen and t - seen[context] < history:
            counts[context] = [int(x[seen[context]] == k) for k in (0, 1)]
            del seen[context]
        child = counts.get(context)
        p_child = 0.5 if child is None else (child[bit] + 0.5) / (sum(child) + 1)
        p_root = (root[bit] + 0.5) / (sum(root) + 1)
        losses.append(-math.log((beta * p_root + p_child) / (beta + 1)))
        beta *= p_root / p_child
        root[bit] += 1
        if child is not None:
            child[bit] += 1
        elif t:
            seen[context] = t
    return losses


@pytest.mark.parametrize("gap", [3, 6, 7, 8, 9, 20])
def test_a_single_visit_that_is_too_long_ago_is_forgotten(gap):
    x = [0, 0, 0, 1] + gap * [0] + [1] + gap * [0] + [1, 1, 0, 1, 0, 0]
    tree = small_tree(1, nodes=4096, history=8)
    np.testing.assert_allclose(tree.run(x, True), depth_one(x, history=8), atol=1e-12)
    forgotten = not np.allclose(depth_one(x, history=8), depth_one(x, history=1000))
    assert forgotten == (gap > 6)


def test_one_symbol_costs_nothing():
    assert CTW(1).learn([0, 0, 0]).tolist() == [0, 0, 0]


def test_a_source_of_short_memory_is_learned():
    """The next of 3 symbols depends on the last one: the entropy rate is reached."""
    rows = np.array([[0.9, 0.1, 0.0], [0.0, 0.2, 0.8], [0.5, 0.0, 0.5]])
    rng = np.random.default_rng(0)
    x = [0]
    for _ in range(60_000):
        x.append(int(rng.choice(3, p=rows[x[-1]])))
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(rows * np.log2(rows), axis=1)
    rate = entropy[x[:-1]].mean()
    bits = CTW(3, 6).learn(x[1:]).mean() / LN2
    assert rate - 0.01 < bits < rate + 0.02


def test_trains_like_a_trainer():
    stream = nbt.datasets.anbn(1, 4, seed=0)
    history = nbt.train(CTW(3, 12), stream, steps=50_000)
    assert history.tail()[1] < stream.entropy_rate + 0.01


def test_bits_on_words():
    """At most 0.289 bits at depth 8 on [1; 32]: what contexts of 8 symbols can know."""
    x = nbt.datasets.anbn(1, 32, seed=0)
    assert CTW(3).learn(x.read(1_000_000)).mean() / LN2 <= 0.289


def test_predictions_during_a_block_are_those_between_two_symbols():
    """Another thread's wait until a piece of the block is done; its state waits for the end."""
    x = np.random.default_rng(0).integers(0, 3, 100_000).astype(np.int32)
    ctw, reference = CTW(3, 20), CTW(3, 20)
    learning = Call(ctw.learn, x)
    until(lambda: ctw.step > 0 or not learning.is_alive())
    seen = []
    while learning.is_alive():
        seen.append((ctw.step, ctw.predict(), ctw.step))
        if len(seen) == 1:
            state = ctw.state_dict()
    losses = learning.result()
    assert int(state["step"]) == len(x)
    possible, expected = set(), np.empty(len(x))
    for t, symbol in enumerate(x.tolist()):
        expected[t] = reference.learn(symbol).item()
        possible.add(reference.predict().tobytes())
    assert losses.tobytes() == expected.tobytes()
    assert {p.tobytes() for _, p, _ in seen} <= possible
    assert any(after < len(x) for *_, after in seen)
