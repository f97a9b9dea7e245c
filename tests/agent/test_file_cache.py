"""What a host keeps of files that came over a network: once for all who want it, whole or not at all, within its size."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from duto.spec.sentences import said
from duto_agent.disk_space import DiskFull, require_space
from duto_agent.studio.file_cache import PART, FileCache
from duto_agent.studio.ranges import BrokenOff, Changed, StoreAway
from duto_agent.studio.transfers import DataMissing, Store, Transfers, nothing
from duto_protocol.messages import InputFile
from duto_protocol.meters import Meter

KEY, OTHER = "a" * 64, "b" * 64


class Source:
    """Gives a file in pieces, and breaks off where it is told to."""

    def __init__(self, data: bytes, breaks: tuple[int, ...] = ()) -> None:
        self.data, self.breaks, self.asked = data, list(breaks), [(0, "")][:0]
        self.is_changed = False

    def announce(self, urls: Iterable[str]) -> None:
        """It is asked for each by itself."""

    @contextlib.contextmanager
    def download(
        self, url: str, start: int = 0, tag: str | None = None, length: int | None = None
    ) -> Iterator[Iterator[bytes]]:
        end = None if length is None else start + length
        self.asked.append((start, tag or ""))
        if self.is_changed:
            raise Changed

        def pieces() -> Iterator[bytes]:
            last = self.breaks.pop(0) if self.breaks else len(self.data)
            yield self.data[start : last if end is None else min(last, end)]
            if last < (len(self.data) if end is None else end):
                raise BrokenOff(said("broken_off", error="cut"))

        yield pieces()


def transfers(tmp_path: Path, source: Source, most: int = 1 << 20) -> Transfers:
    return Transfers(Store(None, None), tmp_path / "cache", source, most)


def file(size: int, key: str = KEY) -> InputFile:
    return InputFile(path="a.bin", size=size, get="/a", tag="one", cache_key=key)


def test_a_break_is_gone_on_from_and_each_try_holds_to_the_content(tmp_path: Path) -> None:
    source = Source(b"0123456789", (4, 7))
    transfers(tmp_path, source).bring(file(10), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"0123456789"
    assert source.asked == [(0, "one"), (4, "one"), (7, "one")]


def test_breaks_without_a_byte_end_it_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    source = Source(b"0123456789", (4, *[4] * 9))
    with pytest.raises(StoreAway):
        transfers(tmp_path, source).bring(file(10), tmp_path / "a")
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_what_changed_or_has_another_size_is_told_and_not_kept(tmp_path: Path) -> None:
    source = Source(b"0123456789")
    source.is_changed = True
    mine = transfers(tmp_path, source)
    with pytest.raises(StoreAway, match="has changed"):
        mine.bring(file(10), tmp_path / "a")
    source.is_changed = False
    with pytest.raises(StoreAway, match="10 bytes instead of 11"):
        mine.bring(file(11), tmp_path / "a")
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_many_who_want_a_file_fetch_it_once_and_those_who_hold_it_copy_nothing(tmp_path: Path) -> None:
    source = Source(b"0123456789")
    mine = transfers(tmp_path, source)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: mine.bring(file(10), tmp_path / f"copy{n}"), range(8)))
        list(threads.map(lambda n: mine.hold(file(10), tmp_path / f"held{n}"), range(8)))
    assert len(source.asked) == 1
    assert (tmp_path / "held0").stat().st_ino == (tmp_path / "held7").stat().st_ino
    assert not (tmp_path / "held0").stat().st_mode & 0o222
    copies = {(tmp_path / f"copy{n}").stat().st_ino for n in range(8)}
    assert len(copies) == 8 and (tmp_path / "held0").stat().st_ino not in copies
    (tmp_path / "copy0").write_bytes(b"changed")
    assert (tmp_path / "held0").read_bytes() == b"0123456789"


def test_what_was_unused_longest_goes_and_stays_for_who_holds_it(tmp_path: Path) -> None:
    source = Source(b"x" * 400)
    mine = transfers(tmp_path, source, most=1000)
    for number in range(4):
        mine.hold(file(400, f"{number}" * 64), tmp_path / f"held{number}")
        for place in (tmp_path / "cache").glob("*/*"):
            os.utime(place, (time.time() - 100, place.stat().st_mtime - 100))
    names = sorted(place.name[0] for place in (tmp_path / "cache").glob("*/*"))
    assert names == ["2", "3"]
    assert all((tmp_path / f"held{number}").read_bytes() == b"x" * 400 for number in range(4))
    mine.bring(file(400, "0" * 64), tmp_path / "again")
    assert len(source.asked) == 5, "fetched anew"


def test_what_is_known_is_linked_at_once_and_noted_as_used(tmp_path: Path) -> None:
    mine, meter = transfers(tmp_path, Source(b"0123456789")), Meter()

    def is_held(key: str, name: str) -> bool:
        return mine.hold_known(file(10, key), tmp_path / name, nothing, meter)

    assert not is_held(KEY, "before") and not (tmp_path / "before").exists()
    mine.bring(file(10), tmp_path / "a")
    place = tmp_path / "cache" / KEY[:2] / KEY
    os.utime(place, (1, 1))
    assert is_held(KEY, "held") and not is_held(OTHER, "other")
    assert (tmp_path / "held").samefile(place) and place.stat().st_mtime > 1
    assert (meter.transfer.files_cached, meter.transfer.cached) == (1, 10)
    place.chmod(0o644)
    place.write_bytes(b"")  # as a disk leaves it that lost power
    assert not is_held(KEY, "empty") and not (tmp_path / "empty").exists()


def test_two_files_of_one_place_leave_the_cache_as_it_is(tmp_path: Path) -> None:
    for key, data in ((KEY, b"0123456789"), (OTHER, b"abcdefghij")):
        transfers(tmp_path, Source(data)).hold(file(10, key), tmp_path / "held")
        assert (tmp_path / "held").read_bytes() == data
    assert (tmp_path / "cache" / KEY[:2] / KEY).read_bytes() == b"0123456789"


def test_a_file_larger_than_half_of_it_goes_past_the_cache(tmp_path: Path) -> None:
    transfers(tmp_path, Source(b"x" * 600), most=1000).hold(file(600), tmp_path / "held")
    assert (tmp_path / "held").stat().st_size == 600 and not list((tmp_path / "cache").rglob("*"))


def test_an_entry_of_another_size_is_not_used(tmp_path: Path) -> None:
    source = Source(b"0123456789")
    mine = transfers(tmp_path, source)
    mine.bring(file(10), tmp_path / "a")
    place = tmp_path / "cache" / KEY[:2] / KEY
    place.chmod(0o644)
    place.write_bytes(b"")  # as a disk leaves it that lost power
    mine.bring(file(10), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"0123456789"


def test_a_full_disk_costs_what_is_kept_before_it_costs_the_step(tmp_path: Path) -> None:
    cache, tries = FileCache(tmp_path / "cache"), [0]

    def fetch(part: Path, *, is_full: bool) -> None:
        tries[0] += 1
        part.write_bytes(b"half")
        if is_full and (tmp_path / "cache" / KEY[:2] / KEY).exists():
            with require_space(said("named", name="it"), tmp_path, part=part):
                raise OSError(errno.ENOSPC, "full")

    cache.give(KEY, None, partial(fetch, is_full=False), lambda place: None)
    cache.give(OTHER, None, partial(fetch, is_full=True), lambda place: None)
    assert tries == [3] and not (tmp_path / "cache" / KEY[:2] / KEY).exists()

    def never(part: Path) -> None:
        with require_space(said("named", name="it"), tmp_path, part=part):
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(DiskFull, match="no room for 'it'"):
        cache.give("c" * 64, None, never, lambda place: None)


KILLED = """
import sys, time
from pathlib import Path
from duto_agent.studio.file_cache import FileCache
def fetch(part):
    with part.open("wb") as out:
        out.write(b"half"); out.flush(); print("half", flush=True); time.sleep(60)
