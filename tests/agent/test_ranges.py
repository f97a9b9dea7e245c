"""A large file by several ranges at once: whole and of one content, wherever single answers break, or not there at all."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duto.spec.sentences import said
from duto_agent.studio import ranges
from duto_agent.studio.ranges import BrokenOff, Changed, StoreAway
from duto_agent.studio.transfers import DataMissing, Store, Transfers
from duto_protocol.messages import InputFile
from duto_protocol.meters import Meter

DATA = hashlib.shake_128(b"far").digest(100_000)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "LEAST", 10_000)
    monkeypatch.setattr(ranges, "PAUSE_S", 0.0)


class Ranged:
    """Gives parts of a file. `breaks`: after so many bytes each first answer of a range breaks; `changes`: which call of all
    finds another content."""

    def __init__(self, data: bytes = DATA, breaks: int = 0, changes: int = 0) -> None:
        self.data, self.breaks, self.changes = data, breaks, changes
        self.asked: list[tuple[int, int | None]] = []
        self.at_once, self.most, self.turn = 0, 0, threading.Lock()
        self.all_here = threading.Barrier(ranges.MOST)

    def announce(self, urls: Iterable[str]) -> None:
        """It is asked for each by itself."""

    @contextlib.contextmanager
    def download(
        self, url: str, start: int = 0, tag: str | None = None, length: int | None = None
    ) -> Iterator[Iterator[bytes]]:
        end = None if length is None else start + length
        assert tag == "one"
        with self.turn:
            self.asked.append((start, end))
            number = len(self.asked)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            if number == self.changes:
                raise Changed
            if number <= ranges.MOST and not self.changes:  # each begins before any ends
                self.all_here.wait(10)
            yield self.pieces(start, end if end is not None else len(self.data), number)
        finally:
            with self.turn:
                self.at_once -= 1

    def pieces(self, start: int, end: int, number: int) -> Iterator[bytes]:
        for at in range(start, end, 1000):
            if self.breaks and number <= ranges.MOST and at - start >= self.breaks:
                raise BrokenOff(said("broken_off", error="cut"))
            yield self.data[at : at + 1000]  # the last may be more than was asked for


def brought(tmp_path: Path, source: Ranged, digest: str | None = None, meter: Meter | None = None) -> Path:
    file = InputFile(path="a.bin", size=len(DATA), get="/a", tag="one", digest=digest)
    Transfers(Store(None, None), tmp_path / "cache", source).bring(file, tmp_path / "a", meter=meter)
    return tmp_path / "a"


@given(st.integers(0, 1 << 40))
def test_ranges_are_all_of_the_file_and_no_byte_twice(size: int) -> None:
    parts = ranges.ranges_of(size)
    if parts == [(0, None)]:
        return
    assert parts[0][0] == 0 and parts[-1][1] == size and 2 <= len(parts) <= ranges.MOST
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(parts))
    assert all(end is not None and end > start for start, end in parts)


@pytest.mark.parametrize("breaks", [0, 5_000])
@pytest.mark.parametrize("digest", [None, hashlib.sha256(DATA).hexdigest()])
def test_ranges_come_at_once_and_each_goes_on_where_it_broke(tmp_path: Path, breaks: int, digest: str | None) -> None:
    source, meter = Ranged(breaks=breaks), Meter()
    assert brought(tmp_path, source, digest, meter).read_bytes() == DATA
    assert source.most == ranges.MOST and len(source.asked) == ranges.MOST * (2 if breaks else 1)
    assert (meter.transfer.done, meter.transfer.files) == (len(DATA), 1)
    if breaks:
        assert sorted(start for start, _end in source.asked[ranges.MOST :]) == sorted(
            start + breaks for start, _end in source.asked[: ranges.MOST]
        )


@pytest.mark.parametrize("changes", [1, 4, ranges.MOST])
def test_a_file_that_changes_under_one_range_is_not_there(tmp_path: Path, changes: int) -> None:
    meter = Meter()
    with pytest.raises(StoreAway, match="has changed"):
        brought(tmp_path, Ranged(changes=changes), meter=meter)
    assert not [each for each in tmp_path.rglob("*") if each.is_file()] and meter.transfer.done == 0


def test_a_file_that_ends_too_soon_or_is_another_one_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreAway, match="instead of"):
        brought(tmp_path, Ranged(DATA[:-1]))
    with pytest.raises(DataMissing):
        brought(tmp_path, Ranged(DATA[::-1]), hashlib.sha256(DATA).hexdigest())
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_a_cancel_ends_all_ranges(tmp_path: Path) -> None:
    class Canceled(Exception):
        pass

    calls = [0]

    def check() -> None:
        calls[0] += 1
        if calls[0] > 20:
            raise Canceled

    file = InputFile(path="a.bin", size=len(DATA), get="/a", tag="one")
    with pytest.raises(Canceled):
        Transfers(Store(None, None), tmp_path / "cache", Ranged()).bring(file, tmp_path / "a", check=check)
    assert calls[0] <= 20 + ranges.MOST
