"""Steps that need R: refused where no host has it, placed where one has, and told of their packages."""

from __future__ import annotations

from typing import Any

import pytest

from compute.models import Host
from core.clock import now
from duto_protocol.reading import builtins_of
from runs.models import Attempt, Run
from runs.services.agent_reports.launch_spec import SpecOf
from runs.services.orchestration import progress
from runs.services.scheduling import placing
from tests.runs.conftest import GIB, RunScenario
from tests.runs.placing import codes
from tests.runs.test_rest import submit

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
PACKAGES = [{"name": "cli", "version": "3.6.1", "repository": None}, {"name": "own", "version": None, "repository": "https://r.example.org"}]  # fmt: skip
ENVIRONMENT = {"name": "", "python": {"user_managed": True}, "r": {"version": "4.2", "packages": PACKAGES}}


def graph_of(scenario: RunScenario, **more: Any) -> dict[str, Any]:
    step = {"kind": "r_script", "settings": {"rscript": "Rscript"}, "environment": ENVIRONMENT}
    return scenario.graph("a", **{**step, **more})


def able(**fields: Any) -> Host:
    values = {"cores": 1, "memory": 4 * GIB, "last_seen_at": now(), "facts": {"r": "4.2.2"}}
    return Host.objects.create(**{"name": "statistician", "key_digest": "s", **values, **fields})


def test_a_step_of_r_is_refused_where_no_host_has_r(scenario: RunScenario) -> None:
    Host.objects.update(facts={"r": ""})
    answer = submit(scenario, graph_of(scenario))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "r_only") and not Run.objects.exists()
    assert error["message"].startswith("Step 'a': It needs R") and "r-base-core" in error["message"]
    able(name="containers", launcher="docker")
    assert submit(scenario, graph_of(scenario)).status_code == 422
    bad = {**ENVIRONMENT, "r": {"packages": ["a b"]}}
    assert submit(scenario, graph_of(scenario, environment=bad)).json()["error"]["code"] == "bad_requirement"


def test_a_step_of_r_runs_where_r_is_and_is_told_its_packages(scenario: RunScenario) -> None:
    there = able()
    assert submit(scenario, graph_of(scenario)).status_code == 201
    Host.objects.filter(pk=there.pk).update(drained_at=now())
    progress.advance(Run.objects.get(parent=None).pk)
    attempt = Attempt.objects.get()
    Attempt.objects.update(node=None, host=None)  # whatever the first round has done
    assert placing.place() == 0 and codes(attempt) == ["drained", "no_r", "queue"]
    Host.objects.filter(pk=there.pk).update(drained_at=None)
    assert placing.place() == 1
    attempt.refresh_from_db()
    assert attempt.host == there, "though another has more room"
    found = builtins_of(SpecOf(attempt).spec().environment.r)
    cran = "https://cloud.r-project.org"
    first, second = PACKAGES
    assert found == {"version": "4.2", "packages": [{**first, "repository": cran}, second], "sources": [], "cran": cran}


def test_other_packages_of_r_make_another_step(scenario: RunScenario) -> None:
    able()
    found = []
    for version in ("3.6.1", "3.6.2", "3.6.1"):
        r = {"packages": [f"cli=={version}"]}
        assert submit(scenario, graph_of(scenario, environment={**ENVIRONMENT, "r": r})).status_code == 201
        root = Run.objects.filter(parent=None).order_by("-id")[0]
        progress.advance(root.pk)
        found.append(scenario.step(root, "a").step.fingerprint)
    assert found[0] == found[2] != found[1] and all(found)
