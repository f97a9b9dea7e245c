"""Requirement files: the lines that pip would read, with the files that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Iterator, Tuple

from duto.exceptions import UserErrorException
from duto.spec import requirements


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a requirements file, as `read` gives them. Raises `UserErrorException`."""
    return read(_text_of(path), path.parent, (path.resolve(),))


def read(lines: Iterable[str], folder: Path, within: Tuple[Path, ...] = ()) -> Iterator[str]:
    """Packages and options one by one: those of a file that `-r` names, which lies below `folder` unless it says where,
    stand in its place, and `-c` names its file by the whole path. Raises `UserErrorException`."""
    for raw in lines:
        line = requirements.without_comment(str(raw))
        name, value = requirements.option(line)
        if name not in ("-r", "-c"):
            if line:
                yield line
            continue
        path = _named(value, folder, line)
        if path in within:
            raise UserErrorException(f"The requirements file '{path}' names itself by '-r'.")
        if name == "-c":
            yield f"-c {path}"
        else:
            yield from read(_text_of(path), path.parent, (*within, path))


def constraints_of(path: Path) -> Iterator[str]:
    """The lines of a file of constraints. Raises `UserErrorException`."""
    for line in lines_of(path):
        name, value = requirements.option(line)
        if name == "-c":
            yield from constraints_of(Path(value))
        elif not name:
            yield line


def _named(value: str, folder: Path, line: str) -> Path:
    if "://" in value:
        raise UserErrorException(f"'{line}' names a file elsewhere: download it, and name it beside this one.")
    return (folder / value).resolve()


def _text_of(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserErrorException(f"The requirements file '{path}' cannot be read: {error}") from error
    return iter(text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines())
