"""Curves of single runs, bands over seeds, and where labels go."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbt.experiments.curves import Curve, band, median, quartiles
from nbt.experiments.labels import spread

INF = math.inf


def run(steps, bits, seconds=None, diverged_at=None):
    seconds = np.array(steps) / 100 if seconds is None else seconds
    return Curve(np.array(steps), np.array(bits, float), np.array(seconds, float), diverged_at)


def test_a_curve_is_read_from_its_record():
    record = {"step": [1, 2, 4], "average_bits": [3.0, 2.0, 1.5], "seconds": [0.1, 0.2, 0.4]}
    curve = Curve.of({**record, "diverged_at": None})
    assert (curve.steps, curve.final, curve.diverged) == (4, 1.5, False)
    assert curve.microseconds == pytest.approx(1e5)
    gone = Curve.of({**record, "diverged_at": 5})
    assert (gone.steps, gone.final, gone.diverged) == (4, INF, True)


def test_a_run_that_diverged_at_once():
    nothing = Curve.of({"step": [], "average_bits": [], "seconds": [], "diverged_at": 0})
    assert (nothing.steps, nothing.final, nothing.last_half()) == (0, INF, INF)
    assert math.isnan(nothing.microseconds)
    assert nothing.at(10) == INF
    assert len(band([nothing]).step) == 0


def test_losses_between_rows():
    curve = run([1, 2, 4, 8], [4.0, 3.0, 2.0, 1.0])
    assert curve.at(4) == 2.0
    assert curve.at(2 * math.sqrt(2)) == pytest.approx(2.5)
    assert curve.since(4) == curve.since(5) == pytest.approx((8 - 8) / 4)
    assert curve.last_half() == curve.since(4)
    assert curve.octaves(2).tolist() == pytest.approx([(8 - 6) / 2, 0.0])


def test_a_band_reaches_as_far_as_every_run_and_ends_at_the_median_end():
    band_ = band([run([1, 2, 4, 8], [4, 3, 2, 1]), run([1, 2, 4, 6], [5, 4, 3, 2])])
    assert band_.step.tolist() == [1, 2, 4, 7]
    assert band_.median.tolist() == [4.5, 3.5, 2.5, 1.5]
    assert band_.low.tolist() == [4, 3, 2, 1]
    assert band_.high.tolist() == [5, 4, 3, 2]
    assert band_.seconds.tolist() == pytest.approx([0.01, 0.02, 0.04, 0.07])
    assert (band_.diverged, band_.count) == (0, 2)


def test_divergence_is_infinite_loss_from_there_on():
    good = [run([1, 2, 4, 8], [4, 3, 2, 1]) for _ in range(3)]
    gone = run([1, 2], [4, 3], diverged_at=3)
    some = band([*good, gone])
    assert some.median.tolist() == [4, 3, 2, 1, 1]
    assert some.diverged == 1
    most = band([good[0], gone, gone, gone])
    assert most.median.tolist() == [4, 3, INF, INF, INF]
    assert most.low.tolist() == [4, 3, 2, 1, 1]
    assert most.high.tolist() == [4, 3, INF, INF, INF]
    every = band([gone, gone])
    assert every.step.tolist() == [1, 2]
    assert every.median.tolist() == [4, 3]


def test_quartiles_are_values_and_need_no_finite_ones():
    assert quartiles(range(10)).tolist() == [2, 7]
    assert quartiles([1, 2, INF, INF]).tolist() == [1, INF]
    assert quartiles([INF] * 3).tolist() == [INF, INF]
    assert median([1, INF, INF]) == INF
    assert median([1, INF]) == INF
    assert math.isnan(median([]))


# ---- labels -------------------------------------------------------------------------------------

numbers = st.lists(st.floats(-50, 150), min_size=1, max_size=12)


@given(numbers)
def test_labels_keep_apart_and_in_order_and_inside(wanted):
    places = spread(wanted, 5.0, 0.0, 100.0)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    sorted_places = [places[i] for i in order]
    assert all(b - a >= 5.0 - 1e-9 for a, b in itertools.pairwise(sorted_places))
    assert sorted_places[0] >= -1e-9
    assert sorted_places[-1] <= 100.0 + 1e-9


def test_labels_with_room_stay_where_they_are():
    assert spread([10.0, 70.0, 40.0], 5.0, 0.0, 100.0) == [10.0, 70.0, 40.0]
    assert spread([], 5.0, 0.0, 100.0) == []


def test_labels_that_collide_share_the_distance():
    assert spread([50.0, 50.0], 10.0, 0.0, 100.0) == pytest.approx([45.0, 55.0])
    assert spread([50.0, 52.0, 51.0], 10.0, 0.0, 100.0) == pytest.approx([41.0, 61.0, 51.0])


def test_too_many_labels_are_spread_evenly():
    assert spread([5.0] * 5, 50.0, 0.0, 100.0) == pytest.approx([0.0, 25.0, 50.0, 75.0, 100.0])
