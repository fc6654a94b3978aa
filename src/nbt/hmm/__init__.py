"""Hidden Markov models that are learned online."""

from nbt.hmm.model import HMM

__all__ = ["HMM"]
