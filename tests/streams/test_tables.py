"""Columns of numbers: what is read, learned, shown, resumed; on the command line too."""

import gzip
import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import nbt
from nbt.cli import run
from nbt.cli.options.table import options_of
from nbt.streams.tables.tabular import looks_like

CSV = "time,wind,rain\n0,3.5,0\n\n1,,0.2\n2, -1e3 ,NA\n3,4,\n"
NAN = float("nan")


def table(tmp_path, text, *args, name="a.csv", **options):
    path = tmp_path / name
    path.write_text(text)
    return nbt.streams.table(path, *args, **options)


def everything(stream, size):
    parts = []
    while len(part := stream.read(size)):
        parts.append(part)
    return np.concatenate(parts)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_columns_by_name(tmp_path, size):
    stream = table(tmp_path, CSV, ["rain", "wind"])
    expected = [[0, 3.5], [0.2, NAN], [NAN, -1000], [NAN, 4]]
    np.testing.assert_array_equal(everything(stream, size), expected)
    assert (stream.alphabet, stream.columns, stream.position) == (None, ("rain", "wind"), 4)
    assert stream.read(1).shape == (0, 2)


def test_json_lines(tmp_path):
    text = '{"a": 1, "b": null}\n{"b": 2.5, "c": 0}\n{"a": "", "b": "7"}\n'
    stream = table(tmp_path, text, ["a", "b"], name="x.jsonl")
    np.testing.assert_array_equal(everything(stream, 9), [[1, NAN], [NAN, 2.5], [NAN, 7]])


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.JSON.GZ", "a.ndjson.gz", "a.csv.gz", "a.gz"])
def test_the_name_of_a_packed_table_says_what_it_holds(tmp_path, name):
    json_lines = "j" in name.lower()
    text = '{"a": 1}\n{"a": 2}\n' if json_lines else "a\n1\n2\n"
    (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    stream = nbt.streams.table(tmp_path / name, ["a"])
    assert everything(stream, 9).tolist() == [[1], [2]]


def test_targets_make_pairs(tmp_path):
    stream = table(tmp_path, CSV, ["time"], ["rain", "wind"])
    x, y = stream.read(2)
    np.testing.assert_array_equal(x, [[0], [1]])
    np.testing.assert_array_equal(y, [[0, 3.5], [0.2, NAN]])
    x, y = stream.read(9)
    assert (len(x), len(y)) == (2, 2)
    x, y = stream.read(9)
    assert (x.shape, y.shape) == ((0, 1), (0, 2))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (CSV, {"missing": "error"}, "line 4, .*column 'wind': a number is missing; missing= says"),
        ("time,rain\n1,2\n", {}, "line 1, .*no column 'wind' among time, rain"),
        ("wind\nstrong\n", {}, "line 2, .*column 'wind': 'strong' is not a number"),
        ("wind\n1\ninf\n", {}, "line 3, .*column 'wind': 'inf' is infinite, or too large"),
        ("", {}, "is empty"),
        ('{"wind": [1]}\n', {"format": "jsonl"}, r"line 1, .*'wind': \[1\] is not a number"),
        ("[1]\n", {"format": "jsonl"}, "line 1, .*expected an object"),
        ('{"wind": 1}\n', {}, "line 1, .*no column 'wind' .*if that is JSON, format is to be"),
        ("0,2.5,7\n1,2.6,8\n", {}, "no column 'wind' among 0, 2.5, 7; the first line has to be a"),
        ('{"rain": 0, "wind": 1}\n', {}, "; if that is JSON, format is to be jsonl"),
    ],
)
def test_bad_tables(tmp_path, text, options, message):
    stream = table(tmp_path, text, ["wind"], **options)
    with pytest.raises(nbt.DataError, match=message):
        everything(stream, 1)


@pytest.mark.parametrize(
    ("argument", "exception", "args", "options"),
    [
        ("columns", TypeError, ("wind",), {}),
        ("columns", TypeError, ([1],), {}),
        ("columns", ValueError, ([],), {}),
        ("columns", ValueError, (["a", "a"],), {}),
        ("targets", TypeError, (["a"], "b"), {}),
        ("targets", ValueError, (["a", "b"], ["c", "b"]), {}),
        ("format", ValueError, (["a"],), {"format": "xml"}),
        ("missing", ValueError, (["a"],), {"missing": "mask"}),
    ],
)
def test_bad_arguments(tmp_path, argument, exception, args, options):
    with pytest.raises(exception, match=argument):
        table(tmp_path, CSV, *args, **options)


