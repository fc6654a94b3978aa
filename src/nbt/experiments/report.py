"""The report: one self-contained HTML file, and the tables in it."""

from __future__ import annotations

import base64
import platform
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nbt
from nbt.display.visible import visible
from nbt.errors import DataError
from nbt.experiments import plots
from nbt.experiments.claims import CLAIMS, Claim, Evidence
from nbt.experiments.curves import Common, Curve, median, quartiles
from nbt.experiments.deciding import NOT_RUN, Verdict
from nbt.experiments.figures import Figure
from nbt.experiments.jobs import cpu
from nbt.experiments.rules import READOUT, Rule
from nbt.experiments.study import Study
from nbt.optimizers import Adam
from nbt.storage.atomic import replace_in
from nbt.storage.folders import opened

__all__ = ["Line", "Ruling", "rows", "rulings", "write"]


LARGEST = 1 << 28  # most bytes of a picture


class Line(NamedTuple):
    """Row of a table for one rule. Losses are in bits per symbol, infinite where runs diverged."""

    rule: Rule
    runs: int
    diverged: int
    final: float
    low: float
    high: float
    same_symbols: float
    same_time: float
    last_half: float
    symbols: float
    microseconds: float


class Ruling(NamedTuple):
    """Claim with its verdicts: with the paper's settings, and with the package's defaults."""

    claim: Claim
    paper: Verdict
    package: Verdict


def common(figure: Figure, evidence: Evidence) -> Common:
    """Return the symbols and the time that every run of a figure has reached."""
    runs = [evidence.runs.get((figure.source.name, rule.name), ()) for rule in figure.rules]
    return Common.of([curve for curves in runs for curve in curves])


def rows(figure: Figure, evidence: Evidence) -> list[Line]:
    """Return a row for each rule of a figure that was run."""
    found = (
        (rule, evidence.runs.get((figure.source.name, rule.name), ())) for rule in figure.rules
    )
    reached = common(figure, evidence)
    return [_line(rule, curves, reached) for rule, curves in found if curves]


def _line(rule: Rule, curves: Sequence[Curve], reached: Common) -> Line:
    finals = [curve.final for curve in curves]
    low, high = quartiles(finals)
    return Line(
        rule,
        len(curves),
        sum(curve.diverged for curve in curves),
        median(finals),
        float(low),
        float(high),
        median([curve.at(reached.symbols) for curve in curves]),
        median([curve.after(reached.seconds) for curve in curves]),
        median([curve.last_half() for curve in curves]),
        median([curve.steps for curve in curves]),
        median([curve.microseconds for curve in curves if curve.steps]),
    )


def alike(reached: Common) -> str:
    """Return in words what "same symbols" and "same time" mean."""
    return f"Same symbols: after {reached.symbols:,}. Same time: after {reached.seconds:.3g} s."


def rulings(figures: Sequence[Figure], evidence: Evidence) -> list[Ruling]:
    """Return the verdicts on the claims that are about one of the figures."""
    names = {figure.name for figure in figures}
    about = [claim for claim in CLAIMS if names.intersection(claim.figures)]
    return [Ruling(claim, *claim.verdicts(evidence)) for claim in about]


def write(study: Study, title: str, command: str) -> Path:
    """Draw the pictures and write report.html; return its path."""
    evidence = study.evidence()
    for figure in study.figures:
        source = figure.source.name
        curves = {rule.name: evidence.runs.get((source, rule.name), ()) for rule in figure.rules}
        known = evidence.lines.get(source, {})
        lines = {name: known[name] for name in figure.lines or known if name in known}
        plots.draw(figure, curves, lines, study.folder, subtitle(study, figure))
    path = study.folder / "report.html"
    page = _page(study, evidence, title, command).encode("utf-8", "replace")
    with opened(study.folder, DataError) as folder:
        replace_in(folder, path.name, page)
    return path


def subtitle(study: Study, figure: Figure) -> str:
    """Return in one line what a picture shows."""
    seeds = "1 seed" if study.seeds == 1 else f"median and quartiles of {study.seeds} seeds"
    limits = str(study.limits)
    limits = f"at most {limits} a run" if figure.source.ends else f"{limits} for every run"
    adam = any(isinstance(rule.optimizer, Adam) for rule in figure.rules)
    lines = "; SGD dashed, Adam dotted" if adam else ""
    return f"{figure.source.cell.units} units; {seeds}; {limits}{lines}"


