"""The page of notifications: rules, channels, mutes and the newest deliveries; and the form of a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Invalid, NotFound, StudioError
from monitors import queries as monitors
from notifications import queries
from notifications.models import Channel, Delivery, Mute, Rule
from notifications.services import rules
from notifications.web.forms import AddressForm, MuteForm, PipelineMuteForm, RuleForm, initial_of
from pipelines import queries as pipelines
from pipelines.models import PipelineEndpoint
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page
from workspaces.web.editing import Editing, editing, seen_in

OFFERED, SHOWN = 200, 10


@dataclass(frozen=True)
class RuleRow:
    """One rule of the list."""

    rule: Rule
    about: str
    events: list[str]
    recipients: list[str]
    is_muted: bool


@dataclass(frozen=True)
class NotificationsPage:
    """What notifications/page.html may show."""

    own: list[RuleRow]
    shared: list[RuleRow]
    channels: list[Channel]
    mutes: list[Mute]
    deliveries: list[Delivery]
    address: str
    pending: str
    mute_form: PipelineMuteForm
    topic: str


@dataclass(frozen=True)
class RulePage:
    """What notifications/rule.html may show."""

    rule: Rule | None
    is_own: bool
    form: RuleForm
    error: str
    has_channels: bool
    editing: Editing | None = None


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Rules, channels, mutes, and the newest deliveries."""
    rows = [_row(each) for each in queries.rules_in(context).order_by("id")]
    me = context.user
    assert me is not None
    facts = NotificationsPage(
        own=[row for row in rows if row.rule.owner_id is not None],
        shared=[row for row in rows if row.rule.owner_id is None],
        channels=list(queries.channels_in(context).order_by("name")),
        mutes=list(queries.mutes_in(context).order_by("until")),
        deliveries=list(queries.deliveries_in(context).order_by("-id")[:SHOWN]),
        address=queries.mail_address_of(me),
        pending=queries.pending_address_of(me),
        mute_form=PipelineMuteForm(_pipelines(context)),
        topic=_topic(context),
    )
    return responses.show(
        request, "notifications/page.html", facts, section="settings", parts=("rows",), tab="notifications",
        mutes=MuteForm().fields["hours"],
    )  # fmt: skip


def _row(rule: Rule) -> RuleRow:
    events = [str(Rule.Event(each).label) for each in rule.events if each in Rule.Event.values]
    recipients = [each.name for each in rule.channels.all()]
    if rule.by_email:
        recipients.append(_("e-mail"))
    if rule.by_browser:
        recipients.append(_("browser"))
    is_muted = rule.muted_until is not None and rule.muted_until > now()
    return RuleRow(rule, about(rule), events, recipients, is_muted)


def about(rule: Rule) -> str:
    """What a rule is about, by name."""
    if rule.pipeline is not None:
        return rule.pipeline.title
    if rule.endpoint is not None:
        return _("endpoint “%(name)s”") % {"name": rule.endpoint.name}
    if rule.monitor is not None:
        return _("monitor “%(name)s”") % {"name": rule.monitor.name}
    return str(Rule.Scope(rule.scope).label)


@workspace_dialog(Role.READER)
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form of a new rule: with `own` one's own."""
    is_own = (request.POST.get("own") or request.GET.get("own", "")) == "1"
    context.require(Role.READER if is_own else Role.CONTRIBUTOR).require_open()
    preset = {"about": request.GET.get("about", ""), "events": [Rule.Event.FAILED]}
    subjects = _subjects(context, is_own)
    asked = request.POST.get("about") or preset["about"]
    if asked not in dict(subjects) and (name := _subject_name(context, str(asked))):
        subjects.append((str(asked), name))
    form = RuleForm(subjects, _channels(context), is_own, request.POST or None, initial=preset)
    error = ""
    if request.method == "POST" and form.is_valid():
        try:
            made = rules.create(context, form.asked())
            return responses.done(request, _("The rule “%(name)s” is there.") % {"name": made.name}, _page(context))
        except StudioError as refusal:
            error = refusal.message
    return _form(request, context, None, is_own, form, error)


@workspace_dialog(Role.READER)
def edit(request: HttpRequest, context: WorkspaceContext, rule_id: UUID) -> HttpResponse:
    """The form of a rule that there is."""
    rule = queries.rule(context, rule_id)
    is_own = rule.owner_id is not None
    context.require(Role.READER if is_own else Role.CONTRIBUTOR)
    subjects, channels = _subjects(context, is_own), _channels(context)

    def form_of(found: Rule, data: Any = None) -> RuleForm:
        initial = initial_of(found)
        if initial["about"] not in dict(subjects):  # of a pipeline that is not among the newest
            subjects.append((initial["about"], about(found)))
        return RuleForm(subjects, channels, is_own, data, initial=initial)

    form = form_of(rule, request.POST or None)
    refused: StudioError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            rules.change(context, rule, form.asked(), seen=seen_in(request))
            return responses.done(request, _("Saved."), _page(context))
        except StudioError as refusal:
            refused, rule = refusal, queries.rule(context, rule_id)
    shown = editing(request, rules.state(rule), (form, form_of(rule)), refusal=refused)
    error = refused.message if refused is not None and not shown.over else ""
    return _form(request, context, rule, is_own, form, error, shown)


