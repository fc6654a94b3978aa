"""However ∂f/∂θ is written down, and whether the pattern stays, a system learns the same.

C takes other ways where each parameter acts on one state alone, where every parameter has an entry,
where a row is a run, and where the pattern is as it was; here one network is written in all of
them, by turns.
"""

import itertools

import numpy as np
import pytest
from helpers import systems

import nbt

N, M, A, STEPS = 6, 3, 4, 40
P = 1 + N + M
RULES = {
    "nobacktrack": nbt.NoBackTrack,
    "rtrl": nbt.RTRL,
    "bptt": nbt.TruncatedBPTT,
    "uoro": nbt.UORO,
}
OPTIMIZERS = {"sgd": nbt.SGD(nbt.InverseSqrt(0.1)), "kalman": nbt.Kalman(0.3)}
STARTS = {
    "units": np.arange(N) * P,
    "halves": np.arange(2 * N) * P // 2,
    "pair": np.append(np.delete(np.arange(N) * P, 1), N * P - P // 2),  # two units share a group
    "none": None,
}
PLAIN = np.random.default_rng(0).normal(size=(P, N)) / 2


def as_it_is(indptr, indices, data):
    return indptr, indices, data


def backwards(indptr, indices, data):
    """Each row from its end: no runs."""
    order = np.concatenate([np.arange(b - 1, a - 1, -1) for a, b in itertools.pairwise(indptr)])
    return indptr, indices[order], data[order]


def without_zeros(indptr, indices, data):
    """Only what is not 0: there are gaps, and none in the first row of all."""
    kept = data != 0
    return np.concatenate([[0], np.cumsum(kept)])[indptr], indices[kept], data[kept]


def shared(indptr, indices, data):
    """A 0 in the last row's first column for the first state: as if they had it in common."""
    return (
        indptr + (np.arange(N + 1) > 0),
        np.insert(indices, P, indices[-P]),
        np.insert(data, P, 0.0),
    )


WAYS = (as_it_is, backwards, without_zeros, shared)


def learn(rule, optimizer, starts, ways, stopped=False, **own):
    """Losses and the last state, the rows being written in the given ways by turns."""
    network = systems.network(PLAIN, np.zeros(N), "sigmoid")
    calls = 0

    def rows(h, x, theta):
        nonlocal calls
        calls += 1
        csr = network.rows(h, x, theta)
        return ways[calls // 3 % len(ways)](*(np.asarray(part) for part in csr))

    parts = {name: getattr(network, name) for name in ("step", "jvp", "vjp", "theta", "state")}
    system = nbt.System(
        **parts, rows=rows, starts=STARTS[starts], activation="sigmoid", entries=N * P + 1
    )

    def make():
        return RULES[rule](
            system,
            nbt.Softmax(A),
            OPTIMIZERS[optimizer],
            inputs=M,
            dtype="float64",
            seed=3,
            **own,
        )

    trainer, rng = make(), np.random.default_rng(1)
    x = rng.normal(size=(STEPS, M)) * (rng.random((STEPS, M)) < 0.5)
    y = rng.integers(0, A, STEPS)
    if not stopped:
        return trainer.learn(x, y), trainer.state_dict()
    losses = []
    for t in range(STEPS):
        losses += [trainer.learn(x[t : t + 1], y[t : t + 1])]
        state, trainer = trainer.state_dict(), make()
        trainer.load_state_dict(state)
    return np.concatenate(losses), trainer.state_dict()


@pytest.mark.parametrize("starts", STARTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "own",
    [{"norm": "euclidean"}, {"norm": "fisher"}, {"norm": "kalman"}, {"norm": "none"}, {"rank": 2}],
    ids=str,
)
def test_nobacktrack(own, optimizer, starts):
    if own.get("norm") == "kalman" and optimizer == "sgd":
        pytest.skip("the norm is the metric's")
    losses, state = learn("nobacktrack", optimizer, starts, (as_it_is,), **own)
    for ways in [*([way] for way in WAYS), WAYS]:
        again, found = learn("nobacktrack", optimizer, starts, ways, **own)
        np.testing.assert_allclose(again, losses, rtol=1e-9)
        for key in ("cell.theta", "estimator.w"):
            np.testing.assert_allclose(found[key], state[key], rtol=1e-6, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("rule", ["rtrl", "bptt"])
def test_other_rules(rule):
    losses, state = learn(rule, "kalman", "units", (as_it_is,))
    for ways in [*([way] for way in WAYS), WAYS]:
        again, found = learn(rule, "kalman", "units", ways)
        np.testing.assert_allclose(again, losses, rtol=1e-9)
        np.testing.assert_allclose(found["cell.theta"], state["cell.theta"], rtol=1e-6)


@pytest.mark.parametrize("norm", ["euclidean", "fisher", "kalman"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stopped_at_every_step_it_is_the_same_to_the_bit(optimizer, norm, assert_same_state):
    if norm == "kalman" and optimizer == "sgd":
        pytest.skip("the norm is the metric's")
    losses, state = learn("nobacktrack", optimizer, "units", WAYS, norm=norm)
    again, found = learn("nobacktrack", optimizer, "units", WAYS, stopped=True, norm=norm)
    assert again.tobytes() == losses.tobytes()
    assert_same_state(found, state)
