"""What a value means: the type that a column's texts show, and one value made into another type."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Optional, Sequence

from duto.spec.sentences import said
from duto.tables import moments
from duto.tables.errors import Misfit, TableError
from duto.tables.forms import Wanted

# In a column of numbers, times or truths these words say that nothing is there; in a column of texts they are texts.
NULLS: FrozenSet[str] = frozenset({
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
})  # fmt: skip
LONGS = range(-(2**63), 2**63)
EXACT = 2**53
BASE64 = "base64:"
# Values are looked at many at once, parted by a sign that no text has.
_END = "\0"
_LONG = re.compile(r"(?:[ \t]*[+-]?[0-9]{1,400}[ \t]*\0)*")
_FLOAT = re.compile(
    r"(?:[ \t]*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[Ii]nf(?:inity)?)[ \t]*\0)*"
)  # fmt: skip
# With a comma before the decimals, points part thousands and nothing else.
_COMMA_NUMBER = (
    r"[+-]?(?:(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]*)?|,[0-9]+)(?:[eE][+-]?[0-9]{1,5})?"
    r"|[+-]?[Ii]nf(?:inity)?"
)
_COMMA = re.compile(rf"(?:[ \t]*(?:{_COMMA_NUMBER})[ \t]*\0)*")
_ONE_COMMA = re.compile(_COMMA_NUMBER)
_DATE = re.compile(
    r"(?:[ ]*[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:[ ]?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?[ ]*\0)*"
)
_WHOLE = re.compile(r"[+-]?[0-9]{16,400}")
_ONE_LONG = re.compile(r"[+-]?[0-9]{1,400}")
_ONE_FLOAT = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?|inf(?:inity)?)", re.IGNORECASE)
_TRUTHS = {
    "true": True, "t": True, "yes": True, "y": True, "1": True, "1.0": True,
    "false": False, "f": False, "no": False, "n": False, "0": False, "0.0": False,
}  # fmt: skip


class OfTexts:
    """The narrowest type that every value of a column of delimited text has: long, float, bool, datetime, string.

    With the decimal mark "," a point may part thousands: `1.000,5`. A column that has such points but neither a comma
    nor a number with two of them (`1.000`) may mean anything and is text.
    """

    def __init__(self, decimal: str = ".") -> None:
        self.possible = ["long", "float", "bool", "datetime"]
        self.is_empty = True
        self._tests = _TESTS if decimal == "." else {**_TESTS, "float": _all_comma}
        self._has_comma = decimal == ","
        self._is_beyond = self._is_parted = self._is_sure = False

    def look(self, values: Iterable[Optional[str]]) -> None:
        if not self.possible:
            return
        texts = [each for each in set(values) if each is not None and each.strip() not in NULLS]
        if not texts:
            return
        self.is_empty = False
        joined = _END.join(texts) + _END
        self.possible = [kind for kind in self.possible if self._tests[kind](joined, texts)]
        if self._has_comma and "float" in self.possible:
            self._is_parted = self._is_parted or "." in joined
            self._is_sure = self._is_sure or any("," in each or each.count(".") > 1 for each in texts)
        if "float" in self.possible and not self._is_beyond:
            self._is_beyond = any(_is_beyond(each) for each in texts if len(each) > 15)

    @property
    def type(self) -> str:
        if self.is_empty or not self.possible:
            return "string"
        # A float would change the last digits of such a whole number.
        is_float = not self._is_beyond and (self._is_sure or not self._is_parted)
        left = [kind for kind in self.possible if kind != "float" or is_float]
        return left[0] if left else "string"


def _all_long(joined: str, texts: Sequence[str]) -> bool:
    found = _LONG.match(joined)
    if found is None or found.end() != len(joined):
        return False
    return all(int(each) in LONGS for each in texts if len(each) > 18)


def _all_float(joined: str, texts: Sequence[str]) -> bool:
    found = _FLOAT.match(joined)
    return found is not None and found.end() == len(joined)


def _all_comma(joined: str, texts: Sequence[str]) -> bool:
    found = _COMMA.match(joined)
    return found is not None and found.end() == len(joined)


def _all_bool(joined: str, texts: Sequence[str]) -> bool:
    return len(texts) <= 16 and all(each.strip().lower() in ("true", "false") for each in texts)


def _all_dates(joined: str, texts: Sequence[str]) -> bool:
    found = _DATE.match(joined)
    if found is None or found.end() != len(joined):
        return False
    try:
        for each in texts:
            moments.moment_of(each)
    except Misfit:
        return False
    return True


_TESTS: Dict[str, Callable[[str, Sequence[str]], bool]] = {
    "long": _all_long, "float": _all_float, "bool": _all_bool, "datetime": _all_dates,
}  # fmt: skip


def _is_beyond(text: str) -> bool:
    return _WHOLE.fullmatch(text.strip()) is not None and abs(int(text)) > EXACT


class OfValues:
    """The type of a column whose values have types of their own, such as those of JSON: texts stay texts."""

    def __init__(self) -> None:
        self._kinds: set = set()  # type: ignore[type-arg]
        self._is_beyond = self._is_huge = False

    def look(self, values: Iterable[Any]) -> None:
        held = list(values)
        self._kinds.update(set(map(type, held)))
        if int in self._kinds:
            for each in held:
                if type(each) is int and not -EXACT <= each <= EXACT:
                    self._is_beyond = True
                    self._is_huge = self._is_huge or each not in LONGS

    @property
    def type(self) -> str:
        kinds = self._kinds - {type(None)}
        if kinds == {int}:
            return "string" if self._is_huge else "long"
        if kinds and kinds <= {int, float}:
            return "string" if self._is_beyond else "float"
        if kinds == {bool}:
            return "bool"
        if kinds == {datetime}:
            return "datetime"
        return "string"


def text_of(value: Any) -> Optional[str]:
    """A value as a text: as JSON writes it, times by ISO 8601."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if value != value else repr(value)
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return _text_of_bytes(value)
    if isinstance(value, timedelta):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=text_of, separators=(",", ":"))


