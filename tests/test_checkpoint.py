"""A trainer in a file: whole, checked, and never half written."""

import contextlib
import json
import os
import stat

import numpy as np
import pytest
import safetensors.numpy

import nbt
from nbt import checkpoint
from nbt.errors import CheckpointError

CELL, READOUT = nbt.LeakyRNN(5), nbt.Softmax(3)
TRAINERS = {
    "nobacktrack": lambda dtype: nbt.NoBackTrack(CELL, READOUT, rank=2, dtype=dtype, seed=4),
    "plain": lambda dtype: nbt.NoBackTrack(
        nbt.RNN(5, "tanh"), READOUT, nbt.SGD(0.01), blocks=1, exact_self=False, dtype=dtype
    ),
    "rtrl": lambda dtype: nbt.RTRL(CELL, READOUT, nbt.Kalman(nbt.Constant(0.01)), dtype=dtype),
    "tbptt": lambda dtype: nbt.TruncatedBPTT(nbt.LeakyRNN(5, 0.5), READOUT, window=7, dtype=dtype),
}
SYMBOLS = nbt.datasets.anbn(1, 6, seed=1).read(400)


def same(one, other):
    return one.keys() == other.keys() and all(
        one[key].dtype == other[key].dtype and one[key].tobytes() == other[key].tobytes()
        for key in one
    )


@pytest.fixture
def saved(tmp_path):
    trainer = TRAINERS["nobacktrack"]("float32")
    trainer.learn(SYMBOLS[:100])
    trainer.save(tmp_path / "t")
    return tmp_path / "t"


