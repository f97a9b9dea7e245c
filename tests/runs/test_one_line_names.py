"""Names that people give are one line, whatever they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.errors import Invalid
from core.names import one_line
from notifications.models import Channel, Rule
from notifications.services import channels, rules
from pipelines.services import drafts, endpoints, modules
from runs.services.submission import publish
from schedules.models import Schedule
from schedules.services import schedules
from tests.runs.conftest import RunScenario
from workspaces.services import tokens

BAD = ("two\nlines", "bell\x07", "tab\there", "next\x85line", "line\u2028apart", "para\u2029graph", "\x1b[31mred")


def test_a_name_is_one_line() -> None:
    for name in BAD:
        with pytest.raises(Invalid, match="Write it on one line") as refused:
            one_line(name)
        assert refused.value.code == "bad_name" and repr(name)[1:4] in refused.value.message
    for name in ("Évora 2", "naïve 🧑‍🔬", "a/b", "x" * 300):
        assert one_line(f" {name}\n") == name


@pytest.mark.parametrize(
    "give",
    [
        lambda scenario, name: tokens.create(scenario.context, name, "reader"),
        lambda scenario, name: publish.publish_graph(scenario.context, scenario.graph(), name=name),
        lambda scenario, name: endpoints.create(scenario.context, name, None),  # type: ignore[arg-type]
        lambda scenario, name: modules.create(scenario.context, name),
        lambda scenario, name: drafts._name(name),
        lambda scenario, name: schedules._apply(Schedule(), {"name": name}, None),  # type: ignore[arg-type]
        lambda scenario, name: rules._apply(scenario.context, Rule(), {"name": name}),
        lambda scenario, name: channels._set_name(Channel(workspace=scenario.workspace), name),
    ],
    ids=["token", "pipeline", "endpoint", "module", "draft", "schedule", "rule", "channel"],
)
def test_every_kind_of_name_is_looked_at(scenario: RunScenario, give: Callable[[RunScenario, str], Any]) -> None:
    with pytest.raises(Invalid, match="Write it on one line"):
        give(scenario, "bell\x07rings")
