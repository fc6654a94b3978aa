"""Runs in folders: killed, stopped, asked, gone on with."""

import contextlib
import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib

import numpy as np
import pytest

import nbt
from nbt.checkpoints.runs import Run
from nbt.cli import run
from nbt.storage import atomic as durable

COMMAND = [sys.executable, "-m", "nbt", "train"]
TEXT = "the cat sat on the mat, the rat on the cat\n" * 600
SIGNALS = pytest.mark.skipif(os.name == "nt", reason="needs signals")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text(TEXT)
    return str(path)


def call(*args, **options):
    options = {"capture_output": True, "timeout": 120, "text": True, **options}
    done = subprocess.run([*COMMAND, *map(str, args)], **options)
    return done.returncode, done.stdout, done.stderr


def start(*args):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([*COMMAND, *map(str, args)], **pipes)


def last(folder):
    return nbt.Checkpoint.load(os.path.join(folder, "checkpoints", "last.safetensors"))


def step_of(folder):
    """Step of the last checkpoint of a run that is going on; 0 before there is one."""
    with contextlib.suppress(FileNotFoundError):
        return last(folder).trainer.step
    return 0


def same(one, other):
    return one.keys() == other.keys() and all(one[k].tobytes() == other[k].tobytes() for k in one)


def assert_same_end(one, other):
    """Two checkpoints of the same moment: all but the clock."""
    assert same(one.trainer.state_dict(), other.trainer.state_dict())
    assert one.trainer.describe() == other.trainer.describe()
    assert (one.alphabet, one.stream) == (other.alphabet, other.stream)
    for name in ("step", "average_bits", "since_bits"):
        assert getattr(one.history, name).tobytes() == getattr(other.history, name).tobytes()


def steps_of(folder):
    with open(os.path.join(folder, "metrics.jsonl")) as file:
        return [json.loads(line)["step"] for line in file]


# ---- the folder -----------------------------------------------------------------------------


def test_what_is_in_it(text, tmp_path, capsys):
    args = ["train", text, "-o", str(tmp_path / "run"), "--checkpoint-every", "5000", "--report"]
    assert (
        run([*args, "--keep", "2", "--cell", "rnn", "--units", "7", "--decay", "const:0.01"]) == 0
    )
    assert "--resume goes on with it" in capsys.readouterr().err
    folder = tmp_path / "run"
    assert sorted(p.name for p in folder.iterdir()) == [
        *("checkpoints", "lock", "metrics.jsonl", "report.html", "run.toml")
    ]
    names = sorted(p.name for p in (folder / "checkpoints").iterdir())
    assert names[0] == "last.safetensors"
    assert len(names) == 2
    assert last(folder).trainer.step == len(TEXT)
    older = nbt.load(folder / "checkpoints" / names[1])
    assert names[1] == f"step-{older.step:020}.safetensors"
    assert 15_000 <= older.step < len(TEXT)
    assert steps_of(folder) == [2**k for k in range(15)] + [len(TEXT)]
    settings = tomllib.loads((folder / "run.toml").read_text())
    assert settings["source"] == text
    assert settings["checkpoint_every"] == "5000"
    assert settings["trainer"]["cell"] == {"kind": "RNN", "units": 7, "activation": "sigmoid"}
    page = (folder / "report.html").read_text()
    assert "<svg" in page
    assert "25,800" in page
    assert not re.search(r"(src|href)=|https?://", page)


def test_loaded_as_one_model(text, tmp_path):
    """A run's folder stands for its newest checkpoint."""
    folder = tmp_path / "run"
    with pytest.raises(nbt.CheckpointError, match="there is no checkpoint in this folder"):
        nbt.load(tmp_path)
    assert run(["train", text, "-o", str(folder), "--checkpoint-every", "5000"]) == 0
    assert nbt.load(folder).step == nbt.Checkpoint.load(folder).trainer.step == len(TEXT)
    (folder / "checkpoints" / "last.safetensors").write_bytes(b"")
    assert 0 < nbt.load(str(folder)).step < len(TEXT)


def test_a_run_is_not_written_over(text, tmp_path, capsys):
    args = ["train", text, "-o", str(tmp_path / "run"), "--steps", "100"]
    assert run(args) == 0
    assert run(args) == 2
    assert "holds a run; --resume" in capsys.readouterr().err
    assert run([*args, "--resume"]) == 0  # all steps are done
    assert last(tmp_path / "run").trainer.step == 100
    assert run(["train", "-o", str(tmp_path / "run"), "--resume", "--steps", "300"]) == 0
    assert last(tmp_path / "run").trainer.step == 300


