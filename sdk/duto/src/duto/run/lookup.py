"""Runs from their documents: each of the class of its kind, those that fit a filter, why one failed."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Mapping, Optional

import duto
from duto.spec import status as statuses

PROVIDERS: Dict[str, Callable[..., Any]] = {}


def run_of(workspace: Any, document: Mapping[str, Any], experiment: Any = None) -> Any:
    """The run of a document, of the class of its kind."""
    place = experiment or duto.Experiment(workspace, str(document["experiment"]), True)
    kind, run_id = document.get("kind"), str(document["id"])
    provider = PROVIDERS.get(statuses.run_type(str(kind)))
    if provider is not None:
        return provider(place, document)
    if kind == "pipeline":
        return duto.PipelineRun(place, run_id, _document=dict(document))
    if kind == "sweep":
        return duto.HyperDriveRun(place, run_id, _document=dict(document))
    if kind == "automl":
        return duto.AutoMLRun(place, run_id, _document=dict(document))
    if kind == "step":
        step = document.get("step") or {}
        return duto.StepRun(
            place,
            run_id,
            str(document.get("root") or document.get("parent")),
            str(step.get("id")),
            _is_reused=bool(document.get("is_reused")),
            _document=dict(document),
        )
    return duto.Run(place, run_id, _document=dict(document))


def list_runs(
    experiment: Any, type: Optional[str], tags: Any, properties: Any, status: Optional[str], include_children: bool
) -> Iterator[Any]:
    """The runs of an experiment, newest first, that fit."""
    workspace = experiment.workspace
    for item in workspace._pages("runs/", experiment=experiment.name, status=status):
        if item.get("parent") and not include_children:
            continue
        run = run_of(workspace, item, experiment)
        if fits(run, item, type, tags, properties, status):
            yield run


def failure_text(run: Any) -> str:
    """Why a run did not complete, for people, with its address."""
    facts = run._facts()
    error = facts.get("error") or {}
    step = f"step '{error['step']}': " if error.get("step") else ""
    reason = error.get("message") or error.get("cause") or f"it is {facts.get('status')}"
    return f"The run {run.id} did not complete: {step}{reason}\n{run.get_portal_url()}"


def fits(
    run: Any, item: Mapping[str, Any], type: Optional[str], tags: Any, properties: Any, status: Optional[str]
) -> bool:
    return (
        (type is None or type in (run.type, item.get("kind")))
        and (status is None or item.get("status") == status)
        and has(item.get("tags") or {}, tags)
        and has(item.get("properties") or {}, properties)
    )


def has(found: Mapping[str, Any], wanted: Any) -> bool:
    """A wanted key, or keys with values (None for any value)."""
    if not wanted:
        return True
    if isinstance(wanted, str):
        return wanted in found
    return all(key in found and (value is None or str(found[key]) == str(value)) for key, value in wanted.items())
