"""The forms of a draft: what it runs with, and one of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compute.models import ComputeTarget
from core.forms import CheckList, TextArea
from datasets.web.forms import lines_of
from environments.queries import environments_in
from pipelines.models import PipelineDraft
from pipelines.services.drafts import NAME_MAX, PRIORITIES
from runs.web import argument_lines
from runs.web.parameters import PREFIX, ParameterForm
from workspaces.models import Workspace

DEFAULT = "d_"
# A choice that is none of the offered names: no cluster of the step's own, the environment as it is.
NONE = "-"


class DraftForm(ParameterForm):
    """What a draft is called and runs with. `changes()` gives what to save."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=2**31 - 1)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=NAME_MAX)
    experiment = forms.CharField(
        label=gettext_lazy("Experiment"),
        max_length=255,
        required=False,
        strip=False,
        help_text=gettext_lazy("empty: called as the draft"),
    )
    description = TextArea(label=gettext_lazy("Description"), required=False)
    tags = TextArea(
        label=gettext_lazy("Tags"),
        required=False,
        help_text=gettext_lazy("one a line: a key, or a key and a value as in “season: 2021”"),
    )
    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        min_value=PRIORITIES[0],
        max_value=PRIORITIES[-1],
        help_text=gettext_lazy("of several steps that wait the higher goes first"),
    )
    continue_on_step_failure = forms.BooleanField(
        label=gettext_lazy("Go on with what does not need a step that failed"), required=False
    )
    force = forms.BooleanField(label=gettext_lazy("Run every step again, reuse nothing"), required=False)

    def __init__(self, draft: PipelineDraft, data: Any = None) -> None:
        words = ("version", "name", "experiment", "description", "priority")
        initial = {name: getattr(draft, name) for name in words}
        initial["tags"] = "\n".join(lines_of(draft.tags).values())
        initial["continue_on_step_failure"] = draft.graph["continue_on_step_failure"]
        # Ids of its own: a dialog of the page has fields of the same names.
        super().__init__(
            draft.graph, draft.parameters, data, initial=initial, auto_id="draft_%s", workspace=draft.workspace
        )
        self.draft = draft
        # So that what nobody touched comes back as it was, with the line breaks that it had.
        self.fields["description"].initial = draft.description
        for name, each in self.declared.items():
            if each.get("secret"):
                self.fields[PREFIX + name].required = False  # no draft keeps it, so it is for a submit alone
            else:
                self.fields[DEFAULT + name] = self.field_of(each, each["default"])

    @property
    def defaults(self) -> list[forms.BoundField]:
        """The fields of the parameters' defaults; a secret has none."""
        return [self[DEFAULT + name] for name in self.declared if DEFAULT + name in self.fields]

    def secrets(self) -> dict[str, Any]:
        """Of a valid form: the values of secrets, which are for the run that is submitted and for nothing else."""
        return {name: value for name, value in self.values().items() if self.declared[name].get("secret")}

    def clean_tags(self) -> dict[str, str]:
        """The tags by key; those that no line can say stay."""
        pairs = (line.partition(":") for line in self.cleaned_data["tags"].splitlines() if line.strip())
        kept = {key: value for key, value in self.draft.tags.items() if key not in lines_of(self.draft.tags)}
        return {key.strip(): value.strip() for key, _, value in pairs} | kept

    def changes(self) -> dict[str, Any]:
        """Of a valid form. A value that is as the default was counts as given only where it was given before."""
        words = ("name", "description", "priority", "tags", "continue_on_step_failure")
        found = {name: self.cleaned_data[name] for name in words}
        if self.cleaned_data["experiment"] != self.draft.experiment:
            found["experiment"] = self.cleaned_data["experiment"]
        found["parameters"] = {
            name: value
            for name, value in self.values().items()
            if name not in self.secrets() and (name in self.draft.parameters or not self._is_default(name, value))
        }
        given = {name: self.cleaned_data.get(DEFAULT + name) for name in self.declared}
        found["defaults"] = {
            name: value for name, value in given.items() if value is not None and not self._is_default(name, value)
        }
        return found

    def _is_default(self, name: str, value: Any) -> bool:
        return bool(value == self.declared[name]["default"])


