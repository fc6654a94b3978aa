"""One case by several paths: instruction sets, dense kernels and those for systems, NumPy."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import oracle.general
from helpers.systems import learned_of, theta_of
from oracle.networks import Network as Plain
from oracle.networks import Stack as Layers

import nbt
from nbt.cells import is_gated
from nbt.trainers.binding import has_dense_rule, is_learned
from nbt.trainers.network import Network

from .against_oracle import (
    KALMAN,
    TOLERANCE,
    described,
    errors,
    in_range,
    jittered,
    outlier,
    shown,
)
from .cases import CHANGES
from .checks import Unlike, change, grow, part

ORACLES = {
    "nobacktrack": oracle.general.NoBackTrack,
    "rtrl": oracle.general.RTRL,
    "bptt": oracle.general.TruncatedBPTT,
}
FIXED = (".alpha", ".count", ".tau", "waiting.")  # numbers that are not moved by a rounding


# ---- instruction sets ----------------------------------------------------------------------------


def check_isas(case, isas, use):
    """Each operation from the same state by each instruction set; `use(isa)` chooses one."""
    use(isas[0])
    trainer = case.build()
    for k, (verb, form, count, more) in enumerate(case.script):
        if verb in CHANGES:
            change(trainer, verb, k, more)
            continue
        x, y = case.data(k, count, trainer)
        for step in range(min(count, 3)):
            before = trainer.state_dict()
            if not in_range(trainer, before):
                return
            call = functools.partial(
                run_from,
                trainer,
                getattr(trainer, "learn" if verb == "learn" else "observe"),
                part(verb, form, x, y, slice(step, step + 1)),
            )
            outcomes = {}
            try:
                for isa in reversed(isas):
                    use(isa)
                    outcomes[isa] = call(before)
                for isa in isas[1:]:
                    alike(f"{k} {verb}: {isa}", before, call, outcomes[isa], outcomes[isas[0]])
                call(before)
            except nbt.DivergenceError:
                return
            except Unlike:
                if in_range(trainer, outcomes[isas[0]][1]):
                    raise
                return


def run_from(trainer, call, arguments, state):
    trainer.load_state_dict(state)
    losses = call(*arguments)
    return losses, shown(trainer.state_dict())


def alike(what, before, again, ours, theirs):
    """Two outcomes of the same state, as close as rounding lets them be; `again` makes one."""
    dtype = before["readout.b"].dtype.name
    allowed = TOLERANCE[dtype]
    if dtype == "float32" and "optimizer.phi.J" in before:
        allowed *= KALMAN
    wrong = {key: e for key, e in errors(*ours, *theirs).items() if not e <= allowed}
    for seed in range(3):
        if not wrong:
            return
        near = jittered(shown(before), dtype, np.random.default_rng(seed))
        near = {k: before[k] if any(f in k for f in FIXED) else v for k, v in near.items()}
        moved = errors(*again(near), *theirs)
        wrong = {key: e for key, e in wrong.items() if not e <= 300 * moved[key]}
    if wrong:
        raise Unlike(f"{what}: {wrong}")


# ---- dense cells as systems ----------------------------------------------------------------------


def by_systems(kind):
    """The same trainer by the path for systems."""
    return type(kind.__name__, (kind,), {"_as_system": True})


GENERAL = {
    "nobacktrack": by_systems(nbt.NoBackTrack),
    "rtrl": by_systems(nbt.RTRL),
    "bptt": by_systems(nbt.TruncatedBPTT),
}


def check_dense(case):
    """A dense cell by its own kernels and as a system, and by its own from a state that is a
    rounding away: by as much as that has grown to, the others may differ, too."""
    arguments = case.arguments | {"dtype": "float64"}
    cell = arguments["cell"]
    if not has_dense_rule(cell, arguments["optimizer"], "split" in arguments):
        return False
    if is_gated(cell) or not is_learned(cell) or "every" in arguments:
        return False
    if case.rule == "nobacktrack":
        arguments |= {"blocks": 1, "exact_self": False, "window": 0}
    case = replace(case, arguments=arguments)
    fast, general, near = case.build(), case.build(GENERAL[case.rule]), case.build()
    state = near.state_dict()
    moved = jittered(state, "float64", np.random.default_rng(case.seed))
    near.load_state_dict(
        {k: state[k] if any(f in k for f in FIXED) else v for k, v in moved.items()}
    )
    trainers = fast, general, near
    for k, (verb, form, count, more) in enumerate(case.script):
        for trainer in trainers:
            if verb == "grow":
                grow(trainer, more)
            elif verb == "reset":
                trainer.reset_state()
        if verb in CHANGES:
            continue
        x, y = case.data(k, min(count, 8), fast)
        try:
            losses = [
                getattr(t, "learn" if verb == "learn" else "observe")(
                    *part(verb, form, x, y, slice(None))
                )
                for t in trainers
            ]
        except nbt.DivergenceError:
            return True
        if not in_range(fast, fast.state_dict()):
            return True
        if losses[0] is not None:
            close(f"losses of {k}", *losses)
        state, other, third = (trainer.state_dict() for trainer in trainers)
        for key in state.keys() & other.keys():
            if key.startswith(("cell.", "readout.", "state.", "inputs.", "targets.")):
                close(f"{key} after {k}", state[key], other[key], third[key])
    return True


def close(what, a, b, near=None, allowed=1e-5):
    """To rounding, as it has grown over the steps so far: a Kalman step with a small λ loses
    digits. near: what a is from a start that is a rounding away."""
    if (np.isnan(a) != np.isnan(b)).any():
        raise Unlike(f"{what}: {a}, {b}")
    size = max(1.0, np.nanmax(np.abs(b), initial=0.0))
    error = np.nanmax(np.abs(a - b), initial=0.0) / size
    grown = 0.0 if near is None else np.nanmax(np.abs(a - near), initial=0.0) / size
    if not error <= max(allowed, grown):
        raise Unlike(f"{what}: off by {error}, where a rounding has become {grown}")


# ---- systems against NumPy -----------------------------------------------------------------------


def check_systems(case):
    """Graphs, stacks, learned leaks, fields and systems, all metrics, against the oracle."""
    arguments = case.arguments | {"dtype": "float64", "missing": "error"}
    cell, readout, optimizer = (arguments[key] for key in ("cell", "readout", "optimizer"))
    if has_dense_rule(cell, optimizer, "split" in arguments):
        return False
    small = few_outputs(readout) if case.rule != "bptt" else nbt.Softmax(4)
    if arguments["inputs"] in (None, readout.targets):
        arguments["inputs"] = small.targets
    arguments["inputs"] = unscaled(arguments["inputs"])
    arguments["readout"] = small
    for key in ("optimizer", "readout_optimizer"):
        if isinstance(arguments.get(key), nbt.Kalman):
            own = {"prior": 0.5, "readout_prior": 0.5 * cell.units}
            arguments[key] = replace(arguments[key], **own)
    case = replace(case, arguments=arguments)
    trainer = case.build()
    if trainer.parameter_count > (150 if isinstance(optimizer, nbt.Kalman) else 600):
        return False
    with outlier(trainer), np.errstate(all="ignore"):
        follow(case, trainer, plain(case, trainer))
    return True


def few_outputs(readout):
    """A readout of the same kind that the oracle has time for."""
    if isinstance(readout, nbt.Softmax):
        return nbt.Softmax(min(readout.symbols, 9))
    kind = type(readout)  # the oracle for systems knows no scales
    scale = {"standardize": False} if kind is nbt.Gaussian else {}
    return kind(min(readout.dim, 3), **scale)


def unscaled(inputs):
    return nbt.Vector(inputs.size, False) if isinstance(inputs, nbt.Vector) else inputs


def follow(case, trainer, theirs):
    for k, (verb, form, count, _) in enumerate(case.script[:5]):
        if verb not in ("learn", "observe"):
            continue
        x, y = case.data(k, min(count, 5), trainer)
        arguments = part(verb, form, x, y, slice(None))
        try:
            losses = getattr(trainer, verb)(*arguments)
        except nbt.DivergenceError:
            return
        expected = getattr(theirs, verb)(*arguments)
        if not in_range(trainer, trainer.state_dict()):
            return
        close(f"losses of {k}", losses, expected)
        state, learned = trainer.state_dict(), learned_of(trainer)
        close(f"h after {k}", state["state.h"], theirs.h)
        close(f"theta after {k}", theta_of(trainer)[learned], theirs.theta)
        close(f"phi after {k}", state["readout.W"], theirs.phi[1:])
        if case.rule != "bptt":
            G = trainer.influence().reshape(len(theirs.h), -1)
            close(f"influence after {k}", G[:, learned], theirs.influence())


def phases_of(trainer):
    """The oracle's systems, a phase each."""
    cell, m, state = trainer.cell, trainer.inputs.size, trainer.state_dict()
    if isinstance(cell, nbt.System):
        names = ("step", "jvp", "vjp", "rows")
        if cell.phases == 1:
            return [cell]
        return [
            nbt.System(**{k: functools.partial(getattr(cell, k), phase=q) for k in names})
            for q in range(cell.phases)
        ]
    stack = isinstance(cell, nbt.Stack)
    layers, below = [], 0
    for k, one in enumerate(cell.cells if stack else [cell]):
        name = f"cell.{k}." if stack else "cell."
        inputs = (m if k == 0 or cell.skip else 0) + below
        keep, gain = 0.0, 1.0
        if isinstance(one, nbt.Continuous):
            gain = one.dt / state[name + "tau"]
            keep = 1 - gain
        elif isinstance(one, nbt.LeakyRNN):
            keep = None if one.learn_leak else state[name + "alpha"]
        graph = None if one.graph is None else one.graph.mask()
        layers.append(Plain(one.units, inputs, graph, keep, gain, one.activation))
        below = one.units
    return Layers(layers, skip=cell.skip).phases if stack else layers


