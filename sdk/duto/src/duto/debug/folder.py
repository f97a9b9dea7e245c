"""The folder in which a step is started: its code, its inputs and the places of its outputs.

What is there is not fetched again, and what somebody changed in the code stays; nothing is removed that was not brought.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

from duto.client.http import digest_of
from duto.client.local_files import Failures, place_of
from duto.debug.document import File, Input, Launch, Output
from duto.exceptions import UserErrorException
from duto.spec.bindings import Bound
from duto.spec.links import LINK_KINDS
from duto.spec.units import counted, size_text

# What is larger is brought only when somebody said so.
MOST_UNASKED = 1 << 30
STATE = ".duto/debug.json"
LAUNCH = ".duto/launch.json"
_AT_ONCE = 8


class DebugFolder:
    """A folder of one step run, made by `duto debug`."""

    def __init__(self, path: Path, launch: Launch) -> None:
        self.path, self.launch = path, launch
        self.code, self.own = path / "code", path / ".duto"
        self.metrics = path / "metrics.jsonl"
        self.notes: List[str] = []
        self._is_fresh = False  # the code of the run is to replace what lies here
        self._brought = [str(each) for each in (self._state() or {}).get("brought", ())]

    def claim(self, overwrite: bool) -> None:
        """Make the folder, or take it up again. Raises `UserErrorException` for one that holds anything else."""
        if self.path.exists() and not self.path.is_dir():
            raise UserErrorException(f"'{self.path}' is a file. Name another folder by --folder.")
        state = self._state()
        is_same = state is not None and state.get("run") == self.launch.run
        if self.path.is_dir() and any(self.path.iterdir()) and not is_same and not overwrite:
            what = f"was made for the step run {state.get('run')}" if state else "is not empty"
            raise UserErrorException(
                f"The folder '{self.path}' {what}. Name another one by --folder, or write into it by --overwrite: files of "
                "the same names are replaced, others stay."
            )
        self._is_fresh = overwrite
        if overwrite:
            self._remove_brought()
        self.own.mkdir(parents=True, exist_ok=True)
        self._keep_state()

    def missing(self) -> List[Tuple[File, Path]]:
        """The files of inputs that are not here yet."""
        found = []
        for each in self.launch.inputs:
            places = self.places_of(each)
            found += [(file, place) for file, place in places if not _is_same(file, place)]
            self._note_extra(each, [place for _file, place in places])
        return found

    def require_assent(self, missing: Iterable[Tuple[File, Path]], is_given: bool) -> None:
        """Raises `UserErrorException` where much would be brought and nobody has said so."""
        size = sum(file.size for file, _place in missing)
        free = shutil.disk_usage(str(self.path)).free
        if size > free:
            raise UserErrorException(
                f"The inputs hold {size_text(size)}, and '{self.path}' lies on a disk with {size_text(free)} free."
            )
        if size > MOST_UNASKED and not is_given:
            raise UserErrorException(
                f"The inputs hold {size_text(size)} that are not here yet. Say --yes to have them brought."
            )

    def bring(self, workspace: Any, missing: Iterable[Tuple[File, Path]]) -> None:
        """Fetch the code that is not here, and these files. Raises what `Failures.raise_any` does."""
        code = [(file, place_of(self.code, file.path)) for file in self.launch.code]
        changed = [file.path for file, place in code if place.is_file() and not _is_same(file, place)]
        if changed and not self._is_fresh:
            names = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            self.notes.append(f"Changed here, and kept: {names}. --overwrite brings the code of the run back.")
        self.code.mkdir(exist_ok=True)
        lacking = [each for each in code if not each[1].exists() or (self._is_fresh and each[0].path in changed)]
        wanted = [*lacking, *missing]
        self._brought = sorted({*self._brought, *(self._name(place) for _file, place in wanted)})
        self._keep_state()
        failures = Failures()

        def fetch(one: Tuple[File, Path]) -> None:
            file, place = one
            failures.take(file.path, lambda each: _fetch(workspace, file, each), place)

        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            list(pool.map(fetch, wanted))
        failures.raise_any()

    def bind(self) -> Bound:
        """Make the places of inputs and outputs; what each name stands for."""
        bound = Bound()
        for name in ("outputs", "logs"):
            (self.code / name).mkdir(parents=True, exist_ok=True)
        for each in self.launch.inputs:
            bound.modes[each.name] = each.mode
            if each.mode == "direct":
                bound.inputs[each.name] = each.dataset or ""
                continue
            place = self.place_of_input(each)
            (place.parent if each.is_file else place).mkdir(parents=True, exist_ok=True)
            bound.inputs[each.name] = str(place)
        for output in self.launch.outputs:
            bound.outputs[output.name] = str(self.place_of_output(output))
            if output.kind in LINK_KINDS:
                bound.links[output.name] = LINK_KINDS[output.kind]
            elif output.kind == "file_dataset":
                bound.file_outputs.append(output.name)
        return bound

    def clear_outputs(self) -> None:
        """A step finds its outputs as in the studio: those that are folders empty, others not there yet.

        Only what lies below `outputs/` and was made here is removed: what a program places beside its code stays.
        Raises `UserErrorException` where somebody else's files lie there.
        """
        state = self._state() or {}
        made = [str(each) for each in state.get("outputs", ())]
        for output in self.launch.outputs:
            place = self.place_of_output(output)
            is_own = (self.path / "outputs") in place.parents
            if is_own and output.name in made:
                _remove(place)
            elif is_own and (place.is_file() or (place.is_dir() and any(place.iterdir()))):
                raise UserErrorException(
                    f"'{place}' holds what was not made here. Move it away: the step writes there."
                )
            place.parent.mkdir(parents=True, exist_ok=True)
            if output.kind == "file_dataset" or output.is_directory:
                place.mkdir(exist_ok=True)
        self._keep_state(tuple(output.name for output in self.launch.outputs))

    def place_of_input(self, given: Input) -> Path:
        """Where an input lies; one that is a file keeps its name."""
        place = self._wanted(given.path_on_compute) or place_of(self.path / "inputs", given.name)
        return place_of(place, given.file_name) if given.is_file and given.file_name else place

    def place_of_output(self, given: Output) -> Path:
        return self._wanted(given.path_on_compute) or place_of(self.path / "outputs", given.name)

    def places_of(self, given: Input) -> List[Tuple[File, Path]]:
        """Each file of an input, and where it lies here."""
        place = self.place_of_input(given)
        if given.is_file and len(given.files) == 1:
            return [(given.files[0], place)]
        return [(file, place_of(place, file.path)) for file in given.files]

    def _wanted(self, path: Optional[str]) -> Optional[Path]:
        """Below the working directory, as the program asked; an absolute path is no place here, as it is none in a step."""
        if not path or path.startswith("/"):
            return None
        return place_of(self.code, path)

    def _note_extra(self, given: Input, expected: List[Path]) -> None:
        place = self.place_of_input(given)
        if given.is_file or not place.is_dir():
            return
        known = set(expected)
        extra = [each for each in place.rglob("*") if each.is_file() and each not in known]
        if extra:
            self.notes.append(
                f"The input '{given.name}' has {counted(len(extra), 'file')} here that the step did not read, such as "
                f"'{self._name(extra[0])}'."
            )

    def _name(self, place: Path) -> str:
        return place.relative_to(self.path).as_posix()

    def _state(self) -> Optional[Dict[str, Any]]:
        try:
            found = json.loads((self.path / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _keep_state(self, outputs: Optional[Tuple[str, ...]] = None) -> None:
        if outputs is None:
            outputs = tuple((self._state() or {}).get("outputs", ()))
        state = {"run": self.launch.run, "step": self.launch.step, "brought": self._brought, "outputs": outputs}
        part = self.path / f"{STATE}.part"
        part.write_text(json.dumps(state, indent=1), encoding="utf-8")
        part.replace(self.path / STATE)

    def _remove_brought(self) -> None:
        """What an earlier call brought and this step has not, so that no file of another input is read as one of this step's."""
        own = [(each, place_of(self.code, each.path)) for each in self.launch.code]
        for each in self.launch.inputs:
            own += self.places_of(each)
        expected = {self._name(place): file for file, place in own}
        for name in self._brought:
            place = place_of(self.path, name)
            if place.is_file() and not (name in expected and _is_same(expected[name], place)):
                place.unlink()
        self._brought = [name for name in self._brought if name in expected]


def _fetch(workspace: Any, file: File, place: Path) -> None:
    path, _mark, query = file.address.partition("?")
    address = workspace._path(path) + (f"?{query}" if query else "")
    size = workspace._client.download(address, place, file.digest)
    if size != file.size:
        place.unlink()
        raise UserErrorException(f"it has {size_text(size)} now, and had {size_text(file.size)} a moment ago.")
    if file.executable and os.name != "nt":
        place.chmod(0o755)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(str(place))
    elif place.exists() or place.is_symlink():
        place.unlink()


def _is_same(file: File, place: Path) -> bool:
    """Whether the file is here: by its size, and its digest where that is known."""
    if not place.is_file() or place.stat().st_size != file.size:
        return False
    return file.digest is None or digest_of(place) == file.digest