def test_where_it_is(tmp_path):
    """Cut and gone on with anywhere; another file is refused."""
    rows = np.random.default_rng(0).normal(size=(50, 2)).round(3)
    text = "b,a\n" + "".join(f"{b},{a}\n" for a, b in rows)
    whole = table(tmp_path, text, ["a", "b"])
    np.testing.assert_array_equal(everything(whole, 7), rows)
    for cut in (0, 1, 17, 49, 50):
        first = table(tmp_path, text, ["a", "b"])
        if cut:
            first.read(cut)
        after = table(tmp_path, text, ["a", "b"])
        after.load_state_dict(json.loads(json.dumps(first.state_dict())))
        np.testing.assert_array_equal(after.read(100), rows[cut:])
    state = first.state_dict()
    other = table(tmp_path, text.replace("0", "1"), ["a", "b"], name="b.csv")
    with pytest.raises(nbt.DataError, match="its first 50 records are not those read"):
        other.load_state_dict(state)


# ---- histories ---------------------------------------------------------------------------------


def test_a_step_without_a_loss_is_not_averaged():
    nats = np.array([1.0, NAN, 3.0, NAN, NAN, 5.0])
    history, parts = nbt.History({"unit": "nats"}), nbt.History({"unit": "nats"})
    history.add(nats, 1.0)
    for i in range(6):
        parts.add(nats[i : i + 1], (i + 1) / 6)
    for each in (history, parts):
        each.finish("end")
        assert each.step.tolist() == [1, 2, 4, 6]
        np.testing.assert_allclose(each.average_nats, [1, 1, 2, 3])
        np.testing.assert_allclose(each.average_bits * math.log(2), each.average_nats)
        np.testing.assert_allclose(each.since_nats, [1, NAN, 3, 5])
    row = json.loads(history[1].to_json())
    assert row["since_nats"] is None
    assert row["average_nats"] == pytest.approx(1)
    again = nbt.History.from_state(parts.state_dict(), parts.settings)
    again.add(np.array([NAN, 7.0]), 2.0)
    assert again.live().average_bits * math.log(2) == pytest.approx(4)
    assert repr(again) == "<History: 8 steps, 4.0000 nats per step, 4 rows>"
    bad = parts.state_dict() | {"now.unscored": np.array(99)}
    with pytest.raises(ValueError, match="unscored"):
        nbt.History.from_state(bad)


# ---- training and the command line -------------------------------------------------------------


def weather(path, steps=900):
    """Three columns, one of them with gaps; calm follows wind after two records."""
    rng = np.random.default_rng(5)
    wind = 5 + np.cumsum(rng.normal(size=steps)) * 0.1 + np.sin(np.arange(steps) / 3)
    rain = np.maximum(0, 8 - np.roll(wind, 2)) + 0.05 * rng.normal(size=steps)
    with open(path, "w") as file:
        file.write("hour,wind,rain\n")
        for t in range(steps):
            gap = "" if t % 50 == 7 else f"{wind[t]:.4f}"
            file.write(f"{t % 24},{gap},{rain[t]:.4f}\n")
    return str(path)


@pytest.fixture
def csv(tmp_path):
    return weather(tmp_path / "weather.csv")


