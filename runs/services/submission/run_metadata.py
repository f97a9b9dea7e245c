"""What people and programs may change about a run: its words, its tags, whether lists show it. Never what it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Conflict, Invalid
from core.names import one_line
from runs.models import Run
from runs.services.agent_reports import spool
from runs.services.orchestration.run_transaction import run_transaction, tell
from runs.services.results import lineage
from workspaces.access import WorkspaceContext, require_run
from workspaces.models import Role

NAME_MAX = 256


def change(
    context: WorkspaceContext,
    run: Run,
    *,
    display_name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    archived: bool | None = None,
) -> Run:
    """Change what is given. A tag with the value None is removed; properties are added, never changed.

    Raises Conflict for a property that is set already, Invalid for names and values that are none.
    """
    context.require(Role.CONTRIBUTOR)
    require_run(context, run)
    if display_name is not None and len(display_name) > NAME_MAX:
        raise Invalid(_("A name has at most %(name_max)s characters.") % {"name_max": NAME_MAX})
    with run_transaction(run.root_id or run.pk) as root:
        mine = root if root.pk == run.pk else Run.objects.select_for_update(no_key=True).get(pk=run.pk)
        facts: dict[str, Any] = {}
        if display_name is not None:
            facts["display_name"] = one_line(display_name)
        if description is not None:
            facts["description"] = description
        if tags is not None:
            facts["tags"] = merged(mine.tags, tags)
        if properties is not None:
            facts["properties"] = added(mine.properties, properties)
        if archived is not None and archived != (mine.archived_at is not None):
            facts["archived_at"] = _archived_at(mine, archived)
        if facts:
            _write(mine, facts)
            lineage.note_named(mine, properties or {})
            if display_name is not None and mine.is_root:
                lineage.tell_of(mine)
    for name, value in facts.items():
        setattr(run, name, value)
    return run


def archive(context: WorkspaceContext, run: Run, archived: bool = True) -> Run:
    """Take an ended run out of the lists, or bring it back."""
    return change(context, run, archived=archived)


def merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Tags after a change. Raises Invalid for keys and values that are none."""
    after = dict(before)
    for key, value in given.items():
        if value is None:
            after.pop(key, None)
        else:
            name, text = spool.pair({"key": key, "value": value})
            after[name] = text
    return after


def added(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Properties after an addition. Raises Conflict where one is set already to something else."""
    new = dict(spool.pair({"key": key, "value": value}) for key, value in given.items())
    taken = sorted(key for key, value in new.items() if before.get(key, value) != value)
    if taken:
        text = f"The property '{taken[0]}' is set already, and properties do not change. Use a tag, or another key."
        raise Conflict(text, code="property_is_set", keys=taken)
    return {**before, **new}


def _archived_at(run: Run, archived: bool) -> Any:
    if not run.is_root:
        raise Invalid(_("Archive the run that this step belongs to."))
    if archived and not run.is_final:
        raise Conflict(_("The run is not over yet. Cancel it first, or wait for its end."), code="still_running")
    return now() if archived else None


def _write(run: Run, facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        setattr(run, name, value)
    run.save(update_fields=list(facts))
    changed = {name: value for name, value in facts.items() if name in ("display_name", "description", "tags")}
    if "archived_at" in facts:
        changed["archived"] = facts["archived_at"] is not None
    tell(run, **changed)
