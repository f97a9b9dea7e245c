"""What a retention policy would free now, and which reuse it would break."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Count, F, Model, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber

from compute.models import Host
from core.clock import parse
from environments.models import EnvironmentVersion, Image
from runs import retention
from runs.models import Artifact, Attempt, Output, Run, StepRun
from runs.queries.deletion import log_bytes
from runs.retention import Policy
from workspaces.models import Workspace

SHOWN = 10
TAG_SHOWN = 20
GONE = ""
T = TypeVar("T", bound=Model)


@dataclass(frozen=True)
class Portion:
    """One kind of data that would go: how many, how large, and a few names."""

    kind: str
    count: int
    bytes: int
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The dry run. `steps`: names of steps whose results could not be reused any more; `readers`: steps of other
    runs that show these results as their own."""

    portions: list[Portion]
    steps: list[str] = field(default_factory=list)
    step_count: int = 0
    readers: int = 0

    @property
    def bytes(self) -> int:
        return sum(portion.bytes for portion in self.portions)

    @property
    def count(self) -> int:
        return sum(portion.count for portion in self.portions)

    def as_document(self) -> dict[str, Any]:
        return {
            "bytes": self.bytes,
            "frees": [vars(portion) for portion in self.portions],
            "breaks": {"steps": self.steps, "step_count": self.step_count, "readers": self.readers},
        }


def plan(workspace: Workspace, policy: Policy, moment: datetime) -> Plan:
    """Looked up anew each time, in a constant number of queries."""
    found = Expired(workspace, policy, moment)
    logs = found.logs()
    artifacts = found.artifacts().aggregate(n=Count("id"), b=Sum("size"))
    outputs = found.outputs().aggregate(n=Count("id"), b=Sum("size"))
    sources = found.sources()
    names = list(sources.order_by("name").values_list("name", flat=True).distinct()[:SHOWN])
    return Plan(
        portions=[
            Portion("logs", logs.count(), log_bytes(logs)),
            Portion("artifacts", artifacts["n"], artifacts["b"] or 0),
            Portion("outputs", outputs["n"], outputs["b"] or 0),
            *_on_hosts(workspace, policy, moment),
        ],
        steps=names,
        step_count=sources.count(),
        readers=StepRun.objects.filter(reused_from__in=found.outputs().values("run")).count(),
    )


class Expired:
    """The rows whose time is over, for the dry run and for the action alike."""

    def __init__(self, workspace: Workspace, policy: Policy, moment: datetime) -> None:
        self.workspace, self.policy, self.moment = workspace, policy, moment

    def logs(self) -> QuerySet[Attempt]:
        rows = Attempt.objects.filter(log_sealed_at__isnull=False, log_removed_at__isnull=True)
        return self._old(rows, "logs")

    def artifacts(self) -> QuerySet[Artifact]:
        """Logs are listed as artifacts too; they go by their own rule."""
        return self._old(Artifact.objects.exclude(path__startswith="user_logs/"), "artifacts")

    def outputs(self) -> QuerySet[Output]:
        """Never what was registered as a dataset."""
        return self._old(Output.objects.filter(removed_at__isnull=True, dataset_version_id__isnull=True), "outputs")

    def sources(self) -> QuerySet[StepRun]:
        """The steps whose results could be reused until now."""
        return StepRun.objects.filter(run__in=self.outputs().values("run"), is_source=True)

    def _old(self, rows: QuerySet[T], kind: str) -> QuerySet[T]:
        cutoff = self.policy.cutoff(kind, self.moment)
        if cutoff is None:
            return rows.none()
        mine = rows.filter(run__workspace=self.workspace, run__finished_at__lt=cutoff)
        ended = mine.filter(run__root__status__in=Run.ENDS, run__root__finished_at__lt=cutoff)
        return ended.exclude(run__root__in=self._kept_roots()).exclude(run__in=self._read_by_others())

    def _kept_roots(self) -> QuerySet[Any, Any]:
        """The newest completed runs of each experiment."""
        newest = Window(RowNumber(), partition_by=F("experiment"), order_by=F("id").desc())
        roots = Run.objects.filter(workspace=self.workspace, parent__isnull=True, status=Run.Status.COMPLETED)
        return roots.annotate(place=newest).filter(place__lte=self.policy.keep_last).values("id")

    def _read_by_others(self) -> QuerySet[Any, Any]:
        """Runs whose results are shown, or will be read, by a run that is kept or is not over."""
        readers = Q(run__root__in=self._kept_roots()) | ~Q(run__root__status__in=Run.ENDS)
        rows = StepRun.objects.filter(readers, workspace=self.workspace, reused_from__isnull=False)
        return rows.values("reused_from")


