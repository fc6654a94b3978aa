"""Every tool on the same job, as contenders: ours, and the others that are installed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import partial

import click

from bench.alternate import Contender
from bench.peers.job import FORWARD_STEPS, Job
from bench.peers.lstm import LSTMJob

__all__ = ["TOOLS", "Case", "ours", "theirs"]

TOOLS = ("numpy", "numba", "jax", "torch")


@dataclass
class Case(Contender):
    """One tool on one job under one rule."""

    tool: str = ""
    rule: str = ""
    variant: str = ""
    job: Job | LSTMJob | None = None


def case(tool: str, rule: str, variant: str, job: Job | LSTMJob, learn, **more) -> Case:
    """A case whose blocks are fed to `learn`, as the job gives them."""

    def block(steps: int):
        given = job.given(rule, steps)
        return lambda: learn(*given)

    return Case(
        ", ".join([tool, rule, *([variant] if variant else []), str(job.units)]),
        block,
        **{"steps": 20 * job.window, "unit": job.window, **more},
        tool=tool,
        rule=rule,
        variant=variant,
        job=job,
    )


def ours(job: Job | LSTMJob) -> list[Case]:
    """This package's cases."""
    cases = []
    for rule in job.ours:
        trainer = job.trainer(rule)
        if rule == job.forward:  # never beyond its window
            begin = trainer.state_dict()
            reset = partial(trainer.load_state_dict, begin)
            more = {"steps": FORWARD_STEPS, "fixed": 40, "reset": reset}
            cases.append(case("nbt", rule, "", job, trainer.observe, **more))
        else:
            cases.append(case("nbt", rule, "", job, trainer.learn))
    return cases


def theirs(job: Job | LSTMJob, tools: tuple[str, ...]) -> list[Case]:
    """The other tools' cases; a tool that is not installed is named on stderr and left out, and one
    that does not do this job is left out."""
    cases = []
    for tool in tools:
        module = f"bench.peers.{job.module.format(tool)}"
        if importlib.util.find_spec(module) is None:
            continue
        try:
            peer = importlib.import_module(module)
        except ImportError as error:
            click.echo(f"left out: {tool} ({error})", err=True)
            continue
        for rule, variants in peer.RULES.items():
            for variant, make in variants.items():
                cases.append(case(tool, rule, variant, job, job.peer(make).learn))
    return cases
