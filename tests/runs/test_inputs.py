"""What a step is given to read: files by their paths, folders, and what is told at submit where nothing is there."""

from __future__ import annotations

import hashlib
import io
import os
import time
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from compute.models import ComputeTarget, Host
from core.errors import Unprocessable
from datasets.services import registration
from datasets.services import versions as dataset_versions
from datasets.services.datastores import put_file
from datasets.stores import root_by_name
from duto_protocol.messages import InputSpec
from runs.models import Attempt, Output
from runs.services.agent_reports.launch_spec import SpecOf
from runs.services.results import transfers
from runs.services.scheduling import affinity, cluster_state
from runs.services.submission import submit
from studio.supervisor.broker import free_port
from tests.runs.exchange import Agent, agent, cluster, context, graph_of, states, submit_chain

__all__ = ["agent", "cluster", "context"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
STORE = "workspaceblobstore"


@pytest.fixture(autouse=True)
def files(context: Any, cluster: Any) -> None:
    for path in ("raw/one.csv", "raw/b[1].csv", "single/only.csv"):
        put_file(context, STORE, path, io.BytesIO(b"a\n1\n"), overwrite=True)


def given(agent: Agent) -> dict[str, dict[str, Any]]:
    """The inputs of the one step that waits, by name."""
    (work,) = agent.say()["work"]
    return {each["name"]: each for each in work["spec"]["inputs"]}


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        (["raw/one.csv"], "one.csv"),
        (["/raw//one.csv"], "one.csv"),
        (["raw/b[1].csv"], "b[1].csv"),
        (["single"], None),
        (["single/"], None),
        (["single/*.csv"], None),
        (["single/only.csv", "raw/one.csv"], None),
        (["raw"], None),
    ],
)
def test_a_dataset_of_one_file_is_that_file(context: Any, agent: Agent, sources: list[str], name: str | None) -> None:
    definition = {"sources": [{"datastore": STORE, "path": path} for path in sources]}
    version = dataset_versions.save(context, None, kind="file", definition=definition)
    made = ("mount", "download")
    inputs = [{"name": mode, "from": {"dataset": str(version.pk)}, "mode": mode} for mode in made]
    submit_chain(context, "a", step={"inputs": inputs})
    for each in given(agent).values():
        assert (each["is_file"], each["file_name"]) == (name is not None, name)
        assert bool(each["direct"]) == (name is not None)


@pytest.mark.parametrize(
    ("path", "name"), [("raw/one.csv", "one.csv"), ("/raw//one.csv/", "one.csv"), ("single", None)]
)
def test_a_path_of_one_file_is_that_file(context: Any, agent: Agent, path: str, name: str | None) -> None:
    graph = graph_of(
        context,
        "a",
        inputs=[
            {"name": "reference", "from": {"datastore": STORE, "path": path}},
            {"name": "chosen", "from": {"parameter": "p"}},
        ],
    )
    graph["parameters"] = [{"name": "p", "type": "data_path", "default": {"datastore": STORE, "path": path}}]
    run = submit.submit_run(context, experiment="exp", graph=graph)
    assert run.parameters["p"]["path"] == path.strip("/").replace("//", "/")
    for each in given(agent).values():
        assert (each["is_file"], each["file_name"]) == (name is not None, name)


def test_a_path_to_copy_with_nothing_at_it_is_told_at_submit(context: Any) -> None:
    graph = graph_of(context, "a", inputs=[{"name": "chosen", "from": {"parameter": "p"}, "mode": "download"}])
    graph["parameters"] = [{"name": "p", "type": "data_path", "default": f"{STORE}/raw"}]
    for value, words in (
        (f"{STORE}/gone", f"The input 'chosen' reads 'gone' on datastore '{STORE}', where there is nothing."),
        ("nowhere/raw", "There is no datastore 'nowhere'."),
        (f"{STORE}/../x", "a path on a datastore, without '..'"),
    ):
        with pytest.raises(Unprocessable, match=words.replace(".", r"\.")):
            submit.submit_run(context, experiment="exp", graph=graph, parameters={"p": value})
    assert submit.submit_run(context, experiment="exp", graph=graph).parameters["p"]["path"] == "raw"


