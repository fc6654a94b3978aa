"""Estimators that learn one step at a time: features by name, and labels or numbers."""

from nbt.estimators.online import RNNClassifier, RNNRegressor

__all__ = ["RNNClassifier", "RNNRegressor"]
