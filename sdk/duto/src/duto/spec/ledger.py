"""The ledger of a parallel step, read: which mini-batches are done, and how it goes. Pure.

The step's driver appends a line of JSON for each thing that happened; the agent ships the lines, the studio shows them, and
a later attempt takes over what they say is done. `docs/parallel.md` tells of each line.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Deque, Dict, Iterable, Iterator, List, Mapping, Optional

ASK = "ask"
PLAN, BEGIN, ROWS, DONE, FAIL, WORKER, END = "plan", "begin", "rows", "done", "fail", "worker", "end"
# So many failures are kept with their words; all are counted.
FAILURES_KEPT = 200
# Mini-batches a second are those of the last so many seconds.
RATE_OVER_S = 30.0
_RECENT_MOST = 4096
# Places of processes of one node, where those of several are told together.
NODE_SLOTS = 10_000


@dataclass
class WorkerState:
    """A process of the step, by its place: the one that is there now, and what all of that place have done."""

    slot: int
    name: str
    pid: Optional[int] = None
    state: str = "starting"
    began_at: Optional[float] = None
    batch: Optional[int] = None
    batch_at: Optional[float] = None
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    restarts: int = 0


@dataclass
class Failure:
    """A try of a mini-batch that failed; `final`: it is not tried again."""

    number: int
    attempt: int
    why: str
    error: str
    log: str
    worker: int
    at: float
    final: bool
    items: int = 0


@dataclass
class Progress:
    """What the lines of a ledger come to. `take` them in order; a line that makes no sense is passed over."""

    count: int = 0
    items: int = 0
    processes: int = 0
    output_action: str = ""
    began_at: Optional[float] = None
    ended_at: Optional[float] = None
    state: str = ""
    why: str = ""
    done: int = 0
    adopted: int = 0
    failed: int = 0
    items_done: int = 0
    items_failed: int = 0
    retried: int = 0
    last_at: Optional[float] = None
    workers: Dict[int, WorkerState] = field(default_factory=dict)
    failures: List[Failure] = field(default_factory=list)
    _over: Dict[int, bool] = field(default_factory=dict)
    _recent: Deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT_MOST))

    @property
    def running(self) -> int:
        """Mini-batches that a process is at, as far as the ledger tells: one that is over at once is never told as begun."""
        return sum(worker.batch is not None for worker in self.workers.values())

    @property
    def left(self) -> int:
        """Mini-batches that are neither done nor given up, those under way included."""
        return max(0, self.count - self.done - self.failed)

    def rate(self, now: Optional[float] = None) -> Optional[float]:
        """Mini-batches a second, of the last while; None before the first. Of a step that is over, of its whole life."""
        fresh = self.done - self.adopted + self.failed
        if self.began_at is None or not fresh:
            return None
        if self.ended_at is not None:
            return fresh / max(self.ended_at - self.began_at, 1e-3)
        until = max(now or 0.0, self.last_at or 0.0)
        since = max(self.began_at, until - RATE_OVER_S)
        recent = sum(moment >= since for moment in self._recent)
        if len(self._recent) == _RECENT_MOST and self._recent[0] >= since:
            since = self._recent[0]
        if not recent:
            since, recent = self.began_at, fresh
        return recent / max(until - since, 1e-3)

    def seconds_left(self, now: Optional[float] = None) -> Optional[float]:
        """How long what is left takes at this rate; None where nothing tells."""
        rate = self.rate(now)
        return self.left / rate if rate and self.ended_at is None else None

    def take_lines(self, data: bytes) -> None:
        """The lines of a piece of a ledger. What follows the last line's end is no line yet."""
        for record in records(data):
            self.take(record)

    def take(self, record: Mapping[str, Any]) -> None:
        """One line. It may come from a host that a script could write on, so anything may stand in it."""
        try:
            self._take(record)
        except (KeyError, TypeError, ValueError, AttributeError):
            return

    def _take(self, record: Mapping[str, Any]) -> None:
        event, at = record["e"], float(record["at"])
        self.last_at = max(at, self.last_at or at)
        if event == PLAN:
            self.count, self.items = int(record["count"]), int(record["items"])
            self.processes, self.began_at = int(record["processes"]), at
            self.output_action = str(record.get("action", ""))
        elif event == BEGIN:
            worker = self.workers[int(record["w"])]
            worker.batch, worker.batch_at = int(record["n"]), at
        elif event == DONE:
            self._take_done(record, at)
        elif event == FAIL:
            self._take_failure(record, at)
        elif event == WORKER:
            self._take_worker(record, at)
        elif event == END:
            self.ended_at, self.state, self.why = at, str(record["state"]), str(record.get("why", ""))
            for worker in self.workers.values():
                worker.state, worker.batch = "ended", None

    def _take_done(self, record: Mapping[str, Any], at: float) -> None:
        number, items, results, slot = int(record["n"]), int(record["i"]), int(record["o"]), int(record["w"])
        seconds = float(record.get("s", 0.0))
        if "from" in record and number not in self._over:
            self.adopted += 1
            self._count_done(number, items, results)
        elif "from" not in record:
            self.take_done(number, items, results, slot, seconds, at)

    def take_done(self, number: int, items: int, results: int, slot: int, seconds: float, at: float) -> None:
        """What a line of `done` tells, to whoever has it as numbers: most lines are of these.

        Args:
            number: of the mini-batch.
            items: how many it has.
            results: how many there are of it.
            slot: the process's place.
            seconds: how long it took.
            at: when it was told.
        """
        worker = self.workers.get(slot)
        if worker is not None and worker.batch == number:
            worker.batch = None
        if number in self._over:
            return
        if self.last_at is None or at > self.last_at:
            self.last_at = at
        self._count_done(number, items, results)
        self._recent.append(at)
        if worker is not None:
            worker.done += 1
            worker.seconds += seconds

    def _count_done(self, number: int, items: int, results: int) -> None:
        self._over[number] = True
        self.done += 1
        good = min(items, results)
        self.items_done += good
        self.items_failed += items - good

    def _take_failure(self, record: Mapping[str, Any], at: float) -> None:
        number, final = int(record["n"]), bool(record["final"])
        self._leave(record)
        items, slot = int(record["i"]), int(record["w"])
        text = {key: str(record.get(key, "")) for key in ("why", "x", "log")}
        found = Failure(number, int(record["t"]), text["why"], text["x"], text["log"], slot, at, final, items)
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(found)
        if slot in self.workers:
            self.workers[slot].failed += 1
        if not final:
            self.retried += 1
        elif number not in self._over:
            self._over[number] = False
            self.failed += 1
            self.items_failed += items
            self._note(at)

    def _take_worker(self, record: Mapping[str, Any], at: float) -> None:
        slot = int(record["w"])
        worker = self.workers.setdefault(slot, WorkerState(slot, str(record.get("name", slot))))
        if record["state"] == "starting" and worker.pid is not None:
            worker.restarts += 1
        worker.state, worker.pid = str(record["state"]), int(record["pid"])
        worker.began_at, worker.batch = at if record["state"] == "starting" else worker.began_at, None

    def _leave(self, record: Mapping[str, Any]) -> None:
        worker = self.workers.get(int(record["w"]))
        if worker is not None and worker.batch == int(record["n"]):
            worker.batch = None

    def _note(self, at: float) -> None:
        self._recent.append(at)


