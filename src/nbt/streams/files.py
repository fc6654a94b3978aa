"""Opening files and pipes as streams of symbols, in one of several formats."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

from nbt import _arguments
from nbt.errors import DataError
from nbt.streams.alphabets import OTHER, Alphabet
from nbt.streams.arrays import symbols
from nbt.streams.base import Stream
from nbt.streams.characters import Characters, FileStream
from nbt.streams.decoding import Decoder
from nbt.streams.sources.npy import load
from nbt.streams.sources.opening import open_source
from nbt.streams.sources.rotations import PACKED
from nbt.streams.sources.source import BLOCK, Source
from nbt.streams.tables.dialects import LONGEST, reading_of
from nbt.streams.tables.words import Words

__all__ = ["FORMATS", "file", "text"]

COLUMNS = ("csv", "jsonl")
FORMATS = ("text", "lines", "bytes", "csv", "jsonl", "npy")
MOST_SYMBOLS = 1024
MOST_WORDS = 1 << 20  # in a file that is read twice


def text(
    path: str | os.PathLike[str],
    alphabet: str | Alphabet = "file",
    *,
    follow: bool = False,
    cap: int = MOST_SYMBOLS,
    encoding: str | None = None,
    errors: str | None = None,
    unknown: str = "error",
) -> Stream:
    r"""A stream over the characters or bytes of a file or of standard input.

    Parameters
    ----------
    path : str or path-like
        A file, or "-" for standard input. Memory used does not depend on its size.
    alphabet : str or Alphabet
        "file": the characters that occur in it, sorted (UTF-8; the file is read twice, so not for
        a pipe); "bytes": all 256 bytes, nothing is decoded; "grow": characters as they come; any
        other string: its characters.
    follow : bool
        At the end of the file, wait for more, for ever. When the file is renamed and another takes
        its name, it is read to its end, then all that came after it, packed or not; when it was
        copied and cut, the copy's end, then it from its beginning. What is lost is a
        `RuntimeWarning`.
    cap : int
        At how many symbols an alphabet stops growing. Symbol 0 of one that grows is "\ufffd",
        and stands for every character that comes after that.
    encoding : str, optional
        How characters are encoded: a name that Python knows. Default: as a byte order mark at the
        beginning of the file says, else UTF-8. The mark is no character.
    errors : {"strict", "replace", "escape"}, optional
        What bytes are that are no character: a `DataError`, U+FFFD (one for each piece, as Python
        replaces them), or four characters ``\xff`` for the byte 255. Default: "strict", and
        "replace" for a pipe or a file that is followed. `Stream.counts` counts the bytes. A
        character that is cut by the end of a block, or of a file that is followed by the next one,
        is whole.
    unknown : {"error", "mark"}
        What a symbol is that a fixed alphabet lacks: a `DataError`, or -1, which `nbt.train` passes
        over. `strange` then has the symbols of the last block, and `Stream.counts` counts them.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.
    OSError
        The file cannot be read.
    DataError
        Here or while reading: the file is empty, has bytes that are no character, or a symbol that
        is not in the alphabet. The message names the line and the byte offset, counted from 0.

    Examples
    --------
    >>> stream = text("/usr/share/dict/words")  # doctest: +SKIP
    >>> stream.alphabet.decode(stream.read(8))  # doctest: +SKIP
    'A\nA\'s\nAA'
    """
    choices = {"encoding": encoding, "errors": errors, "unknown": unknown}
    return file(path, "text", alphabet, follow=follow, cap=cap, **choices)


def file(
    path: str | os.PathLike[str],
    format: str | None = None,
    alphabet: str | int | Alphabet | None = None,
    *,
    column: str | None = None,
    follow: bool = False,
    cap: int = MOST_SYMBOLS,
    encoding: str | None = None,
    errors: str | None = None,
    unknown: str = "error",
    delimiter: str | None = None,
    on_bad_record: str | None = None,
    longest: int = LONGEST,
) -> Stream:
    """A stream over a file or standard input, in one of several formats.

    Parameters
    ----------
    path : str or path-like
        As in `text`.
    format : {"text", "lines", "bytes", "csv", "jsonl", "npy"}, optional
        What a symbol is; by default npy of a name that ends so, else text. `text`: a character.
        `lines`: the same, but of a line nothing is given before its end is there. `bytes`: a byte.
        `csv`, `jsonl`: a record's value in one column, as a word (JSON values as they are written;
        "" where it is missing). `npy`: an integer of a one-dimensional NumPy array.
    alphabet : str, int or Alphabet, optional
        As in `text`; of words, those between commas; of numbers, how many. By default what occurs
        in a file; for a pipe or a file that is followed `bytes` for text, and else "grow".
    column : str, optional
        Name of the column of `csv` (in its first line) or `jsonl`.
    follow, cap, encoding, errors, unknown
        As in `text`.
    delimiter, on_bad_record, longest
        Of `csv` and `jsonl`, as in `table`.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not as above.
    DataError, OSError
        As in `text` and `table`.
    """
    path = _arguments.path("path", path)
    if format is None:
        format = "npy" if PACKED.sub("", path.lower()).endswith(".npy") else "text"
    if format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    if (column is not None) != (format in COLUMNS):
        need = "the name of one" if column is None else "none"
        raise ValueError(f"column: expected {need} for format {format!r}, got {column!r}")
    if encoding is not None and format in ("npy", "bytes"):
        raise ValueError(f"encoding: expected none for format {format!r}, got {encoding!r}")
    reading = reading_of(format, delimiter, on_bad_record, longest)
    if format == "npy":
        return _written(_numbers(path, alphabet), format, None)
    source, close = open_source(path, follow)
    try:
        goes_on = source.live or on_bad_record == "skip"
        decoder = Decoder(encoding, errors or ("replace" if goes_on else "strict"))
        choices = {"unknown": unknown, "decoder": decoder}
        if column is None:
            characters = Characters(source, cap, format == "lines", **choices)
            characters.set_alphabet(_characters(characters, format, alphabet))
            stream: FileStream = characters
        else:
            stream = Words(source, reading, column, cap, **choices)

            def again() -> Words:
                return Words(source, reading, column, MOST_WORDS, **choices)

            stream.set_alphabet(_words(source, alphabet, again))
        if close:
            weakref.finalize(stream, close)
    except BaseException:
        if close:
            close()
        raise
    return _written(stream, format, column)


def _written(stream: Stream, format: str, column: str | None) -> Stream:
    """The stream, which tells how its file is written."""
    stream.format, stream.column = format, column
    return stream


# ---- alphabets ---------------------------------------------------------------------------------


def _characters(stream: Characters, format: str, alphabet: Any) -> Alphabet:
    if alphabet is None:
        alphabet = "file" if not stream.live else "grow" if format == "lines" else "bytes"
    if format == "bytes" and alphabet not in ("bytes", "file"):
        raise ValueError(f"alphabet: expected none for format 'bytes', got {alphabet!r}")
    if isinstance(alphabet, Alphabet):
        if not isinstance(alphabet.symbols, (str, bytes)):
            raise TypeError(f"alphabet: expected characters or bytes, got {alphabet!r}")
        return alphabet
    if not isinstance(alphabet, str):
        raise TypeError(f"alphabet: expected characters or bytes, got {alphabet!r}")
    if alphabet == "bytes" or format == "bytes":
        return Alphabet(bytes(range(256)))
    if alphabet == "file":
        return _characters_of(stream)
    return Alphabet(OTHER if alphabet == "grow" else alphabet)


def _words(source: Source, alphabet: Any, again: Callable[[], Words]) -> Alphabet:
    if isinstance(alphabet, Alphabet):
        if not isinstance(alphabet.symbols, tuple):
            raise TypeError(f"alphabet: expected words, got {alphabet!r}")
        return alphabet
    if alphabet is None:
        alphabet = "grow" if source.live else "file"
    if not isinstance(alphabet, str):
        raise TypeError(f"alphabet: expected words, got {alphabet!r}")
    if alphabet == "grow":
        return Alphabet((OTHER,))
    if alphabet != "file":
        return Alphabet(tuple(alphabet.split(",")))
    _twice(source)
    first = again()
    first.set_alphabet(Alphabet((OTHER,)))
    while first.read(BLOCK).size:
        pass
    source.seek({"offset": 0, "hash": 0})
    return Alphabet(tuple(sorted(first.alphabet.symbols[1:])))


def _characters_of(stream: Characters) -> Alphabet:
    """Those that occur in a file, sorted."""
    _twice(stream)
    start = stream.state_dict()
    symbols = stream.seen()
    stream.load_state_dict(start)
    if symbols.startswith(OTHER):  # which would be one that grows
        symbols = symbols[1:] + OTHER
    return Alphabet(symbols)


def _twice(source: Source | Stream) -> None:
    if source.live:
        raise DataError(
            f"{source.name}: the alphabet 'file' reads the source twice, which a pipe does not "
            "allow; give 'bytes', 'grow' or a string of its characters"
        )


def _numbers(path: str, alphabet: Any) -> Stream:
    if isinstance(alphabet, str):
        alphabet = int(alphabet) if alphabet.isdecimal() else None
    name = "standard input" if path == "-" else path
    return symbols(load(path), alphabet=alphabet, name=name)
