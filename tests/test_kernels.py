"""C against the oracle, array by array, after every few steps.

Both start from the same random state (`oracle.initial_state`: nothing zero, square, symmetric or
equal that need not be) and are fed the same script, in which learning and observing, symbols,
(input, target) pairs and inputs without a target take turns. Before each few steps the oracle takes
C's state, so that rounding is not amplified by what follows and tolerances can be narrow; C runs on
by itself. `test_runs_on` lets both go for 40 steps.
"""

import itertools

import numpy as np
import oracle
import pytest
from oracle.cell import jacobian

import nbt
from nbt.trainers import from_description

NORMS = ("euclidean", "fisher", "kalman", "none")
INPUTS = ("own", "other", "vector")
ORACLES = {"nobacktrack": oracle.NoBackTrack, "rtrl": oracle.RTRL, "bptt": oracle.TruncatedBPTT}
TRAINERS = {"nobacktrack": nbt.NoBackTrack, "rtrl": nbt.RTRL, "bptt": nbt.TruncatedBPTT}
READOUTS = {"softmax": nbt.Softmax, "gaussian": nbt.Gaussian, "bernoulli": nbt.Bernoulli}
#: Error allowed, relative to the largest entry of an array.
TOLERANCE = {"float64": 1e-9, "float32": 4e-5}


class Pair:
    """A trainer and its oracle in the same state, and a script that both follow.

    A: symbols of a softmax, or numbers of a target vector. inputs: "own" (what is predicted),
    "other" (m symbols), "vector" (m numbers).
    """

    def __init__(
        self,
        rule,
        *,
        cell="leaky",
        activation="sigmoid",
        inputs="own",
        optimizer="kalman",
        readout="softmax",
        dtype="float64",
        n=7,
        A=5,
        m=3,
        seed=1,
        step=None,
        prior=0.7,
        missing="error",
        standardize=False,
        readout_prior=None,
        outlier=nbt.Kalman.outlier,
        **own,
    ):
        self.rng = np.random.default_rng(seed)
        self.dtype, self.tolerance, self.A = dtype, TOLERANCE[dtype], A
        self.m = A if inputs == "own" else m
        self.kinds = (
            ("symbols", "pairs", "no target") if inputs == "own" else ("pairs", "no target")
        )
        self.missing = missing
        own_scale = standardize and readout == "gaussian"
        scale = {"standardize": standardize} if readout == "gaussian" else {}
        self.readout = READOUTS[readout](A, **scale)
        self.vectors = inputs == "vector" or (inputs == "own" and readout != "softmax")
        self.oracle_class = ORACLES[rule]
        cell_kind = nbt.LeakyRNN if cell == "leaky" else nbt.RNN
        rate, decay = nbt.InverseSqrt(0.1), nbt.InverseSqrt(0.3)
        priors = (prior,) if readout_prior is None else (prior, readout_prior)
        self.trainer = TRAINERS[rule](
            cell_kind(n, activation=activation),
            self.readout,
            nbt.SGD(rate)
            if optimizer == "sgd"
            else nbt.Kalman(decay, prior, readout_prior, outlier=outlier),
            inputs={
                "own": nbt.Vector(A, True) if standardize and self.vectors else None,
                "other": nbt.Symbols(m),
                "vector": nbt.Vector(m, standardize),
            }[inputs],
            dtype=dtype,
            missing=missing,
            **own,
        )
        self.choices = {
            "units": n,
            "activation": activation,
            "inputs": "vector" if self.vectors else "symbols",
            "optimizer": ("sgd", rate) if optimizer == "sgd" else ("kalman", decay, *priors),
            "readout": readout,
            "missing": missing,
            **own,
        }
        state = oracle.initial_state(
            self.rng,
            n,
            self.m,
            self.readout.outputs,
            rule=rule,
            inputs="own vector" if self.vectors and inputs == "own" else self.choices["inputs"],
            scaled={
                **({"inputs": self.m} if standardize and self.vectors else {}),
                **({"targets": A} if own_scale else {}),
            },
            leaky=cell == "leaky",
            kalman=optimizer == "kalman",
            step=step,
            **own,
        )
        state["cell.W"] *= 0.8 / np.sqrt(n)  # h and the estimate stay of order one
        if readout == "gaussian":  # and so do the precisions
            for key in ("readout.b", "readout.W"):
                state[key][..., A:] *= 0.8 / np.sqrt(n)
        self.trainer.load_state_dict(state)
        self.start_oracle()

    def start_oracle(self):
        self.oracle = self.oracle_class(self.trainer.state_dict(), **self.choices)

    def targets(self, count):
        if self.readout == nbt.Softmax(self.A):
            return self.rng.integers(0, self.A, count)
        if self.readout == nbt.Bernoulli(self.A):
            return self.with_gaps(self.rng.random((count, self.A)).astype(self.dtype))
        return self.with_gaps(self.rng.normal(size=(count, self.A)).astype(self.dtype))

    def with_gaps(self, x):
        """Some numbers, and some whole steps, are missing."""
        if self.missing == "error":
            return x
        gaps = self.rng.random(x.shape) < (0.1 if self.rng.random() < 0.5 else 0)
        return np.where(gaps | (self.rng.random((len(x), 1)) < 0.2), x.dtype.type(np.nan), x)

    def steps(self, verb, kind, count):
        """The same few steps in both; returns what differs."""
        y = self.targets(count)
        if self.vectors:
            x = self.rng.normal(size=(count, self.m)).astype(self.dtype)
            x = self.with_gaps(x)
        else:
            x = self.rng.integers(0, self.m, count)
        if kind == "no target":
            assert self.trainer.observe(x, ...) is None
            self.oracle.observe(x, ...)
            return self.difference()
        data = (y,) if kind == "symbols" else (x, y)
        return self.difference(
            getattr(self.trainer, verb)(*data), getattr(self.oracle, verb)(*data)
        )

    def difference(self, ours=0.0, theirs=0.0):
        """The largest error of every array, relative to its largest entry, that is too large."""
        assert (np.isnan(ours) == np.isnan(theirs)).all()
        wrong = np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1.0)
        errors = {"loss": np.max(np.nan_to_num(wrong, posinf=np.inf))}
        state, expected = self.trainer.state_dict(), self.oracle.state_dict()
        state = {key: value for key, value in state.items() if not key.startswith("waiting.")}
        assert state.keys() == expected.keys()
        for key, value in expected.items():
            assert state[key].shape == value.shape, key
            error = np.abs(state[key].astype(float) - value.astype(float)).max()
            errors[key] = error / max(np.abs(value.astype(float)).max(), 1e-6)
        # a NaN is too large, too
        return {key: error for key, error in errors.items() if not error <= self.tolerance}

    def follow(self, rounds, *, together=True):
        """Runs the script; returns the arrays that went wrong in the first round that did."""
        for t in range(rounds):
            if together:
                self.start_oracle()
            kind = self.kinds[(t % 7) % len(self.kinds)] if t % 5 != 3 else self.kinds[0]
            verb = "observe" if t % 4 == 2 or kind == "no target" else "learn"
            wrong = self.steps(verb, kind, 1 + t % 3)
            if wrong:
                return f"round {t}, {verb} {kind}: {wrong}"
        return None


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


