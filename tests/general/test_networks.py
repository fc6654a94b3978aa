"""Networks on graphs, with learned leaks, in layers, in continuous time: C against the oracle."""

import functools
import itertools

import numpy as np
import oracle.general
import oracle.philox
import pytest
from helpers.systems import learned_of, theta_of
from oracle.networks import Network as Plain
from oracle.networks import Stack as Layers
from oracle.networks import ctrnn

import nbt
from nbt import _core
from nbt.trainers.network import Network

M, A = 3, 5  # inputs, symbols predicted
GRAPH = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0]], bool)
LEAK, TAU, DT = (0.1, 0.5, 0.9, 0.3), (1.0, 2.0, 5.0, 0.5), 0.25


def euler(units, inputs, tau, graph=None, activation="sigmoid"):
    """Euler's step of a field, as a network: keep = 1 - dt / tau, gain = dt / tau."""
    field = ctrnn(units, inputs, tau, graph, activation)
    return Plain(units, inputs, graph, 1 + DT * field.keep, DT * field.gain, activation)


CASES = {  # the cell, and its phases in the oracle
    "graph": (nbt.RNN(4, "tanh", graph=GRAPH), [Plain(4, M, GRAPH, activation="tanh")]),
    "leaky graph": (nbt.LeakyRNN(4, leak=LEAK, graph=GRAPH), [Plain(4, M, GRAPH, keep=LEAK)]),
    "learned": (nbt.LeakyRNN(4, learn_leak=True), [Plain(4, M, keep=None)]),
    "learned graph": (
        nbt.LeakyRNN(4, activation="tanh", leak=0.5, learn_leak=True, graph=GRAPH),
        [Plain(4, M, GRAPH, keep=None, activation="tanh")],
    ),
    "time": (nbt.Continuous(nbt.CTRNN(4, tau=TAU), DT), [euler(4, M, TAU)]),
    "stack": (
        nbt.Stack(
            [
                nbt.LeakyRNN(3, learn_leak=True),
                nbt.RNN(4, graph=GRAPH),
                nbt.Continuous(nbt.CTRNN(2, tau=3.0), DT),
            ]
        ),
        Layers(
            [Plain(3, M, keep=None), Plain(4, M + 3, GRAPH), euler(2, M + 4, 3.0)],
        ).phases,
    ),
    "stack of both": (
        nbt.Stack([nbt.RNN(3, "tanh"), nbt.LeakyRNN(4, leak=0.2, graph=GRAPH), nbt.RNN(2, "tanh")]),
        Layers(
            [
                Plain(3, M, activation="tanh"),
                Plain(4, M + 3, GRAPH, keep=0.2),
                Plain(2, M + 4, activation="tanh"),
            ],
        ).phases,
    ),
    "stack of the first input": (
        nbt.Stack([nbt.RNN(4, graph=GRAPH), nbt.LeakyRNN(3, leak=0.2)], skip=False),
        Layers([Plain(4, M, GRAPH), Plain(3, 4, keep=0.2)], skip=False).phases,
    ),
}
OPTIMIZERS = {
    "sgd": (nbt.SGD(nbt.InverseSqrt(0.2)), ("sgd", lambda t: 0.2 / (t + 1) ** 0.5)),
    "kalman": (
        nbt.Kalman(nbt.InverseSqrt(0.3), prior=0.5),
        ("kalman", lambda t: 0.3 / (t + 1) ** 0.5, 0.5, "quasi-diagonal"),
    ),
}


KINDS = {
    "nobacktrack": nbt.NoBackTrack,
    "rtrl": nbt.RTRL,
    "bptt": nbt.TruncatedBPTT,
    "uoro": nbt.UORO,
}


