"""Files that grow and are rotated, alphabets that grow, lines, columns, arrays."""

import contextlib
import gc
import gzip
import io
import json
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import nbt
from nbt import streams
from nbt.errors import DataError
from nbt.streams.sources import following

POSIX = pytest.mark.skipif(os.name == "nt", reason="files that are open can be renamed")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(following, "LOOK", 0.005)
    monkeypatch.setattr(following, "GRACE", 0.05)


def there(stream, seconds=0.02):
    """Everything that can be read now."""
    parts = []
    while stream.wait(seconds):
        chunk = stream.read(7)
        if not chunk.size:
            break
        parts.append(stream.alphabet.decode(chunk))  # after it was read: it may have grown
    return (b"" if isinstance(stream.alphabet.symbols, bytes) else "").join(parts)


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


# ---- following ------------------------------------------------------------------------------


def test_what_is_added_comes(tmp_path):
    path = tmp_path / "log"
    append(path, "one\n")
    stream = streams.text(path, "bytes", follow=True)
    assert there(stream) == b"one\n"
    assert not stream.wait(0.01)
    for text in ("two\nthr", "ee\n"):
        append(path, text)
        assert there(stream) == text.encode()
    timer = threading.Timer(0.1, append, (path, "late"))
    timer.start()
    assert stream.read(100).tolist() == list(b"late")  # waits
    timer.join()


@POSIX
def test_rotation(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "GRACE", 0.5)
    path = tmp_path / "log"
    append(path, "old1\n")
    stream = streams.text(path, "bytes", follow=True)
    assert there(stream) == b"old1\n"
    path.rename(tmp_path / "log.1")
    append(tmp_path / "log.1", "old2\n")  # its writer has not noticed yet
    assert there(stream) == b"old2\n"
    append(path, "new1\n")
    append(tmp_path / "log.1", "old3\n")
    assert there(stream) == b"old3\n"
    assert there(stream, 2.0) == b"new1\n"
    append(path, "new2\n")
    assert there(stream) == b"new2\n"
    assert stream.position == 25


def test_cut_to_nothing(tmp_path):
    path = tmp_path / "log"
    append(path, "a long line to begin with\n")
    stream = streams.text(path, "bytes", follow=True)
    assert there(stream).endswith(b"with\n")
    path.write_text("short\n")
    assert there(stream) == b"short\n"


@POSIX
@pytest.mark.parametrize("cut", [1, 5, 13])
@pytest.mark.parametrize("format", ["text", "lines"])
def test_resume_while_following(tmp_path, cut, format):
    """Each symbol once, though the file was rotated while nobody looked."""
    path = tmp_path / "log"
    append(path, "first\nsecond\n")
    first = streams.file(path, format, "bytes" if format == "text" else "grow", follow=True)
    begun = []
    while len(begun) < cut:
        begun += first.read(cut - len(begun)).tolist()
    begun = first.alphabet.decode(begun)
    state, alphabet = first.state_dict(), first.alphabet
    append(path, "third\n")
    path.rename(tmp_path / "log.1")
    append(path, "fourth\n")
    second = streams.file(path, format, alphabet, follow=True)
    second.load_state_dict(state)
    assert second.state_dict() == state
    rest = there(second, 0.3)
    whole = "first\nsecond\nthird\nfourth\n"
    assert begun + rest == (whole.encode() if format == "text" else whole)


def test_what_is_gone_is_said(tmp_path):
    path = tmp_path / "log"
    append(path, "first\n")
    first = streams.text(path, "bytes", follow=True)
    there(first)
    path.unlink()
    append(path, "another\n")
    second = streams.text(path, "bytes", follow=True)
    with pytest.warns(RuntimeWarning, match="no longer there"):
        second.load_state_dict(first.state_dict())
    assert there(second) == b"another\n"


def test_only_files_are_followed(tmp_path):
    with pytest.raises(ValueError, match="standard input"):
        streams.text("-", "bytes", follow=True)
    with pytest.raises(FileNotFoundError):
        streams.text(tmp_path / "none", "bytes", follow=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="only a regular file"):
            streams.text(tmp_path / "pipe", "bytes", follow=True)


