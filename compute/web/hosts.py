"""The page of a host, and what people do there: add one, drain it, detach it.

What its agent told is read with care: it is another machine's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from compute.models import Host, Node
from compute.samples import WINDOWS
from compute.services import enrolments, host_maintenance
from compute.services.host_summary import HOLDING, Card, card_of, devices_of, disk_of, known_host, part_of
from compute.web.gauges import Gauge, gauges
from compute.web.slurm_nodes import SlurmTables, tables_of
from core.addresses import studio_address
from core.errors import StudioError
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.web import responses
from workspaces.web.decorators import workspace_action, workspace_dialog, workspace_page


class Described:
    """A row or a page that tells how its host runs steps."""

    host: Host

    @property
    def launcher(self) -> str:
        return launcher_words(self.host)

    @property
    def launcher_details(self) -> str:
        return launcher_details(self.host)

    @property
    def launcher_warning(self) -> str:
        return launcher_warning(self.host)


def devices(host: Host) -> list[tuple[int, str, int]]:
    """Its GPUs by model: how many, the model, bytes of memory of one (0: not told)."""
    kinds = Counter((str(each.get("name") or "GPU"), whole(each.get("memory"))) for each in devices_of(host))
    return [(count, name, memory) for (name, memory), count in kinds.items()]


def launcher_words(host: Host) -> str:
    """How it runs steps: containers of an engine, or isolated or plain processes."""
    if host.launcher == Host.Launcher.DOCKER:
        version = part_of(host, "engine").get("version")
        return _("containers, engine %(version)s") % {"version": version} if version else _("containers")
    if host.launcher == Host.Launcher.SLURM:
        return _("jobs of Slurm")
    return _("isolated processes") if part_of(host, "isolation").get("bwrap") else _("processes")


def launcher_details(host: Host) -> str:
    """The engine's runtimes, or what limits processes; empty if nothing was told."""
    if host.launcher == Host.Launcher.DOCKER:
        runtimes = part_of(host, "engine").get("runtimes")
        names = ", ".join(map(str, runtimes)) if isinstance(runtimes, list) else ""
        return _("runtimes: %(names)s") % {"names": names} if names else ""
    if host.launcher == Host.Launcher.SLURM:
        return ""
    isolation = part_of(host, "isolation")
    if not isolation:
        return ""
    if not (version := isolation.get("cgroup")):
        return _("no control groups: memory is watched")
    return _("control groups %(version)s") % {"version": version}


def launcher_warning(host: Host) -> str:
    """What whoever enrolled it should not overlook; empty if there is nothing."""
    isolation = part_of(host, "isolation")
    if host.launcher == Host.Launcher.DOCKER or isolation.get("bwrap") or not isolation.get("root"):
        return ""
    return _(
        "Steps run as root on this host: its agent is root, and there is no bubblewrap. Install bubblewrap, or start the"
        " agent as a user of its own."
    )


def number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(value: object) -> int:
    """A size that was told, 0 if it is none."""
    return max(0, int(number(value) or 0))


@dataclass(frozen=True)
class DeviceRow:
    """A GPU with its last reading, and the node that has it: empty if none has, or one of another workspace."""

    index: Any
    uuid: str
    name: str
    memory: int
    use: float | None
    memory_used: float | None
    temperature: float | None
    node: Node | None

    @property
    def percent(self) -> int | None:
        return None if self.use is None else round(100 * self.use)


@dataclass(frozen=True)
class Store:
    """What the agent keeps of one kind: how many, and how large."""

    name: str
    count: int
    size: int


@dataclass(frozen=True)
class HostPage(Described):
    """What compute/host.html may show."""

    host: Host
    card: Card
    window: str
    windows: list[tuple[str, str]]
    gauges: list[Gauge]
    devices: list[DeviceRow]
    stores: list[Store]
    slurm: SlurmTables | None
    topic: str

    @property
    def engine(self) -> dict[str, Any]:
        return part_of(self.host, "engine")

    @property
    def sample(self) -> dict[str, Any]:
        return part_of(self.host, "sample")

    @property
    def disk_total(self) -> int:
        return disk_of(self.host)

    @property
    def disk_used(self) -> int:
        return max(0, self.disk_total - self.host.disk_free)


