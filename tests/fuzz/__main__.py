"""Many seeds, as long as wanted: ``make fuzz ARGS="1000 2000 --check bits"``.

Says of each failure which seed it was, what failed, and the smallest part of its script that still
does.
"""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import replace

import click

import nbt

from .against_oracle import check_oracle
from .cases import case
from .checks import Unlike, check_bits
from .dialects import check_dialects
from .extremes import check_finite, check_hostile
from .outliers import check_outliers
from .paths import check_dense, check_isas, check_systems
from .strangers import check_strangers
from .together import check_threads


def isas(one):
    before = os.environ.get("NBT_ISA")
    try:
        check_isas(one, nbt.build_info()["isas"], lambda isa: os.environ.update(NBT_ISA=isa))
    finally:
        os.environ.pop("NBT_ISA")
        os.environ |= {} if before is None else {"NBT_ISA": before}


CHECKS = {
    "bits": check_bits,
    "oracle": check_oracle,
    "dense": check_dense,
    "systems": check_systems,
    "isas": isas,
    "finite": check_finite,
    "hostile": check_hostile,
    "strangers": check_strangers,
    "threads": check_threads,
    "dialects": check_dialects,
    "outliers": check_outliers,
}


def failure(check, one):
    """What went wrong, or None."""
    try:
        CHECKS[check](one)
    except (Unlike, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def smaller(check, one):
    """The case with operations and steps left out, as far as it still fails."""
    shrinking = True
    while shrinking:
        shrinking = False
        for k, (verb, form, count, more) in enumerate(one.script):
            before, after = one.script[:k], one.script[k + 1 :]
            for middle in ((), ((verb, form, count // 2, more),)):
                less = replace(one, script=before + middle + after)
                if less.script != one.script and failure(check, less):
                    one, shrinking = less, True
                    break
            if shrinking:
                break
    return one


@click.command()
@click.argument("first", type=int, default=0)
@click.argument("last", type=int, default=1000)
@click.option("--check", "checks", type=click.Choice(list(CHECKS)), multiple=True)
def main(first, last, checks):
    """Seeds FIRST … LAST - 1 through the checks: all, or those that are named."""
    warnings.simplefilter("ignore")
    begun, failed = time.monotonic(), 0
    for seed in range(first, last):
        for check in checks or CHECKS:
            wrong = failure(check, case(seed))
            if wrong:
                failed += 1
                least = smaller(check, case(seed))
                click.echo(f"seed {seed}, {check}: {wrong}\n    {least}", color=False)
    took = time.monotonic() - begun
    click.echo(f"{last - first} seeds in {took:.0f} s, {failed} failures")
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
