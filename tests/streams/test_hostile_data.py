"""Absurd and hostile input of every reader: one line and exit code 3, in bounded memory."""

import gzip
import io
import json
import random
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import nbt
from nbt.cli import run
from nbt.errors import DataError


def npy(header, data=b"", version=b"\x01\x00"):
    header = header if isinstance(header, bytes) else header.encode()
    length = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + header + data


def described(shape, kind="<i8"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"


HEADERS = {
    "nothing": b"",
    "another file": b"PK\x03\x04" + bytes(100),
    "a magic": b"\x93NUMPY",
    "a version": npy(described("(3,)"), bytes(24), b"\x09\x07"),
    "cut off": npy(described("(3,)"), bytes(23)),
    "a petabyte": npy(described(f"({2**47},)"), bytes(24)),
    "longer than a number": npy(described(f"({10**40},)"), bytes(24)),
    "more digits than Python reads": npy(described(f"({'9' * 5000},)"), bytes(24)),
    "below nothing": npy(described("(-3,)"), bytes(24)),
    "true": npy(described("(True,)"), bytes(24)),
    "a float": npy(described("(3.0,)"), bytes(24)),
    "no dimension": npy(described("()"), bytes(24)),
    "many dimensions": npy(described(f"({'1,' * 3000})"), bytes(24)),
    "no tuple": npy(described("3"), bytes(24)),
    "deep": npy("(" * 3000 + ")" * 3000),
    "deep lists": npy("[" * 9000),
    "no literal": npy("__import__('os').system('false')"),
    "another type": npy(described("(3,)", "|V7"), bytes(24)),
    "no type": npy(described("(3,)", "x9"), bytes(24)),
    "objects": npy(described("(3,)", "|O"), bytes(24)),
    "no text": npy(b"\xff\xfe" * 40),
    "negative": npy(described("(1,)"), b"\xff" * 8),
    "huge": npy(described("(1,)", "<u8"), b"\xff" * 8),
    "zeros in the header": npy(b"\0" * 64),
}


@pytest.mark.parametrize("what", HEADERS)
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_arrays(tmp_path, what, way, monkeypatch, capsys):
    path = tmp_path / "a.npy"
    path.write_bytes(HEADERS[what])
    args = ["train", str(path)]
    if way == "stdin":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(HEADERS[what])))
        args = ["train", "-", "--format", "npy"]
    tracemalloc.start()
    assert run(args) == 3
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = capsys.readouterr().err.splitlines()[-1]
    name = "standard input" if way == "stdin" else "a.npy"
    assert said.startswith("nbt: error: ")
    assert name in said
    assert peak < 30e6


def test_an_array_that_is_compressed(tmp_path):
    whole = io.BytesIO()
    np.save(whole, np.array([3, 0, 1]))
    (tmp_path / "a.npy").write_bytes(gzip.compress(whole.getvalue()))
    assert nbt.streams.file(tmp_path / "a.npy").read(9).tolist() == [3, 0, 1]


READERS = {  # how a file is read, and what is fine in it
    "text": ({"format": "text"}, b"some text\nand more\n"),
    "lines": ({"format": "lines"}, b"some\nlines\n"),
    "bytes": ({"format": "bytes"}, b"some bytes"),
    "words": ({"format": "csv", "column": "a"}, b'a,b\nx,1\n"y z",2\n'),
    "words of json": (
        {"format": "jsonl", "column": "a"},
        b'{"a": "x"}\n{"a": [1, {"b": 2}]}\n',
    ),
    "csv": ({"columns": ["a", "b"]}, b'a,b,c\n1,2.5,x\n-1e3,"4",y\n7,,z\n'),
    "skipping": (
        {"columns": ["a", "b"], "on_bad_record": "skip"},
        b'a;b;c\n1,5;2,5;x\n-1e3;"4";y\n7;;z\n',
    ),
    "jsonl": ({"format": "jsonl", "columns": ["a"]}, b'{"a": 1, "b": "x"}\n{"a": 2.5}\n'),
    "array": (
        {"format": "jsonl", "columns": ["a"]},
        b'[{"a": 1, "b": [{}]},\n {"a": "2.5"}]\n',
    ),
    "npy": ({"format": "npy"}, npy(described("(3,)"), bytes(24))),
    "gz": ({"columns": ["a"]}, gzip.compress(b"a\n1\n2\n", mtime=0)),
}
PIECES = [
    *(b"\xff", b"\0", b"\n", b"\r", b'"', b"'", b",", b";", b"\t", b"[", b"]", b"{", b"}", b"\\"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"1_000", b"1e999", b"nan", b"inf", b"true", b"0x1", b"-999"),
    *(b"9" * 400, b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"\xf0\x9f", "٣".encode(), b"1,234.5"),
    *(b"x" * 70_000, b"\x1f\x8b\x08", b"BZh91AY&SY", b"sep=;\n", b"a,b\n", b"\\ud800", b'"\n' * 9),
]


