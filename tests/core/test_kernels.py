"""C against the oracle, array by array, after every few steps.

Both follow a script from one state, as helpers/pairs.py says; `test_runs_on` lets both go for 40
steps.
"""

import itertools

import numpy as np
import oracle
import pytest
from helpers.pairs import FEW, INPUTS, NORMS, TOLERANCE, Pair, few
from oracle.cell import jacobian

import nbt
from nbt.trainers import from_description


def product(**choices):
    """Every combination, as dicts with a name."""
    return list(_product(choices))


def _product(choices):
    for values in itertools.product(*choices.values()):
        yield pytest.param(
            dict(zip(choices, values, strict=True)),
            id="-".join(
                value if isinstance(value, str) else f"{key}={value}"
                for key, value in zip(choices, values, strict=True)
            ),
        )


COMMON = {
    "cell": ("plain", "leaky"),
    "activation": ("sigmoid", "tanh"),
    "inputs": INPUTS,
    "optimizer": ("sgd", "kalman"),
}
OWN = {"norm": NORMS, "rank": (1, 3), "blocks": (1, 3, 7), "exact_self": (False, True)}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("choices", product(**COMMON))
@pytest.mark.parametrize("rule", ["rtrl", "bptt"])
def test_exact_rules(rule, choices, dtype):
    own = {"window": 4} if rule == "bptt" else {}
    assert not Pair(rule, dtype=dtype, **choices, **own).follow(20)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("choices", product(**COMMON))
def test_nobacktrack(choices, dtype):
    """In each case all 48 combinations of the rule's own choices, from states of their own."""
    wrong = {}
    for k, own in enumerate(itertools.product(*OWN.values())):
        own = dict(zip(OWN, own, strict=True))
        if choices["optimizer"] == "kalman" or own["norm"] != "kalman":
            wrong[str(own)] = Pair("nobacktrack", dtype=dtype, seed=k, **choices, **own).follow(7)
    assert len(wrong) >= 36
    assert not any(wrong.values()), {key: value for key, value in wrong.items() if value}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("choices", product(**COMMON))
def test_window(choices, dtype):
    """NoBackTrack that keeps the last steps: longer than the window, and shorter."""
    wrong = {}
    for k, (norm, window) in enumerate(itertools.product(NORMS, (1, 2, 5))):
        own = {"norm": norm, "window": window, "rank": 1 + k % 2, "blocks": (1, 3, 7)[k % 3]}
        if choices["optimizer"] == "kalman" or norm != "kalman":
            pair = Pair("nobacktrack", dtype=dtype, seed=k, exact_self=True, **choices, **own)
            wrong[str(own)] = pair.follow(7)
    assert not any(wrong.values()), {key: value for key, value in wrong.items() if value}


@pytest.fixture(params=FEW)
def name(request):
    return request.param


@pytest.fixture(params=["sgd", "kalman", "adam"])
def optimizer(request):
    return request.param


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("n", "A", "m"), [(1, 3, 2), (2, 1, 4), (8, 37, 1), (16, 8, 9), (19, 5, 33)]
)
def test_sizes(n, A, m, dtype, name, optimizer):
    """One unit, one symbol, one input; whole vecs, and several with a rest."""
    for inputs in INPUTS:
        assert not few(name, optimizer, n=n, A=A, m=m, dtype=dtype, inputs=inputs).follow(5), inputs


@pytest.mark.parametrize("exact_self", [False, True])
def test_more_units_than_one_block_of_signs(exact_self):
    pair = Pair("nobacktrack", n=130, A=3, rank=2, blocks=3, exact_self=exact_self, norm="fisher")
    assert not pair.follow(2)


def test_late_steps(name, optimizer):
    """Steps beyond 32 bits count, in the signs and in the schedules."""
    assert not few(name, optimizer, step=2**32 - 5).follow(8)
    assert not few(name, optimizer, step=2**53).follow(3)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_runs_on(activation, inputs, name, optimizer):
    """40 steps, after which the errors of each have had their effect on all."""
    pair = few(name, optimizer, activation=activation, inputs=inputs)
    pair.tolerance = 1e-9
    assert not pair.follow(20, together=False)
    assert pair.trainer.step >= 40


@pytest.mark.parametrize("outlier", [nbt.Kalman.outlier, None])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_outliers(dtype, outlier, name, monkeypatch):
    """J so small that gradients of θ, and those of φ, are far beyond all that it knows."""
    monkeypatch.setattr(oracle.optimizer, "OUTLIER", outlier or np.inf)
    pair = few(name, "kalman", dtype=dtype, prior=0.002, outlier=outlier)
    pair.tolerance *= 10  # the steps are large
    state = pair.trainer.state_dict()
    for key in state:
        if key.startswith("optimizer."):
            state[key] *= 1e-4
    pair.trainer.load_state_dict(state)
    assert not pair.follow(5)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("form", ["default", "rank3", "window"])
