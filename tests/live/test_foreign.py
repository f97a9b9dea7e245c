"""What belongs to another workspace: named in addresses, bodies and live topics by who owns one of their own."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client

from compute.models import Host, Node
from core.errors import NotFound
from datasets.models import DatasetVersion
from environments.models import EnvironmentBuild, EnvironmentVersion, Image
from monitors.models import Monitor, MonitorWindow
from notifications.models import Channel, Delivery, Mute, Rule
from pipelines.models import PipelineDraft, PipelineEndpoint, PublishedPipeline
from registry.models import ModelVersion
from runs.models import Artifact, Attempt, Experiment, Output, Run
from schedules.models import Schedule
from tests.live.test_walk import METHODS, Address, World, addresses
from workspaces import live
from workspaces.models import ApiToken, Invitation, Member, Role, User, Workspace
from workspaces.services import members

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

# Every workspace has these of its own under one name, so that they are found, and are others than lab's.
OWN = re.compile("/datastores/<str:name>/|/stores/|/blobs/<str:digest>/|/artifacts/<path|/hosts/invite/")


@pytest.fixture
def world(db: None) -> World:
    return World()


EMPTY = {"items": [], "next": None}


class Bob:
    """The owner of the workspace `elsewhere`, by session and by token."""

    def __init__(self, world: World) -> None:
        self.user = User.objects.get(username="bob")
        self.page = world.site.visitor(self.user)
        self.token = world.callers["stranger's token"]
        self.page.raise_request_exception = False
        self.workspace = Workspace.objects.get(name="elsewhere")

    def ask(self, client: Client, method: str, path: str, body: Any = None) -> Any:
        point = transaction.savepoint()
        try:
            if method in ("get", "head", "options"):
                return getattr(client, method)(path)
            if "/api/" not in path:
                return getattr(client, method)(path, body or {})
            return getattr(client, method)(path, json.dumps(body or {}), content_type="application/json")
        finally:
            transaction.savepoint_rollback(point)


def state_of(workspace: Workspace) -> dict[str, Any]:
    """What is to stay as it is: how many rows of each kind, and what may be changed about them."""
    runs = Run.objects.filter(workspace=workspace)
    return {
        "runs": sorted(runs.values_list("id", "status", "version", "display_name", "archived_at")),
        "tags": [run.tags for run in runs.order_by("id")],
        "datasets": sorted(DatasetVersion.objects.filter(workspace=workspace).values_list("id", "description")),
        "experiments": sorted(Experiment.objects.filter(workspace=workspace).values_list("name", "archived_at")),
        "models": sorted(ModelVersion.objects.filter(model__workspace=workspace).values_list("id", "description")),
        "endpoints": sorted(PipelineEndpoint.objects.filter(workspace=workspace).values_list("id", "status", "name")),
        "drafts": sorted(PipelineDraft.objects.filter(workspace=workspace).values_list("id", "version", "name")),
        "schedules": sorted(Schedule.objects.filter(workspace=workspace).values_list("id", "status", "name")),
        "monitors": sorted(Monitor.objects.filter(workspace=workspace).values_list("id", "is_enabled", "threshold")),
        "windows": sorted(MonitorWindow.objects.filter(monitor__workspace=workspace).values_list("id", "status")),
        "rules": sorted(Rule.objects.filter(workspace=workspace).values_list("id", "name", "muted_until", "is_active")),
        "channels": sorted(Channel.objects.filter(workspace=workspace).values_list("id", "name", "host")),
        "deliveries": sorted(Delivery.objects.filter(workspace=workspace).values_list("id", "status", "tries")),
        "mutes": Mute.objects.filter(workspace=workspace).count(),
        "pipelines": sorted(PublishedPipeline.objects.filter(workspace=workspace).values_list("id", "status")),
        "hosts": sorted(Host.objects.values_list("id", "drained_at", "revoked_at")),
        "members": sorted(Member.objects.filter(workspace=workspace).values_list("id", "role")),
        "tokens": sorted(ApiToken.objects.filter(workspace=workspace).values_list("id", "revoked_at")),
        "others": [model.objects.count() for model in (Artifact, Output, Attempt, Node, Image, EnvironmentVersion)],
        "images": sorted(Image.objects.values_list("id", "status", "cancel_requested_at")),
    }


def names_something(address: Address) -> bool:
    return len(re.findall("<", address.route)) > 1 and not OWN.search(address.route)


def test_nothing_of_another_workspace_is_reached_through_ones_own_address(world: World) -> None:
    bob, before = Bob(world), state_of(world.site.workspace)
    faults, tried = [], 0
    for address in addresses():
        if not address.is_declared or not names_something(address):
            continue
        path = world.path(address).replace("/lab/", "/elsewhere/")
        for client in (bob.token, bob.page) if address.is_api else (bob.page,):
            for method in METHODS:
                if address.needs(method) is None:
                    continue
                tried += 1
                answer = bob.ask(client, method, path)
                if answer.status_code == 200 and (method == "head" or answer.json() == EMPTY):
                    continue  # a list of what has no such name here
                status = answer.status_code
                # 400 where the body is read before the address: then nothing was looked up.
                if status not in (404, 400, 409, 422) and not (status in (302, 204) and method == "post"):
                    faults.append(f"{method.upper()} {path} [{address.name}] gave {status}")
    assert not faults, "\n".join(faults)
    assert state_of(world.site.workspace) == before
    assert tried > 150


def foreign(world: World) -> dict[str, str]:
    """Ids of lab, by what they name."""
    assert world.filled
    version = DatasetVersion.objects.get(dataset__name="penguins")
    snapshot = world.site.snapshot(step_py="print('hello')\n")
    return {
        "run": str(world.filled.pk),
        "step": str(world.step.pk),
        "failed run": str(world.failed.pk),
        "dataset version": str(version.pk),
        "snapshot": snapshot.digest,
        "blob": str(snapshot.files[0]["digest"]),
        "environment version": str(EnvironmentVersion.objects.get(environment__name="slim").pk),
        "draft": str(PipelineDraft.objects.order_by("id")[0].pk),
        "pipeline": str(PublishedPipeline.objects.order_by("id")[0].pk),
        "model": str(ModelVersion.objects.get().pk),
        "node": str(Node.objects.order_by("id")[0].pk),
        "image": str(Image.objects.order_by("id")[0].pk),
        "attempt": str(Attempt.objects.order_by("id")[0].pk),
        "build": str(EnvironmentBuild.objects.get().pk),
        "member": str(Member.objects.filter(workspace=world.site.workspace)[0].pk),
        "token": str(ApiToken.objects.filter(workspace=world.site.workspace)[0].pk),
    }


def bodies(world: World, own: Run, ids: dict[str, str]) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, address, body): each body is a good one but for the foreign id in it."""
    graph = world.site.graph("only")
    step = graph["steps"][0]

    def with_step(**parts: Any) -> dict[str, Any]:
        return {**graph, "steps": [{**step, **parts}]}

    asked: list[tuple[str, str, dict[str, Any]]] = []
    for key in ids.values():
        run: dict[str, Any] = {"experiment": "e", "kind": "interactive", "parent": key}
        asked += [
            ("post", "runs/", run),
            ("post", "runs/", {"experiment": "e", "graph": graph, "resume_from": key}),
            ("post", "runs/", {"experiment": "e", "graph": with_step(snapshot=key)}),
            ("post", "runs/", {"experiment": "e", "graph": with_step(compute=key)}),
            ("post", "runs/", {"experiment": "e", "graph": with_step(inputs=[{"name": "i", "from": {"dataset": key}, "mode": "download"}])}),
            ("post", "runs/", {"experiment": "e", "graph": with_step(environment={"name": key})}),
            ("post", f"runs/{own.pk}/resubmit/", {"graph": key}),
            ("post", "pipelines/", {"name": "p", "run_id": key}),
            ("post", "pipelines/", {"name": "p", "graph": with_step(snapshot=key)}),
            ("post", "models/", {"name": "m", "run_id": key, "path": "outputs/m.json"}),
            ("post", "models/", {"name": "m", "files": [{"path": "a", "digest": key}]}),
            ("post", "snapshots/", {"schema": 1, "files": [{"path": "a.py", "digest": key, "size": 15, "executable": False}]}),
            ("post", "datasets/", {"name": "d", "kind": "file", "definition": {"sources": [{"dataset": key}]}}),
            ("post", "datasets/", {"name": "d", "kind": "file", "definition": {"sources": [{"datastore": key, "path": "raw/p.csv"}]}}),
            ("post", "datasets/", {"name": "d", "kind": "file", "definition": {"sources": [{"datastore": "workspaceblobstore", "path": f"../{key}/raw/p.csv"}]}}),
        ]  # fmt: skip
    asked += [
        ("post", "compute/", {"name": "c", "vm_size": "STANDARD_DS1_V2", "hosts": ["alpha"]}),
        ("patch", "compute/mine/", {"hosts": ["alpha"]}),
        ("post", "runs/", {"experiment": "e", "graph": graph}),
        ("post", "runs/", {"experiment": "e", "graph": with_step(environment={"name": "slim"})}),
    ]
    return asked


