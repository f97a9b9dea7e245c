"""Drafts: the list, and one with its forms, its graph, what is wrong with it, and its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.clock import now
from core.errors import Conflict, NotFound, StudioError
from core.ids import as_uuid
from core.paging import page_of
from duto.spec.parameters import texts
from pipelines import queries
from pipelines.models import PipelineDraft, PublishedPipeline
from pipelines.services import drafts
from runs.models import DraftRun, Run
from runs.queries.graph import plan_document
from runs.queries.runs import runs_of
from runs.services.submission import drafts as submission
from runs.web import plans
from runs.web.draft_forms import DraftForm, StepForm, environment_of
from runs.web.forms_views import PublishForm
from runs.web.panel_files import command_of
from runs.web.rows import HEAVY, RunRow, lines
from runs.web.windows import Window, window
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page

RUNS_SHOWN = 20
# So many steps are a page of the table, so many problems are told above it.
ROWS, MOST_PROBLEMS = 100, 20
# Drafts that one action is about, and after how many days without a change they may be listed alone.
MOST_PICKED, UNCHANGED = 200, ("30", "90", "365")


@dataclass(frozen=True)
class DraftsPage:
    """What pipelines/drafts.html may show."""

    # Each with its newest run.
    rows: list[tuple[PipelineDraft, Run | None]]
    next: str | None
    q: str
    # Days for which nobody has changed them, and what may be chosen of these, with its words.
    unchanged: str
    choices: list[tuple[str, str]]
    topic: str


@dataclass(frozen=True)
class StepRow:
    """One step of the table."""

    place: int
    step: Mapping[str, Any]
    call: str
    environment: str
    problems: list[str]


@dataclass(frozen=True)
class Refused:
    """Why nothing was saved: another has changed it since. `version` is the one to save over."""

    text: str
    version: int


@dataclass(frozen=True)
class DraftPage:
    """What pipelines/draft.html may show."""

    draft: PipelineDraft
    form: DraftForm
    error: str
    refused: Refused | None
    # Those of the whole, and those of steps that the table does not show here, with their steps.
    problems: list[tuple[str, str]]
    more_problems: int
    steps: list[StepRow]
    window: Window
    graph: dict[str, Any] | None
    of_run: Run | None
    of_pipeline: PublishedPipeline | None
    # The version that the reader's form was made of.
    version: int
    lines: list[RunRow]
    next: str | None
    is_first: bool
    topic: str
    runs_topic: str


@dataclass(frozen=True)
class StepDialog:
    """What pipelines/dialog_draft_step.html may show."""

    draft: PipelineDraft
    place: int
    step: Mapping[str, Any]
    form: StepForm
    errors: list[str] = field(default_factory=list)
    refused: Refused | None = None


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """All drafts, newest first."""
    q, unchanged = request.GET.get("q", "").strip()[:200], request.GET.get("unchanged", "")
    found = queries.listed_drafts(context.workspace)
    found = found.filter(name__icontains=q) if q else found
    if unchanged in UNCHANGED:
        found = found.filter(changed_at__lt=now() - timedelta(days=int(unchanged)))
    page = page_of(found, after=request.GET.get("after"))
    last = Run.objects.defer(*HEAVY).in_bulk([each.last_run_id for each in page.items if each.last_run_id])
    facts = DraftsPage(
        [(each, last.get(each.last_run_id) if each.last_run_id else None) for each in page.items],
        page.next,
        q,
        unchanged if unchanged in UNCHANGED else "",
        [
            (days, ngettext("Unchanged for %(n)s day", "Unchanged for %(n)s days", int(days)) % {"n": days})
            for days in UNCHANGED
        ],
        f"list:{context.workspace.name}:drafts",
    )
    return responses.show(request, "pipelines/drafts.html", facts, section="pipelines", parts=("rows",))


@workspace_action()
def selected(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Delete the ticked drafts; those that refuse are named, the others go on."""
    ids = [found for text in request.POST.getlist("draft")[:MOST_PICKED] if (found := as_uuid(text))]
    done, refused = 0, ""
    for draft in PipelineDraft.objects.filter(workspace=context.workspace, pk__in=ids).defer("graph"):
        try:
            drafts.delete(context, draft)
            done += 1
        except StudioError as error:
            refused = error.message
    text = ngettext("%(n)s draft is deleted. Its runs stay.", "%(n)s drafts are deleted. Their runs stay.", done)
    back = responses.back(request, reverse("drafts:list", args=[context.workspace.name]))
    return responses.done(request, f"{text % {'n': done}} {refused}".strip(), back)


@workspace_action()
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """A draft of the run, the published pipeline or the draft that the form names."""
    asked = {name: request.POST.get(name) for name in ("run_id", "pipeline_id", "draft_id")}
    made = drafts.create(context, asked)
    return responses.done(request, _("A draft of it. Change what you like, then submit it."), address(context, made))


