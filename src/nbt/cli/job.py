"""One run of `nbt train`, after the user's options are settled."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from nbt.cli.faults import Faults
from nbt.cli.options.streams import form_of, kind_of
from nbt.cli.pipes import silence
from nbt.cli.rollback import with_half_the_rate
from nbt.divergence import DivergenceError
from nbt.errors import CheckpointError, DataError
from nbt.storage.container import MALFORMED
from nbt.storage.strangers import words
from nbt.training.interrupts import Interrupts, Terminated

if TYPE_CHECKING:
    from nbt.training.history import History
    from nbt.training.rows import HistoryRow

MOST_ROLLBACKS = 8
RETRY = 10.0  # seconds until writing to a folder is tried again after it failed


class Job:
    """One run: it learns, shows progress and keeps results.

    Parameters
    ----------
    stream, trainer
        The stream that is learned, and the trainer; both new.
    options : dict
        The options of the command line.
    run : Run or None
        The folder of the run.
    checkpoint : Checkpoint or None
        The checkpoint to go on from.
    troubles : list of str
        What is wrong with newer checkpoints.
    """

    def __init__(
        self,
        stream: Any,
        trainer: Any,
        options: dict[str, Any],
        run: Any = None,
        checkpoint: Any = None,
        troubles: list[str] | None = None,
    ) -> None:
        from nbt.cli.screen import Screen
        from nbt.training.history import History
        from nbt.training.loop import settings

        self.stream, self.trainer, self.options, self.folder = stream, trainer, options, run
        self.limits = {name: options[name] for name in ("steps", "seconds")}
        self.history = History(settings(trainer, stream, **self.limits))
        if checkpoint:
            self._go_to(checkpoint)
            if checkpoint.stream and not stream.repeatable:  # this pipe continues the earlier one
                state, before = stream.state_dict(), checkpoint.stream["state"]
                self._place({key: before.get(key, value) for key, value in state.items()})
        if options["threads"]:
            self.trainer.threads = options["threads"]
        self.resumed, self.troubles = checkpoint is not None, troubles or []
        self.screen = Screen(
            sys.stderr,
            entropy_rate=stream.entropy_rate,
            unit=self.history.unit,
            live=not (options["json"] and sys.stdout.isatty()),
            shown=len(self.history),
            **self.limits,
        )
        self.faults = Faults(stream, lambda line: self.screen.say(line, "yellow"))
        self.printed = len(self.history)
        self.interrupts = Interrupts(terminate=True, asked=self._asked)
        self.learning = False
        self.form: str | None = None
        self.rollbacks = 0
        self.retry_at = 0.0

    def _go_to(self, checkpoint: Any) -> None:
        self.trainer, self.history = checkpoint.trainer, checkpoint.history
        self.history.settings.pop("failure", None)
        if checkpoint.stream and self.stream.repeatable:
            self._place(checkpoint.stream["state"])

    def _place(self, state: Mapping[str, int]) -> None:
        try:
            self.stream.load_state_dict(state)
        except DataError:
            raise
        except MALFORMED as error:
            raise CheckpointError(
                f"{self.folder.path}: its place in {self.stream.name}: {words(error)}"
            ) from None

    def run(self) -> int:
        """Learn, save and report; return the exit code, unless there is an error to raise."""
        failure: BaseException | None = None
        try:
            with self.interrupts:
                self._greet()
                if self.folder:
                    self._keep(always=not self.resumed)
                failure = self._learn()
                saved, failure = self._save(failure)
                if not isinstance(failure, BrokenPipeError):
                    self._report(saved)
            if failure:
                raise failure
        except BrokenPipeError:
            silence()
        except KeyboardInterrupt as error:
            if isinstance(failure, Exception):  # it takes precedence
                raise failure from None
            return 143 if isinstance(error, Terminated) else 130
        return 0

    def _greet(self) -> None:
        import nbt
        from nbt.cli.screen import network, optimizers

        trainer, stream = self.trainer, self.stream
        facts = trainer.describe().items()
        plain = [f"{k}={v!r}" for k, v in facts if k != "trainer" and not isinstance(v, dict)]
        self.form = form_of(stream)
        source = ", ".join(filter(None, [stream.name, self.form, kind_of(stream)]))
        if stream.entropy_rate is not None:
            source += f", entropy rate {stream.entropy_rate:.4f} bits per symbol"
        facts = {
            "nbt": nbt.__version__,
            "trainer": f"{type(trainer).__name__}({', '.join(plain)})",
            **network(trainer.cell),
            "readout": str(trainer.readout),
            **optimizers(trainer),
            "source": source,
        }
        if self.resumed:
            facts["resumed"] = f"{self.folder.path}, from step {trainer.step:,}"
        self.screen.facts(facts)
        for trouble in self.troubles:
            self.screen.say(f"passed over: {trouble}", "yellow")
        self.screen.say()
        self.screen.heading()

    # ---- learning ------------------------------------------------------------------------------

    def _learn(self) -> BaseException | None:
        """Learn; return the error or the signal that ended it early, or None."""
        from nbt.training.loop import train as learn

        while True:
            try:
                with self.screen:
                    self.learning = True
                    learn(
                        self.trainer,
                        self.stream,
                        progress=self._show,
                        history=self.history,
                        interrupts=self.interrupts,
                        chunk=self.folder and self.folder.every_steps,
                        **self.limits,
                    )
                return None
            except (KeyboardInterrupt, Exception) as error:
                if getattr(error, "history", None) is None or self.interrupts.hurried:
                    raise
                if not (isinstance(error, DivergenceError) and self._roll_back(error)):
                    if isinstance(error, Exception) and not isinstance(error, BrokenPipeError):
                        why = " ".join(str(error).split())
                        self.history.settings["failure"] = why or type(error).__name__
                    return error
            finally:
                self.learning = False

    def _show(self, history: History, row: HistoryRow) -> None:
        self.faults.tell()
        self._tell_form()
        self.screen.update(history, row)
        self._print_rows()
        if self.folder:
            self._keep()

    def _tell_form(self) -> None:
        """Say how the source is written, if that is known only now."""
        form = getattr(self.stream, "form", None)
        if form != self.form:
            self.form = form
            self.screen.say(f"{self.stream.name} is read as {form}")

    def _print_rows(self) -> None:
        if self.options["json"]:
            for i in range(self.printed, len(self.history)):
                click.echo(self.history[i].to_json())
        self.printed = max(self.printed, len(self.history))

    def _asked(self) -> None:
        """Print a line and save a checkpoint now, on SIGUSR1."""
        if self.learning:
            self.screen.now(self.history)
            if self.folder:
                self._keep(always=True)

    def _roll_back(self, error: DivergenceError) -> bool:
        """Go back to the last checkpoint with half the rate, if that is wanted and may help."""
        wanted = self.options["on_divergence"] == "rollback" and self.rollbacks < MOST_ROLLBACKS
        checkpoint = self.folder.newest()[0] if wanted else None
        if checkpoint is None:
            return False
        self.rollbacks += 1
        trainer = with_half_the_rate(self.trainer, checkpoint.trainer)
        self._go_to(checkpoint)
        self.trainer = trainer
        self.printed = self.screen.shown = len(self.history)
        self.screen.say(
            f"{error}: back to step {trainer.step:,} with {trainer.optimizer}", "yellow"
        )
        return True

    # ---- keeping -------------------------------------------------------------------------------

    def _keep(self, always: bool = False) -> None:
        """Write rows to metrics.jsonl, and a checkpoint if one is due. A full disk does not end the
        run; what is learned is then only in memory."""
        if time.monotonic() < self.retry_at and not always:
            return
        try:
            if always or self.folder.due(self.trainer.step):
                self.folder.save(self._checkpoint())
            self.folder.rows(self.history)
            self.retry_at = 0.0
        except OSError as error:
            self.retry_at = time.monotonic() + RETRY
            self.screen.say(f"not saved: {error.filename}: {error.strerror}", "yellow")

    def _checkpoint(self) -> Any:
        from nbt.checkpoints.checkpoint import Checkpoint

        return Checkpoint.of(self.trainer, self.stream, self.history)

    def _save(self, failure: BaseException | None) -> tuple[str, BaseException | None]:
        """Save the end, unless it diverged. Return what to say about it, and what failed."""
        path = self.options["save"]
        if isinstance(failure, DivergenceError):
            last = (
                f"no; the last checkpoint in {self.folder.path} is sound" if self.folder else "no"
            )
            return last, failure
        said = []
        try:
            if self.folder:
                if "failure" in self.history.settings or not self.folder.holds(self.trainer.step):
                    self.folder.save(self._checkpoint())
                self.folder.rows(self.history)
                said.append(f"{self.folder.path} (--resume goes on with it)")
                if self.options["report"]:
                    self._write_report()
            if path is not None:
                self.trainer.save(path, self.stream, self.history)
                said.append(f"{path} (to go on in Python: nbt.load({path!r}))")
        except (OSError, CheckpointError) as error:
            return "no", failure or error
        return ", ".join(said) or "no (add --save FILE to keep the model)", failure

    def _write_report(self) -> None:
        from nbt.checkpoints.runs import REPORT
        from nbt.training.report import html

        page = html(self.history, repr(self.trainer))
        self.folder.write(REPORT, page.encode("utf-8", "replace"))

    def _report(self, saved: str) -> None:
        from nbt.cli.screen import summary

        self.faults.tell()
        self.screen.rows(self.history)
        self._print_rows()
        if not len(self.history):
            return
        lines = summary(self.history, self.trainer, self.stream.entropy_rate)
        self.screen.say()
        self.screen.facts({**lines, "saved": saved})
