"""The table by which notebooks show an object."""

from __future__ import annotations

import html
from collections.abc import Iterable

__all__ = ["table", "trainer_rows"]


def table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return HTML: a title, then one name and value a row. Colours are those of the page."""
    lines = "".join(
        f'<tr><th style="text-align:left;font-weight:normal;opacity:.7">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    caption = (
        '<caption style="text-align:left;font-weight:bold;caption-side:top">'
        f"{html.escape(title)}</caption>"
    )
    return f"<table>{caption}<tbody>{lines}</tbody></table>"


def trainer_rows(trainer) -> list[tuple[str, str]]:
    """Return what a trainer is, how large it is, and how far it has learned."""
    own = ", ".join(f"{name}={value!r}" for name, value in trainer.form.items())
    return [
        ("network", repr(trainer.cell)),
        ("inputs", repr(trainer.inputs)),
        ("readout", repr(trainer.readout)),
        ("optimizer", repr(trainer.optimizer)),
        *(
            [("of the readout", repr(other))]
            if (other := trainer.readout_optimizer) != trainer.optimizer
            else []
        ),
        *([("rule", own)] if own else []),
        ("parameters", f"{trainer.parameter_count:,}, {trainer.dtype}"),
        ("steps", f"{trainer.step:,}"),
    ]
