"""The pages about workspaces as wholes: all of mine, a new one, its settings and limits, its end."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compute.models import ComputeTarget
from compute.web.clusters import SIZES
from core.errors import Invalid, PreconditionFailed, StudioError
from core.forms import Unmarked
from core.words import size_text
from datasets.models import Datastore
from runs.queries import workspaces as queries
from runs.queries.workspaces import Going, Overview, Use
from runs.services.maintenance.workspace_creation import FirstCluster, Founded, found
from workspaces.access import WorkspaceContext
from workspaces.limits import LARGEST, Limits, of_settings
from workspaces.models import Member, Role, Workspace
from workspaces.services import edits, members, removal, workspaces
from workspaces.web import responses
from workspaces.web.decorators import signed_in_page, workspace_action, workspace_dialog, workspace_page
from workspaces.web.editing import Editing, editing, seen_in
from workspaces.web.people import ROLES

GIB = 1 << 30
AREA = {"rows": 3, "spellcheck": "false"}
LIMITS = {
    "storage_bytes": gettext_lazy("Storage"),
    "running_steps": gettext_lazy("Steps that run at once"),
    "members": gettext_lazy("People, with those who are invited"),
}


class NewForm(forms.Form):
    """A workspace that shall be. Without a name the first cluster is left out."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=32,
        help_text=gettext_lazy("Up to 32 letters, digits, hyphens and underscores. It stays: programs name it."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, widget=forms.Textarea(attrs={**AREA, "spellcheck": "true"})
    )
    people = forms.CharField(
        label=gettext_lazy("Who else"),
        required=False,
        help_text=gettext_lazy("One user name a line. Who shares a workspace with you comes in at once; for the others you get links."),
        widget=forms.Textarea(attrs=AREA),
    )  # fmt: skip
    role = forms.ChoiceField(
        label=gettext_lazy("Their role"),
        choices=[(role.value, text) for role, text in ROLES.items()],
        initial=Role.CONTRIBUTOR.value,
    )
    cluster = forms.CharField(
        label=gettext_lazy("First cluster"),
        required=False,
        max_length=24,
        help_text=gettext_lazy("Steps run on its nodes, and those that name none on this one. Leave it empty to make one later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "cpu-cluster"}),
    )  # fmt: skip
    vm_size = forms.CharField(
        label=gettext_lazy("Size of a node"), initial="STANDARD_DS3_V2", widget=forms.Select(choices=SIZES)
    )
    max_nodes = forms.IntegerField(label=gettext_lazy("Nodes at most"), min_value=1, max_value=100, initial=2)

    def asked(self) -> dict[str, Any]:
        """What the services are asked for."""
        values = self.cleaned_data
        names = dict.fromkeys(each.strip() for each in values["people"].splitlines())
        cluster = FirstCluster(values["cluster"], values["vm_size"], values["max_nodes"]) if values["cluster"] else None
        return {
            "name": values["name"], "description": values["description"],
            "people": [(each, values["role"]) for each in names if each], "cluster": cluster,
        }  # fmt: skip


class AboutForm(forms.Form):
    """What an owner says of the workspace."""

    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, widget=forms.Textarea(attrs={**AREA, "spellcheck": "true"})
    )
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        required=False,
        help_text=gettext_lazy("One a line: name: value"),
        widget=forms.Textarea(attrs=AREA),
    )
    default_datastore = forms.ChoiceField(
        label=gettext_lazy("Default datastore"), help_text=gettext_lazy("Takes outputs that name none.")
    )
    default_compute = forms.ChoiceField(
        label=gettext_lazy("Default cluster"), required=False, help_text=gettext_lazy("Runs steps that name none.")
    )

    def __init__(self, workspace: Workspace, data: QueryDict | None = None) -> None:
        said = {name: getattr(workspace, name) for name in ("description", "default_datastore", "default_compute")}
        tags = "\n".join(f"{name}: {value}" for name, value in workspace.tags.items())
        super().__init__(data, initial={**said, "tags": tags})
        stores = Datastore.objects.filter(workspace=workspace).order_by("name").values_list("name", "name")
        clusters = ComputeTarget.objects.filter(workspace=workspace, max_nodes__gt=0).order_by("name")
        self.fields["default_datastore"].choices = list(stores)  # type: ignore[attr-defined]
        self.fields["default_compute"].choices = [  # type: ignore[attr-defined]
            ("", _("none: each step names one")),
            *clusters.values_list("name", "name"),
        ]

    def asked(self) -> dict[str, Any]:
        """What the service is asked for. Raises Invalid for a line that is no tag."""
        return {**self.cleaned_data, "tags": read_tags(self.cleaned_data["tags"])}


