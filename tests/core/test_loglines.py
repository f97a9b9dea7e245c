"""Finding lines of a log, and telling which are errors."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import BinaryIO

import pytest

from core import loglines
from core.loglines import Errors, counted

LOG = b"""begin
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    log.error("an ERROR in its code is none of its own")

KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
ValueError: y
ERROR of a level
[ERROR] in brackets
12:00|FATAL|by bars
a name of ERRORS, an ERROR_CODE and no error at all
10%\r20% CRITICAL\rdone
30%\r ERROR stays\r
\x1b[31mERROR\x1b[0m in red
  Traceback (most recent call last): within a text
caf\xe9 ERROR
"""
BEGINS = [
    LOG.index(each)
    for each in (
        b"Traceback (most recent call last):\n  File \"a.py\", line 1", b"Traceback (most recent call last):\n  File \"a.py\", line 3",
        b"ERROR of", b"[ERROR] in", b"12:00", b"30%", b"\x1b[31mERROR", b"caf",
    )
]  # fmt: skip


def test_errors_are_told_by_the_rules_of_the_pages() -> None:
    errors = Errors()
    assert errors.read(LOG) == BEGINS
    assert errors == Errors(count=len(BEGINS), place=len(LOG), inside=False)


@pytest.mark.parametrize("step", [1, 7, 100])
def test_the_count_is_the_same_however_the_bytes_arrive(step: int) -> None:
    known: dict[str, object] | None = {}
    for end in range(step, len(LOG) + step, step):
        data = LOG[end - step : end]
        known = counted(known, lambda: io.BytesIO(LOG), min(end, len(LOG)), data)
    assert known == asdict(Errors(count=len(BEGINS), place=len(LOG)))


def test_a_line_that_has_not_ended_waits_for_its_end_or_the_logs() -> None:
    log = b"fine\nERROR: half a"
    known = counted({}, lambda: io.BytesIO(log), len(log), log)
    assert known == asdict(Errors(count=0, place=5))
    assert counted(known, lambda: io.BytesIO(log), len(log), final=True) == asdict(Errors(1, len(log)))


def test_what_was_counted_is_not_read_again() -> None:
    asked: list[tuple[int, int]] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append((self.tell(), size or 0))
            return super().read(size)

    log = b"x" * 99 + b"\n"
    log = log * 10_000 + b"ERROR in"

    def opened() -> BinaryIO:
        return Watched(log + b" two parts\n")

    known = counted({}, opened, len(log), log)
    assert asked == [], "the bytes that arrive are at hand"
    known = counted(known, opened, len(log) + 11, b" two parts\n")
    assert asked == [(1_000_000, 8)] and known == asdict(Errors(1, len(log) + 11))


def test_a_log_that_was_not_counted_from_its_start_stays_so() -> None:
    assert counted(None, lambda: io.BytesIO(LOG), len(LOG), LOG) is None
    assert loglines.count_of(None) is None


def test_a_line_without_an_end_does_not_grow_without_one() -> None:
    errors = Errors()
    text = b"x" * (loglines.LINE_MAX + 1)
    assert errors.read(text) == [] and errors.place == len(text)


def test_errors_are_found_from_any_byte_on_with_their_lines() -> None:
    whole = loglines.errors(io.BytesIO(LOG), len(LOG), 0)
    assert [each["offset"] for each in whole.matches] == BEGINS and whole.next is None
    assert [each["line"] for each in whole.matches] == [LOG[:begin].count(b"\n") + 1 for begin in BEGINS]
    # From inside of a traceback on: what stands in its code is no error.
    later = loglines.errors(io.BytesIO(LOG), len(LOG), BEGINS[0] + 1)
    assert later.matches == whole.matches[1:]


def test_many_errors_are_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loglines, "PIECE", 1000)
    log = b"ERROR here\nand fine\n" * 500
    found, start = [], 0
    while True:
        part = loglines.errors(io.BytesIO(log), len(log), start)
        found += [each["line"] for each in part.matches]
        if part.next is None:
            break
        start = part.next
    assert found == list(range(1, 1001, 2))


BAR = b"".join(b"\r%3d%% done of what takes long" % (at // 100) for at in range(10_000))
LONG = (
    b"ERROR begins " + b"x" * 100_000 + b"\n"  # one error, by its beginning
    + b"y" * 50_000 + b" ERROR within " + b"z" * 50_000 + b"\n"  # none: nobody sees it
    + b"Traceback (most recent call last):\n  " + b"code " * 20_000 + b"ERROR\nKeyError\n"
    + BAR + b"\rERROR after the bar\n"
    + b"ERROR overwritten" + BAR + b"\n"
    + b"ERROR last, without an end"
)  # fmt: skip
LONG_BEGINS = [0, LONG.index(b"Traceback"), LONG.index(BAR), LONG.index(b"ERROR last")]


@pytest.mark.parametrize("step", [999, 20_000, 70_000, 1_000_000])
def test_long_lines_and_bars_are_counted_the_same_however_their_bytes_arrive(step: int) -> None:
    known: dict[str, object] | None = {}
    for end in range(step, len(LONG) + step, step):
        known = counted(known, lambda: io.BytesIO(LONG), min(end, len(LONG)), LONG[end - step : end])
    known = counted(known, lambda: io.BytesIO(LONG), len(LONG), final=True)
    assert loglines.count_of(known) == len(LONG_BEGINS)


@pytest.mark.parametrize("piece", [30_000, 1 << 20])
def test_errors_of_long_lines_are_found_where_they_are_counted(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(loglines, "PIECE", piece)
    found = loglines.errors(io.BytesIO(LONG), len(LONG), 0).matches
    assert [each["line"] for each in found] == [LONG[:begin].count(b"\n") + 1 for begin in LONG_BEGINS]


@pytest.mark.parametrize("at", range(990, 1_010))
def test_what_lies_across_two_pieces_is_found(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(loglines, "PIECE", 1000)
    monkeypatch.setattr(loglines, "LINE_MAX", 500)
    log = b"first\n" + b"x" * (at - 6) + b"Needle" + b"x" * 5_000 + b"\nlast needle"
    found = loglines.search(io.BytesIO(log), len(log), "needle", 0)
    assert [(each["line"], each["offset"]) for each in found.matches] == [(2, at), (3, len(log) - 11)]
    assert all("eedle" in each["text"] for each in found.matches) and found.next is None


def test_each_line_is_found_once_wherever_pieces_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loglines, "PIECE", 100)
    lines = [b"needle and needle " * (number % 9) for number in range(200)]
    log = b"\n".join(lines)
    found = loglines.search(io.BytesIO(log), len(log), "needle", 0).matches
    wanted = [number for number, line in enumerate(lines, 1) if line]
    assert [each["line"] for each in found] == wanted
    assert [each["offset"] for each in found] == [
        len(b"".join(line + b"\n" for line in lines[: at - 1])) for at in wanted
    ]


def test_a_search_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loglines, "PIECE", 1000)
    monkeypatch.setattr(loglines, "SCANNED", 3000)
    log = b"".join(b"line %d\n" % number for number in range(1000))
    found, start = [], 0
    while True:
        part = loglines.search(io.BytesIO(log), len(log), "line", start)
        found += [each["line"] for each in part.matches]
        if part.next is None:
            break
        start = part.next
    assert found == list(range(1, 1001))


@pytest.mark.parametrize("needle", ["größe", "GRÖSSE", "Straße", "STRASSE", "ação", "AÇÃO", "дом", "ДОМ"])
def test_letters_of_any_language_are_found_whatever_their_case(needle: str) -> None:
    log = "nothing\nGRÖßE grösse\nstraße strasse\nAção\nДОм\n".encode()
    assert len(loglines.search(io.BytesIO(log), len(log), needle, 0).matches) == 1


def test_bytes_that_are_no_text_hide_nothing() -> None:
    log = b"\xff\xfe\xc3( \x00 needle \xe2\x82\n"
    assert len(loglines.search(io.BytesIO(log), len(log), "NEEDLE", 0).matches) == 1
