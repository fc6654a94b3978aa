"""Compressed files are read as what they hold: files, pipes, files that are followed."""

import bz2
import gzip
import importlib
import io
import lzma
import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import nbt
from nbt.streams import characters as filestreams
from nbt.streams.sources import following
from nbt.streams.sources import source as sources
from nbt.streams.sources.unpacking import MAGIC, Unpacked

zstd = next(
    importlib.import_module(name)
    for name in ("compression.zstd", "backports.zstd")
    if importlib.util.find_spec(name.partition(".")[0])
)
PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress}
DATA = b"".join(b"%d,%d\n" % (k, k * k % 97) for k in range(5000))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(following, "LOOK", 0.005)
    monkeypatch.setattr(following, "GRACE", 0.05)


class Dripping(io.BytesIO):
    """Gives a few bytes at a time."""

    def __init__(self, data, piece):
        super().__init__(data)
        self.piece = piece

    def read1(self, n=-1):
        return super().read1(min(n, self.piece))


def everything(file, n=1000):
    parts = []
    while (raw := file.read(n)) or not file.at_end:
        parts.append(raw)
        assert len(raw) <= n
    return b"".join(parts)


def drain(stream):
    while stream.read(1000).size:
        pass


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize("suffix", PACK)
def test_as_what_it_holds(suffix, piece):
    pack = PACK[suffix]
    assert everything(Unpacked(Dripping(pack(DATA), piece), "a")) == DATA
    several = pack(DATA) + pack(b"") + pack(b"end")
    assert everything(Unpacked(Dripping(several, piece), "a"), 7) == DATA + b"end"


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize(
    "data", [b"", b"B", b"BZ", b"BZh9 is a text", b"\x1f", b"\x1f\x8b", b"\xfd7zX", b"plain" * 999]
)
def test_what_is_not_compressed(data, piece):
    assert everything(Unpacked(Dripping(data, piece), "a")) == data


@pytest.mark.parametrize("suffix", PACK)
def test_damage_is_said(suffix, tmp_path):
    packed = PACK[suffix](DATA)
    middle = len(packed) // 2
    flipped = packed[:middle] + bytes([packed[middle] ^ 255]) + packed[middle + 1 :]
    for damaged, words in (
        (packed[:-9], "ends in the midst of"),
        (packed + b"something", "something else follows"),
        (flipped, "damaged"),
    ):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(damaged)
        stream = nbt.streams.text(path, "bytes")
        with pytest.raises(nbt.DataError, match=f"a.{suffix}: .*({words}|damaged)"):
            drain(stream)
        with pytest.raises(nbt.DataError, match=f"a.{suffix}: "):
            stream.read(1)


@pytest.mark.parametrize("suffix", PACK)
def test_memory_is_bounded(suffix):
    """A few thousand bytes that become a hundred million."""
    packed = PACK[suffix](bytes(10**8))
    file = Unpacked(io.BytesIO(packed), "zeros")
    tracemalloc.start()
    total = 0
    while (raw := file.read(1 << 16)) or not file.at_end:
        total += len(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 10**8
    assert peak < (12e6 if suffix == "xz" else 4e6)  # its dictionary alone has 8 MiB


@pytest.mark.parametrize("suffix", PACK)
def test_every_kind_of_stream(suffix, tmp_path):
    """The alphabet of a file reads it twice; a place is one in what it holds."""
    path = tmp_path / "table"
    path.write_bytes(PACK[suffix](b"a,b\n" + DATA))
    expected = np.loadtxt(io.BytesIO(DATA), delimiter=",")
    stream = nbt.streams.table(path, ["b", "a"])
    np.testing.assert_array_equal(stream.read(10_000), expected[:, ::-1])
    state = stream.state_dict()
    for cut in (1, 3000, 5000):
        first = nbt.streams.table(path, ["a", "b"])
        first.read(cut)
        again = nbt.streams.table(path, ["a", "b"])
        again.load_state_dict(first.state_dict())
        np.testing.assert_array_equal(again.read(10_000), expected[cut:])
    text = nbt.streams.text(path)
    assert text.alphabet.symbols == "\n,0123456789ab"
    assert text.alphabet.decode(text.read(6)) == "a,b\n0,"
    path.write_bytes(PACK[suffix](b"a,b\n" + DATA.replace(b"7", b"8")))
    with pytest.raises(nbt.DataError, match="not those read"):
        nbt.streams.table(path, ["b", "a"]).load_state_dict(state)


@pytest.mark.parametrize("suffix", PACK)
def test_a_pipe(suffix):
    """What was written is read before the pipe is closed, as far as it can be unpacked."""
    command = [sys.executable, "-m", "nbt", "score", "-", "--alphabet", "bytes"]
    done = subprocess.run(
        command, input=PACK[suffix](b"one\ntwo\n"), capture_output=True, timeout=60
    )
    assert done.returncode == 0
    assert [line.split(b"\t")[0] for line in done.stdout.splitlines()] == [b"1", b"2"]


def test_a_pipe_that_waits():
    """Looking ahead does not block where nothing can be unpacked yet."""
    packed = gzip.compress(DATA)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file:
        stream = filestreams.Characters(sources.Pipe("pipe", file), cap=300)
        stream.set_alphabet(nbt.streams.Alphabet(bytes(range(256))))
        os.write(writing, packed[:5])
        assert not stream.wait(0.05)
        timer = threading.Timer(0.05, lambda: (os.write(writing, packed[5:]), os.close(writing)))
        timer.start()
        read = b""
        while True:
            assert stream.wait(10)
            block = stream.read(4096)
            if not block.size:
                break
            read += bytes(block.tolist())
        timer.join()
        assert read == DATA


@pytest.mark.parametrize("suffix", PACK)
def test_followed(suffix, tmp_path):
    pack, path = PACK[suffix], tmp_path / f"log.{suffix}"
    path.write_bytes(pack(b"one\n"))
    stream = nbt.streams.text(path, "bytes", follow=True)
    assert bytes(stream.read(10).tolist()) == b"one\n"
    assert not stream.wait(0.02)
    two = pack(b"two\n")
    with open(path, "ab") as file:
        file.write(two[:7])
    assert not stream.wait(0.02)
    with open(path, "ab") as file:
        file.write(two[7:])
    state = stream.state_dict()
    for each in (stream, nbt.streams.text(path, "bytes", follow=True)):
        each.load_state_dict(state)
        assert bytes(each.read(10).tolist()) == b"two\n"


def test_each_beginning_is_a_kind():
    assert set(MAGIC.values()) == {"gzip", "bzip2", "xz", "zstd"}
