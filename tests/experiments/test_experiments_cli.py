"""`nbt reproduce` and `nbt compare`, as a user calls them."""

import dataclasses
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from nbt.cli import run
from nbt.cli.options import defaults
from nbt.errors import DataError
from nbt.experiments import FIGURES
from nbt.experiments.rules import PAIRS
from nbt.storage.atomic import Lock
from nbt.storage.folders import Folder

COMMAND = [sys.executable, "-m", "nbt"]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def call(*args, **options):
    """A process of its own: exit code, stdout, stderr."""
    options = {"capture_output": True, "timeout": 120, "text": True, **options}
    done = subprocess.run([*COMMAND, *map(str, args)], **options)
    return done.returncode, done.stdout, done.stderr


def records(folder):
    lines = (folder / "results.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "my text.txt"
    path.write_text("the cat sat on the mat, the rat on the cat\n" * 40)
    return path


def test_compare_a_text_of_ones_own(text, tmp_path):
    out = tmp_path / "out"
    names = "nobacktrack,tbptt"
    code, stdout, err = call("compare", text, "--rules", names, "--seeds", 2, "--output", out)
    assert code == 0
    assert not CONTROL.search(err)
    assert stdout.strip() == str(out / "report.html")
    files = ["compare.png", "compare.svg", "lock", "report.html", "results.jsonl"]
    assert sorted(os.listdir(out)) == files
    found = records(out)
    assert [r["kind"] for r in found].count("run") == 4
    assert {r["step"][-1] for r in found if r["kind"] == "run"} == {1720}  # to its end
    for row in ("NoBackTrack +│ Kalman 0.1/√t", "TBPTT-15 +│ SGD 1/√t +"):
        assert re.search(rf"│ {row} │ +\d\.\d\d\d │", err), row
    for row in ("gzip", "CTW"):
        assert re.search(rf"│ {row} [ │]+\d\.\d\d\d │", err), row
    assert "Same symbols: after 1,720." in err
    assert [r["symbols"] for r in found if r["kind"] == "baselines"] == [1720]
    assert "Did it hold" not in err
    page = (out / "report.html").read_text()
    assert "my text.txt" in page
    command = f"nbt compare '{text}' --cell rnn --units 20 --rules nobacktrack,tbptt --seeds 2 "
    assert (command + f"--output {out}").replace("'", "&#x27;") in page


def test_what_is_compared_by_default_is_each_rule_with_each_optimizer():
    assert defaults.RULES.split(",") == [rule.name for rule in PAIRS]


def test_compare_cells_with_gates(text, tmp_path):
    """Each rule with each optimizer, in the same time and over the same symbols."""
    args = ("--cell", "lstm", "--units", 4, "--seeds", 1, "--steps", 600, "--output", tmp_path)
    code, _, err = call("compare", text, *args)
    assert code == 0
    found = {r["rule"]: r["trainer"] for r in records(tmp_path) if r["kind"] == "run"}
    assert list(found) != sorted(found)
    assert sorted(found) == sorted(defaults.RULES_OF_GATED.split(","))
    for trainer in found.values():
        assert trainer["cell"]["kind"] == "LSTM"
        assert trainer["readout_optimizer"] == found["nobacktrack-0-adam"]["readout_optimizer"]
    for row in ("NoBackTrack rank 0 +│ Adam 0.006", "NoBackTrack rank 1 +│ SGD", "TBPTT-10 +│ Kal"):
        assert re.search(f"│ {row}", err), row
    assert "Same symbols: after 600. Same time: after " in err
    assert "every=10, rank=1, norm=" in (tmp_path / "report.html").read_text().replace(
        "&#x27;", "'"
    )


def test_reproduce_figure_7(tmp_path, capsys, monkeypatch):
    """All its parts, of which one has no data here, with verdicts."""
    for name, changes in (("fig7-anbn", {"file": 500}), ("fig7-shakespeare", {"open": _gone})):
        source = dataclasses.replace(FIGURES[name].source, **changes)
        monkeypatch.setitem(FIGURES, name, dataclasses.replace(FIGURES[name], source=source))
    args = ["--steps", "60", "--seeds", "1", "--jobs", "1", "--output", str(tmp_path)]
    assert run(["reproduce", "fig7", *args]) == 0
    err = capsys.readouterr().err
    assert "fig7-shakespeare is left out: there is no text" in err
    assert sorted(path.name for path in tmp_path.glob("fig*")) == [
        *("fig7-anbn.png", "fig7-anbn.svg", "fig7-music.png", "fig7-music.svg"),
    ]
    page = (tmp_path / "report.html").read_text()
    assert "With an LSTM (rank 1 and Kalman; rank 0 and Adam) low rank is roughly on par" in page


def test_a_second_call_runs_nothing_again(text, tmp_path):
    args = ("compare", text, "--steps", 500, "--rules", "tbptt", "--output", tmp_path)
    code, _, err = call(*args, "--seeds", 2)
    assert (code, len(records(tmp_path))) == (0, 3)
    code, _, err = call(*args, "--seeds", 3)
    assert (code, len(records(tmp_path))) == (0, 4)
    assert "2 of them are there already" in err  # the baselines wait until all runs are there
    code, _, err = call(*args, "--seeds", 3, "--units", 9)
    assert (code, len(records(tmp_path))) == (0, 7)  # the baselines stay


def test_reproduce_two_figures_with_verdicts(tmp_path):
    code, stdout, err = call(
        "reproduce", "fig3", "fig4", "--steps", 1500, "--seeds", 1, "--output", tmp_path
    )
    assert (code, stdout.strip()) == (0, str(tmp_path / "report.html"))
    for name in ("fig3.png", "fig3.svg", "fig4.png", "fig4.svg"):
        assert (tmp_path / name).stat().st_size > 10_000
    assert "Figure 3" in err
    assert "Did it hold?" in err
    assert (
        len(re.findall(r"│ (held|did not hold|mixed|not run) +│ (held|did not|mixed|not r)", err))
        == 4
    )
    rules = {r["rule"] for r in records(tmp_path) if r["kind"] == "run"}
    assert {
        "kalman-1",
        "kalman-2",
        "kalman-10",
        "rtrl-kalman",
        "tbptt-paper",
        "nobacktrack",
    } < rules
    assert [r["source"] for r in records(tmp_path)] == ["music"] * 10


def test_ctrl_c_keeps_what_is_finished_and_a_second_call_goes_on(text, tmp_path):
    args = ["compare", str(text), "--rules", "nobacktrack,tbptt", "--seeds", "30"]
    args += ["--jobs", "2", "--output", str(tmp_path)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*COMMAND, *args], start_new_session=True, **pipes) as process:
        while not process.stderr.readline().startswith("3 of 61: "):
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        rest = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "Traceback" not in rest
    kept = len(records(tmp_path))
    assert f"interrupted: {kept} of 61 runs are kept" in rest
    assert 3 <= kept < 61
    code, _, err = call(*args)
    assert code == 0
    assert f"{kept} of them are there already" in err
    found = records(tmp_path)
    keys = [(r.get("rule"), r.get("seed")) for r in found]
    assert len(keys) == len(set(keys)) == 61


