"""Refusals that the studio expects: each has a stable code, an HTTP status and a sentence for people.

Anything else that is raised is a bug and may crash the request it happened in.
"""

from __future__ import annotations

from typing import Any, ClassVar


class StudioError(Exception):
    """A refusal with a code, told to page, REST and SDK alike (see docs/wire.md, *Errors*)."""

    status: ClassVar[int] = 400
    default_code: ClassVar[str] = "invalid"

    def __init__(self, message: str, *, code: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.facts = facts

    def as_document(self) -> dict[str, Any]:
        """The body that REST and the agents' API answer with."""
        return {"error": {"code": self.code, "message": self.message, "facts": self.facts}}


class Invalid(StudioError):
    """The request says something that cannot be meant."""


class Unauthenticated(StudioError):
    status = 401
    default_code = "unauthenticated"


class Forbidden(StudioError):
    """A member whose role is too small. A stranger gets NotFound instead."""

    status = 403
    default_code = "forbidden"


class NotFound(StudioError):
    status = 404
    default_code = "not_found"


class Conflict(StudioError):
    status = 409
    default_code = "conflict"


class PreconditionFailed(StudioError):
    """What was to be changed is not in the state in which the caller has seen it."""

    status = 412
    default_code = "changed"


class TooSlow(StudioError):
    """The body did not come in time."""

    status = 408
    default_code = "too_slow"


class TooLarge(StudioError):
    status = 413
    default_code = "too_large"


class Unprocessable(StudioError):
    """Well formed, but it cannot work: a graph with a cycle, a dataset without files."""

    status = 422
    default_code = "unprocessable"


class TooManyRequests(StudioError):
    """Asked more often than it may be: the same request may come again after `retry_after` seconds."""

    status = 429
    default_code = "too_many_requests"

    def __init__(self, message: str, retry_after: int, **facts: Any) -> None:
        super().__init__(message, retry_after=retry_after, **facts)
        self.retry_after = retry_after


class StudioBusy(StudioError):
    """The database is held by others. Nothing was written: the same request may come again after `retry_after` seconds."""

    status = 503
    default_code = "busy"
    retry_after: ClassVar[int] = 1


class StudioFull(StudioError):
    """The studio's own disk has no room. Nothing is wrong with what was sent: it may come again."""

    status = 507
    default_code = "studio_full"


class IllegalMove(Conflict):
    default_code = "illegal_move"


class ConcurrentUpdate(Conflict):
    """Another process moved the row first."""

    default_code = "outrun"
