"""Looks at Spark's own page while an application runs, and notes in the step's ledger what has changed."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from duto.parallel.ledger import Ledger, line
from duto.spark.event_log import stages_of
from duto.spec.stages import APP, COUNTS, END, EXECUTOR, STAGE

PATIENCE_S = 5.0
# Spark takes the next port where one is taken; so many of them.
PORTS = 16
MARK = "spark.duto.attempt"
_REST = {
    "n": "numTasks", "d": "numCompleteTasks", "a": "numActiveTasks", "f": "numFailedTasks", "in": "inputBytes", "out": "outputBytes",
    "sr": "shuffleReadBytes", "sw": "shuffleWriteBytes",
}  # fmt: skip
assert set(_REST) == set(COUNTS)
Get = Callable[[str], Any]


def get(address: str) -> Any:
    """A document of Spark's REST. Raises OSError, ValueError."""
    # No proxy: it is this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())
    except http.client.HTTPException as error:
        # Another program's port that speaks something else; or this very socket's: a port among those that the system gives out
        # may be connected to itself, and then answers the question with the question.
        raise OSError(f"no answer of HTTP: {error}") from error


class Watcher:
    """Of one step: whatever applications its script has, one after the other."""

    def __init__(self, ledger: Path, host: str, port: int, mark: str, events: Path, ask: Get = get) -> None:
        """
        Args:
            ledger: the step's ledger.
            host: the address at which Spark's page listens.
            port: the first port that it tries; 0 where there is no page, or nobody knows its port.
            mark: what this step's applications have as the setting `spark.duto.attempt`: others may listen here, too.
            events: the folder of Spark's event logs; it may be empty.
            ask: how a document is had.
        """
        self._ledger, self._host, self._port, self._mark, self._events = Ledger(ledger), host, port, mark, events
        self._ask = ask
        self._page = ""
        self._app = ""
        self._known: Dict[Tuple[Any, ...], Dict[str, Any]] = {}
        self._lines: List[bytes] = []

    def look(self) -> bool:
        """Note what is new; whether an application was there."""
        try:
            if not self._page and not self._find():
                return False
            base = f"{self._page}/{self._app}"
            for stage in self._ask(f"{base}/stages"):
                self._note(STAGE, _stage(self._app, stage))
            for each in self._ask(f"{base}/allexecutors"):
                self._note(EXECUTOR, _executor(self._app, each))
        except (OSError, ValueError, KeyError, TypeError):
            self._page = ""  # over, or the next one has begun
        self._commit()
        return bool(self._page)

    def end(self, state: str, why: str = "", canceled_at: Optional[float] = None) -> None:
        """The last word on each stage, by Spark's event log, and on the whole."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            for facts in stages_of(self._events, canceled_at):
                self._note(STAGE, facts)
        for key, facts in list(self._known.items()):
            if key[0] == EXECUTOR and facts["alive"]:
                self._note(EXECUTOR, {**facts, "alive": False, "a": 0})
        self._lines.append(line(END, state=state, why=why))
        self._commit()

    def _find(self) -> bool:
        for port in range(self._port, self._port + PORTS + 1) if self._port else ():
            page = f"http://{self._host}:{port}/api/v1/applications"
            try:
                for app in self._ask(page):
                    answer = self._ask(f"{page}/{app['id']}/environment")
                    properties = dict(answer["sparkProperties"])
                    if properties.get(MARK) == self._mark:
                        self._page, self._app = page, str(app["id"])
                        version = str(answer.get("runtime", {}).get("sparkVersion") or _version(page, self._ask))
                        master = str(properties.get("spark.master", ""))
                        self._note(
                            APP, {"id": self._app, "name": str(app["name"]), "version": version, "master": master}
                        )
                        return True
            except (OSError, ValueError, KeyError, TypeError):  # another program's port, or one that is about to answer
                continue
        return False

    def _note(self, event: str, facts: Dict[str, Any]) -> None:
        key = (event, facts.get("app"), facts["id"], facts.get("t"))
        if self._known.get(key) != facts:
            self._known[key] = facts
            self._lines.append(line(event, **facts))

    def _commit(self) -> None:
        """A disk that is full costs the step its audience, and nothing else."""
        lines, self._lines = self._lines, []
        with contextlib.suppress(OSError):
            if lines:
                self._ledger.add(lines, counts=False)


def _version(page: str, ask: Get) -> str:
    return str(ask(f"{page.rpartition('/')[0]}/version")["spark"])


def _stage(app: str, answer: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        "app": app,
        "id": int(answer["stageId"]),
        "t": int(answer.get("attemptId", 0)),
        "name": str(answer.get("name", "")),
        "s": str(answer["status"]),
        **{key: int(answer.get(name) or 0) for key, name in _REST.items()},
        "b": _moment(answer.get("submissionTime")),
        "z": _moment(answer.get("completionTime")),
        "why": str(answer.get("failureReason") or "")[:2000],
    }


def _executor(app: str, answer: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        "app": app,
        "id": str(answer["id"]),
        "host": str(answer.get("hostPort", "")),
        "alive": bool(answer.get("isActive", True)),
        "cores": int(answer.get("totalCores") or 0),
        "a": int(answer.get("activeTasks") or 0),
        "d": int(answer.get("completedTasks") or 0),
        "f": int(answer.get("failedTasks") or 0),
        "mem": int(answer.get("maxMemory") or 0),
    }


def _moment(text: Optional[str]) -> Optional[float]:
    """`2026-01-02T03:04:05.678GMT` in seconds."""
    if not text:
        return None
    at = datetime.strptime(text.replace("GMT", "+0000"), "%Y-%m-%dT%H:%M:%S.%f%z")
    return round(at.astimezone(timezone.utc).timestamp(), 3)
