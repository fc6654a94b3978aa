"""Sources of symbols and of numbers: files, pipes, logs that grow, arrays.

A stream has an `alphabet` (None: it is of numbers), a `name`, an `entropy_rate` (bits per symbol,
or None where nobody knows it), says whether it is `endless`, and is read in order with `read(n)`.
What comes does not depend on the sizes asked for. Streams know nothing about trainers.

`text`, `file`, `table` and `symbols` make one; `FORMATS` are those of `file`.
"""

from nbt.alphabets import Alphabet
from nbt.arrays import symbols
from nbt.files import FORMATS, file, text
from nbt.reading import Numbers, Stream
from nbt.tables import table

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
