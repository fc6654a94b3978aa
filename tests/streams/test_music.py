"""Music notation: its grammar, read by another parser than what wrote it, and its entropy rate."""

import math
import re

import numpy as np
import pytest

from nbt import datasets
from nbt.datasets import automaton, notation
from nbt.errors import DataError

CHORD_TONES = {"C": "ceg", "D": "dfa", "E": "egb", "F": "fac", "G": "gbd", "A": "ace"}
FOLLOWS = {"C": "FGADE", "D": "GFE", "E": "AF", "F": "GCD", "G": "CAE", "A": "DFE"}
PLACES = {1: range(8), 2: (0, 2, 4, 6), 3: (0, 4), 4: (0, 4), 6: (0,), 8: (0,)}


@pytest.fixture(scope="module")
def text():
    stream = datasets.music(seed=4)
    return stream.alphabet.decode(stream.read(100_000))


def bits_of(text):
    """Bits of each symbol for who knows the state, which the symbols determine."""
    music = automaton.Automaton(notation.State(), notation.step)
    state, bits = music.start, []
    for symbol in text:
        step = music.step(state)
        weight, following = step[symbol]
        bits.append(math.log2(sum(w for w, _ in step.values()) / weight))
        state = following
    return np.array(bits)


def test_an_ideal_predictor_reaches_the_entropy_rate():
    stream = datasets.music(seed=1, length=200_000)
    bits = bits_of(stream.alphabet.decode(stream.read(200_000)))
    error = bits.std() / math.sqrt(len(bits))
    assert error < 0.004
    assert bits.mean() == pytest.approx(stream.entropy_rate, abs=4 * error)


def test_visits_are_stationary():
    """Expected visits: what flows into a state is what it has; the rate by power iteration."""
    one = automaton.Automaton("s", lambda state: SMALL[state])
    visits = one.visits()
    # by hand: s -> a (3/4) or b (1/4); a -> b or back, equally; b -> back
    assert visits == pytest.approx({"s": 1, "a": 0.75, "b": 0.625})
    bits = (0.75 * math.log2(4 / 3) + 0.25 * 2) + 0.75
    assert one.entropy_rate() == pytest.approx(bits / (1 + 0.75 + 0.625))


SMALL = {
    "s": {"x": (3, "a"), "y": (1, "b")},
    "a": {"x": (2, "b"), "y": (2, "s")},
    "b": {"x": (5, "s")},
}


def test_stationary_distribution_of_the_music():
    """One more symbol leaves the distribution over states as it is."""
    music = automaton.Automaton(notation.State(), notation.step)
    visits = music.visits()
    after = dict.fromkeys(visits, 0.0)
    for state, here in visits.items():
        step = music.step(state)
        total = sum(weight for weight, _ in step.values())
        for weight, following in step.values():
            after[following] += here * weight / total
    assert after == pytest.approx(visits, rel=1e-12)


def test_grammar(text):
    pieces = text.split(".\n")[:-1]
    assert len(pieces) > 1000
    for piece in pieces:
        first, second = piece.split(";\n")
        bars = [*first.split("|"), *second.split("|")]
        assert len(bars) == 8
        check_chords([bar[0] for bar in bars])
        pitch, rest = "c", False
        for bar in bars:
            pitch, rest = check_bar(bar, pitch, rest)
        assert pitch == "c"
        assert not rest


def check_chords(chords):
    one, two, three, four, *rest = chords
    assert one in "CA"
    assert two in FOLLOWS[one]
    assert three in FOLLOWS[two].replace("G", "")
    assert [four, *rest] == ["G", one, two, "G", "C"]


def check_bar(bar, pitch, rest):
    assert re.fullmatch(r"[ACDEFG]([a-gz][123468])+", bar)
    place = 0
    for note, duration in re.findall(r"([a-gz])(\d)", bar[1:]):
        assert place in PLACES[int(duration)]
        if note == "z":
            assert place % 4
            assert not rest
        else:
            steps = ("cdefgab".index(note) - "cdefgab".index(pitch)) % 7
            assert note in CHORD_TONES[bar[0]] or (place % 4 and steps in (1, 6))
            pitch = note
        rest = note == "z"
        place += int(duration)
    assert place == 8
    return pitch, rest


def test_every_freedom_is_used(text):
    assert set(text) == set(notation.ALPHABET)
    assert {bar[0] for bar in re.findall(r"[A-G][^|;.]*", text)} == set("ACDEFG")


def test_symbols_follow_from_the_raw_numbers():
    expected, state = "", notation.State()
    for r in np.random.PCG64(7).random_raw(300).tolist():
        step = notation.step(state)
        place = r * sum(weight for weight, _ in step.values()) >> 64
        line = [symbol for symbol, (weight, _) in step.items() for _ in range(weight)]
        expected += line[place]
        state = step[line[place]][1]
    stream = datasets.music(seed=7, length=300)
    assert stream.alphabet.decode(stream.read(300)) == expected


def test_golden_beginning():
    stream = datasets.music(seed=0)
    assert stream.alphabet.decode(stream.read(38)) == "Cc1c1b2g2a2|Dd4d4|Fc1d1e2f4|Gg4g1a1g2;"
    assert stream.entropy_rate == pytest.approx(1.2167649011242, abs=1e-12)


def test_cycles_and_resumes():
    stream = datasets.music(seed=2)
    assert stream.endless
    first = stream.read(100_000)
    state = stream.state_dict()
    assert np.array_equal(stream.read(100_000), first)
    again = datasets.music(seed=2)
    again.load_state_dict(state)
    assert np.array_equal(again.read(1000), first[:1000])
    with pytest.raises(DataError):
        datasets.music(seed=3).load_state_dict(state)


@pytest.mark.parametrize(
    ("argument", "exception", "call"),
    [
        ("seed", ValueError, lambda: datasets.music(-1)),
        ("seed", TypeError, lambda: datasets.music("0")),
        ("length", ValueError, lambda: datasets.music(length=0)),
        ("length", TypeError, lambda: datasets.music(length=1e5)),
    ],
)
def test_bad_arguments(argument, exception, call):
    with pytest.raises(exception, match=f"^{argument}: expected"):
        call()
