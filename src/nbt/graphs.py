"""Graphs of networks: which unit feeds which, as a frozen value."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import numpy as np

from nbt import _arguments

__all__ = ["Graph", "as_graph"]

MOST_UNITS = 2**16
FEW = 32  # most edges that a repr lists


@dataclass(frozen=True, repr=False)
class Graph:
    """Edges j → i between the units of a network, for ``RNN(units, graph=...)``, equation (31).

    Make a graph with `Graph.of` or `Graph.random`. A network also takes a mask or CSR arrays.

    Parameters
    ----------
    units : int
        Number of units, in [1, 65536].
    packed : str
        Base64 of two arrays, one after the other: the number of sources of each unit
        (little-endian, 4 bytes each), then the sources of all units in turn, rising within a unit
        (2 bytes each).

    Attributes
    ----------
    edges : int
        Number of edges.
    indptr, indices : arrays (units + 1,) int64 and (edges,) int32, read-only
        Unit i is fed by the units ``indices[indptr[i]:indptr[i + 1]]``, in rising order.

    Raises
    ------
    TypeError
        `units` is no integer, `packed` no string.
    ValueError
        `units` is not in [1, 65536]; `packed` is not base64, or not the edges of so many units in
        rising order.

    Examples
    --------
    >>> ring = Graph.of([[0, 1, 0], [0, 0, 1], [1, 0, 0]])      # 0 → 1 → 2 → 0
    >>> ring, ring.indices
    (Graph.of(([0, 1, 2, 3], [1, 2, 0])), array([2, 0, 1], dtype=int32))
    """

    units: int
    packed: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", _arguments.integer("units", self.units, high=MOST_UNITS))
        if not isinstance(self.packed, str):
            raise TypeError(f"packed: expected base64, got {self.packed!r}")
        try:
            data = base64.b64decode(self.packed, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("packed: expected base64, got something else") from None
        counts = np.frombuffer(data[: 4 * self.units], "<u4") if len(data) % 2 == 0 else []
        if len(counts) != self.units or 4 * self.units + 2 * counts.sum(dtype=int) != len(data):
            raise ValueError(f"packed: expected the edges of {self.units} units, got other bytes")
        indptr = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        indices = np.frombuffer(data[4 * self.units :], "<u2").astype(np.int32)
        first = np.zeros(len(indices) + 1, bool)
        first[indptr[:-1]] = True
        rising = np.diff(indices, prepend=-1) > 0
        if not (rising | first[:-1]).all() or (indices >= self.units).any():
            raise ValueError("packed: expected rising sources of each unit, got another order")
        for name, value in (("indptr", indptr), ("indices", indices)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, graph) -> Graph:
        """Return a graph made from a mask or from CSR arrays; a graph is returned as it is.

        Parameters
        ----------
        graph : Graph, array (units, units), pair of arrays, or object with ``indptr``, ``indices``
            A mask has a non-zero entry [j, i] for each edge from j to i. CSR arrays are those of
            such a mask (``scipy.sparse.csr_array(mask)``): unit j feeds the units
            ``indices[indptr[j]:indptr[j + 1]]``, in any order.

        Raises
        ------
        TypeError
            `graph` is neither a mask of numbers nor CSR arrays of integers, or is a sparse matrix
            of another format.
        ValueError
            `graph` is a mask that is not square or is empty, or CSR arrays with a unit number out
            of range, with an edge twice, or with an `indptr` that does not rise from 0 to the
            number of edges; or it has more than 65536 units.
        """
        if isinstance(graph, Graph):
            return graph
        if hasattr(graph, "indptr") and getattr(graph, "format", "csr") != "csr":
            raise TypeError(f"graph: expected CSR, got {graph.format}; its tocsr() makes it")
        if hasattr(graph, "indptr") and hasattr(graph, "indices"):
            return cls._of_csr(graph.indptr, graph.indices)
        if isinstance(graph, tuple) and len(graph) == 2:
            return cls._of_csr(*graph)
        try:
            mask = np.asarray(graph)
        except ValueError as error:
            raise ValueError(f"graph: expected a mask or CSR arrays, got {error}") from None
        if mask.dtype.kind not in "biuf":
            raise TypeError(f"graph: expected a mask or CSR arrays, got {mask.dtype} numbers")
        if mask.ndim != 2 or mask.shape[0] != mask.shape[1] or not mask.size:
            raise ValueError(f"graph: expected a mask (units, units), got shape {mask.shape}")
        targets, sources = np.nonzero(mask.T)
        return cls._of_sorted(len(mask), targets, sources)

    @classmethod
    def _of_csr(cls, indptr, indices) -> Graph:
        """Return a graph from the rows of a mask: the units that each unit feeds."""
        indptr, indices = _integers("indptr", indptr), _integers("indices", indices)
        units = _arguments.integer("graph", len(indptr) - 1, high=MOST_UNITS)
        if indptr[0] != 0 or (np.diff(indptr) < 0).any() or indptr[-1] != len(indices):
            raise ValueError(
                f"graph: expected an indptr that rises from 0 to {len(indices)}, the number of "
                f"indices, got {indptr}"
            )
        if ((indices < 0) | (indices >= units)).any():
            wrong = indices[(indices < 0) | (indices >= units)][0]
            raise ValueError(f"graph: expected indices in [0, {units}), got {wrong}")
        sources = np.repeat(np.arange(units), np.diff(indptr))
        order = np.lexsort((sources, indices))
        targets, sources = indices[order], sources[order]
        twice = (np.diff(targets) == 0) & (np.diff(sources) == 0)
        if twice.any():
            at = int(np.argmax(twice))
            raise ValueError(f"graph: the edge {sources[at]} → {targets[at]} is there twice")
        return cls._of_sorted(units, targets, sources)

    @classmethod
    def _of_sorted(cls, units, targets, sources) -> Graph:
        _arguments.integer("graph", units, high=MOST_UNITS)
        counts = np.bincount(targets, minlength=units)
        data = counts.astype("<u4").tobytes() + sources.astype("<u2").tobytes()
        return cls(units, base64.b64encode(data).decode())

    @classmethod
    def random(cls, units: int, sources: int, seed: int = 0) -> Graph:
        """Return a graph in which every unit is fed by the same number of other units, drawn at
        random.

        The sources of a unit are drawn without replacement. No unit feeds itself.

        Parameters
        ----------
        units : int
            Number of units, in [1, 65536].
        sources : int
            Number of sources of each unit, in [0, units - 1].
        seed : int
            Seed of the draw, in [0, 2⁶⁴).

        Raises
        ------
        TypeError
            `units`, `sources` or `seed` is no integer.
        ValueError
            `units`, `sources` or `seed` is out of range.

        Examples
        --------
        >>> Graph.random(4096, 16)
        Graph(units=4096, edges=65536)
        """
        units = _arguments.integer("units", units, high=MOST_UNITS)
        sources = _arguments.integer("sources", sources, low=0, high=units - 1)
        random = np.random.default_rng(_arguments.integer("seed", seed, low=0, high=2**64 - 1))
        drawn = np.zeros((units, sources), np.int64)
        for row in drawn:
            if sources:
                row[:] = np.sort(random.choice(units - 1, sources, replace=False))
        drawn += drawn >= np.arange(units)[:, np.newaxis]
        return cls._of_sorted(units, np.repeat(np.arange(units), sources), drawn.ravel())

    @property
    def edges(self) -> int:
        """Number of edges."""
        return len(self.indices)

    @property
    def by_source(self) -> np.ndarray:
        """Places of the edges in `indices`, in the order of a mask's non-zero entries: (edges,)."""
        targets = np.repeat(np.arange(self.units), np.diff(self.indptr))
        return np.lexsort((targets, self.indices))

    def mask(self) -> np.ndarray:
        """Return the graph as a mask: booleans (units, units), in which [j, i] is an edge from j to
        i."""
        mask = np.zeros((self.units, self.units), bool)
        mask[self.indices, np.repeat(np.arange(self.units), np.diff(self.indptr))] = True
        return mask

    def __repr__(self) -> str:
        if self.edges > FEW:
            return f"Graph(units={self.units}, edges={self.edges})"
        targets = np.repeat(np.arange(self.units), np.diff(self.indptr))[self.by_source]
        starts = np.cumsum([0, *np.bincount(self.indices, minlength=self.units)])
        return f"Graph.of(({starts.tolist()}, {targets.tolist()}))"


def _integers(name: str, values) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise TypeError(
            f"graph: expected {name} of one dimension, integers, got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array.astype(np.int64)


def as_graph(graph, units: int) -> Graph | None:
    """Return the graph that a network of so many units has; None, for all edges, is returned as it
    is."""
    if graph is None:
        return None
    _arguments.not_called("graph", graph)
    graph = Graph.of(graph)
    if graph.units != units:
        raise ValueError(f"graph: expected one of {units} units, got {graph.units}")
    return graph
