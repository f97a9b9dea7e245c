"""The tabs Outputs and Inputs: what the run read and wrote."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, F, QuerySet, Sum, Value
from django.db.models.functions import Left, StrIndex, Substr
from django.urls import reverse
from django.utils.translation import gettext as _

from core.errors import StudioError
from core.ids import as_uuid
from core.storage import Root, artifact_store
from datasets.models import DatasetVersion
from duto.spec.kinds import KINDS
from duto.spec.parameters import as_text, texts
from duto.spec.secrets import hidden
from duto.spec.shell import with_values
from registry.models import ModelVersion
from runs.models import Artifact, Output, Run
from runs.queries.graphs import parsed
from runs.queries.uses import Read, script_reads
from runs.web import files
from runs.web.panel_details import pairs
from runs.web.panel_request import PanelRequest, StepPanelRequest
from runs.web.preview import Opened, opened
from runs.web.windows import Window, window

MOST_FILES = 500
# A log of very short lines is long on a page before it is large.
MOST_LINES = 5000


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
    # The dataset that stands in its place, and the one that it was registered as.
    linked: DatasetVersion | None = None
    registered: DatasetVersion | None = None


@dataclass(frozen=True)
class Files:
    """The files of the run, opened at one folder."""

    count: int
    size: int
    trail: list[tuple[str, str]]
    folder: str
    entries: list[Entry]
    window: Window


@dataclass(frozen=True)
class Preview:
    """One file as it is shown: a picture, a page in a frame without rights, text, or why it cannot be."""

    path: str
    href: str
    opened: Opened | None = None
    is_picture: bool = False
    frame: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Outputs:
    """What runs/panel/outputs.html may show."""

    run_id: UUID
    outputs: list[Browsed]
    # The output that is opened; empty for the files of the run.
    opened: str
    files: Files
    preview: Preview | None
    # What was registered of the run.
    models: list[ModelVersion]
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
    reads: list[InputRow]
    command: str
    parameters: dict[str, Any]
    variables: dict[str, Any]
    tags: list[tuple[str, str]]
    properties: list[tuple[str, str]]


def outputs(ask: PanelRequest) -> Outputs:
    """Outputs with their manifests, a level of the files of the run, the file that the address names, and the models."""
    run_id = ask.evidence_id
    opened, folder = ask.query.get("output", ""), ask.query.get("folder", "").strip("/")
    rows = list(Output.objects.filter(run_id=run_id).order_by("name"))
    found = [browse(each, folder, ask.query.get("from")) if each.name == opened else browse(each) for each in rows]
    versions = _versions(ask, rows)
    found = [
        replace(
            each,
            linked=versions.get(each.output.linked_version_id),
            registered=versions.get(each.output.dataset_version_id),
        )
        for each in found
    ]
    return Outputs(
        run_id=run_id,
        outputs=found,
        opened=opened,
        files=files_of(run_id, "" if opened else folder, ask.query.get("files")),
        preview=_preview(ask, next((each for each in rows if each.name == opened), None)),
        models=list(_models(ask)[:MOST_FILES]),
        declared=[each["name"] for each in ask.spec.get("outputs", [])],
        is_over=ask.run.is_final,
    )


def _versions(ask: PanelRequest, rows: Iterable[Output]) -> dict[UUID | None, DatasetVersion]:
    """The datasets that outputs link or were registered as, by their ids: no query where there are none."""
    wanted = {key for each in rows for key in (each.linked_version_id, each.dataset_version_id) if key is not None}
    if not wanted:
        return {}
    found = DatasetVersion.objects.filter(pk__in=wanted, workspace=ask.context.workspace)
    return {each.pk: each for each in found.select_related("dataset").defer("definition", "profile")}


def _models(ask: PanelRequest) -> QuerySet[ModelVersion]:
    made = ModelVersion.objects.filter(run_id=ask.evidence_id, model__workspace=ask.context.workspace)
    return made.select_related("model").defer("files").order_by("id")


def files_of(run_id: UUID, folder: str = "", asked: str | None = None) -> Files:
    """One level of the files of a run, counted by the database: folders first, with the sums of what is below them."""
    prefix = f"{folder}/" if folder else ""
    rows = Artifact.objects.filter(run_id=run_id)
    below = rows.alias(above=Left("path", len(prefix))).filter(above=prefix) if prefix else rows
    below = below.annotate(rest=Substr("path", len(prefix) + 1)).annotate(cut=StrIndex("rest", Value("/")))
    inner = below.filter(cut__gt=0).annotate(name=Left("rest", F("cut") - 1)).order_by("name").values("name")
    folders = [
        Entry(each["name"], prefix + each["name"], each["total"], True, each["count"])
        for each in inner.annotate(total=Sum("size"), count=Count("id"))
    ]
    plain = below.filter(cut=0).order_by("path")
    in_all = rows.aggregate(count=Count("id"), size=Sum("size"))
    shown = window("files", asked, len(folders) + plain.count(), MOST_FILES)
    start, end = max(0, shown.start - len(folders)), max(0, shown.end - len(folders))
    entries = [Entry(each.rest, each.path, each.size) for each in plain[start:end]] if end > start else []
    return Files(
        in_all["count"], in_all["size"] or 0, _trail(folder), folder, folders[shown.start : shown.end] + entries, shown
    )


def _preview(ask: PanelRequest, output: Output | None) -> Preview | None:
    """The file that the address names. What cannot be shown is told where it would stand."""
    path, run_id, ws = ask.query.get("file", ""), ask.evidence_id, ask.context.workspace.name
    if not path:
        return None
    kind = mimetypes.guess_type(path)[0] or ""
    if output is not None:
        if not any(each["path"] == path for each in output.files):
            return Preview(path, "", refusal=_("This output has no such file."))
        href = reverse("runs:output-file", args=[ws, run_id, output.name, path])
        return _read(path, href, lambda: files.place_of(ask.context, output, path))
    found = Artifact.objects.filter(run_id=run_id, path=path).first()
    if found is None:
        return Preview(path, "", refusal=_("This run has no such file."))
    href = reverse("runs:artifact", args=[ws, run_id, path])
    if kind in files.PICTURES:
        return Preview(path, href, is_picture=True)
    if kind == "text/html":
        return Preview(path, href, frame=reverse("runs:framed", args=[ws, run_id, path]))
    return _read(path, href, lambda: (artifact_store(ask.context.workspace.pk), found.key))


def _read(path: str, href: str, place: Callable[[], tuple[Root, str]]) -> Preview:
    try:
        return Preview(path, href, opened=opened(*place(), path, lines=MOST_LINES))
    except StudioError as error:
        return Preview(path, href, refusal=error.message)


def _trail(folder: str) -> list[tuple[str, str]]:
    """The folders above, each with its path."""
    parts = folder.split("/") if folder else []
    return [(part, "/".join(parts[: place + 1])) for place, part in enumerate(parts)]


def browse(output: Output, folder: str = "", asked: str | None = None) -> Browsed:
    """One level of an output's manifest: no look at the datastore is needed."""
    prefix = f"{folder}/" if folder else ""
    below = [each for each in output.files if str(each["path"]).startswith(prefix)]
    entries = level(((each["path"], each["size"]) for each in below), prefix)
    shown = window("from", asked, len(entries), MOST_FILES)
    return Browsed(output, folder, _trail(folder), entries[shown.start : shown.end], shown)


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


