"""Published pipelines: publish, list, look, disable. What triggers them is tested with the runs."""

from __future__ import annotations

from typing import Any

import pytest

from core.ids import uuid7
from pipelines.models import PublishedPipeline
from tests.workspace_scenario import WorkspaceScenario, code, stays_constant
from workspaces.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def published(scenario: WorkspaceScenario, name: str = "p") -> PublishedPipeline:
    graph: dict[str, Any] = {"schema": 1, "parameters": [{"name": "lr", "type": "float", "default": 0.1}], "steps": []}
    return PublishedPipeline.objects.create(
        workspace=scenario.workspace, name=name, graph=graph, graph_digest="d", published_by=scenario.owner
    )


def test_a_published_pipeline_has_the_address_that_programs_call(scenario: WorkspaceScenario) -> None:
    found = scenario.api.get(f"pipelines/{published(scenario).pk}/").json()
    assert found["endpoint"].endswith(f"/workspaces/lab/PipelineRuns/PipelineSubmit/{found['id']}")
    assert found["parameters"][0]["name"] == "lr" and found["published_by"] == "ana"


def test_only_its_status_changes(scenario: WorkspaceScenario) -> None:
    place = f"pipelines/{published(scenario).pk}/"
    assert scenario.api.patch(place, {"status": "Disabled"}).json()["status"] == "Disabled"
    assert code(scenario.api.patch(place, {"status": "Asleep"})) == (400, "invalid")
    assert code(scenario.api.patch(place, {"name": "other"})) == (400, "invalid")
    assert code(scenario.client_for(Role.READER).patch(place, {"status": "Active"})) == (403, "forbidden")
    assert scenario.api.get("pipelines/?status=Active").json()["items"] == []


def test_what_cannot_be_published_is_a_clear_error(scenario: WorkspaceScenario) -> None:
    assert code(scenario.api.post("pipelines/", {"name": "p"})) == (400, "nothing_to_publish")
    assert code(scenario.api.post("pipelines/", {"name": "p", "graph": {"schema": 1, "steps": []}}))[0] == 422
    assert code(scenario.api.post("pipelines/", {"name": "p", "run_id": str(uuid7())})) == (404, "not_found")
    assert code(scenario.api.get(f"pipelines/{uuid7()}/")) == (404, "not_found")


def test_the_list_of_pipelines_costs_the_same_however_long(scenario: WorkspaceScenario) -> None:
    stays_constant(scenario.api, "pipelines/", lambda n: published(scenario, f"p{n}"))
