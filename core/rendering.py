"""How answers are written: a row that holds half a character must not end the page that lists it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.template.backends.django import DjangoTemplates, Template
from django.template.exceptions import TemplateDoesNotExist
from django.utils.safestring import SafeString, mark_safe
from rest_framework.renderers import JSONRenderer

from core.text import clean, cleaned
from duto.spec.numbers import encoded


class Renderer(JSONRenderer):
    """JSON; what a database kept although JSON or UTF-8 has no way to say it, is replaced."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except ValueError:  # NaN, or a text that cannot be encoded
            return super().render(encoded(cleaned(data)), accepted_media_type, renderer_context)


class Templates(DjangoTemplates):
    """Django's templates, whose pages hold nothing but characters."""

    def from_string(self, template_code: str) -> CleanTemplate:
        return CleanTemplate(self.engine.from_string(template_code), self)

    def get_template(self, template_name: str) -> CleanTemplate:
        try:
            return CleanTemplate(self.engine.get_template(template_name), self)
        except TemplateDoesNotExist as missing:
            raise TemplateDoesNotExist(str(missing), tried=missing.tried, backend=self) from missing


class CleanTemplate(Template):
    def render(self, context: Any = None, request: HttpRequest | None = None) -> SafeString:
        return mark_safe(clean(super().render(context, request)))  # noqa: S308 - escaped by the template
