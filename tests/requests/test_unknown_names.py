"""What is asked of something that is not there is refused: no empty answer stands for it."""

from __future__ import annotations

import re

import pytest

from core.ids import uuid7
from tests.live.test_walk import addresses
from tests.workspace_scenario import WorkspaceScenario

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
WORKSPACE = "api/v1/workspaces/<slug:workspace>/"


def test_every_address_of_what_is_not_there_says_so(scenario: WorkspaceScenario) -> None:
    answers = {}
    for each in addresses():
        if not each.route.startswith(WORKSPACE) or not each.needs("get"):
            continue
        route = each.route.removeprefix(WORKSPACE)
        asked = re.sub(r"<uuid:\w+>", str(uuid7()), re.sub(r"<int:\w+>", "7", re.sub(r"<\w+:\w+>", "nothing", route)))
        if asked != route:
            answers[route] = scenario.api.get(asked).status_code
    assert len(answers) > 40
    assert {route: status for route, status in answers.items() if status != 404} == {}
