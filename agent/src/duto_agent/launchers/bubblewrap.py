"""A sandbox for a local process by bubblewrap: it sees the system read-only, its own directory, and what it was given.

The studio's data directory, the agent's home and the user's home are hidden, and so are other people's processes.
Where the agent is root, the script is a user of its own without any capability; everywhere it can gain no privileges,
make no namespaces, and a filter keeps it from the machinery of the kernel. The network is shared: a local process
reaches what its host reaches.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from duto_agent.launchers import seccomp
from duto_agent.launchers.base import Bind, Launch
from duto_agent.launchers.ownership import FOLDERS, TOLD
from duto_agent.launchers.users import NAME, Range, StepUsers, range_of

DEVICES = ("nvidia*", "dri", "kfd")
RUN = Path("/run")
# Each step has these for itself, and nothing of the host's in them but what it is shown.
EMPTIED = frozenset({Path("/tmp"), Path("/var/tmp"), RUN})  # noqa: S108 - hidden, not used
# What a shell opens for bubblewrap, which takes them by number: the filter, and files that only the agent may read.
FILTER_FD, FIRST_FD, LAST_FD = 3, 4, 9
NAMED = ("passwd", "group")
# Stands for the number by which bubblewrap tells the shim of its progress; the shim opens it, and puts it here.
STATUS = "{status}"
# From then on a user's processes are counted for each of its namespaces: the limit is then that of one step.
COUNTS_BY_NAMESPACE = (5, 14)
# What the loader, the C library and shells take orders from (glibc's list of variables that are not for setuid programs).
LOADERS = re.compile(
    r"LD_|GLIBC_|GCONV_|GETCONF_|MALLOC_|BASH|(?:ENV|SHELLOPTS|PS4|IFS|CDPATH|LOCPATH|NLSPATH|TZDIR|NIS_PATH|HOSTALIASES|"
    r"LOCALDOMAIN|RES_OPTIONS|RESOLV_HOST_CONF)$"
)
TO_CHANGE_USER = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")


def find() -> str | None:
    """The program, if it is here and may make the sandbox that we need."""
    program, changer = shutil.which("bwrap"), shutil.which("setpriv")
    if program is None or (_is_root() and changer is None):
        return None
    inner = _become(str(changer), Range(1, 2), 2, []) if _is_root() else []
    return program if _works([program, *_sandbox(_is_root()), "--", *inner, "/bin/true"]) else None


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _is_root() -> bool:
    return os.geteuid() == 0


class Bubblewrap:
    """Turns a launch's command into the same command in a sandbox. `home` is the agent's; it is hidden like the others.

    As root it is `users` who run what is behind them.
    """

    def __init__(
        self,
        program: str,
        home: Path,
        hidden: Iterable[Path] = (),
        folders: Iterable[Path] = (),
        users: Range | None = None,
    ) -> None:
        self.program, self._changer = program, shutil.which("setpriv") or "setpriv"
        self.users = StepUsers(users or range_of(None), home / "attempts") if _is_root() else None
        self.folders = tuple(Bind(folder, folder, read_only=False) for folder in folders)
        self.hidden = {path.resolve() for path in (home, *hidden) if path.resolve() != Path("/")}
        self._sandbox = [*_sandbox(_is_root()), *self._without_more(program)]
        self._filter = self._keep_filter(home / "run" / "sandbox.bpf")

    def command(self, launch: Launch, processes: int | None = None) -> list[str]:
        """The argument list for this launch, to be started with the `outer` variables alone.

        As root its directory must be its user's by now. `processes` is how many a step may have that is no user of its
        own and in no control group.
        """
        directory = launch.cwd.parent.resolve()
        shown = [*interpreter(launch.python or launch.argv[0]), *launch.binds, *self._own(directory)]
        folders = [bind.target for bind in self.folders]
        closed = self._closed([*shown, *self.folders], folders)
        first = {path for path in closed if not any(path.is_relative_to(folder) for folder in folders)}
        sandbox = [*self._sandbox, *self._made(first, [*self.folders, *shown]), *_words(self.folders)]
        sandbox += [*self._made((self._standing() | closed) - first, shown), *_words(shown), *_named(directory)]
        devices = _devices() if launch.reserved.gpus else []
        sandbox += [word for path in devices for word in ("--dev-bind", str(path), str(path))]
        # Nothing is kept that is written where something is hidden: so nobody shall think that it is.
        sandbox += [word for path in sorted(self.hidden) if path.is_dir() for word in ("--remount-ro", str(path))]
        inner = [*_last(launch.env), *launch.argv]
        if self.users is not None:
            inner = [*_become(self._changer, self.users.range, self.users.of(directory), devices), *inner]
        elif processes:
            inner = [*_counted(processes), *inner]
        return self._open(["--json-status-fd", STATUS, *sandbox, "--chdir", str(launch.cwd), "--", *inner])

    def around(self, argv: Sequence[str], shown: Iterable[Bind], secrets: Iterable[Path] = ()) -> list[str]:
        """A program that is no step's: it sees the system and what it is shown, not the folders that steps share.

        `secrets` are files that its user could not read: it sees copies.
        """
        shown, copied = list(shown), list(secrets)[: LAST_FD - FIRST_FD + 1]
        targets = [*shown, *(Bind(path, path) for path in copied)]
        sandbox = [*self._sandbox, *self._made(self._standing() | self._closed(targets), targets), *_words(shown)]
        for number, path in enumerate(copied, FIRST_FD):
            sandbox += ["--perms", "0444", "--ro-bind-data", str(number), str(path)]
        inner = list(argv)
        if self.users is not None:
            inner = [*_become(self._changer, self.users.range, self.users.builder, []), *inner]
        return self._open([*sandbox, "--die-with-parent", "--chdir", "/", "--", *inner], copied)

    def _open(self, words: list[str], copied: Sequence[Path] = ()) -> list[str]:
        """bubblewrap with what it reads by number. A shell opens that, and is gone: the whole is a list of words."""
        given = [str(self._filter)] if self._filter else []
        opened = [f'{FILTER_FD}<"${{1}}"'] if given else []
        opened += [
            f'{number}<"${{{len(given) + place}}}"'
            for place, number in enumerate(range(FIRST_FD, FIRST_FD + len(copied)), 1)
        ]
        paths = [*given, *map(str, copied)]
        if not paths:
            return [self.program, *words]
        own = ["--seccomp", str(FILTER_FD)] if given else []
        # The redirections are read before the words are shifted away; they stay open for the program.
        script = f'exec {" ".join(opened)}; shift {len(paths)}; exec "$@"'
        return ["/bin/sh", "-c", script, "sandbox", *paths, self.program, *own, *words]

    def _own(self, directory: Path) -> list[Bind]:
        """The attempt's directory. The script may write its folders, its spool and its ledger; what the agent notes there is not its own."""
        if self.users is not None:  # by permission: the whole stays one file system, in which files can be renamed
            return [Bind(directory, directory, read_only=False)]
        names = [name for name in (*FOLDERS, *TOLD) if (directory / name).exists()]
        return [
            Bind(directory, directory),
            *(Bind(directory / name, directory / name, read_only=False) for name in names),
        ]

    def _standing(self) -> set[Path]:
        return {path for path in self.hidden if path.is_dir()}

    def _closed(self, shown: Iterable[Bind], folders: Sequence[Path] = ()) -> set[Path]:
        """Folders into which only the agent may look: hidden like the others, or its steps' users could not pass through
        them to what they are shown."""
        if self.users is None:
            return set()
        hidden = self._standing()
        return {path for bind in shown for path in _closed(bind.target, hidden, folders)}

    def _made(self, hidden: set[Path], shown: Iterable[Bind]) -> list[str]:
        """Hide these folders, the outermost first: what is shown again inside one must come after it.

        What is always hidden comes after the folders that steps share: one that holds the studio's does not show them.
        """
        if self.users is None:
            return [word for path in sorted(hidden) for word in ("--tmpfs", str(path))]
        # On the way to what is shown there, bubblewrap would make folders as closed as those outside.
        targets, empty = {bind.target for bind in shown}, hidden.union(EMPTIED)
        ways = {path for target in targets for path in target.parents if not empty.isdisjoint(path.parents)} - hidden
        words = (
            ("--tmpfs", str(path)) if path in hidden else ("--perms", "0755", "--dir", str(path))
            for path in sorted(hidden | ways - targets)
        )
        return [word for each in words for word in each]

    def _without_more(self, program: str) -> list[str]:
        """No further user namespaces, where bubblewrap can say so; the filter says it again."""
        words = ["--unshare-user", "--disable-userns"]
        works = self.users is None and _works([program, *_sandbox(False), *words, "--", "/bin/true"])
        return words if works else []

    def _keep_filter(self, path: Path) -> Path | None:
        program = seccomp.program()
        if program is None:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        new.write_bytes(program)
        new.replace(path)
        done = self._try_filter(path)
        return path if done else None

    def _try_filter(self, path: Path) -> bool:
        """A kernel without filters is rare, and no reason to do without a sandbox."""
        self._filter = path
        return _works(self._open([*self._sandbox, "--", "/bin/true"]))


