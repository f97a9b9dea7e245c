"""The facts of an alert, which a message is rendered from: in English, without secrets, as they are now.

Each document has `title`, `why`, `since` and `url`; what is not known is left out.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from core import words
from core.clock import format_utc, iso
from core.errors import StudioError
from duto.spec import units
from monitors.models import MonitorWindow
from notifications.history import Failures
from registry.models import ModelVersion
from runs import causes
from runs.models import Attempt, Run
from runs.queries import logs
from runs.stored_messages import error_text
from schedules import stored_messages as of_ticks
from schedules.models import Tick
from workspaces.models import Workspace
from workspaces.services import keyvault

Facts = dict[str, Any]
LONGEST = 1000
# Columns that a message of drift names, those that drifted most.
MOST_FEATURES = 5
EXACT = frozenset({"id", "url", "log_url", "since", "started_at", "finished_at", "status", "pipeline_id"})
# Letters of no width that change the direction of the text after them.
TURNS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# A log that is larger is not read for the line of its last error.
SCANNED = 32 * 1024 * 1024


def of_failure(run: Run, before: Failures | None) -> Facts:
    """A run failed: by which step, whose fault, with which message, and where its log says so."""
    error = run.error or {}
    step = _failed_step(run)
    with words.stored():
        cause = str(causes.cause_of(error.get("cause")).word)
        message = error_text(error).strip()
    if error.get("exit_code"):
        cause += f" (exit code {error['exit_code']})"
    trace = error.get("traceback") or {}
    place = f"{trace['file']}:{trace['line']}" if trace.get("file") and trace.get("line") else trace.get("file") or ""
    name = step.step.name if step is not None else ""
    since = before.since if before else run.finished_at
    facts = {
        **_of_run(run),
        "title": f"{_name(run)} failed" + (f" at the step {name}" if name and not run.is_own_step else ""),
        "why": f"{cause}: {message}" if message else cause,
        "where": str(place),
        "step": name,
        "since": iso(since),
        "since_text": f"failing since {format_utc(since)}, {before.count + 1} runs one after the other"
        if before
        else f"since {format_utc(since)}; it is the first failure in a row",
        "others": max(0, len(error.get("failed_steps") or ()) - 1),
    }
    if step is not None:
        facts["log_url"] = log_url(run, step)
    return _clean(run.workspace, facts)


def of_recovery(run: Run, before: Failures) -> Facts:
    """A run completed after others had failed."""
    return _clean(
        run.workspace,
        {
            **_of_run(run),
            "title": f"{_name(run)} completed after {before.count} {'failure' if before.count == 1 else 'failures'}",
            "why": "It works again.",
            "since": iso(run.finished_at),
            "since_text": f"since {format_utc(run.finished_at)}; it had been failing since {format_utc(before.since)}",
        },
    )


def of_delay(run: Run, after: timedelta, *, is_usual: bool) -> Facts:
    """A run is under way for longer than it should be."""
    limit = units.duration_text(after.total_seconds())
    usual = f"It is still under way after {limit}, in which 95 of 100 of its runs are over."
    return _clean(
        run.workspace,
        {
            **_of_run(run),
            "title": f"{_name(run)} is late",
            "why": usual if is_usual else f"It is still under way after {limit}, which its rule allows.",
            "since": iso(run.started_at),
            "since_text": f"running since {format_utc(run.started_at)}",
        },
    )


def of_waiting(run: Run, attempt: Attempt, reasons: list[str]) -> Facts:
    """A step of a run waits for a place."""
    query = urlencode({"step": attempt.run.step.node_id, "tab": "why"})
    facts = _of_run(run)
    return _clean(
        run.workspace,
        {
            **facts,
            "title": f"{_name(run)} waits for a place",
            "why": " ".join(reasons) or "It waits for its turn.",
            "step": attempt.run.step.name,
            "since": iso(attempt.queued_at),
            "since_text": f"the step {attempt.run.step.name} has waited since {format_utc(attempt.queued_at)}",
            "url": f"{facts['url']}?{query}",
        },
    )


def of_tick(tick: Tick) -> Facts:
    """A schedule was due and started no run."""
    schedule = tick.schedule
    with words.stored():
        why = of_ticks.localized(tick.reason)
    return _clean(
        schedule.workspace,
        {
            "title": f"The schedule {schedule.name} {'was skipped' if tick.status == Tick.Status.SKIPPED else 'failed'}",
            "why": why or "No reason is known.",
            "since": iso(tick.due_at),
            "since_text": f"it was due at {format_utc(tick.due_at)}",
            "url": address(schedule.workspace, f"schedules/{schedule.pk}/"),
            "schedule": {"id": str(schedule.pk), "name": schedule.name},
        },
    )


def of_model(version: ModelVersion) -> Facts:
    """A version of a model was registered."""
    model, by = version.model, version.created_by
    who = f"by {by.get_username()}" if by else "by a run"
    return _clean(
        model.workspace,
        {
            "title": f"The model {model.name} has the version {version.version}",
            "why": f"It was registered {who}" + (f": {version.description}" if version.description else "."),
            "since": iso(version.created_at),
            "since_text": f"at {format_utc(version.created_at)}",
            "url": address(model.workspace, f"models/named/{model.name}/"),
            "model": {"name": model.name, "version": version.version},
        },
    )


def of_drift(window: MonitorWindow) -> Facts:
    """The rows of a window are far from the baseline."""
    monitor = window.monitor
    most = ", ".join(f"{each['name']} ({each['magnitude']:.0%})" for each in window.features[:MOST_FEATURES])
    return _clean(
        monitor.workspace,
        {
            "title": f"The data of the monitor {monitor.name} have drifted",
            "why": f"The drift magnitude is {window.magnitude:.0%}, and the threshold {window.threshold:.0%}. By single columns: {most}.",
            **_of_window(window),
            "monitor": {**_of_window(window)["monitor"], "magnitude": window.magnitude},
        },
    )


def of_degradation(window: MonitorWindow) -> Facts:
    """The model of a monitor was worse in a window than its threshold."""
    monitor, found = window.monitor, window.performance
    metric, threshold = found["metric"], found["threshold"]
    return _clean(
        monitor.workspace,
        {
            "title": f"The model of the monitor {monitor.name} has degraded",
            "why": f"{metric} is {window.metric:.4g}, and the threshold {threshold:.4g}. "
            f"It is of {found['labelled']} labelled predictions of {found['predictions']}.",
            **_of_window(window),
            "monitor": {**_of_window(window)["monitor"], "metric": metric, "value": window.metric},
        },
    )


def _of_window(window: MonitorWindow) -> Facts:
    monitor = window.monitor
    return {
        "since": iso(window.start_at),
        "since_text": f"in the rows from {format_utc(window.start_at)} to before {format_utc(window.end_at)}",
        "url": address(monitor.workspace, f"monitors/{monitor.pk}/windows/{window.pk}/"),
        "monitor": {"id": str(monitor.pk), "name": monitor.name, "window": str(window.pk)},
    }


def address(workspace: Workspace, path: str) -> str:
    """A page of the workspace, as people outside reach it."""
    return f"{settings.DUTO.running_url}/w/{workspace.name}/{path}"


def log_url(run: Run, step: Run) -> str:
    """The log of the step's last attempt, at the line with which its last error begins."""
    query = urlencode({"step": step.step.node_id, "tab": "logs"})
    url = address(run.workspace, f"runs/{run.pk}/?{query}")
    if (run.error or {}).get("cause") == "environment":
        return url.replace("tab=logs", "tab=environment")
    try:
        attempt = logs.attempt_of(step)
        found = logs.errors(attempt) if attempt.log_size <= SCANNED else None
    except (StudioError, OSError):  # no attempt, or a log that is gone
        return url
    return f"{url}#L{found.matches[-1]['line']}" if found and found.matches and found.next is None else url


