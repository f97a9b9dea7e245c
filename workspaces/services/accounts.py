"""One-time sign-in links and passwords."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Invalid, NotFound
from workspaces.models import SignInLink, User
from workspaces.services import audit
from workspaces.services.tokens import digest_of

LINK_LIFETIME = timedelta(hours=24)


@transaction.atomic
def sign_in_link(user: User) -> str:
    """The path of a fresh one-time link; the earlier unused ones of this user end with it."""
    SignInLink.objects.filter(user=user, used_at__isnull=True).delete()
    secret = secrets.token_urlsafe(32)
    SignInLink.objects.create(user=user, digest=digest_of(secret), expires_at=now() + LINK_LIFETIME)
    return f"/start/{secret}/"


def holder_of(secret: str) -> User:
    """Whose link this is, without using it up: a page may be fetched by a previewer. Raises NotFound."""
    return _live(secret).user


@transaction.atomic
def redeem(secret: str) -> User:
    """Use the link up: of two who come at once one gets in. Raises NotFound when it is used or expired."""
    link = _live(secret)
    if not SignInLink.objects.filter(pk=link.pk, used_at__isnull=True).update(used_at=now()):
        raise _spent()
    audit.write(link.user.get_username(), "account.link_used", link.user.get_username())
    return link.user


@transaction.atomic
def set_password(user: User, password: str) -> None:
    """Give the account a password. Raises Invalid with everything that is wrong with it."""
    validated(user, password)
    user.set_password(password)
    user.save(update_fields=["password"])
    SignInLink.objects.filter(user=user, used_at__isnull=True).delete()
    audit.write(user.get_username(), "account.password_set", user.get_username())


def check_name(username: str) -> None:
    """Raises Invalid for what cannot name an account."""
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError as error:
        raise Invalid(
            _("%(username)r cannot name an account: %(why)s") % {"username": username, "why": " ".join(error.messages)},
            code="bad_name",
        ) from error
    if not username or len(username) > 150:
        raise Invalid(_("A user name has 1 to 150 characters."), code="bad_name")


def validated(user: User, password: str) -> None:
    """Raises Invalid with everything that is wrong with this password for this person."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), code="weak_password") from error


def _live(secret: str) -> SignInLink:
    link = SignInLink.objects.select_related("user").filter(digest=digest_of(secret), used_at__isnull=True).first()
    if link is None or link.expires_at <= now() or not link.user.is_active:
        raise _spent()
    return link


def _spent() -> NotFound:
    return NotFound(
        _(
            "This link was used already, was withdrawn or has expired. Ask who gave it to you for a fresh one; on the studio's machine 'python3 manage.py signin-link' prints one."
        ),
        code="link_spent",
    )
