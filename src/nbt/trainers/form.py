"""The form of a trainer: the own arguments of its learning rule, and the arrays that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from nbt.trainers.state.sizes import Shape, Sizes

__all__ = ["Form"]


@dataclass(frozen=True)
class Form:
    """Base of all forms.

    Attributes
    ----------
    rule : str
        Its row in csrc/kernels.c.
    enters : bool
        Whether a step that is kept begins with its transition, and so may be half done.
    """

    rule: ClassVar[str]
    enters: ClassVar[bool] = False

    @property
    def split(self) -> str | None:
        """How pairs share the parameters; None if there are no pairs, or each covers all."""
        return None

    @property
    def as_system(self) -> bool:
        """Whether dense cells, too, take the path for systems."""
        return self.split is not None

    @property
    def steps(self) -> int:
        """How many steps are kept; 0 if the rule keeps none."""
        return 0

    @classmethod
    def described(cls, trainer: Mapping[str, Any]) -> Self:
        """Return the form in a trainer's description, which has not been checked."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: trainer[name] for name in names if name in trainer})

    def said(self) -> dict[str, Any]:
        """Return the arguments by name, as in a description."""
        return self._arguments()

    def asked(self) -> dict[str, Any]:
        """Return the arguments by name, as `_core.Learner` takes them."""
        return self._arguments()

    def _arguments(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def shapes(self, sizes: Sizes) -> dict[str, Shape]:
        """Return the shapes of all arrays in the state of such a trainer, in the order of
        `state_dict`; without counters, and without arrays whose size may change."""
        return sizes.shapes() | self.kept(sizes)

    def working(self, sizes: Sizes) -> int:
        """Return how many numbers a learner works with beyond `SCRATCH` of plan.py."""
        return 0

    def kept(self, sizes: Sizes) -> dict[str, Shape]:
        """Return the shapes of the arrays that the rule itself keeps."""
        raise NotImplementedError
