"""What the API says by the status alone, where a request was refused before a view of ours was asked."""

from __future__ import annotations

from typing import Any

from core.busy import WORDS

CODES = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "too_slow",
    412: "changed",
    413: "too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    429: "too_many_requests",
    500: "fault",
    503: "busy",
}
SENTENCES = {
    400: "The request cannot be read.",
    403: "This is not allowed. A session sends its CSRF token; a program sends 'Authorization: Bearer duto_...'.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The request is larger than this studio takes.",
    416: "The file does not reach as far as the range that was asked for.",
    500: "The studio met an error that it did not expect. Its log says what happened.",
    503: WORDS,
}


def document_of(status: int) -> dict[str, Any]:
    """The body of an answer that was refused before any view of ours was asked."""
    text = SENTENCES.get(status, "The request was refused.")
    return {
        "error": {"code": CODES.get(status, "fault" if status >= 500 else "invalid"), "message": str(text), "facts": {}}
    }
