"""Sentences that are kept for whoever reads: in English, and what they are made of, by which they are told in the reader's language.

Such a one is kept as `{"text", "code", "facts"}`; one that nobody can say anew, as its text alone. Facts may be such sentences too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import translation

from core import words
from duto.spec.sentences import SENTENCES, Said, parts, parts_in

Kept = str | Mapping[str, Any]
# Numbers as `duto.spec.units` writes them, and whole ones in groups.
MEASURED, GROUPED = re.compile(r"\d+\.\d+ (?:[KMGT]?i?B|s)"), re.compile(r"\d{1,3}(?:,\d{3})+")
NO_MORE: Mapping[str, str] = {}


def kept(report: Mapping[str, Any], text: str) -> Kept:
    """A text of a report with what the report says that it is made of."""
    return of_parts(text, parts_in(report, text))


def of_parts(text: str, made_of: Mapping[str, Any] | None) -> Kept:
    """A text with what it is made of, where that is known."""
    return {"text": text, **made_of} if made_of else text


def keep(sentence: Said) -> Kept:
    """A sentence that this program says as hosts do."""
    return {"text": str.__str__(sentence), **parts(sentence)}


def here(sentence: Said) -> str:
    """In the reader's language; the sentence itself where it is to be stored, so that it can be kept with what it is made of."""
    return sentence if words.is_of_the_code() else localized(keep(sentence))


def made(code: str, own: Mapping[str, str], /, **facts: Any) -> dict[str, Any]:
    """A sentence of ours, by a table of one's own, to be kept."""
    plain = {name: text_of(value) if isinstance(value, Mapping) else value for name, value in facts.items()}
    return {"text": own[code] % plain, "code": code, "facts": facts}


def text_of(sentence: Kept) -> str:
    """In English, as programs get it."""
    return sentence if isinstance(sentence, str) else str(sentence.get("text", ""))


def parts_of(sentence: Kept) -> dict[str, Any] | None:
    """The code and the facts alone, for a row that has the text elsewhere."""
    return None if isinstance(sentence, str) else {"code": sentence["code"], "facts": sentence["facts"]}


def once(sentences: Iterable[Kept]) -> list[Kept]:
    """Each of them once, by its text."""
    found: dict[str, Kept] = {}
    for each in sentences:
        found.setdefault(text_of(each), each)
    return list(found.values())


def localized(sentence: Kept, own: Mapping[str, str] = NO_MORE) -> str:
    """In the reader's language. What another release has said otherwise is told as it was said."""
    text = text_of(sentence)
    if isinstance(sentence, str) or words.is_of_the_code():
        return text
    code, facts = sentence.get("code"), sentence.get("facts")
    template = own.get(str(code)) or SENTENCES.get(str(code))
    if template is None or not isinstance(facts, Mapping):
        return text
    try:
        english = template % {
            name: text_of(each) if isinstance(each, Mapping) else each for name, each in facts.items()
        }
        return (
            translation.gettext(template) % {name: _fact(each, own) for name, each in facts.items()}
            if english == text
            else text
        )
    except (KeyError, TypeError, ValueError):
        return text


def _fact(value: Any, own: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return localized(value, own)
    if isinstance(value, str) and MEASURED.fullmatch(value):
        return words.decimal(value)
    return value.replace(",", "\u00a0") if isinstance(value, str) and GROUPED.fullmatch(value) else value
