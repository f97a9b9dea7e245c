"""The tab Nodes of a step on several nodes: what there is on each, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from runs import stored_messages
from runs.models import Attempt
from runs.queries.documents import members_of

# Each has a log that is read and followed.
MOST = 8


@dataclass(frozen=True)
class Member:
    """A row of a node: how it is there, and in words why it ended so."""

    attempt: Attempt
    message: str

    @property
    def memory(self) -> int | None:
        """Bytes at most."""
        usage = self.attempt.usage or {}
        return usage.get("peak_memory") or usage.get("max_rss")


@dataclass(frozen=True)
class Members:
    """What runs/panel/members.html may show: `members` by their place, the first of them with their logs."""

    run_id: object
    attempt: Attempt | None
    members: list[Member]

    @property
    def shown(self) -> list[Attempt]:
        return [each.attempt for each in self.members if each.attempt.leased_at is not None][:MOST]


def members(run_id: object, attempt: Attempt | None) -> Members:
    """Of the try that is looked at."""
    found = members_of(attempt) if attempt is not None else []
    texts = (stored_messages.error_text({"message": each.message, "said": each.said}) for each in found)
    return Members(run_id, attempt, [Member(each, text or "") for each, text in zip(found, texts, strict=True)])
