"""`nbt train`: what was asked for."""

from __future__ import annotations

from typing import Any

import click

from nbt.cli.hints import hint
from nbt.cli.options import (
    FAULTS,
    NUMBERS,
    SOURCES,
    asked_for,
    build_stream,
    check_place,
    number_options,
    sizes_of,
    source_options,
)
from nbt.cli.options.defaults import with_default
from nbt.cli.options.grouped import Grouped
from nbt.cli.options.trainers import DT, UNITS, as_before_schedules, build_trainer
from nbt.cli.options.values import (
    PATH,
    Count,
    Each,
    Every,
    OrNone,
    Positive,
    Schedule,
    Seed,
    every,
    flag,
    given,
)
from nbt.cli.options.written import WRITTEN, written_options
from nbt.cli.resumed import check_checkpoint, check_settings, trainer_of

NAMES = {
    "cell": ["rnn", "leaky", "ctrnn"],
    "activation": ["sigmoid", "tanh"],
    "trainer": ["nobacktrack", "rtrl", "tbptt"],
    "optimizer": ["kalman", "sgd"],
    "norm": ["fisher", "kalman", "euclidean"],
    "split": ["blocks"],
    "reduction": ["quasi-diagonal", "diagonal", "block", "full"],
    "fisher": ["outer", "exact"],
    "dtype": ["float32", "float64"],
}
MODEL = (  # what makes the trainer
    *("cell", "activation", "units", "sources", "layers", "learn_leak", "dt"),
    *("trainer", "window", "rank", "split", "blocks", "exact_self", "norm"),
    *("optimizer", "rate", "decay", "prior", "readout_prior", "outlier", "reduction", "fisher"),
    *("dtype", "seed", "paper"),
)
EVERY, SCHEDULE = "60s", Schedule.name
SCHEDULES = "schedules"  # in run.toml: a number is a constant rate; older runs do not have it
ANEW = ("steps", "seconds", "checkpoint_every", "keep", "on_divergence", *FAULTS)  # may change
KEPT = (*SOURCES, *NUMBERS, *WRITTEN, "seed", *ANEW)  # in run.toml


def _one_of(name: str) -> click.Choice:
    return click.Choice(NAMES[name])


@click.command(cls=Grouped, short_help="Learn a text, symbols or numbers.")
@click.argument("source", type=PATH, required=False)
@click.option("--cell", type=_one_of("cell"), default="rnn", show_default=True, help="Network.")
@click.option(
    "--activation",
    type=Each(_one_of("activation")),
    metavar="sigmoid|tanh[,...]",
    help=with_default("activation", "Of the units; a list: of each layer's."),
)
@click.option(
    "--units",
    type=Each(Count()),
    metavar="COUNT[,...]",
    help=f"How many, in all layers; a list: in each.  [default: {UNITS}]",
)
@click.option(
    "--sources",
    type=Each(Count()),
    metavar="COUNT[,...]",
    help="Units that feed each, drawn from its layer; a list: in each layer.  [default: all]",
)
@click.option(
    "--layers", type=Count(), help="Networks one above the other.  [default: 1, or as the lists]"
)
@click.option("--learn-leak", is_flag=True, default=None, help="Learn the leaks of leaky.")
@click.option("--dt", type=Positive(), help=f"Length of a step of ctrnn.  [default: {DT}]")
@click.option(
    "--trainer",
    type=_one_of("trainer"),
    default="nobacktrack",
    show_default=True,
    help="Learning rule.",
)
@click.option(
    "--window",
    type=Count(),
    help=with_default("window", "Steps of tbptt; steps that nobacktrack keeps exactly."),
)
@click.option(
    "--rank", type=Count(), help=with_default("rank", "Independent pairs of nobacktrack.")
)
@click.option(
    "--split",
    type=_one_of("split"),
    help=with_default("split", "Pairs of nobacktrack share the parameters."),
)
@click.option(
    "--blocks", type=Count(), help=with_default("blocks", "Groups of units of nobacktrack.")
)
@click.option(
    "--exact-self/--no-exact-self",
    default=None,
    help=with_default("exact_self", "Exact self-influence."),
)
@click.option(
    "--norm", type=_one_of("norm"), help=with_default("norm", "What nobacktrack balances.")
)
@click.option(
    "--optimizer",
    type=_one_of("optimizer"),
    help=with_default("optimizer", "What is done with the gradient."),
)
@click.option("--rate", type=Schedule(), metavar=SCHEDULE, help=with_default("rate", "Of sgd."))
@click.option(
    "--decay", type=Schedule(), metavar=SCHEDULE, help=with_default("decay", "Of kalman.")
)
@click.option(
    "--prior",
    type=Positive(),
    help=with_default("prior", "Of kalman, times the number of units."),
)
@click.option(
    "--readout-prior",
    type=Positive(),
    help=with_default("readout_prior", "Of kalman, for the readout."),
)
@click.option(
    "--outlier",
    type=OrNone(Positive()),
    metavar="NUMBER|none",
    help=with_default(
        "outlier", "Of kalman: gradients that stand out more count less; none: all in full."
    ),
)
@click.option(
    "--reduction",
    type=_one_of("reduction"),
    help=with_default(
        "reduction", "Of kalman: what is kept of J; block and full for small networks."
    ),
)
@click.option(
    "--fisher",
    type=_one_of("fisher"),
    help=with_default("fisher", "Of kalman: what J is a sum of."),
)
@click.option("--dtype", type=_one_of("dtype"), help=with_default("dtype", "Of all numbers."))
@click.option(
    "--seed", type=Seed(), help=with_default("seed", "Of network, signs and generated data.")
)
@click.option(
    "--threads", type=Count(), help=with_default("threads", "Of a step, where it is large enough.")
)
@click.option("--steps", type=Count(), help=with_default("steps", "Stop after so many symbols."))
@click.option(
    "--seconds", type=Positive(), help=with_default("seconds", "Stop after so much time.")
)
@source_options(*SOURCES, *FAULTS)
@number_options
@written_options
@click.option("--json", is_flag=True, help="One JSON object per row on stdout.")
@click.option("--save", type=PATH, metavar="PATH", help="Write the trainer to a file at the end.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="RUN",
    help="Folder of the run, with its checkpoints.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in RUN, if there is one.")
