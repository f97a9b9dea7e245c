"""The forms that register a dataset: files that are sent, a path on a datastore, a web address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from core.forms import TextArea
from datasets.definitions import MOST_SECONDS, USUAL_SECONDS
from datasets.models import Dataset

KINDS = (
    (Dataset.Kind.TABULAR, gettext_lazy("Table – rows and columns")),
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
    description = TextArea(label=gettext_lazy("Description"), required=False, rows=2)
    new_version = forms.BooleanField(
        label=gettext_lazy("If the name is taken, make a new version of it"), required=False
    )


class UploadForm(Named):
    """Files that the browser has sent already, under a key; where no script runs they come with the form."""

    staged = forms.CharField(widget=forms.HiddenInput, required=False)


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
        help_text=gettext_lazy("http or https; the studio fetches it when you register, and keeps a copy"),
    )  # fmt: skip


class SqlForm(Named):
    """What a database answers."""

    datastore = forms.ChoiceField(label=gettext_lazy("Database"))
    query = TextArea(
        label=gettext_lazy("Query"), rows=6, help_text=gettext_lazy("one statement that begins with SELECT or WITH")
    )
    seconds = forms.IntegerField(
        label=gettext_lazy("Ends after"), min_value=1, max_value=MOST_SECONDS, initial=USUAL_SECONDS,
        help_text=gettext_lazy("seconds, 120 at most"),
    )  # fmt: skip

    def __init__(self, stores: list[str], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["datastore"].choices = [(name, name) for name in stores]  # type: ignore[attr-defined]
        self.fields["kind"].required = False

    def clean_kind(self) -> str:
        """What a query answers is a table."""
        return str(Dataset.Kind.TABULAR)


class AboutForm(forms.Form):
    """What is only said about a version. Tags are lines of `key` or `key: value`."""

    description = TextArea(label=gettext_lazy("Description"), required=False, rows=4)
    tags = forms.CharField(
        label=gettext_lazy("Tags"), required=False, widget=forms.Textarea(attrs={"rows": 4, "placeholder": "season: 2021"}),
        help_text=gettext_lazy("one a line: a key, or a key and a value as in “season: 2021”"),
    )  # fmt: skip

    def clean_tags(self) -> dict[str, str]:
        """The tags by key; a value may have colons of its own."""
        pairs = (line.partition(":") for line in self.cleaned_data["tags"].splitlines() if line.strip())
        return {key.strip(): value.strip() for key, _, value in pairs}


def lines_of(tags: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a line can say, by key; programs may give others, which a form leaves alone."""
    made = {key: f"{key}: {value}" if value else key for key, value in tags.items() if isinstance(value, str)}
    return {key: line for key, line in made.items() if _is_a_line(key, tags[key], line)}


def _is_a_line(key: str, value: str, line: str) -> bool:
    return ":" not in key and key == key.strip() != "" and value == value.strip() and len(line.splitlines()) == 1