@workspace_dialog(Role.READER)
def detail(request: HttpRequest, context: WorkspaceContext, draft_id: UUID) -> HttpResponse:
    """The draft; a POST saves the form, and with `do=submit` runs what was saved. With `part=plan` it says what that would do."""
    draft = queries.draft(context.workspace, draft_id)
    if request.method != "POST":
        return _show(request, context, draft, DraftForm(draft))
    context.require(Role.CONTRIBUTOR)
    form = DraftForm(draft, request.POST)
    if plans.is_wanted(request):

        def submission_of_form() -> dict[str, Any]:
            asked = drafts.as_changed(context, draft, form.changes())
            return submission.submission_of(
                asked, parameters=form.secrets(), regenerate_outputs=form.cleaned_data["force"]
            )

        return plans.answer(request, context, form, submission_of_form)
    if not form.is_valid():
        return _show(request, context, draft, form)
    try:
        saved = drafts.change(context, draft, form.changes(), version=version_of(request))
    except StudioError as refusal:
        return _show(request, context, draft, form, refusal)
    submits = request.POST.get("do") == "submit"
    problems = _problems(context, saved, form.secrets(), submits=submits)
    if problems:
        return _show(request, context, saved, DraftForm(saved), problems=problems)
    if not submits:
        return responses.done(request, _("Saved. Nothing is wrong with it."), address(context, saved))
    try:
        run = submission.submit(
            context, saved, parameters=form.secrets(), regenerate_outputs=form.cleaned_data["force"]
        )
    except StudioError as refusal:
        return _show(request, context, saved, DraftForm(saved), refusal)
    text = _("Submitted as #%(number)s.") % {"number": run.number}
    return responses.done(request, text, reverse("runs:run", args=[context.workspace.name, run.pk]))


def _problems(
    context: WorkspaceContext, draft: PipelineDraft, secrets: Mapping[str, Any], *, submits: bool = False
) -> list[dict[str, Any]]:
    """What is wrong with a draft. That a secret is not given yet is a problem of a submit alone."""
    found = submission.problems_of(context, draft, secrets)
    return [each for each in found if submits or each["code"] != "secret_missing"]


def version_of(request: HttpRequest) -> int:
    """The version that the form was made of, or the one that its sender has agreed to save over. Of two forms the older."""
    return _number(request.POST.get("over")) or min(map(_number, request.POST.getlist("version")), default=0)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _show(
    request: HttpRequest,
    context: WorkspaceContext,
    draft: PipelineDraft,
    form: DraftForm,
    refusal: StudioError | None = None,
    problems: list[dict[str, Any]] | None = None,
) -> HttpResponse:
    steps = draft.graph["steps"]
    shown = window("rows", request.GET.get("rows"), len(steps), ROWS)
    if problems is None:  # only who may submit it is told why it would be refused
        asks = "part" not in request.GET and context.may(Role.CONTRIBUTOR) and not context.workspace.is_archived
        problems = _problems(context, draft, {}) if asks else []
    by_step: dict[str | None, list[str]] = {}
    for each in problems:
        by_step.setdefault(each["step"], []).append(each["message"])
    values = {each["name"]: each["default"] for each in draft.graph["parameters"]} | draft.parameters
    said = texts({each["name"]: each["type"] for each in draft.graph["parameters"]}, values)
    rows = [
        StepRow(
            place,
            step,
            step.get("script") or command_of(step, said),
            environment_of(step),
            by_step.pop(step["id"], []),
        )
        for place, step in enumerate(steps)
        if shown.start <= place < shown.end
    ]
    elsewhere = [(str(step or ""), text) for step, texts in by_step.items() for text in texts]
    made = DraftRun.objects.filter(draft=draft).values("run")
    found = runs_of(context.workspace).filter(pk__in=made, parent__isnull=True).defer(*HEAVY)
    runs = page_of(found, after=request.GET.get("after"), limit=RUNS_SHOWN)
    refused = _refused(refusal)
    facts = DraftPage(
        draft=draft,
        form=form,
        error=refusal.message if refusal is not None and refused is None else "",
        refused=refused,
        problems=elsewhere[:MOST_PROBLEMS],
        more_problems=len(elsewhere[MOST_PROBLEMS:]),
        steps=rows,
        window=shown,
        graph=plan_document(context.workspace, _valued(draft)) if "part" not in request.GET else None,
        of_run=_run_of(context, draft),
        of_pipeline=_pipeline_of(context, draft),
        version=_number(request.GET.get("seen")) or draft.version,
        lines=lines(runs.items),
        next=runs.next,
        is_first="after" not in request.GET,
        topic=f"list:{context.workspace.name}:drafts",
        runs_topic=f"uses:{context.workspace.name}:{draft.pk}",
    )
    return responses.show(request, "pipelines/draft.html", facts, section="pipelines", parts=("head", "runs"))


