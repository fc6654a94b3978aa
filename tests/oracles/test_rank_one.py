"""The rank-one trick alone: expectations and variances are exact, over all draws there are."""

import functools
import itertools

import numpy as np
import pytest

import nbt

TOLERANCE = 1e-13


def terms(seed, k, *sizes):
    """Factors (k, size) of very unequal norms, and the sum of their products."""
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=(k, n)) * 10.0 ** rng.uniform(-2, 2, (k, 1)) for n in sizes]
    return factors, sum(product(*(f[i] for f in factors)) for i in range(k))


def product(*factors):
    return functools.reduce(np.multiply.outer, factors)


def every(values, *shape):
    """All arrays of that shape with entries in `values`."""
    size = int(np.prod(shape))
    return np.array(list(itertools.product(values, repeat=size)), float).reshape(-1, *shape)


def mean_and_variance(estimates, exact):
    """Of uniform draws: the mean, and the mean squared distance from `exact`."""
    estimates = np.asarray(estimates)
    axes = tuple(range(1, estimates.ndim))
    return estimates.mean(axis=0), ((estimates - exact) ** 2).sum(axis=axes).mean()


def close(actual, exact):
    np.testing.assert_allclose(actual, exact, rtol=0, atol=TOLERANCE * np.abs(exact).max())


# ---- matrices ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [None, 1.0, "given"])
@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_mean_and_variance_over_all_signs(k, rho):
    """Proposition 1 and (49), (58)."""
    (v, w), A = terms(1, k, 3, 5)
    if rho == "given":
        rho = np.random.default_rng(2).normal(size=k)  # of either sign
    signs = every((-1, 1), k)
    vs, ws = nbt.rank_one(v, w, signs, rho=rho)
    assert vs.shape == (2**k, 3)
    assert ws.shape == (2**k, 5)
    mean, variance = mean_and_variance(vs[:, :, None] * ws[:, None, :], A)
    close(mean, A)
    scale = (A**2).sum()
    assert nbt.rank_one_variance(v, w, rho=rho) == pytest.approx(variance, 1e-12, TOLERANCE * scale)
    if k == 1:
        assert nbt.rank_one_variance(v, w, rho=rho) == 0


def test_one_draw_is_the_formula():
    """(53), written out."""
    (v, w), _ = terms(3, 4, 3, 2)
    signs = np.array([1, -1, -1, 1])
    norm = np.linalg.norm
    vbar = sum(e * a * np.sqrt(norm(b) / norm(a)) for e, a, b in zip(signs, v, w, strict=True))
    wbar = sum(e * b * np.sqrt(norm(a) / norm(b)) for e, a, b in zip(signs, v, w, strict=True))
    for actual, expected in zip(nbt.rank_one(v, w, signs), (vbar, wbar), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-13)


def test_no_rho_is_better():
    """The default is a minimum: any other ρ that is not proportional to it has more variance."""
    (v, w), _ = terms(4, 5, 3, 4)
    best = nbt.rank_one_variance(v, w)
    rho = np.sqrt(np.linalg.norm(w, axis=1) / np.linalg.norm(v, axis=1))
    assert nbt.rank_one_variance(v, w, rho=7 * rho) == pytest.approx(best, 1e-12)
    for i in range(5):
        for factor in (0.9, 1.1):
            other = rho.copy()
            other[i] *= factor
            assert nbt.rank_one_variance(v, w, rho=other) > best * (1 + 1e-9)
    assert nbt.rank_one_variance(v, w, rho=1) > 1.1 * best


def test_zero_and_huge_terms():
    """A zero factor drops its term; norms do not overflow."""
    v, w = np.array([[1.0, 2], [0, 0], [5, 6]]), np.array([[3.0, 4, 5], [1, 1, 1], [0, 0, 0]])
    vbar, wbar = nbt.rank_one(v, w, [1, 1, 1])
    close(np.outer(vbar, wbar), np.outer(v[0], w[0]))
    assert nbt.rank_one_variance(v, w) == 0
    vbar, wbar = nbt.rank_one([[1e200, 1e200]], [[1e-200]], [-1])
    np.testing.assert_allclose(np.outer(vbar, wbar), [[1], [1]], rtol=1e-12)
    np.testing.assert_allclose(np.abs(vbar), 2**-0.25, rtol=1e-12)  # norm 2^(1/4)