def test_a_run_of_layers_goes_on(text, tmp_path):
    """Values in a list, in run.toml."""
    network = ["--cell", "leaky", "--learn-leak", "--layers", "2", "--units", "3"]
    args = ["train", text, *network, "-o"]
    assert run([*args, str(tmp_path / "whole"), "--steps", "300"]) == 0
    assert run([*args, str(tmp_path / "cut"), "--steps", "200"]) == 0
    assert run([*args, str(tmp_path / "cut"), "--steps", "300", "--resume"]) == 0
    ends = [last(tmp_path / name).trainer for name in ("whole", "cut")]
    assert ends[0].cell == nbt.Stack([nbt.LeakyRNN(3, learn_leak=True)] * 2)
    assert same(*(end.state_dict() for end in ends))


@pytest.mark.parametrize(
    "args",
    [
        "--units 5,3 --activation tanh,sigmoid --outlier none",
        "--units 4 --rank 3 --split blocks --outlier 2",
        "--units 3 --reduction block --fisher exact",
        "--paper",
        "--split blocks --rank 2 --alphabet grow",
    ],
)
def test_a_run_goes_on_as_it_was_asked_for(args, text, tmp_path):
    """With the same options or none, whether there is a checkpoint or not."""
    begin = ["train", text, *args.split(), "-o"]
    whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
    assert run([*begin, whole, "--steps", "300"]) == 0
    assert run([*begin, cut, "--steps", "200"]) == 0
    assert run([*begin, cut, "--steps", "250", "--resume"]) == 0
    assert run(["train", "-o", cut, "--steps", "300", "--resume"]) == 0
    ends = [last(name).trainer for name in (whole, cut)]
    assert ends[0].describe() == ends[1].describe()
    assert same(*(end.state_dict() for end in ends))
    shutil.rmtree(tmp_path / "cut" / "checkpoints")
    assert run(["train", "-o", cut, "--steps", "300", "--resume"]) == 0
    assert repr(last(cut).trainer) == repr(ends[0])


def test_resume_begins_where_there_is_nothing(text, tmp_path):
    args = ["train", text, "-o", str(tmp_path / "run"), "--steps", "100", "--resume"]
    assert run(args) == 0
    assert last(tmp_path / "run").trainer.step == 100


