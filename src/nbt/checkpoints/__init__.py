"""Checkpoints: a model in a file, and a run in a folder."""

from nbt.checkpoints.checkpoint import Checkpoint, load

__all__ = ["Checkpoint", "load"]
