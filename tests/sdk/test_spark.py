"""Spark steps without a Spark: settings, the words of spark-submit, which Java, what the ledger comes to, what is refused."""

from __future__ import annotations

import json
import socketserver
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

import duto
from duto.data.datastore import AzureBlobDatastore
from duto.data.pipeline_data import PipelineData
from duto.exceptions import ComputeTargetException, UserErrorException
from duto.pipeline.graph_builder import GraphBuilder
from duto.spark.event_log import stages_of
from duto.spark.java import NoJava, java_for, versions_here
from duto.spark.watcher import MARK, Watcher, get
from duto.spec import kinds, spark
from duto.spec.curated import PYSPARK
from duto.spec.stages import Stages
from duto.steps.synapse_spark import environment_with_spark

NOWHERE: Any = None
STORE = AzureBlobDatastore(NOWHERE, "one", "container", "account")
NODE = spark.Node(4, 8 << 30, "/attempt/tmp")


def synapse(**given: Any) -> Any:
    usual = dict.fromkeys(("driver_memory", "driver_cores", "executor_memory", "executor_cores", "num_executors"))
    return duto.SynapseSparkStep(
        **{"file": "a.py", "source_directory": "code", "compute_target": "pool", **usual, **given}
    )


def graph_of(*steps: Any) -> tuple[list[str], list[Any]]:
    builder = GraphBuilder(None, list(steps))
    graph = builder.build()
    return [each.code for each in (*builder.problems, *graph.problems())], list(graph.steps)


def words_of(master: str = "", **settings: Any) -> tuple[str, list[str]]:
    made = spark.submission_of(spark.settings_of(settings), master, NODE, {"spark.ui.port": "4050"})
    return " ".join(made.words), list(made.notes)


def test_on_the_node_all_executors_are_threads_of_one_process() -> None:
    text, notes = words_of()
    assert text.startswith("--master local[4] --conf") and "--conf spark.ui.port=4050" in text and not notes
    sizes = {"driver_memory": "1g", "executor_memory": "512m", "executor_cores": 1, "num_executors": 2}
    text, notes = words_of(**sizes)
    assert "--master local[2] --driver-memory 2048m" in text and not notes
    text, notes = words_of(executor_cores=4, num_executors=8, executor_memory="4g")
    assert "--master local[4] --driver-memory 6144m" in text
    assert "32 cores" in notes[0] and "32768m" in notes[1]


def test_a_master_elsewhere_is_told_of_executors() -> None:
    text, _ = words_of(
        "spark://m:7077", driver_memory="1g", driver_cores=2, executor_memory="2g", executor_cores=2, num_executors="3",
        conf={"spark.ui.port": 4040, "spark.speculation": True}, py_files=["a.py", "b.zip"], packages=["g:a:1"], app_name="x y",
    )  # fmt: skip
    for each in (
        "--master spark://m:7077 --driver-memory 1024m --name x y --py-files a.py,b.zip --packages g:a:1",
        "spark.executor.memory=2048m", "spark.executor.cores=2", "spark.cores.max=6", "ActiveProcessorCount=2",
        "spark.ui.port=4040", "spark.speculation=true", "umask-mode=000",
    ):  # fmt: skip
        assert each in text
    assert "--conf spark.ui.port=4050" not in text, "what the step says goes before"
    assert "--master local[2] " in words_of("spark://m:7077", conf={"spark.master": "local[2]"})[0]


