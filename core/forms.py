"""Fields of forms that give back what they showed."""

from __future__ import annotations

from typing import Any

from django import forms


class TextArea(forms.CharField):
    """A text of several lines. Browsers send every line break as CR LF; what nobody touched comes back as it was, and
    what was written has LF."""

    widget = forms.Textarea

    def __init__(self, *, rows: int = 3, **more: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": rows}), **more)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if isinstance(text, str):
            text = _lines(text)
            if isinstance(self.initial, str) and _lines(self.initial) == text:
                return self.initial
        return text


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