def test_a_path_with_nothing_at_it_is_mounted_as_nothing(context: Any, agent: Agent) -> None:
    graph = graph_of(
        context,
        "a",
        inputs=[
            {"name": "reference", "from": {"datastore": STORE, "path": "gone"}},
            {"name": "chosen", "from": {"parameter": "p"}},
        ],
    )
    graph["parameters"] = [{"name": "p", "type": "data_path", "default": f"{STORE}/raw"}]
    submit.submit_run(context, experiment="exp", graph=graph, parameters={"p": f"{STORE}/gone/too"})
    for each in given(agent).values():
        assert (each["is_file"], each["direct"], each["files"]) == (False, None, [])
    with pytest.raises(Unprocessable, match="There is no datastore 'nowhere'"):
        submit.submit_run(context, experiment="exp", graph=graph, parameters={"p": "nowhere/gone"})


def test_a_path_from_a_parameter_is_known_by_what_lies_there(context: Any, agent: Agent) -> None:
    graph = graph_of(context, "a", inputs=[{"name": "chosen", "from": {"parameter": "p"}}])
    graph["parameters"] = [{"name": "p", "type": "data_path", "default": f"{STORE}/later"}]
    for number, fresh in enumerate((True, False, True)):
        if number == 2:
            put_file(context, STORE, "later/one.csv", io.BytesIO(b"a\n1\n"), overwrite=False)
        run = submit.submit_run(context, experiment="exp", graph=graph)
        work = agent.say()["work"]
        assert bool(work) is fresh, number
        for each in work:
            agent.finish(each)
        assert states(run) == {"a": "Completed"}


def test_what_reads_a_file_of_this_second_runs_and_is_no_source(context: Any, agent: Agent) -> None:
    """It may be written once more in the same second, with the same size, and would look the same."""
    root = root_by_name(context.workspace, STORE)
    graph = graph_of(context, "a", inputs=[{"name": "in", "from": {"datastore": STORE, "path": "raw/one.csv"}}])

    def runs(data: bytes, age: int) -> bool:
        put_file(context, STORE, "raw/one.csv", io.BytesIO(data), overwrite=True)
        moment = written - age
        os.utime(root.full("raw/one.csv"), (moment, moment))
        run = submit.submit_run(context, experiment="exp", graph=graph)
        work = agent.say()["work"]
        for each in work:
            agent.finish(each)
        (step,) = run.children.select_related("step")
        if age < 0:
            assert step.step.reuse_explanation["code"] == "unhashable", step.step.reuse_explanation
        return bool(work)

    written = int(time.time())
    assert runs(b"a\n1\n", -60) and runs(b"a\n2\n", -60), "by a clock that is ahead"
    assert runs(b"a\n2\n", 60) and not runs(b"a\n2\n", 60), "known once its second is over"


def test_an_output_on_a_store_that_is_away_is_waited_for(context: Any, agent: Agent, settings: Any) -> None:
    """It may be as it was: the step is tried again, and is not told that its input was touched."""
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    options = {"bucket": "b", "endpoint": f"http://127.0.0.1:{free_port()}", "path_style": "true"}
    keys = {"access_key_id": "a", "secret_access_key": "b"}
    registration.register(context, "away", "s3", options, keys, validate=False)
    graph = graph_of(context, "a -> b")
    graph["steps"][0]["outputs"] = [{"name": "made"}]
    graph["steps"][1]["inputs"] = [{"name": "made", "from": {"step": "a", "output": "made"}, "mode": "download"}]
    run = submit.submit_run(context, experiment="exp", graph=graph)
    (work,) = agent.say()["work"]
    transfers.put(Attempt.objects.get(pk=work["attempt"]), "output", "made/m.txt", io.BytesIO(b"made"), None)
    file = {"path": "m.txt", "size": 4, "digest": hashlib.sha256(b"made").hexdigest()}
    ended = {"attempt": work["attempt"], "epoch": work["epoch"], "event": "finished", "exit_code": 0, "artifacts": []}
    agent.say({**ended, "outputs": [{"name": "made", "is_directory": True, "files": [file]}]}, want=0)
    Output.objects.filter(run__root=run).update(datastore="away")
    agent.say()
    reader = Attempt.objects.filter(run__root=run, run__step__node_id="b").order_by("number")[0]
    assert (reader.status, reader.cause) == ("failed", "store_away"), reader.message


