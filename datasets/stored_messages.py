"""Why what is on the web could not be fetched, as it is kept with a dataset: in English, and told in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from core import sentences
from core.sentences import Kept

SENTENCES: Mapping[str, str] = {
    "not_fetchable": _("'%(url)s' cannot be fetched: %(why)s."),
    "reading_canceled": _("Reading it was canceled. Register it again to have it read."),
    "interrupted": _(
        "The studio tried %(tries)s times to read it and was interrupted each time; its worker's log says why."
    ),
    "other_scheme": _("only http and https are fetched"),
    "answers": _("it answers %(status)s"),
    "redirects": _("it redirects more than %(most)s times"),
    "packed": _("it is packed as %(coding)s, and only gzip is unpacked"),
    "web_too_large": _("it is larger than %(most)s bytes (DUTO_FETCH_MAX_BYTES)"),
    "late": _("it took longer than %(time)s (DUTO_FETCH_SECONDS)"),
    "no_such_host": _("there is no such host"),
    "no_web_server": _("its address is not one of a web server"),
    "private_network": _("it lies in a private network (DUTO_FETCH_PRIVATE allows that)"),
}


def say(code: str, /, **facts: Any) -> dict[str, Any]:
    """A sentence of this app, to be kept."""
    return sentences.made(code, SENTENCES, **facts)


def told(sentence: Kept) -> str:
    """In the reader's language."""
    return sentences.told(sentence, SENTENCES)


def of_error(error: Mapping[str, Any] | None) -> Kept:
    """The sentence of a dataset's error, as it is kept with it; empty without one."""
    return {"text": (error or {}).get("message") or "", **((error or {}).get("said") or {})}
