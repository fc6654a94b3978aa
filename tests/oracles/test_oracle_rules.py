"""The other rules' oracles: unbiased over all signs where they promise it, and exact where they
must be. Parameters are held fixed where signs are walked."""

import copy
import itertools

import numpy as np
import oracle
import pytest
from oracle import rules
from oracle.cell import jacobian

SYMBOLS = (3, 0, 2, 2, 1, 3)
SGD = "sgd", lambda t: 0.0


def begun(rule, n, *, m=4, A=4, terms=1, edges=None, activation="tanh", frozen=True, **own):
    """A trainer at its beginning; those of the same n have the same network."""
    state = oracle.initial_state(np.random.default_rng(7), n, m, A, rule="rtrl", fresh=True)
    if edges is not None:
        state["cell.W"] *= edges.T
    if rule is rules.SnAp:
        own["edges"] = edges
    P, some = 1 + n + m, {"r": terms} if rule is rules.OptimalKronecker else {}
    shapes = {"v": n, "w": (P, n), "d": (P, n), "C": (1 + n, n), "z": P, "F": (n, n)}
    shapes |= {"u": (terms, P), "B": (terms, n, n)} if some else {"u": P, "B": (n, n)}
    state |= {f"estimator.{name}": np.zeros(shape) for name, shape in shapes.items()}
    common = {"units": n, "activation": activation, "inputs": "symbols", "optimizer": SGD}
    return rule(state, frozen=frozen, **(common | own))


def exact(n, steps, **more):
    rtrl = begun(oracle.RTRL, n, **more)
    for symbol in steps:
        rtrl.learn([symbol])
    return rtrl


def leaves(trainer, steps, count):
    """Every trainer after the steps, over all signs."""
    if not steps:
        yield trainer
        return
    for draw in itertools.product((-1.0, 1.0), repeat=count):
        child = copy.copy(trainer)  # what a rule keeps is replaced, not written into
        child.sign_source = lambda t, size, draw=draw: np.array(draw)[:size]
        child.learn([steps[0]])
        yield from leaves(child, steps[1:], count)


def moments(trainer, steps, count):
    samples = np.array([leaf.influence() for leaf in leaves(trainer, list(steps), count)])
    mean = samples.mean(axis=0)
    return mean, ((samples - mean) ** 2).sum(axis=(1, 2, 3)).mean()


def check(estimate, right):
    np.testing.assert_allclose(estimate, right, rtol=0, atol=1e-12 * np.abs(right).max())


@pytest.mark.parametrize(
    ("rule", "n", "steps", "count", "own"),
    [
        (rules.UORO, 2, 5, 2, {}),
        (rules.UORO, 3, 4, 3, {}),
        (rules.KFRTRL, 2, 5, 2, {}),
        (rules.KFRTRL, 3, 6, 2, {}),
        (rules.OptimalKronecker, 3, 5, 2, {"terms": 1}),
        (rules.OptimalKronecker, 3, 4, 3, {"terms": 2}),
        (rules.OptimalKronecker, 2, 5, 3, {"terms": 2}),
    ],
)
def test_mean_over_all_signs_is_exact(rule, n, steps, count, own):
    mean, variance = moments(begun(rule, n, **own), SYMBOLS[:steps], count)
    check(mean, exact(n, SYMBOLS[:steps]).influence())
    assert variance > 1e-6


def test_optimal_terms_have_less_variance_than_random_factors():
    steps = SYMBOLS[:4]
    random = moments(begun(rules.KFRTRL, 3), steps, 2)[1]
    one, two = (moments(begun(rules.OptimalKronecker, 3, terms=r), steps, r + 1)[1] for r in (1, 2))
    assert two < one < random


def test_as_many_terms_as_steps_are_exact():
    trainer = begun(rules.OptimalKronecker, 3, terms=4)
    trainer.sign_source = lambda t, count: np.ones(count)
    trainer.learn(SYMBOLS[:4])
    right = exact(3, SYMBOLS[:4]).influence()  # roots of what rounding leaves of 0 are seen
    np.testing.assert_allclose(trainer.influence(), right, rtol=0, atol=1e-7)


