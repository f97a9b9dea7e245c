"""Places on datastores, as runs refer to them: where they lie, what is there, and what is wrong with a reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from core import objects, sentences
from core.clock import now
from core.errors import NotFound, StudioError
from core.ids import as_key, as_uuid
from core.storage import Root, safe
from datasets import definitions, readiness, stores
from datasets.kinds import KINDS
from datasets.models import DatasetVersion, Datastore
from datasets.stores import place_of, relative_root, root_of
from duto.spec import canonical
from duto.spec.errors import SpecError
from duto.spec.graph import Input, Output
from duto.spec.names import check_name
from duto.spec.sentences import said
from workspaces.models import Workspace

__all__ = [
    "MOUNT",
    "Extent",
    "Found",
    "Known",
    "extent_of",
    "files_below",
    "files_mounted",
    "path_identity",
    "place_of",
    "problems_of",
    "relative_root",
    "root_by_name",
    "source_of",
    "store_names",
]

MISSING, UNWRITABLE = "missing_data", "read_only_store"
# A path is mounted as it is when its step starts, also one at which nothing lies yet: an empty folder.
MOUNT = "mount"
# What the registration of an output says of its definition, beside the place that only its run knows.
PARTS = ("format", "operations")


@dataclass(frozen=True)
class Found:
    """A file of a datastore: its key there, its path relative to the place that was asked for, its size in bytes."""

    datastore: str
    key: str
    path: str
    size: int
    digest: str | None = None
    modified: float = 0.0
    tag: str = ""


def root_by_name(workspace: Workspace, name: str) -> Root:
    """Raises NotFound."""
    store = Datastore.objects.filter(workspace=workspace, name=name).first()
    if store is None:
        raise NotFound(
            _("There is no datastore '%(name)s' in workspace '%(workspace)s'.")
            % {"name": name, "workspace": workspace.name},
            code="unknown_datastore",
            name=name,
            workspace=workspace.name,
        )
    return root_of(store)


def files_below(workspace: Workspace, name: str, path: str) -> list[Found]:
    """All files of a folder, or the one file. Raises NotFound when there is nothing."""
    found = files_mounted(workspace, name, path)
    if not found:
        raise NotFound(
            _("There is nothing at '%(path)s' on datastore '%(name)s'.") % {"path": path or "/", "name": name},
            code="missing_data",
            path=path or "/",
            name=name,
        )
    return found


def files_mounted(workspace: Workspace, name: str, path: str) -> list[Found]:
    """The same, and nothing where nothing lies. Raises NotFound for an unknown datastore."""
    root, base = root_by_name(workspace, name), safe(path)
    return [
        Found(name, each.path, _relative(each.path, base), each.size, None, each.modified, each.tag)
        for each in root.walk(base)
    ]


@dataclass(frozen=True)
class Extent:
    """What lies at a path, cheaply: the digest of names, sizes and times of change, or None while a file may still come to
    look like another content; how many files, and their bytes."""

    identity: str | None
    file_count: int
    size: int


def extent_of(workspace: Workspace, name: str, path: str) -> Extent:
    """Raises NotFound for an unknown datastore; where nothing lies is a place, too."""
    root, base, looked_at = root_by_name(workspace, name), safe(path), now().timestamp()
    found = list(root.walk(base))
    # An etag follows the content alone: the same bytes again are the same place.
    facts = [[each.path, each.size, each.tag or round(each.modified, 3)] for each in found]
    is_fleeting = any(objects.is_fleeting(each.modified, each.tag, looked_at) for each in found)
    return Extent(
        None if is_fleeting else canonical.digest([name, base, facts]), len(found), sum(each.size for each in found)
    )


def path_identity(workspace: Workspace, name: str, path: str) -> str | None:
    """The digest alone."""
    return extent_of(workspace, name, path).identity


class Known:
    """The datastores of a workspace and the dataset versions that runs read, each asked for once.

    `unsaved`: versions that are only in memory, by the ids under which they are asked for.
    """

    def __init__(self, workspace: Workspace, unsaved: Mapping[str, DatasetVersion] | None = None) -> None:
        self.workspace = workspace
        self.kinds = dict(Datastore.objects.filter(workspace=workspace).values_list("name", "kind"))
        self.stores = frozenset(self.kinds)
        self._versions: dict[UUID, DatasetVersion | None] = {as_key(key): row for key, row in (unsaved or {}).items()}

    def load(self, inputs: Iterable[Input], parameters: Mapping[str, Any]) -> None:
        """Look up the versions that these inputs read: one query."""
        values = (source_of(each, parameters) for each in inputs)
        wanted = {key for value in values if isinstance(value, str) and (key := as_uuid(value))} - self._versions.keys()
        if wanted:
            rows = DatasetVersion.objects.filter(workspace=self.workspace, pk__in=wanted)
            found = {row.pk: row for row in rows.select_related("dataset").defer("profile")}
            self._versions.update({key: found.get(key) for key in wanted})
            for row in found.values():
                row.workspace = self.workspace

    def version(self, source: Input, value: str) -> DatasetVersion | None:
        """The version of this id; None where there is none."""
        self.load([source], {source.parameter: value} if source.parameter else {})
        return self._versions.get(as_key(value))


def problems_of(
    workspace: Workspace,
    inputs: Iterable[Input],
    outputs: Iterable[Output],
    known: Known | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> list[tuple[str, str]]:
    """What is wrong with the data that a step refers to, as (code, sentence). `known`: what was looked up already.

    `parameters`: the values, for inputs that are given by them.
    """
    problems: list[tuple[str, str]] = []
    known = Known(workspace) if known is None else known
    names = known.stores
    read = [(each, source_of(each, parameters or {})) for each in inputs]
    wanted = [*(each.datastore for each, _ in read), *(each.datastore for each in outputs)]
    wanted += [str(value["datastore"]) for _, value in read if isinstance(value, Mapping)]
    for name in dict.fromkeys(name for name in wanted if name):
        if name not in names:
            code = "graph_datastore_unknown" if names else "graph_datastore_unknown_none"
            problems.append((MISSING, sentences.here(said(code, name=name, names=", ".join(sorted(names))))))
    for name in dict.fromkeys(each.datastore for each in outputs if each.datastore in names):
        if not KINDS[known.kinds[str(name)]].is_writable:
            text = _(
                "The datastore '%(name)s' is only read, and no output can be kept there. Name one that takes files."
            )
            problems.append((UNWRITABLE, text % {"name": name}))
    problems += [problem for each in outputs for problem in _unregistrable(each)]
    for each, value in read:
        if isinstance(value, str):
            problems += _unusable(known, each, value)
        elif isinstance(value, Mapping) and value["datastore"] in names and each.mode != MOUNT:
            problems += [(MISSING, text) for text in _nothing_there(workspace, each.name, value)]
    return problems


def source_of(source: Input, parameters: Mapping[str, Any]) -> Any:
    """The id of a dataset version, or a place as datastore and path; None for what another step writes."""
    if source.parameter is not None:
        return parameters.get(source.parameter)
    if source.datastore is not None:
        return {"datastore": source.datastore, "path": source.path or ""}
    return source.dataset


def _unregistrable(output: Output) -> list[tuple[str, str]]:
    """What is wrong with the dataset that an output is to become: told before the step runs, not after."""
    wanted = output.register
    if not wanted or not wanted.get("name"):
        return []
    definition = {"sources": [{"datastore": "any", "path": "any"}]}
    try:
        check_name("dataset", wanted["name"])
        definitions.read(
            wanted.get("kind") or "file", {**definition, **{key: wanted[key] for key in PARTS if wanted.get(key)}}
        )  # fmt: skip
    except (StudioError, SpecError) as error:
        text = _("The output '%(name)s' cannot be registered as a dataset. %(why)s")
        return [("bad_definition", text % {"name": output.name, "why": error})]
    return []


def _nothing_there(workspace: Workspace, name: str, place: Mapping[str, Any]) -> list[str]:
    try:
        root = stores.root_by_name(workspace, place["datastore"])
        if not root.exists(safe(place["path"])):
            facts = {"path": place["path"], "datastore": place["datastore"]}
            return [sentences.here(said("input_nothing_there", name=name, **facts))]
    except StudioError as error:
        return [error.message]
    return []


def _unusable(known: Known, source: Input, key: str) -> list[tuple[str, str]]:
    version = known.version(source, key)
    if version is None:
        return [(MISSING, sentences.here(said("input_version_unknown", input=source.name, version=key)))]
    refused = readiness.refusal(version)
    if refused is None:
        return []
    return [(refused[0], _("The input '%(input)s': %(why)s") % {"input": source.name, "why": refused[1]})]


def store_names(workspace: Workspace) -> frozenset[str]:
    return frozenset(Datastore.objects.filter(workspace=workspace).values_list("name", flat=True))


def _relative(key: str, base: str) -> str:
    if key == base:
        return key.rsplit("/", 1)[-1]
    return key[len(base) :].lstrip("/") if base else key
