"""What a container is made of: hardened unless the owner of its cluster has said otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compute.relaxations import OPTIONS
from duto_agent.launchers.arguments import parse_arguments
from duto_agent.launchers.base import AttemptKey, Launch, LaunchFailed, Reservation
from duto_agent.launchers.container import (
    OF_OTHERS,
    READERS,
    ContainerSetting,
    Relaxed,
    config_of,
    relaxed,
    script_variables,
    size_of,
)

GPU = "GPU-8a56a4bc-0000-0000-0000-000000000000"


def container_of(launch: Launch, **given: Any) -> dict[str, Any]:
    place = ContainerSetting(
        "sha256:1", ("python3",), {"duto.kind": "step"}, (), "container:net", "10001:10001", 2, "5ea1"
    )
    return config_of(launch, Relaxed(**given), place)


def a_launch(**more: Any) -> Launch:
    return Launch(AttemptKey("a", 1), ("python3", "x.py"), Path("/a/work"), {"TOKEN": "secret"}, **more)


def test_a_container_is_hardened_unless_told_otherwise_and_holds_no_secret() -> None:
    config = container_of(a_launch(reserved=Reservation(1.5, 1 << 30)))
    host = config["HostConfig"]
    assert config["User"] == "10001:10001" and "secret" not in json.dumps(config)
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["CapAdd"]) == (True, ["ALL"], [])
    assert (host["SecurityOpt"], host["PidsLimit"], host["ShmSize"]) == (["no-new-privileges"], 512, 1 << 30)
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (1 << 30, 1 << 30, 1_500_000_000)
    assert (host["Init"], host["AutoRemove"], host["OomScoreAdj"]) == (False, False, 500)
    assert "DeviceRequests" not in host and "NVIDIA_VISIBLE_DEVICES=void" in config["Env"]


def test_more_cores_than_the_engine_has_are_not_asked_for() -> None:
    assert container_of(a_launch(reserved=Reservation(16)))["HostConfig"]["NanoCpus"] == 2_000_000_000


def test_devices_are_asked_for_by_uuid() -> None:
    config = container_of(a_launch(reserved=Reservation(gpus=(GPU,))))
    (request,) = config["HostConfig"]["DeviceRequests"]
    assert (request["DeviceIDs"], request["Capabilities"]) == ([GPU], [["gpu"]])
    assert not any("void" in each for each in config["Env"])


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"user": "root"}, "user", "0:0"),
        ({"user": 1000}, "user", "1000:1000"),
        ({"read_only": False}, "read_only", False),
        ({"capabilities": ["cap_kill", "CHOWN"]}, "capabilities", ("CHOWN", "KILL")),
        ({"pids_limit": 4096}, "pids_limit", 4096),
        ({"shm_size": "2g"}, "shm_size", 2 << 30),
        ({"tmp_size": 1 << 21}, "tmp_size", 1 << 21),
    ],
)
def test_the_owner_of_a_cluster_may_relax(options: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(relaxed(options), field) == value


@pytest.mark.parametrize(
    "options",
    [
        {"privileged": True}, {"capabilities": ["SYS_ADMIN"]}, {"capabilities": "CHOWN"}, {"swap": -1}, {"read_only": "no"}, {"user": "me; rm"},
        {"pids_limit": -1}, {"pids_limit": True}, {"shm_size": "lots"}, {"shm_size": None}, {"tmp_size": "1k"},
    ],
)  # fmt: skip
def test_nothing_else_is_relaxed_and_the_words_name_it(options: dict[str, Any]) -> None:
    with pytest.raises(LaunchFailed, match=next(iter(options))):
        relaxed(options)


def test_an_agent_knows_every_option_that_a_studio_takes() -> None:
    assert set(OPTIONS) == set(READERS) | OF_OTHERS
    assert (
        container_of(a_launch(reserved=Reservation(memory=1 << 30)), swap=5)["HostConfig"]["MemorySwap"]
        == (1 << 30) + 5
    )


def test_of_the_words_to_docker_run_a_few_are_honoured() -> None:
    given = ["--shm-size", "2g", "-e A=1", "--env=B=x=y"]
    assert parse_arguments(given) == ({"shm_size": 2 << 30}, {"A": "1", "B": "x=y"})
    assert parse_arguments([]) == ({}, {})


@pytest.mark.parametrize("given", [["--privileged"], ["-v", "/:/host"], ["--shm-size", "lots"], ["--shm-size"], ["x"]])
def test_any_other_word_is_refused_by_name(given: list[str]) -> None:
    with pytest.raises(LaunchFailed, match=given[0]):
        parse_arguments(given)


def test_sizes_are_read_as_people_write_them() -> None:
    assert [size_of(each) for each in ("64m", "1.5 GiB", "2GB", 1 << 20)] == [64 << 20, 3 << 29, 2 << 30, 1 << 20]


def test_an_image_keeps_its_own_folders_for_programs_before_those_of_the_system() -> None:
    env = {"PATH": "/opt/env/bin:/usr/local/bin:/usr/bin:/bin", "A": "step"}
    found = script_variables(env, {"PATH": "/opt/conda/bin:/usr/bin", "A": "image", "B": "image"})
    assert found["PATH"] == "/opt/env/bin:/opt/conda/bin:/usr/bin:/usr/local/bin:/bin"
    assert (found["A"], found["B"]) == ("step", "image")
