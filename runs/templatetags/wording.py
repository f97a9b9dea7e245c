"""Words of the studio's own sentences as pages show them."""

from __future__ import annotations

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from runs import stored_messages

register = template.Library()
register.filter("localized", stored_messages.warning)
TICKED = re.compile(r"`([^`\n]{1,200})`")


@register.filter
def ticks(text: object) -> SafeString:
    """`name` in a sentence becomes code; everything else stays text."""
    return mark_safe(TICKED.sub(r"<code>\1</code>", str(escape(str(text)))))  # noqa: S308 - escaped before
