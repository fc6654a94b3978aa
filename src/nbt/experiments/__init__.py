"""The paper's experiments, repeated, and the same comparison on any other stream.

figures, rules, sources   what is run: frozen values
jobs, workers, store      one run each, spread over processes, kept in a file
curves                    several seeds as a median and a band
claims, deciding          sentences of the paper, held or not
plots, labels, report     pictures and one HTML page
study                     all of it together
"""

from nbt.experiments import report
from nbt.experiments.figures import FIGURES, SEVENTH, Figure
from nbt.experiments.jobs import Limits
from nbt.experiments.rules import RULES, Rule
from nbt.experiments.sources import AS_RUNS, SOURCES, Source
from nbt.experiments.study import RunError, Study

__all__ = [
    "AS_RUNS",
    "FIGURES",
    "RULES",
    "SEVENTH",
    "SOURCES",
    "Figure",
    "Limits",
    "Rule",
    "RunError",
    "Source",
    "Study",
    "report",
]
