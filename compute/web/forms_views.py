"""Create, resize and delete a cluster."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compute.services import targets
from compute.web.pages import cluster_of
from core.errors import StudioError
from workspaces.access import Room
from workspaces.web import door

SIZES = (
    ("STANDARD_DS1_V2", gettext_lazy("STANDARD_DS1_V2 – 1 core, 3.5 GB")),
    ("STANDARD_D2_V2", gettext_lazy("STANDARD_D2_V2 – 2 cores, 7 GB")),
    ("STANDARD_DS3_V2", gettext_lazy("STANDARD_DS3_V2 – 4 cores, 14 GB")),
    ("STANDARD_D4_V2", gettext_lazy("STANDARD_D4_V2 – 8 cores, 28 GB")),
    ("STANDARD_NC6", gettext_lazy("STANDARD_NC6 – 6 cores, 56 GB, 1 GPU")),
)


class SizeForm(forms.Form):
    """How many nodes, and how long an idle one stays."""

    min_nodes = forms.IntegerField(
        label=gettext_lazy("At least"), min_value=0, initial=0, help_text=gettext_lazy("nodes kept even when idle")
    )
    max_nodes = forms.IntegerField(
        label=gettext_lazy("At most"), min_value=0, initial=2, help_text=gettext_lazy("nodes; one runs one step")
    )
    idle_seconds = forms.IntegerField(
        label=gettext_lazy("Idle nodes go after"),
        min_value=0,
        initial=1800,
        help_text=gettext_lazy("seconds without a step"),
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("min_nodes", 0) > values.get("max_nodes", 0):
            self.add_error("max_nodes", _("This is less than the nodes that are kept."))
        return values


class ClusterForm(SizeForm):
    """A new cluster."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=24, help_text=gettext_lazy("3 to 24 letters, digits and hyphens; programs use it"),
        widget=forms.TextInput(attrs={"placeholder": "cpu-cluster", "autocomplete": "off"}),
    )  # fmt: skip
    vm_size = forms.CharField(
        label=gettext_lazy("Size of a node"), initial="STANDARD_DS3_V2", widget=forms.Select(choices=SIZES)
    )
    description = forms.CharField(label=gettext_lazy("Description"), required=False)
    field_order = ("name", "vm_size", "min_nodes", "max_nodes", "idle_seconds", "description")


@door.dialog()
def create(request: HttpRequest, room: Room) -> HttpResponse:
    """The form of a new cluster."""
    form = ClusterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = targets.create_target(room, **form.cleaned_data)
            return door.done(
                request, _("The cluster is there. Nodes come with the first step."), _address(room, made.name)
            )
        except StudioError as error:
            form.add_error("name" if error.code in ("bad_name", "exists") else None, error.message)
    return _draw(request, "compute/dialog_create.html", form)


@door.dialog()
def resize(request: HttpRequest, room: Room, name: str) -> HttpResponse:
    """Other numbers of nodes."""
    target = cluster_of(room.workspace, name)
    initial = {"min_nodes": target.min_nodes, "max_nodes": target.max_nodes, "idle_seconds": target.idle_seconds}
    form = SizeForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            targets.update_target(room, name, **form.cleaned_data)
            return door.done(request, _("Resized. Nodes come and go as steps need them."), _address(room, name))
        except StudioError as error:
            form.add_error(None, error.message)
    return _draw(request, "compute/dialog_resize.html", form, target=target)


@door.deed()
def delete(request: HttpRequest, room: Room, name: str) -> HttpResponse:
    targets.delete_target(room, name)
    return door.done(request, _("The cluster is deleted."), reverse("compute:list", args=[room.workspace.name]))


def _address(room: Room, name: str) -> str:
    return reverse("compute:cluster", args=[room.workspace.name, name])


def _draw(request: HttpRequest, template: str, form: forms.Form, **more: Any) -> HttpResponse:
    return render(request, template, {"form": form, **more, **door.rights(request)})
