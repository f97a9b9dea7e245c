"""Which Python is asked for: one version (`3.8`), bounds (`>=3.8,<3.11`), or None for whatever is at hand."""

from __future__ import annotations

import re
from typing import Callable, Dict, List, Optional, Tuple

from duto.spec.errors import Problem, SpecError

Numbers = Tuple[int, ...]
# Versions that a bound is tried on, to see whether it is one.
_MINORS, _PATCHES = range(41), range(41)
LONGEST = 100
OLDEST = 8  # the minor version before which no step can begin
_EXACT = re.compile(r"^\d+\.\d+$")
_CLAUSE = re.compile(
    r"^(?P<sign>===?|~=|!=|<=|>=|=|<|>)?(?P<version>\d{1,4}(?:\.\d{1,4}){0,3})(?P<open>\.?\*)?(?:=[\w*.]*)?$"
)
# At the precision that was written: `>3.8` begins at 3.9 and `<=3.9` takes 3.9.5, as people mean them.
_SIGNS: Dict[str, Callable[[Numbers, Numbers], bool]] = {
    "": lambda version, wanted: version[: len(wanted)] == wanted,
    "!=": lambda version, wanted: version[: len(wanted)] != wanted,
    "<=": lambda version, wanted: version[: len(wanted)] <= wanted,
    ">": lambda version, wanted: version[: len(wanted)] > wanted,
    "<": lambda version, wanted: version < wanted,
    ">=": lambda version, wanted: version >= wanted,
    "~=": lambda version, wanted: version >= wanted and version[: len(wanted) - 1] == wanted[:-1],
}


def asked_for(text: Optional[str]) -> Optional[str]:
    """The normal form of what a program or a conda file says, such as `3.8.13`, `=3.8`, `>=3.7,<3.9`, `3.6|3.7`.

    One minor version is `major.minor`; bounds that no supported Python is outside of are None. Raises `SpecError`.
    """
    if text is None or not str(text).strip(" *"):
        return None
    given = str(text).strip()
    if len(given) > LONGEST:
        raise _none(given)
    if re.match(r"^\d[\w.*]*\s+\S+$", given):  # `3.8.5 h7579374_1`, as `conda list` prints
        given = given.split()[0]
    found = [_normal(each, str(text)) for each in re.sub(r"\s+", "", given).split("|")]
    if any(each is None for each in found):
        return None
    return max((each for each in found if each), key=_newest)


def fits(version: str, asked: str) -> bool:
    """Whether a full version is inside a normal form."""
    numbers = numbers_of(version)
    return all(_SIGNS[sign](numbers, wanted) for sign, wanted in _clauses(asked, asked))


def is_exact(asked: str) -> bool:
    """Whether a normal form is one minor version."""
    return _EXACT.match(asked) is not None


def minors(asked: str) -> List[int]:
    """The minor versions of Python 3 of which a release is inside a normal form; at most 3.40 is thought of."""
    clauses = _clauses(asked, asked)
    return [
        minor
        for minor in _MINORS
        if any(all(_SIGNS[sign]((3, minor, patch), wanted) for sign, wanted in clauses) for patch in _PATCHES)
    ]


def numbers_of(version: str) -> Numbers:
    """The numbers of a version, at most three of them."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _normal(text: str, whole: str) -> Optional[str]:
    _clauses(text, whole)
    if text[:1].isdigit() or (text[:1] == "=" and "," not in text):
        numbers = numbers_of(text)
        if len(numbers) > 1:
            return f"{numbers[0]}.{numbers[1]}"
    inside = minors(text)
    if len(inside) == 1:
        return f"3.{inside[0]}"
    if set(inside) >= set(_MINORS[OLDEST:]):
        return None
    clauses = {re.sub(r"^={1,3}", "==", each) for each in text.split(",") if each}
    return ",".join(sorted(clauses, reverse=True))  # which puts what it begins at first


def _newest(asked: str) -> Numbers:
    return numbers_of(asked) if is_exact(asked) else (3, max(minors(asked), default=0))


def _clauses(text: str, whole: str) -> List[Tuple[str, Numbers]]:
    found = [_CLAUSE.match(each) for each in text.split(",") if each]
    if not found or not all(found):
        raise _none(whole)
    return [(_sign(each.group("sign")), numbers_of(each.group("version"))) for each in found if each]


def _none(said: str) -> SpecError:
    return SpecError([Problem("bad_requirement", f"{said[:LONGEST]!r} is no version of Python.")])


def _sign(written: Optional[str]) -> str:
    return "" if written in (None, "=", "==", "===") else str(written)
