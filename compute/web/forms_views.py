"""Create, resize and delete a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compute.models import ComputeTarget, Host, Node
from compute.services import targets
from compute.services.hosts import hosts_of
from compute.web.pages import cluster_of
from core.errors import StudioError
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_dialog

SIZES = (
    ("STANDARD_DS1_V2", gettext_lazy("STANDARD_DS1_V2 – 1 core, 3.5 GiB")),
    ("STANDARD_D2_V2", gettext_lazy("STANDARD_D2_V2 – 2 cores, 7 GiB")),
    ("STANDARD_DS3_V2", gettext_lazy("STANDARD_DS3_V2 – 4 cores, 14 GiB")),
    ("STANDARD_D4_V2", gettext_lazy("STANDARD_D4_V2 – 8 cores, 28 GiB")),
    ("STANDARD_NC6", gettext_lazy("STANDARD_NC6 – 6 cores, 56 GiB, 1 GPU")),
)
TERMS = ("launcher", "network", "policy", "hosts")


class TermsForm(forms.Form):
    """How many nodes, how long an idle one stays, and on what terms they come."""

    min_nodes = forms.IntegerField(
        label=gettext_lazy("Min nodes"), min_value=0, initial=0, help_text=gettext_lazy("nodes kept even when idle")
    )
    max_nodes = forms.IntegerField(
        label=gettext_lazy("Max nodes"), min_value=0, initial=2, help_text=gettext_lazy("nodes; one runs one step")
    )
    idle_seconds = forms.IntegerField(
        label=gettext_lazy("Scale down after"),
        min_value=0,
        initial=1800,
        help_text=gettext_lazy("seconds without a step"),
    )
    hosts = forms.MultipleChoiceField(
        label=gettext_lazy("Hosts"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("none ticked: all hosts of the workspace"),
    )
    launcher = forms.ChoiceField(
        label=gettext_lazy("Steps run as"),
        required=False,
        choices=[("", gettext_lazy("whatever the host runs")), *Host.Launcher.choices],
    )
    network = forms.ChoiceField(
        label=gettext_lazy("Containers reach"),
        required=False,
        initial=ComputeTarget.Network.OPEN,
        choices=[
            (ComputeTarget.Network.OPEN, gettext_lazy("everything")),
            (ComputeTarget.Network.STUDIO, gettext_lazy("the studio only")),
            (ComputeTarget.Network.NONE, gettext_lazy("nothing")),
        ],
    )
    policy = forms.ChoiceField(
        label=gettext_lazy("A size that no host has"),
        required=False,
        choices=[
            (ComputeTarget.Policy.ELASTIC, gettext_lazy("is shrunk, with a warning")),
            (ComputeTarget.Policy.STRICT, gettext_lazy("waits for such a host")),
        ],
    )

    def __init__(self, hosts: Sequence[Host], *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        field = cast("forms.MultipleChoiceField", self.fields["hosts"])
        field.choices = [(host.name, _host_label(host)) for host in hosts]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("min_nodes", 0) > values.get("max_nodes", 0):
            self.add_error("max_nodes", _("This is less than the nodes that are kept."))
        # A form that does not show a term does not change it.
        shown = {name: value for name, value in values.items() if name in self.data or name not in TERMS}
        return {**shown, "hosts": values.get("hosts", [])} if "terms" in self.data else shown


class ClusterForm(TermsForm):
    """A new cluster."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=24, help_text=gettext_lazy("3 to 24 letters, digits and hyphens; programs use it"),
        widget=forms.TextInput(attrs={"placeholder": "cpu-cluster", "autocomplete": "off"}),
    )  # fmt: skip
    vm_size = forms.CharField(
        label=gettext_lazy("Size of a node"), initial="STANDARD_DS3_V2", widget=forms.Select(choices=SIZES)
    )
    description = forms.CharField(label=gettext_lazy("Description"), required=False)


@workspace_dialog()
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form of a new cluster."""
    form = ClusterForm(list(hosts_of(context.workspace)), request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = targets.create_target(context, **form.cleaned_data)
            return responses.done(
                request, _("The cluster is there. Nodes come with the first step."), _address(context, made.name)
            )
        except StudioError as error:
            form.add_error("name" if error.code in ("bad_name", "exists") else None, error.message)
    return _draw(request, "compute/dialog_create.html", form)


@workspace_dialog()
def resize(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Other numbers of nodes, other hosts, other terms."""
    target = cluster_of(context.workspace, name)
    names = ("min_nodes", "max_nodes", "idle_seconds", "launcher", "network", "policy")
    initial = {each: getattr(target, each) for each in names}
    attached = list(target.hosts.order_by("name"))
    initial["hosts"] = [host.name for host in attached]
    # A host that was revoked since is shown as long as it is named: without any, the cluster would be on all hosts.
    offered = {host.pk: host for host in [*hosts_of(context.workspace), *attached]}
    form = TermsForm([*offered.values()], request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        if set(values.get("hosts", [])) == set(initial["hosts"]):
            values.pop("hosts", None)
        try:
            targets.update_target(context, name, **values)
            return responses.done(request, _("Changed. Nodes come and go as steps need them."), _address(context, name))
        except StudioError as error:
            form.add_error(None, error.message)
    busy = target.nodes.filter(status=Node.Status.RUNNING).count()
    return _draw(request, "compute/dialog_resize.html", form, target=target, busy=busy)


class DeleteForm(forms.Form):
    """The name again, where steps would be canceled."""

    confirm = forms.CharField(required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, target: ComputeTarget, use: targets.Use, *given: Any) -> None:
        super().__init__(*given)
        self.target, self.use = target, use
        self.fields["confirm"].label = _("Type %(name)s to cancel them and delete the cluster") % {"name": target.name}

    def clean_confirm(self) -> str:
        typed = str(self.cleaned_data.get("confirm") or "").strip()
        if self.use and typed != self.target.name:
            raise forms.ValidationError(_("Type the name of the cluster, %(name)s.") % {"name": self.target.name})
        return typed


@workspace_dialog()
def delete(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Asks for the name where steps run on the cluster or wait for it, and says how many."""
    target = cluster_of(context.workspace, name)
    use = targets.use_of(target)
    form = DeleteForm(target, use, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            # Steps that have come since the number was shown were not confirmed by anybody.
            gone = targets.delete_target(context, name, force=bool(use))
            text = _("The cluster is deleted.") if gone else _("It is being deleted: its steps are canceled first.")
            to = reverse("compute:list", args=[context.workspace.name]) if gone else _address(context, name)
            return responses.done(request, text, to)
        except StudioError as error:
            form.add_error(None, error.message)
    return _draw(request, "compute/dialog_delete.html", form, target=target, use=use)


def _host_label(host: Host) -> str:
    return host.name if host.revoked_at is None else _("%(name)s (revoked)") % {"name": host.name}


def _address(context: WorkspaceContext, name: str) -> str:
    return reverse("compute:cluster", args=[context.workspace.name, name])


def _draw(request: HttpRequest, template: str, form: forms.Form, **more: Any) -> HttpResponse:
    return render(request, template, {"form": form, **more, **responses.rights(request)})
