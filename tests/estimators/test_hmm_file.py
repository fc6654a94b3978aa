"""An HMM in a file: what was saved goes on to the bit; what is wrong is refused."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from helpers.checkpoint_files import content, forge

import nbt
from nbt.cli import run
from nbt.errors import CheckpointError
from nbt.hmm.statistics import Exact, Filtered, RankOne

KINDS = {
    "exact": {"rate": 0.05},
    "filtered": {"statistics": "filtered", "rate": nbt.InverseSqrt(0.5)},
    "rank-one": {"statistics": "rank-one", "rank": 2, "blocks": 3},
}
CLASSES = {"exact": Exact, "filtered": Filtered, "rank-one": RankOne}
SYMBOLS = np.random.default_rng(3).integers(4, size=120)


def made(kind="rank-one"):
    return nbt.HMM(5, 4, burn_in=9, seed=2, **KINDS[kind])


@pytest.fixture
def saved(tmp_path):
    model = made()
    model.learn(SYMBOLS)
    model.save(tmp_path / "m")
    return tmp_path / "m"


@pytest.mark.parametrize("cut", [0, 1, 9, 10, 77])
@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_bit_for_bit(tmp_path, kind, cut, assert_same_state):
    whole, model = made(kind), made(kind)
    losses = whole.learn(SYMBOLS)
    model.learn(SYMBOLS[:cut])
    model.save(tmp_path / "m")
    again = nbt.load(tmp_path / "m")
    assert isinstance(again, nbt.HMM)
    assert repr(again) == repr(model)
    assert_same_state(again.state_dict(), model.state_dict())
    np.testing.assert_array_equal(again.learn(SYMBOLS[cut:]), losses[cut:])
    assert_same_state(again.state_dict(), whole.state_dict())


def test_the_place_in_the_stream_and_the_history_are_kept(tmp_path):
    model, stream = made(), nbt.datasets.anbn(1, 9, seed=4)
    history = nbt.train(model, stream, steps=70)
    model.save(tmp_path / "m", stream, history)
    found = nbt.Checkpoint.load(tmp_path / "m")
    assert found.alphabet == stream.alphabet
    assert found.history.live().average_bits == history[-1].average_bits
    other = nbt.datasets.anbn(1, 9, seed=4)
    other.load_state_dict(found.stream["state"])
    np.testing.assert_array_equal(other.read(50), stream.read(50))
    nbt.train(found.trainer, other, steps=90, history=found.history)
    assert found.trainer.step == 90


def test_the_previous_one_is_kept(saved):
    first = saved.read_bytes()
    model = nbt.HMM.load(saved)
    model.learn(SYMBOLS)
    model.save(saved)
    assert saved.with_name("m.previous").read_bytes() == first
    assert nbt.HMM.load(saved).step == 240


def test_something_else_is_no_hmm(saved, tmp_path):
    nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(4)).save(tmp_path / "net")
    with pytest.raises(CheckpointError, match="net: expected HMM, got NoBackTrack"):
        nbt.HMM.load(tmp_path / "net")
    with pytest.raises(CheckpointError, match="holds no trainer"):
        nbt.load(saved, cell=nbt.RNN(3))


def test_every_altered_byte_and_every_cut_is_noticed(saved):
    good, rng = saved.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(0, len(good), 300):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(bad)
        with pytest.raises(CheckpointError):
            nbt.load(saved)
    for length in range(0, len(good), 89):
        saved.write_bytes(good[:length])
        with pytest.raises(CheckpointError, match=r"cut short|not a checkpoint"):
            nbt.load(saved)


HUGE = 4000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"states": HUGE}, "transmat: expected shape"),
        ({"symbols": HUGE}, "emissionprob: expected shape"),
        ({"rank": HUGE}, "statistics.v: expected shape"),
        ({"blocks": 2}, "statistics.v: expected shape"),
        ({"blocks": 0}, "sizes"),
        ({"states": 5.0}, "sizes"),
        ({"statistics": "exact"}, "statistics.G: expected shape"),
        ({"statistics": "all"}, "statistics: expected one of"),
        ({"statistics": ["exact"]}, "statistics: expected one of"),
        ({"rate": {"kind": "RNN", "units": 3}}, "rate: expected a number"),
        ({"rate": -1}, "rate"),
        ({"burn_in": None}, "burn_in"),
        ({"seed": 2**64}, "seed"),
        ({"cell": {"kind": "RNN", "units": 3}}, "cell"),
        ({"trainer": "NoBackTrack"}, "'cell' is missing"),
    ],
)
def test_forged_descriptions(saved, change, words):
    head, tensors = content(saved)
    forge(saved, {**head, "trainer": {**head["trainer"], **change}}, tensors)
    with pytest.raises(CheckpointError, match=words):
        nbt.load(saved)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("transmat", None, "transmat"),
        ("startprob", None, "startprob"),
        ("startprob", np.full(HUGE, 1 / HUGE), "startprob: expected shape"),
        ("emissionprob", np.full((5, 4), 0.3), "emissionprob: expected .* row 0 adds up to 1.2"),
        ("step", np.uint64(2**64 - 1), "step: expected an integer in"),
        ("startprob", np.ones(5), "add up to 1"),
        ("filter", np.full(5, np.inf), "filter is not finite"),
        ("filter", np.full(5, -0.2), "not below 0"),
        ("filter", np.zeros(4), "filter: expected shape"),
        ("step", np.float64(3), "step"),
        ("more", np.zeros(1), "more"),
    ],
)
def test_forged_arrays(saved, name, value, words):
    head, tensors = content(saved)
    tensors.pop(name, None)
    if value is not None:
        tensors[name] = np.asarray(value)
    forge(saved, head, tensors)
    with pytest.raises(CheckpointError, match=words):
        nbt.load(saved)


def test_what_is_not_finite_is_not_saved(saved):
    before, model = saved.read_bytes(), nbt.load(saved)
    model._state = replace(model._state, transmat=np.full((5, 5), np.nan))
    with pytest.raises(CheckpointError, match="not written: transmat is not finite"):
        model.save(saved)
    assert saved.read_bytes() == before


def test_the_command_line_says_what_it_is(saved, capsys):
    assert run(["info", "-m", str(saved), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["trainer"], facts["states"], facts["step"]) == ("HMM", 5, 120)
    for command in ("predict", "sample"):
        assert run([command, "-m", str(saved)]) == 2
        assert "expected a network, got an HMM" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_leaves_whole_steps(kind, monkeypatch, assert_same_state):
    """Ctrl-C within a step: the model is as after the step before."""
    model, expected = made(kind), made(kind)
    recursion = CLASSES[kind]
    step = recursion.step

    def interrupted(self, arrays, t, *rest):
        result = step(self, arrays, t, *rest)
        if t == 40:
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(recursion, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.learn(SYMBOLS)
    monkeypatch.undo()
    expected.learn(SYMBOLS[:40])
    assert_same_state(model.state_dict(), expected.state_dict())
    np.testing.assert_array_equal(model.learn(SYMBOLS[40:]), expected.learn(SYMBOLS[40:]))
