"""The page's socket and the topics of runs; and the doors under load, with the limits of the whole application."""

from __future__ import annotations

import base64
import io
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from compute.models import ComputeTarget
from core import outbox_publisher, spools
from core.clock import iso
from core.errors import Conflict
from datasets.services import versions as dataset_versions
from datasets.services.datastores import put_file
from runs.models import Attempt, MetricPoint, Run
from runs.services.agent_reports import spool
from runs.services.maintenance import delete_run
from runs.services.orchestration import cancel
from runs.services.results import logs
from runs.services.submission import run_metadata, submit
from tests.socket import Page
from workspaces.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def attempt(scenario):
    return scenario.attempt(scenario.step(scenario.pipeline(), "train"))


async def test_a_page_that_comes_late_gets_what_it_missed_and_then_what_happens(scenario, attempt):
    await sync_to_async(logs.append)(attempt, 0, b"one\n")
    page = await sync_to_async(Page.of)(scenario.owner)
    assert await page.connect()
    first = await page.say({"subscribe": [{"topic": f"log:{attempt.pk}", "offset": 1}]})
    assert (first["offset"], base64.b64decode(first["text"]), first["final"]) == (1, b"ne\n", False)
    await sync_to_async(logs.append)(attempt, 4, b"two\n")
    following = await page.hear()
    assert (following["offset"], base64.b64decode(following["text"])) == (4, b"two\n")
    await page.close()


async def test_metrics_and_changes_of_a_run_reach_its_page(scenario, attempt):
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    root = attempt.run.root_id
    await page.send_text(
        f'{{"subscribe": [{{"topic": "metrics:{attempt.run_id}"}}, {{"topic": "run:{root}", "version": 0}}]}}'
    )
    await page.say({"ping": 1})
    line = b'{"op":"metric","name":"loss","value":0.5}\n'
    await sync_to_async(spool.ingest)(attempt, 0, line)
    frame = await page.hear()
    at = iso(await sync_to_async(lambda: attempt.run.metric_points.get().at)())
    assert frame["points"] == [{"name": "loss", "kind": "scalar", "index": 0, "value": 0.5, "at": at}]
    await sync_to_async(run_metadata.change)(scenario.context, attempt.run.root, tags={"a": "b"})
    await sync_to_async(outbox_publisher.deliver)()
    changed = await page.hear()
    assert (changed["topic"], changed["version"]) == (f"run:{root}", 1)
    assert changed["changes"] == [{"run": str(root), "facts": {"tags": {"a": "b"}}}]
    await page.close()


async def test_pages_of_uses_hear_of_what_they_show_alone(scenario):
    def version(name):
        put_file(scenario.context, "workspaceblobstore", f"{name}.csv", io.BytesIO(b"a\n1\n"), overwrite=True)
        sources = [{"datastore": "workspaceblobstore", "path": f"{name}.csv"}]
        return str(dataset_versions.save(scenario.context, name, kind="file", definition={"sources": sources}).pk)

    used, unused = await sync_to_async(version)("used"), await sync_to_async(version)("unused")
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    topics = [f"uses:lab:{key}" for key in (used, unused, scenario.cluster.pk)]
    assert await page.say({"subscribe": topics, "ping": 1}) == {"pong": 1}
    await page.say({"ping": 1})
    graph = await sync_to_async(scenario.graph)()
    graph["steps"][0]["inputs"] = [{"name": "data", "from": {"dataset": used}, "mode": "direct"}]
    run = await sync_to_async(submit.submit_run)(scenario.context, experiment="e", graph=graph)
    assert {(await page.hear())["topic"] for _ in range(2)} == {topics[0], topics[2]}
    await sync_to_async(run_metadata.change)(scenario.context, run, tags={"a": "b"})  # which no list shows
    await sync_to_async(run_metadata.change)(scenario.context, run, display_name="renamed")
    assert {(await page.hear())["topic"] for _ in range(2)} == {topics[0], topics[2]}
    step = await sync_to_async(scenario.step)(run, "train")
    await sync_to_async(run_metadata.change)(scenario.context, step, properties={"duto.read.unused:1": unused})
    assert (await page.hear())["topic"] == topics[1]
    await sync_to_async(Run.objects.filter(root=run).update)(status="Canceled")
    await sync_to_async(delete_run.delete)(scenario.context, await sync_to_async(Run.objects.get)(pk=run.pk))
    assert {(await page.hear())["topic"] for _ in range(3)} == set(topics)
    assert await page.receive_nothing(timeout=0.1)
    await page.close()


