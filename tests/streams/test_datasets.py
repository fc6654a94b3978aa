"""Data whose entropy rate is known."""

import math

import numpy as np
import pytest

from nbt import datasets
from nbt.errors import DataError


def words(seed, low, high, count):
    """The promise of the docstring in plain Python."""
    span = high - low + 1
    greatest = 2**64 // span * span
    raw = (int(r) for r in np.random.PCG64(seed).random_raw(2 * count))
    lengths = [low + r % span for r in raw if r < greatest][:count]
    return "".join("a" * n + "\n" + "b" * n + "\n" for n in lengths)


@pytest.mark.parametrize(("low", "high", "seed"), [(1, 32, 0), (2, 5, 9), (7, 7, 1), (1, 9000, 3)])
def test_anbn_is_what_it_promises(low, high, seed):
    expected = words(seed, low, high, 3000)
    stream = datasets.anbn(low, high, seed)
    got = []
    while stream.position < min(len(expected), 200_000):
        got.append(stream.read(1 << 16))
    text = stream.alphabet.decode(np.concatenate(got))
    common = min(len(text), len(expected))
    assert common >= 60_000 or common == len(expected)
    assert text[:common] == expected[:common]


def test_golden_beginning():
    stream = datasets.anbn(1, 4, seed=5)
    assert stream.alphabet.symbols == "ab\n"
    assert stream.alphabet.decode(stream.read(24)) == "a\nb\naa\nbb\na\nb\naaa\nbbb\naa"


@pytest.mark.parametrize("sizes", [(1,), (7, 1, 300), (100_000,)])
def test_reads_do_not_depend_on_their_size(sizes):
    whole = datasets.anbn(1, 32, seed=4)
    expected = np.concatenate([whole.read(1000) for _ in range(100)])
    stream, got = datasets.anbn(1, 32, seed=4), []
    while stream.position < 40_000:
        block = stream.read(sizes[len(got) % len(sizes)])
        assert block.dtype == np.int32
        assert block.flags.c_contiguous
        assert block.size
        got.append(block)
    got = np.concatenate(got)
    length = min(len(got), len(expected))
    assert got[:length].tolist() == expected[:length].tolist()


@pytest.mark.parametrize("cut", [1, 16_000, 16_384, 50_001])
def test_resume(cut):
    first = datasets.anbn(1, 32, seed=2)
    while first.position < cut:
        first.read(cut - first.position)
    state = first.state_dict()
    assert all(type(value) is int for value in state.values())
    second = datasets.anbn(1, 32, seed=2)
    second.load_state_dict(state)
    assert second.state_dict() == state
    for _ in range(10):
        assert second.read(5000).tolist() == first.read(5000).tolist()
    assert second.state_dict() == first.state_dict()


def test_state_of_another_stream_is_refused():
    state = datasets.anbn(1, 32, seed=2).state_dict()
    for other in (datasets.anbn(1, 32, seed=3), datasets.anbn(1, 31, seed=2)):
        before = other.state_dict()
        with pytest.raises(DataError, match="another stream"):
            other.load_state_dict(state)
        assert other.state_dict() == before
    same = datasets.anbn(1, 32, seed=2)
    with pytest.raises(DataError, match="another stream"):
        same.load_state_dict({**state, "skip": 10**18})
    with pytest.raises(ValueError, match="state: expected"):
        same.load_state_dict({**state, "skip": -1})


@pytest.mark.parametrize(("low", "high"), [(1, 32), (3, 3), (2, 9)])
def test_ideal_predictor_reaches_the_entropy_rate(low, high):
    stream = datasets.anbn(low, high, seed=1)
    text = stream.alphabet.decode(np.concatenate([stream.read(4096) for _ in range(100)]))
    bits, symbols = 0.0, 0
    for word in text.split("\n\n")[0].split("\n")[:-1][
        ::2
    ]:  # the runs of a, each followed by its b
        for i in range(
            low, len(word) + 1
        ):  # at i letters, an end has probability 1 / (high - i + 1)
            end = 1 / (high - i + 1)
            bits -= math.log2(end) if i == len(word) else math.log2(1 - end)
        symbols += 2 * len(word) + 2
    assert symbols > 300_000
    assert bits / symbols == pytest.approx(stream.entropy_rate, abs=0.003)
    assert stream.entropy_rate == math.log2(high - low + 1) / (low + high + 2)
    assert stream.endless


def test_rejection_is_unbiased(monkeypatch):
    """Raw numbers that would favour the small lengths are left out."""

    class Raw:
        def advance(self, delta):
            pass

        def random_raw(self, count):
            top = 2**64 // 3 * 3
            return np.resize(np.array([top, top - 1, 0, 2**64 - 1, 4], np.uint64), count)

    monkeypatch.setattr(np.random, "PCG64", lambda seed: Raw())
    stream = datasets.anbn(1, 3)
    assert stream.alphabet.decode(stream.read(16)).startswith("aaa\nbbb\na\nb\naa\n")


@pytest.mark.parametrize(
    ("low", "high", "seed"), [(0, 3, 0), (5, 4, 0), (1, 2**40, 0), (1, 2, -1), (-1, 2, 0)]
)
def test_bad_parameters(low, high, seed):
    with pytest.raises(ValueError, match="expected"):
        datasets.anbn(low, high, seed)
    with pytest.raises(TypeError):
        datasets.anbn(1.0, 2)
