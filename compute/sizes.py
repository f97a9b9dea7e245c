"""A size of a machine by the name that a program gives. Pure."""

from __future__ import annotations

import difflib

from django.utils.translation import gettext as _

from core.errors import Invalid
from duto.spec.sizes import CATALOGUE, VmSize


def size_of(name: str) -> VmSize:
    """The size of this name, in any case, with or without `Standard_`. Raises Invalid that lists near names."""
    asked = name.strip().upper()
    for key in (asked, f"STANDARD_{asked}"):
        if key in CATALOGUE:
            return CATALOGUE[key]
    near = difflib.get_close_matches(
        asked.removeprefix("STANDARD_"), [key.removeprefix("STANDARD_") for key in CATALOGUE], 5
    )
    offers = [CATALOGUE[f"STANDARD_{key}"].name for key in near] or [
        "Standard_D2_v2",
        "Standard_DS3_v2",
        "Standard_NC6",
    ]
    text = _("There is no machine size '%(name)s'. Near it: %(names)s.")
    if not asked:
        text = _("A compute target needs a machine size. Near it: %(names)s.")
    raise Invalid(text % {"name": name, "names": ", ".join(offers)}, code="unknown_vm_size", near=offers)
