"""The typed form of a pipeline's parameters, made from its graph document."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.forms import TextArea

PREFIX = "p_"


class ParameterForm(forms.Form):
    """One field for each declared parameter; `values` gives the typed values of those that were filled in."""

    def __init__(self, graph: dict[str, Any], current: dict[str, Any] | None, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.declared = {each["name"]: each for each in graph.get("parameters", [])}
        for name, each in self.declared.items():
            value = (current or {}).get(name, each.get("default"))
            self.fields[PREFIX + name] = field_of(name, each.get("type", "string"), value)

    @property
    def typed(self) -> list[forms.BoundField]:
        return [self[PREFIX + name] for name in self.declared]

    def values(self) -> dict[str, Any]:
        """A field left empty means the default: it is not sent."""
        found: dict[str, Any] = {}
        for name, each in self.declared.items():
            value = self.cleaned_data.get(PREFIX + name)
            if each.get("type") == "string" or value not in (None, ""):
                found[name] = value
        return found


def field_of(name: str, kind: str, value: Any) -> forms.Field:
    # A number that has a default keeps one; a text may be empty.
    common: dict[str, Any] = {
        "label": name,
        "required": kind in ("int", "float", "bool") and value is not None,
        "initial": value,
    }
    if kind == "int":
        return forms.IntegerField(
            help_text=_("whole number"), error_messages={"invalid": _("This is a whole number, such as 20.")}, **common
        )
    if kind == "float":
        return forms.FloatField(
            help_text=_("number"),
            widget=forms.NumberInput(attrs={"step": "any"}),
            error_messages={"invalid": _("This is a number, such as 0.1.")},
            **common,
        )
    if kind == "bool":
        # A box that is not ticked sends nothing, so false could not be told from left out: a choice can.
        choices = [("true", _("true")), ("false", _("false"))]
        return forms.TypedChoiceField(
            choices=choices,
            coerce=lambda text: text == "true",
            empty_value=None,
            **{**common, "initial": str(bool(value)).lower()},
        )
    if kind == "dataset":
        return forms.CharField(help_text=_("id of a dataset version"), **common)
    if kind == "data_path":
        # By name: a database may keep the two in another order.
        shown = f"{value.get('datastore', '')}/{value.get('path', '')}" if isinstance(value, dict) else value
        return forms.CharField(help_text=_("datastore/path"), **{**common, "initial": shown})
    # One line alone would lose its breaks in the browser.
    is_long = isinstance(value, str) and ("\n" in value or "\r" in value or len(value) > 80)
    return (TextArea if is_long else forms.CharField)(help_text=_("text"), strip=False, **common)
