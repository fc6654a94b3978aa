"""What the machine allows, measured in the same run: multiply-adds a second, bytes a second.

`least` says how many of both a rank-one step cannot do without if it computes what ours does: every
number that changes is read and written once, and each costs the products and sums of the kernels'
inner loops. Divisions, exponentials and waiting for sums are left out; at 20 units they are most of
a step.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import click
import numpy as np

import nbt
from bench.alternate import Contender
from bench.peers.job import ONLINE, Job

__all__ = ["least", "multiply_adds", "of", "read_and_write"]

FLAGS = {
    "avx2": ("-mavx2", "-mfma"),
    "avx512": ("-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma"),
}
CHAINS = 12


@cache
def library() -> ctypes.CDLL:
    """limits.c, compiled for the instruction set that the package uses here."""
    isa = str(nbt.build_info()["isa"])
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "limits.so"
        command = [os.environ.get("CC", "cc"), "-std=gnu11", "-O3", "-shared", "-fPIC"]
        command += ["-ffp-contract=fast", "-mprefer-vector-width=512"] if isa == "avx512" else []
        command += FLAGS.get(isa, ())
        source = Path(__file__).with_suffix(".c")
        done = subprocess.run([*command, str(source), "-o", str(target)], capture_output=True)
        if done.returncode:
            raise click.ClickException(f"limits.c does not compile:\n{done.stderr.decode()}")
        loaded = ctypes.CDLL(str(target))
    size, number, array = ctypes.c_size_t, ctypes.c_float, ctypes.c_void_p
    loaded.multiply_adds.argtypes = (size, number, number, array)
    loaded.multiply_adds.restype = size
    loaded.read_and_write.argtypes = (size, size, number, array, array)
    return loaded


def least(rule: str, job: Job) -> tuple[float, int]:
    """Multiply-adds and bytes of a step of float32: θ and w̄ (Kalman: J, J0), and φ (J, J0)."""
    n, A = job.units, job.symbols
    cell, readout = n * (1 + n), A * (1 + n)
    if rule == "euclidean":  # of the input symbols' rows two are met: too few to count
        return 7 * cell + 3 * readout, 8 * (2 * cell + readout)
    absent = n * A  # rows of symbols that are not there
    return 26.5 * cell + 18.5 * absent + 14.5 * readout, 8 * (4 * (cell + absent) + 3 * readout)


def of(job: Job) -> list[Contender]:
    """What a job's steps are measured against: multiply-adds, and bytes through as many arrays."""
    found = [multiply_adds(f", {job.units}")]
    for rule in ONLINE:
        _, moved = least(rule, job)
        found.append(read_and_write(moved // 16, f", {rule}, {job.units}"))
    return found


def multiply_adds(name: str = "") -> Contender:
    """A step is one multiply-add (of one number)."""
    out = np.zeros(1, np.float32)
    lanes = {"avx512": 16, "avx2": 8}.get(str(nbt.build_info()["isa"]), 4)
    once = CHAINS * lanes

    def block(steps: int):
        def run() -> None:
            done = library().multiply_adds(steps // once, 0.999, 0.001, out.ctypes.data)
            assert done == steps

        return run

    return Contender(f"limit: multiply-adds{name}", block, steps=1000 * once, unit=once)


def read_and_write(count: int, name: str = "") -> Contender:
    """A step is one byte, read or written; two arrays of `count` float32."""
    # half a page more of one, lest stores to it look like what is loaded of the other
    a, b = nbt._core.aligned_zeros([(1, count + 512), (1, count)], np.float32)
    a += 1
    b += 1
    moved = 4 * 4 * count

    def block(steps: int):
        data = a.ctypes.data, b.ctypes.data
        return lambda: library().read_and_write(steps // moved, count, 0.999, *data)

    return Contender(f"limit: bytes{name}", block, steps=moved, unit=moved)
