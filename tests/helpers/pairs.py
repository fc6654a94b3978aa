"""A trainer in C and its oracle, which start from one state and follow one script.

The state is random (`oracle.initial_state`: nothing zero, square, symmetric or equal that need not
be). In the script learning and observing, symbols, (input, target) pairs and inputs without a
target take turns. Before each few steps the oracle takes C's state, so that rounding is not
amplified by what follows and tolerances can be narrow; C runs on by itself.
"""

import numpy as np
import oracle

import nbt

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
    "other" (m symbols), "vector" (m numbers). optimizer, readout_optimizer: "sgd", "kalman" or
    "adam"; the second is as the first unless it is given.
    """

    def __init__(
        self,
        rule,
        *,
        cell="leaky",
        activation="sigmoid",
        inputs="own",
        optimizer="kalman",
        readout_optimizer=None,
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
        direct=False,
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
        self.readout = READOUTS[readout](A, direct=direct, **scale)
        self.vectors = inputs == "vector" or (inputs == "own" and readout != "softmax")
        self.oracle_class = ORACLES[rule]
        cell_kind = nbt.LeakyRNN if cell == "leaky" else nbt.RNN
        rate, decay, slow = nbt.InverseSqrt(0.1), nbt.InverseSqrt(0.3), nbt.InverseSqrt(0.02, 7)
        priors = (prior,) if readout_prior is None else (prior, readout_prior)
        kinds = {
            "sgd": (nbt.SGD(rate), ("sgd", rate)),
            "adam": (nbt.Adam(slow, 0.8, 0.95), ("adam", slow, 0.8, 0.95)),
            "kalman": (
                nbt.Kalman(decay, prior, readout_prior, outlier=outlier),
                ("kalman", decay, *priors),
            ),
        }
        one = nbt.Kalman(decay, 0.7, readout_prior=0.3, reduction="shared", outlier=outlier)
        kinds["shared"] = one, ("shared", decay, 0.7, 0.3)
        names = optimizer, readout_optimizer or optimizer
        (ours, theirs), (our_second, their_second) = (kinds[name] for name in names)
        self.trainer = TRAINERS[rule](
            cell_kind(n, activation=activation),
            self.readout,
            ours,
            readout_optimizer=our_second,
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
            "optimizer": theirs,
            "readout_optimizer": their_second,
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
            optimizers=names,
            step=step,
            direct=direct,
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
        if isinstance(self.readout, nbt.Softmax):
            return self.rng.integers(0, self.A, count)
        if isinstance(self.readout, nbt.Bernoulli):
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
        if optimizer != "kalman" and own["norm"] == "kalman":
            own["norm"] = "none"
    return Pair(rule, optimizer=optimizer, n=n, **choices, **own)
