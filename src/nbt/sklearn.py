"""Recurrent networks as scikit-learn estimators: `pip install "nobacktrack[sklearn]"`.

Rows are the steps of one sequence, in order. `fit` learns them with a new network, and
`partial_fit` goes on. `predict` goes on from the state after learning, in a copy. So rows must not
be shuffled: cross-validate with `TimeSeriesSplit`, not with `KFold(shuffle=True)`.
"""

from __future__ import annotations

import numpy as np

from nbt import _arguments
from nbt.errors import MissingExtra
from nbt.estimators.base import make_trainer
from nbt.estimators.undo import Chunks
from nbt.readouts import Gaussian, Softmax
from nbt.trainers.state.checks import refuse_mask

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets, unique_labels
    from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
except ImportError as error:
    raise MissingExtra(
        'nbt.sklearn needs scikit-learn 1.6 or newer; pip install "nobacktrack[sklearn]"'
    ) from error

__all__ = ["RNNClassifier", "RNNRegressor"]


class _Sequence(BaseEstimator):
    """The base of both estimators: rows are steps."""

    def __init__(
        self,
        cell=None,
        optimizer=None,
        rule="NoBackTrack",
        options=None,
        epochs=1,
        missing="error",
        random_state=None,
    ) -> None:
        self.cell = cell
        self.optimizer = optimizer
        self.rule = rule
        self.options = options
        self.epochs = epochs
        self.missing = missing
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        return tags

    def _start(self, readout) -> None:
        """Make a new network."""
        self._chunks = Chunks()
        seed = check_random_state(self.random_state).randint(2**31)
        self.trainer_ = make_trainer(
            readout,
            self.n_features_in_,
            cell=self.cell,
            optimizer=self.optimizer,
            rule=self.rule,
            options=self.options,
            seed=seed,
            missing=self.missing,
            grows=False,
        )

    def _pass(self, X, y, epochs) -> None:
        chunks = vars(self).setdefault("_chunks", Chunks())
        for _ in range(_arguments.integer("epochs", epochs)):
            chunks.learn(self.trainer_, X, y)

    def __getstate__(self):
        state = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_chunks"}

    def _finite(self) -> bool | str:
        return True if self.missing == "error" else "allow-nan"

    def _outputs(self, X) -> np.ndarray:
        """Return the predictions for each row, from the state after learning on."""
        check_is_fitted(self, "trainer_")
        refuse_mask("X", X)
        X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite=self._finite())
        return self.trainer_.predict_along(X)


class RNNClassifier(ClassifierMixin, _Sequence):
    """Recurrent network that learns the labels of a sequence, one row a step.

    Parameters
    ----------
    cell : RNN, LeakyRNN or another cell, optional
        Default: ``RNN(20)``. `LeakyRNN` remembers longer.
    optimizer : Kalman, SGD or Adam, optional
        Default: that of the rule.
    rule : {"NoBackTrack", "RTRL", "TruncatedBPTT"}
        The trainer that learns.
    options : mapping, optional
        Further arguments of the rule, for example ``{"rank": 4}``.
    epochs : int
        How many times `fit` learns the whole sequence, at least 1.
    missing : {"error", "skip", "mask"}
        What a NaN does in X, or in the y of a regressor; as in `nbt.NoBackTrack`.
    random_state : int, RandomState or None
        Source of the seed of the network.

    Attributes
    ----------
    classes_ : array (classes,)
        The labels, sorted. `partial_fit` may add new ones at any time.
    trainer_ : nbt.NoBackTrack, nbt.RTRL or nbt.TruncatedBPTT
        The trainer that learns.
    n_features_in_ : int
        Number of columns of X.

    Notes
    -----
    X is standardised as it comes. ``predict(X)`` takes the rows of X as the steps that follow the
    learned ones. So the same row has another prediction at another place. Predicting changes
    nothing.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(2000, 2))
    >>> y = np.roll(X[:, 0] > 0, 1)  # what the first number was a step ago
    >>> RNNClassifier(random_state=0).fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]) > 0.9
    True
    """

    def fit(self, X, y):
        """Learn a sequence with a new network.

        Parameters
        ----------
        X : array (rows, features)
            Numbers, one row a step, in order.
        y : array (rows,)
            The label of each row.

        Raises
        ------
        TypeError
            `X` or `y` has a mask, `X` has an entry that is no number, or an argument of the
            constructor is of a wrong type.
        ValueError
            `X` is no array (rows, features) of finite numbers (NaN only if `missing` allows it);
            `y` has not one label a row, or has continuous values or both strings and numbers; or an
            argument of the constructor is not allowed.
        """
        return self._learn(X, y, None, self.epochs, fresh=True)

    def partial_fit(self, X, y, classes=None):
        """Learn further rows; `classes` may name labels that are still to come.

        Parameters
        ----------
        X : array (rows, features)
            Numbers, one row a step, in order.
        y : array (rows,)
            The label of each row.
        classes : array, optional
            Labels, which may be in `y` or not.

        Raises
        ------
        TypeError
            As in `fit`.
        ValueError
            As in `fit`; also if `X` has another number of columns than before, or labels are
            strings where they were numbers before, or the reverse.
        """
        return self._learn(X, y, classes, 1, fresh=not hasattr(self, "trainer_"))

    def _learn(self, X, y, classes, epochs, fresh):
        refuse_mask("X", X)
        refuse_mask("y", y)
        X, y = validate_data(
            self, X, y, reset=fresh, dtype=np.float64, ensure_all_finite=self._finite()
        )
        check_classification_targets(y)
        known = None if fresh else self._arrived
        found = np.unique(y)
        if classes is not None:
            found = np.union1d(_alike("classes", unique_labels(classes), found), found)
        if known is not None:
            found = _alike("y", found, known)
        new = found if known is None else found[~np.isin(found, known)]
        arrived = new if known is None else np.concatenate([known, new]) if len(new) else known
        if fresh:
            self._start(Softmax(len(arrived)))
        elif len(new):
            self.trainer_.grow(len(arrived))
            self._chunks = Chunks()
        self._arrived = arrived  # in the order of the readout
        self.classes_, self._order = np.unique(arrived, return_index=True)
        numbers = self._order[np.searchsorted(self.classes_, y)].astype(np.int32)
        self._pass(X, numbers, epochs)
        return self

    def predict_proba(self, X) -> np.ndarray:
        """Return the probabilities (rows, classes) of the rows that follow the learned ones, in
        order.

        Parameters
        ----------
        X : array (rows, features)
            Numbers, one row a step, in order.

        Raises
        ------
        TypeError
            `X` has a mask, or an entry that is no number.
        ValueError
            `X` is no array (rows, features) of finite numbers (NaN only if `missing` allows it),
            has another number of columns than in `fit`, or nothing was learned yet
            (`NotFittedError`).
        """
        p = self._outputs(X)[:, self._order]
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X) -> np.ndarray:
        """Return the most probable class of each row, by `predict_proba`.

        Parameters
        ----------
        X : array (rows, features)
            Numbers, one row a step, in order.

        Raises
        ------
        TypeError, ValueError
            As in `predict_proba`.
        """
        p = self.predict_proba(X)
        return self.classes_[p.argmax(axis=1)]