class LimitsForm(forms.Form):
    """An empty field is no limit."""

    bound_field_class = Unmarked

    # Enough decimals for a byte: a form that is sent as it was shown changes nothing.
    storage = forms.DecimalField(
        label=gettext_lazy("Storage, in GiB"), required=False, min_value=0, max_value=(LARGEST + 1) // GIB, decimal_places=10,
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": gettext_lazy("no limit")}),
    )  # fmt: skip
    running_steps = forms.IntegerField(
        label=LIMITS["running_steps"], required=False, min_value=0, max_value=LARGEST,
        widget=forms.NumberInput(attrs={"placeholder": gettext_lazy("no limit")}),
    )  # fmt: skip
    members = forms.IntegerField(
        label=LIMITS["members"], required=False, min_value=1, max_value=LARGEST,
        widget=forms.NumberInput(attrs={"placeholder": gettext_lazy("no limit")}),
    )  # fmt: skip

    @staticmethod
    def of(limits: Limits) -> LimitsForm:
        storage = None if limits.storage_bytes is None else _in_gib(limits.storage_bytes)
        return LimitsForm(initial={**limits.as_document(), "storage": storage})

    def asked(self) -> dict[str, int | None]:
        values = self.cleaned_data
        storage = None if values["storage"] is None else min(LARGEST, round(values["storage"] * GIB))
        return {"storage_bytes": storage, "running_steps": values["running_steps"], "members": values["members"]}


@dataclass(frozen=True)
class ListPage:
    """What workspaces/list.html may show."""

    rows: list[Overview]
    may_make: bool


@dataclass(frozen=True)
class WorkspacePage:
    """What workspaces/workspace.html may show."""

    workspace: Workspace
    role: Role
    about: AboutForm
    limits: LimitsForm
    uses: list[Gauge]
    heirs: list[Member]
    me: object
    can_go: bool
    about_editing: Editing
    limits_editing: Editing


@dataclass(frozen=True)
class Gauge:
    """A limit in words, with what is in use."""

    use: Use
    label: Any
    used: str
    most: str


@signed_in_page("GET", "HEAD")
def index(request: HttpRequest) -> HttpResponse:
    """Every workspace that I belong to."""
    shown = ListPage(queries.mine(request.user), _may_make(request))  # type: ignore[arg-type]
    return responses.show(request, "workspaces/list.html", shown, section="workspaces")


