"""The core's own exp, logistic function, tanh and log, in units in the last place (ulp).

They are reached through trainers: activities and slopes of a state of many units, the softmax of a
readout of many symbols, and losses. References are mpmath's, or, where there is a longer format to
calculate in, that one's, itself checked against mpmath. The bounds are those measured, rounded up.
"""

import mpmath
import numpy as np
import pytest

import nbt

DTYPES = ["float32", "float64"]
ISAS = nbt.build_info()["isas"]
UNITS = 1024

#: Largest error in ulp, of activity and slope.
ACTIVITY_ULP = {"sigmoid": 2.0, "tanh": 1.6}
SLOPE_ULP = {"sigmoid": 3.75, "tanh": 3.75}


@pytest.fixture(params=ISAS)
def isa(request, monkeypatch):
    monkeypatch.setenv("NBT_ISA", request.param)
    return request.param


def machine(dtype, activation):
    """Function of numbers: their activities and slopes, as the core computes them."""
    trainer = nbt.TruncatedBPTT(
        nbt.RNN(UNITS, activation=activation), nbt.Softmax(1), nbt.SGD(), window=1, dtype=dtype
    )
    arrays = trainer._live.learner.arrays

    def activate(x):
        x = np.asarray(x, dtype=dtype)
        a, slope = np.empty_like(x), np.empty_like(x)
        for start in range(0, len(x), UNITS):
            piece = x[start : start + UNITS]
            arrays["h"][0, : len(piece)] = piece
            trainer._live.learner.refresh()
            a[start : start + UNITS] = arrays["a"][0, : len(piece)]
            slope[start : start + UNITS] = arrays["slope"][0, : len(piece)]
        return a, slope

    return activate


def points(dtype):
    """Of every size and in every region, both signs, in random order; over 10^5."""
    rng = np.random.default_rng(51)
    info = np.finfo(dtype)
    largest = 100 if dtype == "float32" else 745  # beyond, e^-x is 0
    x = np.concatenate(
        [
            rng.normal(size=30_000),
            rng.uniform(-20, 20, 30_000),
            rng.uniform(-largest, largest, 20_000),
            np.exp(rng.uniform(np.log(info.smallest_normal), np.log(info.max) * 0.99, 10_000)),
            0.625 + rng.integers(-2000, 2000, 5_000) * info.eps,  # where tanh changes its method
            np.arange(-200, 200) * np.log(2) / 2,  # where exp changes its exponent
            rng.uniform(-1, 1, 10_000) * np.sqrt(info.eps),
        ]
    ).astype(dtype)
    x = np.concatenate([x, -x[80_000:]])
    assert len(x) > 10**5
    assert np.isfinite(x).all()
    return rng.permutation(x)


def exact(activation, x):
    """Activity and slope of one number, by mpmath, with digits to spare."""
    with mpmath.workprec(200):
        x = mpmath.mpf(float(x))
        e = mpmath.exp(-abs(x) if activation == "sigmoid" else -2 * abs(x))
        slope = e / (1 + e) ** 2
        if activation == "sigmoid":
            return (1 if x >= 0 else e) / (1 + e), slope
        # 1 - e without cancellation
        return mpmath.sign(x) * -mpmath.expm1(-2 * abs(x)) / (1 + e), 4 * slope


def longer(activation, x):
    """The same for an array, in a format longer than its own; None if there is none."""
    wide = np.float64 if x.dtype == np.float32 else np.longdouble
    if np.finfo(wide).nmant < np.finfo(x.dtype).nmant + 10:
        return None
    x = x.astype(wide)
    e = np.exp(-np.abs(x) if activation == "sigmoid" else -2 * np.abs(x))
    slope = e / (1 + e) ** 2
    if activation == "sigmoid":
        return np.where(x >= 0, 1, e) / (1 + e), slope
    return np.sign(x) * -np.expm1(-2 * np.abs(x)) / (1 + e), 4 * slope


def ulps(value, exact):
    """Distances from exact (longer) values, in units in the last place of those. What is too small
    to be normal may be 0 (machine/float_mode.h), and so may four times that, as of tanh's slope."""
    normal = np.finfo(value.dtype).smallest_normal
    size = np.maximum(np.abs(exact), normal)
    spacing = np.exp2(np.floor(np.log2(size))) * np.finfo(value.dtype).eps
    exact = np.where((value == 0) & (np.abs(exact) < 4 * normal), 0, exact)
    return np.abs(value.astype(exact.dtype) - exact) / spacing


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_activations(activation, dtype, isa):
    x = points(dtype)
    reference = longer(activation, x)
    if reference is None:
        x = x[:10_000]
        reference = tuple(
            np.array([float(value) for value in values])
            for values in zip(*(exact(activation, one) for one in x), strict=True)
        )
        slack = 0.5  # what the reference was rounded by
    else:
        slack = 0.01
    a, slope = machine(dtype, activation)(x)
    errors = ulps(a, reference[0]), ulps(slope, reference[1])
    worst = [f"{error.max():.2f} ulp at {x[error.argmax()]!r}" for error in errors]
    assert errors[0].max() <= ACTIVITY_ULP[activation] + slack, worst
    assert errors[1].max() <= SLOPE_ULP[activation] + slack, worst


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_the_reference(activation, dtype):
    """The longer format against mpmath, to a thousandth of an ulp of the shorter one."""
    x = points(dtype)[:2000]
    reference = longer(activation, x)
    if reference is None:
        pytest.skip("no longer format")
    info = np.finfo(dtype)
    tiny, eps = mpmath.mpf(float(info.smallest_normal)), mpmath.mpf(float(info.eps))
    for k, one in enumerate(x):
        for value, true in zip(reference, exact(activation, one), strict=True):
            with mpmath.workprec(200):
                wide = mpmath.mpf(np.format_float_scientific(value[k], precision=40, trim="k"))
            assert abs(wide - true) <= eps / 500 * max(abs(true), tiny), one


