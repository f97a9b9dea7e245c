"""Tags and properties as programs give them."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from duto.exceptions import UserErrorException


def texts(given: Any, what: str = "tags") -> Dict[str, str]:
    """Each value as text, nothing as the empty one. Raises `UserErrorException` for what is no dict."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UserErrorException(f"The {what} are a dict of names and values, not {given!r:.80}.")
    return {str(key): "" if value is None else str(value) for key, value in given.items()}


def without(tags: Mapping[str, str], gone: Any) -> Dict[str, str]:
    """Those that are left without the one, or the several, that `gone` names."""
    names = {gone} if isinstance(gone, str) else set(gone or ())
    return {key: value for key, value in tags.items() if key not in names}
