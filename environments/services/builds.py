"""Builds: asked for once per recipe in the whole studio, carried out by agents, told to whoever waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from msgspec import Raw

from core import outbox, sentences
from core.clock import now
from core.errors import ConcurrentUpdate
from core.ids import as_key
from core.prepared import Prepared
from core.sentences import Kept
from core.work import after_commit
from duto_protocol.messages import BuildReport, BuildSpec, Work
from duto_protocol.reading import of_document, written
from environments import hooks, lockfile, stored_messages
from environments.models import EnvironmentBuild, EnvironmentVersion

# A build that says nothing for so long is given to another agent. Downloads may be silent for minutes.
LEASE = timedelta(minutes=5)
MESSAGE_MOST, WARNINGS_MOST = 4000, 20


class HasKey(Protocol):
    """A host, as far as this app may know it."""

    @property
    def pk(self) -> Any: ...


def live_build(recipe_digest: str) -> EnvironmentBuild | None:
    """The build of this recipe that is under way or ready."""
    return _live(recipe_digest).first()


def _live(recipe_digest: str) -> QuerySet[EnvironmentBuild]:
    return EnvironmentBuild.objects.exclude(status=EnvironmentBuild.Status.FAILED).filter(recipe_digest=recipe_digest)


def queue_build(recipe_digest: str, recipe: Mapping[str, Any]) -> EnvironmentBuild:
    """The build of this recipe that is under way or ready, or a new one."""
    build = live_build(recipe_digest)
    if build is None:
        try:
            with transaction.atomic():
                build = EnvironmentBuild.objects.create(recipe_digest=recipe_digest, recipe=dict(recipe))
        except IntegrityError:
            # Somebody asked in the same moment; the constraint let one of us through.
            build = _live(recipe_digest).get()
    if build.status == EnvironmentBuild.Status.QUEUED:
        _wake(build)
    return build


def _wake(build: EnvironmentBuild) -> None:
    after_commit(partial(hooks.build_queued, build.pk))


_UNDER_WAY: Prepared[tuple[UUID]] = Prepared(
    lambda: (
        EnvironmentBuild.objects.filter(status__in=[EnvironmentBuild.Status.QUEUED, EnvironmentBuild.Status.BUILDING])
        .order_by()
        .values_list("id")[:1]
    )
)


def take_builds(host: HasKey, limit: int = 1) -> list[EnvironmentBuild]:
    """Builds for this host's agent to carry out, oldest first; first those that its agent took before it restarted.

    A host of one workspace takes what that workspace asked for: another one's packages are none of its business. One
    without a micromamba base leaves conda packages to others.
    """
    if not _UNDER_WAY.all():  # as mostly, and each exchange with an agent asks
        return []
    taken = _taken_before_restart(host)
    queue = EnvironmentBuild.objects.filter(status=EnvironmentBuild.Status.QUEUED).order_by("id")
    if not (getattr(host, "facts", None) or {}).get("conda"):
        queue = queue.exclude(recipe__has_key="conda")
    if (workspace := getattr(host, "workspace_id", None)) is not None:
        queue = queue.filter(versions__workspace_id=workspace).distinct()
    for build in queue[:limit]:
        moment = now()
        try:
            build.move(EnvironmentBuild.Status.BUILDING, host_id=host.pk, started_at=moment, lease_until=moment + LEASE)
        except ConcurrentUpdate:
            continue
        taken.append(build)
    return taken


def _taken_before_restart(host: HasKey) -> list[EnvironmentBuild]:
    """An agent that was started anew knows nothing of its builds: waiting for their leases would cost minutes."""
    since = getattr(host, "agent_started_at", None)
    if since is None:
        return []
    orphans = list(
        EnvironmentBuild.objects.filter(status=EnvironmentBuild.Status.BUILDING, host_id=host.pk, started_at__lt=since)
    )
    for build in orphans:
        # Not before the agent's own clock, which may be ahead: each is given once per start.
        build.started_at = max(now(), since)
        build.lease_until = now() + LEASE
        build.save(update_fields=["started_at", "lease_until"])
    return orphans


def build_work(build: EnvironmentBuild, pythons: Iterable[str] = ()) -> Work:
    """The build as work for an agent (docs/wire.md): the recipe, and for a curated environment its locks.

    The agent picks among its own Pythons; where that version has a lock here, nothing is resolved anew. Locks that
    none of the host's `pythons` could use do not travel.
    """
    minors = {".".join(version.split(".")[:2]) for version in pythons}
    locks = {minor: lock for minor, lock in build.recipe.get("locks", {}).items() if not minors or minor in minors}
    spec = of_document({**build.recipe, "locks": locks, "recipe_digest": build.recipe_digest}, BuildSpec).message
    return Work(type="build", build=str(build.pk), spec=Raw(written(spec)))


def renew_builds(host: HasKey, builds: Iterable[UUID]) -> None:
    """The agent still works on these."""
    held = EnvironmentBuild.objects.filter(
        pk__in=list(builds), host_id=host.pk, status=EnvironmentBuild.Status.BUILDING
    )
    held.update(lease_until=now() + LEASE)


@transaction.atomic
def report_build(host: HasKey, report: BuildReport) -> EnvironmentBuild | None:
    """What an agent says of a build. Safe to repeat; returns the build when this report has ended it.

    Only the host that holds the build is heard. What names the environment from now on, the lock's digest, is the studio's
    own; a lock that cannot be what the recipe resolves to fails the build.
    """
    build = EnvironmentBuild.objects.select_for_update().filter(pk=as_key(report.build)).first()
    if build is None or build.is_final or build.host_id != host.pk:
        return None
    if report.event == "ready":
        _take_lock(build, report)
    elif report.event == "failed":
        message = (report.message or "")[:MESSAGE_MOST]
        kept = (
            sentences.of_parts(message, report.parts_of(message))
            if message
            else stored_messages.say("build_ended_badly")
        )
        _fail(build, kept, warnings=_warnings(report))
    else:
        if report.event == "started":
            renew_builds(host, [build.pk])
        return None
    _tell_lists(build)
    return build


def _take_lock(build: EnvironmentBuild, report: BuildReport) -> None:
    try:
        lock, python = lockfile.checked(report.lock or "", report.python or "", build.recipe)
    except lockfile.BadLock as error:
        _fail(build, stored_messages.say("lock_not_taken", why=error.why))
        return
    build.move(
        EnvironmentBuild.Status.READY, finished_at=now(), lease_until=None, lock=lock, lock_digest=lockfile.digest_of(lock), python=python,
        message=(report.message or "")[:MESSAGE_MOST], warnings=_warnings(report),
    )  # fmt: skip


def _warnings(report: BuildReport) -> list[Kept]:
    few = [each[:MESSAGE_MOST] for each in (report.warnings or ())[:WARNINGS_MOST]]
    return [sentences.of_parts(each, report.parts_of(each)) for each in few]


def _fail(build: EnvironmentBuild, message: Kept, **facts: Any) -> None:
    build.move(
        EnvironmentBuild.Status.FAILED,
        finished_at=now(),
        lease_until=None,
        **stored_messages.columns(build.said, message=message),
        **facts,
    )


def queued_with_conda() -> list[tuple[EnvironmentBuild, set[UUID]]]:
    """Builds that wait for a host with a micromamba base, each with the workspaces that asked for it."""
    rows = EnvironmentBuild.objects.filter(status=EnvironmentBuild.Status.QUEUED, recipe__has_key="conda").order_by(
        "id"
    )[:100]
    found = rows.prefetch_related("versions")
    return [(build, {version.workspace_id for version in build.versions.all()}) for build in found]


def fail_build(build: EnvironmentBuild, message: Kept) -> bool:
    """Whether it was still waiting."""
    try:
        build.move(
            EnvironmentBuild.Status.FAILED, finished_at=now(), **stored_messages.columns(build.said, message=message)
        )
    except ConcurrentUpdate:
        return False
    _tell_lists(build)
    return True


def expire_builds() -> int:
    """Queue again what its agent no longer works on."""
    return _queue_again(Q(lease_until__lt=now()), stored_messages.say("agent_silent"))


def give_back_builds(host: HasKey) -> int:
    """Queue again what a host had in hand that is no longer one."""
    return _queue_again(Q(host_id=host.pk), stored_messages.say("host_detached"))


def _queue_again(which: Q, reason: Kept) -> int:
    count = 0
    for build in EnvironmentBuild.objects.filter(which, status=EnvironmentBuild.Status.BUILDING).order_by("id")[:100]:
        try:
            build.move(
                EnvironmentBuild.Status.QUEUED,
                host_id=None,
                lease_until=None,
                **stored_messages.columns(build.said, reason=reason),
            )
        except ConcurrentUpdate:
            continue
        _wake(build)
        count += 1
    return count


def _tell_lists(build: EnvironmentBuild) -> None:
    names = EnvironmentVersion.objects.filter(build=build).values_list("workspace__name", flat=True).distinct()
    for name in names:
        outbox.hint(f"list:{name}:environments")
