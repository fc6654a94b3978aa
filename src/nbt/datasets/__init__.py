"""Data sets: processes whose entropy rate is known, a text, and numbers to forecast.

`anbn`, `brackets`, `delayed_copy` and `adding` depend on what came long before; their
`forgetful_rate` says what it costs to forget it. `music` is synthetic music notation, and
`shakespeare` is a text. `mackey_glass`, `lorenz` and `sines` are streams of numbers. All are
streams (`nbt.streams`), and endless, except for the text. All but `adding` have a name, such as
``"anbn[1,32]"``. `by_name` takes it, and so does the command line, after ``data:``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from nbt import _arguments
from nbt.datasets.notation import music
from nbt.datasets.series import lorenz, mackey_glass, sines
from nbt.datasets.texts import shakespeare
from nbt.datasets.vectors import adding
from nbt.datasets.words import anbn, brackets, delayed_copy
from nbt.streams import Stream

__all__ = [
    "adding",
    "anbn",
    "brackets",
    "by_name",
    "delayed_copy",
    "lorenz",
    "mackey_glass",
    "music",
    "shakespeare",
    "sines",
]

NAMED: dict[str, tuple[Callable[..., Stream], tuple[str, ...]]] = {  # arguments in brackets
    "anbn": (anbn, ("low", "high")),
    "brackets": (brackets, ("low", "high", "kinds", "letters")),
    "delayed_copy": (delayed_copy, ("length", "delay", "letters")),
    "music": (music, ("length",)),
    "shakespeare": (shakespeare, ()),
    "mackey_glass": (mackey_glass, ()),
    "lorenz": (lorenz, ()),
    "sines": (sines, ()),
}


def by_name(name: str, seed: int | None = None) -> Stream:
    """Return the data set with this name.

    Parameters
    ----------
    name : str
        The name, and in square brackets the first of its arguments, as many as you like:
        ``"anbn"``, ``"anbn[1,64]"``, ``"brackets[5,40,2]"``, ``"delayed_copy[8,16]"``, ``"music"``,
        ``"shakespeare"``, ``"lorenz"``.
    seed : int, optional
        Seed of what is generated, in [0, 2⁶⁴).

    Raises
    ------
    TypeError
        `name` is no string, `seed` no integer.
    ValueError
        `name` is no name of a data set (the message lists them), or a number in brackets is out of
        range; `seed` is out of range.
    """
    _arguments.instance("name", name, str)
    found = re.fullmatch(r"(\w+)(?:\[\s*(\d+(?:\s*,\s*\d+)*)\s*\])?", name)
    make, arguments = NAMED.get(found[1] if found else "", (None, ()))
    numbers = [int(number) for number in (found[2] or "").split(",") if number] if found else []
    if make is None or len(numbers) > len(arguments):
        raise ValueError(f"name: expected one of {', '.join(map(_form, NAMED))}; got {name!r}")
    given = dict(zip(arguments, numbers, strict=False))
    return make(**given) if seed is None or make is shakespeare else make(**given, seed=seed)


def _form(name: str) -> str:
    arguments = NAMED[name][1]
    return f"{name}[{','.join(map(str.upper, arguments))}]" if arguments else name
