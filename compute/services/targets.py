"""Clusters are made, resized and taken away here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from compute import hooks
from compute.hooks import ClusterUse
from compute.models import ComputeTarget, Node
from compute.services import cluster_options
from compute.sizes import size_of
from core import outbox
from core.clock import now
from core.errors import Conflict, Invalid, NotFound
from core.work import after_commit
from duto.spec.names import is_name
from workspaces.access import WorkspaceContext
from workspaces.models import Role, Workspace
from workspaces.services import audit, edits

MOST_NODES = 100
PRIORITIES = {"dedicated": "dedicated", "lowpriority": "lowpriority", "low_priority": "lowpriority"}


@transaction.atomic
def create_target(
    context: WorkspaceContext,
    name: str,
    vm_size: str,
    *,
    min_nodes: int = 0,
    max_nodes: int = 4,
    idle_seconds: int = 1800,
    vm_priority: str = "dedicated",
    type: str = ComputeTarget.Type.CLUSTER,
    description: str = "",
    tags: Mapping[str, Any] | None = None,
    hosts: Sequence[str] | None = None,
    **asked: Any,
) -> ComputeTarget:
    """A new cluster. Under a name that exists with the same size, that cluster is changed: programs create each time.

    `asked`: policy, launcher, network, spark_master, container_options. Raises Invalid for a bad name, size, scale or term,
    Conflict for another size under the name.
    """
    context.require(Role.CONTRIBUTOR).require_person()
    _check_name(name)
    size, priority = size_of(vm_size), _priority(vm_priority)
    known = _same_name(context.workspace, name, size.name, type)
    if known is not None:
        asked |= {"min_nodes": min_nodes, "max_nodes": max_nodes, "idle_seconds": idle_seconds, "hosts": hosts}
        return update_target(context, known.name, **asked)
    target = ComputeTarget(
        workspace=context.workspace, name=name, type=type, vm_size=size.name.upper(), cores=size.cores, memory=size.memory,
        gpus=size.gpus, vm_priority=priority, description=description, tags=dict(tags or {}), resized_at=now(),
    )  # fmt: skip
    _scale(target, min_nodes, max_nodes, idle_seconds)
    cluster_options.apply(context, target, {**asked, "policy": asked.get("policy") or settings.DUTO.compute_policy})
    _save_new(target)
    if hosts:
        target.hosts.set(cluster_options.hosts_named(context.workspace, hosts))
    audit.note(context, "compute.created", name, vm_size=target.vm_size)
    _tell(context.workspace)
    return target


def _check_name(name: str) -> None:
    if not is_name("compute", name):
        raise Invalid(
            _(
                "%(name)r cannot name a compute target: use 3 to 24 letters, digits and hyphens, with a letter first and no hyphen last."
            )
            % {"name": name},
            code="bad_name",
        )


def _save_new(target: ComputeTarget) -> None:
    """Raises Conflict when another request has made one of the name meanwhile."""
    try:
        with transaction.atomic():
            target.save()
    except IntegrityError as error:
        raise Conflict(
            _("There is a compute target '%(target)s' already.") % {"target": target.name}, code="exists"
        ) from error


def _same_name(workspace: Workspace, name: str, size: str, type: str) -> ComputeTarget | None:
    """The cluster of this name, if there is one. Raises Conflict when its size or its type is another."""
    known = ComputeTarget.objects.filter(workspace=workspace, name__iexact=name).first()
    if known is not None and known.type != type:
        raise Conflict(
            _("There is a compute target '%(known)s' of the type %(type)s. Choose another name.")
            % {"known": known.name, "type": known.type},
            code="exists",
        )
    if known is not None and known.vm_size.upper() != size.upper():
        raise Conflict(
            _(
                "There is a compute target '%(known)s' of size %(vm_size)s. Its size cannot change: delete it first, or choose another name."
            )
            % {"known": known.name, "vm_size": known.vm_size},
            code="exists",
        )
    return known


def check_default(workspace: Workspace, name: str) -> str:
    """The name of a cluster that may be the default one, as it is written. Raises NotFound."""
    return find_target(workspace, name).name


@transaction.atomic
def update_target(
    context: WorkspaceContext,
    name: str,
    *,
    min_nodes: int | None = None,
    max_nodes: int | None = None,
    idle_seconds: int | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    hosts: Sequence[str] | None = None,
    seen: edits.Seen = None,
    **asked: Any,
) -> ComputeTarget:
    """Change the scale of a cluster, its terms, or what is said about it; what is None stays.

    Running steps go on. Nodes beyond the new scale, or where the cluster no longer is, leave when they are idle.
    Raises as create_target() does, Conflict for one that is being deleted, and PreconditionFailed where it is not as it
    was `seen`.
    """
    context.require(Role.CONTRIBUTOR).require_person()
    target = _locked(context.workspace, name)
    edits.require_unchanged(seen, state(target), context.workspace, target.name)
    before = (target.min_nodes, target.max_nodes)
    _scale(target, min_nodes, max_nodes, idle_seconds)
    changed = cluster_options.apply(context, target, asked)
    if description is not None:
        target.description = description
    if tags is not None:
        target.tags = dict(tags)
    if (target.min_nodes, target.max_nodes) != before:
        target.resized_at = now()
    target.save()
    if hosts is not None:
        target.hosts.set(cluster_options.hosts_named(context.workspace, hosts))
        changed.append("hosts")
    scale = {"min_nodes": target.min_nodes, "max_nodes": target.max_nodes}
    more = {"changed": changed} if changed else {}
    edits.note(context, "compute.changed", target.name, state(target), **scale, **more)
    _tell(context.workspace)
    return target


def state(target: ComputeTarget) -> dict[str, Any]:
    """All that a change may overwrite."""
    names = ("min_nodes", "max_nodes", "idle_seconds", "description", "tags", *cluster_options.TERMS)
    hosts = sorted(target.hosts.values_list("name", flat=True))
    return {**{name: getattr(target, name) for name in names}, "hosts": hosts}


def _locked(workspace: Workspace, name: str) -> ComputeTarget:
    """A cluster that is to be changed. Raises NotFound, and Conflict for one that is being deleted."""
    found = find_target(workspace, name)
    target = ComputeTarget.objects.select_for_update(no_key=True).get(pk=found.pk)
    if target.is_leaving:
        raise Conflict(
            _("'%(target)s' is being deleted: its last steps are ending.") % {"target": target.name},
            code="being_deleted",
        )
    return target


@transaction.atomic
def delete_target(context: WorkspaceContext, name: str, *, force: bool = False) -> bool:
    """Take a cluster away; whether it is gone. Raises Conflict with numbers while it is in use.

    With `force` a cluster in use takes no step from now on, its queue and its running steps are canceled in the
    caller's name, and it goes when the last of them has ended on its host.
    """
    context.require(Role.CONTRIBUTOR).require_person()
    found = find_target(context.workspace, name)
    target = ComputeTarget.objects.select_for_update().get(pk=found.pk)
    use = use_of(target)
    if use and not force:
        raise Conflict(
            _(
                "'%(target)s' is in use: %(use)s. Cancel them, let them end, or delete it with force, which cancels them."
            )
            % {"target": target.name, "use": use},
            code="in_use",
            running=use.running,
            waiting=use.waiting,
        )
    audit.note(context, "compute.deleted", target.name, running=use.running, waiting=use.waiting)
    if not use:
        remove(target)
        return True
    _tell(context.workspace)
    target.min_nodes, target.max_nodes, target.resized_at = 0, 0, now()
    target.save()
    by = f"{context.actor}, who deleted the cluster {target.name}"
    after_commit(partial(hooks.cluster_deleted, target.pk, by))
    return False


def remove(target: ComputeTarget) -> None:
    """Take away one on which nothing runs, and tell its page."""
    target.delete()
    outbox.gone(f"list:{target.workspace.name}:compute", f"cluster:{target.name}")


def use_of(target: ComputeTarget) -> ClusterUse:
    """How much of it is in use now."""
    use = hooks.cluster_use(target)
    busy = Node.objects.filter(compute_target=target, status=Node.Status.RUNNING).count()
    return ClusterUse(max(busy, use.running), use.waiting)


def find_target(workspace: Workspace, name: str) -> ComputeTarget:
    """The cluster of this name, in any case, as Azure has it. Raises NotFound that says which there are."""
    found = ComputeTarget.objects.filter(workspace=workspace, name__iexact=name).first()
    if found is None:
        names = ComputeTarget.objects.filter(workspace=workspace).order_by("name").values_list("name", flat=True)
        offer = _("use one of: %(names)s") % {"names": ", ".join(names)} if names else _("there is none yet")
        raise NotFound(
            _(
                "There is no compute target '%(name)s' in workspace '%(workspace)s'. Create it on the page Compute, or %(offer)s."
            )
            % {"name": name, "workspace": workspace.name, "offer": offer},
            code="unknown_compute",
            name=name,
        )
    return found


def _scale(target: ComputeTarget, min_nodes: int | None, max_nodes: int | None, idle_seconds: int | None) -> None:
    least = target.min_nodes if min_nodes is None else min_nodes
    most = target.max_nodes if max_nodes is None else max_nodes
    idle = target.idle_seconds if idle_seconds is None else idle_seconds
    if not 0 <= least <= most or not 1 <= most <= MOST_NODES:
        raise Invalid(
            _(
                "A cluster of %(least)s to %(most)s nodes cannot be: 0 ≤ min_nodes ≤ max_nodes, and max_nodes is from 1 to %(most_nodes)s."
            )
            % {"least": least, "most": most, "most_nodes": MOST_NODES},
            code="bad_scale",
        )
    if not 0 <= idle <= 30 * 86400:
        raise Invalid(_("'idle_seconds' is a number from 0 to 2592000 (30 days)."), code="bad_scale")
    target.min_nodes, target.max_nodes, target.idle_seconds = least, most, idle


def _priority(text: str) -> str:
    try:
        return PRIORITIES[text.strip().lower()]
    except KeyError as error:
        raise Invalid(_("'vm_priority' is dedicated or lowpriority, not %(text)r.") % {"text": text}) from error


def _tell(workspace: Workspace) -> None:
    outbox.hint(f"list:{workspace.name}:compute")
