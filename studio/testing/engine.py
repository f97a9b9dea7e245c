"""A container engine for the tests: the one that runs on this machine, or one of their own; and a base image.

No registry is needed: the image is made by debootstrap once and kept as a tar in the user's cache.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

SOCKET = "/var/run/docker.sock"
IMAGE = "duto-test/base:bookworm"
SUITE = "bookworm"
READY_S, CALL_S = 60.0, 120.0
NEEDLESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt/archives", "var/lib/apt/lists")


class NoEngine(Exception):
    """Why containers cannot be tested here."""


@contextmanager
def engine() -> Iterator[str]:
    """The socket of an engine that has the base image. Raises NoEngine."""
    if answers(SOCKET):
        ensure_image(SOCKET)
        yield SOCKET
        return
    with own() as path:
        ensure_image(path)
        yield path


def ensure_image(path: str) -> None:
    """Load the base image from the cache, which is filled at the first time. Raises NoEngine."""
    if _ask(path, "GET", f"/images/{IMAGE}/json")[0] == 200:
        return
    cache = cache_folder()
    tar = cache / f"engine-{SUITE}.tar"
    with (cache / "engine.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists():
            _bootstrap(tar)
    repository, tag = IMAGE.split(":")
    with tar.open("rb") as body:
        status, text = _ask(path, "POST", f"/images/create?fromSrc=-&repo={repository}&tag={tag}", body)
    if status != 200 or '"error"' in text:
        raise NoEngine(f"the base image cannot be imported: {text.strip()}")


def cache_folder() -> Path:
    """What is made once for the tests of this machine. They have a home of their own, so they are told where it is."""
    given = os.environ.get("TESTS_CACHE") or os.environ.get("XDG_CACHE_HOME")
    folder = (Path(given) if given else Path.home() / ".cache") / "duto"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def forget(path: str, installation: str) -> None:
    """Remove the containers and the images of one installation, which has ended. Raises OSError."""
    chosen = quote(json.dumps({"label": [f"duto.installation={installation}"]}))
    for kind, options in (("containers", "force=1&v=1"), ("images", "force=1")):
        for each in ask_json(path, f"/{kind}/json?all=1&filters={chosen}"):
            _ask(path, "DELETE", f"/{kind}/{each['Id']}?{options}")


def _bootstrap(tar: Path) -> None:
    """Debian's smallest system with Python, as one file."""
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise NoEngine("there is no base image, and making one needs debootstrap and root")
    with tempfile.TemporaryDirectory(prefix="duto-base-") as folder:
        root = Path(folder) / "root"
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=python3", SUITE, str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode != 0:
            raise NoEngine(f"debootstrap failed: {done.stdout.decode(errors='replace')[-500:]}")
        for name in NEEDLESS:
            shutil.rmtree(root / name, ignore_errors=True)
        draft = tar.with_suffix(f".{os.getpid()}")
        subprocess.run(["tar", "--numeric-owner", "-C", str(root), "-cf", str(draft), "."], check=True)
        draft.replace(tar)


@contextmanager
def own(*, is_apart: bool = False) -> Iterator[str]:
    """An engine with folders of its own, for the length of the block. Raises NoEngine.

    One that `is_apart` has no network but its own loopback: beside another engine it would take that one's bridge away.
    """
    daemon = shutil.which("dockerd") or "/usr/sbin/dockerd"
    if not Path(daemon).exists() or os.geteuid() != 0:
        raise NoEngine(f"no engine answers at {SOCKET}, or one of its own is wanted, and that needs dockerd and root")
    folder = Path(tempfile.mkdtemp(prefix="duto-engine-"))
    path = str(folder / "docker.sock")
    command = [
        daemon,
        "--host",
        f"unix://{path}",
        "--data-root",
        str(folder / "data"),
        "--exec-root",
        str(folder / "exec"),
    ]
    command += ["--pidfile", str(folder / "pid")]
    if is_apart:
        command = ["unshare", "--net", *command, "--bridge=none", "--iptables=false", "--ip-masq=false"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(path, process, folder / "log")
        yield path
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not answers(path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoEngine(f"dockerd does not start: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.2)


class _Socket(http.client.HTTPConnection):
    """HTTP over the engine's unix socket; the server's code has no library for it, only the agent's has."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=CALL_S)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def answers(path: str) -> bool:
    """Whether an engine is there."""
    try:
        return Path(path).exists() and _ask(path, "GET", "/version")[0] == 200
    except OSError:
        return False


def ask_json(path: str, address: str) -> Any:
    """What it says to a GET. Raises OSError, also where it refuses."""
    status, text = _ask(path, "GET", address)
    if status != 200:
        raise OSError(f"the engine answers {status}: {text.strip()}")
    return json.loads(text)


def _ask(path: str, method: str, address: str, body: BinaryIO | None = None) -> tuple[int, str]:
    """(status, text). Raises OSError."""
    link = _Socket(path)
    try:
        link.request(method, address, body, {"Content-Type": "application/x-tar"} if body else {})
        answer = link.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        link.close()