def _run_of(context: WorkspaceContext, draft: PipelineDraft) -> Run | None:
    """The run that it was copied from, where that is still there."""
    rows = Run.objects.filter(workspace=context.workspace).defer(*HEAVY)
    return rows.filter(pk=draft.of_run_id).first() if draft.of_run_id else None


def _pipeline_of(context: WorkspaceContext, draft: PipelineDraft) -> PublishedPipeline | None:
    rows = PublishedPipeline.objects.filter(workspace=context.workspace).defer("graph")
    return rows.filter(pk=draft.of_pipeline_id).first() if draft.of_pipeline_id else None


def _valued(draft: PipelineDraft) -> dict[str, Any]:
    """Its graph with the values of its parameters for the defaults, as it is drawn."""
    values = draft.parameters
    parameters = [{**each, "default": values.get(each["name"], each["default"])} for each in draft.graph["parameters"]]
    return {**draft.graph, "parameters": parameters}


def _refused(refusal: StudioError | None) -> Refused | None:
    if not isinstance(refusal, Conflict) or refusal.code != "changed":
        return None
    return Refused(refusal.message, refusal.facts["version"])


@workspace_dialog()
def step(request: HttpRequest, context: WorkspaceContext, draft_id: UUID, place: int) -> HttpResponse:
    """The form of one step. A POST saves it, together with the form of the page where that comes with it."""
    draft = queries.draft(context.workspace, draft_id)
    steps = draft.graph["steps"]
    if place >= len(steps):
        raise NotFound(_("The draft has no such step."))
    chosen = steps[place]
    form = StepForm(context.workspace, draft, chosen, request.POST or None)
    is_other = request.method == "POST" and request.POST.get("node") != chosen["id"]
    errors = [_("The steps of the draft are others now. Load its page anew.")] if is_other else []
    refused = None
    if request.method == "POST" and not is_other and form.is_valid():
        page, errors = _beside(request, draft)
        if not errors:
            try:
                edits = {**page, "steps": {chosen["id"]: form.changes()}}
                drafts.change(context, draft, edits, version=version_of(request))
                return responses.done(request, _("Saved."), address(context, draft))
            except StudioError as refusal:
                refused = _refused(refusal)
                errors = [] if refused else [refusal.message]
    facts = StepDialog(draft, place, chosen, form, errors, refused)
    return render(request, "pipelines/dialog_draft_step.html", {"page": facts, **responses.rights(request)})


def _beside(request: HttpRequest, draft: PipelineDraft) -> tuple[dict[str, Any], list[str]]:
    """What the form of the page wants to save, so that nothing is lost that was typed there; or what is wrong with it."""
    if "name" not in request.POST or "priority" not in request.POST:
        return {}, []
    form = DraftForm(draft, request.POST)
    if form.is_valid():
        return form.changes(), []
    return {}, [
        _("%(field)s of the page: %(error)s")
        % {"field": form[name].label if name in form.fields else name, "error": text}
        for name, texts in form.errors.items()
        for text in texts
    ]


@workspace_dialog()
def publish(request: HttpRequest, context: WorkspaceContext, draft_id: UUID) -> HttpResponse:
    """Freeze what is saved under a name."""
    draft = queries.draft(context.workspace, draft_id)
    form = PublishForm(request.POST or None, initial={"name": draft.name, "description": draft.description})
    error = ""
    if request.method == "POST" and form.is_valid():
        try:
            made = drafts.publish(context, draft, **form.cleaned_data)
            text = _("“%(name)s” is published.") % {"name": made.name}
            return responses.done(request, text, reverse("pipelines:pipeline", args=[context.workspace.name, made.pk]))
        except StudioError as refusal:
            error = refusal.message
    about = _(
        "Steps, code and parameters of version %(version)s of the draft are frozen as they were saved, the values of its "
        "parameters as defaults. The pipeline can then be run by a form, by a program, or by its REST address."
    )
    facts = {
        "form": form,
        "error": error,
        "place": reverse("drafts:publish", args=[context.workspace.name, draft.pk]),
        "dialog": "draft-dialog",
        "about": about % {"version": draft.version},
    }
    return render(request, "runs/dialog_publish.html", {**facts, **responses.rights(request)})


@workspace_action()
def delete(request: HttpRequest, context: WorkspaceContext, draft_id: UUID) -> HttpResponse:
    """Remove it; its runs stay."""
    draft = queries.draft(context.workspace, draft_id)
    drafts.delete(context, draft)
    text = _("“%(name)s” is deleted. Its runs stay.") % {"name": draft.name}
    return responses.done(request, text, reverse("drafts:list", args=[context.workspace.name]))


def address(context: WorkspaceContext, draft: PipelineDraft) -> str:
    return reverse("drafts:draft", args=[context.workspace.name, draft.pk])
