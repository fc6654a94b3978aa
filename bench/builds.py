"""Builds of this repository's commits, to be compared with each other.

Each is installed in a directory of its own, over the same interpreter and the same dependencies:
nothing but the package differs. Directories are kept in .bench/ and used again.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import click

__all__ = ["ROOT", "Build", "build", "here"]

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".bench"


@dataclass(frozen=True)
class Build:
    """An installed commit, or the working tree. `name` is what people are told."""

    name: str
    packages: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Of a process that imports this build and no other."""
        return os.environ | {"PYTHONPATH": os.pathsep.join([str(self.packages), str(ROOT)])} | more

    def python(self, *arguments: str, **more: str) -> subprocess.CompletedProcess:
        """Runs this interpreter with this build; what it prints is returned."""
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, env=self.environment(**more), cwd=ROOT, text=True, capture_output=True
        )


def git(*arguments: str) -> bytes:
    """What git says; its complaint is ours."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)
    if done.returncode:
        raise click.ClickException(done.stderr.decode().strip())
    return done.stdout


def install(source: Path, folder: Path) -> Path:
    """Builds `source` into `folder`; the directory of packages."""
    packages = folder / "packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    command += ["--no-build-isolation", f"-Cbuild-dir={folder / 'build'}"]
    command += ["--target", str(packages), str(source)]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode:
        raise click.ClickException(f"{source} does not build:\n{done.stdout}{done.stderr}")
    return packages


def build(commit: str) -> Build:
    """A commit, by any name that git knows it by."""
    full = git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()
    subject = git("log", "-1", "--format=%h %s", full).decode().strip()
    folder = KEPT / full
    done = folder / "done"
    if not done.exists():
        click.echo(f"building {subject}", err=True)
        shutil.rmtree(folder, ignore_errors=True)
        source = folder / "source"
        with tarfile.open(fileobj=io.BytesIO(git("archive", full))) as archive:
            archive.extractall(source, filter="data")
        install(source, folder)
        done.touch()
    return Build(subject, folder / "packages")


def here() -> Build:
    """The working tree as it is."""
    click.echo("building the working tree", err=True)
    return Build("the working tree", install(ROOT, KEPT / "here"))