def _text_of_bytes(value: bytes) -> str:
    """As UTF-8, else as base64 behind a mark; a text that begins with the mark gets it too, so two values never look the same."""
    with contextlib.suppress(UnicodeDecodeError):
        text = value.decode()
        if not text.startswith(BASE64):
            return text
    return BASE64 + base64.b64encode(value).decode()


def long_of(value: Any) -> int:
    """A whole number from -2^63 to 2^63 - 1. Raises Misfit: 2.7 is none, 2.0 is one."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        clean = value.strip()
        if _ONE_LONG.fullmatch(clean):
            found = int(clean)
        elif _ONE_FLOAT.fullmatch(clean) and clean[-1:] not in "fFyY":
            exact = Decimal(clean)
            if abs(exact.adjusted()) > 40 and exact != 0:
                raise Misfit(said("not_whole", value=_short(value)))
            if exact != exact.to_integral_value():
                raise Misfit(said("not_whole", value=_short(value)))
            found = int(exact)
        else:
            raise Misfit(said("not_whole", value=_short(value)))
    elif isinstance(value, (int, float, Decimal)):
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            raise Misfit(said("not_whole", value=str(value)))
        if value != int(value):
            raise Misfit(said("not_whole", value=str(value)))
        found = int(value)
    else:
        raise Misfit(said("not_whole", value=_short(value)))
    if found not in LONGS:
        raise Misfit(said("beyond_long", value=_short(value)))
    return found


def float_of(value: Any, decimal: str = ".") -> float:
    """A number. Raises Misfit."""
    if isinstance(value, str):
        clean = value.strip()
        if decimal != ".":
            if "." in clean and not _ONE_COMMA.fullmatch(clean):
                raise Misfit(said("no_number_mark", value=_short(value), mark=decimal))
            clean = clean.replace(".", "").replace(decimal, ".")
        if not _ONE_FLOAT.fullmatch(clean):
            raise Misfit(said("no_number", value=_short(value)))
        return float(clean)
    if isinstance(value, (int, float, Decimal)):
        try:
            return float(value)
        except OverflowError as error:
            raise Misfit(said("beyond_float", value=_short(value))) from error
    raise Misfit(said("no_number", value=_short(value)))


def bool_of(value: Any) -> bool:
    """True or False of true, yes, t, y, 1 and their contraries. Raises Misfit."""
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else str(value)
    if text not in _TRUTHS:
        raise Misfit(said("neither_truth", value=_short(value)))
    return _TRUTHS[text]


def is_nothing(value: Any) -> bool:
    """Whether a value says that there is none, for a column that is not of texts."""
    return value is None or (isinstance(value, str) and value.strip() in NULLS) or value != value


def declared(
    values: Sequence[Any],
    name: str,
    wanted: Wanted,
    order: Optional[str],
    on_error: str,
    misfits: Optional[Dict[str, int]] = None,
) -> List[Any]:
    """A column made into the type that was declared. What does not fit is null, or raises with `fail`.

    `misfits` counts, by the column's name, the values that do not fit.
    """
    if wanted.type == "string":
        return [text_of(each) for each in values]
    turn = _turn(wanted, order)
    known: Dict[Any, Any] = {}
    made: List[Any] = []
    missed = 0
    for each in values:
        key = (type(each), each) if isinstance(each, (str, int, float, bool)) else None
        if key is not None and key in known:
            value, is_misfit = known[key]
        else:
            value, is_misfit = None, False
            try:
                value = None if is_nothing(each) else turn(each)
            except Misfit as error:
                if on_error == "fail":
                    raise TableError(said("in_column", name=name, why=error.message)) from error
                is_misfit = True
            if key is not None and len(known) < 10_000:
                known[key] = value, is_misfit
        missed += is_misfit
        made.append(value)
    if missed and misfits is not None:
        misfits[name] = misfits.get(name, 0) + missed
    return made


def _turn(wanted: Wanted, order: Optional[str]) -> Callable[[Any], Any]:
    if wanted.type == "long":
        return long_of
    if wanted.type == "float":
        return lambda value: float_of(value, wanted.decimal)
    if wanted.type == "bool":
        return bool_of

    def time_of(value: Any) -> Optional[datetime]:
        if isinstance(value, str):
            return by_formats(value) if wanted.formats else moments.moment_of(value, order)
        return moments.any_moment(value)

    def by_formats(value: str) -> datetime:
        return moments.by_formats(value, wanted.formats)

    return time_of


def guessed(values: Sequence[Any], kind: str, is_text: bool, empty_as_string: bool, decimal: str = ".") -> List[Any]:
    """A column made into the type that its values show; only texts of delimited files may say that nothing is there.

    Raises ValueError when the values are others than those that were looked at, Misfit for a number without a place.
    """
    if kind == "string":
        if not is_text:
            return [text_of(each) for each in values]
        if empty_as_string:
            return list(values)
        return [None if each is None or each == "NaN" or not each.strip() else each for each in values]
    if not is_text:
        return _of_values(values, kind)
    turn: Callable[[Any], Any] = _TURNS[kind]
    if kind == "float" and decimal != ".":
        turn = partial(float_of, decimal=decimal)
    if kind in ("long", "float"):
        try:
            return list(map(turn, values))
        except (ValueError, TypeError):
            pass
    known = {each: None if is_nothing(each) else turn(each) for each in set(values)}
    return [known[each] for each in values]


def _of_values(values: Sequence[Any], kind: str) -> List[Any]:
    if kind == "float":
        return [None if each is None else float(each) for each in values]
    if kind == "long":
        for each in values:
            if each is not None and each not in LONGS:
                raise Misfit(said("beyond_long_column", value=str(each), advice=said("declare_string")))
    return list(values)


_TURNS: Dict[str, Callable[[Any], Any]] = {
    "long": int, "float": float, "bool": bool_of, "datetime": moments.moment_of,
}  # fmt: skip


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