#: The settings that the documentation names, and the other rules.
FEW = {
    "default": ("nobacktrack", {"blocks": 7, "exact_self": True, "norm": "fisher"}),
    "rank3": ("nobacktrack", {"rank": 3, "blocks": 2, "exact_self": True, "norm": "fisher"}),
    "window": (
        "nobacktrack",
        {"rank": 2, "blocks": 3, "exact_self": True, "window": 3, "norm": "fisher"},
    ),
    "paper": ("nobacktrack", {"blocks": 1, "exact_self": False, "norm": "kalman"}),
    "plain": ("nobacktrack", {"rank": 2, "blocks": 1, "exact_self": False, "norm": "euclidean"}),
    "rtrl": ("rtrl", {}),
    "bptt": ("bptt", {"window": 4}),
}


def few(name, optimizer, n=7, **choices):
    rule, own = FEW[name]
    own = dict(own)
    if rule == "nobacktrack":
        own["blocks"] = min(own["blocks"], n)
        if optimizer == "sgd" and own["norm"] == "kalman":
            own["norm"] = "none"
    return Pair(rule, optimizer=optimizer, n=n, **choices, **own)


@pytest.fixture(params=FEW)
def name(request):
    return request.param


@pytest.fixture(params=["sgd", "kalman"])
def optimizer(request):
    return request.param


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("n", "A", "m"), [(1, 3, 2), (2, 1, 4), (8, 37, 1), (16, 8, 9), (19, 5, 33)]
)
def test_sizes(n, A, m, dtype, name, optimizer):
    """One unit, one symbol, one input; whole lane blocks, and several with a rest."""
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
    """Matrices whose rows are read one after the other (csrc/lanes.c)."""
    pair = few("window", "kalman", n=261, dtype=dtype)
    assert not pair.follow(5)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_padding_stays_harmless(dtype, name, optimizer):
    """Lanes without a unit or symbol have no parameter and no state, however long it runs."""
    trainer = few(name, optimizer, dtype=dtype).trainer
    trainer.learn(np.random.default_rng(0).integers(0, 5, 20_000))
    trainer.predict(3)
    trainer.state_dict()
    for key, array in trainer._core.arrays.items():
        assert np.isfinite(array).all(), key
    state = trainer.state_dict()
    for value in state.values():
        value[...] = 0
    for key in ("cell.W", "cell.alpha", "state.h", "readout.W"):
        assert trainer._table.read(key).any()
        trainer._table.write(key, state[key])
    for key in ("cell.b", "cell.r", "readout.b"):
        trainer._table.write(key, state[key])
    for key in ("theta", "alpha", "h", "phi"):
        assert not trainer._core.arrays[key].any(), key


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n", "A"), [(1, 17), (3, 2), (5, 20), (8, 9), (13, 4), (18, 23), (33, 6)])
def test_every_width(n, A, dtype, name, optimizer):
    """Whole panels and tails of every width (csrc/panels.h), for units and for symbols."""
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
