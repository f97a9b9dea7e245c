"""What a form of a thing that there is shows where another has changed that since: both values, and a button that saves over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.http import HttpRequest
from django.utils.translation import gettext as _

from core.errors import PreconditionFailed, StudioError
from workspaces.services import edits

# The fields of a form that carry the entity tag of what it was opened with, and of what its sender has agreed to save over.
FIELD, OVER = "seen", "over"
LONGEST = 300


@dataclass(frozen=True)
class Difference:
    """One field that another value was saved for than the form has."""

    label: str
    now: str
    yours: str


@dataclass(frozen=True)
class Editing:
    """What components/editing.html may show. `over`: the entity tag of what was saved meanwhile, where something was."""

    etag: str
    text: str = ""
    over: str = ""
    differences: tuple[Difference, ...] = ()


def seen_in(request: HttpRequest) -> edits.Seen:
    """In which state the sender of a form has seen the thing."""
    tag = request.POST.get(OVER) or request.POST.get(FIELD)
    return frozenset([tag]) if tag else None


def editing(
    request: HttpRequest,
    state: Mapping[str, Any],
    *forms_: tuple[forms.BaseForm, forms.BaseForm],
    refusal: StudioError | None = None,
) -> Editing:
    """Of a form that is shown. `forms_`: each as it was sent, with a new one of what is saved."""
    opened = request.POST.get(FIELD) or request.GET.get(FIELD) or edits.etag(state)
    if not isinstance(refusal, PreconditionFailed):
        return Editing(opened)
    found = [each for sent, fresh in forms_ for each in _differences(sent, fresh)]
    return Editing(opened, refusal.message, refusal.facts["etag"], tuple(found))


def _differences(sent: forms.BaseForm, fresh: forms.BaseForm) -> list[Difference]:
    found = []
    for field in sent:
        if field.is_hidden or field.name not in fresh.fields or isinstance(field.field.widget, forms.PasswordInput):
            continue
        now, yours = _said(fresh[field.name]), _said(field)
        if now != yours:
            found.append(Difference(str(field.label), now[:LONGEST], yours[:LONGEST]))
    return found


def _said(field: BoundField) -> str:
    """The value of a field as a person reads it."""
    value = field.value()
    if isinstance(field.field, forms.BooleanField):
        return _("yes") if field.field.widget.check_test(value) else _("no")
    many = value if isinstance(value, list | tuple) else [] if value is None else [value]
    words = dict(_flat(getattr(field.field, "choices", ())))
    if not many and words and type(field.field.widget) is forms.Select and "" not in words:
        many = [next(iter(words))]  # as a browser has it
    return ", ".join(sorted(words.get(str(each), _plain(field, each)) for each in many if str(each) != "")) or "–"


def _plain(field: BoundField, value: Any) -> str:
    return str(
        field.field.widget.format_value(value) if hasattr(field.field.widget, "format_value") else value
    ).replace("\r\n", "\n")


def _flat(choices: Any) -> list[tuple[str, str]]:
    """The choices, those in groups as well."""
    found: list[tuple[str, str]] = []
    for value, label in choices:
        found += _flat(label) if isinstance(label, list | tuple) else [(str(value), str(label))]
    return found