@click.option(
    "--checkpoint-every",
    type=Every(),
    metavar="60s|STEPS",
    help=f"60s, 5m, 2h, or so many symbols.  [default: {EVERY}]",
)
@click.option("--keep", type=Count(), help=with_default("keep", "Checkpoints kept in RUN."))
@click.option(
    "--on-divergence",
    type=click.Choice(["stop", "rollback"]),
    help="Stop, or go back to the last checkpoint with half the rate.  [default: stop]",
)
@click.option("--report", is_flag=True, help="Write RUN/report.html at the end.")
@click.option("--paper", is_flag=True, help="Settings of the paper; other options come first.")
@click.pass_context
def train(context: click.Context, source: str | None, **options: Any) -> int:
    """Learn SOURCE and show bits per symbol, or nats per record of numbers.

    \b
    nbt train my.txt --save model.safetensors
    nbt train app.log --follow --alphabet grow -o RUN --resume
    nbt train weather.csv --columns rain,wind --report -o RUN
    nbt train data:anbn --cell leaky --steps 1e6

    SOURCE is a file, - for standard input, or a data set: data:anbn or data:anbn[LOW,HIGH] (words
    of the letter a, newline, as many b, newline), data:brackets, data:delayed_copy, data:music,
    data:shakespeare.

    With --columns it learns numbers: how each record of a CSV file or of JSON lines follows from
    those before, or with --target some columns from others of the same record. Then the loss is
    in nats per record. data:mackey_glass, data:lorenz and data:sines are numbers, too.

    Networks of several layers: --layers 3 --units 20, or --units 32,16,8 --activation
    tanh,sigmoid,sigmoid, from the input on.

    A rate or decay is a number, as in Python, or falls: '0.1/sqrt(t)' is 0.1 / sqrt(t + 1) at step
    t = 0, 1, ... Each symbol is predicted before it is learned, so the bits are those of unseen
    data.

    With -o RUN everything needed to go on is kept in a folder: after a crash or a stop,
    --resume goes on to the bit as if nothing had happened. Ctrl-C or SIGTERM ends it, with a
    checkpoint; a second one at once. SIGUSR1 asks for a checkpoint and a line now.
    """
    from nbt.cli.job import Job

    asked = asked_for(context)
    _check_output(options)
    settings, run, checkpoint, troubles = _settings_of_run(options), None, None, []
    if settings is not None:
        of_run = (one for one in context.command.params if one.name in KEPT)
        check_settings(options["output"], settings, of_run)
        source, options = _as_before(settings, source, options, asked)
        run = context.with_resource(_open_run(options))
        checkpoint, troubles = run.newest()
    if source is None:
        raise click.UsageError("Missing argument 'SOURCE'.", context)
    alphabet = checkpoint.alphabet if checkpoint else options["alphabet"]
    reading = _source(options)
    if checkpoint and not options["unknown"]:
        reading["unknown"] = "skip"
    if not checkpoint:
        hint(source, options, "learned")
    stream = build_stream(source, alphabet, options["seed"], **reading)
    if checkpoint:
        check_checkpoint(options["output"], checkpoint, stream)
    trainer = _trainer(stream, options, settings, asked)
    if getattr(stream, "grows", False) and not trainer.optimizer.plain:
        flag = "reduction" if trainer.optimizer.reduction != "quasi-diagonal" else "fisher"
        raise click.UsageError(
            f"--{flag}: an alphabet that grows needs the default; give another --alphabet"
        )
    if stream.endless and options["steps"] is None and options["seconds"] is None:
        raise click.UsageError(f"{source} never ends: give --steps or --seconds")
    if options["output"] and run is None:
        run = context.with_resource(_open_run(options))
        kept = {name: options[name] for name in KEPT}
        run.begin(
            {"source": source, **kept, SCHEDULES: "as in Python", "trainer": trainer.describe()}
        )
    return Job(stream, trainer, options, run, checkpoint, troubles).run()