def test_a_destination_is_kept_as_it_is_listed(context: Any, agent: Agent) -> None:
    output = {"name": "out", "kind": "file_dataset", "destination": "//kept//here/"}
    run = submit_chain(context, "a", step={"outputs": [output]})
    assert run.graph["steps"][0]["outputs"][0]["destination"] == "kept/here"
    with pytest.raises(Unprocessable, match="leads out of the datastore") as refused:
        submit_chain(context, "a", step={"outputs": [{**output, "destination": "../x"}]})
    assert refused.value.code == "bad_path"


def test_the_spec_names_the_key_that_a_path_means(context: Any, agent: Agent) -> None:
    submit_chain(context, "a")
    (work,) = agent.say()["work"]
    from runs.models import Attempt

    attempt = Attempt.objects.select_related("run__root", "run__workspace", "run__step").get(pk=work["attempt"])
    found = SpecOf(attempt)._place(InputSpec("raw"), STORE, "raw/./one.csv")
    assert found.is_file and (found.direct or "").endswith("/raw/one.csv")


def test_a_step_goes_where_most_of_its_inputs_is_in_the_cache(context: Any, agent: Agent) -> None:
    """By the names that the studio gives in specs: of a dataset, of a path, of one that a parameter chooses, of an output."""
    definition = {"sources": [{"datastore": STORE, "path": "raw"}]}
    version = dataset_versions.save(context, None, kind="file", definition=definition)
    inputs = [
        {"name": "set", "from": {"dataset": str(version.pk)}, "mode": "download"},
        {"name": "place", "from": {"datastore": STORE, "path": "single"}, "mode": "download"},
        {"name": "chosen", "from": {"parameter": "p"}, "mode": "download"},
    ]
    graph = graph_of(context, "a -> b")
    graph["steps"][0] |= {"inputs": inputs, "outputs": [{"name": "made"}], "allow_reuse": False}
    graph["steps"][1]["inputs"] = [{"name": "made", "from": {"step": "a", "output": "made"}, "mode": "download"}]
    graph["parameters"] = [{"name": "p", "type": "data_path", "default": f"{STORE}/raw/one.csv"}]
    submit.submit_run(context, experiment="exp", graph=graph)
    (work,) = agent.say()["work"]
    sources = {each["name"]: each["source"] for each in work["spec"]["inputs"]}
    assert len(set(sources.values())) == 3
    transfers.put(Attempt.objects.get(pk=work["attempt"]), "output", "made/m.txt", io.BytesIO(b"made"), None)
    file = {"path": "m.txt", "size": 4, "digest": hashlib.sha256(b"made").hexdigest()}
    (next_work,) = agent.finish(work, outputs=[{"name": "made", "is_directory": True, "files": [file]}])["work"]
    sources["made"] = next_work["spec"]["inputs"][0]["source"]

    others = [Agent("beta").host, Agent("gamma").host]
    Host.objects.update(cores=4)
    Host.objects.filter(pk=others[0].pk).update(cached_inputs={sources["set"]: 5, sources["made"]: 1})
    Host.objects.filter(pk=others[1].pk).update(
        cached_inputs={sources["place"]: 3, sources["chosen"]: 3, "f" * 16: 10**9}
    )
    again = submit.submit_run(context, experiment="exp", graph=graph)
    chosen = Attempt.objects.get(run__root=again, run__step__node_id="a")
    assert chosen.host == others[1], "six bytes are more than five"
    queue = list(Attempt.objects.filter(pk=next_work["attempt"]))
    with transaction.atomic():
        state = cluster_state.read(ComputeTarget.objects.select_related("workspace"), lock=True)
        assert affinity.of(queue, state)[queue[0].pk].cached == {others[0].pk: 1}
    Host.objects.update(cached_inputs={})
    with transaction.atomic(), CaptureQueriesContext(connection) as asked:
        state = cluster_state.read(ComputeTarget.objects.select_related("workspace"), lock=True)
        before = len(asked)
        affinity.of(queue, state)
        assert len(asked) - before <= 5, "nothing more is asked where no host tells of any"
