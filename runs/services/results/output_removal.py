"""The files of outputs go. A store that does not answer keeps its own until it does, and keeps no other waiting."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from core.errors import StudioError
from datasets import stores
from runs.models import Output
from runs.services.results.output_check import keys_to_remove
from workspaces.models import Workspace

log = logging.getLogger(__name__)


@dataclass
class OutputRemoval:
    """One sweep, in which each store that fails is asked once."""

    _failed: set[tuple[UUID, str]] = field(default_factory=set)

    def remove(self, workspace: Workspace, outputs: Iterable[Output]) -> tuple[list[UUID], int]:
        """The keys of those whose files are gone now, and how many have to wait."""
        gone: list[UUID] = []
        waiting = 0
        for output in outputs:
            if self._is_removed(workspace, output):
                gone.append(output.pk)
            else:
                waiting += 1
        return gone, waiting

    def _is_removed(self, workspace: Workspace, output: Output) -> bool:
        store = (workspace.pk, output.datastore)
        if store in self._failed:
            return False
        try:
            root = stores.root_by_name(workspace, output.datastore)
            for key in keys_to_remove(output, root):
                root.remove(key)
        except StudioError as error:
            self._failed.add(store)
            log.warning("files on '%s' of %s stay for now: %s", output.datastore, workspace.name, error)
            return False
        return True