def plain(case, trainer):
    """The oracle in the state that a new trainer has."""
    state, learned, optimizer = trainer.state_dict(), learned_of(trainer), trainer.optimizer
    theta, choices = theta_of(trainer)[learned], trainer.form
    n, p, K = trainer.cell.units, len(theta), choices.get("rank", 1)
    phi = np.vstack([state["readout.b"], state["readout.W"]])
    if isinstance(trainer.cell, nbt.System):
        starts = list(trainer.cell.starts)
    else:
        blocks = Network(trainer.cell, trainer.inputs.size).starts[:-1]
        starts = [int(learned[:start].sum()) for start in blocks]
    kinds = [described(one, trainer) for one in (optimizer, trainer.readout_optimizer)]
    for place, one in enumerate((optimizer, trainer.readout_optimizer)):
        if isinstance(one, nbt.Kalman):
            prior = one.lambdas(trainer.cell, trainer.readout)[place] / n
            kinds[place] = ("kalman", one.schedule, prior, one.reduction)
            choices["exact"] = one.fisher == "exact"
    if "split" in choices:
        choices["pair"] = state["estimator.pair"][learned]
    for name in ("blocks", "exact_self", "split", *(("window",) if case.rule != "bptt" else ())):
        choices.pop(name, None)
    zeros = {"v": np.zeros((K, n)), "w": np.zeros((K, p)), "rows": np.zeros((n, p)),
             "G": np.zeros((n, p)), "fisher": np.zeros(n), "J_theta": np.zeros((p, p)),
             "J_phi": np.zeros((phi.size, phi.size))}  # fmt: skip
    for name, size in (("theta", p), ("phi", phi.size)):
        zeros |= {f"m_{name}": np.zeros(size), f"v_{name}": np.zeros(size), f"updates_{name}": 0}
    return ORACLES[case.rule](
        phases_of(trainer),
        {"h": state["state.h"], "theta": theta, "phi": phi, "step": state["step"],
         "seed": state["seed"], **zeros},
        m=trainer.inputs.size,
        optimizer=kinds[0],
        readout_optimizer=kinds[1],
        starts=starts,
        activation=trainer.cell.activation,
        readout=type(trainer.readout).__name__.lower(),
        **choices,
    )  # fmt: skip
