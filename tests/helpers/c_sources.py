"""C sources of the tests as libraries."""

import ctypes
import os
import shutil
import subprocess

from helpers.places import ROOT, TESTS

SOURCES = TESTS / "c"
NEEDED = "no C compiler: set CC, or install cc, to compile tests/c/{}.c"


def compile_c(name, target, flags=()):
    """tests/c/<name>.c, which sees csrc/, as a library at `target`; None without a compiler. Not
    with -ffast-math in a test: a library linked so makes the process flush denormal numbers."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    command = [*compiler.split(), "-std=c11", "-shared", "-fPIC", *flags]
    command += [f"-I{ROOT / 'csrc'}", str(SOURCES / f"{name}.c"), "-o", str(target)]
    subprocess.run([*command, "-lm"], check=True, timeout=120)
    return ctypes.CDLL(str(target))
