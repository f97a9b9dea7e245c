"""Experiments are made on first use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Conflict, NotFound
from core.spec import refusing
from duto.spec.names import check_name, is_name
from runs.models import Experiment
from runs.services.submission.run_metadata import merged
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.scopes import Act
from workspaces.services import edits

CHANGED = ("name", "description", "tags", "archived_at")


def ensure(context: WorkspaceContext, *, name: str, description: str = "") -> Experiment:
    """The experiment of this name, made where there is none."""
    context.require(Role.CONTRIBUTOR).require_act(Act.REGISTER)
    return named(context, name, description=description)


def require_name(context: WorkspaceContext, name: str) -> None:
    """Raises Unprocessable (`bad_name`) for what cannot name one, as `named` does, and makes none."""
    if not Experiment.objects.filter(workspace=context.workspace, name=name).exists():
        with refusing():
            check_name("experiment", name)


def named(context: WorkspaceContext, name: str, **values: Any) -> Experiment:
    """The same for whoever may submit. Raises Unprocessable (`bad_name`) for what cannot name one.

    Of what is there already the name is good, whatever it was made by.
    """
    found = Experiment.objects.filter(workspace=context.workspace, name=name).first()
    if found is not None:
        return found
    with refusing():
        check_name("experiment", name)
    made, is_new = Experiment.objects.get_or_create(workspace=context.workspace, name=name, defaults=values)
    if is_new:
        context.made("experiment", made.pk)
    return made


def name_from(text: str) -> str:
    """A name for an experiment out of that of another thing."""
    name = re.sub(r"[/\\\x00-\x1f\x7f]+", "-", text).strip()[:255].strip()
    return name if is_name("experiment", name) else "Default"


def get(context: WorkspaceContext, name: str) -> Experiment:
    """Raises NotFound."""
    found = Experiment.objects.filter(workspace=context.workspace, name=name).first()
    if found is None:
        raise NotFound(
            _("There is no experiment '%(name)s' in workspace '%(workspace)s'.")
            % {"name": name, "workspace": context.workspace.name}
        )
    return found


@transaction.atomic
def change(
    context: WorkspaceContext,
    experiment: Experiment,
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    archived: bool | None = None,
    seen: edits.Seen = None,
) -> Experiment:
    """Change what is given; `tags` are all tags that it then has.

    Raises Conflict for a name that is taken, PreconditionFailed where it is not as it was `seen`.
    """
    context.require(Role.CONTRIBUTOR).require_own("experiment", experiment.pk)
    experiment = Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
    edits.require_unchanged(seen, said_of(experiment), context.workspace, experiment.pk)
    if name is not None and name != experiment.name:
        with refusing():
            check_name("experiment", name)
        if Experiment.objects.filter(workspace=context.workspace, name=name).exists():
            raise Conflict(_("There is an experiment '%(name)s' already.") % {"name": name}, code="exists")
        experiment.name = name
    if description is not None:
        experiment.description = description
    if tags is not None:
        experiment.tags = merged({}, tags)
    if archived is not None:
        experiment.archived_at = (experiment.archived_at or now()) if archived else None
    experiment.save(update_fields=CHANGED)
    edits.note(context, "experiment.changed", str(experiment.pk), said_of(experiment), name=experiment.name)
    return experiment


def said_of(experiment: Experiment) -> dict[str, Any]:
    """All that `change` may overwrite."""
    return {name: getattr(experiment, name) for name in CHANGED}
