"""A container registry for the tests: Debian's docker-registry as a process, taken from its package without installing it."""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.testing.engine import NoEngine, cache_folder

PACKAGE = "docker-registry"
READY_S = 20.0
CONFIG = """version: 0.1
storage:
  filesystem: {{rootdirectory: {folder}/data}}
http: {{addr: 127.0.0.1:{port}}}
"""
GUARDED = "auth: {{htpasswd: {{realm: duto, path: {folder}/users}}}}\n"


@contextmanager
def registry(users: str = "") -> Iterator[str]:
    """Its address, for the length of the block. `users`: lines as htpasswd writes them; without any it lets everybody in.

    Raises NoEngine.
    """
    program = _program()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    folder = Path(tempfile.mkdtemp(prefix="duto-registry-"))
    (folder / "users").write_text(users)
    config = CONFIG + GUARDED if users else CONFIG
    (folder / "config.yml").write_text(config.format(folder=folder, port=port))
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str:
    """The one on the path, else the one in the user's cache, which is filled at the first time."""
    if found := shutil.which(PACKAGE):
        return found
    cache = cache_folder()
    program = cache / PACKAGE
    with (cache / "registry.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _unpack(program)
    return str(program)


def _unpack(program: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="duto-registry-") as folder:
        try:
            subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, capture_output=True, check=True)
            (package,) = Path(folder).glob("*.deb")
            subprocess.run(["dpkg", "-x", package, folder], capture_output=True, check=True)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise NoEngine(f"there is no {PACKAGE}, and its package cannot be fetched: {error}") from error
        shutil.copy2(Path(folder) / "usr" / "bin" / PACKAGE, program)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it asks who we are
        except (OSError, urllib.error.URLError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoEngine(f"the registry does not start: {log.read_text()[-500:]}") from error
        time.sleep(0.05)
