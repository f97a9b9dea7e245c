"""Backfills: the times of a window of a schedule, run after the fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Mapping

from duto.client.http import segment

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace


class Backfill:
    """The times of a window that a schedule runs after the fact. Programs get one by `Schedule.backfill`."""

    def __init__(self, workspace: Workspace, schedule_id: str, document: Mapping[str, object]) -> None:
        """
        Args:
            workspace: the workspace.
            schedule_id: id of the schedule.
            document: as REST has it.
        """
        self._workspace = workspace
        self._schedule_id = schedule_id
        self._document: Dict[str, Any] = dict(document)

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._document["id"])

    @property
    def status(self) -> str:
        """`running`, `completed` or `canceled`, when it was last looked at."""
        return str(self._document["status"])

    @property
    def counts(self) -> Dict[str, int]:
        """How many of its times are how far: `held`, `due`, `skipped`, `failed`, `running`, `completed`, `canceled`."""
        return {str(name): int(count) for name, count in self._document["counts"].items()}

    def refresh(self) -> Backfill:
        """Look at it again.

        Returns:
            Itself.
        """
        self._document = dict(self._workspace._client.get(self._place))
        return self

    def cancel(self) -> None:
        """Run nothing more of it. Runs that are under way go on."""
        self._document = dict(self._workspace._client.post(f"{self._place}cancel/", {}))

    @property
    def _place(self) -> str:
        place = f"schedules/{segment(self._schedule_id)}/backfills/{segment(self.id)}/"
        return str(self._workspace._path(place))

    def __repr__(self) -> str:
        return f"Backfill(Id: {self.id}, Status: {self.status}, Counts: {self.counts})"
