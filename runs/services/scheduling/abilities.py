"""What steps need of a host that not every host can do: to build conda packages, to run R, to run Spark.

Their environments say it, and for Spark their kind: then the environment says which Java, and whether its image has one. An
ability is a word; those of Java are `java:<line of Spark, or any>:<host or image>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from compute.models import ComputeTarget, Host
from compute.placement_types import NOTHING, Abilities
from core import sentences
from core.errors import Unprocessable
from duto.spec import conda, r, spark
from duto.spec.graph import Step
from duto.spec.kinds import KINDS
from duto.spec.spark import ANY, LINES, lines_on
from environments import spark_line
from environments.models import EnvironmentVersion
from runs.models import Attempt, StepRun
from workspaces.models import Workspace

KNOWN_MOST = 10_000
# So many steps of one reason are named.
NAMED = 10
JAVA = "java"
# An agent that shares a step with those of other nodes, and one whose steps reach those of other hosts.
MEMBERS, RENDEZVOUS = "members", "rendezvous"
# Which launcher a host must have to be able to do it by itself.
LAUNCHERS = {"conda": Host.Launcher.DOCKER, "r": Host.Launcher.PROCESS, JAVA: Host.Launcher.PROCESS}
# Of versions of environments: what a host has to be able to do for them, and for a step of Spark in them.
_known: dict[UUID, tuple[Abilities, Abilities]] = {}


def require_hosts(
    workspace: Workspace,
    steps: Iterable[Step],
    versions: Mapping[str, EnvironmentVersion | None],
    targets: Mapping[str, ComputeTarget],
) -> None:
    """Raises Unprocessable for steps whose cluster has no host that could ever run them."""
    asked = [
        (step, definition, needs)
        for step in steps
        if (needs := needs_of(step, definition := _definition(versions[step.id])))
    ]
    if not asked:
        return
    attached: dict[UUID, set[UUID]] = {}
    here = Q(workspace=workspace) | Q(workspace__isnull=True)
    wanted = frozenset[str]().union(*(needs for *_step, needs in asked))
    able = {name: {host.pk for host in hosts_with(name, here)} for name in wanted}
    refused = [
        (step, f"{name.partition(':')[0]}_only", _refusal(name, definition))
        for step, definition, needs in asked
        for name in sorted(needs)
        if not _has_one(targets[str(step.compute).lower()], able[name], attached)
    ]
    if refused:
        problems = [
            {"code": code, "message": _("Step '%(step)s': %(why)s") % {"step": step.name, "why": why}, "step": step.id}
            for step, code, why in refused
        ]
        text = _refusal_text((step, why) for step, _code, why in refused)
        raise Unprocessable(text, code=refused[0][1], problems=problems)


def _refusal(name: str, definition: Mapping[str, Any]) -> str:
    if name == "conda":
        return sentences.here(conda.refusal(conda.only_there(definition["python"]["conda"])))
    return sentences.here(r.refusal() if name == "r" else spark.refusal(name.split(":")[1]))


def of_step(step: Step) -> str:
    """What its kind needs of a host: Java, where the step does not name one itself."""
    named = {**step.environment_variables, **_mapping(step.settings.get("variables"))}
    return JAVA if KINDS[step.kind].needs_java and "JAVA_HOME" not in named else ""


def needs_of(step: Step, definition: Mapping[str, Any]) -> Abilities:
    """What the step needs of a host, in an environment of this definition; empty for none."""
    return _needs(definition) | (_java(definition) if of_step(step) else NOTHING)


def _definition(version: EnvironmentVersion | None) -> Mapping[str, Any]:
    return version.definition if version else {}


def _refusal_text(refused: Iterable[tuple[Step, str]]) -> str:
    """A line for each reason: many steps share an environment."""
    names: dict[str, list[str]] = {}
    for step, why in refused:
        names.setdefault(why, []).append(f"'{step.name}'")
    return "\n".join(_line(each, why) for why, each in names.items())


def _line(names: Sequence[str], why: str) -> str:
    if len(names) == 1:
        return _("Step %(name)s: %(why)s") % {"name": names[0], "why": why}
    hidden = len(names) - NAMED
    if hidden > 1:
        facts = {"names": ", ".join(names[:NAMED]), "count": hidden, "why": why}
        return _("Steps %(names)s and %(count)s more: %(why)s") % facts
    return _("Steps %(names)s and %(last)s: %(why)s") % {"names": ", ".join(names[:-1]), "last": names[-1], "why": why}


def needed_by(queue: Sequence[Attempt]) -> dict[UUID, Abilities]:
    """Of these attempts those that not every host will do for. A version never changes, so that each is looked up once in
    a process; attempts bring theirs as `environment`, where they were read for a round."""
    bare = [attempt.run_id for attempt in queue if not hasattr(attempt, "environment")]
    rows = StepRun.objects.filter(run__in=bare).values_list("run_id", "environment_version_id") if bare else ()
    looked_up = dict(rows)
    versions = {each.pk: getattr(each, "environment", looked_up.get(each.run_id)) for each in queue}
    known = {version: _known.get(version) for version in versions.values() if version}
    if unknown := [version for version, answer in known.items() if answer is None]:
        found = EnvironmentVersion.objects.filter(pk__in=unknown).values_list("pk", "definition")
        fresh = {version: (_needs(definition), _java(definition)) for version, definition in found}
        known |= fresh
        if len(_known) > KNOWN_MOST:
            _known.clear()
        _known.update(fresh)
    found_needs = {each.pk: _both(known.get(versions[each.pk]), each.needs) for each in queue}
    return {attempt: needs for attempt, needs in found_needs.items() if needs}


def _both(known: tuple[Abilities, Abilities] | None, needs: str) -> Abilities:
    of_all, of_spark = known or (NOTHING, _java({}))
    if needs == JAVA:
        return of_all | of_spark
    return of_all | {needs} if needs else of_all


def _needs(definition: Mapping[str, Any]) -> Abilities:
    """`r` may stand in a definition without any packages: R itself is needed."""
    has = {"conda": bool((definition.get("python") or {}).get("conda")), "r": definition.get("r") is not None}
    return frozenset(name for name, is_needed in has.items() if is_needed)


def _java(definition: Mapping[str, Any]) -> Abilities:
    """Of a step of Spark in this environment: a Java that its Spark runs on, unless the environment names one itself."""
    if "JAVA_HOME" in _mapping(definition.get("variables")):
        return NOTHING
    where = "image" if spark_line.may_bring_java(definition) else "host"
    return frozenset({f"{JAVA}:{spark_line.of(definition) or ANY}:{where}"})


def of_host(host: Host) -> Abilities:
    """What of all this the host can do, as it tells. Of Java in the image of an environment a host of containers knows
    nothing: that is taken to be there."""
    facts = _mapping(host.facts)
    found = {name for name in ("conda", "r") if facts.get(name) and host.launcher == LAUNCHERS[name]}
    further = facts.get("abilities")
    found |= {MEMBERS, RENDEZVOUS} & set(further if isinstance(further, list) else ())
    if host.launcher == Host.Launcher.DOCKER:
        return frozenset(found | {f"{JAVA}:{line}:image" for line in (*LINES, ANY)})
    javas = facts.get(JAVA)
    lines = lines_on(each for each in javas if isinstance(each, int)) if isinstance(javas, list) else []
    if lines:
        lines.append(ANY)
    return frozenset(found | {f"{JAVA}:{line}:{where}" for line in lines for where in ("host", "image")})


def hosts_with(ability: str, which: Q) -> list[Host]:
    """Hosts that tell that they can do it, silent ones too, and those of the right launcher that have not told of themselves
    yet."""
    rows = Host.objects.filter(which, revoked_at__isnull=True).only("id", "workspace_id", "facts", "launcher")
    return [host for host in rows if ability in of_host(host) or (not host.facts and _may_have(host.launcher, ability))]


def _may_have(launcher: str, ability: str) -> bool:
    return ability.endswith(":image") or launcher == LAUNCHERS[ability.partition(":")[0]]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _has_one(target: ComputeTarget, able: set[UUID], attached: dict[UUID, set[UUID]]) -> bool:
    if target.pk not in attached:  # one look, however many steps are sent to the cluster
        attached[target.pk] = set(target.hosts.values_list("pk", flat=True))
    return bool(attached[target.pk] & able) if attached[target.pk] else bool(able)
