"""All that an owner's links lead to, as somebody sees it who reads Portuguese: it is there, and says nothing in English."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.words import po
from tests.web.conftest import Site
from tests.web.test_links import FOLLOW, Walk, beginnings

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
WORDS = po.read((ROOT / "locale/pt_PT/LC_MESSAGES/django.po").read_text())
ENGLISH = {
    po.each(message.id)[0]
    for message in WORDS
    if message.id and not message.context and po.forms(message)[:1] != po.each(message.id)[:1]
}
# "for" is Portuguese, too.
SENTENCE = re.compile(r"\b(the|is|of|and|with|not|has|was|are|this|from|that)\b")
# Names of the audit's, and what this site's node says, as a host would.
GIVEN = {
    "name", "host", "until", "Disabled", "version", "It has less than it asks for.", "ValueError: no penguin on this picture",
    "nightly #1 failed at the step train", "outputs", "images",
}  # fmt: skip
# Messages are in English, whoever reads the page that shows one.
SINCE = re.compile(r"since [-\d]{10} [:\d]{8} UTC; it is the first failure in a row")
OTHERS = re.compile(r"/(api|accounts)/")
QUOTED = re.compile(r"<(script|pre|code|style)\b.*?</\1>", re.S)
SAID = re.compile(r'>([^<>]+)<|(?:aria-label|title|placeholder|alt)="([^"]+)"')


def said(page: str) -> Iterator[str]:
    for text, label in SAID.findall(QUOTED.sub("", page)):
        yield html.unescape(text or label).strip()


def test_every_link_leads_somewhere_and_no_page_says_anything_in_english(full: Site) -> None:
    found, looked_at = dict[str, list[str]](), set[str]()

    def look(address: str, page: str) -> None:
        looked_at.add(address)
        texts = {text for text in said(page) if text in ENGLISH or SENTENCE.search(text)} - GIVEN
        texts = {text for text in texts if not SINCE.fullmatch(text)}
        if texts and not OTHERS.match(address):
            found[address] = sorted(texts)

    walk = Walk(full.people["owner"], beginnings(full, set()), FOLLOW["owner"], "pt-PT", look).all()
    assert walk.broken == {}
    assert not found, "\n".join(f"{address}: {texts}" for address, texts in found.items())
    assert len(looked_at) > 150
