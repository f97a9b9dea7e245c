"""Forecasts: a model of numbers over the time, the series and what is known of them. In the step, and where a model is
loaded."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
import pandas
from sklearn.base import BaseEstimator, RegressorMixin, clone

from duto.automl.inside.times import times_of

LAG, WINDOW = "_lag_", "_mean_of_last_"
TARGET = "_automl_target_col"


class Forecaster(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # of a package without types
    """A model of numbers as a forecast. With `lags` or a `window` it knows the last values of each series, and goes on from
    its own: forecasts are made row by row, in the order of the time.

    Attributes:
        model: what is fitted: a pipeline from the columns of a frame, with the columns of lags among them.
        time: the column of times.
        series: the columns that tell series apart.
        lags: how many rows back values of the label are features.
        window: of how many rows back the mean is one.
    """

    def __init__(
        self,
        model: Any,
        time: str,
        series: Sequence[str] = (),
        lags: Sequence[int] = (),
        window: Optional[int] = None,
    ) -> None:
        """As scikit-learn's estimators do, it keeps what it is given.

        Args:
            model: what is fitted.
            time: the column of times.
            series: the columns that tell series apart.
            lags: how many rows back values of the label are features.
            window: of how many rows back the mean is one.
        """
        self.model, self.time, self.series, self.lags, self.window = model, time, series, lags, window

    def fit(self, features: Any, labels: Any) -> Forecaster:
        """Fit the model.

        Args:
            features: a frame with the columns of times and series.
            labels: of each row.

        Returns:
            Itself.
        """
        frame = pandas.DataFrame(features).reset_index(drop=True)
        frame[self.time] = times_of(frame[self.time])
        self.columns_ = list(frame.columns)
        self.ends_ = {key: part[self.time].max() for key, part in self._series(frame)}
        frame[TARGET] = numpy.asarray(labels, dtype=float)
        frame = frame.sort_values([*self.series, self.time], kind="stable")
        self.history_: Dict[Any, List[float]] = {}
        if self._reach:
            parts = [self._with_past(key, part) for key, part in self._series(frame)]
            frame = pandas.concat(parts).dropna(subset=self.past_columns)
            if not len(frame):
                raise ValueError(f"No series has more than {self._reach} rows, as its lags need.")
        self.model_ = clone(self.model).fit(frame.drop(columns=[TARGET]), frame[TARGET].to_numpy())
        return self

    def predict(self, features: Any) -> Any:
        """Forecasts for rows behind those that it was fitted on.

        Args:
            features: a frame with the same columns.

        Returns:
            A number a row.
        """
        return self._forecast(self._checked_frame(features), None)

    def forecast(self, X_pred: Any = None, y_pred: Any = None, **kwargs: Any) -> Tuple[Any, Any]:
        """Forecasts, as Azure ML's models give them.

        Args:
            X_pred: a frame with the same columns.
            y_pred: values of the label that are known, NaN where they are not; later forecasts go on from them. None
                for none.
            kwargs: none is known; each is refused.

        Returns:
            The numbers, known ones as they are; and the frame, indexed by time and series, with a column of them.

        Raises:
            TypeError: another argument was given.
            ValueError: the frame lacks a column, or has rows that do not lie ahead; `y_pred` has another length.
        """
        if kwargs:
            raise TypeError(f"forecast takes X_pred and y_pred, and not {', '.join(kwargs)}.")
        frame = self._checked_frame(X_pred)
        known = None if y_pred is None else numpy.asarray(y_pred, dtype=float).ravel()
        if known is not None and len(known) != len(frame):
            raise ValueError(
                f"y_pred has {len(known)} values for {len(frame)} rows: it has one each, NaN where none is known."
            )
        found = self._forecast(frame, known)
        return found, frame.assign(**{TARGET: found}).set_index([self.time, *self.series])

    @property
    def past_columns(self) -> List[str]:
        """The columns of the past, which it adds to a frame."""
        return [f"{LAG}{lag}" for lag in self.lags] + ([f"{WINDOW}{self.window}"] if self.window else [])

    @property
    def _reach(self) -> int:
        """How many rows back it looks."""
        return max([0, *self.lags, self.window or 0])

    def _checked_frame(self, features: Any) -> Any:
        """The columns that it was fitted on, also where times or series are the frame's index. Raises `ValueError` where one is
        missing, and for rows that do not lie behind those that it knows the past of."""
        if features is None:
            raise ValueError("A forecast needs a frame: one with the rows that lie ahead.")
        frame = pandas.DataFrame(features)
        inside = [name for name in frame.index.names if name in self.columns_ and name not in frame.columns]
        frame = frame.reset_index(level=inside).reset_index(drop=True) if inside else frame.reset_index(drop=True)
        missing = [name for name in self.columns_ if name not in frame.columns]
        if missing:
            raise ValueError(f"The frame has no column {missing[0]!r}, which the forecast needs.")
        frame = frame[self.columns_].copy()
        frame[self.time] = times_of(frame[self.time])
        if frame[self.time].isna().any():
            raise ValueError(f"The column {self.time!r} has gaps: each row of a forecast has a time.")
        for key, part in self._series(frame) if self._reach else ():
            if key in self.ends_ and part[self.time].min() <= self.ends_[key]:
                raise ValueError(
                    f"The frame has rows of {part[self.time].min()}, and the model has learned up to {self.ends_[key]}: with "
                    "target_lags or a window it tells what lies behind."
                )
        return frame

    def _series(self, frame: Any) -> List[Tuple[Any, Any]]:
        if not self.series:
            return [((), frame)]
        keys = list(self.series)
        return [(key if isinstance(key, tuple) else (key,), part) for key, part in frame.groupby(keys, sort=False)]

    def _with_past(self, key: Any, part: Any) -> Any:
        """A series with the columns of its past; its last values are kept."""
        past, target = part.copy(), part[TARGET]
        for lag in self.lags:
            past[f"{LAG}{lag}"] = target.shift(lag)
        if self.window:
            past[f"{WINDOW}{self.window}"] = target.shift(1).rolling(self.window).mean()
        self.history_[key] = target.tolist()[-self._reach :]
        return past

    def _forecast(self, frame: Any, known: Optional[Any]) -> Any:
        found = numpy.full(len(frame), numpy.nan) if known is None else known.astype(float).copy()
        if not self._reach:
            wanted = numpy.isnan(found)
            if wanted.any():
                found[wanted] = self.model_.predict(frame[wanted])
            return found
        ordered = frame.sort_values(self.time, kind="stable")
        history = {key: list(values) for key, values in self.history_.items()}
        keys = list(zip(*(frame[name] for name in self.series))) if self.series else [()] * len(frame)
        for _, rows in ordered.groupby(self.time, sort=True):
            # All series take a step at once.
            places = rows.index.to_numpy()
            past = [self._past(history.setdefault(keys[place], [])) for place in places]
            step = rows.assign(**{name: [each[n] for each in past] for n, name in enumerate(self.past_columns)})
            wanted = numpy.isnan(found[places])
            if wanted.any():
                found[places[wanted]] = self.model_.predict(step[wanted])
            for place in places:
                history[keys[place]].append(float(found[place]))
        return found

    def _past(self, values: List[float]) -> List[float]:
        """The columns of the past behind these values; what is not there is a gap."""
        past = [values[-lag] if len(values) >= lag else numpy.nan for lag in self.lags]
        if self.window:
            past.append(float(numpy.mean(values[-self.window :])) if len(values) >= self.window else numpy.nan)
        return past
