# ruff: noqa: F401, F811
"""The protocol between agents and studio: messages of the release before, and junk, of which only what is bad is lost."""

from __future__ import annotations

import json
import logging
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute.models import Host
from compute.services.hosts import digest_of
from duto.spec.sentences import said
from duto_protocol import messages, reading
from duto_protocol.messages import (
    Answer,
    AttemptReport,
    BuildReport,
    BuildSpec,
    Exchange,
    Finished,
    HostFacts,
    ImageReport,
    LaunchSpec,
)
from duto_protocol.reports import reports_of
from runs.models import Attempt, Run
from tests.runs.exchange import Agent, agent, cluster, context, submit_chain

RECORDED = Path(__file__).parent / "recorded"
EXCHANGE = (RECORDED / "exchange-1.json").read_bytes()
ANSWER = (RECORDED / "answer-1.json").read_bytes()
ODD = ["", "x", "nul \0", "\ud800", -1, 10**400, 1.5, True, None, [], {}, [1], {"a": 1}, float("nan"), float("inf")]


def has(expected: Any, recorded: Any) -> bool:
    """Whether a document says all that a recorded one says; it may say more."""
    if isinstance(recorded, dict):
        return isinstance(expected, dict) and all(
            name in expected and has(expected[name], each) for name, each in recorded.items()
        )
    if isinstance(recorded, list):
        return isinstance(expected, list) and len(expected) == len(recorded) and all(map(has, expected, recorded))
    return bool(expected == recorded)


def test_what_the_release_before_says_is_understood_whole() -> None:
    message = reading.read(EXCHANGE, Exchange)
    reports, wrong = reports_of(message.message)
    assert (message.ignored, wrong, [each.ignored for each in reports if each.ignored]) == ([], [], [])
    kinds = {type(each.message) for each in reports}
    assert kinds == {AttemptReport, Finished, BuildReport, ImageReport}
    answer = reading.read(ANSWER, Answer)
    specs = [
        reading.read(each.spec, LaunchSpec if each.type == "attempt" else BuildSpec) for each in answer.message.work
    ]
    assert answer.ignored == [] and [each.ignored for each in specs] == [[], []]


def test_what_is_said_now_holds_all_that_the_release_before_looks_for() -> None:
    recorded = json.loads(EXCHANGE)
    message = reading.read(EXCHANGE, Exchange).message
    assert has(json.loads(reading.written(message)), recorded)
    for report, old in zip(reports_of(message)[0], recorded["reports"], strict=True):
        assert json.loads(reading.written(report.message)) == old, "and nothing that it has not said"
    answer, old_answer = reading.read(ANSWER, Answer).message, json.loads(ANSWER)
    assert has(json.loads(reading.written(answer)), old_answer)
    for work, old in zip(answer.work, old_answer["work"], strict=True):
        spec = reading.read(work.spec, LaunchSpec if work.type == "attempt" else BuildSpec).message
        assert has(json.loads(reading.written(spec)), old["spec"])


def test_what_a_later_release_says_more_is_left_out_and_named() -> None:
    document = json.loads(EXCHANGE)
    document["later"] = 1
    document["host"]["facts"]["isolation"]["later"] = 1
    for report in document["reports"]:
        report["later"] = {"x": [1]}
    message = reading.read(json.dumps(document).encode(), Exchange)
    assert (message.wrong, message.unknown) == ([], ["later", "host.facts.isolation.later"])
    reports, _ = reports_of(message.message)
    assert [each.ignored for each in reports] == [["later"]] * len(reports)
    plain, _ = reports_of(reading.read(EXCHANGE, Exchange).message)
    assert [each.message for each in reports] == [each.message for each in plain]


@pytest.mark.parametrize("odd", ODD, ids=lambda each: ascii(each)[:20])
def test_a_bad_entry_among_good_ones_is_all_that_is_lost(odd: Any) -> None:
    document = json.loads(EXCHANGE)
    document["holding"].insert(0, odd)
    document["reports"].insert(1, odd)
    document["host"]["pythons"].append(odd)
    message = reading.read(json.dumps(document).encode(), Exchange)
    assert [each.attempt for each in message.message.holding or ()] == ["0190-1"]
    plain, _ = reports_of(reading.read(EXCHANGE, Exchange).message)
    reports, _ = reports_of(message.message)
    assert [each.message for each in reports if each.message not in (AttemptReport(),)] == [
        each.message for each in plain
    ]
    facts = message.message.host
    assert isinstance(facts, HostFacts) and isinstance(facts.pythons, list) and facts.pythons[0] == "3.11.7"
    assert facts.memory == 17179869184


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(field=st.sampled_from(Finished.__struct_fields__), value=json_values)
def test_whatever_stands_in_a_field_of_a_verdict_the_others_are_as_they_were(field: str, value: Any) -> None:
    good = {"attempt": "a", "epoch": 3, "event": "finished", "exit_code": 0, "message": "m", "warnings": ["w"]}
    message = reading.read(json.dumps({**good, field: value}).encode(), Finished)
    for name, each in good.items():
        assert name == field or getattr(message.message, name) == each
    # What is kept is of its type, and can be said and read again.
    again = reading.read(reading.written(message.message), Finished)
    assert again.message == message.message and again.ignored == []


