"""The three forms that register a dataset: a file that is sent, a path on a datastore, a web address."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from core.forms import TextArea
from datasets.models import Dataset

SEPARATORS = (
    (",", gettext_lazy("comma")),
    (";", gettext_lazy("semicolon")),
    ("\t", gettext_lazy("tab")),
    ("|", gettext_lazy("bar")),
    (" ", gettext_lazy("space")),
)
KINDS = (
    (Dataset.Kind.TABULAR, gettext_lazy("Table – rows and columns of delimited text")),
    (Dataset.Kind.FILE, gettext_lazy("Files – as they are")),
)


class Named(forms.Form):
    """What every dataset has."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=255,
        widget=forms.TextInput(attrs={"placeholder": "penguins-raw", "autocomplete": "off"}),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=KINDS)
    separator = forms.ChoiceField(label=gettext_lazy("Columns are separated by"), choices=SEPARATORS, required=False)
    description = TextArea(label=gettext_lazy("Description"), required=False, rows=2)
    new_version = forms.BooleanField(
        label=gettext_lazy("If the name is taken, make a new version of it"), required=False
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.order_fields([name for name in self.fields if name not in Named.base_fields] + list(Named.base_fields))

    @property
    def format(self) -> dict[str, Any]:
        if self.cleaned_data["kind"] != Dataset.Kind.TABULAR:
            return {}
        return {"type": "delimited", "separator": self.cleaned_data.get("separator") or ",", "header": True}


class UploadForm(Named):
    """Bytes that the browser sends."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        error_messages={
            "required": gettext_lazy("Choose a file, or drag one here."),
            "empty": gettext_lazy("This file is empty."),
        },
    )


class PathForm(Named):
    """What lies on a datastore already."""

    datastore = forms.ChoiceField(label=gettext_lazy("Datastore"))
    path = forms.CharField(
        label=gettext_lazy("Path"), help_text=gettext_lazy("a file, a folder, or a pattern such as raw/*.csv")
    )

    def __init__(self, stores: list[str], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["datastore"].choices = [(name, name) for name in stores]  # type: ignore[attr-defined]


class WebForm(Named):
    """What the studio fetches."""

    url = forms.URLField(
        label=gettext_lazy("Web address"), assume_scheme="https", widget=forms.URLInput(attrs={"placeholder": "https://…"}),
        help_text=gettext_lazy("http or https; the studio fetches it now and keeps a copy"),
    )  # fmt: skip
