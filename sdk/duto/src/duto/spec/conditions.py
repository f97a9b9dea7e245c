"""Conditions on rows and on files: `dataset.filter(dataset["age"] > 30)`, as a document that studio and programs read alike.

A document is `{"column": name}`, `{"value": text, number, truth or null}`, `{"time": ISO 8601}` or
`{"op": one of OPS, "of": [documents]}`. A condition on a value that is missing is neither true nor false, as in SQL, and
leaves the row out; `== None` and `is_null` ask for that very thing. Pure.
"""

from __future__ import annotations

import operator
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from duto.spec.sentences import Said, said

# How many documents a condition may hold, and how deep.
MOST, DEEPEST = 1000, 50
NUMBERS = ("long", "float")
_EQUAL = {"eq": operator.eq, "ne": operator.ne}
_ORDER = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
_SUMS: Dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
}
_TEXTS: Dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": operator.contains,
}
# How each is written, and how many documents it is about; 0 for two and more.
OPS: Dict[str, Tuple[str, int]] = {
    "eq": ("==", 2), "ne": ("!=", 2), "lt": ("<", 2), "le": ("<=", 2), "gt": (">", 2), "ge": (">=", 2),
    "add": ("+", 2), "sub": ("-", 2), "mul": ("*", 2), "div": ("/", 2), "floordiv": ("//", 2), "mod": ("%", 2),
    "and": ("&", 0), "or": ("|", 0), "not": ("~", 1), "is_null": ("is_null", 1),
    "starts_with": ("starts_with", 2), "ends_with": ("ends_with", 2), "contains": ("contains", 2),
}  # fmt: skip
# Values by row; of a row that has none, None.
Values = List[Any]


class ConditionError(ValueError):
    """A condition that says nothing about these columns; the sentence says why."""

    def __init__(self, message: Said) -> None:
        super().__init__(message)
        self.message = message


def problem(document: object) -> Optional[str]:
    """What is wrong with the shape of a document that somebody sent; None where nothing is."""
    waiting: List[Tuple[object, int]] = [(document, 1)]
    count = 0
    while waiting:
        each, depth = waiting.pop()
        count += 1
        if count > MOST or depth > DEEPEST:
            return f"a condition has {MOST} parts at most, {DEEPEST} deep"
        if not isinstance(each, Mapping):
            return "a part of a condition is an object"
        keys = set(each)
        if keys == {"column"} and isinstance(each["column"], str):
            continue
        if keys == {"time"} and isinstance(each["time"], str):
            continue
        if keys == {"value"} and (each["value"] is None or isinstance(each["value"], (str, int, float))):
            continue
        if keys != {"op", "of"} or not isinstance(each["op"], str) or each["op"] not in OPS:
            return f"a part of a condition is {{'column'}}, {{'value'}}, {{'time'}} or {{'op', 'of'}}, with 'op' one of {', '.join(OPS)}"
        parts, wanted = each["of"], OPS[each["op"]][1]
        if not isinstance(parts, list) or not (len(parts) == wanted if wanted else len(parts) > 1):
            return f"'{each['op']}' in a condition is about {wanted or 'two and more'} parts"
        waiting += [(part, depth + 1) for part in parts]
    return None


def texts_of(document: Mapping[str, Any]) -> Iterator[str]:
    """The names of columns, texts and times that a document holds."""
    return (value for each in _parts(document) for key, value in each.items() if key != "op" and isinstance(value, str))


def times_of(document: Mapping[str, Any]) -> Iterator[str]:
    """The times that a document holds."""
    return (str(each["time"]) for each in _parts(document) if "time" in each)


