"""Counts of symbols beside the network: C against the oracle, and what the package promises."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import expect
from oracle.readout import Counts
from oracle.readout import Softmax as Plain

import nbt
from nbt import _core

ORDERS, SYMBOLS = 3, 5


def text(steps, symbols=SYMBOLS, seed=0):
    """Symbols of which each depends on the two before it."""
    rng = np.random.default_rng(seed)
    after = rng.dirichlet(np.full(symbols, 0.3), (symbols, symbols))
    out = [0, 0]
    for _ in range(steps):
        out.append(int(rng.choice(symbols, p=after[out[-2], out[-1]])))
    return np.array(out[2:], np.int32)


def still(symbols=SYMBOLS, *, inputs=None, seed=0, **counts):
    """A trainer whose network never learns, so its logits are 0."""
    return nbt.TruncatedBPTT(
        nbt.RNN(2),
        nbt.Softmax(symbols, **counts),
        nbt.SGD(0.0),
        inputs=inputs,
        dtype="float64",
        seed=seed,
    )


def expected(y, symbols=SYMBOLS, orders=ORDERS, context=None):
    """The losses of the oracle, and the oracle after them. `context`: what moves it, if before."""
    oracle, losses = Counts(symbols, orders), []
    for t, symbol in enumerate(y):
        if context is not None:
            oracle.follow(int(context[t]))
        o = oracle.logits()
        losses.append(Plain.loss(o, symbol))
        oracle.learn(int(symbol), Plain.delta(o, symbol))
        if context is None:
            oracle.follow(int(symbol))
    return np.array(losses), oracle


# ---- against the oracle ------------------------------------------------------------------------


@pytest.mark.parametrize("orders", [1, ORDERS, 16])
@pytest.mark.parametrize("symbols", [1, 2, SYMBOLS, 70])
def test_losses_and_predictions_are_those_of_the_oracle(symbols, orders):
    y = text(1500, symbols)
    trainer = still(symbols, counts=orders)
    losses, oracle = expected(y, symbols, orders)
    np.testing.assert_allclose(trainer.learn(y), losses, rtol=0, atol=1e-11)
    np.testing.assert_allclose(trainer.predict(), Plain.predict(oracle.logits()), atol=1e-12)
    state = trainer.state_dict()
    np.testing.assert_allclose(state["counts.weights"], oracle.beta, atol=1e-11)
    np.testing.assert_allclose(state["counts.squares"], oracle.squares, atol=1e-9)
    assert tuple(state["counts.context"]) == oracle.context
    assert dict(enumerate(state["counts.symbols"])).items() >= oracle.c[0][()].items()


def test_counts_are_halved_as_in_the_oracle():
    y = np.tile([0, 1, 1], 700).astype(np.int32)
    y[::97] = 2  # so that other counts are halved, too
    losses, oracle = expected(y, 3, 2)
    assert max(max(of.values()) for of in oracle.c[1].values()) <= 255
    np.testing.assert_allclose(still(3, counts=2).learn(y), losses, rtol=0, atol=1e-11)


def test_order_0_is_halved_as_in_the_oracle():
    trainer, oracle = still(3, counts=1), Counts(3, 1)
    state = trainer.state_dict()
    state["counts.symbols"] = np.array([65535, 3, 0], np.uint32)
    trainer.load_state_dict(state)
    oracle.c[0][()] = {0: 65535, 1: 3}
    o = oracle.logits()
    oracle.learn(0, Plain.delta(o, 0))
    oracle.follow(0)
    np.testing.assert_allclose(trainer.learn([0]), Plain.loss(o, 0))
    np.testing.assert_array_equal(trainer.state_dict()["counts.symbols"], [32769, 2, 0])


@pytest.mark.parametrize("inputs", [nbt.Symbols(3), nbt.Vector(2)])
def test_other_inputs_leave_targets_as_the_context(inputs):
    y, rng = text(600), np.random.default_rng(1)
    x = rng.integers(0, 3, 600) if isinstance(inputs, nbt.Symbols) else rng.normal(size=(600, 2))
    trainer = still(inputs=inputs, counts=ORDERS)
    np.testing.assert_allclose(trainer.learn(x, y), expected(y)[0], rtol=0, atol=1e-11)
    before = trainer.state_dict()["counts.context"]
    trainer.observe(x[:5], ...)
    np.testing.assert_array_equal(trainer.state_dict()["counts.context"], before)


def test_inputs_of_the_same_alphabet_are_the_context():
    x, y = text(600, seed=1), text(600, seed=2)
    losses, oracle = expected(y, context=x)
    trainer = still(counts=ORDERS)
    np.testing.assert_allclose(trainer.learn(x, y), losses, rtol=0, atol=1e-11)
    oracle.follow(3)
    np.testing.assert_allclose(trainer.predict(3), Plain.predict(oracle.logits()), atol=1e-12)


def test_the_networks_gradient_is_that_of_the_whole_logit():
    """Biases of the readout follow δ = p - onehot(y), with p of all logits."""
    y = text(200)
    trainer = nbt.RTRL(
        nbt.RNN(1), nbt.Softmax(SYMBOLS, counts=2), nbt.SGD(nbt.Constant(0.1)), dtype="float64"
    )
    trainer.learn(y)
    for symbol in range(SYMBOLS):
        copy = nbt.RTRL(trainer.cell, trainer.readout, trainer.optimizer, dtype="float64")
        copy.load_state_dict(trainer.state_dict())
        delta = copy.predict() - np.eye(SYMBOLS)[symbol]
        before = copy.state_dict()["readout.b"]
        copy.learn([symbol])
        np.testing.assert_allclose(copy.state_dict()["readout.b"], before - 0.1 * delta, atol=1e-14)


# ---- what does not count -----------------------------------------------------------------------


def test_observing_moves_the_context_and_counts_nothing():
    trainer = still(counts=ORDERS)
    trainer.learn(text(300))
    before = trainer.state_dict()
    trainer.observe([4, 2, 1])
    after = trainer.state_dict()
    changed = {key for key in before if not np.array_equal(before[key], after[key])}
    assert "counts.context" in changed
    assert not changed & {f"counts.{key}" for key in ("symbols", "weights", "squares", "slots")}
    assert list(after["counts.context"]) == [1, 2, 4]


def test_looking_ahead_is_what_comes_and_changes_nothing():
    trainer = still(counts=ORDERS)
    for steps in (0, 1, 2, 400):  # fewer symbols than the context has, too
        trainer.learn(text(steps))
        state = trainer.state_dict()
        ahead = trainer.predict(2)
        for key, value in trainer.state_dict().items():
            np.testing.assert_array_equal(value, state[key])
        along = trainer.predict_along([2, 4])
        trainer.observe([2])
        np.testing.assert_array_equal(trainer.predict(), ahead)
        np.testing.assert_array_equal(along[0], ahead)
        np.testing.assert_array_equal(along[1], trainer.predict(4))
        trainer.load_state_dict(state)


def test_futures_begin_with_the_context_of_now():
    trainer = still(2, counts=2)
    trainer.learn(np.tile([0, 1, 1], 400))  # what follows depends on the last two
    futures = trainer.simulate(6, paths=50, seed=1)
    assert (futures == np.tile([0, 1, 1], 2)).mean() > 0.97


def test_a_new_sequence_forgets_the_context_alone():
    trainer = still(counts=ORDERS)
    trainer.learn(text(400))
    before = trainer.state_dict()
    trainer.reset_state()
    after = trainer.state_dict()
    np.testing.assert_array_equal(after["counts.context"], [-1, -1, -1])
    for key in ("symbols", "weights", "squares", "places", "slots"):
        np.testing.assert_array_equal(after[f"counts.{key}"], before[f"counts.{key}"])


def test_growing_keeps_the_counts():
    trainer = still(counts=ORDERS)
    trainer.learn(text(400))
    before, old = trainer.state_dict(), trainer.predict()
    trainer.grow(9)
    after = trainer.state_dict()
    np.testing.assert_array_equal(after["counts.slots"], before["counts.slots"])
    np.testing.assert_array_equal(after["counts.symbols"][5:], np.zeros(4))
    new = trainer.predict()
    assert 0 < new[5:].sum() < 0.05
    np.testing.assert_allclose(new[:5] / new[:5].sum(), old, atol=0.02)
    trainer.learn([8, 8, 8])
    assert (trainer.readout.symbols, trainer.readout.counts) == (9, ORDERS)


# ---- memory ------------------------------------------------------------------------------------


def test_a_full_table_is_bounded_and_follows_the_stream():
    """Twenty times more contexts than room: nothing grows, and the newer text is predicted better
    than the older."""
    old, new = text(8000, 30, seed=1), text(8000, 30, seed=2)
    trainer = still(30, counts=5, counts_memory=4096)
    trainer.learn(old)
    trainer.learn(new)
    state = trainer.state_dict()
    assert len(state["counts.slots"]) == 4096 // 16
    losses = [still_loss(trainer, part[-1000:]) for part in (old, new)]
    assert losses[1] < losses[0] - 0.2


def still_loss(trainer, y):
    copy = still(30, counts=5, counts_memory=4096)
    copy.load_state_dict(trainer.state_dict())
    return copy.observe(y).mean()


def test_what_comes_often_stays_in_a_full_table():
    """Symbols at random, in a table that they fill many times, push out nothing that comes again
    and again."""
    rng = np.random.default_rng(0)
    often = np.array([1, 2, 3, 4, 5, 6, 7, 8], np.int32)
    trainer = still(200, counts=2, counts_memory=4096)
    for _ in range(300):
        trainer.learn(often)
        trainer.learn(rng.integers(9, 200, 24))
    losses = trainer.learn(often)
    assert np.exp(-losses[2:]).min() > 0.4


def test_memory_is_reserved_in_powers_of_two():
    for memory, slots in ((4096, 256), (8191, 256), (8192, 512), (2**20 + 1, 2**16)):
        trainer = still(counts=1, counts_memory=memory)
        assert trainer._live.learner.counts.arrays["slots"].shape == (slots, 4)


# ---- the face ----------------------------------------------------------------------------------


def test_arguments():
    expect(ValueError, "counts", lambda: nbt.Softmax(3, counts=17))
    expect(TypeError, "counts", lambda: nbt.Softmax(3, counts=1.5))
    expect(ValueError, "counts_memory", lambda: nbt.Softmax(3, counts=1, counts_memory=100))
    assert _core.COUNTS_DEEPEST == 16


def test_descriptions_of_before():
    old = nbt.descriptions.value_in({"kind": "Softmax", "symbols": 3})
    assert (old.counts, old.counts_memory) == (0, 2**26)
    assert not {"counts", "counts_memory"} & nbt.descriptions.value_out(nbt.Softmax(3)).keys()
    new = nbt.Softmax(3, counts=2, counts_memory=5000)
    assert nbt.descriptions.value_in(nbt.descriptions.value_out(new)).counts_memory == 5000
    assert eval(repr(new), {"Softmax": nbt.Softmax}) == new


def test_without_counts_nothing_is_kept():
    assert not [key for key in still().state_dict() if key.startswith("counts.")]


def test_saved_and_resumed(tmp_path):
    y = text(3000)
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(SYMBOLS, counts=4, counts_memory=2**14))
    trainer.learn(y[:2000])
    trainer.save(tmp_path / "model")
    assert (tmp_path / "model").stat().st_size < 60_000  # and not the table
    again = nbt.load(tmp_path / "model")
    np.testing.assert_array_equal(again.learn(y[2000:]), trainer.learn(y[2000:]))
    for key, value in trainer.state_dict().items():
        np.testing.assert_array_equal(value, again.state_dict()[key])


def broken(state, key, change):
    value = state[key].copy()
    change(value)
    return {**state, key: value}


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("context", lambda a: a.__setitem__(0, 5), r"expected integers in \[-1, 5\)"),
        ("context", lambda a: a.__setitem__(1, -1), "expected -1 only after all symbols"),
        ("symbols", lambda a: a.__setitem__(0, 65536), r"expected integers in \[0, 65536\)"),
        ("squares", lambda a: a.__setitem__((0, 0), -1.0), "expected sums of squares"),
        ("weights", lambda a: a.__setitem__((0, 0), np.nan), "expected finite"),
        ("places", lambda a: a.__setitem__(0, a[1]), "expected places that rise"),
        ("places", lambda a: a.__setitem__(-1, 256), r"expected integers in \[0, 256\)"),
        ("slots", lambda a: a.__setitem__((0, 1), 5 << 8 | 1), "expected slots of counted symbols"),
        ("slots", lambda a: a.__setitem__((0, 1), 1 << 8), "expected slots of counted symbols"),
        ("slots", lambda a: a.__setitem__((0, 1), 0), "expected slots of counted symbols"),
        ("slots", lambda a: a.__setitem__((0, [2, 3]), [0, 257]), "expected slots of counted"),
    ],
)
def test_states_that_cannot_be_are_refused(key, change, message):
    trainer = still(counts=ORDERS, counts_memory=4096)
    trainer.learn(text(300))
    state = trainer.state_dict()
    key = f"counts.{key}"
    bad = broken(state, key, change)
    with pytest.raises(ValueError, match=f"^{key}: {message}"):
        trainer.load_state_dict(bad)
    for name, value in trainer.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    lacking = {name: value for name, value in state.items() if name != key}
    expect(ValueError, key, lambda: trainer.load_state_dict(lacking))


# ---- what it is for ----------------------------------------------------------------------------

SHAKESPEARE = Path(__file__).parents[3] / "shared" / "data" / "shakespeare.txt"


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="the text is not here")
def test_bits_of_a_text_by_counts_alone():
    """The first 10⁶ characters of Shakespeare, each predicted before it was counted."""
    data = SHAKESPEARE.read_bytes()[:1_000_000]
    symbols = sorted(set(data))
    y = np.searchsorted(symbols, np.frombuffer(data, np.uint8)).astype(np.int32)
    assert still(len(symbols), counts=6).learn(y).mean() / np.log(2) < 2.08
