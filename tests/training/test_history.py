"""Sums of losses at exponentially spaced steps."""

import json
import math
import sys

import numpy as np
import pytest

import nbt
from nbt.errors import DataError, MissingExtra
from nbt.training.history import History
from nbt.training.report import html

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


@pytest.mark.parametrize("cuts", [[], [100], [128, 600]])
def test_losses_after_a_huge_one_are_still_seen(cuts, tmp_path):
    """A sum of 1e59 has no digit left for losses near 1."""
    history = History()
    for part in np.split(np.where(np.arange(1000) == 99, 1e59, LOSSES), cuts):
        history.add(part, seconds=1.0)
        history = History.from_state(history.state_dict())
    now = LOSSES[512:].mean() / math.log(2)
    assert history.live().since_bits == pytest.approx(now, rel=1e-12)
    later = LOSSES[128:256].mean() / math.log(2)
    assert history.since_bits[history.step == 256][0] == pytest.approx(later, rel=1e-12)
    for stopped in (False, True):
        if stopped:
            history.finish("steps")
        start, loss = history.tail()
        assert (start, loss) == (256, pytest.approx(LOSSES[256:].mean() / math.log(2), rel=1e-12))
    history.save(tmp_path / "history.jsonl")
    assert History.load(tmp_path / "history.jsonl").tail() == (start, pytest.approx(loss))


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
    named = ["step", "average_bits", "since_bits", "seconds", "symbols_per_second"]
    assert list(lines[1]) == named
    back = History.load(path)
    for name in history[0]._fields[:-1]:
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


# ---- one unit a kind of stream -----------------------------------------------------------------

NUMBERS = {"unit": "nats"}


def of_numbers():
    """Losses 1, 2, …, 8, in nats."""
    history = History(NUMBERS)
    history.add(np.arange(1.0, 9.0), 1.0)
    return history


def test_numbers_are_in_nats_wherever_they_are_shown(tmp_path):
    history = of_numbers()
    assert "4.5000 nats per step" in repr(history)
    assert history.tail() == (4, 6.5)
    row = history[-1]
    assert (row.average, row.since, row.unit) == (4.5, 6.5, "nats")
    assert history.live().average == row.average
    assert (history.average[-1], history.average_nats[-1]) == (4.5, 4.5)
    assert "average_nats=4.5, since_nats=6.5" in repr(row)
    assert "bits" not in repr(row) + row.to_json() + "".join(history.state_dict())
    assert json.loads(row.to_json())["since_nats"] == 6.5
    assert "4.5000" in history._repr_html_()
    assert "6.5000" in history._repr_html_()
    history.save(tmp_path / "h")
    assert "bits" not in (tmp_path / "h").read_text()
    page = html(history, "")
    assert "4.5000 nats per step" in page
    assert "<td>4.5000</td><td>6.5000</td>" in page
    assert "average nats" in page
    for name in ("average", "since"):  # what is named is what it says
        in_bits = getattr(row, f"{name}_bits") * math.log(2)
        assert in_bits == pytest.approx(getattr(row, f"{name}_nats")) == getattr(row, name)


def test_symbols_are_in_bits_wherever_they_are_shown():
    history = History()
    history.add(np.log([2.0] * 4 + [4.0] * 4), 1.0)
    row = history[-1]
    assert (row.average, row.unit) == (pytest.approx(1.5), "bits")
    assert history.tail() == (4, pytest.approx(2.0))
    assert "average_bits=1." in repr(row)
    assert "1.5000 bits per symbol" in repr(history)
    assert "nats" not in repr(row) + row.to_json() + "".join(history.state_dict())


def test_a_tail_is_the_tail_where_steps_have_no_loss(tmp_path):
    losses = np.concatenate([np.full(512, 9.0), np.full(500, 1.0)])
    losses[::3] = np.nan
    whole, parts = History(NUMBERS), History(NUMBERS)
    whole.add(losses, 1.0)
    for part in np.array_split(losses, 11):
        parts.add(part, 1.0)
    whole.finish("end")
    parts.finish("end")
    again = History.from_state(parts.state_dict(), NUMBERS)
    whole.save(tmp_path / "h")
    again.finish("end")
    for history in (whole, parts, again, History.load(tmp_path / "h")):
        assert history.tail() == (256, pytest.approx(np.nanmean(losses[256:]), rel=1e-9))
        assert history[-1].unscored == 338
        assert history.unscored.tolist()[:3] == [1, 1, 2]
    assert json.loads(whole[-1].to_json())["unscored"] == 338


def test_without_a_loss_in_the_tail_there_is_none():
    history = History(NUMBERS)
    history.add(np.array([1.0, 2.0, np.nan, np.nan]), 1.0)
    start, loss = history.tail()
    assert start == 2
    assert math.isnan(loss)


def test_older_states_and_files_are_read(tmp_path):
    """They had bits of numbers, too, and no count of steps without a loss in each row."""
    history, per_nat = of_numbers(), 1 / math.log(2)
    old = history.state_dict()
    for name in ("average", "since"):
        old[f"{name}_bits"] = old.pop(f"{name}_nats") * per_nat
    again = History.from_state(old, NUMBERS)
    np.testing.assert_allclose(again.average, history.average, rtol=1e-15)
    assert again.tail() == pytest.approx(history.tail())

    with_gap = History(NUMBERS)
    with_gap.add(np.array([1.0, np.nan, 3.0, 5.0]), 1.0)
    old = with_gap.state_dict()
    del old["unscored"]
    again = History.from_state(old, NUMBERS)
    assert again.tail() == (0, 3.0)  # all that can be told
    again.add(np.array([5.0] * 12), 2.0)
    assert again.tail() == (8, 5.0)

    head = {"format": "nbt-history", "schema": 1, "settings": NUMBERS}
    row = {"step": 2, "average_bits": 3 * per_nat, "since_bits": None, "seconds": 1.0}
    row["symbols_per_second"] = 2.0
    (tmp_path / "h").write_text(f"{json.dumps(head)}\n{json.dumps(row)}\n")
    again = History.load(tmp_path / "h")
    assert again[0].average == pytest.approx(3)
    assert again.live().average_nats == pytest.approx(3)


@pytest.mark.parametrize("gaps", [[-2, 0, 0], [0, 3, 3], [1, 2]])
def test_a_state_with_impossible_counts_of_steps_is_refused(gaps):
    history = History(NUMBERS)
    history.add(np.array([1.0, np.nan, 3.0, 5.0]), 1.0)
    with pytest.raises(ValueError, match="history"):
        History.from_state({**history.state_dict(), "unscored": np.array(gaps)}, NUMBERS)


class Pairs:
    """Symbols in, a number out."""

    name, endless, alphabet = "pairs", False, nbt.streams.Alphabet("ab")

    def __init__(self):
        self.left = 40

    def read(self, count):
        count = min(count, self.left)
        self.left -= count
        x = np.arange(count) % 2
        return x, x[:, np.newaxis] * 1.0


def test_the_unit_is_that_of_what_is_predicted():
    trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Gaussian(1, False), inputs=nbt.Symbols(2))
    assert nbt.train(trainer, Pairs()).unit == "nats"
    mine = History()
    nbt.train(trainer, Pairs(), history=mine)
    assert mine.unit == "nats"
    symbols = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(2))
    assert nbt.train(symbols, nbt.streams.symbols([0, 1] * 9), history=History()).unit == "bits"