class StepForm(forms.Form):
    """What of a step is changed by itself. Arguments are a line each, references as the graph has them."""

    prefix = "step"
    arguments = TextArea(
        label=gettext_lazy("Arguments"),
        required=False,
        strip=False,
        rows=8,
        help_text=gettext_lazy(
            'one a line; what the pipeline gives as {"parameter": "name"}, {"input": "name"} or {"output": "name"}'
        ),
    )
    compute = forms.ChoiceField(label=gettext_lazy("Compute target"), choices=[])
    environment = forms.ChoiceField(label=gettext_lazy("Environment"), choices=[])
    allow_reuse = forms.BooleanField(
        label=gettext_lazy("Reuse earlier results where nothing has changed"), required=False
    )
    run_after = forms.MultipleChoiceField(
        label=gettext_lazy("Runs after"), required=False, widget=CheckList, choices=[]
    )

    def __init__(self, workspace: Workspace, draft: PipelineDraft, step: dict[str, Any], data: Any = None) -> None:
        super().__init__(data)
        self.step = step
        fields: dict[str, Any] = self.fields
        fields["arguments"].initial = argument_lines.said(step["arguments"])
        fields["compute"].choices = list(_targets(workspace, step["compute"] or ""))
        fields["compute"].initial = step["compute"] or NONE
        fields["environment"].choices = list(_environments(workspace, step["environment"]))
        fields["environment"].initial = NONE
        fields["allow_reuse"].initial = step["allow_reuse"]
        others = [each for each in draft.graph["steps"] if each["id"] != step["id"]]
        known = {each["id"] for each in others}
        gone = [(each, each) for each in step["run_after"] if each not in known]
        fields["run_after"].choices = [(each["id"], each["name"]) for each in others] + gone
        fields["run_after"].initial = step["run_after"]

    @property
    def data_from(self) -> list[str]:
        """The steps that it waits for in any case, since it reads what they write."""
        return list(dict.fromkeys(each["from"]["step"] for each in self.step["inputs"] if each["from"].get("step")))

    def clean_arguments(self) -> list[Any]:
        text = self.cleaned_data["arguments"]
        if text == self.fields["arguments"].initial:
            return list(self.step["arguments"])
        try:
            return argument_lines.read(text, self.step["arguments"])
        except ValueError as error:
            raise ValidationError(
                _('Line %(line)s begins as JSON and is none. Write it as {"parameter": "name"}, or a text in quotes.')
                % {"line": error}
            ) from error

    def changes(self) -> dict[str, Any]:
        """Of a valid form; an order that is as it was stays in its sequence."""
        values = self.cleaned_data
        found = {name: values[name] for name in ("arguments", "allow_reuse")}
        if values["compute"] != (self.step["compute"] or NONE):
            found["compute"] = "" if values["compute"] == NONE else values["compute"]
        if values["environment"] != NONE:
            name, _colon, version = values["environment"].rpartition(":")
            found["environment"] = {"name": name, "version": version}
        if set(values["run_after"]) != set(self.step["run_after"]):
            found["run_after"] = values["run_after"]
        return found


def environment_of(step: dict[str, Any]) -> str:
    """How a step's environment is called."""
    said = step["environment"]
    if not said:
        return _("none")
    name, version = said.get("name"), said.get("version")
    if not name:
        return _("a definition of its own")
    return f"{name}:{version}" if version and "python" not in said else str(name)


def _targets(workspace: Workspace, now: str) -> Iterator[tuple[str, str]]:
    names = list(ComputeTarget.objects.filter(workspace=workspace).order_by("name").values_list("name", flat=True))
    if workspace.default_compute or not now:
        default = workspace.default_compute or _("none")
        yield NONE, _("the workspace's default: %(name)s") % {"name": default}
    if now and now not in names:
        yield now, (now if now.lower() in map(str.lower, names) else _("%(name)s (not there)") % {"name": now})
    yield from ((name, name) for name in names)


def _environments(workspace: Workspace, now: Any) -> Iterator[tuple[str, str]]:
    yield NONE, _("as it is: %(name)s") % {"name": environment_of({"environment": now})}
    for each in environments_in(workspace).order_by("name"):
        yield f"{each.name}:{each.latest_version}", f"{each.name}:{each.latest_version}"
