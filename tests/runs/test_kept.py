"""A step is a source for reuse only while its output is what it wrote."""

from __future__ import annotations

import hashlib
import io
import os
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from core.errors import Conflict, NotFound
from core.storage import data_dir
from datasets import stores
from datasets.services import datastores
from datasets.services import files as dataset_files
from datasets.services import versions as dataset_versions
from runs import stored_messages
from runs.models import Output, Run
from runs.queries import files as reading
from runs.services.maintenance import delete_run
from runs.services.results import output_check
from runs.services.submission import submit
from runs.services.submission.resume_preview import preview
from tests.runs.exchange import agent, cluster, context, graph_of, states
from workspaces.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
__all__ = ["agent", "cluster", "context"]  # fixtures

STORE = "workspaceblobstore"


def graph(context, value: Any = 1, destination: str | None = "fixed/place", reader: bool = True) -> dict[str, Any]:
    """A step that writes the output `o`, and one that reads it."""
    made = graph_of(context, "write -> read" if reader else "write")
    kind = {"kind": "file_dataset", "destination": destination} if destination else {"kind": "pipeline_data"}
    made["steps"][0].update(arguments=[str(value)], outputs=[{"name": "o", **kind}])
    if reader:
        made["steps"][1].update(inputs=[{"name": "i", "from": {"step": "write", "output": "o"}}], allow_reuse=False)
    return made


class Bench:
    """Submits runs and plays their steps: what `write` writes is the value that it was given."""

    def __init__(self, context, agent) -> None:
        self.context, self.agent = context, agent
        self.work: list[dict[str, Any]] = []

    def submit(self, value: Any = 1, **more: Any) -> Run:
        run = submit.submit_run(self.context, experiment="exp", graph=graph(self.context, value, **more))
        self.work = self.agent.say()["work"]
        return run

    def write(self, **files: str) -> dict[str, Any]:
        """End the step `write` with these files, or with its value in `f.txt`."""
        work = next(each for each in self.work if each["spec"]["step"] == "write")
        files = files or {"f.txt": f"value {work['spec']['arguments'][0]}"}
        at = f"agent/attempts/{work['attempt']}-{work['epoch']}"
        listed = []
        for name, text in files.items():
            place = data_dir() / at / "outputs/o" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            listed.append({"path": name, "size": len(text), "digest": hashlib.sha256(text.encode()).hexdigest()})
        found = [{"name": "o", "is_directory": True, "files": listed, "missing": False}]
        answer = self.agent.finish(work, left_at=at, outputs=found)
        self.work = answer["work"]
        return answer

    def read(self) -> list[tuple[str, str]]:
        """End the step `read`; what its spec gives it to read: paths and bytes."""
        work = next(each for each in self.work if each["spec"]["step"] == "read")
        self.work = self.agent.finish(work)["work"]
        (given,) = work["spec"]["inputs"]
        return [(each["path"], (data_dir() / given["direct"] / each["path"]).read_text()) for each in given["files"]]

    def ran(self, value: Any = 1, **more: Any) -> Run:
        """A run of which both steps ran."""
        run = self.submit(value, **more)
        self.write()
        self.read()
        return run


@pytest.fixture
def bench(context, cluster, agent) -> Bench:
    return Bench(context, agent)


def explanation(run: Run, node: str = "write") -> dict[str, Any]:
    return Run.objects.select_related("step").get(parent=run, step__node_id=node).step.reuse_explanation


def store(context):
    return stores.root_by_name(context.workspace, STORE)


def place(run: Run) -> str:
    return Output.objects.get(run__root=run).path


