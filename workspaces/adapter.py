"""How django-allauth behaves here: password sign-in, and no door for strangers."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """People come in by an owner's invitation, never by signing up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