@pytest.mark.parametrize(
    "settings,words",
    [
        ({"driver_memory": "lots"}, "'512m' or '4g'"),
        ({"num_executors": 0}, "whole number from 1"),
        ({"conf": {"sql.partitions": 1}}, "begin with 'spark.'"),
        ({"conf": {"spark.master": "yarn"}}, "spark://host:port"),
        ({"conf": {"spark.submit.deployMode": "cluster"}}, "the driver is the step"),
        ({"py_files": ["../up.py"]}, "file of the source directory"),
        ({"jars": ["dbfs:/a.jar"]}, "no studio has"),
        ({"packages": ["a:b"]}, "group:artifact:version"),
        ({"colour": 1}, "no setting 'colour'"),
        ({"conf": {"parameter": "p"}}, "begin with 'spark.'"),
        ({"py_files": {"parameter": "p"}}, "cannot be a parameter"),
        ({"files": ["gone.txt"]}, "does not hold"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_words(settings: dict[str, Any], words: str) -> None:
    (problem,) = spark.problems_of(settings, {"a.py"})
    assert words in problem
    assert (
        spark.problems_of({"py_files": ["./a.py", "https://x/y.zip"], "num_executors": {"parameter": "n"}}, {"a.py"})
        == []
    )


def test_a_script_of_synapse_is_a_step_with_its_settings() -> None:
    target = duto.HDFSOutputDatasetConfig("out", destination=(STORE, "to"))
    data = PipelineData("data", STORE)
    maker = duto.PythonScriptStep("m.py", outputs=[data], arguments=[data])
    step = synapse(
        inputs=[data], outputs=[target], arguments=["--in", data, "--out", target], driver_memory="1g", conf={"spark.x": 1},
        num_executors=duto.PipelineParameter("n", 2), py_files="b.py",
    )  # fmt: skip
    codes, (_, built) = graph_of(maker, step)
    assert codes == [] and (built.kind, built.script, built.compute) == ("spark", "a.py", "pool")
    assert built.settings == {
        "driver_memory": "1g", "num_executors": {"parameter": "n"}, "conf": {"spark.x": 1}, "py_files": ["b.py"],
        "new_outputs": ["out"],
    }  # fmt: skip
    assert built.arguments == ("--in", {"input": "data"}, "--out", {"output": "out"})
    (written,) = built.outputs
    assert (written.mode, written.kind, written.destination) == ("mount", "file_dataset", "to")
    assert built.environment == {"name": PYSPARK, "version": None}
    assert graph_of(synapse(conf={"master": 1}))[0] == ["bad_settings"]
    assert kinds.KINDS["spark"].shown_command("a.py", {}) == ("spark-submit", "a.py")


def test_a_script_of_databricks_gets_its_data_by_name() -> None:
    data = PipelineData("data", STORE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        step = duto.DatabricksStep(
            "d", outputs=[data], python_script_name="a.py", python_script_params=["x", 3], num_workers=2, node_type="big",
            spark_conf={"spark.a": "b"}, spark_env_variables={"V": 1}, timeout_seconds=60, compute_target="bricks",
            maven_libraries=[duto.MavenLibrary("g:a:1", "https://m", ["g:b"])], jar_libraries=[duto.JarLibrary("x.jar")],
            pypi_libraries=[duto.PyPiLibrary("simplejson==3.8.0")], egg_libraries=[duto.EggLibrary("e.egg")],
            existing_cluster_id="c", source_directory="code",
        )  # fmt: skip
    assert "existing_cluster_id, node_type" in str(caught[0].message)
    codes, (built,) = graph_of(step)
    assert codes == [] and (built.kind, built.timeout_seconds) == ("databricks", 60)
    assert built.arguments == ("x", 3, "--data", {"output": "data"})
    assert built.settings == {
        "num_executors": 2, "conf": {"spark.a": "b", "spark.jars.excludes": "g:b"}, "packages": ["g:a:1"],
        "repositories": ["https://m"], "py_files": ["e.egg"], "jars": ["x.jar"], "variables": {"V": 1}, "tells_run": True,
    }  # fmt: skip
    packages = built.environment["python"]["packages"]
    assert any(each.startswith("simplejson") for each in packages) and any(
        each.startswith("pyspark") for each in packages
    )


@pytest.mark.parametrize(
    "given,words",
    [
        ({"notebook_path": "/n"}, "nbconvert"),
        ({"main_class_name": "Main", "existing_cluster_id": "c"}, "spark-submit"),
        ({"python_script_path": "dbfs:/a.py"}, "source directory"),
        ({"python_script_name": "a.py", "rcran_libraries": [duto.RCranLibrary("ada")]}, "RScriptStep"),
    ],
)
def test_other_forms_of_databricks_are_refused_with_what_to_do_instead(given: dict[str, Any], words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = GraphBuilder(None, duto.DatabricksStep("d", outputs=[PipelineData("x")], **given))
    graph = builder.build()
    (problem,) = builder.problems
    assert problem.code == "refused_kind" and words in problem.message and graph.problems() == []
    with pytest.raises(UserErrorException, match="exactly one of"):
        duto.DatabricksStep("d")


def test_an_environment_gets_pyspark_where_it_names_none() -> None:
    own = duto.Environment("mine")
    own.environment_variables = {"A": "b"}
    blank = environment_with_spark(own)
    assert (blank.name, blank.environment_variables) == (PYSPARK, {"A": "b"})
    own.python.conda_dependencies.add_conda_package("numpy")
    grown = environment_with_spark(own)
    assert grown.name == "mine-spark" and any(
        "pyspark" in each for each in grown.python.conda_dependencies.pip_packages
    )
    own.python.conda_dependencies.add_conda_package("conda-forge::pyspark=3.4")
    assert environment_with_spark(own) is own
    own.python.user_managed_dependencies = True
    with pytest.raises(UserErrorException, match="pypi_libraries"):
        environment_with_spark(own, ["x"])


def test_the_java_that_its_spark_runs_on(tmp_path: Path) -> None:
    homes = {}
    for name, version in (("a25", "25.0.1"), ("b8", "1.8.0_392"), ("c17", "17.0.15"), ("d", "")):
        homes[name] = home = tmp_path / name
        (home / "bin").mkdir(parents=True)
        (home / "bin/java").write_text("#!/bin/sh\n")
        (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    on_path = {"PATH": str(homes["a25"] / "bin")}
    (homes["a25"] / "bin/java").chmod(0o755)
    assert java_for("3.5.9", on_path, [str(tmp_path)]) == homes["b8"]
    assert java_for("4.0.1", on_path, [str(tmp_path)]) == homes["a25"]
    assert java_for("3.5.9", {**on_path, "JAVA_HOME": str(homes["c17"])}, []) == homes["c17"]
    for variables, words in (
        (on_path, "8 or 11 or 17, and this host has Java 25"),
        ({"PATH": ""}, "has none. Install one"),
    ):
        with pytest.raises(NoJava, match=words):
            java_for("3.5.9", variables, [])
    with pytest.raises(NoJava, match="no bin/java"):
        java_for("3.5.9", {"JAVA_HOME": "/gone"}, [])
    assert versions_here(on_path, [str(tmp_path), str(tmp_path / "none")]) == [8, 17, 25]
    assert spark.lines_on([25]) == ["4.0"] and spark.lines_on([8]) == ["2.4", "3.0", "3.3"] and not spark.lines_on([])
    assert [spark.line_of(each) for each in ("1.6", "3.2.4", "3.5.9", "5.0")] == ["2.4", "3.0", "3.3", "4.0"]


def event(name: str, **facts: Any) -> str:
    return json.dumps({"Event": f"SparkListener{name}", **facts}, separators=(",", ":")) + "\n"


def info(number: int, **facts: Any) -> dict[str, Any]:
    return {"Stage ID": number, "Stage Attempt ID": 0, "Stage Name": f"s{number}", "Number of Tasks": 2, **facts}


def test_the_event_log_has_the_last_word(tmp_path: Path) -> None:
    read = {"Name": "internal.metrics.input.bytesRead", "Value": 70}
    ended = info(0, **{"Submission Time": 1000, "Completion Time": 3000, "Accumulables": [read]})
    good, bad = (
        {"Stage ID": 0, "Stage Attempt ID": 0, "Task End Reason": {"Reason": why}} for why in ("Success", "Lost")
    )
    (tmp_path / "app-1.inprogress").write_text(
        event("ApplicationStart", **{"App ID": "app-1"})
        + event("JobStart", **{"Job ID": 0, "Stage Infos": [info(0), info(1), info(2)]})
        + event("TaskEnd", **bad)
        + event("TaskEnd", **good) * 2
        + event("StageCompleted", **{"Stage Info": ended})
        + event("StageSubmitted", **{"Stage Info": info(1, **{"Submission Time": 3000})})
        + event("JobStart", **{"Job ID": 1, "Stage Infos": [info(0), info(3)]})
        + '{"Event":"SparkListenerStageComp'
    )
    found = {each["id"]: each for each in stages_of(tmp_path, 9.0)}
    assert [each["s"] for each in found.values()] == ["COMPLETE", "CANCELED", "SKIPPED", "SKIPPED"]
    assert (found[0]["d"], found[0]["f"], found[0]["in"], found[0]["z"]) == (2, 1, 70, 3.0)
    assert next(stages_of(tmp_path))["app"] == "app-1"
    assert [each["s"] for each in stages_of(tmp_path)][1] == "FAILED"
    failed = info(1, **{"Submission Time": 3000, "Completion Time": 8500, "Failure Reason": "killed"})
    (tmp_path / "app-1.inprogress").write_text(event("StageCompleted", **{"Stage Info": failed}))
    assert [next(stages_of(tmp_path, at))["s"] for at in (9.0, 10.0, None)] == ["CANCELED", "FAILED", "FAILED"]


def test_what_spark_s_page_tells_is_noted_where_it_has_changed(tmp_path: Path) -> None:
    stage = {"stageId": 0, "attemptId": 0, "name": "count at", "status": "ACTIVE", "numTasks": 4, "numCompleteTasks": 1, "numActiveTasks": 2, "submissionTime": "2026-01-02T03:04:05.500GMT", "inputBytes": 9}  # fmt: skip
    worker = {"id": "driver", "hostPort": "h:1", "isActive": True, "totalCores": 2, "activeTasks": 2, "completedTasks": 1, "failedTasks": 0, "maxMemory": 5}  # fmt: skip
    pages: dict[str, Any] = {
        "": [{"id": "local-1", "name": "mine"}],
        "/local-1/environment": {"sparkProperties": [[MARK, "m"], ["spark.master", "local[2]"]], "runtime": {"sparkVersion": "3.5.9"}},
        "/local-1/stages": [stage],
        "/local-1/allexecutors": [worker],
    }  # fmt: skip

    def ask(address: str) -> Any:
        host, _, path = address.partition("/api/v1/applications")
        if host != "http://127.0.0.1:4051":
            raise ConnectionRefusedError(address)
        return pages[path]

    ledger = tmp_path / "ledger.jsonl"
    watcher = Watcher(ledger, "127.0.0.1", 4050, "m", tmp_path / "none", ask)
    assert watcher.look() and watcher.look()
    assert len(ledger.read_bytes().splitlines()) == 3, "what is as before is not noted again"
    known = Stages()
    known.take_lines(ledger.read_bytes())
    (found,) = known.newest
    assert (found.tasks, found.done, found.active, found.read, found.began_at) == (4, 1, 2, 9, 1767323045.5)
    assert known.apps["local-1"].master == "local[2]" and known.executors["local-1", "driver"].cores == 2
    stage.update(status="COMPLETE", numCompleteTasks=4, numActiveTasks=0)
    watcher.look()
    pages.clear()
    assert not watcher.look()
    watcher.end("completed")
    known.take_lines(ledger.read_bytes())
    assert known.count("COMPLETE") == 1 and known.total("done") == 4 and known.state == "completed"
    assert not known.executors["local-1", "driver"].is_alive
    known.take_lines(b'{"e":"stage","at":1}\n{"e":"stage","app":"x","id":"y"}\nnone\n')
    assert len(known.stages) == 1
    other = Watcher(tmp_path / "other", "127.0.0.1", 4050, "another", tmp_path, ask)
    assert not other.look(), "the page of another step"


def test_a_port_that_answers_something_else_is_passed_over(tmp_path: Path) -> None:
    """As this very connection may: connected to itself, a port answers with the question."""

    class Echo(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.readline())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with pytest.raises(OSError, match="no answer of HTTP"):
            get(f"http://127.0.0.1:{port}/api/v1/applications")
        assert not Watcher(tmp_path / "ledger.jsonl", "127.0.0.1", port, "m", tmp_path).look()
        server.shutdown()


def test_attached_targets_are_clusters_or_masters() -> None:
    class Client:
        def get(self, path: str) -> dict[str, Any]:
            return {"vm_size": "STANDARD_D4_V2", "hosts": ["h"], "network": "open"}

    class Workplace:
        _client = Client()

        def _path(self, path: str) -> str:
            return path

    workplace: Any = Workplace()
    linked = duto.LinkedService.register(
        workplace, "link", duto.SynapseWorkspaceLinkedServiceConfiguration("s", "g", "n")
    )
    made = duto.SynapseCompute.attach_configuration(linked, "SynapseSpark", "cpu").to_body(workplace)
    assert made == {"type": "SynapseSpark", "vm_size": "STANDARD_D4_V2", "hosts": ["h"], "network": "open", "tags": {"linked_service": "link"}}  # fmt: skip
    far = duto.DatabricksCompute.attach_configuration("g", "spark://m:7077", access_token="t")
    far.validate_configuration()
    assert far.to_body(workplace) == {
        "type": "Databricks",
        "vm_size": "STANDARD_D2_V2",
        "spark_master": "spark://m:7077",
    }
    with pytest.raises(ComputeTargetException, match="spark://host:port"):
        duto.SynapseCompute.attach_configuration(linked, pool_name="spark://m").validate_configuration()
    with pytest.raises(ComputeTargetException, match="SynapseSpark"):
        duto.SynapseCompute.attach_configuration(linked, type="Hadoop")
    jobs = duto.SlurmCompute.attach_configuration("STANDARD_D4_V2", 9, ["login"], "partition=gpu")
    jobs.validate_configuration()
    assert jobs.to_body(workplace) == {
        "type": "Slurm", "vm_size": "STANDARD_D4_V2", "max_nodes": 9, "launcher": "slurm", "policy": "strict",
        "hosts": ["login"], "container_options": {"slurm": "partition=gpu"},
    }  # fmt: skip
    assert "container_options" not in duto.SlurmCompute.attach_configuration().to_body(workplace)
    with pytest.raises(ComputeTargetException, match="no option that may be set"):
        duto.SlurmCompute.attach_configuration(options="output=x").validate_configuration()
