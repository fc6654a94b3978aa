"""A trainer in a file: whole, checked, and never half written."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
import safetensors.numpy
from helpers.checkpoint_files import content, forge

import nbt
from nbt.checkpoints import checkpoint
from nbt.errors import CheckpointError, DataError
from nbt.storage import atomic as durable
from nbt.storage import folders

CELL, READOUT = nbt.LeakyRNN(5), nbt.Softmax(3)
TRAINERS = {
    "nobacktrack": lambda dtype: nbt.NoBackTrack(CELL, READOUT, rank=2, dtype=dtype, seed=4),
    "plain": lambda dtype: nbt.NoBackTrack(
        nbt.RNN(5, "tanh"), READOUT, nbt.SGD(0.01), blocks=1, exact_self=False, dtype=dtype
    ),
    "rtrl": lambda dtype: nbt.RTRL(CELL, READOUT, nbt.Kalman(nbt.Constant(0.01)), dtype=dtype),
    "tbptt": lambda dtype: nbt.TruncatedBPTT(
        nbt.LeakyRNN(5, leak=0.5), READOUT, window=7, dtype=dtype
    ),
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
    assert head["schema"] == 2
    assert (head["stream"], head["history"]) == (None, None)
    assert head["version"] == nbt.__version__
    assert head["trainer"] == nbt.load(saved).describe()
    assert same(tensors, nbt.load(saved).state_dict())


def test_saving_twice_gives_the_same_bytes(saved):
    before = saved.read_bytes()
    nbt.load(saved).save(saved)
    assert saved.read_bytes() == before
    assert names(saved.parent) == ["t", "t.previous"]


def test_the_previous_one_is_kept(saved):
    before = saved.read_bytes()
    trainer = nbt.load(saved)
    for _ in range(2):
        trainer.learn(SYMBOLS)
        trainer.save(saved)
        previous = saved.parent / "t.previous"
        assert previous.read_bytes() == before
        assert nbt.load(previous).step == trainer.step - len(SYMBOLS)
        before = saved.read_bytes()
    assert names(saved.parent) == ["t", "t.previous"]


@pytest.mark.parametrize("alphabet", ["file", "bytes", "grow-like"])
def test_stream_and_history_are_in_it(tmp_path, alphabet):
    (tmp_path / "text").write_text("añ€😀b\n" * 300)
    if alphabet == "grow-like":
        alphabet = nbt.streams.Alphabet("\ufffda€ñ😀b\n")
    stream = nbt.streams.text(tmp_path / "text", alphabet)
    trainer = nbt.NoBackTrack(CELL, nbt.Softmax(len(stream.alphabet)))
    history = nbt.train(trainer, stream, steps=700)
    trainer.save(tmp_path / "t", stream, history)

    back = nbt.Checkpoint.load(tmp_path / "t")
    assert back.alphabet == stream.alphabet
    assert back.stream == {"name": stream.name, "state": stream.state_dict()}
    assert back.history.settings == history.settings
    again = nbt.streams.text(tmp_path / "text", back.alphabet)
    again.load_state_dict(back.stream["state"])
    rest = nbt.train(back.trainer, again, history=back.history)

    whole = nbt.streams.text(tmp_path / "text", alphabet)
    trainer = nbt.NoBackTrack(CELL, nbt.Softmax(len(stream.alphabet)))
    history = nbt.train(trainer, whole)
    assert same(trainer.state_dict(), back.trainer.state_dict())
    for name in ("step", "average_bits", "since_bits"):
        assert getattr(rest, name).tobytes() == getattr(history, name).tobytes(), name
    assert again.state_dict() == whole.state_dict()

    (tmp_path / "text").write_text("bñ€😀a\n" * 300)
    with pytest.raises(DataError, match="not those read"):
        nbt.streams.text(tmp_path / "text", back.alphabet).load_state_dict(back.stream["state"])


@pytest.mark.parametrize(
    "alphabet", ["ab\n", "\0\x7f\ud800😀", b"\x00\xff", range(5), ("GET", "PUT /", "", "ü")]
)
def test_alphabets_are_kept(tmp_path, alphabet):
    alphabet = nbt.streams.Alphabet(alphabet)
    trainer = nbt.NoBackTrack(CELL, nbt.Softmax(len(alphabet)))
    nbt.Checkpoint(trainer, alphabet).save(tmp_path / "t")
    assert nbt.Checkpoint.load(tmp_path / "t").alphabet == alphabet


def names(folder):
    return sorted(path.name for path in folder.iterdir())


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


class Death(BaseException):
    """The process is gone."""


class Faulty:
    """The `os` that `durable` uses, until call number `last`: that one fails, or kills."""

    FILES = ("open", "write", "fsync", "link", "replace", "unlink", "close")

    def __init__(self, last, error):
        self.left, self.error, self.dead, self.failed = last, error, False, None
        self.handles = set()

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in self.FILES:
            return real

        def call(*args, **kwargs):
            if self.dead:
                raise self.error
            self.left -= 1
            if self.left:
                result = real(*args, **kwargs)
                if name == "open":
                    self.handles.add(result)
                elif name == "close":
                    self.handles.remove(args[0])
                return result
            self.failed = name
            if name == "write":  # half of it gets there
                real(args[0], args[1][: len(args[1]) // 2])
            self.dead = isinstance(self.error, Death)
            if name == "close" and not self.dead:
                self.handles.remove(args[0])
                real(*args)
            raise self.error

        return call


def faults(saved, monkeypatch, error):
    """Saves in the place of `saved`, failing at call 1, 2, ...; after each, what was raised."""
    old, k = saved.read_bytes(), 0
    while True:
        k += 1
        trainer = nbt.load(saved)
        trainer.learn(SYMBOLS)
        state = trainer.state_dict()
        faulty, raised = Faulty(k, error), None
        with monkeypatch.context() as patch:
            patch.setattr(durable, "os", faulty)
            patch.setattr(folders, "os", faulty)
            try:
                trainer.save(saved)
            except (OSError, Death) as one:
                raised = one
        for handle in faulty.handles:  # the system closes those of the dead
            os.close(handle)
        assert isinstance(raised, Death) or not faulty.handles
        assert same(trainer.state_dict(), state)
        if faulty.left > 0:
            assert raised is None
            return
        yield faulty.failed, raised, trainer
        saved.write_bytes(old)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_failing_at_every_call_leaves_a_whole_file(saved, monkeypatch, number):
    old, seen = saved.read_bytes(), set()
    for name, raised, trainer in faults(saved, monkeypatch, OSError(number, "what it was")):
        seen.add(name)
        assert nbt.load(saved).step in (100, trainer.step)
        assert raised is None or raised.filename == str(saved)
        assert raised is None or raised.errno == number
        if saved.read_bytes() == old:
            assert raised is not None  # never a silent loss
        trainer.save(saved)  # and learning, and saving, go on
        assert nbt.load(saved).step == trainer.step
        assert not [one for one in names(saved.parent) if one.endswith(".tmp")]
    assert seen == set(Faulty.FILES)


def test_dying_at_every_call_leaves_a_whole_file(saved, monkeypatch):
    seen, left = set(), 0
    for name, _, trainer in faults(saved, monkeypatch, Death()):
        seen.add(name)
        assert nbt.load(saved).step in (100, trainer.step)
        left = max(left, len([one for one in names(saved.parent) if one.endswith(".tmp")]))
        nbt.load(saved).save(saved)  # the next writer clears up
        assert not [one for one in names(saved.parent) if one.endswith(".tmp")]
    assert seen >= {"open", "write", "fsync", "link", "replace"}
    assert left  # the dead really left something


def test_file_systems_without_links(saved, monkeypatch):
    before, trainer = saved.read_bytes(), nbt.load(saved)
    trainer.learn(SYMBOLS)

    def refuse(*args, **options):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    trainer.save(saved)
    assert (saved.parent / "t.previous").read_bytes() == before
    assert names(saved.parent) == ["t", "t.previous"]


def test_a_living_writer_keeps_its_temporary(saved):
    with (
        folders.Folder(saved.parent) as folder,
        durable._aside(folder, saved.name) as (temporary, _),
    ):
        between = saved.parent / temporary.replace(".tmp", ".old.tmp")
        between.hardlink_to(saved)
        nbt.load(saved).save(saved)
        assert (saved.parent / temporary).exists()
        assert between.exists()
    assert not (saved.parent / temporary).exists()
    nbt.load(saved).save(saved)
    assert names(saved.parent) == ["t", "t.previous"]


def test_files_of_others_are_no_leftovers(saved):
    others = [saved.parent / name for name in ("t.notes.tmp", "t.tmp", "t.0123456789abcdef.tmp.x")]
    for path in others:
        path.write_text("mine")
    nbt.load(saved).save(saved)
    assert [path.read_text() for path in others] == ["mine"] * 3


def test_what_is_removed_as_left_over_stays_locked_until_it_is_gone(saved, monkeypatch):
    """Else a writer that has just made that file could take it, and lose it before the rename."""
    from nbt.storage import atomic as durable
    from nbt.storage import folders

    left, locked = saved.parent / f"t.{16 * '0'}.tmp", []
    left.write_bytes(b"")
    unlink = folders.Folder.unlink

    def looking(folder, name):
        if name == left.name:
            with open(left, "rb") as writer:
                locked.append(not durable._alone(writer.fileno()))
        unlink(folder, name)

    monkeypatch.setattr(folders.Folder, "unlink", looking)
    nbt.load(saved).save(saved)
    assert locked == [True]
    assert not left.exists()


def saved_often(path, seed, times, failures):
    trainer = nbt.NoBackTrack(CELL, READOUT, seed=seed)
    for _ in range(times):
        try:
            trainer.save(path)
        except OSError as error:
            failures.put(repr(error))


def test_several_processes_save_to_one_path(tmp_path):
    """What is there is always the whole of one of them, and none disturbs another."""
    import multiprocessing

    context, path = multiprocessing.get_context("spawn"), tmp_path / "t"
    failures, times = context.Queue(), 150
    nbt.NoBackTrack(CELL, READOUT).save(path)
    writers = [
        context.Process(target=saved_often, args=(path, seed, times, failures)) for seed in range(4)
    ]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(nbt.load(path).seed)
        if (path.parent / "t.previous").exists():
            nbt.load(path.parent / "t.previous")
    for writer in writers:
        writer.join()
    assert failures.empty(), failures.get()
    assert seen <= {0, 1, 2, 3}
    assert len(seen) > 1
    assert names(tmp_path) == ["t", "t.previous"]


def test_full_disk(saved):
    resource = pytest.importorskip("resource")
    code = (
        "import resource, signal, sys, nbt\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "trainer = nbt.load(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "before = trainer.state_dict()\n"
        "try: trainer.save(sys.argv[1])\n"
        "except OSError as error: print(error.filename)\n"
        "assert all((before[k] == v).all() for k, v in trainer.state_dict().items())\n"
        "trainer.learn([0, 1, 2])\n"
    )
    assert resource
    before = saved.read_bytes()
    done = subprocess.run([sys.executable, "-c", code, saved], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{saved}\n"), done.stderr
    assert saved.read_bytes() == before
    assert names(saved.parent) == ["t"]


def test_interrupted_load_changes_nothing(saved, monkeypatch):
    trainer = nbt.load(saved)
    state = trainer.state_dict()
    other = nbt.load(saved)
    other.learn(SYMBOLS)
    new = other.state_dict()
    from nbt.trainers.state.dense import DenseTable

    real, k = DenseTable.write, 0
    while True:
        k += 1
        left = k

        def write(self, *args):
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt
            real(self, *args)

        monkeypatch.setattr(DenseTable, "write", write)
        try:
            trainer.load_state_dict(new)
        except KeyboardInterrupt:
            assert same(trainer.state_dict(), state)
        else:
            break
    assert k > 10
    assert same(trainer.state_dict(), new)


def test_data_reaches_the_disk_before_the_name(saved, monkeypatch):
    trainer, calls = nbt.load(saved), []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def spy(*args, name=name, real=real, **options):
            folder = name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            calls.append("fsync folder" if folder else name)
            return real(*args, **options)

        monkeypatch.setattr(os, name, spy)
    trainer.save(saved)
    # what is kept aside, then the new file
    assert calls == ["fsync", "replace", "replace"] + ["fsync folder"] * (os.name != "nt")


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_stays(saved, tmp_path, linked):
    """A pipe stands for /dev/null, which root could rename."""
    trainer, target = nbt.load(saved), tmp_path / "pipe"
    os.mkfifo(target)
    path = tmp_path / "link" if linked else target
    if linked:
        path.symlink_to(target)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OSError, match="not a regular file") as error:
        trainer.save(path)
    assert error.value.filename == str(path)
    assert stat.S_ISFIFO(os.stat(target).st_mode)
    assert sorted(os.listdir(tmp_path)) == before


# ---- reading --------------------------------------------------------------------------------


def test_every_altered_byte_is_noticed(saved):
    good = saved.read_bytes()
    rng = np.random.default_rng(0)
    length = int.from_bytes(good[:8], "little")
    places = {*range(0, 16), *rng.integers(8, 8 + length, 500), *rng.integers(0, len(good), 300)}
    for place in sorted(places):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(bad)
        with pytest.raises(CheckpointError):
            nbt.load(saved)


def test_every_truncation_is_noticed(saved):
    good = saved.read_bytes()
    for length in {*range(0, 40), *range(0, len(good), 97), len(good) - 1}:
        saved.write_bytes(good[:length])
        with pytest.raises(CheckpointError, match=r"cut short|not a checkpoint"):
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
    forge(saved, {**head, "schema": 3, "version": "9.1"}, tensors)
    with pytest.raises(CheckpointError, match=r"schema 3 by the newer version '9.1'.*schema 2"):
        nbt.load(saved)
    for schema in (1, 2.0, "2", None, True, [2]):
        forge(saved, {**head, "schema": schema}, tensors)
        with pytest.raises(CheckpointError, match=r"reads schema 2"):
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
    with pytest.raises(CheckpointError, match=r"checksum|expected shape"):
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
        ({"cell": {"kind": "LeakyRNN", "units": HUGE}}, "cell.b: expected shape"),
        ({"readout": {"kind": "Softmax", "symbols": HUGE}}, "readout.b: expected shape"),
        ({"readout": {"kind": "Gaussian", "dim": HUGE}}, "readout.b: expected shape"),
        ({"readout": {"kind": "Bernoulli", "dim": 2.0}}, "sizes"),
        ({"readout": {"kind": "Gaussian"}}, "dim"),
        ({"missing": "never"}, "missing: expected one of"),
        ({"inputs": {"kind": "Vector", "size": HUGE}}, "cell.r: expected shape"),
        ({"rank": HUGE}, "estimator.v: expected shape"),
        ({"blocks": HUGE}, "estimator.v: expected shape"),
        ({"trainer": "TruncatedBPTT", "window": HUGE}, "window.h: expected shape"),
        ({"trainer": "os.system"}, "trainer: expected one of"),
        ({"cell": {"kind": "Popen", "units": 5}}, "kind: expected one of"),
        ({"cell": 3}, "of another kind than expected"),
        ({"rank": -1}, "sizes"),
        ({"rank": True}, "sizes"),
        ({"cell": {"kind": "LeakyRNN", "units": 5.0}}, "sizes"),
        ({"cell": {"kind": "LeakyRNN", "units": 0}, "inputs": {"size": 2**63}}, "sizes"),
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


def test_what_it_must_hold(saved):
    assert nbt.load(saved, kind=nbt.NoBackTrack).step == 100
    assert nbt.load(saved, kind=nbt.Trainer).step == 100
    with pytest.raises(CheckpointError, match="t: expected RTRL, got NoBackTrack"):
        nbt.load(saved, kind=nbt.RTRL)
    with pytest.raises(TypeError, match="kind: expected a class such as NoBackTrack, got 'RTRL'"):
        nbt.load(saved, kind="RTRL")


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        nbt.load(tmp_path / "none")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(CheckpointError, match="not a regular file"):
            nbt.load(tmp_path / "pipe")


@pytest.mark.parametrize(
    "change",
    [
        {"stream": 3},
        {"stream": {"alphabet": "characters"}},
        {"stream": {"alphabet": "words", "name": "x", "state": {}}},
        {"stream": {"alphabet": 0, "name": "x", "state": {}}},
        {"stream": {"alphabet": -5, "name": "x", "state": {}}},
        {"stream": {"name": "x"}},
        {"history": {}},
        {"history": 3},
    ],
)
def test_forged_streams_and_histories(saved, change):
    head, tensors = content(saved)
    forge(saved, {**head, **change}, tensors)
    with pytest.raises(CheckpointError, match="holds no trainer"):
        nbt.load(saved)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("history.step", np.array([1, 1, 2])),
        ("history.step", np.array([0, 1, 2])),
        ("history.step", np.array([1.0, 2.0, 4.0])),
        ("history.now.step", np.array(3)),
        ("history.now.sums", np.array([np.nan, 1.0])),
        ("history.seconds", np.zeros(2)),
        ("history.more", np.zeros(2)),
    ],
)
def test_forged_rows(tmp_path, name, value):
    path, stream = tmp_path / "t", nbt.datasets.anbn(1, 3)
    trainer = nbt.NoBackTrack(CELL, READOUT)
    trainer.save(path, stream, nbt.train(trainer, stream, steps=4))
    head, tensors = content(path)
    assert tensors["history.step"].tolist() == [1, 2, 4]
    forge(path, head, tensors)
    assert nbt.Checkpoint.load(path).history.step.tolist() == [1, 2, 4]
    forge(path, head, {**tensors, name: value})
    with pytest.raises(CheckpointError, match="history"):
        nbt.load(path)


@pytest.mark.parametrize("claim", [2**20, 2**40, 2**62])
def test_a_file_that_promises_much_costs_little(saved, claim):
    """Sparse files, and headers that claim arrays which are not there."""
    good = saved.read_bytes()
    length = int.from_bytes(good[:8], "little")
    header = json.loads(good[8 : 8 + length])
    header["cell.W"] = {"dtype": "F32", "shape": [claim, 1], "data_offsets": [0, 4 * claim]}
    text = json.dumps(header).encode()
    with open(saved, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        if claim < 2**62:
            file.truncate(min(8 + len(text) + 4 * claim, 2**42))
    code = (
        "import sys, time, tracemalloc, nbt\n"
        "tracemalloc.start()\n"
        "begun = time.perf_counter()\n"
        "try: nbt.load(sys.argv[1])\n"
        "except nbt.CheckpointError as error: print(error)\n"
        "assert time.perf_counter() - begun < 5\n"
        "print(tracemalloc.get_traced_memory()[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, saved], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    message, peak = done.stdout.splitlines()
    assert "damaged" in message or "expected shape" in message or "larger" in message
    assert int(peak) < 8_000_000  # bytes; NumPy's arrays and Python's are counted


def test_loading_does_nothing_but_open(saved):
    """No code is found, compiled, imported or run because of what a file says."""
    nbt.load(saved)  # whatever is imported late
    seen = []
    active = threading.Event()

    def hook(event, args):
        if active.is_set():
            seen.append(event)

    sys.addaudithook(hook)
    active.set()
    nbt.load(saved)
    active.clear()
    assert set(seen) <= {"open", "object.__getattr__", "array.__new__"}
    assert seen.count("open") == 2  # one file, announced by open() and by its opener
