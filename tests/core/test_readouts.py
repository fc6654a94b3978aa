"""Gaussian and Bernoulli readouts: the oracle against differences, C against the oracle."""

import numpy as np
import oracle
import pytest
from helpers.pairs import FEW, INPUTS, TOLERANCE, few
from helpers.refusals import expect, numbered
from oracle import readout

import nbt

KINDS = ("gaussian", "bernoulli")
DIM = 3


def target(kind, rng, dim=DIM):
    return rng.random(dim) if kind == "bernoulli" else rng.normal(size=dim)


def columns(kind, dim=DIM):
    return 2 * dim if kind == "gaussian" else dim


# ---- the oracle --------------------------------------------------------------------------------


def differences(f, x, step=1e-5):
    result = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        result[index] = (f(up) - f(down)) / (2 * step)
    return result


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives(kind, activation):
    rng = np.random.default_rng(2)
    n = 4
    h, phi, y = rng.normal(size=n), rng.normal(size=(1 + n, columns(kind))), target(kind, rng)
    phi[:, -1] *= 9  # into the bend of the log-variance
    delta = readout.delta(h, y, phi, activation, kind)
    by_phi = differences(lambda phi: readout.loss(h, y, phi, activation, kind), phi)
    by_h = differences(lambda h: readout.loss(h, y, phi, activation, kind), h)
    for ours, theirs in (
        (readout.gradient(h, delta, activation), by_phi),
        (readout.backward(h, delta, phi, activation), by_h),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8 * np.abs(theirs).max())


def test_the_density_integrates_to_one():
    o, width = np.array([0.3, 0.8]), 1e-3  # one mean, one u
    grid = np.arange(-12, 12, width)
    p = np.array([np.exp(-readout.Gaussian.loss(o, np.array([y]))) for y in grid])
    assert p.sum() * width == pytest.approx(1, abs=1e-9)
    mean, variance = readout.Gaussian.predict(o)
    assert (p * grid).sum() * width == pytest.approx(mean[0])
    assert (p * (grid - mean) ** 2).sum() * width == pytest.approx(variance[0])


def test_information_is_the_mean_of_products():
    """E δ δᵀ of the Gaussian, y being as predicted (Gauss-Hermite): its diagonal, and 0 beside."""
    rng = np.random.default_rng(3)
    h, phi = rng.normal(size=4), rng.normal(size=(5, 4))
    phi[:, -1] *= 9  # into the bend of the log-variance
    points, weights = np.polynomial.hermite_e.hermegauss(20)
    mean, variance = readout.predict(h, phi, "tanh", "gaussian")
    total = np.zeros((4, 4))
    for a, p in zip(points, weights, strict=True):
        for b, q in zip(points, weights, strict=True):
            y = mean + np.sqrt(variance) * [a, b]
            delta = readout.delta(h, y, phi, "tanh", "gaussian")
            total += p * q / weights.sum() ** 2 * np.outer(delta, delta)
    known = readout.information(h, mean, phi, "tanh", "gaussian")
    scale = np.sqrt(np.outer(known, known))
    np.testing.assert_allclose(total / scale, np.eye(4), rtol=0, atol=1e-10)
    half = readout.information(h, np.array([np.nan, 1.0]), phi, "tanh", "gaussian")
    np.testing.assert_array_equal(half, known * [0, 1, 0, 1])
    assert readout.information(h, 1, phi, "tanh") is None


def test_probabilities_of_yes_and_no_add_up():
    o = np.array([0.3, -2.0])
    total = sum(
        np.exp(-readout.Bernoulli.loss(o, np.array([a, b]))) for a in (0, 1) for b in (0, 1)
    )
    assert total == pytest.approx(1)
    assert np.exp(-readout.Bernoulli.loss(o[:1], np.array([1]))) == pytest.approx(
        readout.Bernoulli.predict(o)[0]
    )


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_rtrl_is_the_derivative_through_the_past(kind, inputs):
    """Σ over steps of RTRL's gradient, by differences of the summed losses, θ and φ fixed."""
    rng = np.random.default_rng(5)
    n, m = 3, DIM if inputs == "own" else 2
    vectors = "symbols" if inputs == "other" else "vector"
    state = oracle.initial_state(
        rng, n, m, columns(kind), rule="rtrl", inputs=vectors, fresh=True, step=0
    )
    y = np.array([target(kind, rng) for _ in range(5)])
    x = rng.normal(size=(5, m)) if vectors == "vector" else rng.integers(0, m, 5)
    choices = {"units": n, "activation": "tanh", "inputs": vectors, "readout": kind}
    data = (y,) if inputs == "own" else (x, y)

    def trainer(state, **more):
        return oracle.RTRL(state, optimizer=("sgd", lambda t: 1.0), **choices, **more)

    frozen, total = trainer(state, frozen=True), 0.0
    for t in range(5):
        frozen.learn(*(part[t : t + 1] for part in data))
        total = total + frozen.g_theta

    def losses(W):
        return trainer(state | {"cell.W": W}, frozen=True).observe(*data).sum()

    expected = differences(losses, state["cell.W"])
    np.testing.assert_allclose(
        total[1 : 1 + n], expected, rtol=0, atol=1e-8 * np.abs(expected).max()
    )


