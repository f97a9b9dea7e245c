"""What a forecast is of, as programs say it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from duto.exceptions import UserErrorException
from duto.not_built import passed_over

_OLD = {
    "max_horizon": "forecast_horizon",
    "grain_column_names": "time_series_id_column_names",
    "country_or_region": "country_or_region_for_holidays",
    "country": "country_or_region_for_holidays",
    "holiday_country": "country_or_region_for_holidays",
    "drop_column_names": "features_unknown_at_forecast_time",
}
_REFUSED = {
    "feature_lags": "columns have no lags of their own: make them in the data",
    "country_or_region_for_holidays": "holidays are no features: name them in a column of the data",
    "holiday_country": "holidays are no features: name them in a column of the data",
    "use_stl": "series are not decomposed",
    "target_aggregation_function": "rows are taken as they are: aggregate them in the data",
}
# Settings that may be left out, and stand in configurations of their own, too.
NAMES = (
    "time_column_name",
    "forecast_horizon",
    "time_series_id_column_names",
    "group_column_names",
    "target_lags",
    "feature_lags",
    "target_rolling_window_size",
    "seasonality",
    "country_or_region_for_holidays",
    "use_stl",
    "short_series_handling",
    "short_series_handling_configuration",
    "freq",
    "target_aggregation_function",
    "cv_step_size",
    "features_unknown_at_forecast_time",
    "validate_parameters",
    *_OLD,
)


class ForecastingParameters:
    """What a forecast is of: the column of times, how far ahead, which columns tell series apart.

    Attributes:
        time_column_name: as given.
        forecast_horizon: as given.
        time_series_id_column_names: a list; empty for one series.
        target_lags: as given.
        target_rolling_window_size: as given.
        cv_step_size: as given.
        features_unknown_at_forecast_time: a list; empty for none.
        freq: as given.
    """

    def __init__(
        self,
        time_column_name: Optional[str] = None,
        forecast_horizon: Union[int, str] = 1,
        time_series_id_column_names: Union[str, Sequence[str], None] = None,
        group_column_names: Union[str, Sequence[str], None] = None,
        target_lags: Union[int, str, Sequence[int], None] = None,
        feature_lags: Optional[str] = None,
        target_rolling_window_size: Union[int, str, None] = None,
        holiday_country: Optional[str] = None,
        seasonality: Union[int, str, None] = "auto",
        country_or_region_for_holidays: Optional[str] = None,
        use_stl: Optional[str] = None,
        short_series_handling: bool = True,
        short_series_handling_configuration: Optional[str] = "auto",
        freq: Optional[str] = None,
        target_aggregation_function: Optional[str] = None,
        cv_step_size: Union[int, str, None] = "auto",
        features_unknown_at_forecast_time: Union[str, Sequence[str], None] = None,
        validate_parameters: bool = True,
        **kwargs: Any,
    ) -> None:
        """Nothing is looked up before the run.

        Args:
            time_column_name: the column of times.
            forecast_horizon: how many rows ahead of each series; trials are compared on so many.
            time_series_id_column_names: the columns that tell series apart; None for one series.
            group_column_names: passed over with a warning.
            target_lags: how many rows back values of the label are features: a number, or several; `auto` for 1.
            feature_lags: refused.
            target_rolling_window_size: of how many rows back the mean of the label is a feature.
            holiday_country: refused, as `country_or_region_for_holidays`.
            seasonality: passed over with a warning where it is a number: parts of the time are features.
            country_or_region_for_holidays: refused.
            use_stl: refused.
            short_series_handling: passed over with a warning where it is False: trials are not compared on series that
                are too short for it.
            short_series_handling_configuration: `auto` or `drop`; `pad` and None are refused.
            freq: passed over with a warning: rows are taken as they come.
            target_aggregation_function: refused.
            cv_step_size: how many rows lie between the origins of two folds; `auto` for the horizon.
            features_unknown_at_forecast_time: columns that are no features.
            validate_parameters: taken and not used: they are always checked.
            kwargs: `max_horizon`, `grain_column_names`, `drop_column_names`, `country`: older names.

        Raises:
            UserErrorException: something is refused, or no setting.
        """
        given: Dict[str, Any] = {
            "feature_lags": feature_lags,
            "country_or_region_for_holidays": country_or_region_for_holidays or holiday_country,
            "use_stl": use_stl,
            "target_aggregation_function": target_aggregation_function,
        }
        for name, value in kwargs.items():
            if name not in _OLD:
                raise UserErrorException(f"ForecastingParameters knows no {name}.")
            given[_OLD[name]] = value
        _refuse({**given, "short_series_handling_configuration": short_series_handling_configuration})
        passed_over(
            "ForecastingParameters",
            "rows are taken as they come.",
            group_column_names=group_column_names,
            freq=freq,
            seasonality=None if seasonality == "auto" else seasonality,
            short_series_handling=not short_series_handling,
        )
        self.time_column_name = time_column_name
        self.forecast_horizon = given.get("forecast_horizon", forecast_horizon)
        self.time_series_id_column_names = _list(given.get("time_series_id_column_names", time_series_id_column_names))
        self.target_lags, self.target_rolling_window_size = target_lags, target_rolling_window_size
        self.cv_step_size = cv_step_size
        unknown = features_unknown_at_forecast_time
        self.features_unknown_at_forecast_time = _list(given.get("features_unknown_at_forecast_time", unknown))
        self.freq = freq
        self.group_column_names, self.seasonality = group_column_names, seasonality
        self.short_series_handling_configuration = short_series_handling_configuration
        self.feature_lags = self.use_stl = self.target_aggregation_function = None
        self.country_or_region_for_holidays = self.holiday_country = None

    @property
    def drop_column_names(self) -> List[str]:
        """The older name of `features_unknown_at_forecast_time`."""
        return self.features_unknown_at_forecast_time

    @property
    def formatted_drop_column_names(self) -> List[str]:
        """The same, as a list."""
        return self.features_unknown_at_forecast_time

    @property
    def formatted_unknown_features(self) -> List[str]:
        """The same, as a list."""
        return self.features_unknown_at_forecast_time

    @property
    def formatted_time_series_id_column_names(self) -> List[str]:
        """`time_series_id_column_names`, as a list."""
        return self.time_series_id_column_names

    @property
    def formatted_group_column_names(self) -> List[str]:
        """`group_column_names`, as a list."""
        return _list(self.group_column_names)

    @property
    def formatted_target_lags(self) -> Dict[str, List[int]]:
        """`target_lags` as numbers, under the key that Azure ML has."""
        lags = 1 if self.target_lags == "auto" else self.target_lags
        return {"_automl_target_col": [lags] if isinstance(lags, int) else [int(each) for each in lags or ()]}

    @property
    def dropna(self) -> bool:
        """False: no rows are dropped for a gap among features."""
        return False

    @property
    def overwrite_columns(self) -> bool:
        """True: features replace columns of their names."""
        return True

    @property
    def transform_dictionary(self) -> Dict[str, str]:
        """How rolling windows are summed up: by their mean."""
        return {"mean": "_automl_target_col"}

    @staticmethod
    def from_parameters_dict(
        parameter_dict: Mapping[str, Any], validate_params: bool = True, show_deprecate_warnings: bool = True
    ) -> ForecastingParameters:
        """The parameters of a dictionary, older names among them.

        Args:
            parameter_dict: values by name.
            validate_params: taken and not used: they are always checked.
            show_deprecate_warnings: taken and not used.

        Returns:
            The parameters.

        Raises:
            UserErrorException: as for the class.
        """
        return ForecastingParameters(**parameter_dict)

    def validate_parameters(self) -> None:
        """Check that the column of times is named; the rest was checked when they were made.

        Raises:
            UserErrorException: it is not.
        """
        if not self.time_column_name:
            raise UserErrorException("ForecastingParameters name a time_column_name.")

    def _document(self) -> Dict[str, Any]:
        """The settings as a graph has them. Raises `UserErrorException` for what was assigned afterwards and is refused."""
        _refuse(vars(self))
        for name in ("forecast_horizon", "target_rolling_window_size"):
            if getattr(self, name) == "auto":
                raise UserErrorException(f"ForecastingParameters({name}='auto') is not part of Duto: give a number.")
        found = {
            "time_column_name": self.time_column_name,
            "forecast_horizon": self.forecast_horizon,
            "time_series_id_column_names": self.time_series_id_column_names,
            "target_lags": 1 if self.target_lags == "auto" else self.target_lags,
            "target_rolling_window_size": self.target_rolling_window_size,
            "cv_step_size": None if self.cv_step_size == "auto" else self.cv_step_size,
        }
        return {name: value for name, value in found.items() if value not in (None, [])}


def _refuse(given: Mapping[str, Any]) -> None:
    """Raises `UserErrorException` for a setting that is refused."""
    for name, why in _REFUSED.items():
        if given.get(name) is not None:
            raise UserErrorException(f"ForecastingParameters({name}=...) is not part of Duto: {why}.")
    short = given["short_series_handling_configuration"]
    if short not in ("auto", "drop"):
        raise UserErrorException(
            f"ForecastingParameters(short_series_handling_configuration=...) is 'auto' or 'drop' here, not {short!r}: no "
            "rows are made up."
        )


def _list(given: Union[str, Sequence[str], None]) -> List[str]:
    return [given] if isinstance(given, str) else list(given or ())
