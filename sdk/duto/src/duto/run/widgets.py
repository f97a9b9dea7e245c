"""`RunDetails(run).show()`: how a run stands, drawn in a notebook and live there while it runs; as text elsewhere."""

from __future__ import annotations

import copy
import threading
from typing import Any, Dict, Optional

from duto.client.http import waiting
from duto.exceptions import AzureMLException
from duto.run.view import View, as_html, as_text, look

_PAUSE = 2.0


class RunDetails:
    """Shows a run."""

    def __init__(self, run_instance: Any) -> None:
        # Its own, for it is asked for in a thread.
        self._run = copy.copy(run_instance)
        self._watcher: Optional[threading.Thread] = None

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Draw the run in the cell's output and go on drawing until it is over, while the program does other things;
        outside of a notebook print it once."""
        view = look(self._run)
        if not _is_notebook():
            print(as_text(view, type(self._run).__name__), flush=True)
            return
        from IPython.display import HTML, display

        drawing = display(HTML(as_html(view)), display_id=True)
        if not view.is_over and drawing is not None:
            self._watcher = threading.Thread(target=self._follow, args=(drawing, HTML), name="duto-widget", daemon=True)
            self._watcher.start()

    def get_widget_data(self, widget_settings: Any = None) -> Dict[str, Any]:
        """What is shown, as a dict of Azure ML's keys."""
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