@signed_in_page("GET", "HEAD", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """The form of a new workspace; links of those who are invited are shown once."""
    form = NewForm(request.POST if request.method == "POST" else None)
    made: Founded | None = None
    if request.method == "POST" and form.is_valid():
        try:
            made = found(request.user, **form.asked())  # type: ignore[arg-type]
        except StudioError as error:
            form.add_error(None, error.message)
    if made is not None and not any(link for _name, link in made.invited):
        text = _("“%(name)s” is there.") % {"name": made.context.workspace.name}
        return responses.done(request, text, reverse("home", args=[made.context.workspace.name]))
    if made is not None:
        links = [(name, request.build_absolute_uri(link) if link else "") for name, link in made.invited]
        return responses.show(request, "workspaces/made.html", made, section="workspaces", links=links)
    shown = ListPage([], _may_make(request))
    return responses.show(request, "workspaces/new.html", shown, section="workspaces", form=form)


@workspace_page()
def page(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    return _shown(request, context)


@workspace_action(Role.OWNER)
def save(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Description, tags and defaults."""
    form = AboutForm(context.workspace, request.POST)
    if form.is_valid():
        try:
            workspaces.change(context, seen=seen_in(request), **form.asked())
            return responses.done(request, _("Saved."), _address(context))
        except PreconditionFailed as refusal:
            context.workspace.refresh_from_db()
            return _shown(request, context, about=form, refusal=refusal)
        except StudioError as error:
            form.add_error("tags" if error.code == "bad_tags" else None, error.message)
    return _shown(request, context, about=form)


@workspace_action(Role.OWNER)
def limit(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """What the workspace may take."""
    form = LimitsForm(request.POST)
    if not form.is_valid():
        return _shown(request, context, limits=form)
    try:
        workspaces.set_limits(context, form.asked(), seen=seen_in(request))
    except PreconditionFailed as refusal:
        context.workspace.refresh_from_db()
        return _shown(request, context, limits=form, refusal=refusal)
    return responses.done(request, _("Saved. It holds from now on."), f"{_address(context)}#limits")


@workspace_action(Role.OWNER, archived_too=True)
def archive(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Archive it, or bring it back."""
    is_archived = request.POST.get("archived") == "1"
    workspaces.set_archived(context, is_archived)
    text = _("Archived: it can be read, and nothing in it changes.") if is_archived else _("It is back.")
    return responses.done(request, text, f"{_address(context)}#end")


@workspace_action(Role.OWNER, archived_too=True)
def hand_over(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Make another member the owner in one's own place."""
    if not request.POST.get("member"):
        raise Invalid(_("Choose the member who becomes the owner."))
    member = members.transfer(context, request.POST["member"])
    text = _("%(name)s is the owner now, and you are a contributor.") % {"name": member.user.get_username()}
    return responses.done(request, text, _address(context))


@workspace_action(Role.READER, archived_too=True)
def leave(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Go, with one's tokens and open runs."""
    members.leave(context)
    return responses.done(
        request, _("You have left “%(name)s”.") % {"name": context.workspace.name}, reverse("workspaces")
    )


@workspace_dialog(Role.OWNER, archived_too=True)
def delete(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """What would go, and the field in which its name is typed."""
    refusal = ""
    if request.method == "POST":
        try:
            removal.delete(context, request.POST.get("confirm", "").strip())
            text = _("“%(name)s” is deleted. What it kept is being removed.") % {"name": context.workspace.name}
            return responses.done(request, text, reverse("workspaces"))
        except StudioError as error:
            refusal = error.message
    going: Going = queries.going(context.workspace)
    crumbs = [{"label": _("Workspace"), "url": _address(context)}, {"label": _("Delete")}]
    return responses.show(
        request, "workspaces/delete.html", going, section="settings", refusal=refusal, crumbs=crumbs,
        counted=[(KINDS[name], count) for name, count in going.counts.items() if count],
    )  # fmt: skip


KINDS = {
    "runs": gettext_lazy("Runs"),
    "datasets": gettext_lazy("Datasets"),
    "models": gettext_lazy("Models"),
    "published_pipelines": gettext_lazy("Published pipelines"),
    "environments": gettext_lazy("Environments"),
    "clusters": gettext_lazy("Clusters"),
    "members": gettext_lazy("Members, with their roles"),
    "hosts": gettext_lazy("Hosts, which are detached"),
    "tokens": gettext_lazy("Tokens"),
}


def read_tags(text: str) -> dict[str, str]:
    """Tags as they are typed, one a line. Raises Invalid."""
    pairs = [each.partition(":") for each in text.splitlines() if each.strip()]
    if wrong := [name for name, colon, _value in pairs if not colon]:
        raise Invalid(_("'%(line)s' is no tag: write name: value.") % {"line": wrong[0][:40]}, code="bad_tags")
    return {name.strip(): value.strip() for name, _colon, value in pairs}


def _may_make(request: HttpRequest) -> bool:
    return workspaces.may_make(request.user)  # type: ignore[arg-type]


def _shown(
    request: HttpRequest,
    context: WorkspaceContext,
    *,
    about: AboutForm | None = None,
    limits: LimitsForm | None = None,
    refusal: StudioError | None = None,
) -> HttpResponse:
    workspace = context.workspace
    taken = of_settings(workspace.settings)
    fresh = AboutForm(workspace), LimitsForm.of(taken)
    heirs = Member.objects.filter(workspace=workspace, user__is_active=True).exclude(user=context.user)
    shown = WorkspacePage(
        workspace,
        context.role,
        about or fresh[0],
        limits or fresh[1],
        [_gauge(each) for each in queries.uses(workspace)],
        list(heirs.select_related("user").order_by("user__username")[:500]),
        context.user,
        can_go=queries.can_go(workspace),
        about_editing=_editing(request, workspaces.about(workspace), about, fresh[0], refusal),
        limits_editing=_editing(request, taken.as_document(), limits, fresh[1], refusal),
    )
    return responses.show(request, "workspaces/workspace.html", shown, section="settings", tab="workspace")


def _editing(
    request: HttpRequest,
    state: dict[str, Any],
    sent: forms.Form | None,
    fresh: forms.Form,
    refusal: StudioError | None,
) -> Editing:
    """Of one of the two forms of the page: the one that was not sent is as new."""
    if sent is None:
        return Editing(edits.etag(state))
    return editing(request, state, (sent, fresh), refusal=refusal)


def _in_gib(size: int) -> str:
    """Bytes in GiB, so exactly that the bytes are found again."""
    text = f"{Decimal(size) / GIB:.10f}"
    return text.rstrip("0").rstrip(".")


def _gauge(use: Use) -> Gauge:
    is_size = use.name == "storage_bytes"
    words = [size_text(each) if is_size else str(each) for each in (use.used, use.most or 0)]
    return Gauge(use, LIMITS[use.name], words[0], words[1] if use.most is not None else "")


def _address(context: WorkspaceContext) -> str:
    return reverse("workspace:page", args=[context.workspace.name])