def host_page(workspace: Workspace, name: str, window: str) -> HostPage:
    """The same queries with one node and with many. Raises NotFound."""
    host = known_host(workspace, name)
    card, slurm = card_of(workspace, host), tables_of(host)
    return HostPage(
        host=host,
        card=card,
        window=window if window in WINDOWS else "hour",
        windows=[("hour", _("Hour")), ("day", _("Day"))],
        gauges=slurm.gauges if slurm is not None else gauges([host], card.mine, card.others),
        devices=_devices(host, card.nodes),
        stores=_stores(host),
        slurm=slurm,
        topic=f"list:{workspace.name}:compute",
    )


def _devices(host: Host, nodes: list[Node]) -> list[DeviceRow]:
    reported = part_of(host, "sample").get("gpus")
    readings = {str(each.get("uuid")): each for each in reported or () if isinstance(each, dict)}
    holders = {uuid: node for node in nodes if node.status in HOLDING for uuid in node.gpus}
    return [_device(each, place, readings, holders) for place, each in enumerate(devices_of(host))]


def _device(reported: dict[str, Any], place: int, readings: dict[str, Any], holders: dict[str, Node]) -> DeviceRow:
    uuid = str(reported.get("uuid", ""))
    reading = readings.get(uuid, {})
    return DeviceRow(
        index=reported.get("index", place),
        uuid=uuid,
        name=str(reported.get("name") or "GPU"),
        memory=whole(reported.get("memory")),
        use=number(reading.get("utilization")),
        memory_used=number(reading.get("memory")),
        temperature=number(reading.get("temperature")),
        node=holders.get(uuid),
    )


def _stores(host: Host) -> list[Store]:
    reported = part_of(host, "storage")
    names = {"attempts": _("folders of attempts"), "environments": _("environments"), "images": _("images")}
    found = {key: [each for each in reported.get(key) or () if isinstance(each, dict)] for key in names}
    return [
        Store(names[key], len(rows), sum(whole(each.get("bytes")) for each in rows))
        for key, rows in found.items()
        if rows
    ]


ENDS = ((1, gettext_lazy("an hour")), (24, gettext_lazy("a day")), (168, gettext_lazy("a week")))
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class HostForm(forms.Form):
    """A new host."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=63, required=False,
        help_text=gettext_lazy("small letters, digits and hyphens; without one the machine's own name"),
        widget=forms.TextInput(attrs={"placeholder": "gpu-box", "autocomplete": "off"}),
    )  # fmt: skip
    hours = forms.TypedChoiceField(label=gettext_lazy("The command works for"), choices=ENDS, coerce=int, initial=1)


@sensitive_variables("minted", "command")
@workspace_dialog(Role.OWNER)
def add(request: HttpRequest, context: WorkspaceContext) -> HttpResponse:
    """The form, and then the command, this once."""
    # The page holds the form of a new cluster, too, and each field has its own id.
    form = HostForm(request.POST or None, auto_id="id_host_%s")
    if request.method == "POST" and form.is_valid():
        try:
            minted = enrolments.create(context, form.cleaned_data["name"], form.cleaned_data["hours"])
        except StudioError as error:
            form.add_error("name", error.message)
        else:
            return _show(request, minted.text)
    return render(request, "compute/dialog_host.html", {"form": form, **responses.rights(request)})


def _show(request: HttpRequest, token: str) -> HttpResponse:
    studio = studio_address(request)
    command = enrolments.command_of(studio, token)
    is_loopback = urlsplit(studio).hostname in LOOPBACK
    given = {"command": command, "is_loopback": is_loopback, **responses.rights(request)}
    answer = render(request, "compute/dialog_host.html", given)
    answer["Cache-Control"] = "no-store"
    return answer


@workspace_action()
def drain(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    host_maintenance.drain(context, name)
    return _done(request, context, _("Drained: it gets no new steps, and those that run there finish."))


@workspace_action()
def undrain(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    host_maintenance.undrain(context, name)
    return _done(request, context, _("The host takes steps again."))


@workspace_action(Role.OWNER)
def detach(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    host_maintenance.revoke(context, name)
    return _done(request, context, _("The host is detached; what it ran is tried again elsewhere."))


def _done(request: HttpRequest, context: WorkspaceContext, text: str) -> HttpResponse:
    return responses.done(
        request, text, responses.back(request, reverse("compute:list", args=[context.workspace.name]))
    )


@workspace_page()
def detail(request: HttpRequest, context: WorkspaceContext, name: str) -> HttpResponse:
    """One machine; the steps on it are a fragment of the app above."""
    page = host_page(context.workspace, name, request.GET.get("window", ""))
    return responses.show(request, "compute/host.html", page, section="compute", parts=("facts",))
