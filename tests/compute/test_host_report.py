"""What an agent tells of its machine: what is understood is kept, the rest is left out and named."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from compute import host_report
from compute.models import Host
from compute.services import hosts
from duto_protocol import reading
from duto_protocol.messages import HostFacts

CARD = {"uuid": "GPU-1", "index": 0, "name": "NVIDIA H100", "memory": 80}
SAMPLE = {"at": "2026-01-31T12:00:00Z", "cpu": 0.4, "memory": 1, "disk_free": 1}
READING = {"uuid": "GPU-1", "utilization": 0.9, "memory": 1, "temperature": 60}
ENGINE = {"name": "box", "version": "20.10", "api": "1.41", "runtimes": ["runc"], "cdi": False}
STORED = {"key": "a-1", "bytes": 4, "used_at": "2026-01-31T12:00:00Z", "in_use": True}
WHOLE: dict[str, Any] = {
    "cores": 8, "memory": 3, "disk_free": 2, "gpus": [CARD], "pythons": ["3.11.7"], "environments": ["abc-3.11"], "cached_inputs": {"0a1b2c3d4e5f6071": 9},
    "agent": "0.1.0", "launcher": "docker", "started_at": "2026-01-31T13:00:00+01:00", "store_marker": None,
    "facts": {
        "disk_total": 9, "engine": ENGINE, "storage": {"attempts": [STORED]}, "isolation": {"bwrap": True, "cgroup": "v2"},
        "sample": {**SAMPLE, "gpus": [READING]}, "conda": "mambaorg/micromamba@sha256:1",
    },
}  # fmt: skip


def read(document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The columns, and the paths of what was ignored."""
    message = reading.read(json.dumps(document).encode(), HostFacts)
    return host_report.columns_of(message.message), message.ignored


def test_what_is_told_well_is_kept_whole() -> None:
    columns, wrong = read({**WHOLE, "of_a_later_version": {"x": 1}})
    assert wrong == ["of_a_later_version"]
    assert columns == {
        **{name: value for name, value in WHOLE.items() if name not in ("agent", "started_at")},
        "agent_version": "0.1.0",
        "agent_started_at": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "store_marker": "",
    }


@pytest.mark.parametrize(
    "odd", [{"cores": "x"}, {"cores": True}, {"cores": -1}, {"cores": float("nan")}, {"cores": float("inf")}, {"cores": 10**400},
     {"memory": None}, {"memory": [3]}, {"memory": -1}, {"memory": 1 << 63}, {"memory": 1e300}, {"disk_free": "9"}, {"gpus": 3}, {"gpus": "GPU-1"},
     {"gpus": {"uuid": "GPU-1"}}, {"gpus": None}, {"pythons": "3.11"}, {"pythons": {}}, {"environments": 1}, {"cached_inputs": [3]}, {"agent": 1}, {"agent": "x" * 300},
     {"launcher": "vm"}, {"launcher": []}, {"started_at": 5}, {"started_at": "2026-04-31T00:00:00Z"}, {"started_at": "0001-01-01T00:00:00+23:00"},
     {"started_at": "x" * 10**6}, {"store_marker": "x" * 65}, {"store_marker": 1}, {"facts": []}, {"facts": None}, {"facts": "x"}],
)  # fmt: skip
def test_a_fact_of_another_type_or_out_of_bounds_is_left_out_and_named(odd: dict[str, Any]) -> None:
    assert read(odd) == ({}, [*odd])


