"""Open files and pipes as streams of symbols, in one of several formats."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, Literal, cast, get_args

from nbt import _arguments
from nbt.errors import DataError
from nbt.streams.alphabets import OTHER, Alphabet
from nbt.streams.arrays import symbols
from nbt.streams.base import Stream, SymbolStream
from nbt.streams.characters import Characters, FileStream
from nbt.streams.decoding import Decoder, Errors
from nbt.streams.sources.npy import load
from nbt.streams.sources.opening import open_source
from nbt.streams.sources.rotations import PACKED
from nbt.streams.sources.source import CHUNK, Source
from nbt.streams.tables.dialects import LONGEST, reading_of
from nbt.streams.tables.words import Words

__all__ = ["FORMATS", "file", "text", "usual_format"]

COLUMNS = ("csv", "jsonl")
Format = Literal["text", "lines", "bytes", "csv", "jsonl", "npy"]
FORMATS = get_args(Format)
MOST_SYMBOLS = 1024
MOST_WORDS = 1 << 20  # different ones, in a file that is read twice


def text(
    path: str | os.PathLike[str],
    alphabet: str | Alphabet = "file",
    *,
    follow: bool = False,
    cap: int = MOST_SYMBOLS,
    encoding: str | None = None,
    errors: Errors | None = None,
    unknown: Literal["error", "mark"] = "error",
) -> SymbolStream:
    r"""Return a stream over the characters or bytes of a file or of standard input.

    Parameters
    ----------
    path : str or path-like
        A file, or "-" for standard input. Memory does not grow with its size.
    alphabet : str or Alphabet
        "file": the characters that occur in the file, sorted (it is read twice, so not for a pipe).
        "bytes": all 256 bytes; nothing is decoded. "grow": characters join as they come. Any other
        string: its characters.
    follow : bool
        At the end of the file, wait for more, for ever. A log that is rotated is read in order and
        once. If the file is renamed and another takes its name, it is read to its end, then all
        files that came after it, compressed or not. If it is copied and emptied, the copy is read
        to its end, then the file from its beginning. If something is lost, a `RuntimeWarning` says
        so.
    cap : int
        Size at which an alphabet stops growing, from 2 to 2²⁴. Symbol 0 of one that grows is
        "\ufffd"; it stands for every new character after that.
    encoding : str, optional
        Name of an encoding that Python knows. Default: as a byte order mark at the beginning of the
        file says, else UTF-8. The mark is no character.
    errors : {"strict", "replace", "escape"}, optional
        What to do with bytes that are invalid in the encoding. "strict": raise `DataError`.
        "replace": give U+FFFD, one for each piece, as Python does. "escape": give four characters,
        ``\xff`` for the byte 255. Default: "strict", but "replace" for a pipe or a file that is
        followed. `Stream.counts` counts the bytes. A character that is cut by the end of a chunk,
        or by the end of a file that another one follows, is read whole.
    unknown : {"error", "mark"}
        What to do with a symbol that a fixed alphabet lacks. "error": raise `DataError`. "mark":
        give -1, which `nbt.train` passes over. `strange` then has the symbols of the last read,
        and `Stream.counts` counts them.

    Raises
    ------
    TypeError
        `path` is no path; `alphabet` is no string or alphabet of characters or bytes; `cap` is no
        integer; `encoding`, `errors` or `unknown` is no string.
    ValueError
        `alphabet` is empty or has a character twice; `follow` is True for standard input; `cap` is
        out of range; `encoding` is not known, or one in which characters depend on those before
        them; `errors` or `unknown` is none of the names above.
    OSError
        The file cannot be read.
    DataError
        Here or while reading: the file is empty, has invalid bytes, or has a symbol that is not in
        the alphabet; or the alphabet "file" is asked for of a pipe or a file that is followed. The
        message names the line and the byte offset, counted from 0.

    Examples
    --------
    >>> stream = text("/usr/share/dict/words")  # doctest: +SKIP
    >>> stream.alphabet.decode(stream.read(8))  # doctest: +SKIP
    'A\nA\'s\nAA'
    """
    choices = {"encoding": encoding, "errors": errors, "unknown": unknown}
    stream = file(path, "text", alphabet, follow=follow, cap=cap, **choices)
    return cast(SymbolStream, stream)


def file(
    path: str | os.PathLike[str],
    format: Format | None = None,
    alphabet: str | int | Alphabet | None = None,
    *,
    column: str | None = None,
    follow: bool = False,
    cap: int = MOST_SYMBOLS,
    encoding: str | None = None,
    errors: Errors | None = None,
    unknown: Literal["error", "mark"] = "error",
    delimiter: str | None = None,
    on_bad_record: Literal["stop", "skip"] | None = None,
    longest: int = LONGEST,
) -> Stream:
    """Return a stream over a file or standard input, in one of several formats.

    Parameters
    ----------
    path : str or path-like
        As in `text`.
    format : {"text", "lines", "bytes", "csv", "jsonl", "npy"}, optional
        What a symbol is. "text": a character. "lines": the same, but no character of a line is
        given before the line is complete. "bytes": a byte. "csv", "jsonl": the value in one column
        of a record, as a word (JSON values as they are written; "" where it is missing). "npy": an
        integer of a one-dimensional NumPy array. Default: "npy" if the name ends in .npy (or
        .npy.gz and the like), else "text".
    alphabet : str, int or Alphabet, optional
        As in `text`. For words: the words, separated by commas. For numbers: how many there are.
        Default: what occurs in a file; for a pipe or a file that is followed, "bytes" for the
        format "text" and otherwise "grow".
    column : str, optional
        Name of the column of "csv" (in its first line) or "jsonl". Needed for these formats.
    follow, cap, encoding, errors, unknown
        As in `text`.
    delimiter, on_bad_record, longest
        For "csv" and "jsonl", as in `table`.

    Raises
    ------
    TypeError
        As in `text`; `alphabet` does not fit the format; `delimiter` or `on_bad_record` is no
        string; `longest` is no integer.
    ValueError
        As in `text`; `format` is none of the names above; `column` is missing, or is given for a
        format without columns; `encoding` is given for "bytes" or "npy"; `alphabet` is given for
        "bytes"; `delimiter`, `on_bad_record` or `longest` is not allowed, see `table`.
    DataError, OSError
        As in `text` and `table`.
    """
    path = _arguments.path("path", path)
    format = usual_format(path) if format is None else format
    if format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    if (column is not None) != (format in COLUMNS):
        need = "the name of one" if column is None else "none"
        raise ValueError(f"column: expected {need} for format={format!r}, got {column!r}")
    if encoding is not None and format in ("npy", "bytes"):
        raise ValueError(f"encoding: expected none for format={format!r}, got {encoding!r}")
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


def usual_format(path: str) -> str:
    """Return the format of a file for which none is given: by its name."""
    return "npy" if PACKED.sub("", path.lower()).endswith(".npy") else "text"


def _written(stream: Stream, format: str, column: str | None) -> Stream:
    """Return the stream, on which the format of its file is recorded."""
    stream.format, stream.column = format, column
    return stream


# ---- alphabets ---------------------------------------------------------------------------------


def _characters(stream: Characters, format: str, alphabet: Any) -> Alphabet:
    if alphabet is None:
        alphabet = "file" if not stream.live else "grow" if format == "lines" else "bytes"
    if isinstance(alphabet, Alphabet) and not isinstance(alphabet.symbols, (str, bytes)):
        raise TypeError(f"alphabet: expected characters or bytes, got {alphabet!r}")
    if format == "bytes" and alphabet not in ("bytes", "file", Alphabet(bytes(range(256)))):
        raise ValueError(f"alphabet: expected none for format='bytes', got {alphabet!r}")
    if isinstance(alphabet, Alphabet):
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
    while first.read(CHUNK).size:
        pass
    source.seek({"offset": 0, "hash": 0})
    return Alphabet(tuple(sorted(first.alphabet.symbols[1:])))


def _characters_of(stream: Characters) -> Alphabet:
    """Return the alphabet of the characters that occur in a file, sorted."""
    _twice(stream)
    start = stream.state_dict()
    symbols = stream.seen()
    stream.load_state_dict(start)
    if symbols.startswith(OTHER):  # such an alphabet would grow
        symbols = symbols[1:] + OTHER
    return Alphabet(symbols)


def _twice(source: Source | Stream) -> None:
    if source.live:
        raise DataError(
            f"{source.name}: alphabet='file' reads the source twice, which a pipe does not "
            "allow; give 'bytes', 'grow' or a string of its characters"
        )


def _numbers(path: str, alphabet: Any) -> Stream:
    if isinstance(alphabet, str):
        alphabet = int(alphabet) if alphabet.isdecimal() else None
    name = "standard input" if path == "-" else path
    return symbols(load(path), alphabet=alphabet, name=name)