def _parts(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting = [document]
    while waiting:
        each = waiting.pop()
        waiting += each.get("of", ())
        yield each


def columns_of(document: Mapping[str, Any]) -> List[str]:
    """The names of the columns that it looks at, each once, in order."""
    if "column" in document:
        return [str(document["column"])]
    return list(dict.fromkeys(name for part in document.get("of", ()) for name in columns_of(part)))


def check(document: Mapping[str, Any], types: Mapping[str, str]) -> None:
    """Whether it is a condition on columns of these types (string, long, float, bool, datetime).

    Raises ConditionError: it compares what cannot be compared, or is none. A column that is not there is the caller's to
    refuse.
    """
    if _type(document, types) != "bool":
        raise ConditionError(said("no_condition", what=written(document)))


def chosen(
    document: Mapping[str, Any], values: Callable[[str], Values], moment: Callable[[str], Any], size: int
) -> List[int]:
    """The places of the rows for which a condition is true.

    Args:
        document: a condition that was checked.
        values: a column's values, by its name; times without a zone, in UTC.
        moment: the time of a text, as the columns have theirs.
        size: how many rows there are.
    """
    return [place for place, each in enumerate(_evaluated(document, values, moment, size)) if each is True]


def written(document: Mapping[str, Any]) -> str:
    """How a program writes it: `Age > 30 & Name.starts_with('A')`."""
    if "column" in document:
        return str(document["column"])
    if "op" not in document:
        return str(document["time"]) if "time" in document else repr(document["value"])
    sign, parts = OPS[document["op"]][0], [_inner(part) for part in document["of"]]
    if document["op"] == "is_null":
        return f"{parts[0]}.is_null()"
    if document["op"] in _TEXTS:
        return f"{parts[0]}.{sign}({parts[1]})"
    return f"{sign}{parts[0]}" if len(parts) == 1 else f" {sign} ".join(parts)


def _inner(document: Mapping[str, Any]) -> str:
    op = document.get("op")
    return f"({written(document)})" if op and op not in _TEXTS and op not in ("is_null", "not") else written(document)


def _type(document: Mapping[str, Any], types: Mapping[str, str]) -> Optional[str]:
    """The type of what it gives; None for null alone."""
    if "column" in document:
        return types[str(document["column"])]
    if "time" in document:
        return "datetime"
    if "value" in document:
        value = document["value"]
        names = {str: "string", bool: "bool", int: "long", float: "float"}
        return None if value is None else names[type(value)]
    op, parts = document["op"], document["of"]
    found = [_type(part, types) for part in parts]
    if op == "is_null":
        return "bool"
    if op in _EQUAL or op in _ORDER:
        _comparable(op, parts, found)
        return "bool"
    wanted = "bool" if op in ("and", "or", "not") else "string" if op in _TEXTS else "long"
    for part, kind in zip(parts, found):
        if kind != wanted and not (wanted == "long" and kind in NUMBERS):
            facts = {"op": OPS[op][0], "what": written(part), "type": kind or "null"}
            raise ConditionError(
                said("condition_bool", **facts)
                if wanted == "bool"
                else said("condition_string", **facts)
                if wanted == "string"
                else said("condition_long", **facts)
            )
    if op not in _SUMS:
        return "bool"
    return "float" if op == "div" or "float" in found else "long"


def _comparable(op: str, parts: List[Any], found: List[Optional[str]]) -> None:
    first, second = (("number" if kind in NUMBERS else kind) for kind in found)
    is_null = op in _EQUAL and (first is None or second is None)
    if is_null or (first == second and first is not None and (op in _EQUAL or first != "bool")):
        return
    raise ConditionError(
        said(
            "not_comparable", op=OPS[op][0], left=written(parts[0]), right=written(parts[1]), first=found[0] or "null",
            second=found[1] or "null",
        )
    )  # fmt: skip


def _evaluated(
    document: Mapping[str, Any], values: Callable[[str], Values], moment: Callable[[str], Any], size: int
) -> Values:
    if "column" in document:
        return values(str(document["column"]))
    if "op" not in document:
        return [moment(document["time"]) if "time" in document else document["value"]] * size
    op = document["op"]
    parts = [_evaluated(part, values, moment, size) for part in document["of"]]
    if op == "is_null":
        return [each is None for each in parts[0]]
    if op == "not":
        return [None if each is None else not each for each in parts[0]]
    if op in ("and", "or"):
        settles = op == "or"
        return [settles if settles in row else None if None in row else not settles for row in zip(*parts)]
    if op in _EQUAL and (nulls := [part == {"value": None} for part in document["of"]]) != [False, False]:
        other = parts[0] if nulls[1] else parts[1]
        return [(each is None) is (op == "eq") for each in other]
    work = _EQUAL.get(op) or _ORDER.get(op) or _SUMS.get(op) or _TEXTS[op]
    return [_done(work, *row) for row in zip(*parts)]


def _done(work: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """What cannot be reckoned, such as a part of nothing, is missing."""
    if left is None or right is None:
        return None
    try:
        return work(left, right)
    except ArithmeticError:
        return None
