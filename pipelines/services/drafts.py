"""Make drafts of graphs, runs, published pipelines and other drafts, change them, publish them, delete them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from core import once, outbox
from core.clock import now
from core.errors import Conflict, Invalid, NotFound, Unprocessable
from core.names import one_line
from core.spec import refusing
from duto.spec import parameters as parameter_rules
from duto.spec.graph import read_graph
from duto.spec.names import check_name
from pipelines import graph_edits, hooks, queries
from pipelines.models import PipelineDraft, PublishedPipeline
from pipelines.services import published
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.scopes import Act
from workspaces.services import audit

# From what a draft may be made, exactly one of them.
SOURCES = ("graph", "run_id", "pipeline_id", "draft_id")
# What is taken as it is given.
PLAIN = ("description", "priority", "properties")
NAME_MAX, PRIORITIES = 255, range(-100, 101)


@transaction.atomic
def create(context: WorkspaceContext, asked: Mapping[str, Any]) -> PipelineDraft:
    """A new draft of a graph, or a copy of a run, of a published pipeline or of another draft.

    Raises Invalid where it is not said of which, NotFound where that is not there, Unprocessable for a graph that cannot be
    read and for values that its parameters do not take.
    """
    context.require(Role.CONTRIBUTOR).require_act(Act.PUBLISH)
    sources = [name for name in SOURCES if asked.get(name)]
    if len(sources) != 1:
        raise Invalid(
            _("Say what to make a draft of: one of 'graph', 'run_id', 'pipeline_id' and 'draft_id'."),
            code="nothing_to_draft",
        )
    made = PipelineDraft(
        workspace=context.workspace, created_by=context.user, **_source(context, sources[0], asked[sources[0]])
    )
    _set(context, made, {name: value for name, value in asked.items() if name not in SOURCES})
    made.save(force_insert=True)
    once.settle(made)
    context.made("draft", made.pk)
    audit.note(context, "draft.created", str(made.pk), name=made.name)
    tell(context.workspace)
    return made


def _source(context: WorkspaceContext, name: str, value: Any) -> dict[str, Any]:
    """The fields that a new draft begins with."""
    if name == "graph":
        with refusing():
            return {"graph": graph_edits.normal(value)}
    if name == "run_id":
        return hooks.copy_of_run(context, value)
    if name == "pipeline_id":
        pipeline = queries.one(context.workspace, value)
        return {
            "name": pipeline.name,
            "description": pipeline.description,
            "graph": {**pipeline.graph, "continue_on_step_failure": pipeline.continue_on_step_failure},
            "of_pipeline_id": pipeline.pk,
        }
    other = queries.draft(context.workspace, value)
    fields = ("name", "description", "experiment", "kind", "graph", "parameters", "priority", "tags", "properties")
    return {**{each: getattr(other, each) for each in fields}, "of_run_id": other.of_run_id, "of_draft_id": other.pk}


@transaction.atomic
def change(
    context: WorkspaceContext, draft: PipelineDraft, asked: Mapping[str, Any], *, version: int | None = None
) -> PipelineDraft:
    """Change what is named; all else stays, and what is as it was is no change. `version`: the one that the caller has seen.

    Raises Conflict (`changed`) where another has changed it since, NotFound where it is gone, else as `create`.
    """
    context.require(Role.CONTRIBUTOR).require_own("draft", draft.pk)
    locked = _locked(context.workspace, draft)
    if version is not None and version != locked.version:
        raise changed_since(locked, version)
    before = {each.attname: getattr(locked, each.attname) for each in PipelineDraft._meta.concrete_fields}
    _set(context, locked, asked)
    marks = ("changed_by_id", "changed_at")
    different = sorted(name for name, value in before.items() if name not in marks and getattr(locked, name) != value)
    if not different:
        return queries.draft(context.workspace, locked.pk)
    locked.version += 1
    locked.save()
    audit.note(context, "draft.changed", str(locked.pk), name=locked.name, changed=different)
    tell(context.workspace)
    return queries.draft(context.workspace, locked.pk)


def as_changed(context: WorkspaceContext, draft: PipelineDraft, asked: Mapping[str, Any]) -> PipelineDraft:
    """The draft as `change` would leave it; nothing is written. Raises as that."""
    found = copy(draft)
    _set(context, found, asked)
    return found


def changed_since(draft: PipelineDraft, version: int) -> Conflict:
    """The refusal of a change that was made to another version than the present one."""
    text = _(
        "%(who)s has changed the draft '%(name)s' meanwhile: it is at version %(now)s, and yours is %(seen)s. Nothing was "
        "saved. Load it anew and change that."
    )
    who = draft.changed_by.get_username() if draft.changed_by else _("Somebody")
    facts = {"who": who, "name": draft.name, "now": draft.version, "seen": version}
    return Conflict(text % facts, code="changed", version=draft.version, changed_by=who)


@transaction.atomic
def delete(context: WorkspaceContext, draft: PipelineDraft) -> None:
    """Remove it. Its runs and what was published of it stay."""
    context.require(Role.CONTRIBUTOR).require_own("draft", draft.pk)
    audit.note(context, "draft.deleted", str(draft.pk), name=draft.name)
    draft.delete()
    tell(context.workspace)


def publish(
    context: WorkspaceContext,
    draft: PipelineDraft,
    *,
    name: str = "",
    description: str | None = None,
    version: str = "",
) -> PublishedPipeline:
    """Freeze it as it is now; the values of its parameters become the defaults. The draft stays.

    Raises Invalid for a draft of a run that was no pipeline, Unprocessable that names every problem.
    """
    if draft.kind != "pipeline":
        raise Invalid(
            _("Only a draft of a pipeline can be published; this one is of a single run."), code="no_pipeline"
        )
    with refusing():
        graph = graph_edits.changed(draft.graph, defaults=draft.parameters)
    words = {"name": name or draft.name, "version": version}
    said = draft.description if description is None else description
    return published.publish(context, {"graph": graph, "description": said, **words})


def _set(context: WorkspaceContext, draft: PipelineDraft, asked: Mapping[str, Any]) -> None:
    """Write what is named into the row, and who did. Raises Invalid, Unprocessable."""
    given = {name: value for name, value in asked.items() if value is not None}
    if "name" in given or not draft.name:
        draft.name = _name(given.get("name") or "Pipeline draft")
    if given.get("experiment", draft.experiment) != draft.experiment:
        with refusing():
            draft.experiment = check_name("experiment", given["experiment"]) if given["experiment"] else ""
    if given.get("priority", 0) not in PRIORITIES:
        raise Invalid(_("A priority is a whole number from -100 to 100."), code="bad_priority")
    for name in PLAIN:
        if name in given:
            setattr(draft, name, given[name])
    if "tags" in given:
        draft.tags = {str(key): str(value) for key, value in given["tags"].items()}
    with refusing():
        document = graph_edits.normal(given["graph"]) if "graph" in given else draft.graph
        if not document["steps"] and (draft.graph or {}).get("steps"):
            text = _("The graph has no steps and would empty the draft. Leave 'graph' out to keep its steps.")
            raise Unprocessable(text, code="no_steps")
        edits = {key: given.get(key) for key in ("steps", "defaults", "continue_on_step_failure")}
        draft.graph = graph_edits.changed(document, **edits)
        values = given.get("parameters", draft.parameters)
        declared = read_graph(draft.graph).parameters
        bound = parameter_rules.bind(declared, values)
    kept = next((each.name for each in declared if each.secret and each.name in values), None)
    if kept is not None:
        text = _("A draft keeps no secrets: give the value of '%(name)s' when it is submitted.")
        raise Unprocessable(text % {"name": kept}, code="secret_in_draft")
    draft.parameters = {name: bound[name] for name in values}
    draft.changed_by, draft.changed_at = context.user, now()


def _name(text: str) -> str:
    name = one_line(text)
    if not name or len(name) > NAME_MAX:
        text = _("The name of a draft has 1 to %(name_max)s characters.")
        raise Invalid(text % {"name_max": NAME_MAX}, code="bad_name")
    return name


def _locked(workspace: Workspace, draft: PipelineDraft) -> PipelineDraft:
    rows = PipelineDraft.objects.select_for_update(no_key=True, of=("self",)).select_related("changed_by")
    found = rows.filter(workspace=workspace, pk=draft.pk).first()
    if found is None:
        raise NotFound(_("The draft '%(name)s' was deleted meanwhile.") % {"name": draft.name})
    return found


def tell(workspace: Workspace) -> None:
    """Whoever looks at drafts looks again."""
    outbox.hint(f"list:{workspace.name}:drafts")
