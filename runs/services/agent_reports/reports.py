"""What agents report of attempts and builds. Every report carries an epoch, may come twice, and may come too late."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.db import InterfaceError, OperationalError

from compute.models import Host
from core.clock import now, parse
from core.errors import StudioError, StudioFull
from core.fullness import as_full
from core.ids import as_uuid
from core.prepared import Prepared
from environments import services as environments
from environments.models import EnvironmentVersion
from runs.models import Attempt, Run
from runs.services.orchestration import attempt_end as finishing
from runs.services.orchestration.environment_builds import build_ended
from runs.services.orchestration.run_transaction import run_transaction

log = logging.getLogger(__name__)
A = Attempt.Status
S = Run.Status
# What a first look needs; whatever is changed is read again under the root's lock.
LOOKED_AT = ("epoch", "status", "number", "declared", "run__root", "run__workspace", "run__step__node_id")


_OF_HOST: Prepared[Attempt] = Prepared(
    lambda key, host: Attempt.objects.select_related("run__step").only(*LOOKED_AT).filter(pk=key, host=host)
)


def take_reports(host: Host, reports: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take each report in order; the refusals, with their reasons."""
    refused = []
    for report in folded(list(reports)):
        if "build" in report:
            _take_build(host, report)
            continue
        if "image" in report:
            _take_image(host, report)
            continue
        code, message = _take(host, report)
        if code:
            told = {"attempt": report.get("attempt"), "epoch": report.get("epoch"), "code": code}
            refused.append({**told, "message": message} if message else told)
    return refused


def folded(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A short step's start travels with its verdict: one transaction tells of both."""
    ended = {_key(r) for r in reports if r.get("event") == "finished"}
    starts = {_key(r): r.get("at") for r in reports if r.get("event") == "started" and _key(r) in ended}
    kept = []
    for report in reports:
        key = _key(report)
        if report.get("event") == "finished" and key in starts:
            kept.append({**report, "started_at": starts[key]})
        elif not (report.get("event") == "started" and key in starts):
            kept.append(report)
    return kept


def _key(report: dict[str, Any]) -> tuple[str, str]:
    """Which attempt at which epoch, whatever an agent puts there."""
    return repr(report.get("attempt")), repr(report.get("epoch"))


def _take(host: Host, report: dict[str, Any]) -> tuple[str, str]:
    """Why it is refused, as (code, sentence); empty where it is not."""
    key = as_uuid(report.get("attempt"))
    attempt = _OF_HOST.first(key, host.pk) if key else None
    if attempt is None:
        return "not_found", ""
    if attempt.epoch != report.get("epoch"):
        return "stale_epoch", ""
    if attempt.status == A.QUEUED:  # its lease was taken back: nobody holds it, whatever number the report carries
        return "stale_epoch", ""
    if attempt.is_final:
        # The same verdict again is fine; a verdict of an attempt that was given up is a stale one.
        return ("" if report.get("event") == "finished" and attempt.status != A.LOST else "stale_epoch"), ""
    take = _EVENTS.get(str(report.get("event")))
    if take is None:
        return "unknown_event", ""
    try:
        take(attempt, report)
    except StudioError as error:
        if isinstance(error, StudioFull):
            raise
        return error.code, error.message
    except (OperationalError, InterfaceError):
        raise  # the database is busy or away: so it is for the other reports
    except Exception as error:
        if as_full(error) is not None:
            raise
        # One report that cannot be taken must not hold up its host's other reports and claims for ever.
        log.exception("the report %r of attempt %s cannot be taken", report.get("event"), attempt.pk)
        return "studio_fault", f"{type(error).__name__}: {error}"[:500]
    return "", ""


def _preparing(attempt: Attempt, report: dict[str, Any]) -> None:
    with run_transaction(attempt.run.root_id) as root:
        fresh = finishing.fresh_of(attempt, root)
        if fresh.may(A.PREPARING):
            fresh.move(A.PREPARING, preparing_at=now())


def _started(attempt: Attempt, report: dict[str, Any]) -> None:
    with run_transaction(attempt.run.root_id) as root:
        fresh = finishing.fresh_of(attempt, root)
        moment = finishing.not_later(parse(report.get("at")))
        if fresh.may(A.RUNNING):
            fresh.move(A.RUNNING, started_at=moment, preparing_at=fresh.preparing_at or fresh.leased_at)
        # A word that comes out of order leads nowhere back: the run follows its attempt.
        if fresh.status == A.RUNNING and fresh.run.may(S.RUNNING):
            fresh.run.move(S.RUNNING, started_at=moment)


def _collecting(attempt: Attempt, report: dict[str, Any]) -> None:
    with run_transaction(attempt.run.root_id) as root:
        fresh = finishing.fresh_of(attempt, root)
        if fresh.may(A.COLLECTING):
            fresh.move(A.COLLECTING, collecting_at=now())
        if fresh.status == A.COLLECTING and fresh.run.may(S.FINALIZING):
            fresh.run.move(S.FINALIZING, finalizing_at=now())


def _finished(attempt: Attempt, report: dict[str, Any]) -> None:
    finishing.finish(attempt, report)


_EVENTS = {"preparing": _preparing, "started": _started, "collecting": _collecting, "finished": _finished}


def _take_image(host: Host, report: dict[str, Any]) -> None:
    """Of an attempt that this host does not have nothing is believed, but the image is there all the same."""
    key = as_uuid(report.get("attempt"))
    rows = Attempt.objects.filter(pk=key, host=host) if key else Attempt.objects.none()
    found = list(rows.values_list("run__step__environment_version_id", flat=True))
    version = (
        EnvironmentVersion.objects.select_related("workspace", "build")
        .filter(pk__in=[each for each in found if each])
        .first()
    )
    environments.report_image(host, report, key if found else None, version)


def _take_build(host: Host, report: dict[str, Any]) -> None:
    build = environments.report_build(host, report)
    if build is not None and build.is_final:
        build_ended(build.pk)
