"""Sums of losses at exponentially spaced steps."""

import json
import math
import sys

import numpy as np
import pytest

from nbt.errors import DataError, MissingExtra
from nbt.history import History

LOSSES = np.random.default_rng(7).exponential(size=1000)


def filled(cuts, stopped="steps"):
    history = History({"seed": 3})
    begin = 0
    for end in [*cuts, len(LOSSES)]:
        history.add(LOSSES[begin:end], seconds=end / 100)
        begin = end
    history.finish(stopped)
    return history


def test_rows_are_exact():
    history = filled([])
    assert history.step.tolist() == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]
    last = 0
    for i, step in enumerate(history.step):
        average, since = LOSSES[:step].mean(), LOSSES[last:step].mean()
        assert history.average_bits[i] == pytest.approx(average / math.log(2), rel=1e-13)
        assert history.since_bits[i] == pytest.approx(since / math.log(2), rel=1e-12)
        assert history.seconds[i] == pytest.approx(step / 100)
        assert history.symbols_per_second[i] == pytest.approx(100)
        last = step
    assert history.stopped == "steps"
    assert history.settings == {"seed": 3}


@pytest.mark.parametrize("cuts", [[1], [511], [512], [513], [3, 500, 999], list(range(1, 1000))])
def test_cutting_changes_no_bit(cuts):
    one, other = filled([]), filled(cuts)
    assert one.step.tolist() == other.step.tolist()
    assert one.average_bits.tobytes() == other.average_bits.tobytes()
    assert one.since_bits.tobytes() == other.since_bits.tobytes()
    assert one.live().average_bits == other.live().average_bits


def test_last_row_is_not_repeated():
    history = History()
    history.add(np.ones(8), 1.0)
    history.finish("end")
    history.finish("end")
    assert history.step.tolist() == [1, 2, 4, 8]


def test_live_row():
    history = History()
    assert math.isnan(history.live().average_bits)
    assert math.isnan(history.tail()[1])
    history.add(np.log([2.0, 2.0, 2.0, 2.0, 16.0, 4.0]), 3.0)
    row = history.live()
    assert (row.step, row.seconds) == (6, 3.0)
    assert row.average_bits == pytest.approx(10 / 6)
    assert row.since_bits == pytest.approx(3)
    assert row.symbols_per_second == pytest.approx(2)
    history.add(np.zeros(0), 9.0)
    assert history.live() == row


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 9, 1000])
def test_tail_begins_at_the_last_row_before_half(steps):
    history = History()
    history.add(LOSSES[:steps], 1.0)
    start, bits = history.tail()
    assert start == max([2**k for k in range(12) if 2**k <= steps // 2], default=0)
    assert bits == pytest.approx(LOSSES[start:steps].mean() / math.log(2))


def test_columns_grow_and_are_read_only():
    history = History()
    for k in range(41):  # 2⁴⁰ steps would take a while: take in sums as blocks of equal losses do
        history._row(history._now._replace(step=2**k, nats=2.0**k, seconds=float(k + 1)))
    assert len(history) == 41
    assert history.step[40] == 2**40
    assert history.average_bits[-1] == pytest.approx(1 / math.log(2))
    with pytest.raises(ValueError, match="read-only"):
        history.step[0] = 5
    assert history[-1].step == 2**40
    assert [row.step for row in history][:3] == [1, 2, 4]


def test_save_and_load(tmp_path):
    history = filled([100], "interrupt")
    path = tmp_path / "history.jsonl"
    history.save(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["settings"] == {"seed": 3}
    assert len(lines) == 1 + len(history)
    assert list(lines[1]) == list(history[0]._fields[:5])
    back = History.load(path)
    for name in history[0]._fields:
        assert getattr(back, name).tobytes() == getattr(history, name).tobytes()
        assert getattr(back, name).dtype == getattr(history, name).dtype
    assert (back.settings, back.stopped) == (history.settings, history.stopped)
    assert back.tail() == pytest.approx(history.tail())
    assert repr(back) == repr(history)


def test_a_loaded_history_goes_on_as_dense(tmp_path):
    history = History(per_octave=4)
    history.add(np.ones(100), 1.0)
    history.save(tmp_path / "history.jsonl")
    again = History.load(tmp_path / "history.jsonl")
    for each in (history, again):
        each.add(np.ones(900), 2.0)
    assert again.per_octave == 4
    assert again.step.tolist() == history.step.tolist()


@pytest.mark.parametrize(("unit", "scale"), [("bits", 1.0), ("nats", math.log(2))])
def test_plot(unit, scale, tmp_path):
    pytest.importorskip("matplotlib")
    history = History({"entropy_rate": 0.5, "unit": unit, "stream": "a stream"})
    history.add(np.linspace(2, 1, 100), 1.0)
    (axes,) = history.plot(tmp_path / "curve.svg").axes
    average, since, entropy = axes.get_lines()
    assert average.get_xdata().tolist() == history.step.tolist()
    assert np.allclose(average.get_ydata(), history.average_bits * scale)
    assert np.allclose(since.get_ydata(), history.since_bits * scale)
    assert list(entropy.get_ydata()) == [0.5, 0.5]
    assert unit in axes.get_ylabel()
    assert (tmp_path / "curve.svg").stat().st_size > 1000


def test_plot_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"pip install \"nobacktrack\[plot\]\""):
        History().plot()


def test_unmeasured_is_null(tmp_path):
    history = History()
    history.add(np.ones(1), 0.0)
    history.save(tmp_path / "h")
    assert '"symbols_per_second": null' in (tmp_path / "h").read_text()
    assert math.isnan(History.load(tmp_path / "h").symbols_per_second[0])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "line 1"),
        (["{}"], "line 1"),
        (['{"format": "nbt-history", "schema": 2}'], "line 1"),
        (['{"format": "nbt-history", "schema": 1, "per_octave": 0}'], "line 1.*per_octave"),
        (["HEAD", "ROW", "ROW"], "line 3.*does not grow"),
        (["HEAD", '{"step": 1}'], "line 2"),
        (["HEAD", "ROW", "[]"], "line 3"),
        (["HEAD", "RO"], "line 2"),
        (["HEAD", '{"x": 1}'], "line 2"),
    ],
)
def test_damaged_files(tmp_path, lines, words):
    history = History()
    history.add(np.ones(1), 1.0)
    history.save(tmp_path / "h")
    head, row = (tmp_path / "h").read_text().splitlines()
    lines = [{"HEAD": head, "ROW": row}.get(line, line) for line in lines]
    (tmp_path / "h").write_text("".join(line + "\n" for line in lines))
    with pytest.raises(DataError, match=words):
        History.load(tmp_path / "h")


