"""Sources of symbols and of numbers: files, pipes, logs that grow, arrays.

A stream has an `alphabet` (None: it is of numbers), a `name`, an `entropy_rate` (bits per symbol,
or None where nobody knows it), says whether it is `endless`, and is read in order with `read(n)`.
What comes does not depend on the sizes asked for. Streams know nothing about trainers.

`text`, `file`, `table` and `symbols` make one; `FORMATS` are those of `file`.
"""

from nbt.streams.alphabets import Alphabet
from nbt.streams.arrays import symbols
from nbt.streams.base import Numbers, Stream
from nbt.streams.files import FORMATS, file, text
from nbt.streams.tables.table import table

__all__ = [  # noqa: RUF022 - what makes streams, then what they are
    "text",
    "file",
    "table",
    "symbols",
    "Stream",
    "Numbers",
    "Alphabet",
    "FORMATS",
]
