"""A system of one's own: its check names what is wrong, and the oracle's rules learn it."""

import itertools
import warnings

import numpy as np
import oracle
import oracle.cell
import oracle.system
import pytest
from helpers.systems import RING, Ring

import nbt
from nbt.systems.check import dense_rows

N, M, P = (RING[size] for size in "nmp")  # neither square nor one block of parameters a state
step, jvp, vjp, rows, loss = Ring.step, Ring.jvp, Ring.vjp, Ring.rows, Ring.loss
GOOD = {"step": step, "jvp": jvp, "rows": rows, "vjp": vjp, "loss": loss}


def point(seed=1):
    rng = np.random.default_rng(seed)
    return {"h": rng.normal(size=N), "x": rng.normal(size=M), "theta": rng.normal(size=P)}


# ---- the check -----------------------------------------------------------------------------------


def test_a_right_system_passes():
    assert nbt.check_system(nbt.System(**GOOD), **point(), y=np.ones(N)) < 1e-8


def test_the_largest_error_is_told():
    """Of an entry that is wrong by less than the tolerance."""
    off = {"rows": csr(data=lambda a: a + 3e-6 * (np.arange(11) == 1))}
    error = nbt.check_system(nbt.System(**GOOD | off), **point())
    assert error == pytest.approx(3e-6, 0.01)
    with pytest.raises(ValueError, match=r"rows: ∂f\[0\]/∂theta\[1\]"):
        nbt.check_system(nbt.System(**GOOD | off), **point(), tolerance=1e-6)


def wrong_jvp(h, x, theta, v):
    result = jvp(h, x, theta, v)
    result[2] += 0.01 * v[1]
    return result


def wrong_vjp(h, x, theta, u):
    return jvp(h, x, theta, u)  # the transpose was forgotten


def nonlinear(h, x, theta, v):
    return jvp(h, x, theta, v) + np.prod(v)


def missing_entry(h, x, theta):
    _, indices, data = rows(h, x, theta)
    return np.array([0, 4, 7, 10]), np.delete(indices, 7), np.delete(data, 7)


def wrong_entry(h, x, theta):
    indptr, indices, data = rows(h, x, theta)
    return indptr, indices, data * np.where(np.arange(11) == 9, 2, 1)


def csr(**changes):
    def changed(h, x, theta):
        parts = dict(zip(("indptr", "indices", "data"), rows(h, x, theta), strict=True))
        return tuple((parts | {k: f(parts[k]) for k, f in changes.items()}).values())

    return changed


def greedy(h, x, theta):
    h += 1
    return step(h, x, theta)


WRONG = [
    ({"jvp": wrong_jvp}, ValueError, r"jvp: ∂f\[2\]/∂h\[1\] is .*, expected .* by finite diff"),
    ({"vjp": wrong_vjp}, ValueError, r"vjp: ∂f\[\d\]/∂h\[\d\] is"),
    ({"jvp": nonlinear}, ValueError, "jvp: expected a linear function"),
    ({"rows": missing_entry}, ValueError, r"rows: ∂f\[1\]/∂theta\[0\] is 0, expected 1 by"),
    ({"rows": wrong_entry}, ValueError, r"rows: ∂f\[2\]/∂theta\[6\] is"),
    ({"rows": csr(indptr=lambda a: a[:-1])}, ValueError, r"expected indptr of shape \(4,\)"),
    ({"rows": csr(indptr=lambda a: a[::-1])}, ValueError, "begin with 0 and never fall"),
    ({"rows": csr(indptr=lambda a: a + (a == 11))}, ValueError, "expected 12 indices and data"),
    ({"rows": csr(indices=lambda a: a + 1)}, ValueError, r"expected indices in \[0, 8\)"),
    ({"rows": csr(indices=lambda a: a * 1.0)}, TypeError, "expected integers in indptr"),
    ({"rows": csr(indices=lambda a: a * 0)}, ValueError, "expected column 0 once in row 0"),
    ({"rows": csr(data=lambda a: a * np.nan)}, ValueError, "expected finite real numbers in data"),
    ({"rows": lambda *_: np.zeros((N, P))}, TypeError, r"expected \(indptr, indices, data\)"),
    ({"step": greedy}, ValueError, "step: expected to leave h alone"),
    ({"step": lambda h, x, theta: h[:2]}, ValueError, r"step: expected an array .* shape \(3,\)"),
    ({"step": lambda h, x, theta: h * np.inf}, ValueError, "step: expected finite numbers"),
    ({"loss": lambda h, y: (loss(h, y)[0], h)}, ValueError, r"loss: ∂ℓ/∂h\[\d\] is"),
    ({"loss": lambda h, y: 1.0}, TypeError, r"loss: expected \(ℓ, ∂ℓ/∂h\)"),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_wrong_is_named(case):
    change, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        nbt.check_system(nbt.System(**GOOD | change), **point(), y=np.ones(N))


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="step: expected a function"):
        nbt.System(step=3)
    with pytest.raises(TypeError, match="vjp: expected a function or None"):
        nbt.System(**GOOD | {"vjp": 3})
    system = nbt.System(**GOOD)
    with pytest.raises(TypeError, match="system: expected System"):
        nbt.check_system(step, **point())
    with pytest.raises(ValueError, match="h: expected a vector"):
        nbt.check_system(system, **point() | {"h": np.eye(3)})
    with pytest.raises(ValueError, match="y: the system has no loss"):
        nbt.check_system(nbt.System(**GOOD | {"loss": None}), **point(), y=1)