def _closed(target: Path, hidden: set[Path], folders: Sequence[Path]) -> Iterator[Path]:
    """Folders on the way to the target that others may not pass: the outermost, and below it that of each shared folder,
    which shows what is really there."""
    for path in reversed(target.parents):
        if path in hidden:
            return
        try:
            is_closed = not path.stat().st_mode & stat.S_IXOTH
        except OSError:
            return
        if is_closed and path != Path("/") and path not in folders:
            yield path
            if not any(
                folder != path and folder.is_relative_to(path) and target.is_relative_to(folder) for folder in folders
            ):
                return


def outer(variables: Mapping[str, str]) -> dict[str, str]:
    """A step's variables without those that would change the programs that make the sandbox: those run before it begins."""
    return {name: value for name, value in variables.items() if not LOADERS.match(name)}


def _last(variables: Mapping[str, str]) -> list[str]:
    """The others, set by the last program before the script."""
    held = [f"{name}={value}" for name, value in variables.items() if LOADERS.match(name)]
    return [shutil.which("env") or "/usr/bin/env", *held] if held else []


def _become(program: str, users: Range, user: int, devices: Sequence[Path]) -> list[str]:
    """Change from root to that user, for good; with the groups that may open its devices."""
    groups = {facts.st_gid for path in devices if (facts := path.stat()) and not facts.st_mode & stat.S_IWOTH} - {0}
    named = ["--groups", ",".join(map(str, sorted(groups)))] if groups else ["--clear-groups"]
    return [
        program, "--reuid", str(user), "--regid", str(users.first), *named,
        "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--",
    ]  # fmt: skip


