"""Checkpoints and run folders of strangers, with something else in them, sealed anew or not.

Whatever is in them, they are taken, or refused in one line; nothing outside a folder changes,
nothing waits, and what a refusal takes is bounded. What is taken can be used.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import tempfile
import time
import tomllib
import tracemalloc

import numpy as np
import safetensors.numpy
from helpers.checkpoint_files import content, forge

import nbt
from nbt.checkpoints.runs import _toml
from nbt.cli import run
from nbt.experiments.curves import Curve
from nbt.experiments.store import Store

from .checks import Unlike

ROOM = 16 << 20
SECONDS = 20.0  # on a machine that does other things, too; what is meant is a second
JUNK = (
    *(None, True, False, 0, -1, 1, 2, 3.5, -0.0, 2**31, 2**63, 2**64, 10**400, 1e308, -1e-320),
    *(float("nan"), float("inf"), "", "x", "\x1b[31m\u202e", "\ud800", "9" * 50, "RNN", "bytes"),
    *([], {}, [[]], [1], [None], ["x", 1], {"kind": "RNN"}, {"x": {"y": []}}, "0" * 64, "words"),
)


# ---- what is changed -----------------------------------------------------------------------------


def places(value, found=None):
    """Every container in a value with each of its keys."""
    found = [] if found is None else found
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        found.append((value, key))
        places(value[key], found)
    return found


def junk(rng):
    if rng.random() < 0.04:
        deep: list = []
        for _ in range(rng.choice((50, 400))):
            deep = [deep] if rng.random() < 0.5 else {"a": deep}
        return deep
    if rng.random() < 0.04:
        return [rng.choice(JUNK)] * rng.choice((100, 3000))
    return copy.deepcopy(rng.choice(JUNK))


def changed(rng, value):
    """A tree of plain values with one thing in it changed."""
    value = copy.deepcopy(value)
    all_places = places(value)
    if not all_places:
        return junk(rng)
    holder, key = rng.choice(all_places)
    how = rng.randrange(6)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[str(rng.choice(("kind", "threads", "units", "x", "size", "rank")))] = holder.pop(key)
    elif how == 2:
        other, there = rng.choice(all_places)
        holder[key] = copy.deepcopy(other[there])
    elif how == 3 and type(holder[key]) in (int, float):
        holder[key] = holder[key] * rng.choice((-1, 0, 2, 10**6, 0.5)) + rng.choice((0, 1))
    else:
        holder[key] = junk(rng)
    return value


def changed_arrays(rng, arrays):
    """Arrays with one of them changed."""
    arrays = dict(arrays)
    name = rng.choice(sorted(arrays))
    array, how = arrays[name], rng.randrange(8)
    if how == 0:
        del arrays[name]
    elif how == 1:
        arrays[rng.choice(("x", "stream.alphabet", "history.x", name + "\x1b[2J"))] = array
    elif how == 2:
        arrays[name] = array.astype(rng.choice(("f4", "f8", "i4", "i8", "u1", "?", "f2")))
    elif how == 3:
        shape = rng.choice(((*array.shape, 1), (array.size,), (1, *array.shape)))
        arrays[name] = array.reshape(shape)
    elif how == 4:
        arrays[name] = np.resize(array, (array.size + 1,))
    elif array.size:
        flat = array.copy().reshape(-1)
        numbers = (np.nan, np.inf, -1, 0, 3e38, 1e300, -1e-40, 2**63, 1e9)
        with np.errstate(all="ignore"):
            put = np.array([rng.choice(numbers)]).astype(flat.dtype)
        flat[rng.randrange(flat.size) if how < 7 else slice(None)] = put[0]
        arrays[name] = flat.reshape(array.shape)
    return arrays


def scratched(rng, data):
    """The bytes of a file, damaged."""
    data = bytearray(data)
    how = rng.randrange(4)
    place = rng.randrange(len(data)) if data else 0
    if how == 0 and data:
        data[place] ^= 1 << rng.randrange(8)
    elif how == 1:
        del data[place:]
    elif how == 2:
        data[place:place] = rng.choice((b"[" * 3000, b"\xff\xfe", b"[]," * 5000, b"\x00", b"\n"))
    else:
        data[place : place + 40] = rng.randbytes(40)
    return bytes(data)


def seal_text(path, head, arrays, rng):
    """With a header whose text was damaged before it was sealed."""
    data = safetensors.numpy.save(arrays, {"nbt": json.dumps({**head, "sha256": "0" * 64})})
    length = int.from_bytes(data[:8], "little")
    text = scratched(rng, data[8 : 8 + length])
    data = len(text).to_bytes(8, "little") + text + data[8 + length :]
    digest = hashlib.sha256(data).hexdigest().encode()
    path.write_bytes(data.replace(b"0" * 64, digest, 1))


def forged(rng, path):
    """Put something else in the place of a checkpoint."""
    head, arrays = content(path)
    how = rng.randrange(10)
    if how == 0:
        path.write_bytes(scratched(rng, path.read_bytes()))
    elif how == 1:
        seal_text(path, head, arrays, rng)
    else:
        for _ in range(rng.choice((1, 1, 2, 3))):
            if rng.random() < 0.65:
                head = changed(rng, head)
                head = head if isinstance(head, dict) else {"x": head}
            elif arrays:
                arrays = changed_arrays(rng, arrays)
        forge(path, head, arrays)


# ---- what must hold ------------------------------------------------------------------------------


def bounded(what, path, action):
    """What an action returned, or None where it was refused: in one line, in time, in memory."""
    size, begun = path.stat().st_size, time.thread_time()
    tracemalloc.start()
    try:
        result = action()
    except nbt.CheckpointError as error:
        peak = tracemalloc.get_traced_memory()[1]
        if len(str(error).splitlines()) != 1 or len(str(error)) > 2000:
            raise Unlike(f"{what}: not one line: {error}") from error
        if "Error" in str(error).replace(str(path), ""):
            raise Unlike(f"{what}: not in words: {error}") from error
        if peak > 2 * size + ROOM:
            raise Unlike(f"{what}: {peak} bytes for a file of {size}: {error}") from error
        result = None
    finally:
        tracemalloc.stop()
    if time.thread_time() - begun > SECONDS:
        raise Unlike(f"{what}: {time.thread_time() - begun} s")
    return result


def said(*args):
    """Exit code of a command; nothing but lines comes of it."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(argument) for argument in args])
    except Exception as error:
        raise Unlike(f"{' '.join(map(str, args))}: {type(error).__name__}: {error}") from error
    lines = err.getvalue().splitlines()
    if (
        code
        and args[0] != "train"
        and not (len(lines) == 1 and lines[0].startswith("nbt: error: "))
    ):
        raise Unlike(f"{' '.join(map(str, args))}: {lines}")
    if "\x1b" in err.getvalue() or "\u202e" in err.getvalue():
        raise Unlike(f"{' '.join(map(str, args))}: control characters reach the terminal")
    if code == 1:  # what is wrong in a file is no failure to read it
        raise Unlike(f"{' '.join(map(str, args))}: {lines}")
    return code


