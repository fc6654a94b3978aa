"""The setting that a command takes where no other network or rule is asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from nbt.cells import Stack
from nbt.cli.options.defaults import GATED
from nbt.cli.options.layers import layers, of_gates
from nbt.cli.options.table import TABLE
from nbt.readouts import Softmax
from nbt.trainers.presets import Kind, preset

__all__ = ["setting_of", "stream_kind"]

MADE_UP, WRITTEN = "data:", "data:shakespeare"
EFFORTS = ("fast", "best")
# options that cells with gates do not have; layers only where such a cell is named
WITHOUT_GATES = (
    *("activation", "sources", "layers", "learn_leak", "dt"),
    *("exact_steps", "exact_self", "blocks", "split", "norm", "reduction", "fisher"),
)


def stream_kind(source: str, readout: Any) -> Kind:
    """Return what kind of stream this is. A text is what is no made-up stream."""
    if not isinstance(readout, Softmax):
        return "numbers"
    return "symbols" if source.startswith(MADE_UP) and source != WRITTEN else "text"


def setting_of(
    options: dict[str, Any], kind: Kind, readout: Any, inputs: Any = None
) -> dict[str, Any]:
    """Return the best known arguments of a trainer for this kind of stream, with the cell and the
    units that were asked for. Nothing if another rule or a cell without gates is asked for, or
    an option that cells with gates do not have."""
    efforts = [name for name in EFFORTS if options[name]]
    if len(efforts) > 1:
        raise click.UsageError("--fast and --best: expected one of them")
    if other := _other(options):
        if efforts:
            raise click.UsageError(
                f"--{efforts[0]} chooses the network, which {other} does, too: give one of them"
            )
        return {}
    setting = preset(kind, *efforts, readout=readout, inputs=inputs)
    form = GATED.get(options["cell"], type(setting["cell"]))
    if not isinstance(setting["cell"], (form, *GATED.values())):
        setting = preset("symbols", readout=readout)
    known = setting["cell"]
    each = [
        dataclasses.replace(known, units=units) if isinstance(known, form) else form(units)
        for units, *_ in layers(options, known.units)
    ]
    if isinstance(each[0], tuple(GATED.values())):
        each = [dataclasses.replace(cell, **of_gates(options)) for cell in each]
    return {**setting, "cell": each[0] if len(each) == 1 else Stack(each)}


def _other(options: dict[str, Any]) -> str:
    """Return in words what asks for another network or rule; "" if nothing does."""
    for name, ours in (("rule", ("nobacktrack",)), ("cell", (None, *GATED))):
        if options[name] not in ours:
            return f"{TABLE[name].word} {options[name]}"
    if options["paper"]:
        return "--paper"
    gated = options["cell"] in GATED  # then layers are of that cell
    if len(options["units"] or ()) > 1 and not gated:
        return "several layers"
    names = (name for name in WITHOUT_GATES if not (gated and name == "layers"))
    return next((TABLE[name].word for name in names if options[name] is not None), "")
