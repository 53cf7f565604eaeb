"""A small neural network that stops where it no longer gets better at rows that it does not learn from."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

_HELD_BACK = 0.15
_FEWEST = 10
"""Rows of the rarer outcome below which none are held back: loss is judged by the rows learnt from."""
_PATIENCE = 8
"""Passes over the rows without improvement after which learning stops."""
_STEPS, _SMALLEST, _LARGEST = 40, 8, 512
"""Steps of a pass, and bounds of the rows of a step."""


class Network(ClassifierMixin, BaseEstimator):
    """Multilayer perceptron stopped early by the log loss of rows held back (Prechelt, Neural Networks 11, 1998).

    scikit-learn's own early stopping goes by accuracy, which says nothing where events are rare: it is highest for who
    foretells none, and learning would stop at once.

    Parameters
    ----------
    layers : tuple of int
        Units of each hidden layer.
    penalty : float
        Of the squared weights.
    passes : int
        Over the rows, at most.
    seed : int
        Of the rows held back, the first weights and the order of rows.
    """

    def __init__(self, layers: tuple[int, ...] = (16,), penalty: float = 1.0, passes: int = 80, seed: int = 0) -> None:
        self.layers = layers
        self.penalty = penalty
        self.passes = passes
        self.seed = seed

    def fit(self, matrix: np.ndarray, target: np.ndarray) -> Network:
        """Learn from a scaled matrix without gaps; both outcomes are there."""
        target = np.asarray(target, dtype=int)
        learnt, judged = self._parts(target)
        rows = int(np.clip(len(learnt) // _STEPS, _SMALLEST, _LARGEST))
        # a state, not a number: with a number, each pass would take the rows in the same order
        net = MLPClassifier(
            self.layers, alpha=self.penalty, batch_size=rows, random_state=check_random_state(self.seed)
        )
        self.classes_ = np.array([0.0, 1.0])
        with threadpool_limits(1, user_api="blas"):
            self.net_ = self._best(net, (matrix[learnt], target[learnt]), (matrix[judged], target[judged]))
        return self

    def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
        """Return the chances of no event and of the event, shape (rows, 2)."""
        return self.net_.predict_proba(matrix)

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Return the likelier outcome of each row."""
        return self.classes_[self.predict_proba(matrix).argmax(axis=1)]

    def _parts(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of rows to learn from, and of those to be judged by."""
        everything = np.arange(len(target))
        if np.bincount(target, minlength=2).min() < _FEWEST:
            return everything, everything
        parts = train_test_split(everything, test_size=_HELD_BACK, stratify=target, random_state=self.seed)
        return np.sort(parts[0]), np.sort(parts[1])

    def _best(
        self, net: MLPClassifier, learnt: tuple[np.ndarray, np.ndarray], judged: tuple[np.ndarray, np.ndarray]
    ) -> MLPClassifier:
        """Learn pass by pass, and return the network as it was after the best."""
        losses, kept = [], net
        while len(losses) < self.passes and len(losses) - int(np.argmin([*losses, np.inf])) <= _PATIENCE:
            net.partial_fit(*learnt, classes=[0, 1])
            losses.append(log_loss(judged[1], net.predict_proba(judged[0]), labels=[0, 1]))
            kept = copy.deepcopy(net) if losses[-1] == min(losses) else kept
        return kept
