"""The training loop, which joins a trainer and a stream, and what it measures."""

from nbt.training.history import History
from nbt.training.interrupts import Interrupts, Terminated
from nbt.training.loop import train
from nbt.training.rows import HistoryRow

__all__ = ["History", "HistoryRow", "Interrupts", "Terminated", "train"]