def test_three_runs_with_one_destination_each_read_their_own_value(bench):
    first = bench.ran(1)
    bench.ran(2)
    third = bench.submit(1)
    assert states(third)["write"] == "Preparing"
    said = explanation(third)
    assert (said["reused"], said["code"]) == (False, "output_changed")
    assert said["text"] == (
        f"Not reused: of the output `o` of run #{first.number} the file `f.txt` was overwritten since."
    )
    assert said["compared_with"]["root"] == str(first.pk)
    assert said["compared_with"]["output"] == {"name": "o", "path": "f.txt", "change": "changed"}
    assert stored_messages.localized(said) == said["text"]
    page = in_portuguese(third, "write", "why")
    assert f"da execução #{first.number}" in page and "foi substituído entretanto" in page
    assert "was overwritten" not in page
    bench.write()
    assert bench.read() == [("f.txt", "value 1")]


def in_portuguese(run: Run, step: str, tab: str) -> str:
    """A tab of the run's page as a Portuguese reader has it."""
    person = Client()
    person.force_login(User.objects.get())
    address = f"/w/lab/runs/{run.pk}/?step={step}&tab={tab}"
    return unescape(person.get(address, headers={"Accept-Language": "pt-PT"}).content.decode())


def test_an_output_that_was_written_with_the_time_and_size_of_another_is_still_another(bench, context):
    """A script may set the time of its files back, as an unpacked archive does."""
    run = bench.ran(1)
    path = store(context).local / place(run) / "f.txt"
    before = path.stat()
    path.with_name("new").write_text("value 2")
    path.with_name("new").replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert explanation(bench.submit(1))["code"] == "output_changed"


@pytest.mark.parametrize("destination", ["fixed/place", "own/{run-id}", None])
@pytest.mark.parametrize("whole", [True, False])
def test_a_deleted_output_heals_itself_with_the_next_submit(bench, context, destination, whole):
    first = bench.ran(7, destination=destination)
    datastores.delete_file(context, STORE, place(first) + ("" if whole else "/f.txt"))
    again = bench.submit(7, destination=destination)
    said = explanation(again)
    assert said["code"] == "output_gone" and "is no longer there" in said["text"]
    with translation.override("pt-pt"):
        assert "já não existe" in stored_messages.localized(said) and "no longer" not in stored_messages.localized(said)
    bench.write()
    assert bench.read() == [("f.txt", "value 7")]
    third = bench.submit(7, destination=destination)
    assert explanation(third)["reused"] is True
    assert bench.read() == [("f.txt", "value 7")]


def test_the_same_bytes_at_another_time_are_the_same_output(bench, context, django_assert_num_queries):
    run = bench.ran(1)
    root, path = store(context), place(run) + "/f.txt"
    (root.local / path).unlink()
    root.write(path, io.BytesIO(b"value 1"))
    second = bench.submit(1)
    assert explanation(second)["reused"] is True
    bench.read()
    row = Output.objects.get(run__root=run)
    assert row.files[0]["tag"] == root.state(path)[1], "the bytes would be read again each time"
    with django_assert_num_queries(0):
        assert output_check.OutputCheck(bytes_left=0).change_of(row, root) is None


def test_an_upload_over_an_output_is_seen_and_one_of_the_same_bytes_is_none(bench, context):
    run = bench.ran(1)
    key = place(run) + "/f.txt"
    before = store(context).state(key)
    datastores.put_file(context, STORE, key, io.BytesIO(b"value 1"), overwrite=True)
    assert store(context).state(key) == before
    datastores.put_file(context, STORE, key, io.BytesIO(b"value 9"), overwrite=True)
    assert explanation(bench.submit(1))["code"] == "output_changed"


def test_a_file_more_is_a_change_in_a_folder_of_ones_own_and_none_in_a_shared_one(bench, context):
    own = bench.ran(1, destination=None)
    shared = bench.ran(1)
    for run in (own, shared):
        store(context).write(place(run) + "/more/g.txt", io.BytesIO(b"x"))
    said = explanation(bench.submit(1, destination=None))
    assert "to the output `o`" in said["text"] and "`more/g.txt` was added" in said["text"]
    bench.write()
    bench.read()
    assert explanation(bench.submit(1))["reused"] is True
    assert bench.read() == [("f.txt", "value 1")]


