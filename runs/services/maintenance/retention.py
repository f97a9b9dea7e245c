"""Carry out a workspace's retention policy: nobody may reuse it any more, then the data go, then the rows say so.

Every step may be repeated: a crash in between leaves rows whose data are gone, and the next time finds them again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from compute.models import Host
from core import spools
from core.clock import now
from core.storage import artifact_store
from runs import retention
from runs.models import Artifact, Attempt, Output, StepRun, log_names
from runs.queries.ledgers import ledger_of
from runs.queries.logs import sealed_key
from runs.queries.retention import Expired, Plan
from runs.queries.retention import plan as plan_of
from runs.queries.usage import samples_of
from runs.retention import Policy
from runs.services.maintenance.snapshot_gc import sweep
from runs.services.results import kept_outputs
from runs.services.results.output_removal import OutputRemoval
from workspaces.access import WorkspaceContext, hold
from workspaces.models import Role, Workspace
from workspaces.services import audit, edits

log = logging.getLogger(__name__)
BATCH = 200
HOSTS_POLICY_S = 60.0
_policies: tuple[float, dict[UUID, Policy]] | None = None


def policy_of(workspace: Workspace) -> Policy:
    """The policy in force."""
    return retention.of_settings(workspace.settings)


@transaction.atomic
def set_policy(context: WorkspaceContext, document: Mapping[str, Any], *, seen: edits.Seen = None) -> Policy:
    """Write down a new policy; it is carried out from the next hour on.

    Raises Invalid, and PreconditionFailed where the policy is not as it was `seen`.
    """
    policy = retention.read(document)
    workspace = hold(context).require(Role.OWNER).require_person().workspace
    edits.require_unchanged(seen, policy_of(workspace).as_document(), workspace)
    workspace.settings = {**workspace.settings, retention.KEY: policy.as_document()}
    workspace.save(update_fields=["settings"])
    context.workspace.settings = workspace.settings
    edits.note(context, "retention.changed", context.workspace.name, policy.as_document(), **policy.as_document())
    return policy


def preview(context: WorkspaceContext, policy: Policy | None = None) -> Plan:
    """The dry run: what would go now under this policy, or under the one in force."""
    return plan_of(context.workspace, policy or policy_of(context.workspace), now())


def apply(context: WorkspaceContext) -> dict[str, int]:
    """Carry out the policy in force; how many of each kind went."""
    context.require(Role.OWNER).require_person()
    removed: dict[str, Any] = {**carry_out(context.workspace)}
    audit.note(context, "retention.applied", context.workspace.name, **removed)
    return removed


def carry_out(workspace: Workspace) -> dict[str, int]:
    """The action itself, for a person and for the clock."""
    policy, moment = policy_of(workspace), now()
    expired = Expired(workspace, policy, moment)
    return {
        "logs": _in_batches(lambda: _logs(expired)),
        "artifacts": _in_batches(lambda: _artifacts(expired)),
        "outputs": _outputs(expired),
        "blobs": sweep(workspace, moment),
    }


def carry_out_by_id(workspace_id: UUID) -> None:
    """For the task: a workspace that is gone needs nothing."""
    workspace = Workspace.objects.filter(pk=workspace_id).first()
    if workspace is not None:
        removed = carry_out(workspace)
        if any(removed.values()):
            log.info("retention of workspace %s removed %s", workspace.name, removed)


def for_host(host: Host) -> dict[str, int | None]:
    """What its agent keeps, told with its answers: by the policy of its workspace, or of all that it serves.

    Looked up once a minute, for it changes rarely.
    """
    global _policies
    if _policies is None or time.monotonic() - _policies[0] > HOSTS_POLICY_S:
        found = {key: retention.of_settings(each) for key, each in Workspace.objects.values_list("pk", "settings")}
        _policies = (time.monotonic(), found)
    known = _policies[1]
    served = [host.workspace_id] if host.workspace_id else list(known)
    return retention.strictest_of_hosts([known[key] for key in served if key in known])


def _in_batches(action: Callable[[], int]) -> int:
    total = 0
    while count := action():
        total += count
    return total


def _logs(expired: Expired) -> int:
    store = artifact_store(expired.workspace.pk)
    found = list(expired.logs().values_list("id", "rank_count")[:BATCH])
    for key, ranks in found:
        for name in (*log_names(key, ranks), samples_of(key), ledger_of(key)):
            spools.remove(name)
            store.remove(sealed_key(name))
        store.remove(kept_outputs.key_of(key))
    return Attempt.objects.filter(pk__in=[key for key, _ranks in found]).update(log_removed_at=now())


def _artifacts(expired: Expired) -> int:
    store = artifact_store(expired.workspace.pk)
    rows = list(expired.artifacts()[:BATCH])
    for row in rows:
        store.remove(row.key)
    return Artifact.objects.filter(pk__in=[row.pk for row in rows]).delete()[0]


def _outputs(expired: Expired) -> int:
    """First nobody may take them for a result, then what was taken in that very moment is spared, then they go."""
    removal, total, last = OutputRemoval(), 0, None
    while True:
        rows = expired.outputs().order_by("pk")
        found = list((rows.filter(pk__gt=last) if last else rows).values_list("id", "run_id")[:BATCH])
        if not found:
            return total
        last = found[-1][0]
        StepRun.objects.filter(run__in=[run for _, run in found]).update(is_source=False)
        spared = expired.outputs().filter(pk__in=[key for key, _ in found])
        gone, _waiting = removal.remove(expired.workspace, spared.select_related("run").defer("run__graph"))
        total += Output.objects.filter(pk__in=gone).update(removed_at=now())
