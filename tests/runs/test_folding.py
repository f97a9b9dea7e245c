"""Pictures of runs of many steps: folded into groups, each of which opens to no more than can be drawn."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from runs.queries.folding import FOLD_ABOVE, Group, fold, stem
from tests.runs.conftest import RunScenario


def names(count: int, word: str = "step-{}") -> dict[str, str]:
    return {f"s{number}": word.format(number) for number in range(count)}


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("train-7", "train"),
        ("train7", "train"),
        ("load-raw", "load"),
        ("part3-left", "part3-left"),
        ("7", "7"),
        ("a", "a"),
    ],
)
def test_names_of_a_kind_share_a_stem(name: str, short: str) -> None:
    assert stem(name) == short


def test_every_step_has_one_home_and_no_picture_is_too_large() -> None:
    steps = {**names(20_000), **{f"t{n}": f"train {n}" for n in range(500)}, "z": "zip"}
    folded = fold(steps)
    assert [group.label for group in folded.groups] == ["step × 20000", "train × 500"]
    assert folded.steps == ["z"] and folded.home.keys() == steps.keys()
    opened = fold(steps, ["step"])
    assert len(opened.groups) <= FOLD_ABOVE + 1 and opened.home.keys() == steps.keys()
    first = opened.groups[0]
    assert first.label == f"step-0 … {len(first.members) - 1}" and len(first.members) <= FOLD_ABOVE
    inner = fold(steps, ["step", first.name])
    assert tuple(inner.steps[: len(first.members)]) == first.members


def test_one_group_of_all_is_no_picture() -> None:
    assert len(fold(names(1000)).groups) > 1


def test_names_that_share_nothing_are_cut_in_their_order() -> None:
    letters = {f"s{n}": "".join(chr(97 + int(d)) for d in str(n)) for n in range(5000)}
    folded = fold(letters)
    assert 1 < len(folded.groups) <= FOLD_ABOVE and not folded.steps
    assert [node for group in folded.groups for node in group.members] == list(letters)


def test_an_unknown_group_opens_nothing() -> None:
    assert fold(names(1000), ["nothing", "", "step#999999"]) == fold(names(1000))
    assert Group("a", "", ()).node == "group:a"


@pytest.fixture
def long_run(scenario: RunScenario) -> Run:
    graph = scenario.graph("s0")
    spec = graph["steps"][0]
    steps = [{**spec, "id": f"s{n}", "name": f"step-{n}"} for n in range(FOLD_ABOVE + 10)]
    for before, step in itertools.pairwise(steps):
        step["run_after"] = [before["id"]]
    return scenario.pipeline(graph={**graph, "steps": [*steps, {**spec, "id": "end", "name": "end"}]})


def asked(scenario: RunScenario, run: Run, **query: Any) -> tuple[dict[str, Any], int]:
    with CaptureQueriesContext(connection) as seen:
        document = scenario.get(f"runs/{run.pk}/graph/", **query).json()
    return document, len(seen)


def test_a_long_graph_is_folded_and_opens_group_by_group(scenario: RunScenario, long_run: Run) -> None:
    Run.objects.filter(step__node_id__in=["s1", "s2"]).update(status="Completed")
    Run.objects.filter(step__node_id="s3").update(status="Failed", queued_at="2026-01-02T03:04:05.5Z")
    document, statements = asked(scenario, long_run)
    assert document["folded"] and document["home"] == {}
    group, end = document["nodes"]
    assert (group["name"], group["status"], group["detail"]) == ("step", "Failed", "2 of 310 done")
    assert group["queued_at"].startswith("2026-01-02T03:04:05.5") and group["finished_at"] is None
    assert (end["id"], end["type"], document["edges"]) == ("end", "step", [])
    opened, more = asked(scenario, long_run, open="step")
    assert more <= statements + 1
    assert [node["type"] for node in opened["nodes"]].count("group") == len(opened["nodes"]) - 1 > 1
    part = opened["nodes"][0]
    inner, _ = asked(scenario, long_run, open=["step", part["name"]])
    shown = {node["id"] for node in inner["nodes"]}
    assert {"s0", "s1"} <= shown and {"from": "s0", "to": "s1", "label": ""} in inner["edges"]
    # The chain that took the longest goes through what is drawn; a step that is not is in its group.
    assert (document["critical_path"], inner["critical_path"]) == (["group:step"], ["s3"])
    assert asked(scenario, long_run, step="s3")[0]["home"] == {"s3": "group:step"}
    assert asked(scenario, long_run, step="s3", open=["step", part["name"]])[0]["home"] == {"s3": "s3"}
    assert asked(scenario, long_run, step="nowhere")[0]["home"] == {}
    assert {edge[side] for edge in inner["edges"] for side in ("from", "to")} <= shown