def test_what_is_too_large_to_be_compared_runs_again(bench, context, monkeypatch):
    run = bench.ran(1)
    path = store(context).local / place(run) / "f.txt"
    os.utime(path)
    monkeypatch.setattr(output_check, "MOST_BYTES", 3)
    monkeypatch.setattr(output_check.OutputCheck, "__init__", lambda self: vars(self).update(bytes_left=3, _seen=[]))
    assert "too large to be compared" in explanation(bench.submit(1))["text"]


def test_a_reader_whose_input_was_overwritten_meanwhile_fails_in_words(bench):
    """Two runs at once that write to one place: the one that is read from no longer has its own."""
    one = bench.submit(1)
    bench.write()
    reading_step = bench.work
    two = bench.submit(2)
    bench.write()
    assert bench.read() == [("f.txt", "value 2")]
    assert states(two)["read"] == "Completed"
    # Its lease was lost on the way, so its spec is made once more.
    from runs.models import Attempt

    late = Attempt.objects.filter(pk=reading_step[0]["attempt"])
    late.update(leased_at=late.get().leased_at.replace(year=2020))
    bench.agent.held.clear()
    assert bench.agent.say()["work"] == []
    failed = Run.objects.get(root=one, step__node_id="read")
    assert failed.status == "Failed" and failed.error["cause"] == "data_missing"
    assert "`f.txt` was overwritten since" in failed.error["message"]
    assert "{run-id}" in failed.error["message"]
    for tab in ("why", "logs"):
        page = in_portuguese(one, "read", tab)
        assert "A entrada `i` não pode ser lida: da saída `o`" in page and "overwrite" not in page, tab
    bench.submit(1)
    bench.write()
    assert bench.read() == [("f.txt", "value 1")]


def test_a_resumed_run_adopts_only_what_is_still_there(bench, context):
    run = bench.submit(1)
    bench.write()
    (work,) = bench.work
    bench.agent.finish(work, exit_code=1, cause="user_error", message="no")
    store(context).write(place(run) + "/f.txt", io.BytesIO(b"value 8"))
    run.refresh_from_db()
    line = preview(run).lines[0]
    assert line.outcome == "runs" and "was overwritten since" in line.text
    again = submit.submit_run(context, experiment="exp", graph=run.graph, resumed_from=run)
    said = explanation(again)
    assert (said["code"], said["text"][:14]) == ("output_changed", "It runs again:")
    with translation.override("pt-pt"):
        assert "o ficheiro `f.txt` foi" in stored_messages.localized(
            said
        ) and "overwritten" not in stored_messages.localized(said)


def test_data_that_went_before_the_step_began_are_told_in_the_readers_language(bench, context):
    """As the step comes to its start, and as an agent claims it."""
    datastores.put_file(context, STORE, "raw/a.csv", io.BytesIO(b"a"), overwrite=True)
    source = {"sources": [{"datastore": STORE, "path": "raw/a.csv"}]}
    version = dataset_versions.save(context, "raw", "file", source)

    def submitted(source: dict[str, Any]) -> Run:
        made = graph_of(context, "write -> read")
        made["steps"][0]["allow_reuse"] = False
        made["steps"][1].update(inputs=[{"name": "i", "from": source, "mode": "download"}], allow_reuse=False)
        run = submit.submit_run(context, experiment="exp", graph=made)
        bench.work += bench.agent.say()["work"]
        return run

    by_start = submitted({"dataset": str(version.pk)})
    by_claim = submitted({"datastore": STORE, "path": "raw/a.csv"})
    datastores.delete_file(context, STORE, "raw/a.csv")
    for work in bench.work:
        bench.agent.finish(work)
    bench.agent.say()
    for run, english, portuguese in (
        (
            by_start,
            "'raw/a.csv' on datastore 'workspaceblobstore' finds no file.",
            "'raw/a.csv' no armazenamento de dados",
        ),
        (by_claim, "There is nothing at 'raw/a.csv' on datastore 'workspaceblobstore'.", "Não há nada em 'raw/a.csv'"),
    ):
        error = Run.objects.get(root=run, step__node_id="read").error
        assert error["cause"] == "data_missing" and english in error["message"]
        page = in_portuguese(run, "read", "logs")
        assert portuguese in page and english not in page


