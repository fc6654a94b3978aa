"""Each peer does the job of LSTM units: the same losses, to rounding."""

import importlib

import numpy as np
import pytest

from bench.peers.lstm import WINDOW, LSTMJob
from tests.oracle import gated

TOLERANCE = {"float64": 1e-12, "float32": 1e-4}  # nats
STEPS = 30 * WINDOW
CASES = [
    ("torch", "nn.LSTM"),
    ("torch", "nn.LSTMCell"),
    ("jax", "scan"),
    ("jax", "scan, tuned"),
]
every = pytest.mark.parametrize("case", CASES, ids="-".join)
types = pytest.mark.parametrize("dtype", list(TOLERANCE))


def losses_of(case, job, steps=STEPS, blocks=3):
    """Losses (steps,) of a peer, the stream cut into some blocks."""
    tool, variant = case
    pytest.importorskip(tool)
    if tool == "jax":
        importlib.import_module("jax").config.update("jax_enable_x64", job.dtype == "float64")
    module = importlib.import_module(f"bench.peers.{job.module.format(tool)}")
    peer = job.peer(module.RULES["lstm"][variant])
    cut = (np.split(part, blocks) for part in job.given("lstm", steps))
    return np.concatenate([peer.learn(*block) for block in zip(*cut, strict=True)])


def written_out(job, steps=STEPS):
    """Losses (steps,) of the job in plain NumPy: a window, its gradient, Adam of all parameters."""
    w = {name: value.astype(float) for name, value in job.weights().items()}
    theta = np.concatenate([w["cell.b"][:, None], w["cell.W"], w["cell.r"]], axis=1)
    parts = [theta, np.vstack([w["readout.b"], w["readout.W"]])]
    m, v = ([np.zeros_like(part) for part in parts] for _ in range(2))
    rates, losses, state = job.rates(), [], np.zeros((2, job.units))
    one_hot = np.eye(job.symbols)
    x, y = (np.split(part, steps // WINDOW) for part in job.given("lstm", steps))
    for t, window in enumerate(zip(x, y, strict=True)):
        theta, phi = parts
        net = gated.Network(gated.LSTM(), theta)
        taken, H, g_phi = [], [], np.zeros_like(phi)
        for now, target in zip(*window, strict=True):
            u, s = net.step(one_hot[now], state)
            state = np.array([s.c, s.y])
            features = np.concatenate([[1.0], s.y])
            p = np.exp(features @ phi)
            p /= p.sum()
            losses.append(-np.log(p[target]))
            delta = p - one_hot[target]
            g_phi += np.outer(features, delta)
            H.append(phi[1:] @ delta)
            taken.append((u, s))
        gradients = [gated.Blocks(net, rank=0).gradient(taken, np.array(H)), g_phi]
        for k in range(2):
            given = parts[k], gradients[k], m[k], v[k], t + 1, rates[k]
            parts[k], m[k], v[k] = gated.adam(*given)
    return np.array(losses)


@types
@every
def test_losses_are_those_of_the_job_written_out(case, dtype):
    job = LSTMJob(7, 5, dtype, rate=0.01)
    wanted = written_out(job)
    for still in (LSTMJob(7, 5, rate=0.0), LSTMJob(7, 5, rate=0.01, readout_rate=0.0)):
        assert np.abs(wanted - written_out(still)).max() > 0.1, "all of it learns"
    np.testing.assert_allclose(losses_of(case, job), wanted, rtol=0, atol=TOLERANCE[dtype])


@types
@every
def test_losses_are_ours_while_the_readout_does_not_learn(case, dtype):
    job = LSTMJob(7, 5, dtype, rate=0.01, readout_rate=0.0)
    ours = job.trainer("lstm").learn(*job.given("lstm", STEPS))
    frozen = LSTMJob(7, 5, dtype, rate=0.0)
    assert np.abs(ours - written_out(frozen)).max() > 0.1, "it learns"
    np.testing.assert_allclose(losses_of(case, job), ours, rtol=0, atol=TOLERANCE[dtype])


@every
def test_losses_are_those_of_observing_where_nothing_learns(case):
    job = LSTMJob(20, 9, "float64", rate=0.0)
    ours = job.trainer("lstm").observe(*job.given("lstm", STEPS))
    np.testing.assert_allclose(losses_of(case, job), ours, rtol=0, atol=TOLERANCE["float64"])
