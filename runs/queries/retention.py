"""What a retention policy would free now, and which reuse it would break."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Count, F, Model, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber

from compute.models import Host
from core.clock import parse
from runs.models import Artifact, Attempt, Output, Run, StepRun
from runs.retention import Policy
from workspaces.models import Workspace

SHOWN = 10
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
    logs = found.logs().aggregate(n=Count("id"), b=Sum(F("log_size") + F("samples_size")))
    artifacts = found.artifacts().aggregate(n=Count("id"), b=Sum("size"))
    outputs = found.outputs().aggregate(n=Count("id"), b=Sum("size"))
    sources = found.sources()
    names = list(sources.order_by("name").values_list("name", flat=True).distinct()[:SHOWN])
    return Plan(
        portions=[
            Portion("logs", logs["n"], logs["b"] or 0),
            Portion("artifacts", artifacts["n"], artifacts["b"] or 0),
            Portion("outputs", outputs["n"], outputs["b"] or 0),
            *_on_hosts(workspace, policy, moment),
        ],
        steps=names,
        step_count=sources.count(),
        readers=StepRun.objects.filter(reused_from__in=found.outputs().values("run")).count(),
    )


class Expired:
    """The rows whose time is over, for the dry run and for the deed alike."""

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
    """What the hosts' agents have told of themselves (docs/wire.md, `storage`)."""
    mine = Q(workspace=workspace) | Q(workspace__isnull=True)
    hosts = list(Host.objects.filter(mine, revoked_at__isnull=True).order_by("name"))
    for kind in ("attempts", "environments", "images"):
        cutoff = policy.cutoff(kind, moment)
        old = [] if cutoff is None else [each for host in hosts for each in _unused(host, kind, cutoff)]
        names = [f"{name} ({host})" for host, name, _ in old[:SHOWN]]
        yield Portion(kind, len(old), sum(size for _, _, size in old), names)


def _unused(host: Host, kind: str, cutoff: datetime) -> Iterable[tuple[str, str, int]]:
    told = host.facts.get("storage") if isinstance(host.facts, dict) else None
    for each in (told or {}).get(kind) or []:
        used = parse(each.get("used_at"))
        if used is not None and used < cutoff and not each.get("in_use"):
            yield host.name, str(each.get("key")), int(each.get("bytes") or 0)
