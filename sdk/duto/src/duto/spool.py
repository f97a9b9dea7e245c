"""What a script says of its run: a line in a file inside a step, a request in batches elsewhere.

Inside a step a metric costs a write to the file that `DUTO_SPOOL` names; the agent ships the lines in order
and writes the offset that the studio has acknowledged beside it.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Optional

from duto._http import segment

_BATCH = 500
_DELAY = 0.5
_TAIL = 1 << 16


class Spool:
    """The file of a step. Several processes of one step may write: each line is whole and numbered in
    order."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._end = -1
        self._seq = 0

    def write(self, record: Dict[str, Any]) -> None:
        """Append one record; `seq` and `at` are added."""
        with self._lock:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _lock_file(descriptor)
                end = os.lseek(descriptor, 0, os.SEEK_END)
                if end != self._end:
                    self._seq = _last_seq(descriptor, end)
                self._seq += 1
                line = json.dumps({"seq": self._seq, "at": now(), **record}, allow_nan=False) + "\n"
                data = line.encode("utf-8")
                os.write(descriptor, data)
                self._end = end + len(data)
            finally:
                os.close(descriptor)  # gives the lock back as well

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
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._timer: Optional[threading.Timer] = None
        self._seq = 0
        atexit.register(self.wait, 10.0)

    def write(self, record: Dict[str, Any]) -> None:
        with self._lock:
            self._seq += 1
            self._pending.append({"seq": self._seq, "at": now(), **record})
            full = len(self._pending) >= _BATCH
            if not full and self._timer is None:
                self._timer = threading.Timer(_DELAY, self.wait)
                self._timer.daemon = True
                self._timer.start()
        if full:
            self.wait()

    def wait(self, timeout: float = 60.0) -> bool:
        """Send what is pending now."""
        with self._sending:
            with self._lock:
                records, self._pending = self._pending, []
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
            if records:
                self._client.post(self._place, {"records": records})
        return True


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


def plain(value: Any) -> Any:
    """A value as JSON: numbers of numpy and their like as Python's, NaN and infinity as text, the rest as
    text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, pandas series
        return plain(value.tolist())
    if hasattr(value, "item"):
        return plain(value.item())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    try:
        return plain(float(value))
    except (TypeError, ValueError):
        return str(value)


def _lock_file(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # no locks there; one process still writes in order
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _last_seq(descriptor: int, end: int) -> int:
    """The number of the last line, whoever wrote it."""
    if end == 0:
        return 0
    size = _TAIL
    while True:
        start = max(end - size, 0)
        tail = os.pread(descriptor, end - start, start).rstrip(b"\n")
        line = tail.rsplit(b"\n", 1)[-1]
        if b"\n" in tail or start == 0:
            return int(json.loads(line)["seq"])
        size *= 4