@pytest.mark.parametrize("d", [[5, 3, 2, 1], [9, 0.2, 0.2, 0.1], [1, 1, 1], [4, 0], [2, 1], [0, 0]])
def test_reduced_factors_have_the_diagonal_as_mean(d):
    size = len(d)
    signs = itertools.product((-1.0, 1.0), repeat=size)
    made = [rules.reduced(np.array(d, float), np.array(sign)) for sign in signs]
    assert made[0].shape == (size, size - 1)
    np.testing.assert_allclose(np.mean([X @ X.T for X in made], axis=0), np.diag(d), atol=1e-14)


def test_reach_one_is_each_units_own_path():
    trainer, reference = begun(rules.SnAp, 3), begun(oracle.RTRL, 3)
    E = np.zeros((8, 3))
    for symbol in SYMBOLS:
        F = jacobian(reference.h, reference.theta, reference.alpha, "tanh")
        z = np.concatenate([[1], np.tanh(reference.h), np.eye(4)[symbol]])
        E = np.diag(F) * E + z[:, np.newaxis]
        for each in (trainer, reference):
            each.learn([symbol])
    check(trainer.influence(), E[np.newaxis] * np.eye(3)[:, np.newaxis])


@pytest.mark.parametrize("reach", [2, 3, 4])
def test_reach_keeps_what_comes_in_so_many_steps(reach):
    """On a ring of four units: distance d from unit i to k takes d steps."""
    ring = np.roll(np.eye(4), 1, axis=0)  # [k, j]: k sees the unit before it
    trainer = begun(rules.SnAp, 4, edges=ring, reach=reach)
    right = exact(4, SYMBOLS, edges=ring).influence()
    for symbol in SYMBOLS:
        trainer.learn([symbol])
    G = trainer.influence()
    for k, i in itertools.product(range(4), repeat=2):
        assert G[k, :, i].any() == ((k - i) % 4 < reach)
    assert (np.abs(G - right).max() < 1e-12) == (reach == 4)


def test_reach_two_of_a_full_network_is_exact():
    trainer = begun(rules.SnAp, 3, reach=2)
    trainer.learn(SYMBOLS)
    check(trainer.influence(), exact(3, SYMBOLS).influence())


def test_leaks_alone_are_exact_without_weights():
    none = np.zeros((3, 3))
    trainer = begun(rules.RFLO, 3, edges=none)
    trainer.learn(SYMBOLS)
    check(trainer.influence(), exact(3, SYMBOLS, edges=none).influence())
    trainer = begun(rules.RFLO, 3)
    trainer.learn(SYMBOLS)
    assert np.abs(trainer.influence() - exact(3, SYMBOLS).influence()).max() > 1e-3


def test_feedback_stands_for_the_readouts_weights():
    own, fed = (begun(rules.RFLO, 3, activation="identity") for _ in range(2))
    fed.feedback = own.phi[1:]
    other = begun(rules.RFLO, 3, activation="identity", feedback=-own.phi[1:])
    for trainer in (own, fed, other):
        trainer.learn(SYMBOLS)
    check(fed.g_theta, own.g_theta)
    check(other.g_theta, -own.g_theta)


def test_a_guess_of_nothing_is_one_step_of_backpropagation():
    trainer = begun(rules.DNI, 3, rate=lambda t: 0.0)
    trainer.learn(SYMBOLS)
    before = trainer.z
    trainer.learn([1])
    check(trainer.g_theta, np.outer(before, trainer.H))


def test_guesses_find_what_all_later_losses_say():
    """The same symbol again and again: the network comes to rest, and H F + H F² + … is known."""
    trainer = begun(rules.DNI, 3, rate=lambda t: 0.2)
    trainer.theta[1:4] *= 0.3
    trainer.alpha *= 0.5
    for _ in range(2000):
        trainer.learn([2])
    later = trainer.H @ trainer.F @ np.linalg.inv(np.eye(3) - trainer.F)
    assert np.abs(np.linalg.eigvals(trainer.F)).max() < 1
    np.testing.assert_allclose(trainer._seen() @ trainer.C, later, rtol=1e-9)
