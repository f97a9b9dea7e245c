"""Where the code of packages runs while an environment is made: behind walls, with a cache of its own.

A package that comes as source runs its own program when it is resolved or built, and what is installed may run code
whenever its Python starts. None of it sees the agent's home or key, and none of it can change uv's own cache, from
whose files all other environments are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from duto_agent.launchers.base import Bind
from duto_agent.launchers.bubblewrap import Bubblewrap, interpreter

FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")
LINKS, INDEXES = "UV_FIND_LINKS", ("UV_DEFAULT_INDEX", "UV_INDEX")


class Workshop:
    """Commands that make environments, behind walls."""

    def __init__(self, walls: Bubblewrap, cache: Path) -> None:
        self.walls, self.cache = walls, cache

    def command(self, argv: Sequence[str], python: str, writable: Path) -> list[str]:
        """A program of the environment `writable` itself."""
        return self.walls.around(argv, [*interpreter(python), Bind(writable, writable, read_only=False)])

    def uv(
        self, argv: Sequence[str], variables: Mapping[str, str], python: str, writable: Path | None
    ) -> tuple[list[str], dict[str, str]]:
        """uv and its variables; it sees the indexes and certificates of this host that it is told of."""
        self.cache.mkdir(parents=True, exist_ok=True)
        program = Path(argv[0]).resolve()
        shown = [
            Bind(program, Path(argv[0])), *interpreter(python), *(Bind(path, path) for path in local_places(variables)),
            Bind(self.cache, self.cache, read_only=False),
        ]  # fmt: skip
        if writable is not None:
            shown.append(Bind(writable, writable, read_only=False))
        kept = {name: value for name, value in variables.items() if name != "TMPDIR"}
        return self.walls.around(argv, shown), {**kept, "UV_CACHE_DIR": str(self.cache)}


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
