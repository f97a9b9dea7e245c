"""Start runs: freeze what was asked, lay out the steps, and ask for the first ones to start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Unpack
from uuid import UUID

from django.db import transaction

from core import once, outbox, slices
from core.clock import now
from core.errors import Conflict
from core.ids import as_uuid
from core.sentences import Kept
from core.work import after_commit, later
from duto.spec import canonical, status
from duto.spec.graph import Step
from duto.spec.kinds import KINDS
from duto.spec.secrets import hidden, merged
from environments.models import EnvironmentVersion
from environments.services import versions as environment_versions
from runs.models import DataUse, Experiment, Run, RunWords, StepRun, Trigger
from runs.queries import graphs
from runs.services.orchestration import progress
from runs.services.orchestration.run_transaction import run_transaction
from runs.services.results import lineage
from runs.services.submission import experiments, sweep_checks
from runs.services.submission.checks import Checked, check, environments, with_notes
from workspaces.access import WorkspaceContext, require_run
from workspaces.models import Role
from workspaces.scopes import Act

# What a hidden root is not found by.
LINKS = ("cloned_from", "resumed_from", "published_pipeline_id")
# A run of up to so many steps is carried forward by the call that submits it; a larger one would keep its caller waiting.
AT_ONCE = 100
OnMade = Callable[[Sequence[Run]], None]
NUMBERED = ["run_count", "last_run_at", "archived_at"]


@dataclass(frozen=True)
class Ready:
    """A run that has passed the checks, for `submit_all`."""

    experiment: str
    checked: Checked
    fields: Mapping[str, Any]
    # Is told of the run in the transaction in which it appears, and of others that it was made ready for (`again`).
    on_made: OnMade | None

    def again(self, experiment: str, trigger: Trigger) -> Ready:
        """Another run of the same, started by something else: it is checked already."""
        return replace(self, experiment=experiment, fields={**self.fields, "trigger": {**trigger}})


def submit_run(context: WorkspaceContext, **asked: Any) -> Run:
    """Submit a pipeline or a script run, the rest as in `make_ready`."""
    (root,) = submit_all(context, [make_ready(context, **asked)])
    return root


def make_ready(
    context: WorkspaceContext,
    *,
    experiment: str,
    graph: Mapping[str, Any],
    kind: str = Run.Kind.PIPELINE,
    parameters: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    regenerate_outputs: bool = False,
    continue_on_step_failure: bool | None = None,
    display_name: str = "",
    description: str = "",
    priority: int = 0,
    trigger: Trigger | None = None,
    published_pipeline_id: UUID | None = None,
    cloned_from: Run | None = None,
    resumed_from: Run | None = None,
    warnings: Sequence[Kept] = (),
    on_made: OnMade | None = None,
) -> Ready:
    """Check a pipeline or a script run before it is submitted; reads only.

    Raises Unprocessable naming every problem of the graph at once, Forbidden for readers and for a step beyond its
    scope.
    """
    checked = check(context, graph, parameters or {}, kind=kind, resumed_from=resumed_from)
    fields: dict[str, Any] = {
        "kind": kind,
        "graph": checked.document,
        "graph_digest": canonical.digest(checked.document),
        "parameters": checked.parameters,
        "tags": dict(tags or {}),
        "properties": {**(properties or {}), **_root_properties(kind, checked.parameters, published_pipeline_id)},
        "is_forced": regenerate_outputs,
        "continue_on_step_failure": checked.goes_on(continue_on_step_failure),
        "submitted_in": context.token.root_run_id if context.is_run and context.token else None,
        "display_name": display_name,
        "description": description,
        "priority": priority,
        "trigger": {**trigger} if trigger else {},
        "published_pipeline_id": published_pipeline_id,
        "cloned_from": cloned_from,
        "resumed_from": resumed_from,
        "warnings": [*warnings],
    }
    return Ready(experiment or "Default", checked, fields, on_made)


def submit_all(context: WorkspaceContext, ready: Sequence[Ready], on_made: OnMade | None = None) -> list[Run]:
    """Submit runs of one workspace that have been checked, in this order. They appear in one transaction, those with many steps in
    several; `on_made` is told of those of each in it.

    Raises Unprocessable for an environment or an experiment that cannot be.
    """
    made: list[Run] = []
    part: list[Ready] = []
    for each in ready:
        steps = len(each.checked.graph.steps)
        is_large = steps > slices.SLICE and each.fields["kind"] == Run.Kind.PIPELINE
        if part and (is_large or sum(len(other.checked.graph.steps) for other in part) + steps > slices.SLICE):
            made += _submit_small(context, part, on_made)
            part = []
        if is_large:
            made.append(_submit_large(context, each, on_made))
        else:
            part.append(each)
    return made + (_submit_small(context, part, on_made) if part else [])


def _submit_small(context: WorkspaceContext, ready: Sequence[Ready], on_made: OnMade | None) -> list[Run]:
    with slices.writing():
        found = {
            id(each): environments(context, each, environment_versions.resolve)
            for each in {id(each.checked): each.checked for each in ready}.values()
        }
        roots = _make_roots(
            context,
            [
                (
                    each.experiment,
                    {
                        **each.fields,
                        "warnings": with_notes(each.checked, found[id(each.checked)], each.fields["warnings"]),
                    },
                )
                for each in ready
            ],
        )
        _settle(ready, roots, on_made)
        rows = [_rows(root, each.checked, found[id(each.checked)]) for root, each in zip(roots, ready, strict=True)]
        Run.objects.bulk_create([run for runs, _ in rows for run in runs])
        details = [details for _, details in rows]
        StepRun.objects.bulk_create([*chain.from_iterable(details)])
        uses = [_uses(root, each.checked, own) for root, each, own in zip(roots, ready, details, strict=True)]
        _note_uses([*chain.from_iterable(uses)])
        _tell_used(roots, [*chain.from_iterable(uses)], [*chain.from_iterable(details)])
        for root, each in zip(roots, ready, strict=True):
            _go(root, len(each.checked.graph.steps))
    return roots


def _submit_large(context: WorkspaceContext, ready: Ready, on_made: OnMade | None) -> Run:
    """The same of one in slices: the run is hidden until all its steps are there, and then appears at once."""
    checked = ready.checked
    with slices.writing():
        environments_of = environments(context, checked, environment_versions.resolve)
    fields = {**ready.fields, "warnings": with_notes(checked, environments_of, ready.fields["warnings"])}
    root = _make_hidden(context, ready.experiment, **fields)
    graphs.keep({root.pk: graphs.ParsedGraph(checked.graph)})
    try:
        runs, details = _rows(root, checked, environments_of)
        uses = _uses(root, checked, details)
        for part in slices.of(range(len(runs))):
            with slices.writing():
                _sign(root)
                Run.objects.bulk_create([runs[place] for place in part])
                StepRun.objects.bulk_create([details[place] for place in part])
                laid_out = {runs[place].pk for place in part}
                _note_uses([use for use in uses if use.run_id in laid_out])
        slices.pause()
        with slices.writing():
            _settle([ready], [root], on_made)
            _show(context, root, fields)
            _tell_used([root], uses, details)
            _go(root, len(runs))
    except BaseException:
        # Whoever dies here in silence leaves it to the ticker.
        later("runs.remove", root_id=str(root.pk))
        raise
    return root


def _settle(ready: Sequence[Ready], roots: Sequence[Run], on_made: OnMade | None) -> None:
    """The request's key stands for the first from now on, and whoever started them may write down that they did."""
    once.settle(roots[0])
    of_each: dict[OnMade, list[Run]] = {}
    for each, root in zip(ready, roots, strict=True):
        if each.on_made is not None:
            of_each.setdefault(each.on_made, []).append(root)
    for tell, mine in of_each.items():
        tell(mine)
    if on_made is not None:
        on_made(roots)