def merged(parts: List[Progress]) -> Progress:
    """What the ledgers of all nodes of one try come to: a mini-batch counts once, whoever has it in theirs."""
    if len(parts) == 1:
        return parts[0]
    found = Progress(output_action=parts[0].output_action)
    for node, each in enumerate(parts):
        found.count, found.items = max(found.count, each.count), max(found.items, each.items)
        found.processes += each.processes
        found.retried += each.retried
        for number, is_done in each._over.items():
            found._over[number] = found._over.get(number, False) or is_done
        found.items_done += each.items_done
        found.failures += each.failures
        found.workers.update({node * NODE_SLOTS + slot: worker for slot, worker in each.workers.items()})
        found._recent.extend(each._recent)
    found.done = sum(found._over.values())
    found.failed = len(found._over) - found.done
    # What one node takes over from another is in the ledgers of both.
    fresh = sum(each.done - each.adopted for each in parts)
    found.adopted = max(0, found.done - fresh)
    found.items_done = min(found.items_done, found.items)
    found.items_failed = max(each.items_failed for each in parts)
    found.began_at = min((each.began_at for each in parts if each.began_at is not None), default=None)
    found.last_at = max((each.last_at for each in parts if each.last_at is not None), default=None)
    if parts and all(each.ended_at is not None for each in parts):
        found.ended_at = max(each.ended_at or 0.0 for each in parts)
        found.state, found.why = parts[0].state, parts[0].why
    return found


def records(data: bytes) -> Iterator[Dict[str, Any]]:
    """The whole lines of a ledger; those that are none are left out: the last one of a driver that was killed is half."""
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        record = record_of(line)
        if record is not None:
            yield record


def record_of(line: bytes) -> Optional[Dict[str, Any]]:
    """One line as its record; None for what is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def finished(lines: Iterable[Mapping[str, Any]]) -> Dict[int, Mapping[str, Any]]:
    """The mini-batches that are done with a result for each item, by number: the first word of each counts."""
    found: Dict[int, Mapping[str, Any]] = {}
    for record in lines:
        if record.get("e") == DONE and isinstance(record.get("n"), int):
            found.setdefault(record["n"], record)
    return found