def test_a_generator_draws_the_signs():
    (v, w), A = terms(5, 3, 2, 4)
    first, again = (nbt.rank_one(v, w, np.random.default_rng(8)) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    rng = np.random.default_rng(9)
    seen = {np.outer(*nbt.rank_one(v, w, rng)).round(9).tobytes() for _ in range(100)}
    assert len(seen) == 4  # 2^3 signs, up to a common one
    assert A.shape == (2, 4)


def test_inputs_are_untouched():
    (v, w), _ = terms(6, 3, 2, 4)
    kept = v.copy(), w.copy()
    nbt.rank_one(v, w, [1, 1, -1])
    nbt.rank_one_tensor([v, w, v], [0, 1, 2])
    np.testing.assert_array_equal(v, kept[0])
    np.testing.assert_array_equal(w, kept[1])


# ---- Gaussian ----------------------------------------------------------------------------------


def covariances():
    L = np.tril(np.random.default_rng(10).normal(size=(3, 3)))
    return [None, np.diag([1.0, 4.0, 0.25]), L @ L.T + 0.1 * np.eye(3)]


@pytest.mark.parametrize("covariance", covariances(), ids=["identity", "diagonal", "full"])
def test_gaussian_mean_and_variance_by_quadrature(covariance):
    """Mean and variance are polynomials of degree 2 and 4 in z: Gauss-Hermite with three nodes a
    dimension is exact."""
    A = np.random.default_rng(11).normal(size=(3, 5))
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    z = np.array(list(itertools.product(nodes, repeat=3)))
    chance = np.array(list(itertools.product(weights / weights.sum(), repeat=3))).prod(axis=1)
    xi, a = nbt.rank_one_gaussian(A, z, covariance=covariance)
    estimates = xi[:, :, None] * a[:, None, :]
    close(np.tensordot(chance, estimates, 1), A)
    variance = chance @ ((estimates - A) ** 2).sum(axis=(1, 2))
    formula = nbt.rank_one_gaussian_variance(A, covariance=covariance)
    assert formula == pytest.approx(variance, 1e-12)
    sigma = np.eye(3) if covariance is None else covariance
    close(np.einsum("s,si,sj->ij", chance, xi, xi), sigma)


def test_gaussian_is_no_match_for_signs_at_rank_one():
    """Footnote 7: signs are exact, Gaussians are not."""
    v, w = np.array([[1.0, 2, 3]]), np.array([[4.0, 5]])
    assert nbt.rank_one_variance(v, w) == 0
    A = np.outer(v[0], w[0])
    assert nbt.rank_one_gaussian_variance(A) == pytest.approx(4 * (A**2).sum())  # n + 1


# ---- tensors -----------------------------------------------------------------------------------


def all_draws(method, d, k):
    return every(range(d), k) if method == "roots" else every((-1, 1), d - 1, k)


CASES = [(2, 4), (3, 3), (4, 2), (5, 2)]  # d, k


@pytest.mark.parametrize("method", ["roots", "recursion"])
@pytest.mark.parametrize(("d", "k"), CASES)
def test_tensor_mean_over_all_draws(d, k, method):
    """Footnote 6, both ways; the imaginary part has mean 0, too."""
    factors, A = terms(12 + d, k, *range(2, 2 + d))
    draws = all_draws(method, d, k)
    results = nbt.rank_one_tensor(factors, draws, method=method)
    assert [r.shape for r in results] == [(len(draws), n) for n in range(2, 2 + d)]
    complex_ = method == "roots" and d > 2
    assert {r.dtype for r in results} == {np.dtype("complex128" if complex_ else "float64")}
    products = np.array([product(*(r[s] for r in results)) for s in range(len(draws))])
    close(products.mean(axis=0), A)
    _, variance = mean_and_variance(products.real, A)
    assert variance > 1e-3 * (A**2).sum()


@pytest.mark.parametrize("method", ["roots", "recursion"])
def test_tensor_of_order_two_is_the_matrix(method):
    (v, w), _ = terms(20, 4, 3, 5)
    signs = every((-1, 1), 4)
    draws = (1 - signs) / 2 if method == "roots" else signs[:, np.newaxis]
    expected = nbt.rank_one(v, w, signs)
    for actual, wanted in zip(
        nbt.rank_one_tensor((v, w), draws, method=method), expected, strict=True
    ):
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-14 * np.abs(wanted).max())


