"""Streams: the same symbols however they are read, and errors that say where."""

import io
import os
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

from nbt import streams
from nbt.errors import DataError
from nbt.streams import characters as filestreams

TEXT = "naïve café\n\n€uro 😀 done\r\nlast\n"  # one, two, three and four bytes a character


def everything(stream, n):
    blocks = []
    while (block := stream.read(n)).size:
        assert block.dtype == np.int32
        assert block.flags.c_contiguous
        assert len(block) <= n
        blocks.append(block)
    return np.concatenate(blocks)


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "source"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


class Pipe(io.RawIOBase):
    """Gives what was put in, in the same pieces, and cannot go back."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self.pieces.pop(0) if self.pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def standard_input(monkeypatch):
    def put(*pieces):
        binary = io.BufferedReader(Pipe(*pieces))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(binary))

    return put


# ---- alphabets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbols", "data", "codes"),
    [
        ("b\na", "ab\n", [2, 0, 1]),
        ("a😀é", "é😀", [2, 1]),
        (b"\x00\xff", b"\xff\xff\x00", [1, 1, 0]),
        (bytes(range(256)), bytes(range(256)), list(range(256))),
        (range(5), [4, 0], [4, 0]),
    ],
)
def test_alphabet_encodes_and_decodes(symbols, data, codes):
    alphabet = streams.Alphabet(symbols)
    assert len(alphabet) == len(symbols)
    assert alphabet.encode(data).dtype == np.int32
    assert alphabet.encode(data).tolist() == codes
    assert list(alphabet.decode(codes)) == list(data)
    assert alphabet == streams.Alphabet(symbols)
    assert hash(alphabet) == hash(alphabet)
    assert eval(repr(alphabet), {"Alphabet": streams.Alphabet}) == alphabet


@pytest.mark.parametrize(
    ("symbols", "error", "words"),
    [
        ("aba", ValueError, "'a' comes twice"),
        ("", ValueError, "at least one"),
        (range(1, 4), ValueError, "range"),
        (["a", "b"], TypeError, "expected str"),
    ],
)
def test_bad_alphabets(symbols, error, words):
    with pytest.raises(error, match=words):
        streams.Alphabet(symbols)


def test_alphabet_names_what_it_does_not_have():
    alphabet = streams.Alphabet("abc")
    for unknown in ("d", "\0", "`", "😀"):
        with pytest.raises(DataError, match="position 2"):
            alphabet.encode("ab" + unknown)
    with pytest.raises(TypeError, match="expected str"):
        alphabet.encode(b"ab")
    for codes in ([3], [-1]):
        with pytest.raises(DataError, match=r"\[0, 3\)"):
            alphabet.decode(codes)
    with pytest.raises(DataError, match="position 1"):
        streams.Alphabet(range(3)).encode([2, 3])
    with pytest.raises(TypeError, match="data: expected bytes, got str"):
        streams.Alphabet(b"ab").encode("ab")


# ---- text -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 1000])
@pytest.mark.parametrize("alphabet", ["file", "bytes", "".join(sorted(set(TEXT))) + "xyz"])
def test_reads_do_not_depend_on_their_size(file, n, alphabet):
    stream = streams.text(file(TEXT), alphabet)
    got = stream.alphabet.decode(everything(stream, n))
    assert got == (TEXT.encode() if alphabet == "bytes" else TEXT)
    whole = streams.text(file(TEXT), alphabet)
    everything(whole, 1000)
    assert stream.state_dict() == whole.state_dict()
    assert stream.position == len(got)
    assert stream.read(1).size == 0


def test_file_alphabet_is_sorted_and_complete(file):
    stream = streams.text(file(TEXT))
    assert stream.alphabet.symbols == "".join(sorted(set(TEXT)))
    assert len(streams.text(file(TEXT), "bytes").alphabet) == 256
    assert (stream.entropy_rate, stream.endless) == (None, False)


def test_characters_across_the_blocks_of_the_first_pass(file, monkeypatch):
    monkeypatch.setattr(filestreams, "CHUNK", 3)
    monkeypatch.setattr(filestreams, "LEAST_CHUNK", 1)
    stream = streams.text(file(TEXT))
    assert stream.alphabet.decode(everything(stream, 1000)) == TEXT


def test_alphabet_as_a_value(file):
    stream = streams.text(file("elif"), streams.Alphabet("file"))  # the string "file" means another
    assert stream.read(9).tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("alphabet", ["file", "bytes", "ab"])
def test_empty_file(file, alphabet):
    with pytest.raises(DataError, match="source: is empty"):
        streams.text(file(""), alphabet).read(1)


@pytest.mark.parametrize("block", [1, 4, 100])
def test_unknown_character_is_named_after_what_came_before(file, block):
    stream = streams.text(file("añ\nbañx€b"), "abñ\n")
    got = ""
    while len(got) < 6:
        got += stream.alphabet.decode(stream.read(block))
    assert got == "añ\nbañ"
    for _ in range(2):
        where = r"source: line 2, byte 8: 'x' \(code 0x78\)"
        with pytest.raises(DataError, match=where):
            stream.read(block)


@pytest.mark.parametrize("block", [1, 2, 100])
@pytest.mark.parametrize(
    ("content", "offset"),
    [(b"a\xc3\xa9\xffb", 3), (b"ab\xc3", 2), (b"a\xe2\x82", 1), (b"a\xe2\x82b", 1), (b"\x80", 0)],
)
def test_bad_utf8_names_the_byte(file, content, offset, block):
    with pytest.raises(DataError, match=f"byte {offset} is not UTF-8"):
        streams.text(file(content))
    stream = streams.text(file(content), "abé")
    with pytest.raises(DataError, match=f"byte {offset} is not UTF-8"):
        everything(stream, block)
    assert stream.position == len(content[:offset].decode())
    raw = streams.text(file(content), "bytes")
    assert raw.alphabet.decode(everything(raw, block)) == content


def test_bad_utf8_in_a_later_block_of_the_first_pass(file, monkeypatch):
    monkeypatch.setattr(filestreams, "CHUNK", 4)
    monkeypatch.setattr(filestreams, "LEAST_CHUNK", 1)
    with pytest.raises(DataError, match="byte 9 is not UTF-8"):
        streams.text(file(b"ab\xe2\x82\xacabc\n\xff"))


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        streams.text(tmp_path / "none")
    (tmp_path / "some").write_text("abc")
    for alphabet in (3, streams.Alphabet(range(3)), streams.Alphabet(("a", "b"))):
        with pytest.raises(TypeError, match="alphabet: expected characters or bytes"):
            streams.text(tmp_path / "some", alphabet)


def test_file_is_closed_with_its_stream(file):
    stream = streams.text(file("abc"))
    inner = stream._source._file.file
    del stream
    assert inner.closed


def test_memory_does_not_grow_with_the_file(file, tmp_path):
    import tracemalloc

    path = tmp_path / "big"
    with open(path, "wb") as big:
        for _ in range(64):
            big.write(b"abcdefgh" * (1 << 15))  # 16 MiB in all
    tracemalloc.start()
    try:
        stream = streams.text(path)
        while stream.read(4096).size:
            pass
        assert stream.position == path.stat().st_size
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


# ---- state ----------------------------------------------------------------------------------


@pytest.mark.parametrize("alphabet", ["file", "bytes"])
@pytest.mark.parametrize("cut", [0, 1, 7, 17, len(TEXT)])
def test_resume(file, alphabet, cut):
    first = streams.text(file(TEXT), alphabet)
    if cut:
        first.read(cut)
    state = first.state_dict()
    assert all(type(value) is int for value in state.values())
    rest = first.read(100)
    second = streams.text(file(TEXT), alphabet)
    second.read(5)
    second.load_state_dict(state)
    assert second.state_dict() == state
    assert second.read(100).tolist() == rest.tolist()


def test_resume_refuses_another_file_and_stays(file):
    stream = streams.text(file("hello world"), "helo wrd")
    stream.read(8)
    state = stream.state_dict()
    for other in ("hellO world", "hellh world", "hello"):
        changed = streams.text(file(other), "helo wrdO")
        changed.read(3)
        before = changed.state_dict()
        with pytest.raises(DataError, match="first 8 symbols are not those"):
            changed.load_state_dict(state)
        assert changed.state_dict() == before
        assert changed.alphabet.decode(changed.read(1)) == other[3]


@pytest.mark.parametrize("bad", [{}, None, {"position": 0}, "x"])
def test_malformed_state(file, bad):
    stream = streams.text(file("abc"))
    with pytest.raises(ValueError, match="state: expected"):
        stream.load_state_dict(bad)
    for value in (-1, 1.0, True, "1"):
        with pytest.raises(ValueError, match="state: expected"):
            stream.load_state_dict({**stream.state_dict(), "position": value})
    assert stream.read(3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("n", [0, -1])
def test_bad_sizes(n):
    with pytest.raises(ValueError, match="n: expected an integer in"):
        streams.symbols([0]).read(n)
    with pytest.raises(TypeError):
        streams.symbols([0]).read(1.0)


# ---- standard input -------------------------------------------------------------------------


def test_pipe_gives_what_is_there(standard_input):
    standard_input(b"ab\n", b"\xe2", b"\x82", b"\xacz", b"ab")
    stream = streams.text("-", "abz€\n")
    got = []
    while (block := stream.read(100)).size:
        got.append(stream.alphabet.decode(block))
    assert got == ["ab\n", "€z", "ab"]


def test_pipe_needs_an_alphabet(standard_input):
    standard_input(b"ab")
    with pytest.raises(DataError, match=r"alphabet='file' .* give 'bytes', 'grow' or a string"):
        streams.text("-")


def test_some_bytes_only(file):
    stream = streams.text(file(b"\xff\n\x00a"), streams.Alphabet(b"\x00\xff\n"))
    assert stream.read(9).tolist() == [1, 2, 0]
    with pytest.raises(DataError, match=r"line 2, byte 3: b'a' \(code 0x61\)"):
        stream.read(9)


def test_empty_pipe(standard_input):
    standard_input()
    stream = streams.text("-", "bytes")
    for _ in range(2):
        with pytest.raises(DataError, match="standard input: is empty"):
            stream.read(5)


def test_pipe_goes_on_counting(standard_input):
    standard_input(b"a\nb")
    first = streams.text("-", "ab\n")
    first.read(3)
    standard_input(b"aax")
    second = streams.text("-", "ab\n")
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == first.state_dict()
    assert second.read(9).tolist() == [0, 0]
    with pytest.raises(DataError, match="line 2, byte 5: 'x'"):
        second.read(9)


def test_a_line_is_read_before_the_next_is_written():
    code = (
        "import sys; from nbt import streams; s = streams.text('-', 'bytes')\n"
        "while (b := s.read(10000)).size: print(s.alphabet.decode(b), flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    guard = threading.Timer(60, process.kill)
    guard.start()
    try:
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == repr(line).encode() + b"\n"
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        guard.cancel()
        process.kill()
        process.stdout.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipe(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)

    def write():
        with open(path, "wb") as pipe:
            pipe.write(b"abab")
            pipe.flush()
            time.sleep(0.05)
            pipe.write(b"c")

    writer = threading.Thread(target=write)
    writer.start()
    stream = streams.text(path, "abc")
    assert everything(stream, 100).tolist() == [0, 1, 0, 1, 2]
    writer.join()


# ---- arrays ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, ">i2", np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("n", [1, 2, 5, 50])
def test_symbols(dtype, n):
    array = np.array([2, 0, 1, 1, 0, 3, 0], dtype)
    stream = streams.symbols(array)
    assert len(stream.alphabet) == 4
    assert not stream.endless
    assert everything(stream, n).tolist() == array.tolist()
    assert stream.read(n).size == 0
    assert everything(streams.symbols(array[::2]), n).tolist() == array[::2].tolist()


def test_blocks_are_copies():
    array = np.array([0, 1, 2], np.int32)
    streams.symbols(array).read(3)[:] = 0
    assert array.tolist() == [0, 1, 2]


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_cycle(n):
    stream = streams.symbols([0, 1, 2, 3, 4], cycle=True, alphabet="abcde", entropy_rate=0.0)
    blocks = [stream.read(n) for _ in range(40)]
    assert all(block.size for block in blocks)
    got = np.concatenate(blocks)
    assert got.tolist() == (np.arange(len(got)) % 5).tolist()
    assert stream.endless
    assert stream.entropy_rate == 0.0
    assert stream.alphabet.symbols == "abcde"


@pytest.mark.parametrize("cycle", [False, True])
@pytest.mark.parametrize("cut", [1, 4, 6])
def test_symbols_resume(cycle, cut):
    array = np.array([3, 1, 0, 2, 2, 1])
    first = streams.symbols(array, cycle)
    for _ in range(cut):
        first.read(1)
    second = streams.symbols(array, cycle)
    second.load_state_dict(first.state_dict())
    for _ in range(4):
        assert second.read(2).tolist() == first.read(2).tolist()
    assert second.state_dict() == first.state_dict()
    for other in ([3, 1, 0, 2, 2, 0], [3, 1, 0, 2, 2]):
        with pytest.raises(DataError, match="not the array"):
            streams.symbols(other, cycle).load_state_dict(first.state_dict())


def test_symbols_state_past_the_end():
    stream = streams.symbols([0, 1])
    with pytest.raises(DataError, match="not the array"):
        stream.load_state_dict({**stream.state_dict(), "position": 3})
    assert stream.read(9).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("array", "alphabet"),
    [([], None), ([0, 3], 3), ([-1, 0], None), ([0.0, 1.0], None), ([[0]], None), ([0, 2], "ab")],
)
def test_bad_arrays(array, alphabet):
    with pytest.raises(DataError):
        streams.symbols(array, alphabet=alphabet)


@pytest.mark.parametrize(
    ("symbols", "elements", "others"),
    [
        ("añ€", ["a", "ñ", "€"], ["b", "añ", "", 0, None]),
        (b"ab", [97, 98], [99, b"ab", "a", 256]),
        (range(3), [0, 1, 2], [3, -1, "0"]),
        (("the", "cat"), ["the", "cat"], ["t", "the cat", ("the", "cat")]),
    ],
)
def test_an_alphabet_is_iterated_and_asked(symbols, elements, others):
    alphabet = streams.Alphabet(symbols)
    assert list(alphabet) == elements
    assert len(alphabet) == len(elements)
    assert all(one in alphabet for one in elements)
    assert not any(one in alphabet for one in others)
    assert alphabet == streams.Alphabet(symbols)
    assert hash(alphabet) == hash(streams.Alphabet(symbols))


def test_many_plain_numbers_are_asked_at_no_cost():
    alphabet = streams.Alphabet(range(2**31 - 1))
    tracemalloc.start()
    try:
        assert np.int64(2**31 - 2) in alphabet
        assert 2**31 - 1 not in alphabet
        assert 1.5 not in alphabet
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()