def usable(path, model):
    """What was taken is one that could have been saved: it predicts, it learns, it is saved."""
    trainer = getattr(model, "trainer", model)
    with contextlib.suppress(nbt.DivergenceError), np.errstate(all="ignore"):
        trainer.predict()
        if isinstance(trainer, nbt.HMM):
            trainer.learn([0, trainer.symbols - 1])
        elif isinstance(trainer.readout, nbt.Softmax) and trainer.predicts_inputs:
            trainer.learn([0, trainer.readout.symbols - 1])
    repr(model)
    with contextlib.suppress(nbt.CheckpointError):  # no longer finite
        trainer.save(path.with_name("again"))


def check_strangers(case):
    """A checkpoint of some kind, then the folder of a run, then a file of results, each forged."""
    rng = random.Random(case.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        path = folder / "m"
        saved(rng, case, path)
        forged(rng, path)
        model = bounded("nbt.load", path, lambda: nbt.load(path))
        bounded("Checkpoint.load", path, lambda: nbt.Checkpoint.load(path))
        if model is not None:
            usable(path, model)
        allowed = (0, 2, 3, 4)
        text = a_run("txt") / "source.txt"
        commands = [
            ("info", "-m"),
            ("info", "--json", "-m"),
            ("sample", "-n", 2, "-m"),
            ("predict", "-m"),
        ]
        commands += [("predict", text, "-m"), ("predict", "--ahead", 2, "--paths", 2, "-m")]
        for words in (*commands, ("score", text, "--top", 1, "-m")):
            if said(*words, path) not in allowed:
                raise Unlike(f"{words}: another code than {allowed}")
        check_run(rng, folder)
        check_results(rng, folder)


# ---- what there is to change ---------------------------------------------------------------------

TEXT = "the cat sat on the mat\n" * 8
TABLE = "wind,rain\n" + "".join(f"{k % 7},{k % 5}.5\n" for k in range(60))


def saved(rng, case, path):
    """A sound checkpoint, of any kind."""
    kind = rng.randrange(6)
    if kind == 0:
        estimator(rng).save(path)
    elif kind == 1:
        statistics = rng.choice(("exact", "rank-one", "filtered"))
        model = nbt.HMM(3, 4, statistics=statistics, seed=case.seed % 100)
        model.learn([0, 1, 2, 3] * 5)
        model.save(path)
    elif kind == 2:
        stream = nbt.datasets.anbn(1, 4, seed=1)
        trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(len(stream.alphabet)))
        trainer.save(path, stream, nbt.train(trainer, stream, steps=40))
    else:
        trainer = case.build()
        if isinstance(trainer.cell, nbt.System | nbt.CompiledSystem):
            trainer = nbt.RTRL(nbt.LeakyRNN(4), nbt.Softmax(3))
        trainer.save(path)


