"""The stub of `_core` says what the module has: names, arguments, which have defaults."""

import ast
import inspect
import re

import pytest
from helpers.places import PACKAGE

from nbt import _core

STUB = ast.parse((PACKAGE / "_core.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
CYTHON = "\n".join(path.read_text() for path in sorted(PACKAGE.glob("_*.p[yx][xi]")))


def arguments(signature):
    """Name, kind and whether there is a default, of each argument but self."""
    return [
        (one.name, one.kind.name, one.default is not one.empty)
        for one in signature.parameters.values()
        if one.name != "self"
    ]


def stated(node):
    """The same of a function in a stub, and of one as Cython writes it."""
    text = ast.unparse(ast.FunctionDef("f", node.args, [ast.Pass()], [], None, None, lineno=0))
    space = {}
    exec("from __future__ import annotations\n" + text, space)
    return arguments(inspect.signature(space["f"]))


def declared(name):
    """Of the constructor of a class in Cython, whose types come before the names."""
    found = re.search(rf"cdef class {name}\b.*?def __cinit__\((.*?)\):", CYTHON, re.DOTALL)
    parts = [" ".join(part.split()) for part in found[1].split(",")]
    bare = [re.sub(r"^(\w+ )?(\*?\w*)(=.*)?$", r"\2\3", part) for part in parts]
    space = {}
    exec(f"def f({', '.join(bare)}): pass", space)
    return arguments(inspect.signature(space["f"]))


def public(names):
    return {name for name in names if name[:1] != "_" or name in ("__enter__", "__exit__")}


def test_names():
    here = {name: one for name, one in vars(_core).items() if name[0] != "_"}
    kinds = {name for name, one in here.items() if inspect.isclass(one)}
    assert {name for name in kinds if here[name].__module__ == "nbt._core"} == set(CLASSES)
    assert {name for name, one in here.items() if callable(one)} - kinds == set(FUNCTIONS)
    values = {node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign)}
    assert values <= set(here)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    assert stated(FUNCTIONS[name]) == arguments(inspect.signature(getattr(_core, name)))


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name):
    here, members = vars(getattr(_core, name)), {}
    for node in CLASSES[name].body:
        if isinstance(node, ast.AnnAssign):
            members[node.target.id] = None
        elif isinstance(node, ast.FunctionDef):
            members[node.name] = None if node.decorator_list else node
    assert public(members) == public(here)
    for key, node in members.items():
        if key == "__init__":
            assert stated(node) == declared(name)
        elif node is not None:
            assert stated(node) == arguments(inspect.signature(here[key])), key
        else:
            assert not callable(here[key]), key
