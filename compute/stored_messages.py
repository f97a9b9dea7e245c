"""What is said of nodes and kept with them: in English, and told in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from django.utils.translation import gettext_noop as _

from core import sentences
from core.sentences import Kept

SENTENCES: Mapping[str, str] = {
    "smaller_node": _("%(size)s asks for %(lacks)s on %(host)s; the step runs with what there is."),
    "lacks_all_gpus": _("%(asked)s GPU (it has none)"),
    "lacks_gpus": _("%(asked)s GPU (it has %(has)s)"),
    "lacks_cores": _("%(asked)s cores (it has %(has)s)"),
    "lacks_memory": _("%(asked)s of memory (it has %(has)s)"),
    "and": _("%(first)s and %(second)s"),
}


def say(code: str, /, **facts: Any) -> dict[str, Any]:
    """A sentence of this app, to be kept."""
    return sentences.made(code, SENTENCES, **facts)


def listed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Several as one: first and second and third."""
    return reduce(lambda first, second: say("and", first=first, second=second), parts)


def localized(sentence: Kept) -> str:
    """In the reader's language."""
    return sentences.localized(sentence, SENTENCES)
