"""What agents report of attempts and builds. Every report carries an epoch, may come twice, and may come too late."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from django.db import InterfaceError, OperationalError
from msgspec import UNSET, structs

from compute.models import Host
from core import outbox
from core.clock import now
from core.errors import StudioError, StudioFull
from core.fullness import as_full
from core.ids import as_uuid
from core.objects import is_own_away
from core.prepared import Prepared
from duto_protocol.messages import AttemptReport, BuildReport, Finished, ImageReport, Refusal
from duto_protocol.reading import Reading
from duto_protocol.reports import AnyReport
from environments.models import EnvironmentVersion
from environments.services import builds as environment_builds
from environments.services import images as environment_images
from runs.models import Attempt, Run
from runs.services.orchestration import attempt_end as finishing
from runs.services.orchestration.build_ends import build_ended
from runs.services.orchestration.run_transaction import run_transaction, tell
from runs.services.results import transfer_progress

log = logging.getLogger(__name__)
NAME_MOST = 120
# What a first look needs; whatever is changed is read again under the root's lock.
LOOKED_AT = ("epoch", "status", "number", "declared", "run__root", "run__kind", "run__workspace", "run__step__node_id")


_OF_HOST: Prepared[Attempt] = Prepared(
    lambda key, host: Attempt.objects.select_related("run__step").only(*LOOKED_AT).filter(pk=key, host=host)
)


ReportReading = Reading[AnyReport]


def take_reports(host: Host, reports: Iterable[ReportReading]) -> list[Refusal]:
    """Take each report in order; the refusals, with their reasons."""
    refused = []
    for reading in folded([*reports]):
        report = reading.message
        if isinstance(report, BuildReport):
            _take_build(host, report)
        elif isinstance(report, ImageReport):
            _take_image(host, report)
        else:
            code, message = _take(host, report, reading.wrong)
            if code:
                refused.append(Refusal(report.attempt, report.epoch, code, message or UNSET))
    return refused


def ignored_in(reports: Iterable[ReportReading]) -> list[str]:
    """What is not understood of reports, each named by whose it is."""
    return [f"{_name(reading.message)}: {path}" for reading in reports for path in reading.ignored]


def _name(report: AnyReport) -> str:
    whose = getattr(report, "attempt", "") or getattr(report, "build", "") or getattr(report, "image", "")
    return f"{report.event} of {whose}"[:NAME_MOST]


def folded(reports: list[ReportReading]) -> list[ReportReading]:
    """A short step's start travels with its verdict: one transaction tells of both."""
    ended = {_key(each.message) for each in reports if isinstance(each.message, Finished)}
    starts = {
        _key(each.message): each.message.at
        for each in reports
        if isinstance(each.message, AttemptReport) and each.message.event == "started" and _key(each.message) in ended
    }
    kept = []
    for reading in reports:
        report = reading.message
        if isinstance(report, Finished) and _key(report) in starts:
            kept.append(reading._replace(message=structs.replace(report, started_at=starts[_key(report)])))
        elif not (isinstance(report, AttemptReport) and report.event == "started" and _key(report) in starts):
            kept.append(reading)
    return kept


def _key(report: AnyReport) -> tuple[str, int] | None:
    """Which attempt at which epoch."""
    return (report.attempt, report.epoch) if isinstance(report, AttemptReport) else None


def _take(host: Host, report: AttemptReport, wrong: Sequence[str]) -> tuple[str, str]:
    """Why it is refused, as (code, sentence); empty where it is not."""
    key = as_uuid(report.attempt)
    attempt = _OF_HOST.first(key, host.pk) if key else None
    if attempt is None:
        return "not_found", ""
    if attempt.epoch != report.epoch:
        return "stale_epoch", ""
    if (
        attempt.status == Attempt.Status.QUEUED
    ):  # its lease was taken back: nobody holds it, whatever number the report carries
        return "stale_epoch", ""
    if attempt.is_final:
        # The same verdict again is fine; a verdict of an attempt that was given up is a stale one.
        return ("" if report.event == "finished" and attempt.status != Attempt.Status.LOST else "stale_epoch"), ""
    # A verdict of which a part is not understood would be another one.
    if decisive := [path for path in wrong if isinstance(report, Finished) and path.startswith(Finished.DECISIVE)]:
        return "studio_fault", f"The studio does not understand {', '.join(decisive)} of the verdict."[:500]
    try:
        if isinstance(report, Finished):
            finishing.finish(attempt, report)
        elif (take := _EVENTS.get(report.event)) is not None:
            take(attempt, report)
        else:
            return "unknown_event", ""
    except StudioError as error:
        if isinstance(error, StudioFull):
            raise
        if is_own_away(error):  # the agent keeps what it has, and tells of it again
            log.warning("the end of attempt %s waits for the studio's store: %s", attempt.pk, error.message)
            return "outputs_open", error.message
        return error.code, error.message
    except (OperationalError, InterfaceError):
        raise  # the database is busy or away: so it is for the other reports
    except Exception as error:
        if as_full(error) is not None:
            raise
        # One report that cannot be taken must not hold up its host's other reports and claims for ever.
        log.exception("the report %r of attempt %s cannot be taken", report.event, attempt.pk)
        return "studio_fault", f"{type(error).__name__}: {error}"[:500]
    return "", ""


