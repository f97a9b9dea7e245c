"""Fields of forms. How each is drawn says `templates/django/forms/field.html`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class Unmarked(BoundField):
    """The `bound_field_class` of fields that are not marked as optional: a list always has a choice, and what an empty limit
    means stands in it."""

    hides_optional = True


class Choice(forms.ChoiceField):
    """One of a list, of which one is always chosen."""

    bound_field_class = Unmarked


class TextArea(forms.CharField):
    """A text of several lines. Browsers send every line break as CR LF; what nobody touched comes back as it was, and
    what was written has LF."""

    widget = forms.Textarea

    def __init__(self, *, rows: int = 3, **more: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": rows}), **more)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if isinstance(text, str):
            text = with_lf(text)
            if isinstance(self.initial, str) and with_lf(self.initial) == text:
                return self.initial
        return text


class CheckList(forms.CheckboxSelectMultiple):
    """Boxes to tick, written in one go: by a template each, as Django does, thousands of them take seconds."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        key = (attrs or {}).get("id", "")
        chosen = set(self.format_value(value))
        boxes = (
            (f"{key}_{place}", name, option, f"{key}_{place}", " checked" if str(option) in chosen else "", label)
            for place, (option, label) in enumerate(self.choices)
        )
        line = '<div><label for="{}"><input type="checkbox" name="{}" value="{}" id="{}"{}> {}</label></div>'
        return format_html('<div id="{}">{}</div>', key, format_html_join("\n", line, boxes))


def with_lf(text: str) -> str:
    """The text with line breaks as programs have them, whatever a browser has made of them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
