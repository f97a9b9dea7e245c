"""Builds the environments of steps: locked, byte-compiled, read-only, each once per host."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from duto.spec import trees
from duto.spec.sentences import Said, said
from duto_agent.disk_space import DiskFull, full, is_mentioned_in, require_space
from duto_agent.environments import conda
from duto_agent.environments.pythons import Choice, Python, Pythons
from duto_agent.environments.sandboxed_builds import SandboxedBuilds
from duto_agent.environments.uv_tool import UvMissing, uv_binary, uv_environment
from duto_agent.files import now, read_json, remove_tree, write_json
from duto_agent.launchers.bubblewrap import Bubblewrap
from duto_agent.loops import succeeds
from duto_agent.worded import Worded

Say = Callable[[str], None]
READY = "duto-environment.json"
# matplotlib draws its list of fonts on the first import, which takes seconds: here once, not in each step.
FONTS = "import matplotlib.font_manager"
FONT_FOLDER = "duto-matplotlib"
PLAIN = {"PATH": "/usr/bin:/bin"}


NO_SOURCE = re.compile(r"--no-build|build\w{0,20} [^.\n]{0,300}is disabled", re.I)


class BuildFailed(Worded):
    """One sentence for people; the whole story is in the log."""


class IsSource(BuildFailed):
    """A package has no wheel, and running its own program was forbidden."""


@dataclass(frozen=True)
class Built:
    """An environment that stands."""

    path: Path
    python: str
    warnings: tuple[Said, ...] = ()

    @property
    def executable(self) -> Path:
        return self.path / "bin" / "python"


class Environments:
    """The folder `envs/` of this host."""

    def __init__(self, folder: Path, pythons: Pythons, sandbox: Bubblewrap | None = None) -> None:
        self.folder, self.pythons = folder, pythons
        self.sandboxed_builds = (
            SandboxedBuilds(sandbox, folder.parent / "cache" / "builds") if sandbox is not None else None
        )
        self._running: set[subprocess.Popen[str]] = set()
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("*.tmp.*"):  # an agent that was killed amid a build
            succeeds(f"removal of {left}", partial(remove_tree, left))

    def resolve(self, packages: Sequence[str], python: Python, say: Say, constraints: Sequence[str] = ()) -> str:
        """The lock of these requirements within the constraints: one `name==version` per line, sorted."""
        if not packages:
            return ""
        command = ["pip", "compile", "--no-header", "--no-annotate", "--quiet", "--python", python.executable, "-"]
        with tempfile.TemporaryDirectory(prefix="resolve.tmp.", dir=self.folder) as folder:
            files = [Path(folder, "constraints.txt")] if constraints else []
            for file in files:
                file.write_text("".join(f"{each}\n" for each in constraints))
                command += ["--constraint", str(file)]
            lines = self._uv(command, say, "\n".join(packages) + "\n", python=python.executable, files=files)
        pinned = [line.strip() for line in lines if line.strip() and not line.startswith(("#", " ", "warning"))]
        return "".join(f"{line}\n" for line in sorted(pinned, key=str.lower))

    def ensure(self, lock: str, asked: str | None, say: Say) -> Built:
        """The environment of this lock; whoever asks while it is built waits for the one build.

        It is known by what it is made of: a name that came over the wire could be that of another lock.

        Raises BuildFailed, DiskFull, OSError.
        """
        if conda.is_lock(lock):
            raise BuildFailed(said("conda_by_processes"))
        choice = self.pythons.choose(asked)
        path = self._path(lock, choice)
        if not lock.strip():
            say = _nothing  # made in a blink: no news
        if not is_of(path, lock):
            with require_space(said("environment_named", name=path.name), self.folder), self.only_one(path):
                if not is_of(path, lock):
                    remove_tree(path)  # what stands there is something else, or was changed
                    self._build(path, lock, choice, say)
        return self._built(path, choice)

    def ready(self, lock: str, asked: str | None) -> Built | None:
        """The environment, if it stands already."""
        choice = self.pythons.choose(asked)
        path = self._path(lock, choice)
        return self._built(path, choice) if is_of(path, lock) else None

    def _path(self, lock: str, choice: Choice) -> Path:
        """A lock that another Python serves is another environment: wheels differ."""
        return self.folder / f"{key_of(lock)}-{choice.python.minor}"

    def _built(self, path: Path, choice: Choice) -> Built:
        """With the stamp by which the least recently used are found; a stamp is never a reason to fail."""
        with contextlib.suppress(OSError):
            path.with_name(path.name + ".used").touch()
        return Built(path, choice.python.version, (choice.warning,) if choice.warning else ())

    def bare(self) -> Built:
        """An environment with nothing in it, for steps that bring their own."""
        return self.ensure("", None, _nothing)

    def user_managed(self, interpreter: str | None) -> str:
        """The Python of a step whose packages are its author's affair."""
        for candidate in (interpreter, os.environ.get("DUTO_USER_PYTHON")):
            # `python` is what definitions say when nobody chose; the agent's own would leak its packages.
            if candidate and "/" in candidate:
                if not os.access(candidate, os.X_OK):
                    raise BuildFailed(said("no_interpreter", path=candidate))
                return candidate
        return str(self.bare().executable)

    def stop(self) -> None:
        """End the builds that run; the next agent begins them anew."""
        for process in list(self._running):
            process.kill()

    def _build(self, path: Path, lock: str, choice: Choice, say: Say) -> None:
        new = path.with_name(f"{path.name}.tmp.{os.getpid()}")
        remove_tree(new)
        if choice.warning:
            say(choice.warning)
        say(f"Building the environment {path.name} with Python {choice.python.version}.")
        try:
            self._uv(["venv", "--relocatable", "--no-project", "--python", choice.python.executable, str(new)], say)
            if lock.strip():
                file = new / "duto-lock.txt"
                file.write_text(lock)
                self._install(new, file, say)
            self._draw_fonts(new, lock)
            if self.sandboxed_builds is not None:
                self.sandboxed_builds.take_back(new)
            made = {"python": choice.python.version, "lock_digest": digest_of(lock), "built_at": now()}
            write_json(new / READY, made)
            make_read_only(new)
            new.rename(path)
        except BaseException:
            remove_tree(new)
            raise
        say("The environment is ready.")

    def _install(self, new: Path, lock: Path, say: Say) -> None:
        """Without a sandbox all at once. With one, code of packages runs in it only: to build, and to compile."""
        python = str(new / "bin/python")
        install = ["pip", "sync", "--python", python, str(lock)]
        if self.sandboxed_builds is None:
            self._uv([*install, "--compile-bytecode"], say)
            return
        try:
            self._uv([*install, "--no-build"], say)
        except IsSource:
            say("A package comes as source: it is built isolated from the host.")
            self._uv([*install, "--link-mode", "copy"], say, python=python, writable=new)
        # Half of what packages of data science ship is their tests, which no step imports.
        compile_all = [python, "-I", "-m", "compileall", "-q", "-j", "0", "-x", "/tests/", str(new / "lib")]
        # Some packages ship files that are no Python of this version; nothing imports them.
        subprocess.run(self.sandboxed_builds.command(compile_all, python, new), env=PLAIN, capture_output=True)

    def _uv(
        self,
        arguments: list[str],
        say: Say,
        stdin: str = "",
        *,
        python: str = "",
        writable: Path | None = None,
        files: Sequence[Path] = (),
    ) -> list[str]:
        """Run uv, say each line as it comes, and turn a failure into one sentence. With `python`: in a sandbox, if
        there are any."""
        try:
            command, variables = [uv_binary(), *arguments], uv_environment()
        except UvMissing as error:
            raise BuildFailed(error.message) from error
        if python and self.sandboxed_builds is not None:
            with self.sandboxed_builds.uv(command, variables, python, writable, files) as (sandboxed, shown):
                return self._run(sandboxed, shown, say, stdin)
        return self._run(command, variables, say, stdin)

    def _run(self, command: list[str], variables: dict[str, str], say: Say, stdin: str) -> list[str]:
        lines, code = self.follow(command, variables, say, stdin)
        if code != 0:
            text = "\n".join(lines)
            raise IsSource(explain(text)) if NO_SOURCE.search(text) else failure_of(text, self.folder)
        return lines

    def follow(self, command: list[str], variables: dict[str, str], say: Say, stdin: str = "") -> tuple[list[str], int]:
        """Run a program, say each line as it comes; all of them, and its exit code."""
        process = subprocess.Popen(
            command, env=variables, text=True, errors="replace",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder,
        )  # fmt: skip
        lines: list[str] = []
        self._running.add(process)
        with process:
            assert process.stdin is not None and process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(stdin)
                process.stdin.close()
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                say(lines[-1])
        self._running.discard(process)
        return lines, process.returncode

    def _draw_fonts(self, path: Path, lock: str) -> None:
        if not re.search(r"^matplotlib==", lock, re.M):
            return
        folder = path / FONT_FOLDER
        folder.mkdir()
        variables = {**PLAIN, "MPLCONFIGDIR": str(folder), "HOME": str(folder), "MPLBACKEND": "agg"}
        python = str(path / "bin/python")
        command = [python, "-c", FONTS]
        if self.sandboxed_builds is not None:
            command = self.sandboxed_builds.command(command, python, path)
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run(command, env=variables, capture_output=True, timeout=120)

    @contextlib.contextmanager
    def only_one(self, path: Path) -> Iterator[None]:
        """Of several who make what stands at this path, one at a time."""
        with path.with_name(path.name + ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def digest_of(lock: str) -> str:
    """sha256 of a lock, as the studio makes it."""
    return hashlib.sha256(lock.encode()).hexdigest()


def key_of(lock: str) -> str:
    """The beginning of the name of its environments."""
    return digest_of(lock)[:40]


def is_of(path: Path, lock: str) -> bool:
    """Whether a whole environment stands there, and is of this lock by the word of whoever made it."""
    made = read_json(path / READY)
    return isinstance(made, dict) and made.get("lock_digest") == digest_of(lock)


def _nothing(line: str) -> None:
    """Says nothing."""


def safe_name(key: str) -> str:
    """Keys come from the studio; a folder's name holds no more than these characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", key).lstrip(".") or "_"


def make_read_only(path: Path) -> None:
    """Files are hard links into uv's cache: a step that wrote into one would change every environment.

    Everybody may read: steps have users of their own where the agent is root.
    """
    for folder, entries in reversed(list(trees.walk(path))):
        for file in (Path(each.path) for each in entries if each.is_file(follow_symlinks=False)):
            mode = stat.S_IMODE(file.stat().st_mode)
            file.chmod((0o555 if mode & stat.S_IXUSR else 0o444) | mode & 0o111)
        (path / folder).chmod(0o555)


UNKNOWN = re.compile(r"[Bb]ecause ([\w.\[\],-]+) was not found in the (?:package registry|provided package locations)")
NO_VERSION = re.compile(r"there (?:is|are) no versions? of ([\w.-]+)(?:\[[^\]]*\])?(==\S+|[<>=!~][^\s,]*)?", re.I)
FAILED = re.compile(r"Failed to (?:build|download(?: and build)?|fetch|prepare|install)[:\s]+`?([^`\s]+)`?")
# Its reason follows a colon, or by newer releases of uv its own word.
NO_SOLUTION = re.compile(r"No solution found when resolving dependencies:?(?: cause:)?(.*?)(?: hint:|$)")
OFFLINE = re.compile(
    r"error sending request|dns error|tcp connect error|Connection refused|client error \(Connect\)", re.I
)


def failure_of(log: str, place: Path | None) -> BuildFailed | DiskFull:
    """What to raise for a build that said this and ended; `place` lies on the disk that it writes to."""
    if not is_mentioned_in(_flat(log)):
        return BuildFailed(explain(log))
    line = next((line.strip() for line in log.splitlines() if is_mentioned_in(line)), "")
    return full(said("environment_saying", line=line[:200]) if line else said("an_environment"), place)


def _flat(log: str) -> str:
    """In one line, without the branches that uv draws."""
    return re.sub(r"\s+", " ", re.sub(r"[│╰─▶├]", " ", log))


def explain(log: str) -> Said:
    """The one sentence for the page, naming the package whose fault it is."""
    flat = _flat(log)
    if OFFLINE.search(flat):
        return said("no_index")
    if found := UNKNOWN.search(flat):
        return said("no_package", name=found[1])
    if found := NO_VERSION.search(flat):
        return said("no_version", name=found[1], wanted=f"{found[1]}{(found[2] or '').rstrip('.')}")
    if found := FAILED.search(flat):
        return said("not_installed", name=found[1])
    if found := NO_SOLUTION.search(flat):
        return said("no_solution", reason=found[1].strip()[:400])
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    return said("build_failed", error=last[:300] or said("no_reason"))
