"""Reductions of J and exact Fisher matrices: against whole matrices."""

import dataclasses

import numpy as np
import oracle.general
import pytest
from helpers import systems
from helpers.oracle_states import oracle_state, phases_of

import nbt

A, DECAY, PRIOR = 4, nbt.InverseSqrt(0.3), 5.0
REDUCTIONS = ["quasi-diagonal", "diagonal", "block", "full"]
RULES = {
    "nobacktrack": nbt.NoBackTrack,
    "rtrl": nbt.RTRL,
    "bptt": nbt.TruncatedBPTT,
    "uoro": nbt.UORO,
}
ORACLES = {
    "nobacktrack": oracle.general.NoBackTrack,
    "rtrl": oracle.general.RTRL,
    "bptt": oracle.general.TruncatedBPTT,
    "uoro": oracle.general.UORO,
}
READOUTS = {
    "softmax": nbt.Softmax(A),
    "gaussian": nbt.Gaussian(2, False),
    "bernoulli": nbt.Bernoulli(A),
}


def targets(kind, steps, rng):
    if kind == "softmax":
        return rng.integers(0, A, steps)
    return rng.normal(size=(steps, 2)) if kind == "gaussian" else rng.random((steps, A))


def own(rule, norm):
    return {"nobacktrack": {"rank": 2, "norm": norm}, "bptt": {"window": 3}}.get(rule, {})


def start(trainer, rng):
    """φ that is not 0."""
    state = trainer.state_dict()
    for key in ("readout.b", "readout.W"):
        state[key] = 0.5 * rng.normal(size=state[key].shape)
    trainer.load_state_dict(state)


CASES = [
    *(("nobacktrack", reduction, fisher, "softmax", norm)
      for reduction in REDUCTIONS for fisher in ("outer", "exact") for norm in ("fisher", "kalman")
      if (reduction, fisher) != ("quasi-diagonal", "outer")),
    *(("rtrl", reduction, "exact", kind, None)
      for reduction in REDUCTIONS for kind in ("gaussian", "bernoulli")),
    *(("rtrl", reduction, "outer", "gaussian", None) for reduction in REDUCTIONS),
    *(("bptt", reduction, "outer", "softmax", None) for reduction in REDUCTIONS[1:]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 2e-3)])
def test_as_whole_matrices(case, dtype, tolerance):
    rule, reduction, fisher, kind, norm = case
    rng, system = np.random.default_rng(4), systems.ring()
    optimizer = nbt.Kalman(DECAY, PRIOR, reduction=reduction, fisher=fisher)
    trainer = RULES[rule](
        system, READOUTS[kind], optimizer, inputs=2, dtype=dtype, seed=3, **own(rule, norm)
    )
    start(trainer, rng)
    state = {k: v for k, v in trainer.state_dict().items() if not k.startswith("optimizer")}
    starts = systems.RING["starts"]
    begun = oracle_state(state, starts)
    begun |= {"J_theta": np.zeros((8, 8)), "J_phi": np.zeros((begun["phi"].size,) * 2)}
    theirs = ORACLES[rule](
        phases_of(system), begun, m=2, starts=starts, exact=fisher == "exact", readout=kind,
        optimizer=("kalman", DECAY, PRIOR, reduction), **own(rule, norm),
    )  # fmt: skip
    x, y = rng.normal(size=(12, 2)), targets(kind, 12, rng)
    np.testing.assert_allclose(trainer.learn(x, y), theirs.learn(x, y), rtol=tolerance)
    state = trainer.state_dict()
    for mine, expected in (
        (state["cell.theta"], theirs.theta),
        (np.vstack([state["readout.b"], state["readout.W"]]), theirs.phi),
    ):
        np.testing.assert_allclose(mine, expected, rtol=0, atol=tolerance)
    assert np.abs(state["cell.theta"] - system.theta).max() > 1e-3


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("cell", ["system", "rnn"])
def test_stopped_and_gone_on_with(rule, reduction, cell, tmp_path, assert_same_state):
    fisher = "outer" if rule == "bptt" else "exact"
    optimizer = nbt.Kalman(DECAY, PRIOR, reduction=reduction, fisher=fisher)
    cell = systems.ring() if cell == "system" else nbt.LeakyRNN(5)
    trainer, cut = (
        RULES[rule](cell, nbt.Softmax(A), optimizer, inputs=2, **own(rule, "kalman"))
        for _ in range(2)
    )
    rng = np.random.default_rng(5)
    x, y = 0.3 * rng.normal(size=(140, 2)), rng.integers(0, A, 140)
    losses = trainer.learn(x, y)
    first = cut.learn(x[:67], y[:67])
    cut.save(tmp_path / "a.safetensors")
    system = cell if isinstance(cell, nbt.System) else None
    again = nbt.load(tmp_path / "a.safetensors", cell=system)
    assert np.concatenate([first, again.learn(x[67:], y[67:])]).tobytes() == losses.tobytes()
    assert_same_state(again.state_dict(), trainer.state_dict())
    assert again.optimizer == optimizer