def open_below(folder):
    """How many descriptors this process has of files in a folder."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the list itself
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return sum(name.startswith(str(folder)) for name in found)


def test_descriptors_stay_over_rotations(tmp_path):
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("needs /proc")
    path = tmp_path / "log"
    append(path, "0\n")
    stream = streams.text(path, "bytes", follow=True)
    there(stream)
    before = open_below(tmp_path)
    for i in range(5):
        path.rename(tmp_path / f"log.{i}")
        append(path, f"{i}\n")
        assert there(stream, 0.3) == f"{i}\n".encode()
    assert open_below(tmp_path) == before == 1


# ---- alphabets that grow --------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 100])
def test_symbols_join_as_they_come(tmp_path, n):
    (tmp_path / "t").write_text("abacaéda€é")
    stream = streams.text(tmp_path / "t", "grow")
    assert stream.grows
    assert stream.alphabet.symbols == "\ufffd"
    got, known = [], 1
    while (chunk := stream.read(n)).size:
        new = [i for i, code in enumerate(chunk.tolist()) if code >= known]
        assert new in ([], [0])  # at the beginning or nowhere
        known = len(stream.alphabet)
        got += chunk.tolist()
    assert stream.alphabet.symbols == "\ufffdabcéd€"
    assert stream.alphabet.decode(got) == "abacaéda€é"


def test_a_cap(tmp_path):
    (tmp_path / "t").write_text("abcdea\ufffdb")
    stream = streams.text(tmp_path / "t", "grow", cap=4)
    got = []
    while (chunk := stream.read(3)).size:
        got.append(stream.alphabet.decode(chunk))
    assert "".join(got) == "abc\ufffd\ufffda\ufffdb"
    assert stream.alphabet.symbols == "\ufffdabc"
    with pytest.raises(ValueError, match="cap"):
        streams.text(tmp_path / "t", "grow", cap=1)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_trainer_grows_with_it(tmp_path, chunk):
    """The same bits however the stream is cut, and stopped anywhere."""
    text = "".join(chr(97 + i * i % 23) for i in range(300))
    (tmp_path / "t").write_text(text)

    def fresh():
        return nbt.NoBackTrack(nbt.RNN(5), nbt.Softmax(1))

    whole, cut = fresh(), fresh()
    stream = streams.text(tmp_path / "t", "grow")
    history = nbt.train(whole, stream)
    assert whole.readout.symbols == len(stream.alphabet) == 1 + len(set(text))
    assert np.isfinite(history.average_bits).all()
    stream = streams.text(tmp_path / "t", "grow")
    first = nbt.train(cut, stream, steps=5, chunk=chunk)
    cut.save(tmp_path / "c", stream, first)
    back = nbt.Checkpoint.load(tmp_path / "c")
    stream = streams.text(tmp_path / "t", back.alphabet)
    stream.load_state_dict(back.stream["state"])
    nbt.train(back.trainer, stream, history=back.history, chunk=chunk)
    for key, value in whole.state_dict().items():
        assert value.tobytes() == back.trainer.state_dict()[key].tobytes(), key


def test_bytes_never_see_a_new_one(tmp_path):
    (tmp_path / "t").write_bytes(bytes(range(256)) * 2)
    stream = streams.file(tmp_path / "t", "bytes")
    assert not stream.grows
    assert stream.read(600).tolist() == list(range(256)) * 2
    assert len(stream.alphabet) == 256
    with pytest.raises(ValueError, match="alphabet"):
        streams.file(tmp_path / "t", "bytes", "grow")


# ---- lines, columns, arrays -----------------------------------------------------------------


def test_lines_are_whole(tmp_path):
    path = tmp_path / "log"
    append(path, "one\ntw")
    stream = streams.file(path, "lines", follow=True)
    assert there(stream) == "one\n"
    append(path, "o")
    assert there(stream) == ""
    append(path, "\nthr")
    assert there(stream) == "two\n"
    plain = streams.file(path, "lines")
    assert plain.alphabet.decode(plain.read(100)) == "one\ntwo\nthr"  # it ends there


CSV = 'time,event,code\r\n1,"GET, twice",200\r\n\r\n2,PUT,404\r\n3,,\r\n4,PUT,"5""5"\r\n'
JSONL = "\n".join(
    json.dumps(one)
    for one in ({"event": "GET"}, {"event": 5}, {"x": 1}, {"event": None}, {"event": "é"})
)


@pytest.mark.parametrize("n", [1, 2, 100])
@pytest.mark.parametrize(
    ("text", "format", "column", "words"),
    [
        (CSV, "csv", "event", ["GET, twice", "PUT", "", "PUT"]),
        (CSV, "csv", "code", ["200", "404", "", '5"5']),
        (JSONL, "jsonl", "event", ["GET", "5", "", "null", "é"]),
    ],
)
@pytest.mark.parametrize("alphabet", [None, "grow"])
def test_columns(tmp_path, text, format, column, words, n, alphabet):
    path = tmp_path / "t"
    path.write_bytes(text.encode())
    stream = streams.file(path, format, alphabet, column=column)
    got, states = [], [stream.state_dict()]
    while (chunk := stream.read(n)).size:
        got += stream.alphabet.decode(chunk)
        states.append(stream.state_dict())
    assert got == words
    if alphabet is None:
        assert stream.alphabet.symbols == tuple(sorted(set(words)))
    for state in states:
        again = streams.file(path, format, stream.alphabet, column=column)
        again.load_state_dict(state)
        rest = []
        while (chunk := again.read(100)).size:
            rest += chunk.tolist()
        assert again.alphabet.decode(rest) == words[state["position"] :]


@pytest.mark.parametrize(
    ("text", "format", "words"),
    [
        ("a,b\n1,2\n", "csv", "no column 'event' among a, b"),
        ('event\n"open\n', "csv", "line 2, byte 6: not a record of csv"),
        ('{"event": 1}\n[1]\n', "jsonl", "line 2, byte 13: not a record of jsonl"),
        ('{"event": 1}\n{"eve\n', "jsonl", "line 2"),
        ("", "csv", "is empty"),
        ("event\n\xff\n", "csv", "line 2, byte 6: not a record of csv"),
    ],
)
def test_bad_columns(tmp_path, text, format, words):
    (tmp_path / "t").write_text(text, encoding="latin-1")
    stream = streams.file(tmp_path / "t", format, "grow", column="event")

    def everything():
        while stream.read(9).size:
            pass

    with pytest.raises(DataError, match=words):
        everything()


def test_a_record_without_end(tmp_path):
    (tmp_path / "t").write_text("event\n" + "x" * (3 << 20))
    stream = streams.file(tmp_path / "t", "csv", "grow", column="event")
    with pytest.raises(DataError, match="longer than"):
        stream.read(1)


@pytest.mark.parametrize(("format", "column"), [("text", "x"), ("csv", None), ("nonsense", None)])
def test_bad_formats(tmp_path, format, column):
    (tmp_path / "t").write_text("x")
    with pytest.raises(ValueError, match=r"column|format"):
        streams.file(tmp_path / "t", format, column=column)


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("wrong", [{"encoding": "no such"}, {"errors": "ignore"}])
def test_a_refused_argument_leaves_no_file_open(tmp_path, wrong, follow):
    path = tmp_path / "t"
    path.write_text("a\n1\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for made in (
            lambda: streams.table(path, ["a"], follow=follow, **wrong),
            lambda: streams.file(path, "csv", column="a", follow=follow, **wrong),
            lambda: streams.text(path, "grow", follow=follow, **wrong),
        ):
            with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
                made()
        gc.collect()
    assert not caught


def test_arrays(tmp_path):
    path = tmp_path / "t.npy"
    np.save(path, np.array([3, 0, 1, 2, 2], np.uint8))
    stream = streams.file(path, "npy")
    assert len(stream.alphabet) == 4
    assert stream.read(9).tolist() == [3, 0, 1, 2, 2]
    assert len(streams.file(path, "npy", "9").alphabet) == 9
    assert streams.file(path).alphabet == stream.alphabet  # by its name
    packed = tmp_path / "t.npy.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert streams.file(packed).alphabet == stream.alphabet
    for bad in (np.zeros((2, 2), int), np.zeros(3), np.array([{}], object)):
        np.save(path, bad)
        with pytest.raises(DataError):
            streams.file(path, "npy")
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError):
        streams.file(path, "npy")


# ---- the command ----------------------------------------------------------------------------


def start(*args):
    return subprocess.Popen(
        [sys.executable, "-m", "nbt", *map(str, args)],
        **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE),
    )


@POSIX
def test_the_command_follows_and_resumes(tmp_path):
    path, folder = tmp_path / "log", tmp_path / "run"
    append(path, "hello\n" * 10)
    args = ["train", path, "--follow", "--alphabet", "grow", "-o", folder, "--json", "--resume"]
    process = start(*args, "--steps", 64, "--units", "5")
    assert process.stdout.readline()  # it has the file open
    append(path, "world\n" * 10)
    path.rename(tmp_path / "log.1")
    append(path, "again\n" * 10)
    process.communicate(timeout=30)
    assert process.returncode == 0
    process = start("train", "-o", folder, "--resume", "--steps", 128, "--json")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["step"] == 128
    text = "hello\n" * 10 + "world\n" * 10 + "again\n" * 10
    setting = nbt.preset("text", readout=nbt.Softmax(1)) | {"cell": nbt.LSTM(5)}
    trainer = nbt.NoBackTrack(**setting)
    (tmp_path / "text").write_text(text)
    nbt.train(trainer, streams.text(tmp_path / "text", "grow"), steps=128)
    kept = nbt.Checkpoint.load(folder / "checkpoints" / "last.safetensors")
    for key, value in trainer.state_dict().items():
        assert value.tobytes() == kept.trainer.state_dict()[key].tobytes(), key


def test_a_column_from_a_pipe(monkeypatch, capsys):
    from nbt.cli import run

    text = "event\n" + "GET\nPUT\n" * 50
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    args = ["train", "-", "--format", "csv", "--column", "event", "--alphabet", "grow", "--json"]
    assert run(args) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert row["step"] == 100