FileCache(Path(sys.argv[1])).give(sys.argv[2], 8, fetch, lambda place: None)
"""


def test_an_agent_that_is_killed_amid_a_fetch_leaves_no_entry(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "cache"), KEY], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    (left,) = (each for each in (tmp_path / "cache").rglob("*") if each.is_file())
    assert left.name.endswith(PART)
    cache, found = FileCache(tmp_path / "cache"), []
    assert not left.exists()
    cache.give(
        KEY, 8, lambda part: part.write_bytes(b"wholewho") and None, lambda place: found.append(place.read_bytes())
    )
    assert found == [b"wholewho"]


def test_a_cancel_is_heard_between_pieces(tmp_path: Path) -> None:
    class Canceled(Exception):
        pass

    asked = threading.Event()

    def check() -> None:
        asked.set()
        raise Canceled

    with pytest.raises(Canceled):
        transfers(tmp_path, Source(b"0123456789")).bring(file(10), tmp_path / "a", check=check)
    assert asked.is_set() and not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_what_names_no_bytes_is_fetched_for_each_step(tmp_path: Path) -> None:
    source = Source(b"0123456789")
    mine = transfers(tmp_path, source)
    plain = InputFile(path="a.bin", size=10, get="/a")
    for name in ("a", "b"):
        mine.bring(plain, tmp_path / name)
    assert len(source.asked) == 2 and sorted(each.name for each in tmp_path.iterdir()) == ["a", "b"]
    with pytest.raises(DataMissing):
        mine.bring(InputFile(path="a.bin"), tmp_path / "c")
