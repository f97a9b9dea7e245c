"""Windows that a monitor was asked to look at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence

from duto.client.http import segment, waiting
from duto.exceptions import ActivityFailedException

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace

_POLL = 1.0


class DataDriftRun:
    """Windows that a monitor was asked to look at. Programs get one by `DataDriftDetector.run` and `backfill`."""

    def __init__(self, workspace: Workspace, place: str, windows: Sequence[Mapping[str, object]]) -> None:
        """
        Args:
            workspace: the workspace.
            place: address of the monitor's windows.
            windows: as REST has them.
        """
        self._workspace, self._place = workspace, place
        self._windows: List[Dict[str, Any]] = [dict(each) for each in windows]

    @property
    def id(self) -> str:
        """The id of the last window, which `get_output` takes as `run_id`."""
        return str(self._windows[-1]["id"])

    @property
    def windows(self) -> List[Dict[str, object]]:
        """The windows as they were when they were last looked at: `start`, `end`, `status`, `magnitude` (0 to 1), `has_drifted`,
        `reason` and others."""
        return [dict(each) for each in self._windows]

    def get_status(self) -> str:
        """How far it is.

        Returns:
            `Running`, `Completed`, or `Failed` where a window has failed. Windows with nothing to compare are no failure.
        """
        for each in self._windows:
            if each["status"] in ("queued", "running"):
                each.update(self._workspace._client.get(f"{self._place}{segment(str(each['id']))}/"))
        states = {each["status"] for each in self._windows}
        return "Running" if states & {"queued", "running"} else "Failed" if "failed" in states else "Completed"

    @waiting()
    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> Dict[str, object]:
        """Wait until all windows were looked at.

        Args:
            show_output: print each window with its magnitude at the end.
            wait_post_processing: taken and not used: what was found is there when a window is over.
            raise_on_error: raise where a window failed.

        Returns:
            `status` and `windows`.

        Raises:
            ActivityFailedException: a window failed, and `raise_on_error` is True.
        """
        while (status := self.get_status()) == "Running":
            time.sleep(_POLL)
        if show_output:
            print("\n".join(map(line_of, self._windows)))
        if status == "Failed" and raise_on_error:
            failed = [each for each in self._windows if each["status"] == "failed"]
            raise ActivityFailedException("\n".join(f"{each['start_date']}: {each['reason']}" for each in failed))
        return {"status": status, "windows": self.windows}

    def __repr__(self) -> str:
        return f"DataDriftRun(Id: {self.id}, Windows: {len(self._windows)})"


def line_of(window: Mapping[str, Any]) -> str:
    """A window in one line: its first day, its magnitude or why it has none, and how good the model was."""
    day = window["start_date"]
    if window["magnitude"] is None:
        text = f"{day}  {window['status']}  {window['reason']}".rstrip()
    else:
        text = f"{day}  {window['magnitude'] * 100:5.1f} %" + ("  drifted" if window["has_drifted"] else "")
    return text + _measured(window["performance"])


def _measured(found: Optional[Mapping[str, Any]]) -> str:
    if found is None:
        return ""
    if found["metrics"] is None:
        return f"  {found['reason']}"
    value = found["metrics"][found["metric"]]
    shown = "unknown" if value is None else f"{value:.4g}"
    text = f"  {found['metric']} {shown} ({found['labelled']} of {found['predictions']} labelled)"
    return text + ("  degraded" if found["has_degraded"] else "")
