"""The oracle against what is independent of it: published vectors, finite differences, dense
algebra, closed forms. What it says about expectations is in test_unbiased.py."""

import itertools

import numpy as np
import oracle
import pytest
from oracle import cell, optimizer, readout, reduction
from oracle.philox import philox4x32, signs

ACTIVATIONS = ("sigmoid", "tanh")
NORMS = ("euclidean", "kalman", "fisher", "none")
SYMBOLS = (2, 0, 4, 1, 1, 3, 0)


def fixed(value):
    return lambda t: value


def differences(f, x, step=1e-5):
    """df/dx by central differences, shape of f(x) + shape of x."""
    f0 = np.asarray(f(x))
    result = np.empty(f0.shape + x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        result[(..., *index)] = (np.asarray(f(up)) - np.asarray(f(down))) / (2 * step)
    return result


def close(actual, expected, tolerance=1e-12):
    """Equal to `tolerance` of the largest entry expected."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def dense(J, J0, prior, i):
    """The matrix M (P, P) that the diagonal and first row of block i stand for (optimizer.py)."""
    row = J0[:, i].copy()
    row[0] = J[0, i] + prior
    M = np.outer(row, row) / row[0]
    M[np.diag_indices(len(row))] = J[:, i] + prior
    return M


def dense_norm2(M, w):
    return w @ np.linalg.solve(M, w)


def all_signs(n):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def theta_of(state):
    return np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]])


def phi_of(state):
    return np.vstack([state["readout.b"], state["readout.W"]])


def with_theta(state, theta):
    n = len(state["cell.b"])
    return state | {"cell.b": theta[0], "cell.W": theta[1 : 1 + n], "cell.r": theta[1 + n :]}


def with_phi(state, phi):
    return state | {"readout.b": phi[0], "readout.W": phi[1:]}


def cold(state):
    """The same state with nothing known about the past: h is a constant."""
    return state | {"estimator.G": np.zeros_like(state["estimator.G"])}


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
    gs = rng.normal(size=(3, 2, 4))
    kalman = optimizer.Kalman(fixed(0.25), 0.5, np.zeros((2, 4)), np.zeros((2, 4)))
    full = np.zeros((4, 2, 2))
    for t, g in enumerate(gs):
        x = kalman.step(np.zeros((2, 4)), g, t)
        full = 0.75 * full + np.einsum("pi,qi->ipq", g, g)
    for i in range(4):
        close(-x[:, i], np.linalg.solve(full[i] + 0.5 * np.eye(2), gs[-1][:, i]))


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


# Backpropagation through time


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


# The rank-one trick


@pytest.mark.parametrize("metric", ["euclidean", "kalman"])
@pytest.mark.parametrize("blocks", [1, 2, 4])
@pytest.mark.parametrize("exact_self", [False, True])
def test_variance_of_one_reduction(metric, blocks, exact_self):
    """(58), summed over the blocks, by enumeration of the signs; measured in the metric in use."""
    rng = np.random.default_rng(16)
    n, P, S = 4, 6, blocks
    v, w = rng.normal(size=(S, n)), rng.normal(size=(P, n))
    right, u, prior = rng.normal(size=(P, n)), rng.uniform(0.5, 2.0, n), 0.3
    left = rng.normal(size=(n, n)) if exact_self else np.eye(n)
    gs = rng.normal(size=(3, P, n)) * (metric == "kalman")
    J, J0 = (gs**2).sum(axis=0), (gs[:, :1] * gs).sum(axis=0)
    J0[0] = 0.0

    def inner(a, b):
        return optimizer.inner(J, J0, prior, a, b)

    def squared(G):
        """Hilbert-Schmidt norm of G (n, P, n) with the metrics u on states, M^-1 on parameters."""
        return sum(u[j] * inner(G[j], G[j]).sum() for j in range(n))

    A = np.zeros((n, P, n))
    terms = [[] for _ in range(S)]  # of each block: (v_i, w_i), w_i in all the block's parameters
    for s in range(S):
        members = np.zeros((P, n))
        members[:, s::S] = w[:, s::S]
        terms[s].append((v[s], members))
    for i in range(n):
        alone = np.zeros((P, n))
        alone[:, i] = right[:, i]
        terms[i % S].append((left[:, i], alone))
    expected = 0.0
    for block in terms:
        for x, y in block:
            A += np.einsum("j,pi->jpi", x, y)
        for (v1, w1), (v2, w2) in itertools.permutations(block, 2):
            vv, ww = (u * v1 * v2).sum(), inner(w1, w2).sum()
            norms2 = (
                (u * v1**2).sum() * (u * v2**2).sum() * inner(w1, w1).sum() * inner(w2, w2).sum()
            )
            expected += np.sqrt(norms2) + vv * ww

    mean, second = 0.0, 0.0
    for sign in all_signs(n):
        new_v, new_w = reduction.fold(v, w, left, right, sign, u, inner)
        G = np.stack([np.outer(new_v[i % S], new_w[:, i]).reshape(n, P) for i in range(n)], axis=-1)
        mean, second = mean + G / 2**n, second + squared(G - A) / 2**n
    close(mean, A)
    assert second == pytest.approx(expected, rel=1e-12, abs=1e-12 * squared(A))


def test_balance_gives_up_a_product_that_is_zero():
    assert reduction.balance(16.0, 1.0) == (2.0, 0.5)
    assert reduction.balance(0.0, 1.0) == reduction.balance(1.0, 0.0) == (0.0, 0.0)
    assert reduction.balance(0.0, 0.0) == (0.0, 0.0)
    assert reduction.unbalanced(16.0, 1.0) == (1.0, 1.0)
    assert reduction.unbalanced(0.0, 1.0) == reduction.unbalanced(1.0, 0.0) == (0.0, 0.0)


def kalman_trainer(rng, *, rank, blocks, exact_self, norm, inputs="self", fresh=False, **choices):
    """A NoBackTrack under way with the Kalman optimizer, n = 4, m = 5, A = 5."""
    state = oracle.initial_state(
        rng,
        4,
        5,
        5,
        rank=rank,
        blocks=blocks,
        exact_self=exact_self,
        norm=norm,
        kalman=True,
        fresh=fresh,
    )
    return oracle.NoBackTrack(
        state,
        units=4,
        activation="sigmoid",
        inputs="symbols",
        optimizer=("kalman", fixed(0.2), 0.6),
        rank=rank,
        blocks=blocks,
        exact_self=exact_self,
        norm=norm,
        **choices,
    )


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("blocks", [1, 2, 4])
@pytest.mark.parametrize("exact_self", [False, True])
def test_scales_of_one_step_against_dense_metrics(norm, blocks, exact_self):
    """The transition is odd and even in the signs, which separates old from new: read off every
    rho, and compare with the norms of dense matrices."""
    n, K, S, prior = 4, 2, blocks, 0.6 * 4
    sign = np.array([1.0, -1.0, -1.0, 1.0])
    pair = []
    for flip in (1.0, -1.0):
        trainer = kalman_trainer(
            np.random.default_rng(18), rank=K, blocks=S, exact_self=exact_self, norm=norm,
            sign_source=lambda k, t, n, flip=flip: flip * sign,
        )  # fmt: skip
        trainer._observe(3, learning=True)
        before = trainer.state_dict()
        F = cell.jacobian(trainer.h, trainer.theta, trainer.alpha, "sigmoid")
        trainer._advance(3)
        pair.append(trainer.state_dict())
    own = before["estimator.d"] if exact_self else np.outer(before["estimator.z"], np.ones(n))
    J, J0 = before["optimizer.theta.J"], before["optimizer.theta.J0"]
    M = [dense(J, J0, prior, i) for i in range(n)]
    if norm in ("euclidean", "none"):
        M = [np.eye(len(own))] * n
    columns = F - np.diag(np.diag(F)) if exact_self else np.eye(n)
    carry = np.eye(n) if exact_self else F
    for k in range(K):
        v, w = before["estimator.v"][k], before["estimator.w"][k]
        u = np.ones(n)
        if norm == "fisher":
            u = before["estimator.fisher"] + 1e-4
        if norm == "kalman":
            for j in range(n):  # row j of G~, unit by unit
                rows = [v[i % S, j] * w[:, i] + (own[:, i] if i == j else 0) for i in range(n)]
                u[j] = 1 / sum(dense_norm2(M[i], rows[i]) for i in range(n))
        old_v, old_w, new_v, new_w = (
            (pair[0][f"estimator.{x}"][k] + c * pair[1][f"estimator.{x}"][k]) / 2
            for c in (1, -1)
            for x in "vw"
        )
        rho = np.empty(n)
        for i in range(n):
            rho[i] = (sign[i] * own[:, i] @ own[:, i]) / (own[:, i] @ new_w[:, i])
            close(new_w[:, i], sign[i] * own[:, i] / rho[i])
            fourth = dense_norm2(M[i], own[:, i]) / (u * columns[:, i] ** 2).sum()
            assert rho[i] ** 4 == pytest.approx(1.0 if norm == "none" else fourth, rel=1e-11)
        for s in range(S):
            members = range(s, n, S)
            close(new_v[s], carry @ sum(sign[i] * rho[i] * columns[:, i] for i in members))
            source = F @ v[s] if exact_self else v[s]
            fourth = sum(dense_norm2(M[i], w[:, i]) for i in members) / (u * source**2).sum()
            rho_bar = 1.0 if norm == "none" else fourth**0.25
            close(old_v[s], rho_bar * (carry @ source))
            for i in members:
                close(old_w[:, i], w[:, i] / rho_bar)


# NoBackTrack


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("exact_self", [False, True])
def test_gradient_is_that_of_the_estimated_influence(norm, exact_self):
    rng = np.random.default_rng(19)
    trainer = kalman_trainer(rng, rank=3, blocks=2, exact_self=exact_self, norm=norm)
    trainer.learn(SYMBOLS)
    influence = trainer.influence()
    trainer._observe(2, learning=True)
    close(trainer.g_theta, np.einsum("k,kpi->pi", trainer.H, influence))


def test_without_cross_connections_exact_self_influence_is_exact():
    rng = np.random.default_rng(20)
    seed = int(rng.integers(2**32))
    trainers = []
    for rule, kind in (("nobacktrack", oracle.NoBackTrack), ("rtrl", oracle.RTRL)):
        state = oracle.initial_state(
            np.random.default_rng(seed), 3, 5, 5, rule=rule, fresh=True, exact_self=True
        )
        state["cell.W"] = np.diag(np.diag(state["cell.W"]))
        choices = {"exact_self": True} if rule == "nobacktrack" else {}
        trainer = kind(
            state,
            units=3,
            activation="tanh",
            inputs="symbols",
            optimizer=("sgd", fixed(0.0)),
            **choices,
        )
        trainer.learn(SYMBOLS)
        trainers.append(trainer)
    close(trainers[0].influence(), trainers[1].influence())


def test_fisher_is_a_running_mean():
    """s after steps 0, 1 with weights 1 and 1/sqrt(2); observing leaves it, J, theta, phi alone."""
    trainer = kalman_trainer(
        np.random.default_rng(21), rank=1, blocks=2, exact_self=True, norm="fisher", fresh=True
    )
    trainer.learn([1])
    first = trainer.H**2
    close(trainer.fisher, first)
    trainer.learn([4])
    close(trainer.fisher, first + (trainer.H**2 - first) / np.sqrt(2))
    before, h = trainer.state_dict(), trainer.h
    trainer.observe([0, 2])
    after = trainer.state_dict()
    for key in before:
        if key.startswith(("optimizer", "cell", "readout")) or key == "estimator.fisher":
            assert (before[key] == after[key]).all(), key
    assert after["step"] == 4
    assert (after["state.h"] != h).all()


def test_kalman_norm_needs_the_kalman_optimizer():
    state = oracle.initial_state(np.random.default_rng(22), 3, 5, 5)
    with pytest.raises(ValueError, match="kalman"):
        oracle.NoBackTrack(
            state,
            units=3,
            activation="tanh",
            inputs="symbols",
            optimizer=("sgd", fixed(0.1)),
            norm="kalman",
        )


RULES = {
    "rtrl": (oracle.RTRL, {}),
    "bptt": (oracle.TruncatedBPTT, {"window": 3}),
    "plain": (oracle.NoBackTrack, {"rank": 2, "blocks": 2, "norm": "kalman"}),
    "exact": (oracle.NoBackTrack, {"rank": 2, "blocks": 3, "norm": "fisher", "exact_self": True}),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("supervised", [False, True])
def test_a_run_resumes_from_its_state(name, supervised):
    """Any cut, the state given back and taken again: the same bits, and the state not touched."""
    kind, own = RULES[name]
    rule = name if name in ("rtrl", "bptt") else "nobacktrack"
    state = oracle.initial_state(
        np.random.default_rng(23), 3, 5, 5, rule=rule, kalman=True, fresh=True, **own
    )
    x, y = list(SYMBOLS), list(SYMBOLS[::-1])
    data = (x, y) if supervised else (x,)

    def build(state):
        optimizer = ("kalman", lambda t: 0.3 / np.sqrt(t + 1), 0.2)
        return kind(state, units=3, activation="tanh", inputs="symbols", optimizer=optimizer, **own)

    copy = {key: value.copy() for key, value in state.items()}
    whole = build(state)
    losses = list(whole.learn(*data))
    assert state.keys() == whole.state_dict().keys()
    for cut in range(len(x) + 1):
        first = build(state)
        start = list(first.learn(*(part[:cut] for part in data)))
        second = build(first.state_dict())
        assert start + list(second.learn(*(part[cut:] for part in data))) == losses
        for key, value in second.state_dict().items():
            assert (value == whole.state_dict()[key]).all(), key
            assert (value.shape, value.dtype) == (state[key].shape, state[key].dtype), key
    for key, value in state.items():
        assert (value == copy[key]).all(), key


def test_seed_decides_the_signs():
    state = oracle.initial_state(np.random.default_rng(24), 3, 5, 5)
    choices = dict(units=3, activation="tanh", inputs="symbols", optimizer=("sgd", fixed(0.1)))
    runs = []
    for seed in (None, int(state["seed"]), 5):
        trainer = oracle.NoBackTrack(state, seed=seed, **choices)
        trainer.learn(SYMBOLS)
        runs.append(trainer.influence())
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


def test_predict_changes_nothing_and_looks_one_input_ahead():
    trainer = kalman_trainer(
        np.random.default_rng(25), rank=1, blocks=4, exact_self=True, norm="fisher"
    )
    before = trainer.state_dict()
    p, ahead = trainer.predict(), trainer.predict(3)
    for key, value in trainer.state_dict().items():
        assert (value == before[key]).all()
    assert trainer.observe([3])[0] == pytest.approx(-np.log(p[3]), rel=1e-13)
    close(trainer.predict(), ahead)


# The linear example (28): h' = c h + theta, with c = 1 - alpha of the paper


def literally_one(w2, v2):
    """No scaling at all, as in (29)-(30): even a w that has come back to 0 keeps its v."""
    return 1.0, 1.0


def linear_step(v, w, sign, c, balance):
    """Reduction and transition of (28): one parameter a unit, z = (1,)."""
    n = v.shape[1]

    def inner(a, b):
        return (a * b).sum(axis=0)

    ones = np.ones(n)
    v, w = reduction.fold(v, w, np.eye(n), ones[None], sign, ones, inner, balance)
    return c * v, w


def linear_variance(n, T, c, rescaled):
    """Variance of v w^T after T steps, from (49): the n T terms have stayed apart all the time.

    Without rho the two factors of a term of age a are c^a e_i and e_i; with rho they are equal but
    for the last transition, c^((a+1)/2) e_i and c^((a-1)/2) e_i.
    """
    ages = np.arange(1, T + 1)
    left = c ** ((ages + 1) / 2 if rescaled else ages)
    right = c ** ((ages - 1) / 2) if rescaled else np.ones(T)
    product = left * right  # <v_i | w_i>, equal to c^age both ways
    crossed = n * (product.sum() ** 2 - (product**2).sum())  # the same unit at two times
    second = n * (left**2).sum() * n * (right**2).sum() + 2 * crossed
    return second - n * product.sum() ** 2


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("T", [1, 2, 3, 5])
def test_linear_example_variance_by_enumeration(rescaled, T):
    n, c = 2, 0.7
    balance = reduction.balance if rescaled else literally_one
    G = sum(c**age for age in range(1, T + 1)) * np.eye(n)
    mean, variance = 0.0, 0.0
    for sequence in all_signs(n * T).reshape(-1, T, n):
        v, w = np.zeros((1, n)), np.zeros((1, n))
        for sign in sequence:
            v, w = linear_step(v, w, sign, c, balance)
        estimate = np.outer(v[0], w[0])
        mean = mean + estimate / 2 ** (n * T)
        variance += ((estimate - G) ** 2).sum() / 2 ** (n * T)
    close(mean, G)
    assert variance == pytest.approx(linear_variance(n, T, c, rescaled), rel=1e-11)


def test_linear_example_variance_grows_only_without_rho():
    n, c = 5, 0.7
    grown = [linear_variance(n, T, c, rescaled=False) for T in (200, 300, 400)]
    slope = n**2 * c**2 / (1 - c**2)  # each further step: n, times n sum of c^2a
    assert grown[1] - grown[0] == pytest.approx(100 * slope, rel=1e-10)
    assert grown[2] - grown[1] == pytest.approx(100 * slope, rel=1e-10)
    bounded = [linear_variance(n, T, c, rescaled=True) for T in (200, 400)]
    assert bounded[1] == pytest.approx(bounded[0], rel=1e-12)
    assert bounded[1] < grown[0] / 20


def test_linear_example_rho_keeps_the_pair_bounded():
    """Footnote 9: v = c w after each transition, so no signs take |w_i| past 1 / (1 - sqrt c)."""
    n, c = 5, 0.7
    v, w = np.zeros((1, n)), np.zeros((1, n))
    free_v, free_w = v, w
    largest = 0.0
    for t in range(1500):
        sign = signs(3, 0, t, n)
        v, w = linear_step(v, w, sign, c, reduction.balance)
        free_v, free_w = linear_step(free_v, free_w, sign, c, literally_one)
        close(v, c * w)
        assert np.abs(w).max() <= 1 / (1 - np.sqrt(c))
        largest = max(largest, np.abs(free_w).max())
    assert largest > 5 / (1 - np.sqrt(c))
