"""The far datastore of a chaos run: S3 by rclone over a folder, which outlives its process, so that what was taken stays."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.rest import Rest
from studio.supervisor.broker import free_port

STORE, BUCKET = "far_store", "chaos"
KEYS = {"access_key_id": "chaos", "secret_access_key": "secret-of-chaos"}
START_S = 20.0


def program() -> str | None:
    """Where rclone is; None where it is not."""
    return shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


class FarStore:
    """One server on a port of its own, started again on the same one."""

    def __init__(self, base: Path, rclone: str) -> None:
        self.folder, self.port = base / "store", free_port()
        self.folder.mkdir()
        self._log = base / "store.log"
        self._command = [
            rclone, "serve", "s3", "--config", "", "--addr", f"127.0.0.1:{self.port}", "--auth-key", ",".join(KEYS.values()),
            str(self.folder),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises RuntimeError where it does not answer."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"the far store does not start: {self._log.read_text()[-1000:]}")

    def register(self, rest: Rest) -> None:
        """In the studio, as a datastore."""
        options = {
            "bucket": BUCKET,
            "endpoint": f"http://127.0.0.1:{self.port}",
            "path_style": "true",
            "region": "us-east-1",
        }
        body: dict[str, Any] = {
            "name": STORE,
            "kind": "s3",
            "options": options,
            "credentials": KEYS,
            "create_if_missing": True,
        }
        rest.post("datastores/", body)

    def signal(self, number: int) -> None:
        """To a process that may have ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Amid whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        self.signal(signal.SIGCONT)
        self.kill()

    def files(self) -> dict[str, str]:
        """The digest of each file by its key."""
        top = self.folder / BUCKET
        return {
            path.relative_to(top).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in top.rglob("*")
            if path.is_file()
        }
