"""Every public name says what it takes and what it raises; the reference is made of that."""

import ast
import dataclasses
import importlib
import inspect
import itertools
import re
import runpy
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers.places import DOCS

import nbt

MODULES = ["nbt", "nbt.streams", "nbt.datasets", "nbt.baselines", "nbt.interop"]
MODULES += ["nbt.river", "nbt.sklearn"]
HEADING = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.M)
KIND, RANGE = {"TypeError"}, {"TypeError", "ValueError"}
CHECKS = {
    "flag": KIND,
    "instance": KIND,
    "not_called": KIND,
    "path": KIND,
    "renamed": KIND,
    "integer": RANGE,
    "real": RANGE,
    "one_of": RANGE,
}
"""What the checks of nbt._arguments raise."""


class Entry(NamedTuple):
    """A public class, function, method or property."""

    name: str
    value: object
    owner: type | None

    @property
    def doc(self):
        return inspect.getdoc(self.value) or ""

    @property
    def code(self):
        """The functions that check what is passed."""
        if isinstance(self.value, type):
            made = (self.value.__dict__.get(name) for name in ("__init__", "__post_init__"))
            return [function for function in made if function]
        return [inspect.unwrap(getattr(self.value, "__func__", self.value))]


def public(module):
    """What a module offers, and the methods and properties of its classes."""
    if module in ("nbt.river", "nbt.sklearn"):
        pytest.importorskip(module.removeprefix("nbt."))
    module = importlib.import_module(module)
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value):
            yield Entry(name, value, None)
        for attribute in dir(value) if isinstance(value, type) else ():
            found = inspect.getattr_static(value, attribute)
            function = found.fget if isinstance(found, property) else getattr(value, attribute)
            ours = (getattr(function, "__module__", None) or "").startswith("nbt")
            if ours and not attribute.startswith("_"):
                if isinstance(found, property):
                    yield Entry(f"{name}.{attribute}", found, value)
                elif inspect.isroutine(function):
                    yield Entry(f"{name}.{attribute}", function, value)


def section(doc, heading):
    parts = HEADING.split(doc)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(heading, "")


def listed(text):
    """The names that begin the entries of a section; each has something said about it."""
    lines = [line for line in text.splitlines() if line.strip()]
    names = []
    for line, following in itertools.pairwise([*lines, ""]):
        if not line[0].isspace():
            assert following.startswith("    "), f"nothing is said of {line!r}"
            names += [name.strip() for name in line.split(" : ")[0].split(",")]
    return names


def taken(value):
    """The names of the arguments; None for what takes none of ours."""
    if isinstance(value, property):
        return None
    if isinstance(value, type) and issubclass(value, BaseException | Warning):
        value = vars(value).get("__init__", property())
        return None if isinstance(value, property) else taken(value)
    names = [name for name in inspect.signature(value).parameters if name != "self"]
    if dataclasses.is_dataclass(value) and isinstance(value, type):
        assert names == [field.name for field in dataclasses.fields(value)]
    return names


def nodes(tree):
    """Of a function, without what is tried: its errors are caught."""
    for child in ast.iter_child_nodes(tree):
        caught = isinstance(tree, ast.Try) and tree.handlers and child in tree.body
        if not caught:
            yield child
            yield from nodes(child)


