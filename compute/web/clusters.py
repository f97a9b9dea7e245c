"""The pages of clusters, and what people do there: create one, resize it, delete it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from compute import hooks
from compute.hooks import ClusterUse
from compute.models import ComputeTarget, Host, Node
from compute.services import status, targets
from compute.services.host_summary import HOLDING, held_by, is_alive
from compute.services.hosts import hosts_of
from compute.web import hosts
from compute.web.gauges import Gauge, gauges
from core.clock import now
from core.errors import NotFound, StudioError
from core.forms import Choice, Unmarked
from core.paging import Page, page_of
from core.prepared import Prepared
from core.words import size_text
from duto.spec import slurm
from duto.spec.sizes import CATALOGUE
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.web import responses
from workspaces.web.decorators import workspace_dialog, workspace_page
from workspaces.web.editing import editing, seen_in

MOST_HOSTS = 100
N = Node.Status
ORDER = (N.RUNNING, N.IDLE, N.PREPARING, N.UNUSABLE, N.LEAVING)
# Each page asks: of each cluster the busy nodes, and the most.
_NODES: Prepared[tuple[int, int]] = Prepared(
    lambda workspace: (
        ComputeTarget.objects.filter(workspace=workspace)
        .annotate(busy_nodes=Count("nodes", filter=Q(nodes__status=N.RUNNING)))
        .values_list("busy_nodes", "max_nodes")
    )
)


@dataclass(frozen=True)
class ClusterRow:
    """A cluster with its nodes by state."""

    target: ComputeTarget
    states: dict[str, int]
    warnings: list[str]
    waiting: int = 0

    @property
    def up(self) -> int:
        return sum(self.states.values())

    @property
    def busy(self) -> int:
        return self.states.get(Node.Status.RUNNING, 0)

    @property
    def words(self) -> list[str]:
        """Nodes by state, those that work first: `2 running`."""
        counts = [
            (self.states[state.value], str(state.label).lower()) for state in ORDER if self.states.get(state.value)
        ]
        return [_("%(n)d %(state)s") % {"n": count, "state": word} for count, word in counts]


@dataclass(frozen=True)
class HostRow(hosts.Described):
    """A machine, and whether its agent still speaks."""

    host: Host
    is_alive: bool
    nodes: int

    @property
    def devices(self) -> list[tuple[int, str, int]]:
        return hosts.devices(self.host)


@dataclass(frozen=True)
class ComputePage:
    """What compute/list.html may show."""

    rows: list[ClusterRow]
    next: str | None
    hosts: list[HostRow]
    topic: str


@dataclass(frozen=True)
class ClusterPage:
    """What compute/cluster.html may show."""

    row: ClusterRow
    nodes: list[Node]
    hosts: list[Host]
    is_on_all: bool
    gauges: list[Gauge]
    notes: list[str]
    topic: str


def compute_page(workspace: Workspace, after: str | None) -> ComputePage:
    """Six queries, however many clusters and hosts."""
    page: Page[ComputeTarget] = page_of(ComputeTarget.objects.filter(workspace=workspace), after=after)
    return ComputePage(_rows(page.items), page.next, _hosts(workspace), f"list:{workspace.name}:compute")


def cluster_page(workspace: Workspace, name: str) -> ClusterPage:
    """Five queries, however many nodes and hosts."""
    target = cluster_of(workspace, name)
    nodes = list(Node.objects.filter(compute_target=target).select_related("host").order_by("name")[:500])
    attached = list(target.hosts.order_by("name"))
    hosts = attached or list(hosts_of(workspace))
    on = [host for host in hosts if host.workspace_id in (None, workspace.pk) and host.revoked_at is None]
    busy = list(Node.objects.filter(host__in=on, status__in=HOLDING))
    moment = now()
    alive = [host for host in on if is_alive(host, moment)]
    notes = [each["text"] for each in status.warnings_of(target, alive)]
    shown = [node for node in nodes if node.status != N.LEAVING or node in busy]
    gauges = _gauges(target, alive, busy)
    return ClusterPage(_row(target, shown), shown, on, not attached, gauges, notes, f"list:{workspace.name}:compute")


def _gauges(target: ComputeTarget, hosts: list[Host], busy: list[Node]) -> list[Gauge]:
    """What running nodes hold of the living hosts of a cluster."""
    keys = {host.pk for host in hosts}
    on = [node for node in busy if node.host_id in keys]
    mine = [node for node in on if node.compute_target_id == target.pk]
    others = [node for node in on if node.compute_target_id != target.pk]
    return gauges(hosts, held_by(mine), held_by(others))


def cluster_of(workspace: Workspace, name: str) -> ComputeTarget:
    """Raises NotFound."""
    target = ComputeTarget.objects.filter(workspace=workspace, name=name).first()
    if target is None:
        raise NotFound(_("There is no cluster “%(name)s” in this workspace.") % {"name": name})
    return target


def nodes_text(workspace: Workspace) -> str | None:
    """Busy nodes of all that may come, in the frame's few letters."""
    rows = _NODES.all(workspace.pk)
    return f"{sum(row[0] for row in rows)} / {sum(row[1] for row in rows)}" if rows else None


