"""Where things are: no circle of modules, arrows that go down only, small rooms, short files."""

import ast
import graphlib
import re

import pytest
from helpers.places import PACKAGE, ROOT, TESTS

#: Rooms of src/nbt, the lowest first; a line is a folder, or files that are one room together. What
#: is in a room imports from its own room and from lower ones, wherever the import stands: at the
#: top, inside a function, under TYPE_CHECKING. "nbt" is the face, what `import nbt` runs.
ORDER = """
    _arguments errors divergence registry build _core installation
    storage
    display
    systems
    schedules graphs inputs cells readouts optimizers descriptions
    streams
    datasets
    training
    checkpoints
    trainers
    baselines interop rank_one_trick
    diagnosis
    hmm
    estimators
    scoring
    nbt
    river sklearn
    experiments
    cli __main__
"""
LEVELS = {name: k for k, line in enumerate(ORDER.strip().splitlines()) for name in line.split()}
FILES, LINES, C_LINES = 20, 400, 60  # at most: in a folder, in a file, in a C function
CYTHON = (".pyx", ".pxi", ".pxd")  # all of it is the module _core


# ---- who imports whom --------------------------------------------------------------------------


def modules(package):
    """The files of each module, by its name."""
    found = {f"{package.name}._core": []}
    for path in sorted(package.rglob("*")):
        if path.suffix == ".py":
            parts = path.relative_to(package.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = [path]
        elif path.suffix in (*CYTHON, ".pyi"):
            found[f"{package.name}._core"].append(path)
    return found


def named_in_python(path, package):
    """Pairs (module, name or "") of all imports, and of modules that are loaded by a name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = path.relative_to(package.parent).parts[: -node.level]
            start = ".".join(folder) if node.level else ""
            module = ".".join(filter(None, (start, node.module)))
            yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value, ""


def named_in_cython(path):
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    for match in re.finditer(
        r"^\s*(?:from\s+([\w.]+)\s+c?import\s+(\([^)]*\)|.*)|c?import\s+([\w.]+))", text, re.M
    ):
        if match[3]:
            yield match[3], ""
        for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?\s*(?:,|$)", (match[2] or "").strip("() \n")):
            yield match[1], name


def arrows(package):
    """The modules of the package that each of its modules imports."""
    files, result = modules(package), {}
    compiled = {path.stem for path in files[f"{package.name}._core"]}
    for module, paths in files.items():
        result[module] = set()
        for path in paths:
            cython = path.suffix in CYTHON
            named = named_in_cython(path) if cython else named_in_python(path, package)
            for origin, name in named:
                if origin.partition(".")[0] == package.name:
                    whole = f"{origin}.{name}" if name else origin
                    if whole.rpartition(".")[2] in compiled and whole.count(".") == 1:
                        whole = f"{package.name}._core"
                    result[module].add(whole if whole in files else origin)
        result[module].discard(module)
    return result


def circle(graph):
    """The modules of a circle, or None."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return " -> ".join(reversed(error.args[1]))


def room(module):
    return [*module.split("."), ""][1] or module


def upwards(graph):
    """Arrows from a room to a higher one."""
    return [
        f"{module} -> {target}"
        for module, targets in graph.items()
        for target in sorted(targets)
        if LEVELS[room(target)] > LEVELS[room(module)]
    ]


@pytest.fixture(scope="module")
def graph():
    return arrows(PACKAGE)


def test_imports_are_found(graph):
    """Arrows of each kind that are there today."""
    assert "nbt.divergence" in graph["nbt._core"]  # of Cython
    assert "nbt" in graph["nbt.cli"]  # inside a function
    assert sum(map(len, graph.values())) > 300


def test_every_module_has_a_room(graph):
    assert {room(module) for module in graph} == set(LEVELS), "rooms and ORDER"
    assert {room(target) for targets in graph.values() for target in targets} <= set(LEVELS)


def test_no_circle_of_modules(graph):
    assert circle(graph) is None


def test_arrows_go_down(graph):
    assert upwards(graph) == []


# ---- the same on small packages that are wrong -------------------------------------------------

LATE = "def f():\n    {}"
TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}"


