"""The tab Details: what the run was given, and what its program says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from duto.spec.secrets import hidden
from runs.models import Run
from runs.stored_messages import error_text
from runs.web.panel_request import PanelRequest


@dataclass(frozen=True)
class Details:
    """What runs/panel/details.html may show."""

    run: Run
    error: str
    error_code: str
    parameters: list[tuple[str, str]]
    tags: list[tuple[str, str]]
    properties: list[tuple[str, str]]


def details(ask: PanelRequest) -> Details:
    """No query: all of it stands in the run's row."""
    run = ask.run
    error = run.error or {}
    return Details(
        run=run,
        error=error_text(error) if error else "",
        error_code=str(error.get("code") or ""),
        parameters=pairs(hidden(run.parameters)),
        tags=pairs(run.tags),
        properties=pairs(run.properties),
    )


def pairs(values: dict[str, Any]) -> list[tuple[str, str]]:
    """As a page shows them, by their names."""
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in sorted(values.items())]
