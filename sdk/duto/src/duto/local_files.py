"""Files of this machine beside those of the studio, which names them as text (`duto.spec.filenames`)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Callable, Iterable, List, Tuple, Union

from duto.exceptions import AzureMLException, StudioUnavailableException, UserErrorException
from duto.spec import trees
from duto.spec.filenames import leads_out, place_on, spelled, unspelled, why_no_place

# What Windows takes in no name, and names that it takes for devices.
_NO_NAME = re.compile(r'[\x00-\x1f<>:"\\|?*]|[ .]$|^(?=(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)).', re.I)
_TOLD = 10
# One file may be the studio's own fault; so many in a row are its absence.
_UNANSWERED = 2


def files_below(root: Union[str, Path]) -> List[Tuple[str, Path]]:
    """Every file below a folder: the text of its path in it, and where it is; sorted by the text."""
    return sorted((spelled(path.replace(os.sep, "/")), place) for path, place in trees.files(root))


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
        return Path(root) / unspelled(name)
    return Path(root).joinpath(*(_NO_NAME.sub(_escaped, part) for part in name.split("/")))


def each_of(names: Iterable[str], copy: Callable[[str], Any]) -> None:
    """Copy all of them; one that fails costs no other. Raises `UserErrorException` that names those that failed, and
    `StudioUnavailableException` where the studio has no answer for one after the other: each would wait for it as long."""
    failed: List[Tuple[str, Exception]] = []
    unanswered = 0
    for name in names:
        try:
            copy(name)
            unanswered = 0
        except StudioUnavailableException as error:
            unanswered += 1
            if unanswered == _UNANSWERED:
                raise
            failed.append((name, error))
        except (AzureMLException, OSError) as error:
            unanswered = 0
            failed.append((name, error))
    if failed:
        told = "\n".join(f"  {name!r}: {error}" for name, error in failed[:_TOLD])
        more = f"\n  and {len(failed) - _TOLD} more" if len(failed) > _TOLD else ""
        raise UserErrorException(f"{len(failed)} files could not be copied:\n{told}{more}") from failed[0][1]


def _escaped(found: Any) -> str:
    return "".join("%%%02X" % ord(letter) for letter in found.group())