# ---- HTML ---------------------------------------------------------------------------------------

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 72rem; margin: 2rem auto;
       padding: 0 1.5rem; background: #fff; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { font-size: 1.3rem; margin-top: 2.5rem; }
img { width: 100%; height: auto; } figure { margin: 1rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem; border-top: 1px solid #ddd; }
thead th { border-top: 0; border-bottom: 2px solid #999; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre { font: .85rem/1.5 ui-monospace, monospace; background: #f4f4f4; border-radius: 3px; }
code { padding: .1rem .25rem; overflow-wrap: anywhere; } .name code { white-space: nowrap; }
pre { padding: .7rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.o { display: inline-block; white-space: nowrap; font-weight: 600; padding: 0 .5rem;
     border-radius: 3px; border: 1px solid currentColor; }
.held { color: #00563f; } .not { color: #9c3a00; } .mixed { color: #6b5300; } .none { color: #666; }
.how { color: #555; font-size: .85rem; } small, .note { color: #555; }
"""
VERDICT_HEADS = (
    "The paper's sentence, and what decides",
    "With the paper's settings",
    "With the package's defaults",
)
RULE_HEADS = (
    "rule",
    "settings",
    "optimizer",
    "runs",
    "diverged",
    "bits, all",
    "quartiles",
    "same symbols",
    "same time",
    "last half",
    "symbols",
    "µs a symbol",
)
WHOSE = {"paper": "the paper's", "package": "defaults"}
CLASS = {"held": "held", "did not hold": "not", "mixed": "mixed", NOT_RUN: "none"}


def _page(study: Study, evidence: Evidence, title: str, command: str) -> str:
    title = visible(title)
    parts = [f"<h1>{escape(title)}</h1>", _head(study, visible(command))]
    found = rulings(study.figures, evidence)
    if found:
        parts += ["<h2>Did it hold?</h2>", _verdicts(study, found)]
    for figure in study.figures:
        parts.append(_figure(study, figure, evidence))
    parts += ["<h2>Settings</h2>", _settings(study), "<h2>Versions</h2>", _versions()]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return escape(visible(text))


def _head(study: Study, command: str) -> str:
    done, total = len(study.records()), len(study.jobs)
    missing = ""
    if done < total:
        missing = f" <strong>{total - done} of {total} runs are missing.</strong>"
    return (
        f"<p>{_seeds(study)}; every run stops after {escape(str(study.limits))} of the thread that "
        "learns, or where its source ends. Each symbol is predicted before it is learned; losses "
        "are averages from the first symbol on, in bits per symbol. A run that diverges counts as "
        f"infinitely bad, and a cross marks where.{missing}</p>\n<pre>{escape(command)}</pre>"
    )


def _seeds(study: Study) -> str:
    return f"{study.seeds} seed{'s' if study.seeds > 1 else ''}"


def _verdicts(study: Study, found: Sequence[Ruling]) -> str:
    body = []
    for claim, paper, package in found:
        sentence = (
            f"{escape(claim.sentence)} <small>({escape(', '.join(claim.figures))})</small>"
            f'<div class="how">{escape(claim.rule)}</div>'
        )
        body.append([sentence, _outcome(paper), _outcome(package)])
    note = f"Decided from {_seeds(study)}, {study.limits} a run. The defaults are 10 seeds, 20 s."
    return _table(VERDICT_HEADS, body) + f'\n<p class="note">{escape(note)}</p>'


def _outcome(verdict: Verdict) -> str:
    name = CLASS[verdict.outcome]
    return (
        f'<span class="o {name}">{escape(verdict.outcome)}</span>'
        f"<div>{escape(verdict.measured)}</div>"
    )


def _figure(study: Study, figure: Figure, evidence: Evidence) -> str:
    with opened(study.folder, DataError) as folder:
        picture = base64.b64encode(folder.read(f"{figure.name}.svg", LARGEST)).decode()
    lines = evidence.lines.get(figure.source.name, {})
    ordered = sorted(lines.items(), key=lambda pair: pair[1])
    listed = ", ".join(f"{name} {bits:.3f}" for name, bits in ordered)
    body = []
    for line in rows(figure, evidence):
        rule = line.rule
        cells = [rule.method, WHOSE[rule.origin], rule.optimized]
        cells += [str(line.runs), str(line.diverged), number(line.final)]
        cells += [f"{number(line.low)} to {number(line.high)}"]
        cells += map(number, (line.same_symbols, line.same_time, line.last_half))
        cells += [f"{line.symbols:,.0f}", f"{line.microseconds:.2f}"]
        body.append([*map(escape, cells)])
    return (
        f"<h2>{_text(figure.title.split(':')[0] if ':' in figure.title else 'Curves')}</h2>\n"
        + (f'<p class="note">The paper: {escape(figure.note)}</p>\n' if figure.note else "")
        + f'<figure><img alt="{_text(figure.title)}: bits per symbol over symbols and over time" '
        f'src="data:image/svg+xml;base64,{picture}"></figure>\n'
        + _table(RULE_HEADS, body, numbers=range(3, len(RULE_HEADS)))
        + f'\n<p class="note">{escape(alike(common(figure, evidence)))}</p>'
        + (f"\n<p>For comparison, bits per symbol: {_text(listed)}.</p>" if listed else "")
    )


def _settings(study: Study) -> str:
    rules = {rule.name: rule for figure in study.figures for rule in figure.rules}
    sources = {figure.source.name: figure.source for figure in study.figures}
    given = {job.source.name: job.source.file for job in study.jobs if job.rule is None}
    records = {job.rule.name: record for job, record in study.records() if job.rule}
    body = [
        [
            escape(rule.label),
            f'<span class="name"><code>{escape(name)}</code></span>',
            f"<code>{escape(_call(rule, records.get(name, {}).get('trainer', {})))}</code>",
        ]
        for name, rule in rules.items()
    ]
    networks = [
        [_text(source.title), f"<code>{escape(repr(source.cell))}</code>", _file(given[name])]
        for name, source in sources.items()
    ]
    return (
        _table(("source", "network", "given to compressors and CTW"), networks)
        + "\n<p></p>\n"
        + _table(("rule", "name", "settings"), body)
    )


def _call(rule: Rule, trainer: Mapping[str, Any]) -> str:
    """Return the trainer as Python code, with its own arguments."""
    names = ("every", "rank", "blocks", "exact_self", "norm", "window", "dtype")
    own = {name: trainer.get(name, rule.choices.get(name)) for name in names}
    texts = [f"{name}={value!r}" for name, value in own.items() if value is not None]
    if "readout_optimizer" in trainer:
        texts.append(f"readout_optimizer={READOUT!r}")
    return f"{rule.kind.__name__}({', '.join([repr(rule.optimizer), *texts])})"


def _file(symbols: int | str | None) -> str:
    if isinstance(symbols, int):
        return f"{symbols:,} symbols of seed 0"
    return "all of it" if symbols is None else symbols


def _versions() -> str:
    info = nbt.build_info()
    facts: Mapping[str, Any] = {
        "nbt": info["version"],
        "compiler": info["compiler"],
        "instruction set": info["isa"],
        "processor": cpu(),
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "system": platform.platform(),
    }
    return _table(("", ""), [[escape(name), escape(str(value))] for name, value in facts.items()])


def _table(heads: Sequence[str], body: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table of cells that are already HTML."""

    def row(cells: Sequence[str], tag: str) -> str:
        marks = (' class="n"' if i in numbers else "" for i in range(len(cells)))
        return "".join(f"<{tag}{m}>{cell}</{tag}>" for m, cell in zip(marks, cells, strict=True))

    head = f"<thead><tr>{row([escape(h) for h in heads], 'th')}</tr></thead>" if any(heads) else ""
    lines = "\n".join(f"<tr>{row(cells, 'td')}</tr>" for cells in body)
    return f'<div class="scroll"><table>{head}<tbody>\n{lines}\n</tbody></table></div>'


def number(bits: float) -> str:
    """Return a loss as short text."""
    return "∞" if np.isinf(bits) else "" if np.isnan(bits) else f"{bits:.3f}"
