"""Synthetic music notation: bars of fixed length, chords, and melodies that fit the chords."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from nbt import _arguments
from nbt.datasets.automaton import Automaton, Step
from nbt.datasets.words import checked_seed
from nbt.streams import Alphabet, SymbolStream, symbols

__all__ = ["music"]

LENGTH = 100_000
BAR = 8  # eighths in a bar

SCALE = "cdefgab"
CHORDS = {"C": "ceg", "D": "dfa", "E": "egb", "F": "fac", "G": "gbd", "A": "ace"}
FIRST = {"C": 3, "A": 1}
FOLLOWS = {  # what may follow a chord, with weights
    "C": {"F": 4, "G": 3, "A": 3, "D": 2, "E": 1},
    "D": {"G": 5, "F": 1, "E": 1},
    "E": {"A": 4, "F": 2},
    "F": {"G": 4, "C": 3, "D": 2},
    "G": {"C": 4, "A": 2, "E": 1},
    "A": {"D": 3, "F": 3, "E": 1},
}
DURATIONS = {  # in eighths: places in the bar where it may begin, and its weight
    "1": (range(0, 8, 1), 2),
    "2": (range(0, 8, 2), 5),
    "3": (range(0, 8, 4), 1),
    "4": (range(0, 8, 4), 3),
    "6": (range(0, 1), 1),
    "8": (range(0, 1), 1),
}
NEAR = (2, 5, 3, 1)  # weight of a pitch, by its distance from the last one in the scale
MARKS = "|||;|||."  # at the end of each bar
ALPHABET = "".join(CHORDS) + SCALE + "z" + "".join(DURATIONS) + "|;.\n"


class State(NamedTuple):
    """How far a piece has come. All of it can be read off the symbols."""

    bar: int = 0
    chords: str = ""  # chords of the first two bars that are still needed, then that of this bar
    place: int = -1  # eighths of the bar that are filled; -1: the chord comes next
    pitch: str = "c"  # pitch of the last note
    note: str = ""  # a pitch or rest whose duration comes next, or a mark before a line break
    rest: bool = False  # whether the last note was a rest


def music(seed: int = 0, *, length: int = LENGTH) -> SymbolStream:
    r"""Return an endless stream of synthetic music notation with rules of syntax, rhythm and
    harmony.

    It is a text of `length` characters in 24 symbols, read again and again. For example, it begins:

        Cc1c1b2g2a2|Dd4d4|Fc1d1e2f4|Gg4g1a1g2;
        Ce2f2e4|Dd4f2a1g1|Gg1g1f2d3c1|Ce6e1c1.

    Parameters
    ----------
    seed : int
        In [0, 2⁶⁴).
    length : int
        Number of characters before the text begins again, in [1, 2²⁴].

    Returns
    -------
    Stream
        Its `entropy_rate` is that of the process which makes the text, computed exactly. Once the
        text repeats, a predictor that knows it by heart can do better.

    Raises
    ------
    TypeError
        `seed` or `length` is no integer.
    ValueError
        `seed` or `length` is out of range.

    Notes
    -----
    The grammar. Pieces are independent of each other and have eight bars on two lines.

    - *Syntax*: a bar is a chord (a capital), then notes, each a pitch (``c d e f g a b``, or ``z``
      for a rest) and a duration. ``|`` ends a bar. The fourth ends with ``;`` and a line break, the
      eighth with ``.`` and a line break.
    - *Rhythm*: durations are eighths, and fill a bar of 8. ``1`` begins anywhere, ``2`` at even
      places, ``3`` and ``4`` at places 0 and 4, ``6`` and ``8`` at 0.
    - *Harmony*: chord 1 is C or A; 2 and 3 follow by the table `FOLLOWS` of this module, 3 without
      G; 4 is G; 5 and 6 are 1 and 2 again; 7 is G and 8 is C.
    - *Melody*: at places 0 and 4 a note belongs to its chord. Elsewhere it belongs to it, or is
      next in the scale to the note before, or is a rest, though not after one. Near notes are more
      frequent. The last note of a piece is ``c``.

    The paper takes its example from another article and does not give the grammar; this grammar
    follows the same idea. Its state is determined by the symbols, so a predictor can know it. To do
    so it must remember the chords of bars 1 and 2 for half a piece.

    The text of a seed will not change between versions; see `Automaton.sample`.

    Examples
    --------
    >>> stream = music(seed=1)
    >>> len(stream.alphabet), round(stream.entropy_rate, 4)
    (24, 1.2168)
    """
    seed = checked_seed(seed)
    length = _arguments.integer("length", length)
    alphabet = Alphabet(ALPHABET)
    codes = alphabet.encode(_automaton().sample(length, seed)).astype(np.uint8)
    name = "data:music" if length == LENGTH else f"data:music[{length}]"
    return symbols(codes, True, alphabet, entropy_rate=_entropy_rate(), name=name)


@cache
def _automaton() -> Automaton:
    return Automaton(State(), step)


@cache
def _entropy_rate() -> float:
    return _automaton().entropy_rate()


def step(state: State) -> Step:
    """Return what may come next, with weights, and the state after each."""
    if state.note and state.note in MARKS:
        return {"\n": (1, State() if state.bar == 7 else _next_bar(state))}
    if state.place < 0:
        return _chord(state)
    if state.place == BAR:
        mark = MARKS[state.bar]
        waits = state._replace(note=mark, place=-1)
        return {mark: (1, _next_bar(state) if mark == "|" else waits)}
    return _duration(state) if state.note else _pitch(state)


def _next_bar(state: State) -> State:
    return state._replace(bar=state.bar + 1, place=-1, note="")


def _chord(state: State) -> Step:
    bar, chords = state.bar, state.chords
    if bar == 0:
        choices = FIRST
    elif bar in (1, 2):
        choices = {c: n for c, n in FOLLOWS[chords[-1]].items() if bar == 1 or c != "G"}
    elif bar in (4, 5):
        choices = {chords[0]: 1}
    else:
        choices = {"C" if bar == 7 else "G": 1}
    kept = {1: chords, 2: chords, 3: chords[:2], 4: chords[1:2]}.get(bar, "")
    return {c: (n, state._replace(chords=kept + c, place=0)) for c, n in choices.items()}


def _pitch(state: State) -> Step:
    chord, last = CHORDS[state.chords[-1]], SCALE.index(state.pitch)
    choices = {}
    for k, pitch in enumerate(SCALE):
        distance = min((k - last) % 7, (last - k) % 7)
        if pitch in chord or (state.place % 4 and distance == 1):
            choices[pitch] = NEAR[distance]
    if state.place % 4 and not state.rest:
        choices["z"] = 1
    if state.bar == 7 and state.place == BAR - 1:
        choices = {"c": 1}
    return {pitch: (n, state._replace(note=pitch)) for pitch, n in choices.items()}


def _duration(state: State) -> Step:
    rest = state.note == "z"
    after = state._replace(pitch=state.pitch if rest else state.note, note="", rest=rest)
    steps = {}
    for duration, (places, n) in DURATIONS.items():
        place = state.place + int(duration)
        ends_wrongly = state.bar == 7 and place == BAR and state.note != "c"
        if state.place in places and place <= BAR and not ends_wrongly:
            steps[duration] = (n, after._replace(place=place))
    return steps