@pytest.mark.parametrize("how", ["{}", LATE, TYPES], ids=["top", "late", "types"])
@pytest.mark.parametrize(
    ("where", "line", "arrow"),
    [
        ("cells.py", "import nbt.cli", "nbt.cells -> nbt.cli"),
        ("cells.py", "from nbt import streams", "nbt.cells -> nbt.streams"),
        ("cells.py", "import nbt", "nbt.cells -> nbt"),
        ("cells.py", "from nbt.streams.base import Stream", "nbt.cells -> nbt.streams.base"),
        ("cells.py", "from .streams import base as b", "nbt.cells -> nbt.streams.base"),
        ("storage/__init__.py", "from ..streams import base", "nbt.storage -> nbt.streams.base"),
        ("storage/atomic.py", "from .. import cells", "nbt.storage.atomic -> nbt.cells"),
        ("errors.py", 'importlib.import_module("nbt.cells")', "nbt.errors -> nbt.cells"),
        ("_core.pyx", "from nbt import divergence, cells as c", "nbt._core -> nbt.cells"),
        ("_core.pyx", "from nbt.cells import (\n    RNN,\n    Stack,\n)", "nbt._core -> nbt.cells"),
        ("_values.pxi", "import nbt.cells", "nbt._core -> nbt.cells"),
        ("_core.pyi", "from nbt.cells import RNN", "nbt._core -> nbt.cells"),
    ],
)
def test_an_arrow_upwards_is_found(tmp_path, where, line, arrow, how):
    files = ["__init__.py", "cells.py", "errors.py", "divergence.py", "storage/__init__.py"]
    files += ["storage/atomic.py", "streams/__init__.py", "streams/base.py", "cli/__init__.py"]
    for name in files:
        path = tmp_path / "nbt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    lines = line if "\n" in line else how.format(line)
    (tmp_path / "nbt" / where).write_text(lines + "\n", encoding="utf-8")
    assert upwards(arrows(tmp_path / "nbt")) == [arrow]


@pytest.mark.parametrize("how", ["{}", LATE, TYPES], ids=["top", "late", "types"])
def test_a_circle_is_found(tmp_path, how):
    for name, target in (("cells", "graphs"), ("graphs", "inputs"), ("inputs", "cells")):
        lines = how if name == "inputs" else "{}"
        text = lines.format(f"from nbt.{target} import name") + "\n"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "nbt").mkdir()
    for path in tmp_path.glob("*.py"):
        path.rename(tmp_path / "nbt" / path.name)
    found = arrows(tmp_path / "nbt")
    assert upwards(found) == []
    assert set(circle(found).split(" -> ")) == {"nbt.cells", "nbt.graphs", "nbt.inputs"}


# ---- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [PACKAGE, TESTS], ids=["src", "tests"])
def test_folders_are_small(top):
    folders = {top, *(path.parent for path in top.rglob("*.py"))}
    counts = {str(each.relative_to(ROOT)): len([*each.glob("*.py")]) for each in folders}
    assert {name: count for name, count in counts.items() if count > FILES} == {}


def test_files_are_short():
    paths = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyi", *CYTHON)]
    lines = {
        path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in paths
    }
    assert not {name: count for name, count in lines.items() if count > LINES}


def functions(text):
    """(name, lines) of each function in C: from its head to the brace that closes it."""

    def blank(match):  # keeps the lines
        return "\n" * match[0].count("\n") or " "

    text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", blank, text,
                  flags=re.DOTALL)  # fmt: skip
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", blank, text, flags=re.M)
    depth, head = 0, 0
    for match in re.finditer(r"[{};]", text):
        if match[0] == "{":
            if depth == 0:
                before = text[head : match.start()]
                first = match.start() - len(before.lstrip())
            depth += 1
        elif match[0] == "}":
            depth -= 1
            assert depth >= 0, "a brace too many"
            name = re.search(r"(\w+)\)?\s*\(", before)
            if depth == 0 and before.rstrip().endswith(")") and name:
                yield name[1], text.count("\n", first, match.start()) + 1
        if depth == 0:
            head = match.end()
    assert depth == 0, "a brace is not closed"


SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "csrc").rglob("*")
    if path.suffix in (".c", ".h")
)


def test_functions_of_c_are_counted():
    text = """
#define TWO(x) { \\
    { x }
/* { */ static const int table[] = {1, 2};
struct pair { int a; };
static int first(int a) /* head */
{
    char *brace = "{";
    return a == '{' ? brace[0] : 0; // }
}

static inline void
second(void) { if (1) { } }
"""
    assert list(functions(text)) == [("first", 5), ("second", 2)]
    assert [*functions("void f(void) {\n" + "x();\n" * 59 + "}\n")] == [("f", 61)]


@pytest.mark.parametrize("source", SOURCES)
def test_functions_of_c_are_short(source):
    found = functions((ROOT / source).read_text(encoding="utf-8"))
    assert [(name, lines) for name, lines in found if lines > C_LINES] == []


# ---- tests -------------------------------------------------------------------------------------


def test_every_test_is_in_a_room():
    assert sorted(path.name for path in TESTS.glob("*.py")) == ["conftest.py"]


def test_no_test_file_imports_from_another():
    """What two of them need is in tests/helpers."""
    found = [
        f"{path.relative_to(TESTS)}: {module} {name}"
        for path in TESTS.rglob("*.py")
        for module, name in named_in_python(path, TESTS)
        if re.search(r"(^|\.)(test_\w+|conftest)$", module)
        or (name and re.fullmatch(r"test_\w+|conftest", name))
    ]
    assert found == []
