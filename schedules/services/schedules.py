"""Make schedules, change them, enable and disable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from core import held, once, sealed
from core.clock import now
from core.errors import Conflict, Invalid
from core.names import one_line
from core.spec import refusing
from datasets.services.versions import find_version
from duto.spec import parameters as parameter_rules
from duto.spec.errors import SpecError
from duto.spec.graph import Graph, Parameter
from duto.spec.names import check_name
from duto.spec.secrets import identity, is_sealed, merged
from pipelines import queries as pipelines
from pipelines.models import PipelineEndpoint, PublishedPipeline
from registry.services.models import find_model
from runs.models import Experiment
from runs.services.submission.checks import refused
from runs.services.submission.experiments import name_from
from schedules import changes, timetable, triggers
from schedules.models import Schedule
from schedules.services import cycles
from schedules.services.ticks import notify_pages, write_due
from schedules.services.watching import files_of
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.scopes import Act
from workspaces.services import audit, edits

# What is taken as it is given.
PLAIN = ("description", "continue_on_step_failure", "overlap", "catch_up", "jitter", "end_at", "max_runs")
Status = Schedule.Status


@transaction.atomic
def create(context: WorkspaceContext, asked: Mapping[str, Any]) -> Schedule:
    """A new schedule of a published pipeline (`pipeline`) or an endpoint (`endpoint`), due from now on.

    Raises Invalid for a recurrence that cannot be meant, NotFound and Conflict for a pipeline that is not there or disabled,
    Unprocessable for parameters that do not fit and for what cannot name an experiment.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.PUBLISH)
    made = Schedule(workspace=context.workspace, created_by=context.user)
    if bool(asked.get("pipeline")) == bool(asked.get("endpoint")):
        raise Invalid(_("Say what to run: either 'pipeline' or 'endpoint'."), code="nothing_to_run")
    if asked.get("pipeline"):
        made.pipeline = pipelines.one(context.workspace, asked["pipeline"])
    else:
        made.endpoint = pipelines.endpoint(context.workspace, asked["endpoint"])
    anchor = now()
    _apply(made, asked, anchor)
    made.save(force_insert=True)
    # What counts from a beginning and names none counts from the moment at which it is due first.
    made.created_at = anchor
    made.save(update_fields=["created_at"])
    once.settle(made)
    context.made("schedule", made.pk)
    audit.note(context, "schedule.created", str(made.pk), name=made.name)
    notify_pages(made)
    return made


@transaction.atomic
def change(
    context: WorkspaceContext, schedule: Schedule, asked: Mapping[str, Any], *, seen: edits.Seen = None
) -> Schedule:
    """Change it; what is left out stays. From then on it runs under the rights of who has changed it.

    Raises as `create`, and PreconditionFailed where it is not as it was `seen`.
    """
    context.require(Role.CONTRIBUTOR).require_own("schedule", schedule.pk)
    locked = Schedule.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "workspace", "pipeline", "endpoint", "created_by"
    ).get(pk=schedule.pk)  # fmt: skip
    edits.require_unchanged(seen, state(locked), locked.workspace, locked.pk)
    before = locked.status
    locked.created_by = context.user or locked.created_by
    moment = now()
    write_due(locked, moment)
    _apply(locked, asked, moment)
    if locked.status == Status.ACTIVE or before == Status.ACTIVE:
        locked.pause_reason, locked.pause_parts = "", None
    if locked.status == Status.DISABLED and before == Status.ACTIVE:
        locked.pause_reason = str(asked.get("pause_reason") or "")
    locked.save()
    facts = {"status": locked.status} if locked.status != before else {}
    edits.note(context, "schedule.changed", str(locked.pk), state(locked), name=locked.name, **facts)
    notify_pages(locked)
    return locked


def state(schedule: Schedule) -> dict[str, Any]:
    """All that a change may overwrite, but for `status`, which the studio changes too; of secrets what tells another one."""
    names = ("name", "experiment_name", "timetable", "watch", "trigger", "values", *PLAIN)
    parameters = {name: identity(value) for name, value in schedule.parameters.items()}
    return {**{name: getattr(schedule, name) for name in names}, "parameters": parameters}


@transaction.atomic
def delete(context: WorkspaceContext, schedule: Schedule) -> None:
    """Remove it with its ticks. Its runs stay."""
    context.require(Role.CONTRIBUTOR).require_own("schedule", schedule.pk)
    audit.note(context, "schedule.deleted", str(schedule.pk), name=schedule.name)
    notify_pages(schedule)
    schedule.delete()