# ---- derivatives that are not given --------------------------------------------------------------


def real_only(h, x, theta):
    return step(np.asarray(h, float), x, np.asarray(theta, float))


@pytest.mark.parametrize(("how", "tolerance"), [(step, 1e-14), (real_only, 1e-8)])
def test_missing_derivatives_are_derived_with_a_warning(how, tolerance):
    """By the complex step to rounding; by differences where complex numbers lose their parts."""
    with pytest.warns(nbt.DerivedWarning, match="not given") as caught:
        system = nbt.System(how)
    assert len(caught) == 2
    at, v = point(), np.array([0.3, -2.0, 1.0])
    np.testing.assert_allclose(system.jvp(*at.values(), v),
                               jvp(*at.values(), v), rtol=0, atol=tolerance * 10)  # fmt: skip
    derived, given = (dense_rows(f(*at.values()), N, P) for f in (system.rows, rows))
    np.testing.assert_allclose(derived, given, rtol=0, atol=tolerance * 10)
    assert nbt.check_system(system, **at) < 1e-8


@pytest.mark.parametrize("wrong", [np.zeros(4), None, 0.0, np.array(["a"] * 5)])
def test_a_wrong_step_is_not_laid_upon_what_is_derived_from_it(wrong):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbt.DerivedWarning)
        system = nbt.System(lambda h, x, theta: wrong, state=np.zeros(5), theta=np.ones(5))
    trainer = nbt.NoBackTrack(system, nbt.Softmax(3), inputs=1)
    with pytest.raises(ValueError, match=r"^step: expected an array of real .* shape \(5,\), got"):
        trainer.learn(np.zeros((2, 1)), [0, 1])
    assert trainer.step == 0


def test_abs_is_no_analytic_function():
    """It takes complex numbers and gives wrong derivatives: found out, and differences are used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nbt.DerivedWarning)
        system = nbt.System(lambda h, x, theta: np.abs(h) * theta)
    h, theta = np.array([-1.0, 2.0]), np.array([3.0, 4.0])
    np.testing.assert_allclose(system.jvp(h, None, theta, np.ones(2)), [-3, 4], atol=1e-8)


# ---- the oracle's rules --------------------------------------------------------------------------


def data(T, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(T, M)), rng.normal(size=(T, N))


def test_rtrl_is_the_derivative_of_the_whole_run():
    """θ + ε at every step, ε → 0: central differences of the states."""
    at, (xs, ys) = point(), data(6)
    rtrl = oracle.system.RTRL(nbt.System(**GOOD), at["h"], at["theta"])
    rtrl.learn(xs, ys)

    def run(theta):
        h = at["h"]
        for x in xs:
            h = step(h, x, theta)
        return h

    for j, e in enumerate(1e-6 * np.eye(P)):
        difference = (run(at["theta"] + e) - run(at["theta"] - e)) / 2e-6
        np.testing.assert_allclose(rtrl.influence()[:, j], difference, rtol=1e-6, atol=1e-6)


def network(activation="sigmoid", n=3, m=2, seed=5):
    """The recurrent cell of the package as a system of one's own, with theta (P, n) flattened."""
    state = oracle.initial_state(np.random.default_rng(seed), n, m, 4, rule="rtrl", fresh=True)
    theta = np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]])
    alpha, p = state["cell.alpha"], 1 + n + m

    def net_rows(h, x, theta):
        z = oracle.cell.regressors(h, x, activation)
        return np.arange(0, n * p + 1, p), np.arange(n * p).reshape(p, n).T.ravel(), np.tile(z, n)

    system = nbt.System(
        step=lambda h, x, theta: oracle.cell.transition(
            h, x, theta.reshape(p, n), alpha, activation
        ),
        jvp=lambda h, x, theta, v: (
            oracle.cell.jacobian(h, theta.reshape(p, n), alpha, activation) @ v
        ),
        rows=net_rows,
        loss=loss,
    )
    return system, state, theta


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_rtrl_on_a_network_is_the_networks_rtrl(activation):
    system, state, theta = network(activation)
    xs, ys = data(7)
    nbt.check_system(system, state["state.h"], xs[0], theta.ravel(), y=ys[0])
    mine = oracle.system.RTRL(system, state["state.h"], theta.ravel())
    mine.learn(xs, ys)
    theirs = oracle.RTRL(
        state, units=3, activation=activation, inputs="vector", optimizer=("sgd", lambda t: 0.0)
    )
    theirs.observe(xs, np.zeros(7, int))
    np.testing.assert_allclose(mine.influence().reshape(3, 6, 3), theirs.influence(), atol=1e-14)