@pytest.mark.parametrize(
    ("begun", "again"),
    [
        (["--rule", "tbptt", "--rate", "0.1/sqrt(t)"], ["--rule", "tbptt", "--rate", "0.1"]),
        (["--optimizer", "sgd", "--rate", "0.1/sqrt(t)"], ["--rate", "0.1"]),
        (["--decay", "0.2/sqrt(t)"], ["--decay", "0.2"]),
    ],
)
def test_a_run_begun_when_a_number_was_a_falling_rate_goes_on_so(text, tmp_path, begun, again):
    folder = tmp_path / "run"
    args = ["train", text, "-o", str(folder), "--resume"]
    assert run([*args, *begun, "--cell", "rnn", "--steps", "100"]) == 0  # the only one then
    optimizer = last(folder).trainer.optimizer
    assert run([*args, *again, "--steps", "200"]) == 2  # now it is a constant
    toml = (folder / "run.toml").read_text()
    older = "".join(line for line in toml.splitlines(True) if "schedules" not in line)
    assert older != toml
    (folder / "run.toml").write_text(older)
    assert run([*args, *again, "--steps", "200"]) == 0
    assert last(folder).trainer.step == 200
    assert last(folder).trainer.optimizer == optimizer


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--units", "9"], "--units: the run in RUN has NoBackTrack(LSTM(units=64)"),
        (["--units", "9", "--rank", "2"], "--units, --rank: the run in RUN has"),
        (["--seed", "0"], None),
        (["--follow"], "--follow: the run in RUN was begun without it"),
        (["--decay", "0.1"], "--optimizer kalman --decay 0.1"),
        (["--optimizer", "sgd", "--rate", "0.1"], "the run in RUN has"),
        (["--seed", "4"], "--seed: the run in RUN was begun without it"),
        (["--alphabet", "bytes"], "--alphabet: the run in RUN was begun without it"),
        (["OTHER"], "the run in RUN reads"),
        (["--keep", "0"], "positive whole number"),
        (["--checkpoint-every", "0s"], None),
        (["--checkpoint-every", "x"], "positive whole number"),
        (["--checkpoint-every", "-5s"], "neither a time"),
        (["--on-divergence", "pray"], "pray"),
    ],
)
def test_what_contradicts_the_run(text, tmp_path, capsys, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    assert run(["train", text, "-o", "RUN", "--steps", "9"]) == 0
    before = (tmp_path / "RUN" / "checkpoints" / "last.safetensors").read_bytes()
    capsys.readouterr()
    args = ["train", *args, "-o", "RUN", "--resume"]
    if words is None:
        assert run(args) == 0
        return
    assert run(args) == 2
    out = capsys.readouterr()
    assert words in out.err
    assert out.err.count("\n") == 1
    assert (tmp_path / "RUN" / "checkpoints" / "last.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    "args",
    [
        ["--resume"],
        ["--keep", "2"],
        ["--checkpoint-every", "5s"],
        ["--report"],
        ["--on-divergence", "rollback"],
    ],
)
def test_options_of_a_run_need_one(text, capsys, args):
    assert run(["train", text, *args]) == 2
    assert "needs -o RUN" in capsys.readouterr().err


def test_a_bad_command_leaves_no_folder(text, tmp_path):
    assert run(["train", text, "-o", str(tmp_path / "run"), "--blocks", "99"]) == 2
    assert run(["train", "data:anbn", "-o", str(tmp_path / "run")]) == 2
    assert not (tmp_path / "run").exists()


def test_second_writer_is_refused(tmp_path, capsys):
    args = ["train", "data:anbn", "--steps", "9", "-o", str(tmp_path / "run"), "--resume"]
    with Run(str(tmp_path / "run")):
        assert run(args) == 2
        assert "is in use by another process" in capsys.readouterr().err
    assert run(args) == 0


@SIGNALS
def test_the_lock_dies_with_its_owner(tmp_path):
    process = start("data:anbn", "--seconds", "60", "-o", tmp_path / "run", "--json")
    process.stdout.readline()
    code, _, err = call("-o", tmp_path / "run", "--resume", "--steps", "1")
    assert code == 2
    assert "in use" in err
    process.kill()
    process.communicate()
    assert call("-o", tmp_path / "run", "--resume", "--steps", "1")[0] == 0


def test_newest_sound_checkpoint_is_taken(text, tmp_path, capsys):
    args = ["train", "-o", str(tmp_path / "run"), "--resume"]
    assert run([*args, text, "--steps", "9000", "--checkpoint-every", "2000"]) == 0
    newest = tmp_path / "run" / "checkpoints" / "last.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    capsys.readouterr()
    assert run([*args, "--steps", "12000"]) == 0
    err = capsys.readouterr().err
    assert "passed over" in err
    assert "last.safetensors: damaged or cut short" in err
    assert last(tmp_path / "run").trainer.step == 12000
    straight = tmp_path / "straight"
    assert run(["train", text, "-o", str(straight), "--steps", "12000"]) == 0
    assert_same_end(last(tmp_path / "run"), last(straight))
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(b"")
    assert run([*args, "--steps", "15000"]) == 3
    assert "no sound checkpoint" in capsys.readouterr().err


def test_metrics_are_made_whole(text, tmp_path):
    args = ["train", "-o", str(tmp_path / "run"), "--resume"]
    assert run([*args, text, "--steps", "1000"]) == 0
    with open(tmp_path / "run" / "metrics.jsonl", "a") as file:
        file.write('{"step": 99999, "aver')
    assert run([*args, "--steps", "3000"]) == 0
    assert steps_of(tmp_path / "run") == [2**k for k in range(12)] + [3000]


# ---- faults ---------------------------------------------------------------------------------


def test_a_full_disk_ends_nothing_but_the_last_save(text, tmp_path, monkeypatch, capsys):
    real, full = os.write, False

    class Full:
        def __getattr__(self, name):
            return getattr(os, name)

        def write(self, *args):
            if full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args)

    monkeypatch.setattr(durable, "os", Full())
    args = ["train", "-o", str(tmp_path / "run"), "--resume", "--checkpoint-every", "1000"]
    assert run([*args, text, "--steps", "2000"]) == 0
    full = True
    assert run([*args, "--steps", "9000"]) == 1
    err = capsys.readouterr().err
    assert "not saved: " in err
    assert "No space left on device" in err.splitlines()[-1]
    assert "last.safetensors" in err.splitlines()[-1]
    assert "learned   9,000 symbols" in err
    assert last(tmp_path / "run").trainer.step == 2000
    full = False
    assert run([*args, "--steps", "9000"]) == 0
    assert last(tmp_path / "run").trainer.step == 9000


DIVERGING = ["--rule", "tbptt", "--rate", "const:1e30", "--activation", "tanh"]


def test_divergence_leaves_a_sound_checkpoint(text, tmp_path, capsys):
    assert run(["train", text, "-o", str(tmp_path / "run"), *DIVERGING]) == 4
    assert "is sound" in capsys.readouterr().err
    assert last(tmp_path / "run").trainer.step == 0


