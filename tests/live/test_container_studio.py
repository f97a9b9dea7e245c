"""A studio whose own host runs its steps in containers: data on the shared disk, the SDK, the studio over the relay."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azureml.core import Environment
from azureml.core.conda_dependencies import CondaDependencies

from duto_agent.engine.client import Engine
from studio.testing.engine import IMAGE, NoEngine
from studio.testing.live import eventually
from studio.testing.plugin import lacking
from tests.agent import micromamba
from tests.agent.containers import gateway_of
from tests.agent.test_conda import Served
from tests.live.floods import FLOODS, survives
from tests.live.parallel import scoring, taken_over, until_done
from tests.live.studio import Studio

pytestmark = [pytest.mark.slow, pytest.mark.docker]

WRITE = """
import os, pathlib, sys
from azureml.core import Run
assert os.path.exists("/.dockerenv")
place = pathlib.Path(sys.argv[1])
place.mkdir()
(place / "a b.txt").write_text("from a container")
os.chmod(place / "a b.txt", 0o600)
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs", "note.txt").write_text("kept")
run = Run.get_context()
run.log("loss", 0.5)
run.flush()
print(run.get_metrics())
"""
READ = """
import pathlib, sys
file = pathlib.Path(sys.argv[1]) / "a b.txt"
print(file.read_text())
try:
    file.write_text("changed")
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture(scope="module")
def container_studio(engine_socket: str) -> Iterator[Studio]:
    with tempfile.TemporaryDirectory(prefix="duto-boxed-", ignore_cleanup_errors=True) as folder:
        made = Studio(Path(folder) / "data")
        marker = ""
        try:
            made.start()
            made.ensure_cluster()
            file = made.data_dir / "agent" / "host.json"
            settings = json.loads(file.read_text())
            marker = settings["store_marker"]
            settings |= {"launcher": "docker", "engine": engine_socket, "base_image": IMAGE}
            with contextlib.suppress(NoEngine):  # the one test that needs it says so
                settings["conda_image"] = micromamba.image(engine_socket)
            file.write_text(json.dumps(settings))
            made.strike("agent")
            yield made
        finally:
            made.stop()
            engine = Engine(engine_socket)
            for each in engine.containers({"duto.installation": marker}) if marker else ():
                engine.remove(each["Id"])


def test_steps_in_containers_share_data_metrics_and_the_studio(container_studio: Studio) -> None:
    graph = container_studio.graph({"write": WRITE, "read": READ})
    steps: dict[str, dict[str, Any]] = {step["id"]: step for step in graph["steps"]}
    output = {"name": "data", "kind": "pipeline_data", "datastore": "workspaceblobstore", "mode": "mount"}
    steps["write"] |= {"outputs": [output], "arguments": [{"output": "data"}]}
    source = {"name": "data", "from": {"step": "write", "output": "data"}, "mode": "mount"}
    steps["read"] |= {"inputs": [source], "arguments": [{"input": "data"}]}
    run = container_studio.submit_graph(graph).wait()
    assert b"0.5" in run.log("write"), run.log("write")
    assert run.log("read").splitlines() == [b"from a container", b"Read-only file system"]


# What a container changes: how logs and files come out of it, and how many processes it may hold.
@pytest.mark.parametrize("name", [name for name in FLOODS if name not in ("points", "images")])
def test_a_flood_out_of_a_container_is_kept_whole_in_bounded_memory(container_studio: Studio, name: str) -> None:
    survives(container_studio, name)


def test_a_container_that_is_killed_costs_the_mini_batches_that_it_was_at(
    container_studio: Studio, engine_socket: str
) -> None:
    run = container_studio.submit_graph(scoring(container_studio))
    until_done(container_studio, run, 20)
    attempt = run.step("score")["step"]["attempts"][0]["id"]
    engine = Engine(engine_socket)
    (box,) = engine.containers({"duto.attempt": attempt})
    engine.kill(box["Id"])
    run.wait()
    assert len(run.step("score")["step"]["attempts"]) == 2
    assert taken_over(container_studio, run) >= 20


def test_the_build_of_an_image_is_seen_while_it_runs_and_ends_by_a_cancel(container_studio: Studio) -> None:
    def images() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = container_studio.get("images/")["items"]
        return found

    graph = container_studio.graph({"train": "pass"})
    text = f"FROM {IMAGE}\nRUN echo {container_studio.data_dir} > /mine; sleep 600\n"
    bare = {"name": "slow", "python": {"user_managed": True}, "docker": {"dockerfile": text}}
    graph["steps"][0]["environment"] = bare
    run = container_studio.submit_graph(graph)
    eventually(
        lambda: any((each["progress"] or {}).get("total") for each in images()), 120, "the progress of the build"
    )
    (image,) = images()
    assert (image["status"], image["tag"].split(":")[0]) == ("building", "duto/base")
    assert image["reason"] == "This host has not had it before." and image["run"] == run.step("train")["id"]
    assert container_studio.rest("POST", f"images/{image['id']}/cancel/").status_code == 202
    run.wait("Failed")
    error = run.step("train")["error"]
    assert error["cause"] == "environment" and "build of its image was canceled by" in error["message"], error
    assert [(each["status"], each["message"]) for each in images()] == [("failed", error["message"])]


def test_a_step_gets_what_only_a_conda_channel_has(
    container_studio: Studio, engine_socket: str, tmp_path: Path
) -> None:
    try:
        micromamba.image(engine_socket)
    except NoEngine as reason:
        lacking(f"no conda packages here: {reason}", "DUTO_REQUIRE_DOCKER")
    served = Served(tmp_path, gateway_of(engine_socket))
    wanted = Environment("maps")
    wanted.python.conda_dependencies = CondaDependencies.create(
        conda_packages=["dutoconda>=1", "dutotool"], pip_packages=["azureml-defaults"], python_version="3.11"
    )
    wanted.python.conda_dependencies.add_channel(f"{served.url}/channel")
    graph = container_studio.graph({"train": "import dutoconda, os\nprint(dutoconda.made)\nos.system('dutotool')"})
    graph["steps"][0]["environment"] = wanted.definition()
    try:
        run = container_studio.submit_graph(graph).wait()
    finally:
        served.server.shutdown()
    said = run.log("train").decode()
    assert f"1.0 {served.mark}\n" in said and f"tool {served.mark}\n" in said
    version = container_studio.get("environments/maps/versions/latest/")
    assert version["definition"]["python"]["conda"]["packages"] == ["dutoconda>=1", "dutotool"]
    assert "dutoconda-1.0-0.tar.bz2#" in version["lock"] and version["build"]["python"] == micromamba.PYTHON
    (image,) = [each for each in container_studio.get("images/")["items"] if each["lock_digest"]]
    assert image["status"] == "ready"
