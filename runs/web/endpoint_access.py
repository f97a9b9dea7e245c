"""The section Access of an endpoint's page: its tokens, the link of its form, and the forms that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.clock import now
from core.forms import Choice
from pipelines.models import PipelineEndpoint
from pipelines.services import endpoint_access
from workspaces.access import WorkspaceContext
from workspaces.models import ApiToken, Role
from workspaces.services.tokens import MAX_RUNS_PER_HOUR
from workspaces.web.people import LIFETIMES

TOKENS_SHOWN = 200


@dataclass(frozen=True)
class EndpointTokenRow:
    """A token as it may be shown: never its text."""

    token: ApiToken
    may_revoke: bool
    at: datetime

    @property
    def word(self) -> str:
        """That it has expired; those that were revoked are not shown."""
        return _("expired") if self.token.ends_before(self.at) else ""

    @property
    def versions(self) -> str:
        scope = self.token.endpoint
        return _("any") if scope is not None and scope.any_version else _("the default")


@dataclass(frozen=True)
class Access:
    """Who starts the endpoint without being a member."""

    tokens: list[EndpointTokenRow]
    token_form: TokenForm
    # The link of its form, where that is on, and the fields that open it.
    link: ApiToken | None
    link_form: LinkForm


class _LimitForm(forms.Form):
    """For how long it lasts, and how often it starts a run."""

    days = Choice(label=gettext_lazy("Expires after"), choices=LIFETIMES, required=False, initial="90")
    runs_per_hour = forms.IntegerField(
        label=gettext_lazy("Runs an hour"), min_value=1, max_value=MAX_RUNS_PER_HOUR,
        initial=endpoint_access.RUNS_PER_HOUR,
        help_text=gettext_lazy("As many as it starts at most within an hour; then it has to wait."),
    )  # fmt: skip

    def asked(self) -> dict[str, Any]:
        """What a form that is filled in asks for, as the service takes it."""
        values = self.cleaned_data
        return {
            "expires_in_days": int(values["days"]) if values["days"] else None,
            "runs_per_hour": values["runs_per_hour"],
        }


class LinkForm(_LimitForm):
    """The link of the form."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        """It stands on one page with the form that makes a token."""
        super().__init__(data, auto_id="id_link_%s")


class TokenForm(_LimitForm):
    """A token for a program of somebody else."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=120, help_text=gettext_lazy("Whom it is for, so that you know it again."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    any_version = forms.BooleanField(
        label=gettext_lazy("It may name a version, not only run the default"), required=False
    )
    field_order = ("name", "days", "runs_per_hour", "any_version")

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        """It stands on one page with the form that runs the endpoint."""
        super().__init__(data, auto_id="id_token_%s")

    def asked(self) -> dict[str, Any]:
        return {**super().asked(), "name": self.cleaned_data["name"], "any_version": self.cleaned_data["any_version"]}


def access_of(
    context: WorkspaceContext,
    endpoint: PipelineEndpoint,
    token_form: TokenForm | None = None,
    link_form: LinkForm | None = None,
) -> Access | None:
    """The section for who may make tokens; None for readers."""
    if not context.may(Role.CONTRIBUTOR):
        return None
    moment, me = now(), context.user
    rows = endpoint_access.tokens_of(endpoint).filter(revoked_at__isnull=True).order_by("-id")[:TOKENS_SHOWN]
    is_owner = context.may(Role.OWNER)
    shown = [EndpointTokenRow(each, is_owner or each.user == me, moment) for each in rows]
    link = endpoint_access.form_of(endpoint)
    return Access(shown, token_form or TokenForm(), link, link_form or LinkForm())
