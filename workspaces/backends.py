"""Sign-in by name or mail address, at the same cost for those that exist and those that do not."""

from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.base_user import AbstractBaseUser


class OnceBackend(AuthenticationBackend):  # type: ignore[misc]
    """Looks at a person's password once. A mail address that is known would else take a hash longer than an unknown one."""

    def __init__(self) -> None:
        self._checked: set[object] = set()

    def _check_password(self, user: AbstractBaseUser | None, password: str) -> AbstractBaseUser | None:
        if user is None or user.pk in self._checked:
            return None
        self._checked.add(user.pk)
        found: AbstractBaseUser | None = super()._check_password(user, password)
        return found
