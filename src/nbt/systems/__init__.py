"""Systems of your own as values: functions of the state, in Python or in machine code."""

from nbt.systems.check import check_system
from nbt.systems.compiled import CompiledSystem
from nbt.systems.system import DerivedWarning, System

__all__ = ["CompiledSystem", "DerivedWarning", "System", "check_system"]
