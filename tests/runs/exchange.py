"""An agent that speaks docs/wire.md with the studio, and a workspace with work for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from compute.models import ComputeTarget, Host
from core.clock import now
from core.storage import artifact_store, blob_key
from duto.spec import canonical
from runs.models import Run, Snapshot
from runs.services.orchestration import progress
from runs.services.submission import submit
from workspaces.access import WorkspaceContext
from workspaces.models import User
from workspaces.services.workspaces import create_workspace

GIB = 1 << 30


class Agent:
    """The far end of the protocol, played by the test."""

    def __init__(self, name: str = "alpha") -> None:
        from compute.services.hosts import digest_of

        self.key = f"key-{name}"
        self.host = Host.objects.create(
            name=name, key_digest=digest_of(self.key), cores=4, memory=16 * GIB, last_seen_at=now()
        )
        self.held: dict[str, int] = {}

    def say(self, *reports: dict[str, Any], want: int = 8) -> dict[str, Any]:
        holding = [{"attempt": key, "epoch": epoch} for key, epoch in self.held.items()]
        body = {"host": {}, "holding": holding, "reports": list(reports), "want": want, "wait": 0}
        answer = Client().post(
            "/agent/v1/exchange",
            json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.key}"},
        )
        assert answer.status_code == 200, answer.content
        document = answer.json()
        for work in document["work"]:
            if work["type"] == "attempt":
                self.held[work["attempt"]] = work["epoch"]
        return document

    def finish(self, work: dict[str, Any], **facts: Any) -> dict[str, Any]:
        return self.say(
            {
                "attempt": work["attempt"],
                "epoch": work["epoch"],
                "event": "finished",
                "exit_code": 0,
                "outputs": [],
                "artifacts": [],
                **facts,
            }
        )


@pytest.fixture
def context(db) -> WorkspaceContext:
    user = User.objects.create_user("ana", password="long enough 1")
    return create_workspace(user, "lab")


@pytest.fixture
def agent() -> Agent:
    return Agent()


@pytest.fixture
def cluster(context) -> ComputeTarget:
    return ComputeTarget.objects.create(
        workspace=context.workspace, name="cpu", vm_size="STANDARD_DS1_V2", cores=1, memory=GIB, max_nodes=2
    )


def graph_of(context: WorkspaceContext, chart: str, **step: Any) -> dict[str, Any]:
    """`a -> b -> c` as a graph document, with a snapshot that is really there."""
    source = b"print('hello')\n"
    digest = __import__("hashlib").sha256(source).hexdigest()
    artifact_store(context.workspace.pk).write(blob_key(digest), __import__("io").BytesIO(source))
    files = [{"path": "step.py", "digest": digest, "size": len(source), "executable": False}]
    snapshot = canonical.digest({"schema": 1, "files": files})
    Snapshot.objects.get_or_create(
        workspace=context.workspace, digest=snapshot, defaults={"files": files, "file_count": 1, "size": len(source)}
    )
    names = [name.strip() for name in chart.split("->")]
    user_managed = {"python": {"user_managed": True}}
    steps = [
        {"id": name, "name": name, "kind": "python_script", "script": "step.py", "snapshot": snapshot, "compute": "cpu", "environment": user_managed,
         "arguments": [name], "run_after": names[i - 1 : i], **step}
        for i, name in enumerate(names)
    ]  # fmt: skip
    return {"schema": 1, "steps": steps, "parameters": []}


def submit_chain(context: WorkspaceContext, chart: str, **more: Any) -> Run:
    step = more.pop("step", {})
    run = submit.submit_run(context, experiment="exp", graph=graph_of(context, chart, **step), **more)
    progress.advance(run.pk)
    return run


def states(run: Run) -> dict[str, str]:
    return dict(Run.objects.filter(parent=run).values_list("step__node_id", "status"))
