"""The oracle against what is independent of it: published vectors, finite differences, dense
algebra, closed forms. What it says about expectations is in test_unbiased.py."""

import numpy as np
import oracle
import pytest
from helpers.oracle_checks import (
    ACTIVATIONS,
    SYMBOLS,
    close,
    cold,
    dense,
    dense_norm2,
    differences,
    fixed,
    phi_of,
    theta_of,
    with_phi,
    with_theta,
)
from oracle import cell, optimizer, readout
from oracle.philox import philox4x32, signs

# Philox


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000",
         "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
         "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_philox_known_answers(counter, key, words):
    counter, key, words = ([int(w, 16) for w in x.split()] for x in (counter, key, words))
    assert list(philox4x32(counter, key)) == words


def test_signs_read_the_words_from_the_low_bit_up():
    drawn = signs(0, 0, 0, 128)
    bits = "".join("1" if s > 0 else "0" for s in drawn[::-1])  # unit 127 first
    assert f"{int(bits, 2):032x}" == "9b00dbd8" + "bc57ac4c" + "e169c58d" + "6627e8d5"


def test_signs_counter_and_key():
    seed, k, t = (7 << 32) | 9, 3, (2 << 32) | 5
    drawn = signs(seed, k, t, 300)
    for group, size in ((0, 128), (1, 128), (2, 44)):
        words = philox4x32((5, 2, group, 3), (9, 7))
        for i in range(size):
            bit = words[i // 32] >> (i % 32) & 1
            assert drawn[128 * group + i] == (1.0 if bit else -1.0)


# Cell and readout


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_transition_derivatives(activation):
    rng = np.random.default_rng(1)
    n, m = 3, 4
    h, x, theta, alpha = (
        rng.normal(size=n),
        rng.normal(size=m),
        rng.normal(size=(8, n)),
        rng.random(n),
    )
    F = cell.jacobian(h, theta, alpha, activation)
    close(F, differences(lambda h: cell.transition(h, x, theta, alpha, activation), h), 1e-8)
    by_theta = differences(lambda theta: cell.transition(h, x, theta, alpha, activation), theta)
    z = cell.regressors(h, x, activation)
    expected = np.zeros((n, 8, n))
    for i in range(n):
        expected[i, :, i] = z
    close(expected, by_theta, 1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_is_the_textbook_one(activation):
    h = np.linspace(-4.0, 4.0, 9)
    a, slope = cell.activate(h, activation), cell.slope(h, activation)
    if activation == "sigmoid":
        close(a, 1 / (1 + np.exp(-h)), 1e-15)
        close(slope, a * (1 - a), 1e-14)
    else:
        close(slope, 1 - np.tanh(h) ** 2, 1e-14)
    for far in (-800.0, 800.0):
        assert np.isfinite(cell.activate(np.array([far]), activation)).all()
    assert cell.slope(np.array([30.0]), activation) > 0


def test_transition_by_hand():
    """Unit 1 from (37), spelled out: W[j, i] is from j to i."""
    h, x, alpha = np.array([0.3, -0.7]), np.array([2.0, -1.0, 0.5]), np.array([0.1, 0.6])
    theta = np.arange(12.0).reshape(6, 2) / 10
    b, W, r = theta[0], theta[1:3], theta[3:]
    a = np.tanh(h)
    by_hand = b[1] + W[0, 1] * a[0] + W[1, 1] * a[1]
    by_hand += r[0, 1] * x[0] + r[1, 1] * x[1] + r[2, 1] * x[2] + alpha[1] * h[1]
    assert cell.transition(h, x, theta, alpha, "tanh")[1] == pytest.approx(by_hand, rel=1e-14)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_readout_derivatives(activation):
    rng = np.random.default_rng(2)
    n, A, y = 3, 5, 3
    h, phi = rng.normal(size=n), rng.normal(size=(1 + n, A))
    delta = readout.delta(h, y, phi, activation)
    by_phi = differences(lambda phi: readout.loss(h, y, phi, activation), phi)
    by_h = differences(lambda h: readout.loss(h, y, phi, activation), h)
    close(readout.gradient(h, delta, activation), by_phi, 1e-8)
    close(readout.backward(h, delta, phi, activation), by_h, 1e-8)


def test_loss_is_the_log_of_the_probability_in_nats():
    rng = np.random.default_rng(3)
    h, phi = rng.normal(size=3), rng.normal(size=(4, 5))
    p = readout.predict(h, phi, "tanh")
    assert p.sum() == pytest.approx(1.0, rel=1e-14)
    assert (p > 0).all()
    for y in range(5):
        assert readout.loss(h, y, phi, "tanh") == pytest.approx(-np.log(p[y]), rel=1e-13)
    assert readout.loss(h, 2, 0.0 * phi, "tanh") == pytest.approx(np.log(5), rel=1e-14)


# Optimizers


def test_sgd_step():
    x, g = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    sgd = optimizer.SGD(lambda t: 0.5 / np.sqrt(t + 1))
    close(sgd.step(x, g, 3), x - 0.25)


def test_kalman_measures_decayed_outer_products():
    rng = np.random.default_rng(4)
    gs, decays = rng.normal(size=(6, 5, 3)), [0.5, 0.3, 0.1, 7.0, 0.2, 0.1]
    J, J0 = rng.random((5, 3)), rng.random((5, 3))
    kalman = optimizer.Kalman(lambda t: decays[t], 2.0, J, J0)
    for t, g in enumerate(gs):
        kalman.step(g, g, t)
    for i in range(3):
        full = np.zeros((5, 5))
        for gamma, g in zip([1.0, 0.2, 0.1], gs[3:], strict=True):  # 7 is 1: all before is lost
            full = (1 - gamma) * full + np.outer(g[:, i], g[:, i])
        close(kalman.J[:, i], np.diag(full))
        close(kalman.J0[1:, i], full[0, 1:])
    assert (kalman.J0[0] == 0.0).all()


def test_kalman_solves_the_matrix_it_stands_for():
    """Against dense solves of M, whose entries kept are J's and whose inverse is an arrow."""
    rng = np.random.default_rng(5)
    P, columns, prior = 5, 3, 0.7
    gs = rng.normal(size=(4, P, columns))
    J, J0 = (gs**2).sum(axis=0), (gs[:, :1] * gs).sum(axis=0)
    J0[0] = 0.0
    g, w = rng.normal(size=(2, P, columns))
    x = optimizer.solve(J, J0, prior, g)
    norm2, inner = optimizer.inner(J, J0, prior, w, w), optimizer.inner(J, J0, prior, w, g)
    for i in range(columns):
        M = dense(J, J0, prior, i)
        assert np.linalg.eigvalsh(M).min() > 0
        inverse = np.linalg.inv(M)
        beyond_the_arrow = inverse[1:, 1:] - np.diag(np.diag(inverse[1:, 1:]))
        assert np.abs(beyond_the_arrow).max() < 1e-14
        close(x[:, i], np.linalg.solve(M, g[:, i]))
        assert norm2[i] == pytest.approx(dense_norm2(M, w[:, i]), rel=1e-12)
        assert inner[i] == pytest.approx(w[:, i] @ np.linalg.solve(M, g[:, i]), rel=1e-12)


def test_quasi_diagonal_is_exact_on_two_rows():
    """With a bias and one weight nothing is dropped: the step is that of the full filter."""
    rng = np.random.default_rng(6)
    gs = 0.5 * rng.normal(size=(3, 2, 4))  # none an outlier
    kalman = optimizer.Kalman(fixed(0.25), 0.5, np.zeros((2, 4)), np.zeros((2, 4)))
    full = np.zeros((4, 2, 2))
    for t, g in enumerate(gs):
        x = kalman.step(np.zeros((2, 4)), g, t)
        full = 0.75 * full + np.einsum("pi,qi->ipq", g, g)
    for i in range(4):
        close(-x[:, i], np.linalg.solve(full[i] + 0.5 * np.eye(2), gs[-1][:, i]))


def test_an_outlier_counts_for_less_the_larger_it_is():
    """g_0^2 = 4, 40 and 400 times D_0 = 2.5: as it is, a quarter, a fortieth."""
    J = np.full((2, 3), 2.0)
    g = np.sqrt(2.5) * np.array([[2.0, -(40**0.5), 20.0], [1.0, 1.0, 1.0]])
    shrunk = optimizer.trusted(J, 0.5, g)
    close(shrunk, g / [1.0, 4.0, 40.0])


# RTRL


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("inputs", ["self", "symbols", "vector"])
def test_rtrl_against_differences_through_the_past(activation, inputs):
    rng = np.random.default_rng(7)
    n, m, A = 3, 5 if inputs == "self" else 4, 5
    kind = "vector" if inputs == "vector" else "symbols"
    state = cold(oracle.initial_state(rng, n, m, A, rule="rtrl", inputs=kind))
    y = rng.integers(A, size=6)
    x = rng.normal(size=(6, m)) if inputs == "vector" else rng.integers(m, size=6)
    data = (y,) if inputs == "self" else (x, y)

    def run(state):
        trainer = oracle.RTRL(
            state, units=n, activation=activation, inputs=kind, optimizer=("sgd", fixed(0.0))
        )
        return trainer, trainer.learn(*data)

    trainer, _ = run(state)
    by_theta = differences(lambda theta: run(with_theta(state, theta))[1][-1], theta_of(state))
    close(trainer.g_theta, by_theta, 1e-8)
    by_phi = differences(lambda phi: run(with_phi(state, phi))[1][-1], phi_of(state))
    close(trainer.g_phi, by_phi, 1e-8)
    h_by_theta = differences(lambda theta: run(with_theta(state, theta))[0].h, theta_of(state))
    close(trainer.influence(), h_by_theta, 1e-8)


@pytest.mark.parametrize("supervised", [False, True])
def test_rtrl_derivative_along_a_moving_trajectory(supervised):
    """The convention of Proposition 2: the whole sequence theta_0, theta_1, ... is shifted."""
    rng = np.random.default_rng(8)
    n, m = 3, 5
    state = cold(oracle.initial_state(rng, n, m, 5, rule="rtrl", step=0))
    trainer = oracle.RTRL(
        state, units=n, activation="sigmoid", inputs="symbols", optimizer=("sgd", fixed(0.8))
    )
    x, y = list(SYMBOLS), list(SYMBOLS[::-1])
    thetas = []
    for one in zip(x, y, strict=True):
        before = trainer.theta
        trainer.learn(*([value] for value in one[: 1 + supervised]))
        thetas.append(before if supervised else trainer.theta)  # the one its transition used

    def replay(shift):
        h = state["state.h"]
        for symbol, theta in zip(x, thetas, strict=True):
            h = cell.transition(h, np.eye(m)[symbol], theta + shift, state["cell.alpha"], "sigmoid")
        return h

    shift = np.zeros((1 + n + m, n))
    close(replay(shift), trainer.h)
    close(trainer.influence(), differences(replay, shift), 1e-8)
    assert np.abs(thetas[-1] - thetas[0]).max() > 0.1


def test_first_step_moves_phi_only_and_h_by_old_phi():
    """At t = 0 theta has had no influence yet; H comes from phi as it was when it predicted."""
    rng = np.random.default_rng(9)
    state = oracle.initial_state(rng, 3, 4, 5, rule="rtrl", fresh=True)
    trainer = oracle.RTRL(
        state, units=3, activation="tanh", inputs="symbols", optimizer=("sgd", fixed(0.5))
    )
    phi = trainer.phi
    trainer._observe(2, learning=True)
    close(trainer.theta, theta_of(state), 0.0)
    close(trainer.phi, phi - 0.5 * trainer.g_phi)
    delta = readout.delta(state["state.h"], 2, phi, "tanh")
    close(trainer.H, readout.backward(state["state.h"], delta, phi, "tanh"))


def test_kalman_trainer_uses_prior_times_units_for_both():
    rng = np.random.default_rng(10)
    n, m, A = 3, 5, 5
    state = oracle.initial_state(rng, n, m, A, rule="rtrl", kalman=True)
    trainer = oracle.RTRL(
        state,
        units=n,
        activation="sigmoid",
        inputs="symbols",
        optimizer=("kalman", lambda t: 1 / np.sqrt(t + 1), 0.4),
    )
    trainer.learn([1])
    after = trainer.state_dict()
    for name, before, now, g in (
        ("theta", theta_of(state), trainer.theta, trainer.g_theta),
        ("phi", phi_of(state), trainer.phi, trainer.g_phi),
    ):
        J, J0 = (after[f"optimizer.{name}.{key}"] for key in ("J", "J0"))
        close(J, 0.5 * state[f"optimizer.{name}.J"] + g**2)  # step 3: decay 1/2
        close(J0[1:], 0.5 * state[f"optimizer.{name}.J0"][1:] + g[0] * g[1:])
        for i in range(g.shape[1]):
            M = dense(J, J0, 0.4 * n, i)
            close((before - now)[:, i], np.linalg.solve(M, g[:, i]))
