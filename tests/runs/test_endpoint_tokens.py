"""A token that starts one endpoint: what it may, what it may not, when it ends, how often it starts runs."""

from __future__ import annotations

import html
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db import connection
from django.test import Client

import duto
from compute.models import ComputeTarget
from core.clock import now
from core.errors import Unauthenticated
from core.ids import uuid7
from duto.exceptions import NotFoundException, UserErrorException
from pipelines.models import PipelineEndpoint
from pipelines.services import endpoint_access, endpoints
from runs.models import EndpointRun, MetricPoint, Run
from runs.services.submission import publish
from tests.runs.conftest import RunScenario
from workspaces.access import WorkspaceContext
from workspaces.models import ApiToken, AuditEntry, Member, Role, User, Workspace
from workspaces.scopes import EndpointScope
from workspaces.services import members, tokens
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db(transaction=True)]
HOST = "http://127.0.0.1:8000"
PARAMETERS = [{"name": "epochs", "type": "int", "default": 3}]


def made(context: WorkspaceContext, scenario: RunScenario, name: str) -> PipelineEndpoint:
    graph = scenario.graph("train", parameters=PARAMETERS)
    return endpoints.create(context, name, publish.publish_graph(scenario.context, graph, name="Nightly"))


@pytest.fixture
def endpoint(scenario: RunScenario) -> PipelineEndpoint:
    return made(scenario.context, scenario, "scoring")


def token(scenario: RunScenario, endpoint: PipelineEndpoint, client: Client | None = None, **asked: Any) -> Any:
    asked.setdefault("name", "client A")
    path = f"{scenario.base}endpoints/{endpoint.pk}/tokens/"
    return (client or scenario.client).post(path, json.dumps(asked), content_type="application/json")


def caller(scenario: RunScenario, endpoint: PipelineEndpoint, **asked: Any) -> Client:
    answer = token(scenario, endpoint, **asked)
    assert answer.status_code == 201, answer.content
    return scenario.client_for(answer.json()["token"])


def address(scenario: RunScenario, endpoint: PipelineEndpoint) -> str:
    return str(scenario.get(f"endpoints/{endpoint.pk}/").json()["endpoint"]).removeprefix(HOST)


