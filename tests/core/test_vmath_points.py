"""csrc/machine/vmath.h itself against mpmath over 10^6 points, in units in the last place (ulp).

tests/c/vmath.c is compiled here for each precision and instruction set, with the flags of the
build; `test_vmath.py` has what the installed kernels make of it.
"""

import ctypes
import itertools
import math
from functools import cache

import numpy as np
import pytest
from helpers.c_sources import NEEDED, compile_c
from mpmath import libmp

import nbt

POINTS = 10**6
FLAGS = {
    "base": ("-ffp-contract=off",),
    "avx2": ("-mavx2", "-mfma", "-ffp-contract=fast"),
    "avx512": (
        *("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mavx2", "-mfma"),
        *("-mprefer-vector-width=512", "-ffp-contract=fast"),
    ),
}
TARGETS = [(dtype, isa) for dtype in ("float32", "float64") for isa in nbt.build_info()["isas"]]
BOUNDS = {"exp": 1.1, "sigmoid": 2.0, "tanh": 1.6, "log": 0.9}  # measured, rounded up
PRECISION = 200


@pytest.fixture(scope="module", params=TARGETS, ids="-".join)
def vmath(request, tmp_path_factory):
    """Function of a name and an array: a list of the values and, where vmath has them, slopes."""
    dtype, isa = request.param
    flags = ["-O3", "-fno-math-errno", "-fno-trapping-math", *FLAGS[isa]]
    target = tmp_path_factory.mktemp("vmath") / "vmath.so"
    library = compile_c("vmath", target, [*flags, f"-DNBT_PRECISION={dtype[-2:]}"])
    if library is None:
        pytest.skip(NEEDED.format("vmath"))

    def call(name, x):
        kind = np.float64 if name == "log" else np.dtype(dtype)
        x = np.ascontiguousarray(x, kind)
        count = 2 if name in ("sigmoid", "tanh") else 1
        results = [np.full(x.shape, 7, kind) for _ in range(count)]
        pointers = (ctypes.c_void_p(a.ctypes.data) for a in (x, *results))
        getattr(library, f"{name}_all")(ctypes.c_size_t(len(x)), *pointers)
        return results

    call.dtype = dtype
    return call


