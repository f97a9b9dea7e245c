"""One running studio, and what its people hold in their hands: an address, tokens, a terminal."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from duto.spec import canonical
from studio.bootstrap import ROOT
from studio.testing.live import LiveStudio, eventually

ENDS = frozenset({"Completed", "Failed", "Canceled", "Skipped"})
BARE = {"name": "bare", "python": {"user_managed": True}}
CLUSTER = "cpu-cluster"
# Two cores may be shared with others: a wait that is too long costs nothing when all is well.
PATIENCE = 300.0
LOOK_S = 0.3
# One for all requests: else each reads the certificates of the world anew, which takes longer than the request itself.
PLAIN = ssl.create_default_context()


class Studio:
    """`manage.py up` on a data directory and a home of its own."""

    def __init__(self, base: Path, **settings: str) -> None:
        self.home = base / "home"
        self.home.mkdir(parents=True)
        self.data_dir = base / "data"
        places = {"HOME": self.home, "XDG_CONFIG_HOME": self.home / ".config", "XDG_CACHE_HOME": self.home / ".cache"}
        self.env = {**{name: str(path) for name, path in places.items()}, **settings}
        self.live = LiveStudio(self.data_dir, env=self.env)
        self.port = ""
        self._tokens: dict[str, str] = {}

    # --- its life ---

    def start(self) -> Studio:
        """Start it; the first start has made owner and workspace."""
        self.live.take_over()
        self.live.start()
        self.port = self.url.rsplit(":", 1)[1]  # so that a second start can take the same one
        return self

    def again(self) -> Studio:
        """Start it once more, at the same address."""
        self.live = LiveStudio(self.data_dir, "up", "--port", self.port, env=self.env)
        return self.start()

    def stop(self) -> None:
        """As a person does with Ctrl-C, and harder where that does not help."""
        try:
            if self.live.process and self.live.process.poll() is None:
                self.live.stop()
        finally:
            self.live.kill()

    @property
    def url(self) -> str:
        """The address, known as long as it runs."""
        return self.live.url

    @property
    def parts(self) -> dict[str, int]:
        """Process ids by name."""
        return dict(self.live.state.get("parts", {}))

    def strike(self, part: str) -> None:
        """SIGKILL, and wait for the next one of its name."""
        old = self.parts[part]
        os.kill(old, signal.SIGKILL)
        eventually(lambda: not is_alive(old), what=f"the death of {part}")
        eventually(
            lambda: self.parts.get(part) not in (None, old) and is_alive(self.parts[part]), 180, f"the next {part}"
        )

    def part_log(self, part: str) -> str:
        """What a part has written, rotated or not."""
        folder = self.data_dir / "run"
        return "".join(path.read_text(errors="replace") for path in sorted(folder.glob(f"{part}.log*")))

    # --- the terminal ---

    def manage(self, *words: str) -> str:
        """One command of manage.py on this data directory; what it printed."""
        command = [sys.executable, "manage.py", words[0], "--data-dir", str(self.data_dir), *words[1:]]
        env = {**self.live.env, "DUTO_PORT": self.port}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def sign_in_link(self, user: str = "") -> str:
        """A fresh address that signs the owner in, once."""
        found = re.search(r"http://\S+", self.manage("signin-link", *(("--user", user) if user else ())))
        assert found
        return found.group()

    def token(self, role: str = "contributor") -> str:
        """A token of the owner with this role; one for each. The owner's own lies where the start has left it."""
        if role not in self._tokens:
            self._tokens[role] = self._own_token() if role == "owner" else self._made_token(role)
        return self._tokens[role]

    def _own_token(self) -> str:
        known = json.loads((self.home / ".config" / "duto" / "credentials.json").read_text())["studios"]
        return str(next(iter(known.values()))["token"])

    def _made_token(self, role: str) -> str:
        made = self.rest("POST", "tokens/", role="owner", json={"name": f"a {role}'s", "role": role})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def program(self, folder: Path, *words: str, token: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        """`python ...` of a person who knows nothing but DUTO_URL and DUTO_TOKEN."""
        env = {**self.live.env, "DUTO_URL": self.url, "DUTO_TOKEN": token or self.token(), **extra}
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=400)

    # --- REST ---

    def rest(self, method: str, path: str, /, role: str = "contributor", **options: Any) -> httpx.Response:
        """One request; a path without a leading slash lies in the workspace `main`."""
        headers = {"Authorization": f"Bearer {self.token(role)}", **options.pop("headers", {})}
        address = self.url + (path if path.startswith("/") else f"/api/v1/workspaces/main/{path}")
        return httpx.request(method, address, headers=headers, timeout=180, verify=PLAIN, **options)

    def get(self, path: str, **query: Any) -> Any:
        """The answer to a GET that must succeed."""
        answer = self.rest("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        """The answer to a POST that must succeed."""
        answer = self.rest("POST", path, json=body or {})
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json()

    def ensure_cluster(self, nodes: int = 2) -> None:
        """A cluster for the steps, made once."""
        body = {"name": CLUSTER, "vm_size": "STANDARD_DS1_V2", "max_nodes": nodes, "idle_seconds": 600}
        answer = self.rest("POST", "compute/", json=body)
        assert answer.status_code in (200, 201, 409), answer.text

    def snapshot(self, files: Mapping[str, str]) -> str:
        """Upload a source folder; its digest."""
        entries = []
        for path, text in sorted(files.items()):
            data = text.encode()
            digest = hashlib.sha256(data).hexdigest()
            answer = self.rest("PUT", f"blobs/{digest}/", content=data)
            assert answer.status_code in (200, 201, 204), answer.text
            entries.append({"path": path, "digest": digest, "size": len(data), "executable": False})
        manifest = {"schema": 1, "files": entries}
        assert self.post("snapshots/", manifest)["digest"] == canonical.digest(manifest)
        return canonical.digest(manifest)

    def graph(
        self, scripts: Mapping[str, str], after: Mapping[str, Sequence[str]] | None = None, **step: Any
    ) -> dict[str, Any]:
        """One step for each script, by its name, in a bare environment; all in one source folder."""
        snapshot = self.snapshot({f"{name}.py": text for name, text in scripts.items()})
        steps = [
            {
                "id": name,
                "name": name,
                "kind": "python_script",
                "script": f"{name}.py",
                "snapshot": snapshot,
                "compute": CLUSTER,
                "environment": BARE,
                "allow_reuse": False,
                "run_after": list((after or {}).get(name, ())),
                **step,
            }
            for name in scripts
        ]
        return {"schema": 1, "steps": steps}

    def submit(
        self, scripts: Mapping[str, str], after: Mapping[str, Sequence[str]] | None = None, **step: Any
    ) -> LiveRun:
        """Submit small scripts; they start when they can."""
        return self.submit_graph(self.graph(scripts, after, **step))

    def submit_graph(self, graph: Mapping[str, Any], **body: Any) -> LiveRun:
        """Submit a graph that must be accepted."""
        asked = {"experiment": "Lab", "kind": "pipeline", "graph": graph, **body}
        return LiveRun(self, self.post("runs/", asked)["id"])

    def refusal(self, method: str, path: str, status: int, **options: Any) -> dict[str, Any]:
        """The error of a request that must be refused."""
        answer = self.rest(method, path, **options)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()["error"]
        assert found["code"] and found["message"]
        return found


class LiveRun:
    """A submitted run, asked over REST."""

    def __init__(self, studio: Studio, run_id: str) -> None:
        self.studio, self.id = studio, run_id

    @property
    def facts(self) -> dict[str, Any]:
        """The run as it is now."""
        found: dict[str, Any] = self.studio.get(f"runs/{self.id}/")
        return found

    @property
    def status(self) -> str:
        """Its stored status."""
        return str(self.studio.get(f"runs/{self.id}/", graph="0")["status"])

    def step(self, name: str) -> dict[str, Any]:
        """One of its steps, now."""
        items: list[dict[str, Any]] = self.studio.get(f"runs/{self.id}/steps/")["items"]
        return next(item for item in items if item["step"]["name"] == name)

    def log(self, name: str) -> bytes:
        """The whole stored log of a step."""
        run, data = self.step(name)["id"], bytearray()
        while True:
            answer = self.studio.rest("GET", f"runs/{run}/log/", params={"offset": len(data), "limit": 4 << 20})
            assert answer.status_code == 200, answer.text
            data += answer.content
            if len(data) >= int(answer.headers["X-Log-Size"]) or not answer.content:
                return bytes(data)

    def until(self, name: str, text: bytes, seconds: float = PATIENCE) -> bytes:
        """Wait for something in the log of a step."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.step(name)["step"]["attempts"] and text in (log := self.log(name)):
                return log
            assert self.status not in ENDS, self.why()
            time.sleep(LOOK_S)
        raise AssertionError(f"{text!r} did not appear: {self.step(name)}")

    def wait(self, expected: str = "Completed", seconds: float = PATIENCE) -> LiveRun:
        """Wait for the end, and expect it."""
        deadline = time.monotonic() + seconds
        while (status := self.status) not in ENDS:
            assert time.monotonic() < deadline, f"still {status}: {self.why()}"
            time.sleep(LOOK_S)
        assert status == expected, self.why()
        return self

    def why(self) -> str:
        """What a failing test needs to know."""
        steps = self.studio.get(f"runs/{self.id}/steps/")["items"]
        lines = [f"{self.status} {self.facts['error']}"]
        lines += [
            f"  {each['step']['name']}: {each['status']} {each['error']} {each['step']['waiting']}" for each in steps
        ]
        return "\n".join(lines)


def is_alive(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