def estimator(rng):
    if rng.random() < 0.5:
        model = nbt.RNNRegressor(nbt.RNN(3))
        for k in range(12):
            model.learn_one({"a": k, "b": "xy"[k % 2]}, k % 3)
        return model
    model = nbt.RNNClassifier(nbt.RNN(3), options={"rank": 2})
    for k in range(12):
        model.learn_one({"a": k}, ("up", 7, "down")[k % 3])
    return model


RUNS: dict = {}


def a_run(kind):
    """The folder of a run that was made once, as a template."""
    if kind not in RUNS:
        home = tempfile.mkdtemp(prefix="nbt-fuzz-")
        source = os.path.join(home, f"source.{kind}")
        pathlib.Path(source).write_text(TEXT if kind == "txt" else TABLE)
        options = ["--columns", "wind,rain"] if kind == "csv" else []
        options += ["--units", 3, "--report", "--checkpoint-every", 30, "--steps", 40]
        assert said("train", source, "-o", os.path.join(home, "run"), *options) == 0
        RUNS[kind] = home
    return pathlib.Path(RUNS[kind])


def check_run(rng, folder):
    """A run's folder with something in it changed, gone on with."""
    home, run_folder = a_run(rng.choice(("txt", "csv"))), folder / "run"
    shutil.copytree(home / "run", run_folder)
    outside = folder / "outside"
    outside.write_text("mine")
    disturb(rng, run_folder, outside)
    code = said("train", "-o", run_folder, "--resume", "--steps", 50, "--report")
    if code not in (0, 2, 3, 4):
        raise Unlike(f"train --resume: {code}")
    said("info", "-m", run_folder)
    names = {one.name for one in folder.iterdir()}
    if outside.read_text() != "mine" or "made" in names:
        raise Unlike("something outside the folder was changed or made")


FILES = ("run.toml", "metrics.jsonl", "report.html", "lock", "checkpoints",
         "checkpoints/last.safetensors")  # fmt: skip


def disturb(rng, run_folder, outside):
    name = rng.choice(FILES)
    path, how = run_folder / name, rng.randrange(7)
    if how < 3 and name.endswith(".safetensors"):
        forged(rng, path)
    elif how < 4:
        settings = tomllib.loads((run_folder / "run.toml").read_text())
        settings = changed(rng, settings)
        text = ""
        with contextlib.suppress(Exception):  # not everything is TOML
            text = "\n".join(_toml(settings if isinstance(settings, dict) else {"x": settings}))
        (run_folder / "run.toml").write_bytes(text.encode("utf-8", "replace"))
    elif how == 4:
        if path.is_file():
            path.write_bytes(scratched(rng, path.read_bytes()))
    else:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        new = rng.choice(("link", "lost link", "pipe", "folder", "hard link", "endless"))
        if new == "link":
            path.symlink_to(outside)
        elif new == "lost link":
            path.symlink_to(outside.with_name("made"))
        elif new == "pipe":
            os.mkfifo(path)
        elif new == "hard link":
            path.hardlink_to(outside)
        elif new == "endless":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()


def check_results(rng, folder):
    """Records that are drawn from, changed."""
    record = {
        **{"format": "nbt-results", "schema": 1, "kind": "run", "trainer": {"trainer": "RTRL"}},
        **{"step": [1, 2, 4], "average_bits": [1.5, 1.2, 1.1], "seconds": [0.1, 0.2, 0.3]},
        **{"diverged_at": None, "entropy_rate": 0.5, "rule": "rtrl", "stopped": "steps"},
    }
    lines = {**record, "kind": "baselines", "bits": {"gzip": 1.5}, "forgetful_rate": None}
    path = folder / "results.jsonl"
    path.write_text("".join(json.dumps(changed(rng, one)) + "\n" for one in (record, lines)))
    if rng.random() < 0.3:
        path.write_bytes(scratched(rng, path.read_bytes()))
    try:
        store = Store(path)
    except nbt.errors.DataError as error:
        if len(str(error).splitlines()) != 1:
            raise Unlike(f"results: not one line: {error}") from error
        return
    finally:
        path.unlink()
    for one in store._records:
        if one.get("kind") == "run":
            Curve.of(one)
