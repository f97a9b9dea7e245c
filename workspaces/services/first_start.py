"""The first start of a studio: a workspace, its owner, and a credentials file for programs."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from django.db import transaction

from core.errors import Unauthenticated
from duto import credentials
from duto.exceptions import AuthenticationException
from workspaces import hooks
from workspaces.access import FIRST_WORKSPACE, first_owner
from workspaces.models import Member, Role, User, Workspace
from workspaces.services import tokens
from workspaces.services.accounts import holder_of, redeem, set_password, sign_in_link
from workspaces.services.workspaces import create_workspace

__all__ = [
    "ensure_first_owner", "holder_of", "owner_has_password", "redeem", "set_password", "sign_in_link",
    "write_credentials",
]  # fmt: skip
log = logging.getLogger(__name__)


@transaction.atomic
def ensure_first_owner(os_user: str) -> User:
    """The owner of the first workspace; both are made when they are missing. Safe to call at each start."""
    owner = first_owner()
    if owner is not None:
        for workspace in Workspace.objects.filter(deleted_at__isnull=True):
            hooks.workspace_created(workspace)
        return owner
    user = _user_named(os_user)
    first = Workspace.objects.filter(name=FIRST_WORKSPACE).first()
    if first is None:
        create_workspace(user, FIRST_WORKSPACE)
    else:
        Member.objects.update_or_create(workspace=first, user=user, defaults={"role": Role.OWNER})
        hooks.workspace_created(first)
    return user


def owner_has_password() -> bool:
    """True when an owner can sign in by password, so that the studio may be reachable for others."""
    owners = User.objects.filter(is_active=True, memberships__role=Role.OWNER)
    # An unusable password is stored with an exclamation mark before it.
    return owners.exclude(password="").exclude(password__startswith="!").exists()  # noqa: S106 - a marker, no secret


def write_credentials(url: str, user: User) -> Path | None:
    """Give programs of this user a token for this studio, unless the file holds one that still works.

    Other studios' entries stay. Returns None when the file cannot be written: programs then need DUTO_TOKEN.
    """
    path = credentials.credentials_path()
    if _works(_token_in(path, url), user):
        return path
    workspace = Workspace.objects.get(name=FIRST_WORKSPACE)
    minted = tokens.mint(user, workspace, Role.OWNER, "credentials file")
    try:
        return credentials.remember(url, minted.text, workspace.name)
    except (OSError, AuthenticationException) as error:
        minted.token.delete()
        log.warning("%s cannot be written (%s): programs need DUTO_URL and DUTO_TOKEN instead.", path, error)
        return None


def _user_named(os_user: str) -> User:
    name = re.sub(r"[^\w.@+-]", "-", os_user)[:150] or "owner"
    user = User.objects.filter(username=name).first()
    return user or User.objects.create_user(name, password=None)


def _works(text: str, user: User) -> bool:
    try:
        return bool(text) and tokens.verify(text).user_id == user.pk
    except Unauthenticated:
        return False


def _token_in(path: Path, url: str) -> str:
    try:
        return str(json.loads(path.read_text())["studios"][credentials.same_address(url)]["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
