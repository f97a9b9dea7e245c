"""The files in `logs/` that tell of a parallel step, under the names that programs look for."""

from __future__ import annotations

import contextlib
import csv
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, List, Optional, Tuple

from duto.spec.ledger import Progress

_FIELDS = ("mini_batch", "input", "items", "results", "try", "process", "seconds", "status", "finished_at")


class Reports:
    """Writes them while the step runs. A disk that is full costs these files, not the step."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._csv: Any = None
        self._file: Any = None
        self._processed: List[Tuple[Any, ...]] = []
        self._at = 0.0

    def begin(self, name: str, processes: int, nodes: int) -> None:
        self._write(
            "sys/master_role.txt",
            f"The driver runs as process {os.getpid()} on {os.uname().nodename}.\n{name}: {processes} processes, for {nodes} node(s).\n",
        )
        with contextlib.suppress(OSError):
            file = self.logs / "sys/job_report/processed_mini-batches.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            self._file = file.open("w", newline="", encoding="utf-8", errors="replace")
            self._csv = csv.writer(self._file)
            self._csv.writerow(_FIELDS)

    def processed(self, *row: object) -> None:
        """A line for a mini-batch that is over, in the order in which they ended; written with the next overview. Its fields
        are those of the file, the last one as seconds since 1970."""
        self._processed.append(row)

    def _write_processed(self) -> None:
        rows, self._processed = self._processed, []
        if self._csv is None:
            return
        moments = {at: _moment(at) for at in {row[-1] for row in rows}}
        with contextlib.suppress(OSError):
            self._csv.writerows((*row[:-1], moments[row[-1]]) for row in rows)
            self._file.flush()

    def overview(self, progress: Progress, force: bool = False) -> None:
        """How far it is, once a second."""
        if not force and time.monotonic() - self._at < 1.0:
            return
        self._at = time.monotonic()
        rate, seconds = progress.rate(time.time()), progress.seconds_left(time.time())
        rows = [
            f"Mini-batches: {progress.count}",
            f"Done: {progress.done} (of these taken over: {progress.adopted})",
            f"Failed: {progress.failed}, tried again: {progress.retried}",
            f"Left: {progress.left}",
            f"Items: {progress.items}, done: {progress.items_done}, failed: {progress.items_failed}",
            f"Mini-batches a second: {'unknown' if rate is None else f'{rate:.3f}'}",
            f"Seconds left: {'unknown' if seconds is None else f'{seconds:.0f}'}",
            "",
            *(
                f"{each.name}: {each.state}, pid {each.pid}, done {each.done}, failed {each.failed}, replaced {each.restarts}"
                for _, each in sorted(progress.workers.items())
            ),
        ]
        self._write("job_progress_overview.txt", "\n".join(rows) + "\n")
        self._write_processed()

    def end(self, progress: Progress, result: Optional[Path]) -> None:
        state, why = progress.state, progress.why
        where = "" if result is None else f"Rows: {result.name}\n"
        text = (
            f"{state}\n{why}\nMini-batches: {progress.count}, done {progress.done}, failed {progress.failed}, left {progress.left}\n"
            f"Items: {progress.items}, done {progress.items_done}, failed {progress.items_failed}\n{where}"
        )
        self._write("job_result.txt", text.replace("\n\n", "\n"))
        errors = [
            f"Mini-batch {each.number}, try {each.attempt}, {'given up' if each.final else 'tried again'} ({each.why}):\n{each.error}\n{each.log}\n"
            for each in progress.failures
        ]
        self._write("job_error.txt", "\n".join(([f"{why}\n"] if state == "failed" else []) + errors))
        self.overview(progress, force=True)
        with contextlib.suppress(OSError, AttributeError):
            self._file.close()

    def _write(self, name: str, text: str) -> None:
        with contextlib.suppress(OSError):
            file = self.logs / name
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_name(f".{file.name}.new")
            new.write_text(text, encoding="utf-8", errors="replace")
            new.replace(file)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