def _counted(pids: int) -> list[str]:
    release = tuple(int(part) for part in platform.release().split(".")[:2] if part.isdigit())
    program = shutil.which("prlimit")
    return [program, f"--nproc={pids}", "--"] if program and release >= COUNTS_BY_NAMESPACE else []


def _named(directory: Path) -> list[str]:
    """The files that give the step's user a name, if it has one of its own."""
    return [
        word
        for name in NAMED
        if (directory / name).is_file()
        for word in ("--ro-bind", str(directory / name), f"/etc/{name}")
    ]


def name_user(directory: Path, user: int, group: int) -> None:
    """Programs ask for the name of whoever runs them, and some end where there is none."""
    lines = {
        "passwd": f"{NAME}:x:{user}:{group}:Duto step:{directory / 'tmp' / 'home'}:/bin/sh\n",
        "group": f"{NAME}:x:{group}:\n",
    }
    for name, line in lines.items():
        system = Path("/etc", name)
        if system.is_file() and not system.is_symlink():
            text = system.read_text(errors="surrogateescape")
            (directory / name).write_text(text.rstrip("\n") + "\n" + line, errors="surrogateescape")


def _words(binds: Iterable[Bind]) -> list[str]:
    return [
        word
        for bind in binds
        for word in ("--ro-bind" if bind.read_only else "--bind", str(bind.source), str(bind.target))
    ]


def _sandbox(as_root: bool) -> list[str]:
    """The system as it is, read-only; processes, temporary files and sockets of nobody else."""
    everybody = ["--perms", "1777"] if as_root else []
    capable = (
        ["--cap-drop", "ALL", *(word for name in TO_CHANGE_USER for word in ("--cap-add", name))] if as_root else []
    )
    settings = ["--ro-bind", "/proc/sys", "/proc/sys"] if as_root else []
    sandbox = [
        *capable, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--ro-bind", "/", "/", "--dev", "/dev", *everybody, "--tmpfs", "/dev/shm", "--proc", "/proc", *settings,  # noqa: S108 - hidden, not used
        *everybody, "--tmpfs", "/tmp", *everybody, "--tmpfs", "/var/tmp",  # noqa: S108 - likewise
    ]  # fmt: skip
    if RUN.is_dir():
        sandbox += ["--tmpfs", str(RUN)]
        names = Path("/etc/resolv.conf").resolve()
        if names.is_relative_to(RUN) and names.is_file():  # a local resolver keeps its file there
            sandbox += ["--ro-bind", str(names), str(names)]
    return sandbox


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


def _devices() -> list[Path]:
    return [path for pattern in DEVICES for path in sorted(Path("/dev").glob(pattern))]
