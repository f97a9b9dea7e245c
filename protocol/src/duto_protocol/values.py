"""What messages are made of: their base, times, and numbers and texts within their bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from msgspec import Meta, Struct

# What a column of the studio's database holds.
WHOLE_MOST = (1 << 63) - 1
EXIT_MOST = (1 << 31) - 1

Bytes = Annotated[int, Meta(ge=0, le=WHOLE_MOST)]
Whole = Annotated[int, Meta(ge=0, le=WHOLE_MOST)]
Amount = Annotated[int, Meta(ge=0, le=WHOLE_MOST)] | Annotated[float, Meta(ge=0, le=1e15)]
Code = Annotated[int, Meta(ge=-EXIT_MOST, le=EXIT_MOST)]
Share = Annotated[int, Meta(ge=0, le=1)] | Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(max_length=255)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Short = Annotated[str, Meta(max_length=64)]


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the protocol. What it does not know is named by whoever reads it (`reading`), never refused.

    A field that may be absent has a default. One whose absence must stay absent, in rows and on the way, has UNSET.
    """


class Moment(datetime):
    """An aware time in UTC, written as ISO 8601 with `Z`."""

    @classmethod
    def read(cls, text: object) -> Self:
        """Raises ValueError for what spells no time, also for one that UTC has no year for."""
        if not isinstance(text, str) or len(text) > 64:
            raise ValueError("no time")
        moment = cls.fromisoformat(text)
        try:
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("no year of UTC") from error

    @classmethod
    def present(cls) -> Self:
        return cls.now(UTC)

    def __str__(self) -> str:
        return self.isoformat().replace("+00:00", "Z")


def decoded(kind: type, value: Any) -> Any:
    """What JSON has no type for."""
    if kind is Moment:
        return Moment.read(value)
    raise NotImplementedError(kind)


def encoded(value: Any) -> str:
    """The same on the way out; a sentence that knows what it is made of (`duto.spec.sentences.Said`) is its text."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Moment):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be said")
