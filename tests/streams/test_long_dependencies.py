"""Words whose second half depends on the first: their promises, rates and floors."""

import math
import re

import numpy as np
import pytest

import nbt
from nbt import datasets
from nbt.errors import DataError

MAKE = {
    "anbn": lambda seed=0: datasets.anbn(2, 9, seed),
    "brackets": lambda seed=0: datasets.brackets(3, 7, kinds=3, letters=5, seed=seed),
    "brackets, long": lambda seed=0: datasets.brackets(0, 40_000, seed=seed),
    "delayed_copy": lambda seed=0: datasets.delayed_copy(4, 6, letters=3, seed=seed),
    "adding": lambda seed=0: datasets.adding(11, 5, seed=seed),
}


@pytest.fixture(params=MAKE)
def make(request):
    return MAKE[request.param]


def as_array(block):
    return np.column_stack(block) if isinstance(block, tuple) else block


def take(stream, *sizes):
    return np.concatenate([as_array(stream.read(size)) for size in sizes])


def test_reads_do_not_depend_on_their_size(make):
    whole = take(make(), 60_000)
    assert np.array_equal(whole, take(make(), 1, 7, 992, 30_000, 29_000))
    assert not np.array_equal(whole, take(make(seed=1), 60_000))


@pytest.mark.parametrize("cut", [1, 16_384, 50_001])
def test_resume(make, cut):
    first, second = make(), make()
    first.read(cut)
    state = first.state_dict()
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert np.array_equal(take(first, 40_000), take(second, 20_000, 20_000))
    assert first.state_dict() == second.state_dict()


def test_a_state_of_another_stream_is_refused(make):
    state = make().state_dict()
    for stream, wrong in [(make(seed=1), state), (make(), {**state, "skip": 10**18})]:
        stream.read(100)
        before = stream.state_dict()
        with pytest.raises(DataError, match="another stream"):
            stream.load_state_dict(wrong)
        assert stream.state_dict() == before


# ---- what the words are, from the raw numbers --------------------------------------------------


def test_brackets_are_what_they_promise():
    low, high, kinds, letters = 3, 7, 3, 5
    raw = np.random.PCG64(8).random_raw(500 * (2 + high)).reshape(500, -1)
    words = []
    for kind, n, *rest in raw.tolist():
        between = "".join("abcde"[r % letters] for r in rest[: low + n % (high - low + 1)])
        words.append("([{"[kind % kinds] + between + ")]}"[kind % kinds])
    expected = "".join(words)
    stream = datasets.brackets(low, high, kinds, letters, seed=8)
    assert stream.alphabet.symbols == "([{)]}abcde"
    assert stream.alphabet.decode(stream.read(len(expected))) == expected


def test_delayed_copies_are_what_they_promise():
    raw = np.random.PCG64(8).random_raw(500 * 4).reshape(500, 4)
    said = ["".join("abc"[r % 3] for r in word) for word in raw.tolist()]
    expected = "".join(f"{word}......:{word}" for word in said)
    stream = datasets.delayed_copy(4, 6, letters=3, seed=8)
    assert stream.alphabet.decode(stream.read(len(expected))) == expected
    assert stream.name == "data:delayed_copy[4,6,3]"


@pytest.mark.parametrize(("length", "levels"), [(3, 2), (4, 4), (11, 5)])
def test_adding_is_what_it_promises(length, levels):
    stream = datasets.adding(length, levels, seed=3)
    x, y = stream.read(2000 * length)
    assert (x.dtype, y.dtype) == (np.float64, np.int32)
    assert len(stream.alphabet) == 2 * levels
    value, mark = x.reshape(2000, length, 2).transpose(2, 0, 1)
    y = y.reshape(2000, length)
    assert set(np.round(value * (levels - 1), 9).ravel()) == set(range(levels))
    assert (mark[:, -1] == -1).all()
    half = (length - 1) // 2
    assert ((mark[:, :half] == 1).sum(axis=1) == 1).all()
    assert ((mark[:, half:-1] == 1).sum(axis=1) == 1).all()
    assert (mark[:, :-1] != 0).sum() == 2 * 2000
    assert (y[:, :-1] == 2 * levels - 1).all()
    sums = (value * (mark == 1)).sum(axis=1) * (levels - 1)
    np.testing.assert_allclose(y[:, -1], sums, atol=1e-9)
    raw = np.random.PCG64(3).random_raw(length + 2)
    assert value[0, 0] * (levels - 1) == pytest.approx(int(raw[0]) % levels)


# ---- rates -------------------------------------------------------------------------------------


def test_rates_in_numbers():
    assert datasets.anbn(1, 32).entropy_rate == pytest.approx(5 / 35)
    assert datasets.anbn(1, 32).forgetful_rate == pytest.approx(10 / 35)
    one = datasets.brackets(2, 5, kinds=4, letters=2)
    assert one.entropy_rate == pytest.approx((2 + 2 + 3.5) / 5.5)
    assert one.forgetful_rate == pytest.approx((4 + 2 + 3.5) / 5.5)
    one = datasets.delayed_copy(8, 16, letters=4)
    assert one.entropy_rate == pytest.approx(16 / 33)
    assert one.forgetful_rate == pytest.approx(32 / 33)
    one = datasets.adding(10, levels=2)  # sums 0, 1, 2: 1/4, 1/2, 1/4
    assert (one.entropy_rate, one.forgetful_rate) == (0, pytest.approx(0.15))
    assert datasets.delayed_copy(3, 1, letters=1).entropy_rate == 0


