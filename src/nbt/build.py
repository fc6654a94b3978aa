"""What this build is and what of it is in use here."""

from __future__ import annotations

import os
from importlib.metadata import version

from nbt import _core

__all__ = ["__version__", "build_info"]

__version__ = version("nobacktrack")


def build_info() -> dict[str, object]:
    """Facts of the installed build.

    Returns
    -------
    dict
        ``version``; ``compiler``; ``openmp`` (False: this build takes one thread a step);
        ``isas``, the instruction sets it can use here, and ``isa``, the one in use: the last of
        them, or what the environment variable ``NBT_ISA`` names.
    """
    isas = _core.isas()
    return {
        "version": __version__,
        **_core.compiled(),
        "isa": os.environ.get("NBT_ISA") or isas[-1],
        "isas": isas,
    }