def build(case, rule, optimizer, inputs, *, dtype="float64", **own):
    """A trainer with a readout that says something, and the oracle in the same state."""
    cell, phases = CASES[case]
    kind = KINDS[rule]
    given = {"symbols": nbt.Symbols(M), "vector": nbt.Vector(M, False)}[inputs]
    optimizer, plain_optimizer = OPTIMIZERS[optimizer]
    trainer = kind(cell, nbt.Softmax(A), optimizer, inputs=given, dtype=dtype, seed=5, **own)
    state = trainer.state_dict()
    rng = np.random.default_rng(1)
    for key in ("readout.W", "readout.b", "state.h"):
        state[key] = rng.normal(size=state[key].shape)
    trainer.load_state_dict(state)
    learned = learned_of(trainer)
    theta = theta_of(trainer)[learned]
    n, p = cell.units, len(theta)
    starts = [int(learned[:start].sum()) for start in Network(cell, M).starts[:-1]]
    plain = {
        "h": state["state.h"],
        "theta": theta,
        "phi": np.vstack([state["readout.b"], state["readout.W"]]),
        "step": 0,
        "seed": 5,
        **{"v": np.zeros((own.get("rank", 1), n)), "w": np.zeros((own.get("rank", 1), p))},
        **{"rows": np.zeros((n, p)), "fisher": np.zeros(n), "G": np.zeros((n, p))},
        **{"J_theta": np.zeros((p, p)), "J_phi": np.zeros((A * (1 + n), A * (1 + n)))},
    }
    kind = {
        "nobacktrack": oracle.general.NoBackTrack,
        "rtrl": oracle.general.RTRL,
        "bptt": oracle.general.TruncatedBPTT,
        "uoro": oracle.general.UORO,
    }[rule]
    choices = {"optimizer": plain_optimizer, "starts": starts, "activation": cell.activation}
    return trainer, kind(phases, plain, m=M, **choices, **own)


def data(inputs, steps, seed=2):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, M, steps) if inputs == "symbols" else rng.normal(size=(steps, M))
    return x, rng.integers(0, A, steps)


RULES = [
    ("nobacktrack", "sgd", {"norm": "euclidean"}),
    ("nobacktrack", "sgd", {"norm": "none", "rank": 2}),
    ("nobacktrack", "kalman", {"norm": "fisher", "rank": 2}),
    ("nobacktrack", "kalman", {"norm": "kalman"}),
    ("rtrl", "sgd", {}),
    ("rtrl", "kalman", {}),
    ("bptt", "sgd", {"window": 3}),
    ("uoro", "sgd", {"rank": 2}),
    ("uoro", "kalman", {}),
]


