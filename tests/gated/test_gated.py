"""C against the oracle where θ is learned once in T steps: cells with gates, and with one."""

import numpy as np
import pytest
from helpers.pairs import INPUTS, TOLERANCE
from helpers.windows import CELLS, ONE_GATE, WindowedPair, trainer_of

import nbt

CELL_NAMES = tuple(CELLS)
EVERY = (1, 2, 3)


def smallest(cell, every):
    """T that such a cell can have: with one gate, T = 1 is another rule."""
    return max(every, 2) if cell in ONE_GATE else every


@pytest.fixture(params=CELL_NAMES)
def cell(request):
    return request.param


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("every", EVERY)
def test_nobacktrack(cell, every, rank, dtype):
    """All inputs, both optimizers and norms, from states of their own."""
    wrong = {}
    for k, inputs in enumerate(INPUTS):
        for j, optimizer in enumerate(("sgd", "kalman")):
            norm = ("euclidean", "none")[(k + j) % 2]
            pair = WindowedPair(
                cell=cell,
                every=smallest(cell, every),
                rank=rank,
                norm=norm,
                inputs=inputs,
                optimizer=optimizer,
                dtype=dtype,
                seed=10 * k + j,
            )
            wrong[inputs, optimizer, norm] = pair.follow(9)
    assert not any(wrong.values()), {key: value for key, value in wrong.items() if value}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rule", ["rtrl", "bptt"])
def test_exact_rules(cell, rule, dtype):
    if rule == "bptt" and cell in ONE_GATE:
        pytest.skip("a rule of its own")
    wrong = {}
    for k, inputs in enumerate(INPUTS):
        every = smallest(cell, 1 + k)
        pair = WindowedPair(rule, cell=cell, every=every, inputs=inputs, dtype=dtype, seed=k)
        wrong[inputs] = pair.follow(9)
    assert not any(wrong.values()), {key: value for key, value in wrong.items() if value}


@pytest.mark.parametrize("readout", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("missing", ["error", "skip", "mask"])
def test_numbers(readout, standardize, missing):
    wrong = {}
    for k, cell in enumerate(("lstm", "gru", "leaky", "lru")):
        pair = WindowedPair(
            cell=cell,
            every=3,
            rank=1,
            readout=readout,
            inputs=("own", "vector")[k % 2],
            optimizer=("kalman", "sgd")[k % 2],
            standardize=standardize,
            missing=missing,
            seed=k,
        )
        wrong[cell] = pair.follow(9)
    assert not any(wrong.values()), {key: value for key, value in wrong.items() if value}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("n", "A", "m"), [(1, 3, 2), (2, 1, 4), (8, 37, 1), (16, 8, 9), (33, 6, 5)]
)
def test_sizes(cell, n, A, m, dtype):
    """One unit; whole vecs, and several with a rest; more signs than one block of them."""
    if cell.startswith("rms") and dtype == "float32":
        n = max(n, 2)  # of one unit alone, x̂ is ±1: in 1 - x̂² only rounding is left
    sizes = {"n": n, "A": A, "m": m}
    for inputs in INPUTS:
        pair = WindowedPair(cell=cell, every=2, rank=1, inputs=inputs, dtype=dtype, **sizes)
        assert not pair.follow(4), inputs


@pytest.mark.parametrize("isa", nbt.build_info()["isas"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("optimizer", "rank"), [("sgd", 2), ("adam", 3), ("adam", 0)])
def test_every_instruction_set(isa, optimizer, rank, dtype, monkeypatch):
    """Panels and rows that lie side by side, with a rest; pairs that go two by two, with a rest;
    symbols that are met more than once in a window, and others that are not."""
    monkeypatch.setenv("NBT_ISA", isa)
    sizes = {"n": 34, "A": 6, "m": 21, "every": 7, "rank": rank}
    for inputs in INPUTS:
        pair = WindowedPair(optimizer=optimizer, inputs=inputs, dtype=dtype, **sizes)
        assert not pair.follow(8), inputs


def test_more_units_than_one_block_of_signs():
    assert not WindowedPair(n=70, A=3, every=2, rank=2, inputs="other").follow(3)


def test_runs_on(cell):
    """40 steps, after which the errors of each have had their effect on all."""
    for rank in (0, 1):
        pair = WindowedPair(cell=cell, every=4, rank=rank)
        pair.tolerance = 1e-8
        assert not pair.follow(20, together=False)
        assert pair.trainer.step >= 40


def test_a_flush_closes_the_window(cell):
    """In the midst of a window, after a target or a transition, and twice."""
    pair = WindowedPair(cell=cell, every=5, rank=1)
    for count, kind in ((2, "symbols"), (3, "pairs"), (1, "no target"), (4, "symbols")):
        verb = "observe" if kind == "no target" else "learn"
        assert not pair.steps(verb, kind, count)
        for _ in range(2):
            pair.trainer.flush()
            pair.oracle.flush()
            assert not pair.difference()


def test_a_flush_where_nothing_was_learned_changes_no_parameter(cell):
    trainer = WindowedPair(cell=cell, every=5).trainer
    trainer.load_state_dict(
        {**trainer.state_dict(), "window.g_theta": 0 * trainer.state_dict()["window.g_theta"]}
    )
    before = trainer.parameters
    trainer.observe([1, 2, 0])
    trainer.flush()
    after = trainer.parameters
    assert all((before[key] == after[key]).all() for key in before)


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("cell", [nbt.LSTM(6, recurrent=False), nbt.LRU(6)], ids=repr)
def test_without_recurrence_it_is_rtrl(cell, every, inputs):
    """No path leaves its unit, so `rank=0` is exact."""
    more = {
        "inputs": {"own": None, "other": nbt.Symbols(3), "vector": nbt.Vector(3, False)}[inputs]
    }
    readout = nbt.Softmax(4)
    ours, exact = (
        trainer_of(rule, cell, readout, nbt.SGD(0.1), every, dtype="float64", seed=5, **more)
        for rule in ("nobacktrack", "rtrl")
    )
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 60)
    x = {"other": rng.integers(0, 3, 60), "vector": rng.normal(size=(60, 3))}.get(inputs)
    data = (y,) if x is None else (x, y)
    np.testing.assert_allclose(ours.learn(*data), exact.learn(*data), rtol=1e-12, atol=0)
    ours.flush(), exact.flush()
    for key, value in exact.parameters.items():
        wrong = np.abs(ours.parameters[key] - value).max()
        assert wrong <= 1e-12 * np.abs(value).max(), key
    np.testing.assert_allclose(ours.influence()[0], exact.influence()[0], rtol=0, atol=1e-12)


def test_predictions_in_a_window_are_those_of_its_beginning(cell):
    trainer = trainer_of("nobacktrack", CELLS[cell][0](6), nbt.Softmax(4), nbt.Kalman(), 5)
    trainer.learn([0, 1, 2, 3, 1] * 4)
    begun = {key: value for key, value in trainer.parameters.items() if key.startswith("cell.")}
    for _ in range(4):
        trainer.learn([2])
        now = trainer.parameters
        assert all((now[key] == value).all() for key, value in begun.items())
    trainer.learn([2])
    assert (trainer.parameters["cell.b"] != begun["cell.b"]).any()
