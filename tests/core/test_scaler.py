"""Online standardisation and numbers that are missing."""

import copy

import numpy as np
import pytest
from helpers.pairs import FEW, INPUTS, TOLERANCE, few
from helpers.refusals import expect
from oracle.scaler import HORIZON, Scaler

import nbt

NAN = float("nan")
KEPT = ("count", "mean", "variance", "kept_mean", "kept_variance")


# ---- the oracle, and C against it --------------------------------------------------------------


def fresh(size):
    return Scaler({f"x.{key}": np.zeros(size) for key in ("count", "mean", "variance")}, "x")


def test_the_recursion_is_the_mean_and_the_variance_of_what_is_known():
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 5, size=(50, 3))  # nothing of it is far off
    x[:3] = [[1, 1.2, 5], [5, 4.8, 1], [3, 3.1, 2.8]]
    x[3:][rng.random((47, 3)) < 0.3] = NAN
    scaler = fresh(3)
    for row in x:
        scaler.follow(row)
    np.testing.assert_allclose(scaler.mean, np.nanmean(x, axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaler.variance, np.nanvar(x, axis=0), rtol=1e-12)
    assert (scaler.count == (~np.isnan(x)).sum(axis=0)).all()


def test_after_many_the_weights_are_exponential():
    scaler = fresh(1)
    scaler.count[:], scaler.mean[:], scaler.variance[:] = HORIZON, 2.0, 3.0
    scaler.follow(np.array([5.0]))
    w = 1 / HORIZON
    assert scaler.mean[0] == pytest.approx((1 - w) * 2 + w * 5, rel=1e-14)
    expected = (1 - w) * (3 + 2**2) + w * 5**2 - scaler.mean[0] ** 2  # second moments
    assert scaler.variance[0] == pytest.approx(expected, rel=1e-12)


# ---- scales that are kept ------------------------------------------------------------------------


def restless(steps=400):
    """Numbers with gaps, values that are far off, new levels and scales, a constant column that
    begins to vary."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(steps, 4)) * [1, 5, 0.1, 0] + [0, 100, -3, 7]
    x[rng.random(x.shape) < 0.05] = NAN
    x[20, 0] = x[200, 1] = 1e6
    x[100:, 2] = 40 * x[100:, 2]
    x[150:, 0] += 30
    x[300:, 3] += rng.normal(size=steps - 300)
    return x


@pytest.mark.parametrize("cell", [nbt.LeakyRNN(3, leak=0.5, learn=False), nbt.GRU(3, learn=False)])
def test_kept_scales_are_those_of_the_oracle(cell):
    """And the network reads by them."""
    x = restless()
    trainer = nbt.NoBackTrack(cell, nbt.Softmax(2), inputs=4, dtype="float64", missing="mask")
    scaler = Scaler({f"x.{key}": np.zeros(4) for key in KEPT}, "x")
    h = np.zeros(3)
    for t, row in enumerate(x):
        read = scaler.read_input(row)
        trainer.learn(row[None], [t % 2])
        scaler.follow(row)
        scaler.keep()
        state = trainer.state_dict()
        for key in KEPT:
            np.testing.assert_allclose(state[f"inputs.{key}"], getattr(scaler, key), rtol=1e-12)
        if isinstance(cell, nbt.LeakyRNN):
            a = 1 / (1 + np.exp(-h))
            h = 0.5 * h + state["cell.b"] + a @ state["cell.W"] + read @ state["cell.r"]
            np.testing.assert_allclose(state["state.h"], h, rtol=1e-9)


def test_kept_scales_stay_as_they_are_until_they_are_far_off():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 1))

    def kept(x):
        trainer = nbt.NoBackTrack(nbt.RNN(2, learn=False), nbt.Softmax(2), inputs=1)
        seen = []
        for part in np.split(x, 30):
            trainer.learn(part, np.zeros(100, int))
            state = trainer.state_dict()
            seen.append((state["inputs.kept_mean"][0], state["inputs.kept_variance"][0]))
        return np.array(seen)

    plain, one = kept(x), x.copy()
    one[500] = 1e6
    assert (plain == plain[0]).all()
    assert (kept(one) == plain[0]).all()
    one[500:1500] += 100  # a new level
    mean, variance = kept(one)[14]
    assert abs(100 - mean) < 5 * np.sqrt(variance)
    listened = nbt.NoBackTrack(nbt.LSTM(2), nbt.Softmax(2), inputs=1)
    assert "inputs.kept_mean" not in listened.state_dict()


def test_kept_scales_go_on_anywhere(tmp_path, assert_same_state):
    """Also in predictions along inputs, and from a state that has none."""
    x, y = restless(), np.arange(400) % 2
    whole = nbt.NoBackTrack(nbt.LSTM(3, learn=False), nbt.Softmax(2), inputs=4, missing="mask")
    cut = copy.copy(whole)
    expected = whole.learn(x, y)
    losses = [cut.learn(x[:57], y[:57])]
    cut.save(tmp_path / "c.nbt")
    cut = nbt.load(tmp_path / "c.nbt")
    along = cut.predict_along(x[57:60])
    losses += [cut.learn(x[57:59], y[57:59])]
    losses += [cut.learn(x[59:], y[59:])]
    assert np.concatenate(losses).tobytes() == expected.tobytes()
    assert_same_state(cut.state_dict(), whole.state_dict())
    assert along.shape == (3, 2)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("missing", ["error", "skip", "mask"])
@pytest.mark.parametrize("kind", ["softmax", "gaussian", "bernoulli"])
@pytest.mark.parametrize("name", FEW)
def test_array_by_array(name, kind, missing, dtype):
    for optimizer in ("sgd", "kalman"):
        for inputs in INPUTS if kind != "softmax" else ("vector",):
            for standardize in (False, True):
                pair = few(
                    name,
                    optimizer,
                    readout=kind,
                    inputs=inputs,
                    dtype=dtype,
                    missing=missing,
                    standardize=standardize,
                )
                pair.tolerance *= 5  # small deviations make large numbers
                wrong = pair.follow(8)
                assert not wrong, (optimizer, inputs, standardize, wrong)


@pytest.mark.parametrize("name", FEW)
def test_from_the_beginning(name):
    pair = few(name, "kalman", readout="gaussian", missing="mask", standardize=True)
    pair.trainer = nbt.trainers.from_description(pair.trainer.describe())
    pair.start_oracle()
    assert not pair.oracle.scale_x.count.any()
    assert not pair.follow(12)
    assert (pair.oracle.scale_x.count > 0).all()


def test_count_stops_growing():
    trainer = nbt.NoBackTrack(nbt.RNN(3), nbt.Softmax(2), inputs=nbt.Vector(1, standardize=True))
    rng = np.random.default_rng(0)
    trainer.learn(rng.normal(50, 3, size=70_000), rng.integers(0, 2, 70_000))
    state = trainer.state_dict()
    assert state["inputs.count"] == HORIZON
    assert state["inputs.mean"] == pytest.approx(50, abs=0.1)
    assert state["inputs.variance"] == pytest.approx(9, abs=0.3)


def followed(values):
    scaler = fresh(1)
    for value in values:
        scaler.follow(np.array([value]))
    return scaler


def test_one_value_doubles_the_variance_at_most():
    x = np.random.default_rng(0).normal(20, 3, size=400)
    before = followed(x)
    for outlier in (1e3, 1e10, -1e30, 1e200):
        after = followed([*x, outlier])
        assert 1.9 < after.variance[0] / before.variance[0] < 2.1
        assert abs(after.mean[0] - before.mean[0]) < 1.1 * before.deviation[0] / np.sqrt(401)


@pytest.mark.parametrize("place", range(10))
def test_an_outlier_among_the_first_values(place):
    x = np.random.default_rng(3).normal(20, 3, size=1000)
    x[place] = 1e30
    found = followed(x)
    assert found.mean[0] == pytest.approx(20, abs=1)
    assert found.deviation[0] == pytest.approx(3, rel=0.5)


def test_a_new_scale_is_followed_exponentially_fast():
    x = np.random.default_rng(0).normal(size=1000)
    found = followed([*x, *(1e6 * x[:60])])
    true = np.sqrt(np.var([*x, *(1e6 * x[:60])]))
    assert found.deviation[0] > 0.3 * true


@pytest.mark.parametrize("p", [0.3, 0.03, 0.003, 0.001])
def test_rare_events_count_in_full(p):
    x = (np.random.default_rng(1).random(20_000) < p).astype(float)
    assert followed(x).deviation[0] == pytest.approx(x.std(), rel=0.1)


def test_a_constant_has_no_scale_and_a_jump_of_it_is_bounded():
    assert followed([7.0] * 100).variance[0] == 0
    assert followed([*[7.0] * 100, 1e30]).mean[0] < 100
    assert followed([*[0.0] * 100, 1e9]).mean[0] == pytest.approx(1e9 / 101)


# ---- what it means -----------------------------------------------------------------------------


def trainers(*, missing="error", standardize=True, **more):
    for rule in (nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT):
        readout = nbt.Gaussian(2, standardize)
        inputs = nbt.Vector(3, standardize)
        yield rule(
            nbt.LeakyRNN(5), readout, nbt.Kalman(), inputs=inputs, missing=missing, seed=1, **more
        )


def data(steps, seed=0):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(size=(steps, 3)), axis=0)
    return x, x[:, :2] * [1.0, -2.0] + 0.1 * rng.normal(size=(steps, 2))


def test_units_do_not_matter():
    """Inputs and targets in other units: the same network, losses shifted by the logarithms."""
    x, y = data(300)
    scale, shift = np.array([1e3, 1e-3]), np.array([5e3, -7.0])
    for plain, other in zip(trainers(dtype="float64"), trainers(dtype="float64"), strict=True):
        expected = plain.learn(x, y)
        losses = other.learn(x * [1e4, 1e-5, 3.0] + [1e5, 1.0, 0.0], y * scale + shift)
        late = slice(3, None)  # the first values have no scale yet
        np.testing.assert_allclose(
            losses[late], expected[late] + np.log(scale).sum(), rtol=1e-5, atol=1e-5
        )
        mean, variance = plain.predict()
        shown = other.predict()
        np.testing.assert_allclose(shown[0], mean * scale + shift, rtol=1e-5)
        np.testing.assert_allclose(shown[1], variance * scale**2, rtol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "deviation"),
    [
        *(("float32", deviation) for deviation in (1e-17, 2e-19, 1e18)),
        *(("float64", deviation) for deviation in (1e-150, 1e150)),
    ],
)
def test_numbers_of_any_scale(dtype, deviation):
    """Increments of the variance are far below it, and must not be lost on one side."""
    x = np.random.default_rng(0).normal(scale=deviation, size=(200_000, 1))
    trainer = nbt.TruncatedBPTT(
        nbt.RNN(2), nbt.Softmax(2), nbt.SGD(0.1), window=1,
        inputs=nbt.Vector(1, standardize=True), dtype=dtype,
    )  # fmt: skip
    trainer.learn(x.astype(dtype), np.zeros(len(x), int))
    found = np.sqrt(trainer.state_dict()["inputs.variance"].astype(float))
    assert found / deviation == pytest.approx((x / deviation).std(), rel=0.02, abs=0)


def test_a_number_that_does_not_vary_teaches_nothing():
    x, y = data(40)
    y[:, 1] = 1e6
    for trainer in trainers():
        losses = trainer.learn(x, y)
        state = trainer.state_dict()
        assert np.isnan(losses[:3]).all()  # of the other number, too, three values make a scale
        assert np.isfinite(losses[3:]).all()
        assert state["targets.variance"][1] == 0
        assert not state["readout.W"][:, [1, 3]].any()
        assert state["readout.W"][:, [0, 2]].any()
        assert trainer.predict()[0, 1] == pytest.approx(1e6)


def test_observing_leaves_the_scale(assert_same_state):
    x, y = data(40)
    for trainer in trainers():
        trainer.learn(x, y)
        before = trainer.state_dict()
        trainer.observe(*data(10, seed=3))
        after = trainer.state_dict()
        names = [name for name in before if name.startswith(("inputs.", "targets."))]
        assert len(names) == 8
        assert_same_state({k: before[k] for k in names}, {k: after[k] for k in names})


def test_skip_is_to_observe_the_input(assert_same_state):
    x, y = data(60)
    gaps = [7, 8, 31]
    y[gaps, 1] = NAN
    for skips, plain in zip(trainers(missing="skip"), trainers(), strict=True):
        losses = skips.learn(x, y)
        for t in range(60):
            if t in gaps:
                assert plain.observe(x[t], ...) is None
                assert np.isnan(losses[t])
            else:
                assert plain.learn(x[t], y[t]).tobytes() == losses[t : t + 1].tobytes()
        assert_same_state(skips.state_dict(), plain.state_dict())


def test_mask_counts_what_is_known(assert_same_state):
    """The loss is that of the marginal density; with nothing known, mask and skip are one."""
    x, y = data(60)
    for masks in trainers(missing="mask"):
        masks.learn(x, y)
        mean, variance = masks.predict(x[0])
        part = masks.observe(x[0], [y[0, 0], NAN])[0]
        error = y[0, 0] - mean[0]
        assert part == pytest.approx(
            0.5 * (np.log(2 * np.pi * variance[0]) + error**2 / variance[0]), rel=1e-4
        )
    y[20] = NAN
    plain = {"standardize": False}  # mask learns the scale of the inputs even then
    for masks, skips in zip(
        trainers(missing="mask", **plain), trainers(missing="skip", **plain), strict=True
    ):
        assert masks.learn(x, y).tobytes() == skips.learn(x, y).tobytes()
        assert_same_state(masks.state_dict(), skips.state_dict())


def test_a_missing_input_is_its_mean():
    x, y = data(60)
    for masks in trainers(missing="mask"):
        masks.learn(x, y)
        mean = masks.state_dict()["inputs.mean"]
        np.testing.assert_allclose(
            masks.predict([x[0, 0], NAN, x[0, 2]]),
            masks.predict([x[0, 0], mean[1], x[0, 2]]),
            rtol=1e-6,
        )


@pytest.mark.parametrize("missing", ["error", "skip", "mask"])
@pytest.mark.parametrize("own", [False, True])
def test_any_cutting_and_any_stop(missing, own, tmp_path, assert_same_state):
    """The same bits in one block, one by one, and through a file after every few steps."""
    rng = np.random.default_rng(7)
    x, y = data(90)
    if missing != "error":
        x[rng.random(x.shape) < 0.05] = NAN
        y[rng.random(y.shape) < 0.05] = NAN
    for rule in (nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT):
        for readout in (nbt.Gaussian(2, standardize=True), nbt.Gaussian(2, False)):
            inputs = None if own else nbt.Vector(3, standardize=True)
            make = {"inputs": inputs, "missing": missing, "seed": 3}
            whole, cut, stopped = (
                rule(nbt.LeakyRNN(5), readout, nbt.Kalman(), **make) for _ in range(3)
            )
            block = (y,) if own else (x, y)
            expected = whole.learn(*block)
            losses = [cut.learn(*(part[t : t + 1] for part in block)) for t in range(90)]
            assert np.concatenate(losses).tobytes() == expected.tobytes()
            for a in range(0, 90, 11):
                stopped.learn(*(part[a : a + 11] for part in block))
                stopped.save(tmp_path / "t")
                stopped = nbt.load(tmp_path / "t")
                assert stopped.missing == missing
            for trainer in (cut, stopped):
                assert_same_state(trainer.state_dict(), whole.state_dict())
            assert eval(repr(stopped), vars(nbt)).describe() == whole.describe()


# ---- what is refused ---------------------------------------------------------------------------


def test_bad_arguments():
    cell = nbt.RNN(3)
    expect(TypeError, "missing", lambda: nbt.RTRL(cell, nbt.Gaussian(2, False), missing=None))
    expect(ValueError, "missing", lambda: nbt.RTRL(cell, nbt.Gaussian(2, False), missing="drop"))
    expect(TypeError, "standardize", lambda: nbt.Vector(2, standardize=1))
    expect(TypeError, "standardize", lambda: nbt.Gaussian(2, standardize="yes"))


@pytest.mark.parametrize("missing", ["skip", "mask"])
def test_infinity_is_not_missing(missing):
    trainer = nbt.RTRL(
        nbt.RNN(3), nbt.Gaussian(2, False), inputs=nbt.Vector(2, False), missing=missing
    )
    expect(ValueError, "x", lambda: trainer.learn([[np.inf, 0]], [[0, 0]]))
    expect(ValueError, "y", lambda: trainer.learn([[0, 0]], [[0, -np.inf]]))
    assert trainer.step == 0


def test_the_error_says_what_takes_it():
    trainer = nbt.RTRL(nbt.RNN(3), nbt.Gaussian(2, False))
    with pytest.raises(ValueError, match=r"step 1; missing='skip' or 'mask' takes NaN"):
        trainer.learn([[0, 0], [0, NAN]])


@pytest.mark.parametrize(
    ("key", "value"),
    [("count", -1.0), ("count", 2.0**17), ("variance", -1.0), ("mean", NAN), ("variance", np.inf)],
)
def test_states_that_are_none(key, value, assert_same_state):
    for trainer in trainers():
        before = trainer.state_dict()
        for name in (f"inputs.{key}", f"targets.{key}"):
            bad = {**before, name: np.full_like(before[name], value)}
            expect(ValueError, name, lambda bad=bad, trainer=trainer: trainer.load_state_dict(bad))
        assert_same_state(trainer.state_dict(), before)
