"""Profiles of tables are asked for here, and made by a worker. Every call of `carry()` may be repeated, doubled or lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from core import once, words
from core.clock import now
from core.errors import ConcurrentUpdate, Conflict, IllegalMove, NotFound, StudioError, Unprocessable
from core.ids import as_key
from core.prepared import Probe
from core.sentences import Kept, parts_of, text_of
from core.work import later, send
from datasets import child, profiles, readiness
from datasets.models import Dataset, DatasetVersion, ProfileRun
from datasets.services import files, inspection
from datasets.services.leases import LOST_AFTER, MOST_TRIES, Lease, is_held
from datasets.stored_messages import of_refusal, say
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act

TASK = "datasets.profile"
RUNS = ProfileRun.objects.select_related(
    "version__dataset", "version__workspace", "workspace", "baseline__dataset", "baseline__workspace", "created_by"
)
Status = ProfileRun.Status
# Of one version, beside those that are under way: the older ones go.
MOST_KEPT = 20


def submit(context: WorkspaceContext, version: DatasetVersion) -> ProfileRun:
    """Have the profile of a table computed anew; while that is under way already, it is the same run.

    Raises Unprocessable for what is no table, or has nothing to read.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.REGISTER)
    require_table(version)
    return _submitted(context, version=version)


def compare(
    context: WorkspaceContext, version: DatasetVersion, baseline: DatasetVersion, keys: Sequence[str] = ()
) -> ProfileRun:
    """Have it computed how a table differs from an earlier version, or another table; rows are known by `keys`.

    Raises Unprocessable for what is no table, Conflict while the two are compared by another key.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.REGISTER)
    require_table(version)
    require_table(baseline)
    run = _submitted(context, version=version, baseline=baseline, keys=list(dict.fromkeys(keys)))
    if run.keys != list(dict.fromkeys(keys)):
        raise Conflict(_("These two are being compared by another key. Wait for that, or cancel it."), code="other_key")
    return run


def comparisons_of(version: DatasetVersion) -> QuerySet[ProfileRun]:
    """What a version was compared with, newest first, without what was found."""
    return RUNS.filter(version=version, baseline__isnull=False).defer("result").order_by("-id")


def require_table(version: DatasetVersion) -> None:
    """Raises Unprocessable for a dataset of files, and for one that cannot be read yet."""
    if version.kind != Dataset.Kind.TABULAR:
        raise Unprocessable(_("Only tables have a profile, and this dataset is one of files."), code="no_table")
    readiness.require(version)


def _submitted(context: WorkspaceContext, **wanted: Any) -> ProfileRun:
    open_runs = RUNS.filter(status__in=ProfileRun.OPEN, version=wanted["version"], baseline=wanted.get("baseline"))
    try:
        with transaction.atomic():
            run = open_runs.first() or ProfileRun.objects.create(
                workspace=context.workspace, created_by=context.user, status=Status.QUEUED, **wanted
            )
            once.settle(run)
            run.on_transition(run.status, {})
            later(TASK, run_id=str(run.pk))
    except IntegrityError:
        run = open_runs.get()  # another call was first
    return run


def get_run(workspace: Workspace, run_id: object) -> ProfileRun:
    """Raises NotFound."""
    found = RUNS.filter(workspace=workspace, pk=as_key(run_id)).first()
    if found is None:
        text = _("There is no profile run with the id '%(id)s' in workspace '%(workspace)s'.")
        raise NotFound(text % {"id": run_id, "workspace": workspace.name}, code="unknown_profile_run")
    return found


def runs_of(version: DatasetVersion) -> QuerySet[ProfileRun]:
    """The profile runs of a version, newest first, without what they have found."""
    return RUNS.filter(version=version, baseline=None).defer("result").order_by("-id")


def newest_of(version: DatasetVersion) -> ProfileRun | None:
    """The newest profile of a version that is complete."""
    return RUNS.filter(version=version, baseline=None, status=Status.COMPLETED).order_by("-id").first()


def profile_of(version: DatasetVersion) -> ProfileRun:
    """The same. Raises NotFound (`no_profile`) where there is none."""
    found = newest_of(version)
    if found is None:
        raise NotFound(
            _("This version has no profile yet. Have it computed: it is done by a worker, and takes a while."),
            code="no_profile",
        )
    return found


def compared_by(run: ProfileRun) -> ProfileRun:
    """The same of a comparison."""
    return _completed(run, is_comparison=True)


def found_by(run: ProfileRun) -> ProfileRun:
    """The run itself, with the profile that it has found. Raises NotFound (`no_profile`) for one that has not completed."""
    return _completed(run, is_comparison=False)


def _completed(run: ProfileRun, *, is_comparison: bool) -> ProfileRun:
    if run.status != Status.COMPLETED or (run.baseline is not None) != is_comparison:
        raise NotFound(_("This profile run has not completed, so there is nothing of it to read."), code="no_profile")
    return run


def is_stale(run: ProfileRun) -> bool:
    """Whether the files of the version are others than those that the run has read. Lists them."""
    return files.fingerprint(files.files_of(run.version)) != run.content_fingerprint


@transaction.atomic
def cancel(context: WorkspaceContext, run: ProfileRun) -> ProfileRun:
    """End it. Raises Conflict when it has ended already."""
    context.require(Role.CONTRIBUTOR).require_act(Act.CHANGE)
    locked = RUNS.select_for_update(of=("self",)).get(pk=run.pk)
    if not locked.is_open:
        raise Conflict(_("This profile run has ended already."), code="already_ended")
    # Its worker hears of it when it next signs its lease.
    _end(locked, Status.CANCELED, error=_error("canceled", say("profile_canceled")))
    return locked


def carry(run_id: UUID) -> None:
    """Carry one run to its end, unless somebody else does or too many are under way."""
    run = RUNS.filter(pk=run_id, status__in=ProfileRun.OPEN).first()
    if run is None or is_held(run) or not room():
        return
    lease: Lease | None = None
    try:
        if run.status == Status.QUEUED:
            run.move(Status.RUNNING, started_at=now())
        if run.tries >= MOST_TRIES:
            _end(run, Status.FAILED, error=_error("not_profiled", say("interrupted", tries=MOST_TRIES)))
            return
        lease = Lease(run)
        lease.take()
        _carry(run, lease)
    except (ConcurrentUpdate, IllegalMove):
        return  # another worker has it, or it was canceled
    except child.Busy:
        if lease is not None:
            lease.give_back(tries=run.tries)
    except Exception:
        if lease is not None:
            lease.give_back()
        raise


def _carry(run: ProfileRun, lease: Lease) -> None:
    try:
        with words.stored():
            facts = _found(run, lease)
    except (ConcurrentUpdate, child.Busy):
        raise
    except StudioError as error:
        _end(run, Status.FAILED, error=_error(error.code, of_refusal(error)))
        return
    lease.renew(at_once=True)
    _end(run, Status.COMPLETED, progress=100, **facts)


def _found(run: ProfileRun, lease: Lease) -> dict[str, Any]:
    found = files.files_of(run.version)
    question = inspection.question(run.version, found, profiles.SECONDS)
    if run.baseline is not None:
        before = inspection.question(run.baseline, files.files_of(run.baseline), profiles.SECONDS)
        differences = profiles.compare(question, before, run.keys, lease.tell)
        return {
            "content_fingerprint": files.fingerprint(found), "row_count": differences["rows"]["after"], "result": differences,
        }  # fmt: skip
    result = profiles.profile(question, lease.tell)
    return {
        "content_fingerprint": files.fingerprint(found), "row_count": result["rows"], "result": {"columns": result["columns"]},
    }  # fmt: skip


@transaction.atomic
def _end(run: ProfileRun, to: str, **facts: Any) -> None:
    run.move(to, ended_at=now(), lease_until=None, **facts)
    older = ProfileRun.objects.filter(version=run.version, baseline=run.baseline).exclude(status__in=ProfileRun.OPEN)
    gone = older.order_by("-id").values_list("pk", flat=True)[MOST_KEPT:]
    # The newest profile stays, however many failed after it.
    kept: Sequence[UUID] = [each.pk for each in [newest_of(run.version)] if each is not None]
    ProfileRun.objects.filter(pk__in=list(gone)).exclude(pk__in=kept).delete()


def _error(code: str, sentence: Kept) -> dict[str, Any]:
    said = parts_of(sentence)
    return {"code": code, "message": text_of(sentence), **({"said": said} if said else {})}


_OPEN = Probe(lambda: ProfileRun.objects.filter(status__in=ProfileRun.OPEN))


def resume_waiting() -> None:
    """Runs whose wake-up was lost, or whose worker is gone. A duty of the ticker."""
    if not _OPEN():
        return
    moment = now()
    left = Q(lease_until__isnull=True, created_at__lt=moment - LOST_AFTER) | Q(lease_until__lt=moment)
    waiting = ProfileRun.objects.filter(left, status__in=ProfileRun.OPEN).order_by("id")
    for key in waiting.values_list("pk", flat=True)[: room()]:
        send(TASK, run_id=str(key))


def room() -> int:
    """How many more may be made now: of a worker's threads most are for runs and for fetching."""
    most = min(child.AT_ONCE, max(1, settings.DUTO.worker_threads // 4))
    return max(0, most - ProfileRun.objects.filter(status=Status.RUNNING, lease_until__gte=now()).count())
