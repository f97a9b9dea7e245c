"""The tabs Outputs and Inputs: what the step read and wrote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from core.ids import as_uuid
from datasets.models import DatasetVersion
from runs.models import Artifact, Output
from runs.web.windows import Window, window

if TYPE_CHECKING:
    from runs.web.panel import Ask

MOST_FILES = 500


@dataclass(frozen=True)
class Entry:
    """A file or a folder of one level."""

    name: str
    path: str
    size: int
    is_folder: bool = False
    count: int = 0


@dataclass(frozen=True)
class Browsed:
    """One output, opened at one folder."""

    output: Output
    folder: str
    trail: list[tuple[str, str]]
    entries: list[Entry]
    window: Window


@dataclass(frozen=True)
class Outputs:
    """What runs/panel/outputs.html may show."""

    run_id: UUID
    outputs: list[Browsed]
    artifacts: list[Artifact]
    window: Window
    declared: list[str]
    is_over: bool


@dataclass(frozen=True)
class InputRow:
    """An input and where it comes from."""

    name: str
    source: str
    url: str
    mode: str
    detail: str


@dataclass(frozen=True)
class Inputs:
    """What runs/panel/inputs.html may show."""

    inputs: list[InputRow]
    arguments: list[str]
    parameters: dict[str, Any]
    variables: dict[str, Any]
    script: str


def outputs(ask: Ask) -> Outputs:
    """Three queries: outputs with their manifests, and the files of the run."""
    run_id = ask.step.evidence_id
    opened, folder = ask.query.get("output", ""), ask.query.get("folder", "").strip("/")
    found = [
        browse(each, folder, ask.query.get("from")) if each.name == opened else browse(each)
        for each in Output.objects.filter(run_id=run_id).order_by("name")
    ]
    rows = Artifact.objects.filter(run_id=run_id).order_by("path")
    shown = window("files", ask.query.get("files"), rows.count(), MOST_FILES)
    artifacts = list(rows[shown.start : shown.end])
    declared = [each["name"] for each in spec_of(ask).get("outputs", [])]
    return Outputs(run_id, found, artifacts, shown, declared, ask.step.run.is_final)


def browse(output: Output, folder: str = "", asked: str | None = None) -> Browsed:
    """One level of an output's manifest: no look at the datastore is needed."""
    prefix = f"{folder}/" if folder else ""
    below = [each for each in output.files if str(each["path"]).startswith(prefix)]
    entries = level(((each["path"], each["size"]) for each in below), prefix)
    parts = folder.split("/") if folder else []
    trail = [(part, "/".join(parts[: place + 1])) for place, part in enumerate(parts)]
    shown = window("from", asked, len(entries), MOST_FILES)
    return Browsed(output, folder, trail, entries[shown.start : shown.end], shown)


def level(files: Iterable[tuple[str, int]], prefix: str) -> list[Entry]:
    """Folders first, with the sums of what is below them."""
    folders: dict[str, tuple[int, int]] = {}
    plain: list[Entry] = []
    for path, size in files:
        rest = path[len(prefix) :]
        name, inside, _rest = rest.partition("/")
        if inside:
            total, count = folders.get(name, (0, 0))
            folders[name] = (total + size, count + 1)
        else:
            plain.append(Entry(name, path, size))
    made = [Entry(name, prefix + name, size, True, count) for name, (size, count) in sorted(folders.items())]
    return made + sorted(plain, key=lambda entry: entry.name.lower())


def spec_of(ask: Ask) -> dict[str, Any]:
    """The step as the graph document has it."""
    return ask.tree.spec(ask.step.node)


def inputs(ask: Ask) -> Inputs:
    """One query for the data that the step names."""
    spec = spec_of(ask)
    values = ask.tree.root.parameters
    sources = [(entry, _resolved(entry.get("from") or {}, values)) for entry in spec.get("inputs", [])]
    ids = [found for _entry, source in sources if (found := as_uuid(source.get("dataset")))]
    versions = {
        str(each.pk): each
        for each in DatasetVersion.objects.filter(pk__in=ids, workspace=ask.room.workspace)
        .select_related("dataset")
        .defer("definition", "profile")
    }
    used = {
        value["parameter"]
        for value in (*spec.get("arguments", []), *spec.get("params", {}).values())
        if isinstance(value, dict) and "parameter" in value
    }
    return Inputs(
        inputs=[_input(ask, entry, source, versions) for entry, source in sources],
        arguments=[argument(value, values) for value in spec.get("arguments", [])],
        parameters={name: values.get(name) for name in sorted(used)},
        variables=spec.get("environment_variables", {}),
        script=spec.get("script", ""),
    )


def _resolved(source: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """What a parameter stands for in this run."""
    if "parameter" not in source:
        return source
    value = values.get(source["parameter"])
    return value if isinstance(value, dict) else {"dataset": value}


def _input(ask: Ask, entry: dict[str, Any], source: dict[str, Any], versions: dict[str, DatasetVersion]) -> InputRow:
    ws = ask.room.workspace.name
    common = {"name": entry["name"], "mode": entry.get("mode", "mount")}
    if source.get("step"):
        query = urlencode({"step": source["step"], "tab": "outputs", "output": source.get("output", "")})
        return InputRow(
            source=f"{source['step']} → {source.get('output', '')}",
            url=f"?{query}",
            detail=_("output of a step"),
            **common,
        )
    if source.get("datastore"):
        url = (
            reverse("datasets:store", args=[ws, source["datastore"]])
            + "?"
            + urlencode({"path": source.get("path", "")})
        )
        return InputRow(
            source=f"{source['datastore']}/{source.get('path', '')}", url=url, detail=_("path on a datastore"), **common
        )
    version = versions.get(str(source.get("dataset")))
    if version is None or version.dataset is None:
        return InputRow(source=_("data without a name"), url="", detail=str(source.get("dataset") or ""), **common)
    url = reverse("datasets:dataset", args=[ws, version.dataset.name]) + f"?version={version.version}"
    return InputRow(
        source=f"{version.dataset.name} v{version.version}", url=url, detail=version.get_kind_display(), **common
    )


def argument(value: Any, values: dict[str, Any]) -> str:
    """An argument as the script got it, as far as that can be said."""
    if not isinstance(value, dict):
        return str(value)
    for kind in ("input", "output"):
        if kind in value:
            return f"‹{kind} {value[kind]}›"
    return str(values.get(value.get("parameter", ""), ""))
