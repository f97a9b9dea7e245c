"""Values in paths: `partition_format='/{state}/{date:yyyy/MM/dd}/data.csv'` makes columns of the pieces."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Dict, List, Optional

_FIELD = re.compile(r"\{(\w+)(?::([^}]*))?\}")
_DATE = [
    ("yyyy", "%Y", r"\d{4}"),
    ("MM", "%m", r"\d{1,2}"),
    ("dd", "%d", r"\d{1,2}"),
    ("HH", "%H", r"\d{1,2}"),
    ("mm", "%M", r"\d{1,2}"),
    ("ss", "%S", r"\d{1,2}"),
]


def keys_of(partition_format: Optional[str]) -> List[str]:
    """The names of the columns, in order."""
    return list(dict.fromkeys(match.group(1) for match in _FIELD.finditer(partition_format or "")))


def values_of(partition_format: str, path: str) -> Optional[Dict[str, Any]]:
    """The columns' values for a path; None when the path is not of the format. Dates come as `datetime`."""
    pattern, last, dates = "", 0, {}
    for match in _FIELD.finditer(partition_format):
        name, form = match.groups()
        pattern += _literal(partition_format[last : match.start()])
        if form:
            regex, dates[name] = _date(form)
            pattern += f"(?P<{name}>{regex})"
        else:
            pattern += f"(?P<{name}>[^/]+)"
        last = match.end()
    pattern += _literal(partition_format[last:])
    found = re.search(pattern + "$", "/" + path.lstrip("/"))
    if found is None:
        return None
    return {
        name: datetime.strptime(text, dates[name]) if name in dates else text
        for name, text in found.groupdict().items()
    }


def _literal(text: str) -> str:
    return re.escape(text).replace(r"\*", "[^/]*")


def _date(form: str) -> Any:
    regex, parse = re.escape(form), form
    for mark, code, digits in _DATE:
        regex, parse = regex.replace(mark, digits, 1), parse.replace(mark, code, 1)
    return regex, parse
