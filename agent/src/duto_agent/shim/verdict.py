"""The verdict: what became of the script, in values and in one file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import time
from typing import Any


def decode(status: int | None, wrapped: bool = False) -> tuple[int | None, int | None]:
    """(exit code, signal). A wrapper tells of its child's signal by an exit code of 128 and the signal."""
    if status is None:
        return None, None
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    code = os.WEXITSTATUS(status)
    if wrapped and code - 128 in DEADLY:
        return None, code - 128
    return code, None


# Signals that end a process; an exit code of 128 and another number is the script's own.
DEADLY = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGBUS,
                    signal.SIGFPE, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGTERM})  # fmt: skip
FRAME = re.compile(r'^ *(?:\| *)?File "([^"\n]+)", line (\d+)', re.M)
# More than a verdict takes: a message of a thousand characters, and a path.
ROOM = 1 << 14
ROOM_TRIES, ROOM_S = 120, 0.5
ERROR = re.compile(r"^[A-Za-z_][\w.]*(?::.*)?$")
# What R says of an error that ends a script: it, the calls that led to it, and that it was one.
OF_R = re.compile(
    r"^(Error(?:: | in ).*?)\n(?:Calls: [^\n]*\n(?: +[^\n]*\n)*)?(?:In addition: .*\n)?Execution halted\s*\Z",
    re.M | re.S,
)
# The last line of the drivers of parallel steps and of searches.
OF_DRIVER = re.compile(r"^This step (?:cannot run|has failed): ([^\n]+)\s*\Z", re.M)
SEAL = "seal"


def last_frame(tail: bytes, folder: str) -> dict[str, Any] | None:
    """The last frame of the last traceback that lies in the user's own files; of an error of R what R says of it."""
    text = tail.decode("utf-8", "replace")
    if (found := error_of_r(text) or reason_of_driver(text)) is not None:
        return {"file": None, "line": None, "text": found[:1000]}
    start = text.rfind("Traceback (most recent call last):")
    if start < 0 and "SyntaxError" in text:  # the compiler's own errors come without the headline
        start = text.rfind('  File "')
    if start < 0:
        return None
    text = text[start:]
    folder = os.path.realpath(folder)
    own = None
    for match in FRAME.finditer(text):
        path = os.path.realpath(os.path.join(folder, match.group(1)))
        if path.startswith(folder + os.sep):
            own = (os.path.relpath(path, folder), int(match.group(2)))
    lines = [line.strip() for line in text.splitlines()[1:] if line[:1].strip()]
    at = next((at for at, line in enumerate(lines) if ERROR.match(line)), 0)
    message = " ".join(lines[at : at + (2 if lines[at].endswith(":") else 1)]) if lines else ""
    if own is None and not message:
        return None
    return {"file": own[0] if own else None, "line": own[1] if own else None, "text": message[:1000]}


def error_of_r(text: str) -> str | None:
    """The error with which a script of R ended, in one line; None where none did."""
    start = max(text.rfind("\nError: "), text.rfind("\nError in ")) + 1
    found = OF_R.match(text, start)
    return " ".join(found[1].split()) if found else None


def reason_of_driver(text: str) -> str | None:
    """Why a step that the SDK's own code runs could not, as its last line has it; None for any other end."""
    found = OF_DRIVER.search(text)
    return found[1] if found else None


def iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%06dZ" % int(seconds % 1 * 1e6)


def reserve(path: str) -> None:
    """Take room for a verdict before the script can fill the disk. Where there is none even now, `leave` waits for it."""
    try:
        with open(path + ".new", "wb", buffering=0) as file:
            file.write(b" " * ROOM)
    except OSError:
        pass


def leave(path: str, value: dict[str, Any]) -> None:
    """Write the verdict into its room. Raises OSError when there is none for a minute."""
    data = json.dumps(value).encode()
    for left in reversed(range(ROOM_TRIES)):
        try:
            _overwrite(path + ".new", data)
            os.rename(path + ".new", path)
            return
        except OSError as error:
            if not left:
                raise
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                time.sleep(ROOM_S)
            else:  # the script has put something in its place
                os.unlink(path + ".new")


def _overwrite(path: str, data: bytes) -> None:
    """Before the rest is cut off, so that no room is given back that another may take."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(number, view) :]
        os.ftruncate(number, len(data))
    finally:
        os.close(number)


def seal_of(value: dict[str, Any], key: str) -> str:
    """What only somebody who knows the key can say of this value."""
    text = json.dumps(value, sort_keys=True).encode()
    return hashlib.blake2b(text, key=bytes.fromhex(key), digest_size=32).hexdigest()


def write_json(path: str, value: dict[str, Any]) -> None:
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.rename(path + ".new", path)
