"""Every example of the pages in docs/ runs as it is written."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md") if ">>> " in path.read_text("utf-8"))


EXTRAS = {"estimators.md": ("river", "sklearn")}  # what else a page needs


def test_there_are_pages():
    assert PAGES


@pytest.mark.parametrize("page", PAGES)
def test_examples(page, monkeypatch, tmp_path):
    for extra in EXTRAS.get(page, ()):
        pytest.importorskip(extra)
    monkeypatch.chdir(tmp_path)  # what an example writes goes there
    failed, tried = doctest.testfile(
        str(DOCS / page), module_relative=False, optionflags=doctest.ELLIPSIS, encoding="utf-8"
    )
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("page", PAGES)
def test_pictures_are_there(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    for part in text.split("](")[1:]:
        target = part.split(")")[0]
        if "://" not in target and not target.startswith("#"):
            assert (DOCS / target.split("#")[0]).exists(), target
