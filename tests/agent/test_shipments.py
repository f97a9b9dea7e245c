"""A spool on its way: whatever a script wrote into it, the agent's memory is bounded and no record stops the others."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duto_agent.attempt.shipments import SpoolShipment, named
from duto_agent.launchers.base import AttemptKey
from duto_agent.studio import shipments
from duto_agent.studio.client import Away, Refused, StudioFaulty
from duto_agent.studio.shipments import LINE_MAX, WINDOW, Shipment, Stale

MIB = 1 << 20


class Client:
    """The studio's side: takes what it does not stumble over, and remembers which lines were left behind."""

    def __init__(self, stumbles: Callable[[bytes], Exception | None] = lambda data: None) -> None:
        self.stumbles = stumbles
        self.size = self.calls = 0
        self.taken: list[bytes] = []
        self.left: list[str] = []

    def put_spool(self, attempt: str, epoch: int, offset: int, data: bytes) -> int:
        self.calls += 1
        assert offset == self.size and data.endswith(b"\n")
        if (error := self.stumbles(data)) is not None:
            raise error
        self.taken += data.splitlines()
        self.size += len(data)
        return self.size

    def skip_spool(self, attempt: str, epoch: int, offset: int, length: int, why: str) -> int:
        assert offset == self.size
        self.left.append(why)
        self.size += length
        return self.size


def spool(folder: Path, client: Client, *lines: bytes, end: bytes = b"\n") -> SpoolShipment:
    (folder / "spool.jsonl").write_bytes(b"\n".join(lines) + end)
    return SpoolShipment(folder, AttemptKey("a", 1), client)  # type: ignore[arg-type]


def shipped(shipment: Shipment, most: int = 10_000) -> int:
    """Until there is no more; how often the caller had to wait."""
    waits = 0
    for _ in range(most):
        try:
            if not shipment.ship():
                return waits
        except Away:
            waits += 1
    raise AssertionError("it never ends")


