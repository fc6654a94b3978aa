"""The folder of a run that comes from a stranger: nothing in it is followed out of it, nothing is
waited for, and what is wrong is one line and exit code 3."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

import pytest

import nbt
from nbt.checkpoints.runs import _toml
from nbt.cli import run
from nbt.experiments.store import Store
from nbt.storage import folders

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and named pipes")
TEXT = "the cat sat on the mat\n" * 20


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run that may be copied."""
    path = tmp_path_factory.mktemp("home")
    (path / "text").write_text(TEXT)
    options = ["--units", "3", "--steps", "200", "--checkpoint-every", "90", "--report"]
    assert run(["train", str(path / "text"), "-o", str(path / "run"), *options]) == 0
    return path


@pytest.fixture
def folder(home, tmp_path):
    shutil.copytree(home / "run", tmp_path / "run")
    (tmp_path / "outside").write_text("mine")
    yield tmp_path / "run"
    assert (tmp_path / "outside").read_text() == "mine"
    assert not (tmp_path / "made").exists()


def refused(capsys, *args, words=""):
    """The one line of a command that ends with 3."""
    capsys.readouterr()
    begun = time.monotonic()
    assert run([str(argument) for argument in args]) == 3
    assert time.monotonic() - begun < 30
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("nbt: error: ")
    assert words in lines[0]
    return lines[0]


def resume(folder):
    return ("train", "-o", folder, "--resume", "--steps", "300", "--report")


