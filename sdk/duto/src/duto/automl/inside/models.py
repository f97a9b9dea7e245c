"""The models that trials fit: features, a learner of FLAML with its hyperparameters, labels. In the step, and where a model is
loaded.

A model holds scikit-learn's objects, those of LightGBM or XGBoost, and what stands here; FLAML is not needed to load it.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

# Learners for which it matters how large the numbers of a feature are.
SCALED = ("lrl1", "lrl2", "svc", "sgd", "kneighbor", "enet", "lassolars")
# What takes no weights of rows.
UNWEIGHTED = ("kneighbor", "lassolars")
FEATURES = "datatransformer"


class LabelledClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # of a package without types
    """A classifier that knows numbers from 0 on alone, for labels of any kind.

    Attributes:
        estimator: the classifier.
    """

    def __init__(self, estimator: Any) -> None:
        """As scikit-learn's estimators do, it keeps what it is given.

        Args:
            estimator: the classifier.
        """
        self.estimator = estimator

    def fit(self, features: Any, labels: Any, sample_weight: Optional[Any] = None) -> LabelledClassifier:
        """Fit the classifier.

        Args:
            features: a row each.
            labels: of each row.
            sample_weight: of each row.

        Returns:
            Itself.
        """
        self.classes_, numbers = numpy.unique(labels, return_inverse=True)
        self.estimator_ = clone(self.estimator).fit(features, numbers, sample_weight=sample_weight)
        return self

    def predict(self, features: Any) -> Any:
        """The labels.

        Args:
            features: a row each.

        Returns:
            A label a row.
        """
        return self.classes_[numpy.asarray(self.estimator_.predict(features), dtype=int)]

    def predict_proba(self, features: Any) -> Any:
        """How likely each class is.

        Args:
            features: a row each.

        Returns:
            A row a row, a column for each of `classes_`.
        """
        return self.estimator_.predict_proba(features)


def learner_of(name: str, config: Mapping[str, Any], task: Any, cores: int) -> Any:
    """The estimator that a learner of FLAML is under a configuration of its search space. `task` is FLAML's."""
    made = task.estimator_class_from_str(name)(task=task, n_jobs=cores, **config)
    params = dict(made.params)
    if params.get("penalty") == "None":  # as FLAML's space of SGD spells it
        params["penalty"] = None
    estimator = made.estimator_class(**params)
    if name == "svc":  # it has no probabilities of its own
        return CalibratedClassifierCV(estimator, cv=3)
    return LabelledClassifier(estimator) if name.startswith("xgb") and task.is_classification() else estimator


def model_of(name: str, model: str, features: Any, estimator: Any) -> Any:
    """A pipeline from the columns of a frame to predictions. `model` is Azure ML's name of the learner."""
    scaling = [("standardscaler", StandardScaler())] if name in SCALED else []
    return Pipeline([(FEATURES, clone(features)), *scaling, (model, estimator)])


def voting_of(members: Sequence[Tuple[str, Any]], is_classification: bool) -> Any:
    """The mean of what several models say."""
    if is_classification:
        return VotingClassifier(list(members), voting="soft")
    return VotingRegressor(list(members))


def stack_of(members: Sequence[Tuple[str, Any]], is_classification: bool) -> Any:
    """A model of what several models say of rows that they have not seen."""
    if is_classification:
        return StackingClassifier(list(members), LogisticRegression(max_iter=1000), stack_method="predict_proba")
    return StackingRegressor(list(members), Ridge())


def fitted(model: Any, features: Any, labels: Any, weights: Optional[Any]) -> Any:
    """A copy of the model, fitted."""
    made = clone(model)
    if weights is None:
        return made.fit(features, labels)
    return made.fit(features, labels, **{f"{made.steps[-1][0]}__sample_weight": weights})


def probabilities(model: Any, features: Any, classes: Any) -> Any:
    """How likely each of `classes` is, also those that the model has not seen."""
    found = model.predict_proba(features)
    known: List[Any] = list(model.classes_)
    if len(known) == len(classes):
        return found
    places: Dict[Any, int] = {each: place for place, each in enumerate(classes)}
    made = numpy.zeros((len(found), len(classes)))
    made[:, [places[each] for each in known]] = found
    return made