def _form(
    request: HttpRequest,
    context: WorkspaceContext,
    rule: Rule | None,
    is_own: bool,
    form: RuleForm,
    error: str,
    shown: Editing | None = None,
) -> HttpResponse:
    has_channels = is_own or queries.channels_in(context).exists()
    facts = RulePage(rule, is_own, form, error, has_channels, shown)
    return responses.show(request, "notifications/rule.html", facts, section="settings")


def _subjects(context: WorkspaceContext, is_own: bool) -> list[tuple[str, str]]:
    """What a rule may be about: endpoints, the newest monitors and the newest published pipelines."""
    endpoints = pipelines.endpoints_in(context.workspace, PipelineEndpoint.Status.ACTIVE).order_by("name")[:OFFERED]
    watched = monitors.monitors_in(context.workspace).order_by("-id")[:OFFERED]
    scopes = [Rule.Scope.MINE, Rule.Scope.WORKSPACE] if is_own else [Rule.Scope.WORKSPACE]
    return [
        *((each.value, str(each.label)) for each in scopes),
        *((f"endpoint:{each.pk}", _("endpoint “%(name)s”") % {"name": each.name}) for each in endpoints),
        *((f"monitor:{each.pk}", _("monitor “%(name)s”") % {"name": each.name}) for each in watched),
        *((f"pipeline:{key}", name) for key, name in _pipelines(context)),
    ]


def _subject_name(context: WorkspaceContext, asked: str) -> str:
    """The name of a pipeline, an endpoint or a monitor that is not among the newest; empty for anything else. Raises NotFound."""
    kind, _colon, key = asked.partition(":")
    if kind == "monitor":
        return monitors.monitor(context.workspace, key).name
    if kind == "pipeline":
        return pipelines.one(context.workspace, key).name
    return pipelines.endpoint(context.workspace, key).name if kind == "endpoint" else ""


def _pipelines(context: WorkspaceContext) -> list[tuple[str, str]]:
    published = pipelines.published_in(context.workspace).defer("graph").order_by("-id")[:OFFERED]
    return [(str(each.pk), each.title) for each in published]


def _channels(context: WorkspaceContext) -> list[tuple[str, str]]:
    rows = queries.channels_in(context).order_by("name")
    return [(str(each.pk), f"{each.name} ({each.get_kind_display()})") for each in rows]


@workspace_action(Role.READER)
def mute_rule(request: HttpRequest, context: WorkspaceContext, rule_id: UUID) -> HttpResponse:
    """Mute a rule for a time, or end that."""
    rule = queries.rule(context, rule_id)
    rules.require(context, rule)
    if request.POST.get("end"):
        rules.change(context, rule, {"muted_until": None})
        return responses.done(request, _("“%(name)s” tells again.") % {"name": rule.name}, _page(context))
    rules.change(context, rule, {"muted_until": _until(MuteForm(request.POST))})
    return responses.done(request, _("“%(name)s” is muted.") % {"name": rule.name}, _page(context))


@workspace_action(Role.READER)
def delete(request: HttpRequest, context: WorkspaceContext, rule_id: UUID) -> HttpResponse:
    rule = queries.rule(context, rule_id)
    rules.delete(context, rule)
    return responses.done(request, _("The rule “%(name)s” is deleted.") % {"name": rule.name}, _page(context))


@workspace_action()
def mute(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Mute a pipeline for a time."""
    form = PipelineMuteForm(_pipelines(context), request.POST)
    made = rules.mute_pipeline(context, request.POST.get("pipeline", ""), _until(form))
    text = _("Nothing is told of “%(name)s” for now.") % {"name": made.pipeline.name}
    return responses.done(request, text, _page(context))


@workspace_action()
def unmute(request: HttpRequest, context: WorkspaceContext, mute_id: UUID) -> HttpResponse:
    found = queries.mutes_in(context).filter(pk=mute_id).first()
    if found is None:
        raise NotFound(_("There is no such mute in this workspace."))
    rules.unmute_pipeline(context, found)
    return responses.done(request, _("“%(name)s” is told of again.") % {"name": found.pipeline.name}, _page(context))


@workspace_action(Role.READER)
def address(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Where one's own messages go."""
    form = AddressForm(request.POST)
    if not form.is_valid():
        raise Invalid(_errors_of(form))
    is_asked = rules.set_address(context, form.cleaned_data["address"])
    text = _("Follow the link that was sent there.") if is_asked else _("Saved.")
    return responses.done(request, text, _page(context))


def _until(form: MuteForm) -> Any:
    if not form.is_valid() and "hours" in form.errors:
        raise Invalid(_errors_of(form))
    return form.until()


def _errors_of(form: Any) -> str:
    return " ".join(str(text) for errors in form.errors.values() for text in errors)


def _page(context: WorkspaceContext) -> str:
    return reverse("notifications:page", args=[context.workspace.name])


def _topic(context: WorkspaceContext) -> str:
    return f"list:{context.workspace.name}:notifications"
