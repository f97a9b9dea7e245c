"""Pipeline endpoints: versions and their default, the addresses that programs cut and glue, the SDK, the pages."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.ids import uuid7
from duto import Experiment, PipelineEndpoint, PipelineRun, PublishedPipeline, Workspace
from duto.exceptions import ConflictException, NotFoundException, UserErrorException, error_response_exception
from pipelines.models import PipelineEndpointVersion
from pipelines.services import published as services
from runs.models import EndpointRun, Run
from runs.services.submission import publish
from tests.runs.conftest import RunScenario
from workspaces.models import AuditEntry, Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
PARAMETERS = [{"name": "epochs", "type": "int", "default": 3}]


def published(scenario: RunScenario, version: str = "1", **graph: Any) -> Any:
    made = scenario.graph("train", **{"parameters": PARAMETERS, **graph})
    return publish.publish_graph(scenario.context, made, name="Nightly", version=version)


@pytest.fixture
def endpoint(scenario: RunScenario) -> dict[str, Any]:
    made = scenario.post("endpoints/", {"name": "scoring", "pipeline": str(published(scenario).pk)})
    assert made.status_code == 201, made.content
    found: dict[str, Any] = made.json()
    return found


def call(client: Client, address: str, **body: Any) -> Any:
    return client.post(address.removeprefix("http://127.0.0.1:8000"), json.dumps(body), content_type="application/json")


def test_addresses_that_programs_have_glued_reach_it(scenario: RunScenario, endpoint: dict[str, Any]) -> None:
    """Ids in capitals, and a slash at the end of each form."""
    place, _, key = endpoint["endpoint"].removeprefix("http://127.0.0.1:8000").rpartition("/")
    base = place.removesuffix("/Id")
    pipeline = scenario.get("pipelines/").json()["items"][0]["id"]
    submit = base.replace("PipelineEndpointSubmit", "PipelineSubmit")
    for address in (
        f"{base}/Id/{key.upper()}", f"{base}/Id/{key}/", f"{base}/Id/{key.upper()}/0", f"{base}/Id/{key}/0/",
        f"{base}/Name/?name=scoring", f"{base}/Name/?name=scoring&pipelineVersion=0",
        f"{submit}/{pipeline.upper()}", f"{submit}/{pipeline}/", f"{submit}/{pipeline.upper()}/",
    ):  # fmt: skip
        answer = call(scenario.client, address)
        assert answer.status_code == 200, (address, answer.content)
    assert Run.objects.filter(parent=None).count() == 9
    for address in (f"{base}/Id/{key}//", f"{base}/Id/{key}0", f"{submit}/{pipeline}/0", f"{base}/Id/{uuid7()}/"):
        assert call(scenario.client, address).status_code == 404, address


def test_its_openapi_document_has_the_parameters_of_the_version_and_the_address(
    scenario: RunScenario, endpoint: dict[str, Any]
) -> None:
    add(scenario, endpoint, version="2", parameters=[{"name": "depth", "type": "int", "default": 2}])
    place = f"endpoints/{endpoint['id']}/openapi/"
    default, second = scenario.get(place).json(), scenario.get(place, pipelineVersion="1").json()
    (path,), (versioned,) = default["paths"], second["paths"]
    assert endpoint["endpoint"].endswith(path) and versioned == f"{path}/1"
    asked = second["paths"][versioned]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert asked["properties"]["ParameterAssignments"]["properties"] == {"depth": {"type": "integer", "default": 2}}
    assert call(scenario.client, path, ParameterAssignments={}).status_code == 200
    assert scenario.get(place, pipelineVersion="9").status_code == 404
    pipeline = second_of(scenario, endpoint)
    (of_pipeline,) = scenario.get(f"pipelines/{pipeline}/openapi/").json()["paths"]
    assert of_pipeline.endswith(f"PipelineSubmit/{pipeline}")


def second_of(scenario: RunScenario, endpoint: dict[str, Any]) -> str:
    return str(scenario.get(f"endpoints/{endpoint['id']}/versions/1/").json()["pipeline"]["id"])


def add(scenario: RunScenario, endpoint: dict[str, Any], **more: Any) -> Any:
    is_default = more.pop("is_default", False)
    body = {"pipeline": str(published(scenario, **more).pk), "is_default": is_default}
    return scenario.post(f"endpoints/{endpoint['id']}/versions/", body).json()


def test_versions_count_from_zero_and_the_default_is_chosen(scenario: RunScenario, endpoint: dict[str, Any]) -> None:
    place = f"endpoints/{endpoint['id']}/"
    assert (endpoint["default_version"], endpoint["status"]) == ("0", "Active")
    second = add(scenario, endpoint, version="2")
    assert (second["version"], second["is_default"]) == ("1", False)
    again = scenario.post(f"{place}versions/", {"pipeline": second["pipeline"]["id"]}).json()
    assert again["version"] == "1", "the same pipeline keeps its number"
    assert add(scenario, endpoint, version="3", is_default=True)["version"] == "2"
    assert scenario.get(place).json()["default_version"] == "2"
    assert scenario.patch(place, {"default_version": 1, "description": "Scores"}).json()["default_version"] == "1"
    listed = scenario.get(f"{place}versions/").json()["items"]
    assert [(each["version"], each["is_default"]) for each in listed] == [("2", False), ("1", True), ("0", False)]
    assert scenario.get(f"{place}versions/0/").json()["pipeline"]["version"] == "1"
    refused = scenario.get(f"{place}versions/9/")
    assert refused.status_code == 404 and "Its newest: 2, 1, 0." in refused.json()["error"]["message"]
    for given, answered in (("0", "0"), (1, "1")):
        assert scenario.patch(place, {"default_version": given}).json()["default_version"] == answered
    as_read = scenario.get(place).json()["default_version"]
    assert scenario.patch(place, {"default_version": as_read}).json()["default_version"] == as_read
    for given in ("", "x", "-1", True, 1.5, [], "1" * 10):
        assert scenario.patch(place, {"default_version": given}).status_code == 400, given
    assert scenario.patch(place, {"default_version": 9}).status_code == 404
    actions = AuditEntry.objects.filter(action__startswith="endpoint.").order_by("id").values_list("action", flat=True)
    assert list(actions) == [
        "endpoint.created", "endpoint.version_added", "endpoint.version_added", "endpoint.default_chosen",
        "endpoint.default_chosen", "endpoint.changed", "endpoint.default_chosen", "endpoint.default_chosen",
    ]  # fmt: skip


def test_the_addresses_that_programs_cut_and_glue(scenario: RunScenario, endpoint: dict[str, Any]) -> None:
    add(scenario, endpoint, version="2")
    address = endpoint["endpoint"]
    assert address.endswith(f"/workspaces/lab/PipelineRuns/PipelineEndpointSubmit/Id/{endpoint['id']}")
    by_name = address[: address.index("Id")] + "Name?name=scoring"
    ways = {address: 0, f"{address}/1": 1, f"{address}?pipelineVersion=1": 1, by_name: 0, f"{by_name}&pipelineVersion=1": 1}  # fmt: skip
    for way, version in ways.items():
        answer = call(scenario.client, way, ExperimentName="by rest", ParameterAssignments={"epochs": "7", "none": 1})
        assert answer.status_code == 200, (way, answer.content)
        run = Run.objects.get(pk=answer.json()["Id"])
        assert run.by_endpoint.version.version == version, way
        assert run.published_pipeline_id == run.by_endpoint.version.pipeline_id
        assert (run.parameters, run.trigger) == ({"epochs": 7}, {"kind": "endpoint", "name": "scoring"})
    for way in (
        f"{address}/7",
        f"{address}/one",
        f"{by_name}x",
        f"{by_name}&pipelineVersion=%C2%B2",
        f"{address[:-3]}000",
    ):
        assert call(scenario.client, way).status_code == 404, way
    assert call(scenario.client, by_name.removesuffix("?name=scoring")).status_code == 400
    assert call(scenario.member("rui", Role.READER), address).status_code == 403
    assert EndpointRun.objects.count() == len(ways)


def test_one_key_gives_one_run(scenario: RunScenario, endpoint: dict[str, Any]) -> None:
    path = endpoint["endpoint"].removeprefix("http://127.0.0.1:8000")
    answers = [
        scenario.client.post(
            path, "{}", content_type="application/json", headers={"Idempotency-Key": "tonight"}
        ).json()["Id"]
        for _ in range(2)
    ]
    assert answers[0] == answers[1] and EndpointRun.objects.count() == Run.objects.filter(parent=None).count() == 1


def test_disabled_and_archived_ones_refuse_and_an_archived_name_is_free(
    scenario: RunScenario, endpoint: dict[str, Any]
) -> None:
    place, pipeline = f"endpoints/{endpoint['id']}/", str(published(scenario, "2").pk)
    scenario.patch(place, {"status": "Disabled"})
    assert call(scenario.client, endpoint["endpoint"]).json()["error"]["code"] == "disabled"
    taken = scenario.post("endpoints/", {"name": "scoring", "pipeline": pipeline})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "exists")
    scenario.patch(place, {"status": "Archived"})
    assert call(scenario.client, endpoint["endpoint"]).json()["error"]["code"] == "archived"
    by_name = endpoint["endpoint"].partition("Id")[0] + "Name?name=scoring"
    assert call(scenario.client, by_name).status_code == 404
    assert scenario.post(f"{place}versions/", {"pipeline": pipeline}).status_code == 409
    assert scenario.get("endpoints/").json()["items"] == []
    assert scenario.post("endpoints/", {"name": " scoring ", "pipeline": pipeline}).json()["name"] == "scoring"
    assert scenario.patch(place, {"status": "Active"}).json()["error"]["code"] == "exists"
    assert scenario.patch(place, {"status": "Active", "name": "old scoring"}).status_code == 200
    assert {each["name"] for each in scenario.get("endpoints/").json()["items"]} == {"scoring", "old scoring"}
    (found,) = scenario.get("endpoints/", name="old scoring").json()["items"]
    services.set_status(
        scenario.context, PipelineEndpointVersion.objects.get(endpoint=found["id"]).pipeline, "Disabled"
    )
    assert call(scenario.client, found["endpoint"]).json()["error"]["code"] == "disabled"


def test_what_cannot_be_an_endpoint_says_why(scenario: RunScenario, endpoint: dict[str, Any]) -> None:
    pipeline = str(published(scenario).pk)
    for body, status in (
        ({"name": "  ", "pipeline": pipeline}, 400),
        ({"name": "x" * 256, "pipeline": pipeline}, 400),
        ({"name": "x"}, 400),
        ({"name": "two\nlines", "pipeline": pipeline}, 400),
        ({"name": "bell\x07", "pipeline": pipeline}, 400),
        ({"name": "x", "pipeline": str(uuid7())}, 404),
    ):
        assert scenario.post("endpoints/", body).status_code == status, body
    place = f"endpoints/{endpoint['id']}/"
    assert scenario.patch(place, {"status": "Gone"}).status_code == 400
    assert scenario.patch(place, {"default_version": -1}).status_code == 400
    assert scenario.patch(place, {"name": " "}).status_code == 400
    assert scenario.get(f"endpoints/{uuid7()}/").status_code == 404
    assert scenario.member("rui", Role.READER).post(scenario.base + "endpoints/", "{}", "application/json").status_code == 403  # fmt: skip


@pytest.fixture
def ws(scenario: RunScenario, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    for name in ("AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "DUTO_STUDIO_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("DUTO_URL", live_server.url)
    monkeypatch.setenv("DUTO_TOKEN", tokens.create(scenario.context, "sdk", Role.OWNER).text)
    return Workspace(None, None, "lab")


def test_a_program_publishes_extends_and_runs_an_endpoint(scenario: RunScenario, ws: Workspace) -> None:
    first, second = (PublishedPipeline.get(ws, str(published(scenario, version).pk)) for version in "12")
    with pytest.raises(error_response_exception(), match="There is no pipeline endpoint 'daily'") as missing:
        PipelineEndpoint.get(workspace=ws, name="daily")
    assert isinstance(missing.value, NotFoundException)
    made = PipelineEndpoint.publish(workspace=ws, name="daily", description="Every day", pipeline=first)
    made.add(second)
    found = PipelineEndpoint.get(workspace=ws, name="daily")
    assert (found.id, found.name, found.description, found.status) == (made.id, "daily", "Every day", "Active")
    assert found.get_default_version() == "0" and found.get_pipeline().id == first.id
    assert [(each.version, each.pipeline.id) for each in found.list_versions()] == [("0", first.id), ("1", second.id)]
    assert [each.version for each in found.pipeline_version_list] == ["0", "1"]
    found.set_default(second)
    assert found.get_default_version() == "1" and found.get_pipeline().id == second.id
    found.set_default_version("0")
    third = PublishedPipeline.get(ws, str(published(scenario, "3").pk))
    with pytest.raises(NotFoundException, match="add_default adds it"):
        found.set_default(third)
    found.add_default(third)
    assert found.default_version == "2" and PipelineEndpoint.get(ws, id=found.id).default_version == "2"
    run = found.submit("by program", pipeline_parameters={"epochs": 9}, pipeline_version="1")
    assert isinstance(run, PipelineRun) and Run.objects.get(pk=run.id).parameters == {"epochs": 9}
    again = Experiment(ws, "by program").submit(found, tags={"a": "b"}, pipeline_parameters={"epochs": 2})
    assert again.tags["a"] == "b" and Run.objects.get(pk=again.id).by_endpoint.version.version == 2
    with pytest.raises(UserErrorException, match="speed"):
        found.submit("by program", pipeline_parameters={"speed": 2})
    with pytest.raises(NotFoundException, match="no version '8'"):
        found.submit("by program", pipeline_version="8")
    assert [each.id for each in PipelineRun.get_pipeline_runs(ws, second.id)] == [run.id]
    found.set_name("nightly")
    found.disable()
    with pytest.raises(ConflictException, match="'nightly' is disabled"):
        found.submit("by program")
    assert PipelineEndpoint.list(ws) == [] and [each.name for each in PipelineEndpoint.list(ws, False)] == ["nightly"]
    found.archive()
    assert PipelineEndpoint.get_all(ws, active_only=False) == []
    found.reactivate("daily")
    assert (found.status, found.name) == ("Active", "daily")
    services.set_status(scenario.context, publish.get_published(scenario.context, first.id), "Disabled")
    assert [each.id for each in found.list_pipelines()] == [second.id, third.id]
    assert [each.id for each in found.get_all_pipelines(active_only=False)] == [first.id, second.id, third.id]


def test_more_than_a_hundred_endpoints_are_listed(scenario: RunScenario, ws: Workspace) -> None:
    from pipelines.models import PipelineEndpoint as Row

    pipeline = published(scenario)
    rows = Row.objects.bulk_create(Row(workspace=scenario.workspace, name=f"e{n}") for n in range(130))
    PipelineEndpointVersion.objects.bulk_create(
        PipelineEndpointVersion(endpoint=row, version=0, pipeline=pipeline) for row in rows
    )
    assert len(PipelineEndpoint.list(ws)) == 100 and len(PipelineEndpoint.list(ws, max_results=7)) == 7
    assert len(PipelineEndpoint.get_all(ws)) == len(PipelineEndpoint.list(ws, max_results=0)) == 130


@pytest.fixture
def visitor(scenario: RunScenario) -> Client:
    client = Client()
    client.force_login(scenario.owner)
    return client


def seen(visitor: Client, path: str) -> str:
    answer = visitor.get(f"/w/lab/{path}")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_its_pages_make_run_compare_and_archive_it(scenario: RunScenario, visitor: Client) -> None:
    first = published(scenario)
    assert "No endpoints yet" in seen(visitor, "endpoints/")
    body = {"name": "Über <scoring>", "pipeline": str(first.pk), "description": ""}
    assert str(first.pk) in seen(visitor, f"endpoints/new/?pipeline={first.pk}")
    place = visitor.post("/w/lab/endpoints/new/", body)["Location"].removeprefix("/w/lab/")
    assert "There is an endpoint" in html.unescape(visitor.post("/w/lab/endpoints/new/", body).content.decode())
    other = scenario.snapshot(step_py="print('bye')\n").digest
    second = published(scenario, "2", parameters=[{**PARAMETERS[0], "default": 5}], snapshot=other, arguments=["--lr", "0.2"])  # fmt: skip
    added = visitor.post(f"/w/lab/{place}add/", {"pipeline": str(second.pk)})
    assert added.status_code == 302
    assert "Über <scoring>" in seen(visitor, "endpoints/?q=scor") and "No endpoint has this" in seen(
        visitor, "endpoints/?q=x"
    )
    found = seen(visitor, f"{place}?version=1&compare=0")
    assert "Version 1 against version 0" in found and "int 3 → int 5" in found
    assert "<code>step.py</code> changed" in found and "--lr" in found
    assert "Both do the same" in seen(visitor, f"{place}?version=1&compare=1")
    run = visitor.post(f"/w/lab/{place}?version=1", {"p_epochs": "4", "experiment": "by page"})
    made = Run.objects.get(parent=None)
    assert run["Location"] == f"/w/lab/runs/{made.pk}/" and made.by_endpoint.version.version == 1
    assert "endpoint “Über <scoring>”" in seen(visitor, f"{place}?part=runs")
    assert "Not run yet" in seen(visitor, f"{place}?version=0&part=runs")
    visitor.post(f"/w/lab/{place}change/", {"default_version": "1"})
    assert "version 1, the default" in seen(visitor, place)
    visitor.post(f"/w/lab/{place}change/", {"status": "Archived"})
    assert "No endpoints yet" in seen(visitor, "endpoints/") and place in seen(visitor, "endpoints/?archived=1")
    assert "its name is free" in seen(visitor, place)
    assert visitor.post(f"/w/lab/{place}change/", {"status": "Gone"}).status_code in (302, 400)
    assert scenario.get(place).json()["status"] == "Archived"


def test_the_list_costs_the_same_however_long(scenario: RunScenario, visitor: Client) -> None:
    pipeline = str(published(scenario).pk)

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            seen(visitor, "endpoints/")
        return len(asked)

    def more(numbers: range) -> None:
        for number in numbers:
            made = scenario.post("endpoints/", {"name": f"e{number}", "pipeline": pipeline}).json()
            call(scenario.client, made["endpoint"])

    more(range(2))
    cost()  # signs in
    few = cost()
    more(range(2, 8))
    assert cost() == few
