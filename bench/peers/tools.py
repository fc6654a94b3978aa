"""Every tool on the same job, as contenders: ours, and the others that are installed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial

import click

from bench.alternate import Contender
from bench.peers.job import FORWARD_STEPS, WINDOW, Job

__all__ = ["TOOLS", "Case", "ours", "theirs"]

TOOLS = ("numpy", "numba", "jax", "torch")
OURS = {
    "forward": "forward only",
    "euclidean": "rank 1, Euclidean",
    "kalman": "rank 1, Kalman",
    "default": "default",
    "tbptt": "TBPTT-15",
}


@dataclass
class Case(Contender):
    """One tool on one job under one rule."""

    tool: str = ""
    rule: str = ""
    variant: str = ""
    job: Job | None = None


def case(tool: str, rule: str, variant: str, job: Job, learn, **more) -> Case:
    """A case whose blocks are fed to `learn`: symbols, or for windows inputs and targets."""

    def block(steps: int):
        symbols = job.stream(steps + 1)
        given = (symbols[:-1], symbols[1:]) if rule == "tbptt" else (symbols[:-1],)
        return lambda: learn(*given)

    return Case(
        ", ".join([tool, rule, *([variant] if tool != "nbt" else []), str(job.units)]),
        block,
        **{"steps": 20 * WINDOW, "unit": WINDOW, **more},
        tool=tool,
        rule=rule,
        variant=variant,
        job=job,
    )


def ours(job: Job) -> list[Case]:
    """This package's cases."""
    cases = []
    for rule, variant in OURS.items():
        trainer = job.trainer(rule)
        if rule == "forward":  # never beyond its window
            begin = trainer.state_dict()
            reset = partial(trainer.load_state_dict, begin)
            more = {"steps": FORWARD_STEPS, "fixed": 40, "reset": reset}
            cases.append(case("nbt", rule, variant, job, trainer.observe, **more))
        else:
            cases.append(case("nbt", rule, variant, job, trainer.learn))
    return cases


def theirs(job: Job, tools: tuple[str, ...]) -> list[Case]:
    """The other tools' cases; a tool that is not installed is named on stderr and left out."""
    cases = []
    for tool in tools:
        try:
            peer = importlib.import_module(f"bench.peers.{tool}_peer")
        except ImportError as error:
            click.echo(f"left out: {tool} ({error})", err=True)
            continue
        for rule, variants in peer.RULES.items():
            for variant, make in variants.items():
                learner = make(*job.weights(), job.scale, job.seed)
                cases.append(case(tool, rule, variant, job, learner.learn))
    return cases