def _preparing(attempt: Attempt, report: AttemptReport) -> None:
    reason = report.queue_reason if isinstance(report.queue_reason, str) else ""
    if attempt.status != Attempt.Status.PREPARING or reason:  # it is told again while bytes come
        with run_transaction(attempt.run.root_id) as root:
            fresh = finishing.fresh_of(attempt, root)
            if fresh.may(Attempt.Status.PREPARING):
                fresh.move(Attempt.Status.PREPARING, preparing_at=now())
            place = {"queue_reason": reason, "queue_position": report.queue_position, "queue_start": report.queue_start}
            now_there = {name: None if value is UNSET else value for name, value in place.items()}
            has_moved = any(getattr(fresh, name) != value for name, value in now_there.items())
            if reason and fresh.status == Attempt.Status.PREPARING and has_moved:
                for name, value in now_there.items():
                    setattr(fresh, name, value)
                fresh.save(update_fields=[*now_there])
                tell(fresh.run, waiting=reason)
                outbox.hint(f"list:{root.workspace.name}:compute")  # why it waits is shown where that is heard
    transfer_progress.keep(attempt, report.transfers)


def _started(attempt: Attempt, report: AttemptReport) -> None:
    with run_transaction(attempt.run.root_id) as root:
        fresh = finishing.fresh_of(attempt, root)
        moment = finishing.not_later(report.at)
        if fresh.may(Attempt.Status.RUNNING):
            fresh.move(Attempt.Status.RUNNING, started_at=moment, preparing_at=fresh.preparing_at or fresh.leased_at)
        # A word that comes out of order leads nowhere back: the run follows its attempt.
        if fresh.status == Attempt.Status.RUNNING and fresh.run.may(Run.Status.RUNNING):
            fresh.run.move(Run.Status.RUNNING, started_at=moment)
    transfer_progress.keep(attempt, report.transfers)


def _collecting(attempt: Attempt, report: AttemptReport) -> None:
    if attempt.status != Attempt.Status.COLLECTING:
        with run_transaction(attempt.run.root_id) as root:
            fresh = finishing.fresh_of(attempt, root)
            if fresh.may(Attempt.Status.COLLECTING):
                fresh.move(Attempt.Status.COLLECTING, collecting_at=now())
            if fresh.status == Attempt.Status.COLLECTING and fresh.run.may(Run.Status.FINALIZING):
                fresh.run.move(Run.Status.FINALIZING, finalizing_at=now())
    transfer_progress.keep(attempt, report.transfers)


_EVENTS = {"preparing": _preparing, "started": _started, "collecting": _collecting}


def _take_image(host: Host, report: ImageReport) -> None:
    """Of an attempt that this host does not have nothing is believed, but the image is there all the same."""
    key = as_uuid(report.attempt)
    rows = Attempt.objects.filter(pk=key, host=host) if key else Attempt.objects.none()
    found = list(rows.values_list("run__step__environment_version_id", flat=True))
    version = (
        EnvironmentVersion.objects.select_related("workspace", "build")
        .filter(pk__in=[each for each in found if each])
        .first()
    )
    environment_images.report_image(host, report, key if found else None, version)


def _take_build(host: Host, report: BuildReport) -> None:
    build = environment_builds.report_build(host, report)
    if build is not None and build.is_final:
        build_ended(build.pk)
