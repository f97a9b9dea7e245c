"""A process that calls the entry script: `init()` once, then `run` for each mini-batch that the driver names.

It is forked from the driver, whose tables it shares, before the driver has run anything of the user's. It hears numbers of
mini-batches on one pipe, one at a time, so that the driver can take back what it has not begun; on another it answers lines
of the ledger, in front of each what the driver needs to know of it. A driver that is gone takes its processes along.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import inspect
import json
import logging
import os
import signal
import struct
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NoReturn, Sequence, Tuple

from duto.parallel.batches import MiniBatch
from duto.parallel.entry_script import LOGGER
from duto.parallel.ledger import done_line, line
from duto.parallel.plan import Plan
from duto.parallel.results import NoResult, result_of
from duto.spec.ledger import FAIL, ROWS

# Characters of rows in one line of the ledger, which travels whole: written as JSON one may be twelve bytes. More rows of a
# mini-batch are several lines before its own, as long as a process has room for them; what is more gets a file.
ROWS_IN_LINE = 1 << 19
# The last bytes of what a mini-batch wrote to stdout and stderr, which go with its error.
LOG_TAIL = 4000
ERROR_MOST = 8000
READY, INIT_FAILED = "ready", "init_failed"
# A mini-batch and which try of it.
ASKED = struct.Struct("=QQ")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class MiniBatchContext:
    """The second argument of `run`, where the script takes one.

    Attributes:
        minibatch_index: number of the mini-batch, from 0 on, in the order of the inputs.
        partition_key_value: the values of the partition keys, by name.
        dataset_name: name of the input.
    """

    minibatch_index: int
    partition_key_value: Mapping[str, Any]
    dataset_name: str


@dataclass(frozen=True)
class WorkerSlot:
    """Which of the processes it is, and where what it writes goes."""

    slot: int
    node: int
    process: int
    logs: Path
    rows: Path
    device: str = ""

    @property
    def name(self) -> str:
        return f"node{self.node}/process{self.process:03d}"

    def file(self, kind: str, end: str) -> Path:
        return self.logs / kind / f"{self.name}{end}"


@dataclass(frozen=True)
class Job:
    """What all processes share."""

    plan: Plan
    entry: Path
    arguments: Sequence[str]
    wants_rows: bool
    counts_results: bool
    level: str


# The script's `run`, with the number of the mini-batch and all that is known of it.
Run = Callable[[Any, int, MiniBatch], Any]


def work(job: Job, place: WorkerSlot, hear: int, answer: int, parent: int, room: int) -> NoReturn:
    """The whole life of the process. Never returns into the driver's code. `room`: characters of rows that it may write into
    the ledger beside those that have room in the lines of their mini-batches."""
    code = 1
    try:
        _begin(place, parent)
        code = _Worker(job, place, hear, answer, room).live()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _begin(place: WorkerSlot, parent: int) -> None:
    with contextlib.suppress(Exception):  # of Linux alone: elsewhere the end of the pipe tells
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, kind in ((1, "stdout"), (2, "stderr")):
        file = place.file(f"user/{kind}", f".{kind}.txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(str(file), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout = open(1, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    if place.device:
        os.environ["CUDA_VISIBLE_DEVICES"] = place.device
    os.environ["AZUREML_PARALLEL_PROCESS"] = place.name


class _Worker:
    def __init__(self, job: Job, place: WorkerSlot, hear: int, answer: int, room: int) -> None:
        self.job, self.place, self.room = job, place, room
        self._hear, self._answer = hear, answer
        self._written = (0, 0)
        self._note = _log_file("duto.parallel", place.file("sys/node", ".txt"), "INFO")
        _log_file(LOGGER, place.file("user/entry_script_log", ".log.txt"), job.level)

    def live(self) -> int:
        try:
            run = self._load()
        except BaseException as error:
            self._note.error("init failed: %s", error)
            self._say(
                json.dumps({"e": INIT_FAILED, "x": _error_text(error), "log": self._tail((0, 0))}).encode() + b"\n"
            )
            return 1
        self._say(json.dumps({"e": READY}).encode() + b"\n")
        while asked := os.read(self._hear, ASKED.size):
            number, attempt = ASKED.unpack(asked)
            self._say(self._one(run, number, attempt))
        return 0

    def _load(self) -> Run:
        """The script's `run`, after its `init`. The script is a module of its own name, and no main program."""
        began, entry = time.monotonic(), self.job.entry
        sys.argv = [str(entry), *self.job.arguments]
        sys.path.insert(0, str(entry.parent))
        spec = importlib.util.spec_from_file_location(entry.stem, str(entry))
        if spec is None or spec.loader is None:
            raise ImportError(f"{entry.name} is no Python script.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[entry.stem] = module
        spec.loader.exec_module(module)
        run = getattr(module, "run", None)
        if not callable(run):
            raise TypeError(f"{entry.name} has no function run(mini_batch), which is called for each mini-batch.")
        init = getattr(module, "init", None)
        if callable(init):
            init()
        self._note.info("ready after %.3f s, pid %d", time.monotonic() - began, os.getpid())
        if not _takes_two(run):
            return lambda content, _number, _batch: run(content)
        return lambda content, number, batch: run(content, MiniBatchContext(number, dict(batch.partition), batch.input))

    def _one(self, run: Run, number: int, attempt: int) -> bytes:
        batch = self.job.plan.batches[number]
        at, began = self._written, time.monotonic()
        try:
            result = result_of(run(self.job.plan.content(batch), number, batch), self.job.wants_rows)
        except BaseException as error:
            lasted = round(time.monotonic() - began, 4)
            self._note.warning("mini-batch %d failed after %.3f s, try %d: %s", number, lasted, attempt, error)
            why = "no_result" if isinstance(error, NoResult) else "error"
            facts = {"n": number, "k": batch.key, "w": self.place.slot, "t": attempt, "i": batch.count}
            return line(FAIL, **facts, s=lasted, why=why, x=_error_text(error), log=self._tail(at), final=False)
        lasted = round(time.monotonic() - began, 5)
        counted = result.number if self.job.counts_results else max(batch.count, result.number)
        more: Dict[str, Any] = {"h": result.header} if result.header else {}
        pieces: List[bytes] = []
        if len(result.rows) > ROWS_IN_LINE:
            if len(result.rows) <= self.room:
                self.room -= len(result.rows)
                for piece, start in enumerate(range(0, len(result.rows), ROWS_IN_LINE)):
                    rows = result.rows[start : start + ROWS_IN_LINE]
                    pieces += [b"=%d %d " % (number, piece), line(ROWS, n=number, p=piece, r=rows)]
                more["rp"] = len(pieces) // 2
            else:
                more["rf"] = self._keep(number, attempt, result.rows)
        elif result.rows:
            more["r"] = result.rows
        if counted < batch.count:
            more["log"] = self._tail(at)
        head = b"+%d %d %d %.5f " % (number, batch.count, counted, lasted)
        whole = done_line(number, batch.key, self.place.slot, attempt, batch.count, counted, lasted, **more)
        return b"".join((*pieces, head, whole))

    def _keep(self, number: int, attempt: int, rows: str) -> str:
        """Rows in a file of their own, on the disk before the ledger names it."""
        file = self.place.rows / f"{number}-{attempt}-{os.getpid()}"
        with file.open("wb") as target:
            target.write(encoded(rows))
            target.flush()
            os.fsync(target.fileno())
        return file.name

    def _tail(self, at: Sequence[int]) -> str:
        """What the mini-batch has written since, to stdout and stderr: its end."""
        sys.stdout.flush()
        sys.stderr.flush()
        return tail(self.place, at)

    def _say(self, data: bytes) -> None:
        """An answer, and in front of it how much was written until now, where that has become more."""
        written = _sizes()
        if written != self._written:
            self._written = written
            data = b"@%d %d\n" % written + data
        sent = os.write(self._answer, data)
        while sent < len(data):
            sent += os.write(self._answer, memoryview(data)[sent:])


def tail(place: WorkerSlot, at: Sequence[int]) -> str:
    """What stands in the process's stdout and stderr from these places on: the last bytes of it."""
    found: List[bytes] = []
    for kind, start in zip(("stdout", "stderr"), at):
        with contextlib.suppress(OSError), place.file(f"user/{kind}", f".{kind}.txt").open("rb") as source:
            end = source.seek(0, os.SEEK_END)
            source.seek(max(start, end - LOG_TAIL))
            found.append(source.read(LOG_TAIL))
    return b"".join(found).decode("utf-8", "replace")[-LOG_TAIL:]


def encoded(text: str) -> bytes:
    """Rows as bytes; names of files that are no UTF-8 are those names again."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _sizes() -> Tuple[int, int]:
    """How much this process has written to stdout and stderr."""
    return os.fstat(1).st_size, os.fstat(2).st_size


def _error_text(error: BaseException) -> str:
    if isinstance(error, NoResult):
        return str(error)
    # The frames of this module say nothing to whoever wrote the script.
    inner = error.__traceback__
    while inner is not None and inner.tb_frame.f_code.co_filename == __file__:
        inner = inner.tb_next
    return "".join(traceback.format_exception(type(error), error, inner))[-ERROR_MOST:]


def _takes_two(run: Callable[..., Any]) -> bool:
    """Whether `run` takes a context beside its mini-batch."""
    try:
        parameters = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError):
        return False
    by_place = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return len(by_place) > 1 or any(each.kind == each.VAR_POSITIONAL for each in parameters)


def _log_file(name: str, file: Path, level: str) -> logging.Logger:
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8", delay=False)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger(name)
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level)
    return logger
