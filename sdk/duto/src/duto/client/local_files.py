"""Files of this machine beside those of the studio, which names them as text (`duto.spec.filenames`)."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path
from typing import Any, Callable, Iterable, List, Optional, Tuple, Type, TypeVar, Union

from duto.exceptions import AzureMLException, StudioUnavailableException, UserErrorException
from duto.spec import trees
from duto.spec.filenames import leads_out, place_on, spelled, unescaped_path, why_no_place
from duto.spec.units import counted

Item = TypeVar("Item")
Done = TypeVar("Done")
# What Windows takes in no name, and names that it takes for devices.
_NO_NAME = re.compile(r'[\x00-\x1f<>:"\\|?*]|[ .]$|^(?=(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)).', re.I)
_MOST_REASONS = 10
# One file may be the studio's own fault; so many in a row are its absence.
_UNANSWERED = 2


def files_below(root: Union[str, Path]) -> List[Tuple[str, Path]]:
    """Every file below a folder: the text of its path in it, and where it is; sorted by the text."""
    return sorted((spelled(path.replace(os.sep, "/")), place) for path, place in trees.files(root))


def local_file(path: Any) -> Path:
    """A file that a program names. Raises `UserErrorException` where there is none."""
    place = Path(str(path))
    if place.is_dir():
        raise UserErrorException(f"'{path}' is a folder; name a file in it.")
    if not place.is_file():
        raise UserErrorException(f"The file '{path}' does not exist.")
    return place


def text_of(name: str) -> str:
    """A name that a program gives, as text: one of `os.listdir` may be none."""
    try:
        name.encode("utf-8")
        return name
    except UnicodeEncodeError:
        return spelled(name)


def path_on_datastore(path: Any) -> str:
    """A path on a datastore as the studio names it; empty for the whole of it. Raises `UserErrorException` for what cannot
    be one."""
    text = place_on(text_of(str(path or "")))
    if why := why_no_place(text):
        raise UserErrorException(f"'{path}' is no path on a datastore: {why}.")
    return text


def place_of(root: Union[str, Path], name: str) -> Path:
    """Where a file of the studio's goes below a folder here. Raises `UserErrorException` for a name that leads out of it.

    On Windows, what its names cannot hold becomes `%` and two hex digits.
    """
    if not name or leads_out(name):
        raise UserErrorException(f"The name {name!r} leads out of its folder, so it is not copied there.")
    if os.name != "nt":
        return Path(root) / unescaped_path(name)
    return Path(root).joinpath(*(_NO_NAME.sub(_escaped, part) for part in name.split("/")))


def copy_to(source: Path, target: Path) -> None:
    """Copy a file or a folder of this machine to a place whose folders are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(str(source), str(target), dirs_exist_ok=True)
    else:
        shutil.copyfile(str(source), str(target))


def each_of(items: Iterable[Item], copy: Callable[[Item], Any], name: Callable[[Item], str] = str) -> None:
    """Copy all of them; one that fails costs no other. Raises what `Failures.raise_any` does."""
    failures = Failures()
    for item in items:
        failures.take(name(item), copy, item)
    failures.raise_any()


class Failures:
    """Copies that failed, while the others go on; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: List[Tuple[str, Exception]] = []
        self._unanswered = 0
        self._away: Optional[StudioUnavailableException] = None

    def take(self, name: str, copy: Callable[[Item], Done], item: Item) -> Optional[Done]:
        """Copy the item; None where that failed. Once the studio has no answer for one after the other nothing is
        tried any more: each would wait for it as long."""
        if self._away is not None:
            return None
        try:
            done = copy(item)
        except (AzureMLException, OSError) as error:
            self._note(name, error)
            return None
        with self._lock:
            self._unanswered = 0
        return done

    def _note(self, name: str, error: Exception) -> None:
        with self._lock:
            self._failed.append((name, error))
            if not isinstance(error, StudioUnavailableException):
                self._unanswered = 0
                return
            self._unanswered += 1
            if self._unanswered == _UNANSWERED:
                self._away = error

    def raise_any(self) -> None:
        """Raises `UserErrorException` that names those that failed, as the class that all of them are of where there is
        one; `StudioUnavailableException` where the studio is away."""
        if self._away is not None:
            raise self._away
        if not self._failed:
            return
        first = self._failed[0][1]
        kinds = {type(error) for _name, error in self._failed}
        is_one = len(kinds) == 1 and isinstance(first, UserErrorException)
        kind: Type[UserErrorException] = type(first) if is_one else UserErrorException  # type: ignore[assignment]
        reasons = "\n".join(f"  {name!r}: {error}" for name, error in self._failed[:_MOST_REASONS])
        more = f"\n  and {len(self._failed) - _MOST_REASONS} more" if len(self._failed) > _MOST_REASONS else ""
        failure = kind(f"{counted(len(self._failed), 'file')} could not be copied:\n{reasons}{more}")
        if is_one:
            failure.code, failure.status, failure.facts = first.code, first.status, first.facts  # type: ignore[attr-defined]
        raise failure from first


def _escaped(found: Any) -> str:
    return "".join("%%%02X" % ord(letter) for letter in found.group())
