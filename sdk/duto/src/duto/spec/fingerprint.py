"""What a step's result depends on, as a document of named parts; equal fingerprints mean that a run may be
reused.

The parts follow Azure ML's rule of reuse, with content added: files, script, arguments with their bindings
named, inputs by identity, parameter values, the locked environment, outputs, the class of compute, variables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from duto.spec import canonical, secrets
from duto.spec.graph import Step
from duto.spec.kinds import KINDS
from duto.spec.parameters import as_text

SCHEMA = 1
PARTS = (
    "snapshot",
    "script",
    "arguments",
    "inputs",
    "parameters",
    "environment",
    "outputs",
    "compute",
    "variables",
    "params",
    "version",
    "settings",
    "distribution",
)


@dataclass(frozen=True)
class Difference:
    """One difference between two fingerprints; `text` says it in plain words, `old` and `new` hold the
    values."""

    part: str
    name: str
    old: Any
    new: Any
    text: str

    def to_document(self) -> Dict[str, Any]:
        return {"part": self.part, "name": self.name, "old": self.old, "new": self.new, "text": self.text}


def fingerprint(
    step: Step,
    *,
    snapshot: Optional[str],
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    environment: Optional[str],
    compute: Any,
) -> Dict[str, Any]:
    """The fingerprint document of a step.

    `snapshot` is the digest of its files, `inputs` the identity of each input's content by name, `parameters`
    the values of the run's parameters (only those that the step uses enter), `environment` the digest of its
    lock,
    `compute` the class of its compute target.
    """
    settings = _settings(step)
    used = sorted(_used_parameters(step, settings))
    spread = step.distribution
    return {
        "schema": SCHEMA,
        "parts": {
            "snapshot": snapshot,
            "script": step.script,
            "arguments": list(step.arguments),
            "inputs": {
                each.name: [inputs.get(each.name), each.mode, each.path_on_compute, each.tabular]
                for each in step.inputs
            },
            "parameters": {name: secrets.identity(parameters.get(name)) for name in used},
            "environment": environment,
            "outputs": [
                [
                    *(each.name, each.kind, each.datastore, each.mode, each.destination, each.is_directory),
                    *([list(each.source_globs)] if each.source_globs else []),
                ]
                for each in step.outputs
            ],
            "compute": compute,
            "variables": dict(step.environment_variables),
            "params": dict(step.params),
            "version": step.version,
            # Only where there are any, so that the fingerprints of steps without stay as they are.
            **({"settings": settings} if settings else {}),
            **({"distribution": {"type": spread.type, **spread.counts}} if spread else {}),
        },
    }


def digest(document: Mapping[str, Any]) -> str:
    """The fingerprint itself: the sha256 of the document's canonical JSON."""
    return canonical.digest(document)


def _settings(step: Step) -> Dict[str, Any]:
    """Those settings on which the result may depend."""
    unrelated = KINDS[step.kind].unrelated if step.kind in KINDS else ()
    return {name: value for name, value in step.settings.items() if name not in unrelated}


def _used_parameters(step: Step, settings: Mapping[str, Any]) -> Iterable[str]:
    counts = step.distribution.counts.values() if step.distribution else ()
    for value in (*step.arguments, *step.params.values(), *settings.values(), *counts):
        if isinstance(value, Mapping) and "parameter" in value:
            yield value["parameter"]
    for each in step.inputs:
        if each.parameter is not None:
            yield each.parameter


def compare(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    old_files: Optional[Mapping[str, str]] = None,
    new_files: Optional[Mapping[str, str]] = None,
) -> List[Difference]:
    """The differences from `old` to `new`, part by part; empty when they are equal.

    `old_files` and `new_files` map each path of the snapshots to its digest, and turn "the files changed"
    into which.
    """
    before, after = old.get("parts", {}), new.get("parts", {})
    found: List[Difference] = []
    for part in (*PARTS, *sorted((set(before) | set(after)) - set(PARTS))):
        first, second = before.get(part), after.get(part)
        if first == second:
            continue
        if part == "snapshot" and old_files is not None and new_files is not None:
            found += compare_files(old_files, new_files)
        elif part == "arguments":
            found += _named(part, _options(first or []), _options(second or []))
        elif isinstance(first or {}, Mapping) and isinstance(second or {}, Mapping):
            found += _named(part, first or {}, second or {})
        elif part == "outputs":
            found += _named(part, _by_name(first), _by_name(second))
        else:
            found.append(Difference(part, part, first, second, _whole(part, first, second)))
    return found


