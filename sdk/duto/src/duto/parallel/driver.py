"""The driver of a parallel step: hands mini-batches to processes, keeps the ledger, and decides when it is over.

One thread, one loop. What is over is in the ledger, on the disk, before it counts: all that was heard since the last sync by
the next one. The file of rows is made of the ledger at the end, each mini-batch once and in the order of the input, whatever
was killed on the way.
"""

from __future__ import annotations

import contextlib
import gc
import json
import mmap
import os
import selectors
import signal
import sys
import time
from collections import deque
from hashlib import sha256
from pathlib import Path
from typing import Any, Deque, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

from duto.parallel import worker
from duto.parallel.ledger import Ledger, line, placed, rows_of
from duto.parallel.node_usage import NodeUsage
from duto.parallel.reports import Reports
from duto.parallel.shares import Answer, Shares
from duto.parallel.worker import Job, WorkerSlot
from duto.parallel.worker_process import WorkerProcess, begin, kill
from duto.spec.ledger import ASK, BEGIN, DONE, END, FAIL, PLAN, ROWS, WORKER, Progress, record_of
from duto.spec.parallel import Settings

# A process has mini-batches for so long ahead, and for three times as long as a sync takes: it never waits for the next
# number. What is heard meanwhile is synced together. A mini-batch costs this much beside `run`.
AHEAD_S, BESIDE_S, AHEAD_MOST = 0.04, 2e-5, 2000
LINGER_S = AHEAD_S / 2
# What a process has ahead is taken back for one that has nothing, when what it is at lasts longer.
STUCK_S = 0.05
# So often it is looked whether a process runs out of what it has ahead.
LOOK_S = 0.001
# One that lasts this long is reported as under way.
REPORTED_AFTER_S = 0.25
TICK_S = 0.1
# Bytes of lines that are taken over between two syncs.
HELD_MOST = 1 << 23
# Characters of rows in lines of their own in one ledger, of which the studio keeps no more than its cap.
ROWS_MOST = 1 << 28
# Bytes of lines that are read as one list.
GROUP_MOST = 1 << 20
# A node asks for more mini-batches when what it has lasts no longer.
SHARE_AHEAD_S = 2.0
# A process that dies before `init` is through is started again so often.
STARTS_MOST = 3
CANCELED = 143


# Of a mini-batch that is done what counts: its number, items, results, the process's place, seconds, when it was heard.
Done = Tuple[int, int, int, int, float, float]


class TooManyFailures(Exception):
    """More failed than the settings let."""


def _joined(rows: Sequence[bytes]) -> bytes:
    """Rows of several mini-batches, each as JSON spells it."""
    texts = json.loads(b"[%s]" % b",".join(rows))
    try:
        return "".join(texts).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # of one of them
        return b"".join(map(worker.encoded, texts))


