"""Bytes that are no characters, encodings, byte order marks: as Python decodes, however cut."""

import io
import os
import random
import subprocess
import sys

import pytest

import nbt
from nbt import streams
from nbt.cli import run
from nbt.errors import DataError
from nbt.streams.decoding import Decoder

PYTHON = {"replace": "replace", "escape": "backslashreplace"}
ENCODINGS = [
    *("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "ascii", "latin-1", "cp1252"),
    *("gbk", "gb18030", "shift_jis", "euc_jp", "euc_kr", "big5"),
]


def damaged(encoding, seed):
    """A text with bytes put in anywhere."""
    rng = random.Random(f"{encoding} {seed}")
    text = "".join(rng.choice("ab\n€é😀漢字あ\x00") for _ in range(rng.randrange(12)))
    raw = bytearray(text.encode(encoding, "ignore"))
    for _ in range(rng.randrange(4)):
        raw.insert(rng.randrange(len(raw) + 1), rng.randrange(256))
    return bytes(raw)


# ---- one piece of bytes ---------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("errors", ["replace", "escape"])
def test_as_python_decodes(encoding, errors):
    decoder = Decoder(encoding, errors)
    for seed in range(150):
        raw = damaged(encoding, seed)
        look = decoder.look(raw, 1, final=True)
        assert look.text == raw.decode(encoding, PYTHON[errors])
        assert look.size(len(look.text)) == len(raw)
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            assert 0 < look.replaced(len(look.text)) <= len(raw)
        else:
            assert look.replaced(len(look.text)) == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("errors", ["replace", "escape"])
def test_what_is_cut_is_whole(encoding, errors):
    """Bytes one by one: a character that is not whole waits, and is never replaced."""
    decoder = Decoder(encoding, errors)
    for seed in range(80):
        raw, text, rest = damaged(encoding, seed), "", b""
        for k in range(len(raw) + 1):
            rest += raw[k : k + 1]
            look = decoder.look(rest, 1, final=k == len(raw))
            text += look.text
            rest = rest[look.size(len(look.text)) :]
        assert text == raw.decode(encoding, PYTHON[errors])
        assert rest == b""


def test_strict_names_the_byte_and_the_encoding():
    for encoding, raw, what in (
        (None, b"ab\xff", "UTF-8"),
        ("ascii", b"ab\xff", "ASCII"),
        ("utf-16", b"a\0b\0\x00\xd8a\0", "UTF-16-LE"),
        ("euc_jp", b"ab\xff", "EUC-JP"),
    ):
        look = Decoder(encoding).look(raw, 1, final=True)
        assert look.text == "ab"
        assert look.failure.startswith(f"is not {what} (")


@pytest.mark.parametrize(
    ("encoding", "error", "words"),
    [
        ("none", ValueError, "that Python knows"),
        ("hex", ValueError, "does not depend"),
        ("iso2022_jp", ValueError, "does not depend"),
        ("utf-7", ValueError, "does not depend"),
        (8, TypeError, "expected a name"),
    ],
)
def test_encodings_that_are_refused(encoding, error, words):
    with pytest.raises(error, match=f"encoding: .*{words}"):
        Decoder(encoding)
    with pytest.raises(ValueError, match="errors: expected"):
        Decoder(errors="ignore")


# ---- files ----------------------------------------------------------------------------------


def everything(stream, n):
    parts = []
    while (chunk := stream.read(n)).size:
        parts.append(stream.alphabet.decode(chunk))
    return "".join(parts)


BAD = b"caf\xe9 \xe2\x82\xac\n\xe2\x82 \xff\xfe\n\xed\xa0\x80 end \xf0\x9f\x98"


@pytest.mark.parametrize("n", [1, 2, 5, 100])
@pytest.mark.parametrize("errors", ["replace", "escape"])
@pytest.mark.parametrize("alphabet", ["file", "grow"])
def test_a_file_however_cut_and_stopped(tmp_path, n, errors, alphabet):
    (tmp_path / "t").write_bytes(BAD)
    whole = BAD.decode("utf-8", PYTHON[errors])
    stream = streams.text(tmp_path / "t", alphabet, errors=errors)
    text, states = "", []
    while True:
        states.append((len(text), stream.state_dict(), stream.alphabet))
        chunk = stream.read(n)
        if not chunk.size:
            break
        text += stream.alphabet.decode(chunk)
    assert text == whole
    assert stream.counts == {"replaced": 11, "unknown": 0, "skipped": 0}
    for at, state, known in states:
        again = streams.text(tmp_path / "t", known, errors=errors)
        again.load_state_dict(state)
        assert again.state_dict() == state
        assert everything(again, 7) == whole[at:]
        assert again.counts == stream.counts


@pytest.mark.parametrize("n", [1, 3, 100])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_a_byte_order_mark(tmp_path, encoding, n):
    text = "a,é\r\n€,😀\r\n"
    raw = text.encode(encoding)
    if encoding == "utf-16-be":
        raw = b"\xfe\xff" + raw
    (tmp_path / "t").write_bytes(raw)
    stream = streams.text(tmp_path / "t")
    assert "\ufeff" not in stream.alphabet.symbols
    first = everything(stream, n)
    assert first == text
    assert stream.state_dict()["offset"] == len(raw)
    named = streams.text(tmp_path / "t", encoding=encoding.removesuffix("-sig"))
    named.read(2)
    again = streams.text(tmp_path / "t", named.alphabet)
    again.load_state_dict(named.state_dict())
    assert everything(again, 9) == text[2:]


@pytest.mark.parametrize("column", ["word", "é"])
def test_words_of_another_encoding(tmp_path, column):
    text = "word,é\r\nnaïve,1\r\nœuvre,2\r\n"
    words = {"word": ["naïve", "œuvre"], "é": ["1", "2"]}[column]
    for encoding, given in (("cp1252", "cp1252"), ("utf-16", None), ("utf-8-sig", None)):
        (tmp_path / "t.csv").write_bytes(text.encode(encoding))
        stream = streams.file(tmp_path / "t.csv", "csv", column=column, encoding=given)
        assert stream.alphabet.decode(stream.read(9)) == words


def test_words_with_bad_bytes(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"w\na\xff\nb\n")
    with pytest.raises(DataError, match=r"t.csv: line 2.*UTF-8"):
        streams.file(tmp_path / "t.csv", "csv", column="w")
    stream = streams.file(tmp_path / "t.csv", "csv", column="w", errors="replace")
    assert stream.alphabet.decode(stream.read(9)) == ["a\ufffd", "b"]
    assert stream.counts["replaced"] == 1


def test_a_file_of_nothing_but_a_mark_is_empty(tmp_path):
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbf")
    with pytest.raises(DataError, match="is empty"):
        streams.text(tmp_path / "t")
    with pytest.raises(DataError, match="is empty"):
        streams.text(tmp_path / "t", "grow").read(1)


def test_a_replacement_at_the_beginning_does_not_make_an_alphabet_grow(tmp_path):
    (tmp_path / "t").write_bytes(b"\xff\xf0\x9f\x98\x80")
    stream = streams.text(tmp_path / "t", errors="replace")
    assert not stream.grows
    assert everything(stream, 1) == "\ufffd😀"


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe")
@pytest.mark.parametrize("pieces", [[BAD], [bytes([b]) for b in BAD]])
def test_a_pipe_goes_on(pieces):
    code = (
        "import sys; from nbt import streams; s = streams.text('-', 'grow'); out = ''\n"
        "while (b := s.read(10000)).size: out += s.alphabet.decode(b)\n"
        "sys.stdout.buffer.write(out.encode()); print(s.counts['replaced'], file=sys.stderr)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], **dict.fromkeys(("stdin", "stdout", "stderr"), -1)
    )
    for piece in pieces:
        process.stdin.write(piece)
        process.stdin.flush()
    out, err = process.communicate(timeout=60)
    assert out.decode() == BAD.decode("utf-8", "replace")
    assert err == b"11\n"


def test_many_bad_bytes_take_their_time_once(tmp_path):
    """Latin-1 read as UTF-8: each bad byte costs the same, wherever it is."""
    raw = b"caf\xe9 " * 50_000
    (tmp_path / "t").write_bytes(raw)
    stream = streams.text(tmp_path / "t", errors="replace")
    assert everything(stream, 1 << 16) == raw.decode("utf-8", "replace")
    assert stream.counts["replaced"] == 50_000


def test_an_older_state_goes_on(tmp_path):
    """Without what later versions keep."""
    (tmp_path / "t").write_text("hello world")
    stream = streams.text(tmp_path / "t", "helo wrd")
    stream.read(6)
    state = stream.state_dict()
    old = {k: state[k] for k in ("position", "hash", "offset", "line")}
    again = streams.text(tmp_path / "t", "helo wrd")
    again.load_state_dict(old)
    assert everything(again, 3) == "world"


# ---- what an alphabet lacks -----------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 100])
def test_unknown_symbols_are_marked(tmp_path, n):
    (tmp_path / "t").write_text("abxba\nyab")
    stream = streams.text(tmp_path / "t", "ab\n", unknown="mark")
    codes, strange = [], []
    while (chunk := stream.read(n)).size:
        codes += chunk.tolist()
        strange += stream.strange
    assert codes == [0, 1, -1, 1, 0, 2, -1, 0, 1]
    assert strange == ["x", "y"]
    assert stream.counts["unknown"] == 2
    assert [note.partition(": ")[2] for note in stream.notes] == [
        "line 1, byte 2: 'x' (code 0x78) is not in the alphabet, passed over",
        "line 2, byte 6: 'y' (code 0x79) is not in the alphabet, passed over",
    ][: len(stream.notes)]
    with pytest.raises(DataError, match="not in the alphabet"):
        everything(streams.text(tmp_path / "t", "ab\n"), n)


@pytest.mark.parametrize("chunk", [1, 3, None])
@pytest.mark.parametrize("kind", [nbt.NoBackTrack, nbt.TruncatedBPTT])
def test_training_passes_over_them(tmp_path, kind, chunk):
    """As if they were not there, however the stream is cut; counted."""
    text = "the cat sat on the mat\n" * 9
    strange = "".join(f"{one}é" if k % 7 == 3 else one for k, one in enumerate(text))
    (tmp_path / "t").write_text("éé" + strange)
    letters = "".join(sorted(set(text)))

    def fresh():
        return kind(nbt.RNN(4), nbt.Softmax(len(letters)))

    plain, other = fresh(), fresh()
    plain.learn(streams.Alphabet(letters).encode(text))
    stream = streams.text(tmp_path / "t", letters, unknown="mark")
    history = nbt.train(other, stream, steps=50, chunk=chunk)
    other.save(tmp_path / "c", stream, history)
    saved = nbt.Checkpoint.load(tmp_path / "c")
    stream = streams.text(tmp_path / "t", saved.alphabet, unknown="mark")
    stream.load_state_dict(saved.stream["state"])
    history = nbt.train(saved.trainer, stream, history=saved.history, chunk=chunk)
    assert history.counts["unknown"] == 2 + len(strange) - len(text)
    assert history[-1].unknown == history.counts["unknown"]
    assert saved.trainer.step == plain.step == len(text)
    for key, value in plain.state_dict().items():
        assert value.tobytes() == saved.trainer.state_dict()[key].tobytes(), key


# ---- the command ----------------------------------------------------------------------------


def test_a_run_that_met_a_bad_byte_goes_on(tmp_path, capsys):
    path, folder = tmp_path / "t", str(tmp_path / "run")
    path.write_bytes(b"hello world\n" * 9)
    args = ["train", str(path), "-o", folder, "--units", "4"]
    assert run(args) == 0
    with open(path, "ab") as file:
        file.write(b"h\xe9llo\nworld\n")
    assert run([*args, "--resume"]) == 3  # a file that ends is read strictly
    assert "--errors replace goes on" in capsys.readouterr().err
    assert run([*args, "--resume", "--errors", "replace"]) == 0
    err = capsys.readouterr().err
    assert "line 10, byte 109: 0xe9 is no character, read as \ufffd" in err
    assert "faults    1 bad byte replaced, 1 symbol outside the alphabet passed over" in err
    row = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1]
    assert '"replaced": 1, "unknown": 1' in row
    history = nbt.Checkpoint.load(folder).history
    assert (history.counts["replaced"], history.counts["unknown"]) == (1, 1)