def compare_files(old: Mapping[str, str], new: Mapping[str, str]) -> List[Difference]:
    """The differences of two snapshots, each a mapping of path to digest, file by file."""
    found = []
    for path in sorted(set(old) | set(new)):
        if old.get(path) != new.get(path):
            change = "is new" if path not in old else "is gone" if path not in new else "changed"
            found.append(Difference("snapshot", path, old.get(path), new.get(path), f"`{path}` {change}"))
    return found


def explain(differences: Iterable[Difference], most: int = 5) -> str:
    """One line for people: "not reused: `train.py` changed, `--lr` 0.1 → 0.2"; at most `most` are spelt
    out."""
    texts = [each.text for each in differences]
    if not texts:
        return "reused: nothing that the step depends on has changed"
    rest = f", and {len(texts) - most} more" if len(texts) > most else ""
    return "not reused: " + ", ".join(texts[:most]) + rest


_MISSING = object()
_LABELS = {
    "arguments": "",
    "inputs": "input ",
    "parameters": "parameter ",
    "outputs": "output ",
    "variables": "variable ",
    "params": "param ",
    "settings": "",
}
_OPAQUE = {
    "snapshot": "the files of the source directory changed",
    "environment": "the environment's packages changed",
}


def _options(arguments: Iterable[Any]) -> Dict[str, Any]:
    """Arguments by their option, so that a changed value is told by name; the others by their place."""
    named: Dict[str, Any] = {}
    option: Optional[str] = None
    for place, value in enumerate(arguments, 1):
        if isinstance(value, str) and value.startswith("-") and not _is_number(value):
            option = value
            named.setdefault(option, None)
        elif option is not None and named[option] is None:
            named[option] = value
        else:
            named[f"argument {place}"] = value
            option = None
    return named


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _by_name(outputs: Any) -> Dict[str, Any]:
    return {str(each[0]): each[1:] for each in outputs or []}


def _named(part: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> List[Difference]:
    found = []
    label = _LABELS.get(part, part + " ")
    for name in (*old, *(name for name in new if name not in old)):
        first, second = old.get(name, _MISSING), new.get(name, _MISSING)
        if first == second:
            continue
        if first is _MISSING:
            text = f"{label}`{name}` is new"
        elif second is _MISSING:
            text = f"{label}`{name}` is gone"
        elif part in ("inputs", "outputs") or secrets.is_identity(first) or secrets.is_identity(second):
            text = f"{label}`{name}` changed"
        else:
            text = f"{label}`{name}` {_shown(first)} → {_shown(second)}"
        found.append(Difference(part, name, _value(first), _value(second), text))
    if not found:  # the same options in another order
        found.append(Difference(part, part, list(old), list(new), f"the order of the {part} changed"))
    return found


def _value(value: Any) -> Any:
    return None if value is _MISSING else secrets.MASK if secrets.is_identity(value) else value


def _whole(part: str, old: Any, new: Any) -> str:
    return _OPAQUE.get(part) or f"{part} {_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping) and len(value) == 1 and set(value) <= {"input", "output", "parameter"}:
        kind, name = next(iter(value.items()))
        return f"the {kind} {name}"
    is_place = isinstance(value, Mapping) and set(value) == {"datastore", "path"}
    is_json = isinstance(value, (list, Mapping)) and not is_place
    text = json.dumps(value, ensure_ascii=False) if is_json else as_text(value)
    return text if len(text) <= 60 else text[:57] + "..."


def split(document: Mapping[str, Any]) -> Tuple[Tuple[str, Any], ...]:
    """The parts in the order in which they are shown."""
    parts = document.get("parts", {})
    return tuple((part, parts[part]) for part in (*PARTS, *sorted(set(parts) - set(PARTS))) if part in parts)
