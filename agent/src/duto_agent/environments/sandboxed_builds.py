"""Where the code of packages runs while an environment is made: in a sandbox, with a cache for each build.

A package that comes as source runs its own program when it is resolved or built, and what is installed may run code
whenever its Python starts. None of it sees the agent's home or key, and none of it can change uv's own cache, from
whose files all other environments are made. Where the agent is root it runs as the first of the users of steps, who owns the cache and the folder that is made.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from duto_agent.files import remove_tree
from duto_agent.launchers.base import Bind
from duto_agent.launchers.bubblewrap import Bubblewrap, interpreter

FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")
LINKS, INDEXES = "UV_FIND_LINKS", ("UV_DEFAULT_INDEX", "UV_INDEX")


class SandboxedBuilds:
    """Commands that make environments, in a sandbox."""

    def __init__(self, sandbox: Bubblewrap, caches: Path) -> None:
        self.sandbox, self.caches = sandbox, caches
        remove_tree(caches)  # of builds that an agent was killed amid

    def command(self, argv: Sequence[str], program: str, writable: Path, shown: Sequence[Bind] = ()) -> list[str]:
        """A program that writes into `writable`: one of that environment itself, or R; it sees what is `shown` as well."""
        self._give(writable)
        return self.sandbox.around(argv, [*interpreter(program), *shown, Bind(writable, writable, read_only=False)])

    @contextlib.contextmanager
    def uv(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        python: str,
        writable: Path | None,
        files: Sequence[Path] = (),
    ) -> Iterator[tuple[list[str], dict[str, str]]]:
        """uv and its variables, with a cache of its own that goes with the block; it sees `files`, and the indexes and
        certificates of this host that it is told of."""
        cache = self._cache()
        try:
            yield self._uv(argv, variables, python, writable, cache, files)
        finally:
            remove_tree(cache)

    def _uv(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        python: str,
        writable: Path | None,
        cache: Path,
        files: Sequence[Path],
    ) -> tuple[list[str], dict[str, str]]:
        program = Path(argv[0]).resolve()
        places = local_places(variables)
        secrets = [path for path in places if self.sandbox.users is not None and path.is_file() and is_closed(path)]
        shown = [
            Bind(program, Path(argv[0])), *interpreter(python), *(Bind(path, path) for path in places if path not in secrets),
            *(Bind(path, path) for path in files), Bind(cache, cache, read_only=False),
        ]  # fmt: skip
        if writable is not None:
            self._give(writable)
            shown.append(Bind(writable, writable, read_only=False))
        kept = {name: value for name, value in variables.items() if name != "TMPDIR"}
        if self.sandbox.users is not None and (home := kept.get("HOME")):
            kept |= {"HOME": "/tmp", "NETRC": kept.get("NETRC") or f"{home}/.netrc"}  # noqa: S108 - in a sandbox
        return self.sandbox.around(argv, shown, secrets), {**kept, "UV_CACHE_DIR": str(cache)}

    def take_back(self, made: Path) -> None:
        """What was made belongs to the agent again, before anybody uses it."""
        if self.sandbox.users is None:
            return
        os.chown(made, 0, 0, follow_symlinks=False)
        for folder, folders, files in os.walk(made):
            for name in (*folders, *files):
                path = os.path.join(folder, name)  # noqa: PTH118 - of some ten thousand
                if os.lstat(path).st_uid != 0:
                    os.chown(path, 0, 0, follow_symlinks=False)

    def _give(self, writable: Path) -> None:
        """Its folders alone: files may be links into the cache of all environments."""
        users = self.sandbox.users
        if users is not None:
            for folder, _, _ in os.walk(writable):
                os.chown(folder, users.builder, users.group)

    def _cache(self) -> Path:
        """Nothing that one build's packages have left is taken for another's."""
        self.caches.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=self.caches))
        if (users := self.sandbox.users) is not None:
            os.chown(made, users.builder, users.group)
        return made


def is_closed(path: Path) -> bool:
    """Whether others than its owner may not read this file."""
    return not path.stat().st_mode & stat.S_IROTH


def local_places(variables: Mapping[str, str]) -> list[Path]:
    """Files and folders of this host that uv's variables name."""
    return [path for path in dict.fromkeys(_places(variables)) if path.is_absolute() and path.exists()]


def _places(variables: Mapping[str, str]) -> Iterator[Path]:
    yield from (Path(variables[name]) for name in FILES if variables.get(name))
    if "NETRC" not in variables and variables.get("HOME"):
        yield Path(variables["HOME"]) / ".netrc"
    links = variables.get(LINKS, "").split(",")
    indexes = (word.rpartition("=")[2] for name in INDEXES for word in variables.get(name, "").split())
    for word in (*links, *indexes):
        found = urlsplit(word)
        if found.scheme in ("", "file") and found.path:
            yield Path(unquote(found.path))
