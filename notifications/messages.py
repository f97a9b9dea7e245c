"""Renders a message for each way. Pure: from the facts of alerts to subjects, texts and documents.

Names and causes are what people and programs chose: each way escapes them, so that they mention nobody in a chat and are no markup
in a mail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import linebreaksbr
from django.utils.html import format_html, format_html_join

Facts = Mapping[str, Any]
# How many alerts a digest lists by each way; its count says how many there are. Chats take some thousand characters.
LISTED = {"email": 20, "webhook": 50, "slack": 10, "mattermost": 10, "teams": 10, "browser": 5}
LISTED_FOR_PROGRAMS = LISTED["webhook"]
# Of each text of a digest in a chat, in characters.
CHAT_TEXT_LENGTH = 200
TEST = "This is a test: notifications of this studio arrive here."
TYPES = {
    "failed": "run.failed",
    "recovered": "run.recovered",
    "late": "run.late",
    "waiting": "run.waiting",
    "missed": "schedule.missed",
    "model": "model.registered",
    "drift": "data.drifted",
    "performance": "model.degraded",
}
SUBJECT_WORDS = {
    "failed": "failed",
    "recovered": "recovered",
    "late": "late",
    "waiting": "waiting",
    "missed": "missed",
    "model": "models registered",
    "drift": "drifted",
    "performance": "models degraded",
}
COLORS = {
    "failed": "attention",
    "missed": "attention",
    "drift": "attention",
    "performance": "attention",
    "recovered": "good",
}


@dataclass(frozen=True)
class Item:
    """One alert of a message: its event and its facts."""

    event: str
    facts: Facts


@dataclass(frozen=True)
class Message:
    """All that a message is made of, whatever way it goes."""

    id: str
    # In ISO 8601.
    at: str
    workspace: str
    # The rule's name; empty of a test.
    rule: str
    count: int
    alerts: Sequence[Item]
    # The page of the delivery, and that of the settings.
    url: str
    settings_url: str
    is_test: bool = False
    # Of a mail: where one says that one wants no more of them.
    unsubscribe_url: str = ""

    @property
    def subject(self) -> str:
        """The one line of a mail's subject, a chat's heading, a notice's title."""
        if self.is_test:
            return f"[{self.workspace}] Test of notifications"
        if self.count == 1:
            return _line(f"[{self.workspace}] {self.alerts[0].facts['title']}")
        counts = [f"{sum(each.event == event for each in self.alerts)} {word}" for event, word in SUBJECT_WORDS.items()]
        named = ", ".join(text for text in counts if not text.startswith("0 "))
        return _line(f"[{self.workspace}] {self.count} notifications" + (f": {named}" if not self.more else ""))

    @property
    def more(self) -> int:
        """How many alerts are not listed."""
        return max(0, self.count - len(self.alerts))


def mail(message: Message) -> tuple[str, str]:
    """A mail's text, and the same as HTML, which brings no styles: the reader's mail program has its own."""
    return _plain(message), _html(message)


def _html(message: Message) -> str:
    parts = [format_html("<p>{}</p>", TEST)] if message.is_test else []
    if message.count > 1:
        parts.append(format_html("<h2>{}</h2>", message.subject))
    for each in message.alerts:
        facts = each.facts
        parts.append(format_html('<h3><a href="{}">{}</a></h3>', facts["url"], facts["title"]))
        parts += [format_html("<p>{}</p>", linebreaksbr(line, autoescape=True)) for line in _lines_of(facts)]
        if facts.get("log_url"):
            parts.append(format_html('<p><a href="{}">Log</a></p>', facts["log_url"]))
    if message.more:
        parts.append(format_html('<p><a href="{}">and {} more</a></p>', message.url, message.more))
    footer = [format_html("{}", _origin(message)), format_html('<a href="{}">Settings</a>', message.settings_url)]
    if message.unsubscribe_url:
        footer.append(format_html('<a href="{}">Unsubscribe</a>', message.unsubscribe_url))
    parts.append(
        format_html("<hr><p><small>{}</small></p>", format_html_join(" · ", "{}", ((each,) for each in footer)))
    )
    body = format_html_join("\n", "{}", ((each,) for each in parts))
    head = format_html('<meta charset="utf-8"><title>{}</title>', message.subject)
    return format_html('<!DOCTYPE html>\n<html lang="en"><head>{}</head><body>\n{}\n</body></html>\n', head, body)


def _origin(message: Message) -> str:
    return f"Workspace {message.workspace}" + (f", rule {message.rule}" if message.rule else "")


def _plain(message: Message) -> str:
    if message.is_test:
        parts = [TEST]
    else:
        parts = [
            "\n".join([str(each.facts["title"]), *_lines_of(each.facts), *_links(each.facts)])
            for each in message.alerts
        ]
    if message.more:
        parts.append(f"and {message.more} more: {message.url}")
    footer = [_origin(message), f"Settings: {message.settings_url}"]
    if message.unsubscribe_url:
        footer.append(f"Unsubscribe: {message.unsubscribe_url}")
    return "\n\n".join([*parts, "-- \n" + "\n".join(footer)]) + "\n"


