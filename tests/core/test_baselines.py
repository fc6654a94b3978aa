"""Baselines refuse what they cannot take, change nothing then, and take whatever is sound."""

import numpy as np
import pytest
from helpers.refusals import expect

import nbt
from nbt.baselines import CTW, compressed_bits

NAN, INF = float("nan"), float("inf")
SYMBOLS = 5

ARGUMENTS = [
    # argument, exception, call
    ("symbols", TypeError, lambda: CTW()),
    ("symbols", TypeError, lambda: CTW("abc")),
    ("symbols", TypeError, lambda: CTW(3.0)),
    ("symbols", TypeError, lambda: CTW(True)),
    ("symbols", TypeError, lambda: CTW(nbt.Softmax(3))),
    ("symbols", ValueError, lambda: CTW(0)),
    ("symbols", ValueError, lambda: CTW(257)),
    ("depth", TypeError, lambda: CTW(3, None)),
    ("depth", TypeError, lambda: CTW(3, 8.0)),
    ("depth", ValueError, lambda: CTW(3, -1)),
    ("depth", ValueError, lambda: CTW(3, 65)),
    ("alpha", TypeError, lambda: CTW(3, alpha="kt")),
    ("alpha", TypeError, lambda: CTW(3, alpha=None)),
    ("alpha", ValueError, lambda: CTW(3, alpha=0)),
    ("alpha", ValueError, lambda: CTW(3, alpha=-0.5)),
    ("alpha", ValueError, lambda: CTW(3, alpha=NAN)),
    ("alpha", ValueError, lambda: CTW(3, alpha=INF)),
    ("limit", TypeError, lambda: CTW(3, limit=10.0)),
    ("limit", ValueError, lambda: CTW(3, limit=1)),
    ("limit", ValueError, lambda: CTW(3, limit=2**31)),
    ("nodes", TypeError, lambda: CTW(3, nodes=None)),
    ("nodes", TypeError, lambda: CTW(3, nodes=1e6)),
    ("nodes", ValueError, lambda: CTW(3, nodes=1023)),
    ("nodes", ValueError, lambda: CTW(3, nodes=2**31)),
    ("memory", TypeError, lambda: CTW(3, memory=1)),
    ("data", TypeError, lambda: compressed_bits(None)),
    ("data", TypeError, lambda: compressed_bits([0.5, 1.0])),
    ("data", TypeError, lambda: compressed_bits(np.zeros((2, 2), int))),
    ("data", ValueError, lambda: compressed_bits("")),
    ("data", ValueError, lambda: compressed_bits(b"")),
    ("data", ValueError, lambda: compressed_bits([])),
    ("data", ValueError, lambda: compressed_bits([1, 256])),
    ("data", ValueError, lambda: compressed_bits([-1])),
    ("symbols", ValueError, lambda: compressed_bits("abc", 0)),
    ("symbols", TypeError, lambda: compressed_bits("abc", 2.0)),
    ("symbols", ValueError, lambda: compressed_bits(nbt.datasets.anbn(1, 4))),
]

BLOCKS = [
    (TypeError, None),
    (TypeError, "01"),
    (TypeError, b"01"),
    (TypeError, 1.0),
    (TypeError, [0.0, 1.0]),
    (TypeError, [True, False]),
    (TypeError, {0, 1}),
    (TypeError, np.array(["0"])),
    (ValueError, -1),
    (ValueError, SYMBOLS),
    (ValueError, [0, 1, SYMBOLS]),
    (ValueError, [0, -1, 1]),
    (ValueError, [0, 2**40]),
    (ValueError, [[0, 1], [2, 3]]),
    (ValueError, [[0], [1, 2]]),
    (ValueError, np.array([4, 200], np.uint8)),
]


@pytest.fixture
def ctw():
    one = CTW(SYMBOLS, 3, nodes=5000)
    one.learn(np.random.default_rng(0).integers(0, SYMBOLS, 500))
    return one


@pytest.mark.parametrize(("argument", "exception", "call"), ARGUMENTS)
def test_arguments(argument, exception, call):
    expect(exception, argument, call)


@pytest.mark.parametrize("verb", ["learn", "observe"])
@pytest.mark.parametrize(("exception", "block"), BLOCKS)
def test_a_refused_block_changes_nothing(ctw, verb, exception, block, assert_same_state):
    before = ctw.state_dict()
    expect(exception, "x", lambda: getattr(ctw, verb)(block))
    assert_same_state(before, ctw.state_dict())


def odd_blocks(x):
    strided = np.zeros((len(x), 2), np.int32)
    strided[:, 1] = x
    packed = np.zeros(len(x), np.dtype([("a", "u1"), ("x", "<i4")]))
    packed["x"] = x
    frozen = x.astype(np.int32)
    frozen.flags.writeable = False
    return [
        x.tolist(),
        tuple(x.tolist()),
        x.astype(np.int8),
        x.astype(np.uint64),
        x.astype(">i4"),
        strided[:, 1],
        packed["x"],
        frozen,
        x[::-1].copy()[::-1],
    ]


def test_sound_blocks_of_every_kind(assert_same_state):
    x = np.random.default_rng(1).integers(0, SYMBOLS, 300)
    plain = CTW(SYMBOLS, 3, nodes=5000)
    expected = plain.learn(x)
    for block in odd_blocks(x):
        ctw = CTW(SYMBOLS, 3, nodes=5000)
        assert ctw.learn(block).tobytes() == expected.tobytes()
        assert_same_state(ctw.state_dict(), plain.state_dict())
    assert plain.learn([]).shape == (0,)
    assert plain.learn(3).shape == (1,)


