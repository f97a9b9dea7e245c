"""A stand-in for the studio that keeps what it is told: for the client's own behaviour, not for the
contract."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

WORKSPACE = {"id": "w1", "name": "main", "role": "owner", "default_datastore": "workspaceblobstore",
             "studio_url": "", "subscription_id": "s1", "resource_group": "duto"}  # fmt: skip
RUN = "019a0000-0000-7000-8000-000000000001"


class FakeStudio:
    """Answers the few routes that the tests need; `calls` holds (method, path, body)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.blobs: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.compute: dict[str, dict[str, Any]] = {}
        self.datasets: list[dict[str, Any]] = []
        self.run: dict[str, Any] = {}
        self.fail_next = 0
        # What is refused, by the last name of its address: the status.
        self.refused: dict[str, int] = {}
        # What else the workspace says of itself.
        self.facts: dict[str, Any] = {}
        studio = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                if studio.fail_next:
                    studio.fail_next -= 1
                    status, body = 503, b""
                else:
                    status, body = studio.handle(self.command, unquote(parts.path), parse_qs(parts.query), data)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def handle(self, method: str, path: str, query: dict[str, list[str]], data: bytes) -> tuple[int, bytes]:
        rest = path.removeprefix("/api/v1/workspaces/main/")
        raw = (rest.startswith(("blobs/", "datastores/")) and method == "PUT") or "/artifacts/" in rest
        body = data if raw else json.loads(data or b"null")
        self.calls.append((method, rest, body))
        if refused := self.refused.get(rest.rpartition("/")[2]):
            error = {"code": "refused", "message": f"{rest} is refused.", "facts": {}}
            return refused, json.dumps({"error": error}).encode()
        if (
            rest.endswith("/metrics/")
            and body
            and (wrong := [each["name"] for each in body["records"] if "\n" in each.get("name", "")])
        ):
            error = {"code": "bad_record", "message": "\n".join(f"No name: {name!r}" for name in wrong), "facts": {}}
            return 400, json.dumps({"error": error}).encode()
        found = self.reply(method, rest, query, body)
        if found is None:
            error = {"code": "not_found", "message": f"No {rest}.", "facts": {}}
            return 404, json.dumps({"error": error}).encode()
        return 200, found if isinstance(found, bytes) else json.dumps(found).encode()

    def reply(self, method: str, rest: str, query: dict[str, list[str]], body: Any) -> Any:
        if rest == "":
            return {**WORKSPACE, **self.facts}
        if rest == "blobs/missing/":
            return {"missing": [digest for digest in body["digests"] if digest not in self.blobs]}
        if rest.startswith("blobs/"):
            self.blobs[rest.split("/")[1]] = body
            return {}
        if rest == "snapshots/":
            return {"digest": "x"}
        if rest.startswith("compute/"):
            return self.targets(method, rest, body)
        if rest.startswith(("dataset", "datastores/")):
            return self.data(method, rest, query, body)
        if rest == "environments/AzureML-Tutorial/versions/latest/":
            return {"id": "e1", "name": "AzureML-Tutorial", "version": "1",
                    "definition": {"name": "AzureML-Tutorial", "python": {"packages": ["pandas"]}}}  # fmt: skip
        if rest.startswith("models/"):
            return self.models(rest)
        return self.runs(method, rest, body)

    def models(self, rest: str) -> Any:
        """One model in one version, of one file."""
        place = "models/forest/versions/3/"
        if rest == place:
            return {"id": "forest:3", "name": "forest", "version": 3}
        if rest == f"{place}files/":
            return {"items": [{"path": "m.json", "size": 2}], "next": None}
        return b"{}" if rest == f"{place}content/" else None

    def targets(self, method: str, rest: str, body: Any) -> Any:
        if method == "POST":
            self.compute[body["name"]] = {"name": body["name"], "vm_size": body["vm_size"], "status": {
                "scaleSettings": {"minNodeCount": body["min_nodes"], "maxNodeCount": body["max_nodes"],
                                  "nodeIdleTimeBeforeScaleDown": f"PT{body['idle_seconds']}S"}}}  # fmt: skip
            return self.compute[body["name"]]
        name = rest.split("/")[1]
        return self.compute.get(name) if name else {"items": list(self.compute.values()), "next": None}

    def data(self, method: str, rest: str, query: dict[str, list[str]], body: Any) -> Any:
        if rest == "datasets/" and method == "POST":
            self.datasets.append(body)
            return {"id": f"d{len(self.datasets)}", "name": body.get("name"), "version": 1, **body}
        made = [{"id": f"d{n}", "version": 1, **each} for n, each in enumerate(self.datasets, 1)]
        if rest == "datasets/":
            return {"items": [each for each in made if each.get("name")], "next": None}
        for each in made:
            if rest in (f"dataset-versions/{each['id']}/", f"datasets/{each.get('name')}/versions/latest/"):
                return each
        if rest.startswith("dataset-versions/") and rest.endswith("/files/"):
            return {"items": [{"path": name, "size": len(data)} for name, data in self.files.items()], "next": None}
        if rest.startswith("dataset-versions/") and rest.endswith("/content/"):
            return self.files[query["path"][0]]
        if rest == "datastores/workspaceblobstore/":
            return {"name": "workspaceblobstore", "kind": "local", "is_default": True}
        prefix = "datastores/workspaceblobstore/files/"
        if rest == prefix:
            wanted = query.get("prefix", [""])[0]
            return {"items": [{"path": name} for name in self.files if name.startswith(wanted)], "next": None}
        if rest.startswith(prefix):
            if method == "PUT":
                self.files[rest.removeprefix(prefix)] = body
                return {}
            return self.files.get(rest.removeprefix(prefix))
        return None

    def runs(self, method: str, rest: str, body: Any) -> Any:
        if rest == "runs/" and method == "POST":
            self.run = {"id": RUN, "status": "Completed", "number": 1, "name": body["experiment"], "parent": None,
                        "root": RUN, "tags": {}, "properties": {}, **body}  # fmt: skip
            return self.run
        if rest == f"runs/{RUN}/":
            return self.run
        if rest == f"runs/{RUN}/steps/":
            steps = self.run["graph"]["steps"]
            return {"items": [{"id": f"s{number}", "kind": "step", "status": "Completed", "name": step["name"],
                               "root": RUN, "parent": RUN, "experiment": "e", "step": {"id": step["id"]}}
                              for number, step in enumerate(steps)], "next": None}  # fmt: skip
        if "/artifacts/" in rest or rest.endswith("/metrics/"):
            return {}
        if rest.endswith("/metrics/points/"):
            points = [[0, 1, "t"], [1, {"$numberDouble": "NaN"}, "t"]]
            return {
                "items": [{"run": RUN, "name": "loss", "kind": "scalar", "first": 1, "points": points}],
                "next": None,
            }
        if rest == f"runs/{RUN}/outputs/":
            return {"items": [], "next": None}
        if rest == f"runs/{RUN}/outputs/out/files/":
            return {"items": [{"path": name} for name in self.files], "next": None}
        if rest.startswith(f"runs/{RUN}/outputs/out/files/"):
            return self.files.get(rest.rpartition("/")[2])
        if rest.endswith(("/complete/", "/fail/", "/cancel/")):
            return self.run
        if rest.endswith("/log/"):
            return b""
        return None