@pytest.mark.parametrize("inputs", ["symbols", "vector"])
@pytest.mark.parametrize(("rule", "optimizer", "own"), RULES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_c_equals_the_oracle(case, rule, optimizer, own, inputs):
    trainer, plain = build(case, rule, optimizer, inputs, **own)
    x, y = data(inputs, 20)
    losses, expected = trainer.learn(x[:14], y[:14]), plain.learn(x[:14], y[:14])
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    losses, expected = trainer.observe(x[14:], y[14:]), plain.observe(x[14:], y[14:])
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    state, learned = trainer.state_dict(), learned_of(trainer)
    np.testing.assert_allclose(state["state.h"], plain.h, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(theta_of(trainer)[learned], plain.theta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(state["readout.W"], plain.phi[1:], rtol=1e-8, atol=1e-10)
    if rule != "bptt":
        G = trainer.influence().reshape(len(plain.h), -1)
        np.testing.assert_allclose(G[:, learned], plain.influence(), rtol=1e-7, atol=1e-9)
        assert (G[:, ~learned] == 0).all()


@pytest.mark.parametrize("case", CASES)
def test_float32_agrees(case):
    """To its precision, over a few steps."""
    own = {"norm": "fisher", "rank": 2}
    x, y = data("vector", 6)
    single = build(case, "nobacktrack", "kalman", "vector", dtype="float32", **own)[0]
    double = build(case, "nobacktrack", "kalman", "vector", **own)[0]
    np.testing.assert_allclose(single.learn(x, y), double.learn(x, y), rtol=2e-4)


@pytest.mark.parametrize("case", CASES)
def test_numbers_that_are_not_learned_keep_their_bits(case):
    trainer = build(case, "nobacktrack", "kalman", "vector", norm="fisher")[0]
    fixed = ~learned_of(trainer)
    before = theta_of(trainer)[fixed]
    trainer.learn(*data("vector", 50))
    np.testing.assert_array_equal(theta_of(trainer)[fixed], before)


@pytest.mark.parametrize("rule", ["rtrl", "bptt"])
def test_the_gradient_is_that_of_the_rolled_out_model(rule):
    """A step on the loss of a stack whose readout sees two kinds of units: against a complex step
    through the model (39)-(42) over time and its readout."""
    steps, rate, cell = 6, 0.5, CASES["stack of both"][0]
    kind = {"rtrl": nbt.RTRL, "bptt": functools.partial(nbt.TruncatedBPTT, window=steps)}[rule]
    trainer = kind(
        cell,
        nbt.Softmax(A),
        nbt.SGD(nbt.Constant(rate)),
        inputs=nbt.Vector(M, False),
        dtype="float64",
    )
    state = trainer.state_dict()
    W = np.random.default_rng(1).normal(size=state["readout.W"].shape)
    trainer.load_state_dict(state | {"readout.W": W})
    before, (x, y) = theta_of(trainer), data("vector", steps)
    trainer.observe(x[:-1], y[:-1])
    trainer.learn(x[-1:], y[-1:])
    learned = learned_of(trainer)
    step = ((before - theta_of(trainer)) / rate)[learned]

    networks = [Plain(3, M, activation="tanh"), Plain(4, M + 3, GRAPH, keep=0.2)]
    model = Layers([*networks, Plain(2, M + 4, activation="tanh")])

    def loss(theta):
        h = np.zeros(cell.units)
        for one in x:
            h = model.step(h, one, theta)
        a = [np.tanh(h[:3]), 1 / (1 + np.exp(-h[3:7])), np.tanh(h[7:])]
        outputs = np.concatenate(a) @ W
        return np.log(np.exp(outputs).sum()) - outputs[y[-1]]

    theta = before[learned]
    exact = [np.imag(loss(theta + 1e-30j * e)) / 1e-30 for e in np.eye(len(theta))]
    np.testing.assert_allclose(step, exact, rtol=1e-9, atol=1e-12)


# ---- against the dense kernels -------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["nobacktrack", "rtrl", "bptt"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_graph_with_all_edges_is_the_dense_network(rule, optimizer):
    """The same trajectory, to rounding: two cores that share the readout alone."""
    norm = "euclidean" if optimizer == "sgd" else "fisher"
    form = {"norm": norm, "rank": 2} if rule == "nobacktrack" else {}
    dense = {"blocks": 1, "exact_self": False} if rule == "nobacktrack" else {}
    kind = {"nobacktrack": nbt.NoBackTrack, "rtrl": nbt.RTRL, "bptt": nbt.TruncatedBPTT}[rule]
    trainers = [
        kind(
            nbt.LeakyRNN(7, graph=graph),
            nbt.Softmax(A),
            OPTIMIZERS[optimizer][0],
            dtype="float64",
            seed=3,
            **form,
            **more,
        )
        for graph, more in ((np.ones((7, 7)), {}), (None, dense))
    ]
    x = np.random.default_rng(0).integers(0, A, 300)
    losses = [trainer.learn(x) for trainer in trainers]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    W = [trainer.state_dict()["cell.W"].reshape(7, 7) for trainer in trainers]
    np.testing.assert_allclose(*W, rtol=1e-5, atol=1e-8)


# ---- unbiased, by all signs ----------------------------------------------------------------------

SMALL = {  # n = 3 states in all, and the steps after which the sum is taken
    "graph": (nbt.RNN(3, graph=[[0, 1, 0], [1, 0, 1], [0, 1, 1]]), 4),
    "learned": (nbt.LeakyRNN(3, learn_leak=True), 4),
    "stack": (nbt.Stack([nbt.LeakyRNN(1, leak=0.7), nbt.RNN(2)]), 4),
    "stack of both": (nbt.Stack([nbt.RNN(2, "tanh"), nbt.LeakyRNN(1, leak=0.3)]), 4),
    "learned stack": (nbt.Stack([nbt.LeakyRNN(2, learn_leak=True), nbt.LeakyRNN(1)]), 4),
}


def effective(cell, seed, steps):
    """The signs that meet a row: at phase q those of the layer that moved before, (…,) bits."""
    layers = Network(cell, A).layers
    n, bits = cell.units, []
    for step, q in itertools.product(range(steps), range(len(layers))):
        if step == q == 0:
            continue  # nothing to reduce yet
        mine = layers[q - 1]
        units = range(q * n + mine.first, q * n + mine.first + mine.units)
        word = _core.sign_bits(seed, 0, step, 0)[0]
        bits += [word >> unit & 1 for unit in units]
    return tuple(bits)


@functools.cache
def seeds(cell, steps):
    """One seed for each sequence of the signs that count."""
    found, seed = {}, 0
    count = len(effective(cell, 0, steps))
    while len(found) < 2**count:
        found.setdefault(effective(cell, seed, steps), seed)
        seed += 1
    return tuple(found.values())


@pytest.mark.parametrize("norm", ["euclidean", "fisher", "none"])
@pytest.mark.parametrize("case", SMALL)
def test_unbiased(case, norm):
    """The mean of the estimate over all signs is RTRL's ∂h/∂θ, (19): what a user runs, no more."""
    cell, steps = SMALL[case]
    readout, sgd, block = nbt.Softmax(A), nbt.SGD(0.0), [0, 3, 1, 4][:steps]
    common = {"dtype": "float64", "seed": 1}
    exact = nbt.RTRL(cell, readout, sgd, **common)
    exact.observe(block)
    trainer = nbt.NoBackTrack(cell, readout, sgd, norm=norm, **common)
    state, total = trainer.state_dict(), 0.0
    for seed in seeds(cell, steps):
        trainer.load_state_dict(state | {"seed": np.uint64(seed)})
        trainer.observe(block)
        total = total + trainer.influence()
    G = exact.influence()
    assert np.abs(G).max() > 0.1
    np.testing.assert_allclose(total / len(seeds(cell, steps)), G, atol=1e-12 * np.abs(G).max())


# ---- what they promise ---------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "inputs"), [("float32", "symbols"), ("float64", "vector")])
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_however_cut_and_resumed(case, dtype, inputs, tmp_path, assert_same_state):
    own = {"norm": "fisher", "rank": 2}
    whole, cut = (
        build(case, "nobacktrack", "kalman", inputs, dtype=dtype, **own)[0] for _ in range(2)
    )
    x, y = data(inputs, 100)
    losses = whole.learn(x, y)
    again = [cut.learn(x[:33], y[:33])]
    cut.save(tmp_path / "cell.nbt")
    cut = nbt.load(tmp_path / "cell.nbt")
    assert cut.cell == whole.cell
    again += [cut.learn(x[k : k + 1], y[k : k + 1]) for k in range(33, 50)]
    again += [cut.learn(x[50:], y[50:])]
    np.testing.assert_array_equal(losses, np.concatenate(again))
    assert_same_state(whole.state_dict(), cut.state_dict())


@pytest.mark.parametrize("isa", _core.isas())
def test_every_instruction_set(isa, monkeypatch):
    """They agree to rounding."""
    x, y = data("vector", 30)
    losses = []
    for name in ("base", isa):
        monkeypatch.setenv("NBT_ISA", name)
        losses.append(
            build("stack", "nobacktrack", "sgd", "vector", norm="euclidean")[0].learn(x, y)
        )
    np.testing.assert_allclose(*losses, rtol=1e-8)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("0.beta", np.full(3, np.inf), "cell.0.beta: expected finite"),
        ("1.W", np.zeros((4, 4)), r"cell.1.W: expected shape \(7,\), got \(4, 4\)"),
        ("2.tau", np.array([1.0, 0.0]), "cell.2.tau: expected time constants above 0"),
    ],
)
def test_a_wrong_state_is_refused(key, value, message, assert_same_state):
    trainer = build("stack", "nobacktrack", "sgd", "vector")[0]
    state = trainer.state_dict()
    with pytest.raises(ValueError, match=message):
        trainer.load_state_dict(state | {f"cell.{key}": value})
    assert_same_state(trainer.state_dict(), state)


def test_leaks_out_of_range_are_refused():
    trainer = build("leaky graph", "nobacktrack", "sgd", "vector")[0]
    with pytest.raises(ValueError, match=r"cell.alpha: expected leaks in \[0, 1\]"):
        trainer.load_state_dict(trainer.state_dict() | {"cell.alpha": np.full(4, 1.5)})


@pytest.mark.parametrize("case", CASES)
def test_symbols_are_one_hot_vectors(case):
    trainers = [build(case, "nobacktrack", "sgd", inputs)[0] for inputs in ("symbols", "vector")]
    x, y = data("symbols", 40)
    np.testing.assert_allclose(
        trainers[0].learn(x, y), trainers[1].learn(np.eye(M)[x], y), rtol=1e-10
    )


@pytest.mark.parametrize("pairs", [{}, {"rank": 3, "split": "blocks"}])
def test_more_symbols_than_at_first(pairs):
    """`grow`: new rows of r are 0, and what is known stays."""
    cell = nbt.Stack([nbt.LeakyRNN(3, learn_leak=True), nbt.RNN(4, graph=GRAPH)])
    trainer = nbt.NoBackTrack(cell, nbt.Softmax(A), seed=2, **pairs)
    x = np.random.default_rng(0).integers(0, A, 50)
    trainer.learn(x)
    before, p, G = trainer.state_dict(), trainer.predict(), trainer.influence()
    trainer.grow(A + 2)
    after = trainer.state_dict()
    moved = Network(cell, A).moved(np.arange(A), A + 2)
    np.testing.assert_array_equal(trainer.influence()[:, moved], G)
    assert np.count_nonzero(trainer.influence()) == np.count_nonzero(G) > 0
    J = after["optimizer.theta.J"][moved]
    np.testing.assert_array_equal(J, before["optimizer.theta.J"])
    np.testing.assert_array_equal(
        after["cell.0.r"], np.vstack([before["cell.0.r"], np.zeros((2, 3))])
    )
    r = before["cell.1.r"]
    np.testing.assert_array_equal(after["cell.1.r"], np.vstack([r[:A], np.zeros((2, 4)), r[A:]]))
    np.testing.assert_allclose(trainer.predict()[:A] / trainer.predict()[:A].sum(), p, rtol=1e-6)
    assert np.isfinite(trainer.learn(x + 2)).all()


def test_learned_leaks_find_what_fixed_ones_cannot():
    """A bit must be kept for 8 steps by units without edges, whose leaks are all their memory."""
    bits = np.random.default_rng(0).integers(0, 2, 3000)
    x, y = np.full((2, 3000, 8), 2)
    x[:, 0] = y[:, -1] = bits  # shown, then 7 blanks; asked for at the end
    final = {}
    for learn_leak in (False, True):
        cell = nbt.LeakyRNN(3, leak=0.3, learn_leak=learn_leak, graph=np.zeros((3, 3)))
        trainer = nbt.RTRL(cell, nbt.Softmax(3), nbt.Kalman(), inputs=nbt.Symbols(3), seed=1)
        losses = trainer.learn(x.ravel(), y.ravel()).reshape(-1, 8)[:, -1]
        final[learn_leak] = losses[-500:].mean()
    assert final[True] < 0.2 < 0.6 < final[False]


# ---- numbers that are not learned ----------------------------------------------------------------


CARRIED = ("estimator.w", "estimator.G", "window.g_theta", "optimizer.theta", "estimator.rows.data")


@pytest.mark.parametrize("reduction", ["quasi-diagonal", "diagonal", "block", "full"])
@pytest.mark.parametrize("rule", ["nobacktrack", "rtrl", "bptt"])
@pytest.mark.parametrize("name", ["alpha", "tau"])
def test_nothing_can_be_carried_along_of_what_is_not_learned(name, rule, reduction):
    """A state that has something there is refused: it would move leaks, out of their range, too."""
    cell = {
        "alpha": nbt.LeakyRNN(4, leak=LEAK, graph=GRAPH),
        "tau": nbt.Continuous(nbt.CTRNN(4), DT),
    }
    own = {"window": 3} if rule == "bptt" else {}
    kind = {"nobacktrack": nbt.NoBackTrack, "rtrl": nbt.RTRL, "bptt": nbt.TruncatedBPTT}[rule]
    optimizer = nbt.Kalman(reduction=reduction, outlier=None)
    trainer = kind(cell[name], nbt.Softmax(A), optimizer, inputs=nbt.Symbols(M), **own)
    trainer.learn([0, 2, 1, 2], [0, 3, 1, 2])
    state = trainer.state_dict()
    last = len(theta_of(trainer)) - 1  # the leak of the last unit
    carried = [key for key in state if np.prod(state[key].shape) and key.startswith(CARRIED)]
    assert len(carried) >= 2
    for key in carried:
        edited = state[key].copy()
        edited[..., last if edited.shape[-1] == last + 1 else -1] += 0.5
        with pytest.raises(ValueError, match=rf"{key}: expected 0 for numbers that"):
            trainer.load_state_dict(state | {key: edited})
    trainer.load_state_dict(state)
