"""Steps of Spark need a Java that their Spark runs on: refused where no host has one, placed where one has."""

from __future__ import annotations

from typing import Any

import pytest

from compute.models import Host
from core.clock import now
from duto.spec import canonical
from environments import spark_line
from runs.models import Attempt, Run
from runs.services.orchestration import progress
from runs.services.scheduling import placing
from tests.runs.conftest import GIB, RunScenario
from tests.runs.placing import codes
from tests.runs.test_rest import submit

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
OWN = {"name": "", "python": {"user_managed": True}}


def graph_of(scenario: RunScenario, **more: Any) -> dict[str, Any]:
    return scenario.graph("a", **{"kind": "spark", "environment": OWN, **more})


def host_with(*javas: int, **fields: Any) -> Host:
    name = "java-" + "-".join(map(str, javas))
    values = {"cores": 1, "memory": 4 * GIB, "last_seen_at": now(), "facts": {"java": list(javas)}}
    return Host.objects.create(**{"name": name, "key_digest": canonical.digest(name), **values, **fields})


def test_a_step_of_spark_is_refused_where_no_host_has_a_java(scenario: RunScenario) -> None:
    Host.objects.update(facts={"java": [25]})
    spark_3 = {"name": "", "python": {"version": "3.11", "packages": ["pyspark==3.5.9"]}}
    answer = submit(scenario, graph_of(scenario, environment=spark_3))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "java_only") and not Run.objects.exists()
    assert "(8 or 11 or 17)" in error["message"] and "openjdk-17-jre-headless" in error["message"]
    here = {"python": {"user_managed": True}, "variables": {"JAVA_HOME": "/opt/java"}}
    for fine in (
        graph_of(scenario),  # Spark 4 runs on 25, and nobody knows which one that Python has
        graph_of(scenario, environment={**spark_3, **here}),
        graph_of(scenario, environment=spark_3, environment_variables={"JAVA_HOME": "/opt/java"}),
        graph_of(scenario, environment=spark_3, kind="python_script"),
    ):
        assert submit(scenario, fine).status_code == 201
    Host.objects.update(facts={"java": []})
    assert submit(scenario, graph_of(scenario)).status_code == 422
    Host.objects.update(facts={})
    assert submit(scenario, graph_of(scenario)).status_code == 201, "it has not told of itself yet"
    Host.objects.update(facts={"engine": {}}, launcher="docker")
    assert submit(scenario, graph_of(scenario)).status_code == 422, "the studio's own image has no Java"
    assert submit(scenario, graph_of(scenario, environment={**OWN, "docker": {"image": "spark"}})).status_code == 201


def test_a_step_of_spark_waits_for_its_java(scenario: RunScenario) -> None:
    Host.objects.update(facts={"java": "17"})  # not as an agent tells it
    there = host_with(8, 17)
    assert submit(scenario, graph_of(scenario)).status_code == 201
    Host.objects.filter(pk=there.pk).update(drained_at=now())
    progress.advance(Run.objects.get(parent=None).pk)
    attempt = Attempt.objects.get()
    assert attempt.needs == "java"
    Attempt.objects.update(node=None, host=None)  # whatever the first round has done
    assert placing.place() == 0 and codes(attempt) == ["drained", "no_java", "queue"]
    Host.objects.filter(pk=there.pk).update(drained_at=None)
    assert placing.place() == 1
    attempt.refresh_from_db()
    assert attempt.host == there, "though another has more room"


@pytest.mark.parametrize(
    "python,line",
    [
        ({"packages": ["pandas", "pyspark==3.5.9"]}, "3.3"),
        ({"packages": ["pyspark==3.1.2"]}, "3.0"),
        ({"packages": ["pyspark==2.4.8"]}, "2.4"),
        ({"packages": ["pyspark[sql]~=4.0"]}, "4.0"),
        ({"packages": ["pyspark>=3.5,<4; python_version < '3.12'", "pyspark>=4,<5; python_version >= '3.12'"], "version": "3.12"}, "4.0"),
        ({"packages": ["pyspark>=3.5,<4; python_version < '3.12'", "pyspark>=4,<5; python_version >= '3.12'"], "version": "3.9"}, "3.3"),
        ({"packages": ["pyspark<3.3"]}, "3.0"),
        ({"packages": ["pyspark"]}, ""),
        ({"packages": ["pyspark-extension==3.5", "pyspark>=3"]}, ""),
        ({"packages": ["pyspark @ https://x.org/pyspark.whl"]}, ""),
        ({"packages": ["pyspark what"]}, ""),
        ({"packages": [], "conda": {"packages": ["numpy", "conda-forge::pyspark=3.4"]}}, "3.3"),
        ({"packages": [], "conda": {"packages": ["pyspark 3.0.*"]}}, ""),
        ({"user_managed": True}, ""),
    ],
)  # fmt: skip
def test_which_line_of_spark_an_environment_has(python: dict[str, Any], line: str) -> None:
    assert spark_line.of({"python": python}) == line


def test_the_lock_of_a_curated_environment_tells_its_line() -> None:
    lock = "py4j==0.10.9.9 --hash=sha256:0\npyspark==3.5.9 --hash=sha256:1\n"
    assert spark_line.of({"python": {"packages": ["pyspark"]}, "locks": {"3.11": lock}}) == "3.3"
    assert not spark_line.may_bring_java({"python": {"packages": ["openjdk"]}})
    assert spark_line.may_bring_java({"python": {"conda": {"packages": ["openjdk=17"]}}})