def _lines_of(facts: Facts) -> list[str]:
    """Why, where and since when."""
    found = [str(facts["why"])]
    if facts.get("where"):
        found.append(f"in {facts['where']}")
    if facts.get("others"):
        found.append(f"{facts['others']} more of its steps failed")
    if facts.get("since_text"):
        found.append(str(facts["since_text"]))
    return found


def _links(facts: Facts) -> list[str]:
    found = [str(facts["url"])]
    if facts.get("log_url"):
        found.append(f"Log: {facts['log_url']}")
    return found


def webhook(message: Message) -> dict[str, Any]:
    """The body of a webhook, for programs."""
    kind = "test" if message.is_test else TYPES[message.alerts[0].event] if message.count == 1 else "digest"
    return {
        "type": kind,
        "id": message.id,
        "timestamp": message.at,
        "data": {
            "workspace": message.workspace,
            "rule": message.rule,
            "count": message.count,
            "url": message.url,
            "alerts": [{"type": TYPES[each.event], **each.facts} for each in message.alerts],
        },
    }


def slack(message: Message) -> dict[str, Any]:
    """An incoming webhook of Slack: mrkdwn, in which `&`, `<` and `>` alone mean something by themselves."""
    return {"text": _chat(message, _slack_text, lambda text, url: f"<{url.replace('|', '%7C')}|{text}>", "*")}


def mattermost(message: Message) -> dict[str, Any]:
    """An incoming webhook of Mattermost: Markdown."""
    return {"text": _chat(message, _markdown, lambda text, url: f"[{text}]({_in_brackets(url)})", "**")}


def teams(message: Message) -> dict[str, Any]:
    """A workflow of Microsoft Teams that posts an adaptive card."""
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": _markdown(message.subject), "weight": "bolder", "size": "medium", "wrap": True}
    ]
    for each in message.alerts:
        facts = each.facts
        text = f"[{_markdown(_shortened(message, facts['title']))}]({_in_brackets(facts['url'])})"
        color = COLORS.get(each.event, "default")
        body.append({"type": "TextBlock", "text": text, "color": color, "wrap": True, "separator": True})
        lines = [_markdown(_shortened(message, line)) for line in _lines_of(facts)]
        if facts.get("log_url"):
            lines.append(f"[log]({_in_brackets(facts['log_url'])})")
        body += [{"type": "TextBlock", "text": line, "wrap": True, "spacing": "none"} for line in lines]
    if message.more:
        more = f"[and {message.more} more]({_in_brackets(message.url)})"
        body.append({"type": "TextBlock", "text": more, "wrap": True})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def browser(message: Message) -> dict[str, Any]:
    """What a page shows by itself, or asks the browser to."""
    first = message.alerts[0].facts if message.alerts else {}
    texts = [str(first.get("why", ""))] if message.count == 1 else [str(each.facts["title"]) for each in message.alerts]
    return {
        "notice": message.id,
        "title": message.subject,
        "body": "\n".join(texts[:5])[:300],
        "url": first.get("url", message.url) if message.count == 1 else message.url,
    }


RENDERERS: Mapping[str, Callable[[Message], dict[str, Any]]] = {
    "webhook": webhook,
    "slack": slack,
    "teams": teams,
    "mattermost": mattermost,
}


def body(way: str, message: Message) -> bytes:
    """The bytes of a webhook: the same at each try."""
    return json.dumps(RENDERERS[way](message), ensure_ascii=False, separators=(",", ":")).encode()


def _shortened(message: Message, text: object) -> str:
    """A text of a chat, cut where the message is a digest."""
    shown = str(text)
    return shown if message.count == 1 or len(shown) <= CHAT_TEXT_LENGTH else f"{shown[: CHAT_TEXT_LENGTH - 1]}…"


def _chat(message: Message, plain: Callable[[object], str], link: Callable[[str, str], str], strong: str) -> str:
    parts = [f"{strong}{plain(message.subject)}{strong}"]
    for each in message.alerts:
        facts = each.facts
        title = plain(_shortened(message, facts["title"]))
        lines = [link(title, facts["url"]), *(plain(_shortened(message, line)) for line in _lines_of(facts))]
        if facts.get("log_url"):
            lines.append(link("log", facts["log_url"]))
        parts.append("\n".join(lines))
    if message.more:
        parts.append(link(f"and {message.more} more", message.url))
    return "\n\n".join(parts)


def _slack_text(text: object) -> str:
    """With the three characters escaped by which Slack finds links, people and channels."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


MARKDOWN_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>])")


def _markdown(text: object) -> str:
    """With Markdown escaped, and mentioning nobody: a space of no width stands behind each at-sign."""
    return MARKDOWN_MARKS.sub(r"\\\1", str(text)).replace("@", "@\u200b").replace("\n", "  \n")


def _in_brackets(url: object) -> str:
    return str(url).replace("(", "%28").replace(")", "%29").replace(" ", "%20")


def _line(text: str, longest: int = 200) -> str:
    """One line, as headers of a mail are."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