def inputs(ask: StepPanelRequest) -> Inputs:
    """A query for the data that the step names, and two for what its script read by itself."""
    spec = ask.spec
    values = hidden(ask.tree.root.parameters)
    sources = [(entry, _resolved(entry.get("from") or {}, values)) for entry in spec.get("inputs", [])]
    ids = [found for _entry, source in sources if (found := as_uuid(source.get("dataset")))]
    versions = {
        str(each.pk): each
        for each in DatasetVersion.objects.filter(pk__in=ids, workspace=ask.context.workspace)
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
        reads=[_row(ask, each) for each in script_reads(ask.context.workspace.pk, _said(ask))],
        command=command_of(spec, texts(parsed(ask.tree.root.pk).types, values)),
        parameters={name: values.get(name) for name in sorted(used)},
        variables=spec.get("environment_variables", {}),
        tags=pairs(ask.run.tags),
        properties=pairs(ask.run.properties),
    )


def command_of(spec: dict[str, Any], values: dict[str, Any]) -> str:
    """What is called with these values of parameters; a command is its arguments alone, values as its shell gets them."""
    kind, given = KINDS[spec.get("kind", "python_script")], spec.get("arguments", [])
    script = spec.get("script", "")
    # A sweep without a script is one of a command.
    is_line = kind.is_shell or (kind.has_script and not script)
    shown = with_values(given, values) if is_line else given
    start = () if is_line else kind.shown_command(script, spec.get("settings", {}))
    return " ".join([*start, *(argument(value, values) for value in shown)])


def _resolved(source: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """What a parameter stands for in this run."""
    if "parameter" not in source:
        return source
    value = values.get(source["parameter"])
    return value if isinstance(value, dict) else {"dataset": value}


def _input(
    ask: StepPanelRequest, entry: dict[str, Any], source: dict[str, Any], versions: dict[str, DatasetVersion]
) -> InputRow:
    ws = ask.context.workspace.name
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
    return InputRow(
        **_dataset(ws, versions.get(str(source.get("dataset"))), str(source.get("dataset") or "")), **common
    )


def _dataset(ws: str, version: DatasetVersion | None, said: str) -> dict[str, str]:
    """Where a dataset leads to; one without a name, or that is not there any more, is told by its id."""
    if version is None or version.dataset is None:
        return {"source": _("data without a name"), "url": "", "detail": said}
    url = reverse("datasets:dataset", args=[ws, version.dataset.name]) + f"?version={version.version}"
    return {
        "source": f"{version.dataset.name} v{version.version}",
        "url": url,
        "detail": version.get_kind_display(),
    }


def _said(ask: StepPanelRequest) -> dict[str, str]:
    """The properties of the run whose script was executed: a reused step has its source's."""
    run = ask.step.run
    if ask.step.is_reused:
        run = Run.objects.only("properties").filter(pk=ask.step.evidence_id).first() or run
    return dict(run.properties)


def _row(ask: StepPanelRequest, read: Read) -> InputRow:
    ws, common = ask.context.workspace.name, {"name": read.label or "–", "mode": ""}
    if read.is_data:
        return InputRow(**_dataset(ws, read.dataset, read.said), **common)
    if read.model is None:
        return InputRow(source=read.said, url="", detail=_("a model that was removed since"), **common)
    url = reverse("models:model", args=[ws, read.model.model.name]) + f"?version={read.model.version}"
    return InputRow(source=f"{read.model.model.name} v{read.model.version}", url=url, detail=_("Model"), **common)


def argument(value: Any, values: dict[str, Any]) -> str:
    """An argument as the script got it, as far as that can be said."""
    if not isinstance(value, dict):
        return str(value)
    for kind in ("input", "output"):
        if kind in value:
            return f"‹{kind} {value[kind]}›"
    return as_text(values.get(value.get("parameter", ""), ""))
