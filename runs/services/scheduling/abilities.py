"""What steps need of a host that not every host can do: to build conda packages, to run R. Their environments say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q

from compute.models import ComputeTarget, Host
from compute.placement_types import NOTHING, Abilities
from core.errors import Unprocessable
from duto.spec import conda, r
from duto.spec.graph import Step
from environments.models import EnvironmentVersion
from runs.models import Attempt, StepRun
from workspaces.models import Workspace

KNOWN_MOST = 10_000
# So many steps of one reason are named.
NAMED = 10
# Which launcher a host must have to be able to do it.
LAUNCHERS = {"conda": Host.Launcher.DOCKER, "r": Host.Launcher.PROCESS}
# Of versions of environments: what a host has to be able to do for them.
_known: dict[UUID, Abilities] = {}


def require_hosts(
    workspace: Workspace,
    steps: Iterable[Step],
    versions: Mapping[str, EnvironmentVersion | None],
    targets: Mapping[str, ComputeTarget],
) -> None:
    """Raises Unprocessable for steps whose cluster has no host that could ever run them."""
    asked = [(step, version) for step in steps if (version := versions[step.id]) and _needs(version.definition)]
    if not asked:
        return
    here = Q(workspace=workspace) | Q(workspace__isnull=True)
    able = {name: {host.pk for host in hosts_with(name, here)} for name in LAUNCHERS}
    refused = [
        (step, f"{name}_only", _refusal(name, version.definition))
        for step, version in asked
        for name in sorted(_needs(version.definition))
        if not _has_one(targets[str(step.compute).lower()], able[name])
    ]
    if refused:
        problems = [
            {"code": code, "message": f"Step '{step.name}': {why}", "step": step.id} for step, code, why in refused
        ]
        text = _refusal_text((step, why) for step, _, why in refused)
        raise Unprocessable(text, code=refused[0][1], problems=problems)


def _refusal(name: str, definition: Mapping[str, Any]) -> str:
    return str(conda.refusal(conda.only_there(definition["python"]["conda"])) if name == "conda" else r.refusal())


def _refusal_text(refused: Iterable[tuple[Step, str]]) -> str:
    """A line for each reason: many steps share an environment."""
    names: dict[str, list[str]] = {}
    for step, why in refused:
        names.setdefault(why, []).append(f"'{step.name}'")
    return "\n".join(f"{_steps(each)}: {why}" for why, each in names.items())


def _steps(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"Step {names[0]}"
    hidden = len(names) - NAMED
    if hidden > 1:
        return f"Steps {', '.join(names[:NAMED])} and {hidden} more"
    return f"Steps {', '.join(names[:-1])} and {names[-1]}"


def needed_by(queue: Sequence[Attempt]) -> dict[UUID, Abilities]:
    """Of these attempts those that not every host will do for. A version never changes, so that each is looked up once in
    a process; attempts bring theirs as `environment`, where they were read for a round."""
    bare = [attempt.run_id for attempt in queue if not hasattr(attempt, "environment")]
    rows = StepRun.objects.filter(run__in=bare).values_list("run_id", "environment_version_id") if bare else ()
    looked_up = dict(rows)
    versions = {each.pk: getattr(each, "environment", looked_up.get(each.run_id)) for each in queue}
    known = {version: _known.get(version) for version in versions.values() if version}
    if unknown := [version for version, answer in known.items() if answer is None]:
        asks = Q(definition__python__has_key="conda") | Q(definition__has_key="r")
        found = EnvironmentVersion.objects.filter(asks, pk__in=unknown).values_list("pk", "definition")
        known |= dict.fromkeys(unknown, NOTHING) | {version: _needs(definition) for version, definition in found}
        if len(_known) > KNOWN_MOST:
            _known.clear()
        _known.update({version: answer or NOTHING for version, answer in known.items()})
    return {attempt: needs for attempt, version in versions.items() if version and (needs := known.get(version))}


def _needs(definition: Mapping[str, Any]) -> Abilities:
    """`r` may stand in a definition without any packages: R itself is needed."""
    has = {"conda": bool((definition.get("python") or {}).get("conda")), "r": definition.get("r") is not None}
    return frozenset(name for name, is_needed in has.items() if is_needed)


def hosts_with(ability: str, which: Q) -> list[Host]:
    """Hosts that tell that they can do it, silent ones too, and those that have not told of themselves yet."""
    rows = Host.objects.filter(which, revoked_at__isnull=True, launcher=LAUNCHERS[ability])
    return [host for host in rows.only("id", "workspace_id", "facts") if host.facts.get(ability) or not host.facts]


def _has_one(target: ComputeTarget, able: set[UUID]) -> bool:
    attached = set(target.hosts.values_list("pk", flat=True))
    return bool(attached & able) if attached else bool(able)
