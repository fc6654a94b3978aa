"""What the machine allows, measured in the same run: multiply-adds a second, bytes a second."""

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

__all__ = ["multiply_adds", "read_and_write"]

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


def multiply_adds() -> Contender:
    """A step is one multiply-add (of one number)."""
    out = np.zeros(1, np.float32)
    lanes = {"avx512": 16, "avx2": 8}.get(str(nbt.build_info()["isa"]), 4)
    once = CHAINS * lanes

    def block(steps: int):
        def run() -> None:
            done = library().multiply_adds(steps // once, 0.999, 0.001, out.ctypes.data)
            assert done == steps

        return run

    return Contender("limit: multiply-adds", block, steps=1000 * once, unit=once)


def read_and_write(count: int) -> Contender:
    """A step is one byte, read or written; two arrays of `count` float32."""
    a, b = nbt._core.aligned_zeros([(1, count)] * 2, np.float32)
    a += 1
    b += 1
    moved = 4 * 4 * count

    def block(steps: int):
        data = a.ctypes.data, b.ctypes.data
        return lambda: library().read_and_write(steps // moved, count, 0.999, *data)

    return Contender("limit: bytes", block, steps=moved, unit=moved)
