"""Ids are GUIDs of version 7 that sort by the time of their making."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from core.ids import as_uuid, first_at, uuid7


def test_ids_made_in_a_row_sort_in_that_row() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_an_id_says_version_seven_and_its_time() -> None:
    before = time.time_ns() // 1_000_000
    key = uuid7()
    assert key.version == 7
    assert key.variant == "specified in RFC 4122"
    assert before - 1000 <= key.int >> 80 <= before + 1000


def test_a_malformed_id_is_none() -> None:
    assert as_uuid("not an id") is None
    assert as_uuid(None) is None


def test_the_least_id_of_a_moment_parts_what_was_made_before_it() -> None:
    before = uuid7()
    time.sleep(0.005)
    moment = datetime.now(UTC)
    time.sleep(0.005)
    assert before < first_at(moment) < uuid7()
    assert first_at(datetime(1969, 1, 1, tzinfo=UTC)).int == 0
