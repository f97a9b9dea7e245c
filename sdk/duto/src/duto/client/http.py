"""One kept connection to the studio, its answers as JSON, its refusals as exceptions."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import socket
import ssl
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Mapping, Optional, Set, Tuple, Type, Union
from urllib.parse import SplitResult, quote, urlencode, urlsplit

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
# What may be sent again although it was sent whole: doing it twice is doing it once. A PATCH here sets values.
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
KEY = "Idempotency-Key"
_CHUNK = 1 << 20
# Items of a page where there was one before: as many as the studio gives.
_LARGE_PAGE = 500
# How long an absence of the studio is waited out, in seconds. A restart or an upgrade takes minutes: steps, which have
# nobody to start them again, and whoever waits for a run outlive it. Other calls tell sooner, and an address that has
# never answered is probably wrong.
PATIENCE_VARIABLE = "DUTO_PATIENCE"
PATIENCE, PATIENCE_OUTSIDE, PATIENCE_WITH_STRANGERS = 600.0, 30.0, 3.0
_CONNECT, _LONGEST_PAUSE = 10.0, 5.0
# Without a word of the other machine's system for so long, it is gone: an answer itself may take much longer.
_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
_waiting: ContextVar[bool] = ContextVar("duto_waiting", default=False)
_answered: Set[str] = set()

Body = Union[bytes, IO[bytes]]


def segment(value: object) -> str:
    """A value as one segment of a path."""
    return quote(str(value), safe="")


def path_of(value: str) -> str:
    """A path of files as several segments."""
    return quote(value, safe="/")


def split_address(url: str) -> SplitResult:
    """The parts of a studio's address, which has a scheme, a host, and a port that is one.

    Raises:
        UserErrorException: it is none.
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise UserErrorException(f"{url!r} is no address of a studio; it looks like http://127.0.0.1:8000.")
    return parts


@contextmanager
def waiting() -> Iterator[None]:
    """Within it, and within what it decorates, calls outlive an absence of the studio for as long as patience
    lasts."""
    token = _waiting.set(True)
    try:
        yield
    finally:
        _waiting.reset(token)


def patience_of_surroundings() -> float:
    """`DUTO_PATIENCE` in seconds, or ten minutes. Raises `UserErrorException` for what is no number."""
    text = os.environ.get(PATIENCE_VARIABLE, "").strip()
    if not text:
        return PATIENCE
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise UserErrorException(f"{PATIENCE_VARIABLE} is a number of seconds, such as 600, not {text!r}.")
    return value


