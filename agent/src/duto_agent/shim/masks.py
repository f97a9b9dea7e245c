"""Hides the secrets that a script was given in what it says. Their values are held in the memory of this process alone."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import socket
from typing import Any, Iterator
from urllib.parse import quote, quote_plus

MASK = b"***"
# Shorter texts stand in half of all words: to hide them would hide the log, and tell what they are.
SHORTEST = 4
# What the shim does for a piece of the log has an end within seconds, whatever a script wants hidden: meanwhile it hears
# no cancel. A value is as large as the studio keeps one.
LARGEST_VALUE, MOST_BYTES, MOST_TEXTS = 25_600, 1 << 23, 10_000
MOST_CALLERS = 64
TAKEN, REFUSED = b"+", b"-"
# What a shell puts a back-slash before.
_PLAIN = re.compile(r"[^\w@%+=:,./-]")


class Masks:
    """Replaces each of its texts by `***` in a stream of bytes, wherever that was cut into pieces. Another stream has the
    texts of `first`."""

    def __init__(self, first: Masks | None = None) -> None:
        self._own: set[bytes] = set()
        self._first = first or self
        # What may be the beginning of a text, so many bytes of which stand behind a mask that was written already.
        self._held, self._covered = b"", 0

    @property
    def _texts(self) -> set[bytes]:
        return self._first._own

    def add(self, value: bytes, *, is_given: bool = False) -> bool:
        """Hide this from now on: as a whole, without the blanks around it, and each of its lines, also as other programs
        spell them; False where that is too much. `is_given`: the script has it in any case, so that it is hidden whatever
        that takes."""
        whole = {value, value.strip()}
        parts = whole.union(line.strip() for line in value.splitlines())
        texts = parts.union(*map(_spellings, parts), *map(_in_base64, whole))
        wanted = {text for text in texts if len(text.decode("utf-8", "replace")) >= SHORTEST} | self._texts
        if not is_given and (len(wanted) > MOST_TEXTS or sum(map(len, wanted)) > MOST_BYTES):
            return False
        self._own = wanted
        return True

    def hide(self, data: bytes, is_last: bool = False) -> bytes:
        """What may be written by now of all that came."""
        if not self._texts:
            return data
        data = self._held + data
        keep = len(data) if is_last else self._undecided(data)
        shown: list[bytes] = []
        at = self._covered
        for start, end in self._spans(data):
            if start >= keep:
                break
            if start or not self._covered:
                shown += [data[at:start], MASK]
            at = end
        shown.append(data[at:keep])
        self._held, self._covered = data[keep:], max(0, at - keep)
        return b"".join(shown)

    def _undecided(self, data: bytes) -> int:
        """From where on the data may be the beginning of a text."""
        earliest = len(data)
        for text in self._texts:
            at = data.find(text[:1], max(0, len(data) - len(text) + 1))
            while 0 <= at < earliest:
                if text.startswith(data[at:]):
                    earliest = at
                at = data.find(text[:1], at + 1)
        return earliest

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where there is a text; those that overlap are one."""
        found = [(0, self._covered)] if self._covered else []
        for text in self._texts:
            found += _places(text, data)
        found.sort()
        start, end = 0, 0
        for first, last in found:
            if first < end:
                end = max(end, last)
                continue
            if end:
                yield start, end
            start, end = first, last
        if end:
            yield start, end


def _spellings(value: bytes) -> set[bytes]:
    """As JSON, Python's `repr`, an address of the web and shells write it, without the quotes around it."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {quote(value, safe="").encode(), repr(value)[2:-1].encode()}
    found = {
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        text.replace("/", "\\/"),
    }
    found |= {quote(text), quote(text, safe=""), quote_plus(text)}
    # Of `shlex.quote`, of `set -x`, and of `printf %q`.
    found |= {text.replace("'", "'\"'\"'"), text.replace("'", r"'\''"), _PLAIN.sub(r"\\\g<0>", text)}
    return {each.encode() for each in found}


def _in_base64(value: bytes) -> set[bytes]:
    """The whole, also with a line break behind it, as one line and in lines of 76; without what only fills it up."""
    found: set[bytes] = set()
    for each in (value, value + b"\n"):
        found |= {base64.b64encode(each).rstrip(b"="), base64.urlsafe_b64encode(each).rstrip(b"=")}
        found |= {line.rstrip(b"=") for line in base64.encodebytes(each).splitlines()}
    return found


def _places(text: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    """Where it stands. Of those that begin within one the last suffices: they overlap, and may be as many as bytes."""
    size, at = len(text), data.find(text)
    while at >= 0:
        yield at, at + size
        # Backwards by turning it around, since `rfind` may take size * size steps.
        beyond = data[at + 1 : at + 2 * size - 1]
        back = beyond[::-1].find(text[::-1]) if size <= len(beyond) else -1
        at = at + 1 + len(beyond) - back - size if back >= 0 else data.find(text, at + size)


class MaskRequests:
    """Where a script says what is to be hidden: a socket in its own folder, answered before it knows the value itself.

    Nothing here waits, for whoever calls.
    """

    def __init__(self, path: str, user: int | None, masks: Masks, poller: Any) -> None:
        self._masks, self._poller = masks, poller
        self._callers: dict[int, socket.socket] = {}
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.setblocking(False)
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:  # by its number: the address of a socket has 108 bytes
            self._door.bind("/proc/self/fd/%d/%s" % (folder, os.path.basename(path)))
        finally:
            os.close(folder)
        os.chmod(path, 0o600)
        if user is not None:
            os.chown(path, user, -1)
        self._door.listen(8)
        poller.register(self._door, select.POLLIN)

    def took(self, number: int) -> bool:
        """Whether this was for us; it is done then."""
        if number == self._door.fileno():
            self._let_in()
        elif number in self._callers:
            self._receive(self._callers[number])
        else:
            return False
        return True

    def _let_in(self) -> None:
        try:
            caller, _ = self._door.accept()
        except OSError:
            return
        if len(self._callers) >= MOST_CALLERS:
            caller.close()
            return
        caller.setblocking(False)
        self._callers[caller.fileno()] = caller
        self._poller.register(caller, select.POLLIN)

    def _receive(self, caller: socket.socket) -> None:
        try:
            value = caller.recv(LARGEST_VALUE + 1)
            if value:
                is_taken = len(value) <= LARGEST_VALUE and self._masks.add(value)
                caller.send(TAKEN if is_taken else REFUSED)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._poller.unregister(caller)
        del self._callers[caller.fileno()]
        caller.close()
