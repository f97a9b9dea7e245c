"""What differs between two fingerprints: kept in English as `duto.spec.fingerprint` says it, told in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import words

PARTS: Mapping[str, str | Promise] = {
    "snapshot": _("snapshot"),
    "script": _("script"),
    "arguments": _("arguments"),
    "inputs": _("inputs"),
    "parameters": _("parameters"),
    "environment": _("environment"),
    "outputs": _("outputs"),
    "compute": _("compute"),
    "variables": _("variables"),
    "params": _("params"),
    "version": _("version"),
}
ANY = (
    _("`%(name)s` is new"),
    _("`%(name)s` is gone"),
    _("`%(name)s` changed"),
    _("`%(name)s` %(old)s → %(new)s"),
    _("%(part)s %(old)s → %(new)s"),
)
# What may be said of a part alone.
OF_PART: Mapping[str, tuple[str | Promise, ...]] = {
    "snapshot": (_("the files of the source directory changed"),),
    "environment": (_("the environment's packages changed"),),
    "arguments": (_("the order of the arguments changed"),),
    "inputs": (
        _("input `%(name)s` is new"),
        _("input `%(name)s` is gone"),
        _("input `%(name)s` changed"),
        _("the order of the inputs changed"),
    ),
    "outputs": (
        _("output `%(name)s` is new"),
        _("output `%(name)s` is gone"),
        _("output `%(name)s` changed"),
        _("the order of the outputs changed"),
    ),
    "parameters": (
        _("parameter `%(name)s` is new"),
        _("parameter `%(name)s` is gone"),
        _("parameter `%(name)s` changed"),
        _("parameter `%(name)s` %(old)s → %(new)s"),
        _("the order of the parameters changed"),
    ),
    "variables": (
        _("variable `%(name)s` is new"),
        _("variable `%(name)s` is gone"),
        _("variable `%(name)s` %(old)s → %(new)s"),
        _("the order of the variables changed"),
    ),
    "params": (
        _("param `%(name)s` is new"),
        _("param `%(name)s` is gone"),
        _("param `%(name)s` %(old)s → %(new)s"),
        _("the order of the params changed"),
    ),
}
# What an argument may stand for.
BOUND: Mapping[str, str | Promise] = {
    "input": _("the input %(name)s"),
    "output": _("the output %(name)s"),
    "parameter": _("the parameter %(name)s"),
}
HOLE = "\0"


def part_word(part: str) -> str:
    """A part of a fingerprint; one that is not known by its own name."""
    return str(PARTS.get(part, part))


def localized(found: Mapping[str, Any]) -> str:
    """A difference, as `Difference.to_document()` has it, without a full stop. What is said otherwise is told as it is."""
    text = str(found.get("text", ""))
    if words.is_of_the_code():
        return text
    for sentence in (*OF_PART.get(str(found.get("part")), ()), *ANY):
        values = _values(sentence, found, text)
        if values is not None:
            part = part_word(str(found.get("part")))
            return str(sentence) % {"name": found.get("name"), "part": part, **values}
    return text


def listed(found: Sequence[Mapping[str, Any]], most: int = 5) -> str:
    """At most so many of the differences, and how many more there are."""
    texts = [localized(each) for each in found[:most]]
    more = [gettext("and %(n)d more") % {"n": len(found) - most}] if len(found) > most else []
    return ", ".join([*texts, *more])


def _values(sentence: str | Promise, found: Mapping[str, Any], text: str) -> dict[str, str] | None:
    """The old and the new value, where the text is this sentence and has them; nothing where it is another one."""
    facts = {"name": found.get("name"), "part": found.get("part"), "old": HOLE, "new": HOLE}
    with words.stored():
        beginning, *between = (str(sentence) % facts).split(HOLE)
    if not between:
        return {} if text == beginning else None
    old, arrow, new = text.removeprefix(beginning).partition(between[0])
    if not text.startswith(beginning) or not arrow:
        return None
    return {"old": _value(found.get("old"), old), "new": _value(found.get("new"), new)}


def _value(value: Any, text: str) -> str:
    if value is None:
        return gettext("none")
    if isinstance(value, Mapping) and len(value) == 1:
        kind, name = next(iter(value.items()))
        return str(BOUND[kind]) % {"name": name} if kind in BOUND else text
    return text