# ---- C against it ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("optimizer", ["sgd", "kalman"])
@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("kind", KINDS)
def test_array_by_array(kind, name, optimizer, inputs, dtype):
    for activation in ("sigmoid", "tanh"):
        pair = few(name, optimizer, readout=kind, inputs=inputs, dtype=dtype, activation=activation)
        pair.tolerance *= 3  # what e^-s makes of the last bits of s
        # in float32 a saturated unit's column of F is 0, in the oracle next to it: other 1 / ρ
        rounds = 4 if name == "window" and dtype == "float32" else 14
        assert not pair.follow(rounds), activation


@pytest.mark.parametrize("size", [0.25, 16.0])
@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.RTRL])
def test_a_wrong_variance_is_mended(rule, size):
    """Errors of 15 or 1000 deviations, for ever. Were J made of their squares, or were they shrunk
    the more the larger they are, the deviation would be 0.04 or 0.02 after these steps."""
    trainer = rule(
        nbt.RNN(3), nbt.Gaussian(1, False), nbt.Kalman(), inputs=nbt.Vector(1, False), seed=1
    )
    state = trainer.state_dict()
    state["readout.b"][:] = [0, -14]  # a deviation of 0.016
    trainer.load_state_dict(state)
    y = size * np.random.default_rng(0).choice([-1.0, 1.0], 20_000)
    trainer.learn(np.zeros(len(y)), y)
    assert np.sqrt(trainer.predict([0.0])[1, 0]) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n", "dim"), [(1, 1), (5, 9), (8, 4), (19, 33)])
