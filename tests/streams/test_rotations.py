"""Logs that are rotated: every line once, whatever became of the files meanwhile."""

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import nbt
from nbt import streams
from nbt.streams.sources import following, rotations

pytestmark = pytest.mark.skipif(os.name == "nt", reason="files that are open can be renamed")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(following, "LOOK", 0.005)
    monkeypatch.setattr(following, "GRACE", 0.05)


def append(path, text):
    with open(path, "ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def there(stream, seconds=0.3):
    """Everything that can be read now."""
    read = b""
    while stream.wait(seconds):
        read += stream.alphabet.decode(stream.read(7))
        assert len(read) < 20_000, "it goes round"
    return read


def given(stream, n):
    block = stream.read(n)  # before its alphabet is asked for: it may grow
    return stream.alphabet.decode(block)


def follow(path):
    return streams.text(path, "bytes", follow=True)


def resumed(path, state):
    stream = follow(path)
    stream.load_state_dict(state)
    assert stream.state_dict() == state
    return stream


# ---- the list -------------------------------------------------------------------------------


def made(folder, names, base="app.log", times=None):
    """Files of these names, each written to after the one before."""
    for k, name in enumerate(names):
        path = folder / name
        path.write_text(name)
        at = 1_600_000_000 + (times[k] if times else k)
        os.utime(path, (at, at))
    return [os.path.basename(one.path) for one in rotations.entries(str(folder / base))]


@pytest.mark.parametrize(
    "names",
    [
        ["app.log.10", "app.log.9.gz", "app.log.2.gz", "app.log.1", "app.log"],
        ["app.log.1", "app.log.0", "app.log"],
        ["app.log-20231231.gz", "app.log-20240101", "app.log-20240102", "app.log"],
        ["app.log.2023-12-31", "app.log.2024-01-01.2", "app.log.2024-01-01.10.xz", "app.log"],
        ["app-2023-12-31.log", "app-2024-01-01.log.bz2", "app.log"],
        ["app.2.log", "app.1.log", "app.log"],
        ["app.log-1704067200", "app.log-1704070800.zst", "app.log"],
        ["app.log.old", "app.log"],
        ["app.log-20240101T101010Z", "app.log-20240101T101110Z", "app.log"],
        ["app.log.3", "app.log-20240101", "app.log"],
        ["app.log.1"],
        ["app.log"],
    ],
)
def test_in_the_order_in_which_they_were_written(tmp_path, names):
    assert made(tmp_path, names) == names


def test_numbers_that_grow_with_time(tmp_path):
    names = ["app.log.1", "app.log.2", "app.log.10", "app.log"]
    assert made(tmp_path, names) == names


def test_what_belongs_to_other_logs(tmp_path):
    others = ["app-1.log", "app2.log", "apple.log", "app.log.gz", "app.log.tmp", "app.log.1.swp"]
    others += ["xapp.log.1", "app.log.lock", "app.txt", "app.log-2"]
    assert made(tmp_path, [*others, "app.log.1", "app.log"]) == ["app.log.1", "app.log"]
    (tmp_path / "app.log.2").mkdir()
    assert [*map(os.path.basename, (e.path for e in rotations.entries(str(tmp_path / "app.log"))))]


def test_one_file_under_several_names_is_one(tmp_path):
    made(tmp_path, ["app.log.2", "app.log.1", "app.log"])
    os.link(tmp_path / "app.log.2", tmp_path / "app.log.3")
    os.link(tmp_path / "app.log", tmp_path / "app.log.0")  # about to be renamed
    (tmp_path / "app.log.1.gz").write_bytes(b"")  # being packed
    found = [os.path.basename(one.path) for one in rotations.entries(str(tmp_path / "app.log"))]
    assert found == ["app.log.2", "app.log.1", "app.log"]


def test_a_name_of_many_digits_takes_no_time(tmp_path):
    begin = time.perf_counter()
    made(tmp_path, ["app.log." + "1" * 200 + "x", "app.log"])
    assert time.perf_counter() - begin < 2


# ---- while it is followed -------------------------------------------------------------------


def number(folder, name="log"):
    """Rotate: .1 becomes .2, the log .1."""
    last = 1
    while (folder / f"{name}.{last}").exists():
        last += 1
    for k in range(last, 1, -1):
        (folder / f"{name}.{k - 1}").rename(folder / f"{name}.{k}")
    (folder / name).rename(folder / f"{name}.1")


def date(folder, name="log"):
    k = len(list(folder.glob(f"{name}-*")))
    (folder / name).rename(folder / f"{name}-202401{k + 1:02}")


def packed(pack, suffix, keep=False):
    def rotate(folder, name="log"):
        """As `number`, and what is older than .1 is packed; `keep` its time, as the programs do."""
        for k in range(9, 0, -1):
            one = folder / f"{name}.{k}.{suffix}"
            if one.exists():
                one.rename(folder / f"{name}.{k + 1}.{suffix}")
        if (folder / f"{name}.1").exists():
            (folder / f"{name}.2.{suffix}").write_bytes(pack((folder / f"{name}.1").read_bytes()))
            if keep:
                shutil.copystat(folder / f"{name}.1", folder / f"{name}.2.{suffix}")
            (folder / f"{name}.1").unlink()
        (folder / name).rename(folder / f"{name}.1")

    return rotate


def copy(folder, name="log"):
    """As `number`, but the log is copied and cut to nothing: its file stays."""
    number(folder, name)
    shutil.copyfile(folder / f"{name}.1", folder / "aside")
    os.truncate(folder / f"{name}.1", 0)
    (folder / f"{name}.1").rename(folder / name)
    (folder / "aside").rename(folder / f"{name}.1")


def copy_packed(folder, name="log"):
    """The log is copied, the copy packed, and the log cut to nothing."""
    for k in range(9, 0, -1):
        one = folder / f"{name}.{k}.gz"
        if one.exists():
            one.rename(folder / f"{name}.{k + 1}.gz")
    (folder / f"{name}.1.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
    os.truncate(folder / name, 0)


ROTATE = {
    "number": number,
    "date": date,
    "gzip": packed(gzip.compress, "gz"),
    "bzip2": packed(bz2.compress, "bz2"),
    "xz": packed(lzma.compress, "xz"),
    "copy": copy,
    "copy and gzip": copy_packed,
}


@pytest.mark.parametrize("rotate", ROTATE.values(), ids=ROTATE)
@pytest.mark.parametrize("rotations_between", [1, 2, 4])
@pytest.mark.parametrize("away", [False, True])
def test_all_files_between_are_read(tmp_path, rotate, rotations_between, away):
    """Also what was added to the one last read, and a last line without an end."""
    path, written = tmp_path / "log", b"first\nsecond "
    append(path, written)
    stream = follow(path)
    read = there(stream, 0.02)
    assert read == written
    state = stream.state_dict()
    for k in range(rotations_between):
        append(path, f"end of {k}\nno newline at {k}")
        written += f"end of {k}\nno newline at {k}".encode()
        rotate(tmp_path)
        append(path, f"begin of {k + 1}\n")
        written += f"begin of {k + 1}\n".encode()
        time.sleep(0.01)
    stream = resumed(path, state) if away else stream
    read += there(stream)
    assert read == written
    assert stream.position == len(written)
    append(path, "later\n")
    assert there(stream, 0.05) == b"later\n"


@pytest.mark.parametrize("rotate", ROTATE.values(), ids=ROTATE)
def test_stopped_anywhere(tmp_path, rotate):
    """Cut at each byte, over three files."""
    path, written = tmp_path / "log", b""
    append(path, "a1\n")
    written += b"a1\n"
    stream = follow(path)
    first = stream.state_dict()
    stream.read(1)
    states = [first, stream.state_dict()]
    for k in range(2):
        rotate(tmp_path)
        append(path, f"b{k}\n")
        written += f"b{k}\n".encode()
        time.sleep(0.01)
    stream = resumed(path, states[1])
    while stream.position < len(written) and stream.wait(0.3):
        stream.read(1)
        states.append(stream.state_dict())
    assert stream.position == len(written)
    for at, state in enumerate(states):
        if at == 0 and rotate not in (number, date):
            continue  # of what was not read nothing is known that could be found in a copy
        assert there(resumed(path, state)) == written[at:]


@pytest.mark.parametrize(
    "rotate", [number, date, packed(gzip.compress, "gz", keep=True), copy, copy_packed]
)
@pytest.mark.parametrize("away", [False, True])
def test_files_that_are_alike(tmp_path, rotate, away):
    """Such as those that hold a heading and nothing else: of several that begin with what was read
    it goes on after the one that was read last."""
    path = tmp_path / "log"
    path.touch()
    stream = follow(path)
    for k in range(4):
        append(path, "same\n")
        assert there(stream, 0.1) == b"same\n"
        time.sleep(0.02)
        if k < 3:
            rotate(tmp_path)
            assert there(stream, 0.1) == b""
    state = stream.state_dict()
    for text in ("then\n", "last\n"):
        rotate(tmp_path)
        append(path, text)
        time.sleep(0.02)
    assert there(resumed(path, state) if away else stream) == b"then\nlast\n"


def test_a_character_cut_by_a_rotation_is_whole(tmp_path):
    path = tmp_path / "log"
    raw = "aé€😀b".encode()
    for cut in range(1, len(raw)):
        for file in tmp_path.iterdir():
            file.unlink()
        append(path, raw[:cut])
        stream = streams.text(path, "grow", follow=True)
        assert stream.wait(0.02)
        text, states = "", [(0, stream.state_dict(), stream.alphabet)]
        number(tmp_path)
        append(path, raw[cut:])
        while len(text) < 5:
            assert stream.wait(0.5)
            text += given(stream, 1)
            states.append((len(text), stream.state_dict(), stream.alphabet))
        assert text == "aé€😀b"
        assert stream.counts["replaced"] == 0
        for at, state, alphabet in states[1:]:
            again = streams.text(path, alphabet, follow=True)
            again.load_state_dict(state)
            rest = ""
            while len(rest) < 5 - at:
                assert again.wait(0.5)
                rest += given(again, 9)
            assert rest == text[at:]


def test_a_byte_order_mark_in_each_file(tmp_path):
    path = tmp_path / "log"
    append(path, b"\xef\xbb\xbfa")
    stream = streams.text(path, "grow", follow=True)
    text = ""
    for _ in range(2):
        while stream.wait(0.2):
            text += given(stream, 1)
        number(tmp_path)
        append(path, b"\xef\xbb\xbfb")
    while stream.wait(0.2):
        text += given(stream, 1)
    assert text == "abb"


def test_an_inode_that_was_used_again(tmp_path):
    """The file last read was packed and removed; its inode is now the present file's."""
    path = tmp_path / "log"
    append(path, "first\nsecond\n")
    stream = follow(path)
    stream.read(8)
    state = stream.state_dict()
    (tmp_path / "log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.write_bytes(b"third and more than that\n")  # in place: the same inode
    assert state["inode"] == os.stat(path).st_ino
    assert there(resumed(path, state)) == b"cond\nthird and more than that\n"


def test_cut_and_written_beyond(tmp_path):
    """Between two looks: only what stands before the place says so."""
    path = tmp_path / "log"
    append(path, "short\n")
    stream = follow(path)
    assert there(stream, 0.02) == b"short\n"
    state = stream.state_dict()
    path.write_text("much longer than it was\n")
    assert there(stream, 0.02) == b"much longer than it was\n"
    path.write_text("short\n")
    stream = resumed(path, state)  # and nothing was read since
    assert not stream.wait(0.02)
    path.write_text("much longer than it was\n")
    assert there(stream, 0.02) == b"much longer than it was\n"


def test_a_name_that_is_gone_for_a_while(tmp_path):
    path = tmp_path / "log"
    append(path, "one\n")
    stream = follow(path)
    assert there(stream, 0.02) == b"one\n"
    number(tmp_path)
    append(tmp_path / "log.1", "two\n")
    assert there(stream, 0.2) == b"two\n"
    assert not stream.wait(0.1)
    append(path, "three\n")
    assert there(stream) == b"three\n"


def test_nothing_was_read_before_the_rotation(tmp_path):
    """The file is known by its inode alone."""
    path = tmp_path / "log"
    path.touch()
    stream = follow(path)
    assert not stream.wait(0.02)
    state = stream.state_dict()
    append(path, "one\n")
    number(tmp_path)
    append(path, "two\n")
    assert there(resumed(path, state)) == b"one\ntwo\n"
    assert there(stream) == b"one\ntwo\n"


def test_what_was_cut_off_is_counted(tmp_path):
    path = tmp_path / "log"
    append(path, "a" * 5000)
    stream = follow(path)
    stream.read(10)
    assert stream._source.wait(0)
    read = len(stream._rest) + stream.position
    os.truncate(path, 0)
    append(path, "new\n")
    with pytest.warns(RuntimeWarning, match=f"log: {5000 - read:,} bytes were cut off"):
        assert there(stream).endswith(b"new\n")


def test_a_file_that_cannot_be_read_is_a_warning(tmp_path):
    path = tmp_path / "log"
    append(path, "one\n")
    stream = follow(path)
    assert there(stream, 0.02) == b"one\n"
    number(tmp_path)
    append(path, "two\n")
    ROTATE["gzip"](tmp_path)
    number_two = tmp_path / "log.1"
    os.utime(number_two)
    raw = bytearray(gzip.compress(os.urandom(3000)))
    raw[100:110] = b"x" * 10
    (tmp_path / "log.1.gz").write_bytes(raw)
    number_two.unlink()
    append(path, "three\n")
    with pytest.warns(RuntimeWarning, match=r"damaged|ends in the midst"):
        assert there(stream).endswith(b"three\n")


def test_what_is_gone_is_said_and_what_is_newer_is_read(tmp_path):
    path = tmp_path / "log"
    append(path, "one\n")
    number(tmp_path)
    append(path, "two\n")
    time.sleep(0.02)
    stream = follow(path)
    there(stream, 0.02)
    state = stream.state_dict()
    path.unlink()
    for text in ("three\n", "four\n", "five\n"):
        time.sleep(0.02)
        append(path, text)
        if text != "five\n":
            number(tmp_path)
    again = follow(path)
    with pytest.warns(RuntimeWarning, match=r"4 bytes, is no longer there.*log\.2 "):
        again.load_state_dict(state)
    assert there(again) == b"three\nfour\nfive\n"
    with pytest.warns(RuntimeWarning, match="the file that was read is gone"):
        assert there(stream) == b"three\nfour\nfive\n"


# ---- symbolic links -------------------------------------------------------------------------


def test_a_link_to_what_is_rotated(tmp_path):
    """As container logs are: a link, and the file rotated where it is."""
    pod, link = tmp_path / "pods" / "x", tmp_path / "app.log"
    pod.mkdir(parents=True)
    append(pod / "0.log", "one\n")
    link.symlink_to(pod / "0.log")
    stream = follow(link)
    assert there(stream, 0.02) == b"one\n"
    state = stream.state_dict()
    for k in range(3):
        append(pod / "0.log", f"{k} ")
        (pod / "0.log").rename(pod / f"0.log.20240101-10000{k}")
        time.sleep(0.01)
        append(pod / "0.log", f"{k}\n")
    old = pod / "0.log.20240101-100000"
    (pod / f"{old.name}.gz").write_bytes(gzip.compress(old.read_bytes()))
    old.unlink()
    rest = b"0 0\n1 1\n2 2\n"
    assert there(stream) == rest
    assert there(resumed(link, state)) == rest


def test_a_link_that_points_to_another_file(tmp_path):
    """As when a container was started anew."""
    pod, link = tmp_path / "x", tmp_path / "app.log"
    pod.mkdir()
    append(pod / "0.log", "one\n")
    link.symlink_to(pod / "0.log")
    stream = follow(link)
    assert there(stream, 0.02) == b"one\n"
    state = stream.state_dict()
    append(pod / "0.log", "two\n")
    (pod / "0.log").rename(pod / "0.log.20240101-100000")
    time.sleep(0.01)
    append(pod / "0.log", "three\n")
    time.sleep(0.01)
    append(pod / "1.log", "four\n")
    link.unlink()
    link.symlink_to(pod / "1.log")
    assert there(stream) == b"two\nthree\nfour\n"
    assert there(resumed(link, state)) == b"two\nthree\nfour\n"


# ---- a producer that rotates all the time, and a reader that is killed ----------------------

PRODUCER = """
import os, sys, time
folder, (lines, files, kills), kind = sys.argv[1], map(int, sys.argv[2:5]), sys.argv[5]
path = os.path.join(folder, "log")

def there(name):
    return os.path.exists(os.path.join(folder, name))

def rotate(k):
    if kind == "date":
        os.rename(path, f"{path}-{20240101000000 + k}")
        return
    last = 1
    while any(there(f"log.{last}{end}") for end in ("", ".gz")):
        last += 1
    for i in range(last, 1, -1):
        for end in ("", ".gz"):
            if there(f"log.{i - 1}{end}"):
                os.rename(f"{path}.{i - 1}{end}", f"{path}.{i}{end}")
    if kind == "gzip" and there("log.2"):
        os.system(f"gzip {path}.2")
    os.rename(path, f"{path}.1")

file, per_file = open(path, "ab", buffering=0), lines // files
for k in range(0, lines, per_file):
    begin = time.monotonic()
    for j in range(k, k + per_file, 500):
        file.write(b"".join(b"%d\\n" % i for i in range(j, min(j + 500, k + per_file))))
        time.sleep(0.4 * 500 / per_file)
        while not there("place"):  # nobody reads yet
            time.sleep(0.01)
    if k + per_file < lines:
        while kills and not there(f"killed{k // per_file // 3 * 3 * kills // files}"):
            time.sleep(0.01)  # three rotations running, then so many kills
        time.sleep(max(0.0, begin + 0.4 - time.monotonic()))
        file.close()
        rotate(k)
        file = open(path, "ab", buffering=0)
open(os.path.join(folder, "done"), "w").close()
"""

READER = """
import os, sys, json
from nbt import streams
folder, path = sys.argv[1], os.path.join(sys.argv[1], "log")
place = os.path.join(folder, "place")
stream = streams.text(path, "bytes", follow=True)
out = open(os.path.join(folder, "out"), "r+b")
if os.path.exists(place):
    state = json.load(open(place))
    stream.load_state_dict(state)
out.seek(stream.position)
out.truncate()
while stream.wait(0.2) or not os.path.exists(os.path.join(folder, "done")) or stream.wait(3.0):
    if stream.wait(0.0):
        out.write(bytes(stream.read(1 << 16).astype("u1")))
        out.flush()
        with open(place + ".new", "w") as file:
            json.dump(stream.state_dict(), file)
        os.replace(place + ".new", place)
"""


def each_line_once(folder, lines, files, kind, kills, paced=False):
    """A producer rotates, the reader is killed and started again: at the end it has all lines."""
    for name in ("log", "out", "killed0"):
        (folder / name).touch()
    place, random = folder / "place", np.random.default_rng(0)
    command = [sys.executable, "-c", PRODUCER, folder, lines, files, kills if paced else 0, kind]
    producer = subprocess.Popen([*map(str, command)])
    try:
        for k in range(kills):
            reader = subprocess.Popen([sys.executable, "-c", READER, folder])
            before, until = place.exists() and place.stat().st_mtime_ns, time.monotonic() + 5
            while time.monotonic() < until:  # until it reads
                if place.exists() and place.stat().st_mtime_ns != before:
                    break
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.3))
            reader.kill()
            reader.wait()
            (folder / f"killed{k + 1}").touch()
        subprocess.run([sys.executable, "-c", READER, folder], check=True, timeout=900)
    finally:
        producer.kill()
        producer.wait()
    rotated = [name for name in os.listdir(folder) if name.startswith("log") and name != "log"]
    assert len(rotated) == files - 1
    assert (folder / "out").read_bytes() == b"".join(b"%d\n" % i for i in range(lines))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["number", "date", "gzip"])
