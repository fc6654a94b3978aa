"""The general core against its oracle, array by array, and against the fast core for dense cells.

The oracle takes C's state before each few steps, as in test_kernels; systems have parameters that
states share, and one has two phases.
"""

import itertools

import numpy as np
import oracle.general
import oracle.metric
import oracle.optimizer
import pytest
from helpers import systems
from helpers.oracle_states import oracle_state, phases_of

import nbt

A = 4
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}
RATE, DECAY, PRIOR = nbt.InverseSqrt(0.1), nbt.InverseSqrt(0.3), 0.4
OPTIMIZERS = {
    "sgd": (nbt.SGD(RATE), ("sgd", RATE)),
    "adam": (nbt.Adam(RATE, 0.8, 0.95), ("adam", RATE, 0.8, 0.95)),
    "kalman": (nbt.Kalman(DECAY, PRIOR), ("kalman", DECAY, PRIOR, "quasi-diagonal")),
}
SYSTEMS = {"ring": (systems.ring, systems.RING), "layers": (systems.layers, systems.LAYERS)}
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


class Pair:
    """A trainer and its oracle, and a script that both follow."""

    def __init__(
        self, name, rule, optimizer, dtype, inputs="vector", readout_optimizer=None, **own
    ):
        make, self.sizes = SYSTEMS[name]
        self.system, self.rng, self.dtype = make(), np.random.default_rng(4), dtype
        self.vectors = inputs == "vector"
        m = self.sizes["m"]
        self.trainer = RULES[rule](
            self.system,
            nbt.Softmax(A),
            OPTIMIZERS[optimizer][0],
            readout_optimizer=OPTIMIZERS[readout_optimizer or optimizer][0],
            inputs=nbt.Vector(m, False) if self.vectors else nbt.Symbols(m),
            dtype=dtype,
            seed=3,
            **own,
        )
        state = self.trainer.state_dict()
        for key in ("readout.b", "readout.W"):
            state[key] = self.rng.normal(size=state[key].shape)
        self.trainer.load_state_dict(state)
        self.choices = {
            "m": m,
            "starts": self.sizes["starts"],
            "optimizer": OPTIMIZERS[optimizer][1],
            "readout_optimizer": OPTIMIZERS[readout_optimizer or optimizer][1],
            **{key: value for key, value in own.items() if key != "split"},
        }
        self.oracle_class = ORACLES[rule]
        self.take_over()

    def take_over(self):
        state = oracle_state(self.trainer.state_dict(), self.sizes["starts"])
        if "estimator.pair" in self.trainer.state_dict():
            self.choices["pair"] = pair = self.trainer.state_dict()["estimator.pair"]
            state["w"] = (np.arange(self.choices["rank"])[:, None] == pair) * state["w"]
        self.oracle = self.oracle_class(phases_of(self.system), state, **self.choices)

    def steps(self, verb, count):
        x = self.rng.normal(size=(count, self.sizes["m"])).astype(self.dtype)
        if not self.vectors:
            x = self.rng.integers(0, self.sizes["m"], count)
        y = self.rng.integers(0, A, count)
        mine, theirs = getattr(self.trainer, verb)(x, y), getattr(self.oracle, verb)(x, y)
        self.close("losses", mine, theirs)

    def close(self, key, mine, theirs):
        scale = np.abs(theirs).max(initial=1.0)
        np.testing.assert_allclose(
            mine, theirs, rtol=0, atol=TOLERANCE[self.dtype] * scale, err_msg=key
        )

    def compare(self):
        mine, it = oracle_state(self.trainer.state_dict(), self.sizes["starts"]), self.oracle
        if "pair" in self.choices:  # each pair's part is where the others have nothing
            it.w, it_w = it.w.sum(axis=0), it.w
        theirs = {"h": it.h, "theta": it.theta, "phi": it.phi}
        for key in ("v", "w", "rows", "fisher", "G"):
            if getattr(it, key, None) is not None:
                theirs[key] = getattr(it, key)
        for key, metric in (("J_theta", it.metric), ("J_phi", it.phi_metric)):
            if metric.J is not None:
                theirs[key] = metric.J
            elif isinstance(metric.optimizer, oracle.optimizer.Adam):
                kept = metric.optimizer.state()
                theirs |= {key.replace("J", name): value for name, value in kept.items()}
        assert theirs.keys() == mine.keys() - {"step", "seed"}
        for key, value in theirs.items():
            self.close(key, mine[key], value)
        if "pair" in self.choices:
            it.w = it_w