def test_progress_on_a_terminal(text, tmp_path):
    text.write_text(text.read_text() * 80)  # more than can be learned in that time
    leader, follower = os.openpty()
    args = ["compare", str(text), "--budget", "0.6s", "--rules", "rtrl-kalman", "--seeds", "2"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*COMMAND, *args, "--jobs", "1", "--output", str(tmp_path)],
        stderr=follower,
        stdout=subprocess.PIPE,
        env=environment,
    )
    os.close(follower)
    shown = b"".join(iter(functools.partial(_read, leader), b""))
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    os.close(leader)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"1 of 3 .*\d\.\d s left +", plain)
    assert "Kalman RTRL (paper), seed 1" in plain


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # what Linux says at its end
        return b""


def _gone(seed):
    raise DataError("there is no text")


def test_a_figure_without_its_data_is_left_out(capsys, tmp_path, monkeypatch):
    for name, changes in (("fig5", {"file": 500}), ("fig6", {"open": _gone})):
        source = dataclasses.replace(FIGURES[name].source, **changes)
        monkeypatch.setitem(FIGURES, name, dataclasses.replace(FIGURES[name], source=source))
    args = ["--steps", "60", "--seeds", "1", "--jobs", "1", "--output", str(tmp_path)]
    assert run(["reproduce", "fig6", *args]) == 3
    assert "there is no text" in capsys.readouterr().err
    assert run(["reproduce", "fig5", "fig6", *args]) == 0
    assert "fig6 is left out: there is no text" in capsys.readouterr().err
    assert sorted(path.suffix for path in tmp_path.glob("fig*")) == [".png", ".svg"]


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["reproduce"], "Missing argument"),
        (["reproduce", "fig8"], "'fig8' is not one of"),
        (["reproduce", "fig1", "--budget", "soon"], "'soon' is not a time such as 20s"),
        (["reproduce", "fig1", "--budget", "-1s"], "is not a time"),
        (["reproduce", "fig1", "--seeds", "0"], "is not a positive whole number"),
        (["compare", "nowhere.txt"], "nowhere.txt"),
        (["compare", os.sep], f"{os.sep!r}: is a folder"),
        (["compare", "-"], "a pipe does not allow"),
        (["compare", "data:anbn", "--rules", "best"], "no rule 'best'; there are euclidean-1,"),
        (["compare", "data:anbn", "--rules", ","], "no rules; there are"),
        (["compare", "data:anbn", "--units", "99999999"], "units"),
        (
            ["compare", "data:anbn", "--cell", "gru", "--rules", "tbptt,kalman-1"],
            "--rules: kalman-1 is not for GRU(units=20): exact_self: expected True",
        ),
    ],
)
def test_wrong_usage_is_one_line(args, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(args) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_a_second_process_in_the_folder(capsys, tmp_path):
    with Folder(tmp_path) as folder, Lock(folder, "lock"):
        assert run(["compare", "data:anbn", "--steps", "9", "--output", str(tmp_path)]) == 2
    assert f"-o: {tmp_path} is in use by another process" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["lock"]


def test_another_file_in_the_folder(capsys, tmp_path):
    (tmp_path / "results.jsonl").write_text("hello\n")
    assert run(["compare", "data:anbn", "--steps", "9", "--output", str(tmp_path)]) == 3
    assert "results.jsonl: line 1: not a result" in capsys.readouterr().err


def test_without_matplotlib_nothing_is_run(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    start = time.monotonic()
    assert run(["reproduce", "fig5", "--output", str(tmp_path / "out")]) == 2
    assert time.monotonic() - start < 5
    err = capsys.readouterr().err
    assert "pip install 'nobacktrack[plot]'" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", ["20", "20s", "20.0s"])
def test_times(given):
    from nbt.cli.options.values import Duration

    assert Duration().convert(given, None, None) == 20.0
    assert Duration().convert("1.5m", None, None) == 90.0
    assert Duration().convert("2h", None, None) == 7200.0
