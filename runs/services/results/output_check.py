"""Whether the files of an output are still what its step wrote: sizes and tags first, bytes where these cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.objects import StoreError
from core.observations import ask
from core.storage import Root
from runs import stored_messages
from runs.models import Output

# A look at the studio's own disk happens under a run's lock, so it reads no more than this. What would need more is taken for
# changed. Far stores are asked before (`core.observations`).
MOST_BYTES = 256 << 20


@dataclass(frozen=True)
class Change:
    """How an output differs from what its step wrote: by one of its files, or as a whole where `path` is empty."""

    kind: Literal["gone", "changed", "added", "unknown"]
    path: str = ""

    def say(self, output: str, number: int) -> str:
        """A clause about it, without a full stop."""
        return stored_messages.change(self.kind, output, number, self.path)

    def as_document(self, output: str) -> dict[str, str]:
        return {"name": output, "path": self.path, "change": self.kind}


@dataclass
class OutputCheck:
    """A look at several outputs, with one measure of bytes for all of them."""

    bytes_left: int = MOST_BYTES
    _seen: list[Output] = field(default_factory=list)

    def change_of(self, output: Output, root: Root | None) -> Change | None:
        """How the output differs from what was written; None where it is the same. A store that is away does not tell."""
        try:
            return self.look(output, root)
        except StoreError:
            return Change("unknown")

    def look(self, output: Output, root: Root | None) -> Change | None:
        """The same for who has to know. Raises StoreError."""
        return ask(("output", output.pk), lambda: self._change_of(output, root))

    def _change_of(self, output: Output, root: Root | None) -> Change | None:
        if root is None or output.removed_at is not None or not root.exists(output.path):
            return Change("gone")
        doubtful: list[tuple[dict[str, Any], str]] = []
        for each in output.files:
            found = root.state(key_of(output, each))
            if found is None:
                return Change("gone", each["path"])
            if found[0] != each["size"]:
                return Change("changed", each["path"])
            if not found[1] or found[1] != each.get("tag"):
                doubtful.append((each, found[1]))
        if (extra := _added(output, root)) is not None:
            return Change("added", extra)
        return self._compare(output, root, doubtful)

    def remember(self) -> None:
        """Keep the new tags of files whose bytes were found to be the same, so that they are not read again."""
        if self._seen:
            Output.objects.bulk_update(self._seen, ["files"])
        self._seen = []

    def _compare(self, output: Output, root: Root, doubtful: list[tuple[dict[str, Any], str]]) -> Change | None:
        for each, tag in doubtful:
            self.bytes_left -= each["size"]
            if self.bytes_left < 0:
                return Change("unknown", each["path"])
            if root.digest(key_of(output, each)) != each["digest"]:
                return Change("changed", each["path"])
            each["tag"] = tag
        if any(tag for _each, tag in doubtful):
            self._seen.append(output)
        return None


def is_own_place(output: Output) -> bool:
    """Whether the output lies in a folder of its run, where nobody else writes; else a program chose the place."""
    return str(output.run_id) in output.path.split("/")


def key_of(output: Output, file: dict[str, Any]) -> str:
    """Where one file of the output's manifest lies on its datastore."""
    return f"{output.path}/{file['path']}" if output.is_directory else output.path


def tag(output: Output, root: Root, states: Mapping[str, tuple[int, str]]) -> None:
    """Note how the files look now that they are in place; of those in `states` (size and tag, by key) it is known."""
    for each in output.files:
        key = key_of(output, each)
        found = states.get(key) or root.state(key)
        if found is not None and found[1]:
            each["tag"] = found[1]


def plain(output: Output) -> list[dict[str, Any]]:
    """The manifest as others see it: path, size, digest."""
    return [{name: each[name] for name in ("path", "size", "digest")} for each in output.files]


def keys_to_remove(output: Output, root: Root) -> Iterator[str]:
    """What goes with the output. At a place that a program chose, a file that is another run's by now stays."""
    if is_own_place(output):
        yield output.path
        return
    same_place = Output.objects.filter(
        run__workspace=output.run.workspace_id, datastore=output.datastore, path=output.path, removed_at=None
    )
    others = same_place.exclude(run__root=output.run.root_id).values_list("files", flat=True)
    shared = {each["path"] for files in others.iterator() for each in files}
    for each in output.files:
        key = key_of(output, each)
        found = root.state(key)
        if found is None or each["path"] in shared or found[0] != each["size"]:
            continue
        if (found[1] and found[1] == each.get("tag")) or root.digest(key) == each["digest"]:
            yield key


def _added(output: Output, root: Root) -> str | None:
    """The first file that the step did not write. Where a program chose the place, others may write beside it."""
    if not output.is_directory or not is_own_place(output):
        return None
    known = {key_of(output, each) for each in output.files}
    extra = next((each.path for each in root.walk(output.path) if each.path not in known), None)
    return extra[len(output.path) + 1 :] if extra else None