class Client:
    """Speaks with one studio under one token, in JSON. Safe to share between threads: each has its own connection.

    A studio that is away is waited for: see *When the studio is away* in docs/sdk.md. An error answer is raised as
    the exception of its status, with `code`, `status` and `facts` of its body.

    Attributes:
        token: the token that is sent; None sends none.
        patience: seconds for which every call waits for a studio that is away; None lets the kind of call decide. May
            be set.
        timeout: seconds that a single answer may take. May be set.
    """

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        *,
        address_file: Optional[str] = None,
        patience: Optional[float] = None,
        timeout: float = 600.0,
    ) -> None:
        """Nothing is sent before the first call.

        Args:
            url: the studio's address, such as `http://127.0.0.1:8000`.
            token: the token to send; None for none.
            address_file: a JSON file whose `url` is where the studio is now, read before each connection.
            patience: seconds for which every call outlives an absence of the studio, whatever it is for; None: 600
                (or `DUTO_PATIENCE`) for what waits and inside a step, 30 for other calls, 3 to an address that has
                never answered.
            timeout: seconds that a single answer may take.
        """
        self._url = url.rstrip("/")
        self.token = token
        self._address_file = address_file
        self.patience = patience
        self.timeout = timeout
        self._local = threading.local()

    @property
    def url(self) -> str:
        """The studio's address without a slash at the end; inside a step it is read from the file that the agent
        keeps up to date.
        """
        if self._address_file:
            try:
                found = json.loads(Path(self._address_file).read_text(encoding="utf-8")).get("url")
                if found:
                    self._url = str(found).rstrip("/")
            except (OSError, ValueError):
                pass  # being rewritten, or gone: the last address is the best guess
        return self._url

    def get(self, path: str, /, **query: Any) -> Any:
        """Ask by GET.

        Args:
            path: path from the studio's address on, such as `/api/v1/workspaces/`, quoted.
            query: parameters of the query; None leaves one out, lists and dictionaries are sent as JSON, booleans as
                1 and 0.

        Returns:
            The answer as its JSON is; None for an empty one.

        Raises:
            AzureMLException: the studio refuses, or does not answer: `AuthenticationException` (401),
                `ForbiddenException` (403), `NotFoundException` (404), `ConflictException` (409),
                `TooLargeException` (413), `StudioUnavailableException` (no answer, 5xx), else
                `UserErrorException`.
            UserErrorException: the studio's address is none, or `DUTO_PATIENCE` no number of seconds.
        """
        return self._json("GET", path, query)

    def post(self, path: str, body: Any = None, key: Optional[str] = None, /, **query: Any) -> Any:
        """Ask by POST. Carried out once, however often it has to be sent: by its key, which the studio remembers.

        Args:
            path: as in `get`.
            body: what is sent as JSON; None sends `{}`.
            key: the idempotency key; None makes a new one.
            query: as in `get`.

        Returns:
            The answer as its JSON is; None for an empty one.

        Raises:
            AzureMLException: as in `get`.
            UserErrorException: as in `get`.
        """
        return self._json("POST", path, query, body if body is not None else {}, key or new_key())

    def patch(self, path: str, body: Any) -> Any:
        """Ask by PATCH, which sets values: sent again it changes nothing more.

        Args:
            path: as in `get`.
            body: what is sent as JSON.

        Returns:
            The answer as its JSON is; None for an empty one.

        Raises:
            AzureMLException: as in `get`.
            UserErrorException: as in `get`.
        """
        return self._json("PATCH", path, {}, body)

    def delete(self, path: str, body: Any = None, /, **query: Any) -> Any:
        """Ask by DELETE. What is gone when it has to be sent again counts as deleted.

        Args:
            path: as in `get`.
            body: what is sent as JSON; None sends nothing.
            query: as in `get`.

        Returns:
            The answer as its JSON is; None for an empty one.

        Raises:
            AzureMLException: as in `get`.
            UserErrorException: as in `get`.
        """
        return self._json("DELETE", path, query, body)

    def put(self, path: str, body: Union[bytes, IO[bytes]], size: Optional[int] = None, /, **query: Any) -> Any:
        """Send raw bytes.

        Args:
            path: as in `get`.
            body: bytes, or a stream, which must be seekable, for it may have to be sent again.
            size: the stream's length in bytes; None where bytes are given.
            query: as in `get`.

        Returns:
            The answer as its JSON is; None for an empty one.

        Raises:
            AzureMLException: as in `get`.
            UserErrorException: as in `get`.
        """
        headers = {"Content-Type": "application/octet-stream", KEY: new_key()}
        return self._document("PUT", path, self._call("PUT", path, query, body, headers, size)[1])

    def upload(self, path: str, file: Path, /, **query: Any) -> Any:
        """Send a file's bytes by PUT.

        Args:
            path: as in `get`.
            file: the file to send.
            query: as in `get`.

        Returns:
            The answer as its JSON is; None for an empty one.
        """
        with Path(file).open("rb") as stream:
            return self.put(path, stream, os.fstat(stream.fileno()).st_size, **query)

    def fetch(self, path: str, /, **query: Any) -> Tuple[bytes, Mapping[str, str]]:
        """Ask by GET for bytes.

        Args:
            path: as in `get`.
            query: as in `get`.

        Returns:
            The answer's bytes, and its headers by their names in lower case.

        Raises:
            AzureMLException: as in `get`.
            UserErrorException: as in `get`.
        """
        data, headers = self._call("GET", path, query)[1:]
        return data, headers

    def download(self, path: str, target: Path, digest: Optional[str] = None, /, **query: Any) -> int:
        """Write the answer to a GET to a file, whole or not at all.

        Args:
            path: as in `get`.
            target: the file; its folders are made, and one that is there is replaced.
            digest: sha256 that the bytes must have, in hex; None takes any.
            query: as in `get`.

        Returns:
            The count of bytes.

        Raises:
            AzureMLException: the bytes are not those of `digest`; nothing is kept.
            UserErrorException: as in `get`.
        """
        target = Path(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".duto-{os.urandom(8).hex()}.part")  # short, whatever the name of the file
        try:
            with part.open("wb") as stream:
                self._call("GET", path, query, sink=stream)
                count = stream.tell()
            if digest is not None and digest_of(part) != digest:
                raise AzureMLException(f"'{target.name}' arrived with other bytes than were written. Nothing was kept.")
            part.replace(target)
        finally:
            if part.exists():
                part.unlink()
        return count

    def pages(self, path: str, /, **query: Any) -> Iterator[Dict[str, Any]]:
        """The items of a list, asked for page after page while they are taken: a short first page, then long ones.

        Args:
            path: as in `get`.
            query: as in `get`.

        Returns:
            The items, each as its JSON is.
        """
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
            # Whoever goes on takes many: each page costs a request.
            query.setdefault("limit", _LARGE_PAGE)

    def _json(
        self, method: str, path: str, query: Mapping[str, Any], body: Any = None, key: Optional[str] = None
    ) -> Any:
        payload = None if body is None else json.dumps(body).encode("utf-8")
        headers = {} if body is None else {"Content-Type": "application/json"}
        if key is not None:
            headers[KEY] = key
        return self._document(method, path, self._call(method, path, query, payload, headers)[1])

    def _document(self, method: str, path: str, data: bytes) -> Any:
        try:
            return json.loads(data) if data else None
        except ValueError:
            raise UserErrorException(
                f"What answers at {self._url} is no Duto studio: its answer to {method} {path} is no JSON."
            ) from None

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
        """One exchange, tried again while the studio is away and patience lasts.

        What was sent whole may have been done: it is sent again only if that does nothing more.
        """
        target, given = path + _query(query), headers or {}
        absence: Optional[_Absence] = None
        lost = False
        while True:
            try:
                status, data, found = self._exchange(method, target, body, given, size, sink, absence is not None)
                if status not in _AGAIN:
                    break
                trouble: BaseException = refusal(status, data, method, path)
                pause = _seconds(found.get("retry-after"))
                # "Busy" of the studio itself is no answer to an action; that of a proxy may hide one.
                was_sent = not (status == 503 and pause is not None)
            except (OSError, http.client.HTTPException) as error:
                trouble, pause, was_sent = error, None, self._local.sent
                self._close()
            lost = lost or was_sent
            absence = absence or _Absence(self._url, self._patience())
            if was_sent and method not in _REPEATABLE and KEY not in given:
                raise self._away(trouble, "Whether it has done what was asked is not known.") from trouble
            if absence.is_over():
                raise trouble if isinstance(trouble, AzureMLException) else self._away(trouble) from trouble
            absence.rest(trouble, pause)
        _answered.add(self._url)
        if status == 404 and method == "DELETE" and lost:
            return 204, b"", found
        if 300 <= status < 400:
            # Not followed: a token goes to the address that it was given for and nowhere else.
            other = found.get("location", "")
            other = other[: -len(target)] if other.endswith(target) else other
            raise UserErrorException(f"{self._url} is not where the studio is: it sends on to {other or 'nowhere'}.")
        if status >= 400:
            raise refusal(status, data, method, path)
        return status, data, found

    def _patience(self) -> float:
        """How long this call waits for the studio."""
        if self.patience is not None:
            return self.patience
        longest = patience_of_surroundings()
        if self._address_file:
            return longest
        if self._url not in _answered:
            return min(PATIENCE_WITH_STRANGERS, longest)
        return longest if _waiting.get() else min(PATIENCE_OUTSIDE, longest)

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
        self._local.sent = False
        connection = self._connection(fresh)
        sent = {"Accept": "application/json", "User-Agent": "duto-sdk", **headers}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if size is not None:
            sent["Content-Length"] = str(size)
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        connection.request(method, self._prefix + target, body=body, headers=sent)
        self._local.sent = True
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        if sink is not None and answer.status < 300:
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
            parts = split_address(url)
            host = parts.hostname or ""
            connect = min(_CONNECT, self.timeout)
            if parts.scheme == "https":
                self._local.connection = http.client.HTTPSConnection(
                    host, parts.port, timeout=connect, context=ssl.create_default_context()
                )
            else:
                self._local.connection = http.client.HTTPConnection(host, parts.port, timeout=connect)
            self._local.key = key
            self._local.prefix = parts.path.rstrip("/")
        connection: http.client.HTTPConnection = self._local.connection
        if connection.sock is None:
            connection.connect()
            opened: Any = connection.sock  # its stub takes the type of a moment before
            _keep_alive(opened)
            opened.settimeout(self.timeout)
        return connection

    @property
    def _prefix(self) -> str:
        return self._local.prefix  # type: ignore[no-any-return]

    def _close(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.key = None
        if connection is not None:
            connection.close()

    def _away(self, error: BaseException, more: str = "Is it running?") -> AzureMLException:
        text = f"The studio at {self._url} does not answer ({error or type(error).__name__}). {more}"
        return StudioUnavailableException(text, inner_exception=error)


class _Absence:
    """The studio is away since now: told once, waited out for so many seconds."""

    def __init__(self, url: str, patience: float) -> None:
        self._url, self._patience = url, patience
        self._end = time.monotonic() + patience
        self._pause, self._rests = 0.1, 0

    def is_over(self) -> bool:
        return self._rests > 0 and time.monotonic() >= self._end

    def rest(self, trouble: BaseException, asked: Optional[float]) -> None:
        """Wait before the next try: longer each time, or as long as the studio asks."""
        self._rests += 1
        # A kept connection that has gone stale is no absence: the next try comes at once.
        if self._rests == 2 and self._patience > PATIENCE_WITH_STRANGERS:
            sys.stderr.write(
                f"The studio at {self._url} does not answer ({trouble or type(trouble).__name__}). "
                f"It is waited for, for up to {self._patience:g} seconds ({PATIENCE_VARIABLE}).\n"
            )
            sys.stderr.flush()
        left = max(self._end - time.monotonic(), 0.0)
        if asked is not None:
            time.sleep(min(asked, left))
            return
        time.sleep(min(self._pause, left) * (0.5 + random.random() / 2))  # noqa: S311
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


def digest_of(file: Path) -> str:
    """The sha256 of a file, in hex."""
    seen = hashlib.sha256()
    with file.open("rb") as stream:
        for chunk in iter(lambda: stream.read(_CHUNK), b""):
            seen.update(chunk)
    return seen.hexdigest()


def new_key() -> str:
    """A key that no other request has."""
    return uuid.uuid4().hex


def _seconds(text: Optional[str]) -> Optional[float]:
    """`Retry-After` as a number of seconds; dates are left to our own pauses."""
    return float(text) if text is not None and text.isdigit() and len(text) < 6 else None


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _ALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


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


def _query(query: Mapping[str, Any]) -> str:
    given = [(name, _text(value)) for name, value in query.items() if value is not None]
    return "?" + urlencode(given) if given else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
