"""The general core is unbiased, exactly: the mean over all signs is RTRL's G (19).

As in test_unbiased_core: a seed for every sequence of signs, parameters that do not move. The
systems are not square, share parameters between states, and one has two phases, each with signs of
its own.
"""

import functools

import numpy as np
import pytest
from helpers import systems

import nbt
from nbt import _core

START, A = 2, 4
NORMS = [("sgd", "euclidean"), ("sgd", "none"), ("sgd", "fisher"), ("kalman", "kalman"),
         ("kalman", "fisher")]  # fmt: skip
SYSTEMS = {"ring": (systems.ring, systems.RING, 3), "layers": (systems.layers, systems.LAYERS, 1)}


@functools.cache
def seeds(bits, steps, pairs=1):
    """A seed for each of the 2^(bits steps pairs) sequences of the signs from step START on."""
    found, seed = {}, 0
    while len(found) < 2 ** (bits * steps * pairs):
        words = (
            _core.sign_bits(seed, k, START + t, 0)[0] % 2**bits
            for t in range(steps)
            for k in range(pairs)
        )
        found.setdefault(tuple(words), seed)
        seed += 1
    return tuple(found.values())


def build(kind, system, sizes, optimizer, **own):
    choice = nbt.SGD(0.0) if optimizer == "sgd" else nbt.Kalman(0.2, prior=0.3)
    return kind(system, nbt.Softmax(A), choice, inputs=sizes["m"], dtype="float64", **own)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("case", NORMS, ids=str)
def test_unbiased_over_all_signs(name, case):
    check(name, case, SYSTEMS[name][2])


@pytest.mark.parametrize("case", NORMS, ids=str)
def test_unbiased_where_pairs_share_the_parameters(case):
    check("ring", case, 2, rank=2, split="blocks")


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("optimizer", ["sgd", "kalman"])
def test_uoro_is_unbiased_over_all_signs(name, optimizer):
    check(name, (optimizer, None), SYSTEMS[name][2], nbt.UORO)


def check(name, case, steps, kind=nbt.NoBackTrack, **own):
    optimizer, norm = case
    own |= {"norm": norm} if norm else {}
    make, sizes, _ = SYSTEMS[name]
    system, rng = make(), np.random.default_rng(6)
    trainer = build(kind, system, sizes, optimizer, **own)
    trainer.learn(rng.normal(size=(START, sizes["m"])), [1, 3])
    state = trainer.state_dict()
    for key in ("readout.W", "estimator.v", "estimator.w"):
        state[key] = rng.normal(size=state[key].shape)
    trainer.load_state_dict(state)
    rtrl = build(nbt.RTRL, system, sizes, optimizer)
    shared = {key: value for key, value in state.items() if not key.startswith("estimator")}
    rtrl.load_state_dict(shared | {"estimator.G": trainer.influence()})
    x, y = rng.normal(size=(steps, sizes["m"])), rng.integers(0, A, steps)
    verb = "learn" if optimizer == "sgd" else "observe"
    getattr(rtrl, verb)(x, y)

    estimates = []
    for seed in seeds(system.phases * sizes["n"], steps, own.get("rank", 1)):
        trainer.load_state_dict(state | {"seed": np.uint64(seed)})
        getattr(trainer, verb)(x, y)
        estimates.append(trainer.influence())
    exact = rtrl.influence()
    mean, scale = np.mean(estimates, axis=0), np.abs(exact).max()
    np.testing.assert_allclose(mean, exact, rtol=0, atol=1e-13 * np.abs(estimates).max())
    assert np.var(estimates, axis=0).sum() > 0.01 * scale**2
