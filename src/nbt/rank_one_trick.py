"""The rank-one trick by itself: a sum of products is replaced, without bias, by a single product.

See section 1.1 and Appendix A of the paper. A matrix given as A = Σ_i v_i w_iᵀ is replaced by a
single random v̄ w̄ᵀ with expectation A, and a tensor Σ_i u_i ⊗ v_i ⊗ … by a single ū ⊗ v̄ ⊗ ….
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from nbt import _arguments

__all__ = [
    "rank_one",
    "rank_one_gaussian",
    "rank_one_gaussian_variance",
    "rank_one_tensor",
    "rank_one_variance",
]

Method = Literal["roots", "recursion"]
METHODS = get_args(Method)


def rank_one(v, w, signs, *, rho=None) -> tuple[np.ndarray, np.ndarray]:
    """Return an unbiased rank-one estimate of A = Σ_i v_i w_iᵀ: Proposition 1.

    With independent uniform signs ε_i, v̄ = Σ_i ε_i ρ_i v_i and w̄ = Σ_i ε_i w_i / ρ_i have
    E v̄ w̄ᵀ = A, whatever the ρ_i. With a single term the estimate is exact.

    Parameters
    ----------
    v : array (k, n)
        v_i in row i.
    w : array (k, m)
        w_i in row i.
    signs : array (..., k) of ±1, or numpy.random.Generator
        The ε_i, or the generator that draws them. Leading axes give several estimates.
    rho : array (k,) or float, optional
        The ρ_i, not 0. Default: sqrt(‖w_i‖ / ‖v_i‖), which give the least variance (52); then a
        term with a zero factor is left out.

    Returns
    -------
    v̄ : array (..., n), float64
    w̄ : array (..., m), float64

    Raises
    ------
    TypeError
        `v`, `w`, `signs` or `rho` is not of real numbers.
    ValueError
        `v`, `w`, `signs` or `rho` has another shape or is not finite; `signs` has entries other
        than 1 and -1; or `rho` has a 0.

    See Also
    --------
    rank_one_variance : how far from A the estimate is.
    rank_one_tensor : more than two factors.

    Examples
    --------
    >>> import numpy as np
    >>> v, w = [[1, 0, 0], [0, 2, 0]], [[1, 1], [0, 2]]
    >>> both = [rank_one(v, w, signs) for signs in ([1, 1], [1, -1])]  # up to a common sign
    >>> np.mean([np.outer(*pair) for pair in both], axis=0).round(12)
    array([[1., 1.],
           [0., 4.],
           [0., 0.]])
    """
    v, w = _scaled(v, w, rho)
    signs = _signs(signs, (len(v),))
    return signs @ v, signs @ w


def rank_one_variance(v, w, *, rho=None) -> float:
    """Return E ‖v̄ w̄ᵀ - A‖² of `rank_one`, in closed form: (58), or (49) minus ‖A‖² if ρ is given.

    With the best ρ it is Σ_{i≠j} ‖v_i‖ ‖v_j‖ ‖w_i‖ ‖w_j‖ + ⟨v_i, v_j⟩ ⟨w_i, w_j⟩, in the
    Hilbert-Schmidt (Frobenius) norm. It depends on the terms, not only on A.

    Parameters
    ----------
    v, w, rho
        As in `rank_one`.

    Returns
    -------
    float
        The variance; exactly 0 for a single term.

    Raises
    ------
    TypeError
        `v`, `w` or `rho` is not of real numbers.
    ValueError
        `v`, `w` or `rho` has another shape or is not finite, or `rho` has a 0.

    Examples
    --------
    >>> rank_one_variance([[1, 0], [0, 1]], [[3, 0], [0, 3]])
    18.0
    >>> rank_one_variance([[1, 0], [0, 1]], [[3, 0], [0, 3]], rho=[1, 3])
    82.0
    """
    v, w = _scaled(v, w, rho)
    pairs = np.multiply.outer((v * v).sum(axis=1), (w * w).sum(axis=1)) + (v @ v.T) * (w @ w.T)
    np.fill_diagonal(pairs, 0.0)
    return float(pairs.sum())


def rank_one_gaussian(A, normals, *, covariance=None) -> tuple[np.ndarray, np.ndarray]:
    """Return an unbiased rank-one estimate of A from a Gaussian vector: footnote 7.

    With ξ ~ N(0, Σ), E ξ (ξᵀ Σ⁻¹ A) = A. No decomposition of A is needed. But unlike `rank_one`,
    this does not give a matrix of rank one exactly.

    Parameters
    ----------
    A : array (n, m)
        The matrix to estimate.
    normals : array (..., n), or numpy.random.Generator
        Standard normal numbers z, or the generator that draws them; ξ = L z with Σ = L Lᵀ.
    covariance : array (n, n), optional
        Σ, symmetric and positive definite. Default: the identity.

    Returns
    -------
    ξ : array (..., n), float64
    Aᵀ Σ⁻¹ ξ : array (..., m), float64

    Raises
    ------
    TypeError
        `A`, `normals` or `covariance` is not of real numbers.
    ValueError
        `A`, `normals` or `covariance` has another shape or is not finite, or `covariance` is not
        symmetric and positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> xi, a = rank_one_gaussian([[1, 2, 3], [4, 5, 6]], np.random.default_rng(0))
    >>> xi.shape, a.shape
    ((2,), (3,))
    """
    A, L = _matrix("A", A), _factor(covariance, A)
    if isinstance(normals, np.random.Generator):
        normals = normals.standard_normal(len(A))
    z = _numbers("normals", normals)
    if not z.ndim or z.shape[-1] != len(A):
        raise ValueError(f"normals: expected shape (..., {len(A)}), got {z.shape}")
    return z @ L.T, z @ np.linalg.solve(L, A)  # ξᵀ Σ⁻¹ A = zᵀ L⁻¹ A


def rank_one_gaussian_variance(A, *, covariance=None) -> float:
    """Return E ‖ξ ξᵀ Σ⁻¹ A - A‖² of `rank_one_gaussian`: Tr Σ · Tr(Aᵀ Σ⁻¹ A) + ‖A‖².

    It follows from E[ξᵀξ · ξᵀMξ] = Tr Σ · Tr MΣ + 2 Tr ΣMΣ with M = Σ⁻¹ A Aᵀ Σ⁻¹. It is not in the
    paper.

    Parameters
    ----------
    A, covariance
        As in `rank_one_gaussian`.

    Raises
    ------
    TypeError
        `A` or `covariance` is not of real numbers.
    ValueError
        `A` or `covariance` has another shape or is not finite, or `covariance` is not symmetric and
        positive definite.

    Examples
    --------
    >>> rank_one_gaussian_variance([[3, 0], [0, 3]])
    54.0
    """
    A, L = _matrix("A", A), _factor(covariance, A)
    return float((L * L).sum() * (np.linalg.solve(L, A) ** 2).sum() + (A * A).sum())


def rank_one_tensor(
    factors: Sequence, draws, *, method: Method = "roots"
) -> tuple[np.ndarray, ...]:
    """Return an unbiased estimate Re(ū ⊗ v̄ ⊗ …) of the tensor Σ_i u_i ⊗ v_i ⊗ …: footnote 6.

    The factors of each term are first scaled to the same norm. This minimises Π_j Σ_i ‖factor j of
    term i‖², the part of the second moment that scaling can change most. For a matrix this is
    `rank_one` with the best ρ.

    Parameters
    ----------
    factors : sequence of d ≥ 2 arrays (k, n_1), …, (k, n_d)
        Row i of each belongs to term i.
    draws : numpy.random.Generator, or array of integers
        The generator that draws, or the draws: for ``"roots"`` (..., k) integers r_i in [0, d), for
        ``"recursion"`` (..., d - 1, k) signs, one row for each split.
    method : {"roots", "recursion"}
        ``"roots"``: all factors of a term are multiplied by the same ζ_i = exp(2πi r_i / d). For d
        = 3 these are the cube roots of unity, for d = 2 signs. The result is complex; the estimate
        is the real part of its product. ``"recursion"``: the factors are split into two halves. The
        terms (u_i ⊗ …) ⊗ (w_i ⊗ …) are reduced with random signs, and then each half with signs of
        its own. The result is real.

    Returns
    -------
    tuple of d arrays (..., n_1), …, (..., n_d)
        complex128 for ``"roots"`` with d > 2, else float64.

    Raises
    ------
    TypeError
        An array in `factors`, or `draws`, is not of real numbers; `method` is no string.
    ValueError
        There are fewer than 2 factors, or they differ in the number of rows; an array has another
        shape or is not finite; `draws` has entries that are not allowed; or `method` is neither
        "roots" nor "recursion".

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> u, v, w = rank_one_tensor([rng.normal(size=(5, n)) for n in (2, 3, 4)], rng)
    >>> np.einsum("i,j,k->ijk", u, v, w).real.shape
    (2, 3, 4)
    """
    _arguments.one_of("method", method, METHODS)
    arrays = [_matrix(f"factors[{j}]", factor) for j, factor in enumerate(factors)]
    if len(arrays) < 2:
        raise ValueError(f"factors: expected at least 2, got {len(arrays)}")
    for j, array in enumerate(arrays):
        if len(array) != len(arrays[0]):
            raise ValueError(f"factors[{j}]: expected {len(arrays[0])} rows, got {len(array)}")
    arrays = _equalised(arrays)
    d, k = len(arrays), len(arrays[0])
    if method == "recursion":
        signs = _signs(draws, (d - 1, k), "draws")
        products: list[np.ndarray] = []
        _split(d, np.ones(k), signs, products)
    elif d == 2:
        products = [1.0 - 2.0 * _roots(draws, d, k)] * d
    else:
        products = [np.exp(2j * np.pi / d * _roots(draws, d, k))] * d
    return tuple(product @ array for product, array in zip(products, arrays, strict=True))


def _split(d: int, carried: np.ndarray, signs: np.ndarray, products: list) -> None:
    """Append what each of d factors is multiplied by, term by term.

    Σ_i c_i L_i ⊗ R_i becomes (Σ_i s_i c_i L_i) ⊗ (Σ_j s_j R_j): the multiplier c from the split
    before goes to the left half. The first row of `signs` (..., d - 1, k) is s, then come those of
    L and of R.
    """
    if d == 1:
        products.append(carried)
        return
    here, left = signs[..., 0, :], d // 2
    _split(left, carried * here, signs[..., 1:left, :], products)
    _split(d - left, here, signs[..., left:, :], products)


# ---- scaling -----------------------------------------------------------------------------------


def _scaled(v, w, rho) -> list[np.ndarray]:
    """Return ρ_i v_i and w_i / ρ_i."""
    v, w = _matrix("v", v), _matrix("w", w)
    if len(v) != len(w):
        raise ValueError(f"w: expected {len(v)} rows, a term each as in v, got {len(w)}")
    if rho is None:
        return _equalised([v, w])
    rho = _numbers("rho", rho)
    if rho.shape not in ((), (len(v),)) or not rho.all():
        raise ValueError(f"rho: expected a number or {len(v)}, none of them 0, got {rho}")
    rho = np.broadcast_to(rho, len(v))[:, np.newaxis]
    return [rho * v, w / rho]


def _equalised(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Return the factors of each term, scaled to their geometric mean norm; zeros for a term that
    is zero.

    For two factors the scales are sqrt(‖w‖ / ‖v‖) and its inverse, (52).
    """
    norms = np.array([_norms(array) for array in arrays])
    there = norms.all(axis=0)
    with np.errstate(divide="ignore"):
        logs = np.log(norms)
    logs[:, ~there] = 0.0
    scales = np.where(there, np.exp(logs.mean(axis=0) - logs), 0.0)
    return [scale[:, np.newaxis] * array for scale, array in zip(scales, arrays, strict=True)]