# ---- states ------------------------------------------------------------------------------------

ROOT, CONTEXT = 1, 0x80000000


def changed(state, name, at, value):
    array = state[name].copy()
    array[at] = value
    return {**state, name: array}


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


def damaged(state):
    """(argument named, exception, state)."""
    records = state["tree.records"]
    contexts = (records[:, 5] & CONTEXT) != 0
    context = int(np.flatnonzero(contexts)[3])
    node = int(np.flatnonzero(~contexts[2:])[0]) + 2
    used = len(records)
    nan = np.array([np.nan]).view(np.uint32)
    beta = records.copy()
    beta[node, :2] = nan
    yield "state", TypeError, None
    yield "state", TypeError, list(state)
    yield "state", ValueError, {}
    yield "state", ValueError, without(state, "history")
    yield "state", ValueError, {**state, "more": np.zeros(1)}
    yield "symbols", ValueError, {**state, "symbols": np.int64(4)}
    yield "symbols", TypeError, {**state, "symbols": "five"}
    yield "depth", ValueError, {**state, "depth": np.int64(4)}
    yield "depth", ValueError, {**state, "depth": np.zeros(2, int)}
    yield "step", TypeError, {**state, "step": np.float64(500)}
    yield "step", ValueError, {**state, "step": np.int64(-1)}
    yield "history", ValueError, {**state, "step": np.int64(499)}
    yield "history", TypeError, {**state, "history": state["history"] / 2}
    yield "history", ValueError, changed(state, "history", 7, SYMBOLS)
    yield "tree.records", TypeError, {**state, "tree.records": records.astype(np.int64)}
    yield "tree.records", ValueError, {**state, "tree.records": records[:, :5]}
    yield "tree.records", ValueError, {**state, "tree.records": records[:1]}
    yield "tree.records", ValueError, {**state, "tree.records": np.tile(records, (9, 1))}
    yield "tree.records", ValueError, {**state, "tree.records": beta}
    yield "tree.records", ValueError, {**state, "tree.records": records[: used // 2]}
    for at, word, value in [
        (ROOT, 5, 0),  # not a context
        (context, 5, CONTEXT | SYMBOLS),  # of a symbol that is not there
        (context, 3, used),  # its parent outside
        (context, 2, used + 5),  # its node outside
        (context, 2, context),  # its node a context
        (node, 2, 2**31),  # counts too large
        (node, 3, 2**32 - 1),
        (node, 4, used),  # the next node outside
        (node, 5, 2**31 - 1),
        (node, 4, ROOT),  # the next node a context
    ]:
        yield "tree.records", ValueError, changed(state, "tree.records", (at, word), value)


def test_a_damaged_state_is_refused_and_changes_nothing(ctw, assert_same_state):
    before = ctw.state_dict()
    after = CTW(SYMBOLS, 3, nodes=5000)
    after.load_state_dict(before)
    for argument, exception, state in damaged(before):
        expect(exception, argument, lambda state=state: ctw.load_state_dict(state))
        assert_same_state(before, ctw.state_dict())
    x = np.random.default_rng(5).integers(0, SYMBOLS, 500)
    assert ctw.learn(x).tobytes() == after.learn(x).tobytes()


def test_no_bits_of_a_record_lead_out_of_the_arrays(ctw):
    """Records changed at random are refused, or harmless: under a sanitizer, an error shows."""
    rng = np.random.default_rng(0)
    state, x = ctw.state_dict(), rng.integers(0, SYMBOLS, 300)
    loaded = 0
    for _ in range(400):
        records = state["tree.records"].copy()
        at = rng.integers(1, len(records), 3), rng.integers(0, 6, 3)
        records[at] = rng.choice([0, 1, 7, 40, CONTEXT + 2, 2**31, 2**32 - 1], 3)
        try:
            ctw.load_state_dict({**state, "tree.records": records})
        except ValueError:
            continue
        loaded += 1
        assert np.isfinite(ctw.learn(x)).all()
        assert np.isfinite(ctw.predict()).all()
    assert 20 < loaded < 380


# ---- compressors -------------------------------------------------------------------------------


def test_compressed_bits_of_every_kind_of_data():
    text = "".join("a" * n + "\n" + "b" * n + "\n" for n in range(1, 200))
    expected = compressed_bits(text)
    assert list(expected) == ["gzip", "bzip2", "xz"]
    assert all(0 < bits < 1 for bits in expected.values())
    assert compressed_bits(text.encode()) == expected
    assert compressed_bits(list(text.encode())) == expected
    assert (
        compressed_bits(
            nbt.streams.symbols(nbt.streams.Alphabet("ab\n").encode(text), alphabet="ab\n")
        )
        == expected
    )
    assert compressed_bits(text + "more", len(text)) == expected
    wide = compressed_bits("äö" * 500)  # bits a character, not a byte
    narrow = compressed_bits("äö".encode() * 500)
    assert wide["xz"] == pytest.approx(2 * narrow["xz"])


def test_compressed_bits_of_a_stream_goes_on_where_it_is():
    stream = nbt.datasets.anbn(1, 9, seed=2)
    whole = stream.alphabet.decode(nbt.datasets.anbn(1, 9, seed=2).read(30_000))
    assert compressed_bits(stream, 10_000) == compressed_bits(whole[:10_000])
    assert compressed_bits(stream, 20_000) == compressed_bits(whole[10_000:])
