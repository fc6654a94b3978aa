"""Check that the folder of this package is ours alone: another distribution has the import name
nbt, too.

Whichever of the two is installed last overwrites ``nbt/__init__.py``. This module imports nothing
else of the package, so that it also works beside an ``__init__.py`` that is not ours.
"""

from __future__ import annotations

import os
import sys
import warnings

__all__ = ["check", "described", "neighbours", "warn"]

DISTRIBUTION = "nobacktrack"
FOLDER = os.path.dirname(os.path.abspath(__file__))
LATER = {"__init__", "__main__", "river", "scoring", "sklearn"}  # `import nbt` does not load them


def strangers() -> list[str]:
    """Return the modules in our folder that `import nbt` has not loaded and that are not in LATER.

    This lists the folder once, because it runs at every import.
    """
    try:
        names = os.listdir(FOLDER)
    except OSError:
        return []
    modules = (name[:-3] for name in names if name.endswith(".py"))
    return sorted(m for m in modules if m not in LATER and f"nbt.{m}" not in sys.modules)


def neighbours() -> dict[str, list[str]]:
    """Return other distributions with files in our folder: name and version, and the files."""
    from importlib.metadata import distributions

    found = {}
    for other in distributions(path=[os.path.dirname(FOLDER)]):
        name = other.metadata["Name"]
        listed = other.read_text("RECORD") or other.read_text("installed-files.txt") or ""
        if name == DISTRIBUTION or "nbt/" not in listed:
            continue
        modules = (f for f in other.files or () if f.parts[0] == "nbt" and f.suffix == ".py")
        files = sorted(map(str, modules))
        if files:
            found[f"{name} {other.version}"] = files
    return found


def described(found: dict[str, list[str]]) -> str:
    """Return a message: what is wrong, and what to do."""
    said = "; ".join(f"{name} ({', '.join(files[:4])})" for name, files in found.items())
    return (
        f"other files lie among those of {DISTRIBUTION} in {FOLDER}: {said}. Both distributions "
        "have the import name nbt, and the one that was installed last overwrote the other's "
        f"files. Install each in an environment of its own: python -m venv ENV, then "
        f"ENV/bin/pip install {DISTRIBUTION}"
    )


def warn() -> None:
    """Warn at the end of `import nbt`, if there is such a distribution."""
    if strangers() and (found := neighbours()):
        warnings.warn(described(found), stacklevel=3)


def check() -> None:
    """Exit before the command runs, if ``nbt/__init__.py`` is not ours or is missing."""
    package = sys.modules.get("nbt")
    if hasattr(package, "NoBackTrack"):
        return
    found = neighbours()
    said = (
        described(found)
        if found
        else (
            f"nbt/__init__.py in {FOLDER} is not that of {DISTRIBUTION}: "
            f"pip install --force-reinstall {DISTRIBUTION}, in an environment of its own"
        )
    )
    sys.exit(f"nbt: error: {said}")