def test_rotations_and_kills(tmp_path, kind):
    each_line_once(tmp_path, 60_000, 8, kind, kills=3)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["number", "date", "gzip"])
def test_a_hundred_kills_thirty_rotations_a_million_lines(tmp_path, kind):
    each_line_once(tmp_path, 31 * 32_500, 31, kind, kills=100, paced=True)


def test_training_over_rotations_is_training_on_the_whole(tmp_path):
    path, lines = tmp_path / "log", [f"line {k}\n" for k in range(60)]
    append(path, "".join(lines[:20]))
    trainer = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(1))
    stream = streams.text(path, "grow", follow=True)
    history = nbt.train(trainer, stream, steps=100)
    trainer.save(tmp_path / "model", stream, history)
    for part in (lines[20:40], lines[40:]):
        number(tmp_path)
        append(path, "".join(part))
        time.sleep(0.01)
    saved = nbt.Checkpoint.load(tmp_path / "model")
    stream = streams.text(path, saved.alphabet, follow=True)
    stream.load_state_dict(saved.stream["state"])
    text = "".join(lines)
    nbt.train(saved.trainer, stream, history=saved.history, steps=len(text))
    (tmp_path / "whole").write_text(text)
    other = nbt.NoBackTrack(nbt.RNN(4), nbt.Softmax(1))
    nbt.train(other, streams.text(tmp_path / "whole", "grow"))
    for key, value in other.state_dict().items():
        assert value.tobytes() == saved.trainer.state_dict()[key].tobytes(), key
