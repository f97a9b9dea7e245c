"""The log of an attempt: brought by offset, watched live, sealed at the end, read in windows."""

from __future__ import annotations

import asyncio
import base64
import dataclasses

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer

from core import spools
from core.frames import group_of
from core.storage import artifact_store
from runs.models import Artifact
from runs.services.results import logs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


@pytest.fixture
def attempt(scenario):
    return scenario.attempt(scenario.step(scenario.pipeline(), "train"))


def test_bytes_are_taken_where_the_stored_ones_end(scenario, attempt):
    assert scenario.bring(attempt, "log?offset=0", b"one\n").json() == {"size": 4}
    assert scenario.bring(attempt, "log?offset=4", b"two\n").json() == {"size": 8}
    assert spools.place(str(attempt.pk)).read_bytes() == b"one\ntwo\n"


def test_bytes_that_do_not_follow_are_refused_with_the_stored_size(scenario, attempt):
    scenario.bring(attempt, "log?offset=0", b"one\n")
    for offset in (0, 2, 9):
        answer = scenario.bring(attempt, f"log?offset={offset}", b"again\n")
        assert answer.status_code == 409
        assert answer.json()["error"] == {
            "code": "offset", "message": "The stored size is 4. Continue from there.", "facts": {"size": 4},
        }  # fmt: skip
    assert spools.place(str(attempt.pk)).read_bytes() == b"one\n"


def test_an_old_lease_another_host_and_no_key_bring_nothing(scenario, attempt):
    attempt.epoch = 2
    attempt.save()
    stale = scenario.bring(attempt, "log?offset=0", b"x", epoch=1)
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "stale_epoch")
    attempt.host = None
    attempt.save()
    assert scenario.bring(attempt, "log?offset=0", b"x", epoch=2).status_code == 404
    assert scenario.client.put(f"/agent/v1/attempts/{attempt.pk}/2/log?offset=0", b"x").status_code == 401


def test_an_attempt_that_is_over_takes_no_more(scenario, attempt):
    attempt.status = "completed"
    attempt.save()
    assert scenario.bring(attempt, "log?offset=0", b"late").json()["error"]["code"] == "stale_epoch"


@pytest.mark.parametrize("offset", ["", "-1", "x", "9" * 30])
def test_an_offset_that_is_none_is_said_so(scenario, attempt, offset):
    assert scenario.bring(attempt, f"log?offset={offset}", b"x").status_code == 400