def test_the_same_numbers_as_in_python(csv, tmp_path, capfd):
    assert run(["train", csv, "--columns", "wind,rain", "--missing", "mask", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out.splitlines()[-1])
    trainer = nbt.NoBackTrack(**nbt.preset("numbers", readout=nbt.Gaussian(2)), missing="mask")
    history = nbt.train(trainer, nbt.streams.table(csv, ["wind", "rain"]))
    assert history.unit == "nats"
    nats = trainer_losses(csv)
    assert shown["average_nats"] == pytest.approx(np.nanmean(nats), rel=1e-12)
    assert shown["average_nats"] == pytest.approx(history[-1].average_bits * math.log(2))
    assert "average_bits" not in shown


def trainer_losses(csv):
    trainer = nbt.NoBackTrack(**nbt.preset("numbers", readout=nbt.Gaussian(2)), missing="mask")
    return trainer.learn(nbt.streams.table(csv, ["wind", "rain"]).read(10_000))


def test_what_is_shown(csv, capfd):
    args = ["train", csv, "--columns", "hour,rain", "--target", "wind", "--missing", "skip"]
    assert run(args) == 0
    err = capfd.readouterr().err
    assert "hour, rain -> wind" in err
    assert "inputs" not in err.split("source")[0] or "Gaussian(dim=1" in err
    assert re.search(r"^average +-?\d+\.\d{4} nats per step$", err, re.M)
    assert re.search(r"^learned +900 steps in", err, re.M)
    assert re.search(r"^ +nats +last line +per second$", err, re.M)
    assert "symbol" not in err
    assert "bits" not in err


def test_a_run_goes_on_to_the_bit(csv, tmp_path, capfd, assert_same_state):
    args = ["--columns", "wind,rain", "--missing", "mask", "--units", "8"]
    whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
    assert run(["train", csv, *args, "-o", whole]) == 0
    assert run(["train", csv, *args, "-o", cut, "--steps", "333"]) == 0
    assert run(["train", csv, "-o", cut, "--resume", "--steps", "700"]) == 0
    assert run(["train", csv, "-o", cut, "--resume", "--steps", "100000"]) == 0
    ends = [nbt.Checkpoint.load(os.path.join(at, "checkpoints/last.safetensors"))
            for at in (whole, cut)]  # fmt: skip
    assert_same_state(*(end.trainer.state_dict() for end in ends))
    assert ends[0].history.live().average_bits == ends[1].history.live().average_bits
    capfd.readouterr()
    assert run(["train", csv, "-o", cut, "--resume", "--columns", "wind"]) == 2
    assert "--columns: the run in" in capfd.readouterr().err
    with open(os.path.join(cut, "metrics.jsonl")) as file:
        assert "average_nats" in json.loads(file.readline())


def test_asking_a_model(csv, tmp_path, capfd):
    folder = str(tmp_path / "run")
    args = ["--columns", "wind,rain", "--missing", "mask"]
    assert run(["train", csv, *args, "-o", folder, "--report"]) == 0
    with open(os.path.join(folder, "report.html")) as file:
        page = file.read()
    assert "nats per step" in page
    assert "bits" not in page.split("Settings")[0]
    capfd.readouterr()
    assert run(["info", "-m", folder, "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["nats"] is not None
    assert "bits" not in facts

    assert run(["predict", "-m", folder, "--json"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    trainer = nbt.Checkpoint.load(os.path.join(folder, "checkpoints/last.safetensors")).trainer
    mean, variance = trainer.predict()
    assert [row["column"] for row in rows] == ["wind", "rain"]
    assert [row["mean"] for row in rows] == pytest.approx(mean.tolist())
    assert [row["deviation"] for row in rows] == pytest.approx(np.sqrt(variance).tolist())

    assert run(["predict", "-m", folder, "--ahead", "3", "--paths", "40", "--seed", "2"]) == 0
    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    expected = trainer.forecast(3, paths=40, seed=2)
    assert [(line[0], line[1]) for line in lines[:2]] == [("1", "wind"), ("1", "rain")]
    assert float(lines[3][2]) == pytest.approx(expected[0, 1, 1], rel=1e-4)
    assert len(lines) == 6

    assert run(["predict", "-m", folder, csv]) == 0
    for command in (["sample"], ["score", csv]):
        assert run([*command, "-m", folder]) == 2
        assert "predicts numbers, not symbols" in capfd.readouterr().err


def test_optimizers_of_numbers(csv, capfd):
    """Kalman unless asked otherwise: the rate of plain gradients would depend on the noise."""
    for args, optimizer in (
        (["--rule", "tbptt"], "Kalman"),
        (["--rule", "tbptt", "--optimizer", "sgd", "--rate", "0.001"], "SGD"),
        (["--rule", "rtrl", "--decay", "0.2"], "Kalman"),
    ):
        assert run(["train", csv, "--columns", "hour,rain", *args]) == 0
        assert re.search(rf"^optimizer {optimizer}\(", capfd.readouterr().err, re.M)


def test_a_pipe_of_json_lines(tmp_path):
    rows = "".join(json.dumps({"a": math.sin(t / 5), "b": t}) + "\n" for t in range(300))
    args = ["train", "-", "--format", "jsonl", "--columns", "a", "--json"]
    command = [sys.executable, "-m", "nbt", *args]
    done = subprocess.run(command, input=rows, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[-1]["step"] == 300
    assert rows[-1]["since_nats"] < rows[4]["since_nats"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--columns", "wind"], 3, "line 9, .*column 'wind': a number is missing"),
        (["--columns", "wind,nothing"], 3, "no column 'nothing' among hour, wind, rain"),
        (["--columns", ","], 2, "columns: expected at least one name"),
        (["--target", "wind"], 2, "--target needs --columns"),
        (["--missing", "mask"], 2, "--missing needs --columns"),
        (["--columns", "wind", "--alphabet", "bytes"], 2, "--alphabet is for symbols"),
        (["--columns", "wind", "--format", "npy"], 2, "format: expected one of 'csv', 'jsonl'"),
    ],
)
def test_what_is_refused(csv, args, code, message, capfd):
    assert run(["train", csv, *args]) == code
    assert re.search(message, capfd.readouterr().err.splitlines()[-1])


@pytest.mark.parametrize("name", ["mackey_glass", "lorenz", "sines"])
def test_generated_numbers(name, capfd):
    assert run(["train", f"data:{name}", "--steps", "300", "--json"]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["step"] == 300
    assert run(["compare", f"data:{name}"]) == 2
    assert "expected symbols" in capfd.readouterr().err
    assert run(["train", f"data:{name}", "--columns", "x", "--steps", "3"]) == 2


# ---- a table whose characters are about to be learned ------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "hour,rain\n1,0.5\n2,0\n", r"2 columns \(hour, rain\).*--columns hour,rain for"),
        ("a.txt", "hour;name\n1;x\n2;y\n", r"\(hour, name\).*--columns hour --format csv for"),
        ("a.tsv", "a b\tc\n1,5\tx\n2\ty\n", r"--columns 'a b' --format csv for its numbers"),
        ("a.jsonl", '{"a": 1, "b": "x"}\n' * 3, r"\(a, b\).*--columns a for its numbers"),
        ("a.json", '[{"a": 1}, {"a": null}]', r"1 columns \(a\).*--columns a --format jsonl for"),
        ("a.jsonl", '{"v": "GET"}\n{"v": "PUT"}\n', r"--column v for words"),
    ],
)
@pytest.mark.parametrize("command", ["train", "score"])
def test_a_table_that_is_read_as_characters_is_said(tmp_path, name, text, said, command, capfd):
    path = str(tmp_path / name)
    with open(path, "w") as file:
        file.write(text)
    assert run([command, path]) == 0
    hint = capfd.readouterr().err.splitlines()[0]
    assert re.search(f"looks like a table of .*{said}", hint)
    assert "--format text says" in hint
    for args in (["--format", "text"], ["--format", "bytes"]):
        assert run([command, path, *args]) == 0
        assert "looks like" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "hour,rain\n1,0.5\n2,0\n"), ("a.parquet", "PAR1 abab")]
)
@pytest.mark.parametrize("command", ["train", "score", "compare"])
def test_what_is_said_of_a_table_are_options_that_there_are(tmp_path, name, text, command, capfd):
    path = tmp_path / name
    path.write_text(text)
    args = ["--steps", "1", "--rules", "rtrl", "--seeds", "1", "-o", str(tmp_path / "results")]
    assert run([command, str(path), *(args if command == "compare" else [])]) == 0
    hint = capfd.readouterr().err.splitlines()[0]
    own = {one for option in options_of(command) for one in option.opts}
    assert ("--format text" in hint) <= ("--format" in own)
    assert ("nbt train with --columns" in hint) == ("--columns" not in own)
    assert "--columns" in hint


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_a_table_with_a_byte_order_mark_is_said(tmp_path, encoding, capfd):
    path = tmp_path / "a.csv"
    path.write_text("hour;rain\n1;0,5\n2;0\n", encoding=encoding)
    assert run(["train", str(path)]) == 0
    assert "--columns hour,rain for its numbers" in capfd.readouterr().err.splitlines()[0]


@pytest.mark.parametrize(
    "text",
    [
        "the cat, sat on\nthe mat, and\nall was, well\n",
        "1,2\n3,4\n5,6\n",
        "a,b\n",
        "",
        "x = {1: 2}\ny = [3, 4]\n",
        "a,b\n1,2\n3\n",
        "one\n1\n2\n",
    ],
)
def test_what_looks_like_none(text):
    assert looks_like(text, True) is None
