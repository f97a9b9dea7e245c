"""Outputs that link a dataset: it stands in their place for the steps that read them, for reuse and for REST."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest

from core.errors import Unprocessable
from datasets.models import DatasetVersion
from datasets.services import versions
from datasets.services.datastores import put_file
from runs import input_sources
from runs.models import Attempt, DataUse, Output, Run
from runs.services.results import transfers
from runs.services.submission import submit
from tests.runs.exchange import Agent, agent, cluster, context, graph_of
from workspaces.services.workspaces import create_workspace

__all__ = ["agent", "cluster", "context"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
STORE = "workspaceblobstore"


def dataset(context: Any, name: str | None = "given", kind: str = "file", data: bytes = b"n\n1\n2\n") -> DatasetVersion:
    put_file(context, STORE, "given/t.csv", io.BytesIO(data), overwrite=True)
    definition: dict[str, Any] = {"sources": [{"datastore": STORE, "path": "given/**"}]}
    return versions.save(context, name, kind, definition)


def submitted(context: Any, kind: str = "file_link", **output: Any) -> Run:
    """A run whose step `a` links, and whose step `b` reads what it linked."""
    graph = graph_of(context, "a -> b")
    graph["steps"][0] |= {"outputs": [{"name": "out", "kind": kind, "mode": "upload", **output}]}
    mode = "direct" if kind == "tabular_link" else "download"
    graph["steps"][1]["inputs"] = [{"name": "in", "from": {"step": "a", "output": "out"}, "mode": mode}]
    return submit.submit_run(context, experiment="exp", graph=graph)


def end(agent: Agent, work: dict[str, Any], content: bytes) -> dict[str, Any]:
    """End the linking step with a file of this content; what the agent is answered."""
    file = {"path": "out", "size": len(content), "digest": hashlib.sha256(content).hexdigest()}
    transfers.put(Attempt.objects.get(pk=work["attempt"]), "output", "out", io.BytesIO(content), None)
    return agent.finish(work, outputs=[{"name": "out", "files": [file]}])


def link(agent: Agent, version: object) -> dict[str, Any]:
    """End the linking step with a link; the work that comes next."""
    (work,) = agent.say()["work"]
    (next_work,) = end(agent, work, json.dumps({"dataset": str(version)}).encode())["work"]
    return next_work


def test_steps_read_the_dataset_in_place_of_the_output(context: Any, cluster: Any, agent: Agent) -> None:
    version = dataset(context)
    run = submitted(context)
    work = link(agent, version.pk)
    (given,) = work["spec"]["inputs"]
    assert [each["path"] for each in given["files"]] == ["t.csv"] and given["source"] == input_sources.of_dataset(
        version.pk
    )
    row = Output.objects.get(run__root=run)
    assert (row.linked_version_id, row.dataset_version_id) == (version.pk, None)
    assert list(DataUse.objects.filter(root=run).values_list("dataset_version_id", flat=True)) == [version.pk]


def test_rows_are_given_as_an_object(context: Any, cluster: Any, agent: Agent) -> None:
    version = dataset(context, None, "tabular")
    submitted(context, "tabular_link")
    (given,) = link(agent, version.pk)["spec"]["inputs"]
    assert (given["kind"], given["mode"], given["dataset"]) == ("dataset", "direct", str(version.pk))


def test_a_reader_is_reused_until_the_linked_data_change(context: Any, cluster: Any, agent: Agent) -> None:
    version = dataset(context)
    submitted(context)
    agent.finish(link(agent, version.pk))
    again = submitted(context)
    assert {run.step.reused_from_id is not None for run in again.children.select_related("step")} == {True}
    dataset(context, data=b"n\n1\n2\n3\n")
    changed = submitted(context)
    reused = {run.step.node_id: run.step.reused_from_id is not None for run in changed.children.select_related("step")}
    assert reused == {"a": True, "b": False}, "the link is the same, what it leads to is not"


def test_a_linked_output_is_registered_with_the_definition_of_its_dataset(
    context: Any, cluster: Any, agent: Agent
) -> None:
    version = dataset(context, kind="tabular")
    submitted(context, "tabular_link", register={"name": "mine", "tags": {"a": "b"}})
    agent.finish(link(agent, version.pk))
    made = versions.find_version(context.workspace, "mine")
    assert (made.definition, made.kind, made.tags) == (version.definition, "tabular", {"a": "b"})
    assert Output.objects.get().dataset_version_id == made.pk
    versions.save(
        context, "mine", "tabular", {"sources": [{"datastore": STORE, "path": "given/t.csv"}]}, create_new_version=True
    )
    submitted(context, "tabular_link", register={"name": "mine", "tags": {"a": "b"}})
    assert versions.find_version(context.workspace, "mine").definition == version.definition, (
        "a reused step registers again"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"anything", "run.output_datasets['out'].link(dataset)"),
        (b'{"dataset": "00000000-0000-0000-0000-000000000000"}', "names no dataset of this workspace"),
        (b"{}" + b" " * 2000, "names no dataset"),
        (b"[" * 1024, "names no dataset"),
        ("tabular", "kind tabular, and was declared for one of kind file"),
    ],
)
def test_what_is_no_link_fails_the_step_and_says_why(
    context: Any, cluster: Any, agent: Agent, content: Any, says: str
) -> None:
    run = submitted(context)
    (work,) = agent.say()["work"]
    if content == "tabular":
        content = json.dumps({"dataset": str(dataset(context, None, "tabular").pk)}).encode()
    end(agent, work, content)
    attempt = Attempt.objects.get(run__root=run)
    assert (attempt.status, attempt.said["code"]) == ("failed", "bad_link") and says in attempt.message
    assert not Output.objects.exists()


def test_a_dataset_that_is_not_ready_is_none(context: Any, cluster: Any, agent: Agent) -> None:
    version = dataset(context)
    DatasetVersion.objects.filter(pk=version.pk).update(status="fetching", file_count=None)
    run = submitted(context, register={"name": "mine"})
    (work,) = agent.say()["work"]
    end(agent, work, json.dumps({"dataset": str(version.pk)}).encode())
    attempt = Attempt.objects.get(run__root=run)
    assert (attempt.status, attempt.said["code"]) == ("failed", "still_fetching"), attempt.message
    assert "is still being fetched" in attempt.message
    assert not Output.objects.exists()


def test_a_dataset_of_another_workspace_is_none(context: Any, cluster: Any, agent: Agent) -> None:
    other = dataset(create_workspace(context.user, "other"))
    run = submitted(context)
    (work,) = agent.say()["work"]
    end(agent, work, json.dumps({"dataset": str(other.pk)}).encode())
    assert Attempt.objects.get(run__root=run).said["code"] == "bad_link"


def test_a_link_takes_no_place_of_its_own(context: Any) -> None:
    with pytest.raises(Unprocessable, match="holds no files"):
        submitted(context, destination="there")