def mutated(data, rng):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(data))
        verb = rng.randrange(4)
        if verb == 0:
            data[at:at] = rng.choice(PIECES)
        elif verb == 1:
            del data[at : at + rng.randint(1, 9)]
        elif verb == 2 and at < len(data):
            data[at] = rng.randrange(256)
        else:
            data[at:at] = data[: rng.randint(0, 40)]
    return bytes(data)


def read_all(path, options):
    read = nbt.streams.table if "columns" in options else nbt.streams.file
    stream = read(path, **options)
    while stream.wait(1) and len(stream.read(5)):
        pass


def refusal(path, options):
    try:
        read_all(path, options)
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("what", READERS)
def test_mutated(tmp_path, what):
    """Whatever is in a file, it is read or refused in a line that names the file."""
    options, good = READERS[what]
    path = tmp_path / "data.x"
    rng = random.Random(what)
    path.write_bytes(good)
    read_all(path, options)
    refused = 0
    for _ in range(150):
        data = mutated(good, rng)
        path.write_bytes(data)
        if said := refusal(path, options):
            refused += 1
            assert "data.x" in said, (data, said)
            assert len(said) < 1500
    assert 0 < refused < 150 or what in ("bytes", "skipping")


HOSTILE = {
    "deep": (["--format", "jsonl"], b'{"a": ' + b"[" * 2000),
    "digits": (["--format", "jsonl"], b'{"a": ' + b"9" * 400 + b"}"),
    "a word": (["--format", "csv"], b"a\nx\n"),
    "a quote": (["--format", "csv"], b'a\n"x\n'),
    "no UTF-8": (["--format", "csv"], b"a\n\xff\n"),
    "no column": (["--format", "csv"], b"b\n1\n"),
    "no gzip": (["--format", "csv"], b"\x1f\x8b\x08 and no more"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_the_command(tmp_path, what, capsys):
    options, data = HOSTILE[what]
    (tmp_path / "data.x").write_bytes(data)
    assert run(["train", str(tmp_path / "data.x"), *options, "--columns", "a"]) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("nbt: error: ")
    assert "data.x: " in said
    assert "line" in said or "gzip" in what


@pytest.mark.parametrize("form", ["text", "csv", "jsonl"])
def test_memory_of_a_line_without_end(form):
    """A hundred megabytes without a newline from a pipe, and then a good record."""
    program = """
import os, sys, threading, resource
from nbt.cli import run
form, columns = sys.argv[1], sys.argv[2:]
reading, writing = os.pipe()
def write():
    with os.fdopen(writing, "wb") as pipe:
        pipe.write({"csv": b"a\\n1\\n", "jsonl": b'{"a": 1}\\n'}.get(form, b""))
        for _ in range(100):
            pipe.write(b"7" * (1 << 20))
        pipe.write({"csv": b"\\n2\\n", "jsonl": b'\\n{"a": 2}\\n'}.get(form, b"\\n"))
thread = threading.Thread(target=write, daemon=True)
thread.start()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
steps = [] if columns else ["--steps", "1000"]
code = run(["train", f"/dev/fd/{reading}", "--format", form, "--units", "2", *columns, *steps])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    columns = ["--columns", "a"] if form in ("csv", "jsonl") else ["--alphabet", "grow"]
    command = [sys.executable, "-c", program, form, *columns]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    code, more = map(int, done.stdout.split())
    assert code == 0, done.stderr
    assert more < 100_000  # KiB
    if form in ("csv", "jsonl"):
        assert "learned   2 steps" in done.stderr
        assert "longer than 1048576 characters" in done.stderr


def test_json_as_it_is_said(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": [1, 2, 3]}))
    with pytest.raises(DataError, match=r"a\.json: line 1, .*column 'a': \[1, 2, 3\] is not a"):
        nbt.streams.table(path, ["a"]).read(1)