def _sign(root: Run, **seen: Any) -> None:
    """Show a sign of life: the date of a hidden root is that of the last one. Raises Conflict where it was given up."""
    mine = Run.objects.filter(pk=root.pk, cancel_requested_at__isnull=True)
    if not mine.update(created_at=now(), **seen):
        raise Conflict("The submit took too long and was given up. Submit the run again.", code="given_up")


def _go(root: Run, steps: int) -> None:
    """Carry the run forward once the transaction holds: here, or by a worker when it is large."""
    if steps <= AT_ONCE:
        after_commit(partial(progress.advance_submitted, root.pk))
    else:
        later("runs.advance", root_id=str(root.pk))


def start_interactive(context: WorkspaceContext, *, experiment: str, **words: Unpack[RunWords]) -> Run:
    """A run that a program keeps open itself (`Experiment.start_logging`); it ends by complete or fail."""
    context.require(Role.CONTRIBUTOR).require_act(Act.SUBMIT)
    with slices.writing():
        (root,) = _make_roots(context, [(experiment or "Default", {"kind": Run.Kind.INTERACTIVE, **words})])
        once.settle(root)
        with run_transaction(root.pk) as locked:
            locked.move(Run.Status.RUNNING, started_at=now())
    return locked


def start_child(context: WorkspaceContext, parent: Run, **words: Unpack[RunWords]) -> Run:
    """An open run below `parent`; it ends by complete or fail. Raises Conflict when the parent is over."""
    (child,) = start_children(context, parent, [words])
    return child


