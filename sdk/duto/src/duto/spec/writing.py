"""A graph as its document."""

from __future__ import annotations

from typing import Any, Dict

from duto.spec.values import SCHEMA, Input, Output, Parameter, Parts, Step


def graph_document(graph: Parts) -> Dict[str, Any]:
    """The document that `Graph.from_document` reads back to an equal graph."""
    return {
        "schema": SCHEMA,
        "description": graph.description,
        "continue_on_step_failure": graph.continue_on_step_failure,
        "parameters": [_parameter(each) for each in graph.parameters],
        "pipeline_outputs": {
            name: {"step": step, "output": output} for name, (step, output) in graph.pipeline_outputs.items()
        },
        "steps": [step_document(step) for step in graph.steps],
    }


def step_document(step: Step) -> Dict[str, Any]:
    """One step as the document holds it."""
    document: Dict[str, Any] = {
        "id": step.id,
        "name": step.name,
        "kind": step.kind,
        "script": step.script,
        "arguments": list(step.arguments),
        "snapshot": step.snapshot,
        "compute": step.compute,
        "environment": None if step.environment is None else dict(step.environment),
        "inputs": [_input(each) for each in step.inputs],
        "outputs": [_output(each) for each in step.outputs],
        "params": dict(step.params),
        "environment_variables": dict(step.environment_variables),
        "run_after": list(step.run_after),
        "allow_reuse": step.allow_reuse,
        "hash_paths": None if step.hash_paths is None else list(step.hash_paths),
        "version": step.version,
        "node_count": step.node_count,
        "timeout_seconds": step.timeout_seconds,
        "retries": step.retries,
        "retry_delay_seconds": step.retry_delay_seconds,
    }
    if step.settings:  # few kinds have any, and the digests of graphs without stay as they are
        document["settings"] = dict(step.settings)
    if step.distribution is not None:
        document["distribution"] = {"type": step.distribution.type, **step.distribution.counts}
    return document


def _parameter(parameter: Parameter) -> Dict[str, Any]:
    document: Dict[str, Any] = {"name": parameter.name, "type": parameter.type, "default": parameter.default}
    if parameter.choices is not None:
        document["choices"] = list(parameter.choices)
    # Only what is said, so that the digests of graphs without stay as they are.
    said = {
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
        "help": parameter.help or None,
        "secret": parameter.secret or None,
    }
    return {**document, **{key: value for key, value in said.items() if value is not None}}


def _input(each: Input) -> Dict[str, Any]:
    sources: Dict[str, Dict[str, Any]] = {
        "step": {"step": each.step, "output": each.output},
        "dataset": {"dataset": each.dataset},
        "datastore": {"datastore": each.datastore, "path": each.path or ""},
        "parameter": {"parameter": each.parameter},
    }
    document: Dict[str, Any] = {
        "name": each.name,
        "from": sources[each.source],
        "mode": each.mode,
        "path_on_compute": each.path_on_compute,
    }
    if each.tabular is not None:
        document["tabular"] = dict(each.tabular)
    return document


def _output(each: Output) -> Dict[str, Any]:
    document: Dict[str, Any] = {
        "name": each.name,
        "kind": each.kind,
        "datastore": each.datastore,
        "mode": each.mode,
        "is_directory": each.is_directory,
        "path_on_compute": each.path_on_compute,
        "overwrite": each.overwrite,
        "destination": each.destination,
        "register": None if each.register is None else dict(each.register),
    }
    if each.source_globs:
        document["source_globs"] = list(each.source_globs)
    return document
