"""`nbt train`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from nbt.cli.options import UNITS, Count, Positive, Schedule, build_stream, build_trainer
from nbt.errors import CheckpointError, DivergenceError

if TYPE_CHECKING:
    from nbt.history import History, Row

NAMES = {
    "cell": ["rnn", "leaky"],
    "activation": ["sigmoid", "tanh"],
    "trainer": ["nobacktrack", "rtrl", "tbptt"],
    "optimizer": ["kalman", "sgd"],
    "norm": ["fisher", "kalman", "euclidean"],
    "dtype": ["float32", "float64"],
}


def _one_of(name: str) -> click.Choice:
    return click.Choice(NAMES[name])


@click.command()
@click.argument("source")
@click.option("--cell", type=_one_of("cell"), default="rnn", show_default=True, help="Network.")
@click.option("--activation", type=_one_of("activation"), help="Of the units.")
@click.option("--units", type=Count(), help=f"How many.  [default: {UNITS}]")
@click.option(
    "--trainer",
    type=_one_of("trainer"),
    default="nobacktrack",
    show_default=True,
    help="Learning rule.",
)
@click.option("--window", type=Count(), help="Steps of tbptt.")
@click.option("--rank", type=Count(), help="Independent pairs of nobacktrack.")
@click.option("--blocks", type=Count(), help="Groups of units of nobacktrack.")
@click.option("--exact-self/--no-exact-self", default=None, help="Exact self-influence.")
@click.option("--norm", type=_one_of("norm"), help="What nobacktrack balances.")
@click.option("--optimizer", type=_one_of("optimizer"), help="What is done with the gradient.")
@click.option("--rate", type=Schedule(), help="Of sgd.")
@click.option("--decay", type=Schedule(), help="Of kalman.")
@click.option("--prior", type=Positive(), help="Of kalman, times the number of units.")
@click.option("--dtype", type=_one_of("dtype"), help="Of all numbers.")
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), help="Of network, signs and generated data."
)
@click.option("--steps", type=Count(), help="Stop after so many symbols.")
@click.option("--seconds", type=Positive(), help="Stop after so much time.")
@click.option(
    "--alphabet",
    metavar="file|bytes|CHARACTERS",
    help="Symbols.  [default: file, those that occur; bytes for a pipe]",
)
@click.option("--json", is_flag=True, help="One JSON object per row on stdout.")
@click.option("--save", metavar="PATH", help="Write the trainer to a file at the end.")
@click.option("--paper", is_flag=True, help="Settings of the paper; other options come first.")
def train(source: str, **options: Any) -> int:
    """Learn SOURCE and show bits per symbol.

    SOURCE is a file, - for standard input, or a data set: data:anbn, data:anbn[LOW,HIGH], words of
    the letter a, newline, as many b, newline; data:brackets, data:delayed_copy, data:music,
    data:shakespeare.

    A rate or decay is a number c, meaning c / sqrt(t + 1) at step t, or const:c.
    Each symbol is predicted before it is learned, so the bits are those of unseen data.
    Options without a default here take that of the class in Python.
    """
    stream = build_stream(source, options["alphabet"], options["seed"])
    trainer = build_trainer(len(stream.alphabet), options)
    if stream.endless and options["steps"] is None and options["seconds"] is None:
        raise click.UsageError(f"{source} never ends: give --steps or --seconds")
    if options["save"] and not os.path.isdir(os.path.dirname(os.path.realpath(options["save"]))):
        raise click.UsageError(f"--save: there is no folder for {options['save']!r}")
    return _Run(stream, trainer, options).run()


class _Run:
    """One call of `nbt train`, once everything that the user asked for is there."""

    def __init__(self, stream: Any, trainer: Any, options: dict[str, Any]) -> None:
        from nbt.cli.screen import Screen

        self.stream, self.trainer, self.options = stream, trainer, options
        self.limits = {name: options[name] for name in ("steps", "seconds")}
        self.screen = Screen(
            sys.stderr,
            entropy_rate=stream.entropy_rate,
            live=not (options["json"] and sys.stdout.isatty()),
            **self.limits,
        )
        self.printed = 0

    def run(self) -> int:
        """Learn, save, report; the exit code, unless there is an error to raise."""
        try:
            self._greet()
            history, failure = self._learn()
            saved, failure = self._save(history, failure)
            if not isinstance(failure, BrokenPipeError):
                self._report(history, saved)
            if failure:
                raise failure
        except BrokenPipeError:
            silence()
        except KeyboardInterrupt:
            return 130
        return 0

    def _greet(self) -> None:
        import nbt

        trainer, stream = self.trainer, self.stream
        facts = trainer.describe().items()
        plain = [f"{k}={v!r}" for k, v in facts if k != "trainer" and not isinstance(v, dict)]
        source = f"{stream.name}, {len(stream.alphabet)} symbols"
        if stream.entropy_rate is not None:
            source += f", entropy rate {stream.entropy_rate:.4f} bits per symbol"
        self.screen.facts(
            {
                "nbt": nbt.__version__,
                "trainer": f"{type(trainer).__name__}({', '.join(plain)})",
                "network": f"{trainer.cell}, {trainer.readout}",
                "optimizer": str(trainer.optimizer),
                "source": source,
            }
        )
        self.screen.say()
        self.screen.heading()

    def _learn(self) -> tuple[History, BaseException | None]:
        """What was measured, and what ended it before its time."""
        from nbt.training import train as learn

        try:
            with self.screen:
                history = learn(self.trainer, self.stream, progress=self._show, **self.limits)
            failure = None
        except (KeyboardInterrupt, Exception) as error:
            if getattr(error, "history", None) is None:
                raise
            history, failure = error.history, error
        return history, failure

    def _show(self, history: History, row: Row) -> None:
        self.screen.update(history, row)
        self._print_rows(history)

    def _print_rows(self, history: History) -> None:
        if self.options["json"]:
            for i in range(self.printed, len(history)):
                click.echo(history[i].to_json())
            self.printed = len(history)

    def _save(
        self, history: History, failure: BaseException | None
    ) -> tuple[str, BaseException | None]:
        """Save the trainer, unless it diverged; what to say of it, and what failed."""
        path = self.options["save"]
        if path is None:
            return "no (add --save PATH to keep the trainer)", failure
        if isinstance(failure, DivergenceError):
            return "no", failure
        try:
            self.trainer.save(path)
        except (OSError, CheckpointError) as error:
            return "no", error
        return f"{path} (to go on in Python: nbt.load({path!r}))", failure

    def _report(self, history: History, saved: str) -> None:
        from nbt.cli.screen import summary

        self.screen.rows(history)
        self._print_rows(history)
        if not len(history):
            return
        lines = summary(history, self.trainer, self.stream.entropy_rate)
        self.screen.say()
        self.screen.facts({**lines, "saved": saved})


def silence() -> None:
    """Whoever read our output has gone: what is left of it goes nowhere."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