def start_children(context: WorkspaceContext, parent: Run, children: Sequence[RunWords]) -> list[Run]:
    """Several open runs below `parent`, in the same few statements however many. Raises as `start_child`."""
    context.require(Role.CONTRIBUTOR)
    require_run(context, parent)
    with run_transaction(parent.root_id or parent.pk) as root:
        above = root if root.pk == parent.pk else Run.objects.only("status").get(pk=parent.pk)
        if above.is_final:
            raise Conflict("The run is over; nothing is added below it any more.", code="is_over")
        common: dict[str, Any] = {
            "workspace": root.workspace,
            "experiment": root.experiment,
            "kind": Run.Kind.CHILD,
            "parent_id": parent.pk,
            "root": root,
            "submitted_by": context.user,
        }
        made = Run.objects.bulk_create([Run(**common, **words) for words in children])
        for child in made:
            once.settle(child)  # the first; where there are several the answer is kept instead
        Run.move_all(made, Run.Status.RUNNING, started_at=now())
    return made


def resubmit(
    context: WorkspaceContext,
    run: Run,
    *,
    parameters: Mapping[str, Any] | None = None,
    regenerate_outputs: bool = False,
) -> Run:
    """Run the same graph again, with the same parameters or changed ones. Raises Forbidden, also for a foreign run's step."""
    return submit_run(context, **resubmission_of(context, run, parameters or {}, regenerate_outputs=regenerate_outputs))


def resubmission_of(
    context: WorkspaceContext, run: Run, parameters: Mapping[str, Any], *, regenerate_outputs: bool = False
) -> dict[str, Any]:
    """What `resubmit` submits. Raises Forbidden for a foreign run's step."""
    require_run(context, run)
    kind, values, graph = run.kind, run.parameters, run.graph or {}
    if kind == Run.Kind.TRIAL:
        # As a run of its own, with the arguments that it had.
        kind, values, graph = Run.Kind.SCRIPT, (run.root or run).parameters, sweep_checks.alone(run)
    return {
        "experiment": run.experiment.name,
        "kind": kind,
        "graph": graph,
        "parameters": merged(values, parameters),
        "tags": run.tags,
        "regenerate_outputs": regenerate_outputs,
        "continue_on_step_failure": run.continue_on_step_failure,
        "display_name": run.display_name,
        "cloned_from": run,
        "priority": run.priority,
        "trigger": {"kind": "resubmit", "name": f"#{run.number}"},
    }


def _make_roots(context: WorkspaceContext, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Run]:
    """Root rows, of each the experiment and its fields, numbered within their experiment by the experiment's own row lock."""
    homes = _homes(context, {experiment for experiment, _ in rows})
    moment, roots = now(), []
    for experiment, fields in rows:
        home = homes[experiment]
        home.run_count, home.last_run_at, home.archived_at = home.run_count + 1, moment, None
        root = Run(
            workspace=context.workspace,
            experiment=home,
            number=home.run_count,
            submitted_by=context.user,
            version=1,
            **fields,
        )
        root.root = root
        roots.append(root)
    Experiment.objects.bulk_update(homes.values(), NUMBERED)
    Run.objects.bulk_create(roots)
    for root in roots:
        context.made("run", root.pk)  # a step may cancel and tag what it submits
    _tell(roots)
    return roots


def _make_hidden(context: WorkspaceContext, experiment: str, **fields: Any) -> Run:
    """The row of a root whose steps are still to come. Nothing refers to others yet, so that nobody finds it by them."""
    quiet = {name: value for name, value in fields.items() if name not in LINKS}
    with transaction.atomic():
        home = experiments.named(context, experiment)
    root = Run(workspace=context.workspace, experiment=home, submitted_by=context.user, version=1, **quiet)
    root.root = root.parent = root
    # A statement of its own: a long graph is put into JSON before it, and nobody waits for that.
    root.save(force_insert=True)
    return root