def bracket_bits(word, low, high, letters):
    """Bits of each symbol of a word but the first, for who remembers the kind."""
    for i in range(1, len(word)):
        before = i - 1  # letters so far
        end = 0 if before < low else 1 / (high - before + 1)
        if i == len(word) - 1:
            yield -math.log2(end)
        else:
            yield -math.log2((1 - end) / letters)


@pytest.mark.parametrize("remembers", [True, False])
def test_ideal_predictors_of_brackets(remembers):
    low, high, kinds, letters = 2, 12, 4, 3
    stream = datasets.brackets(low, high, kinds, letters, seed=1)
    text = stream.alphabet.decode(stream.read(400_000))
    words = re.findall(r"[(\[{<][a-c]*[)\]}>]", text)
    bits = sum(
        math.log2(kinds) * (1 if remembers else 2) + sum(bracket_bits(word, low, high, letters))
        for word in words
    )
    rate = stream.entropy_rate if remembers else stream.forgetful_rate
    assert bits / sum(map(len, words)) == pytest.approx(rate, abs=0.003)


def test_ideal_predictors_that_forget():
    """aⁿbᵖ; the sum of two numbers: entropies as measured."""
    stream = datasets.anbn(1, 8, seed=2)
    text = stream.alphabet.decode(stream.read(300_000))
    runs = np.array([len(run) for run in text.split("\n")[:-1]])
    p = np.bincount(runs)[1:] / len(runs)
    bits = -np.sum(p * np.log2(p)) * len(runs) / (runs + 1).sum()
    assert bits == pytest.approx(stream.forgetful_rate, abs=0.003)
    stream = datasets.adding(6, 7, seed=1)
    y = stream.read(600_000)[1].reshape(-1, 6)[:, -1]
    p = np.bincount(y) / len(y)
    assert -np.sum(p * np.log2(p)) / 6 == pytest.approx(stream.forgetful_rate, abs=0.002)


# ---- use ---------------------------------------------------------------------------------------


def test_train_takes_a_stream_of_pairs():
    stream = datasets.adding(5, 2, seed=0)
    trainer = nbt.NoBackTrack(nbt.LeakyRNN(8), nbt.Softmax(4), inputs=nbt.Vector(2, False))
    history = nbt.train(trainer, stream, steps=3001, chunk=100)
    assert (trainer.step, stream.position) == (3001, 3001)
    again = nbt.NoBackTrack(nbt.LeakyRNN(8), nbt.Softmax(4), inputs=nbt.Vector(2, False))
    losses = again.learn(*datasets.adding(5, 2, seed=0).read(3001))
    assert history[-1].average_bits == pytest.approx(losses.mean() / math.log(2))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("anbn", "data:anbn[1,32]"),
        ("anbn[2, 5]", "data:anbn[2,5]"),
        ("brackets[5,9,2]", "data:brackets[5,9,2,4]"),
        ("delayed_copy[3]", "data:delayed_copy[3,16,4]"),
        ("music", "data:music"),
    ],
)
def test_by_name(name, expected):
    one, two = datasets.by_name(name, seed=5), datasets.by_name(name)
    assert one.name == two.name == expected
    assert one.endless
    assert one.read(1000).tolist() != two.read(1000).tolist()


@pytest.mark.parametrize("name", ["", "none", "anbn[1,2,3]", "anbn[a]", "anbn[1,2", "adding"])
def test_unknown_names(name):
    with pytest.raises(ValueError, match=r"name: expected one of anbn\[LOW,HIGH\], brackets"):
        datasets.by_name(name)


@pytest.mark.parametrize(
    ("argument", "exception", "call"),
    [
        ("low", ValueError, lambda: datasets.brackets(-1, 2)),
        ("low, high", ValueError, lambda: datasets.brackets(3, 2)),
        ("high", TypeError, lambda: datasets.brackets(3, 4.0)),
        ("kinds", ValueError, lambda: datasets.brackets(kinds=5)),
        ("kinds", ValueError, lambda: datasets.brackets(kinds=0)),
        ("letters", ValueError, lambda: datasets.brackets(letters=27)),
        ("seed", ValueError, lambda: datasets.brackets(seed=-1)),
        ("seed", TypeError, lambda: datasets.brackets(seed=None)),
        ("length", ValueError, lambda: datasets.delayed_copy(0)),
        ("delay", ValueError, lambda: datasets.delayed_copy(3, -1)),
        ("letters", TypeError, lambda: datasets.delayed_copy(letters="abc")),
        ("length", ValueError, lambda: datasets.adding(2)),
        ("levels", ValueError, lambda: datasets.adding(levels=1)),
        ("levels", ValueError, lambda: datasets.adding(levels=129)),
        ("seed", ValueError, lambda: datasets.adding(seed=2**64)),
    ],
)
def test_bad_arguments(argument, exception, call):
    with pytest.raises(exception, match=f"^{argument}: expected"):
        call()
