"""What a person sees in terminals of several widths."""

import re
from types import SimpleNamespace

import pytest
from helpers.terminals import lines_of, on_terminal
from rich.console import Console

import nbt
from nbt.cli import run, studies
from nbt.cli.screen import Screen, summary
from nbt.training.history import History

WIDTHS = [60, 80, 120]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_broken_by_the_terminal(width, tmp_path):
    code, seen = on_terminal(
        *("train", "data:anbn", "--steps", 100, "-o", tmp_path / "RUN"), COLUMNS=str(width)
    )
    assert code == 0
    lines = [line for line in lines_of(seen) if "\r" not in line and str(tmp_path) not in line]
    assert len(lines) > 15
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "seed=0, every=10, rank=0, norm='euclidean')" in text  # folded between words
    code, seen = on_terminal("info", "-m", tmp_path / "RUN", stream="stdout", COLUMNS=str(width))
    assert code == 0
    assert max(map(len, lines_of(seen))) <= width
    assert "norm='euclidean'" in seen


@pytest.mark.parametrize(("width", "columns"), [(60, 5), (80, 7), (120, 11)])
def test_columns_of_diagnose(width, columns):
    args = ("diagnose", "data:anbn", "--units", 3, "--replicas", 3, "--steps", 9)
    code, seen = on_terminal(*args, COLUMNS=str(width))
    assert code == 0
    lines = lines_of(seen)
    assert max(map(len, lines)) <= width
    rows = [line.split() for line in lines if re.match(r" +\d+ ", line)]
    assert [int(row[0]) for row in rows] == [1, 2, 4, 8]
    assert {len(row) for row in rows} == {columns}


def test_what_was_not_measured_yet_is_no_number():
    """On the live line, just after a row."""
    screen = Screen(SimpleNamespace(isatty=lambda: False))
    history = History()
    history.add([1.0], 0.1)
    line = screen._line(history.live())
    assert "nan" not in line
    assert line.split() == ["1.4427", "-", "1", "-", "0.1", "s"]


def test_a_huge_loss_does_not_break_the_columns():
    screen = Screen(SimpleNamespace(isatty=lambda: False))
    history = History({"unit": "nats"})
    history.add([2e59, 2.0, 12_345.678, 1.0], 0.1)
    lines = [screen._line(row) for row in history]
    assert {len(line) for line in lines} == {len(screen._line(history.live()))}
    assert [line.split()[:2] for line in lines] == [
        ["2.000e+59", "2.000e+59"],
        ["1.000e+59", "2.0000"],
        ["5.000e+58", "6173.3390"],
    ]
    assert len(repr(history)) < 70


def test_one_step_alone_has_a_speed_of_many():
    history = History({"unit": "nats"})
    history.add([1.0], 0.001)
    lines = summary(history, SimpleNamespace(parameter_count=1), None)
    assert lines["learned"] == "1 step in 1.0 ms"
    assert lines["speed"].startswith("1,000 steps per second")


def line_of(method):
    rule = SimpleNamespace(method=method, optimized="Kalman 0.1/√t", origin="paper")
    numbers = {"final": 0.123456, "low": 0.1, "high": 0.2, "last_half": 0.11}
    numbers |= {"same_symbols": 0.13, "same_time": 0.14}
    counts = {"symbols": 12_345_678, "microseconds": 123.456, "diverged": 10, "runs": 10}
    return SimpleNamespace(rule=rule, **numbers, **counts)


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (70, ["rule", "optimizer", "same symbols", "same time"]),
        (100, ["rule", "optimizer", "bits, all", "same symbols", "same time", "diverged"]),
        (150, ["rule", *studies.COLUMNS]),
    ],
)
def test_columns_of_a_study(width, heads):
    """Columns go as a whole; no number is cut."""
    source = SimpleNamespace(name="a source", file=1000)
    figure = SimpleNamespace(title="a figure", source=source, rules=())
    evidence = SimpleNamespace(lines={"a source": {"entropy": 0.1429}}, runs={})
    console = Console(width=width)
    lines = [line_of("NoBackTrack rank 10"), line_of("RTRL")]
    table = studies._fitting(figure, lines, evidence, console)
    with console.capture() as captured:
        console.print(table)
    seen = captured.get()
    assert "…" not in seen
    assert max(map(len, seen.splitlines())) <= width
    assert [cell.strip() for cell in seen.splitlines()[2].strip("┃").split("┃")] == heads
    assert seen.count("Kalman 0.1/√t") == 2
    assert seen.count("0.143") == 1


def test_what_is_made_up_ends_its_line(tmp_path):
    stream = nbt.streams.symbols([0, 1, 0], alphabet=nbt.streams.Alphabet("ab"))
    trainer = nbt.NoBackTrack(nbt.RNN(2), nbt.Softmax(2))
    trainer.save(tmp_path / "m", stream)
    code, seen = on_terminal("sample", "-m", tmp_path / "m", "-n", 9, stream="stdout")
    assert code == 0
    assert re.fullmatch(r"[ab]{9}\r\n", seen)


def test_where_nothing_was_predicted_there_is_no_number(tmp_path, monkeypatch, capsys):
    """Two records have no scale yet, so no loss: the summary and the report say so as rows do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a\n1.5\n2.5\n")
    args = ["train", "t.csv", "--columns", "a", "-o", "RUN", "--report"]
    assert run(args) == 0
    said = capsys.readouterr()
    assert re.search(r"average +- nats per step", said.out + said.err)
    page = (tmp_path / "RUN" / "report.html").read_text()
    assert "2 steps, - nats per step" in page
    assert "nan" not in said.out + said.err + page