def call(client: Client, path: str, key: str = "", **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def refused(answer: Any, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.content
    return str(answer.json()["error"]["message"])


def test_it_starts_its_endpoint_by_all_forms_of_the_address(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = address(scenario, endpoint)
    base = path.partition("Id/")[0]
    client = caller(scenario, endpoint)
    ways = [
        path, f"{path}/", path.upper().replace(path.upper().rpartition("/")[0], path.rpartition("/")[0]),
        f"{path}/0", f"{path}/0/", f"{path}?pipelineVersion=0", f"{base}Name?name=scoring", f"{base}Name/?name=scoring",
        f"{base}Name?name=scoring&pipelineVersion=0",
    ]  # fmt: skip
    for way in ways:
        answer = call(client, way, ExperimentName="theirs", ParameterAssignments={"epochs": 7})
        assert answer.status_code == 200, (way, answer.content)
        run = Run.objects.get(pk=answer.json()["Id"])
        assert (run.parameters, run.submitted_by, run.trigger["kind"]) == ({"epochs": 7}, scenario.owner, "endpoint")
        assert run.by_endpoint.token == ApiToken.objects.get(kind="endpoint")
    found = client.get(f"{scenario.base}endpoints/{endpoint.pk}/openapi/")
    assert found.status_code == 200 and list(found.json()["paths"]) == [path]


def test_its_text_is_told_once_and_its_digest_kept(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    answer = token(scenario, endpoint, expires_in_days=7, runs_per_hour=5).json()
    row = ApiToken.objects.get(pk=answer["id"])
    assert answer["token"].startswith(f"{row.prefix}_") and row.prefix.startswith("duto_ep_")
    assert row.digest == tokens.digest_of(answer["token"]) and answer["token"] not in str(vars(row))
    call(scenario.client_for(answer["token"]), address(scenario, endpoint))
    (listed,) = scenario.get(f"endpoints/{endpoint.pk}/tokens/").json()["items"]
    assert "token" not in listed
    assert (listed["name"], listed["created_by"], listed["runs_per_hour"], listed["any_version"]) == (
        "client A", "ana", 5, False,
    )  # fmt: skip
    assert row.expires_at is not None
    assert timedelta(days=6) < row.expires_at - now() < timedelta(days=7)
    assert scenario.get("tokens/").json()["items"][0]["name"] == "tests", "it is no personal token"
    entry = AuditEntry.objects.get(action="endpoint.token_created")
    assert (entry.target, entry.facts["token"], entry.facts["runs_per_hour"]) == (str(endpoint.pk), "client A", 5)


def test_a_key_makes_one_token_whose_text_is_not_told_again(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = f"{scenario.base}endpoints/{endpoint.pk}/tokens/"
    first, again = (call(scenario.client, path, "one", name="client A") for _ in range(2))
    assert first.status_code == 201 and "shown once" in refused(again, 409, "shown_once")
    assert ApiToken.objects.filter(kind="endpoint").count() == 1


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "n" * 121}, "name"),
        ({"runs_per_hour": 0}, "runs_per_hour"),
        ({"runs_per_hour": 10_001}, "runs_per_hour"),
        ({"runs_per_hour": None}, "runs_per_hour"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": 4000}, "expires_in_days"),
        ({"any_version": "perhaps"}, "any_version"),
    ],
)
def test_what_it_cannot_be_made_with(
    scenario: RunScenario, endpoint: PipelineEndpoint, asked: dict[str, Any], word: str
) -> None:
    answer = token(scenario, endpoint, **asked)
    assert answer.status_code == 400 and word in answer.json()["error"]["message"]
    assert not ApiToken.objects.filter(kind="endpoint").exists()


def test_it_starts_the_default_version_alone_unless_it_was_allowed_more(
    scenario: RunScenario, endpoint: PipelineEndpoint
) -> None:
    second = publish.publish_graph(scenario.context, scenario.graph("train"), name="Nightly", version="2")
    endpoints.add(scenario.context, endpoint, second)
    path = address(scenario, endpoint)
    client, free = caller(scenario, endpoint), caller(scenario, endpoint, any_version=True)
    for way in (f"{path}/1", f"{path}?pipelineVersion=1"):
        assert "default version" in refused(call(client, way), 403, "endpoint_scope")
        assert call(free, way).status_code == 200
    openapi = f"{scenario.base}endpoints/{endpoint.pk}/openapi/?pipelineVersion=1"
    assert (client.get(openapi).status_code, free.get(openapi).status_code) == (403, 200)
    refused(call(client, f"{path}/9"), 404, "not_found")
    endpoints.change(scenario.context, endpoint, {"default_version": 1})
    assert call(client, f"{path}/1").status_code == 200
    assert EndpointRun.objects.filter(version__version=1).count() == 3


def test_it_is_refused_everywhere_else(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    """What the walk of tests/live tries at every address, here by what somebody would try."""
    other = made(scenario.context, scenario, "other")
    client, path = caller(scenario, endpoint), address(scenario, other)
    pipeline = other.versions.get().pipeline_id
    base = path.partition("PipelineEndpointSubmit")[0]
    started = call(client, address(scenario, endpoint)).json()["Id"]
    for way in (path, f"{path}/0", f"{base}PipelineEndpointSubmit/Name?name=other", f"{base}PipelineSubmit/{pipeline}"):
        assert "starts" in refused(call(client, way), 403, "endpoint_scope")
    unknown = refused(call(client, f"{base}PipelineEndpointSubmit/Name?name=none"), 403, "endpoint_scope")
    assert unknown == refused(call(client, f"{base}PipelineEndpointSubmit/Name?name=other"), 403, "endpoint_scope")
    for place in (
        "", "runs/", "endpoints/", f"endpoints/{endpoint.pk}/", f"endpoints/{endpoint.pk}/tokens/", "secrets/", "tokens/",
        f"endpoints/{other.pk}/openapi/", "datastores/", "models/", "members/", "audit/", f"runs/{started}/graph/",
        f"runs/{started}/artifacts/", f"runs/{started}/log/", f"runs/{started}/outputs/", f"runs/{started}/children/",
        f"runs/{started}/metrics/points/",
    ):  # fmt: skip
        assert "token" in refused(client.get(scenario.base + place), 403, "endpoint_scope"), place
    for place in ("/api/v1/me/", "/api/v1/workspaces/"):
        refused(client.get(place), 403, "endpoint_scope")
    for method, place, body in (
        ("post", "runs/", {"experiment": "e", "graph": scenario.graph()}),
        ("post", f"runs/{started}/cancel/", {}),
        ("patch", f"runs/{started}/", {"tags": {"a": "b"}}),
        ("post", f"runs/{started}/metrics/", {"records": []}),
        ("post", f"endpoints/{endpoint.pk}/tokens/", {"name": "more"}),
        ("post", f"endpoints/{endpoint.pk}/plan/", {}),
        ("patch", f"endpoints/{endpoint.pk}/", {"status": "Disabled"}),
        ("post", "secrets/values/", {"names": ["a"]}),
        ("post", "tokens/", {"name": "t"}),
    ):
        answer = getattr(client, method)(scenario.base + place, json.dumps(body), content_type="application/json")
        refused(answer, 403, "endpoint_scope")
    assert Run.objects.filter(parent=None).count() == 1


def test_in_another_workspace_there_is_nothing(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    create_workspace(scenario.owner, "attic")
    path = address(scenario, endpoint).replace("/workspaces/lab/", "/workspaces/attic/")
    refused(call(caller(scenario, endpoint), path), 404, "not_found")


def test_it_sees_how_far_its_runs_are_and_no_others(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    client, neighbour = caller(scenario, endpoint), caller(scenario, endpoint)
    started = call(client, address(scenario, endpoint), ParameterAssignments={"epochs": 41}).json()["Id"]
    root = Run.objects.get(pk=started)
    step = scenario.step(root, "train")
    MetricPoint.objects.create(run=step, name="loss", index=0, value=0.5, at=now())
    failed = {"cause": "user_error", "message": "password is /srv/secret", "step": "train"}
    Run.objects.filter(pk=started).update(status="Failed", error=failed)
    seen = client.get(f"{scenario.base}runs/{started}/").json()
    assert seen["status"] == "Failed" and seen["error"] == {"cause": "user_error", "message": "Your script"}
    (below,) = client.get(f"{scenario.base}runs/{started}/steps/").json()["items"]
    assert (below["id"], below["name"]) == (str(step.pk), "train")
    for document in (seen, below):
        assert set(document) == {
            "id", "root", "name", "number", "status", "error", "created_at", "queued_at", "preparing_at", "started_at",
            "finalizing_at", "finished_at", "archived_at",
        }  # fmt: skip
    found = client.get(f"{scenario.base}runs/{started}/metrics/?recursive=1").json()["metrics"]
    assert [each["name"] for each in found] == ["loss"]
    assert client.get(f"{scenario.base}runs/{step.pk}/metrics/").status_code == 200
    mine = scenario.pipeline()
    texts = {
        refused(who.get(f"{scenario.base}runs/{run}/{place}"), 403, "endpoint_scope")
        for who, run in ((client, mine.pk), (client, uuid7()), (neighbour, started), (neighbour, step.pk))
        for place in ("", "steps/", "metrics/")
    }
    assert len(texts) == 1, "whether a foreign run is there is not told"


def test_two_tokens_do_not_see_each_others_keys(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = address(scenario, endpoint)
    first, second = caller(scenario, endpoint), caller(scenario, endpoint)
    ids = [call(who, path, "tonight").json()["Id"] for who in (first, second, scenario.client, first, second)]
    assert len(set(ids[:3])) == 3 and ids[3:] == ids[:2]


def test_it_starts_so_many_runs_an_hour(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = address(scenario, endpoint)
    client, other = caller(scenario, endpoint, runs_per_hour=2), caller(scenario, endpoint, runs_per_hour=2)
    first = call(client, path, "one").json()["Id"]
    refused(call(client, path, ParameterAssignments={"epochs": "many"}), 422, "wrong_type")
    assert call(client, path).status_code == 200, "what did not start is not counted"
    answer = call(client, path)
    assert "The limit of runs an hour, 2, is reached." in refused(answer, 429, "too_many_requests")
    assert 3590 < int(answer.headers["Retry-After"]) <= 3600
    assert call(client, path, "one").json()["Id"] == first, "a repetition starts nothing"
    assert call(other, path).status_code == 200 and call(scenario.client, path).status_code == 200
    Run.objects.filter(pk=first).update(created_at=now() - timedelta(minutes=59))
    answer = call(client, path)
    assert "1 minute" in refused(answer, 429, "too_many_requests") and int(answer.headers["Retry-After"]) <= 60
    Run.objects.filter(pk=first).update(created_at=now() - timedelta(minutes=61))
    assert call(client, path).status_code == 200
    assert call(client, path).status_code == 429


def test_two_processes_count_together(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    """Both look before either has written; the row's lock lets one of them go on."""
    path = address(scenario, endpoint)
    text = token(scenario, endpoint, runs_per_hour=1).json()["token"]

    def once(_place: int) -> int:
        try:
            return int(call(Client(headers={"Authorization": f"Bearer {text}"}), path).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(once, range(4)))
    assert found.count(200) == 1 and set(found) <= {200, 429, 503}, found
    assert Run.objects.filter(parent=None).count() == 1


def test_it_ends(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = address(scenario, endpoint)
    answer = token(scenario, endpoint).json()
    client = scenario.client_for(answer["token"])
    place = f"{scenario.base}endpoints/{endpoint.pk}/tokens/{answer['id']}/"
    started = call(client, path).json()["Id"]
    assert scenario.client.delete(place).status_code == 204 and scenario.client.delete(place).status_code == 204
    refused(call(client, path), 401, "token_revoked")
    refused(client.get(f"{scenario.base}runs/{started}/"), 401, "token_revoked")
    assert AuditEntry.objects.filter(action="endpoint.token_revoked").count() == 1
    (listed,) = scenario.get(f"endpoints/{endpoint.pk}/tokens/").json()["items"]
    assert listed["revoked_at"]
    expired = token(scenario, endpoint, expires_in_days=1).json()
    ApiToken.objects.filter(pk=expired["id"]).update(expires_at=now() - timedelta(seconds=1))
    refused(call(scenario.client_for(expired["token"]), path), 401, "token_expired")
    assert Run.objects.get(pk=started).cancel_requested_at is None, "what it started goes on"


def test_it_leans_on_its_maker(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path, client = address(scenario, endpoint), scenario.member("bo", Role.CONTRIBUTOR)
    text = token(scenario, endpoint, client).json()["token"]
    holder = scenario.client_for(text)
    started = call(holder, path).json()["Id"]
    assert str(Run.objects.get(pk=started).submitted_by) == "bo"
    bo = Member.objects.get(user__username="bo")
    members.change_role(scenario.context, bo.pk, Role.READER)
    for answer in (call(holder, path), holder.get(f"{scenario.base}runs/{started}/")):
        assert "may not submit runs any more" in refused(answer, 403, "maker_may_not_submit")
    members.change_role(scenario.context, bo.pk, Role.CONTRIBUTOR)
    assert call(holder, path).status_code == 200
    members.remove(scenario.context, bo.pk)
    refused(call(holder, path), 401, "bad_token")
    assert EndpointRun.objects.get(run=started).token is None


def test_it_ends_with_the_token_that_it_was_made_with(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    parent = tokens.create(scenario.context, "short", Role.CONTRIBUTOR, 2)
    client = scenario.client_for(parent.text)
    refused(token(scenario, endpoint, client), 403, "outlives_parent")
    text = token(scenario, endpoint, client, expires_in_days=1).json()["token"]
    assert call(scenario.client_for(text), address(scenario, endpoint)).status_code == 200
    tokens.revoke(scenario.context, parent.token.pk)
    refused(call(scenario.client_for(text), address(scenario, endpoint)), 401, "token_revoked")


def test_who_makes_lists_and_revokes_them(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    reader, bo, eve = (
        scenario.member("rui", Role.READER), scenario.member("bo", Role.CONTRIBUTOR), scenario.member("eve", Role.CONTRIBUTOR)
    )  # fmt: skip
    place = f"{scenario.base}endpoints/{endpoint.pk}/tokens/"
    refused(token(scenario, endpoint, reader), 403, "forbidden")
    refused(reader.get(place), 403, "forbidden")
    refused(token(scenario, endpoint, scenario.run_token(scenario.pipeline())), 403, "run_scope")
    made_by_bo = token(scenario, endpoint, bo).json()["id"]
    assert "Another member" in refused(eve.delete(f"{place}{made_by_bo}/"), 403, "forbidden")
    assert [each["created_by"] for each in eve.get(place).json()["items"]] == ["bo"]
    refused(scenario.client.delete(f"{place}{uuid7()}/"), 404, "not_found")
    other = made(scenario.context, scenario, "other")
    refused(scenario.client.delete(f"{scenario.base}endpoints/{other.pk}/tokens/{made_by_bo}/"), 404, "not_found")
    assert scenario.client.delete(f"{place}{made_by_bo}/").status_code == 204


def test_what_takes_no_runs_takes_none_of_it(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path, client = address(scenario, endpoint), caller(scenario, endpoint)
    for status, code in (("Disabled", "disabled"), ("Archived", "archived"), ("Active", "")):
        endpoints.change(scenario.context, endpoint, {"status": status})
        answer = call(client, path)
        assert answer.status_code == 200 if not code else refused(answer, 409, code)
    Workspace.objects.filter(pk=scenario.workspace.pk).update(archived_at=now())
    refused(call(client, path), 409, "archived")


def test_what_keeps_it_from_running_is_told_without_names(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path, client = address(scenario, endpoint), caller(scenario, endpoint)
    assert "'many'" in refused(call(client, path, ParameterAssignments={"epochs": "many"}), 422, "wrong_type")
    ComputeTarget.objects.filter(workspace=scenario.workspace).update(name="hush")
    answer = call(client, path)
    assert "Ask whoever gave you the token" in refused(answer, 422, "unknown_compute")
    assert not re.search("hush|cpu|train|lab", answer.content.decode())
    assert "hush" in refused(call(scenario.client, path), 422, "unknown_compute"), "a member is told"


def test_a_revocation_that_came_in_between_counts(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    """The request was let in; when the run is to appear, the token has ended."""
    minted = endpoint_access.create_token(scenario.context, endpoint, "client A")
    context = WorkspaceContext(scenario.workspace, Role.CONTRIBUTOR, user=scenario.owner, token=minted.token)
    endpoint_access.revoke_token(scenario.context, endpoint, minted.token.pk)
    with pytest.raises(Unauthenticated):
        publish.trigger_endpoint(context, endpoint)
    assert not Run.objects.filter(parent=None).exists()


@pytest.mark.parametrize("text", ["", "endpoint:", "endpoint:none", "run:1", "endpoint:1:versions"])
def test_what_is_no_scope_opens_no_endpoint(text: str) -> None:
    assert EndpointScope.read(text) is None


def test_a_scope_is_read_as_it_is_written() -> None:
    for scope in (EndpointScope(uuid7()), EndpointScope(uuid7(), any_version=True)):
        assert EndpointScope.read(str(scope)) == scope and str(scope) in EndpointScope.all_of(scope.endpoint)
        assert len(str(scope)) <= 64


def test_a_stranger_makes_none(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    stranger = User.objects.create_user("mallory")
    context = create_workspace(stranger, "theirs")
    client = scenario.client_for(tokens.create(context, "t", Role.OWNER).text)
    refused(token(scenario, endpoint, client), 404, "not_found")


def test_a_program_makes_lists_and_revokes_them(
    scenario: RunScenario, endpoint: PipelineEndpoint, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "DUTO_STUDIO_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("DUTO_URL", live_server.url)
    monkeypatch.setenv("DUTO_TOKEN", tokens.create(scenario.context, "sdk", Role.OWNER).text)
    found = duto.PipelineEndpoint.get(duto.Workspace(None, None, "lab"), name="scoring")
    made = found.create_token("client A", expires_in_days=30, runs_per_hour=1)
    assert made.token and made.token not in repr(made) and made.token not in repr(found.list_tokens())
    headers = {"Authorization": f"Bearer {made.token}"}
    address = found.endpoint.replace(HOST, live_server.url)
    first, second = (requests.post(address, json={}, headers=headers, timeout=60) for _ in range(2))
    assert first.status_code == 200 and second.status_code == 429 and int(second.headers["Retry-After"]) > 3000
    assert requests.get(found.swaggerurl, headers=headers, timeout=60).json()["info"]["title"] == "scoring"
    (listed,) = found.list_tokens()
    assert (listed.id, listed.name, listed.token, listed.runs_per_hour, listed.any_version, listed.created_by) == (
        made.id, "client A", None, 1, False, "ana",
    )  # fmt: skip
    assert listed.expires_at and listed.revoked_at is None
    found.revoke_token(listed)
    assert found.list_tokens()[0].revoked_at
    with pytest.raises(NotFoundException, match="no such token"):
        found.revoke_token(str(uuid7()))
    with pytest.raises(UserErrorException, match="runs_per_hour"):
        found.create_token("client B", runs_per_hour=0)
    assert found.get_form() is None
    form = found.create_form(expires_in_days=30, runs_per_hour=5)
    assert form.url and form.url not in repr(form) and requests.get(form.url, timeout=60).status_code == 200
    there = found.get_form()
    assert there and (there.id, there.url, there.created_by, there.runs_per_hour) == (form.id, None, "ana", 5)
    assert there.expires_at == form.expires_at
    found.revoke_form()
    found.revoke_form()
    assert found.get_form() is None and requests.get(form.url, timeout=60).status_code == 404


def test_its_page_makes_shows_once_and_revokes(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    visitor = Client()
    visitor.force_login(scenario.owner)
    place = f"/w/lab/endpoints/{endpoint.pk}/"

    def seen(path: str = place) -> str:
        answer = visitor.get(path)
        assert answer.status_code == 200
        return html.unescape(answer.content.decode())

    assert "No tokens yet" in seen() and 'href="#access"' in seen()
    body = {"name": "Über <A>", "days": "30", "runs_per_hour": "5", "once": "k1"}
    shown = html.unescape(visitor.post(f"{place}tokens/create/", body).content.decode())
    row = ApiToken.objects.get(kind="endpoint")
    text = re.search(rf"{row.prefix}_[\w-]+", shown)
    assert text and tokens.digest_of(text[0]) == row.digest
    assert "Über <A>" in seen() and text[0] not in seen() and row.prefix in seen()
    assert visitor.post(f"{place}tokens/create/", body).status_code == 302, "a double click makes one"
    assert ApiToken.objects.filter(kind="endpoint").count() == 1
    for wrong, word in (({"name": ""}, "required"), ({"runs_per_hour": "0"}, "greater than or equal to 1")):
        assert word in html.unescape(
            visitor.post(f"{place}tokens/create/", {**body, "once": "k2", **wrong}).content.decode()
        )
    assert visitor.post(f"{place}tokens/{row.pk}/revoke/").status_code == 302
    assert "No tokens yet" in seen()
    reader = Client()
    scenario.member("rui", Role.READER)
    reader.force_login(User.objects.get(username="rui"))
    assert "access-title" not in reader.get(place).content.decode()
    assert reader.post(f"{place}tokens/create/", body).status_code == 403