def test_no_body_names_what_belongs_to_another_workspace(world: World) -> None:
    bob, ids = Bob(world), foreign(world)
    own = Run.objects.create(
        workspace=bob.workspace,
        experiment=Experiment.objects.create(workspace=bob.workspace, name="own"),
        kind="pipeline",
        number=1,
        status="Failed",
        graph={"schema": 1, "steps": [], "parameters": []},
    )
    Run.objects.filter(pk=own.pk).update(root=own)
    before, faults = state_of(world.site.workspace), []
    asked = bodies(world, own, ids)
    for method, path, body in asked:
        answer = bob.ask(bob.token, method, f"/api/v1/workspaces/elsewhere/{path}", body)
        if answer.status_code not in (400, 404, 409, 422):
            faults.append(f"{method.upper()} {path} {json.dumps(body)[:160]} gave {answer.status_code}")
    assert not faults, "\n".join(faults)
    assert state_of(world.site.workspace) == before
    assert len(asked) > 215
    # What lab has uploaded is not there for others: its bytes are not handed out for their digest.
    found = bob.ask(bob.token, "post", "/api/v1/workspaces/elsewhere/blobs/missing/", {"digests": [ids["blob"]]})
    assert found.json()["missing"] == [ids["blob"]]


def topics(world: World) -> dict[str, list[str]]:
    """Topics of lab by their kind. A kind that is registered and not in here fails the test."""
    ids = foreign(world)
    return {
        "run": [ids["run"], ids["failed run"], ids["step"]],
        "metrics": [ids["run"], ids["step"]],
        "files": [ids["run"], ids["step"]],
        "children": [ids["run"], ids["step"]],
        "log": [str(key) for key in Attempt.objects.values_list("id", flat=True)],
        "ledger": [str(key) for key in Attempt.objects.values_list("id", flat=True)],
        "usage": [ids["attempt"]],
        "transfers": [ids["attempt"]],
        "build": [ids["build"]],
        "uses": [f"lab:{ids['run']}"],  # of whatever kind: the studio tells of what the workspace has alone
        "holds": [f"lab:{world.site.cluster.pk}"],
        "list": [f"lab:{name}" for name in sorted(live.LISTS)],
    }


