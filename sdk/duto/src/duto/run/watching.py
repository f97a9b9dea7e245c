"""Following a run in the terminal: a line per change of a step, logs as they come, nothing twice."""

from __future__ import annotations

import codecs
import sys
import time
from datetime import datetime
from typing import Any, Dict, Mapping, Optional

from duto.client.http import waiting
from duto.spec import status as statuses
from duto.spec.units import duration_text

_FIRST, _LONGEST = 0.4, 2.0


class Follower:
    """Prints the log of one run from where it stopped, in whole lines, with the step's name before each."""

    def __init__(self, run: Any, prefix: str = "") -> None:
        self._run = run
        self._prefix = prefix
        self._offset = 0
        self._attempt: Optional[str] = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def show(self, last: bool = False) -> bool:
        """Print what has come; whether there was anything."""
        found = False
        for data, offset, attempt in self._run._log_windows(self._offset, self._attempt):
            if attempt != self._attempt and self._attempt is not None:
                self._begin_anew(attempt)
            self._offset, self._attempt = offset, attempt
            found = True
            self._write(self._decoder.decode(data))
        if last and self._rest:
            say(self._prefix + self._rest)
            self._rest = ""
        return found

    def _begin_anew(self, attempt: Optional[str]) -> None:
        """Another attempt has a log of its own."""
        if self._rest:
            say(self._prefix + self._rest)
        self._rest = ""
        self._decoder.reset()
        say(f"{self._prefix}--- attempt {attempt} ---")

    def _write(self, text: str) -> None:
        lines = (self._rest + text).split("\n")
        self._rest = lines.pop()
        if lines:
            say("\n".join(self._prefix + line.rstrip("\r") for line in lines))


@waiting()
def watch_run(run: Any, show_output: bool, timeout: Optional[float] = None) -> bool:
    """Wait for the end of a run of one script; whether it came in time."""
    follower = Follower(run)
    if show_output:
        say(f"RunId: {run.id}\nLink to the studio: {run.get_portal_url()}\n")
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = _FIRST
    while True:
        over = statuses.is_terminal(run.status)
        busy = follower.show(over) if show_output else False
        if over:
            break
        if deadline is not None and time.monotonic() >= deadline:
            return False
        pause = _FIRST if busy else min(pause * 1.3, _LONGEST)
        time.sleep(pause)
    if show_output:
        say(
            f"\nExecution Summary\n=================\nRunId: {run.id}\nStatus: {run._facts()['status']}\n"
            f"Link to the studio: {run.get_portal_url()}\n"
        )
    return True


@waiting()
def watch_pipeline(run: Any, show_output: bool, timeout: float) -> bool:
    """Wait for the end of a pipeline; with `show_output` its steps' states and logs are printed as they
    come."""
    watcher = _PipelineWatcher(run)
    if show_output:
        say(f"PipelineRunId: {run.id}\nLink to the studio: {run.get_portal_url()}\n")
    deadline = time.monotonic() + timeout
    pause = _FIRST
    while True:
        over = statuses.is_terminal(run.status)
        busy = watcher.show() if show_output else False
        if over:
            break
        if time.monotonic() >= deadline:
            return False
        pause = _FIRST if busy else min(pause * 1.3, _LONGEST)
        time.sleep(pause)
    if show_output:
        watcher.summary()
    return True


class _PipelineWatcher:
    def __init__(self, run: Any) -> None:
        self._run = run
        self._states: Dict[str, str] = {}
        self._followers: Dict[str, Follower] = {}
        self._done: Dict[str, bool] = {}

    def show(self) -> bool:
        """Print what changed since the last time; whether anything did."""
        changed = False
        for step in self._run.get_steps():
            facts = step._facts()
            state = _state(facts)
            over = statuses.is_terminal(str(facts["status"]))
            follower = self._followers.setdefault(step.id, Follower(step, f"[{step.name}] "))
            is_known = self._states.get(step.id) == state
            # A beginning is told before what it prints, an end after.
            if not is_known and not over:
                self._tell(step, state, facts)
            if not self._done.get(step.id) and not facts.get("is_reused") and _has_begun(facts):
                changed = follower.show(over) or changed
            if not is_known and over:
                self._tell(step, state, facts)
            self._done[step.id] = over
            changed = changed or not is_known
        return changed

    def _tell(self, step: Any, state: str, facts: Mapping[str, Any]) -> None:
        self._states[step.id] = state
        say(f"Step '{step.name}': {_with_cause(state, facts)}")

    def summary(self) -> None:
        facts = self._run._facts()
        final = statuses.pipeline_status(str(facts["status"]))
        say(f"\nPipelineRun Execution Summary\n=============================\nPipelineRun Status: {final}")
        if facts.get("error"):
            error = facts["error"]
            say(f"{error.get('step') or 'pipeline'}: {error.get('message') or error.get('cause')}")
        say(f"Link to the studio: {self._run.get_portal_url()}\n")


def _has_begun(facts: Mapping[str, Any]) -> bool:
    return str(facts["status"]) not in (statuses.NOT_STARTED, statuses.QUEUED, statuses.SKIPPED)


def _state(facts: Mapping[str, Any]) -> str:
    status = str(facts["status"])
    if facts.get("is_reused"):
        adopted = (facts.get("properties") or {}).get(statuses.IS_ADOPTED) == "true"
        return "Finished (adopted)" if adopted else "Finished (reused)"
    word = statuses.FINISHED if status == statuses.COMPLETED else status
    if statuses.is_terminal(status) and facts.get("started_at") and facts.get("finished_at"):
        return f"{word} in {duration_text(_seconds(str(facts['started_at']), str(facts['finished_at'])))}"
    return word


def _with_cause(state: str, facts: Mapping[str, Any]) -> str:
    error = facts.get("error")
    if error:
        cause = str(error.get("message") or error.get("cause") or "")
        # "Skipped: it needs prepare" and "Canceled by ana" say the state themselves.
        return cause if cause.startswith(state) else f"{state}: {cause}"
    waiting = (facts.get("step") or {}).get("waiting")
    return f"{state} ({waiting[0].get('text')})" if waiting and str(facts["status"]) == statuses.QUEUED else state


def _seconds(start: str, end: str) -> float:
    first, last = (datetime.fromisoformat(each.replace("Z", "+00:00")) for each in (start, end))
    return max((last - first).total_seconds(), 0.0)


def say(text: str) -> None:
    """Print at once, also where the terminal knows fewer letters than the log."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()
