"""Parquet, Arrow and Excel: the numbers of the same table in CSV."""

import datetime
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

import nbt
from nbt.cli import run
from nbt.errors import DataError, MissingExtra

NAN = float("nan")
WHEN = datetime.datetime(2026, 2, 1, 12)
ROWS = [
    (WHEN, 21.5, 3, "x", True),
    (WHEN + datetime.timedelta(hours=1), None, 4, "7,5", False),
    (WHEN + datetime.timedelta(hours=2), -1e3, 5, "-999", True),
]
NAMES = ("time", "temp", "count", "note", "on")
EXPECTED = [[1769947200.0, 21.5, 3], [1769950800.0, NAN, 4], [1769954400.0, -1000, 5]]


def write(path, rows=ROWS, names=NAMES):
    suffix = path.suffix
    if suffix == ".xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        for row in (names, *rows, (None,) * len(names)):
            book.active.append(row)
        book.save(path)
        return path
    import pyarrow
    import pyarrow.feather
    import pyarrow.parquet

    data = pyarrow.table({name: [row[k] for row in rows] for k, name in enumerate(names)})
    if suffix == ".parquet":
        pyarrow.parquet.write_table(data, path, row_group_size=2)
    else:
        pyarrow.feather.write_feather(data, path)
    return path


SUFFIXES = pytest.mark.parametrize("suffix", [".parquet", ".feather", ".xlsx"])


@SUFFIXES
@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_numbers(tmp_path, suffix, size):
    path = write(tmp_path / f"a{suffix}")
    stream = nbt.streams.table(path, ["time", "temp", "count"])
    read = []
    while len(rows := stream.read(size)):
        read += rows.tolist()
    np.testing.assert_array_equal(read, EXPECTED)
    x, y = nbt.streams.table(path, ["count"], ["time"]).read(2)
    assert (x.tolist(), y[:, 0].tolist()) == ([[3], [4]], [1769947200.0, 1769950800.0])
    renamed = path.rename(tmp_path / "data")  # known by its content
    np.testing.assert_array_equal(
        nbt.streams.table(renamed, ["temp"]).read(9)[:, 0], [21.5, NAN, -1000]
    )


@SUFFIXES
def test_a_place(tmp_path, suffix):
    rows = [(k, k / 2 if k % 5 else "bad") for k in range(40)]
    if suffix != ".xlsx":
        rows = [(k, str(v)) for k, v in rows]
    path = write(tmp_path / f"a{suffix}", rows, ("a", "b"))
    good = [[k, k / 2] for k in range(40) if k % 5]
    whole = nbt.streams.table(path, ["a", "b"], on_bad_record="skip")
    assert whole.read(100).tolist() == good
    assert whole.counts == {"skipped": 8}
    assert len(whole.notes) == 3
    assert "record 1: column 'b': 'bad' is not a number, passed over" in whole.notes[0]
    for cut in (1, 4, 5, 31, 32):
        first = nbt.streams.table(path, ["a", "b"], on_bad_record="skip")
        first.read(cut)
        again = nbt.streams.table(path, ["a", "b"], on_bad_record="skip")
        again.load_state_dict(first.state_dict())
        rest = again.read(100).tolist()
        assert rest == good[cut:]
        assert again.counts == whole.counts
    stopped = nbt.streams.table(path, ["a", "b"])
    for _ in range(2):
        with pytest.raises(DataError, match="record 1: column 'b': 'bad' is not a number"):
            stopped.read(5)
    other = write(tmp_path / f"b{suffix}", [(k, k + 0.5) for k in range(40)], ("a", "b"))
    with pytest.raises(DataError, match="not those read"):
        nbt.streams.table(other, ["a", "b"]).load_state_dict(whole.state_dict())


@SUFFIXES
def test_what_is_said(tmp_path, suffix, monkeypatch):
    path = write(tmp_path / f"a{suffix}")
    with pytest.raises(DataError, match="no column 'wind' among time, temp, count"):
        nbt.streams.table(path, ["wind"]).read(1)
    with pytest.raises(DataError, match="record 1: column 'on': True is not a number"):
        nbt.streams.table(path, ["on"]).read(1)
    assert nbt.streams.table(path, ["on"], booleans=True).read(9)[:, 0].tolist() == [1, 0, 1]
    stream = nbt.streams.table(path, ["temp"], missing="error")
    assert stream.read(1).tolist() == [[21.5]]
    with pytest.raises(DataError, match="column 'temp': a number is missing; missing= says"):
        stream.read(1)
    text = nbt.streams.table(path, ["note"], decimal=",", na=["-999", "x"])
    np.testing.assert_array_equal(text.read(9)[:, 0], [NAN, 7.5, NAN])
    with pytest.raises(ValueError, match="format: "):
        nbt.streams.table(path, ["temp"], follow=True)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:8], whole[:200] + whole[300:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=f"a{suffix}: "):
            nbt.streams.table(path, ["temp"]).read(9)
    path.write_bytes(whole)
    for package in ("pyarrow", "pyarrow.parquet", "pyarrow.ipc", "openpyxl"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r'pip install "nobacktrack\[tables\]"'):
        nbt.streams.table(path, ["temp"]).read(1)


def test_an_archive_that_is_none_of_excel(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
    with pytest.raises(DataError, match=r"a\.zip: a zip archive of a\.csv, .*unpack it first"):
        nbt.streams.table(path, ["x"]).read(1)


def test_an_excel_file_that_becomes_too_large(tmp_path):
    path = write(tmp_path / "a.xlsx")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/more.xml", bytes(65 << 20))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(DataError, match=r"a\.xlsx: unpacks to 68,\d\d\d,\d\d\d bytes"):
        nbt.streams.table(path, ["temp"]).read(1)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@SUFFIXES
def test_the_command(tmp_path, suffix, capsys):
    path = write(tmp_path / f"a{suffix}", [(k, k % 7) for k in range(60)], ("a", "b"))
    folder = str(tmp_path / "run")
    args = ["train", str(path), "--columns", "a,b", "-o", folder]
    assert run([*args, "--steps", "20"]) == 0
    assert run(["train", str(path), "-o", folder, "--resume", "--steps", "1000"]) == 0
    said = capsys.readouterr().err
    run(["train", str(path), "--steps", "3"])
    assert "is a table (" in capsys.readouterr().err.splitlines()[0]
    assert "learned   60 steps" in said
    assert {".parquet": "parquet", ".feather": "arrow", ".xlsx": "Excel"}[suffix] in said