def raised(function, owner, seen):
    """Names of the exceptions that a function makes, or a private one that it calls: of its own
    module or class."""
    if not inspect.isfunction(function) or function in seen:
        return set()
    if inspect.unwrap(function).__code__.co_filename == "<string>":  # what makes a dataclass
        return set()
    seen.add(function)
    found = set()
    for node in nodes(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found.add(ast.unparse(node.exc.func).rpartition(".")[2])
        elif isinstance(node, ast.Call):
            holder, _, name = ast.unparse(node.func).rpartition(".")
            if holder == "_arguments":
                found |= CHECKS[name]
            elif name.startswith("_") and holder in ("", "self", "cls"):
                named = function.__globals__ if not holder else vars(owner or object)
                inner = named.get(name)
                found |= raised(getattr(inner, "__func__", inner), owner, seen)
    return {name for name in found if name[0].isupper()} - {"NotImplementedError"}


@pytest.mark.parametrize("module", MODULES)
def test_everything_is_documented(module):
    assert importlib.import_module(module).__doc__ if module in sys.modules else True
    undocumented = [entry.name for entry in public(module) if not entry.doc]
    assert not undocumented


@pytest.mark.parametrize("module", MODULES)
def test_parameters_are_those_of_the_signature_in_its_order(module):
    wrong = {}
    for entry in public(module):
        names = taken(entry.value)
        if names is None:
            continue
        rows = isinstance(entry.value, type) and issubclass(entry.value, tuple)
        text = section(entry.doc, "Attributes" if rows else "Parameters")
        if listed(text) != names:
            wrong[entry.name] = names, listed(text)
    assert not wrong


@pytest.mark.parametrize("module", MODULES)
def test_exceptions_of_the_checks_are_named(module):
    wrong = {}
    for entry in public(module):
        if isinstance(entry.value, property):
            continue
        seen = set()
        made = set().union(*(raised(code, entry.owner or entry.value, seen) for code in entry.code))
        missing = made - set(listed(section(entry.doc, "Raises")))
        if missing:
            wrong[entry.name] = sorted(missing)
    assert not wrong


#: First words of a docstring that is not in the imperative: "The loss", "Is it", "Returns".
NO_VERB = re.compile(
    r"(?:The|An?|Of|Is|Are|Does|Did|Has|May|What|Which|That|How|Where|Whether|It|All|As|Everything"
    r"|\w*(?:[^\Ws]s|es))\b"
)


def entries(text):
    """Return pairs of the names that begin an entry of a section, and what is said of them."""
    parts = re.split(r"^(\S.*)\n", text, flags=re.M)[1:]
    return [(k, " ".join(v.split())) for k, v in zip(parts[::2], parts[1::2], strict=True)]


@pytest.mark.parametrize("module", MODULES)
def test_it_is_said_which_argument_raises_what(module):
    """A TypeError or ValueError names an argument, or says where that is described."""
    wrong = []
    for entry in public(module):
        names = taken(entry.value) or []
        for heads, said in entries(section(entry.doc, "Raises")):
            kinds = RANGE & set(heads.split(", "))
            named = any(f"`{name}`" in said for name in names)
            elsewhere = re.search(r"\b[Aa]s in `", said)
            if kinds and names and not elsewhere and (len(kinds) > 1 or not named):
                wrong.append((entry.name, heads, said))
    assert not wrong


@pytest.fixture(scope="module")
def sources():
    folder = Path(nbt.__file__).parent
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.py")
    }


def test_docstrings_of_functions_are_in_the_imperative(sources):
    wrong = []
    for file, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (doc := ast.get_docstring(node)):
                shown = any("property" in ast.unparse(one) for one in node.decorator_list)
                if NO_VERB.match(doc) and not shown:
                    wrong.append(f"{file}: {node.name}: {doc.splitlines()[0]}")
    assert not wrong


def test_no_docstring_sends_the_reader_back_up(sources):
    """ "For arguments that are not as above" says neither which argument nor which error."""
    assert not [file for file, text in sources.items() if re.search(r"as\s+above", text)]


def test_the_first_page_lists_every_name_in_the_order_of_the_reference():
    lists = nbt.__doc__[nbt.__doc__.index("- *") :].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`", lists) == nbt.__all__


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    make = DOCS / "reference" / "make.py"
    for need in ("pdoc", "river", "sklearn"):
        pytest.importorskip(need)
    runpy.run_path(str(make))["main"](folder)
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.html")}


def test_pages_are_made_and_links_lead_somewhere(pages):
    assert {"nbt.html", "nbt/streams.html", "nbt/sklearn.html", "cells.html"} <= set(pages)
    ids = {name: {*re.findall(r'\bid="([^"]+)"', text)} for name, text in pages.items()}
    for name, text in pages.items():
        for address in re.findall(r'href="([^"]+)"', text):
            if "://" in address or "${" in address:  # of the script that searches
                continue
            page, _, place = address.partition("#")
            target = (Path(name).parent / page).as_posix() if page else name
            target = re.sub(r"\w+/\.\./", "", target)
            assert target in ids, (name, address)
            assert not place or place in ids[target], (name, address)


def test_no_private_name_is_shown(pages):
    for name, text in pages.items():
        shown = re.sub(r"<[^>]+>", "", text)
        assert not re.findall(r"\bnbt\.(?:readouts|reading|cells|trainer|history)\.\w+", shown), (
            name
        )
        assert not re.findall(r"<section id=\"(_\w+)", text.replace("__version__", "")), name


def test_every_entry_of_nbt_is_there_once(pages):
    found = re.findall(r'<section id="(\w+)">', pages["nbt.html"])
    modules = {"streams", "datasets", "baselines", "interop"}
    assert found == [name for name in nbt.__all__ if name not in modules]
    text = pages["nbt.html"]
    for verb in ("predict", "learn", "observe", "save"):
        assert text.count(f'id="Trainer.{verb}"') == 1
        assert f'href="#Trainer.{verb}"' in text
