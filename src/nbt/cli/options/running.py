"""Rows of the table of options: models, length of a run, computation, and output."""

from __future__ import annotations

import click

from nbt import scoring
from nbt.checkpoints import runs
from nbt.cli.options.defaults import EVERY, of, shown
from nbt.cli.options.rows import Row
from nbt.cli.options.values import PATH, Count, Duration, Every, Positive, Seed
from nbt.trainers import NoBackTrack
from nbt.trainers.plan import DTYPE

__all__ = ["COMPUTING", "DRAWS", "FORECAST", "LENGTH", "LINES", "MODEL", "OUTPUT", "RUN"]

MODEL = (
    Row(
        "model",
        "A saved model: its file, or the folder of a run, whose newest checkpoint is taken.",
        "score predict sample info",
        PATH,
        letter="m",
        metavar="FILE|RUN",
        required="predict sample info",
        otherwise={"score": "a new one, which learns as it reads"},
    ),
    Row("learn", "Go on learning with --model: each character after it was predicted.", "score"),
)

LINES = (
    Row(
        "recent",
        "Number of last lines among which a line is ranked.",
        "score",
        Count(most=2**32),
        default=scoring.WINDOW,
        argument="window",
        older={"score": "--window"},
    ),
)

FORECAST = (
    Row(
        "ahead",
        "Number of steps to forecast, of a model of numbers: quantiles of 5, 50 and 95 %.",
        "predict",
        Count(),
        argument="steps",
    ),
    Row("paths", "Number of simulated futures for --ahead.", "predict", Count(), default=200),
    Row(
        "inputs",
        "Table of the inputs to come, for --ahead with a model that learned with --target.",
        "predict",
        PATH,
        metavar="FILE",
        argument="x",
    ),
)

DRAWS = (
    Row(
        "count",
        "Number of symbols to make up.",
        "sample",
        Count(),
        letter="n",
        default=500,
    ),
    Row(
        "prompt",
        "Text that the model reads first; it is not printed.",
        "sample",
        click.STRING,
        metavar="TEXT",
    ),
    Row(
        "temperature",
        "Above 1 rare symbols come more often, below 1 less often.",
        "sample",
        Positive(),
        default=1.0,
    ),
)

LENGTH = (
    Row(
        "steps",
        {
            **dict.fromkeys(
                ("train", "diagnose"), "Stop after so many symbols, or records of numbers."
            ),
            **dict.fromkeys(("compare", "reproduce"), "Stop each run after so many symbols."),
        },
        "train diagnose compare reproduce",
        Count(),
        default={"diagnose": 10_000},
        otherwise={"train": "no limit", "compare": "no limit", "reproduce": "no limit"},
    ),
    Row("seconds", "Stop after so much time.", "train", Positive(), otherwise="no limit"),
    Row(
        "budget",
        "Stop each run after so much CPU time: 20s, 1.5m, 2h.",
        "compare reproduce",
        Duration(),
        otherwise="20s; no limit with --steps",
    ),
)

COMPUTING = (
    Row(
        "seed",
        "Seed of everything that is drawn at random.",
        "train diagnose predict sample",
        Seed(),
        default={"predict": 0, "sample": 0},
        otherwise=dict.fromkeys(("train", "diagnose"), shown(of(NoBackTrack, "seed"))),
    ),
    Row(
        "seeds",
        "Number of seeds; every rule has a run with each.",
        "compare reproduce",
        Count(most=10**6),
        default=10,
    ),
    Row(
        "replicas",
        "Number of estimates to compare, which differ in their random signs.",
        "diagnose",
        Count(),
        default=100,
    ),
    Row(
        "dtype",
        "Floating-point type of all numbers.",
        "train diagnose",
        click.Choice(["float32", "float64"]),
        otherwise=DTYPE,
    ),
    Row(
        "threads",
        "Number of threads that share a step, where the network is large enough.",
        "train",
        Count(),
        otherwise=shown(of(NoBackTrack, "threads")),
    ),
    Row(
        "jobs",
        "Number of processes that work at a time.",
        "compare reproduce",
        Count(),
        otherwise="one for each CPU",
    ),
)

OUTPUT = (
    Row(
        "output",
        {
            "train": "Folder of the run: its checkpoints, what was measured, and its settings.",
            "compare": "Folder of the results.",
            "reproduce": "Folder of the results.",
        },
        "train compare reproduce",
        {
            "train": PATH,
            "compare": click.Path(file_okay=False),
            "reproduce": click.Path(file_okay=False),
        },
        letter="o",
        metavar={"train": "RUN", "compare": "FOLDER", "reproduce": "FOLDER"},
        default={"compare": "nbt-compare", "reproduce": "nbt-reproduce"},
        older={"compare": "--out", "reproduce": "--out"},
    ),
    Row(
        "save",
        "Write the trained model to FILE at the end.",
        "train score",
        PATH,
        metavar="FILE",
    ),
    Row(
        "plot",
        "Draw a picture into FILE: .png, .svg or .pdf.",
        "diagnose",
        PATH,
        metavar="FILE",
    ),
    Row(
        "top",
        {
            "score": "Print only so many lines, the strangest, and only at the end.",
            "predict": "Print only so many symbols, the most probable.",
        },
        "score predict",
        Count(),
        default={"predict": 5},
    ),
    Row("raw", "Print control characters to a terminal as they are.", "sample"),
    Row(
        "json",
        {
            **dict.fromkeys(
                ("train", "diagnose", "score", "predict"), "Print JSON, an object on each line."
            ),
            "info": "Print JSON, one object.",
        },
        "train diagnose score predict info",
    ),
)

RUN = (
    Row("resume", "Go on with the run in RUN, if there is one.", "train"),
    Row(
        "checkpoint_every",
        "Time or number of symbols from one checkpoint to the next: 60s, 5m, 2h, 100000.",
        "train",
        Every(),
        metavar="TIME|COUNT",
        otherwise=EVERY,
    ),
    Row(
        "keep",
        "Number of checkpoints that stay in RUN.",
        "train",
        Count(),
        otherwise=shown(of(runs.Run, "keep")),
    ),
    Row(
        "on_divergence",
        "What to do when learning diverges: stop with an error, or go back to the last checkpoint "
        "with half the rate.",
        "train",
        click.Choice(["stop", "rollback"]),
        otherwise="stop",
    ),
    Row("report", "Write RUN/report.html at the end.", "train"),
)
