"""How far a step's bytes are, and how they came, in the words of its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.clock import now, parse
from runs.models import Attempt

LABELS: dict[str, Promise] = {
    "inputs": _("Inputs to the host"),
    "uploads": _("Files to the studio"),
    "outputs": _("Outputs to their datastore"),
}
# In which states of an attempt bytes go this way.
OPEN = {
    "inputs": (Attempt.Status.LEASED, Attempt.Status.PREPARING),
    "uploads": (Attempt.Status.RUNNING, Attempt.Status.COLLECTING),
    "outputs": (Attempt.Status.RUNNING, Attempt.Status.COLLECTING),
}
# So long after the last word, in seconds, its rate says nothing any more.
SILENT_S = 10.0


@dataclass(frozen=True)
class Way:
    """Bytes one way. `rate` in bytes a second: of late while they go, of all of them afterwards; None where nothing tells it."""

    label: str | Promise
    done: int
    total: int
    files: int
    files_total: int
    cached: int
    files_cached: int
    seconds: float
    rate: float | None
    # Since when nothing came, in seconds, where that is long.
    silent: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """As long as the rest takes at this rate."""
        return (self.total - self.done) / self.rate if self.rate and self.total > self.done else None

    @property
    def is_whole(self) -> bool:
        return self.done >= self.total and self.files >= self.files_total


def moving(attempt: Attempt | None) -> list[Way]:
    """What goes now."""
    if attempt is None or attempt.is_final:
        return []
    found = [_way(attempt, way, is_open=True) for way, states in OPEN.items() if attempt.status in states]
    return [each for each in found if each is not None and not each.is_whole]


def moved(attempt: Attempt | None, ways: Sequence[str]) -> list[Way]:
    """What went these ways, as far as it came."""
    found = [] if attempt is None else [_way(attempt, way, is_open=False) for way in ways]
    return [each for each in found if each is not None]


def _way(attempt: Attempt, way: str, *, is_open: bool) -> Way | None:
    facts: dict[str, Any] = (attempt.transfers or {}).get(way) or {}
    if not facts:
        return None
    came, seconds = facts["done"] - facts["cached"], float(facts["seconds"])
    rate: float | None = came / seconds if seconds and came else None
    silent = None
    if is_open:
        moment = parse(facts.get("at"))
        since = (now() - moment).total_seconds() if moment else 0.0
        silent = since if since > SILENT_S else None
        rate = float(facts["rate"]) or None if silent is None else None
    numbers = {name: facts[name] for name in ("done", "total", "files", "files_total", "cached", "files_cached")}
    return Way(label=LABELS[way], **numbers, seconds=seconds, rate=rate, silent=silent)
