"""Options of the cells with gates, and what does not go together with them."""

import pytest

import nbt
from nbt.cli import run


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("hello world, hello moon\n" * 5)
    return str(path)


@pytest.mark.parametrize(
    ("typed", "cell"),
    [
        (["--cell", "gru", "--units", "4"], nbt.GRU(4)),
        (["--cell", "gru", "--units", "4", "--memory", "2,50"], nbt.GRU(4, memory=(2, 50))),
        (["--units", "4", "--cell-norm", "rms"], nbt.LSTM(4, norm="rms")),
        (["--best", "--units", "4"], nbt.LSTM(4, norm="rms", memory=(1, 8))),
        (
            ["--best", "--units", "4", "--memory", "1.5,1.5"],
            nbt.LSTM(4, norm="rms", memory=(1.5, 1.5)),
        ),
        (
            ["--cell", "mgu", "--units", "4", "--rule", "rtrl", "--cell-norm", "rms"],
            nbt.MGU(4, norm="rms"),
        ),
        (["--cell", "lru", "--units", "4", "--memory", "2,9"], nbt.LRU(4, memory=(2, 9))),
        (["--cell", "lru", "--best", "--units", "4"], nbt.LRU(4)),
        (["--cell", "lru", "--units", "4,6"], nbt.Stack([nbt.LRU(4), nbt.LRU(6)])),
        (
            ["--cell", "lstm", "--units", "4,3", "--memory", "1,8"],
            nbt.Stack([nbt.LSTM(4, memory=(1, 8)), nbt.LSTM(3, memory=(1, 8))]),
        ),
    ],
)
def test_norm_and_memory(typed, cell, text, tmp_path):
    model = str(tmp_path / "model")
    assert run(["train", text, *typed, "--save", model]) == 0
    assert nbt.load(model).cell == cell


def test_they_are_kept_in_a_run(text, tmp_path):
    folder = str(tmp_path / "run")
    assert run(["train", text, "-o", folder, "--memory", "2,9", "--units", "3"]) == 0
    assert run(["train", text, "-o", folder, "--resume"]) == 0


PAPER = "the algorithm of the paper is for cells without gates"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--paper --cell lstm", f"--paper and --cell lstm: {PAPER}"),
        ("--paper --cell mgu --units 3", f"--paper and --cell mgu: {PAPER}"),
        ("--paper --every 5", f"--paper and --every 5: {PAPER}"),
        ("--paper --rank 0", f"--paper and --rank 0: {PAPER}"),
        ("--memory 8,1", "'8,1' is not two numbers such as 1,32, the smaller one first"),
        ("--memory 3", "'3' is not two numbers"),
        ("--memory 1,nan", "'1,nan' is not two numbers"),
        ("--memory 1,inf", "'1,inf' is not two numbers"),
        ("--memory 0.5,9 --cell gru", "--memory: expected a finite number in [1, "),
        ("--memory 1,9 --cell rnn", "--memory is for --cell lstm or gru or mgu or lru, not rnn"),
        ("--cell lru --units 5", "units: expected an even number, because two of them are the"),
        ("--cell lru --cell-norm rms", "--cell-norm is for --cell lstm or gru or mgu, not lru"),
        ("--cell-norm rms --cell leaky", "--cell-norm is for --cell lstm or gru or mgu, not leaky"),
        ("--learn-leak", "--learn-leak is for --cell leaky, not rnn"),
        ("--cell lstm --norm fisher", "--norm: expected one of 'euclidean', 'none', got 'fisher'"),
    ],
)
@pytest.mark.parametrize("command", ["train", "diagnose"])
def test_what_does_not_fit(command, typed, message, text, capsys):
    """The error names what was typed."""
    assert run([command, text, *typed.split()]) == 2
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "exact-self" not in error


def test_another_rule_has_no_gates(text, capsys):
    assert run(["train", text, "--rule", "rtrl", "--memory", "1,9"]) == 2
    assert "--memory is for --cell lstm or gru or mgu or lru, not rnn" in capsys.readouterr().err


@pytest.mark.parametrize("typed", ["--paper --rule rtrl --cell gru", "--norm none"])
def test_what_fits(typed, text):
    assert run(["train", text, "--units", "3", "--steps", "20", *typed.split()]) == 0