def _rows(targets: list[ComputeTarget]) -> list[ClusterRow]:
    nodes = list(Node.objects.filter(compute_target__in=targets).exclude(status=Node.Status.LEAVING))
    waiting = hooks.waiting_counts([target.pk for target in targets]) if targets else {}
    by_target = {target.pk: [node for node in nodes if node.compute_target_id == target.pk] for target in targets}
    return [_row(target, by_target[target.pk], waiting.get(target.pk, 0)) for target in targets]


def _row(target: ComputeTarget, nodes: list[Node], waiting: int = 0) -> ClusterRow:
    warnings = list(dict.fromkeys(node.localized_warning for node in nodes if node.warning))
    return ClusterRow(target, dict(Counter(node.status for node in nodes)), warnings, waiting)


def _hosts(workspace: Workspace) -> list[HostRow]:
    hosts = list(hosts_of(workspace)[:MOST_HOSTS])
    counts = Counter(
        Node.objects.filter(host__in=hosts).exclude(status=Node.Status.LEAVING).values_list("host_id", flat=True)
    )
    moment = now()
    return [HostRow(host, is_alive(host, moment), counts[host.pk]) for host in hosts]


@workspace_page()
def index(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """Clusters with their nodes by state, and the machines below them; `part=count` is the number in the frame."""
    if request.GET.get("part") == "count":
        return HttpResponse(nodes_text(context.workspace) or "")
    page = compute_page(context.workspace, request.GET.get("after"))
    return responses.show(request, "compute/list.html", page, section="compute", parts=("rows",))


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One cluster; what it holds is a fragment of the app above."""
    return responses.show(
        request,
        "compute/cluster.html",
        cluster_page(context.workspace, name),
        section="compute",
        parts=("nodes",),
    )


# Of the sizes that there are, those that a form offers.
OFFERED = ("STANDARD_DS1_V2", "STANDARD_D2_V2", "STANDARD_DS3_V2", "STANDARD_D4_V2", "STANDARD_NC6")


def _size_text(name: str) -> str:
    size = CATALOGUE[name]
    parts = [ngettext("%(n)d core", "%(n)d cores", size.cores) % {"n": size.cores}, size_text(size.memory)]
    if size.gpus:
        parts.append(ngettext("%(n)d GPU", "%(n)d GPUs", size.gpus) % {"n": size.gpus})
    return f"{name} – {', '.join(parts)}"


SIZES = tuple((name, lazy(_size_text, str)(name)) for name in OFFERED)
TERMS = ("launcher", "network", "policy", "hosts", "spark_master", "slurm")


class TermsForm(forms.Form):
    """How many nodes, how long an idle one stays, and on what terms they come."""

    min_nodes = forms.IntegerField(
        label=gettext_lazy("Min nodes"), min_value=0, initial=0, help_text=gettext_lazy("nodes kept even when idle")
    )
    max_nodes = forms.IntegerField(
        label=gettext_lazy("Max nodes"), min_value=0, initial=2, help_text=gettext_lazy("nodes; one runs one step")
    )
    idle_seconds = forms.IntegerField(
        label=gettext_lazy("Scale down after"),
        min_value=0,
        initial=1800,
        help_text=gettext_lazy("seconds without a step"),
    )
    hosts = forms.MultipleChoiceField(
        label=gettext_lazy("Hosts"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("none ticked: all hosts of the workspace"),
    )
    launcher = Choice(
        label=gettext_lazy("Steps run as"),
        required=False,
        choices=[("", gettext_lazy("whatever the host runs")), *Host.Launcher.choices],
    )
    network = Choice(
        label=gettext_lazy("Containers reach"),
        required=False,
        initial=ComputeTarget.Network.OPEN,
        choices=[
            (ComputeTarget.Network.OPEN, gettext_lazy("everything")),
            (ComputeTarget.Network.STUDIO, gettext_lazy("the studio only")),
            (ComputeTarget.Network.NONE, gettext_lazy("nothing")),
        ],
    )
    policy = Choice(
        label=gettext_lazy("A size that no host has"),
        required=False,
        choices=[
            (ComputeTarget.Policy.ELASTIC, gettext_lazy("is shrunk, with a warning")),
            (ComputeTarget.Policy.STRICT, gettext_lazy("waits for such a host")),
        ],
    )
    spark_master = forms.CharField(
        label=gettext_lazy("Master of Spark"),
        required=False,
        max_length=256,
        help_text=gettext_lazy("for Spark steps; empty: all of Spark is on the step's node"),
        widget=forms.TextInput(
            attrs={"placeholder": "spark://host:7077", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    slurm = forms.CharField(
        label=gettext_lazy("Options of Slurm"),
        required=False,
        max_length=512,
        help_text=gettext_lazy("of each job, before those of the host; for owners"),
        widget=forms.TextInput(
            attrs={"placeholder": "partition=gpu qos=long", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    def __init__(self, hosts: Sequence[Host], *given: Any, options: Mapping[str, Any], **named: Any) -> None:
        """`options`: the cluster's container options, of which those of Slurm are one."""
        super().__init__(*given, **named)
        self.options = options
        field = cast("forms.MultipleChoiceField", self.fields["hosts"])
        field.choices = [(host.name, _host_label(host)) for host in hosts]

    def clean_slurm(self) -> str:
        text = str(self.cleaned_data["slurm"]).strip()
        try:
            slurm.options_of(text)
        except slurm.BadOption as error:
            known = {"word": error.word, "names": ", ".join(sorted(slurm.ALLOWED | slurm.FLAGS))}
            raise forms.ValidationError(
                _(
                    "“%(word)s” is no option that may be set here. Say words such as partition=gpu qos=long exclusive, of:"
                    " %(names)s."
                )
                % known
            ) from error
        return text

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("min_nodes", 0) > values.get("max_nodes", 0):
            self.add_error("max_nodes", _("This is less than the nodes that are kept."))
        # A form that does not show a term does not change it.
        shown = {name: value for name, value in values.items() if name in self.data or name not in TERMS}
        text = shown.pop("slurm", None)
        if text is not None and shown.get("launcher") == Host.Launcher.SLURM:  # else the field is not seen
            others = {name: value for name, value in self.options.items() if name != "slurm"}
            shown["container_options"] = {**others, "slurm": text} if text else others
        return {**shown, "hosts": values.get("hosts", [])} if "terms" in self.data else shown


class ClusterForm(TermsForm):
    """A new cluster."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=24, help_text=gettext_lazy("3 to 24 letters, digits and hyphens; programs use it"),
        widget=forms.TextInput(attrs={"placeholder": "cpu-cluster", "autocomplete": "off"}),
    )  # fmt: skip
    vm_size = forms.CharField(
        label=gettext_lazy("Size of a node"), initial="STANDARD_DS3_V2", widget=forms.Select(choices=SIZES)
    )
    description = forms.CharField(label=gettext_lazy("Description"), required=False)


# Whose error a refusal is.
FIELDS = {"bad_name": "name", "exists": "name", "bad_spark_master": "spark_master", "bad_option": "slurm"}


@workspace_dialog()
def create(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form of a new cluster."""
    form = ClusterForm(list(hosts_of(context.workspace)), request.POST or None, options={})
    _only_for_owners(context, form)
    if request.method == "POST" and form.is_valid():
        try:
            made = targets.create_target(context, **form.cleaned_data)
            return responses.done(
                request, _("The cluster is there. Nodes come with the first step."), _address(context, made.name)
            )
        except StudioError as error:
            form.add_error(FIELDS.get(error.code), error.message)
    return _draw(request, "compute/dialog_create.html", form)


@workspace_dialog()
def resize(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Other numbers of nodes, other hosts, other terms."""
    target = cluster_of(context.workspace, name)
    form = _terms_of(context, target, request.POST or None)
    refused: StudioError | None = None
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        if set(values.get("hosts", [])) == set(form.initial["hosts"]):
            values.pop("hosts", None)
        try:
            targets.update_target(context, name, seen=seen_in(request), **values)
            return responses.done(request, _("Changed. Nodes come and go as steps need them."), _address(context, name))
        except StudioError as error:
            refused, target = error, cluster_of(context.workspace, name)
    shown = editing(request, targets.state(target), (form, _terms_of(context, target)), refusal=refused)
    if refused is not None and not shown.over:
        form.add_error(FIELDS.get(refused.code), refused.message)
    busy = target.nodes.filter(status=Node.Status.RUNNING).count()
    return _draw(request, "compute/dialog_resize.html", form, target=target, busy=busy, editing=shown)


def _terms_of(context: WorkspaceContext, target: ComputeTarget, data: Any = None) -> TermsForm:
    names = ("min_nodes", "max_nodes", "idle_seconds", "launcher", "network", "policy", "spark_master")
    initial = {each: getattr(target, each) for each in names}
    attached = list(target.hosts.order_by("name"))
    initial["hosts"] = [host.name for host in attached]
    # A host that was revoked since is shown as long as it is named: without any, the cluster would be on all hosts.
    offered = {host.pk: host for host in [*hosts_of(context.workspace), *attached]}
    initial["slurm"] = target.container_options.get("slurm", "")
    form = TermsForm([*offered.values()], data, initial=initial, options=target.container_options)
    _only_for_owners(context, form)
    return form


def _only_for_owners(context: WorkspaceContext, form: TermsForm) -> None:
    if not context.may(Role.OWNER):
        del form.fields["slurm"]


class DeleteForm(forms.Form):
    """The name again, where steps would be canceled."""

    bound_field_class = Unmarked

    confirm = forms.CharField(required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, target: ComputeTarget, use: ClusterUse, *given: Any) -> None:
        super().__init__(*given)
        self.target, self.use = target, use
        self.fields["confirm"].label = _("Type %(name)s to cancel them and delete the cluster") % {"name": target.name}

    def clean_confirm(self) -> str:
        typed = str(self.cleaned_data.get("confirm") or "").strip()
        if self.use and typed != self.target.name:
            raise forms.ValidationError(_("Type the name of the cluster, %(name)s.") % {"name": self.target.name})
        return typed


@workspace_dialog()
def delete(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """Asks for the name where steps run on the cluster or wait for it, and says how many."""
    target = cluster_of(context.workspace, name)
    use = targets.use_of(target)
    form = DeleteForm(target, use, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            # Steps that have come since the number was shown were not confirmed by anybody.
            gone = targets.delete_target(context, name, force=bool(use))
            text = _("The cluster is deleted.") if gone else _("It is being deleted: its steps are canceled first.")
            to = reverse("compute:list", args=[context.workspace.name]) if gone else _address(context, name)
            return responses.done(request, text, to)
        except StudioError as error:
            form.add_error(None, error.message)
    return _draw(request, "compute/dialog_delete.html", form, target=target, use=use)


def _host_label(host: Host) -> str:
    return host.name if host.revoked_at is None else _("%(name)s (revoked)") % {"name": host.name}


def _address(context: WorkspaceContext, name: str) -> str:
    return reverse("compute:cluster", args=[context.workspace.name, name])


def _draw(request: HttpRequest, template: str, form: forms.Form, **more: Any) -> HttpResponse:
    return render(request, template, {"form": form, **more, **responses.rights(request)})
