"""What a step leaves: its outputs and artifacts as lists of files with digests.

Whatever a script makes of its folders, a file that cannot be kept costs a sentence that names it, and no other file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from duto.spec import globs, trees
from duto.spec.filenames import leads_out, spelled, too_long
from duto.spec.sentences import Said, foreign, said
from duto.spec.units import size_text
from duto_agent.attempt.bindings import Bound
from duto_agent.disk_space import DiskFull, free_at
from duto_agent.files import digest_of, remove_tree
from duto_agent.launchers.ownership import keep
from duto_agent.paths import inside, stays_inside
from duto_agent.studio.transfers import copy
from duto_protocol.messages import ArtifactEntry, FileEntry, LaunchSpec, OutputEntry, OutputSpec

ARTIFACTS = ("outputs", "logs")
# The names of artifacts below it are those of the studio's own logs.
STUDIOS = "user_logs"
# Bytes that a file may pretend to hold: they are hashed, sent and stored as if they were written.
HOLES_LEAST, HOLES_MOST = 1 << 26, 1 << 36
LABEL_MOST = 200
# Files that the log names of those that an output's patterns leave out.
NAMED_MOST = 20
Heed = Callable[[], None]
Upload = Callable[[str, str, Path], None]


def uninterrupted() -> None:
    """For whom nothing interrupts."""


@dataclass
class Collected:
    """The manifests of a finished report. They grow file by file, so that what is there counts after an interruption."""

    outputs: list[OutputEntry] = field(default_factory=list)
    artifacts: list[ArtifactEntry] = field(default_factory=list)
    warnings: list[Said] = field(default_factory=list)
    # What did not fit on the disk and is therefore in none of the lists: a sentence for each.
    too_large: list[Said] = field(default_factory=list)
    # What the step's log is to say.
    notes: list[str] = field(default_factory=list)

    def leave_out(self, label: str, why: Said) -> None:
        self.warnings.append(said("left_out", what=shown(label), why=why))


def shown(label: str) -> str:
    """A path for people, who see the beginning of a long one."""
    text = spelled(label)
    return text if len(text) <= LABEL_MOST else f"{text[:LABEL_MOST]}…"


class _Wanted:
    """The files of an output that its patterns take; without patterns all. It keeps the first names of the others."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._globs = [globs.compiled(each) for each in patterns]
        self.left, self.count = list[str](), 0

    def takes(self, path: str) -> bool:
        text = spelled(path)
        if not self._globs or any(each.fullmatch(text) for each in self._globs):
            return True
        self.count += 1
        if len(self.left) < NAMED_MOST:
            self.left.append(path)
        return False


