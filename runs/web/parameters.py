"""The typed form of a pipeline's parameters, made from its graph document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms

from duto.spec.declarations import of_document
from runs.web.parameter_fields import Offers, ParameterField
from workspaces.models import Workspace

PREFIX = "p_"


class ParameterForm(forms.Form):
    """One field for each declared parameter; `values` gives the typed values of those that were filled in.

    `current`: the values that are shown where they are others than the defaults. With a `workspace` its datasets and
    datastores are offered; without one their names stay inside, and ids and paths are typed.
    """

    def __init__(
        self,
        graph: dict[str, Any],
        current: dict[str, Any] | None,
        *args: Any,
        workspace: Workspace | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.declared = {each["name"]: each for each in graph.get("parameters", [])}
        self.offers = Offers(workspace)
        for name, each in self.declared.items():
            value = (current or {}).get(name, each.get("default"))
            self.fields[PREFIX + name] = self.field_of(each, value)

    def field_of(self, declared: dict[str, Any], value: Any) -> ParameterField:
        """The field of one parameter, with a value."""
        return ParameterField(of_document(declared), value, self.offers)

    @property
    def typed(self) -> list[forms.BoundField]:
        return [self[PREFIX + name] for name in self.declared]

    def values(self) -> dict[str, Any]:
        """A field left empty means the default: it is not sent. A text and a list may be empty."""
        found = {name: self.cleaned_data.get(PREFIX + name) for name in self.declared}
        return {name: value for name, value in found.items() if value is not None}


def errors_of(form: forms.Form) -> list[str]:
    """What is wrong with a form, where its fields are not drawn: each with its field, unless it names that itself."""
    found = []
    for name, errors in form.errors.items():
        label = str(form[name].label) if name in form.fields else name
        found += [str(each) if f"'{label}'" in str(each) else f"{label}: {each}" for each in errors]
    return found


def declared_as(declared: Mapping[str, Any] | None) -> str:
    """A declaration in a line: type and default, and what else is said; empty for none."""
    if declared is None:
        return ""
    more = {key: value for key, value in declared.items() if key not in ("name", "type", "default")}
    said = [f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in more.items()]
    return ", ".join([f"{declared['type']} {json.dumps(declared.get('default'), ensure_ascii=False)}", *said])