@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(dtype, isa):
    inf, nan, info = np.inf, np.nan, np.finfo(dtype)
    tiny = info.smallest_subnormal
    x = np.array([0, -0.0, inf, -inf, nan, info.max, -info.max, tiny, -tiny, 30, -30, 750, -750])
    a, slope = machine(dtype, "sigmoid")(x)
    e = np.exp(np.array(-30, dtype))
    near = 1 / (1 + e)
    np.testing.assert_allclose(
        a, [0.5, 0.5, 1, 0, nan, 1, 0, 0.5, 0.5, near, e * near, 1, 0], rtol=2 * info.eps, atol=0
    )
    np.testing.assert_allclose(
        slope,
        [0.25, 0.25, 0, 0, nan, 0, 0, 0.25, 0.25, e * near**2, e * near**2, 0, 0],
        rtol=4 * info.eps,
        atol=0,
    )
    a, slope = machine(dtype, "tanh")(x)
    one, other = (0, 0) if a[7] == 0 else (tiny, -tiny)  # a denormal number may count as 0
    np.testing.assert_array_equal(
        a, np.array([0, 0, 1, -1, nan, 1, -1, one, other, 1, -1, 1, -1], dtype)
    )
    assert (slope[:2] == 1).all()
    assert (slope[[2, 3, 5, 6, 11, 12]] == 0).all()
    assert np.isnan(slope[4])
    assert (slope[7:9] == 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_order_and_symmetry(activation, dtype, isa):
    x = np.sort(points(dtype))
    activate = machine(dtype, activation)
    a, slope = activate(x)
    low, steepest = (0, 0.25) if activation == "sigmoid" else (-1, 1)
    eps = np.finfo(dtype).eps
    assert low <= a.min()
    assert a.max() <= 1
    assert slope.min() >= 0
    assert slope.max() <= steepest * (1 + eps)
    # ascending to within rounding
    assert (np.diff(a) >= -4 * eps * np.abs(a[1:])).all()
    mirrored, mirrored_slope = activate(-x)
    assert (mirrored_slope == slope).all()
    if activation == "tanh":
        assert (mirrored == -a).all()
    else:
        np.testing.assert_allclose(mirrored.astype(float) + a, 1, rtol=0, atol=eps)


# ---- exp and log, through the softmax and the loss ---------------------------------------------


def softmax_machine(dtype, symbols):
    """Function of logits: a trainer that has them, whatever its state."""
    trainer = nbt.TruncatedBPTT(nbt.RNN(1), nbt.Softmax(symbols), nbt.SGD(0.0), dtype=dtype)
    state = trainer.state_dict()

    def load(logits):
        trainer.load_state_dict(state | {"readout.b": np.asarray(logits, dtype=dtype)})
        return trainer

    return load


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities(dtype, isa):
    """p = e^x / Σ e^x: relative error of each, however small it is."""
    rng = np.random.default_rng(52)
    info = np.finfo(dtype)
    lowest = np.log(info.smallest_normal) + 15
    for symbols, low in ((2, lowest), (37, -5.0), (1000, -20.0), (20_000, lowest)):
        logits = rng.uniform(low, 0, symbols).astype(dtype)
        for shift in (0, 3, -50, 1000):
            moved = (logits + np.array(shift, dtype)).astype(dtype)
            p = softmax_machine(dtype, symbols)(moved).predict()
            below = moved.astype(np.longdouble) - moved.max()
            exact = np.exp(below) / np.exp(below).sum()
            # the difference from the largest is rounded before it is the exponent
            assert (
                np.abs(p / exact - 1) <= (6 + symbols / 2000 + np.abs(below)) * info.eps
            ).all(), (symbols, shift)


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_logits(dtype, isa):
    largest = np.finfo(dtype).max / 4
    for logits, p in (
        ([largest, -largest, 0], [1, 0, 0]),
        ([-largest, -largest, -largest], [1 / 3] * 3),
        ([largest, largest, 0], [0.5, 0.5, 0]),
        ([-2000, -2001, -1e6], [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1)), 0]),
    ):
        trainer = softmax_machine(dtype, 3)(logits)
        np.testing.assert_allclose(trainer.predict(), p, rtol=4 * np.finfo(dtype).eps)
    assert softmax_machine(dtype, 1)([-3.0]).predict() == [1.0]


def test_logarithm(isa):
    """The loss of equally likely symbols is their number's logarithm; double in both precisions."""
    assert softmax_machine("float64", 1)([7.0]).observe([0]) == [0.0]
    for symbols in (2, 3, 4, 5, 7, 8, 10, 31, 100, 255, 1000, 65_536, 99_999):
        true = float(mpmath.log(symbols))
        for dtype in DTYPES:
            loss = softmax_machine(dtype, symbols)(np.zeros(symbols)).observe([symbols - 1])[0]
            assert abs(loss - true) <= np.spacing(true), (symbols, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses(dtype, isa):
    """ln(1 + e^x) and ln(1 + e^-x) for the two targets; x over all that the format tells apart."""
    rng = np.random.default_rng(53)
    eps = np.finfo(dtype).eps
    load = softmax_machine(dtype, 2)
    for x in np.concatenate([rng.uniform(-30, 30, 100), rng.normal(size=100), [0, 500, -500]]):
        x = np.array(x, dtype)
        trainer = load([0, x])
        y = [0, 1]
        losses = trainer.observe(y)  # the state does not matter: readout.W is 0
        true = np.logaddexp(np.array([0, 0.0]), [float(x), -float(x)])
        np.testing.assert_allclose(losses, true, rtol=0, atol=eps * (1 + abs(float(x))))
