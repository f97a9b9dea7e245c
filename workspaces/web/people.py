"""What the settings page may show, and the forms on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.clock import now
from core.forms import Choice
from core.paging import page_of
from workspaces.access import WorkspaceContext
from workspaces.limits import of_settings
from workspaces.models import ApiToken, Invitation, Member, Role, Secret, Workspace
from workspaces.queries import members_of
from workspaces.scopes import Scope
from workspaces.services.invitations import MOST_DAYS, MOST_USES, open_ones
from workspaces.services.keyvault import secrets_of

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
class MemberRow:
    """A member as the page of people shows them; their tokens to owners alone."""

    member: Member
    tokens: list[ApiToken]

    @property
    def seen(self) -> datetime | None:
        """By a page or token here, or by a sign-in anywhere before that was noted."""
        return self.member.last_seen_at or self.member.user.last_login


@dataclass(frozen=True)
class PeoplePage:
    """What workspaces/people.html may show."""

    workspace: Workspace
    rows: list[MemberRow]
    next: str | None
    count: int
    most: int | None
    invitations: list[Invitation]
    me: object


@dataclass(frozen=True)
class SettingsPage:
    """What workspaces/settings.html may show."""

    workspace: Workspace
    tokens: list[TokenRow]
    secrets: list[Secret]
    config: str
    me: object
    scope: Scope


def settings_page(context: WorkspaceContext, config: str) -> SettingsPage:
    """As many queries however many tokens there are."""
    workspace = context.workspace
    tokens = ApiToken.objects.filter(
        workspace=workspace, kind=ApiToken.Kind.PERSONAL, revoked_at__isnull=True
    ).select_related("user")
    if not context.may(Role.OWNER):
        tokens = tokens.filter(user=context.user)
    moment = now()
    rows = [
        TokenRow(token, token.user_id == getattr(context.user, "pk", None), moment)
        for token in tokens.order_by("-id")[:200]
    ]
    secrets = list(secrets_of(context).order_by(Lower("name")))
    return SettingsPage(workspace, rows, secrets, config, context.user, context.scope)


def people_page(context: WorkspaceContext, after: str | None) -> PeoplePage:
    """As many queries however many members, tokens and invitations there are."""
    workspace = context.workspace
    found = page_of(members_of(workspace), after=after, limit=100, keys=("id",))
    held: dict[object, list[ApiToken]] = {}
    if context.may(Role.OWNER):
        tokens = ApiToken.objects.filter(
            workspace=workspace, kind=ApiToken.Kind.PERSONAL, revoked_at__isnull=True,
            user__in=[each.user_id for each in found.items],
        )  # fmt: skip
        for token in tokens.order_by("-id")[:2000]:
            held.setdefault(token.user_id, []).append(token)
    return PeoplePage(
        workspace,
        [MemberRow(each, held.get(each.user_id, [])) for each in found.items],
        found.next,
        members_of(workspace).count(),
        of_settings(workspace.settings).members,
        open_ones(workspace) if context.may(Role.OWNER) else [],
        context.user,
    )


def choices_up_to(context: WorkspaceContext) -> list[tuple[str, Any]]:
    return [(role.value, text) for role, text in ROLES.items() if context.may(role)]


class MemberForm(forms.Form):
    """Somebody who shall come in."""

    username = forms.CharField(
        label=_("User name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(label=_("E-mail"), required=False)
    role = forms.ChoiceField(label=_("Role"), choices=[(role.value, text) for role, text in ROLES.items()])
    days = forms.IntegerField(
        label=_("A link lasts for days"), min_value=1, max_value=MOST_DAYS, initial=1, required=False,
        help_text=_("Only needed where you share no other workspace with them."),
    )  # fmt: skip


class LinkForm(forms.Form):
    """A link for whoever holds it."""

    role = forms.ChoiceField(
        label=_("Role"), choices=[(role.value, text) for role, text in ROLES.items() if role != Role.OWNER]
    )
    days = forms.IntegerField(label=_("It lasts for days"), min_value=1, max_value=MOST_DAYS, initial=7)
    uses = forms.IntegerField(label=_("It lets in so many people"), min_value=1, max_value=MOST_USES, initial=1)

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        """It stands on one page with the form of a member, whose fields have the same names."""
        super().__init__(data, auto_id="id_link_%s")


class TokenForm(forms.Form):
    """A key for a program."""

    name = forms.CharField(
        label=_("Name"), max_length=120, help_text=_("What it is for, so that you know it again."),
        widget=forms.TextInput(attrs={"placeholder": _("nightly job"), "autocomplete": "off"}),
    )  # fmt: skip
    role = forms.ChoiceField(label=_("Role"))
    days = Choice(label=_("Expires after"), choices=LIFETIMES, required=False, initial="90")

    def __init__(self, context: WorkspaceContext, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        roles = choices_up_to(context)
        self.fields["role"].choices = roles  # type: ignore[attr-defined]
        self.fields["role"].initial = roles[min(1, len(roles) - 1)][0]


class WriteOnly(forms.Textarea):
    """An area whose text is sent and never shown again, not even with a form that was refused."""

    def format_value(self, value: Any) -> None:
        return None


class SecretForm(forms.Form):
    """A value that programs of the workspace need."""

    name = forms.CharField(
        label=_("Name"), max_length=127, help_text=_("Letters, digits and hyphens; large and small letters are one."),
        widget=forms.TextInput(attrs={"placeholder": "db-password", "autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    value = forms.CharField(
        label=_("Value"), strip=False, help_text=_("It is encrypted, and no page shows it again."),
        widget=WriteOnly(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )  # fmt: skip
    replace = forms.BooleanField(label=_("Replace the value of a secret that has this name"), required=False)

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        """It stands on one page with the form of a token, whose fields have the same names."""
        super().__init__(data, auto_id="id_secret_%s")

    def clean_value(self) -> str:
        """Browsers send each end of a line as two characters."""
        return str(self.cleaned_data["value"]).replace("\r\n", "\n")
