"""The oracle of a stack of layers with gates, and of its trainer."""

import numpy as np
from oracle import gated
from oracle.trainer import Trainer
from oracle.windowed import KEPT, Windowed

READOUT = {"readout_optimizer": ("sgd", None)}  # of the layers, whose readouts are not used


class Stack:
    """Layers as one network: each sees the new y of the layer below, and its own y(t-1).

    layers: a `gated.Network` each; the inputs of layer l > 0 are the n units of layer l-1. The
    state is that of all layers, s = (c, y) (2, n), n = Σ n_l, and θ a vector (p,), one layer after
    the other. `gated.Blocks` holds as it is: exact inside a block through all layers; E along each
    unit's own path, which stays in its layer; pairs for all the rest.
    """

    def __init__(self, layers):
        self.layers = layers
        self.units = [layer.n for layer in layers]
        self.n = sum(self.units)
        self.theta = self.flat([layer.theta for layer in layers])

    @staticmethod
    def flat(arrays):
        return np.concatenate([np.ravel(array) for array in arrays])

    def of_units(self, x):
        """The parts (…, n_l) of x (…, n)."""
        return np.split(x, np.cumsum(self.units)[:-1], axis=-1)

    def of_theta(self, x):
        """The parts of a vector (p,), as θ of each layer."""
        sizes = [layer.theta.size for layer in self.layers]
        parts = np.split(x, np.cumsum(sizes)[:-1])
        return [part.reshape(one.theta.shape) for part, one in zip(parts, self.layers, strict=True)]

    def step(self, x, state):
        """u of each layer; the `Step` of all units, whose derivatives by a and by c(t-1) are one
        for each layer."""
        seen, made = [], []
        for layer, own in zip(self.layers, self.of_units(state), strict=True):
            u, s = layer.step(x, own)
            seen.append(u), made.append(s)
            x = s.y
        c, y, c_a, c_c, y_a, y_c = zip(*made, strict=True)
        c, y, y_c = (np.concatenate(part) for part in (c, y, y_c))
        return seen, gated.Step(c, y, c_a, c_c, y_a, y_c)

    def _steps(self, s):
        """The `Step` of each layer."""
        parts = [self.of_units(part) for part in (s.c, s.y, s.y_c)]
        return [
            gated.Step(c, y, c_a, c_c, y_a, y_c)
            for c, y, y_c, c_c, c_a, y_a in zip(*parts, s.c_c, s.c_a, s.y_a, strict=True)
        ]

    def inputs(self, k):
        """From input j to gate g of unit i of layer k, at [g, j, i]."""
        layer = self.layers[k]
        rows = slice(1 + layer.n, 1 + layer.n + (self.layers[k - 1].n if k else 0))
        return layer.theta[:, rows] * layer.sees[:, rows, np.newaxis]

    def back(self, delta, u, s):
        """From ∂L/∂s(t) (2, n): ∂L/∂a of each layer, ∂L/∂s(t-1)."""
        above, gates, before = 0.0, [], []
        whole = list(zip(self.layers, self.of_units(delta), u, self._steps(s), strict=True))
        for k, (layer, own, seen, step) in reversed(list(enumerate(whole))):
            own = own + np.array([np.zeros(layer.n), np.zeros(layer.n) + above])
            a, earlier = layer.back(own, seen, step)
            above = np.einsum("gn,gjn->j", layer._sums(a, seen), self.inputs(k))
            gates.insert(0, a), before.insert(0, earlier)
        return gates, np.concatenate(before, axis=-1)

    def outer(self, gates, u):
        parts = zip(self.layers, gates, u, strict=True)
        return self.flat([layer.outer(a, seen) for layer, a, seen in parts])

    def own(self, gates, u):
        parts = zip(self.layers, gates, u, strict=True)
        return self.flat([layer.own(a, seen) for layer, a, seen in parts])

    def known(self, delta, E):
        parts = zip(self.layers, self.of_units(delta), self.of_theta(E), strict=True)
        return self.flat([layer.known(own, of_layer) for layer, own, of_layer in parts])

    def carry(self, c_c, E):
        parts = zip(self.layers, c_c, self.of_theta(E), strict=True)
        return self.flat([layer.carry(own, of_layer) for layer, own, of_layer in parts])

    def jvp(self, v, u, s):
        made, below = [], 0.0
        whole = zip(self.layers, self.of_units(v), u, self._steps(s), strict=True)
        for k, (layer, own, seen, step) in enumerate(whole):
            if k:
                below = np.einsum("gji,j->gi", self.inputs(k), made[-1][1])
            made.append(layer.jvp(own, seen, step, below))
        return np.concatenate(made, axis=-1)