@pytest.mark.parametrize("name", ["default", "plain", "bptt"])
@pytest.mark.parametrize("kind", KINDS)
def test_sizes(kind, name, n, dim, dtype):
    for inputs in INPUTS:
        pair = few(name, "kalman", n=n, A=dim, readout=kind, inputs=inputs, dtype=dtype)
        assert not pair.follow(4), inputs


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("isa", nbt.build_info()["isas"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_instruction_set(kind, isa, dtype, monkeypatch):
    monkeypatch.setenv("NBT_ISA", isa)
    for name in FEW:
        assert not few(name, "kalman", n=19, readout=kind, dtype=dtype).follow(5), name


@pytest.mark.parametrize("kind", KINDS)
def test_runs_on(kind):
    for name in FEW:
        pair = few(name, "kalman", readout=kind, inputs="own")
        pair.tolerance = 1e-8
        assert not pair.follow(20, together=False), name


# ---- what is refused ----------------------------------------------------------------------------

X, Y = np.zeros((2, 3)), np.full((2, 4), 0.5)
NAN, INF = float("nan"), float("inf")


def changed(value):
    array = Y.copy()
    array[1, 2] = value
    return array


#: (argument, exception, call) of trainers with targets of 4 numbers and inputs of 3.
BAD = [
    ("y", TypeError, lambda t: t.learn(X)),
    ("y", TypeError, lambda t: t.learn(X, ...)),
    ("y", TypeError, lambda t: t.learn(X, "ab")),
    ("y", TypeError, lambda t: t.learn(X, Y + 0j)),
    ("y", TypeError, lambda t: t.learn(X, Y > 0)),
    ("y", TypeError, lambda t: t.learn(X, [[None] * 4] * 2)),
    ("y", ValueError, lambda t: t.learn(X, [0, 1])),
    ("y", ValueError, lambda t: t.learn(X, Y[:1])),
    ("y", ValueError, lambda t: t.learn(X, Y[:, :3])),
    ("y", ValueError, lambda t: t.learn(X, Y[None])),
    ("y", ValueError, lambda t: t.learn(X, changed(NAN))),
    ("y", ValueError, lambda t: t.learn(X, changed(INF))),
    ("y", ValueError, lambda t: t.learn(X, changed(1e300))),  # infinite in float32, no probability
    ("y", ValueError, lambda t: t.observe(X, changed(NAN))),
    ("x", ValueError, lambda t: t.learn(Y, Y)),
    ("readout", TypeError, lambda t: t.grow(9)),
]
NO_PROBABILITIES = [
    ("y", ValueError, lambda t: t.learn(X, changed(1.5))),
    ("y", ValueError, lambda t: t.learn(X, changed(-1e-9))),
    ("y", ValueError, lambda t: t.observe(X, changed(2))),
]


def refuses(trainer, argument, exception, call, assert_same_state):
    trainer.learn(X, Y)
    before = trainer.state_dict()
    expect(exception, argument, lambda: call(trainer))
    assert_same_state(trainer.state_dict(), before)


@pytest.mark.parametrize("rule", [nbt.NoBackTrack, nbt.TruncatedBPTT])
@pytest.mark.parametrize("readout", [nbt.Gaussian(4, False), nbt.Bernoulli(4)])
@pytest.mark.parametrize(("argument", "exception", "call"), numbered(BAD))
def test_bad_calls(argument, exception, call, readout, rule, assert_same_state):
    refuses(
        rule(nbt.RNN(5), readout, inputs=nbt.Vector(3, False)),
        argument,
        exception,
        call,
        assert_same_state,
    )


@pytest.mark.parametrize(("argument", "exception", "call"), numbered(NO_PROBABILITIES))
def test_no_probabilities(argument, exception, call, assert_same_state):
    trainer = nbt.RTRL(nbt.RNN(5), nbt.Bernoulli(4), inputs=nbt.Vector(3, False))
    refuses(trainer, argument, exception, call, assert_same_state)
    own = nbt.RTRL(nbt.RNN(5), nbt.Bernoulli(4))
    expect(ValueError, "x", lambda: own.learn(changed(1.5)))
    assert own.step == 0


def test_a_target_that_rounds_to_1_is_1():
    """In float32, as a number and as an array."""
    near = 1.0000000001
    losses = []
    for y in (1.0, near, np.array([[near]]), [near]):
        trainer = nbt.NoBackTrack(
            nbt.RNN(3), nbt.Bernoulli(1), inputs=nbt.Vector(1, False), dtype="float32", seed=1
        )
        losses.append(trainer.learn(0.1, y))
    assert losses == [losses[0]] * 4
    for y in (1.001, -1e-3):
        with pytest.raises(ValueError, match=r"y: expected targets in \[0, 1\], got"):
            trainer.learn(0.1, y)


@pytest.mark.parametrize("kind", [nbt.Gaussian, nbt.Bernoulli])
@pytest.mark.parametrize("dim", [0, -1, 2**31, 2.0, "3", None, True])
def test_sizes_that_are_none(kind, dim):
    with pytest.raises((TypeError, ValueError), match="dim"):
        kind(dim)


@pytest.mark.parametrize("moved", [2, -1, 0.5])
def test_a_window_that_is_none(moved):
    trainer = nbt.TruncatedBPTT(nbt.RNN(5), nbt.Gaussian(2, False), window=3)
    state = trainer.state_dict()
    with pytest.raises(ValueError, match=r"window\.moved"):
        trainer.load_state_dict({**state, "window.moved": np.full(3, moved)})


def test_inputs_that_grow_to_be_what_is_predicted_and_beyond(assert_same_state):
    """In the middle of a window, of which the state then says which steps had a transition."""
    rng = np.random.default_rng(2)
    x, y, wide = rng.normal(size=(3, 1)), rng.normal(size=(9, 2)), rng.normal(size=(9, 3))
    trainers = [
        nbt.TruncatedBPTT(nbt.RNN(5), nbt.Gaussian(2, False), window=7, inputs=nbt.Vector(1, False))
        for _ in "ab"
    ]
    for trainer in trainers:
        trainer.learn(x, y[:3])
        trainer.grow(inputs=2)
        assert trainer.state_dict()["window.moved"].tolist() == [1, 1, 1, 0, 0, 0, 0]
        trainer.learn(y[:2])  # targets, then inputs: one without a transition before it
        trainer.grow(inputs=3)
        assert trainer.state_dict()["window.moved"][:5].tolist() == [1, 1, 1, 0, 1]
    whole, cut = trainers
    losses = whole.learn(wide, y)
    for t in range(9):
        cut.load_state_dict(cut.state_dict())
        assert cut.learn(wide[t : t + 1], y[t : t + 1]) == losses[t]
    assert_same_state(cut.state_dict(), whole.state_dict())
    assert "window.moved" not in whole.state_dict()


def test_a_window_that_was_put_back_is_the_same_once_inputs_grow(assert_same_state):
    """Places of the window that were not reached yet say so, whatever was there before."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 1)), rng.normal(size=(6, 2))
    whole, again = (
        nbt.TruncatedBPTT(nbt.RNN(5), nbt.Gaussian(2, False), window=5, inputs=nbt.Vector(1, False))
        for _ in "ab"
    )
    for trainer in (whole, again):
        trainer.learn(x, y)
    again.load_state_dict(again.state_dict())
    for trainer in (whole, again):
        trainer.grow(inputs=2)
    assert whole.state_dict()["window.moved"].tolist() == [1, 0, 0, 0, 0]
    assert_same_state(whole.state_dict(), again.state_dict())


def test_numbers_one_by_one(assert_same_state):
    """Targets and inputs of one number may come without their second axis."""
    plain, bare = (
        nbt.NoBackTrack(nbt.RNN(5), nbt.Gaussian(1, False), inputs=nbt.Vector(1, False))
        for _ in range(2)
    )
    x, y = np.linspace(0, 1, 9), np.linspace(-1, 2, 9)
    expected = plain.learn(x[:, None], y[:, None])
    assert (
        np.concatenate([bare.learn(x[:5], y[:5]), bare.learn(x[5:8], y[5:8].tolist())]).tobytes()
        == expected[:8].tobytes()
    )
    assert bare.learn(x[8], y[8]).tobytes() == expected[8:].tobytes()
    assert_same_state(bare.state_dict(), plain.state_dict())
    assert bare.predict(0.5).shape == (2, 1)


# ---- what it is for ----------------------------------------------------------------------------


def series(steps, seed=0):
    """A noisy oscillation, whose noise is large half of the time."""
    rng = np.random.default_rng(seed)
    t = np.arange(steps)
    loud = t // 50 % 2
    return np.sin(0.3 * t) + np.where(loud, 0.3, 0.03) * rng.normal(size=steps), loud


@pytest.mark.parametrize("kind", [nbt.NoBackTrack, nbt.RTRL, nbt.TruncatedBPTT])
def test_mean_and_variance_are_learned(kind):
    y, loud = series(16_000)
    model = kind(
        nbt.LeakyRNN(20), nbt.Gaussian(1, False), nbt.Kalman(), inputs=nbt.Vector(2, False), seed=1
    )
    x = np.stack([np.roll(y, 1), loud], axis=1)
    model.learn(x[1:15_000], y[1:15_000])
    errors, deviations = [], []
    for t in range(15_000, 16_000):
        mean, variance = model.predict(x[t])
        errors.append(y[t] - mean[0])
        deviations.append(np.sqrt(variance[0]))
        model.learn(x[t], y[t])
    errors, deviations, loud = np.array(errors), np.array(deviations), loud[15_000:]
    last = y[14_999:15_999]
    assert np.sqrt(np.mean(errors**2)) < 0.75 * np.sqrt(np.mean((y[15_000:] - last) ** 2))
    assert 0.7 < np.sqrt(np.mean((errors / deviations) ** 2)) < 1.2  # calibrated
    assert np.median(deviations[loud == 1]) > 4 * np.median(deviations[loud == 0])


def test_bernoulli_learns_a_pattern():
    y = np.resize([[1, 0], [0, 0], [1, 1]], (6000, 2)).astype(float)
    model = nbt.NoBackTrack(nbt.LeakyRNN(10), nbt.Bernoulli(2), seed=1)
    losses = model.learn(y)
    assert losses[:50].mean() > 0.7
    assert losses[-500:].mean() < 0.1
    assert ((model.predict() > 0.5) == (y[0] > 0.5)).all()
