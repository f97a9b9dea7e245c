"""Datastores by form: registered, tested, given other credentials, taken out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from core.errors import StudioError
from core.forms import Choice, TextArea
from datasets.kinds import KINDS
from datasets.kinds.base import Field, Kind
from datasets.models import Datastore
from datasets.services import registration
from datasets.services.datastores import open_to_people
from datasets.services.registration import STAGES, Tested
from workspaces.access import WorkspaceContext
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog

WORDS: dict[str, Promise] = {
    "name": gettext_lazy("The host’s name is known"),
    "network": gettext_lazy("The host answers"),
    "sign_in": gettext_lazy("The credentials are taken"),
    "permission": gettext_lazy("They may list and read"),
    "container": gettext_lazy("The place is there"),
    "answer": gettext_lazy("The store answers as it should"),
}


class _Unseen(forms.Textarea):
    """A text of several lines that is not drawn again, as a password is not."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, "", attrs)


class KindForm(forms.Form):
    """Which kind: the rest of the form follows from it."""

    kind = Choice(label=gettext_lazy("Kind"))

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        field: Any = self.fields["kind"]
        field.choices = [(each.name, each.label) for each in registration.registrable()]


class CredentialsForm(forms.Form):
    """The credentials of a kind. What was typed is not shown again, also not where it is refused."""

    check = forms.BooleanField(
        label=gettext_lazy("Test it before it is saved"), required=False, initial=True,
        help_text=gettext_lazy("without a test it is saved whatever it is"),
    )  # fmt: skip

    def __init__(self, kind: Kind, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.kind = kind
        fields = {f"credential_{each.name}": _field(each, is_secret=True) for each in kind.credentials}
        self.fields = {**self.own(), **fields, **self.last(), "check": self.fields["check"]}

    def own(self) -> dict[str, forms.Field]:
        """What comes before the credentials."""
        return {}

    def last(self) -> dict[str, forms.Field]:
        """What comes after them."""
        return {}

    def values(self, part: str, fields: Iterable[Field]) -> dict[str, str]:
        """Of a valid form, as the service takes it."""
        given = {each.name: self.cleaned_data[f"{part}_{each.name}"] for each in fields}
        return {name: "true" if value is True else str(value) for name, value in given.items() if value}

    def refuse(self, error: StudioError) -> None:
        """At the field that it is about, where it says so."""
        name = str(error.facts.get("field", ""))
        found = next((key for key in (f"option_{name}", f"credential_{name}") if key in self.fields), None)
        if error.code in ("exists", "bad_name") and "name" in self.fields:
            found = "name"
        self.add_error(found, error.message)


class StoreForm(CredentialsForm):
    """A new datastore of a kind."""

    def own(self) -> dict[str, forms.Field]:
        name = forms.CharField(
            label=gettext_lazy("Name"), max_length=registration.LONGEST_NAME,
            help_text=gettext_lazy("lower-case letters, digits and underscores"),
        )  # fmt: skip
        options = {f"option_{each.name}": _field(each) for each in self.kind.options}
        return {
            "name": name,
            "description": TextArea(label=gettext_lazy("Description"), required=False, rows=2),
            **options,
        }

    def last(self) -> dict[str, forms.Field]:
        if not self.kind.is_writable:
            return {}
        return {
            "create": forms.BooleanField(
                label=gettext_lazy("Make the container, bucket, share or folder if there is none"), required=False
            )
        }


@dataclass(frozen=True)
class StoreFormPage:
    """What datasets/store_form.html may show. `store`: the one whose credentials are set; None for a new one."""

    store: Datastore | None
    kind: Kind
    kinds: KindForm | None
    form: CredentialsForm


@dataclass(frozen=True)
class Stage:
    """One stage of a test: whether it is passed, failed or not reached."""

    word: str | Promise
    outcome: str


@dataclass(frozen=True)
class TestedPage:
    """What datasets/store_tested.html may show."""

    store: Datastore
    tested: Tested

    @property
    def stages(self) -> list[Stage]:
        passed, failed = self.tested.passed, self.tested.failed
        return [
            Stage(WORDS[each], "passed" if each in passed else "failed" if each == failed else "open")
            for each in STAGES
        ]


@sensitive_post_parameters()
@sensitive_variables("form", "credentials")
@workspace_dialog()
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form of a new datastore, which adapts to its kind."""
    kinds = KindForm(request.GET if "kind" in request.GET else None, initial={"kind": "azure_blob"})
    kind = KINDS[kinds.cleaned_data["kind"] if kinds.is_bound and kinds.is_valid() else "azure_blob"]
    defaults = {f"option_{each.name}": each.default for each in kind.options}
    form = StoreForm(kind, request.POST if request.method == "POST" else None, initial=defaults)
    if request.method == "POST" and form.is_valid():
        name, credentials = form.cleaned_data["name"].strip(), form.values("credential", kind.credentials)
        try:
            registration.register(
                context, name, kind.name, form.values("option", kind.options), credentials,
                form.cleaned_data["description"], create=form.cleaned_data.get("create", False),
                validate=form.cleaned_data["check"],
            )  # fmt: skip
        except StudioError as error:
            form.refuse(error)
        else:
            text = _("The datastore “%(name)s” is registered.") % {"name": name}
            return responses.done(request, text, _page(context, name))
    shown = KindForm(initial={"kind": kind.name})
    return responses.show(request, "datasets/store_form.html", StoreFormPage(None, kind, shown, form), section="data")


@sensitive_post_parameters()
@sensitive_variables("form")
@workspace_dialog()
def credentials(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Other credentials for a datastore: all of them anew."""
    store = open_to_people(context.workspace, name)
    kind = KINDS[store.kind]
    form = CredentialsForm(kind, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            given = form.values("credential", kind.credentials)
            registration.set_credentials(context, name, given, validate=form.cleaned_data["check"])
        except StudioError as error:
            form.refuse(error)
        else:
            text = _("The credentials of “%(name)s” are set.") % {"name": name}
            return responses.done(request, text, _page(context, name))
    return responses.show(request, "datasets/store_form.html", StoreFormPage(store, kind, None, form), section="data")


@workspace_action()
def test(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Reach it now, and show how far that came."""
    store = open_to_people(context.workspace, name)
    page = TestedPage(store, registration.test(context, name))
    return responses.show(request, "datasets/store_tested.html", page, section="data")


@workspace_action()
def unregister(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    registration.unregister(context, name)
    text = _("“%(name)s” is taken out of the workspace. What lies there stays.") % {"name": name}
    return responses.done(request, text, reverse("datasets:stores", args=[context.workspace.name]))


def _field(each: Field, *, is_secret: bool = False) -> forms.Field:
    more: dict[str, Any] = {"label": each.label, "help_text": each.help, "required": each.is_required}
    if each.is_flag:
        return forms.BooleanField(**{**more, "required": False})
    off = {"autocomplete": "new-password" if is_secret else "off", "spellcheck": "false"}
    if each.is_long:
        return forms.CharField(widget=(_Unseen if is_secret else forms.Textarea)(attrs={"rows": 3, **off}), **more)
    return forms.CharField(widget=forms.PasswordInput(attrs=off) if is_secret else forms.TextInput(attrs=off), **more)


def _page(context: WorkspaceContext, name: str) -> str:
    return reverse("datasets:store", args=[context.workspace.name, name])
