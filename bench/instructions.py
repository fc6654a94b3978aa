"""Instructions a step, counted by callgrind: the same on a busy machine, unlike a time.

The counts in instructions.json are kept with the code; a change of more than 3 % either way is an
error, and `--record` writes the new ones down.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

import nbt
from bench import builds, counted

__all__ = ["count", "main"]

FILE = Path(__file__).with_suffix(".json")
TOLERANCE = 0.03


def facts() -> dict[str, str]:
    """What a count depends on beside the code."""
    cython = type(nbt._core.rate).__module__.removeprefix("_cython_").replace("_", ".")
    versions = {"Python": ".".join(map(str, sys.version_info[:3])), "Cython": cython}
    return {"compiler": str(nbt.build_info()["compiler"]), **versions}


def other_makers(case: str, made_by: dict[str, str]) -> bool:
    """Was it recorded with other tools than these? Only calls from Python depend on Python's."""
    needed = facts() if case.endswith(" ints") else {"compiler": facts()["compiler"]}
    return any(made_by.get(key) != value for key, value in needed.items())


def library(folder: Path) -> Path:
    """Compiles what counted.py talks to callgrind with."""
    target = folder / "callgrind.so"
    compiler = os.environ.get("CC", "cc")
    source = Path(__file__).with_name("callgrind.c")
    command = [compiler, "-shared", "-fPIC", "-O1", str(source), "-o", str(target)]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode:
        raise click.ClickException(f"{source.name} does not compile:\n{done.stderr}")
    return target


def count(build: builds.Build | None = None) -> dict[str, int]:
    """Instructions a step of every case, in this build or another."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise click.ClickException("valgrind is not installed: instructions cannot be counted")
    environment = build.environment() if build else dict(os.environ)
    environment |= {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [valgrind, "--tool=callgrind", "--instr-atstart=no"]
        command += [f"--callgrind-out-file={folder / 'counts'}"]
        command += [sys.executable, "-m", "bench.counted", str(library(folder))]
        done = subprocess.run(
            command, env=environment, cwd=builds.ROOT, text=True, capture_output=True
        )
        if done.returncode:
            raise click.ClickException(f"counting failed:\n{done.stderr}")
        runs = dict(read(path) for path in folder.glob("counts.*"))
    counts = {}
    for case in counted.CASES:
        short, long = case.steps
        if f"{case}/{long}" in runs:
            difference = runs[f"{case}/{long}"] - runs[f"{case}/{short}"]
            counts[str(case)] = round(difference / (long - short))
    return counts


def read(path: Path) -> tuple[str, int]:
    """Name and total of one dump."""
    name, total = "", 0
    for line in path.read_text().splitlines():
        if line.startswith("desc: Trigger: Client Request: "):
            name = line.removeprefix("desc: Trigger: Client Request: ")
        if line.startswith("summary: "):
            total = int(line.split()[1])
    return name, total


def compare(before: dict[str, int], after: dict[str, int], named: str) -> list[str]:
    """Prints both and returns the cases that differ by more than they may."""
    table = Table("case", named, "now", "change")
    for column in table.columns[1:]:
        column.justify = "right"
    changed = []
    for case in before | after:
        old, new = before.get(case), after.get(case)
        change = ""
        if old and new:
            change = f"{100 * (new / old - 1):+.1f} %"
            if abs(new / old - 1) > TOLERANCE:
                changed.append(case)
                change = f"[bold]{change}[/]"
        shown = [f"{number:,}" if number else "–" for number in (old, new)]
        table.add_row(case, *shown, change)
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    return changed


@click.command(help=__doc__.splitlines()[0])
@click.option("--record", is_flag=True, help="Write the counts down instead of comparing them.")
@click.option("--base", help="Compare with a commit, counted here, instead of with the file.")
def main(record, base) -> None:
    if base:
        before, named = count(builds.build(base)), base
        after = count(builds.here())
    else:
        kept = json.loads(FILE.read_text()) if FILE.exists() else {}
        before, named = kept.get("instructions a step", {}), "recorded"
        after = count()
    if record:
        kept = {"made by": facts(), "instructions a step": after}
        FILE.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
        click.echo(f"written: {FILE}", err=True)
    changed = compare(before, after, named)
    if record:
        return
    for case in before.keys() - after.keys():
        click.echo(f"not counted on this machine: {case}", err=True)
    by = {} if base else kept.get("made by", {})
    unchecked = {case for case in before | after if other_makers(case, by) and not base}
    if unchecked:
        click.echo(
            f"NOT CHECKED, {len(unchecked)} of {len(after)} cases: recorded with {by}, this is "
            f"{facts()}. make instructions BASE=<commit> counts both commits here.",
            err=True,
        )
    new = [] if base else list(after.keys() - before.keys())
    wrong = sorted({*changed, *new} - unchecked)
    if wrong:
        raise click.ClickException(
            f"more than {TOLERANCE:.0%} from {named}: {', '.join(wrong)}. "
            "If it is meant, make instructions-record writes the new counts down."
        )
    checked = len(after.keys() - unchecked)
    click.echo(f"{checked} cases within {TOLERANCE:.0%} of {named}", err=True)


if __name__ == "__main__":
    main()
