"""Streams of symbols and of numbers: files, pipes, logs that grow, arrays.

A stream has an `alphabet` (None for a stream of numbers), a `name`, an `entropy_rate` (bits per
symbol, or None where it is not known) and says whether it is `endless`. It is read in order with
`read(n)`. What is read does not depend on the sizes of the reads. Streams know nothing about
trainers.

`text`, `file`, `table` and `symbols` make streams; `FORMATS` are the formats of `file`.
"""

from nbt.streams.alphabets import Alphabet
from nbt.streams.arrays import symbols
from nbt.streams.base import Numbers, Stream, SymbolStream
from nbt.streams.files import FORMATS, file, text
from nbt.streams.tables.table import table

__all__ = [  # noqa: RUF022 - what makes streams, then what they are
    "text",
    "file",
    "table",
    "symbols",
    "Stream",
    "SymbolStream",
    "Numbers",
    "Alphabet",
    "FORMATS",
]
