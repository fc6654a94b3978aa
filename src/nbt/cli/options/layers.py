"""The layers of a network, from the options of a command."""

from __future__ import annotations

from typing import Any

import click

from nbt.cli.options.defaults import NORMED
from nbt.cli.options.values import given

__all__ = ["layers", "of_gates"]


def of_gates(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the user said of a cell with gates, beside its units."""
    normed = options["cell"] in (None, *NORMED)  # for others it is refused later
    return given(norm=options["cell_norm"] if normed else None, memory=options["memory"])


def layers(options: dict[str, Any], units: int) -> list[tuple[int, str | None, int | None]]:
    """Return units, activation and sources of each layer, from one value for all or one for each;
    `units` are those of a layer where the user gave none."""
    from nbt._arguments import integer
    from nbt.cells import MOST_LAYERS

    lists = {"units": options["units"] or (units,)}
    lists |= {name: options[name] or (None,) for name in ("activation", "sources")}
    counts = {f"--layers {options['layers']}": options["layers"]} if options["layers"] else {}
    for name, values in lists.items():
        if len(values) > 1:
            counts[f"--{name} {','.join(map(str, values))}"] = len(values)
    (first, number), *others = counts.items() or [("", 1)]
    for other, count in others:
        if count != number:
            raise click.UsageError(
                f"{first} and {other}: expected one value for all layers or one for each, "
                f"got {number} and {count}"
            )
    integer("layers", number, high=MOST_LAYERS)
    each = (values if len(values) > 1 else values * number for values in lists.values())
    return list(zip(*each, strict=True))
