"""What `dataset["column"]` gives: conditions for `filter`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, List, Mapping, NoReturn

from duto.exceptions import UserErrorException
from duto.spec.conditions import written


class Expression:
    """A column of a dataset, or what is reckoned and asked of it row by row when the rows are read.

    Columns are compared (`== != < <= > >=`) with values and with one another, reckoned with (`+ - * / // %`), and
    conditions are joined by `&`, `|` and `~`, each in brackets: `(dataset["age"] > 30) & (dataset["name"] != "Ana")`. A
    comparison with a value that is missing is neither true nor false, and leaves the row out; `dataset["age"] == None` and
    `is_null()` ask for that. As in Azure ML's preview.
    """

    __hash__ = None  # type: ignore[assignment] # `==` makes a condition

    def __init__(self, document: Mapping[str, object]) -> None:
        """Programs get one by `dataset["column"]`.

        Args:
            document: the expression, as `duto.spec.conditions` says.
        """
        self._document: Dict[str, Any] = dict(document)

    def starts_with(self, value: object) -> Expression:
        """Whether a text begins so.

        Args:
            value: a text, or a column of texts.

        Returns:
            The condition.
        """
        return self._with("starts_with", value)

    def ends_with(self, value: object) -> Expression:
        """Whether a text ends so.

        Args:
            value: a text, or a column of texts.

        Returns:
            The condition.
        """
        return self._with("ends_with", value)

    def contains(self, value: object) -> Expression:
        """Whether a text holds another.

        Args:
            value: a text, or a column of texts.

        Returns:
            The condition.
        """
        return self._with("contains", value)

    def is_null(self) -> Expression:
        """Whether the value is missing.

        Returns:
            The condition.
        """
        return Expression({"op": "is_null", "of": [self._document]})

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._with("eq", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._with("ne", other)

    def __lt__(self, other: object) -> Expression:
        return self._with("lt", other)

    def __le__(self, other: object) -> Expression:
        return self._with("le", other)

    def __gt__(self, other: object) -> Expression:
        return self._with("gt", other)

    def __ge__(self, other: object) -> Expression:
        return self._with("ge", other)

    def __add__(self, other: object) -> Expression:
        return self._with("add", other)

    def __radd__(self, other: object) -> Expression:
        return self._after("add", other)

    def __sub__(self, other: object) -> Expression:
        return self._with("sub", other)

    def __rsub__(self, other: object) -> Expression:
        return self._after("sub", other)

    def __mul__(self, other: object) -> Expression:
        return self._with("mul", other)

    def __rmul__(self, other: object) -> Expression:
        return self._after("mul", other)

    def __truediv__(self, other: object) -> Expression:
        return self._with("div", other)

    def __rtruediv__(self, other: object) -> Expression:
        return self._after("div", other)

    def __floordiv__(self, other: object) -> Expression:
        return self._with("floordiv", other)

    def __rfloordiv__(self, other: object) -> Expression:
        return self._after("floordiv", other)

    def __mod__(self, other: object) -> Expression:
        return self._with("mod", other)

    def __rmod__(self, other: object) -> Expression:
        return self._after("mod", other)

    def __and__(self, other: object) -> Expression:
        return self._joined("and", other)

    def __or__(self, other: object) -> Expression:
        return self._joined("or", other)

    def __invert__(self) -> Expression:
        return Expression({"op": "not", "of": [self._document]})

    def __bool__(self) -> NoReturn:
        raise UserErrorException(
            f"`{self}` is a condition on each row, and neither true nor false by itself: join conditions by & and |, in "
            "brackets, and turn one round by ~, instead of and, or, not, in and a < b < c."
        )

    def __str__(self) -> str:
        return written(self._document)

    def __repr__(self) -> str:
        return f"Expression({self})"

    def _with(self, op: str, other: object) -> Expression:
        return Expression({"op": op, "of": [self._document, document_of(other)]})

    def _after(self, op: str, other: object) -> Expression:
        return Expression({"op": op, "of": [document_of(other), self._document]})

    def _joined(self, op: str, other: object) -> Expression:
        """A long chain of the same stays flat."""
        parts: List[Dict[str, Any]] = []
        for each in (self._document, document_of(other)):
            parts += each["of"] if each.get("op") == op else [each]
        return Expression({"op": op, "of": parts})


def document_of(value: object) -> Dict[str, Any]:
    """An expression, or a plain value, as a document. Raises `UserErrorException` for anything else."""
    if isinstance(value, Expression):
        return value._document
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    item = getattr(value, "item", None)
    plain = item() if callable(item) and getattr(value, "shape", None) == () else value  # a number of numpy
    if plain is None or isinstance(plain, (str, bool, int, float)):
        if isinstance(plain, float) and plain - plain != 0:
            raise UserErrorException(f"{plain} cannot be compared with. What is missing is asked for by is_null().")
        return {"value": plain}
    raise UserErrorException(
        f"A condition compares a column with a text, a number, a truth, a datetime, None or another column, not with {value!r}."
    )


def condition_of(expression: object) -> Dict[str, Any]:
    """The operation of a dataset that keeps what an expression is true of. Raises `UserErrorException`."""
    if not isinstance(expression, Expression):
        raise UserErrorException(
            f"filter takes a condition on columns, such as dataset['age'] > 30, not {expression!r}."
        )
    return {"op": "filter", "where": expression._document}