def spellings(topic: str) -> list[str]:
    kind, _, key = topic.partition(":")
    return [
        f"{kind}:{key}", f"{kind}:{key.upper()}", f"{kind}:{{{key}}}", f"{kind}:urn:uuid:{key}", f"{kind}: {key}", f"{kind}:{key} ",
        f"{kind}:{key}\x00", f"{kind}:{key.replace('-', '')}", f"{kind.upper()}:{key}", f"{kind}::{key}", f"{kind}:{key}:{key}",
    ]  # fmt: skip


def test_live_topics_are_for_members_alone(world: World) -> None:
    known = topics(world)
    # What a test of the socket itself registers; and what is a person's own, whom its key names.
    registered = set(live._kinds) - {"tale", "notices"}
    assert registered == known.keys(), "give the new kind of topic a line in topics()"
    people = {name: User.objects.get(username=name) for name in ("mallory", "bob", "gone", "a-reader")}
    closed = User.objects.create_user("closed", is_active=False)
    Member.objects.create(workspace=world.site.workspace, user=closed, role=Role.OWNER)
    count = 0
    for kind, keys in known.items():
        for key in keys:
            count += 1
            assert live.may_watch(world.site.owner, f"{kind}:{key}"), (kind, key)
            assert live.may_watch(people["a-reader"], f"{kind}:{key}"), (kind, key)
            for topic in spellings(f"{kind}:{key}"):
                for name in ("mallory", "bob", "gone"):
                    assert not live.may_watch(people[name], topic), (name, topic)
                assert not live.may_watch(closed, topic), topic
    own = f"notices:{world.site.owner.pk}"
    assert live.may_watch(world.site.owner, own) and not any(live.may_watch(each, own) for each in people.values())
    odd = ["", ":", "run:", f"run:{uuid4()}", "list:lab", "list:lab:", "list:lab:members", "list::runs", f"user:{world.site.owner.pk}", "host:alpha", "x" * 500]  # fmt: skip
    for topic in odd:
        assert not live.may_watch(world.site.owner, topic), topic
    assert count >= 15


def test_names_of_other_workspaces_are_not_told(world: World) -> None:
    """A host's name, a person's: the answer is the same whether somebody else has it."""
    bob = Bob(world)
    address = "/api/v1/workspaces/elsewhere/"
    hosts = [bob.token.post(f"{address}host-enrolments/", json.dumps({"name": name}), content_type="application/json") for name in ("alpha", "nowhere")]  # fmt: skip
    assert [answer.status_code for answer in hosts] == [201, 201]
    assert [answer.json()["name"] for answer in hosts] == ["alpha", "nowhere"]
    people = [bob.token.post(f"{address}members/", json.dumps({"username": name}), content_type="application/json") for name in ("a-reader", "nobody-at-all")]  # fmt: skip
    assert [answer.status_code for answer in people] == [201, 201]
    assert all(answer.json()["sign_in_link"] for answer in people)
    assert Invitation.objects.filter(workspace=bob.workspace).count() == 2
    assert not Member.objects.filter(workspace=bob.workspace, user__username="a-reader").exists()
    with pytest.raises(NotFound):
        members.remove(world.site.context, Invitation.objects.filter(workspace=bob.workspace)[0].pk)