async def test_the_list_of_who_holds_a_cluster_hears_of_that_cluster_alone(scenario):
    other = await sync_to_async(ComputeTarget.objects.create)(
        workspace=scenario.workspace, name="other", vm_size="STANDARD_DS1_V2", cores=1, memory=1 << 30
    )
    page = await sync_to_async(Page.of)(scenario.owner)
    await page.connect()
    topics = [f"holds:lab:{scenario.cluster.pk}", f"holds:lab:{other.pk}"]
    assert await page.say({"subscribe": topics, "ping": 1}) == {"pong": 1}
    await page.say({"ping": 1})
    run = await sync_to_async(submit.submit_run)(
        scenario.context, experiment="e", graph=await sync_to_async(scenario.graph)()
    )
    assert (await page.hear())["topic"] == topics[0]  # its first step got a node
    await sync_to_async(outbox_publisher.deliver)()
    assert (await page.hear())["topic"] == topics[0]  # and had come to wait for it before
    await sync_to_async(run_metadata.change)(scenario.context, run, tags={"a": "b"})  # which the list does not show
    await sync_to_async(outbox_publisher.deliver)()
    assert await page.receive_nothing(timeout=0.1)
    await sync_to_async(cancel.cancel_run)(scenario.context, run)
    await sync_to_async(outbox_publisher.deliver)()
    assert (await page.hear())["topic"] == topics[0]
    assert await page.receive_nothing(timeout=0.1)
    await page.close()


async def test_a_stranger_watches_nothing(scenario, attempt):
    mallory = await sync_to_async(User.objects.create_user)("mallory")
    page = await sync_to_async(Page.of)(mallory)
    await page.connect()
    for topic in (
        f"log:{attempt.pk}",
        f"run:{attempt.run.root_id}",
        f"metrics:{attempt.run_id}",
        "log:nonsense",
        "run:",
    ):
        assert (await page.say({"subscribe": [{"topic": topic}]}))["error"]["topic"] == topic
    await page.close()


def together(*actions: Any) -> list[Any]:
    """Run actions at once, each with a connection of its own; what they gave or raised."""
    results: list[Any] = [None] * len(actions)
    barrier = threading.Barrier(len(actions))

    def work(place: int) -> None:
        barrier.wait()
        try:
            results[place] = actions[place]()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def fresh(attempt: Attempt) -> Attempt:
    return Attempt.objects.select_related("run").get(pk=attempt.pk)


def test_of_two_who_bring_the_same_bytes_at_once_one_is_told_the_size(scenario, attempt):
    for turn in range(5):
        copies = [fresh(attempt), fresh(attempt)]
        results = together(*(lambda copy=copy: logs.append(copy, copy.log_size, b"line\n") for copy in copies))
        refused = [each for each in results if isinstance(each, Conflict)]
        assert len(refused) == 1 and refused[0].facts["size"] == 5 * (turn + 1)
    assert spools.place(str(attempt.pk)).read_bytes() == b"line\n" * 5


def test_of_two_who_bring_the_same_lines_at_once_one_writes_them(scenario, attempt):
    data = b'{"op":"metric","name":"a","value":1}\n{"op":"tag","key":"k","value":"v"}\n'
    copies = [fresh(attempt), fresh(attempt), fresh(attempt)]
    results = together(*(lambda copy=copy: spool.ingest(copy, 0, data) for copy in copies))
    assert sorted(type(each).__name__ for each in results) == ["Conflict", "Conflict", "int"]
    assert MetricPoint.objects.count() == 1


def test_two_steps_may_log_to_their_parent_at_once(scenario, attempt):
    other = scenario.attempt(scenario.step(attempt.run.root, "prepare"))
    root = attempt.run.root_id
    line = f'{{"run":"{root}","op":"metric","name":"best","value":1}}\n'.encode()

    def log_to_parent(mine: Attempt) -> None:
        for _ in range(10):
            mine = fresh(mine)
            spool.ingest(mine, mine.spool_size, line)

    assert together(lambda: log_to_parent(attempt), lambda: log_to_parent(other)) == [None, None]
    assert sorted(MetricPoint.objects.values_list("index", flat=True)) == list(range(20))


def test_a_chunk_of_log_that_is_too_large_is_refused_with_words(scenario, attempt):
    answer = scenario.bring(attempt, "log?offset=0", b"x" * (8 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
