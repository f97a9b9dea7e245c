"""The tabs Environment and Why: what the step runs with, and why it ran, waits or was reused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from compute.models import ComputeTarget
from duto.spec import fingerprint, r
from environments.models import EnvironmentVersion
from runs import differences, stored_messages
from runs.models import Attempt, Run, StepRun
from runs.queries import last_success
from runs.queries.last_success import SinceSuccess
from runs.web import attempts as trials
from runs.web import since_success
from runs.web.panel_request import StepPanelRequest
from runs.web.tree import StepRow
from runs.web.waits import Waits, waits_of

DIGEST, SHORT = re.compile(r"\b[0-9a-f]{64}\b"), 16


@dataclass(frozen=True)
class Environment:
    """What runs/panel/environment.html may show."""

    version: EnvironmentVersion | None
    url: str
    packages: list[str]
    compute: ComputeTarget | None
    attempt: Attempt | None
    variables: dict[str, Any]


@dataclass(frozen=True)
class Why:
    """What runs/panel/why.html may show."""

    heading: str
    is_over: bool
    waits: Waits
    explanation: dict[str, Any]
    differences: list[dict[str, Any]]
    compared_url: str
    parts: list[tuple[str, str]]
    fingerprint: str
    may_reuse: bool
    warnings: list[str]
    attempts: list[trials.AttemptRow]
    # Of a step that failed: what differs from its last success.
    success: SinceSuccess | None = None

    @property
    def changes(self) -> list[since_success.Row]:
        return since_success.rows_of(self.success) if self.success else []


def environment(ask: StepPanelRequest) -> Environment:
    """Two queries: the version with its build and name, and the cluster."""
    step = ask.step.run.step
    version = None
    if step.environment_version_id:
        version = (
            EnvironmentVersion.objects.select_related("build", "environment")
            .filter(pk=step.environment_version_id)
            .first()
        )
    compute = (
        ComputeTarget.objects.filter(pk=step.compute_target_id, workspace=ask.context.workspace).first()
        if step.compute_target_id
        else None
    )
    url = ""
    if version and version.environment:
        url = (
            reverse("environments:environment", args=[ask.context.workspace.name, version.environment.name])
            + f"?version={version.version}"
        )
    definition = version.definition if version else {}
    python = definition.get("python") or {}
    return Environment(
        version=version,
        url=url,
        packages=[
            *(python.get("conda") or {}).get("packages", []),
            *python.get("packages", []),
            *r.shown(definition.get("r")),
        ],
        compute=compute,
        attempt=ask.step.last,
        variables=definition.get("variables", {}),
    )


def _heading(step: StepRow, waits: Waits, *, is_decided: bool) -> str:
    """Nothing is said to have run that has not."""
    has_run = bool(step.run.started_at) and not step.is_reused
    if step.run.is_final:
        return _("Why it ran") if has_run else _("Why it did not run")
    if has_run and not waits.is_waiting:
        return _("Why it ran")
    return _("Why it will run") if is_decided else _("Will it run?")


def why(ask: StepPanelRequest) -> Why:
    """One query for the parts of the fingerprint, which no other tab needs; more only while the step waits."""
    detail = StepRun.objects.get(pk=ask.step.run.pk)
    explanation = detail.reuse_explanation or {}
    compared = explanation.get("compared_with") or {}
    url = ""
    if compared.get("root"):
        url = (
            reverse("runs:run", args=[ask.context.workspace.name, compared["root"]])
            + f"?step={compared.get('node', detail.node_id)}"
        )
    elif compared.get("run"):
        url = reverse("runs:run", args=[ask.context.workspace.name, compared["run"]])
    document = detail.fingerprint_document or {}
    waits = waits_of(ask.step.run, ask.step.attempts)
    return Why(
        heading=_heading(ask.step, waits, is_decided=bool(explanation)),
        is_over=ask.step.run.is_final,
        waits=waits,
        explanation={**explanation, "text": stored_messages.localized(explanation)} if explanation else {},
        differences=[
            {**each, "part": differences.part_word(each["part"]), "text": differences.localized(each)}
            for each in explanation.get("differences", [])
        ],
        compared_url=url,
        parts=[
            (differences.part_word(part), shown(_by_name(value) if part == "outputs" else value))
            for part, value in fingerprint.split(document)
            if value not in (None, {}, [])
        ],
        fingerprint=detail.fingerprint,
        may_reuse=detail.allow_reuse,
        warnings=[stored_messages.warning(each) for each in ask.step.run.warnings],
        attempts=trials.attempt_rows(ask.step.attempts),
        success=last_success.since_success(detail.pk) if ask.step.status == Run.Status.FAILED else None,
    )


def _by_name(outputs: list[list[Any]]) -> dict[str, list[Any]]:
    """An output's flag is told by the word that it stands for."""
    return {str(name): [*facts, "folder" if folder else "file"] for name, *facts, folder in outputs}


def shown(value: Any) -> str:
    """A part of the fingerprint on one line, or on one for each of its names; of a digest enough to compare it."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {shown(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(shown(inner) for inner in value if inner is not None)
    return DIGEST.sub(lambda found: f"{found.group()[:SHORT]}…", str(value))
