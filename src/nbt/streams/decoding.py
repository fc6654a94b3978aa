"""Decoding of bytes to characters that keeps how many bytes each character took."""

from __future__ import annotations

import codecs
from typing import Any, Literal, get_args

import numpy as np

from nbt import _arguments

__all__ = ["Decoder", "Look", "Plain"]

Errors = Literal["strict", "replace", "escape"]
HANDLERS = get_args(Errors)
REPLACEMENT = 0xFFFD
FIRST, MORE = 0xDC00, 0xDD00  # code points for the first byte of a bad piece, and for the others
WIDTHS = {  # bytes of a character, by its code point
    "utf-8": lambda points: 1 + (points > 0x7F) + (points > 0x7FF) + (points > 0xFFFF),
    "utf-16": lambda points: np.where(points > 0xFFFF, 4, 2),
    "utf-32": lambda points: np.full(len(points), 4),
    "single": lambda points: np.ones(len(points), int),
}
BYTE_ORDER_MARKS = (  # a mark that begins with another mark comes before it
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
DEPENDENT = ("iso2022", "hz", "utf-7", "unicode-escape", "raw-unicode-escape", "idna", "punycode")


class Plain:
    """Bytes that are symbols themselves: a `Look` without decoding."""

    failure = ""
    uneven = False

    def __init__(self, data: bytes) -> None:
        self.text = data

    def size(self, count: int) -> int:
        return count

    def replaced(self, count: int) -> int:
        return 0

    def bad_places(self, count: int) -> list[int]:
        return []

    def begun(self, count: int) -> int:
        return 0

    def after(self, count: int) -> Plain:
        return Plain(self.text[count:])


class Look:
    """The characters at the beginning of some bytes.

    Parameters
    ----------
    text : str
        The characters.
    failure : str
        Why the next character cannot be decoded; "" if more bytes are needed.
    mark : int
        Length of a byte order mark. Its bytes are counted as part of the first character.
    sizes, bad : array (len(text),), optional
        Bytes that each character took, and how many of these were invalid. The bytes of a bad piece
        are counted for the last character that stands for it. None: the bytes are valid UTF-8.
    whole : int, optional
        Bytes of all characters together, where that is known.

    Attributes
    ----------
    uneven : bool
        Whether some characters may stand for invalid bytes, or for no byte of their own.
    """

    def __init__(
        self,
        text: str,
        failure: str = "",
        mark: int = 0,
        sizes: np.ndarray | None = None,
        bad: np.ndarray | None = None,
        whole: int | None = None,
    ) -> None:
        self.text, self.failure, self._mark = text, failure, mark
        self._sizes, self._bad, self._whole = sizes, bad, whole
        self.uneven = sizes is not None

    def size(self, count: int) -> int:
        """Return the number of bytes of the first `count` characters."""
        if not count:
            return 0
        if self._whole is not None and count == len(self.text):
            return self._mark + self._whole
        if self._sizes is None:
            return self._mark + len(self.text[:count].encode())
        return self._mark + int(self._sizes[:count].sum())

    def places(self) -> np.ndarray:
        """Return the places at which the bytes of each character begin."""
        sizes = WIDTHS["utf-8"](_points(self.text)) if self._sizes is None else self._sizes
        return self._mark + np.cumsum(sizes) - sizes

    def replaced(self, count: int) -> int:
        """Return the number of invalid bytes among those of the first `count` characters."""
        return 0 if self._bad is None else int(self._bad[:count].sum())

    def bad_places(self, count: int) -> list[int]:
        """Return which of the first `count` characters stand for invalid bytes."""
        return [] if self._bad is None else np.flatnonzero(self._bad[:count]).tolist()

    def begun(self, count: int) -> int:
        """Return how many of the first `count` characters stand for a piece whose last character is
        still to come."""
        if self._sizes is None:
            return 0
        return count - int(np.flatnonzero(np.r_[1, self._sizes[:count]])[-1])

    def after(self, count: int) -> Look:
        """Return the look without the first `count` characters."""
        if not count:
            return self
        if self._sizes is None:
            return Look(self.text[count:], self.failure)
        bad = None if self._bad is None else self._bad[count:]
        return Look(self.text[count:], self.failure, 0, self._sizes[count:], bad)


class Decoder:
    """Decoder of bytes to characters.

    A byte order mark at the beginning of a file is no character. Without `encoding` it tells the
    encoding of the file.

    Parameters
    ----------
    encoding : str, optional
        A name of an encoding that Python knows, in which no character depends on those before it.
        Default: as the byte order mark says, else UTF-8.
    errors : {"strict", "replace", "escape"}
        What to do with invalid bytes. "strict": stop with an error. "replace": give U+FFFD.
        "escape": give four characters, such as ``\\xff`` for the byte 255.

    Raises
    ------
    TypeError
        `encoding` or `errors` is no string.
    ValueError
        `encoding` is not known, or is one in which characters depend on those before them; `errors`
        is none of the names above.
    """

    def __init__(self, encoding: str | None = None, errors: str = "strict") -> None:
        self.errors = _arguments.one_of("errors", errors, HANDLERS)
        self._name = "utf-8" if encoding is None else _name_of(encoding)
        self._any = encoding is None
        self._family = _family_of(self._name)

    # ---- the beginning of a file -----------------------------------------------------------------

    def variant(self, data: bytes, final: bool) -> int:
        """Return which encoding a file has, from its first bytes; 0 if more bytes are needed to
        know.

        1 is the encoding that was asked for, without a mark. 2 and more are the encodings of the
        byte order marks.
        """
        for k, (mark, name) in enumerate(BYTE_ORDER_MARKS, 2):
            if not (self._any or _same(name, self._name)):
                continue
            if data.startswith(mark):
                return k
            if mark.startswith(data) and not final:
                return 0
        return 1

    # ---- decoding --------------------------------------------------------------------------------

    def look(self, data: bytes, variant: int, final: bool, beginning: bool = False) -> Look:
        """Return the characters that `data` begins with.

        Parameters
        ----------
        data : bytes
            Bytes that begin with a character, or with the first byte of a file if `beginning`.
        variant : int
            What `variant` returned for the file.
        final : bool
            Whether nothing follows. Then an incomplete character at the end is invalid.
        """
        mark, name = BYTE_ORDER_MARKS[variant - 2] if variant > 1 else (b"", self._name)
        skipped = len(mark) if beginning else 0
        data = data[skipped:] if skipped else data
        family = _family_of(name) if variant > 1 else self._family
        if family == "multibyte":
            return self._by_bytes(data, name, final, skipped)
        decode = codecs.getdecoder(name) if family == "single" else None
        try:
            (text, whole), failure = _decoded(data, name, decode, "strict", final), ""
        except UnicodeDecodeError as error:
            if self.errors != "strict":
                text = _decoded(data, name, decode, _PIECES, final)[0]
                return self._mended(text, family, skipped)
            text, whole = _decoded(data[: error.start], name, decode, "strict", True)
            failure = _why(error, name)
        if family == "utf-8":
            return Look(text, failure, skipped, whole=whole)
        return Look(text, failure, skipped, WIDTHS[family](_points(text)))

    def _by_bytes(self, data: bytes, name: str, final: bool, skipped: int) -> Look:
        """Decode byte by byte, for encodings in which the code point does not tell the number of
        bytes."""
        errors = "strict" if self.errors == "strict" else _PIECES
        decoder = codecs.getincrementaldecoder(name)(errors)
        parts, sizes, held = [], [], 0
        failure = ""
        for k in range(len(data) + final):
            try:
                part = decoder.decode(data[k : k + 1], k == len(data))
            except UnicodeDecodeError as error:
                failure = _why(error, name)
                break
            held += k < len(data)
            parts.append(part)
            if part:  # several characters after bad bytes: one byte for each but the last
                taken = held - len(decoder.getstate()[0])
                sizes += [1] * (len(part) - 1) + [taken - len(part) + 1]
                held -= taken
        text, widths = "".join(parts), np.array(sizes, int)
        if errors == "strict" or not _is_bad(_points(text)).any():
            return Look(text, failure, skipped, widths)
        return self._mended(text, widths, skipped)

    def _mended(self, text: str, widths: str | np.ndarray, skipped: int) -> Look:
        """Replace or escape the invalid bytes, for each of which the text has a surrogate."""
        points = _points(text)
        bad = _is_bad(points)
        sizes = WIDTHS[widths](points) if isinstance(widths, str) else widths
        sizes = np.where(bad, 1, sizes)
        if self.errors == "replace":
            begins = np.flatnonzero(~bad | (points < MORE))
            sizes = np.add.reduceat(sizes, begins) if begins.size else sizes
            points, bad = np.where(bad, REPLACEMENT, points)[begins], bad[begins]
        else:  # four characters for a byte
            low = points & 0xFF
            four = [np.full_like(low, ord("\\")), np.full_like(low, ord("x")), low >> 4, low & 15]
            digits = np.frombuffer(b"0123456789abcdef", np.uint8)
            four[2:] = (digits[half] for half in four[2:])
            each = np.stack([*four[:3], np.where(bad, four[3], points)], axis=1)
            kept = np.repeat(bad[:, None], 4, axis=1)
            kept[:, 3] = True
            sizes = np.stack([np.zeros_like(sizes)] * 3 + [sizes], axis=1)[kept]
            points, bad = each[kept], np.repeat(bad[:, None], 4, axis=1)[kept]
        text = points.astype("<u4").tobytes().decode("utf-32-le")
        return Look(text, "", skipped, sizes, np.where(bad, sizes, 0))


def _decoded(data: bytes, name: str, decode: Any, errors: str, final: bool) -> tuple[str, int]:
    """Return the characters that are whole, and the number of their bytes."""
    if decode is not None:
        return decode(data, errors)
    return getattr(codecs, f"{name.replace('-', '_')}_decode")(data, errors, final)


def _points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)


