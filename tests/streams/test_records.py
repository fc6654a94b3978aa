"""Records as they come: bad ones, looking ahead, tables as programs and people write them."""

import contextlib
import json
import math
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import nbt
from nbt.errors import DataError
from nbt.streams.sources import following
from nbt.streams.tables import records

NAN = float("nan")
POSIX = pytest.mark.skipif(os.name == "nt", reason="files that are open can be renamed")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(following, "LOOK", 0.005)
    monkeypatch.setattr(following, "GRACE", 0.05)


def table(tmp_path, text, columns, *args, name="a.csv", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return nbt.streams.table(path, columns, *args, **options)


def everything(stream, size=3):
    parts = []
    while len(part := stream.read(size)):
        parts.append(part)
    return np.concatenate(parts).tolist()


def same(found, expected):
    np.testing.assert_array_equal(np.array(found, float), np.array(expected, float))


# ---- bad records -----------------------------------------------------------------------------

BAD = {  # of columns a and b
    "a word": "7,ERR",
    "too few": "7",
    "too many": "7,8,9",
    "infinite": "inf,1",
    "too large": f"{'9' * 400},1",
    "underscores": "1_000,1",
    "hex": "0x10,1",
    "true": "true,1",
    "a quote that does not end": '"7,8',
    "something after a quote": '"7"8,9',
    "not UTF-8": b"\xff,1",
    "too long": f"{'1' * 300},2",
}
BAD_JSON = {
    "no JSON": '{"a": 7',
    "no object": "[7, 8]",
    "a word": '{"a": "ERR", "b": 1}',
    "true": '{"a": true, "b": 1}',
    "a list": '{"a": [1], "b": 1}',
    "deep": '{"a": ' + "[" * 100_000,
    "deep and whole": '{"a": ' + "[" * 2000 + "]" * 2000 + ', "b": 1}',
    "digits": '{"a": ' + "9" * 400 + ', "b": 1}',
    "very many digits": '{"a": ' + "9" * 5000 + ', "b": 1}',
    "infinity": '{"a": Infinity, "b": 1}',
}


def with_bad(form, bad):
    """Records (1, 2), (3, 4), a bad one, (5, 6), (7, 8)."""
    bad = bad if isinstance(bad, bytes) else bad.encode()
    if form == "csv":
        head, good = [b"a,b"], [b"%d,%d" % (k, k + 1) for k in (1, 3, 5, 7)]
    else:
        head, good = [], [b'{"a": %d, "b": %d}' % (k, k + 1) for k in (1, 3, 5, 7)]
    lines = [*head, *good[:2], bad, *good[2:]]
    return b"".join(line + b"\n" for line in lines)


CASES = [("csv", what) for what in BAD] + [("jsonl", what) for what in BAD_JSON]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(("form", "what"), CASES)
def test_a_bad_record(tmp_path, form, what, size):
    """Said with its line and met each time; or passed over, counted, never met again."""
    bad = {"csv": BAD, "jsonl": BAD_JSON}[form][what]
    options = {"longest": 200} if what == "too long" else {}
    text, line = with_bad(form, bad), 4 if form == "csv" else 3
    stream = table(tmp_path, text, ["a", "b"], format=form, **options)
    same(stream.read(2), [[1, 2], [3, 4]])
    for _ in range(2):
        with pytest.raises(DataError, match=rf"a\.csv: line {line}, byte \d+: ") as caught:
            stream.read(size)
        assert len(str(caught.value)) < 400
    options |= {"format": form, "on_bad_record": "skip"}
    stream = table(tmp_path, text, ["a", "b"], **options)
    same(everything(stream, size), [[1, 2], [3, 4], [5, 6], [7, 8]])
    assert re.search(rf"a\.csv: line {line}, byte \d+: .*passed over: ", stream.notes[0])
    assert len(stream.notes) == stream.counts["skipped"] + stream.counts["replaced"]
    assert stream.counts["skipped"] == 1
    state = json.loads(json.dumps(stream.state_dict()))
    for cut in range(1, 4):
        first = table(tmp_path, text, ["a", "b"], **options)
        first.read(cut)
        again = table(tmp_path, text, ["a", "b"], **options)
        again.load_state_dict(first.state_dict())
        same(everything(again), [[1, 2], [3, 4], [5, 6], [7, 8]][cut:])
        assert bool(first.notes) != bool(again.notes)
        assert again.counts["skipped"] == 1
        assert again.state_dict() == state


def test_words_of_a_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("n,verb\n1,GET\n2\n3,PUT\n")
    with pytest.raises(DataError, match=r"line 3, .*expected 2 fields, got 1"):
        nbt.streams.file(path, "csv", column="verb")
    stream = nbt.streams.file(path, "csv", column="verb", on_bad_record="skip")
    read = [stream.alphabet.decode(stream.read(1)) for _ in range(2)]
    assert "line 3" in stream.notes[0]
    assert read == [["GET"], ["PUT"]]


def test_the_first_few_are_named_then_every_tenth_hundredth(tmp_path):
    text = "a\n1\n" + "x\n" * 250 + "2\n"
    stream = table(tmp_path, text, ["a"], on_bad_record="skip")
    same(everything(stream), [[1], [2]])
    assert ["line" in note for note in stream.notes] == [True] * 3 + [False] * 2
    counts = [
        re.search(r": (\d+) records passed over so far", note)[1] for note in stream.notes[3:]
    ]
    assert counts == ["10", "100"]
    assert stream.counts["skipped"] == 250


def test_where_every_record_is_bad_it_is_an_error(tmp_path):
    stream = table(tmp_path, "a\n" + "x\n" * 9, ["a"], on_bad_record="skip")
    with pytest.raises(DataError, match=r"a\.csv: none of its 9 records can be read"):
        stream.read(5)
    stream = table(tmp_path, "a\n" + "x\n" * 1000, ["a"], follow=True)  # skip by default
    with pytest.raises(DataError, match=r"none of the first 100 records can be read; .*line 101"):
        stream.read(5)


def test_a_quote_that_does_not_end_costs_its_line_alone(tmp_path):
    lines = ["a,b", "1,2", '"3,4', *(f"{k},{k}" for k in range(5, 60)), '6,"7', "8,9"]
    stream = table(tmp_path, "\n".join(lines), ["a", "b"], on_bad_record="skip")
    read = everything(stream)
    assert stream.counts["skipped"] == 2
    same(read, [[1, 2], *([k, k] for k in range(5, 60)), [8, 9]])


@pytest.mark.parametrize("form", ["csv", "jsonl", "array"])
def test_a_line_of_many_megabytes_takes_no_memory(tmp_path, form):
    import tracemalloc

    path = tmp_path / "a"
    with open(path, "wb") as file:
        file.write({"csv": b"a\n1\n", "jsonl": b'{"a": 1}\n', "array": b'[{"a": 1},'}[form])
        for _ in range(100):
            file.write(b"[" * (1 << 20) if form == "jsonl" else b"1" * (1 << 20))
        file.write({"csv": b"\n2\n", "jsonl": b'\n{"a": 2}\n', "array": b'\n,{"a": 2}]'}[form])
    kind = "csv" if form == "csv" else "jsonl"
    tracemalloc.start()
    with pytest.raises(DataError, match=r"line [123], .*longer than 1048576 characters"):
        everything(nbt.streams.table(path, ["a"], format=kind))
    stream = nbt.streams.table(path, ["a"], format=kind, on_bad_record="skip")
    same(everything(stream, 1), [[1], [2]])
    assert "longer than 1048576 characters" in stream.notes[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert stream.counts["skipped"] == 1
    assert peak < 12e6


# ---- looking ahead -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4096])
def test_a_long_element_of_an_array_is_looked_at_few_times(tmp_path, size, monkeypatch):
    """Each look begins anew: were they as many as its blocks, the time would be their square."""
    looks, look = [], records.json_elements
    monkeypatch.setattr(records, "json_elements", lambda *args: looks.append(0) or look(*args))
    long = '{"a": 2, "b": [' + "1," * 200_000 + "3]}"
    stream = table(tmp_path, f'[{{"a": 1}}, {long}, {{"a": 3}}]', ["a"], name="a.json")
    same(everything(stream, size), [[1], [2], [3]])
    assert len(looks) < 20


@contextlib.contextmanager
def piped(text, pieces=1):
    """A stream over a pipe to which a thread writes, piece by piece."""
    reading, writing = os.pipe()
    text = text if isinstance(text, bytes) else text.encode()

    def write():
        for k in range(pieces):
            os.write(writing, text[k * len(text) // pieces : (k + 1) * len(text) // pieces])
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield f"/dev/fd/{reading}"
    finally:
        thread.join()
        os.close(reading)


TABLE = '﻿time, temp\n\n1,2.5\n2,"3\n"\n\n3,4\n'


@POSIX
@pytest.mark.parametrize("pieces", [1, 5, 37])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_looking_changes_nothing_that_comes(pieces, size):
    with piped(TABLE, pieces) as path:
        stream = nbt.streams.table(path, ["temp", "time"], format="csv")
        read = []
        for _ in range(100):
            before = stream.state_dict()
            while not stream.wait(0.2):
                pass
            assert stream.wait(0)
            assert stream.state_dict() == before
            rows = stream.read(size).tolist()
            if not rows:
                break
            read += rows
    same(read, [[2.5, 1], [3, 2], [4, 3]])


@POSIX
def test_a_named_pipe(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_text, args=(TABLE,))
    thread.start()
    stream = nbt.streams.table(path, ["temp", "time"], format="csv")
    read = []
    while stream.wait(5) and len(rows := stream.read(2)):
        read += rows.tolist()
    thread.join()
    same(read, [[2.5, 1], [3, 2], [4, 3]])


def test_the_command_reads_a_pipe(tmp_path):
    text = "time,temp\n" + "".join(f"{k},{math.sin(k):.4f}\n" for k in range(100))
    for args in (["--columns", "time,temp"], ["--column", "temp", "--alphabet", "grow"]):
        command = [sys.executable, "-m", "nbt", "train", "-", "--format", "csv", *args, "--json"]
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout.splitlines()[-1])["step"] == 100
        assert b"passed over" not in done.stderr


@POSIX
@pytest.mark.parametrize("heading", ["", "a;b\n", "\ufeffb;a\n", "x;y\n"])
def test_another_pipe_goes_on_by_what_is_known(tmp_path, heading):
    """`tail -n 0 -F t.csv | nbt train -` gives no heading."""
    records = ("1,5;20\n", "ERR\n", "1,25;30\n") * 4
    for text in ("a;b\n" + "".join(records), heading + "".join(records), ""):
        args = ("train", "-", "--columns", "a,b", "-o", tmp_path / "run", "--resume")
        process = start(*args)
        said = process.communicate(text.encode(), timeout=60)[1].decode()
        assert process.returncode == 0, said
    assert "learned   16 steps" in said
    bad = 8 + (heading == "x;y\n")
    assert f"faults    {bad} bad records skipped" in said


@pytest.mark.parametrize("heading", ["a,b\n", "b,a\n", ""])
def test_a_heading_after_a_rotation(tmp_path, heading):
    """It may come again, with its columns in another order, or not at all."""
    path = tmp_path / "log.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    stream = nbt.streams.table(path, ["a", "b"], follow=True)
    same(stream.read(2), [[1, 2], [3, 4]])
    path.rename(tmp_path / "log.csv.1")
    path.write_text(f"{heading}5,6\n7,8\n")
    before = stream.state_dict()
    read = []
    while stream.wait(0.3):
        assert stream.state_dict() == before
        read += stream.read(1).tolist()
        before = stream.state_dict()
    same(read, [[6, 5], [8, 7]] if heading == "b,a\n" else [[5, 6], [7, 8]])


def test_headings_amid_records(tmp_path):
    """As where files were put one after the other."""
    stream = table(tmp_path, "a,b\n1,2\na,b\n3,4\nb,a\n5,6\n", ["a", "b"])
    same(everything(stream), [[1, 2], [3, 4], [6, 5]])
    path = tmp_path / "w.csv"
    path.write_text("n,w\n1,x\nn,w\n2,w\n")
    words = nbt.streams.file(path, "csv", column="w")
    assert words.alphabet.decode(words.read(9)) == ["x", "w"]


@pytest.mark.parametrize("heading", ["n, w\n", "\ufeffw,n\n", "\ufeff w ,n\r\n", "n;w\t\n"])
def test_a_heading_that_comes_again_is_no_word(tmp_path, heading):
    """Also where its name has spaces around, or a byte order mark before it."""
    path = tmp_path / "w.csv"
    mark = ";" if ";" in heading else ","
    first, second = (mark.join([word] * 2) + "\n" for word in ("x", "y"))
    path.write_text(heading + first + heading + second, encoding="utf-8", newline="")
    words = nbt.streams.file(path, "csv", column="w")
    assert words.alphabet.decode(words.read(9)) == ["x", "y"]


# ---- tables as they are --------------------------------------------------------------------------

EXPORTS = {
    "German Excel": (
        "﻿Zeit;Temperatur, innen;Druck\r\n01.02.2026 12:00;21,5;1.013,2\r\n"
        "01.02.2026 13:00;22;998,7\r\n;;\r\n",
        ["Temperatur, innen", "Druck", "Zeit"],
        {"dates": "%d.%m.%Y %H:%M"},
        [[21.5, 1013.2, 1769947200.0], [22, 998.7, 1769950800.0], [NAN] * 3],
    ),
    "Excel that says its delimiter": (
        "sep=;\r\nx;y\r\n1,5;2\r\n", ["x", "y"], {}, [[1.5, 2]],
    ),
    "pandas with an index": (
        ",time,value,flag\n0,2026-01-01 00:00:00,1.5,True\n1,2026-01-01 01:00:00,,False\n",
        ["time", "value", "flag"],
        {"booleans": True},
        [[1767225600.0, 1.5, 1], [1767229200.0, NAN, 0]],
    ),
    "database dump": (
        "id\tprice\tnote\n1\t10.25\tnone\n2\t\\N\tsays \\N\n",
        ["price", "id"],
        {},
        [[10.25, 1], [NAN, 2]],
    ),
    "logger": (
        "time, level, ms\n2026-01-31T23:59:59.5Z, INFO, 12\n2026-02-01 00:59:59.5+01:00, WARN, 7\n",
        ["time", "ms"],
        {},
        [[1769903999.5, 12], [1769903999.5, 7]],
    ),
    "sensor": (
        "t,temp,hum\n0,-999,45\n1,21.25,-999.0\n2,-999.5,?\n",
        ["temp", "hum"],
        {"na": ["-999"]},
        [[NAN, 45], [21.25, NAN], [-999.5, NAN]],
    ),
    "names with commas, fields with line ends": (
        '"a, b","note\nof two"\n1,"x\n,""y"""\n2,z\n', ["a, b"], {}, [[1], [2]],
    ),
    "quoted numbers with thousands": (
        'n,"amount"\n1,"1,234,567.5"\n2,"12,345"\n3,7\n',
        ["amount"],
        {},
        [[1234567.5], [12345], [7]],
    ),
    "French": ("a;b\n1 234,5;1\n12 345;2\n", ["a"], {}, [[1234.5], [12345]]),
    "pipes": ("a|b\n1|2.5\n", ["b", "a"], {}, [[2.5, 1]]),
    "JSON array": (
        '[\n  {"a": 1, "note": "x]},{"},\n  {"a": "2.5"},\n  {"a": null}, {"b": {"c": [1]}}\n]\n',
        ["a"],
        {"format": "jsonl"},
        [[1], [2.5], [NAN], [NAN]],
    ),
    "JSON array in a line": (
        '[{"a":1,"b":{"a":5}},{"a":-2e3}]', ["a"], {"format": "jsonl"}, [[1], [-2000]],
    ),
    "old line ends": ("a,b\r\n1,2\r\n3,4", ["a", "b"], {}, [[1, 2], [3, 4]]),
}  # fmt: skip


@pytest.mark.parametrize("what", EXPORTS)
def test_exports(tmp_path, what):
    text, columns, options, expected = EXPORTS[what]
    for size in (1, 2, 100):
        same(everything(table(tmp_path, text, columns, **options), size), expected)
    for cut in range(1, len(expected)):
        first = table(tmp_path, text, columns, **options)
        first.read(cut)
        again = table(tmp_path, text, columns, **options)
        again.load_state_dict(first.state_dict())
        same(again.read(100), expected[cut:])


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("time,temp\n0,21,5\n", ["temp"], "line 2, .*expected 2 fields, got 3; a decimal comma"),
        ("a;b\n1,234;5\n", ["a"], "'1,234' .*may be 1.234 or 1234: say which"),
        ("a;b\n1.5;5\n2,5;6\n", ["a"], "line 3, .*'2,5' is not a number"),
        ("a;b\n1,5;5\n2.5;6\n", ["a"], "line 3, .*'2.5' is not a number"),
        ("d\n01.02.2026\n", ["d"], "if it is a date, say by dates how it is written"),
        ("a\nTrue\n", ["a"], "'True' is not a number; booleans makes it one"),
        ("a,a\n1,2\n", ["a"], "line 1, .*'a' is there twice among a, a"),
        ("a,b\n", ["a"], "has a heading and no records"),
        ("b;c\n1;2\n", ["a"], "no column 'a' among b, c$"),
        ("a b\n1 2\n", ["a"], "no column 'a' among a b; delimiter says what stands between"),
        ("a\rb\r1\r2", ["a"], "not a heading of csv: new-line character seen in unquoted field$"),
        ("a\nx\n", ["a"], "'x' is not a number; on_bad_record='skip' goes on after it$"),
        (b"a;D\xe9bit\n1;2\n", ["a"], "line 1, .*: it is not UTF-8 .*; encoding='cp1252' reads"),
        (b"a\n1\n\xff\n", ["a"], "line 3, .*: it is not UTF-8 .*; encoding='cp1252' reads"),
    ],
)
def test_what_is_never_guessed(tmp_path, text, columns, words):
    with pytest.raises(DataError, match=words):
        everything(table(tmp_path, text, columns))


MARKED = {
    "decimal comma": ("a;b\n1,5;0\n1,234;0\n,5;0\n2.5;0\n", [1.5, 1.234, 0.5], "'2.5'"),
    "decimal point": ("a;b\n1.5;0\n1.234;0\n.5;0\n2,5;0\n", [1.5, 1.234, 0.5], "'2,5'"),
    "thousands": ("a;b\n1.234,5;0\n1.234;0\n2,5;0\n2.5;0\n", [1234.5, 1234, 2.5], "'2.5'"),
    "not of the last": ("a;b\n1;0\n1,5;0\n1,234;0\n2.5;0\n", [1, 1.5, 1.234], "'2.5'"),
}


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("what", MARKED)
def test_a_mark_that_was_found_is_not_forgotten(tmp_path, what, stops):
    """What the first number showed is known of those after it, also over a stop, and while others
    look ahead."""
    text, numbers, refused = MARKED[what]
    stream = table(tmp_path, text, ["a"])
    for number in numbers:
        stream.wait(0)
        assert stream.read(1).tolist() == [[number]]
        if stops:
            state, stream = stream.state_dict(), table(tmp_path, text, ["a"])
            stream.load_state_dict(state)
    with pytest.raises(DataError, match=f"{refused} is not a number"):
        stream.read(1)


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("delimiter", {"delimiter": ";;"}),
        ("delimiter", {"delimiter": "a"}),
        ("decimal", {"decimal": "'"}),
        ("thousands", {"thousands": ","}),
        ("thousands", {"thousands": 5}),
        ("na", {"na": "NA"}),
        ("na", {"na": 5}),
        ("na", {"na": None}),
        ("columns", {"columns": None}),
        ("columns", {"columns": [1]}),
        ("columns", {"columns": "a"}),
        ("targets", {"targets": None}),
        ("dates", {"dates": 5}),
        ("dates", {"dates": "%d.%m.%d"}),
        ("dates", {"dates": "%d.%q"}),
        ("dates", {"dates": "%d.%"}),
        ("on_bad_record", {"on_bad_record": "ignore"}),
        ("longest", {"longest": 0}),
    ],
)
def test_arguments(tmp_path, argument, options):
    if argument == "thousands" and options["thousands"] == ",":
        options = {**options, "decimal": ","}
    with pytest.raises((TypeError, ValueError), match=f"{argument}: expected"):
        table(tmp_path, "a\n1\n", **{"columns": ["a"], **options})