def metric(name: str, value: Any = 1) -> bytes:
    return json.dumps({"seq": 1, "op": "metric", "name": name, "value": value}).encode()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience in tries alone: no test waits for seconds to pass."""
    monkeypatch.setattr(shipments, "TRY_FOR_S", 0)
    monkeypatch.setattr(shipments, "PATIENCE_S", 0)


FAULTS = [StudioFaulty("The studio answered 500."), Refused(413, {}), Refused(400, {}), Refused(422, {})]


@pytest.mark.parametrize("fault", FAULTS, ids=["500", "413", "400", "422"])
def test_a_record_that_the_studio_stumbles_over_is_found_and_set_aside(
    fault: Exception, tmp_path: Path, hasty: None
) -> None:
    client = Client(lambda data: fault if b'"bad' in data else None)
    lines = [metric("bad" if number in (0, 57, 58, 999) else f"good {number}") for number in range(1000)]
    shipment = spool(tmp_path, client, *lines)
    shipped(shipment)
    assert client.taken == [line for line in lines if b'"bad' not in line]
    assert len(client.left) == 4 and client.left[0].startswith('metric "bad": ')
    assert client.calls < 120
    assert int((tmp_path / "spool.jsonl.ack").read_text()) == client.size == (tmp_path / "spool.jsonl").stat().st_size


def test_a_fault_that_passes_costs_no_record(tmp_path: Path) -> None:
    faults = [StudioFaulty("500")] * 5
    client = Client(lambda data: faults.pop() if faults else None)
    assert shipped(spool(tmp_path, client, metric("one"))) == 5
    assert client.taken == [metric("one")] and not client.left


@pytest.mark.parametrize("away", [Away("refused"), Away("503"), Away("507")])
def test_a_studio_that_is_away_is_waited_for_and_loses_nothing(away: Exception, tmp_path: Path, hasty: None) -> None:
    faults = [away] * 300
    client = Client(lambda data: faults.pop() if faults else None)
    assert shipped(spool(tmp_path, client, metric("one"), metric("two"))) == 300
    assert len(client.taken) == 2 and not client.left


def test_a_studio_that_can_take_nothing_at_all_ends_the_shipment_and_not_the_agent(tmp_path: Path, hasty: None) -> None:
    client = Client(lambda data: StudioFaulty("The studio answered 500."))
    client.skip_spool = lambda *_: (_ for _ in ()).throw(StudioFaulty("500"))  # type: ignore[method-assign, assignment]
    shipment = spool(tmp_path, client, metric("one"), metric("two"))
    shipped(shipment)
    assert shipment.full and "was not taken by the studio" in shipment.problem


@pytest.mark.parametrize(
    "fault", [Refused(409, {"error": {"code": "stale_epoch"}}), Refused(404, {"error": {"code": "not_found"}})]
)
def test_an_attempt_that_the_studio_gave_away_stops(fault: Refused, tmp_path: Path) -> None:
    with pytest.raises(Stale):
        shipped(spool(tmp_path, Client(lambda data: fault), metric("one")))


@pytest.mark.parametrize("length", [2 * MIB, LINE_MAX - 200])
def test_a_long_record_travels_whole(length: int, tmp_path: Path) -> None:
    client = Client()
    lines = [metric("before"), metric("note", "x" * length), metric("after")]
    shipped(spool(tmp_path, client, *lines))
    assert client.taken == lines and not client.left


def test_a_record_beyond_the_limit_is_left_behind_by_name_and_its_neighbours_arrive(tmp_path: Path) -> None:
    client = Client()
    shipped(spool(tmp_path, client, metric("before"), metric("note", "x" * (12 * MIB)), metric("after")))
    assert client.taken == [metric("before"), metric("after")]
    (why,) = client.left
    assert why.startswith('metric "note": it has 12582') and str(LINE_MAX) in why


def test_memory_does_not_depend_on_what_a_step_writes_without_a_line_end(tmp_path: Path) -> None:
    client = Client()
    shipment = spool(tmp_path, client, metric("before"))
    tracemalloc.start()
    with (tmp_path / "spool.jsonl").open("ab") as file:
        for _ in range(6):
            for _ in range(32):
                file.write(b"x" * MIB)
            file.flush()
            shipped(shipment)
    left = shipment.rest
    with (tmp_path / "spool.jsonl").open("ab") as file:
        file.write(b"\n" + metric("after") + b"\n")
    shipped(shipment)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left == 192 * MIB and client.taken == [metric("before"), metric("after")]
    assert client.left[0].startswith("the line that begins with 'xxx") and most < 8 * WINDOW


def test_a_sparse_spool_of_terabytes_is_jumped_over(tmp_path: Path) -> None:
    client = Client()
    shipment = spool(tmp_path, client, metric("before"))
    with (tmp_path / "spool.jsonl").open("r+b") as file:
        file.truncate(1 << 42)
        shipped(shipment)
        file.seek(0, 2)
        file.write(b"\n" + metric("after") + b"\n")
    shipped(shipment)
    assert client.taken == [metric("before"), metric("after")] and len(client.left) == 1


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    client = Client()
    shipment = spool(tmp_path, client, metric("one"), b'{"seq":2', end=b"")
    shipped(shipment)
    assert client.taken == [metric("one")] and shipment.rest == 8


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (metric('lo"ss'), 'metric "lo\\"ss"'),
        (b'{"op": "tag", "key": "k", "value": "' + b"x" * 99, 'tag or property "k"'),
        (b"\xff\xfe", "the line that begins with '\ufffd\ufffd'"),
    ],
)
def test_the_record_is_named_by_the_beginning_of_its_line(head: bytes, what: str) -> None:
    assert named(head) == what


def test_a_log_that_the_studio_will_never_take_does_not_hold_its_step(tmp_path: Path, hasty: None) -> None:
    (tmp_path / "log").write_bytes(b"some words")

    def put(offset: int, data: bytes) -> int:
        raise StudioFaulty("The studio answered 500.")

    shipment = Shipment(tmp_path / "log", put)
    shipped(shipment)
    assert shipment.full and "byte 0 of log" in shipment.problem
