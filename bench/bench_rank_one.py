"""The rank-one trick alone: one reduction of k terms."""

import numpy as np
import pytest

import nbt


@pytest.mark.parametrize("k", [20, 512])
def test_rank_one(benchmark, k):
    rng = np.random.default_rng(0)
    v, w = rng.normal(size=(k, k)), rng.normal(size=(k, 64))
    benchmark(nbt.rank_one, v, w, rng)


@pytest.mark.parametrize("method", ["roots", "recursion"])
def test_rank_one_tensor(benchmark, method):
    rng = np.random.default_rng(0)
    factors = [rng.normal(size=(64, n)) for n in (20, 20, 64)]
    benchmark(nbt.rank_one_tensor, factors, rng, method=method)
