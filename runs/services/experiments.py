"""Experiments are made on first use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Conflict, Invalid, NotFound
from runs.models import Experiment
from runs.services.edit import merged
from workspaces.access import Room
from workspaces.models import Role
from workspaces.scopes import Act


def ensure(room: Room, *, name: str, description: str = "") -> Experiment:
    """The experiment of this name, made where there is none."""
    room.require(Role.CONTRIBUTOR).require_act(Act.REGISTER)
    if not name.strip():
        raise Invalid(_("An experiment has a name."))
    values = {"description": description}
    found, is_new = Experiment.objects.get_or_create(workspace=room.workspace, name=name.strip(), defaults=values)
    if is_new:
        room.made("experiment", found.pk)
    return found


def get(room: Room, name: str) -> Experiment:
    """Raises NotFound."""
    found = Experiment.objects.filter(workspace=room.workspace, name=name).first()
    if found is None:
        raise NotFound(
            _("There is no experiment '%(name)s' in workspace '%(workspace)s'.")
            % {"name": name, "workspace": room.workspace.name}
        )
    return found


def change(
    room: Room,
    experiment: Experiment,
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    archived: bool | None = None,
) -> Experiment:
    """Change what is given; `tags` are all tags that it then has. Raises Conflict for a name that is taken."""
    room.require(Role.CONTRIBUTOR).require_own("experiment", experiment.pk)
    if name is not None and name.strip() != experiment.name:
        if Experiment.objects.filter(workspace=room.workspace, name=name.strip()).exists():
            raise Conflict(_("There is an experiment '%(name)s' already.") % {"name": name.strip()}, code="exists")
        experiment.name = name.strip()
    if description is not None:
        experiment.description = description
    if tags is not None:
        experiment.tags = merged({}, tags)
    if archived is not None:
        experiment.archived_at = (experiment.archived_at or now()) if archived else None
    experiment.save(update_fields=["name", "description", "tags", "archived_at"])
    return experiment
