"""The tree of a mount: the files that a step was given, and the folders that they lie in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from duto.spec.filenames import leads_out, unescaped_path
from duto.spec.sentences import said
from duto_agent.paths import BadPath, plain_name
from duto_protocol.messages import InputFile

Folder = dict[str, "Folder | int"]


class Listing:
    """A folder for each input, with its files by their numbers in `files`. Nothing of it ever changes."""

    def __init__(self, inputs: Mapping[str, Sequence[InputFile]]) -> None:
        """Raises BadPath for a name that no file can have, and for a file that is a folder of another, too."""
        self.files: list[InputFile] = []
        self.root: Folder = {}
        for name, files in inputs.items():
            top: Folder = {}
            self.root[plain_name(name)] = top
            for file in files:
                self._put(top, file)

    def find(self, path: str) -> Folder | int | None:
        """The folder, or the number of the file, at a path from the root on; None where there is nothing."""
        here: Folder | int | None = self.root
        for name in path.split("/"):
            if name:
                if not isinstance(here, dict):
                    return None
                here = here.get(name)
        return here

    def _put(self, top: Folder, file: InputFile) -> None:
        path = unescaped_path(file.path)
        names = [name for name in path.split("/") if name != "."]
        if leads_out(file.path) or leads_out(path) or not names or "" in names:
            raise BadPath(said("no_inner_path", path=file.path))
        here = top
        for name in names[:-1]:
            below = here.setdefault(name, {})
            if not isinstance(below, dict):
                raise BadPath(said("file_and_folder", path=file.path))
            here = below
        if names[-1] in here:
            raise BadPath(said("file_and_folder", path=file.path))
        here[names[-1]] = len(self.files)
        self.files.append(file)
