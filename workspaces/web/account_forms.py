"""allauth's forms without what it writes into their fields: that repeats the labels, in words of its own."""

from __future__ import annotations

from typing import Any

from allauth.account import forms
from django.utils.translation import gettext_lazy


class _Plain:
    """Before one of allauth's forms."""

    fields: dict[str, Any]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class SignIn(_Plain, forms.LoginForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["login"].label = gettext_lazy("User name or e-mail")


class ChangePassword(_Plain, forms.ChangePasswordForm):  # type: ignore[misc]
    """For those who have a password."""


class SetPassword(_Plain, forms.SetPasswordForm):  # type: ignore[misc]
    """For those who came by a link, and have none."""


class Reauthenticate(_Plain, forms.ReauthenticateForm):  # type: ignore[misc]
    """Before what a stolen session must not do."""
