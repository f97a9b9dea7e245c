"""What the settings page may show, and the forms on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from core.clock import now
from workspaces.access import Room
from workspaces.models import ApiToken, Invitation, Member, Role, Workspace
from workspaces.scopes import Scope
from workspaces.services.invitations import open_ones

ROLES = {
    Role.READER: _("Reader – looks at everything"),
    Role.CONTRIBUTOR: _("Contributor – runs, registers and publishes"),
    Role.OWNER: _("Owner – manages people, too"),
}
LIFETIMES = (("30", _("30 days")), ("90", _("90 days")), ("365", _("A year")), ("", _("No end")))


@dataclass(frozen=True)
class TokenRow:
    """A token as it may be shown: never its text."""

    token: ApiToken
    is_mine: bool
    at: datetime

    @property
    def word(self) -> str:
        if self.token.revoked_at:
            return str(_("revoked"))
        if self.token.expires_at and self.token.expires_at <= self.at:
            return str(_("expired"))
        return ""


@dataclass(frozen=True)
class SettingsPage:
    """What workspaces/settings.html may show."""

    workspace: Workspace
    members: list[Member]
    invitations: list[Invitation]
    tokens: list[TokenRow]
    config: str
    me: object
    scope: Scope


def settings_page(room: Room, config: str) -> SettingsPage:
    """As many queries however many members and tokens there are."""
    workspace = room.workspace
    members = list(Member.objects.filter(workspace=workspace).select_related("user").order_by("id")[:500])
    tokens = ApiToken.objects.filter(
        workspace=workspace, kind=ApiToken.Kind.PERSONAL, revoked_at__isnull=True
    ).select_related("user")
    if not room.may(Role.OWNER):
        tokens = tokens.filter(user=room.user)
    moment = now()
    rows = [
        TokenRow(token, token.user_id == getattr(room.user, "pk", None), moment)
        for token in tokens.order_by("-id")[:200]
    ]
    invited = open_ones(workspace) if room.may(Role.OWNER) else []
    return SettingsPage(workspace, members, invited, rows, config, room.user, room.scope)


def choices_up_to(room: Room) -> list[tuple[str, Any]]:
    return [(role.value, text) for role, text in ROLES.items() if room.may(role)]


class MemberForm(forms.Form):
    """Somebody who shall come in."""

    username = forms.CharField(
        label=_("User name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(label=_("E-mail"), required=False)
    role = forms.ChoiceField(label=_("Role"), choices=[(role.value, text) for role, text in ROLES.items()])


class TokenForm(forms.Form):
    """A key for a program."""

    name = forms.CharField(
        label=_("Name"), max_length=120, help_text=_("What it is for, so that you know it again."),
        widget=forms.TextInput(attrs={"placeholder": _("nightly job"), "autocomplete": "off"}),
    )  # fmt: skip
    role = forms.ChoiceField(label=_("May"))
    days = forms.ChoiceField(label=_("Expires after"), choices=LIFETIMES, required=False, initial="90")

    def __init__(self, room: Room, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        roles = choices_up_to(room)
        self.fields["role"].choices = roles  # type: ignore[attr-defined]
        self.fields["role"].initial = roles[min(1, len(roles) - 1)][0]
