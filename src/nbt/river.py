"""The online estimators as those of river: `pip install "nobacktrack[river]"`.

They take their place in river's pipelines, metrics and `evaluate.progressive_val_score`. What they
do is what `nbt.RNNClassifier` and `nbt.RNNRegressor` do.
"""

from __future__ import annotations

from nbt import online
from nbt.errors import MissingExtra

try:
    from river import base
except ImportError as error:
    raise MissingExtra(
        'nbt.river: river is not installed; pip install "nobacktrack[river]"'
    ) from error

__all__ = ["RNNClassifier", "RNNRegressor"]


class RNNClassifier(online.RNNClassifier, base.Classifier):
    __doc__ = online.RNNClassifier.__doc__

    @property
    def _multiclass(self) -> bool:
        return True


class RNNRegressor(online.RNNRegressor, base.Regressor):
    __doc__ = online.RNNRegressor.__doc__
