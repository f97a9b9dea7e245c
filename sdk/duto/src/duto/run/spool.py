"""What a script says of its run: a line in a file inside a step, a request in batches elsewhere.

Inside a step a metric costs a write to the file that `DUTO_SPOOL` names; the agent ships the lines in order
and writes the offset that the studio has acknowledged beside it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import threading
import time
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from duto.client.http import new_key, segment
from duto.exceptions import AzureMLException, StudioUnavailableException, UserErrorException
from duto.spec.numbers import as_json
from duto.spec.sentences import said, with_said
from duto.spec.text import clean, keyed

_BATCH = 500
_DELAY = 0.5
_BATCH_BYTES = 4 << 20
_MARGIN = 1024  # for what is added to a record on its way
_TAIL = 1 << 16
# One record with its name, as JSON: what the studio takes of a step in one piece.
RECORD_MAX = 8 << 20


class Spool:
    """The file of a step. Several processes of one step may write: each line is whole and numbered in
    order."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._end = -1
        self._seq = 0

    def write(self, record: Dict[str, Any]) -> None:
        """Append one record; `seq` and `at` are added. Raises OSError where the disk is full.

        One of more than `RECORD_MAX` bytes is left out with a warning, here and on the run: hours of work must not
        end for it."""
        with self._lock:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _lock_file(descriptor)
                end = os.lseek(descriptor, 0, os.SEEK_END)
                if end != self._end:
                    self._seq = _last_seq(descriptor, end)
                self._seq += 1
                data = self._line(record)
                if end and os.pread(descriptor, 1, end - 1) != b"\n":
                    data = b"\n" + data  # somebody else's half line must not take this one along
                _append(descriptor, data, end)
                self._end = end + len(data)
            finally:
                os.close(descriptor)  # gives the lock back as well

    def _line(self, record: Dict[str, Any]) -> bytes:
        numbered = {"seq": self._seq, "at": now(), **record}
        try:
            return checked((json.dumps(numbered, allow_nan=False) + "\n").encode("utf-8"), record)
        except UserErrorException as refused:
            why = str(refused)
        warnings.warn(f"Left out: {why}", stacklevel=6)
        left = {"seq": self._seq, "at": now(), "run": record.get("run"), "op": "skipped", "why": why}
        return (json.dumps(with_said(left)) + "\n").encode("utf-8")

    def wait(self, timeout: float) -> bool:
        """Wait until the studio has every line that was written; whether it has."""
        try:
            wanted = os.path.getsize(self.path)  # noqa: PTH202
        except OSError:
            return True
        deadline = time.monotonic() + timeout
        pause = 0.01
        while self._acknowledged() < wanted:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        return True

    def _acknowledged(self) -> int:
        try:
            return int(Path(self.path + ".ack").read_text(encoding="ascii") or 0)
        except (OSError, ValueError):
            return 0


class Posting:
    """Records for runs outside a step: gathered for half a second, sent together, in order."""

    def __init__(self, client: Any, place: str) -> None:
        self._client = client
        self._place = place
        self._pending: List[Dict[str, Any]] = []
        self._batches: List[Tuple[str, List[Dict[str, Any]]]] = []
        self._refusals: List[AzureMLException] = []
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._timer: Optional[threading.Timer] = None
        self._seq = self._bytes = 0
        atexit.register(self._send)

    def write(self, record: Dict[str, Any]) -> None:
        """Keep one record for the next request. Raises `UserErrorException` for more than `RECORD_MAX` bytes."""
        size = len(checked(json.dumps(record, allow_nan=False).encode("utf-8"), record))
        with self._lock:
            self._seq += 1
            self._pending.append({"seq": self._seq, "at": now(), **record})
            self._bytes += size
            full = len(self._pending) >= _BATCH or self._bytes >= _BATCH_BYTES
            if not full and self._timer is None:
                self._timer = threading.Timer(_DELAY, self._send_in_time)
                self._timer.daemon = True
                self._timer.start()
        if full:
            self._send()

    def wait(self, timeout: float = 60.0) -> bool:
        """Send what is pending now. What the studio refuses is left out, and raised once all else was sent."""
        with self._sending:
            with self._lock:
                records, self._pending, self._bytes = self._pending, [], 0
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
            if records:
                self._batches.append((new_key(), records))
            # One that could not be sent goes first the next time, by the key that it had.
            while self._batches:
                key, batch = self._batches[0]
                try:
                    self._client.post(self._place, {"records": batch}, key)
                    rest = []
                except StudioUnavailableException:
                    raise
                except AzureMLException as refused:  # sent again it would be refused again, with all behind it
                    rest = _halves(batch) if refused.code == "bad_record" else []
                    if not rest:
                        self._refusals.append(refused)
                self._batches[:1] = rest
            refusals, self._refusals = self._refusals, []
        if refusals:
            refusals[0].message = "\n".join(dict.fromkeys(str(each) for each in refusals))
            raise refusals[0]
        return True

    def _send(self) -> None:
        """Send when nobody asked for it: what is refused is a warning, since it is not the caller's last record."""
        try:
            self.wait()
        except StudioUnavailableException:
            raise
        except AzureMLException as refused:
            warnings.warn(f"Left out: {refused}", stacklevel=5)

    def _send_in_time(self) -> None:
        with contextlib.suppress(StudioUnavailableException):  # it is sent with the next ones
            self._send()


