"""Files of lines that an agent sends while a step runs: kept beside the log, sealed with it at the end. Never rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core import outbox, spools
from core.errors import TooLarge
from core.storage import store_path
from runs.models import Attempt
from runs.queries.logs import sealed_key
from runs.services.results import logs


@dataclass(frozen=True)
class LineFile:
    """One such file of an attempt: the field of the row that has its size, its name, and how large it may become.

    `topic` is told of each piece; `full` is what the refusal of more says, under `code`.
    """

    field: str
    name: Callable[[object], str]
    cap: int
    code: str
    topic: str
    full: str
    # Whether who watches has to ask anew.
    reloads: bool = False

    def append(self, attempt: Attempt, offset: int, data: bytes) -> int:
        """Take the whole lines of `data`, which follow what is stored, and answer how many bytes are stored now.

        Raises Conflict (`offset`, with the stored `size`) when they do not follow, TooLarge beyond the cap.
        """
        if attempt.log_sealed_at is not None or self.size(attempt) != offset:
            raise logs.refused(attempt, self.size(attempt))
        whole = data[: data.rfind(b"\n") + 1]
        if not whole:
            return offset
        size = offset + len(whole)
        if size > self.cap:
            raise TooLarge(self.full, code=self.code, size=offset)
        # Bytes first, then the row: a crash in between leaves bytes that nobody reads and that are sent again.
        with spools.taking(self.name(attempt.pk)):
            spools.write(self.name(attempt.pk), offset, whole)
            mine = Attempt.objects.filter(
                pk=attempt.pk, epoch=attempt.epoch, log_sealed_at__isnull=True, **{self.field: offset}
            )
            if not mine.update(**{self.field: size}):
                raise logs.refused(attempt, Attempt.objects.values_list(self.field, flat=True).get(pk=attempt.pk))
        setattr(attempt, self.field, size)
        outbox.hint(f"{self.topic}:{attempt.pk}", {"size": size, **({"reload": True} if self.reloads else {})})
        return size

    def size(self, attempt: Attempt) -> int:
        """Bytes that are stored."""
        return int(getattr(attempt, self.field))

    def seal(self, attempt: Attempt) -> None:
        """Move the file of an attempt whose log was just sealed to the artifact store. May be called again."""
        name = self.name(attempt.pk)
        if not self.size(attempt):  # most short steps have none
            spools.remove(name)
            return
        # Bytes beyond the stored size were never acknowledged.
        spools.close(name, self.size(attempt), store_path(attempt.run.workspace_id), sealed_key(name))
