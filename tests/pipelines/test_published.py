"""Published pipelines: publish, list, look, disable. What triggers them is tested with the runs."""

from __future__ import annotations

from typing import Any

import pytest

from core.ids import uuid7
from pipelines.models import PublishedPipeline
from tests.house import House, code, stays_constant
from workspaces.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def published(house: House, name: str = "p") -> PublishedPipeline:
    graph: dict[str, Any] = {"schema": 1, "parameters": [{"name": "lr", "type": "float", "default": 0.1}], "steps": []}
    return PublishedPipeline.objects.create(
        workspace=house.workspace, name=name, graph=graph, graph_digest="d", published_by=house.owner
    )


def test_a_published_pipeline_has_the_address_that_programs_call(house: House) -> None:
    found = house.api.get(f"pipelines/{published(house).pk}/").json()
    assert found["endpoint"].endswith(f"/workspaces/lab/PipelineRuns/PipelineSubmit/{found['id']}")
    assert found["parameters"][0]["name"] == "lr" and found["published_by"] == "ana"


def test_only_its_status_changes(house: House) -> None:
    place = f"pipelines/{published(house).pk}/"
    assert house.api.patch(place, {"status": "Disabled"}).json()["status"] == "Disabled"
    assert code(house.api.patch(place, {"status": "Asleep"})) == (400, "invalid")
    assert code(house.api.patch(place, {"name": "other"})) == (400, "invalid")
    assert code(house.door(Role.READER).patch(place, {"status": "Active"})) == (403, "forbidden")
    assert house.api.get("pipelines/?status=Active").json()["items"] == []


def test_what_cannot_be_published_is_a_clear_error(house: House) -> None:
    assert code(house.api.post("pipelines/", {"name": "p"})) == (400, "nothing_to_publish")
    assert code(house.api.post("pipelines/", {"name": "p", "graph": {"schema": 1, "steps": []}}))[0] == 422
    assert code(house.api.post("pipelines/", {"name": "p", "run_id": str(uuid7())})) == (404, "not_found")
    assert code(house.api.get(f"pipelines/{uuid7()}/")) == (404, "not_found")


def test_the_list_of_pipelines_costs_the_same_however_long(house: House) -> None:
    stays_constant(house.api, "pipelines/", lambda n: published(house, f"p{n}"))