class StackedWindowed(Windowed):
    """`Windowed` for a stack. theta and what has its shape is a vector, as in `Stack`."""

    def __init__(self, state, *, unit, rule, every, rank=0, norm="euclidean", **choices):
        self.layers = [
            Windowed(
                self._alone(state, k),
                unit=unit,
                rule=rule,
                every=every,
                rank=rank,
                norm=norm,
                **choices | {"units": len(state[f"window.{k}.slope"])} | READOUT,
            )
            for k in range(sum(key.endswith(".r") and key[:5] == "cell." for key in state))
        ]
        units = choices["units"]
        super().__init__(self._as_one(state, units), unit=unit, rule=rule, every=every, **choices)
        self.K, self.norm = rank, norm
        for layer in self.layers:  # Lambda is that of the whole network
            if hasattr(layer.theta_optimizer, "prior"):
                layer.theta_optimizer.prior *= units / layer.n

    @staticmethod
    def _alone(state, layer):
        """The state of one layer, of which only what theta has is used."""
        own = {}
        for key, value in state.items():
            part, _, name = key.rpartition(".")
            before, _, number = part.rpartition(".")
            if number == str(layer):
                own[f"{before}.{name}"] = value
        n = len(own["window.slope"])
        steps = len(own["window.c"])
        A = len(state["readout.b"])
        own |= {"readout.b": np.zeros(A), "readout.W": np.zeros((n, A))}
        own |= {"state.c": np.zeros(n), "state.y": np.zeros(n), "window.x": np.zeros(steps)}
        shared = ("step", "seed", "window.length", "window.entered", "optimizer.theta.updates")
        own |= {key: state[key] for key in shared if key in state}
        return own

    def _as_one(self, state, units):
        """The state with one layer in place of the stack, whose theta is not used."""
        theta = np.zeros((1, 1, units))
        own = {key: np.array(value) for key, value in state.items()}
        m = state["cell.0.r"].shape[1]
        own |= {"cell.b": np.zeros((1, units)), "cell.r": np.zeros((1, m, units))}
        own["window.g_theta"] = theta
        own |= {f"optimizer.theta.{key}": theta for key in KEPT}
        for name in ("c", "y", "H", "slope"):
            parts = [own[f"window.{k}.{name}"] for k in range(len(self.layers))]
            own[f"window.{name}"] = np.concatenate(parts, axis=-1)
        own["estimator.d"] = theta
        return own

    def _begin(self, state):
        rank, self.K = self.K, 0
        super()._begin(state)
        self.K = rank
        self.theta, self.left = self._joined("theta"), self._joined("left")
        if self.rule == "nobacktrack":
            self.E = self._joined("E")
            if self.layers[0].K:
                self.v = np.concatenate([layer.v for layer in self.layers], axis=-1)
                pairs = zip(*(layer.w for layer in self.layers), strict=True)
                self.w = np.array([self._flat(pair) for pair in pairs])

    def _joined(self, name):
        return self._flat([getattr(layer, name) for layer in self.layers])

    def _flat(self, arrays):
        parts = zip(self.layers, arrays, strict=True)
        return Stack.flat([layer._full(array) for layer, array in parts])

    def _full(self, array):
        return array

    _there = _full

    def _net(self):
        for layer, part in zip(self.layers, self._parts(self.theta), strict=True):
            layer.theta = layer._there(part)
        return Stack([layer._net() for layer in self.layers])

    def _parts(self, vector):
        """The parts of a vector (p,), with rows as in `gated.Network`."""
        shapes = [layer._full(layer.theta).shape for layer in self.layers]
        ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
        parts = np.split(vector, ends)
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def _learn(self, gradient):
        self._net()
        for layer, part in zip(self.layers, self._parts(gradient), strict=True):
            layer.t = self.t
            layer._learn(layer._there(part))
        self.theta = self._joined("theta")

    def state_dict(self):
        state = {
            key: value
            for key, value in Trainer.state_dict(self).items()
            if not key.startswith(("cell.", "optimizer.theta.", "estimator.", "state.h"))
        } | {"state.c": self.c, "state.y": self.h}
        own = dict.fromkeys(("c", "y", "H", "slope", "g_theta"))
        for name in own:
            own[name] = state.pop(f"window.{name}")
        self._net()
        units = np.cumsum([layer.n for layer in self.layers])[:-1]
        kept = {name: np.split(own[name], units, axis=-1) for name in ("c", "y", "H", "slope")}
        left = self._parts(self.left)
        for k, layer in enumerate(self.layers):
            first, theta = layer.head + layer.n * layer.recurrent, layer.theta
            arrays = {"b": theta[:, 0], "r": theta[:, first:]}
            if layer.recurrent:
                arrays["W"] = theta[:, layer.head : first]
            if layer.last:
                arrays[layer.last] = theta[:, 1]
            state |= {f"cell.{k}.{name}": array for name, array in arrays.items()}
            state |= {f"window.{k}.{name}": parts[k] for name, parts in kept.items()}
            state[f"window.{k}.g_theta"] = layer._there(left[k])
            for key, value in layer.theta_optimizer.state().items():
                if key == "updates":
                    state["optimizer.theta.updates"] = value
                else:
                    state[f"optimizer.theta.{k}.{key}"] = layer._by_gates(value)
            if self.rule == "nobacktrack":
                E = layer._there(self._parts(self.E)[k])
                state[f"estimator.{k}.d"] = E[: layer.kept]
                if self.K:
                    state[f"estimator.{k}.v"] = np.split(self.v, units, axis=-1)[k]
                    w = [layer._there(self._parts(one)[k]) for one in self.w]
                    state[f"estimator.{k}.w"] = np.array(w)
        return {key: np.array(value) for key, value in state.items()}
