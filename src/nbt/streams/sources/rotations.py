"""Find the files into which a log was rotated, in the order in which they were written."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["PACKED", "Entry", "entries", "with_inode"]

PACKED = re.compile(r"\.(gz|bz2|xz|zst)$")  # the end of the name of a compressed file
TAG = re.compile(
    r"[.\-_]?\d+(?:[.\-_@T:+]+\d+)*Z?|[.\-_](?:old|bak|prev)|~"
)  # .1 -20240101 .2024-01-01.2 .old
DATE = 6  # a number of at least so many digits is a date, and grows with time
LOOKS = 50  # most listings of a folder, until two in a row are equal
PAUSE = 0.002  # seconds between them


class Entry(NamedTuple):
    """File of a log.

    Attributes
    ----------
    path : str
        Its present path.
    device, inode : int
        Its identity, whatever its name.
    modified : int
        Time of the last write, in nanoseconds.
    size : int
        Size in bytes on disk.
    present : bool
        Whether this is the file that is written to now.
    """

    path: str
    device: int
    inode: int
    modified: int
    size: int
    present: bool

    @property
    def identity(self) -> tuple[int, int]:
        return self.device, self.inode


class _Found(NamedTuple):
    entry: Entry
    generation: tuple[int, ...]  # numbers in the log's own name: 0.log, 1.log
    numbers: tuple[int, ...]  # in its tag
    dated: bool
    tag: str
    packed: bool


def entries(path: str) -> list[Entry]:
    """Return the files into which the log at `path` was rotated, oldest first, then the present
    one.

    They are looked for in the log's folder, and if the log is a symbolic link, also in the folder
    of its target. Their names are the log's with a number (.1 is newer than .2, unless their times
    say otherwise), a date, or .old, and possibly .gz, .bz2, .xz or .zst. The folder is listed until
    two listings in a row are equal, so that nothing was renamed in between.
    """
    before: list[Entry] | None = None
    for _ in range(LOOKS):
        now = _listed(path)
        if before is not None and _names(now) == _names(before):
            break
        before = now
        time.sleep(PAUSE)
    return now


def _names(found: list[Entry]) -> list[tuple[str, int, int]]:
    return [(one.path, *one.identity) for one in found]


def _listed(path: str) -> list[Entry]:
    real = os.path.realpath(path)
    rotated = _family(path, any_number=False)
    if real != os.path.abspath(path):
        name = PACKED.sub("", os.path.basename(real))
        stem = os.path.splitext(name)[0]
        numbered = stem.isdecimal() or sum(map(str.isdecimal, stem)) >= DATE
        rotated += _family(real, any_number=numbered)
    present = _entry(path, present=True)
    seen = {present.identity} if present else set()
    found = []
    for one in reversed(rotated):  # a file with two names is kept under the newer one
        if one.identity not in seen:
            seen.add(one.identity)
            found.append(one)
    return [*reversed(found), *([present] if present else [])]


def with_inode(path: str, identity: tuple[int, int]) -> str | None:
    """Return the path of the file of that identity, whatever its name, in the folder of a log or of
    its target."""
    for folder in {os.path.dirname(os.path.abspath(path)), os.path.dirname(os.path.realpath(path))}:
        for found in _scanned(folder):
            entry = _entry(found.path) if found.inode() == identity[1] else None
            if entry and entry.identity == identity:
                return entry.path
    return None


def _family(path: str, any_number: bool) -> list[Entry]:
    """Return the rotated files, oldest first."""
    folder, base = os.path.split(os.path.abspath(path))
    found = [one for file in _scanned(folder) if (one := _member(file, base, any_number))]
    plain = {(one.generation, one.tag) for one in found if not one.packed}
    found = [one for one in found if not one.packed or (one.generation, one.tag) not in plain]
    ordered: list[Entry] = []
    for generation in sorted({one.generation for one in found}):
        own = [one for one in found if one.generation == generation]
        groups = [
            _in_order([one for one in own if one.tag and one.dated is d]) for d in (False, True)
        ]
        groups = sorted((g for g in groups if g), key=lambda group: group[-1].modified)
        ordered += [entry for group in groups for entry in group]
        ordered += [one.entry for one in own if not one.tag]
    return ordered


def _member(file: os.DirEntry, base: str, any_number: bool) -> _Found | None:
    """Return a file, if its name says that it belongs to the log of that name."""
    name, packed = PACKED.sub("", file.name), bool(PACKED.search(file.name))
    base = PACKED.sub("", base)
    stem, suffix = os.path.splitext(base)
    generation: tuple[int, ...] = ()
    if any_number:
        pattern = re.sub(r"\d+", r"(\\d+)", re.escape(base))
        if (match := re.match(pattern, name)) is None:
            return None
        generation, tag = tuple(map(int, match.groups())), name[match.end() :]
    elif name.startswith(base):
        tag = name[len(base) :]
        if not tag:  # the log itself, or its name with only .gz or the like added
            return None
    elif suffix and name.startswith(stem) and name.endswith(suffix):
        tag = name[len(stem) : -len(suffix)]
    else:
        return None
    if tag and not TAG.fullmatch(tag):
        return None
    numbers = tuple(map(int, re.findall(r"\d+", tag)))
    dated = sum(map(str.isdecimal, tag)) >= DATE
    if tag and numbers and not dated and tag[0] != ".":  # worker-1.log is a log of its own
        return None
    entry = _entry(file.path)
    return entry and _Found(entry, generation, numbers, dated, tag, packed)


def _in_order(found: list[_Found]) -> list[Entry]:
    """Return files of one kind of tag, oldest first."""
    if not found:
        return []
    found = sorted(found, key=lambda one: one.numbers)
    if not found[0].dated:
        plain = [one.entry.modified for one in found if not one.packed]
        if len(plain) < 2 or plain[0] >= plain[-1]:  # .1 is newer than .2
            found.reverse()
    return [one.entry for one in found]


def _entry(path: str, present: bool = False) -> Entry | None:
    with contextlib.suppress(OSError):
        found = os.stat(path)
        return Entry(path, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, present)
    return None


def _scanned(folder: str) -> Iterator[os.DirEntry]:
    with contextlib.suppress(OSError), os.scandir(folder) as files:
        for file in files:
            with contextlib.suppress(OSError):
                if file.is_file():
                    yield file
