"""Room for more symbols or inputs. `grow` is a method of `Trainer`."""

from __future__ import annotations

from typing import Any

from nbt.trainers.turns import alone

__all__ = ["grow"]


@alone
def grow(self: Any, symbols: int | None = None, *, inputs: int | None = None) -> None:
    """Make room for more symbols, as outputs and (if inputs are what is predicted) as inputs,
    or for longer input vectors. All else stays.

    The new weights are 0, and so is what the rule and the optimizers keep of them, but for the
    weights from new symbols to dense cells with gates or with tanh: these are drawn by the seed and
    the symbol, because such cells could not begin to learn without them. So old logits
    keep their bits and old probabilities their ratios; a new symbol has the logit 0, and a new
    number of a vector changes no prediction until it is learned from. With counts, a new symbol has
    the share of one never seen. The cost is that of `load_state_dict`.

    Parameters
    ----------
    symbols : int, optional
        New number of symbols, not fewer than before.
    inputs : int, optional
        New length of an input, not smaller than before.

    Raises
    ------
    TypeError
        `symbols` or `inputs` is no integer, or does not fit this trainer. Nothing was changed.
    ValueError
        `symbols` or `inputs` is smaller than before, or too large. Nothing was changed.
    """
    self._exchange(self._live.grown(symbols, inputs))
