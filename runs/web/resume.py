"""The dialog that resumes a run: typed parameters, and what they would adopt and run, looked up as they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import StudioError
from runs.models import Run
from runs.services.submission import resume as resuming
from runs.services.submission.resume_preview import Preview, StepOutcome, preview
from runs.web import plans
from runs.web.actions import address, kept
from runs.web.parameters import ParameterForm, errors_of
from runs.web.tree import root_of
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_dialog

# A longer list is no longer read; the counts above it are of all steps.
SHOWN = 100
# Codes of the preview, behind a number.
WHY = {
    "adopted": gettext_lazy("unchanged"),
    "unfinished": gettext_lazy("not finished there"),
    "different": gettext_lazy("changed since"),
    "source_gone": gettext_lazy("whose source is gone"),
    "output_gone": gettext_lazy("whose output is gone"),
    "output_changed": gettext_lazy("whose output has changed"),
    "reads_again": gettext_lazy("that read what runs again"),
    "to_build": gettext_lazy("whose environment is to be built"),
    "no_step": gettext_lazy("that are new"),
}


@dataclass(frozen=True)
class Dialog:
    """What runs/dialog_resume.html may show."""

    run: Run
    form: ParameterForm
    preview: Preview | None
    error: str = ""

    @property
    def lines(self) -> list[StepOutcome]:
        return self.preview.lines if self.preview else []

    @property
    def more(self) -> int:
        return self.preview.total - len(self.preview.lines) if self.preview else 0

    @property
    def reasons(self) -> list[str]:
        """How many steps for which reason, where not every step has its line."""
        if self.preview is None or not self.more:
            return []
        return [
            f"{number_format(count, force_grouping=True)} {WHY.get(code, code)}"
            for (_outcome, code), count in self.preview.counts.most_common()
        ]


@workspace_dialog()
def dialog(request: HttpRequest, context: WorkspaceContext, run_id: UUID) -> HttpResponse:
    """Look at what resuming would do; do it when that is agreed to. `part=preview` looks again at changed values,
    `part=plan` at where and how long what is left would run, too."""
    run = root_of(context, run_id)
    resuming.check(run)
    data = request.POST if request.method == "POST" else None
    form = ParameterForm(run.graph or {}, run.parameters, data, workspace=context.workspace)
    if plans.is_wanted(request):
        return plans.answer(request, context, form, lambda: resuming.resumption_of(run, form.values()))
    looks = request.POST.get("part") == "preview"
    values = form.values() if request.method == "POST" and form.is_valid() else None
    error = ""
    if values is not None and not looks:
        try:
            made = resuming.resume(context, run, parameters=values)
            text = _("Resumed as #%(number)s.") % {"number": made.number}
            return responses.done(request, text, kept(request, address(context, made.pk)))
        except StudioError as refusal:
            error = refusal.message
    found, wrong = _preview(run, form, values, looks)
    page = Dialog(run, form, found, error or wrong)
    template = "runs/resume_preview.html" if looks else "runs/dialog_resume.html"
    return render(request, template, {"page": page, **responses.rights(request)})


def _preview(run: Run, form: ParameterForm, values: dict[str, Any] | None, looks: bool) -> tuple[Preview | None, str]:
    """The preview, or why there is none. A look draws no fields, so it names those whose values do not fit."""
    if form.is_bound and values is None:
        return None, "\n".join(errors_of(form)) if looks else _("Correct the marked values to see what runs.")
    try:
        return preview(run, values, limit=SHOWN), ""
    except StudioError as refusal:
        return None, refusal.message
