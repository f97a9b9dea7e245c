"""Real servers for datastores, each started once a test run: Azurite, moto's S3, rclone's S3, OpenSSH, MariaDB, WsgiDAV, a web
server."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from studio.supervisor.broker import free_port

ROOT = Path(__file__).resolve().parents[2]
# The account that Azurite is published with.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class StoreServer:
    """What `registration.register` takes for a place on it."""

    kind: str
    options: dict[str, Any]
    credentials: dict[str, str]
    wrong: dict[str, str] = field(default_factory=dict)


def lacking(what: str) -> None:
    """Skip, unless this machine must have it."""
    if os.environ.get("DUTO_REQUIRE_STORES"):
        pytest.fail(f"this machine must have {what}, and has not")
    pytest.skip(f"no {what} here")


@contextlib.contextmanager
def azurite(tls: tuple[Path, Path] | None = None) -> Iterator[StoreServer]:
    """`tls`: a certificate and its key; then it takes the tokens of service principals, too."""
    program = ROOT / ".tools/azurite/node_modules/azurite/dist/src/blob/main.js"
    node = shutil.which("node")
    if node is None or not program.is_file():
        lacking("Azurite (npm install --prefix .tools/azurite --ignore-scripts azurite)")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(node), str(program), "--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1"]
        command += ["--blobPort", str(port), "--location", folder]
        if tls is not None:
            command += ["--cert", str(tls[0]), "--key", str(tls[1]), "--oauth", "basic"]
        with _process(command, port):
            scheme = "http" if tls is None else "https"
            options = {"account": ACCOUNT, "endpoint": f"{scheme}://127.0.0.1:{port}/{ACCOUNT}"}
            wrong = base64.b64encode(b"wrong" * 8).decode()
            yield StoreServer("azure_blob", options, {"account_key": KEY}, {"account_key": wrong})


@contextlib.contextmanager
def moto() -> Iterator[StoreServer]:
    port = free_port()
    with _process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        options = {"endpoint": f"http://127.0.0.1:{port}", "region": "eu-west-1", "path_style": True}
        yield StoreServer("s3", options, {"access_key_id": "ana", "secret_access_key": "secret-of-ana"})


@contextlib.contextmanager
def rclone() -> Iterator[StoreServer]:
    """An S3 that looks at signatures, over a folder of this machine."""
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        lacking("rclone")
    port, keys = free_port(), {"access_key_id": "ana", "secret_access_key": "secret-of-ana"}
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(program),
            "serve",
            "s3",
            "--config",
            "",
            "--addr",
            f"127.0.0.1:{port}",
            "--auth-key",
            ",".join(keys.values()),
            folder,
        ]
        with _process(command, port):
            options = {"endpoint": f"http://127.0.0.1:{port}", "path_style": True}
            yield StoreServer("s3", options, keys, {**keys, "secret_access_key": "wrong-secret"})


@contextlib.contextmanager
def sshd() -> Iterator[StoreServer]:
    """OpenSSH with its sftp-server, as whoever runs the tests, by key alone."""
    program, keygen = "/usr/sbin/sshd", shutil.which("ssh-keygen")
    if not Path(program).exists() or keygen is None:
        lacking("OpenSSH server")
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for each in ("host", "own", "other"):
            subprocess.run([str(keygen), "-q", "-t", "ed25519", "-N", "", "-f", str(base / each)], check=True)
        (base / "authorized").write_text((base / "own.pub").read_text())
        (base / "authorized").chmod(0o600)
        (base / "files").mkdir()
        lines = [
            f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {base}/host", f"AuthorizedKeysFile {base}/authorized",
            "StrictModes no", "PasswordAuthentication no", "UsePAM no", f"PidFile {base}/pid", "PermitRootLogin yes",
            "Subsystem sftp internal-sftp", "MaxStartups 100",
        ]  # fmt: skip
        (base / "config").write_text("\n".join(lines) + "\n")
        Path("/run/sshd").mkdir(exist_ok=True) if os.geteuid() == 0 else None
        with _process([program, "-D", "-e", "-f", str(base / "config")], port):
            user = (
                os.environ.get("USER") or subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
            )
            options = {
                "host": "127.0.0.1",
                "port": str(port),
                "username": user,
                "path": str(base / "files"),
                "host_key": (base / "host.pub").read_text().strip(),
            }
            yield StoreServer(
                "sftp",
                options,
                {"private_key": (base / "own").read_text()},
                {"private_key": (base / "other").read_text()},
            )


@contextlib.contextmanager
def wsgidav(folder: Path) -> Iterator[StoreServer]:
    """WebDAV over a folder of this machine, below `/dav`, for one user."""
    from cheroot.wsgi import Server
    from wsgidav.wsgidav_app import WsgiDAVApp

    user = {"ana": {"password": "secret-of-ana"}}
    config = {
        "provider_mapping": {"/dav": str(folder)}, "simple_dc": {"user_mapping": {"*": user}}, "verbose": 0,
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
    }  # fmt: skip
    server = Server(("127.0.0.1", 0), WsgiDAVApp(config))
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        options = {"endpoint": f"http://127.0.0.1:{server.bind_addr[1]}/dav", "username": "ana"}
        yield StoreServer("http", options, {"password": "secret-of-ana"}, {"password": "wrong"})
    finally:
        server.stop()
        thread.join(20)


@contextlib.contextmanager
def mariadb() -> Iterator[StoreServer]:
    program, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if program is None or install is None:
        lacking("MariaDB server")
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        user = (
            "mysql"
            if os.geteuid() == 0
            else subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
        )
        (base / "data").mkdir()
        if os.geteuid() == 0:
            shutil.chown(base / "data", user)
        first = base / "first.sql"
        statements = (  # one a line, as the server reads them
            "create database shop;",
            "create user ana@'127.0.0.1' identified by 'secret-of-ana';",
            "grant all on shop.* to ana@'127.0.0.1';",
        )
        first.write_text("\n".join(statements) + "\n")
        shared = [f"--datadir={base}/data", f"--user={user}"]
        done = subprocess.run(
            [str(install), *shared, "--auth-root-authentication-method=normal", "--skip-test-db"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        command = [
            str(program), "--no-defaults", *shared, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={base}/data/s", f"--pid-file={base}/data/pid",
            f"--init-file={first}", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--performance-schema=off",
        ]  # fmt: skip
        with _process(command, port):
            options = {"host": "127.0.0.1", "port": str(port), "database": "shop", "username": "ana"}
            yield StoreServer("mysql", options, {"password": "secret-of-ana"}, {"password": "wrong"})


@contextlib.contextmanager
def _process(command: list[str], port: int) -> Iterator[None]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            until = time.monotonic() + 60
            while True:
                if process.poll() is not None or time.monotonic() > until:
                    said.seek(0)
                    raise RuntimeError(f"{command[0]} did not start: {said.read().decode(errors='replace')[-2000:]}")
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class FaultySite:
    """A web server that may be told to misbehave, file by file: it stands before files of its own, or says what it is told."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        # Answers that come before the right one: a status, or "half" for an answer that breaks off in its middle.
        self.faults: list[int | str] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(False)

            def do_GET(self) -> None:
                self._answer(True)

            def _answer(self, with_body: bool) -> None:
                site.asked.append((self.command, self.path, dict(self.headers)))
                fault = site.faults.pop(0) if site.faults and (with_body or site.faults[0] != "half") else None
                body = site.files.get(self.path)
                if isinstance(fault, int) or body is None:
                    self.send_response(fault if isinstance(fault, int) else 404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                start = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body) - start))
                self.send_header("ETag", f'"{hash(body)}"')
                self.end_headers()
                if with_body:
                    part = body[start:]
                    self.wfile.write(part[: len(part) // 2] if fault == "half" else part)
                    if fault == "half":
                        self.close_connection = True

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Between:
    """What stands before a real store that speaks HTTP, and passes on all it hears, unless it is told to misbehave.

    `faults` are used up one by one by the requests that `matches` takes: a status that is answered, `half` for an answer that
    breaks off in its middle, `cut` for none. While `is_away` nothing is answered at all.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.faults: list[int | str] = []
        self.matches: Callable[[str, str], bool] = lambda _method, _path: True
        self.is_away = False
        # How much later it is by the clock of who answers with a fault.
        self.ahead_s = 0.0
        # Called with each request before it is passed on.
        self.before: Callable[[str, str], None] = lambda _method, _path: None
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        # The bytes of each answer that was passed on.
        self.sent: list[tuple[str, int]] = []
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if self.headers.get("Expect"):
                    self.send_response_only(100)
                    self.end_headers()
                body = self.rfile.read(length) if length else b""
                between.asked.append((self.command, self.path))
                between.headers.append(dict(self.headers.items()))
                between.before(self.command, self.path)
                fault: int | str = "cut" if between.is_away else ""
                if not fault and between.faults and between.matches(self.command, self.path):
                    fault = between.faults.pop(0)
                self.close_connection = True
                if fault == "cut":
                    return
                if isinstance(fault, int):
                    self.send_response_only(fault)
                    self.send_header("Date", formatdate(time.time() + between.ahead_s, usegmt=True))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                upstream = HTTPConnection(str(parts.hostname), int(parts.port or 80), timeout=60)
                try:
                    upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        if name.lower() not in ("connection", "expect"):
                            upstream.putheader(name, value)
                    upstream.endheaders(body or None)
                    answer = upstream.getresponse()
                    data = answer.read()
                    between.sent.append((self.path, len(data)))
                    self.send_response_only(answer.status, answer.reason)
                    for name, value in answer.getheaders():
                        if name.lower() not in ("connection", "transfer-encoding", "content-length", "keep-alive"):
                            self.send_header(name, value)
                    size = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
                    if size is not None:
                        self.send_header("Content-Length", size)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(data[: len(data) // 2] if fault == "half" else data)
                finally:
                    upstream.close()

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{parts.path}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def well(self) -> None:
        """From now on it only passes on."""
        self.faults, self.is_away, self.ahead_s, self.asked, self.headers = [], False, 0.0, [], []
        self.matches, self.before = lambda _method, _path: True, lambda _method, _path: None

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