def _check_output(options: dict[str, Any]) -> None:
    for name in ("resume", "checkpoint_every", "keep", "report"):
        if options[name] and not options["output"]:
            raise click.UsageError(f"--{name.replace('_', '-')} needs -o RUN")
    check_place("--save", options["save"])
    if options["on_divergence"] == "rollback" and not options["output"]:
        raise click.UsageError("--on-divergence rollback needs -o RUN")


def _settings_of_run(options: dict[str, Any]) -> dict[str, Any] | None:
    """What the run in RUN was asked for; None if there is none yet."""
    from nbt.checkpoints.runs import settings_of

    if not options["output"]:
        return None
    settings = settings_of(options["output"])
    if settings is not None and not options["resume"]:
        raise click.UsageError(f"-o: {options['output']} holds a run; --resume goes on with it")
    return settings


def _as_before(
    settings: dict[str, Any], source: str | None, options: dict[str, Any], asked: set[str]
) -> tuple[str, dict[str, Any]]:
    """The source and the options of the run; what was asked for now must not contradict them."""
    for name in (*SOURCES, *NUMBERS, *WRITTEN, "seed"):
        before = settings.get(name)
        if name in asked and options[name] != (before or 0 if name == "seed" else before):
            had = f"has {before}" if before not in (None, False) else "was begun without it"
            raise click.UsageError(f"--{name}: the run in {options['output']} {had}")
        options = {**options, name: settings.get(name)}
    if source not in (None, settings.get("source")):
        raise click.UsageError(
            f"{source}: the run in {options['output']} reads {settings['source']}"
        )
    before = {name: settings.get(name) for name in ANEW if options[name] is None}
    return settings["source"], {**options, **before}


def _source(options: dict[str, Any]) -> dict[str, Any]:
    names = (*SOURCES, *FAULTS, *NUMBERS, *WRITTEN)
    return {name: options[name] for name in names if name != "alphabet"}


def _open_run(options: dict[str, Any]) -> Any:
    """The folder RUN, locked."""
    from nbt.checkpoints.runs import Run

    when = every(Every(), options["checkpoint_every"] or EVERY)
    try:
        return Run(options["output"], **when, **given(keep=options["keep"]))
    except BlockingIOError:
        raise click.UsageError(f"-o: {options['output']} is in use by another process") from None
    except (FileExistsError, NotADirectoryError):
        raise click.UsageError(f"-o: {options['output']} is not a folder") from None


def _trainer(
    stream: Any, options: dict[str, Any], settings: dict[str, Any] | None, asked: set[str]
) -> Any:
    """A new trainer: as described by the run, if there is one; otherwise by the options."""
    if settings is None:
        readout, inputs = sizes_of(stream)
        return build_trainer(readout, options, inputs)
    trainer = trainer_of(options["output"], settings["trainer"])
    anew = SCHEDULES in settings
    if asked & set(MODEL) and not _same(trainer, options, sizes_of(stream)[1], anew):
        names = ", ".join(f"--{flag(name)}" for name in MODEL if name in asked)
        has = str(trainer).partition("  #")[0]
        raise click.UsageError(
            f"{names}: the run in {options['output']} has {has}; "
            "give none of its options again, or all"
        )
    return trainer


def _same(trainer: Any, options: dict[str, Any], inputs: Any, anew: bool) -> bool:
    """Do the options describe it? Those of a run that is older are read as they were then, too."""
    if not anew:
        before = build_trainer(trainer.readout, as_before_schedules(options), inputs)
        if before.describe() == trainer.describe():
            return True
    return build_trainer(trainer.readout, options, inputs).describe() == trainer.describe()
