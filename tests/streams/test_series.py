"""Generated series: the equations, seeds, any cutting, any stop."""

import numpy as np
import pytest

import nbt
from nbt.datasets import series

MAKERS = {
    "mackey_glass": nbt.datasets.mackey_glass,
    "lorenz": nbt.datasets.lorenz,
    "sines": nbt.datasets.sines,
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def test_any_cutting_and_any_stop(make):
    whole = make(noise=0.1, seed=3)
    expected = whole.read(3000)
    assert expected.shape == (3000, len(whole.columns))
    assert np.isfinite(expected).all()
    assert (whole.position, whole.alphabet, whole.endless) == (3000, None, True)
    cut, place = make(noise=0.1, seed=3), 0
    for size in (1, 2, 1021, 1, 1022, 1, 900, 52):
        np.testing.assert_array_equal(cut.read(size), expected[place : place + size])
        place += size
        after = make(noise=0.1, seed=3)
        after.load_state_dict(cut.state_dict())
        np.testing.assert_array_equal(after.read(7), whole_part(make, place, 7))
    assert cut.state_dict() == whole.state_dict()


def whole_part(make, begin, count):
    stream = make(noise=0.1, seed=3)
    return stream.read(begin + count)[begin:]


def test_seeds_differ(make):
    one, same, other = (make(seed=seed).read(50) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()


def test_states_that_are_none(make):
    stream = make(seed=1)
    state = stream.state_dict()
    for bad in ({**state, "seed": 2}, {**state, "process": -1}, {}, None):
        with pytest.raises(ValueError, match="state"):
            stream.load_state_dict(bad)
    stream.load_state_dict(state)


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("tau", lambda: nbt.datasets.mackey_glass(tau=0)),
        ("every", lambda: nbt.datasets.mackey_glass(every=18)),
        ("every", lambda: nbt.datasets.lorenz(every=0)),
        ("noise", lambda: nbt.datasets.lorenz(noise=-1)),
        ("noise", lambda: nbt.datasets.sines(noise=float("nan"))),
        ("length", lambda: nbt.datasets.sines(length=0.5)),
        ("seed", lambda: nbt.datasets.sines(seed=-1)),
    ],
)
def test_bad_arguments(argument, call):
    with pytest.raises(ValueError, match=argument):
        call()


def test_mackey_glass_is_the_equation():
    """Against a Runge-Kutta of the same equation in steps ten times as small, and against its
    derivative."""
    tau = 17.0
    stream = nbt.datasets.mackey_glass(tau=tau, every=0.1, seed=0)
    x = stream.read(3000)[:, 0]
    h = tau / 170
    slope = (x[2:] - x[:-2]) / (2 * h)
    late = x[:-172]
    expected = 0.2 * late / (1 + late**10) - 0.1 * x[170:-2]
    np.testing.assert_allclose(slope[169:-1], expected, atol=2e-4)
    assert 0.2 < x.min() < 0.6
    assert 1.1 < x.max() < 1.5

    fine = 1700
    past = np.full(fine + 1, 1.25)
    coarse = series._MackeyGlass(tau, 1.0, 0.0, 0)._run(np.full(171, 1.25), 1000)[171:]

    def push(value):
        return 0.2 * value / (1 + value**10)

    y = past.tolist()
    for k in range(10_000):
        g, g_next = push(y[k]), push(y[k + 1])
        middle, now, step = (g + g_next) / 2, y[-1], h / 10
        a = g - 0.1 * now
        b = middle - 0.1 * (now + step / 2 * a)
        c = middle - 0.1 * (now + step / 2 * b)
        d = g_next - 0.1 * (now + step * c)
        y.append(now + step / 6 * (a + 2 * b + 2 * c + d))
    np.testing.assert_allclose(coarse, np.array(y[fine + 1 :])[9::10], atol=5e-5)


def test_lorenz_is_the_equation():
    at = np.array([1.0, 2.0, 20.0])
    coarse = series._lorenz_steps(at, 40, 1)
    x, y, z = coarse[1:-1].T
    slopes = (coarse[2:] - coarse[:-2]) / 0.02
    np.testing.assert_allclose(slopes[:, 0], 10 * (y - x), atol=0.5)
    np.testing.assert_allclose(slopes[:, 1], x * (28 - z) - y, atol=2.5)
    np.testing.assert_allclose(slopes[:, 2], x * y - 8 / 3 * z, atol=2.5)
    long = nbt.datasets.lorenz(seed=1).read(20_000)
    assert np.abs(long.mean(axis=0) - [0, 0, 23.55]).max() < 1.5  # of the attractor
    assert long[:, 2].std() == pytest.approx(8.6, abs=0.4)


def test_sines_have_the_noise_and_the_periods_they_say():
    stream = nbt.datasets.sines(length=1e9, noise=0.0, seed=5)
    y = stream.read(2000)[:, 0]
    _, a, p, s = np.frombuffer(stream.state_dict()["process"].to_bytes(32, "little"))
    assert s == 0
    assert np.abs(y).max() == pytest.approx(a, rel=0.02)
    crossings = np.flatnonzero((y[:-1] < 0) & (y[1:] >= 0))
    assert np.diff(crossings).mean() == pytest.approx(p, rel=0.02)
    residual = y[2:] - 2 * np.cos(2 * np.pi / p) * y[1:-1] + y[:-2]
    assert np.abs(residual).max() < 1e-9
    many = nbt.datasets.sines(length=50, noise=0.1, seed=5)
    regimes = set()
    for _ in range(100):
        many.read(1024)
        regimes.add(many.state_dict()["process"])
    assert len(regimes) == 100