def _apply(schedule: Schedule, asked: Mapping[str, Any], moment: datetime) -> None:
    """Put what is asked into the row and see that it can be meant as a whole."""
    if asked.get("name") is not None or not schedule.name:
        schedule.name = one_line(str(asked.get("name") or ""))
    if not schedule.name or len(schedule.name) > 255:
        raise Invalid(_("A schedule has a name of 1 to 255 characters."), code="bad_name")
    bounds = (schedule.end_at, schedule.max_runs)
    for name in PLAIN:
        if name in asked and not (asked[name] is None and name in ("description", "overlap", "jitter")):
            setattr(schedule, name, asked[name])
    given = str(asked.get("experiment_name") or "").strip()
    if given and given != schedule.experiment_name:
        if not Experiment.objects.filter(workspace=schedule.workspace, name=given).exists():
            with refusing():
                check_name("experiment", given)
        schedule.experiment_name = given
    schedule.experiment_name = schedule.experiment_name or name_from(schedule.name)
    if asked.get("parameters") is not None:
        # All values are others from now on, but for secrets, which nobody can read to say them again.
        secrets = {name: value for name, value in schedule.parameters.items() if is_sealed(value)}
        schedule.parameters = merged(secrets, asked["parameters"])
    _apply_trigger(schedule, asked)
    _apply_time(schedule, asked, moment, is_bounded=bounds != (schedule.end_at, schedule.max_runs))
    given = schedule.values if asked.get("values") is None else asked["values"]
    schedule.values = triggers.check_values(given, schedule.trigger)
    if schedule.status == Status.ACTIVE or asked.get("parameters") is not None or asked.get("values") is not None:
        declared = require_runnable(schedule)
        schedule.parameters = sealed.seal(schedule.workspace.pk, declared, schedule.parameters)
    if schedule.status == Status.ACTIVE:
        cycles.refuse_cycle(schedule)


def require_runnable(schedule: Schedule) -> list[Parameter]:
    """The parameters of what it runs. Raises Conflict where that is disabled or archived, Unprocessable where the values of the
    schedule do not fit it any more."""
    declared = _declared(schedule)
    try:
        parameter_rules.bind(declared, _values(schedule), is_whole=True)
    except SpecError as error:
        raise refused(error) from error
    return declared


def _graph(schedule: Schedule) -> Mapping[str, Any]:
    """The graph that runs by now, and until the transaction ends. Raises Conflict where it cannot be run."""
    pipeline = schedule.pipeline
    if schedule.endpoint is not None:
        held.refresh(schedule.endpoint, "status", "default_version")
        if schedule.endpoint.status != PipelineEndpoint.Status.ACTIVE:
            text = _("The endpoint '%(name)s' is not active. Enable it first.")
            raise Conflict(text % {"name": schedule.endpoint.name}, code="disabled")
        pipeline = pipelines.endpoint_version(schedule.endpoint).pipeline
    assert pipeline is not None
    held.refresh(pipeline, "status")
    if pipeline.status != PublishedPipeline.Status.ACTIVE:
        text = _("The pipeline '%(name)s' is disabled. Enable it first.")
        raise Conflict(text % {"name": pipeline.name}, code="disabled")
    graph: Mapping[str, Any] = pipeline.graph
    return graph


def _apply_trigger(schedule: Schedule, asked: Mapping[str, Any]) -> None:
    """What has to happen, instead of times. Raises Invalid, NotFound."""
    given = asked.get("trigger")
    if given is None:
        if "trigger" in asked or asked.get("timetable"):
            schedule.trigger, schedule.trigger_key = None, ""
        return
    if asked.get("timetable") or asked.get("watch"):
        raise Invalid(_("A schedule has a timetable, or a trigger, not both."), code="bad_trigger")
    trigger, workspace = triggers.read(given), schedule.workspace
    if trigger.kind == triggers.PIPELINE:
        pipelines.one(workspace, trigger.of)
    elif trigger.kind == triggers.ENDPOINT:
        pipelines.endpoint(workspace, trigger.of)
    elif trigger.kind == triggers.DATASET:
        find_version(workspace, trigger.of)
    else:
        find_model(workspace, trigger.of)
    schedule.trigger, schedule.trigger_key = trigger.to_document(), trigger.key
    schedule.timetable, schedule.watch, schedule.seen, schedule.seen_digest = {}, None, {}, ""
    schedule.watch_error, schedule.watch_error_parts = "", None


def _apply_time(schedule: Schedule, asked: Mapping[str, Any], moment: datetime, *, is_bounded: bool) -> None:
    """When it is due next, where something about that has changed. Raises Invalid where it would never be due."""
    is_new, before, table = schedule._state.adding, schedule.status, schedule.timetable
    if asked.get("status") is not None:
        schedule.status = asked["status"]
    if schedule.status == Status.ACTIVE and (is_new or before != Status.ACTIVE):
        schedule.active_since = moment
    if schedule.trigger is not None:
        schedule.next_at = None
        is_over = schedule.end_at is not None and schedule.end_at < moment
        if schedule.status == Status.ACTIVE and (is_over or _is_done(schedule)):
            raise Invalid(_never_due_text(schedule), code="never_due")
        return
    if asked.get("timetable") is not None:
        timetable.read(asked["timetable"])
        schedule.timetable = timetable.normalized(asked["timetable"])
    found = timetable.read(schedule.timetable or {})
    _apply_watch(schedule, asked, before)
    if schedule.watch is not None and schedule.timetable.get("frequency") != "Minute":
        text = _("Files are looked at every so many minutes: the frequency of a watch is Minute.")
        raise Invalid(text, code="bad_watch")
    if schedule.status != Status.ACTIVE:
        schedule.next_at = None
    elif is_new and schedule.watch is not None:
        schedule.next_at = found.after(moment, moment)
    elif is_new:
        schedule.next_at = found.first(moment)
    elif schedule.timetable != table or before != Status.ACTIVE or schedule.next_at is None:
        schedule.next_at = found.after(moment, schedule.created_at)
    _clear_next_after_end(schedule)
    is_other = is_new or is_bounded or before != Status.ACTIVE or schedule.timetable != table
    if schedule.status == Status.ACTIVE and schedule.next_at is None and is_other:
        raise Invalid(_never_due_text(schedule), code="never_due")


