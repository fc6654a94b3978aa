"""The estimators as river's: `pip install "nobacktrack[river]"`.

They work in river's pipelines, with its metrics and with `evaluate.progressive_val_score`. They do
what `nbt.RNNClassifier` and `nbt.RNNRegressor` do.
"""

from __future__ import annotations

from nbt import estimators
from nbt.errors import MissingExtra

try:
    from river import base
except ImportError as error:
    raise MissingExtra('nbt.river needs river; pip install "nobacktrack[river]"') from error

__all__ = ["RNNClassifier", "RNNRegressor"]


class RNNClassifier(estimators.RNNClassifier, base.Classifier):
    __doc__ = estimators.RNNClassifier.__doc__

    @property
    def _multiclass(self) -> bool:
        return True


class RNNRegressor(estimators.RNNRegressor, base.Regressor):
    __doc__ = estimators.RNNRegressor.__doc__
