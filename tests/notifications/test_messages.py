"""What messages look like: whatever names and causes hold, they mean nothing in a mail, a card or a chat. Pure."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from notifications import messages, signing
from notifications.history import LEAST_RUNS, LEAST_TIME, percentile, streak
from notifications.messages import Item, Message

NASTY = (
    '<!channel> @here <script>alert(1)</script> [x](http://evil) *b* & "q" `c` | # \n\n<https://evil|click> @channel'
)
FACTS = {
    "title": NASTY,
    "why": NASTY,
    "where": "a.py:1",
    "since_text": "since then",
    "url": "https://studio/w/lab/runs/1/",
    "log_url": "https://studio/log?a=1&b=(2)#L3",
    "others": 2,
}


def message(count: int = 1, event: str = "failed", **more: Any) -> Message:
    return Message(
        id="msg_1", at="2026-01-01T00:00:00Z", workspace="lab", rule="r", count=count, alerts=[Item(event, FACTS)] * min(count, messages.LISTED["email"]),
        url="https://studio/d/", settings_url="https://studio/s/", unsubscribe_url="https://studio/u/", **more,
    )  # fmt: skip


def test_slack_finds_nobody_and_no_link_in_a_name() -> None:
    text = messages.slack(message())["text"]
    assert "<!channel>" not in text and "&lt;!channel&gt;" in text and "<https://evil" not in text
    assert [part.split("|")[0] for part in text.split("<")[1:]] == ["https://studio/w/lab/runs/1/", FACTS["log_url"]]


@pytest.mark.parametrize("way", ["mattermost", "teams"])
def test_markdown_has_no_marks_of_a_name(way: str) -> None:
    text = json.dumps(messages.RENDERERS[way](message()), ensure_ascii=False)
    assert (
        "@here" not in text
        and "@channel" not in text
        and "[x](http" not in text
        and "<script>" not in text.replace("\\\\<", "")
    )
    assert "(https://studio/w/lab/runs/1/)" in text and "b=%282%29" in text


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs).get("href")))


def test_a_mail_is_markup_of_ours_alone() -> None:
    text, html = messages.mail(message())
    reader = Tags()
    reader.feed(html)
    assert {tag for tag, _href in reader.found} == {
        "html",
        "head",
        "meta",
        "title",
        "body",
        "h3",
        "a",
        "p",
        "br",
        "hr",
        "small",
    }
    links = [href for tag, href in reader.found if tag == "a"]
    assert links == [FACTS["url"], FACTS["log_url"], "https://studio/s/", "https://studio/u/"]
    assert all(url in text for url in links) and "2 more of its steps failed" in text
    assert "\n" not in message().subject and len(message().subject) <= 200


def test_a_digest_counts_all_and_lists_some() -> None:
    found = message(500)
    text, html = messages.mail(found)
    assert found.subject.startswith("[lab] 500 notifications") and found.more == 480
    assert text.count("since then") == 20 and "480 more" in text and "480 more" in html
    assert messages.webhook(found)["type"] == "digest" and messages.webhook(found)["data"]["count"] == 500
    assert messages.webhook(message(event="missed"))["type"] == "schedule.missed"
    assert messages.browser(found)["url"] == "https://studio/d/"


def test_a_test_says_so_by_each_way() -> None:
    found = message(0, is_test=True)
    for way in messages.RENDERERS:
        assert b"est" in messages.body(way, found)
    assert messages.TEST in messages.mail(found)[0] and messages.TEST in messages.mail(found)[1]


@given(st.binary(max_size=300))
def test_signatures_hold_by_the_library_of_receivers(body: bytes) -> None:
    key, moment = signing.new_key(), datetime.now(UTC)
    theirs = Webhook(key).sign("msg_1", moment, body.hex())
    assert theirs == f"v1,{signing.signature(key, 'msg_1', int(moment.timestamp()), body.hex().encode())}"


def test_a_streak_of_failures_ends_at_a_success() -> None:
    at = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 6)]
    ends = ["Failed", "Completed", "Failed", "Failed"]
    found = streak(list(zip(at, ends, strict=False)))
    assert found is not None and (found.count, found.since) == (2, at[2])
    assert streak([]) is None and streak([(at[0], "Failed"), (at[1], "Completed")]) is None


@given(st.lists(st.integers(1, 10_000), min_size=LEAST_RUNS, max_size=120))
def test_nineteen_of_twenty_runs_are_within_the_usual_time(minutes: list[int]) -> None:
    usual = percentile([timedelta(minutes=each) for each in minutes])
    assert usual is not None and usual >= LEAST_TIME
    assert sum(timedelta(minutes=each) <= usual for each in minutes) >= 0.95 * len(minutes)
    assert percentile([LEAST_TIME] * (LEAST_RUNS - 1)) is None


@pytest.mark.parametrize(("way", "most"), [("slack", 40_000), ("mattermost", 16_000), ("teams", 28_000)])
def test_a_chat_has_room_for_a_digest_of_long_texts(way: str, most: int) -> None:
    facts = {
        **FACTS,
        "title": "*[x](y)_" * 100,
        "why": "<&>[*]" * 170,
        "url": "https://studio.example.org/" + "a" * 200,
    }
    alerts = [Item("failed", facts)] * messages.LISTED[way]
    assert len(messages.body(way, dataclasses.replace(message(500), alerts=alerts))) < most