def _show(context: WorkspaceContext, root: Run, fields: Mapping[str, Any]) -> None:
    """Let a hidden root be seen. Raises Conflict where it was taken for left behind and removed."""
    home = Experiment.objects.select_for_update(no_key=True).get(pk=root.experiment_id)
    links = {name: fields[name] for name in LINKS if fields.get(name) is not None}
    home.run_count, home.last_run_at, home.archived_at = home.run_count + 1, now(), None
    home.save(update_fields=NUMBERED)
    seen = {"parent": None, "number": home.run_count, **links}
    _sign(root, **seen)
    root.refresh_from_db(fields=["created_at"])
    for name, value in seen.items():
        setattr(root, name, value)
    context.made("run", root.pk)
    _tell([root])


def _homes(context: WorkspaceContext, names: Set[str]) -> dict[str, Experiment]:
    """Experiments by their names, made where there are none, locked in the order of their ids."""
    keys = {name: experiments.named(context, name).pk for name in sorted(names)}
    rows = Experiment.objects.select_for_update(no_key=True).filter(pk__in=keys.values()).order_by("pk")
    found = {row.pk: row for row in rows}
    return {name: found[key] for name, key in keys.items()}


def _tell(roots: Sequence[Run]) -> None:
    outbox.record_all(
        [outbox.Change(root.topic, 1, {"changes": []}, (f"list:{root.workspace.name}:runs",)) for root in roots]
    )


def _rows(
    root: Run, checked: Checked, environments_of: Mapping[str, EnvironmentVersion | None]
) -> tuple[list[Run], list[StepRun]]:
    """One row and one detail row a step, in the order of the graph. A script run is one run: its single step is the root itself."""
    alone = root.is_own_step
    by_id = {step.id: step for step in checked.graph.steps}
    steps = [by_id[node] for node in checked.graph.order]
    runs = [root if alone else _step_row(root, step, checked) for step in steps]
    details = [_detail_row(run, step, checked, environments_of[step.id]) for run, step in zip(runs, steps, strict=True)]
    return [] if alone else runs, details


def _uses(root: Run, checked: Checked, details: list[StepRun]) -> list[DataUse]:
    """Which versions of datasets the run reads, each with the first step that does."""
    by_id = {step.id: step for step in checked.graph.steps}
    found: dict[UUID, DataUse] = {}
    for detail in details:
        for source in by_id[detail.node_id].inputs:
            value = source.dataset if source.parameter is None else checked.parameters.get(source.parameter)
            version = as_uuid(value) if isinstance(value, str) else None
            if version is not None and version not in found:
                found[version] = DataUse(root=root, run_id=detail.run_id, dataset_version_id=version)
    return list(found.values())


def _note_uses(uses: list[DataUse]) -> None:
    if uses:
        DataUse.objects.bulk_create(uses)


def _tell_used(roots: Sequence[Run], uses: Sequence[DataUse], details: Sequence[StepRun]) -> None:
    lineage.tell(
        roots[0].workspace.name,
        chain(
            (root.published_pipeline_id for root in roots),
            (use.dataset_version_id for use in uses),
            (each.environment_version_id for each in details),
            (each.compute_target_id for each in details),
        ),
    )


def _step_row(root: Run, step: Step, checked: Checked) -> Run:
    properties = {
        status.RUN_SOURCE: "azureml.StepRun",
        status.PIPELINE_RUN_ID: str(root.pk),
        status.NODE_ID: step.id,
        status.SNAPSHOT_ID: step.snapshot or "",
        status.STEP_TYPE: KINDS[step.kind].step_type,
        status.COMPUTE_TYPE: checked.targets[(step.compute or "").lower()].type,
    }
    return Run(
        workspace=root.workspace,
        experiment=root.experiment,
        kind=Run.Kind.STEP,
        parent=root,
        root=root,
        display_name=step.name,
        properties=properties,
        submitted_by=root.submitted_by,
    )


def _detail_row(run: Run, step: Step, checked: Checked, environment: EnvironmentVersion | None) -> StepRun:
    return StepRun(
        run=run,
        workspace=run.workspace,
        node_id=step.id,
        name=step.name,
        compute_target_id=checked.targets[(step.compute or "").lower()].pk,
        environment_version_id=environment.pk if environment else None,
        snapshot_digest=step.snapshot or "",
        allow_reuse=step.allow_reuse,
    )


def _root_properties(kind: str, parameters: Mapping[str, Any], pipeline: UUID | None) -> dict[str, str]:
    source = status.RUN_TYPES.get(kind, "azureml.scriptrun")
    found = {status.RUN_SOURCE: source, "runSource": "SDK", "runType": "SDK"}
    if kind == Run.Kind.PIPELINE:
        found[status.PARAMETERS] = canonical.canonical(hidden(parameters)).decode()
    if pipeline is not None:
        found[status.PIPELINE_ID] = str(pipeline)
    return found
