"""Steps whose environments have conda packages: refused, built and placed by what hosts can build."""

from __future__ import annotations

from typing import Any

import pytest

from compute.models import Host
from core.clock import now
from duto_protocol.reading import builtins_of
from environments.models import EnvironmentBuild
from environments.services import builds as environment_builds
from environments.services import versions
from environments.services import versions as environment_versions
from runs.models import Attempt, Run
from runs.services.orchestration import build_ends, progress
from runs.services.scheduling import placing
from tests.runs.conftest import GIB, RunScenario
from tests.runs.placing import codes
from tests.runs.protocol_messages import build_report_of, spec_of
from tests.runs.test_rest import submit

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
SECTION = {"channels": ["conda-forge"], "packages": ["gdal=3.8", "numpy"]}
ENVIRONMENT = {"name": "", "python": {"version": "3.11", "packages": ["pandas"], "conda": SECTION}}


def baker(name: str = "baker", **fields: Any) -> Host:
    """A host that builds conda packages."""
    values = {"cores": 1, "memory": 4 * GIB, "last_seen_at": now(), "launcher": "docker", "facts": {"conda": "m"}}
    return Host.objects.create(**{"name": name, "key_digest": name, **values, **fields})


def ready() -> Attempt:
    """A step whose environment is locked, waiting for a place."""
    progress.advance(Run.objects.get(parent=None).pk)
    build = EnvironmentBuild.objects.get()
    environment_builds.take_builds(Host.objects.get(name="baker"))
    report = {
        "build": str(build.pk),
        "event": "ready",
        "lock": "@EXPLICIT\n",
        "lock_digest": "d" * 64,
        "python": "3.11.4",
    }
    environment_builds.report_build(Host.objects.get(name="baker"), build_report_of(report))
    build_ends.build_ended(build.pk)
    return Attempt.objects.get()


def test_a_step_that_no_host_could_run_is_refused_and_told_what_to_do(scenario: RunScenario) -> None:
    answer = submit(scenario, scenario.graph("a", environment=ENVIRONMENT))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "conda_only")
    assert "Step 'a': Only conda has gdal:" in error["message"] and "'conda_image'" in error["message"]
    assert not Run.objects.exists() and not EnvironmentBuild.objects.exists()
    baker("away", revoked_at=now())
    baker("processes", launcher="process")
    baker("elsewhere", workspace=None)
    Host.objects.filter(name="elsewhere").update(facts={"conda": ""})
    assert submit(scenario, scenario.graph("a", environment=ENVIRONMENT)).status_code == 422
    scenario.cluster.hosts.add(scenario.host)
    baker()
    assert submit(scenario, scenario.graph("a", environment=ENVIRONMENT)).status_code == 422, (
        "none of the cluster's own hosts"
    )
    scenario.cluster.hosts.clear()
    assert submit(scenario, scenario.graph("a", environment=ENVIRONMENT)).status_code == 201


def test_an_environment_of_many_steps_is_refused_once_with_their_names(scenario: RunScenario) -> None:
    error = submit(scenario, scenario.graph("a -> b -> c", environment=ENVIRONMENT)).json()["error"]
    assert error["message"].count("Only conda has gdal") == 1
    assert error["message"].startswith("Steps 'a', 'b' and 'c': ")
    many = submit(
        scenario, scenario.graph(" -> ".join(f"s{number:02}" for number in range(15)), environment=ENVIRONMENT)
    ).json()["error"]
    assert "'s09' and 5 more: Only conda has gdal" in many["message"] and "s10" not in many["message"]


def test_only_a_host_with_a_base_builds_it_and_only_such_a_host_runs_it(scenario: RunScenario) -> None:
    there = baker()
    assert submit(scenario, scenario.graph("a", environment=ENVIRONMENT)).status_code == 201
    build = EnvironmentBuild.objects.get()
    assert build.recipe == {"python": "3.11", "packages": ["pandas"], "conda": SECTION}
    assert environment_builds.take_builds(scenario.host, 5) == []
    assert builtins_of(spec_of(environment_builds.build_work(build)).conda) == SECTION
    attempt = ready()
    Attempt.objects.update(node=None, host=None)  # whatever the first round has done
    there.refresh_from_db()
    Host.objects.filter(pk=there.pk).update(drained_at=now())
    assert placing.place() == 0
    assert codes(attempt) == ["drained", "no_conda", "queue"]
    Host.objects.filter(pk=there.pk).update(drained_at=None)
    assert placing.place() == 1
    attempt.refresh_from_db()
    assert attempt.host == there, "though another has more room"


def test_a_build_that_no_host_can_make_any_more_fails_in_words(scenario: RunScenario) -> None:
    there = baker(workspace=scenario.workspace)
    submit(scenario, scenario.graph("a", environment=ENVIRONMENT))
    progress.advance(Run.objects.get(parent=None).pk)
    assert build_ends.fail_unbuildable() == 0
    Host.objects.filter(pk=there.pk).update(revoked_at=now())
    assert build_ends.fail_unbuildable() == 1
    assert build_ends.fail_unbuildable() == 0
    build = EnvironmentBuild.objects.get()
    assert build.status == "failed" and "Only conda has gdal" in build.message
    assert Run.objects.get(parent=None).status == "Failed"
    plain = versions.with_build(environment_versions.resolve(scenario.workspace, {"python": {"packages": ["pandas"]}}))
    assert plain.build is not None and build_ends.fail_unbuildable() == 0, "what PyPI has waits for any host"
