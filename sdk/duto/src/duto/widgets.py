"""`RunDetails(run).show()`: the run's live page, as a link in a notebook and as an address in a terminal."""

from __future__ import annotations

import html
from typing import Any, Dict


class RunDetails:
    """Shows a run. What it does is seen live on its page, so that is what is shown."""

    def __init__(self, run_instance: Any) -> None:
        self._run = run_instance

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Print the address; in a notebook a link that opens the live page."""
        url = self._run.get_portal_url()
        shell = _notebook()
        if shell is None:
            print(f"{type(self._run).__name__} {self._run.id}: {url}", flush=True)
            return
        from IPython.display import HTML, display  # type: ignore[import-not-found]

        address = html.escape(url, quote=True)
        display(
            HTML(f'<a href="{address}" target="_blank" rel="noopener">Open the live run</a> <code>{address}</code>')
        )

    def get_widget_data(self, widget_settings: Any = None) -> Dict[str, Any]:
        """Status and address of the run."""
        return {
            "status": self._run.status,
            "workbench_run_details_uri": self._run.get_portal_url(),
            "run_id": self._run.id,
        }


def _notebook() -> Any:
    """The shell of a notebook, None elsewhere."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return shell if shell is not None and type(shell).__name__ == "ZMQInteractiveShell" else None
