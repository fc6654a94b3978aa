"""A network of 20 units as a System in Python, compiled, and built in: see bench/systems.py."""

import pytest

from bench import systems as bench

compiled = bench.systems


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled.compile_network(tmp_path_factory.mktemp("c"))


@pytest.mark.parametrize("rule", bench.RULES)
@pytest.mark.parametrize("form", bench.FORMS)
def test_system(time_steps, library, rule, form):
    if form == "compiled" and library is None:
        pytest.skip("no C compiler")
    trainer, block = bench.make(rule, form, library, vectors=True), bench.data(100, True)
    time_steps(lambda: trainer.learn(*block), 100, trainer=repr(trainer))
