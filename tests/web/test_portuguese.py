"""Every page that links lead to, as somebody sees it who reads Portuguese: it says nothing in English."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from studio.words import po
from tests.web.conftest import Site

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
WORDS = po.read((ROOT / "locale/pt_PT/LC_MESSAGES/django.po").read_text())
ENGLISH = {
    po.each(message.id)[0]
    for message in WORDS
    if message.id and not message.context and po.forms(message)[:1] != po.each(message.id)[:1]
}
SENTENCE = re.compile(r"\b(the|is|of|and|with|not|has|was|are|this|for|from|that)\b")
# Names of the audit's, and what this site's node says, as a host would.
GIVEN = {
    "name", "host", "until", "Disabled", "version", "It has less than it asks for.", "ValueError: no penguin on this picture",
    "nightly #1 failed at the step train",
}  # fmt: skip
# Messages are in English, whoever reads the page that shows one.
SINCE = re.compile(r"since [-\d]{10} [:\d]{8} UTC; it is the first failure in a row")
LINK = re.compile(r'(?:href|src)="(/[^"#]*)"')
OTHERS = re.compile(r"/(static|api|accounts|logout|language)")
QUOTED = re.compile(r"<(script|pre|code|style)\b.*?</\1>", re.S)
SAID = re.compile(r'>([^<>]+)<|(?:aria-label|title|placeholder|alt)="([^"]+)"')
MOST = 400


def said(page: str) -> Iterator[str]:
    for text, label in SAID.findall(QUOTED.sub("", page)):
        yield html.unescape(text or label).strip()


def pages(client: Client, start: str) -> Iterator[tuple[str, str]]:
    """Each page that can be looked at, with its address."""
    pending, seen = [start], set[str]()
    while pending and len(seen) < MOST:
        address = pending.pop(0)
        if address in seen or OTHERS.match(address):
            continue
        seen.add(address)
        answer = client.get(address, headers={"Accept-Language": "pt-PT"})
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            page = answer.content.decode()
            pending += map(html.unescape, LINK.findall(page))
            yield address, page


def test_no_page_says_anything_in_english(full: Site) -> None:
    found, looked_at = {}, 0
    for address, page in pages(full.visitor(full.owner), "/w/lab/"):
        looked_at += 1
        texts = {text for text in said(page) if text in ENGLISH or SENTENCE.search(text)} - GIVEN
        texts = {text for text in texts if not SINCE.fullmatch(text)}
        if texts:
            found[address] = sorted(texts)
    assert not found, "\n".join(f"{address}: {texts}" for address, texts in found.items())
    assert looked_at > 60