def _failed_step(run: Run) -> Run | None:
    """The step that failed first: of a script the run itself."""
    error = run.error or {}
    rows = Run.objects.select_related("step", "experiment").defer("graph").filter(root=run, step__isnull=False)
    if run.is_own_step:
        return rows.filter(pk=run.pk).first()
    return rows.filter(step__node_id=str(error.get("step"))).order_by("id").first() if error.get("step") else None


def _name(run: Run) -> str:
    name = run.display_name or run.experiment.name
    return f"{name} #{run.number}"


def _of_run(run: Run) -> Facts:
    return {
        "url": address(run.workspace, f"runs/{run.pk}/"),
        "run": {
            "id": str(run.pk),
            "number": run.number,
            "name": run.display_name,
            "experiment": run.experiment.name,
            "status": run.status,
            "submitted_by": run.submitted_by.get_username() if run.submitted_by else "",
            "started_at": iso(run.started_at),
            "finished_at": iso(run.finished_at),
            "pipeline_id": str(run.published_pipeline_id) if run.published_pipeline_id else None,
        },
    }


def _clean(workspace: Workspace, facts: Facts) -> Facts:
    """Without secrets, and without texts of any length. Addresses and ids stay as they are, or they would lead nowhere."""
    hide = keyvault.hider(workspace)

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: each if name in EXACT else cleaned(each) for name, each in value.items()}
        if not isinstance(value, str):
            return value
        text = hide(value)
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

    cleaned_facts: Facts = cleaned(facts)
    # A name may have line breaks, which end a link of a chat, and marks that turn the text around.
    cleaned_facts["title"] = " ".join(TURNS.sub("", cleaned_facts["title"]).split())
    return cleaned_facts
