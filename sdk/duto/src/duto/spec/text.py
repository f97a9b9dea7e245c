"""Text that every database and every JSON takes: without NUL and without halves of surrogate pairs.

Scripts take names from file systems and data (`surrogateescape`, a cut emoji); what they say of a run is kept with a
replacement character instead of being lost.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Tuple

_BAD = re.compile("[\0\ud800-\udfff]")
REPLACEMENT = "\ufffd"
# What is nested deeper than this is given up: whoever walks it would run out of stack.
DEEPEST = 100
CUT = "\u2026"


def clean(text: str) -> str:
    """The text with U+FFFD for each NUL and each half of a pair; two halves side by side become their character."""
    if not _BAD.search(text):
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", REPLACEMENT)


def cleaned(document: Any, depth: int = DEEPEST + 1) -> Any:
    """The same JSON document of clean texts, keys included; what lies deeper than `depth` becomes an ellipsis."""
    if isinstance(document, str):
        return clean(document)
    if isinstance(document, dict):
        return keyed((key, cleaned(value, depth - 1)) for key, value in document.items()) if depth else CUT
    if isinstance(document, (list, tuple)):
        return [cleaned(value, depth - 1) for value in document] if depth else CUT
    return document


def keyed(pairs: Iterable[Tuple[Any, Any]]) -> Dict[str, Any]:
    """An object of clean keys. Where two would become one, both are kept: the later with a U+FFFD more."""
    found: Dict[str, Any] = {}
    for key, value in pairs:
        name = clean(str(key))
        while name in found:
            name += REPLACEMENT
        found[name] = value
    return found


def is_deep(document: Any, most: int = DEEPEST) -> bool:
    """Whether it is nested deeper than this. A loop, since depth is what it is about."""
    level: List[Any] = [document]
    for _ in range(most + 1):
        below: List[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += (each for each in value.values() if isinstance(each, (dict, list)))
            elif isinstance(value, list):
                below += (each for each in value if isinstance(each, (dict, list)))
        if not below:
            return False
        level = below
    return True
