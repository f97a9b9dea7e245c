"""Rows of a dataset as a frame of Spark."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Callable, Dict, List

from duto.exceptions import UserErrorException

if TYPE_CHECKING:
    import pandas


def spark_frame(frame: pandas.DataFrame) -> Any:
    """A pandas frame as one of Spark, in the session of the script, which is made where there is none.

    A column of objects is one of texts, unless all its values are flags; what is missing in it is null.

    Args:
        frame: rows × columns.

    Returns:
        The frame of Spark.

    Raises:
        UserErrorException: there is no pyspark.
    """
    try:
        sql = importlib.import_module("pyspark.sql")
    except ImportError as error:
        raise UserErrorException(
            "to_spark_dataframe() needs the package pyspark: use it in a SynapseSparkStep or a DatabricksStep."
        ) from error
    columns = [frame[name] for name in frame.columns]
    rows = list(zip(*[_values(each) for each in columns]))
    schema = ", ".join(f"`{str(each.name).replace('`', '``')}` {_type(each)}" for each in columns)
    return sql.SparkSession.builder.getOrCreate().createDataFrame(rows, schema)


def _type(column: Any) -> str:
    """The type of a column in Spark's words."""
    if column.dtype.kind == "O":
        known = column.dropna()
        return "boolean" if len(known) and known.map(lambda each: isinstance(each, bool)).all() else "string"
    return {"b": "boolean", "i": "bigint", "u": "bigint", "f": "double", "M": "timestamp"}.get(
        column.dtype.kind, "string"
    )


def _values(column: Any) -> List[Any]:
    """Values of Python, of what Spark's type of the column takes; None for what is missing."""
    makers: Dict[str, Callable[[Any], Any]] = {
        "boolean": bool,
        "bigint": int,
        "double": float,
        "string": str,
        "timestamp": lambda each: each.to_pydatetime(),
    }
    made = makers[_type(column)]
    return [None if gone else made(each) for each, gone in zip(column, column.isna())]
