"""A history as one self-contained HTML page: a curve, a table, the settings."""

from __future__ import annotations

import json
import math
from html import escape

from nbt.display.visible import visible
from nbt.training.history import History
from nbt.training.rows import UNITS, loss_text

__all__ = ["html"]

LARGEST = 1e100  # largest loss that is drawn
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 320, 56, 12, 12, 40
LINES = (("average", "average", "#1f5fa8"), ("since", "since the line before", "#c2571a"))
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 46em; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.3em; } svg { max-width: 100%; height: auto; }
svg text { font-size: 12px; fill: #555; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .15em .9em .15em 0; border-bottom: 1px solid #ddd; }
code { overflow-wrap: anywhere; } summary { cursor: pointer; }
"""


def html(history: History, trainer: str) -> str:
    """Return the page. Its curve shows the loss over the logarithm of the number of steps."""
    now, steps = history.live(), _steps(history)
    said = f"{now.step:,} {steps}"
    if now.step:
        said += f", {loss_text(now.average)} {UNITS[history.unit]}, {now.seconds:,.1f} s"
    rows = "".join(
        f"<tr><td>{row.step:,}</td><td>{loss_text(row.average)}</td>"
        f"<td>{loss_text(row.since)}</td><td>{row.seconds:,.2f}</td></tr>\n"
        for row in history
    )
    source = visible(history.settings.get("stream", "stream"))
    settings = visible(json.dumps(history.settings, indent=1, ensure_ascii=False), keep="\n")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(source)}</title>
<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>
<h1>{escape(source)}</h1>
<p>{said}. Stopped: {escape(visible(history.stopped or "not yet"))}.</p>
<p><code>{escape(visible(trainer))}</code></p>
{_curve(history)}
<table><tr><th>{steps}</th><th>average {history.unit}</th><th>since</th><th>seconds</th></tr>
{rows}</table>
<details><summary>Settings</summary><pre>{escape(settings)}</pre></details>
</body></html>
"""


def _curve(history: History) -> str:
    points = {name: _points(history, name) for name, _, _ in LINES}
    everything = [bits for line in points.values() for _, bits in line]
    if not everything:
        return ""
    entropy = history.entropy_rate
    top = 1.05 * max([*everything, entropy or 0.0]) or 1.0
    low = 1.05 * min([*everything, 0.0])
    last = max(1.0, math.log2(history.live().step))

    def x(step: float) -> float:
        return LEFT + math.log2(step) / last * (WIDTH - LEFT - RIGHT)

    def y(bits: float) -> float:
        return TOP + (top - bits) / (top - low) * (HEIGHT - TOP - BOTTOM)

    parts = [_level(y, bits) for bits in _ticks(low, top)]
    for power in range(0, math.ceil(last), max(1, math.ceil(last / 8))):
        parts.append(
            f'<text x="{x(2**power):.1f}" y="{HEIGHT - 20}" text-anchor="middle">'
            f"{2**power:,}</text>"
        )
    if entropy is not None:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(entropy):.1f}" y2="{y(entropy):.1f}" '
            f'stroke="#777" stroke-dasharray="4 3"/><text x="{LEFT + 4}" y="{y(entropy) - 4:.1f}">'
            "entropy rate</text>"
        )
    for i, (name, label, color) in enumerate(LINES):
        line = " ".join(f"{x(step):.1f},{y(bits):.1f}" for step, bits in points[name])
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>'
            f'<text x="{WIDTH - RIGHT}" y="{TOP + 14 + 16 * i}" text-anchor="end" '
            f'style="fill:{color}">{label}</text>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{UNITS[history.unit]}">'
        f'{"".join(parts)}<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">'
        f"{_steps(history)}</text></svg>"
    )


def _level(y, bits: float) -> str:
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(bits):.1f}" y2="{y(bits):.1f}" '
        f'stroke="#e4e4e4"/><text x="{LEFT - 6}" y="{y(bits) + 4:.1f}" text-anchor="end">'
        f"{bits:g}</text>"
    )


def _points(history: History, name: str) -> list[tuple[int, float]]:
    pairs = zip(history.step.tolist(), getattr(history, name).tolist(), strict=True)
    return [(step, bits) for step, bits in pairs if step and abs(bits) < LARGEST]


def _ticks(low: float, top: float) -> list[float]:
    """Return about five round numbers from `low`, which is at most 0, up to `top`."""
    rough = (top - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
    return [round(i * step, 10) for i in range(math.ceil(low / step), int(top / step) + 1)]


def _steps(history: History) -> str:
    return "steps" if history.unit == "nats" else "symbols"
