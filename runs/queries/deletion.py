"""What deleting a run would free, and what it would break."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, F, QuerySet, Sum

from datasets.models import DatasetVersion
from registry.models import ModelVersion
from runs.models import Artifact, Attempt, MetricPoint, Output, RankLog, Run, StepRun

SHOWN = 20


@dataclass(frozen=True)
class Preview:
    """Numbers and names for the question *delete this run?*."""

    runs: int
    outputs: int
    output_files: int
    output_bytes: int
    artifacts: int
    artifact_bytes: int
    log_bytes: int
    metric_points: int
    # Steps of other runs whose result is this run's: they lose their outputs, and nothing reuses them again.
    reused_by: list[dict[str, Any]] = field(default_factory=list)
    reused_by_count: int = 0
    datasets: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """All that the disk gets back."""
        return self.output_bytes + self.artifact_bytes

    @property
    def breaks(self) -> bool:
        return bool(self.reused_by_count or self.datasets)

    def as_document(self) -> dict[str, Any]:
        frees = (
            "runs",
            "outputs",
            "output_files",
            "output_bytes",
            "artifacts",
            "artifact_bytes",
            "log_bytes",
            "metric_points",
            "bytes",
        )
        breaks = ("reused_by", "reused_by_count", "datasets", "models")
        return {
            "frees": {name: getattr(self, name) for name in frees},
            "breaks": {name: getattr(self, name) for name in breaks},
        }


def preview(run: Run) -> Preview:
    """Looked up anew each time, in a constant number of queries."""
    tree = {"run__root": run.root_id}
    outputs = Output.objects.filter(**tree).aggregate(n=Count("id"), files=Sum("file_count"), bytes=Sum("size"))
    artifacts = Artifact.objects.filter(**tree).aggregate(n=Count("id"), bytes=Sum("size"))
    reused = StepRun.objects.filter(reused_from__root=run.root_id).exclude(run__root=run.root_id)
    return Preview(
        runs=Run.objects.filter(root=run.root_id).count(),
        outputs=outputs["n"],
        output_files=outputs["files"] or 0,
        output_bytes=outputs["bytes"] or 0,
        artifacts=artifacts["n"],
        artifact_bytes=artifacts["bytes"] or 0,
        log_bytes=log_bytes(Attempt.objects.filter(**tree)),
        metric_points=MetricPoint.objects.filter(**tree).count(),
        reused_by=[_reuse(step) for step in reused.select_related("run__root__experiment").order_by("-run")[:SHOWN]],
        reused_by_count=reused.count(),
        datasets=_datasets(run),
        models=_models(run),
    )


def log_bytes(attempts: QuerySet[Attempt]) -> int:
    """Bytes of their logs, and of what is kept beside them: samples, ledgers, the logs of their ranks."""
    own = attempts.aggregate(n=Sum(F("log_size") + F("samples_size") + F("ledger_size")))["n"] or 0
    ranks = RankLog.objects.filter(attempt__in=attempts).aggregate(n=Sum("log_size"))["n"] or 0
    return int(own + ranks)


def _reuse(step: StepRun) -> dict[str, Any]:
    root = step.run.root or step.run
    return {
        "run": str(step.run_id),
        "root": str(root.pk),
        "number": root.number,
        "experiment": root.experiment.name,
        "step": step.name,
    }


def _datasets(run: Run) -> list[str]:
    """Dataset versions that are outputs of this run: their files go with it."""
    ids = Output.objects.filter(
        run__root=run.root_id, dataset_version_id__isnull=False, linked_version_id__isnull=True
    ).values("dataset_version_id")
    rows = DatasetVersion.objects.filter(pk__in=ids, dataset__isnull=False).order_by("id")
    return [f"{name} v{number}" for name, number in rows.values_list("dataset__name", "version")[:SHOWN]]


def _models(run: Run) -> list[str]:
    """Models stay, for their files were copied; they only lose the run that they came from."""
    rows = ModelVersion.objects.filter(run_id__in=Run.objects.filter(root=run.root_id).values("id")).order_by("id")
    return [f"{name}:{number}" for name, number in rows.values_list("model__name", "version")[:SHOWN]]
