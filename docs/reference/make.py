"""The reference as HTML: `make docs`, or python docs/reference/make.py FOLDER.

pdoc makes a page of each public module from its docstrings, by the templates beside this file; the
pages of docs/ join them.
"""

from __future__ import annotations

import abc
import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing
import pdoc
import pdoc.doc
import pdoc.extract
import pdoc.render
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from pdoc.render_helpers import linkify, relative_link

import nbt

HERE = Path(__file__).parent
DOCS = HERE.parent
NAMED = ("nbt", "nbt.river", "nbt.sklearn")
MODULES = pdoc.extract.walk_specs(NAMED)  # and those in nbt.__all__
FIRST = ("streams", "cells", "learning", "diagnose", "forecasting", "estimators", "system")
NAME = re.compile(  # of something in a module of nbt, as pdoc writes it, plain or in colours
    r"""(?P<or>[ ][|][ ](?=nbt)|[ ]<span[ ]class="o">[|]</span>[ ]<span[ ]class="n">)?
        (?P<name>nbt(?:(?:\.|</span><span[ ]class="o">\.</span><span[ ]class="n">)\w+){2,})
        (?P<end>(?:</span>)?)""",
    re.VERBOSE,
)
CLASSES = {  # where each public class has its entry
    value: f"{module}.{name}"
    for module in reversed(MODULES)
    for name in importlib.import_module(module).__all__
    if isinstance(value := getattr(sys.modules[module], name), type)
}


def headings(docstring: str) -> dict[str, str]:
    """Of a docstring's lines "- *heading*: `name`, …": what stands above a name."""
    return {name: head for head, name in re.findall(r"^- \*(.+?)\*: `(\w+)`", docstring, re.M)}


def said(doc: pdoc.doc.Doc) -> bool:
    """Has it a public name, and something of ours to say?"""
    ours = getattr(doc.obj, "__module__", "nbt").startswith("nbt")  # scikit-learn adds to a class
    return ours and not doc.name.startswith("_") and bool(doc.docstring)


def constructor(cls: pdoc.doc.Class) -> pdoc.doc.Function | None:
    """What a class is called with, if that is ours; nobody makes a `Trainer`."""
    made = cls.members.get("__init__")
    ours = isinstance(made, pdoc.doc.Function) and made.taken_from[0].startswith("nbt")
    return made if ours and cls.obj is not nbt.Trainer else None


def _from(cls: pdoc.doc.Class) -> Iterator[tuple[type, list[pdoc.doc.Doc]]]:
    """Classes with an entry, and the members that a class has from each: those of a base without
    an entry belong to the most basic class that has one."""
    bases = {(base.__module__, base.__qualname__): base for base in cls.obj.__mro__}
    yield cls.obj, cls.own_members
    for name, members in cls.inherited_members.items():
        if name[0].startswith("nbt."):
            heirs = [c for c in cls.obj.__mro__ if c in CLASSES and issubclass(c, bases[name])]
            yield heirs[-1], members


def own(cls: pdoc.doc.Class) -> list[pdoc.doc.Doc]:
    """The members that belong to the entry of a class."""
    return [one for home, members in _from(cls) if home is cls.obj for one in members if said(one)]


def inherited(cls: pdoc.doc.Class, here: str) -> dict[str, list[tuple[str, str]]]:
    """Addresses, seen from a module's page, and names of the members that belong to the entries of
    its bases, by the names of these."""
    found: dict[str, list[tuple[str, str]]] = {}
    for home, members in _from(cls):
        if home is not cls.obj:
            module, _, name = CLASSES[home].rpartition(".")
            page = "" if module == here else relative_link(here, module)
            links = [(f"{page}#{name}.{one.name}", one.name) for one in members if said(one)]
            found.setdefault(CLASSES[home], []).extend(links)
    return {name: links for name, links in found.items() if links}


def base_of(cls: pdoc.doc.Class) -> str:
    """The first base of a class that has an entry, or is another package's; "" for object."""
    for base in cls.obj.__mro__[1:-1]:
        if base in CLASSES:
            return CLASSES[base]
        if not base.__module__.startswith("nbt."):
            return "" if base in (tuple, abc.ABC) else base.__qualname__
    return ""


def public(html: str) -> str:
    """Annotations with the public names of classes; instead of a class without one that of its
    base, and of several that of the others. Examples without what doctest is told."""

    def named(match: re.Match) -> str:
        module, _, name = re.sub("<[^>]+>", "", match["name"]).rpartition(".")
        mro = getattr(getattr(sys.modules.get(module), name, None), "__mro__", ())
        home = next((CLASSES[base] for base in mro if base in CLASSES), None)
        if home is None and mro and match["or"]:
            return ""
        return match[0] if home is None else f"{match['or'] or ''}{home}{match['end']}"

    html = re.sub(r'[ ]*<span class="c1"># doctest: [^<]*</span>', "", html)
    return NAME.sub(named, html)


@pass_context
def linked(context: Context, html: str, **options: Any) -> Markup:
    """pdoc's filter `linkify`, of public names."""
    return linkify(context, public(html), **options)


def guides() -> dict[str, str]:
    """The pages of docs/ and their titles, those first that one would read first."""
    names = sorted(path.stem for path in DOCS.glob("*.md"))
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return {name: _text(name).partition("\n")[0].removeprefix("# ") for name in names}


def _text(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def _linked(text: str) -> str:
    """A page whose links to pages lead to their HTML, and whose links to files are words."""
    text = re.sub(r"\]\((\w+)\.md\)", r"](\1.html)", text)
    return re.sub(r"(?<!!)\[([^]]+)\]\((?![\w/]+\.html|https?:)[^)]+\)", r"\1", text)


class ArrayLike:
    """In the place of NumPy's, which pdoc would write out."""

    __module__ = "numpy.typing"


def main(folder: Path) -> None:
    numpy.typing.ArrayLike = ArrayLike
    pdoc.render.configure(
        docformat="numpy",
        footer_text=f"nbt {nbt.__version__}",
        show_source=False,
        template_directory=HERE,
    )
    pages = guides()
    pdoc.render.env.globals |= {
        "base_of": base_of,
        "constructor": constructor,
        "guides": pages,
        "headings": headings(nbt.__doc__),
        "inherited": inherited,
        "own": own,
        "said": said,
    }
    pdoc.render.env.filters["linkify"] = linked
    shutil.rmtree(folder, ignore_errors=True)
    pdoc.pdoc(*NAMED, output_directory=folder)
    modules = {name: pdoc.doc.Module.from_name(name) for name in MODULES}
    template = pdoc.render.env.get_template("guide.html.jinja2")
    for name, title in pages.items():
        page = template.render(
            title=title, text=_linked(_text(name)), all_modules=modules, module=modules["nbt"]
        )
        page = page.replace('href="#', 'href="nbt.html#')
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    for picture in DOCS.glob("*.png"):
        shutil.copy(picture, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