def _norms(array: np.ndarray) -> np.ndarray:
    """Return the norm of each row, computed without overflow."""
    largest = np.abs(array).max(axis=1)
    unit = array / np.where(largest > 0, largest, 1.0)[:, np.newaxis]
    return largest * np.sqrt((unit * unit).sum(axis=1))


# ---- checks ------------------------------------------------------------------------------------


def _numbers(name: str, value) -> np.ndarray:
    """Return finite real numbers as float64."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array, got {error}") from None
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected real numbers, got {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got some that are not")
    return array


def _matrix(name: str, value) -> np.ndarray:
    array = _numbers(name, value)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name}: expected shape (rows, columns), got {array.shape}")
    return array


def _signs(value, shape: tuple[int, ...], name: str = "signs") -> np.ndarray:
    """Return an array (..., *shape) of ±1."""
    if isinstance(value, np.random.Generator):
        return 2.0 * value.integers(0, 2, size=shape) - 1.0
    array = _numbers(name, value)
    if array.shape[-len(shape) :] != shape:
        expected = ", ".join(map(str, shape))
        raise ValueError(f"{name}: expected shape (..., {expected}), got {array.shape}")
    if not (np.abs(array) == 1).all():
        raise ValueError(f"{name}: expected signs, 1 or -1, got others")
    return array


def _roots(value, d: int, k: int) -> np.ndarray:
    """Return an array (..., k) of integers in [0, d)."""
    if isinstance(value, np.random.Generator):
        return value.integers(0, d, size=k)
    array = _numbers("draws", value)
    if array.shape[-1:] != (k,):
        raise ValueError(f"draws: expected shape (..., {k}), got {array.shape}")
    if not np.isin(array, np.arange(d)).all():
        raise ValueError(f"draws: expected integers in [0, {d}), got others")
    return array


def _factor(covariance, A: np.ndarray) -> np.ndarray:
    """Return the Cholesky factor L of Σ = L Lᵀ."""
    if covariance is None:
        return np.eye(len(A))
    covariance = _numbers("covariance", covariance)
    shape = (len(A), len(A))
    if covariance.shape != shape:
        raise ValueError(f"covariance: expected shape {shape}, got {covariance.shape}")
    if not np.allclose(covariance, covariance.T):
        raise ValueError("covariance: expected a symmetric matrix, got one that is not")
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise ValueError("covariance: expected a positive definite matrix") from None
