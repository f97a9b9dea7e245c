"""Steps with conda packages: only hosts with a micromamba base can build their environments, and so run them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from compute.models import ComputeTarget, Host
from core.errors import Unprocessable
from duto.spec.conda import only_there, refusal
from duto.spec.graph import Step
from environments.models import EnvironmentVersion
from runs.models import Attempt, StepRun
from workspaces.models import Workspace

KNOWN_MOST = 10_000
# So many steps of one reason are named.
NAMED = 10
# Whether a version of an environment has conda packages.
_with_conda: dict[UUID, bool] = {}


def section_of(version: EnvironmentVersion | None) -> Mapping[str, Any]:
    """The conda part of an environment; empty if it has none."""
    python = (version.definition if version else {}).get("python") or {}
    return python.get("conda") or {}


def require_hosts(
    workspace: Workspace,
    steps: Iterable[Step],
    versions: Mapping[str, EnvironmentVersion | None],
    targets: Mapping[str, ComputeTarget],
) -> None:
    """Raises Unprocessable for steps whose cluster has no host that could ever run them."""
    asked = [(step, section) for step in steps if (section := section_of(versions[step.id]))]
    if not asked:
        return
    able = {host.pk: host for host in hosts_with_conda(Q(workspace=workspace) | Q(workspace__isnull=True))}
    refused = [
        (step, refusal(only_there(section)))
        for step, section in asked
        if not _has_one(targets[str(step.compute).lower()], able)
    ]
    if refused:
        problems = [
            {"code": "conda_only", "message": f"Step '{step.name}': {why}", "step": step.id} for step, why in refused
        ]
        raise Unprocessable(_refusal_text(refused), code="conda_only", problems=problems)


def _refusal_text(refused: Iterable[tuple[Step, str]]) -> str:
    """A line for each reason: many steps share an environment."""
    names: dict[str, list[str]] = {}
    for step, why in refused:
        names.setdefault(str(why), []).append(f"'{step.name}'")
    return "\n".join(f"{_steps(each)}: {why}" for why, each in names.items())


def _steps(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"Step {names[0]}"
    hidden = len(names) - NAMED
    if hidden > 1:
        return f"Steps {', '.join(names[:NAMED])} and {hidden} more"
    return f"Steps {', '.join(names[:-1])} and {names[-1]}"


def asking(queue: Sequence[Attempt]) -> set[UUID]:
    """Of these attempts those whose environment has conda packages. A version never changes, so that each is looked up
    once in a process; attempts bring theirs as `environment`, where they were read for a round."""
    bare = [attempt.run_id for attempt in queue if not hasattr(attempt, "environment")]
    rows = StepRun.objects.filter(run__in=bare).values_list("run_id", "environment_version_id") if bare else ()
    looked_up = dict(rows)
    versions = {each.pk: getattr(each, "environment", looked_up.get(each.run_id)) for each in queue}
    known = {version: _with_conda.get(version) for version in versions.values() if version}
    if unknown := [version for version, answer in known.items() if answer is None]:
        found = EnvironmentVersion.objects.filter(pk__in=unknown, definition__python__has_key="conda")
        known |= dict.fromkeys(unknown, False) | dict.fromkeys(found.values_list("pk", flat=True), True)
        if len(_with_conda) > KNOWN_MOST:
            _with_conda.clear()
        _with_conda.update({version: bool(answer) for version, answer in known.items()})
    return {attempt for attempt, version in versions.items() if known.get(version)}


def hosts_with_conda(which: Q) -> list[Host]:
    rows = Host.objects.filter(which, revoked_at__isnull=True, launcher=Host.Launcher.DOCKER)
    return [host for host in rows.only("id", "workspace_id", "facts") if host.facts.get("conda")]


def _has_one(target: ComputeTarget, able: Mapping[UUID, Host]) -> bool:
    attached = set(target.hosts.values_list("pk", flat=True))
    return bool(attached & set(able)) if attached else bool(able)