def _is_done(schedule: Schedule) -> bool:
    return schedule.max_runs is not None and schedule.run_count >= schedule.max_runs


def _never_due_text(schedule: Schedule) -> str:
    """Why it would not be due any more."""
    if _is_done(schedule):
        text = _(
            "It has started %(count)s runs, and 'max_runs' is %(most)s. Ask for more, or leave it without a limit."
        )
        return text % {"count": schedule.run_count, "most": schedule.max_runs}
    return _("It would never be due: its end comes before its next time, or its times are over.")


def _apply_watch(schedule: Schedule, asked: Mapping[str, Any], before: str) -> None:
    """What it watches is known from now on: only what changes after this starts runs. Raises Invalid, NotFound."""
    watch = changes.read(asked["watch"]) if asked.get("watch") is not None else None
    known = changes.read(schedule.watch) if schedule.watch is not None else None
    if watch is None and "watch" in asked:
        schedule.watch, schedule.seen, schedule.seen_digest = None, {}, ""
        schedule.watch_error, schedule.watch_error_parts = "", None
    if watch is not None:
        schedule.watch = watch.to_document()
    if schedule.watch is None:
        return
    is_same = watch is None or (known is not None and (known.datastore, known.path) == (watch.datastore, watch.path))
    if is_same and before == Status.ACTIVE and not schedule._state.adding:
        return  # what has changed since the last look is still to be told
    if watch is None and schedule.status != Status.ACTIVE:
        return  # a disabled one is changed also while its store is away; enabled, it looks
    try:
        found = files_of(schedule.workspace, watch or changes.read(schedule.watch))
    except OSError as error:
        text = _("The files of the datastore cannot be listed: %(why)s")
        raise Invalid(text % {"why": str(error)}, code="no_store") from error
    schedule.seen, schedule.seen_digest = found.files, found.digest


def _clear_next_after_end(schedule: Schedule) -> None:
    end: datetime | None = schedule.end_at
    if schedule.next_at is not None and end is not None and schedule.next_at > end:
        schedule.next_at = None
    if _is_done(schedule):
        schedule.next_at = None


def _declared(schedule: Schedule) -> list[Parameter]:
    """The parameters of the graph. What a fact is when it starts a run is not known yet: its type alone is looked at."""
    declared = Graph.from_document(_graph(schedule)).parameters
    return [
        replace(each, choices=None, minimum=None, maximum=None) if each.name in schedule.values else each
        for each in declared
    ]


def _values(schedule: Schedule) -> dict[str, Any]:
    """What a run gets, with a place for what has changed and examples of the facts of what starts it."""
    watch = schedule.watch or {}
    place = {"datastore": watch.get("datastore"), "path": watch.get("path") or ""}
    facts = triggers.facts_of(schedule.trigger)
    values = {name: facts[fact] for name, fact in schedule.values.items()}
    return {**schedule.parameters, **values, **({watch["parameter"]: place} if watch.get("parameter") else {})}


def seal_for_default(endpoint: PipelineEndpoint, pipeline: PublishedPipeline) -> None:
    """What the next default version of an endpoint declares as a secret is one from now on: what its schedules kept as plain
    values is encrypted."""
    declared = [each for each in Graph.from_document(pipeline.graph).parameters if each.secret]
    rows = Schedule.objects.select_for_update(no_key=True, of=("self",)).filter(endpoint=endpoint) if declared else ()
    for schedule in rows:
        kept = sealed.seal(endpoint.workspace_id, declared, schedule.parameters)
        seal_as_given(schedule, {each.name: kept.get(each.name) for each in declared})


def seal_as_given(schedule: Schedule, values: Mapping[str, Any]) -> None:
    """Keep as secrets what is so among these values, and is plain in the schedule."""
    plain = {
        name: value
        for name, value in schedule.parameters.items()
        if is_sealed(values.get(name)) and not is_sealed(value)
    }
    if not plain:
        return
    locked = Schedule.objects.select_for_update(no_key=True).only("parameters").get(pk=schedule.pk)
    same = {name: values[name] for name, value in plain.items() if locked.parameters.get(name) == value}
    Schedule.objects.filter(pk=schedule.pk).update(parameters={**locked.parameters, **same})


def rotate() -> None:
    """Encrypt the secrets of all schedules under the present key of the studio."""
    for row in Schedule.objects.select_for_update(of=("self",)):
        secret = {name: value for name, value in row.parameters.items() if is_sealed(value)}
        if secret:
            row.parameters = {**row.parameters, **sealed.sealed_anew(row.workspace_id, secret)}
            row.save(update_fields=["parameters"])
