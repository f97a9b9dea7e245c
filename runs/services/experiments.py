"""Experiments are made on first use."""

from __future__ import annotations

from core.errors import Invalid
from runs.models import Experiment
from workspaces.access import Room
from workspaces.models import Role


def ensure(room: Room, *, name: str, description: str = "") -> Experiment:
    """The experiment of this name, made where there is none."""
    room.require(Role.CONTRIBUTOR)
    if not name.strip():
        raise Invalid("An experiment has a name.")
    values = {"description": description}
    return Experiment.objects.get_or_create(workspace=room.workspace, name=name.strip(), defaults=values)[0]
