"""Publish a graph under a name, and run what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from core import once, outbox
from core.clock import now
from core.errors import Conflict, Invalid, NotFound, Unprocessable
from core.ids import as_uuid
from core.names import one_line
from core.sentences import Kept
from core.spec import refusing
from duto.spec import canonical
from duto.spec.graph import Graph
from pipelines import queries
from pipelines.models import PipelineEndpoint, PipelineEndpointVersion, PublishedPipeline
from pipelines.services import endpoint_access
from pipelines.services.published import publish
from runs import stored_messages
from runs.models import Run, Snapshot, Trigger
from runs.queries.runs import get_run
from runs.services.submission import endpoint_runs, experiments
from runs.services.submission.submit import OnMade, Ready, make_ready, submit_all
from workspaces.access import WorkspaceContext
from workspaces.models import Role

NAME_MAX = 255
# Of parameters in a warning: how many, and how much of each name.
NAMED, SHOWN = 10, 100


def publish_run(
    context: WorkspaceContext, run: Run, *, name: str, description: str = "", version: str = ""
) -> PublishedPipeline:
    """Freeze the graph of a pipeline run. Raises Invalid for a run that has none."""
    return publish(context, {"run_id": run.pk, "name": name, "description": description, "version": version})


def from_request(context: WorkspaceContext, asked: Mapping[str, Any]) -> PublishedPipeline:
    """Answers `pipelines.hooks.publish`: the graph as it is given, or that of a run."""
    words: dict[str, Any] = {name: asked.get(name) or "" for name in ("description", "version")}
    keep = asked.get("continue_on_step_failure")
    if not asked.get("run_id"):
        return publish_graph(context, asked["graph"], name=asked["name"], continue_on_step_failure=keep, **words)
    run = get_run(context.workspace, asked["run_id"])
    if run.kind != Run.Kind.PIPELINE or not run.graph:
        raise Invalid(_("Only a pipeline run can be published."))
    return publish_graph(
        context,
        run.graph,
        name=asked["name"],
        continue_on_step_failure=run.continue_on_step_failure if keep is None else keep,
        source_run_id=run.pk,
        **words,
    )


@transaction.atomic
def publish_graph(
    context: WorkspaceContext,
    document: Mapping[str, Any],
    *,
    name: str,
    description: str = "",
    version: str = "",
    continue_on_step_failure: bool | None = None,
    source_run_id: UUID | None = None,
) -> PublishedPipeline:
    """Freeze a graph. Raises Unprocessable naming every problem of it."""
    context.require(Role.CONTRIBUTOR)
    name = one_line(name)
    if not name or len(name) > NAME_MAX:
        raise Invalid(_("The name of a pipeline has 1 to %(name_max)s characters.") % {"name_max": NAME_MAX})
    with refusing():
        graph = Graph.from_document(document)
    _check_snapshots(context, graph)
    frozen, keep = graph.to_document(), graph.continue_on_step_failure
    made = PublishedPipeline.objects.create(
        workspace=context.workspace,
        name=name,
        description=description,
        version=version[:64],
        graph=frozen,
        graph_digest=canonical.digest(frozen),
        continue_on_step_failure=keep if continue_on_step_failure is None else continue_on_step_failure,
        source_run_id=source_run_id,
        published_by=context.user,
    )
    once.settle(made)
    outbox.hint(f"list:{context.workspace.name}:pipelines")
    return made


def _check_snapshots(context: WorkspaceContext, graph: Graph) -> None:
    wanted = {step.snapshot for step in graph.steps}
    there = set(
        Snapshot.objects.filter(workspace=context.workspace, digest__in=wanted - {None}).values_list(
            "digest", flat=True
        )
    )
    for step in graph.steps:
        if step.snapshot not in there:
            text = _("The snapshot of step '%(step)s' has not been uploaded.")
            raise Unprocessable(text % {"step": step.name}, code="missing_snapshot", step=step.id)


def get_published(context: WorkspaceContext, pipeline_id: object) -> PublishedPipeline:
    """Raises NotFound."""
    key = as_uuid(pipeline_id)
    found = PublishedPipeline.objects.filter(workspace=context.workspace, pk=key).first() if key else None
    if found is None:
        raise NotFound(
            _("There is no published pipeline %(pipeline_id)s in workspace '%(workspace)s'.")
            % {"pipeline_id": pipeline_id, "workspace": context.workspace.name},
            pipeline_id=str(pipeline_id),
            workspace=context.workspace.name,
        )
    return found


def trigger(context: WorkspaceContext, pipeline: PublishedPipeline, **asked: Any) -> Run:
    """Run a published pipeline; the rest as in `ready_to_trigger`, and raises what that does, and `submit_all`."""
    (run,) = submit_all(context, [ready_to_trigger(context, pipeline, **asked)])
    return run


def ready_to_trigger(
    context: WorkspaceContext,
    pipeline: PublishedPipeline,
    *,
    source: str = "published",
    name: str = "",
    on_made: OnMade | None = None,
    **asked: Any,
) -> Ready:
    """Check a run of a published pipeline; the rest as in `submission_of`, and raises what that does, and `make_ready`.

    `source`, `name`: what started it, and its name where that is not the pipeline's. `on_made` is told of the runs in the
    transaction in which they appear.
    """
    by: Trigger = {"kind": source, "name": name or pipeline.name}

    def note(runs: Sequence[Run]) -> None:
        PublishedPipeline.objects.filter(pk=pipeline.pk).update(last_run_id=runs[-1].pk, last_run_at=now())
        outbox.hint(f"list:{context.workspace.name}:pipelines")
        if on_made is not None:
            on_made(runs)

    return make_ready(context, **submission_of(pipeline, **asked), trigger=by, on_made=note)


def submission_of(
    pipeline: PublishedPipeline,
    *,
    experiment: str = "",
    parameters: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str = "",
    continue_on_step_failure: bool | None = None,
    regenerate_outputs: bool = False,
    is_lenient: bool = False,
) -> dict[str, Any]:
    """What `trigger` submits. Raises Conflict when the pipeline is disabled.

    `is_lenient`: parameters that it does not declare are left aside, with a warning on the run.
    """
    if pipeline.status != PublishedPipeline.Status.ACTIVE:
        raise Conflict(
            _("The pipeline '%(pipeline)s' is disabled. Enable it on its page first.") % {"pipeline": pipeline.name},
            code="disabled",
            pipeline=pipeline.name,
        )
    values = dict(parameters or {})
    aside = _undeclared(pipeline, values) if is_lenient else []
    keep = pipeline.continue_on_step_failure if continue_on_step_failure is None else continue_on_step_failure
    return {
        "experiment": experiment or experiments.name_from(pipeline.name),
        "graph": pipeline.graph,
        "parameters": {name: value for name, value in values.items() if name not in aside},
        "tags": {str(key): str(value) for key, value in (tags or {}).items()},
        "regenerate_outputs": regenerate_outputs,
        "continue_on_step_failure": keep,
        "display_name": pipeline.name,
        "description": description,
        "published_pipeline_id": pipeline.pk,
        "warnings": _left_out(pipeline, aside),
    }


def trigger_endpoint(context: WorkspaceContext, endpoint: PipelineEndpoint, **asked: Any) -> Run:
    """Run a version of an endpoint, or its default; the rest as in `ready_to_trigger_endpoint`, and raises what that does, and
    `submit_all`."""
    ready = ready_to_trigger_endpoint(context, endpoint, **asked)
    with endpoint_runs.without_names(context):
        (run,) = submit_all(context, [ready])
    return run


def ready_to_trigger_endpoint(
    context: WorkspaceContext,
    endpoint: PipelineEndpoint,
    *,
    version: str = "",
    source: str = "endpoint",
    name: str = "",
    **asked: Any,
) -> Ready:
    """Check a run of a version of an endpoint, or of its default; the rest as in `ready_to_trigger`.

    Raises what `version_to_run` does, Forbidden for a token of another endpoint or version, TooManyRequests for one that
    has started as many runs as it may.
    """
    endpoint_access.require_scope(context, endpoint, version)
    chosen = version_to_run(endpoint, version)
    endpoint_runs.require_turn(context)

    def note(runs: Sequence[Run]) -> None:
        endpoint_runs.note(context, runs, chosen)
        outbox.hint(f"uses:{context.workspace.name}:{endpoint.pk}")

    by = {"source": source, "name": name or endpoint.name}
    with endpoint_runs.without_names(context):
        return ready_to_trigger(context, chosen.pipeline, on_made=note, **by, **asked)


def version_to_run(endpoint: PipelineEndpoint, version: str) -> PipelineEndpointVersion:
    """The version that a call runs. Raises NotFound for one that the endpoint does not have, Conflict where the endpoint is
    disabled or archived."""
    if endpoint.status != PipelineEndpoint.Status.ACTIVE:
        is_archived = endpoint.status == PipelineEndpoint.Status.ARCHIVED
        text = (
            _("The endpoint '%(endpoint)s' is archived. Reactivate it on its page first.")
            if is_archived
            else _("The endpoint '%(endpoint)s' is disabled. Enable it on its page first.")
        )
        code = "archived" if is_archived else "disabled"
        raise Conflict(text % {"endpoint": endpoint.name}, code=code, endpoint=endpoint.name)
    return queries.endpoint_version(endpoint, version)


def _undeclared(pipeline: PublishedPipeline, values: Mapping[str, Any]) -> list[str]:
    declared = {each["name"] for each in pipeline.graph.get("parameters") or ()}
    return sorted(name for name in values if name not in declared)


def _left_out(pipeline: PublishedPipeline, names: list[str]) -> list[Kept]:
    """The warning on a run whose caller named parameters that there are not. Names may be anything."""
    if not names:
        return []
    declared = ", ".join(each["name"] for each in pipeline.graph.get("parameters") or ())
    shown = ", ".join(f"'{name[:SHOWN]}'" for name in names[:NAMED]) + (", …" if len(names) > NAMED else "")
    has = stored_messages.keep("parameters", names=declared) if declared else stored_messages.keep("no_parameters")
    return [stored_messages.keep("left_aside" if len(names) == 1 else "all_left_aside", names=shown, has=has)]
