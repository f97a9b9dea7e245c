"""Walls around a local process by bubblewrap: it sees the system read-only, its own directory, and what it was given.

The studio's data directory, the agent's home and the user's home are hidden, and so are other people's processes.
The network is shared: a local process reaches what its host reaches.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from duto_agent.launchers.base import Bind, Launch

DEVICES = ("nvidia*", "dri", "kfd")
RUN = Path("/run")


def find() -> str | None:
    """The program, if it is here and may make the walls that we need."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    try:
        done = subprocess.run([program, *_walls(), "--", "/bin/true"], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if done.returncode == 0 else None


class Bubblewrap:
    """Turns a launch's command into the same command behind walls."""

    def __init__(self, program: str, hidden: Iterable[Path], folders: Iterable[Path] = ()) -> None:
        self.program = program
        self.folders = tuple(Bind(folder, folder, read_only=False) for folder in folders)
        # The outermost first: what is shown again inside a hidden folder must come after it.
        self.hidden = sorted({path.resolve() for path in hidden if path.resolve() != Path("/")})

    def command(self, launch: Launch) -> list[str]:
        """The argument list for this launch. Pure, but for looking at what exists."""
        directory = launch.cwd.parent.resolve()
        shown = [*interpreter(launch.argv[0]), *launch.binds, Bind(directory, directory, read_only=False)]
        argv = [*_walls(), *_words(self.folders), *self._hidden(), *_words(shown)]
        if launch.reserved.gpus:
            argv += _devices()
        return [self.program, *argv, "--chdir", str(launch.cwd), "--", *launch.argv]

    def around(self, argv: Sequence[str], shown: Iterable[Bind]) -> list[str]:
        """A program that is no step's: it sees the system and what it is shown, not the folders that steps share."""
        walls = [*_walls(), *self._hidden(), *_words(shown)]
        return [self.program, *walls, "--die-with-parent", "--chdir", "/", "--", *argv]

    def _hidden(self) -> list[str]:
        # After the shared folders: one that holds the studio's does not show them.
        return [word for path in self.hidden if path.is_dir() for word in ("--tmpfs", str(path))]


def _words(binds: Iterable[Bind]) -> list[str]:
    return [
        word
        for bind in binds
        for word in ("--ro-bind" if bind.read_only else "--bind", str(bind.source), str(bind.target))
    ]


def _walls() -> list[str]:
    """The system as it is, read-only; processes, temporary files and sockets of nobody else."""
    walls = [
        "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp",  # noqa: S108 - hidden, not used
    ]  # fmt: skip
    if RUN.is_dir():
        walls += ["--tmpfs", str(RUN)]
        names = Path("/etc/resolv.conf").resolve()
        if names.is_relative_to(RUN) and names.is_file():  # a local resolver keeps its file there
            walls += ["--ro-bind", str(names), str(names)]
    return walls


def interpreter(executable: str) -> list[Bind]:
    """The environment of the script's Python and the installation that it stands on, wherever they lie."""
    binds: list[Path] = []
    path = Path(executable)
    for _ in range(5):  # an environment made from an environment made from ...
        root = path.parent.parent
        binds.append(root)
        settings = root / "pyvenv.cfg"
        if not settings.is_file():
            break
        path = _base_of(settings) / path.name
    real = Path(executable).resolve().parent.parent
    unique = dict.fromkeys([*binds, real])
    return [Bind(root, root) for root in unique if root != Path("/") and not _is_system(root)]


def _base_of(settings: Path) -> Path:
    for line in settings.read_text(errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home":
            return Path(value.strip())
    return Path("/usr/bin")


def _is_system(path: Path) -> bool:
    """What the read-only system shows already."""
    return path in (Path("/usr"), Path("/usr/local")) or path.is_relative_to("/usr")


def _devices() -> list[str]:
    found: Sequence[Path] = [path for pattern in DEVICES for path in sorted(Path("/dev").glob(pattern))]
    return [word for path in found for word in ("--dev-bind", str(path), str(path))]