def test_names_may_come_from_anything_that_gives_them(tmp_path):
    stream = table(tmp_path, "a,b\n1,2\n", (name for name in "ab"))
    assert stream.columns == ("a", "b")


def test_what_is_shown_of_how_it_is_written(tmp_path):
    stream = table(tmp_path, "x;y\n1,5;2\n", ["x"])
    assert stream.form == "csv"
    before = stream.state_dict()
    stream.peek()
    assert stream.form == "csv (delimiter ';', decimal ',')"
    assert stream.state_dict() == before
    stream.read(1)
    assert stream.form == "csv (delimiter ';', decimal ',')"


# ---- the command ---------------------------------------------------------------------------------


def start(*args):
    command = [sys.executable, "-m", "nbt", *map(str, args)]
    return subprocess.Popen(
        command, **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    )


def heard(process, words):
    """What it said on stderr until these words."""
    said = ""
    while words not in said:
        line = process.stderr.readline().decode()
        assert line, said
        said += line
    return said


@POSIX
@pytest.mark.parametrize("missing", ["skip", "mask"])
def test_a_followed_table_goes_on_after_a_bad_record_and_a_stop(tmp_path, missing):
    path, folder = tmp_path / "log.csv", tmp_path / "run"
    path.write_text("t,x\n" + "".join(f"{k},{k % 7}\n" for k in range(50)) + "50,ERR\n")
    args = ["train", path, "--follow", "--columns", "x,t", "--missing", missing, "-o", folder]
    process = start(*args)
    said = heard(process, "passed over")
    assert "log.csv: line 52, byte" in said
    assert "'ERR' is not a number" in said
    process.terminate()
    said += process.communicate(timeout=60)[1].decode()
    assert process.returncode == 143
    assert re.search(r"^faults +1 bad records? skipped", said, re.M), said
    with open(path, "a") as file:
        file.write("".join(f"{k},{k % 7}\n" for k in range(51, 101)) + "102\n103,1\n")
    done = start("train", path, "-o", folder, "--resume", "--steps", "101")
    said = done.communicate(timeout=60)[1].decode()
    assert done.returncode == 0, said
    assert "ERR" not in said
    assert re.search(r"log\.csv: line 103, byte \d+: .*expected 2 fields, got 1", said)
    assert re.search(r"^faults +2 bad records skipped", said, re.M), said
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert (rows[-1]["step"], rows[-1]["skipped"]) == (101, 2)
    checkpoint = nbt.Checkpoint.load(folder / "checkpoints/last.safetensors")
    assert checkpoint.history.live().skipped == 2
    assert checkpoint.stream["state"]["skipped"] == 2
    assert checkpoint.stream["state"]["position"] == 101


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--columns", "t,x"], "line 3, .*column 'x': 'ERR' is not a number"),
        (["--columns", "t", "--decimal", ";"], "decimal"),
        (["--columns", "t", "--delimiter", "ab"], "--delimiter: expected one character"),
        (["--columns", "t", "--thousands", "."], "--thousands: expected another mark"),
        (["--decimal", ","], "--decimal needs --columns"),
        (["--on-bad-record", "skip"], "--on-bad-record needs --columns or --column"),
        (["--columns", "y"], "no column 'y' among t, x"),
        (["--columns", "t\rx"], r"'t\\rx': expected names with commas, in one line"),
    ],
)
def test_what_is_refused(tmp_path, args, words, capsys):
    from nbt.cli import run

    path = tmp_path / "a.csv"
    path.write_text("t,x\n1,2\n2,ERR\n")
    assert run(["train", str(path), *args]) in (2, 3)
    assert re.search(words, capsys.readouterr().err.splitlines()[-1])


def test_options_of_the_command(tmp_path, capsys):
    """Names with commas, tabs, words for what is missing, dates, booleans; the form is shown."""
    from nbt.cli import run

    path, folder = tmp_path / "a.txt", str(tmp_path / "run")
    lines = [f"{1 + k % 28:02}.01.2026\t{k},5\t{'true' if k % 3 else 'false'}" for k in range(40)]
    path.write_text('day\t"a, b"\ton\n' + "\n".join(lines) + "\n01.02.2026\t-99\ttrue\n")
    args = ["--columns", 'on,"a, b"', "--target", "day", "--delimiter", "tab", "--na", "-99,none"]
    args += ["--dates", "%d.%m.%Y", "--booleans", "--missing", "mask", "--format", "csv"]
    assert run(["train", str(path), *args, "-o", folder]) == 0
    said = capsys.readouterr().err
    assert re.search(
        r"^source .*a\.txt, csv \(delimiter '\\t', decimal ','\), on, a, b -> day", said, re.M
    )
    assert re.search(r"^learned +41 steps", said, re.M)
    assert run(["train", str(path), "-o", folder, "--resume", "--na", "-1"]) == 2