@pytest.mark.parametrize(
    ("given", "kept", "wrong"), [
        ({"gpus": [CARD, None, 3, {"name": "no uuid"}, {"uuid": ""}, {"uuid": 7}]}, {"gpus": [CARD]},
         ["gpus[1]", "gpus[2]", "gpus[3].uuid", "gpus[4].uuid", "gpus[5].uuid", "gpus[5].uuid"]),
        ({"gpus": [{**CARD, "memory": "much", "name": ["x"], "index": -1, "more": 1}]}, {"gpus": [{"uuid": "GPU-1"}]},
         ["gpus[0].index", "gpus[0].name", "gpus[0].memory", "gpus[0].more"]),
        ({"gpus": [CARD, {**CARD, "memory": 7}]}, {"gpus": [CARD]}, []),
        ({"gpus": [{"uuid": f"GPU-{n}"} for n in range(66)]}, {"gpus": [{"uuid": f"GPU-{n}"} for n in range(64)]}, ["gpus[64:]"]),
        ({"pythons": ["3.11", 3.11, "x" * 33]}, {"pythons": ["3.11"]}, ["pythons[1]", "pythons[2]"]),
        ({"agent": "v" * 40}, {"agent_version": "v" * 32}, []),
        ({"agent": "a\0b"}, {"agent_version": "a\ufffdb"}, []),
        ({"facts": {"engine": [1], "isolation": {"bwrap": "yes", "cgroup": "v9"}}}, {"facts": {"isolation": {}}},
         ["facts.engine", "facts.isolation.bwrap", "facts.isolation.cgroup"]),
        ({"facts": {"engine": None, "isolation": {"bwrap": False, "cgroup": None}}},
         {"facts": {"engine": None, "isolation": {"bwrap": False, "cgroup": None}}}, []),
        ({"facts": {"engine": {"runtimes": 5, "cdi": 1}, "storage": {"attempts": 3, "images": [{"bytes": 1}]}, "disk_total": {}}},
         {"facts": {"engine": {}, "storage": {"images": []}}},
         ["facts.disk_total", "facts.engine.runtimes", "facts.engine.cdi", "facts.storage.attempts", "facts.storage.images[0].key"]),
        ({"facts": {"sample": {**SAMPLE, "cpu": 40, "memory": "x", "at": "noon", "gpus": [{**READING, "utilization": None}, "x"]}}},
         {"facts": {"sample": {"disk_free": 1, "gpus": [{**READING, "utilization": None}]}}},
         ["facts.sample.at", "facts.sample.cpu", "facts.sample.memory", "facts.sample.gpus[1]"]),
    ],
)  # fmt: skip
def test_of_a_list_or_an_object_what_is_right_is_kept(given: Any, kept: Any, wrong: list[str]) -> None:
    columns, named = read(given)
    assert columns == kept
    assert sorted(set(named)) == sorted(set(wrong))


def say(body: bytes | dict[str, Any]) -> Any:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post(
        "/agent/v1/exchange", text, content_type="application/json", headers={"Authorization": "Bearer key"}
    )


@pytest.fixture
def alpha(transactional_db: None) -> Host:
    return Host.objects.create(name="alpha", key_digest=hosts.digest_of("key"), cores=4, memory=16)


DEEP = b'{"host":{"facts":' + b'{"sample":' * 500 + b"1" + b"}" * 500 + b"}}"
ODD = [
    b'{"host":{"cores":NaN,"memory":1e999,"facts":{"sample":{"cpu":-Infinity}}}}', DEEP,
    {"host": {"cores": "x", "memory": None, "gpus": 3, "facts": [], "pythons": None, "agent": "x" * 10**6, "store_marker": "x" * 10**6}},
    {"host": {"started_at": "2026-13-45T00:00:00Z"}}, {"host": {"started_at": "x" * 10**6}},
    {"host": {"gpus": [{"uuid": "G\0", "name": "\ud800"}], "facts": {"engine": {"name": "\0"}}}}, {"host": 3}, {"host": [1]}, {},
]  # fmt: skip


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_odd_facts_cost_an_exchange_nothing(alpha: Host, body: Any) -> None:
    assert say(body).status_code == 200
    assert say({"host": {"disk_free": 7}, "want": 1}).status_code == 200
    alpha.refresh_from_db()
    assert (alpha.cores, alpha.memory) == (4, 16)
    assert alpha.last_seen_at is not None


@pytest.mark.parametrize(
    "body", [{"wait": "x"}, {"want": [1]}, {"want": "many"}, {"wait": [1]}, {"reports": 3}, {"reports": {"a": 1}}, {"holding": "x"}, {"holding": 3}],
)  # fmt: skip
def test_a_call_that_cannot_be_meant_is_told_why(alpha: Host, body: dict[str, Any]) -> None:
    answer = say(body)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid"
    assert f"'{next(iter(body))}' is" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", [{"want": -1}, {"want": 10**30}, b'{"want": NaN, "wait": NaN}', {"reports": [{"attempt": [], "epoch": {}, "event": "finished"}, 3]}],
)  # fmt: skip
def test_numbers_out_of_bounds_and_reports_of_nothing_are_taken(alpha: Host, body: Any) -> None:
    assert say(body).status_code == 200


def test_the_log_names_what_is_ignored_once(alpha: Host, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "compute.services.hosts"):
        for facts in ({"cores": "x", "gpus": 3}, {"cores": "x", "gpus": 3}, {"cores": 2}, {"cores": "x"}):
            assert say({"host": facts}).status_code == 200
    named = [record.getMessage().partition(": ")[2] for record in caplog.records if record.name.endswith("hosts")]
    assert named == ["'host.cores', 'host.gpus'", "'host.cores'"]
