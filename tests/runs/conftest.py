"""A workspace with rows made directly: what a run kept is tested apart from how it came about."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest
from django.test import Client

from compute.models import ComputeTarget, Host
from compute.services.hosts import digest_of
from core.clock import now
from core.storage import artifact_store, blob_key
from duto.spec import canonical
from runs.models import Attempt, Experiment, Run, Snapshot, StepRun
from workspaces.access import WorkspaceContext
from workspaces.models import Member, Role, User
from workspaces.services import tokens
from workspaces.services.workspaces import create_workspace

GIB = 1 << 30
KEY = "key-of-the-host"


class RunScenario:
    """Rows of one workspace, and the doors to it."""

    def __init__(self) -> None:
        self.owner = User.objects.create_user("ana", password="long enough 1")
        self.context: WorkspaceContext = create_workspace(self.owner, "lab")
        self.workspace = self.context.workspace
        self.client = self.client_for(tokens.create(self.context, "tests", Role.OWNER).text)
        self.host = Host.objects.create(
            name="alpha", key_digest=digest_of(KEY), cores=4, memory=16 * GIB, last_seen_at=now()
        )
        self.agent = Client(headers={"Authorization": f"Bearer {KEY}"})
        self.cluster = ComputeTarget.objects.create(
            workspace=self.workspace, name="cpu", vm_size="STANDARD_DS1_V2", cores=1, memory=GIB, max_nodes=2
        )
        self.experiment = Experiment.objects.create(workspace=self.workspace, name="Palmer experiment")
        self.base = "/api/v1/workspaces/lab/"

    def client_for(self, token: str) -> Client:
        return Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=True)

    def member(self, name: str, role: Role) -> Client:
        user = User.objects.create_user(name, password="long enough 1")
        Member.objects.create(workspace=self.workspace, user=user, role=role)
        return self.client_for(tokens.create(WorkspaceContext(self.workspace, role, user=user), "t", role).text)

    def run_token(self, run: Run) -> Client:
        return self.client_for(tokens.mint_run_token(self.workspace, run.pk, run.root_id, user=self.owner))

    # --- rows ---

    def snapshot(self, **files: str) -> Snapshot:
        """A snapshot of these files; `train_py` is train.py."""
        entries = []
        for name, text in sorted(files.items()):
            data = text.encode()
            digest = hashlib.sha256(data).hexdigest()
            artifact_store(self.workspace.pk).write(blob_key(digest), io.BytesIO(data))
            path = name.replace("_py", ".py").replace("__", "/")
            entries.append({"path": path, "digest": digest, "size": len(data), "executable": False})
        entries.sort(key=lambda each: str(each["path"]))
        values = {"files": entries, "file_count": len(entries), "size": sum(int(e["size"]) for e in entries)}
        key = canonical.digest({"schema": 1, "files": entries})
        return Snapshot.objects.get_or_create(workspace=self.workspace, digest=key, defaults=values)[0]

    def graph(self, chart: str = "prepare -> train", parameters: Any = (), **step: Any) -> dict[str, Any]:
        snapshot = self.snapshot(step_py="print('hello')\n").digest
        names = [name.strip() for name in chart.split("->")]
        steps = [
            {
                "id": name,
                "name": name,
                "kind": "python_script",
                "script": "step.py",
                "snapshot": snapshot,
                "compute": "cpu",
                "environment": {"python": {"user_managed": True}},
                "arguments": [],
                "inputs": [],
                "outputs": [],
                "run_after": names[place - 1 : place],
                **step,
            }
            for place, name in enumerate(names)
        ]
        return {"schema": 1, "steps": steps, "parameters": list(parameters)}

    def pipeline(self, chart: str = "prepare -> train", status: str = "Running", **fields: Any) -> Run:
        """A pipeline run with its step runs, all as if the studio had got that far."""
        graph = fields.pop("graph", None) or self.graph(chart)
        number = Run.objects.filter(experiment=self.experiment, parent=None).count() + 1
        root = Run(
            workspace=self.workspace, experiment=self.experiment, kind="pipeline", number=number, status=status, graph=graph,
            submitted_by=self.owner, **fields,
        )  # fmt: skip
        root.root = root
        root.save(force_insert=True)
        Experiment.objects.filter(pk=self.experiment.pk).update(run_count=number)
        for spec in graph["steps"]:
            run = Run.objects.create(
                workspace=self.workspace, experiment=self.experiment, kind="step", parent=root, root=root, status=status
            )
            StepRun.objects.create(
                run=run, workspace=self.workspace, node_id=spec["id"], name=spec["name"],
                compute_target_id=self.cluster.pk, snapshot_digest=spec["snapshot"],
            )  # fmt: skip
        return root

    def step(self, root: Run, node: str) -> Run:
        return Run.objects.select_related("step", "root").get(root=root, step__node_id=node)

    def attempt(self, run: Run, number: int = 1, status: str = "running", **fields: Any) -> Attempt:
        made = Attempt.objects.create(
            run=run,
            workspace=self.workspace,
            number=number,
            epoch=1,
            status=status,
            host=self.host,
            compute_target=self.cluster,
            **fields,
        )
        return Attempt.objects.select_related("run__root").get(pk=made.pk)

    # --- doors ---

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(self.base + path, query)

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(self.base + path, json.dumps(body or {}), content_type="application/json")

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(self.base + path, json.dumps(body), content_type="application/json")

    def put(self, path: str, data: bytes, **query: Any) -> Any:
        suffix = "?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else ""
        return self.client.put(self.base + path + suffix, data, content_type="application/octet-stream")

    def bring(self, attempt: Attempt, what: str, data: bytes, epoch: int = 1) -> Any:
        address = f"/agent/v1/attempts/{attempt.pk}/{epoch}/{what}"
        return self.agent.put(address, data, content_type="application/octet-stream")


@pytest.fixture
def scenario(db: None) -> RunScenario:
    return RunScenario()