def test_a_file_that_gained_a_character_is_resumed(tmp_path, capsys):
    path, folder = tmp_path / "t", str(tmp_path / "run")
    path.write_text("hello world\n" * 9)
    args = ["train", str(path), "-o", folder, "--units", "4"]
    assert run(args) == 0
    path.write_text("hello world\n" * 9 + "héllo\n")
    assert run([*args, "--resume", "--unknown", "error"]) == 3
    assert run([*args, "--resume"]) == 0
    assert "1 symbol outside the alphabet passed over" in capsys.readouterr().err
    assert nbt.load(folder).step == 9 * 12 + 5


@pytest.mark.parametrize(("errors", "replaced"), [(None, 1), ("escape", 1), ("strict", None)])
def test_standard_input(monkeypatch, capsys, errors, replaced):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(_Once(b"ab\xffab\n"))))
    args = ["train", "-", "--alphabet", "grow", "--units", "3"]
    code = run([*args, *(["--errors", errors] if errors else [])])
    assert code == (0 if replaced else 3)
    assert ("1 bad byte replaced" in capsys.readouterr().err) == bool(replaced)


class _Once(io.RawIOBase):
    def __init__(self, data):
        self.data = data

    def readable(self):
        return True

    def readinto(self, buffer):
        piece, self.data = self.data[: len(buffer)], self.data[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_look_is_pure(tmp_path):
    """Waiting changes nothing that counts."""
    (tmp_path / "t").write_bytes(BAD)
    stream = streams.text(tmp_path / "t", "grow", errors="replace", follow=True)
    for _ in range(3):
        before = stream.state_dict()
        assert stream.wait(0.01)
        assert stream.state_dict() == before
        stream.read(2)
