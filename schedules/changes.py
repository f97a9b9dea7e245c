"""What has changed in a folder since it was last scanned. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from django.utils.translation import gettext as _

from core.errors import Invalid
from core.objects import SKEW_S, is_fleeting
from core.storage import safe

# Outputs of runs lie there: a schedule that watches the whole of a datastore would start itself by them.
OUTPUTS = "azureml/"
# Of a file: its size in bytes, its time of change, and what its store says of its content (`core.storage.Stored.tag`), if it does.
Facts = list[float | str]
Seen = dict[str, Facts]


class File(Protocol):
    """A file of a listing."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def modified(self) -> float: ...
    @property
    def tag(self) -> str: ...


@dataclass(frozen=True)
class Watch:
    """Which folder or file of which datastore is watched, and how changes start runs."""

    datastore: str
    path: str = ""
    # A run for each file that has changed, instead of one for all that one scan finds.
    each_file: bool = False
    # Seconds for which a file must have stayed as it is.
    settle: int = 0
    # The parameter, a data path, that gets what has changed: the file, or the watched folder.
    parameter: str = ""

    def to_document(self) -> dict[str, Any]:
        return {
            "datastore": self.datastore,
            "path": self.path,
            "each_file": self.each_file,
            "settle": self.settle,
            "parameter": self.parameter,
        }


def read(document: Mapping[str, Any]) -> Watch:
    """A watch as REST has it. Raises Invalid."""
    unknown = sorted(set(document) - set(Watch("").to_document()))
    if unknown:
        raise Invalid(_("A watch has no %(names)s.") % {"names": ", ".join(unknown)}, code="bad_watch")
    store, path = document.get("datastore"), document.get("path") or ""
    each_file, settle, name = document.get("each_file"), document.get("settle") or 0, document.get("parameter") or ""
    if not isinstance(store, str) or not store:
        raise Invalid(_("A watch names the datastore that is looked at."), code="bad_watch")
    if not isinstance(path, str) or not isinstance(name, str) or not isinstance(each_file, bool | None):
        raise Invalid(_("'path' and 'parameter' of a watch are texts, 'each_file' is true or false."), code="bad_watch")
    if not isinstance(settle, int) or isinstance(settle, bool) or not 0 <= settle <= 86_400:
        raise Invalid(_("'settle' is a number of seconds from 0 to 86400."), code="bad_watch")
    return Watch(store, safe(path.strip("/")) if path.strip("/") else "", bool(each_file), settle, name)


@dataclass
class Listing:
    """The files that count, sorted by path, and a digest of names, sizes and times: equal digests mean that nothing has changed, so
    that the files of the last scan need not be read."""

    files: Seen
    digest: str


def listing(watch: Watch, files: Iterable[File]) -> Listing:
    """The files that count, in one pass over files that come sorted by path."""
    below = watch.path + "/"
    found: Seen = {
        each.path: [each.size, each.modified, each.tag] if each.tag else [each.size, each.modified]
        for each in files
        if not each.path.startswith(OUTPUTS) or below.startswith(OUTPUTS)
    }
    return Listing(found, digest_of(found))


def digest_of(files: Seen) -> str:
    """Of files sorted by path."""
    digest = blake2b(digest_size=16)
    for path, facts in files.items():
        digest.update(f"{path}\0{facts!r}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def compare(watch: Watch, before: Seen, found: Listing, moment: float) -> list[str]:
    """The files that are new or otherwise, and have stayed so for long enough, by name.

    `found` becomes what was seen: changed files as they are now, those that still settle as before, without those that have gone.
    """
    changed: list[str] = []
    settling: list[str] = []
    for path, facts in found.files.items():
        if not _is_same(before.get(path), facts):
            (changed if _is_settled(facts, moment, watch.settle) else settling).append(path)
    for path in settling:
        if path in before:
            found.files[path] = before[path]
        else:
            del found.files[path]
    if settling:
        found.digest = digest_of(found.files)
    return changed


def _is_same(before: Facts | None, now: Facts) -> bool:
    """Whether nothing has changed of what is known both times: an earlier release kept no tags."""
    return before is not None and all(one == other for one, other in zip(before, now, strict=False))


def _is_settled(facts: Facts, moment: float, settle: int) -> bool:
    """Whether a file has stayed as it is for so long, and no other content can look like this one. One with a time in the future
    settles at once, or it never would."""
    modified, tag = float(facts[1]), str(facts[2]) if len(facts) > 2 else ""
    if is_fleeting(modified, tag, moment):
        return False
    return not settle or modified <= moment - settle or modified > moment + SKEW_S
