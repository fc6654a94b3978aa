"""Graphs and the cells that have them: values that are checked, compared, shown and packed."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

import nbt
from nbt.descriptions import value_in, value_out
from nbt.trainers.network import Network

MASK = np.array([[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1, 0]], bool)  # none feeds unit 0
INDPTR, INDICES = [0, 2, 4, 5, 6], [2, 1, 2, 3, 3, 2]  # its rows, the first one not sorted


def test_a_graph_says_what_feeds_each_unit():
    graph = nbt.Graph.of(MASK)
    for i in range(4):
        sources = graph.indices[graph.indptr[i] : graph.indptr[i + 1]]
        np.testing.assert_array_equal(sources, np.flatnonzero(MASK[:, i]))
    assert (graph.units, graph.edges) == (4, 6)
    np.testing.assert_array_equal(graph.mask(), MASK)
    assert (graph.indptr.dtype, graph.indices.dtype) == (np.int64, np.int32)
    with pytest.raises(ValueError, match="read-only"):
        graph.indices[0] = 1


@pytest.mark.parametrize(
    "given",
    [
        MASK.astype(int).tolist(),
        np.asfortranarray(MASK * -2.5),
        (INDPTR, INDICES),
        (np.array(INDPTR, np.uint8), np.array(INDICES, np.int16)),
        SimpleNamespace(indptr=INDPTR, indices=INDICES, format="csr"),
        nbt.Graph.of(MASK),
    ],
)
def test_all_ways_to_give_one_are_the_same(given):
    graph = nbt.Graph.of(given)
    assert graph == nbt.Graph.of(MASK)
    assert hash(graph) == hash(nbt.Graph.of(MASK))
    assert nbt.RNN(4, graph=given) == nbt.RNN(4, graph=MASK) != nbt.RNN(4)


def test_edges_by_source_are_the_masks_entries():
    graph = nbt.Graph.of(MASK)
    targets = np.repeat(np.arange(4), np.diff(graph.indptr))
    there = graph.indices[graph.by_source], targets[graph.by_source]
    np.testing.assert_array_equal(there, np.nonzero(MASK))


def test_random_graphs():
    graph = nbt.Graph.random(50, 7, seed=3)
    assert (np.diff(graph.indptr) == 7).all()
    assert not graph.mask().diagonal().any()
    assert graph == nbt.Graph.random(50, 7, seed=3) != nbt.Graph.random(50, 7, seed=4)
    assert nbt.Graph.random(3, 2).mask().sum() == 6
    assert nbt.Graph.random(1, 0).edges == nbt.Graph.random(5, 0).edges == 0


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("edges", TypeError, "graph: expected a mask or CSR arrays"),
        ([[0, 1], [1]], ValueError, "graph: expected a mask or CSR arrays"),
        (
            np.zeros((2, 3)),
            ValueError,
            r"graph: expected a mask \(units, units\), got shape \(2, 3",
        ),
        (
            np.zeros((0, 0)),
            ValueError,
            r"graph: expected a mask \(units, units\), got shape \(0, 0",
        ),
        (([0, 1], [0.5]), TypeError, "graph: expected indices of one dimension, integers"),
        (([1, 1], [0]), ValueError, "graph: expected an indptr that rises from 0 to 1"),
        (([0, 2, 1], [0]), ValueError, "graph: expected an indptr that rises from 0 to 1"),
        (([0, 1, 2], [0]), ValueError, "graph: expected an indptr that rises from 0 to 1"),
        (([0, 1, 2], [0, 2]), ValueError, r"graph: expected indices in \[0, 2\), got 2"),
        (([0, 1, 2], [0, -1]), ValueError, r"graph: expected indices in \[0, 2\), got -1"),
        (([0, 2, 2], [1, 1]), ValueError, "graph: the edge 0 → 1 is there twice"),
        (SimpleNamespace(indptr=[0], indices=[], format="csc"), TypeError, "expected CSR, got csc"),
    ],
)
def test_a_wrong_graph_is_named(given, error, message):
    with pytest.raises(error, match=message):
        nbt.Graph.of(given)


def test_a_graph_of_another_size_is_refused():
    with pytest.raises(ValueError, match="graph: expected one of 5 units, got 4"):
        nbt.LeakyRNN(5, graph=MASK)


@pytest.mark.parametrize("packed", [3, "?", "AAAA", "AQAAAAAAAAAFAA==", "AgAAAAAAAAABAAEA"])
def test_a_damaged_packing_is_refused(packed):
    """Not text, not base64, too short, a source that is none, one twice."""
    with pytest.raises((TypeError, ValueError), match="packed: expected"):
        nbt.Graph(2, packed)


CELLS = [
    nbt.RNN(4, graph=MASK),
    nbt.LeakyRNN(4, activation="tanh", leak=0.5, learn_leak=True, graph=MASK),
    nbt.Continuous(nbt.CTRNN(4, tau=[1, 2, 3, 4.5], graph=MASK), 0.1),
    nbt.Stack([nbt.RNN(3), nbt.LeakyRNN(2), nbt.Continuous(nbt.CTRNN(2), 1)], skip=False),
    nbt.Stack([nbt.RNN(3, "tanh"), nbt.LeakyRNN(2)]),
]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)
def test_cells_are_values(cell):
    twins = copy.deepcopy(cell), pickle.loads(pickle.dumps(cell)), value_in(value_out(cell))
    assert {cell, *twins} == {cell}
    assert all(repr(twin) == repr(cell) for twin in twins)
    assert eval(repr(cell), {name: getattr(nbt, name) for name in nbt.__all__}) == cell


def test_reprs_name_what_is_not_as_by_default():
    assert repr(nbt.RNN(2)) == "RNN(units=2, activation='sigmoid')"
    assert repr(nbt.LeakyRNN(2, leak=0.1, learn_leak=True)) == (
        "LeakyRNN(units=2, activation='sigmoid', leak=0.1, learn_leak=True)"
    )
    assert repr(nbt.RNN(50, graph=nbt.Graph.random(50, 7))).endswith("Graph(units=50, edges=350))")
    assert repr(CELLS[3]).endswith("dt=1.0)), skip=False)")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nbt.LeakyRNN(2, learn_leak=1), TypeError, "learn_leak: expected True or False"),
        (lambda: nbt.LeakyRNN(2, leak=1.0, learn_leak=True), ValueError, r"leak: .* in \(0, 1\)"),
        (
            lambda: nbt.LeakyRNN(2, leak=[0.5, 0], learn_leak=True),
            ValueError,
            r"leak: .* in \(0, 1\)",
        ),
        (lambda: nbt.CTRNN(2, tau=0), ValueError, "tau: expected a number above 0, got 0"),
        (lambda: nbt.CTRNN(2, tau=[1]), ValueError, r"tau: expected 2 numbers, got shape \(1,\)"),
        (lambda: nbt.CTRNN(2, tau="drawn"), ValueError, "tau: expected one of 'random'"),
        (lambda: nbt.CTRNN(2, activation="relu"), ValueError, "activation: expected one of"),
        (lambda: nbt.Continuous(nbt.RNN(2), 1), TypeError, "field: expected CTRNN or System"),
        (lambda: nbt.Continuous(nbt.CTRNN(2), 0), ValueError, "dt: expected a number above 0"),
        (lambda: nbt.Stack(nbt.RNN(2)), TypeError, "cells: expected a list of cells"),
        (lambda: nbt.Stack([]), ValueError, "cells: expected an integer in"),
        (lambda: nbt.Stack([nbt.RNN(2), 3]), TypeError, r"cells\[1\]: expected RNN or LeakyRNN"),
        (lambda: nbt.Stack([nbt.RNN(2)], skip=0), TypeError, "skip: expected True or False"),
        (lambda: nbt.Graph.random(3, 3), ValueError, r"sources: expected an integer in \[0, 2\]"),
    ],
)
def test_wrong_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---- θ -------------------------------------------------------------------------------------------


def drawn(cell, inputs=2, seed=0):
    network = Network(cell, inputs)
    return network, network.draw(np.random.default_rng(seed))


@pytest.mark.parametrize("cell", [*CELLS, nbt.RNN(3)], ids=lambda cell: type(cell).__name__)
def test_every_number_of_theta_has_one_name(cell):
    network, theta = drawn(cell)
    numbered = network.unpack(np.arange(network.size))
    everything = np.concatenate([value.ravel() for value in numbered.values()])
    np.testing.assert_array_equal(np.sort(everything), np.arange(network.size))
    np.testing.assert_array_equal(network.pack(network.unpack(theta)), theta)
    assert network.starts[0] == 0
    assert network.starts[-1] == network.size
    assert len(network.starts) == cell.units + 1


def test_what_lies_where():
    """A layer on a graph above another: b, W from sources, r from x and from below, the leak."""
    cell = nbt.Stack([nbt.RNN(2), nbt.LeakyRNN(4, graph=MASK)])
    network = Network(cell, 3)
    numbered = network.unpack(np.arange(network.size))
    base = 2 * (1 + 2 + 3)
    assert {key: value.shape for key, value in numbered.items()} == {
        **{"0.b": (2,), "0.W": (2, 2), "0.r": (3, 2)},
        **{"1.b": (4,), "1.W": (6,), "1.r": (5, 4), "1.alpha": (4,)},
    }
    np.testing.assert_array_equal(numbered["0.W"], [[1, 7], [2, 8]])  # [source, unit]
    others = 1 + 5 + 1
    sources = MASK.sum(0)
    starts = base + np.concatenate([[0], np.cumsum(others + sources)])
    np.testing.assert_array_equal(network.starts[2:], starts)
    np.testing.assert_array_equal(numbered["1.b"], starts[:-1])
    np.testing.assert_array_equal(numbered["1.alpha"], starts[1:] - 1)
    np.testing.assert_array_equal(numbered["1.r"][4], starts[1:] - 2)
    places = dict(zip(zip(*np.nonzero(MASK), strict=True), numbered["1.W"], strict=True))
    assert places[0, 2] == starts[2] + 1
    assert places[1, 2] == starts[2] + 2
    assert places[3, 2] == starts[2] + 3
    assert network.learned == network.size - 4


def test_a_graph_with_all_edges_begins_as_the_network_without_one():
    plain, full = (drawn(nbt.LeakyRNN(3, graph=graph))[1] for graph in (None, np.ones((3, 3))))
    np.testing.assert_array_equal(plain, full)


def test_first_weights_go_with_the_sources_of_a_unit():
    graph = nbt.Graph.random(200, 25)
    network, theta = drawn(nbt.RNN(200, graph=graph))
    assert network.unpack(theta)["W"].std() == pytest.approx(1 / 5, rel=0.05)


def test_learned_leaks_begin_where_they_are_told():
    network, theta = drawn(nbt.LeakyRNN(3, leak=[0.1, 0.5, 0.9], learn_leak=True))
    np.testing.assert_allclose(1 / (1 + np.exp(-network.unpack(theta)["beta"])), [0.1, 0.5, 0.9])


def test_time_constants_that_are_drawn():
    network, theta = drawn(nbt.Continuous(nbt.CTRNN(500), 0.1))
    tau = network.unpack(theta)["tau"]
    assert (tau >= 1).all()
    assert (tau <= 10).all()
    assert np.median(tau) == pytest.approx(10**0.5, rel=0.2)
