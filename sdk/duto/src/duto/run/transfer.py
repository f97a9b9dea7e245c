"""The program of a data transfer: copies a file or a folder, and tells how far it is.

`python -m duto.run.transfer SOURCE_KIND DESTINATION_KIND SOURCE DESTINATION` in a step, where SOURCE is its mounted input
and DESTINATION the place of its output.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import BinaryIO, Callable, Dict, Iterator, Sequence, Tuple

from duto.spec.units import counted, size_text

CHUNK = 1 << 20
EVERY = 2.0

# What is read, where it is written, and its size.
Entry = Tuple[Path, Path, int]


def main(arguments: Sequence[str]) -> str:
    """Copy. Returns what is wrong with source or destination; empty when all was copied."""
    source_kind, destination_kind = arguments[:2]
    source, destination = map(Path, arguments[2:])
    wrong = _wrong(source_kind, destination_kind, source)
    if wrong:
        return wrong
    if not source.is_dir() and destination_kind != "file":
        destination /= source.name  # a link of a mount has the name of the file that it leads to
    entries = sorted(_below(source, destination)) if source.is_dir() else [(source, destination, source.stat().st_size)]
    if not entries:
        return f"There is nothing to copy at the source '{source.name}': no file lies there."
    progress = Progress(entries)
    for read, written, _size in entries:
        written.parent.mkdir(parents=True, exist_ok=True)
        with read.open("rb") as reading, written.open("wb") as writing:
            _copy(reading, writing, progress.moved)
        progress.ended()
    progress.print_progress(True)
    return ""


def _wrong(source_kind: str, destination_kind: str, source: Path) -> str:
    if not source.exists():
        return f"There is nothing to copy at the source '{source.name}'."
    if source_kind == "file" and source.is_dir():
        return "The source is a directory, and source_reference_type says 'file'."
    if source_kind == "directory" and not source.is_dir():
        return "The source is a file, and source_reference_type says 'directory'."
    if destination_kind == "file" and source.is_dir():
        return "The source is a directory, which cannot become one file: let destination_reference_type be 'directory'."
    return ""


def _below(source: Path, destination: Path) -> Iterator[Entry]:
    """Every file below a folder, through the links of a mount. A link that leads back is not followed again."""
    pending, entered = [(source, destination)], set()
    while pending:
        folder, target = pending.pop()
        facts = folder.stat()
        if (facts.st_dev, facts.st_ino) in entered:
            continue
        entered.add((facts.st_dev, facts.st_ino))
        for each in folder.iterdir():
            if each.is_dir():
                pending.append((each, target / each.name))
            elif each.is_file():
                yield each, target / each.name, each.stat().st_size


def _copy(reading: BinaryIO, writing: BinaryIO, moved: Callable[[int], None]) -> None:
    while True:
        chunk = reading.read(CHUNK)
        if not chunk:
            return
        writing.write(chunk)
        moved(len(chunk))


class Progress:
    """How far a transfer is: a line of the log and points of metrics, each two seconds at most."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.files, self.size = len(entries), sum(size for _read, _written, size in entries)
        self.done_files, self.done = 0, 0
        self.printed_at = time.monotonic()
        print(f"To copy: {counted(self.files, 'file')}, {size_text(self.size)}.", flush=True)

    def moved(self, size: int) -> None:
        """So many bytes more were copied."""
        self.done += size
        self.print_progress()

    def ended(self) -> None:
        """A file is copied."""
        self.done_files += 1
        self.print_progress()

    def print_progress(self, at_once: bool = False) -> None:
        """Say how far it is, where that has not been said just now."""
        now = time.monotonic()
        if not at_once and now - self.printed_at < EVERY:
            return
        self.printed_at = now
        share = 100 * self.done // self.size if self.size else 100
        print(
            f"Copied {self.done_files} of {counted(self.files, 'file')}, {size_text(self.done)} of "
            f"{size_text(self.size)} ({share} %).",
            flush=True,
        )
        _log({"files": self.done_files, "bytes": self.done, "percent": share})


def _log(values: Dict[str, int]) -> None:
    from duto import Run

    run = Run.get_context(allow_offline=True)
    for name, value in values.items():
        run.log(name, value)


def _fail(why: str) -> str:
    """Have the step's page say it, too: a program that ends by itself is told by its exit code alone."""
    from duto import Run

    Run.get_context(allow_offline=True).fail(error_details=why)
    return why


if __name__ == "__main__":
    wrong = main(sys.argv[1:])
    sys.exit(_fail(wrong) if wrong else 0)