@pytest.mark.parametrize("method", ["roots", "recursion"])
def test_a_single_product_is_exact(method):
    factors, A = terms(21, 1, 2, 3, 4)
    for draws in all_draws(method, 3, 1):
        close(product(*nbt.rank_one_tensor(factors, draws, method=method)).real, A)


@pytest.mark.parametrize("method", ["roots", "recursion"])
def test_equal_norms_are_worth_it(method):
    """One term's factors made unequal by a factor that cancels: the estimate does not change."""
    factors, A = terms(22, 3, 2, 3, 4)
    draws = all_draws(method, 3, 3)
    results = nbt.rank_one_tensor(factors, draws, method=method)
    c = np.array([[1e3], [1.0], [1e-2]])
    moved = nbt.rank_one_tensor(
        [factors[0] * c, factors[1] / c**2, factors[2] * c], draws, method=method
    )
    for one, other in zip(results, moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.abs(one).max())
    assert A.shape == (2, 3, 4)


def test_recursion_is_recursive():
    """Order 3 by hand: (u) ⊗ (v ⊗ w) with the first signs, then v ⊗ w with the second."""
    factors, _ = terms(23, 4, 2, 3, 5)
    norms = [np.linalg.norm(f, axis=1) for f in factors]
    mean = np.prod(norms, axis=0) ** (1 / 3)
    u, v, w = (f * (mean / n)[:, None] for f, n in zip(factors, norms, strict=True))
    first, second = np.array([1, -1, 1, -1]), np.array([1, 1, -1, -1])
    expected = first @ u, (first * second) @ v, second @ w
    actual = nbt.rank_one_tensor(factors, [first, second], method="recursion")
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12)


# ---- bad input ---------------------------------------------------------------------------------

V, W = np.ones((2, 3)), np.ones((2, 4))
BAD = [
    (lambda: nbt.rank_one(V, np.ones((3, 4)), [1, 1]), ValueError, "w: expected 2 rows"),
    (lambda: nbt.rank_one(V[0], W, [1, 1]), ValueError, r"v: expected shape \(rows, columns\)"),
    (lambda: nbt.rank_one([[1], [1, 2]], W, [1, 1]), ValueError, "v: expected an array"),
    (lambda: nbt.rank_one(V * np.nan, W, [1, 1]), ValueError, "v: expected finite"),
    (lambda: nbt.rank_one(V * 1j, W, [1, 1]), TypeError, "v: expected real numbers"),
    (lambda: nbt.rank_one(V, W, [1, 1, 1]), ValueError, r"signs: expected shape \(\.\.\., 2\)"),
    (lambda: nbt.rank_one(V, W, [1, 0]), ValueError, "signs: expected signs, 1 or -1"),
    (lambda: nbt.rank_one(V, W, [1, -1], rho=[1, 0]), ValueError, "rho: expected"),
    (lambda: nbt.rank_one(V, W, [1, -1], rho=[1, 1, 1]), ValueError, "rho: expected"),
    (lambda: nbt.rank_one_gaussian(V, [1, 2, 3]), ValueError, "normals: expected shape"),
    (lambda: nbt.rank_one_gaussian(V, [1, 2], covariance=np.eye(3)), ValueError, "covariance"),
    (
        lambda: nbt.rank_one_gaussian(V, [1, 2], covariance=[[1, 2], [2, 1]]),
        ValueError,
        "positive definite",
    ),
    (
        lambda: nbt.rank_one_gaussian(V, [1, 2], covariance=[[1, 0.5], [0, 1]]),
        ValueError,
        "symmetric",
    ),
    (lambda: nbt.rank_one_tensor([V], [0, 0]), ValueError, "factors: expected at least 2"),
    (lambda: nbt.rank_one_tensor([V, np.ones((3, 1))], [0, 0]), ValueError, r"factors\[1\]"),
    (lambda: nbt.rank_one_tensor([V, W, V], [0, 3]), ValueError, r"integers in \[0, 3\)"),
    (lambda: nbt.rank_one_tensor([V, W, V], [0, 0.5]), ValueError, r"integers in \[0, 3\)"),
    (
        lambda: nbt.rank_one_tensor([V, W, V], [1, 1], method="recursion"),
        ValueError,
        r"draws: expected shape \(\.\.\., 2, 2\)",
    ),
    (lambda: nbt.rank_one_tensor([V, W], [1, 1], method="other"), ValueError, "method"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_input_is_named(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call()
