"""Which files a dataset means right now, and what identifies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from secrets import token_hex
from typing import Any

from core.clock import iso, now
from core.errors import Unprocessable
from core.objects import is_fleeting
from core.storage import Root, safe
from datasets import fetch, patterns, readiness, sql
from datasets.models import DatasetVersion
from datasets.services.datastores import datastore
from datasets.stored_messages import refusal, say
from datasets.stores import WEB, root_by_name
from duto.spec import canonical, globs
from duto.spec.selection import select
from duto.tables.moments import any_moment
from workspaces.models import Workspace

MOST_FILES = 200_000


@dataclass(frozen=True)
class ResolvedFile:
    """One file of a dataset: where it lies, and what it is called inside the dataset.

    What came from a web address lies as a copy on the hidden datastore `_web`, and knows its `url`.
    """

    datastore: str
    key: str
    path: str
    size: int
    modified: float = 0.0
    digest: str | None = None
    url: str | None = None
    # What a far store says of its content (core.storage.Stored).
    tag: str = ""
    # Another content may still come to look like this one: its size and time do not tell it.
    is_fleeting: bool = False

    @property
    def modified_at(self) -> str | None:
        return iso(datetime.fromtimestamp(self.modified, UTC)) if self.modified else None


def files_of(version: DatasetVersion) -> list[ResolvedFile]:
    """The files of a version, resolved now, after its operations on files.

    Raises NotFound for a datastore that is gone, Unprocessable for a path without a match, and for a version that
    is not fetched yet.
    """
    readiness.require(version)
    found = find(version.workspace, version.definition["sources"])
    if version.kind != "file":
        return found
    return select(found, version.definition["operations"], _facts, any_moment)


def _facts(file: ResolvedFile) -> dict[str, Any]:
    """What a condition on files may ask for."""
    return {
        "Size": file.size,
        "LastModifiedTime": any_moment(file.modified_at),
        "Extension": PurePosixPath(file.path).suffix,
        "CanSeek": True,
        "Path": f"/{file.path}",
    }


def is_one_file(version: DatasetVersion, found: Sequence[ResolvedFile]) -> bool:
    """Whether a version is made of the path or address of a single file, not of a folder or a pattern that holds one."""
    sources = version.definition["sources"]
    return len(sources) == len(found) == 1 and (bool(found[0].url) or found[0].key == sources[0].get("path"))


def find(workspace: Workspace, sources: Iterable[Mapping[str, str]]) -> list[ResolvedFile]:
    """All files that the sources mean, in their order, each with its path inside the dataset."""
    groups = [(_folder(workspace, source), _of_source(workspace, source)) for source in sources]
    if len(groups) == 1:
        folder, files = groups[0]
        return [_placed(each, folder) for each in files]
    stores = {each.datastore for _, files in groups for each in files}
    shared = patterns.common_folder([folder for folder, _ in groups]) if len(stores) == 1 else None
    placed = [
        _placed(each, shared) if shared is not None else replace(each, path=_spread(each))
        for _, files in groups
        for each in files
    ]
    kept = list({(each.datastore, each.key, each.url): each for each in placed}.values())
    return [replace(each, path=name) for each, name in zip(kept, patterns.unique(e.path for e in kept), strict=True)]


def files_below(workspace: Workspace, store: str, path: str) -> list[ResolvedFile]:
    """The files at or below a path of a datastore, or those that a pattern matches; none is an answer, too."""
    datastore(workspace, store)
    folder = _folder(workspace, {"datastore": store, "path": path})
    return [_placed(each, folder) for each in _walk(workspace, store, path)]


def identity(version: DatasetVersion) -> dict[str, Any] | None:
    """What identifies a version for reuse: its definition, and cheaply what it means now. None while that does not tell."""
    return identity_of(version, files_of(version))


def identity_of(version: DatasetVersion, files: Sequence[ResolvedFile]) -> dict[str, Any] | None:
    """The same of one whose files were resolved already."""
    if any(each.is_fleeting for each in files):
        return None
    return {"definition": version.digest, "content": fingerprint(files)}


def fingerprint(files: Iterable[ResolvedFile]) -> str:
    """Names and sizes with times of change, or with digests or etags where they are known. Where none of them tells the content yet,
    it is equal to no other."""
    return canonical.digest([[each.path, each.size, _content(each)] for each in files])


def _content(file: ResolvedFile) -> str:
    return file.digest or file.tag or (token_hex(16) if file.is_fleeting else repr(file.modified))


def _of_source(workspace: Workspace, source: Mapping[str, str]) -> list[ResolvedFile]:
    if source.get("url"):
        copy = fetch.known_copy(workspace, source["url"])
        if copy is None:
            raise refusal(Unprocessable, say("copy_gone", url=source["url"]), code="not_fetched", url=source["url"])
        return [ResolvedFile(WEB, copy.key, copy.name, copy.size, digest=copy.digest, url=copy.url)]
    if source.get("query"):
        copy = sql.known_copy(workspace, source)
        if copy is None:
            raise refusal(Unprocessable, say("query_gone", store=source["datastore"]), code="not_fetched")
        return [ResolvedFile(WEB, copy.key, copy.name, copy.size, digest=copy.digest, url=copy.url)]
    store, path = source["datastore"], source.get("path", "")
    datastore(workspace, store)
    found: list[ResolvedFile] = []
    for each in _walk(workspace, store, path):
        found.append(each)
        if len(found) > MOST_FILES:
            raise refusal(Unprocessable, say("many_files", path=path, store=store, most_files=MOST_FILES))
    if not found:
        where = {"path": path or "/", "datastore": store}
        raise refusal(Unprocessable, say("no_file_found", **where), code="no_match", **where)
    return found


def _walk(workspace: Workspace, store: str, path: str) -> Iterable[ResolvedFile]:
    root = root_by_name(workspace, store)
    start, rest = _fixed(root, safe(path))
    looked_at = now().timestamp()
    pattern = globs.compiled(rest) if rest else None
    for each in root.walk(start):
        if pattern is None or pattern.fullmatch(each.path[len(start) :].lstrip("/") if start else each.path):
            fleeting = is_fleeting(each.modified, each.tag, looked_at)
            yield ResolvedFile(
                store, each.path, each.path, each.size, each.modified, tag=each.tag, is_fleeting=fleeting
            )


def _fixed(root: Root, path: str) -> tuple[str, str]:
    """The part of a path that is names, and the rest that is a pattern. What lies there under the very name is meant."""
    parts, kept = path.split("/"), 0
    for part in parts:
        if patterns.has_wildcard(part) and not root.exists("/".join(parts[: kept + 1])):
            break
        kept += 1
    return "/".join(parts[:kept]), "/".join(parts[kept:])


def _folder(workspace: Workspace, source: Mapping[str, str]) -> str:
    """The folder that a source's files are seen from: itself, or the one above its pattern or file."""
    if source.get("url") or source.get("query"):
        return ""
    return _fixed(root_by_name(workspace, source["datastore"]), safe(source.get("path", "")))[0]


def _placed(each: ResolvedFile, folder: str | None) -> ResolvedFile:
    return each if each.url else replace(each, path=patterns.relative(each.key, folder or ""))


def _spread(each: ResolvedFile) -> str:
    """Sources on several datastores: the datastore's name is the first folder."""
    return each.path if each.url else f"{each.datastore}/{each.key}"