def test_a_log_ends_at_its_cap(scenario, attempt, settings):
    settings.DUTO = dataclasses.replace(settings.DUTO, log_cap_bytes=1024)
    scenario.bring(attempt, "log?offset=0", b"x" * 1024)
    answer = scenario.bring(attempt, "log?offset=1024", b"y" * (logs.CAP_SLACK + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "log_cap")


async def test_watchers_get_the_bytes_and_then_the_end(scenario, attempt):
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(group_of(f"log:{attempt.pk}"), channel)
    await sync_to_async(logs.append)(attempt, 0, b"caf\xe9\n")
    frame = (await asyncio.wait_for(layer.receive(channel), 5))["frame"]
    assert (frame["offset"], frame["final"]) == (0, False)
    assert base64.b64decode(frame["text"]) == b"caf\xe9\n"
    await sync_to_async(logs.append)(attempt, 5, b"z" * (logs.FRAME_LIMIT + 1))
    large = (await asyncio.wait_for(layer.receive(channel), 5))["frame"]
    assert "text" not in large and large["size"] == 5 + logs.FRAME_LIMIT + 1
    await sync_to_async(logs.seal)(attempt)
    assert (await asyncio.wait_for(layer.receive(channel), 5))["frame"]["final"] is True


def test_a_sealed_log_is_an_artifact_and_reads_as_before(scenario, attempt):
    logs.append(attempt, 0, b"one\ntwo\n")
    logs.seal(attempt)
    logs.seal(attempt)
    assert not spools.place(str(attempt.pk)).exists()
    assert artifact_store(scenario.workspace.pk).read(f"logs/{attempt.pk}") == b"one\ntwo\n"
    answer = scenario.get(f"runs/{attempt.run_id}/log/", offset=4)
    assert (answer.content, answer["X-Log-Size"], answer["X-Log-Final"]) == (b"two\n", "8", "1")
    assert scenario.get(f"runs/{attempt.run_id}/artifacts/user_logs/std_log.txt").content == b"one\ntwo\n"


def test_the_log_of_an_earlier_attempt_steps_aside_and_is_kept(scenario, attempt):
    logs.append(attempt, 0, b"first\n")
    logs.seal(attempt)
    second = scenario.attempt(attempt.run, number=2)
    logs.append(second, 0, b"second\n")
    logs.seal(second)
    assert scenario.get(f"runs/{attempt.run_id}/artifacts/user_logs/std_log.txt").content == b"second\n"
    assert scenario.get(f"runs/{attempt.run_id}/artifacts/user_logs/attempt-1/std_log.txt").content == b"first\n"
    assert scenario.get(f"runs/{attempt.run_id}/log/", attempt=1).content == b"first\n"
    assert Artifact.objects.filter(run=attempt.run).count() == 2


def test_an_attempt_that_wrote_nothing_has_an_empty_log(scenario, attempt):
    logs.seal(attempt)
    answer = scenario.get(f"runs/{attempt.run_id}/log/")
    assert (answer.status_code, answer.content, answer["X-Log-Final"]) == (200, b"", "1")


def test_a_window_may_be_counted_from_the_end(scenario, attempt):
    logs.append(attempt, 0, b"0123456789")
    answer = scenario.get(f"runs/{attempt.run_id}/log/", offset=-4, limit=2)
    assert (answer.content, answer["X-Log-Offset"], answer["X-Log-Final"]) == (b"67", "6", "0")
    assert scenario.get(f"runs/{attempt.run_id}/log/", offset=99).content == b""
    assert scenario.get(f"runs/{attempt.run_id}/log/", limit=0).status_code == 400
    assert scenario.get(f"runs/{attempt.run_id}/log/", limit=1 << 40).status_code == 400


def test_a_log_that_is_no_utf8_and_no_text_is_sent_as_it_is_and_never_as_a_page(scenario, attempt):
    noise = b"\xff\xfe\x1b[31mred\x1b[0m <script>alert(1)</script>\n\0"
    logs.append(attempt, 0, noise)
    answer = scenario.get(f"runs/{attempt.run_id}/log/")
    assert answer.content == noise
    assert answer["Content-Type"].startswith("text/plain") and answer["X-Content-Type-Options"] == "nosniff"
    assert scenario.get(f"runs/{attempt.run_id}/log/search/", q="script").json()["matches"][0]["line"] == 1


def test_a_search_names_line_and_offset_whatever_the_case(scenario, attempt):
    logs.append(attempt, 0, b"Alpha\nbeta ALPHA alpha\n\ngamma\nalphabet")
    found = scenario.get(f"runs/{attempt.run_id}/log/search/", q="alpha").json()
    assert [(each["line"], each["offset"]) for each in found["matches"]] == [(1, 0), (2, 6), (5, 30)]
    assert found["next"] is None
    later = scenario.get(f"runs/{attempt.run_id}/log/search/", q="alpha", **{"from": 6}).json()
    assert [each["line"] for each in later["matches"]] == [2, 5]
    assert scenario.get(f"runs/{attempt.run_id}/log/search/", q="").status_code == 400


def test_a_search_goes_on_where_it_stopped_and_cuts_long_lines(scenario, attempt):
    lines = b"".join(b"line %d hit\n" % number for number in range(500)) + b"x" * 3_000_000 + b"hit\n"
    logs.append(attempt, 0, lines)
    seen, start = [], 0
    while start is not None:
        found = scenario.get(f"runs/{attempt.run_id}/log/search/", q="hit", **{"from": start}).json()
        seen += found["matches"]
        start = found["next"]
    assert [each["line"] for each in seen] == list(range(1, 502))
    assert all(len(each["text"]) <= 400 for each in seen)


def test_a_hundred_thousand_lines_arrive_byte_for_byte(scenario, attempt):
    data, offset = b"".join(b"%d: something happened\n" % number for number in range(100_000)), 0
    while offset < len(data):
        offset = scenario.bring(attempt, f"log?offset={offset}", data[offset : offset + 700_000]).json()["size"]
    whole = scenario.get(f"runs/{attempt.run_id}/log/", download=1)
    assert b"".join(whole.streaming_content) == data


def test_a_stranger_finds_no_log(scenario, attempt):
    from django.test import Client

    from workspaces.models import User

    user = User.objects.create_user("mallory", password="long enough 1")
    client = Client()
    client.force_login(user)
    assert client.get(f"{scenario.base}runs/{attempt.run_id}/log/").status_code == 404


async def test_errors_are_counted_over_the_whole_log_as_its_bytes_arrive(scenario, attempt):
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(group_of(f"log:{attempt.pk}"), channel)

    async def said() -> int:
        return (await asyncio.wait_for(layer.receive(channel), 5))["frame"]["errors"]

    parts = (b"ERROR one\nfine\n" + b"x" * 100_000 + b"\n", b"fine\nER", b"ROR two\nERROR with no end")
    size, result = 0, []
    for part in parts:
        size = await sync_to_async(logs.append)(attempt, size, part)
        result.append(await said())
    answer = await sync_to_async(scenario.get)(f"runs/{attempt.run_id}/log/", offset=-10)
    assert (result, answer["X-Log-Errors"]) == ([1, 1, 2], "2")
    await sync_to_async(logs.seal)(attempt)
    assert await said() == 3
    answer = await sync_to_async(scenario.get)(f"runs/{attempt.run_id}/log/", offset=-10)
    assert answer["X-Log-Errors"] == "3"
    found = await sync_to_async(scenario.get)(f"runs/{attempt.run_id}/log/search/", **{"from": 1})
    assert [each["text"] for each in found.json()["matches"]] == ["ERROR two", "ERROR with no end"]


def test_a_log_of_before_errors_were_counted_tells_no_number(scenario, attempt):
    attempt.log_errors = None
    attempt.save()
    logs.append(attempt, 0, b"ERROR one\n")
    logs.seal(attempt)
    assert "X-Log-Errors" not in scenario.get(f"runs/{attempt.run_id}/log/")
    assert len(scenario.get(f"runs/{attempt.run_id}/log/search/").json()["matches"]) == 1


def test_a_seal_that_was_cut_short_counts_what_it_had_moved_already(scenario, attempt):
    logs.append(attempt, 0, b"fine\nERROR with no end")
    artifact_store(scenario.workspace.pk).adopt(spools.place(str(attempt.pk)), f"logs/{attempt.pk}")
    logs.seal(attempt)
    assert scenario.get(f"runs/{attempt.run_id}/log/")["X-Log-Errors"] == "1"
