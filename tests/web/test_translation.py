"""Every word of a template that people see goes through gettext."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# Names and units, which are the same in every language.
NAMES = frozenset(["duto", "gpu", "api", "cdi", "powershell", "python", "utc", "null", "spark", "slurm", "config.json"])
NOT_WORDS = (
    r"\{% *(blocktrans|blocktranslate|comment)\b.*?\{% *end\1 *%\}",
    r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}",
    r"<(script|code|pre|kbd)\b.*?</\1>",
    r"&\w+;",
)
SPOKEN = re.compile(r'\b(?:aria-label|title|placeholder|alt|data-confirm[a-z-]*)="([^"]*)"')
# A label that a template hands to another one: `with label="Runs"`.
HANDED = re.compile(r'\{%[^%]*\b(?:label|title|text|action)="([A-Z][^"]*)"')


def untranslated(html: str) -> list[str]:
    handed = HANDED.findall(html)
    for pattern in NOT_WORDS:
        html = re.sub(pattern, " ", html, flags=re.S)
    said = [*SPOKEN.findall(html), *re.findall(r">([^<>]*)<", html), *handed]
    found = [word for text in said for word in re.findall(r"[A-Za-z][\w.]+", text)]
    return [word for word in found if word.strip(".").lower() not in NAMES]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_says_nothing_that_cannot_be_translated(template: Path) -> None:
    assert untranslated(template.read_text()) == []


@pytest.mark.parametrize(
    "html",
    ["<b>Runs</b>", '<a title="Open it"></a>', '{% include "x.html" with label="Runs" %}', "<b>{{ n }} left</b>"],
)
def test_what_is_not_translated_is_found(html: str) -> None:
    assert untranslated(html)


@pytest.mark.parametrize(
    "html",
    [
        '<b>{% trans "Runs" %}</b>',
        "<b>{% blocktrans %}{{ n }} left{% endblocktrans %}</b>",
        "<kbd>esc</kbd>",
        "<b>GPU</b>",
    ],
)
def test_what_is_translated_or_a_name_is_not(html: str) -> None:
    assert untranslated(html) == []
