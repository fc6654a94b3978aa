"""`nbt diagnose`, as a user calls it."""

import json
import sys

import pytest

import nbt
from nbt.cli import run

SOURCE = "data:anbn[1,4]"
SMALL = ["--units", "4", "--cell", "leaky", "--replicas", "5", "--steps", "20"]


def test_table_and_json_are_those_of_python(capsys):
    assert run(["diagnose", SOURCE, *SMALL, "--json", "--seed", "3", "--dtype", "float64"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    stream = nbt.datasets.anbn(1, 4, seed=3)
    trainer = nbt.NoBackTrack(nbt.LeakyRNN(4), nbt.Softmax(3), seed=3, dtype="float64")
    expected = nbt.diagnose(trainer, stream, 20, replicas=5)
    assert rows == [row._asdict() for row in expected]
    table = [line.split() for line in err.splitlines()[-len(rows) :]]
    assert [int(line[0]) for line in table] == [1, 2, 4, 8, 16, 19]
    assert [line[-1] for line in table] == [f"{row.spectral_radius:.3g}" for row in expected]
    assert "LeakyRNN(units=4" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("source", "args", "cell", "readout"),
    [
        (
            SOURCE,
            ["--cell", "leaky", "--learn-leak", "--layers", "2", "--units", "3"],
            nbt.Stack([nbt.LeakyRNN(3, learn_leak=True)] * 2),
            "Softmax",
        ),
        (
            SOURCE,
            ["--units", "6", "--sources", "2", "--activation", "tanh"],
            nbt.RNN(6, "tanh", graph=nbt.Graph.random(6, 2)),
            "Softmax",
        ),
        (
            SOURCE,
            ["--cell", "ctrnn", "--dt", "0.5", "--units", "4"],
            nbt.Continuous(nbt.CTRNN(4), 0.5),
            "Softmax",
        ),
        ("data:sines", ["--units", "4"], nbt.RNN(4), "Gaussian"),
        ("TABLE", ["--units", "4", "--columns", "a", "--target", "b"], nbt.RNN(4), "Gaussian"),
    ],
)
def test_every_network_of_nbt_train(source, args, cell, readout, tmp_path, capsys):
    """Layers, graphs, learned leaks, continuous time, numbers, inputs with targets."""
    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "".join(f"{k % 7},{k % 3}\n" for k in range(50)))
    source = str(table) if source == "TABLE" else source
    small = ["--replicas", "4", "--steps", "20", "--json"]
    assert run(["diagnose", source, *args, *small]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 4, 8, 16, 19]
    assert rows[-1]["variance"] > 0
    for layer in getattr(cell, "cells", [cell]):
        assert repr(layer) in err
    assert readout in err


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--rank", "3", "--split", "blocks"], "rank=3, split='blocks', blocks=1, "),
        (["--reduction", "full"], "reduction='full', fisher='outer'"),
        (["--fisher", "exact", "--outlier", "none"], "fisher='exact', outlier=None"),
        (["--units", "4,2", "--activation", "tanh,sigmoid"], "network   2 layers, 6 units"),
    ],
)
def test_every_choice_of_nbt_train(args, line, capsys):
    small = ["--units", "3", "--replicas", "4", "--steps", "20", "--json"]
    assert run(["diagnose", SOURCE, *small, *args]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["variance"] > 0
    assert line in err


def test_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "picture.png"
    assert run(["diagnose", SOURCE, *SMALL, "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in capsys.readouterr().err


def test_the_papers_settings(capsys):
    assert run(["diagnose", SOURCE, *SMALL, "--paper"]) == 0
    assert "rank=1, blocks=1, exact_self=False, window=0, norm='kalman'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--steps", "1"], 2, "--steps: expected an integer in [2, "),
        (["--replicas", "1"], 2, "--replicas: expected an integer in [2, "),
        (["--plot", "x.gif"], 2, "--plot: expected a name ending in .png, .svg or .pdf"),
        (["--plot", "no/such/folder.png"], 2, "--plot: there is no folder"),
        (["--norm", "kalman", "--optimizer", "sgd"], 2, "norm: 'kalman'"),
        (["--optimizer", "sgd", "--rate", "1e30"], 4, " is inf after step "),
    ],
)
def test_errors_are_one_line(args, code, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if "--plot" in args:
        pytest.importorskip("matplotlib")
    assert run(["diagnose", SOURCE, *args]) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("nbt: error: ")
    assert message in last
    assert not list(tmp_path.iterdir())


def test_a_missing_source_is_said(capsys):
    assert run(["diagnose"]) == 2
    assert "Missing argument 'SOURCE'" in capsys.readouterr().err


def test_a_missing_extra_is_said_before_anything_runs(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert run(["diagnose", SOURCE, "--plot", "x.png"]) == 2
    out, err = capsys.readouterr()
    assert err == 'nbt: error: plots need matplotlib: pip install "nobacktrack[plot]"\n'
    assert out == ""


def test_divergence_draws_what_there_is(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "picture.svg"
    sgd = ["--optimizer", "sgd", "--rate", "1e15"]
    assert run(["diagnose", SOURCE, *sgd, "--plot", str(path)]) == 4
    assert path.exists()
    assert capsys.readouterr().err.splitlines()[-1].startswith("nbt: error: ")
