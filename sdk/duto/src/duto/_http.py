"""One kept connection to the studio, its answers as JSON, its refusals as exceptions."""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import threading
import time
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Mapping, Optional, Tuple, Type, Union
from urllib.parse import quote, urlencode, urlsplit

from duto.exceptions import (
    AuthenticationException,
    AzureMLException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    StudioUnavailableException,
    TooLargeException,
    UserErrorException,
)

_CLASSES: Dict[int, Type[AzureMLException]] = {
    400: UserErrorException,
    401: AuthenticationException,
    403: ForbiddenException,
    404: NotFoundException,
    409: ConflictException,
    413: TooLargeException,
    422: UserErrorException,
}
_AGAIN = frozenset({502, 503, 504})
_CHUNK = 1 << 20
# A studio may be restarted under a running step, which has nobody to start it again.
PATIENCE_IN_STEP = 600.0
PATIENCE_OUTSIDE = 3.0

Body = Union[bytes, IO[bytes]]


def segment(value: object) -> str:
    """A value as one segment of a path."""
    return quote(str(value), safe="")


def path_of(value: str) -> str:
    """A path of files as several segments."""
    return quote(value, safe="/")


class Client:
    """Speaks with one studio under one token. Safe to share between threads: each has its own connection."""

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        *,
        address_file: Optional[str] = None,
        patience: Optional[float] = None,
        timeout: float = 60.0,
    ) -> None:
        self._url = url.rstrip("/")
        self.token = token
        self._address_file = address_file
        self.patience = patience if patience is not None else (PATIENCE_IN_STEP if address_file else PATIENCE_OUTSIDE)
        self.timeout = timeout
        self._local = threading.local()

    @property
    def url(self) -> str:
        """The studio's address; inside a step it is read from the file that the agent keeps up to date."""
        if self._address_file:
            try:
                found = json.loads(Path(self._address_file).read_text(encoding="utf-8")).get("url")
                if found:
                    self._url = str(found).rstrip("/")
            except (OSError, ValueError):
                pass  # being rewritten, or gone: the last address is the best guess
        return self._url

    def get(self, path: str, /, **query: Any) -> Any:
        return self._json("GET", path, query)

    def post(self, path: str, body: Any = None, /, **query: Any) -> Any:
        return self._json("POST", path, query, body if body is not None else {})

    def patch(self, path: str, body: Any) -> Any:
        return self._json("PATCH", path, {}, body)

    def delete(self, path: str, /, **query: Any) -> Any:
        return self._json("DELETE", path, query)

    def put(self, path: str, body: Body, size: Optional[int] = None, /, **query: Any) -> Any:
        """Send raw bytes. A stream must be seekable, for it may have to be sent again; `size` is its
        length."""
        data = self._call("PUT", path, query, body, {"Content-Type": "application/octet-stream"}, size)[1]
        return _parsed(data)

    def upload(self, path: str, file: Path, /, **query: Any) -> Any:
        """Send a file's bytes."""
        with Path(file).open("rb") as stream:
            return self.put(path, stream, os.fstat(stream.fileno()).st_size, **query)

    def fetch(self, path: str, /, **query: Any) -> Tuple[bytes, Mapping[str, str]]:
        """The raw answer and its headers."""
        data, headers = self._call("GET", path, query)[1:]
        return data, headers

    def download(self, path: str, target: Path, /, **query: Any) -> int:
        """Write the answer to a file, whole or not at all; the count of bytes."""
        target = Path(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            with part.open("wb") as stream:
                self._call("GET", path, query, sink=stream)
                count = stream.tell()
            part.replace(target)
        finally:
            if part.exists():
                part.unlink()
        return count

    def pages(self, path: str, /, **query: Any) -> Iterator[Dict[str, Any]]:
        """The items of a list, page after page."""
        after: Optional[str] = None
        while True:
            answer = self.get(path, after=after, **query)
            if isinstance(answer, list):
                yield from answer
                return
            yield from answer.get("items", ())
            after = answer.get("next")
            if not after:
                return

    def _json(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> Any:
        payload = None if body is None else json.dumps(body).encode("utf-8")
        headers = {} if body is None else {"Content-Type": "application/json"}
        return _parsed(self._call(method, path, query, payload, headers)[1])

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Optional[Body] = None,
        headers: Optional[Mapping[str, str]] = None,
        size: Optional[int] = None,
        sink: Optional[IO[bytes]] = None,
    ) -> Tuple[int, bytes, Mapping[str, str]]:
        """One exchange, tried again while the studio is away and patience lasts."""
        target = path + _query(query)
        deadline = time.monotonic() + self.patience
        pause, fresh = 0.1, False
        while True:
            try:
                status, data, found = self._exchange(method, target, body, headers or {}, size, sink, fresh)
                if status not in _AGAIN or time.monotonic() >= deadline:
                    break
            except (OSError, http.client.HTTPException) as error:
                self._close()
                if time.monotonic() >= deadline:
                    raise self._away(error) from error
            fresh = True
            time.sleep(min(pause, max(deadline - time.monotonic(), 0.0)) * (0.5 + random.random() / 2))  # noqa: S311
            pause = min(pause * 2, 5.0)
        if status >= 400:
            raise refusal(status, data, method, path)
        return status, data, found

    def _exchange(
        self,
        method: str,
        target: str,
        body: Optional[Body],
        headers: Mapping[str, str],
        size: Optional[int],
        sink: Optional[IO[bytes]],
        fresh: bool,
    ) -> Tuple[int, bytes, Mapping[str, str]]:
        connection = self._connection(fresh)
        sent = {"Accept": "application/json", "User-Agent": "duto-sdk", **headers}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if size is not None:
            sent["Content-Length"] = str(size)
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        connection.request(method, self._prefix + target, body=body, headers=sent)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        if sink is not None and answer.status < 400:
            sink.seek(0)
            sink.truncate()
            for chunk in iter(lambda: answer.read(_CHUNK), b""):
                sink.write(chunk)
            return answer.status, b"", found
        return answer.status, answer.read(), found

    def _connection(self, fresh: bool) -> http.client.HTTPConnection:
        """The thread's connection; a child of fork must not share its parent's."""
        url = self.url
        key = (url, os.getpid())
        if fresh or getattr(self._local, "key", None) != key:
            self._close()
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise UserErrorException(f"{url!r} is no address of a studio; it looks like http://127.0.0.1:8000.")
            if parts.scheme == "https":
                self._local.connection = http.client.HTTPSConnection(
                    parts.hostname, parts.port, timeout=self.timeout, context=ssl.create_default_context()
                )
            else:
                self._local.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout)
            self._local.key = key
            self._local.prefix = parts.path.rstrip("/")
        return self._local.connection  # type: ignore[no-any-return]

    @property
    def _prefix(self) -> str:
        return self._local.prefix  # type: ignore[no-any-return]

    def _close(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.key = None
        if connection is not None:
            connection.close()

    def _away(self, error: BaseException) -> AzureMLException:
        text = f"The studio at {self._url} does not answer ({error or type(error).__name__}). Is it running?"
        return StudioUnavailableException(text, inner_exception=error)


def refusal(status: int, data: bytes, method: str, path: str) -> AzureMLException:
    """The exception of an error body; `code`, `status` and `facts` are kept on it."""
    try:
        found = json.loads(data)["error"]
        message, code, facts = str(found["message"]), found.get("code"), found.get("facts") or {}
    except (ValueError, KeyError, TypeError):
        message, code, facts = f"The studio answered {status} to {method} {path}.", None, {}
    kind = _CLASSES.get(status, StudioUnavailableException if status >= 500 else UserErrorException)
    error = kind(message)
    error.code, error.status, error.facts = code, status, facts
    return error


def _parsed(data: bytes) -> Any:
    return json.loads(data) if data else None


def _query(query: Mapping[str, Any]) -> str:
    given = [(name, _text(value)) for name, value in query.items() if value is not None]
    return "?" + urlencode(given) if given else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
