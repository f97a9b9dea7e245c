"""Speaks the agents' API over connections that stay open."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from duto.spec.sentences import Said, parts, said
from duto_agent import __version__
from duto_agent.loops import backoff
from duto_agent.studio.addresses import Addresses
from duto_agent.studio.ranges import BrokenOff, Changed, StoreAway
from duto_agent.studio.transfers import DataMissing, StoreRefused
from duto_protocol import messages
from duto_protocol.messages import (
    VERSION,
    AddressesAsk,
    Answer,
    BatchAsk,
    BatchShare,
    Exchange,
    Meeting,
    Meetings,
    PartsAsk,
    PartsOffer,
)
from duto_protocol.reading import NotUnderstood, read, written

log = logging.getLogger("duto.agent")
PATIENCE_S = 600.0
PIECE = 1 << 20
# Beyond what it waits for work: a verdict on many files takes the studio a while. Seconds, and bytes in each further one.
EXCHANGE_S, EXCHANGE_RATE = 15.0, 50_000
FAULT, FULL, CHANGED, ELSEWHERE = 500, 507, 412, 307
# What stands in the URL of a file before its name.
FILES = "/files/"
# Says that this agent follows an address of a store's own, and for how long one that it cannot reach is not tried again.
DIRECTLY, UNREACHABLE_S = "X-Duto-Direct", 600.0
# A store that is away longer costs the attempt; the next one begins a minute later.
STORE_PATIENCE_S = 20.0


class Away(Exception):
    """The studio cannot be reached now, or has a fault of its own: try again later."""


class StudioFull(Away):
    """Its own disk has no room: whoever runs it must make some, and what was sent is sent again."""


class StudioFaulty(Away):
    """It could not do this very thing: a fault that the next try may meet again."""


class StoreIsAway(Away):
    """It could not read what lies on a datastore, which may be back in a moment."""


class Unreachable(Away):
    """There is no way from here to a store."""


class PartRefused(Away):
    """A store does not take a part at this address, which may be good no more."""


class KeyRefused(Away):
    """The host's key is not known (any more). Steps go on; a person may mend it."""


class Refused(Exception):
    """The studio heard it and said no; saying it again would not help."""

    def __init__(self, status: int, body: Any) -> None:
        error = body.get("error") if isinstance(body, dict) else None
        self.status, self.body = status, body if isinstance(body, dict) else {}
        self.code = str(error.get("code")) if isinstance(error, dict) else ""
        self.facts = error.get("facts") or {} if isinstance(error, dict) else {}
        message = self.said = str(error.get("message") or "") if isinstance(error, dict) else ""
        super().__init__(f"{status} {self.code} {message}".strip())

    @property
    def size(self) -> int | None:
        """The stored size that a wrong offset is answered with."""
        for source in (self.body, self.facts):
            if isinstance(source.get("size"), int):
                return int(source["size"])
        return None


