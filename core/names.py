"""Names that people give, of things that may be called as they like: one line of text, as it is listed."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

from core.errors import Invalid

# Control characters, and what begins a new line or paragraph.
_UNSEEN = ("Cc", "Zl", "Zp")


def one_line(name: str) -> str:
    """The name without blanks at its ends. Raises Invalid (`bad_name`) for one that holds a line break or another control
    character."""
    name = name.strip()
    if any(unicodedata.category(each) in _UNSEEN for each in name):
        text = _("The name %(name)s holds a line break or another control character. Write it on one line.")
        raise Invalid(text % {"name": ascii(name[:80])}, code="bad_name")
    return name