def test_what_an_older_studio_or_an_agent_has_said_is_told_as_it_is():
    with translation.override("pt-pt"):
        assert stored_messages.error_text({"message": "It broke."}) == "It broke."
        kept_before = {"message": "No data.", "said": {"code": "missing_data", "facts": {"path": "a", "name": "b"}}}
        assert stored_messages.error_text(kept_before) == "No data."
        without = {"code": "output_changed", "text": "Not reused: the output was overwritten."}
        assert stored_messages.localized(without) == without["text"] and stored_messages.error_text(None) == ""


def test_the_dataset_of_a_reused_output_is_what_its_name_gives(bench, context):
    """Registered as A, B, and A again by reuse: the name gives A."""

    def submitted(value: int) -> Run:
        made = graph(context, value, "own/{run-id}", reader=False)
        made["steps"][0]["outputs"][0]["register"] = {"name": "made"}
        run = submit.submit_run(context, experiment="exp", graph=made)
        bench.work = bench.agent.say()["work"]
        return run

    for value in (1, 2):
        submitted(value)
        bench.write()
    assert dataset_versions.find_version(context.workspace, "made").version == 2
    for _ in range(2):
        third = submitted(1)
        assert explanation(third)["reused"] is True
        newest = dataset_versions.find_version(context.workspace, "made")
        assert [each.path for each in dataset_files.files_of(newest)] == ["f.txt"]
        (found,) = dataset_files.files_of(newest)
        assert store(context).read(found.key) == b"value 1"
    assert newest.version == 3, "what the name means already is not registered again"


def test_a_download_never_gives_what_another_run_wrote(bench, context):
    first = bench.ran(1)
    step = Run.objects.get(parent=first, step__node_id="write")
    source, size, name = reading.open_output(step, "o", "f.txt")
    with source:
        assert (source.read(), size, name) == (b"value 1", 7, "f.txt")
    bench.ran(2)
    with pytest.raises(Conflict, match="overwritten"):
        reading.open_output(step, "o", "f.txt")
    datastores.delete_file(context, STORE, place(first))
    with pytest.raises(NotFound, match="deleted"):
        reading.open_output(step, "o", "f.txt")


def test_deleting_a_run_leaves_what_another_has_written_over_it(bench, context):
    first, second = bench.ran(1), bench.ran(2)
    delete_run.delete(context, Run.objects.get(pk=first.pk))
    assert store(context).read(place(second) + "/f.txt") == b"value 2"
    third = bench.submit(2)
    assert explanation(third)["reused"] is True
    bench.read()
    delete_run.delete(context, Run.objects.get(pk=second.pk))
    assert not store(context).is_file("fixed/place/f.txt")


def test_reuse_with_an_output_costs_one_statement_more(bench, context):
    bench.ran(1)

    def cost(made: dict[str, Any]) -> int:
        with CaptureQueriesContext(connection) as seen:
            run = submit.submit_run(context, experiment="exp", graph=made)
        run.refresh_from_db()
        assert run.status == "Completed"
        return len(seen)

    with_output, without = graph(context, reader=False), graph_of(context, "plain")
    submit.submit_run(context, experiment="exp", graph=without)
    bench.agent.finish(bench.agent.say()["work"][0])
    cost(without), cost(with_output)  # what is built once a process
    # Its manifest; and once a run the datastore with its workspace.
    assert cost(with_output) == cost(without) + 1 + 2