class StudioClient:
    """One per agent; may be used by many threads."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        host = urlsplit(self.url).hostname or ""
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key or '-'}", "X-Duto-Agent": f"{VERSION} {__version__}"},
            timeout=httpx.Timeout(30, connect=5),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=64, keepalive_expiry=60),
            # A proxy of the surroundings knows no way to this very host.
            trust_env=host not in ("127.0.0.1", "localhost", "::1"),
        )
        self._ignored: tuple[str, ...] = ()
        # Presigned addresses of a cloud store must not see the host's key.
        self._foreign = httpx.Client(timeout=httpx.Timeout(60, connect=5), follow_redirects=True)
        self._unreachable: dict[str, float] = {}
        self._addresses = Addresses(self._ask_addresses)

    def exchange(self, message: Exchange) -> Answer:
        """Raises Away, Refused."""
        body = written(message)
        headers = {"Content-Type": "application/json"}
        seconds = (message.wait or 0) + EXCHANGE_S + len(body) / EXCHANGE_RATE
        answer = self._send("POST", "/agent/v1/exchange", content=body, headers=headers, timeout=seconds)
        try:
            reading = read(answer.content, Answer)
        except NotUnderstood as error:  # of somebody else that listens at its address
            raise Away(f"What answers at {self.url} is not the studio: {error}") from error
        self._note_ignored(tuple(reading.ignored))
        return reading.message

    def _note_ignored(self, paths: tuple[str, ...]) -> None:
        """Once for the same complaint: a studio of another version says the same with each answer."""
        if paths and paths != self._ignored:
            log.warning("the studio tells what is not understood and ignored: %s", ", ".join(map(ascii, paths)))
        self._ignored = paths

    def enrol(self, document: dict[str, Any]) -> dict[str, Any]:
        """Raises Away, KeyRefused for a token that is of no use, Refused."""
        return dict(self._send("POST", "/agent/v1/enrol", json=document).json())

    def put_log(self, attempt: str, epoch: int, offset: int, data: bytes, rank: int | None = None) -> int:
        """Of the attempt, or of one of its processes."""
        return self._put_bytes(f"/agent/v1/attempts/{attempt}/{epoch}/log", offset, data, rank)

    def put_spool(self, attempt: str, epoch: int, offset: int, data: bytes) -> int:
        return self._put_bytes(f"/agent/v1/attempts/{attempt}/{epoch}/spool", offset, data)

    def skip_spool(self, attempt: str, epoch: int, offset: int, length: int, why: Said) -> int:
        """Go on behind a line that stays here; the attempt is told why."""
        path = f"/agent/v1/attempts/{attempt}/{epoch}/spool?offset={offset}&skip={length}"
        headers = {"X-Duto-Said": json.dumps(parts(why))}
        return int(self._send("PUT", path, content=why.encode("utf-8", "replace"), headers=headers).json()["size"])

    def put_samples(self, attempt: str, epoch: int, offset: int, data: bytes) -> int:
        return self._put_bytes(f"/agent/v1/attempts/{attempt}/{epoch}/samples", offset, data)

    def put_ledger(self, attempt: str, epoch: int, offset: int, data: bytes) -> int:
        return self._put_bytes(f"/agent/v1/attempts/{attempt}/{epoch}/ledger", offset, data)

    def meet(self, attempt: str, epoch: int, own: Meeting) -> Meetings:
        """Tell where this member is, and hear where all are. Raises Away, Refused."""
        answer = self._send("PUT", f"/agent/v1/attempts/{attempt}/{epoch}/rendezvous", content=written(own))
        try:
            return read(answer.content, Meetings).message
        except NotUnderstood as error:
            raise Away(f"What answers at {self.url} is not the studio: {error}") from error

    def share(self, attempt: str, epoch: int, ask: BatchAsk) -> BatchShare:
        """Ask for mini-batches. Raises Away, Refused."""
        answer = self._send("PUT", f"/agent/v1/attempts/{attempt}/{epoch}/share", content=written(ask))
        try:
            return read(answer.content, BatchShare).message
        except NotUnderstood as error:
            raise Away(f"What answers at {self.url} is not the studio: {error}") from error

    def put_build_log(self, build: str, offset: int, data: bytes) -> int:
        return self._put_bytes(f"/agent/v1/builds/{build}/log", offset, data)

    def upload(
        self,
        put: str,
        path: str,
        file: Path,
        check: Callable[[], None],
        count: Callable[[int], None] = lambda size: None,
    ) -> None:
        """One file to the folder URL of the spec. Raises Away, Refused, OSError, and what `check` raises between pieces; bytes
        that are counted then are taken back."""
        url, sent = put + quote(path), 0

        def pieces() -> Iterator[bytes]:
            nonlocal sent
            while piece := reader.read(PIECE):
                check()
                yield piece
                sent += len(piece)
                count(len(piece))

        with file.open("rb") as reader:
            headers = {"Content-Length": str(os.fstat(reader.fileno()).st_size)}
            try:
                self._send("PUT", url, content=pieces(), headers=headers, timeout=300)
            except BaseException:
                count(-sent)
                raise

    def announce(self, urls: Iterable[str]) -> None:
        """These URLs of a spec are downloaded soon."""
        self._addresses.announce(quote(url) for url in urls)

    def _ask_addresses(self, urls: list[str]) -> list[str]:
        """Nothing where the studio does not say: then each file is asked for by itself."""
        base, _, _ = urls[0].partition(FILES)
        files = [unquote(url.removeprefix(base + FILES)) for url in urls]
        try:
            answer = self._send("PUT", f"{base}/addresses", content=written(AddressesAsk(files)))
            return read(answer.content, messages.Addresses).message.addresses
        except (Away, Refused, NotUnderstood):
            return []

    @contextlib.contextmanager
    def download(
        self, url: str, start: int = 0, tag: str | None = None, length: int | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The bytes behind a URL, from `start` on, `length` at most; what is not there is missing data. Of a datastore they come
        from the store itself where the studio gives its address for them (docs/security.md)."""
        if not url.startswith(("http://", "https://")):
            url = quote(url)  # the spec names files as they are
        headers = {"Accept-Encoding": "identity"}
        if start or length is not None:
            headers["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        if tag:
            headers["If-Match"] = f'"{tag}"'
        with contextlib.ExitStack() as stack:
            answer = self._opened(stack, url, headers, tag)
            pieces = answer.iter_raw(PIECE)
            try:
                found = pieces if answer.status_code == 206 else _without(start, pieces)
                yield found if length is None else _first(length, found)
            except httpx.HTTPError as error:
                raise BrokenOff(said("broken_off", error=str(error) or type(error).__name__)) from error

    def _opened(
        self, stack: contextlib.ExitStack, url: str, headers: dict[str, str], tag: str | None
    ) -> httpx.Response:
        """Waits for a studio that is away, less for a store that is. Raises Away, DataMissing, StoreAway, StoreRefused, Changed."""
        began = time.monotonic()
        for pause in backoff():
            waited = time.monotonic() - began + pause
            try:
                return self._checked(self._stream(stack, url, headers, tag))
            except StoreIsAway as away:
                if waited > STORE_PATIENCE_S:
                    raise StoreAway(said("store_is_away", error=str(away))) from away
            except httpx.HTTPError as error:
                if waited > PATIENCE_S:
                    raise Away(str(error)) from error
            except Away:
                if waited > PATIENCE_S:
                    raise
            except Refused as refused:
                if refused.status == CHANGED:
                    raise Changed from refused
                if refused.code == "store_refused":
                    raise StoreRefused(said("store_refuses", error=refused.said)) from refused
                raise DataMissing(said("data_refused", error=str(refused))) from refused
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def _stream(
        self, stack: contextlib.ExitStack, url: str, headers: dict[str, str], tag: str | None
    ) -> httpx.Response:
        client, address = self._address(url)
        if client is self._foreign:
            return stack.enter_context(client.stream("GET", address, headers=headers, timeout=120))
        known = self._addresses.take(url)
        if known:
            found = self._direct(stack, known, headers, tag)
            return found or stack.enter_context(client.stream("GET", address, headers=headers, timeout=120))
        asked = client.stream("GET", address, headers={**headers, DIRECTLY: "yes"}, timeout=120)
        answer = stack.enter_context(asked)
        if answer.status_code != ELSEWHERE:
            return answer
        found = self._direct(stack, answer.headers.get("Location", ""), headers, tag)
        # What a store says to us is not put into words here: the studio asks it once more, and tells.
        return found or stack.enter_context(client.stream("GET", address, headers=headers, timeout=120))

    def _direct(
        self, stack: contextlib.ExitStack, address: str, headers: dict[str, str], tag: str | None
    ) -> httpx.Response | None:
        """From the store itself; None where that gives nothing, or is not to be reached from here. Raises Changed."""
        place = urlsplit(address).netloc
        if self._is_unreachable(place):
            return None
        try:
            answer = stack.enter_context(self._foreign.stream("GET", address, headers=headers))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            log.info("%s is not reached from here (%s): its files come through the studio", place, type(error).__name__)
            self._unreachable[place] = time.monotonic()
            return None
        except httpx.HTTPError:  # it is there, and broke off: the next file is asked for there again
            return None
        found = answer.headers.get("ETag", "").removeprefix("W/").strip('"')
        if answer.status_code == CHANGED or (answer.is_success and tag and found != tag):
            raise Changed
        return answer if answer.is_success else None

    def close(self) -> None:
        self._http.close()
        self._foreign.close()

    def part_addresses(self, url: str, ask: PartsAsk) -> PartsOffer:
        """Ask for addresses at which parts of an output are put. Raises Away, Refused."""
        answer = self._send("PUT", url, content=written(ask), timeout=120)
        try:
            return read(answer.content, PartsOffer).message
        except NotUnderstood as error:
            raise Away(f"What answers at {self.url} is not the studio: {error}") from error

    def put_part(self, address: str, pieces: Iterator[bytes], size: int, md5: str) -> None:
        """One part of a file to the store itself, which holds the bytes to `md5` (base64).

        Raises Unreachable where there is no way from here, PartRefused, StoreIsAway, and what `pieces` raises.
        """
        place = urlsplit(address).netloc
        if self._is_unreachable(place):
            raise Unreachable(place)
        headers = {"Content-Length": str(size), "Content-MD5": md5}
        try:
            answer = self._foreign.put(address, content=pieces, headers=headers, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"{place} ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            raise StoreIsAway(type(error).__name__) from error
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            raise StoreIsAway(f"{place} answered {answer.status_code}")
        if not answer.is_success:
            raise PartRefused(f"{place} answered {answer.status_code}")

    def note_unreachable(self, address: str) -> None:
        """For a while the store of this address is not tried from here."""
        self._unreachable[urlsplit(address).netloc] = time.monotonic()

    def _is_unreachable(self, place: str) -> bool:
        return time.monotonic() - self._unreachable.get(place, -UNREACHABLE_S) < UNREACHABLE_S

    def _put_bytes(self, path: str, offset: int, data: bytes, rank: int | None = None) -> int:
        of_rank = "" if rank is None else f"&rank={rank}"
        answer = self._send("PUT", f"{path}?offset={offset}{of_rank}", content=data)
        return int(answer.json()["size"])

    def _address(self, url: str) -> tuple[httpx.Client, str]:
        if not url.startswith(("http://", "https://")):
            return self._http, self.url + url
        return (self._http if url.startswith(self.url + "/") else self._foreign), url

    def _send(self, method: str, url: str, **options: Any) -> httpx.Response:
        client, address = self._address(url)
        try:
            return self._checked(client.request(method, address, **options))
        except httpx.HTTPError as error:
            raise Away(f"{type(error).__name__}: {error}") from error

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code < 400:
            return answer
        with contextlib.suppress(httpx.HTTPError):
            answer.read()
        try:
            body = answer.json()
        except (ValueError, httpx.HTTPError):
            body = {}
        refused = Refused(answer.status_code, body)
        if answer.status_code == FULL:
            raise StudioFull(str(refused))
        if answer.status_code == FAULT:
            raise StudioFaulty(f"The studio answered {FAULT}.")
        if refused.code == "store_away":
            raise StoreIsAway(str(refused.said))
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Away(f"The studio answered {answer.status_code}.")
        if answer.status_code in (401, 403):
            raise KeyRefused(f"The studio refuses this host's key: {refused}") from refused
        raise refused


def _without(start: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What comes after so many bytes, of an answer that gives all although a part was asked for."""
    for piece in pieces:
        yield piece[start:]
        start = max(0, start - len(piece))


def _first(length: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """No more than was asked for, of an answer that gives more."""
    for piece in pieces:
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            return