def _halves(batch: List[Dict[str, Any]]) -> List[Tuple[str, List[Dict[str, Any]]]]:
    """A batch of which something was refused, in two of their own keys: what is sound in it is not lost with the rest.
    None of a single record."""
    middle = len(batch) // 2
    return [(new_key(), part) for part in (batch[:middle], batch[middle:])] if middle else []


_SPOOLS: Dict[str, Spool] = {}
_POSTINGS: Dict[Any, Posting] = {}
_MAKING = threading.Lock()


def recorder(workspace: Any, run_id: str) -> Any:
    """Where records for a run go from here: the step's spool for its own run and the pipeline's, else
    requests."""
    path = os.environ.get("DUTO_SPOOL")
    own = {os.environ.get("AZUREML_RUN_ID"), os.environ.get("AZUREML_ROOT_RUN_ID")}
    with _MAKING:
        if path and run_id in own:
            return _SPOOLS.setdefault(path, Spool(path))
        key = (workspace.studio_url, run_id, os.getpid())
        if key not in _POSTINGS:
            _POSTINGS[key] = Posting(workspace._client, workspace._path(f"runs/{segment(run_id)}/metrics/"))
        return _POSTINGS[key]


def now() -> str:
    """The time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def checked(data: bytes, record: Dict[str, Any]) -> bytes:
    """The record's bytes. Raises `UserErrorException` where there are too many: the studio would not take them."""
    if len(data) <= RECORD_MAX - _MARGIN:
        return data
    code, name = ("metric_too_large", record["name"]) if "name" in record else ("record_too_large", record.get("key"))
    raise UserErrorException(said(code, name=name, length=f"{len(data):,}", most=f"{RECORD_MAX - _MARGIN:,}"))


def plain(value: Any) -> Any:
    """A value as JSON. Numbers of numpy and their like become Python's, with their type: whole numbers in all their
    digits, NaN and infinities as `duto.spec.numbers` spells them. Times become ISO 8601, the rest text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return as_json(value)
    if isinstance(value, Mapping):
        return keyed((key, plain(each)) for key, each in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas: nothing is known
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return _unpacked(value)


def _unpacked(value: Any) -> Any:
    """What arrays, series, scalars of numpy and their like hold; anything else as a number or as text."""
    if getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M") and type(value).__module__ == "numpy":
        value = value.astype(str)  # as Python's these would be numbers of nanoseconds
    for name in ("tolist", "item"):
        if hasattr(value, name):
            inner = getattr(value, name)()
            if type(inner) is not type(value):
                return plain(inner)
    if hasattr(value, "__index__"):
        return int(value)
    try:
        number = float(value)
        whole = int(value) if math.isfinite(number) and number != value and value == int(value) else None
    except (TypeError, ValueError, OverflowError):
        return clean(str(value))
    return as_json(number) if whole is None else whole


def _append(descriptor: int, data: bytes, end: int) -> None:
    """All of it or nothing: half a line of a full disk would spoil the next one."""
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, end)
        raise


def _lock_file(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # no locks there; one process still writes in order
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _last_seq(descriptor: int, end: int) -> int:
    """The number of the last line, whoever wrote it; 0 where that is no record."""
    size = _TAIL
    while end and size <= 4 * RECORD_MAX:
        start = max(end - size, 0)
        tail = os.pread(descriptor, end - start, start).rstrip(b"\n")
        line = tail.rsplit(b"\n", 1)[-1]
        if b"\n" in tail or start == 0:
            try:
                return int(json.loads(line)["seq"])
            except (ValueError, KeyError, TypeError):
                return 0
        size *= 4
    return 0
