"""Who may watch what. Apps above register the topics they tell of; what nobody registered is denied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core import clock, outbox
from workspaces.models import Member, User

# Says whether the user may watch `<prefix>:<key>`.
Authorise = Callable[[User, str], bool]
# The frames to send at once, given the key and what the page said of its state (`version`, `offset`).
CatchUp = Callable[[str, dict[str, Any]], list[dict[str, Any]]]

LISTS = frozenset(
    {
        "runs",
        "compute",
        "datasets",
        "environments",
        "images",
        "pipelines",
        "endpoints",
        "drafts",
        "modules",
        "models",
        "monitors",
        "schedules",
        "notifications",
    }
)


@dataclass(frozen=True)
class Kind:
    """One kind of topic."""

    authorise: Authorise
    catch_up: CatchUp | None


_kinds: dict[str, Kind] = {}


def register(prefix: str, authorise: Authorise, catch_up: CatchUp | None = None) -> None:
    """Make `<prefix>:<key>` a topic. Called once for each, in an AppConfig.ready()."""
    _kinds[prefix] = Kind(authorise, catch_up)


def may_watch(user: User, topic: str) -> bool:
    """Default deny: an unknown kind, an odd key and a stranger all get the same answer."""
    prefix, _, key = topic.partition(":")
    kind = _kinds.get(prefix)
    return kind is not None and bool(key) and user.is_active and kind.authorise(user, key)


def catch_up(topic: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page has missed, as frames."""
    prefix, _, key = topic.partition(":")
    kind = _kinds[prefix]
    frames = kind.catch_up(key, asked) if kind.catch_up else []
    return [{"topic": topic, **frame} for frame in frames]


def outbox_frames(prefix: str) -> CatchUp:
    """Catching up from the outbox by version; a page that is too far behind is told to load again."""

    def frames(key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        version = asked.get("version")
        if not isinstance(version, int):
            return []
        events = outbox.missed(f"{prefix}:{key}", version)
        if events is None:
            return [{"reload": True}]
        return [{"version": event.version, **event.payload} for event in events]

    return frames


def _may_watch_list(user: User, key: str) -> bool:
    workspace, _, what = key.partition(":")
    return what in LISTS and Member.objects.filter(user=user, workspace__name=workspace).exists()


def _list_frames(key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """One frame when something of this list was recorded since the page read its rows."""
    version = asked.get("version")
    if not isinstance(version, int) or not outbox.has_moved(f"list:{key}", version):
        return []
    return [{"version": clock.stamp()}]


register("list", _may_watch_list, _list_frames)
