"""What a kind of datastore says of itself: one value a kind, in a module of its own beside this one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Invalid
from core.objects import Objects, StoreAway, StoreError, StoreRefused
from datasets.stored_messages import localized, refusal, say

if TYPE_CHECKING:
    import pyarrow as pa

Text = str | Promise


@dataclass(frozen=True)
class Field:
    """One option or credential: of the form, of REST, and of a program that registers a store."""

    name: str
    label: Text
    is_required: bool = False
    help: Text = ""
    default: str = ""
    is_flag: bool = False
    is_long: bool = False


@dataclass(frozen=True)
class Connection:
    """A datastore as a kind opens it: all values are texts, those that were not given are empty."""

    name: str
    options: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)
    # Who runs the studio has named it, by a setting: it may lie in a private network.
    is_trusted: bool = False

    def __getitem__(self, name: str) -> str:
        return self.options.get(name, "")

    def secret(self, name: str) -> str:
        """A credential."""
        return self.credentials.get(name, "")


class Presigning(Protocol):
    """What a kind can do whose store lets whoever has an address read the one file that it is for."""

    def presigned(self, key: str, seconds: int) -> str:
        """Such an address, for which the store is not asked each time; empty where the credentials can make none."""


class PartUploads(Protocol):
    """What a kind can do whose store takes a file in parts, each by an address of its own, and shows nothing of it before it is
    told which parts make the file. All but `part_address` raise StoreError."""

    def begin_upload(self, key: str) -> str:
        """Begin one; the name by which the store knows it. Empty where the credentials can sign no address."""

    def part_address(self, key: str, upload: str, number: int, seconds: int) -> str:
        """Where the part of this number, from 1 on, is put (HTTP PUT) for so long. The store is not asked each time."""

    def commit_upload(self, key: str, upload: str, sizes: Sequence[int]) -> None:
        """Make a file of the parts, of which there is one at least. What lies there is replaced; where that was made of them
        before, and nobody heard of it, nothing is done.

        Raises StoreAway (`store_part`) where the store does not have each of them in its size: then nothing has changed.
        """

    def has_committed(self, key: str, upload: str) -> bool:
        """Whether what lies there is what was made of these parts."""

    def abort_upload(self, key: str, upload: str) -> None:
        """Have the store forget the parts; one that it does not know is fine."""

    def abort_unnoted(self, key: str, moment: datetime, known: Collection[str]) -> None:
        """Have the store forget uploads of this key that were begun about that moment, but those that are known."""


class Database(Protocol):
    """What a kind of database can do. Raises StoreError."""

    def check(self) -> None:
        """Sign in and ask for nothing."""

    def tables(self) -> list[str]:
        """The tables and views that the credentials see, as `schema.name`."""

    def query(self, sql: str, seconds: int) -> Iterator[pa.RecordBatch]:
        """The rows of one statement, in a transaction that cannot write and is ended after so many seconds."""


@dataclass(frozen=True)
class Kind:
    """A kind of datastore. Exactly one of `files` and `database` is there.

    `azure_type`: what Azure ML calls it (`datastore_type`). `fingerprint`: what its listings tell of a file's content beside
    size and time: `etag`, or nothing. `extra`: what of `duto-studio[...]` brings `modules`. `check`: what no single field can
    say; it raises Invalid. `address`: the host and port that its connections go to; None of what lies on this machine. `can_presign`: its `Objects` are
    `Presigning` and `PartUploads`.
    """

    name: str
    label: Text
    azure_type: str
    options: tuple[Field, ...] = ()
    credentials: tuple[Field, ...] = ()
    files: Callable[[Connection], Objects] | None = None
    database: Callable[[Connection], Database] | None = None
    is_writable: bool = True
    fingerprint: str = ""
    can_presign: bool = False
    extra: str = ""
    modules: tuple[str, ...] = ()
    check: Callable[[Connection], None] = lambda _place: None
    address: Callable[[Connection], tuple[str, int]] | None = lambda place: of_url(place["endpoint"])

    def require_modules(self, store: str) -> None:
        """Raises StoreError that says what to install."""
        for name in self.modules:
            try:
                importlib.import_module(name)
            except ImportError as error:
                raise refused(store, "answer", "store_extra", kind=str(self.label), extra=self.extra) from error


def of_url(url: str) -> tuple[str, int]:
    """Host and port of an address of the web. Raises Invalid for what is none."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        pass
    raise Invalid(
        _("%(url)r is no address that starts with http:// or https://.") % {"url": url[:200]}, code="bad_option"
    )


def of_server(port: int) -> Callable[[Connection], tuple[str, int]]:
    """The host and port that a place names, this one where it names none."""
    return lambda place: (place["host"], int(place["port"] or port))


# Amazon takes signatures whose time is fifteen minutes from its own, Azure those of as much; an answer may be on its way for some
# seconds.
APART_MOST_S = 240
_ERRORS: Mapping[str, type[StoreError]] = {
    "network": StoreAway, "away": StoreAway, "sign_in": StoreRefused, "permission": StoreRefused,
}  # fmt: skip


def refused(store: str, stage: str, code: str, /, **facts: Any) -> StoreError:
    """Why a store did not do what it was asked, as a sentence that can be kept (`datasets.stored_messages`)."""
    kind = _ERRORS.get(stage, StoreError)
    return refusal(kind, say(code, store=store, **facts), stage="answer" if stage == "away" else stage)


def require_parts(store: str, key: str, found: Mapping[int, int], sizes: Sequence[int]) -> None:
    """Raises StoreAway unless the parts that the store has, as number → size, are those of a file."""
    for number, size in enumerate(sizes, 1):
        if found.get(number) != size:
            raise refused(store, "away", "store_part", path=key, number=number, size=size, found=found.get(number) or 0)


def of_refusal(store: str, stage: str, why: str, date: str | None) -> StoreError:
    """Why a store lets somebody not in (`sign_in`) or not do it (`permission`), by the `Date` of its answer: by a clock that
    differs from its own no signature holds, and few stores say that it is the clock."""
    apart = _apart(date)
    if apart > APART_MOST_S:
        return refused(store, "sign_in", "store_clock", why=why, minutes=round(apart / 60))
    return refused(store, stage, f"store_{stage}", why=why)


def _apart(date: str | None) -> float:
    """Seconds between this machine's clock and that of whoever wrote a header `Date`; 0 where there is none to be read."""
    try:
        return abs((now() - parsedate_to_datetime(date)).total_seconds()) if date else 0.0
    except (ValueError, TypeError):
        return 0.0


def of_status(store: str, status: int, why: str, key: str, container: str, date: str | None) -> StoreError:
    """What an answer of HTTP that is no success means, for the kinds that speak it. `date`: its header of that name."""
    if status in (401, 403):
        return of_refusal(store, "sign_in" if status == 401 else "permission", why, date)
    if status == 404:
        return refused(store, "container", "store_container", container=container)
    if status == 412:
        return refused(store, "away", "store_changed", path=key)
    if status in (408, 429) or status >= 500:
        return refused(store, "away", "store_away", why=why)
    return refused(store, "answer", "store_answer", why=why)


def require_one(place: Connection, *names: str) -> None:
    """Raises Invalid unless one of these credentials is given."""
    if not any(place.secret(name) for name in names):
        said = say("store_no_credential", store=place.name, names=", ".join(names))
        raise Invalid(localized(said), code="bad_credentials")
