"""Sentences that are kept with a row, for whoever reads it: stored in English with a code, told in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import words

SENTENCES: Mapping[str, str | Promise] = {
    "environment": _("The environment is being built."),
    "not_allowed": _("Not reused: the step says allow_reuse=False."),
    "first": _("Not reused: no step of this name has completed here before."),
    "reused": _("Reused from #%(number)s: nothing that the step depends on has changed."),
    "adopted": _("Adopted from #%(number)s: it completed there, and nothing that it depends on has changed."),
    "source_gone": _("It runs again: the run that #%(number)s had its result from is deleted."),
}
# The names of what differs are listed beside it, and a sentence made of them is English.
DIFFERENT = _("It differs from #%(number)s in what is listed here.")


def say(code: str, **facts: Any) -> str:
    """The sentence of this code in the present language."""
    return str(SENTENCES[code]) % facts


def said(kept: Mapping[str, Any]) -> str:
    """The `text` of what is kept, as far as its `code` and its facts are enough to say it to another reader."""
    text, code = str(kept.get("text", "")), str(kept.get("code", ""))
    facts = {"number": (kept.get("compared_with") or {}).get("number")}
    if code == "different":
        return str(DIFFERENT) % facts if not words.is_of_the_code() else text
    if code not in SENTENCES:
        return text
    with words.stored():
        beginning = say(code, **facts)
    # What an older studio or another service has said otherwise is told as it is.
    return say(code, **facts) + text.removeprefix(beginning) if text.startswith(beginning) else text
