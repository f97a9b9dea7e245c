"""Devices and what they do, on a stand-in for NVIDIA's library with two devices (tests/agent/data/nvml.json)."""

from __future__ import annotations

from pathlib import Path

import pytest

from duto_agent.environments.pythons import Pythons
from duto_agent.host.facts import HostFacts
from duto_agent.host.gpus import Gpus, open_nvml
from duto_protocol.messages import Isolation
from duto_protocol.reading import builtins_of
from tests.agent.nvml import RECORDED, StandIn


def test_devices_and_their_readings_are_told_to_the_studio(tmp_path: Path) -> None:
    facts = HostFacts(tmp_path, Pythons(), None, Gpus(StandIn), Isolation(bwrap=False, cgroup=None))
    text = builtins_of(facts.message())
    assert text["gpus"] == RECORDED["devices"]
    sample = text["facts"]["sample"]
    assert sample["gpus"] == RECORDED["readings"]
    assert 0 <= sample["cpu"] <= 1 and 0 < sample["memory"] <= text["memory"] * 64
    assert text["facts"]["disk_total"] >= text["disk_free"]
    assert (
        builtins_of(facts.message())["facts"]["sample"] == sample
    )  # measured every few seconds, however often it is told


def test_a_lost_card_does_not_hide_the_others() -> None:
    gpus = Gpus(lambda: StandIn(lost=(0,)))
    assert [device.index for device in gpus.devices] == [1]
    assert [reading.uuid for reading in gpus.readings()] == [RECORDED["devices"][1]["uuid"]]


def test_memory_is_told_by_device_and_process() -> None:
    first, second = (device["uuid"] for device in RECORDED["devices"])
    assert Gpus(StandIn).memory_by_process() == {first: {4711: 42949672960}, second: {}}


def test_a_host_without_a_driver_has_no_devices() -> None:
    if open_nvml() is not None:
        pytest.skip("this host has a driver")
    gpus = Gpus()
    assert (gpus.devices, gpus.readings(), gpus.memory_by_process()) == ([], [], {})
