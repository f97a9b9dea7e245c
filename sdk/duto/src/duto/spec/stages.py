"""How a Spark application goes, read from the ledger of its step. Pure.

The step's driver appends a line of JSON whenever a stage or an executor is not what it was (docs/spark.md); the last line of
each counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from duto.spec.ledger import records

APP, STAGE, EXECUTOR, END = "app", "stage", "executor", "end"
# So many stages are kept and counted, the newest: as many as Spark keeps for its own page.
KEPT = 1000
ACTIVE, COMPLETE, FAILED, PENDING, SKIPPED, CANCELED = "ACTIVE", "COMPLETE", "FAILED", "PENDING", "SKIPPED", "CANCELED"
COUNTS = {"n": "tasks", "d": "done", "a": "active", "f": "failed", "in": "read", "out": "written", "sr": "shuffle_read", "sw": "shuffle_written"}  # fmt: skip


@dataclass
class App:
    """An application: a script may have several, one after the other."""

    id: str
    name: str
    version: str
    master: str


@dataclass
class Stage:
    """A stage of an application, or one attempt of it more. `read` and the like are bytes."""

    app: str
    number: int
    attempt: int
    name: str
    status: str
    tasks: int = 0
    done: int = 0
    active: int = 0
    failed: int = 0
    read: int = 0
    written: int = 0
    shuffle_read: int = 0
    shuffle_written: int = 0
    began_at: Optional[float] = None
    ended_at: Optional[float] = None
    why: str = ""


@dataclass
class Executor:
    """A process that runs tasks; in local mode the driver itself."""

    name: str
    host: str
    is_alive: bool
    cores: int
    active: int
    done: int
    failed: int
    memory: int


@dataclass
class Stages:
    """What the lines of a ledger come to. `take` them in order; a line that makes no sense is passed over."""

    apps: Dict[str, App] = field(default_factory=dict)
    stages: Dict[Tuple[str, int, int], Stage] = field(default_factory=dict)
    executors: Dict[Tuple[str, str], Executor] = field(default_factory=dict)
    state: str = ""

    def take_lines(self, data: bytes) -> None:
        """The lines of a piece of a ledger. What follows the last line's end is no line yet."""
        for record in records(data):
            self.take(record)

    def take(self, record: Mapping[str, Any]) -> None:
        """One line. It may come from a host that a script could write on, so anything may stand in it."""
        try:
            self._take(record)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return

    def count(self, *states: str) -> int:
        """How many stages are in one of these states."""
        return sum(each.status in states for each in self.stages.values())

    def total(self, what: str) -> int:
        """The sum of a number over the stages that count: what was skipped has no tasks to do."""
        return sum(int(getattr(each, what)) for each in self.stages.values() if each.status != SKIPPED)

    @property
    def newest(self) -> List[Stage]:
        """The stages, those under way first, then the newest."""
        place = {name: number for number, name in enumerate(self.apps)}
        order = {ACTIVE: 0, PENDING: 1}
        return sorted(
            self.stages.values(),
            key=lambda each: (order.get(each.status, 2), -place.get(each.app, 0), -each.number, -each.attempt),
        )

    def _take(self, record: Mapping[str, Any]) -> None:
        event = record["e"]
        if event == APP:
            texts = (str(record[key])[:300] for key in ("id", "name", "version", "master"))
            app = App(*texts)
            self.apps[app.id] = app
        elif event == STAGE:
            self._take_stage(record)
        elif event == EXECUTOR:
            name, counts = str(record["id"])[:100], (int(record[key]) for key in ("cores", "a", "d", "f", "mem"))
            found = Executor(name, str(record["host"])[:300], bool(record["alive"]), *counts)
            self.executors[str(record["app"]), name] = found
        elif event == END:
            self.state = str(record["state"])

    def _take_stage(self, record: Mapping[str, Any]) -> None:
        counts = {name: max(0, int(record.get(key) or 0)) for key, name in COUNTS.items()}
        stage = Stage(
            str(record["app"]), int(record["id"]), int(record["t"]), str(record["name"])[:300], str(record["s"]),
            began_at=_seconds(record.get("b")), ended_at=_seconds(record.get("z")), why=str(record.get("why") or ""), **counts,
        )  # fmt: skip
        self.stages[stage.app, stage.number, stage.attempt] = stage
        while len(self.stages) > KEPT:
            del self.stages[next(iter(self.stages))]


def _seconds(value: Any) -> Optional[float]:
    return None if value is None else float(value)
