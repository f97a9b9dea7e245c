"""On what terms a cluster's nodes come: on which hosts, as what, reaching whom, and what is relaxed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from compute.models import ComputeTarget, Host
from compute.relaxations import checked
from compute.services.hosts import hosts_of
from core.errors import Invalid
from duto.spec import spark
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace

CHOICES: dict[str, tuple[str, type[Any]]] = {
    "launcher": ("launcher", Host.Launcher),
    "network": ("network", ComputeTarget.Network),
    "policy": ("policy", ComputeTarget.Policy),
}
# All that is set by `apply`.
TERMS = (*CHOICES, "spark_master", "container_options")


def apply(context: WorkspaceContext, target: ComputeTarget, terms: Mapping[str, Any]) -> list[str]:
    """Set what is given (not None) of `launcher`, `network`, `policy`, `spark_master`, `container_options`; what has changed
    by name.

    Raises Invalid for what cannot be, Forbidden when someone but an owner relaxes container options.
    """
    before = {name: getattr(target, name) for name in TERMS}
    for name, (word, choices) in CHOICES.items():
        value = terms.get(name)
        if value is not None:
            setattr(target, name, _chosen(word, str(value), choices, empty=name == "launcher"))
    if (master := terms.get("spark_master")) is not None:
        target.spark_master = _master(str(master).strip())
    options = terms.get("container_options")
    if options is not None and dict(options) != target.container_options:
        context.require(Role.OWNER)
        target.container_options = checked(options)
    return [name for name, value in before.items() if getattr(target, name) != value]


def hosts_named(workspace: Workspace, names: Sequence[str]) -> list[Host]:
    """The hosts of these names that the workspace may use. Raises Invalid that says which there are."""
    known = {host.name: host for host in hosts_of(workspace)}
    unknown = [name for name in names if name not in known]
    if unknown:
        offer = _("There is none yet: add one on the page Compute.")
        if known:
            offer = _("There are: %(names)s.") % {"names": ", ".join(known)}
        raise Invalid(
            _("There is no host '%(unknown)s' for workspace '%(workspace)s'. %(offer)s")
            % {"unknown": unknown[0], "workspace": workspace.name, "offer": offer},
            code="unknown_host",
        )
    return [known[name] for name in dict.fromkeys(names)]


def _master(value: str) -> str:
    if len(value) > 256 or spark.master_problem(value):
        raise Invalid(
            _(
                "%(value)r is no master of Spark: use spark://host:port, or local[4] for four threads on the step's node."
            )
            % {"value": value},
            code="bad_spark_master",
        )
    return value


def _chosen(word: str, value: str, choices: type[Any], *, empty: bool) -> str:
    values = [*choices.values]
    if value in values or (empty and not value):
        return value
    offer = ", ".join(f"'{each}'" for each in values) + (_(", or empty for any") if empty else "")
    raise Invalid(
        _("'%(word)s' is one of %(offer)s, not %(value)r.") % {"word": word, "offer": offer, "value": value},
        code=f"bad_{word}",
    )
