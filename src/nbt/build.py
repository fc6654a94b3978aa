"""Facts about the installed build."""

from __future__ import annotations

import os
from importlib.metadata import version

from nbt import _core

__all__ = ["__version__", "build_info", "isa_in_use"]

__version__ = version("nobacktrack")
"""Version of the package, as in its distribution."""


def build_info() -> dict[str, object]:
    """Return facts about the installed build.

    Returns
    -------
    dict
        ``version``; ``compiler``; ``openmp`` (False: this build uses one thread a step); ``isas``,
        the instruction sets that this build can use on this machine; and ``isa``, the one in use:
        the last of them, or the one that the environment variable ``NBT_ISA`` names.

    Raises
    ------
    ValueError
        ``NBT_ISA`` names none of them.
    """
    return {
        "version": __version__,
        **_core.compiled(),
        "isa": isa_in_use(),
        "isas": _core.isas(),
    }


def isa_in_use() -> str:
    """Return the instruction set of learners that are made now."""
    usable, named = _core.isas(), os.environ.get("NBT_ISA")
    if named and named not in usable:
        raise ValueError(f"NBT_ISA: expected one of {usable} on this machine, got {named!r}")
    return named or usable[-1]
