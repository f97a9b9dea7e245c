"""What is different for a step that failed since a step of its name last completed: where whoever mends it looks first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from duto.spec import fingerprint
from environments import lockfile
from environments.models import EnvironmentVersion
from runs.models import Attempt, Run, Snapshot, StepRun

# So many earlier runs of the step are looked through for one that completed.
LOOKED_THROUGH = 200


@dataclass(frozen=True)
class Change:
    """One difference, as `fingerprint.Difference.to_document()` has it, of a package or of the host."""

    part: str
    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class SinceSuccess:
    """The step's run that last completed, and what differs from it; no difference is known of one without a fingerprint."""

    step: StepRun
    is_known: bool
    differences: tuple[dict[str, Any], ...]
    packages: tuple[Change, ...]
    host: Change | None

    @property
    def run(self) -> Run:
        return self.step.run


def since_success(step_run_id: UUID) -> SinceSuccess | None:
    """Compare a step's run with the last of its name, in the same experiment, that completed before it."""
    step = StepRun.objects.select_related("run").get(pk=step_run_id)
    earlier = StepRun.objects.filter(workspace_id=step.workspace_id, name=step.name, run_id__lt=step.run_id)
    seen = earlier.order_by("-run_id").values_list("run_id", "run__status", "run__experiment_id")[:LOOKED_THROUGH]
    wanted = (Run.Status.COMPLETED, step.run.experiment_id)
    found = next((run for run, *facts in seen if tuple(facts) == wanted), None)
    if found is None:
        return None
    last = StepRun.objects.select_related("run__root", "reused_from").get(pk=found)
    old, new = last.fingerprint_document, step.fingerprint_document
    packages = _packages(last, step)
    differences = fingerprint.compare(old, new, *_files(last, step)) if old and new else []
    return SinceSuccess(
        step=last,
        is_known=bool(old and new),
        # Which packages says more than that some did.
        differences=tuple(each.to_document() for each in differences if not (packages and each.part == "environment")),
        packages=packages,
        host=_host(last, step),
    )


def _files(last: StepRun, step: StepRun) -> tuple[Mapping[str, str] | None, Mapping[str, str] | None]:
    """Both snapshots file by file, where they differ."""
    if last.snapshot_digest == step.snapshot_digest:
        return None, None
    wanted = [last.snapshot_digest, step.snapshot_digest]
    rows = Snapshot.objects.filter(workspace_id=step.workspace_id, digest__in=wanted)
    files = {row.digest: {each["path"]: each["digest"] for each in row.files} for row in rows}
    return files.get(last.snapshot_digest), files.get(step.snapshot_digest)


def _packages(last: StepRun, step: StepRun) -> tuple[Change, ...]:
    before, after = last.environment_version_id, step.environment_version_id
    if before is None or after is None or before == after:
        return ()
    versions = EnvironmentVersion.objects.filter(pk__in=[before, after]).select_related("build")
    locks = {each.pk: _pinned(each.build.lock) for each in versions if each.build}
    old, new = locks.get(before, {}), locks.get(after, {})
    if not old or not new:
        return ()
    names = sorted({name for name, _version in old.items() ^ new.items()})
    return tuple(Change("environment", name, old.get(name), new.get(name)) for name in names)


def _pinned(lock: str) -> dict[str, str]:
    pairs = (line.partition("==") for line in lockfile.pinned(lock))
    return {name: version for name, _equals, version in pairs}


def _host(last: StepRun, step: StepRun) -> Change | None:
    """Where the two ran, if that is not the same host."""
    ran = {last.reused_from_id or last.pk: "old", step.pk: "new"}
    rows = Attempt.objects.filter(run_id__in=ran, node_rank=0).order_by("number").values_list("run_id", "host__name")
    names = {ran[run]: name for run, name in rows if name}
    if len(names) < 2 or names["old"] == names["new"]:
        return None
    return Change("host", "host", names["old"], names["new"])