@cache
def points(dtype, count=POINTS):
    """Arguments of exp and of the logistic function, halves for tanh: every size, both signs."""
    rng = np.random.default_rng(61)
    info = np.finfo(dtype)
    low, high = (-87.0, 88.0) if dtype == "float32" else (-708.0, 709.0)
    tenth = count // 10
    tiny = np.log([info.smallest_normal * 4, 1.0])
    x = np.concatenate(
        [
            rng.uniform(low, high, 4 * tenth),
            rng.uniform(-1, 1, 2 * tenth),
            5 * rng.normal(size=2 * tenth),
            np.exp(rng.uniform(*tiny, tenth)) * rng.choice([-1, 1], tenth),
            # where the exponent of exp changes, and where tanh changes its method (1.25, halved)
            rng.integers(-120, 120, tenth // 2) * np.log(2) / 2,
            (1.25 + rng.integers(-2000, 2000, tenth // 2) * info.eps) * rng.choice([-1, 1]),
        ]
    )
    assert len(x) == count
    return x.astype(dtype)


@cache
def log_points(count=POINTS):
    """Normal numbers of every size, and around 1."""
    rng = np.random.default_rng(62)
    quarter = count // 4
    return np.concatenate(
        [
            np.exp(rng.uniform(-708, 709, quarter)),
            rng.uniform(0.5, 2, quarter),
            1 + np.exp(rng.uniform(-36, -1, quarter)) * rng.choice([-1, 1], quarter),
            rng.uniform(1, 1000, quarter),  # sums of a softmax
        ]
    )


def split(value):
    """An mpf as the nearest float and what is missing, in units in the last place of that."""
    near = libmp.to_float(value)
    missing = libmp.mpf_sub(value, libmp.from_float(near), 53)
    exponent = math.frexp(math.ulp(near))[1] - 1
    return near, libmp.to_float(libmp.mpf_shift(missing, -exponent))


def exact(x):
    """exp x, 1 / (1 + e^-x) and tanh (x / 2) of one number."""
    wide = libmp.from_float(x)
    e = libmp.mpf_exp(wide, PRECISION)
    whole = libmp.mpf_add(libmp.fone, e, PRECISION)
    if abs(x) < 2**-40:  # tanh y = y - y³ / 3, to 2^-160
        half = libmp.mpf_shift(wide, -1)
        cube = libmp.mpf_mul(half, libmp.mpf_mul(half, half, PRECISION), PRECISION)
        tanh = libmp.mpf_sub(half, libmp.mpf_div(cube, libmp.from_int(3), PRECISION), PRECISION)
    else:
        tanh = libmp.mpf_div(libmp.mpf_sub(e, libmp.fone, PRECISION), whole, PRECISION)
    return split(e), split(libmp.mpf_div(e, whole, PRECISION)), split(tanh)


def exact_log(x):
    return (split(libmp.mpf_log(libmp.from_float(x), PRECISION)),)


@cache
def references(dtype, count=POINTS):
    """{name: (arguments, nearest floats, what is missing)}, by mpmath."""
    x = points(dtype, count)
    columns = np.array([exact(one) for one in x.tolist()]).transpose(1, 2, 0)
    found = dict(zip(("exp", "sigmoid", "tanh"), columns, strict=True))
    arguments = {"exp": x, "sigmoid": x, "tanh": x / 2}
    if dtype == "float64":
        arguments["log"] = log_points(count)
        logs = [exact_log(one) for one in arguments["log"].tolist()]
        found["log"] = np.array(logs).transpose(1, 2, 0)[0]
    return {name: (arguments[name], *pair) for name, pair in found.items()}


def ulps(value, near, missing):
    """Distances from what `split` gave, in units in the last place of the value's format."""
    info = np.finfo(value.dtype)
    size = np.maximum(np.abs(near), float(info.smallest_normal))
    unit = np.exp2(np.floor(np.log2(size))) * float(info.eps)
    return np.abs((value.astype(float) - near) / unit - missing * (np.spacing(np.abs(near)) / unit))


def check(vmath, count):
    for name, (x, *true) in references(vmath.dtype, count).items():
        errors = ulps(vmath(name, x)[0], *true)
        worst = f"{errors.max():.3f} ulp at {x[errors.argmax()]!r}"
        print(f"{name}: {worst}")
        assert errors.max() <= BOUNDS[name], f"{name}: {worst}"


def test_some_points(vmath):
    check(vmath, 20_000)


@pytest.mark.slow
def test_a_million_points(vmath):
    """Half a minute of mpmath for each precision; pytest's -rP shows the worst errors."""
    check(vmath, POINTS)


def test_a_wrong_function_is_seen(vmath):
    """The measure itself: the next number is too far."""
    x, *true = references(vmath.dtype, 20_000)["exp"]
    value = vmath("exp", x)[0]
    for end in (-np.inf, np.inf):
        wrong = np.nextafter(value, np.array(end, value.dtype))
        assert ulps(wrong, *true).max() > BOUNDS["exp"]


# ---- special values ----------------------------------------------------------------------------


def same(got, expected):
    """The same numbers, signs of zeros and NaNs included."""
    got, expected = np.asarray(got), np.asarray(expected, np.asarray(got).dtype)
    np.testing.assert_array_equal(got, expected)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))


def test_exp_of_special_values(vmath):
    info = np.finfo(vmath.dtype)
    tiny = float(info.smallest_subnormal)
    x = [0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny, info.max, -info.max]
    same(vmath("exp", x)[0], [1, 1, np.inf, 0, np.nan, 1, 1, np.inf, 0])


def test_exp_at_the_ends_of_the_format(vmath):
    """Overflow and underflow where they belong; denormal results to half an ulp and a bit."""
    info = np.finfo(vmath.dtype)
    top = np.array(np.log(info.max), vmath.dtype)
    bottom = np.array(np.log(float(info.smallest_subnormal)), vmath.dtype)
    below = np.nextafter(top, np.array(0, vmath.dtype))
    values = vmath("exp", [below, top + 1, bottom - 1, np.log(float(info.smallest_normal))])[0]
    assert np.isfinite(values[0])
    assert values[1] == np.inf
    assert values[2] == 0
    assert abs(float(values[3]) / float(info.smallest_normal) - 1) < 200 * info.eps
    x = np.linspace(float(bottom) + 0.01, float(np.log(float(info.smallest_normal))), 2000)
    x = x.astype(vmath.dtype)
    true = np.array([split(libmp.mpf_exp(libmp.from_float(one), 100)) for one in x.tolist()]).T
    assert ulps(vmath("exp", x)[0], *true).max() < BOUNDS["exp"]


def test_exp_of_what_is_not_positive(vmath):
    """The bits of exp where they are a normal number's; below, that, a denormal one or 0."""
    info = np.finfo(vmath.dtype)
    end = float(np.log(info.smallest_normal))
    x = np.concatenate([-np.abs(points(vmath.dtype, 20_000)), np.linspace(end - 2, end + 2, 4001)])
    value, expected = (vmath(name, x)[0] for name in ("exp_falling", "exp"))
    normal = expected >= info.smallest_normal
    assert 20_000 < normal.sum() < len(x) - 1000
    np.testing.assert_array_equal(value[normal], expected[normal])
    assert ((value[~normal] >= 0) & (value[~normal] <= info.smallest_normal)).all()
    edge = np.array([0.0, -0.0, -float(info.smallest_subnormal), -info.max, -np.inf, np.nan])
    same(vmath("exp_falling", edge)[0], [1, 1, 1, 0, 0, np.nan])


def test_log_of_special_values(vmath):
    tiny = 5e-324
    x = [1.0, 0.0, -0.0, -1.0, -np.inf, np.inf, np.nan]
    same(vmath("log", x)[0], [0, -np.inf, -np.inf, np.nan, np.nan, np.inf, np.nan])
    denormal = np.array([tiny, 3 * tiny, 1e-310, 2.2250738585072e-308])
    true = np.array([exact_log(one)[0] for one in denormal.tolist()]).T
    assert ulps(vmath("log", denormal)[0], *true).max() <= BOUNDS["log"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_logistic_and_tanh_of_special_values(vmath, sign):
    info = np.finfo(vmath.dtype)
    tiny = float(info.smallest_subnormal)
    x = sign * np.array([0.0, tiny, 800, info.max, np.inf, np.nan], vmath.dtype)
    high = float(sign > 0)
    values, slopes = vmath("sigmoid", x)
    same(values, [0.5, 0.5, high, high, high, np.nan])
    same(slopes, [0.25, 0.25, 0, 0, 0, np.nan])
    values, slopes = vmath("tanh", x)
    expected = np.array([0, sign * tiny, sign, sign, sign, np.nan], vmath.dtype)
    np.testing.assert_array_equal(values, expected)  # tanh -0 is 0: nothing here tells them apart
    same(slopes, [1, 1, 0, 0, 0, np.nan])


def test_no_argument_is_forgotten(vmath):
    """Every position of an array, whatever the width of the vectors: ends included."""
    for count, name in itertools.product((1, 3, 16, 17, 33), ("exp", "sigmoid", "tanh", "log")):
        x = np.linspace(0.1, 2, count)
        alone = np.transpose([[values[0] for values in vmath(name, [one])] for one in x])
        np.testing.assert_allclose(vmath(name, x), alone, rtol=1e-6)