def content(path):
    """Header object and arrays, without looking at any checksum."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    head = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["nbt"])
    return head, safetensors.numpy.load(data)


def forge(path, head, tensors):
    """A file that is wrong in content, with a checksum that is right."""
    head = {key: value for key, value in head.items() if key != "sha256"}
    head["sha256"] = checkpoint._digest(head, tensors)
    path.write_bytes(safetensors.numpy.save(tensors, {"nbt": json.dumps(head)}))


# ---- what it is for -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cut", [0, 1, 100, 109])
@pytest.mark.parametrize("name", TRAINERS)
def test_goes_on_bit_for_bit(tmp_path, name, cut, dtype):
    trainer = TRAINERS[name](dtype)
    trainer.learn(SYMBOLS[:cut])
    trainer.save(tmp_path / "t.safetensors")
    back = nbt.load(tmp_path / "t.safetensors")
    assert type(back) is type(trainer)
    assert repr(back) == repr(trainer)
    assert same(back.state_dict(), trainer.state_dict())
    assert back.learn(SYMBOLS[cut:]).tobytes() == trainer.learn(SYMBOLS[cut:]).tobytes()
    assert same(back.state_dict(), trainer.state_dict())


def test_file_is_plain_safetensors(saved):
    head, tensors = content(saved)
    assert head["format"] == "nbt-checkpoint"
    assert head["schema"] == 1
    assert head["version"] == nbt.__version__
    assert head["trainer"] == nbt.load(saved).describe()
    assert same(tensors, nbt.load(saved).state_dict())


def test_saving_twice_gives_the_same_bytes(saved):
    before = saved.read_bytes()
    nbt.load(saved).save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["t"]


# ---- writing --------------------------------------------------------------------------------


def test_non_finite_state_is_not_saved(saved):
    class Diverged:
        def state_dict(self):
            return {"cell.b": np.array([1.0, np.inf]), "step": np.uint64(3)}

        def describe(self):
            return {}

    before = saved.read_bytes()
    with pytest.raises(CheckpointError, match=r"cell\.b is not finite"):
        checkpoint.save(Diverged(), saved)
    assert saved.read_bytes() == before


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_failure_leaves_the_old_file(saved, monkeypatch, step):
    trainer = nbt.load(saved)
    trainer.learn(SYMBOLS)
    before, state = saved.read_bytes(), trainer.state_dict()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    if step == "write":
        monkeypatch.setattr("builtins.open", fail)
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left") as error:
        trainer.save(saved)
    monkeypatch.undo()
    assert error.value.filename == str(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["t"]
    assert same(trainer.state_dict(), state)


def test_data_reaches_the_disk_before_the_name(saved, monkeypatch):
    trainer, calls = nbt.load(saved), []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def spy(*args, name=name, real=real):
            folder = name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            calls.append("fsync folder" if folder else name)
            return real(*args)

        monkeypatch.setattr(os, name, spy)
    trainer.save(saved)
    assert calls == ["fsync", "replace"] + ["fsync folder"] * (os.name != "nt")


def test_link_is_followed_and_mode_is_the_usual(saved):
    link = saved.parent / "link"
    try:
        link.symlink_to(saved)
    except OSError:
        pytest.skip("no links here")
    trainer = nbt.load(saved)
    trainer.learn(SYMBOLS[:5])
    trainer.save(link)
    assert link.is_symlink()
    assert nbt.load(saved).step == trainer.step
    usual = saved.parent / "usual"
    usual.write_bytes(b"")
    assert saved.stat().st_mode == usual.stat().st_mode


def test_missing_folder(saved):
    path = saved.parent / "none" / "t"
    with pytest.raises(FileNotFoundError) as error:
        nbt.load(saved).save(path)
    assert error.value.filename == str(path)


# ---- reading --------------------------------------------------------------------------------


def test_every_altered_byte_is_noticed(saved):
    good = saved.read_bytes()
    trainer = nbt.load(saved)
    rng = np.random.default_rng(0)
    length = int.from_bytes(good[:8], "little")
    harmless = 0
    places = {*range(0, 16), *rng.integers(8, 8 + length, 300), *rng.integers(0, len(good), 300)}
    for place in sorted(places):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(bad)
        with contextlib.suppress(CheckpointError):
            back = nbt.load(saved)  # blanks in the header and their like: nothing that counts
            assert repr(back) == repr(trainer)
            assert same(back.state_dict(), trainer.state_dict())
            harmless += 1
    assert harmless < 20


def test_every_truncation_is_noticed(saved):
    good = saved.read_bytes()
    for length in {*range(0, 40), *range(0, len(good), 97), len(good) - 1}:
        saved.write_bytes(good[:length])
        with pytest.raises(CheckpointError, match="cut short"):
            nbt.load(saved)
    saved.write_bytes(good + b"\0")
    with pytest.raises(CheckpointError, match="damaged"):
        nbt.load(saved)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello, world, this is not it",
        b"\xff" * 100,
        (1 << 40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        safetensors.numpy.save({"a": np.zeros(3)}),
        safetensors.numpy.save({"a": np.zeros(3)}, {"nbt": "[]"}),
        safetensors.numpy.save({"a": np.zeros(3)}, {"nbt": '{"format": "nbt-checkpoint"}'}),
    ],
)
def test_other_files(tmp_path, data):
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        nbt.load(tmp_path / "t")


def test_newer_schema_is_named(saved):
    head, tensors = content(saved)
    forge(saved, {**head, "schema": 2, "version": "9.1"}, tensors)
    with pytest.raises(CheckpointError, match=r"schema 2 by version '9.1'.*reads schema 1"):
        nbt.load(saved)


@pytest.mark.parametrize(
    ("header", "altered"), [(b'"F32"', b'"I32"'), (b'"shape":[5]', b'"shape":[5,1]')]
)
def test_arrays_seen_another_way(saved, header, altered):
    data = saved.read_bytes()
    length = int.from_bytes(data[:8], "little")
    text = data[8 : 8 + length].rstrip()
    assert header in text
    text = text.replace(header, altered)
    text += b" " * (-len(text) % 8)
    saved.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    content(saved)  # still a file of its kind
    with pytest.raises(CheckpointError, match="checksum"):
        nbt.load(saved)


def test_wrong_checksum(saved):
    head, tensors = content(saved)
    for change in ({"version": "0"}, {"trainer": {**head["trainer"], "seed": 5}}, {"more": 1}):
        metadata = {"nbt": json.dumps({**head, **change})}
        saved.write_bytes(safetensors.numpy.save(tensors, metadata))
        with pytest.raises(CheckpointError, match="checksum"):
            nbt.load(saved)


HUGE = 60_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cell": {"kind": "LeakyRNN", "units": HUGE}}, "cell.W: expected shape"),
        ({"readout": {"kind": "Softmax", "symbols": HUGE}}, "readout.W: expected shape"),
        ({"inputs": {"kind": "Vector", "size": HUGE}}, "cell.r: expected shape"),
        ({"rank": HUGE}, "estimator.v: expected shape"),
        ({"blocks": HUGE}, "estimator.v: expected shape"),
        ({"trainer": "TruncatedBPTT", "window": HUGE}, "window.h: expected shape"),
        ({"trainer": "os.system"}, "trainer: expected one of"),
        ({"cell": {"kind": "Popen", "units": 5}}, "kind: expected one of"),
        ({"cell": 3}, "TypeError"),
        ({"dtype": "float16"}, "dtype: expected"),
        ({"norm": "kalman", "optimizer": {"kind": "SGD"}}, "norm"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_forged_descriptions(saved, change, words):
    head, tensors = content(saved)
    forge(saved, {**head, "trainer": {**head["trainer"], **change}}, tensors)
    with pytest.raises(CheckpointError, match=words):
        nbt.load(saved)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("cell.W", None, "cell.W"),
        ("cell.b", None, "cell.b"),
        ("cell.b", np.zeros(4, np.float32), "cell.b: expected shape"),
        ("cell.b", np.full(5, np.nan, np.float32), "cell.b is not finite"),
        ("cell.alpha", np.full(5, 2, np.float32), "cell.alpha"),
        ("step", np.float64(0.5), "step"),
        ("extra", np.zeros(1), "extra"),
    ],
)
def test_forged_arrays(saved, name, change, words):
    head, tensors = content(saved)
    tensors = {key: value for key, value in tensors.items() if key != name}
    if change is not None:
        tensors[name] = np.asarray(change)
    forge(saved, head, tensors)
    with pytest.raises(CheckpointError, match=words):
        nbt.load(saved)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        nbt.load(tmp_path / "none")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(CheckpointError, match="not a regular file"):
            nbt.load(tmp_path / "pipe")