def _is_bad(points: np.ndarray) -> np.ndarray:
    return (points >= FIRST) & (points < MORE + 256)


def _why(error: UnicodeDecodeError, name: str) -> str:
    return f"is not {name.upper()} ({error.reason})"


def _name_of(encoding: str) -> str:
    if not isinstance(encoding, str):
        raise TypeError(f"encoding: expected a name, got {encoding!r}")
    try:
        found = codecs.lookup(encoding)
    except (LookupError, ValueError):
        raise ValueError(f"encoding: expected a name that Python knows, got {encoding!r}") from None
    name = found.name.replace("_", "-").lower()
    if not getattr(found, "_is_text_encoding", True) or name.startswith(DEPENDENT):
        raise ValueError(
            f"encoding: expected one in which a character does not depend on those before it, "
            f"got {encoding!r}"
        )
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name)


def _family_of(name: str) -> str:
    for family in ("utf-8", "utf-16", "utf-32"):
        if name.startswith(family):
            return family
    single = all(len(bytes([b]).decode(name, "replace")) == 1 for b in range(256))
    single = single and len(bytes(range(256)).decode(name, "replace")) == 256
    return "single" if single else "multibyte"


def _same(mark: str, asked: str) -> bool:
    """Return whether a file with a mark of one encoding may be read where another was asked for."""
    return _family_of(mark) == asked[: len(_family_of(mark))]


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """Return a surrogate for each byte of a bad piece. No encoding gives these."""
    piece = error.object[error.start : error.end]
    return "".join(chr((MORE if k else FIRST) + b) for k, b in enumerate(piece)), error.end


_PIECES = "nbt.pieces"  # our name in Python's registry of error handlers
codecs.register_error(_PIECES, _stand_in)
