"""What the state of a trainer can do: be read and put back, begin again, grow, be saved, copied."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from nbt import _core
from nbt.checkpoints import checkpoint
from nbt.descriptions import build, rebuild
from nbt.trainers.described import Described
from nbt.trainers.plan import Plan
from nbt.trainers.state.dense import StateTable
from nbt.trainers.state.flat import GeneralTable
from nbt.trainers.turns import alone, renews
from nbt.training.history import History

__all__ = ["Stateful"]

OF_THE_SEQUENCE = ("state.", "window.", "estimator.")  # what `reset_state` puts back, and what not:
OF_THE_NETWORK = ("estimator.fisher", "estimator.pair")


class Stateful(Described):
    """The state of a trainer; `Trainer` adds the verbs."""

    _table: StateTable | GeneralTable
    _turns: _core.Turns

    @alone
    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything that changes while learning, as copies, by name.

        Returns
        -------
        dict of str to array
            In the trainer's dtype, integers apart; n units, m inputs, A outputs of
            the readout (2 dim of a `Gaussian`), P = 1 + n + m:

            - ``cell.b`` (n,), ``cell.W`` (n, n) from unit j to i at [j, i], ``cell.r`` (m, n),
              ``cell.alpha`` (n,); ``readout.b`` (A,), ``readout.W`` (n, A); ``state.h`` (n,)
            - of `NoBackTrack` ``estimator.v`` (K, S, n), ``estimator.w`` (K, P, n),
              ``estimator.d`` (P, n) with exact self-influence or else ``estimator.z`` (P,),
              ``estimator.fisher`` (n,) with that norm; of `RTRL` ``estimator.G`` (n, P, n)
            - of `Kalman` ``optimizer.theta.J`` and ``.J0`` (P, n), ``optimizer.phi.J`` and ``.J0``
              (1 + n, A): the diagonal of J and each block's first row
            - ``inputs.…`` and ``targets.…``, ``count``, ``mean`` and ``variance``, where those are
              standardised; ``window.…``, the steps that are kept; ``waiting.…``, rows of symbols
              that are brought up to date when they next come
            - ``step`` and ``seed``

            That is for dense cells. On graphs ``cell.W`` is (edges,), learned leaks are
            ``cell.beta``, time constants ``cell.tau``, layers have names such as ``cell.0.W``, a
            system has ``cell.theta`` (p,). There w̄ and J are flat, (K, p) and (p,), v̄ is (K, n)
            and ``estimator.rows.…`` is ∂f/∂θ as CSR arrays.
        """
        return self._read()

    def _read(self) -> dict[str, np.ndarray]:
        """The state, for whoever has the turn."""
        self._core.settle()
        return self._table.read_all()

    def _glance(self) -> tuple[Plan, dict[str, np.ndarray]]:
        """What it is made of and its state, maybe in the midst of another thread's block: for
        predictions."""
        return self._turns.look(lambda: (self._plan, self._read()))

    @alone
    def _moment(self) -> tuple[dict, dict[str, np.ndarray]]:
        """`describe` and `state_dict` of one moment."""
        return self.describe(), self._read()

    @renews
    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes back what `state_dict` gave, edited or not.

        Parameters
        ----------
        state : mapping of str to array
            The names, shapes and types of `state_dict`.

        Raises
        ------
        TypeError, ValueError
            A key is missing or unknown, a shape or type is not that of this trainer, or a number is
            not finite. Then nothing was changed.
        """
        self._adopt(state)

    def _adopt(self, state, **changes) -> None:
        """Puts a learner of this state in the place of the one there is: all of it or nothing,
        whatever interrupts."""
        core, table = changes.get("_plan", self._plan).build(self.seed, self._turns)
        table.write_all(state)
        self._core.give_way(self.__dict__, {**changes, "_core": core, "_table": table})

    @alone
    def reset_state(self) -> None:
        """Begins another sequence: the network's state is that before the first step, and nothing
        is known yet of how it depends on the parameters.

        What was learned stays: parameters, covariances, the means of what is standardised; so does
        `step`, which rates and signs go by. Steps of a window that is not full are not learned
        from. The cost is that of `load_state_dict`.
        """
        state = {key: value for key, value in self._read().items() if key[:8] != "waiting."}
        first = build(type(self), self._described()).state_dict()
        again = {key for key in first if key.startswith(OF_THE_SEQUENCE)} - {*OF_THE_NETWORK}
        self._adopt(state | {key: first[key] for key in again})

    @alone
    def grow(self, symbols: int | None = None, *, inputs: int | None = None) -> None:
        """Makes room for more symbols, as inputs (where the inputs are the symbols predicted) and
        as outputs, or for longer input vectors; what is known of the old ones stays as it is.

        Everything about the new ones is 0: weights, estimates and covariances. So the logits of the
        old symbols keep their bits and their probabilities keep their ratios; a new symbol has the
        logit 0. A new number of a vector changes no prediction until something is learned from it.
        The cost is that of `load_state_dict`.

        Parameters
        ----------
        symbols : int, optional
            How many there are from now on, not fewer than before.
        inputs : int, optional
            How many numbers an input has from now on, not fewer than before.

        Raises
        ------
        TypeError, ValueError
            For a number that is none, or smaller, a readout without symbols, or inputs that are no
            vectors. Then nothing was changed.
        """
        self._core.check()
        plan = self._plan.grown(symbols, inputs)
        system = plan.bound(self.seed)
        more = plan.inputs.size - self.inputs.size
        if more and system and not system.grown:
            raise TypeError(
                f"inputs: expected {self.inputs.size}, as many as the system was made for, "
                f"got {plan.inputs.size}"
            )
        plan.check_size(system)
        self._core.settle()
        outputs = plan.readout.outputs - self.readout.outputs
        changes = {"_plan": plan, "_parameters": plan.parameters(system)}
        self._adopt(self._table.grown(outputs, more), **changes)

    def save(
        self, path: str | os.PathLike[str], stream: Any = None, history: History | None = None
    ) -> None:
        """Writes a checkpoint; `nbt.load` takes it back and goes on as if nothing had happened.

        With the stream and the history that it learned with, `nbt.Checkpoint.load` takes those
        back, too. It is written aside, synced and renamed: a crash at any moment leaves the old
        file or the new one, whole. The old one is kept as ``path + ".previous"``.

        Parameters
        ----------
        path : str or path-like
            Where to.
        stream, history : optional
            What it learned from, and what `nbt.train` gave: their present state is saved with it.

        Raises
        ------
        TypeError
            For arguments that are not as above, such as a stream without `state_dict`.
        CheckpointError
            A number is NaN or infinite: nothing is written.
        OSError
            The file cannot be written; it names the path.

        Examples
        --------
        >>> trainer.save("model.safetensors")  # doctest: +SKIP
        >>> trainer = nbt.load("model.safetensors")  # doctest: +SKIP
        """
        checkpoint.save(self, path, stream, history)

    @property
    def threads(self) -> int:
        """At most so many work on a step. May be set; the bits are those of any other number."""
        return self._plan.threads

    @threads.setter
    @alone
    def threads(self, threads: int) -> None:
        self._core.check()
        plan = self._plan.with_threads(threads)
        self._adopt(self._read(), _plan=plan)

    @alone
    def _parts(self) -> tuple[type, dict, dict[str, np.ndarray], int]:
        """What `rebuild` makes another one of."""
        return type(self), self._described(), self._read(), self.threads

    def __reduce__(self):
        return rebuild, self._parts()

    def __copy__(self):
        return self.__deepcopy__({})

    def __deepcopy__(self, memo):
        return rebuild(*self._parts())