def test_nobacktrack_on_a_network_is_the_networks_nobacktrack():
    system, state, theta = network()
    xs, ys = data(7)
    fresh = {"estimator.v": np.zeros((1, 1, 3)), "estimator.w": np.zeros((1, 6, 3))}
    state = {k: v for k, v in state.items() if k != "estimator.G"} | fresh
    signs = np.random.default_rng(8).choice([-1.0, 1.0], size=(7, 3))
    mine = oracle.system.NoBackTrack(
        system, state["state.h"], theta.ravel(), signs=lambda t: signs[t]
    )
    mine.learn(xs, ys)
    theirs = oracle.NoBackTrack(
        state | {"estimator.z": np.zeros(6)}, units=3, activation="sigmoid", inputs="vector",
        optimizer=("sgd", lambda t: 0.0), sign_source=lambda k, t, n: signs[t],
    )  # fmt: skip
    theirs.observe(xs, np.zeros(7, int))
    np.testing.assert_allclose(mine.influence().reshape(3, 6, 3), theirs.influence(), atol=1e-13)


def test_nobacktrack_is_unbiased_over_all_signs():
    """Parameters that several states share included."""
    at, (xs, ys) = point(), data(4)
    system = nbt.System(**GOOD)
    rtrl = oracle.system.RTRL(system, at["h"], at["theta"])
    rtrl.learn(xs, ys)
    estimates = []
    for draw in itertools.product((-1.0, 1.0), repeat=3 * N):  # at step 0 there is nothing to fold
        signs = np.reshape((1.0,) * N + draw, (4, N))
        rule = oracle.system.NoBackTrack(
            system, at["h"], at["theta"], signs=lambda t, s=signs: s[t]
        )
        rule.learn(xs, ys)
        estimates.append(rule.influence())
    exact = rtrl.influence()
    mean = np.mean(estimates, axis=0)
    np.testing.assert_allclose(mean, exact, rtol=0, atol=1e-13 * np.abs(exact).max())
    assert np.var(estimates, axis=0).sum() > 0.1


@pytest.mark.parametrize("rule", ["rtrl", "nobacktrack"])
def test_they_learn(rule):
    """A system that imitates another one of the same form gets closer to it."""
    square = {"loss": lambda h, y: (0.5 * ((h - y) ** 2).sum(), h - y)}
    system, rng, T = nbt.System(**GOOD | square), np.random.default_rng(9), 1000
    xs = rng.normal(size=(T, M))
    target, h, ys = point()["theta"] * 0.3, np.zeros(N), []
    for x in xs:
        h = step(h, x, target)
        ys.append(h)
    args = system, np.zeros(N), target + 0.1 * rng.normal(size=P)
    more = {"rate": lambda t: 0.05 / (1 + t / 100) ** 0.5}
    if rule == "rtrl":
        learner = oracle.system.RTRL(*args, **more)
    else:
        signs = rng.choice([-1.0, 1.0], size=(T, N))
        learner = oracle.system.NoBackTrack(*args, **more, signs=lambda t: signs[t])
    losses = learner.learn(xs, ys)
    assert losses[-100:].mean() < 0.1 * losses[:100].mean()
    assert np.abs(learner.theta - target).max() < 0.03