def _alike(name, labels, others):
    """Return the labels. Raise unless they are strings where the others are strings, else
    numbers."""
    kinds = [isinstance(some[0], str) for some in (labels, others) if len(some)]
    if len(set(kinds)) > 1:
        words = {True: "strings", False: "numbers"}
        raise ValueError(
            f"{name}: expected labels that are {words[kinds[1]]}, as others are, "
            f"got {words[kinds[0]]}, {labels[0]!r} among them"
        )
    return labels


class RNNRegressor(RegressorMixin, _Sequence):
    """Recurrent network that learns the numbers of a sequence, one row a step: means and variances.

    Parameters
    ----------
    cell, optimizer, rule, options, epochs, missing, random_state
        As in `RNNClassifier`. Where neither `cell` nor `optimizer` nor `options` is given, nor
        another rule, the network is that of ``nbt.preset("numbers")``.

    Attributes
    ----------
    trainer_ : nbt.NoBackTrack, nbt.RTRL or nbt.TruncatedBPTT
        The trainer that learns.
    n_features_in_ : int
        Number of columns of X.

    Notes
    -----
    X and y are standardised as they come. y may have several columns. The rows and their order are
    as in `RNNClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.sin(np.arange(3000) / 10)[:, np.newaxis]
    >>> model = RNNRegressor(random_state=0).fit(x[:2000], x[1:2001, 0])
    >>> model.score(x[2000:-1], x[2001:, 0]) > 0.95
    True
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X, y):
        """Learn a sequence with a new network.

        Parameters
        ----------
        X : array (rows, features)
            Numbers, one row a step, in order.
        y : array (rows,) or (rows, columns)
            The numbers of each row.

        Raises
        ------
        TypeError
            `X` or `y` has a mask or an entry that is no number, or an argument of the constructor
            is of a wrong type.
        ValueError
            `X` is no array (rows, features), or `y` no array (rows,) or (rows, columns), of finite
            numbers (NaN only if `missing` allows it); they differ in length; `y` is None; or an
            argument of the constructor is not allowed.
        """
        return self._learn(X, y, self.epochs, fresh=True)

    def partial_fit(self, X, y):
        """Learn further rows.

        Parameters
        ----------
        X : array (rows, features)
            Numbers, one row a step, in order.
        y : array (rows,) or (rows, columns)
            The numbers of each row.

        Raises
        ------
        TypeError
            As in `fit`.
        ValueError
            As in `fit`; also if `X` or `y` has another number of columns than before.
        """
        return self._learn(X, y, 1, fresh=not hasattr(self, "trainer_"))

    def _learn(self, X, y, epochs, fresh):
        checks = {"dtype": np.float64, "ensure_all_finite": self._finite()}
        target = {**checks, "ensure_2d": False, "estimator": self}
        refuse_mask("X", X)
        refuse_mask("y", y)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        X, y = validate_data(self, X, y, reset=fresh, validate_separately=(checks, target))
        check_consistent_length(X, y)
        if fresh:
            self._flat = y.ndim == 1
            self._start(Gaussian(1 if self._flat else y.shape[1], standardize=True))
        self._pass(X, y, epochs)
        return self

    def predict(self, X, return_std=False):
        """Return the means of the rows that follow the learned ones, in order, and standard
        deviations if asked for.

        They have the shape (rows,), or (rows, columns) where y had several columns.

        Parameters
        ----------
        X : array (rows, features)
            Numbers, one row a step, in order.
        return_std : bool
            Whether to return the pair of means and standard deviations.

        Raises
        ------
        TypeError, ValueError
            As in `RNNClassifier.predict_proba`.
        """
        outputs = self._outputs(X)
        mean, std = outputs[:, 0], np.sqrt(outputs[:, 1])
        if self._flat:
            mean, std = mean[:, 0], std[:, 0]
        return (mean, std) if return_std else mean
