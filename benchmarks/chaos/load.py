"""Submits runs so that there is always something at work, and injects the faults between them."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.chaos import script
from benchmarks.chaos.faults import FaultInjector
from benchmarks.chaos.plan import RunPlan, graph
from benchmarks.chaos.world import World
from benchmarks.rest import Rest

OPEN_STEPS = 16
ENDS = frozenset({"Completed", "Failed", "Canceled", "Skipped"})
AGAIN_S, ROUND_S, LOOK_S = 0.5, 0.1, 1.0
# Faults follow the work; while nothing gets on, time deals them, so that recoveries are hit too.
RESTLESS_S = 8.0
PATIENCE_S = 240.0
EXPERIMENT = "chaos"


@dataclass
class Load:
    """Runs on their way through a studio that may be away at any moment."""

    world: World
    plans: list[RunPlan]
    injected: FaultInjector
    say: Callable[[str], None]
    submitted: int = 0
    open: dict[str, int] = field(default_factory=dict)
    ended: int = 0

    def __post_init__(self) -> None:
        self._done = threading.Event()
        self._fault: Exception | None = None

    def run(self) -> None:
        """Until all have ended, or nothing has moved for a long time. Raises what went wrong with the faults."""
        self.rest = self.world.rest
        injector = threading.Thread(target=self._inject, name="faults")
        injector.start()
        try:
            self._work()
        finally:
            self._done.set()
            injector.join()
        if self._fault is not None:
            raise self._fault

    def _work(self) -> None:
        """The only one who asks the studio: whoever waits for a stopped one must not hold up the faults."""
        moved, before = time.monotonic(), (0, 0, 0)
        while time.monotonic() - moved < PATIENCE_S and self._fault is None:
            self._submit()
            self._look()
            now = (self.submitted, self.ended, len(self.injected.done))
            moved, before = (time.monotonic(), now) if now != before else (moved, before)
            if self.submitted == len(self.plans) and not self.open:
                return
            self._done.wait(LOOK_S)

    def _inject(self) -> None:
        """Faults follow the work, and what died is looked after."""
        total = sum(len(plan.steps) for plan in self.plans)
        share, done = 0.8 * total / max(1, len(self.injected.kinds)), time.monotonic()
        try:
            while not (self._done.is_set() and self.injected.is_over):
                self.world.look()
                self.injected.look()
                if self._done.is_set():
                    self.injected.waiting.clear()  # nobody is left to be disturbed
                is_due = self.ended >= share * len(self.injected.done) or time.monotonic() - done > RESTLESS_S
                if self.injected.waiting and is_due and (fault := self.injected.next()):
                    done = time.monotonic()
                    name = f"{fault.kind} {fault.attempt}".strip()
                    self.say(
                        f"fault {fault.number + 1}/{len(self.injected.kinds)}: {name}; {self.ended} of {total} steps ended"
                    )
                time.sleep(ROUND_S)
        except Exception as error:
            self._fault = error

    def _look(self) -> None:
        """Which runs have ended; a studio that is away says nothing."""
        for name in list(self.open):
            found = self._ask(name)
            if found is not None and found["status"] in ENDS:
                self.ended += self.open.pop(name)

    def _submit(self) -> None:
        while self.submitted < len(self.plans) and sum(self.open.values()) < OPEN_STEPS:
            plan = self.plans[self.submitted]
            if not self._is_there(plan) and not self._send(plan):
                return
            self.open[plan.name] = len(plan.steps)
            self.submitted += 1

    def _is_there(self, plan: RunPlan) -> bool:
        """A submit whose answer was lost may have arrived."""
        return self._ask(plan.name) is not None

    def _ask(self, name: str) -> dict[str, Any] | None:
        answer = self._try("GET", f"runs/?q={name}&limit=5")
        items = json.loads(answer)["items"] if answer else []
        return next((item for item in items if item["display_name"] == name), None)

    def _send(self, plan: RunPlan) -> bool:
        files = {"script.py": Path(script.__file__).read_bytes()}
        files |= {f"{step.name}.json": json.dumps(step.document).encode() for step in plan.steps}
        digests = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
        for path, data in files.items():
            if self._try("PUT", f"blobs/{digests[path]}/", data, "application/octet-stream") is None:
                return False
        entries = [
            {"path": path, "digest": digests[path], "size": len(files[path]), "executable": False}
            for path in sorted(files)
        ]
        made = self._post("snapshots/", {"schema": 1, "files": entries})
        if made is None:
            return False
        body = {
            "experiment": EXPERIMENT, "kind": "pipeline", "display_name": plan.name, "parameters": {},
            "graph": graph(plan, made["digest"]), "continue_on_step_failure": plan.continues,
        }  # fmt: skip
        return self._post("runs/", body) is not None

    def _post(self, path: str, document: dict[str, Any]) -> dict[str, Any] | None:
        answer = self._try("POST", path, json.dumps(document).encode(), "application/json")
        return None if answer is None else dict(json.loads(answer))

    def _try(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes | None:
        """One request, or None when the studio is away. What it refuses is a fault of this program and ends it."""
        try:
            return self.rest.send(method, path, body, kind)
        except RuntimeError as error:
            if " answered 5" not in str(error) and " answered 429" not in str(error):
                raise
        except (OSError, http.client.HTTPException):
            self.rest.close()
            self.rest = Rest(self.world.rest.url, self.world.rest.headers)
        return None
