"""What a timing was taken on: processor, build, versions."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import nbt

__all__ = ["caches", "facts", "load", "processor", "versions"]

PACKAGES = ("numpy", "numba", "jax", "torch")
CACHE_UNITS = {"K": 2**10, "M": 2**20}


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def caches() -> dict[str, int]:
    """Bytes of each level that holds data, from the first on; {} where the system does not tell."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level, size = (
            (folder / name).read_text().strip() for name in ("type", "level", "size")
        )
        if kind != "Instruction":
            found[f"L{level}"] = int(size.rstrip("KM")) * CACHE_UNITS.get(size[-1], 1)
    return found


def load() -> float | None:
    """Processes that wanted to run in the last minute: above 1, a timing is not to be trusted."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def versions() -> dict[str, str]:
    """Of Python, of this package and of the other tools that are installed."""
    found = {"Python": platform.python_version(), "nbt": nbt.__version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def facts() -> list[str]:
    """The same as lines for people."""
    build = nbt.build_info()
    return [
        f"{processor()}, {os.cpu_count()} CPUs, {platform.system()}; one thread each",
        f"nbt built by {build['compiler']}, instruction set {build['isa']}",
        ", ".join(f"{name} {version}" for name, version in versions().items()),
        f"load average when it began: {load()}",
    ]
