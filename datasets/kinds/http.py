"""Files of a web server, to read. One that speaks WebDAV lists its folders; of any other, paths are those of single files."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import quote, urljoin, urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from core.objects import StoreError, checked
from core.storage import Stored
from datasets import guard
from datasets.kinds import webdav
from datasets.kinds.base import Connection, Field, Kind, of_status, refused

PIECE, REDIRECTS = 1 << 18, 5
MULTISTATUS, UNKNOWN_METHOD = 207, 501


class Site:
    """`core.objects.Objects` over the addresses below one."""

    def __init__(self, place: Connection) -> None:
        self.store, self.base, self.host = (
            place.name,
            place["endpoint"].rstrip("/"),
            urlsplit(place["endpoint"]).hostname or "",
        )
        self._headers = {"User-Agent": "duto", "Accept-Encoding": "identity"}
        if place.secret("token"):
            self._headers["Authorization"] = f"Bearer {place.secret('token')}"
        elif place.secret("password"):
            pair = f"{place['username']}:{place.secret('password')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        from datasets.kinds import wire

        self._pool = wire.pool(num_pools=4, maxsize=32)
        # Whether it speaks WebDAV, once it has said so.
        self._is_dav: bool | None = None

    def stat(self, key: str) -> Stored | None:
        if self._may_list():
            found = self._level(key, 0)
            return None if not found or found[0].is_folder else self._stored(key, found[0])
        with self._asked("HEAD", key) as answer:
            if answer.status in (404, 410):
                return None
            self._require(answer, key, 200)
            if not answer.headers.get("Content-Length", "").isdecimal():
                raise refused(self.store, "answer", "store_no_size", path=key)
            changed = answer.headers.get("Last-Modified", "")
            moment = parsedate_to_datetime(changed).timestamp() if changed else 0.0
            tag = answer.headers.get("ETag", "")
            return Stored(
                key, int(answer.headers["Content-Length"]), moment, "" if tag.startswith("W/") else tag.strip('"')
            )

    def walk(self, folder: str) -> Iterator[Stored]:
        self._require_listing(folder)
        yield from self._below(folder)

    def _below(self, folder: str) -> Iterator[Stored]:
        """Folder by folder, each where its name comes among those of the files: so the order is that of the keys."""
        for name, each in sorted(
            self._named(folder), key=lambda named: f"{named[0]}/" if named[1].is_folder else named[0]
        ):
            key = checked(f"{folder}/{name}" if folder else name)
            if each.is_folder:
                yield from self._below(key)
            else:
                yield self._stored(key, each)

    def children(self, folder: str) -> Iterator[tuple[str, bool, int]]:
        self._require_listing(folder)
        for name, each in self._named(folder):
            yield checked(name), each.is_folder, 0 if each.is_folder else each.size or 0

    def _stored(self, key: str, entry: webdav.Entry) -> Stored:
        if entry.size is None:
            raise refused(self.store, "answer", "store_no_size", path=key)
        return Stored(key, entry.size, entry.modified, entry.tag)

    def _named(self, folder: str) -> Iterator[tuple[str, webdav.Entry]]:
        """What lies in a folder, by name; the folder itself is listed first."""
        found = self._level(f"{folder}/" if folder else "", 1)
        own = found[0].path if found else ""
        for each in found[1:]:
            parent, _slash, name = each.path.rpartition("/")
            if parent != own or not name:
                raise refused(self.store, "answer", "store_other_folder", path=each.path)
            yield name, each

    def _level(self, key: str, depth: int) -> list[webdav.Entry]:
        """What the server says of a file or folder, which comes first, and of what lies in it (`depth` 1); nothing where
        there is none. Raises StoreError."""
        from urllib3.exceptions import HTTPError

        headers = {"Depth": str(depth), "Content-Type": "application/xml"}
        with self._asked("PROPFIND", key, headers, webdav.PROPERTIES) as answer:
            if answer.status in (404, 410):
                if key.strip("/"):
                    return []
                raise refused(self.store, "container", "store_container", container=self.base)
            self._require(answer, key, MULTISTATUS)
            asked = urljoin(f"{self.base}/{quote(key)}", answer.geturl() or "")
            try:
                own = webdav.path_of(urlsplit(asked).path or "/")
                found = sorted(webdav.entries(answer), key=lambda each: each.path != own)
            except ValueError as error:
                raise refused(self.store, "answer", "store_odd_listing", why=str(error)) from error
            except (HTTPError, OSError) as error:
                raise refused(self.store, "network", "store_broke", host=self.host) from error
            if not found or found[0].path != own:
                raise refused(self.store, "answer", "store_other_folder", path=found[0].path if found else "")
            return found

    def _require_listing(self, folder: str) -> None:
        if not self._lists():
            raise refused(self.store, "answer", "store_no_listing", path=folder or "/")

    def _may_list(self) -> bool:
        """The same for who can do without: single files may be read where folders may not."""
        try:
            return self._lists()
        except StoreError as error:
            if error.facts["stage"] == "network":
                raise
            return False

    def _lists(self) -> bool:
        """Whether the server speaks WebDAV. Raises StoreError where it does not tell now."""
        if self._is_dav is None:
            # Without a body: servers that know no such method answer before they have read it, and break off.
            with self._asked("PROPFIND", "", {"Depth": "0"}) as answer:
                if answer.status in (404, 410):
                    return False  # the folder may come, and say more
                if answer.status in (401, 408, 429) or (answer.status >= 500 and answer.status != UNKNOWN_METHOD):
                    self._require(answer, "", MULTISTATUS)
                self._is_dav = answer.status == MULTISTATUS
        return self._is_dav

    def read(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        headers = {**({"Range": f"bytes={start}-"} if start else {}), **({"If-Match": f'"{tag}"'} if tag else {})}
        from urllib3.exceptions import HTTPError

        with self._asked("GET", key, headers) as answer:
            self._require(answer, key, 206 if start and answer.status != 200 else 200)
            if tag and answer.headers.get("ETag", "").strip('"') not in ("", tag):
                raise refused(self.store, "away", "store_changed", path=key)
            skip = start if answer.status == 200 else 0  # a server that knows no ranges
            try:
                for piece in answer.stream(PIECE):
                    if skip:
                        skip, piece = max(0, skip - len(piece)), piece[skip:]
                    if piece:
                        yield piece
            except (HTTPError, OSError) as error:
                raise refused(self.store, "network", "store_broke", host=self.host) from error

    def write(self, key: str, source: BinaryIO, size: int, *, overwrite: bool) -> None:
        raise refused(self.store, "answer", "store_read_only")

    def remove(self, key: str) -> None:
        raise refused(self.store, "answer", "store_read_only")

    def remove_folder(self, folder: str) -> None:
        raise refused(self.store, "answer", "store_read_only")

    def copy(self, key: str, to: str) -> None:
        raise refused(self.store, "answer", "store_read_only")

    def check(self) -> None:
        """Raises StoreError where nobody answers, or refuses the credentials. That the address itself is no file is fine."""
        if self._may_list():
            return
        with self._asked("HEAD", "") as answer:
            if answer.status in (401, 403, 429) or answer.status >= 500:
                self._require(answer, "", 200)

    @contextlib.contextmanager
    def _asked(
        self, method: str, key: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Iterator[Any]:
        from urllib3 import Retry, Timeout
        from urllib3.exceptions import HTTPError

        # By urlopen of one hop, each of which is looked at anew; credentials stay with the host that they are for.
        retries = Retry(total=REDIRECTS, redirect=REDIRECTS, connect=0, read=0, status=0)
        try:
            answer = self._pool.urlopen(
                method, f"{self.base}/{quote(key)}", body=body, headers={**self._headers, **(headers or {})}, retries=retries,
                preload_content=False, decode_content=False,
                timeout=Timeout(connect=guard.CONNECT_SECONDS, read=guard.READ_SECONDS),
            )  # fmt: skip
        except (HTTPError, OSError) as error:
            why = str(getattr(error, "reason", "") or type(error).__name__).rpartition(": ")[2]
            raise refused(self.store, "network", "store_network", host=self.host, why=why) from error
        try:
            yield answer
            if method != "GET":
                answer.drain_conn()  # the connection serves the next question
        finally:
            answer.close()
            answer.release_conn()

    def _require(self, answer: Any, key: str, status: int) -> None:
        if answer.status == status:
            return
        if answer.status in (404, 410):
            raise refused(self.store, "answer", "store_no_file", path=key)
        why = f"{answer.status} {answer.reason or ''}".strip()
        raise of_status(self.store, answer.status, why, key, self.base, answer.headers.get("Date"))


def check(place: Connection) -> None:
    """Raises Invalid."""
    if bool(place["username"]) != bool(place.secret("password")):
        raise Invalid(_("Give a user and a password, or neither."), code="bad_credentials")


KIND = Kind(
    "http",
    gettext_lazy("Web server or WebDAV (read only)"),
    "Http",
    options=(
        Field("endpoint", gettext_lazy("Address"), True, help=gettext_lazy("of the folder that paths are below")),
        Field("username", gettext_lazy("User")),
    ),
    credentials=(
        Field("password", gettext_lazy("Password")),
        Field("token", gettext_lazy("Token"), help=gettext_lazy("sent as “Authorization: Bearer”")),
    ),
    files=Site,
    is_writable=False,
    fingerprint="etag",
    modules=("urllib3",),
    check=check,
)
