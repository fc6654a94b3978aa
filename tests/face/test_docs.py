"""Every example of the pages in docs/ runs as it is written; what pages point at is there."""

import doctest
import re
import shlex

import pytest
from helpers.places import DOCS, ROOT

from nbt.cli import command

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


ALL = sorted(
    str(path.relative_to(ROOT))
    for folder in (ROOT, DOCS, DOCS / "design", ROOT / "bench")
    for path in folder.glob("*.md")
)


@pytest.mark.parametrize("page", ALL)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert ((ROOT / page).parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", ALL)
def test_files_that_are_named_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in re.findall(r"`((?:bench|csrc|docs|src|tests)/[\w/.*-]+)`", text):
        assert list(ROOT.glob(name.rstrip("/"))), name


@pytest.mark.parametrize("page", ALL)
def test_verbs_are_those_of_the_makefile(page):
    verbs = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    text = (ROOT / page).read_text(encoding="utf-8")
    assert {*re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M)} <= {*verbs}


def commands(page):
    """What a page's blocks of shell call `nbt` with."""
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S):
        for line in block.splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
            words.whitespace_split = True
            call = None
            for word in [*words, ";"]:
                if set(word) <= set("|;&<>"):
                    if call:
                        yield call
                    call = None
                elif call is not None:
                    call.append(word)
                elif word == "nbt":
                    call = []


@pytest.mark.parametrize("page", [page for page in ALL if [*commands(page)]])
def test_commands_are_understood(page):
    """Names, options and values, that is: none is run."""
    for name, *args in commands(page):
        command.commands[name].make_context(name, args)


def test_there_are_commands():
    assert sum(len([*commands(page)]) for page in ALL) > 10