class Driver:
    """Runs all mini-batches of a job that the earlier ledgers do not know as done."""

    def __init__(
        self,
        job: Job,
        settings: Settings,
        places: Sequence[WorkerSlot],
        ledger: Path,
        logs: Path,
        header: bool = False,
        shares: Optional[Shares] = None,
    ) -> None:
        self.job, self.settings, self.places = job, settings, places
        self.batches = job.plan.batches
        self.progress = Progress()
        self.shares, self._logs, self._earlier = shares, logs, list[Path]()
        self.reports = Reports(logs if not places[0].node else logs / f"sys/node/{places[0].node}")
        self.usage = NodeUsage(logs, (place.node for place in places))
        self.header = header
        self._ledger = Ledger(ledger)
        self._processes: Dict[int, WorkerProcess] = {}
        self._pending: Deque[Tuple[int, int]] = deque()
        self._starts: Dict[int, int] = {}
        self._selector = selectors.DefaultSelector()
        self._canceled = self._has_failed = False
        self._mean: Optional[float] = None
        self._sync_s = self._heard_at = self._synced_at = 0.0
        self._lines: List[Tuple[bytes, Union[Done, Mapping[str, Any]]]] = []
        self._given_up: Set[int] = set()
        self._elsewhere = (0, 0)
        self._told_idle = False
        self._where: Dict[int, Tuple[int, int]] = {}
        self._pieces: Dict[int, List[Tuple[int, int]]] = {}
        self._room = ROWS_MOST
        self._said_at = time.monotonic()

    def run(self, earlier: Iterable[Path], result: Optional[Path]) -> int:
        """All of it; the exit code of the step."""
        settings = self.settings
        self.reports.begin(self.job.entry.name, len(self.places), settings.node_count)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._cancel)
        count, items, action = len(self.batches), self.job.plan.items, settings.output_action
        self._note(line(PLAN, count=count, items=items, processes=len(self.places), action=action))
        code, state, why = 0, "completed", ""
        try:
            self._earlier = [*earlier]
            if self.shares is None:
                self._take_up(range(len(self.batches)), self._earlier)
            self._commit()
            self._check_limits()
            self._loop()
            if self.shares is not None:
                result = None  # another node writes it
            if self._canceled:
                code, state, why = CANCELED, "canceled", "The step was asked to end."
            else:
                self._commit()
                if result is not None:
                    self._write_rows(result)
        except TooManyFailures as error:
            code, state, why = 1, "failed", str(error)
        except OSError as error:
            code, state, why = 1, "failed", f"The driver could not write: {error}"
        finally:
            self._sample(force=True)
            self._end_all()
        with contextlib.suppress(OSError):
            self._note(line(END, state=state, why=why))
            self._commit()
        self.reports.end(self.progress, result if not code else None)
        self._tell(state, why)
        return code

    # --- the loop ---

    def _loop(self) -> None:
        gc.freeze()  # what is there is shared with the processes, and stays so
        for place in self.places[: len(self._pending)]:
            self._start(place)
        self._sample()  # while they begin
        while not self._canceled and (self._share() or self._is_busy()):
            for key, _ in self._selector.select(TICK_S):
                self._receive(self._processes[key.data])
            self._watch_clock()
            if not self._has_failed:  # else it may be over
                self._send()
            if self._is_due():
                self._commit()
                self._check_limits()
                self._has_failed = False
                self._send()
            self._say_how_far()
            self._sample()
            self._gather_short()

    def _is_busy(self) -> bool:
        return bool(self._pending) or any(process.queue for process in self._processes.values())

    def _take_up(self, numbers: Iterable[int], earlier: Iterable[Path]) -> None:
        """These mini-batches are to be done here, but for those that earlier ledgers know as done."""
        wanted = [number for number in numbers if number not in self._where and number not in self._given_up]
        done = self._adopt(earlier, set(wanted))
        self._pending.extend((number, 1) for number in wanted if number not in done)

    # --- several nodes ---

    def _share(self) -> bool:
        """Take what the studio gives this node, and ask for more in time; whether there is more to wait for."""
        shares = self.shares
        if shares is None:
            return False
        for first, end in shares.look():
            self._told_idle = False  # also where earlier ledgers know all of it as done
            self._take_up(range(max(0, first), min(end, len(self.batches))), self._earlier)
        answer = shares.answer
        self._elsewhere = (answer.failed, answer.items_failed)
        if answer.fault:
            raise TooManyFailures(answer.fault)
        if answer.is_over and not self._is_busy():
            return False
        if answer.joins and not self._is_busy():
            self._join(answer)
            return self._is_busy()
        for place in self.places:
            if len(self._processes) < len(self._pending) and place.slot not in self._processes:
                self._start(place)
        self._ask(shares)
        return True

    def _ask(self, shares: Shares) -> None:
        """For more before all is begun, and once more when all that this node had is over."""
        is_idle = not self._is_busy()
        lasts = len(self._pending) * (self._mean or SHARE_AHEAD_S) / len(self.places)
        if (is_idle and not self._told_idle) or (
            not shares.is_waiting and not self._told_idle and lasts < SHARE_AHEAD_S
        ):
            shares.asked += 1
            counts = {"failed": self.progress.failed, "items_failed": self.progress.items_failed}
            facts = {"count": len(self.batches), "plan": self._digest, "processes": len(self.places), "idle": is_idle}
            self._note(line(ASK, q=shares.asked, **facts, **counts))
            self._commit()
        self._told_idle = is_idle

    def _join(self, answer: Answer) -> None:
        """All nodes are through: what the others have done is taken over, and what of it cannot be is done here."""
        self.shares, self._elsewhere = None, (0, 0)
        self._commit()
        if self.reports.logs != self._logs:
            self.reports = Reports(self._logs)
            self.reports.begin(self.job.entry.name, len(self.places), self.settings.node_count)
        self._adopt_failures(answer.ledgers)
        self._take_up(range(len(self.batches)), answer.ledgers)
        self._commit()
        self._check_limits()
        for place in self.places[: len(self._pending)]:
            if place.slot not in self._processes:
                self._start(place)

    def _adopt_failures(self, ledgers: Sequence[Path]) -> None:
        """Mini-batches that other nodes gave up stay so, unless one has done them."""
        found: Dict[int, Mapping[str, Any]] = {}
        done = set(self._where)
        for path in ledgers:
            for _, _, record in placed(path):
                number = int(record.get("n", -1))
                if record.get("e") == DONE:
                    done.add(number)
                elif record.get("e") == FAIL and record.get("final"):
                    found.setdefault(number, record)
        for number, failure in found.items():
            is_same = 0 <= number < len(self.batches) and failure.get("k") == self.batches[number].key
            if is_same and number not in done and number not in self._given_up:
                facts = {key: value for key, value in failure.items() if key not in ("e", "at", "w")}
                self._note(line(FAIL, **facts, w=-1))
                self._given_up.add(number)

    def _is_due(self) -> bool:
        """Whether what was heard is synced now: where mini-batches are short, and some are under way, more is heard first."""
        is_short = self._mean is not None and self._mean < LINGER_S and not self._has_failed
        is_busy = any(process.queue for process in self._processes.values())
        return not (is_short and is_busy) or time.monotonic() - self._synced_at >= LINGER_S

    def _gather_short(self) -> None:
        """Of short mini-batches more are heard and synced at once, while the processes are busy with what they have ahead: as
        long as none of them runs out of it."""
        if self._mean is None or self._mean >= LINGER_S:
            return
        processes = [process for process in self._processes.values() if process.queue]
        most = max((len(process.queue) for process in processes), default=0) * (self._mean + BESIDE_S)
        until = time.monotonic() + min(max(LINGER_S, self._sync_s), most)
        while not self._canceled and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_S))
            # Where more is to come, it comes in time; where none is, all of it is heard at once.
            if any(process.ahead() < (len(process.queue) // 4 if self._pending else 1) for process in processes):
                return

    def _cancel(self, *_: object) -> None:
        self._canceled = True

    def _start(self, place: WorkerSlot) -> None:
        room = max(0, self._room) // len(self.places)
        process = begin(self.job, place, room, list(self._processes.values()))
        self._processes[place.slot] = process
        self._selector.register(process.answer, selectors.EVENT_READ, place.slot)
        self._note(line(WORKER, w=place.slot, name=place.name, pid=process.pid, state="starting"))

    def _send(self) -> None:
        """Keep each process busy, and those that are quick ahead; the last ones are shared out evenly."""
        self._take_back()
        processes = [process for process in self._processes.values() if process.ready]
        if not self._pending or not processes:
            return
        ahead = min(self._ahead(), -(-len(self._pending) // len(self._processes)))  # those that begin yet get theirs
        for process in sorted(processes, key=lambda each: len(each.queue)):
            is_stuck = process.queue and time.monotonic() - process.since > STUCK_S
            if is_stuck or len(process.queue) > ahead // 2 or not self._pending:
                continue
            given = [self._pending.popleft() for _ in range(min(ahead - len(process.queue), len(self._pending)))]
            if not process.queue:
                self._begin_next(process)
            process.queue.extend(given)
            with contextlib.suppress(BrokenPipeError):  # it is gone: the end of its answers tells
                os.write(process.hear, b"".join(worker.ASKED.pack(*each) for each in given))

    def _ahead(self) -> int:
        """How many mini-batches a process has, with the one that it is at. One whose length nobody knows comes alone."""
        if self._mean is None:
            return 1
        return 1 + min(AHEAD_MOST, int(max(AHEAD_S, 3 * self._sync_s) / (self._mean + BESIDE_S)))

    def _take_back(self) -> None:
        """A process has nothing to do, and another one is long at what it is at: what that one has ahead is for all."""
        if self._pending or all(process.queue for process in self._processes.values() if process.ready):
            return
        for process in self._processes.values():
            if process.back is None or len(process.queue) < 2 or time.monotonic() - process.since < STUCK_S:
                continue
            with contextlib.suppress(BlockingIOError):
                back = os.read(process.back, worker.ASKED.size * len(process.queue))
                for _ in range(len(back) // worker.ASKED.size):
                    self._pending.appendleft(process.queue.pop())

    def _begin_next(self, process: WorkerProcess) -> None:
        process.since, process.is_reported = time.monotonic(), False

    def _receive(self, process: WorkerProcess) -> None:
        try:
            data = os.read(process.answer, 1 << 20)
        except BlockingIOError:
            return
        self._listen(process, data)
        if not data:
            self._lost(process, "lost", "")

    def _listen(self, process: WorkerProcess, data: bytes) -> None:
        self._heard_at = time.time()
        *lines, process.rest = (process.rest + data).split(b"\n")
        for each in lines:
            if each.startswith(b"+"):  # most are
                self._done(process, each)
            else:
                self._take(process, each)
        if lines:
            self._begin_next(process)

    def _take(self, process: WorkerProcess, raw: bytes) -> None:
        if raw.startswith(b"="):  # rows of the mini-batch that it is at
            number, piece, whole = raw[1:].split(b" ", 2)
            if process.queue and process.queue[0][0] == int(number):
                self._note(whole + b"\n", {"e": ROWS, "at": self._heard_at, "n": int(number), "p": int(piece)})
            return
        if raw.startswith(b"@"):  # how much it has written by the end of the mini-batch that follows
            process.written = [*map(int, raw[1:].split())]
            return
        record = record_of(raw) or {}
        event = record.get("e")
        if event == worker.READY:
            process.ready = True
            self._starts[process.place.slot] = 0
            self._note(line(WORKER, w=process.place.slot, name=process.place.name, pid=process.pid, state="ready"))
        elif event == worker.INIT_FAILED:
            raise TooManyFailures(
                f"init() of {self.job.entry.name} failed:\n{record.get('x', '')}\n{record.get('log', '')}".rstrip()
            )
        elif event == FAIL and (asked := self._next(process, record.get("n"), float(record.get("s", 0.0)))) is not None:
            self._failed(record, *asked)

    def _done(self, process: WorkerProcess, raw: bytes) -> None:
        """What is in front of the line tells all that counts: the line itself goes to the ledger as it is."""
        number, items, results, lasted, whole = raw.split(b" ", 4)  # of "+7" the number is 7
        n, i, o, s = int(number), int(items), int(results), float(lasted)
        asked = self._next(process, n, s)
        if asked is None:
            return
        at, slot, is_whole = self._heard_at, process.place.slot, o >= i
        if not is_whole:
            self._has_failed = True
        self._lines.append((whole + b"\n", (n, i, o, slot, s, at)))
        status = "done" if is_whole else "partial"
        self.reports.processed(n, self.batches[n].input, i, o, asked[1], slot, s, status, at)

    def _next(self, process: WorkerProcess, number: object, lasted: float) -> Optional[Tuple[int, int]]:
        """What a process has answered, and it is at the next; None where it was not asked."""
        if not process.queue or process.queue[0][0] != number:
            return None
        self._mean = lasted if self._mean is None else self._mean + 0.1 * (lasted - self._mean)
        return process.queue.popleft()

    def _failed(self, record: Mapping[str, Any], number: int, attempt: int) -> None:
        final = attempt >= self.settings.run_max_try
        if final:
            self._given_up.add(number)
        else:
            self._pending.append((number, attempt + 1))
        facts = {key: value for key, value in record.items() if key not in ("e", "at", "final")}
        raw, at = line(FAIL, **facts, final=final), time.time()
        self._has_failed = True
        self._note(raw, {**record, "e": FAIL, "at": at, "final": final})
        counts = (number, self.batches[number].input, record["i"], 0, attempt, record["w"], record.get("s", ""))
        self.reports.processed(*counts, "failed" if final else "retried", at)

    def _watch_clock(self) -> None:
        moment = time.monotonic()
        for process in list(self._processes.values()):
            if not process.queue or not process.ready:
                continue
            lasted = moment - process.since
            if lasted > self.settings.run_invocation_timeout:
                limit = f"{self.settings.run_invocation_timeout:g}"
                self._lost(
                    process,
                    "timeout",
                    f"run() took longer than {limit} seconds (run_invocation_timeout); its process was ended.",
                )
            elif lasted > REPORTED_AFTER_S and not process.is_reported:
                process.is_reported = True
                number, attempt = process.queue[0]
                self._note(line(BEGIN, n=number, w=process.place.slot, t=attempt))

    def _lost(self, process: WorkerProcess, why: str, error: str) -> None:
        """A process is lost, or is ended: the mini-batch that it was at has failed once, what it had yet to begin is as before."""
        place, was_ready, head = process.place, process.ready, next(iter(process.queue), None)
        how = self._end(process)
        queue = list(process.queue)
        if not was_ready:
            self._starts[place.slot] = self._starts.get(place.slot, 0) + 1
            if self._starts[place.slot] >= STARTS_MOST:
                log = worker.tail(place, (0, 0))
                text = f"A process was gone {STARTS_MOST} times before init() was through, the last time: {how}."
                raise TooManyFailures(f"{text}\n{log}".rstrip())
        elif queue and (why == "lost" or queue[0] == head):
            number, attempt = queue.pop(0)
            batch = self.batches[number]
            facts = {"n": number, "k": batch.key, "w": place.slot, "t": attempt, "i": batch.count, "why": why}
            facts["x"] = error or f"The process that was at it is gone: {how}."
            facts["log"] = worker.tail(place, process.written)
            self._failed({**facts, "s": round(time.monotonic() - process.since, 4)}, number, attempt)
        self._pending.extendleft(reversed(queue))
        state = "timed_out" if why == "timeout" else "gone"
        self._note(line(WORKER, w=place.slot, name=place.name, pid=process.pid, state=state, why=how))
        if self._pending and not self._canceled:
            self._start(place)

    def _end(self, process: WorkerProcess) -> str:
        """End a process and what it has started, and hear what it said before; how it ended, in words."""
        kill(process)
        _, status = os.waitpid(process.pid, 0)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(process.answer)
        with contextlib.suppress(OSError):  # what it has forked may hold the pipe's other end: then it ends by EAGAIN
            while data := os.read(process.answer, 1 << 20):
                self._listen(process, data)
        for number in process.pipes:
            os.close(number)
        self._processes.pop(process.place.slot, None)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
            return f"ended by {name}" + (", which an exhausted memory sends, too" if number == signal.SIGKILL else "")
        return f"exit code {os.WEXITSTATUS(status)}"

    def _end_all(self) -> None:
        for process in self._processes.values():
            kill(process)
        for process in list(self._processes.values()):
            self._end(process)

    def _sample(self, force: bool = False) -> None:
        self.usage.sample({process.place.name: process.pid for process in self._processes.values()}, force)

    # --- the ledger ---

    def _note(self, raw: bytes, record: Optional[Mapping[str, Any]] = None) -> None:
        self._lines.append((raw, record_of(raw) or {} if record is None else record))

    def _commit(self) -> None:
        """What was noted since the last time, on the disk by one sync, and then in the counts."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        at, began = self._ledger.size, time.monotonic()
        counts = any(isinstance(record, tuple) or record["e"] in (DONE, FAIL, END) for _, record in lines)
        self._ledger.add((raw for raw, _ in lines), counts)
        self._synced_at = time.monotonic()
        self._sync_s += 0.2 * (self._synced_at - began - self._sync_s) if counts else 0.0
        for raw, record in lines:
            size = len(raw)
            if isinstance(record, tuple):
                self._where.setdefault(record[0], (at, size))
                self.progress.take_done(*record)
            elif record["e"] == ROWS:
                self._room -= size
                self._pieces[record["n"]] = [*(self._pieces[record["n"]] if record["p"] else ()), (at, size)]
            else:
                if record["e"] == DONE:
                    self._where.setdefault(record["n"], (at, size))
                self.progress.take(record)
            at += size
        self.reports.overview(self.progress)

    @property
    def _digest(self) -> str:
        """The same for the same mini-batches: nodes that read other inputs would do other things."""
        return sha256("".join(batch.key for batch in self.batches).encode()).hexdigest()[:32]

    def _adopt(self, earlier: Iterable[Path], wanted: Set[int]) -> Dict[int, str]:
        """Take over what earlier ledgers say is done of these, with the same content and a result for each item."""
        found: Dict[int, str] = {}
        held = 0
        own = [self._ledger.path] if self._ledger.size else []
        for path in (*own, *earlier):
            pieces: Dict[Any, List[Any]] = {}  # rows of what is not reported as done yet
            for _, _, record in placed(path):
                number = record.get("n", -1)
                if number not in wanted:
                    continue
                if record.get("e") == ROWS and number not in found:
                    pieces[number] = [*(pieces.get(number, ()) if record.get("p") else ()), record.get("r")]
                if record.get("e") != DONE or number in found:
                    continue
                rows = pieces.pop(number, [])
                if not self._is_same(number, record, rows):
                    continue
                kept = {key: value for key, value in record.items() if key not in ("e", "at", "w", "from")}
                lines = [line(ROWS, n=number, p=piece, r=each) for piece, each in enumerate(rows) if "rp" in record]
                lines.append(line(DONE, **kept, w=-1, **{"from": record.get("from", path.stem)}))
                for raw in lines:
                    self._note(raw)
                found[number] = path.stem
                held += sum(map(len, lines))
                if held > HELD_MOST:
                    self._commit()
                    held = 0
        return found

    def _is_same(self, number: Any, record: Mapping[str, Any], pieces: Sequence[Any]) -> bool:
        if not isinstance(number, int) or not 0 <= number < len(self.batches):
            return False
        whole = record.get("i") == self.batches[number].count and record.get("o", -1) >= record.get("i", 0)
        has_rows = "rf" not in record and isinstance(record.get("r", ""), str)
        if "rp" in record:
            has_rows = record["rp"] == len(pieces) and all(isinstance(each, str) for each in pieces)
        return whole and has_rows and record.get("k") == self.batches[number].key

    def _write_rows(self, result: Path) -> None:
        """The file of rows, made whole beside its place and then put there."""
        result.parent.mkdir(parents=True, exist_ok=True)
        new = result.with_name(f".{result.name}.new")
        with new.open("wb") as target, self._ledger.path.open("rb") as file:
            if self._where:  # of an empty file there is no map
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as ledger:
                    target.writelines(self._rows(ledger))
            target.flush()
            os.fsync(target.fileno())
        new.replace(result)

    def _rows(self, ledger: mmap.mmap) -> Iterator[bytes]:
        """The rows of what is done, in the order of the input. Those of many lines are read as one list, which takes a third of
        the time."""
        wants_header = self.header
        found: List[bytes] = []
        held = 0
        for number, (at, size) in sorted(self._where.items()):
            raw = ledger[at : at + size]
            rows = None if wants_header else rows_of(raw)
            if rows is not None:
                found.append(rows)
                held += size
                if held < GROUP_MOST:
                    continue
            yield _joined(found)
            found, held = [], 0
            if rows is not None:
                continue
            record = json.loads(raw)
            if wants_header and record.get("h"):
                yield worker.encoded(str(record["h"]) + "\n")
                wants_header = False
            if "rf" in record:
                yield (self.places[0].rows / record["rf"]).read_bytes()
            elif "rp" in record:
                for place, length in self._pieces[number]:
                    yield worker.encoded(json.loads(ledger[place : place + length])["r"])
            else:
                yield worker.encoded(record.get("r", ""))
        yield _joined(found)

    # --- what may fail, and what is said ---

    def _check_limits(self) -> None:
        settings, progress = self.settings, self.progress
        failed, items_failed = progress.failed + self._elsewhere[0], progress.items_failed + self._elsewhere[1]
        if 0 <= settings.error_threshold < items_failed:
            raise TooManyFailures(
                f"{items_failed} items have failed, and error_threshold lets {settings.error_threshold} fail.{self._last()}"
            )
        count, most = failed, settings.allowed_failed_count
        if most is not None and count > most:
            raise TooManyFailures(
                f"{count} mini-batches have failed, and allowed_failed_count lets {most} fail.{self._last()}"
            )
        percent = settings.allowed_failed_percent
        if percent is not None and count * 100 > percent * len(self.batches):
            raise TooManyFailures(
                f"{count} of {len(self.batches)} mini-batches have failed, and allowed_failed_percent lets {percent:g} of a hundred fail.{self._last()}"
            )

    def _last(self) -> str:
        if not self.progress.failures:
            return " run() returned fewer results than its mini-batches have items."
        last = self.progress.failures[-1]
        return f" The last one, mini-batch {last.number}:\n{last.error}\n{last.log}".rstrip()

    def _say_how_far(self) -> None:
        """A line in the step's log every ten seconds."""
        if time.monotonic() - self._said_at < 10:
            return
        self._said_at = time.monotonic()
        progress = self.progress
        print(
            f"{progress.done} of {progress.count} mini-batches done, {progress.failed} failed, {progress.left} left",
            flush=True,
        )

    def _tell(self, state: str, why: str) -> None:
        progress = self.progress
        print(
            f"{state}: {progress.done} of {progress.count} mini-batches done ({progress.adopted} taken over), {progress.failed} "
            f"failed; {progress.items_done} of {progress.items} items done, {progress.items_failed} failed",
            flush=True,
        )
        if why:
            print(why, file=sys.stderr, flush=True)