def test_units_that_expand(form, norm, dtype):
    """F_ii beyond 1 and -1, which exact self-influence keeps in part only."""
    rule, own = FEW[form]
    for n in (7, 18):
        pair = Pair(rule, dtype=dtype, activation="tanh", n=n, **{**own, "norm": norm})
        for _ in range(4):  # tanh settles where it is flat, so back to where it is steep
            state = pair.trainer.state_dict()
            state["state.h"] *= 0.1
            state["cell.W"][np.diag_indices(n)] = np.resize([1.3, -2.5, -0.2], n)
            pair.trainer.load_state_dict(state)
            h, theta = state["state.h"], np.vstack([state["cell.b"], state["cell.W"]])
            own_factors = np.diag(jacobian(h, theta, state["cell.alpha"], "tanh"))
            assert set(np.trunc(own_factors).clip(-1, 1)) == {-1, 0, 1}
            assert not pair.follow(1)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_from_the_beginning(dtype, name, optimizer):
    """From the state of a new trainer, in which all but the weights is zero."""
    pair = few(name, optimizer, dtype=dtype)
    pair.trainer = from_description(pair.trainer.describe() | {"seed": 2**64 - 3})
    pair.start_oracle()
    assert pair.oracle.t == 0
    assert not pair.follow(12)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("isa", nbt.build_info()["isas"])
def test_every_instruction_set(isa, dtype, name, optimizer, monkeypatch):
    monkeypatch.setenv("NBT_ISA", isa)
    assert nbt.build_info()["isa"] == isa
    for activation, inputs, n in (("tanh", "own", 7), ("sigmoid", "vector", 19)):
        pair = few(name, optimizer, n=n, dtype=dtype, activation=activation, inputs=inputs)
        assert not pair.follow(5), (activation, inputs)


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("name", [name for name in FEW if name != "bptt"])
def test_influence(name, optimizer, inputs):
    pair = few(name, optimizer, inputs=inputs)
    for _ in range(3):
        assert not pair.follow(2)
        ours, theirs = pair.trainer.influence(), pair.oracle.influence()
        assert ours.dtype == np.float64
        assert ours.shape == (7, 1 + 7 + pair.m, 7)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11 * np.abs(theirs).max())


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_long_rows(dtype):
    """Matrices whose rows are read one after the other (csrc/machine/lanes.c)."""
    pair = few("window", "kalman", n=261, dtype=dtype)
    assert not pair.follow(5)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_padding_stays_harmless(dtype, name, optimizer):
    """Lanes without a unit or symbol have no parameter and no state, however long it runs."""
    trainer = few(name, optimizer, dtype=dtype).trainer
    trainer.learn(np.random.default_rng(0).integers(0, 5, 20_000))
    trainer.predict(3)
    trainer.state_dict()
    for key, array in trainer._live.learner.arrays.items():
        assert np.isfinite(array).all(), key
    state = trainer.state_dict()
    for value in state.values():
        value[...] = 0
    for key in ("cell.W", "cell.alpha", "state.h", "readout.W"):
        assert trainer._live.table.read(key).any()
        trainer._live.table.write(key, state[key])
    for key in ("cell.b", "cell.r", "readout.b"):
        trainer._live.table.write(key, state[key])
    for key in ("theta", "alpha", "h", "phi"):
        assert not trainer._live.learner.arrays[key].any(), key


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n", "A"), [(1, 17), (3, 2), (5, 20), (8, 9), (13, 4), (18, 23), (33, 6)])
def test_every_width(n, A, dtype, name, optimizer):
    """Whole panels and tails of every width (csrc/machine/panels.h), for units and for symbols."""
    pair = few(name, optimizer, n=n, A=A, dtype=dtype, inputs="other")
    assert not pair.follow(3)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_readout_has_a_prior_of_its_own(dtype, name):
    assert not few(name, "kalman", dtype=dtype, readout_prior=0.09).follow(5)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e15), ("float64", 1e100)])
def test_extreme_priors(dtype, size):
    for prior in (1 / size, size):
        for name in ("default", "paper", "rtrl", "bptt"):
            pair = few(name, "kalman", dtype=dtype, prior=prior, activation="tanh")
            assert not pair.follow(3), (name, prior)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e15), ("float64", 1e100)])
def test_extreme_priors_from_the_beginning(dtype, size, name):
    """What was never seen has J = 0 and a step of 0, however small λ is."""
    for prior in (1 / size, size):
        trainer = from_description(few(name, "kalman", dtype=dtype, prior=prior).trainer.describe())
        before = trainer.state_dict()["cell.r"]
        trainer.learn([2, 2, 1])
        after = trainer.state_dict()
        assert all(np.isfinite(value).all() for value in after.values())
        assert (after["cell.r"][[0, 3, 4]] == before[[0, 3, 4]]).all()
