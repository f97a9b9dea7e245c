"""`Run.get_details()`: what the studio knows of a run, under Azure ML's keys."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional

from duto.run.files import LOG_NAME, LOG_OF_RANK
from duto.spec import status as statuses
from duto.spec.kinds import KINDS

# Runs that are the single step of a graph of their own.
_WITH_GRAPH = ("script", "sweep", "automl", "trial")


def details_of(run: Any, facts: Mapping[str, Any]) -> Dict[str, Any]:
    """The details of a run from its document."""
    step = facts.get("step") or {}
    holder = _graph_holder(run)
    graph_step = step_document(run, holder) or {}
    details: Dict[str, Any] = {
        "runId": run.id,
        "target": step.get("compute") or graph_step.get("compute") or "local",
        "status": facts.get("status"),
        "startTimeUtc": facts.get("started_at"),
        "endTimeUtc": facts.get("finished_at"),
        "services": {},
        "warnings": [{"source": "Duto", "message": _text(each)} for each in facts.get("warnings") or ()],
        "properties": properties_of(facts),
        "inputDatasets": _input_datasets(
            run, graph_step, holder.get("parameters") or {}, facts.get("properties") or {}
        ),
        "outputDatasets": _output_datasets(run, facts),
        "runDefinition": _definition(graph_step),
        "logFiles": _log_files(run, facts),
        "submittedBy": facts.get("submitted_by"),
    }
    if transfers := (step.get("attempts") or [{}])[-1].get("transfers"):
        details["transfers"] = transfers
    if facts.get("error"):
        details["error"] = _error(facts["error"])
    return details


def properties_of(facts: Mapping[str, Any]) -> Dict[str, str]:
    """The properties, with those that Azure ML derives from a run."""
    found = {str(key): str(value) for key, value in (facts.get("properties") or {}).items()}
    kind = str(facts.get("kind"))
    if kind in ("pipeline", "step"):
        found.setdefault(statuses.RUN_SOURCE, statuses.RUN_TYPES[kind])
    if kind == "pipeline":
        found.setdefault(statuses.PARAMETERS, json.dumps(facts.get("parameters") or {}))
    if kind == "step":
        found.setdefault(statuses.PIPELINE_RUN_ID, str(facts.get("root")))
        found.setdefault(statuses.STEP_TYPE, "PythonScriptStep")
    return found


def _graph_holder(run: Any) -> Mapping[str, Any]:
    """The document that has the graph and the parameters of a run: its own, or its root's."""
    facts: Mapping[str, Any] = run._facts()
    if not facts.get("graph") and facts.get("kind") in _WITH_GRAPH:
        return run._fresh(graph=True)  # type: ignore[no-any-return]
    if facts.get("graph") or facts.get("kind") != "step" or not facts.get("root"):
        return facts
    root: Mapping[str, Any] = run._workspace._client.get(run._workspace._path(f"runs/{facts['root']}/"))
    return root


def step_document(run: Any, holder: Optional[Mapping[str, Any]] = None) -> Optional[Dict[str, Any]]:
    """The step of the graph that a step or script run executes; None for a run without one."""
    facts = run._facts()
    graph, wanted = (holder or _graph_holder(run)).get("graph"), (facts.get("step") or {}).get("id")
    steps: List[Dict[str, Any]] = (graph or {}).get("steps") or []
    if facts.get("kind") in _WITH_GRAPH and len(steps) == 1:
        return steps[0]
    return next((step for step in steps if step.get("id") == wanted), None)


