"""Files of a web server, to read. Such a server lists nothing: paths are those of single files."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from core.storage import Stored
from datasets import guard
from datasets.kinds.base import Connection, Field, Kind, of_status, refused

PIECE, REDIRECTS = 1 << 18, 5


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

    def stat(self, key: str) -> Stored | None:
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
        raise refused(self.store, "answer", "store_no_listing", path=folder or "/")

    def children(self, folder: str) -> Iterator[tuple[str, bool, int]]:
        raise refused(self.store, "answer", "store_no_listing", path=folder or "/")

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
        raise refused(self.store, "permission", "store_read_only")

    def remove(self, key: str) -> None:
        raise refused(self.store, "permission", "store_read_only")

    def remove_folder(self, folder: str) -> None:
        raise refused(self.store, "permission", "store_read_only")

    def copy(self, key: str, to: str) -> None:
        raise refused(self.store, "permission", "store_read_only")

    def check(self) -> None:
        """Raises StoreError where nobody answers, or refuses the credentials. That the address itself is no file is fine."""
        with self._asked("HEAD", "") as answer:
            if answer.status in (401, 403, 429) or answer.status >= 500:
                self._require(answer, "", 200)

    @contextlib.contextmanager
    def _asked(self, method: str, key: str, headers: dict[str, str] | None = None) -> Iterator[Any]:
        from urllib3 import Retry, Timeout
        from urllib3.exceptions import HTTPError

        # By urlopen of one hop, each of which is looked at anew; credentials stay with the host that they are for.
        retries = Retry(total=REDIRECTS, redirect=REDIRECTS, connect=0, read=0, status=0)
        try:
            answer = self._pool.urlopen(
                method, f"{self.base}/{quote(key)}", headers={**self._headers, **(headers or {})}, retries=retries,
                preload_content=False, decode_content=False,
                timeout=Timeout(connect=guard.CONNECT_SECONDS, read=guard.READ_SECONDS),
            )  # fmt: skip
        except (HTTPError, OSError) as error:
            why = str(getattr(error, "reason", "") or type(error).__name__).rpartition(": ")[2]
            raise refused(self.store, "network", "store_network", host=self.host, why=why) from error
        try:
            yield answer
        finally:
            answer.drain_conn() if method == "HEAD" else answer.close()
            answer.release_conn()

    def _require(self, answer: Any, key: str, status: int) -> None:
        if answer.status == status:
            return
        if answer.status in (404, 410):
            raise refused(self.store, "answer", "store_no_file", path=key)
        raise of_status(self.store, answer.status, f"{answer.status} {answer.reason or ''}".strip(), key, self.base)


def check(place: Connection) -> None:
    """Raises Invalid."""
    if bool(place["username"]) != bool(place.secret("password")):
        raise Invalid(_("Give a user and a password, or neither."), code="bad_credentials")


KIND = Kind(
    "http",
    gettext_lazy("Web server (read only)"),
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