class Collector:
    """Looks through the directory of one attempt. `check` is asked all the time whether to go on, and raises if not."""

    def __init__(self, directory: Path, found: Collected, check: Heed = uninterrupted) -> None:
        self.directory, self.found, self.check = directory, found, check
        self.inner = [directory / name for name in ("work", "outputs", "tmp")]

    def collect(self, spec: LaunchSpec, bound: Bound, ended_well: bool) -> None:
        """Everything below the declared outputs and the watched folders, as far as the disk has room for it."""
        for given in spec.outputs:
            self.found.outputs.append(self._output(given, bound, ended_well))
        for name in ARTIFACTS:
            for file in self._files(self.directory / "work" / name, f"{name}/"):
                self.found.artifacts.append(ArtifactEntry(file.path, file.size, file.digest))
        if any(trees.files(self.directory / "work" / STUDIOS)):
            self.found.leave_out(f"work/{STUDIOS}", said("own_logs"))

    def _output(self, given: OutputSpec, bound: Bound, ended_well: bool) -> OutputEntry:
        name = given.name
        place, usual, whole = Path(bound.outputs[name]), self.directory / "outputs" / name, len(self.found.too_large)
        if place != usual and not self._is_below(place):
            what = said("output_named", name=shown(name))
            self.found.warnings.append(said("left_out", what=what, why=said("link_on_the_way")))
        elif place != usual and (place.exists() or place.is_symlink()):
            remove_tree(usual)
            place.rename(usual)
        self.settle(usual)
        if usual.is_dir():
            wanted = _Wanted(given.source_globs)
            files = sorted(self._files(usual, wanted=wanted), key=lambda each: each.path)
            self._tell_left(given, wanted, len(files))
            return OutputEntry(name, is_directory=True, files=files)
        if usual.is_file() and (entry := self._entry(usual, name)) is not None:
            return OutputEntry(name, files=[entry])
        if ended_well and len(self.found.too_large) == whole:
            self.found.warnings.append(said("unwritten_output", name=name))
        return OutputEntry(name, is_directory=bool(given.is_directory), missing=True)

    def _tell_left(self, given: OutputSpec, wanted: _Wanted, kept: int) -> None:
        if not wanted.left:
            return
        names = ", ".join(shown(each) for each in wanted.left[:NAMED_MOST])
        more = f" and {wanted.count - NAMED_MOST:,} more" if wanted.count > NAMED_MOST else ""
        self.found.notes.append(
            f"duto: {wanted.count:,} of {wanted.count + kept:,} files of the output '{given.name}' are not of its source_globs "
            f"({', '.join(given.source_globs)}) and were left out: {names}{more}."
        )
        if not kept:
            patterns = shown(", ".join(given.source_globs))
            self.found.warnings.append(said("globs_took_nothing", name=shown(given.name), globs=patterns))

    def _files(self, top: Path, prefix: str = "", wanted: _Wanted | None = None) -> Iterator[FileEntry]:
        """Every file below a folder of the script's, by its path in it after the prefix. What cannot be kept is removed, and
        so is what is not wanted."""
        if top.is_symlink() or (top.exists() and not top.is_dir()):
            self.found.leave_out(self._label(top), said("no_folder"))
            return
        if top.exists():
            self.settle(top)
        for folder, entries in trees.walk(top):
            for each in list(entries):
                self.check()
                path = f"{folder}/{each.name}" if folder else each.name
                if not self._has_good_name(top / path, prefix + path):
                    entries.remove(each)
                elif wanted is not None and not each.is_dir(follow_symlinks=False) and not wanted.takes(path):
                    self._remove(top / path)
                elif self.settle(top / path) and (entry := self._entry(top / path, prefix + path)) is not None:
                    yield entry

    def _has_good_name(self, place: Path, path: str) -> bool:
        why = too_long(path) or (said("way_out") if leads_out(path) else "")
        if why:
            left_out = "left_out_all" if place.is_dir() else "left_out"
            self.found.warnings.append(said(left_out, what=shown(self._label(place)), why=foreign(why)))
            self._remove(place)
        return not why

    def settle(self, path: Path) -> bool:
        """Whether it is a file now. Only files and folders travel: a link inside the attempt becomes what it points to, all
        else goes.

        The studio takes whole folders by renaming them: a link that stayed would let it read what the step
        pointed at.
        """
        try:
            kind = path.lstat().st_mode
            if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
                keep(path, kind)
                return stat.S_ISREG(kind)
            return self._settle_odd(path, kind)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.found.leave_out(self._label(path), said("unreadable_file", error=error.strerror))
            return False

    def _settle_odd(self, path: Path, kind: int) -> bool:
        what = said("odd_file")
        if stat.S_ISLNK(kind):
            is_inside = any(stays_inside(place, path) for place in self.inner)
            target = path.resolve() if is_inside else path
            if is_inside and target.is_file():
                return self._copy(target, path)
            what = said("link_to_folder") if is_inside else said("link_out")
        path.unlink()
        self.found.leave_out(self._label(path), what)
        return False

    def _copy(self, target: Path, path: Path) -> bool:
        if self._is_mostly_holes(target, path):
            return False
        path.unlink()
        try:
            copy(target, path, shown(self._label(path)), self.check)
        except DiskFull as full:
            self.found.too_large.append(full.message)
            return False
        return True

    def _entry(self, file: Path, path: str) -> FileEntry | None:
        """The line of a manifest; None for a file that cannot be read or is too large, which is told."""
        try:
            if self._is_mostly_holes(file, file):
                return None
            return FileEntry(spelled(path), file.stat().st_size, digest_of(file, self.check))
        except OSError as error:
            self.found.leave_out(self._label(file), said("unreadable_file", error=error.strerror))
            return None

    def _is_mostly_holes(self, file: Path, named: Path) -> bool:
        """Whether it pretends to hold more than there would be room for, were its holes filled; then it is told."""
        facts = file.stat()
        free = free_at(file.parent)
        most = HOLES_MOST if free is None else max(HOLES_LEAST, min(HOLES_MOST, free))
        if facts.st_size - facts.st_blocks * 512 <= most:
            return False
        written = data_of(file, facts.st_size)
        if facts.st_size - written <= most:
            return False
        sizes = {"size": size_text(facts.st_size), "written": size_text(written), "most": size_text(most)}
        self.found.too_large.append(said("mostly_holes", path=shown(self._label(named)), **sizes))
        return True

    def _is_below(self, place: Path) -> bool:
        """Whether the folder of a place that the program chose is still the one that it was given."""
        return not place.parent.exists() or stays_inside(self.directory / "work", place.parent)

    def _remove(self, path: Path) -> None:
        try:
            remove_tree(path)
        except OSError as error:
            self.found.warnings.append(said("not_removed", path=shown(self._label(path)), error=error.strerror))

    def _label(self, path: Path) -> str:
        return path.relative_to(self.directory).as_posix()


def collect(
    directory: Path, spec: LaunchSpec, bound: Bound, ended_well: bool, check: Heed = uninterrupted
) -> Collected:
    """What `Collector.collect` finds."""
    found = Collected()
    Collector(directory, found, check).collect(spec, bound, ended_well)
    return found


def data_of(file: Path, size: int) -> int:
    """Bytes of a file that are written; the others are holes."""
    total = place = 0
    with file.open("rb", buffering=0) as reader:
        while place < size:
            try:
                start = os.lseek(reader.fileno(), place, os.SEEK_DATA)
                place = os.lseek(reader.fileno(), start, os.SEEK_HOLE)
            except OSError:  # nothing but a hole up to its end
                break
            total += place - start
    return total


def to_send(directory: Path, spec: LaunchSpec, found: Collected) -> Iterator[tuple[str, str, Path, int]]:
    """What goes over HTTP to the studio from a host that does not share its disk: address, path below it, file, bytes."""
    puts = {given.name: given.put for given in spec.outputs}
    for output in found.outputs:
        put = None if output.is_sent else puts.get(output.name)
        places = files_of(directory, output) if put else {}
        for file in output.files if put else ():
            if output.is_directory:
                yield str(put), file.path, places[file.path], file.size
            else:  # a single file stands at the output's own address
                yield str(put).rstrip("/"), "", places[file.path], file.size
    put = spec.artifacts.put
    for artifact in found.artifacts if put else ():
        yield str(put), artifact.path, inside(directory / "work", artifact.path), artifact.size


def files_of(directory: Path, output: OutputEntry) -> dict[str, Path]:
    """Where the files of an output lie here, by their path in it."""
    place = directory / "outputs" / output.name
    return {each.path: inside(place, each.path) if output.is_directory else place for each in output.files}


def send(directory: Path, spec: LaunchSpec, found: Collected, upload: Upload) -> None:
    """Every file of them."""
    for put, path, file, _size in to_send(directory, spec, found):
        upload(put, path, file)