def test_full_is_the_extended_kalman_filter():
    """(21)–(22): the covariance form, P ← P - P Hᵀ (R + H P Hᵀ)⁻¹ H P for each number that is
    predicted, gives the same steps."""
    rng, system = np.random.default_rng(6), systems.ring()
    optimizer = nbt.Kalman(0.0, PRIOR, reduction="full", fisher="exact")
    trainer = nbt.RTRL(system, nbt.Gaussian(2, False), optimizer, dtype="float64")
    start(trainer, rng)
    P = np.eye(8) / (PRIOR * 3)  # Λ⁻¹
    for y in rng.normal(size=(10, 2)):
        state, (mean, variance), G = trainer.state_dict(), trainer.predict(), trainer.influence()
        u = state["readout.b"][2:] + state["state.h"] @ state["readout.W"][:, 2:]
        slope = 1 / (1 + np.abs(u) / 20) ** 2
        of_mean = state["readout.W"][:, :2].T @ G  # of what is predicted by θ, (2, 8)
        of_log = slope[:, np.newaxis] * state["readout.W"][:, 2:].T @ G
        error = mean - y
        g = (error / variance) @ of_mean + 0.5 * (1 - error**2 / variance) @ of_log
        for row, R in zip((*of_mean, *of_log), (*variance, 2.0, 2.0), strict=True):
            P = P - np.outer(P @ row, row @ P) / (R + row @ P @ row)
        trainer.learn(y[np.newaxis])  # the target, then the input
        moved = trainer.state_dict()["cell.theta"] - state["cell.theta"]
        np.testing.assert_allclose(moved, -P @ g, rtol=0, atol=1e-10)
    assert np.abs(trainer.state_dict()["cell.theta"] - system.theta).max() > 0.05


# ---- arguments -----------------------------------------------------------------------------------


def test_arguments():
    with pytest.raises(ValueError, match="reduction: expected one of"):
        nbt.Kalman(reduction="none")
    with pytest.raises(ValueError, match="fisher: expected one of"):
        nbt.Kalman(fisher="none")
    with pytest.raises(ValueError, match="fisher: expected 'outer' for backpropagation"):
        nbt.TruncatedBPTT(nbt.RNN(3), nbt.Softmax(2), nbt.Kalman(fisher="exact"))
    with pytest.raises(ValueError, match="split: expected None with reduction='full'"):
        nbt.NoBackTrack(
            nbt.RNN(3), nbt.Softmax(2), nbt.Kalman(reduction="full"), rank=2, split="blocks"
        )
    with pytest.raises(ValueError, match="without a readout"):
        nbt.RTRL(systems.ring(), None, nbt.Kalman(reduction="full"), inputs=2)
    assert repr(nbt.Kalman()) == "Kalman(decay=InverseSqrt(scale=0.1), prior=None)"
    full = nbt.Kalman(reduction="full")
    assert "reduction='full', fisher='outer'" in repr(full)
    assert dataclasses.replace(full, reduction="quasi-diagonal") == nbt.Kalman()
