"""Which instructions the built file holds: vector sets only in the kernels made for them.

A function that holds instructions the machine lacks fails there and nowhere else, so the file is
read. The results of each set are compared in `test_kernels.py` and `test_vmath.py`.
"""

import itertools
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import nbt
from nbt import _core
from nbt.cli import command

LABEL = re.compile(r"_f(?:32|64)_(base|avx2|avx512)(?:\.|$)")
SYMBOL = re.compile(r"([0-9a-f]+) (.{7}) (\S+)\t([0-9a-f]+) *(?:\.hidden )?(.*)")
INSTRUCTION = re.compile(r" *([0-9a-f]+):\t([a-z]\w*)(.*)")
EVEX_ONLY = re.compile(r"%zmm|%k[0-7]|%[xy]mm(?:1[6-9]|2\d|3[01])")


@dataclass(frozen=True)
class Function:
    """A symbol of the text section, and the object file it came from if it is local to that."""

    address: int
    size: int
    name: str
    source: int | None
    isa: str | None = None


def labelled(functions):
    """The same, by address, each with the instruction set it was compiled for.

    Kernels carry it in their name (real.h). Functions local to a kernel's object file do not:
    files are linked one after the other, so one that lies between two kernels of the same set tells
    what its file was compiled for. Everything else is of no set: baseline.
    """
    functions = sorted(functions, key=lambda f: f.address)
    named = [m.group(1) if (m := LABEL.search(f.name)) else None for f in functions]
    # of the last kernel before, and the next one after, each function
    before = list(itertools.accumulate(named, lambda last, isa: isa or last))
    after = list(itertools.accumulate(reversed(named), lambda last, isa: isa or last))[::-1]
    of_source = {}
    for function, low, high in zip(functions, before, after, strict=True):
        if function.source is not None and low == high and low is not None:
            of_source.setdefault(function.source, set()).add(low)
    assert all(len(isas) == 1 for isas in of_source.values()), of_source
    return [
        replace(function, isa=isa or next(iter(of_source.get(function.source, {"base"}))))
        for function, isa in zip(functions, named, strict=True)
    ]


def symbols(listing):
    """The functions of an `objdump --syms`."""
    source = None
    for count, line in enumerate(listing.splitlines()):
        match = SYMBOL.match(line)
        if not match:
            continue
        address, flags, section, size, name = match.groups()
        if flags.endswith("df"):
            source = count if name else None
        elif flags.endswith("F") and section.startswith(".text") and int(size, 16):
            local = source if flags.startswith("l") else None
            yield Function(int(address, 16), int(size, 16), name, local)


def instruction_set(mnemonic, operands):
    """The lowest set that has the instruction; AVX without 2 counts as avx2."""
    if EVEX_ONLY.search(operands):
        return "avx512"
    return "avx2" if mnemonic[0] == "v" or "%ymm" in operands else "base"


@pytest.fixture(scope="module")
def code():
    """{instruction set: {function: instruction sets of its instructions}}, of the extension."""
    if not (sys.platform.startswith("linux") and platform.machine() == "x86_64"):
        pytest.skip("instruction sets are chosen at run time, and files read here, on x86-64 Linux")
    if len(_core.isas()) == 1:
        pytest.skip("built for one instruction set, or on a machine that has no other")
    objdump = shutil.which("objdump")
    if objdump is None:
        pytest.skip("objdump (GNU binutils) is missing: the built file cannot be read")

    def listing(*options):
        command = [objdump, *options, _core.__file__]
        return subprocess.run(command, check=True, text=True, capture_output=True).stdout

    functions = labelled(symbols(listing("--syms")))
    if not functions:
        pytest.fail(
            f"{_core.__file__} was stripped of its symbols; pyproject.toml has strip = false"
        )
    found = {"base": {}, "avx2": {}, "avx512": {}}
    end, place = 0, iter(functions)
    current = None
    for line in listing("--disassemble", "--section=.text", "--no-show-raw-insn").splitlines():
        match = INSTRUCTION.match(line)
        if not match:
            continue
        address = int(match.group(1), 16)
        while address >= end and (function := next(place, None)) is not None:
            if address < function.address + function.size:
                end = function.address + function.size
                current = found[function.isa].setdefault(
                    f"{function.name} at {function.address:#x}", set()
                )
        if current is not None and address < end:
            current.add(instruction_set(match.group(2), match.group(3)))
    return found


def test_baseline_holds_no_vector_extension(code):
    """Baseline kernels, the facade, the door: whatever runs before a set is chosen, and without."""
    assert sum("_base" in name for name in code["base"]) > 30
    assert any(name.startswith("nbt_learner_run") for name in code["base"])
    assert any("__pyx" in name for name in code["base"])
    assert {name: isas for name, isas in code["base"].items() if isas - {"base"}} == {}


def test_avx2_holds_no_avx512(code):
    assert {name: isas for name, isas in code["avx2"].items() if "avx512" in isas} == {}


@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_the_others_hold_theirs(code, isa, precision):
    """And this reading sees it: else the two tests above could not fail."""
    suffix = f"_{precision}_{isa}"
    assert sum(isa in isas for name, isas in code[isa].items() if suffix in name) > 10


FLAGS = {
    "avx2": {"avx2", "fma"},
    "avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx2", "fma"},
}


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="/proc/cpuinfo is Linux's")
def test_the_sets_are_those_of_this_machine():
    """As the kernel says, which names only those whose registers it keeps."""
    if platform.machine() not in ("x86_64", "AMD64"):
        assert nbt.build_info()["isas"] == ["base"]
        return
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next(line for line in lines if line.startswith("flags")).split(":")[1].split())
    there = [isa for isa, needed in FLAGS.items() if needed <= flags]
    assert nbt.build_info()["isas"] == ["base", *there]


def test_the_compiler_is_named():
    compiler, version = nbt.build_info()["compiler"].split()[:2]
    assert compiler in ("gcc", "clang")
    assert re.match(r"\d+\.\d+", version)
    said = CliRunner().invoke(command, ["--version"]).output
    assert f"compiler: {nbt.build_info()['compiler']}" in said


def test_a_set_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("NBT_ISA", "mmx")
    message = r"NBT_ISA: expected one of \['base'.* on this machine, got 'mmx'"
    with pytest.raises(ValueError, match=message):
        nbt.build_info()
    for graph in (None, nbt.Graph.random(4, 2)):
        with pytest.raises(ValueError, match=message):
            nbt.RTRL(nbt.RNN(4, graph=graph), nbt.Softmax(3))
    result = CliRunner().invoke(command, ["--version"])
    assert (result.exit_code, "NBT_ISA: expected" in result.output) == (2, True)