@pytest.mark.parametrize("per_octave", [1, 2, 4, 7])
@pytest.mark.parametrize("cuts", [[], [1, 2, 3], list(range(1, 1000))])
def test_rows_as_dense_as_asked(per_octave, cuts):
    history = History(per_octave=per_octave)
    begin = 0
    for end in [*cuts, len(LOSSES)]:
        history.add(LOSSES[begin:end], seconds=end)
        begin = end
    history.finish("steps")
    marks = {int(2 ** (k / per_octave)) for k in range(12 * per_octave)}
    assert history.step.tolist() == [*sorted(mark for mark in marks if mark < 1000), 1000]
    sums = np.cumsum(LOSSES)[history.step - 1] / history.step / math.log(2)
    np.testing.assert_allclose(history.average_bits, sums, rtol=1e-12)


def test_density_must_be_a_positive_integer():
    with pytest.raises(ValueError, match="per_octave"):
        History(per_octave=0)


@pytest.mark.parametrize("per_octave", [1, 5])
@pytest.mark.parametrize("cut", [0, 1, 333, 512, 999])
def test_goes_on_from_its_state(cut, per_octave):
    whole, first = History({"seed": 3}, per_octave), History({"seed": 3}, per_octave)
    whole.add(LOSSES, 10.0)
    first.add(LOSSES[:cut], cut / 100)
    first.finish("interrupt")
    second = History.from_state(first.state_dict(), first.settings)
    for history in (first, second):  # the one that goes on itself loses its closing row
        history.add(LOSSES[cut:], 10.0)
        history.finish("end")
        assert history.per_octave == per_octave
    whole.finish("end")
    for name in ("step", "average_bits", "since_bits"):
        assert getattr(second, name).tobytes() == getattr(whole, name).tobytes(), name
        assert getattr(first, name).tobytes() == getattr(whole, name).tobytes(), name


@pytest.mark.parametrize("value", [0, 1001, 2.5])
def test_state_with_a_bad_spacing(value):
    state = History().state_dict()
    with pytest.raises((TypeError, ValueError), match="per_octave"):
        History.from_state({**state, "per_octave": np.array(value)})


def test_counts_of_the_stream():
    """In the rows, in JSON where they are not 0, in the state, and after going on."""
    history = History()
    history.add(np.ones(3), 1.0)
    assert not any("unknown" in name for name in history.state_dict())
    history.add(np.ones(2), 2.0, {"unknown": 2, "replaced": 0, "skipped": 7})
    assert history.unknown.tolist() == [0, 0, 2]
    assert history.live().counts == {"replaced": 0, "unknown": 2, "skipped": 7}
    assert json.loads(history[-1].to_json())["skipped"] == 7
    assert "replaced" not in json.loads(history[-1].to_json())
    again = History.from_state(history.state_dict())
    assert again.counts == history.counts
    assert [*again] == [*history]
    assert again.state_dict().keys() == history.state_dict().keys()
    bad = history.state_dict() | {"now.unknown": np.array(-1)}
    with pytest.raises(ValueError, match="counts"):
        History.from_state(bad)