def becomes(path, kind):
    """Put something else in the place of a file of the run, or of a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        target = {"link": "outside", "lost": "made", "device": "/dev/zero"}[kind]
        path.symlink_to(path.parents[0 if path.parent.name == "run" else 1].parent / target)


WORDS = {"pipe": "not a regular file", "folder": "not a regular file"}
FILES = ("run.toml", "metrics.jsonl", "report.html", "lock", "checkpoints/last.safetensors")


@pytest.mark.parametrize("kind", ["link", "lost", "device", "pipe", "folder"])
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_of_the_run(folder, capsys, name, kind):
    becomes(folder / name, kind)
    words = WORDS.get(kind, "is a link, which is not followed")
    line = refused(capsys, *resume(folder), words=words)
    assert str(folder / name) in line


def test_checkpoints_elsewhere(folder, capsys):
    elsewhere = folder.parent / "elsewhere"
    shutil.move(folder / "checkpoints", elsewhere)
    (folder / "checkpoints").symlink_to(elsewhere)
    before = sorted(os.listdir(elsewhere))
    for args in (resume(folder), ("info", "-m", folder), ("sample", "-m", folder)):
        refused(capsys, *args, words="no link to one")
    assert sorted(os.listdir(elsewhere)) == before


@pytest.mark.parametrize("kind", ["link", "lost", "pipe"])
@pytest.mark.parametrize("command", ["info -m", "sample -m", "predict -m", "score TEXT -m"])
def test_reading_a_run_follows_nothing(folder, home, capsys, command, kind):
    for path in (folder / "checkpoints").iterdir():
        becomes(path, kind)
    args = [str(home / "text") if word == "TEXT" else word for word in command.split()]
    refused(capsys, *args, folder, words="no sound checkpoint")


def test_an_older_checkpoint_stands_in_for_a_link(folder, capsys):
    becomes(folder / "checkpoints" / "last.safetensors", "link")
    assert run(["info", "-m", str(folder)]) == 0


def test_the_folder_itself_may_be_a_link(folder, capsys):
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert run([str(one) for one in resume(link)]) == 0
    assert nbt.Checkpoint.load(link).trainer.step == 300


def test_hard_links_are_not_written_through(folder):
    """A copy of the run by links, as backups are made, stays as it was."""
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy, copy_function=os.link)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert run([str(one) for one in resume(folder)]) == 0
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_a_path_that_leads_elsewhere_meanwhile(folder):
    """What is written goes to the folder that was opened."""
    with folders.Folder(folder) as held:
        folder.rename(folder.parent / "moved")
        folder.symlink_to(folder.parent)
        with open(held.open("outside", os.O_WRONLY | os.O_CREAT), "w") as file:
            file.write("ours")
        assert (folder.parent / "moved" / "outside").read_text() == "ours"
        folder.unlink()
        (folder.parent / "moved").rename(folder)


# ---- run.toml ------------------------------------------------------------------------------------


def rewritten(folder, change):
    path = folder / "run.toml"
    settings = tomllib.loads(path.read_text())
    path.write_text("\n".join(_toml(change(settings))) + "\n")


def without(key):
    return lambda settings: {k: v for k, v in settings.items() if k != key}


CHANGES = {
    "no source": (without("source"), "source: expected text, got nothing"),
    "no trainer": (without("trainer"), "trainer: expected a table, got nothing"),
    "a number as source": (lambda s: s | {"source": 3}, "source: expected text, got 3"),
    "a text as trainer": (lambda s: s | {"trainer": "RTRL"}, "trainer: expected a table"),
    "no cell": (lambda s: s | {"trainer": without("cell")(s["trainer"])}, "trainer: "),
    "an unknown kind": (
        lambda s: s | {"trainer": s["trainer"] | {"cell": {"kind": "os.system"}}},
        "kind: expected one of",
    ),
    "a text as steps": (lambda s: s | {"steps": "many"}, "steps: expected a whole number"),
    "a flag as steps": (lambda s: s | {"steps": True}, "steps: expected a whole number"),
    "no steps": (lambda s: s | {"steps": -3}, "steps: "),
    "a number as alphabet": (lambda s: s | {"alphabet": 7}, "alphabet: expected text"),
    "a list as format": (lambda s: s | {"format": ["text"]}, "format: expected text"),
    "an unknown format": (lambda s: s | {"format": "exe"}, "format: "),
    "a text as follow": (lambda s: s | {"follow": "no"}, "follow: expected true or false"),
    "a table as seed": (lambda s: s | {"seed": {"x": 1}}, "seed: expected a whole number"),
    "a time that is none": (lambda s: s | {"checkpoint_every": "soon"}, "checkpoint_every: "),
    "no keep": (lambda s: s | {"keep": 0}, "keep: "),
}


@pytest.mark.parametrize("name", CHANGES)
def test_settings_of_another_kind(folder, capsys, name):
    change, words = CHANGES[name]
    rewritten(folder, change)
    line = refused(capsys, *resume(folder)[:4], words=words)
    assert f"{folder}/run.toml: " in line


TEXTS = {
    "NaN": (b'source = "x"\nseconds = nan\n[trainer]\n', "seconds: "),
    "infinite": (b'source = "x"\nsteps = inf\n[trainer]\n', "steps: expected a whole number"),
    "a date": (b'source = "x"\nseed = 1979-05-27\n[trainer]\n', "seed: expected a whole number"),
    "nested": (b"a = " + b"[" * 100_000, "nested too deeply"),
    "nested tables": (b"a = " + b"{a = " * 20_000, "nested too deeply"),
    "dots": (b".".join([b"a"] * 100_000) + b" = 1", "too much text"),
    "not UTF-8": (b'source = "\xff\xfe"\n', "'utf-8' codec can't decode"),
    "digits": (b"steps = " + b"1" * 5000, "digits"),
    "no TOML": (b"\x00\x01\x02", "run.toml: "),
    "empty": (b"", "source: expected text, got nothing"),
    "long": (b"a = [" + b"[]," * (1 << 20) + b"]", "too much text"),
    "huge": (None, "larger than"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_damaged_settings(folder, capsys, name):
    text, words = TEXTS[name]
    path = folder / "run.toml"
    if text is None:
        with open(path, "wb") as file:
            file.truncate(1 << 36)  # sparse
    else:
        path.write_bytes(text)
    refused(capsys, *resume(folder), words=words)


# ---- checkpoints of something else ---------------------------------------------------------------


def hidden():
    model = nbt.HMM(2, 3)
    return nbt.Checkpoint.of(model)


def numbers():
    stream = nbt.datasets.by_name("sines")
    many = len(stream.columns)
    trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Gaussian(many), inputs=nbt.Vector(many))
    return nbt.Checkpoint.of(trainer, stream, nbt.train(trainer, stream, steps=9))


def without_history():
    return nbt.Checkpoint.of(nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(11)))


def elsewhere(state):
    alphabet = nbt.streams.Alphabet("".join(sorted(set(TEXT))))
    trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(len(alphabet)))
    return nbt.Checkpoint(trainer, alphabet, {"name": "x", "state": state}, nbt.History())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (hidden, "none of nbt train"),
        (without_history, "none of nbt train"),
        (numbers, "does not learn what"),
        (lambda: elsewhere({}), "its place in"),
        (lambda: elsewhere(None), "its place in"),
        (lambda: elsewhere({"position": -1, "hash": 0}), "its place in"),
    ],
)
def test_checkpoints_of_something_else(folder, capsys, make, words):
    make().save(folder / "checkpoints" / "last.safetensors")
    refused(capsys, *resume(folder), words=words)


# ---- results of nbt compare and nbt reproduce ----------------------------------------------------

RECORD = {
    **{"format": "nbt-results", "schema": 1, "kind": "run", "trainer": {}, "step": [1, 2]},
    **{"average_bits": [1.0, 0.5], "seconds": [0.1, 0.2], "diverged_at": None},
    **{"entropy_rate": None},
}
LINES = {**RECORD, "kind": "baselines", "bits": {"gzip": 1.0}, "forgetful_rate": 0.5}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (RECORD | {"step": [2, 1]}, "step: expected whole numbers that rise"),
        (RECORD | {"step": [1.5, 2]}, "step: expected whole numbers that rise"),
        (RECORD | {"average_bits": [1.0]}, "average_bits: expected a list of numbers"),
        (RECORD | {"average_bits": [float("nan"), 1]}, "average_bits: expected a list of numbers"),
        (RECORD | {"seconds": "long"}, "seconds: expected a list of numbers"),
        (RECORD | {"trainer": 3}, "trainer: expected a mapping"),
        (RECORD | {"diverged_at": "soon"}, "diverged_at: expected a step or null"),
        ({k: v for k, v in RECORD.items() if k != "entropy_rate"}, "entropy_rate: expected"),
        (LINES | {"bits": [1]}, "bits: expected numbers by name"),
        (LINES | {"bits": {"gzip": "x"}}, "bits: expected numbers by name"),
        ([RECORD], "not a result of schema 1"),
        (RECORD | {"schema": [1]}, "not a result of schema 1"),
    ],
)
def test_forged_results(tmp_path, capsys, record, words):
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.jsonl").write_text(json.dumps(RECORD) + "\n" + json.dumps(record) + "\n")
    line = refused(capsys, "compare", "data:anbn", "--steps", "9", "--output", out, words=words)
    assert "results.jsonl: line 2: " in line


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[" + b"[]," * 10**7 + b"1]", b"\xff\xfe"])
def test_results_that_are_costly(tmp_path, capsys, text):
    (tmp_path / "results.jsonl").write_bytes(text + b"\n")
    args = ("compare", "data:anbn", "--steps", "9", "--output", tmp_path)
    refused(capsys, *args, words="line 1: not a result")


@pytest.mark.parametrize("kind", ["link", "lost", "pipe", "folder"])
@pytest.mark.parametrize("name", ["results.jsonl", "lock", "compare.svg", "report.html"])
def test_a_folder_of_results_is_not_left(folder, capsys, name, kind):
    becomes(folder / name, kind)
    args = ("data:anbn", "--steps", "9", "--seeds", "1", "--rules", "rtrl", "--jobs", "1")
    pytest.importorskip("matplotlib")
    assert run(["compare", *args, "--output", str(folder)]) == 3
    assert (folder / name).as_posix() in capsys.readouterr().err.splitlines()[-1]


def test_results_that_have_a_name_elsewhere(tmp_path):
    (tmp_path / "results.jsonl").write_text(json.dumps(RECORD) + "\n")
    os.link(tmp_path / "results.jsonl", tmp_path / "kept")
    before = (tmp_path / "kept").read_bytes()
    Store(tmp_path / "results.jsonl").add(RECORD)
    assert len(Store(tmp_path / "results.jsonl")) == 2
    assert (tmp_path / "kept").read_bytes() == before


def test_in_a_process_of_its_own(folder):
    """No traceback, whatever the interpreter does at its end."""
    becomes(folder / "run.toml", "pipe")
    command = [sys.executable, "-m", "nbt", *map(str, resume(folder))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert pathlib.Path(folder, "run.toml").is_fifo()
