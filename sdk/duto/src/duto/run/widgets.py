"""`RunDetails(run).show()`: how a run stands, drawn in a notebook and live there while it runs; as text elsewhere."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any, Dict, Optional

from duto.client.http import waiting
from duto.exceptions import AzureMLException
from duto.run.view import View, as_html, as_text, look

if TYPE_CHECKING:
    from duto.run.run import Run

_PAUSE = 2.0


class RunDetails:
    """Shows a run in a notebook, live; elsewhere as text."""

    def __init__(self, run_instance: Run) -> None:
        """Nothing is asked or drawn.

        Args:
            run_instance: the run.
        """
        # Its own, for it is asked for in a thread.
        self._run = copy.copy(run_instance)
        self._watcher: Optional[threading.Thread] = None

    def show(self, render_lib: object = None, widget_settings: object = None) -> None:
        """Draw the run in the cell's output, and go on every two seconds until it is over, while the program does
        other things; outside of a notebook print it once.

        Args:
            render_lib: taken and not used.
            widget_settings: taken and not used.
        """
        view = look(self._run)
        if not _is_notebook():
            print(as_text(view, type(self._run).__name__), flush=True)
            return
        from IPython.display import HTML, display

        drawing = display(HTML(as_html(view)), display_id=True)
        if not view.is_over and drawing is not None:
            self._watcher = threading.Thread(target=self._follow, args=(drawing, HTML), name="duto-widget", daemon=True)
            self._watcher.start()

    def get_widget_data(self, widget_settings: object = None) -> Dict[str, Any]:
        """What is shown.

        Args:
            widget_settings: taken and not used.

        Returns:
            A dictionary of Azure ML's keys: `status`, `run_id`, `run_properties`, `child_runs`, `run_metrics`,
            `run_logs` and others.
        """
        view = look(self._run)
        return {
            "status": view.facts["status"],
            "workbench_run_details_uri": view.url,
            "run_id": self._run.id,
            "run_properties": dict(view.facts),
            "child_runs": [dict(step) for step in view.steps],
            "run_metrics": [dict(each) for each in view.metrics],
            "run_logs": "\n".join(view.log),
        }

    @waiting()
    def _follow(self, drawing: Any, html: Any) -> None:
        """Until the run is over. Whatever the studio says then, the last drawing stays, with its date."""
        view: Optional[View] = None
        while view is None or not view.is_over:
            threading.Event().wait(_PAUSE)
            try:
                view = look(self._run)
            except AzureMLException:
                return
            drawing.update(html(as_html(view)))


def _is_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return type(get_ipython()).__name__ == "ZMQInteractiveShell"
