"""How django-allauth behaves here: password sign-in, and no sign-up."""

from __future__ import annotations

import unicodedata
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal.ratelimit import get_ip
from django.http import HttpRequest


class ClosedAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """People come in by an owner's invitation, never by signing up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """What wrong passwords are counted by: name and address together, so that nobody shuts out somebody elsewhere.

        The studio's own name is no part of it: it may have several, and each would give further tries.
        """
        login = str(credentials.get("email") or credentials.get("username") or "")
        return f"{get_ip(request)} {unicodedata.normalize('NFKC', login).casefold()}"
