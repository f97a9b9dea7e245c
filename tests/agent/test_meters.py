"""What is told of bytes on their way: once a second, with those of late as the rate, and nothing that was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from duto_agent.attempt.metering import Metering
from duto_agent.launchers.base import AttemptKey
from duto_agent.studio.ranges import BrokenOff
from duto_agent.studio.transfers import DataMissing
from duto_protocol.messages import Transfer
from duto_protocol.meters import Meter
from tests.agent.test_file_cache import KEY, Source, file, transfers


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_is_told_once_a_second_and_the_rate_is_that_of_late() -> None:
    clock, messages = Clock(), list[Transfer]()
    meter = Meter(messages.append, clock)
    clock.now += 60  # what came before the first byte is no part of it
    meter.expect(2, 10_000)
    for _ in range(40):
        clock.now += 0.25
        meter.add(100)
    assert len(messages) == 10 and [each.done for each in messages[:2]] == [400, 800]
    assert (messages[-1].rate, messages[-1].seconds) == (400, 10.0)
    for _ in range(40):
        clock.now += 0.25
        meter.add(10)
    assert messages[-1].rate == 40, "ten seconds ago it was faster"
    meter.file()
    assert (meter.transfer.done, meter.transfer.total, meter.transfer.files) == (4400, 10_000, 1)


def test_what_was_here_already_is_done_and_no_part_of_the_rate() -> None:
    clock = Clock()
    meter = Meter(clock=clock)
    meter.expect(2, 1_500)
    clock.now += 2
    meter.add(500)
    meter.file()
    meter.file(cached=1_000)
    found = meter.transfer
    assert (found.done, found.cached, found.files, found.files_cached, found.rate) == (1500, 1000, 2, 1, 250)


@pytest.mark.parametrize("is_mounted", [False, True])
def test_bytes_count_once_however_often_a_transfer_breaks(tmp_path: Path, is_mounted: bool) -> None:
    source, meter = Source(b"0123456789", (4, 7)), Meter()
    places = [tmp_path / "one", tmp_path / "two"]
    taken = transfers(tmp_path, source)
    for place in places:
        if is_mounted:
            taken.hold(file(10), place, meter=meter)
        else:
            taken.bring(file(10), place, meter=meter)
    found = meter.transfer
    assert (found.done, found.cached, found.files, found.files_cached) == (20, 10, 2, 1)
    assert len(source.asked) == 3


def test_what_did_not_arrive_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duto_agent.studio.ranges.PAUSE_S", 0.0)
    meter, broken = Meter(), Source(b"0123456789", (4, 4, 4, 4, 4, 4))
    with pytest.raises(BrokenOff):
        transfers(tmp_path, broken).bring(file(10), tmp_path / "one", meter=meter)
    other = file(10, KEY)
    with pytest.raises(DataMissing):
        wrong = type(other)(path="a", size=10, digest="f" * 64, get="/a")
        transfers(tmp_path / "b", Source(b"0123456789")).bring(wrong, tmp_path / "two", meter=meter)
    assert (meter.transfer.done, meter.transfer.files) == (0, 0)


def test_where_the_last_word_was_not_heard_the_next_one_waits() -> None:
    sent: list[tuple[Any, Any]] = []
    metering = Metering(AttemptKey("a" * 36, 3), lambda report, urgent=False, heard=None: sent.append((report, heard)))
    clock = Clock()
    metering.inputs._clock = clock
    metering.inputs.expect(1, 100)
    assert metering.transfers.inputs.total == 100  # type: ignore[union-attr]
    for _ in range(3):
        clock.now += 1
        metering.inputs.add(10)
    assert [(each.event, each.epoch, each.transfers.inputs.done) for each, _heard in sent] == [("preparing", 3, 10)]
    sent[0][1]()
    clock.now += 1
    metering.inputs.add(10)
    assert sent[1][0].transfers.inputs.done == 40
