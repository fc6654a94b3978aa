"""What a file may cost before it is refused: twice its size and 16 MiB, and about a second."""

import hashlib
import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from helpers.checkpoint_files import content, forge

import nbt
from nbt.errors import CheckpointError
from nbt.storage import strangers

M = 1 << 20
NO_DIGEST = "0" * 64


def write(path, header, arrays=b""):
    """A file of that header, with a checksum that is right."""
    header += b" " * (-len(header) % 8)
    data = len(header).to_bytes(8, "little") + header + arrays
    digest = hashlib.sha256(data).hexdigest().encode()
    path.write_bytes(data.replace(NO_DIGEST.encode(), digest, 1))


def outer(text):
    return f'{{"__metadata__":{{"nbt":"{{}}"}},"a":{text}}}'.encode()


def inner(text):
    marks = {"sha256": NO_DIGEST, "format": "nbt-checkpoint", "schema": 2, "version": "1"}
    head = json.dumps({**marks, "trainer": {"trainer": "NoBackTrack"}})
    return json.dumps({"__metadata__": {"nbt": f'{head[:-1]}, "x": {text}}}'}}).encode()


def graph(text):
    trainer = nbt.NoBackTrack(nbt.RNN(4, graph=nbt.Graph.random(4, 2)), nbt.Softmax(3))
    cell = {"kind": "RNN", "units": 4, "graph": {"kind": "Graph", "units": 4, "packed": text}}
    marks = {"sha256": NO_DIGEST, "format": "nbt-checkpoint", "schema": 2, "version": "1"}
    head = {**marks, "trainer": {**trainer.describe(), "cell": cell}}
    return json.dumps({"__metadata__": {"nbt": json.dumps(head)}}).encode()


def tensors(count):
    entry = '"{:x}":{{"dtype":"F32","shape":[],"data_offsets":[0,0]}}'
    return outer("1")[:-1] + b"," + ",".join(map(entry.format, range(count))).encode() + b"}"