def _input_datasets(
    run: Any, step: Mapping[str, Any], parameters: Mapping[str, Any], properties: Mapping[str, Any]
) -> List[Dict[str, Any]]:
    """Azure's shape: an entry per dataset that the graph, a parameter or the script itself names as an input."""
    from duto.data.dataset import identified

    found = []
    for item in step.get("inputs") or ():
        source = item.get("from") or {}
        version = parameters.get(source["parameter"]) if source.get("parameter") else source.get("dataset")
        if isinstance(version, str):
            how = {"type": "RunInput", "inputName": item["name"], "mechanism": item.get("mode")}
            found.append({"dataset": identified(run._workspace, version), "consumptionDetails": how})
    for name, version in properties.items():
        if name.startswith(statuses.INPUT_DATASET):
            how = {"type": "Reference", "inputName": name[len(statuses.INPUT_DATASET) :]}
        elif name.startswith(statuses.READ_DATASET):
            how = {"type": "Reference"}
        else:
            continue
        found.append({"dataset": identified(run._workspace, version), "consumptionDetails": how})
    return found


def _output_datasets(run: Any, facts: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Azure's shape: an entry per output of a step or script run that was registered as a dataset, or links one."""
    from duto.data.dataset import identified

    if facts.get("kind") not in ("step", "script"):
        return []
    found = []
    for item in run._workspace._client.pages(run._place + "outputs/"):
        version = item.get("dataset_version") or item.get("linked_version")
        if version:
            found.append(
                {
                    "identifier": {"savedId": version},
                    "outputType": "RunOutput",
                    "outputDetails": {"outputName": item["name"]},
                    "dataset": identified(run._workspace, version),
                }
            )
    return found


def _definition(step: Mapping[str, Any]) -> Dict[str, Any]:
    arguments, spread = [_argument(each) for each in step.get("arguments") or ()], step.get("distribution") or {}
    is_command = step.get("kind") in KINDS and KINDS[str(step["kind"])].is_shell
    return (
        {
            "script": step.get("script"),
            "command": " ".join(arguments) if is_command else "",
            "arguments": [] if is_command else arguments,
            "target": step.get("compute"),
            "nodeCount": step.get("node_count", 1),
            **_framework(spread.get("type"), spread.get("processes"), spread.get("parameter_servers")),
            "maxRunDurationSeconds": step.get("timeout_seconds"),
            "environment": step.get("environment"),
            "useAbsolutePath": False,
            "dataReferences": {},
            "data": {},
            "outputData": {},
        }
        if step
        else {}
    )


def _framework(kind: Any, processes: Any, servers: Any) -> Dict[str, Any]:
    """Azure's words for the processes of a step."""
    if kind == "tensorflow":
        counts = {"workerCount": processes, "parameterServerCount": servers}
        return {"framework": "TensorFlow", "communicator": "ParameterServer", "tensorflow": counts}
    if kind == "pytorch":
        return {"framework": "PyTorch", "communicator": "Nccl", "pytorch": {"processCount": processes}}
    if kind == "mpi":
        return {"framework": "Python", "communicator": "OpenMpi", "mpi": {"processCountPerNode": processes}}
    return {"framework": "Python", "communicator": "None"}


def _argument(value: Any) -> str:
    if isinstance(value, Mapping):
        kind, name = next(iter(value.items()))
        return f"${{{kind}:{name}}}"
    return str(value)


def _log_files(run: Any, facts: Mapping[str, Any]) -> Dict[str, str]:
    if facts.get("kind") not in ("step", "script"):
        return {}
    place = f"{run._workspace.studio_url}{run._place}log/"
    attempts = (facts.get("step") or {}).get("attempts") or [{}]
    ranks = [each["rank"] for each in attempts[-1].get("ranks") or ()]
    return {LOG_NAME: place, **{LOG_OF_RANK.format(rank): f"{place}?rank={rank}" for rank in ranks}}


def _error(error: Mapping[str, Any]) -> Dict[str, Any]:
    """Azure's nesting of an error, with the studio's own facts beside it."""
    known = "UserError" if error.get("cause") in (None, "user_error", "out_of_memory", "timeout") else "ServiceError"
    return {
        "error": {
            "code": error.get("code") or known,
            "message": error.get("message") or "",
            "details": [],
            "innerError": None,
            "target": error.get("step"),
        },
        "facts": dict(error),
    }


def _text(warning: Any) -> str:
    return str(warning.get("text") or warning.get("message")) if isinstance(warning, Mapping) else str(warning)
