"""`nbt train`: settle what the user asked for."""

from __future__ import annotations

from typing import Any

import click

from nbt.cli.hints import hint
from nbt.cli.options.command import asked_for, command
from nbt.cli.options.defaults import EVERY
from nbt.cli.options.places import check_place
from nbt.cli.options.streams import build_stream, reading, sizes_of
from nbt.cli.options.table import TABLE
from nbt.cli.options.trainers import build_trainer, with_exact_steps
from nbt.cli.options.values import PATH, Every, every, given
from nbt.cli.resumed import KEPT, SCHEDULES, as_before, check_checkpoint, settings_of, trainer_of


@command("train", "Learn a text, symbols or numbers.")
@click.argument("source", type=PATH, required=False)
@click.pass_context
def train(context: click.Context, source: str | None, **options: Any) -> int:
    """Learn SOURCE and show bits per symbol, or nats per record of numbers.

    \b
    nbt train my.txt --save model.safetensors
    nbt train app.log --follow --alphabet grow -o RUN --resume
    nbt train weather.csv --columns rain,wind --report -o RUN
    nbt train data:anbn --fast --steps 1e6

    SOURCE is a file, - for standard input, or a data set: data:anbn or data:anbn[LOW,HIGH] (words
    of the letter a, newline, as many b, newline), data:brackets, data:delayed_copy, data:music,
    data:shakespeare.

    With --columns it learns numbers: how each record of a table follows from those before it, or
    with --target how some columns follow from others of the same record. Then the loss is in nats
    per record. data:mackey_glass, data:lorenz and data:sines are numbers, too.

    Symbols are learned by the best known setting: a network with gates, and counts of contexts
    beside it; in Python, nbt.preset("text"). Made-up sequences, such as data:anbn, have no counts:
    nbt.preset("symbols"). Numbers have plain units, and a readout that sees the last two records
    and learns by least squares: nbt.preset("numbers"). --fast and --best choose others, --paper the
    paper's algorithm. --units, --counts, --every, --rank, --lags and --optimizer change a part of
    it. Another --rule, a --cell without gates, and options that only these have, such as --blocks,
    go with --cell rnn and the optimizer of the rule, and nothing else of it.

    A network of several layers: --layers 3 --units 20, or --units 32,16,8 --activation
    tanh,sigmoid,sigmoid, from the input on. With gates: --cell lstm --layers 2 --units 48.

    A rate or decay is a number, or falls: '0.1/sqrt(t)' is 0.1 / sqrt(t + 1) at step t = 0, 1, ...,
    and '0.006/sqrt(1+t/20000)' begins to fall after some 20000 steps.
    Each symbol is predicted before it is learned, so the bits are those of unseen data.

    With -o RUN everything needed to go on is kept in a folder: after a crash or a stop,
    --resume goes on to the bit as if nothing had happened. Ctrl-C or SIGTERM stops it with a
    checkpoint; a second one stops it at once. SIGUSR1 asks for a checkpoint and a line now.
    """
    from nbt.cli.job import Job

    asked, options = asked_for(context), with_exact_steps(options)
    _check_output(options)
    settings, run, checkpoint, troubles = settings_of(context.command, options), None, None, []
    if settings is not None:
        source, options = as_before(settings, source, options, asked)
        run = context.with_resource(_open_run(options))
        checkpoint, troubles = run.newest()
    if source is None:
        raise click.UsageError("Missing argument 'SOURCE'.", context)
    stream = _stream(source, options, checkpoint)
    if settings is not None:
        trainer = trainer_of(settings, options, asked, stream)
    else:
        readout, inputs = sizes_of(stream)
        trainer = build_trainer(source, readout, options, inputs)
    _check_lasting(source, stream, trainer, options)
    if options["output"] and run is None:
        run = context.with_resource(_open_run(options))
        kept = {name: options[name] for name in KEPT}
        kept |= {SCHEDULES: "as in Python", "trainer": trainer.describe()}
        run.begin({"source": source, **kept})
    return Job(stream, trainer, options, run, checkpoint, troubles).run()


def _check_output(options: dict[str, Any]) -> None:
    for name in ("resume", "checkpoint_every", "keep", "report"):
        if options[name] and not options["output"]:
            raise click.UsageError(f"{TABLE[name].word} needs -o RUN")
    check_place("--save", options["save"])
    if options["on_divergence"] == "rollback" and not options["output"]:
        raise click.UsageError("--on-divergence rollback needs -o RUN")


def _open_run(options: dict[str, Any]) -> Any:
    """Return the folder RUN, locked."""
    from nbt.checkpoints.runs import Run

    when = every(Every(), options["checkpoint_every"] or EVERY)
    try:
        return Run(options["output"], **when, **given(keep=options["keep"]))
    except BlockingIOError:
        raise click.UsageError(f"-o: {options['output']} is in use by another process") from None
    except (FileExistsError, NotADirectoryError):
        raise click.UsageError(f"-o: {options['output']} is not a folder") from None


def _stream(source: str, options: dict[str, Any], checkpoint: Any) -> Any:
    """Return the stream to learn; if there is a checkpoint, with its symbols."""
    how = reading(options)
    if checkpoint is None:
        hint(source, options, "learned")
        return build_stream(source, options["alphabet"], options["seed"], **how)
    how["unknown"] = options["unknown"] or "skip"
    stream = build_stream(source, checkpoint.alphabet, options["seed"], **how)
    check_checkpoint(options["output"], checkpoint, stream)
    return stream


def _check_lasting(source: str, stream: Any, trainer: Any, options: dict[str, Any]) -> None:
    """Raise if the stream grows or lasts in a way that the trainer or the options do not allow."""
    if getattr(stream, "grows", False) and not trainer.optimizer.plain:
        name = "reduction" if trainer.optimizer.reduction != "quasi-diagonal" else "fisher"
        raise click.UsageError(
            f"{TABLE[name].word}: an alphabet that grows needs the default; give another --alphabet"
        )
    if stream.endless and options["steps"] is None and options["seconds"] is None:
        raise click.UsageError(f"{source} never ends: give --steps or --seconds")
