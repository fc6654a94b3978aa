"""What this build is and what of it is in use here."""

from __future__ import annotations

import os
from importlib.metadata import version

from nbt import _core

__all__ = ["__version__", "build_info", "isa_in_use"]

__version__ = version("nobacktrack")
"""Of the package, as in its distribution."""


def build_info() -> dict[str, object]:
    """Facts of the installed build.

    Returns
    -------
    dict
        ``version``; ``compiler``; ``openmp`` (False: this build takes one thread a step);
        ``isas``, the instruction sets it can use here, and ``isa``, the one in use: the last of
        them, or what the environment variable ``NBT_ISA`` names.

    Raises
    ------
    ValueError
        If ``NBT_ISA`` names none of them.
    """
    return {
        "version": __version__,
        **_core.compiled(),
        "isa": isa_in_use(),
        "isas": _core.isas(),
    }


def isa_in_use() -> str:
    """The instruction set of learners that are made now."""
    usable, named = _core.isas(), os.environ.get("NBT_ISA")
    if named and named not in usable:
        raise ValueError(f"NBT_ISA: expected one of {usable} on this machine, got {named!r}")
    return named or usable[-1]