def test_what_is_no_message_at_all_is_told_so() -> None:
    for body in (b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 100_000):
        with pytest.raises(reading.NotUnderstood):
            reading.read(body, Exchange)


def test_each_message_has_defaults_for_what_an_older_one_does_not_say() -> None:
    """So that a field can be added without a new version: all that is required was so in the first one."""
    required = {
        kind.__name__: names
        for kind in vars(messages).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == messages.__name__
        if (names := [each.name for each in msgspec.structs.fields(kind) if each.required])
    }
    assert required == {
        "Device": ["uuid"], "DeviceReading": ["uuid"], "Stored": ["key"], "Parts": ["code"], "SaidFact": ["code", "text"],
        "FileEntry": ["path", "size", "digest"], "OutputEntry": ["name"], "ArtifactEntry": ["path"],
        "Proof": ["left_over", "signals", "seconds"], "Held": ["attempt", "epoch"], "Work": ["type", "spec"],
        "Drop": ["attempt"], "StepSample": ["at", "cpu", "memory", "read", "written"], "SnapshotFile": ["path"], "InputFile": ["path"], "InputSpec": ["name"], "OutputSpec": ["name"],
        "DistributionSpec": ["type"], "RankEnd": ["rank"],
    }  # fmt: skip


def test_a_sentence_and_a_name_that_is_no_text_can_be_said() -> None:
    sentence = said("exit_code", code=3)
    found = json.loads(reading.written(AttemptReport(attempt="a", epoch=1, event="preparing", detail=sentence)))
    assert found["detail"] == str(sentence)
    assert json.loads(reading.written(AttemptReport(attempt="\udcff")))["attempt"] == "\ufffd"


# --- at the studio's door ---


def post(agent: Agent, document: Any, **headers: str) -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Client().post(
        "/agent/v1/exchange",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {agent.key}", **headers},
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("field", [*Finished.__struct_fields__])
def test_junk_in_any_field_of_a_verdict_is_no_fault_and_costs_no_other(
    context: Any, cluster: Any, agent: Agent, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    run, other = submit_chain(context, "a"), submit_chain(context, "b")
    first, second = agent.say()["work"]
    good = {"event": "finished", "exit_code": 0}
    with caplog.at_level(logging.WARNING):
        for odd in ([{"x": "\0"}], {"x": [10**400]}):
            bad = {**good, "attempt": first["attempt"], "epoch": 1, field: odd}
            answer = post(agent, {"reports": [bad, 7, {"attempt": second["attempt"], "epoch": 1, **good}]})
            assert answer.status_code == 200
    refused = {each["code"] for each in answer.json()["refused"]}
    ours = Attempt.objects.get(run__root=run)
    decisive = {"attempt": "not_found", "epoch": "stale_epoch", "event": "unknown_event"}
    decisive |= dict.fromkeys(Finished.DECISIVE, "studio_fault")
    assert refused == ({decisive[field]} if field in decisive else set())
    assert ours.status == ("leased" if field in decisive else "completed")
    assert Run.objects.get(pk=other.pk).status == "Completed"
    assert any(field in record.getMessage() or field == "event" for record in caplog.records)


@pytest.mark.django_db(transaction=True)
def test_deep_and_huge_bodies_are_taken_or_refused_in_words(context: Any, cluster: Any, agent: Agent) -> None:
    submit_chain(context, "a")
    (work,) = agent.say()["work"]
    deep = b'{"want":1,"reports":[{"attempt":"%s","epoch":1,"event":"finished","exit_code":0,"traceback":' % (
        work["attempt"].encode()
    )
    assert post(agent, deep + b'{"text":' * 90 + b"1" + b"}" * 90 + b"}]}").status_code == 200
    assert Attempt.objects.get().status == "completed"
    for body in (b"[" * 10**6, b'{"holding":' + b"[" * 10**5 + b"]" * 10**5 + b"}", b'{"want":' + b"9" * 10**5 + b"}"):
        assert post(agent, body).status_code in (200, 400)


@pytest.mark.django_db(transaction=True)
def test_an_agent_of_a_version_that_is_not_spoken_is_told_so(context: Any, agent: Agent) -> None:
    assert post(agent, {}, **{"X-Duto-Agent": "1 0.1.0"}).status_code == 200
    answer = post(agent, {}, **{"X-Duto-Agent": "2 9.0.0"})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "protocol"
    assert "Upgrade the older" in answer.json()["error"]["message"]


def test_the_types_are_what_they_say() -> None:
    """Each annotation can be looked up, as the reader does it when something is wrong."""
    for kind in (Exchange, Answer, LaunchSpec, BuildSpec, Finished, BuildReport, ImageReport):
        assert typing.get_type_hints(kind)
