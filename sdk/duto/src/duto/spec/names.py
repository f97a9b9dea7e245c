"""What a name may be, kind by kind.

Ports, datastores and compute targets follow Azure ML's rules, a little widened; names that only people read
(steps, experiments, datasets, models) may hold spaces, as programs use them ("Evaluate Model ").
"""

from __future__ import annotations

import re
from typing import Dict, Pattern, Tuple

from duto.spec.errors import refuse

_FREE = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
# Two that differ in what nobody sees would be two experiments.
_TRIM = re.compile(r"(?!\s)[^/\\\x00-\x1f\x7f]{1,255}(?<!\s)")

RULES: Dict[str, Tuple[Pattern[str], str]] = {
    "port": (re.compile(r"[A-Za-z0-9_]{1,255}"), "letters, digits and underscores, at most 255"),
    "datastore": (re.compile(r"[a-z0-9_]{1,255}"), "lower-case letters, digits and underscores, at most 255"),
    "compute": (
        re.compile(r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]"),
        "3 to 24 letters, digits and hyphens, with a letter first and no hyphen last",
    ),
    "workspace": (
        re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,30}[A-Za-z0-9])?"),
        "1 to 32 letters, digits, hyphens and underscores",
    ),
    "parameter": (
        re.compile(r"[^\x00-\x1f\x7f=]{1,255}"),
        "1 to 255 characters, without `=` and line breaks",
    ),
    "variable": (re.compile(r"[^\x00=]{1,255}"), "1 to 255 characters, without `=`"),
    "step": (re.compile(r"[^\x00-\x1f\x7f]{1,255}"), "1 to 255 characters, without line breaks"),
    "experiment": (_TRIM, "1 to 255 characters, without slashes, line breaks and blanks at the ends"),
    "dataset": (_FREE, "1 to 255 characters, without slashes and line breaks"),
    "model": (_FREE, "1 to 255 characters, without slashes and line breaks"),
    "environment": (_FREE, "1 to 255 characters, without slashes and line breaks"),
}

# What people call a kind, where that is another word.
_NOUNS = {"port": "input or output", "compute": "compute target"}


def is_name(kind: str, name: object) -> bool:
    """Whether `name` may name a thing of this kind (a key of `RULES`)."""
    if not isinstance(name, str) or not name.strip() or name in (".", ".."):
        return False
    return RULES[kind][0].fullmatch(name) is not None


def check_name(kind: str, name: object) -> str:
    """The name itself. Raises `SpecError` with code `bad_name` that says what is allowed."""
    if is_name(kind, name):
        return str(name)
    noun = _NOUNS.get(kind, kind)
    article = "an" if noun[0] in "aeiou" else "a"
    raise refuse("bad_name", f"{name!r:.80} cannot name {article} {noun}: use {RULES[kind][1]}.")
