"""What the pictures of the benchmarks share: saved twice, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["LINES", "figure", "save"]

LINES = ("#3a7ca5", "#d1495b", "#66a182")


def save(figure, facts: list[str], path: Path) -> list[Path]:
    """As PNG and as SVG, with the facts below; the paths."""
    import matplotlib

    figure.supxlabel("\n".join(facts), fontsize=9, color="0.35", x=0.01, ha="left")
    paths = [Path(path).with_suffix(".png"), Path(path).with_suffix(".svg")]
    with matplotlib.rc_context({"svg.hashsalt": "nbt", "svg.fonttype": "none"}):
        figure.savefig(paths[0], dpi=100)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


@contextmanager
def figure(facts: list[str], path: Path, figsize) -> Iterator[tuple]:
    """(axes, list of paths): draw on the axes; it is saved at the end, into the list."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    sheet, axes = plt.subplots(figsize=figsize, layout="constrained")
    saved: list[Path] = []
    yield axes, saved
    saved += save(sheet, facts, path)
    plt.close(sheet)