def _on_hosts(workspace: Workspace, policy: Policy, moment: datetime) -> Iterable[Portion]:
    """What the hosts' agents have told of themselves (docs/wire.md, `storage`), by the policy that each goes by."""
    mine = Q(workspace=workspace) | Q(workspace__isnull=True)
    hosts = list(Host.objects.filter(mine, revoked_at__isnull=True).order_by("name"))
    shared = _with_others(workspace, policy)
    labels = _labels_of_images(workspace, hosts)
    for kind in retention.ON_HOSTS:
        old = [
            each for host in hosts for each in _unused(host, kind, (policy if host.workspace_id else shared), moment)
        ]
        if kind == "images":  # the host's last word may be older than the removal
            old = [each for each in old if labels.get((each.host.pk, each.key)) != GONE]
        names = [f"{_called(each, kind, labels)} ({each.host.name})" for each in old[:SHOWN]]
        yield Portion(kind, len(old), sum(each.bytes for each in old), names)


def _called(each: _Unused, kind: str, labels: Mapping[tuple[UUID, str], str]) -> str:
    """Its key; of an image a short one, with the name of its environment where that is known."""
    return labels.get((each.host.pk, each.key), each.key[:TAG_SHOWN]) if kind == "images" else each.key


class _Unused(NamedTuple):
    host: Host
    key: str
    bytes: int


def _unused(host: Host, kind: str, policy: Policy, moment: datetime) -> Iterable[_Unused]:
    cutoff = policy.cutoff(kind, moment)
    storage = host.facts.get("storage") if isinstance(host.facts, dict) else None
    if cutoff is None:
        return
    for each in (storage or {}).get(kind) or []:
        used = parse(each.get("used_at"))
        if used is not None and used < cutoff and not each.get("in_use"):
            yield _Unused(host, str(each.get("key")), int(each.get("bytes") or 0))


def _with_others(workspace: Workspace, policy: Policy) -> Policy:
    """What a host that serves all workspaces goes by: it keeps what any of them wants to keep."""
    others = Workspace.objects.exclude(pk=workspace.pk).values_list("settings", flat=True)
    kept = retention.strictest_of_hosts([policy, *map(retention.of_settings, others)])
    return replace(policy, attempts=kept["attempts"], environments=kept["environments"], images=kept["images"])


def _labels_of_images(workspace: Workspace, hosts: Sequence[Host]) -> dict[tuple[UUID, str], str]:
    """Images by host and tag: the names of their environments in this workspace, and those that have gone since."""
    rows = list(
        Image.objects.filter(host_id__in=[host.pk for host in hosts]).only("host_id", "tag", "status", "lock_digest")
    )
    locks = {row.lock_digest for row in rows if row.lock_digest}
    versions = EnvironmentVersion.objects.filter(workspace=workspace, build__lock_digest__in=locks)
    named = versions.filter(environment__isnull=False).order_by("id")
    names = dict(named.values_list("build__lock_digest", "environment__name"))
    found = {}
    for row in rows:
        short = row.tag[:TAG_SHOWN]
        label = f"{names[row.lock_digest]} {short}" if row.lock_digest in names else short
        found[row.host_id, row.tag] = GONE if row.status == Image.Status.REMOVED else label
    return found