HEADERS = {
    "lists": lambda size: outer("[" + "[]," * (size // 3) + "1]"),
    "nested": lambda size: outer("[" * size),
    "a string": lambda size: outer('"' + "a" * size + '"'),
    "a wide string": lambda size: outer('"' + "a" * size + '\\ud83d\\ude00"'),
    "backslashes": lambda size: outer('"' + "\\\\" * (size // 2) + '\\\\u"'),
    "digits": lambda size: outer("1" * size),
    "a long fraction": lambda size: outer("1." + "1" * size),
    "lists in the head": lambda size: inner("[" + "[]," * (size // 3) + "1]"),
    "mappings in the head": lambda size: inner("[" + '{"":{}},' * (size // 8) + "1]"),
    "a string in the head": lambda size: inner('"' + "a" * size + '"'),
    "a wide string in the head": lambda size: inner('"' + "a" * size + '\\ud83d\\ude00"'),
    "arrays": lambda size: tensors(size // 60),
    "a graph": lambda size: graph("A" * size),
}
LOAD = """
import sys, time, nbt
try: nbt.load(sys.argv[2])  # whatever is imported late
except nbt.CheckpointError: pass
def peak():
    return next(1024 * int(l.split()[1]) for l in open("/proc/self/status") if "VmHWM" in l)
before, begun = peak(), time.process_time()
try: nbt.load(sys.argv[1])
except nbt.CheckpointError as error: print(error)
print(peak() - before, time.process_time() - begun)
"""


def cost(path):
    """Message, bytes and seconds of a refusal, in a process of its own."""
    small = path.with_name("small")
    small.write_bytes(b"no checkpoint")
    done = subprocess.run(
        [sys.executable, "-c", LOAD, path, small], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    message, numbers = done.stdout.splitlines()
    peak, seconds = numbers.split()
    return message, int(peak), float(seconds)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("kind", "room"),
    [
        *((kind, 0) for kind in HEADERS),
        *((kind, 3) for kind in ("a long fraction", "a wide string", "a graph")),
    ],
)
def test_a_header_costs_little(tmp_path, kind, room):
    """Alone in the file, and beside arrays that give it more room."""
    size = 12 * M
    write(tmp_path / "h", HEADERS[kind](size), b"\0" * (room * size))
    message, peak, seconds = cost(tmp_path / "h")
    assert "not a checkpoint" in message or "damaged" in message or "holds no trainer" in message
    assert peak <= 2 * (tmp_path / "h").stat().st_size + 16 * M
    assert seconds < 3  # 1 s of a machine that does nothing else


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_what_is_just_allowed_costs_little(tmp_path, part):
    """As many items as pass the count."""
    items = int(part * (16 * M) / strangers.ITEM)
    for k, text in enumerate(("[],", '{"":1},', '{"a":{"a":1}},', '"ab",')):
        header = inner("[" + text * (items // sum(map(text.count, ",:[{"))) + "1]")
        write(tmp_path / str(k), header)
        tracemalloc.start()
        with pytest.raises(CheckpointError):
            nbt.load(tmp_path / str(k))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 2 * len(header) + 16 * M


def test_items_take_no_more_than_they_are_counted():
    for text in ("[]", "{}", "[1]", '{"":1}', '{"":{}}', "1.5", '"ab"', '"\\ud83d\\ude00"'):
        check(f"[{','.join([text] * 20_000)}]")
    check("{" + ",".join(f'"{k:x}":1' for k in range(20_000)) + "}")
    check("[" + ",".join(f'{{"{k:x}":{{"{k:x}":1}}}}' for k in range(20_000)) + "]")
    check('["' + "a" * 10**6 + '\\ud83d\\ude00"]')
    check('["' + '\\"' * 10**6 + '"]')


def check(text):
    tracemalloc.start()
    json.loads(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with pytest.raises(strangers.CostlyError):
        strangers.parsed(text, peak - 1)


def test_a_graph_beside_a_name_that_is_not_ascii():
    """A long word is as narrow as it is, whatever else there is."""
    text = json.dumps({"graph": "A" * 2**20, "label": "é"})
    assert strangers.parsed(text, int(1.5 * 2**20))["label"] == "é"


# ---- what it says --------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    model = nbt.RNNClassifier(nbt.RNN(4))
    for k in range(9):
        model.learn_one({"a": k}, "xyz"[k % 3])
    model.save(tmp_path / "m")
    return tmp_path / "m"


def test_a_flipped_byte_is_said_in_words(saved):
    good = saved.read_bytes()
    length = int.from_bytes(good[:8], "little")
    rng = np.random.default_rng(0)
    for place in [*range(8), *rng.integers(8, 8 + length, 400), *rng.integers(0, len(good), 100)]:
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(bad)
        with pytest.raises(CheckpointError) as error:
            nbt.load(saved)
        said = str(error.value).replace(str(saved), "")
        assert "Error" not in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        ({"estimator": {}}, "holds no estimator of this version"),
        ({"estimator": "RNNClassifier"}, "'parameters' is missing"),
        ([1], "estimator: expected a mapping"),
        ({"labels": [float("nan")] * 3}, "labels: expected each once, and no NaN"),
        ({"parameters": {"options": {"rank": 10**9}}}, "options: expected the trainer's rank"),
        ({"parameters": {"rule": "RTRL"}}, "rule: expected NoBackTrack"),
        ({"parameters": {"cell": {"kind": "RNN", "units": 10**6}}}, "cell: expected that of"),
        ({"parameters": 3}, "of another kind"),
    ],
)
def test_forged_estimators(saved, estimator, words):
    head, arrays = content(saved)
    if isinstance(estimator, dict) and set(estimator) != {"estimator"}:
        parts = head["estimator"]
        more = estimator.get("parameters")
        if isinstance(more, dict):
            estimator = {"parameters": parts["parameters"] | more}
        estimator = parts | estimator
    forge(saved, {**head, "estimator": estimator}, arrays)
    with pytest.raises(CheckpointError, match=words):
        nbt.load(saved)


def test_arguments_that_are_in_no_description(saved):
    head, arrays = content(saved)
    forge(saved, {**head, "trainer": {**head["trainer"], "threads": 4}}, arrays)
    with pytest.raises(CheckpointError, match=r"what describe\(\) gives, got 'threads'"):
        nbt.load(saved)


def test_a_file_of_more_than_it_can_be_read_back_is_not_written(tmp_path):
    trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(2))
    history = nbt.History({"x": [[]] * 200_000})
    with pytest.raises(CheckpointError, match="names, labels and settings"):
        trainer.save(tmp_path / "t", history=history)
    assert not (tmp_path / "t").exists()


def test_a_history_of_a_stranger(tmp_path):
    """A line that would take much is none of a history."""
    for text in (b"[" + b"[]," * 10**6 + b"1]", b"[" * 10**5, b"\xff", b'{"x":' + b"1" * 10**5):
        (tmp_path / "h").write_bytes(text + b"\n")
        tracemalloc.start()
        with pytest.raises(nbt.DataError, match="line 1: not a JSON object"):
            nbt.History.load(tmp_path / "h")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * len(text) + 16 * M


def test_settings_of_a_run_that_are_no_text(tmp_path, capsys):
    """What a history says of its run is whatever a file holds."""
    from nbt.cli import run

    (tmp_path / "text").write_text("abab\n")
    for value in ({"x": {}}, [1], 3, None):
        trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(3))
        history = nbt.History(dict.fromkeys(("failure", "format", "column", "columns"), value))
        history.add([0.5], 0.1)
        alphabet = nbt.streams.Alphabet("ab\n")
        place = {"name": None, "state": {"position": value}}
        nbt.Checkpoint(trainer, alphabet, place, history).save(tmp_path / "m")
        for args in (["info", "-m"], ["predict", str(tmp_path / "text"), "-m"], ["sample", "-m"]):
            assert run([*args, str(tmp_path / "m")]) == 0