CASES = [
    *(("nobacktrack", optimizer, {"norm": norm, "rank": rank})
      for norm, optimizer, rank in (("euclidean", "sgd", 1), ("none", "sgd", 2),
                                    ("fisher", "sgd", 1), ("fisher", "kalman", 2),
                                    ("kalman", "kalman", 2), ("euclidean", "kalman", 1))),
    *(("nobacktrack", optimizer, {"norm": norm, "rank": 3, "split": "blocks"})
      for norm, optimizer in (("euclidean", "sgd"), ("none", "sgd"), ("fisher", "kalman"),
                              ("kalman", "kalman"))),
    ("rtrl", "sgd", {}),
    ("rtrl", "kalman", {}),
    ("rtrl", "adam", {}),
    *(("uoro", optimizer, {"rank": rank})
      for optimizer, rank in (("sgd", 1), ("adam", 2), ("kalman", 1), ("kalman", 2))),
    *(("nobacktrack", "adam", {"norm": norm, "rank": rank}) for norm in ("euclidean", "fisher")
      for rank in (1, 2)),
    ("nobacktrack", "adam", {"norm": "fisher", "rank": 3, "split": "blocks"}),
    *(("nobacktrack", optimizer, {"readout_optimizer": other}) for optimizer, other in
      itertools.permutations(("sgd", "kalman", "adam"), 2)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("inputs", ["vector", "symbols"])
def test_forward_rules(case, name, dtype, inputs):
    rule, optimizer, own = case
    own = {"norm": "fisher"} | own if rule == "nobacktrack" else own
    pair = Pair(name, rule, optimizer, dtype, inputs, **own)
    for verb, count in [("learn", 1), ("learn", 3), ("observe", 2), ("learn", 2)] * 3:
        pair.take_over()
        pair.steps(verb, count)
        pair.compare()
    assert np.abs(pair.trainer.influence()).max() > 0.1


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("optimizer", ["sgd", "kalman", "adam"])
@pytest.mark.parametrize("inputs", ["vector", "symbols"])
def test_backpropagation(optimizer, name, dtype, inputs):
    pair = Pair(name, "bptt", optimizer, dtype, inputs, window=3)
    for verb, count in [("learn", 2), ("learn", 5), ("observe", 1), ("learn", 4)]:
        pair.steps(verb, count)
        pair.compare()


@pytest.mark.parametrize("rule", RULES)
def test_own_symbols_are_target_then_input(rule):
    """A step in the self-supervised order, with inputs one-hot."""
    system = systems.ring()
    trainer = RULES[rule](system, nbt.Softmax(2), nbt.SGD(RATE), dtype="float64", **(
        {"window": 3} if rule == "bptt" else {}))  # fmt: skip
    own = {"window": 3} if rule == "bptt" else {"norm": "fisher"} if rule == "nobacktrack" else {}
    theirs = ORACLES[rule](
        [system],
        oracle_state(trainer.state_dict(), systems.RING["starts"]),
        m=2,
        optimizer=("sgd", RATE),
        **own,
    )
    y = np.random.default_rng(2).integers(0, 2, 20)
    np.testing.assert_allclose(trainer.learn(y), theirs.learn(y), rtol=1e-10)
    np.testing.assert_allclose(trainer.state_dict()["cell.theta"], theirs.theta, rtol=1e-9)


# ---- the fast core -------------------------------------------------------------------------------

DENSE = [
    ("nobacktrack", "sgd", {"norm": "euclidean", "blocks": 1, "exact_self": False}),
    ("nobacktrack", "kalman", {"norm": "kalman", "rank": 2, "blocks": 1, "exact_self": False}),
    ("nobacktrack", "kalman", {"norm": "fisher", "blocks": 1, "exact_self": False}),
    ("rtrl", "kalman", {}),
    ("nobacktrack", "adam", {"norm": "fisher", "blocks": 1, "exact_self": False}),
    ("rtrl", "adam", {}),
    ("bptt", "adam", {"window": 4}),
    ("bptt", "sgd", {"window": 4}),
    ("bptt", "kalman", {"window": 4}),
]


@pytest.mark.parametrize("inputs", ["symbols", "vector"])
@pytest.mark.parametrize("case", DENSE, ids=str)
def test_a_dense_cell_as_a_system_goes_the_same_way(case, inputs):
    """To rounding, with the same signs, over 60 steps of learning."""
    rule, optimizer, own = case
    n, m, rng = 6, 3, np.random.default_rng(7)
    common = {
        "inputs": nbt.Vector(m, False) if inputs == "vector" else nbt.Symbols(m),
        "dtype": "float64",
        "seed": 5,
        **own,
    }
    optimizer = {
        "sgd": nbt.SGD(nbt.InverseSqrt(0.5)),
        "kalman": nbt.Kalman(0.3),
        "adam": nbt.Adam(0.01),
    }[optimizer]
    fast = RULES[rule](nbt.LeakyRNN(n, leak=0.5), nbt.Softmax(A), optimizer, **common)
    state = fast.state_dict()
    theta = np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]])
    system = systems.network(theta, np.zeros(n), "sigmoid", 0.5)
    general = RULES[rule](system, nbt.Softmax(A), optimizer, **common)
    x = rng.normal(size=(60, m)) if inputs == "vector" else rng.integers(0, m, 60)
    y = rng.integers(0, A, 60)
    np.testing.assert_allclose(general.learn(x, y), fast.learn(x, y), rtol=1e-9)
    state = fast.state_dict()
    theta = np.vstack([state["cell.b"], state["cell.W"], state["cell.r"]])
    np.testing.assert_allclose(
        general.state_dict()["cell.theta"].reshape(n, -1).T, theta, rtol=0, atol=1e-9
    )
    assert np.abs(theta.T.ravel() - system.theta).max() > 1e-3
    if rule != "bptt":
        influence = general.influence().reshape(n, n, -1).transpose(0, 2, 1)
        np.testing.assert_allclose(influence, fast.influence(), rtol=0, atol=1e-8)
