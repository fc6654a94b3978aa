"""The oracle's truncated backpropagation against RTRL and finite differences."""

import itertools

import numpy as np
import oracle
import pytest
from helpers.oracle_checks import ACTIVATIONS, SYMBOLS, close, differences, fixed, phi_of, theta_of
from oracle import cell, readout


def bptt(state, window, rate=0.0, **choices):
    choices = {"activation": "sigmoid", "inputs": "symbols"} | choices
    return oracle.TruncatedBPTT(
        state, units=3, window=window, optimizer=("sgd", fixed(rate)), **choices
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("inputs", ["self", "symbols", "vector"])
def test_unbounded_window_gives_the_sum_of_rtrl(activation, inputs):
    rng = np.random.default_rng(11)
    n, m, A, T = 3, 5 if inputs == "self" else 4, 5, 9
    kind = "vector" if inputs == "vector" else "symbols"
    seed = int(rng.integers(2**32))
    states = {
        rule: oracle.initial_state(
            np.random.default_rng(seed), n, m, A, rule=rule, inputs=kind, fresh=True, window=T
        )
        for rule in ("rtrl", "bptt")
    }
    y = rng.integers(A, size=T)
    x = rng.normal(size=(T, m)) if inputs == "vector" else rng.integers(m, size=T)
    rtrl = oracle.RTRL(
        states["rtrl"], units=n, activation=activation, inputs=kind, optimizer=("sgd", fixed(0.0))
    )
    g_theta, g_phi, losses = 0.0, 0.0, []
    for s in range(T):
        losses += list(rtrl.learn([y[s]]) if inputs == "self" else rtrl.learn([x[s]], [y[s]]))
        g_theta, g_phi = g_theta + rtrl.g_theta, g_phi + rtrl.g_phi
    trainer = bptt(states["bptt"], T, rate=1.0, activation=activation, inputs=kind)
    close(trainer.learn(y) if inputs == "self" else trainer.learn(x, y), np.array(losses))
    close(theta_of(states["bptt"]) - trainer.theta, g_theta)
    close(
        np.vstack([states["bptt"]["readout.b"], states["bptt"]["readout.W"]]) - trainer.phi, g_phi
    )


def test_each_window_is_differentiated_from_its_first_transition_on():
    """Second window of a self-supervised run: T losses after T transitions, from a constant h."""
    rng = np.random.default_rng(12)
    window = 3
    state = oracle.initial_state(rng, 3, 5, 5, rule="bptt", fresh=True, window=window)
    trainer = bptt(state, window, rate=1.0)
    trainer.learn(SYMBOLS[:window])
    last = trainer.state_dict()
    h, alpha = last["window.h"][0], last["cell.alpha"]

    def losses(theta, phi):
        state, total = h, 0.0
        for x, y in itertools.pairwise(SYMBOLS[2:6]):
            state = cell.transition(state, np.eye(5)[x], theta, alpha, "sigmoid")
            total += readout.loss(state, y, phi, "sigmoid")
        return total

    theta, phi = trainer.theta, trainer.phi
    trainer.learn(SYMBOLS[3:5])
    close(trainer.theta, theta, 0.0)  # nothing moves inside a window
    close(trainer.phi, phi, 0.0)
    trainer.learn(SYMBOLS[5:6])
    close(theta - trainer.theta, differences(lambda theta: losses(theta, phi), theta), 1e-8)
    close(phi - trainer.phi, differences(lambda phi: losses(theta, phi), phi), 1e-8)


def test_rate_of_a_window_is_that_of_its_last_step():
    rng = np.random.default_rng(13)
    state = oracle.initial_state(rng, 3, 5, 5, rule="bptt", window=3, step=10)
    rates = []
    trainer = oracle.TruncatedBPTT(
        state,
        units=3,
        window=3,
        activation="tanh",
        inputs="symbols",
        optimizer=("sgd", lambda t: rates.append(t) or 0.1),
    )
    trainer.learn(SYMBOLS[:6])
    assert sorted(set(rates)) == [12, 15]


def test_observed_steps_carry_gradient_but_bring_no_loss():
    rng = np.random.default_rng(14)
    state = oracle.initial_state(rng, 3, 5, 5, rule="bptt", fresh=True, window=4)
    trainer = bptt(state, 4, rate=1.0)
    trainer.learn(SYMBOLS[:1])
    trainer.observe(SYMBOLS[1:3])
    trainer.learn(SYMBOLS[3:4])

    def learned(theta):
        h, total = state["state.h"], 0.0
        for s in range(4):
            if s in (0, 3):
                total += readout.loss(h, SYMBOLS[s], phi_of(state), "sigmoid")
            x = np.eye(5)[SYMBOLS[s]]
            h = cell.transition(h, x, theta, state["cell.alpha"], "sigmoid")
        return total

    theta = theta_of(state)
    close(theta - trainer.theta, differences(learned, theta), 1e-8)


def test_window_closed_by_observe_is_applied_later():
    rng = np.random.default_rng(15)
    state = oracle.initial_state(rng, 3, 5, 5, rule="bptt", fresh=True, window=2)
    trainer = bptt(state, 2, rate=1.0)
    trainer.learn(SYMBOLS[:1])
    trainer.observe(SYMBOLS[1:2])
    waiting = trainer.g_phi
    state_after = trainer.state_dict()  # only the transition after the window is in the new one
    assert list(state_after["window.x"]) == [SYMBOLS[1], -1]
    assert (state_after["window.h"][1] == 0).all()
    assert (state_after["window.delta"] == 0).all()
    assert np.abs(waiting).max() > 0
    close(trainer.theta, theta_of(state), 0.0)
    other = bptt(trainer.state_dict() | {"window.g_phi": 0 * waiting}, 2, rate=1.0)
    trainer.learn(SYMBOLS[2:4])
    other.learn(SYMBOLS[2:4])
    close(other.phi - trainer.phi, waiting)
    assert (trainer.g_phi == 0).all()
    assert (trainer.g_theta == 0).all()


def test_a_transition_without_target_is_a_step_without_loss():
    """learn(x) leaves its last transition waiting for a target; learn(x, y) then brings another."""
    rng = np.random.default_rng(26)
    state = oracle.initial_state(rng, 3, 5, 5, rule="bptt", fresh=True, window=3)
    trainer = bptt(state, 3, rate=1.0)
    trainer.learn([2])
    trainer = bptt(trainer.state_dict(), 3, rate=1.0)
    trainer.learn([4], [1])

    def learned(theta):
        start = state["state.h"]
        total = readout.loss(start, 2, phi_of(state), "sigmoid")
        for x in (2, 4):
            start = cell.transition(start, np.eye(5)[x], theta, state["cell.alpha"], "sigmoid")
        return total + readout.loss(start, 1, phi_of(state), "sigmoid")

    theta = theta_of(state)
    close(theta - trainer.theta, differences(learned, theta), 1e-8)
