"""How columns become features, where programs say it."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from duto.exceptions import UserErrorException
from duto.not_built import passed_over
from duto.spec.automl import PURPOSES

_IMPUTER = "Imputer"


class FeaturizationConfig:
    """What columns are, which are left out, and how gaps of numbers are filled; the rest is as with `auto`.

    Attributes:
        column_purposes: by column `Numeric`, `Categorical`, `CategoricalHash`, `DateTime` or `Ignore`.
        drop_columns: columns that are no features.
        transformer_params: by transformer pairs of columns and settings.
        blocked_transformers: as given; nothing follows from it.
        dataset_language: None.
        prediction_transform_type: None.
    """

    def __init__(
        self,
        blocked_transformers: Optional[Iterable[str]] = None,
        column_purposes: Optional[Mapping[str, str]] = None,
        transformer_params: Optional[Mapping[str, Sequence[Tuple[Sequence[str], Mapping[str, Any]]]]] = None,
        drop_columns: Optional[Iterable[str]] = None,
        dataset_language: Optional[str] = None,
        prediction_transform_type: Optional[str] = None,
    ) -> None:
        """Nothing is looked up before the run.

        Args:
            blocked_transformers: passed over with a warning: features are made otherwise than in Azure.
            column_purposes: as by `add_column_purpose`.
            transformer_params: as by `add_transformer_params`: by transformer pairs of columns and settings.
            drop_columns: as by `add_drop_columns`.
            dataset_language: passed over with a warning: texts are categories.
            prediction_transform_type: refused.

        Raises:
            UserErrorException: something is not known here.
        """
        passed_over(
            "FeaturizationConfig",
            "texts are categories, numbers and times are what they are.",
            blocked_transformers=list(blocked_transformers or ()) or None,
            dataset_language=dataset_language,
        )
        self.blocked_transformers: List[str] = list(blocked_transformers or ())
        self.dataset_language = dataset_language
        self.prediction_transform_type: Optional[str] = None
        self.column_purposes: Dict[str, str] = {}
        self.drop_columns: List[str] = []
        self.transformer_params: Dict[str, List[Tuple[List[str], Dict[str, Any]]]] = {}
        if prediction_transform_type is not None:
            self.add_prediction_transform_type(prediction_transform_type)
        for column, purpose in (column_purposes or {}).items():
            self.add_column_purpose(column, purpose)
        for transformer, pairs in (transformer_params or {}).items():
            for columns, params in pairs:
                self.add_transformer_params(transformer, list(columns), params)
        self.add_drop_columns(drop_columns or ())

    def add_column_purpose(self, column_name: str, feature_type: str) -> None:
        """Say what a column is.

        Args:
            column_name: the column.
            feature_type: `Numeric`, `Categorical`, `CategoricalHash`, `DateTime` or `Ignore`.

        Raises:
            UserErrorException: another type.
        """
        if feature_type not in PURPOSES:
            raise UserErrorException(
                f"The purpose {feature_type!r} of the column {column_name!r} is none of {', '.join(PURPOSES)}."
            )
        self.column_purposes[column_name] = feature_type

    def remove_column_purpose(self, column_name: str) -> None:
        """Leave a column to be told by what it holds.

        Args:
            column_name: the column.
        """
        self.column_purposes.pop(column_name, None)

    def add_drop_columns(self, drop_columns: Iterable[str]) -> None:
        """Leave columns out.

        Args:
            drop_columns: their names.
        """
        self.drop_columns += [drop_columns] if isinstance(drop_columns, str) else list(drop_columns)

    def add_blocked_transformers(self, transformers: Iterable[str]) -> None:
        """Kept for its name, with a warning: features are made otherwise than in Azure.

        Args:
            transformers: their names.
        """
        names = [transformers] if isinstance(transformers, str) else list(transformers)
        passed_over("FeaturizationConfig", "features are made otherwise than in Azure.", blocked_transformers=names)
        self.blocked_transformers += names

    def add_transformer_params(self, transformer: str, cols: Sequence[str], params: Mapping[str, Any]) -> None:
        """Say how gaps of columns of numbers are filled.

        Args:
            transformer: `Imputer`.
            cols: the columns.
            params: `strategy` (`mean`, `median`, `most_frequent`, `constant`), and the `fill_value` of `constant`.

        Raises:
            UserErrorException: another transformer, or no columns.
        """
        if transformer != _IMPUTER:
            raise UserErrorException(
                f"Settings of the transformer {transformer!r} are not part of Duto: there is Imputer."
            )
        if not cols:
            raise UserErrorException("add_transformer_params names the columns whose gaps are filled so.")
        self.transformer_params.setdefault(transformer, []).append((list(cols), dict(params)))

    def get_transformer_params(self, transformer: str, cols: Sequence[str]) -> Dict[str, Any]:
        """The settings of columns, as they were added.

        Args:
            transformer: `Imputer`.
            cols: the columns.

        Returns:
            The settings; empty for none.
        """
        pairs = self.transformer_params.get(transformer, [])
        return dict(next((params for columns, params in pairs if columns == list(cols)), {}))

    def remove_transformer_params(self, transformer: str, cols: Optional[Sequence[str]] = None) -> None:
        """Forget settings.

        Args:
            transformer: `Imputer`.
            cols: those of these columns; None for all.
        """
        pairs = self.transformer_params.pop(transformer, [])
        left = [] if cols is None else [pair for pair in pairs if pair[0] != list(cols)]
        if left:
            self.transformer_params[transformer] = left

    def add_prediction_transform_type(self, prediction_transform_type: str) -> None:
        """Predictions are what the label is.

        Args:
            prediction_transform_type: another type.

        Raises:
            UserErrorException: always.
        """
        raise UserErrorException(
            f"prediction_transform_type={prediction_transform_type!r} is not part of Duto: predictions are what the label "
            "is."
        )

    def remove_prediction_transform_type(self) -> None:
        """Kept for its name: there is none."""

    def _document(self) -> Dict[str, Any]:
        """The settings as a graph has them."""
        pairs = self.transformer_params.get(_IMPUTER, [])
        return {
            "drop_columns": list(self.drop_columns),
            "column_purposes": dict(self.column_purposes),
            "imputers": {column: dict(params) for columns, params in pairs for column in columns},
        }
