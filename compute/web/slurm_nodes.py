"""The nodes of Slurm's behind a host, as its agent told of them last: for the host's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from compute.models import Host
from compute.services.host_summary import part_of
from compute.web.gauges import Gauge
from duto_protocol.messages import SlurmGroup, SlurmNode, SlurmNodes, SlurmShare
from duto_protocol.reading import of_document


@dataclass(frozen=True)
class SlurmRow:
    """The nodes of one state in one partition, or one node."""

    name: str
    state: str
    nodes: int
    gauges: list[Gauge]


@dataclass(frozen=True)
class SlurmTables:
    """What compute/slurm_nodes.html may show. Of the gauges `mine` is what jobs of the studio hold."""

    facts: SlurmNodes
    gauges: list[Gauge]
    groups: list[SlurmRow]
    named: list[SlurmRow]

    @property
    def columns(self) -> list[str]:
        return [_("Cores"), _("Memory"), _("GPUs")][: 3 if self.facts.total.gpus else 2]


def tables_of(host: Host) -> SlurmTables | None:
    """None where it told of no nodes."""
    if host.launcher != Host.Launcher.SLURM or not (document := part_of(host, "slurm")):
        return None
    facts = of_document(document, SlurmNodes).message  # what an agent of another release told is left out
    if not facts.groups:
        return None
    has_gpus = bool(facts.total.gpus)
    return SlurmTables(
        facts, _gauges(facts.total, has_gpus), _rows(facts.groups, has_gpus), _rows(facts.named, has_gpus)
    )


def _rows(facts: Sequence[SlurmGroup | SlurmNode], has_gpus: bool) -> list[SlurmRow]:
    return [
        SlurmRow(each.partition, each.state, each.nodes, _gauges(each, has_gpus))
        if isinstance(each, SlurmGroup)
        else SlurmRow(each.name, each.state, 1, _gauges(each, has_gpus))
        for each in facts
    ]


def _gauges(of: SlurmShare, has_gpus: bool) -> list[Gauge]:
    """Cores, memory and, where the cluster has any, GPUs."""
    found = [
        Gauge(_("Cores held"), "number", of.cores_ours, max(0, of.cores_held - of.cores_ours), of.cores),
        Gauge(_("Memory held"), "bytes", of.memory_ours, max(0, of.memory_held - of.memory_ours), of.memory),
    ]
    if has_gpus:
        found.append(Gauge(_("GPUs held"), "number", of.gpus_ours, max(0, of.gpus_held - of.gpus_ours), of.gpus))
    return found