def test_rollback_halves_the_rate(text, tmp_path, capsys):
    args = ["train", text, "-o", str(tmp_path / "run"), "--steps", "3000"]
    rate = ["--rule", "tbptt", "--rate", "const:4e19", "--activation", "tanh"]
    more = ["--dtype", "float32", "--on-divergence", "rollback"]
    assert run([*args, *rate, *more]) in (0, 4)
    err = capsys.readouterr().err
    backs = re.findall(r"back to step ([\d,]+) with SGD\(rate=Constant\(value=([\d.e+]+)\)\)", err)
    assert 1 <= len(backs) <= 8
    for i, (step, value) in enumerate(backs):
        assert step == "0"
        assert float(value) == 4e19 / 2 ** (i + 1)
    for array in last(tmp_path / "run").trainer.state_dict().values():
        assert np.isfinite(array).all()


# ---- signals --------------------------------------------------------------------------------


@SIGNALS
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_first_signal_finishes_and_saves(tmp_path, number, code):
    process = start("data:anbn", "--seconds", "60", "-o", tmp_path / "run", "--json")
    for _ in range(12):
        process.stdout.readline()
    begun = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - begun < 5
    assert process.returncode == code
    err = err.decode()
    assert "Traceback" not in err
    learned = int(re.search(r"learned +([\d,]+) symbols", err)[1].replace(",", ""))
    kept = last(tmp_path / "run")
    assert kept.trainer.step == kept.stream["state"]["position"] == learned > 0

    steps = learned + 1000
    assert call("-o", tmp_path / "run", "--resume", "--steps", steps)[0] == 0
    straight = tmp_path / "straight"
    assert run(["train", "data:anbn", "--steps", str(steps), "-o", str(straight)]) == 0
    assert_same_end(last(tmp_path / "run"), last(straight))


@SIGNALS
@pytest.mark.parametrize("source", ["data:anbn", "-"])
def test_second_signal_acts_at_once(tmp_path, source):
    process = start(source, "--seconds", "60", "-o", tmp_path / "run", "--json")
    process.stdin.write(b"abc")
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"Traceback" not in err
    assert last(tmp_path / "run").trainer.step >= 0


@SIGNALS
@pytest.mark.parametrize("source", ["data:anbn", "-"])
def test_asked_for_a_checkpoint(tmp_path, source):
    process = start(source, "--seconds", "60", "-o", tmp_path / "run", "--json")
    process.stdin.write(b"abc")
    process.stdin.flush()
    for _ in range(2):
        process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGUSR1)
    until = time.monotonic() + 30
    while step_of(tmp_path / "run") == 0:
        assert time.monotonic() < until
        time.sleep(0.02)
    if source == "-":
        assert last(tmp_path / "run").trainer.step == 3
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


@SIGNALS
def test_an_idle_pipe_is_kept_too(tmp_path):
    args = ["-o", tmp_path / "run", "--json", "--checkpoint-every", "0.1s"]
    process = start("-", *args)
    process.stdin.write(b"hello")
    process.stdin.flush()
    until = time.monotonic() + 30
    while step_of(tmp_path / "run") < 5:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.kill()
    process.communicate()
    code, _, err = call("-", *args, "--resume", input=" world")
    assert code == 0
    assert "from step 5" in err
    trainer = nbt.NoBackTrack(**nbt.preset("text", readout=nbt.Softmax(256)))
    trainer.learn(np.frombuffer(b"hello world", np.uint8))
    assert same(last(tmp_path / "run").trainer.state_dict(), trainer.state_dict())


# ---- kill -9 --------------------------------------------------------------------------------


def kill_and_resume(tmp_path, kills, seed):
    """A run that is killed at random moments, and one that is not: the same end."""
    rng = random.Random(seed)
    path = tmp_path / "text"
    path.write_text(TEXT * 12)
    options = ["--units", "5", "--checkpoint-every", "2000", "--alphabet", "grow"]
    straight = tmp_path / "straight"
    assert run(["train", str(path), "-o", str(straight), *options]) == 0
    folder, done = tmp_path / "run", 0
    args = [str(path), "-o", folder, "--resume", "--json", *options]
    while done < kills:
        process = start(*args)
        line = process.stdout.readline()  # it is learning
        try:
            process.wait(rng.uniform(0, 0.15) if line else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            done += 1
        process.communicate()
        if process.returncode == 0:  # done before it was killed
            assert_same_end(last(folder), last(straight))
            for one in list((folder / "checkpoints").iterdir()):
                one.unlink()
    assert call(*args)[0] == 0
    assert_same_end(last(folder), last(straight))
    assert last(folder).stream["state"]["position"] == len(TEXT) * 12
    assert not [p for p in (folder / "checkpoints").iterdir() if p.name.endswith(".tmp")]


@SIGNALS
def test_killed_at_random_moments(tmp_path):
    kill_and_resume(tmp_path, kills=8, seed=1)


@SIGNALS
@pytest.mark.soak
def test_killed_at_two_hundred_random_moments(tmp_path):
    kill_and_resume(tmp_path, kills=200, seed=2)
