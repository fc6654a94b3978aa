"""Pictures and the page: looked at by their parts."""

import dataclasses
import functools
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import nbt
from nbt.errors import MissingExtra
from nbt.experiments import FIGURES, RULES, Figure, Limits, Source, Study, plots, report
from nbt.experiments.curves import Curve
from nbt.experiments.jobs import execute
from nbt.experiments.sources import anbn

SMALL = Source("small", "small <words> & more", functools.partial(anbn, 1, 4), nbt.LeakyRNN(5), 500)
EIGHT = tuple(
    RULES[name]
    for name in (
        *("kalman-1", "kalman-2", "kalman-10", "rtrl-kalman", "rtrl-euclidean", "tbptt-paper"),
        *("nobacktrack", "tbptt-50-kalman"),
    )
)
LINES = {"gzip": 0.5, "bzip2": 0.51, "xz": 0.52, "CTW": 0.505, "entropy": 0.5}


def runs(final, steps=2**12, seeds=4, diverged_at=None):
    step = 2 ** np.arange(int(np.log2(steps)) + 1)
    bits = final + 2.0 / (1 + np.arange(len(step)))
    return [Curve(step, bits + 0.01 * seed, step * 1e-5, diverged_at) for seed in range(seeds)]


def picture(curves, lines=LINES, rules=EIGHT):
    figure = Figure("f", "A title", SMALL, rules)
    plt = plots.pyplot()
    with plt.rc_context(plots.STYLE):
        made = plt.figure(figsize=plots.SIZE)
        curves = {rule.name: curves for rule in rules} if isinstance(curves, list) else curves
        plots._fill(made, figure, curves, lines, "a subtitle")
        made.canvas.draw()
    return made


def boxes(made):
    """Every text that is seen, with its place; of the axes' numbers those within their limits."""
    texts = list(made.texts)
    for axes in made.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            texts += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
    seen = [text for text in texts if text.get_text().strip() and text.get_visible()]
    return [(text.get_text(), text.get_window_extent()) for text in seen]


@pytest.mark.parametrize(
    "curves",
    [
        runs(0.5),
        runs(50.0),
        runs(0.5, diverged_at=5000),
        runs(0.5, steps=1),
        runs(0.0),
        [Curve(np.zeros(0, int), np.zeros(0), np.zeros(0), 0)],
    ],
    ids=["all alike", "far from the lines", "diverged", "one step", "zero", "nothing"],
)
@pytest.mark.parametrize("lines", [LINES, {}], ids=["lines", "no lines"])
def test_no_label_covers_another_or_leaves_the_picture(curves, lines):
    made = picture(curves, lines)
    found = boxes(made)
    width, height = made.canvas.get_width_height()
    assert len(found) > 10
    for i, (text, box) in enumerate(found):
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, text
        for other, place in found[:i]:
            assert not box.overlaps(place), (text, other)
    plots.pyplot().close(made)


def test_every_rule_and_line_is_labelled_with_its_bits():
    curves = {"kalman-1": runs(0.4), "nobacktrack": runs(0.3)}
    curves["rtrl"] = runs(0.5)[:2] + runs(0.5, diverged_at=9000)[:1]
    rules = (RULES["kalman-1"], RULES["nobacktrack"], RULES["rtrl"])
    texts = [text for text, _ in boxes(picture(curves, rules=rules))]
    final = 2.0 / 13
    assert f"Kalman NoBackTrack rank 1 (paper)  {0.4 + final + 0.015:.3f}" in texts
    assert f"Kalman NoBackTrack  {0.3 + final + 0.015:.3f}" in texts
    assert f"Kalman RTRL  {0.5 + final + 0.01:.3f}  ×1/3" in texts
    assert {"gzip  0.500", "CTW  0.505", "entropy  0.500"} <= set(texts)


def test_rules_look_different():
    for rules in (*(figure.rules for figure in FIGURES.values()), EIGHT):
        looks = plots._looks(rules)
        assert len({look[:3] for look in looks.values()}) == len(rules)
        marks = {rule.method: looks[rule.name][:2] for rule in rules if rule.origin == "package"}
        others = {looks[rule.name][:2] for rule in rules if rule.origin == "paper"}
        assert len(others.union(marks.values())) == len(marks) + sum(
            rule.origin == "paper" for rule in rules
        )
    every = plots._looks(tuple(RULES.values()))
    assert len({look.dashes for look in every.values()}) == 3


def test_the_same_rule_looks_the_same_in_every_figure():
    looks = [plots._looks(figure.rules) for figure in FIGURES.values()]
    for name in ("kalman-1", "nobacktrack", "tbptt-paper", "tbptt-kalman", "rtrl"):
        assert len({look[name] for look in looks if name in look}) == 1


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install"):
        plots.pyplot()


# ---- the page -----------------------------------------------------------------------------------


class Page(HTMLParser):
    """Checks that what is opened is closed; notes text and addresses."""

    VOID = ("meta", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.addresses = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for key, value in attributes if key in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    rules = (RULES["kalman-1"], RULES["nobacktrack"])
    first = Figure("fig3", "Figure 3: one <two>", SMALL, rules, "a note & more")
    study = Study([first], 2, Limits(None, 2000), folder)
    for job in study.jobs[:-1]:
        study.store.add(execute(job))
    path = report.write(study, "A title", "nbt reproduce fig3 --output 'a b'")
    return study, path


def test_the_page_is_whole_and_needs_nothing_else(written):
    _, path = written
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.addresses
    assert all(a.startswith("data:image/svg+xml;base64,") for a in page.addresses)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    words = " ".join(" ".join(page.words).split())
    for expected in (
        "nbt reproduce fig3 --output 'a b'",
        "2 seeds",
        "2,000 symbols",
        "1 of 5 runs are missing",
        "small <words> & more",
        "a note & more",
        "NoBackTrack(Kalman(decay=InverseSqrt(scale=1.0), prior=1.0, outlier=None), rank=1, "
        "blocks=1, exact_self=False, norm='kalman', dtype='float64')",
        f"nbt {nbt.__version__}",
        "The Kalman version fully removes the instability.",
        "not run",
    ):
        assert expected in words, expected


def test_the_table_is_what_was_measured(written):
    study, _ = written
    lines = report.rows(study.figures[0], study.evidence())
    assert [(line.rule.name, line.runs, line.diverged) for line in lines] == [
        ("kalman-1", 2, 0),
        ("nobacktrack", 1, 0),
    ]
    trainer = RULES["nobacktrack"].build(SMALL.cell, 3, 0)
    losses = trainer.learn(SMALL.open(0).read(2000)) / np.log(2)
    assert lines[1].final == pytest.approx(losses.mean(), rel=1e-6)
    assert lines[1].last_half == pytest.approx(losses[861:].mean(), rel=0.05)
    assert lines[1].low == lines[1].high == lines[1].final
    assert lines[1].symbols == 2000


def test_pictures_are_there_twice(written):
    study, _ = written
    assert (study.folder / "fig3.png").read_bytes().startswith(b"\x89PNG")
    svg = (study.folder / "fig3.svg").read_text(encoding="utf-8")
    assert "<svg" in svg
    assert "<text" not in svg  # outlines: no font is needed


def test_verdicts_are_those_about_the_figures(written):
    study, _ = written
    names = [ruling.claim.name for ruling in report.rulings(study.figures, study.evidence())]
    assert names == ["stable", "on par", "cost"]
    other = dataclasses.replace(study.figures[0], name="compare")
    assert report.rulings([other], study.evidence()) == []
