"""Sizes, durations and numbers are written by one rule, in Python (studio, SDK, agent) and in the pages' scripts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import translation

from core import words
from duto.spec.units import counted, duration_text, number_text, size_text
from studio.templatetags.duto import relative
from tests.web.chrome import open_page, ours
from tests.web.conftest import Site

SIZES = {
    0: "0 B", 1: "1 B", 999: "999 B", 1000: "1000 B", 1023: "1023 B", 1024: "1 KiB",
    # Ties go up, which Python alone would not do: 1.25 and 2.25 KiB.
    1279: "1.2 KiB", 1280: "1.3 KiB", 2304: "2.3 KiB", 102_348: "99.9 KiB", 102_349: "100 KiB",
    (1 << 20) - 513: "1023 KiB", (1 << 20) - 512: "1 MiB", (1 << 20) - 1: "1 MiB", 1 << 20: "1 MiB",
    300 << 20: "300 MiB", 10**9: "954 MiB", (1 << 30) - 1: "1 GiB", 7 << 30: "7 GiB", 7 << 29: "3.5 GiB",
    80 << 30: "80 GiB", 10**12: "931 GiB", (1 << 40) - 1: "1 TiB", 1 << 50: "1 PiB", 5000 << 50: "5000 PiB", -1280: "-1.3 KiB",
}  # fmt: skip
DURATIONS = {
    -1: "0.0 s", 0: "0.0 s", 0.04: "0.0 s", 0.25: "0.2 s", 0.3: "0.3 s", 0.7: "0.7 s", 1.97: "1.9 s", 2: "2.0 s", 2.3: "2.3 s",
    9.95: "9.9 s", 9.9994: "9.9 s", 9.9996: "10 s", 10: "10 s", 59.95: "59 s", 59.99: "59 s", 59.9996: "1 min", 60: "1 min",
    61: "1 min 1 s", 252: "4 min 12 s", 1800: "30 min", 3599.6: "59 min 59 s", 3600: "1 h", 3659: "1 h", 3660: "1 h 1 min",
    86_399.9: "23 h 59 min", 86_400: "1 d", 89_999: "1 d", 90_000: "1 d 1 h", 31_536_000: "365 d",
}  # fmt: skip
NUMBERS = {
    0: "0", 1: "1", -2: "-2", 0.31: "0.31", 1 / 3: "0.3333", 1.0625: "1.063", -1.0625: "-1.063", 0.0001: "0.0001", 1e-05: "1e-05",
    -1.25e-05: "-1.25e-05", 3e-4: "0.0003", 5e-324: "4.94e-324", 999.96: "1000", 1234: "1,234", 1234.5: "1,235", 123_456.7: "123,457",
    999_999: "999,999", 1e6: "1e+06", 2.5e7: "2.5e+07", 1e300: "1e+300", 12_345: "12,345", 0.99996: "1",
}  # fmt: skip
PASTS = {
    0: "just now", 44: "just now", 45: "1 min ago", 119: "1 min ago", 150: "2 min ago", 3599: "59 min ago", 3600: "1 h ago",
    9000: "2 h ago", 86_399: "23 h ago", 86_400: "1 d ago", 172_799: "1 d ago", 31_536_000: "1 y ago", -10: "in a moment",
    -150: "in 2 min",
}  # fmt: skip
ASKED = """async (asked) => {
  // The modules that the page runs, whatever its addresses of them are.
  const its = (name) => import(performance.getEntriesByType("resource").find((each) => each.name.includes(`/js/${name}.`)).name);
  const words = await its("words"), time = await its("time");
  const all = (write, values) => values.map((value) => write(Number(value)));
  return [all(words.bytes, asked[0]), all(words.duration, asked[1]), all(words.number, asked[2]), all(time.relative, asked[3])];
}"""


def test_python_writes_what_the_table_says() -> None:
    assert {value: size_text(value) for value in SIZES} == SIZES
    assert {value: duration_text(value) for value in DURATIONS} == DURATIONS
    assert {value: number_text(value) for value in NUMBERS} == NUMBERS
    assert {value: relative(value) for value in PASTS} == PASTS
    assert [number_text(float(each)) for each in ("nan", "inf", "-inf")] == ["NaN", "∞", "−∞"]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("language", ["en", "pt-pt"])
def test_the_scripts_of_the_pages_write_the_same(site: Site, page: Any, live_server: Any, language: str) -> None:
    said = open_page(site, page, live_server)
    page.context.add_cookies([{"name": "duto_language", "value": language, "url": live_server.url}])
    page.goto(f"{live_server.url}/w/lab/")
    with translation.override(page.locator("html").get_attribute("lang")):
        expected = [
            [words.size_text(value) for value in SIZES],
            [words.duration_text(value) for value in DURATIONS],
            [words.number_text(value) for value in NUMBERS],
            [relative(value) for value in PASTS],
        ]
    asked = [[repr(value) for value in table] for table in (SIZES, DURATIONS, NUMBERS, PASTS)]
    assert page.evaluate(ASKED, asked) == expected, json.dumps(expected)
    assert ours(said) == []


def test_one_of_a_thing_is_no_plural() -> None:
    assert [counted(count, "file") for count in (0, 1, 2, 2000)] == ["0 files", "1 file", "2 files", "2,000 files"]
    assert counted(2, "library", "libraries") == "2 libraries"


def test_a_duration_is_of_the_milliseconds_that_a_page_is_told() -> None:
    start = datetime(2026, 1, 31, 12, 0, 0, 900, UTC)
    assert words.seconds_between(start, start + timedelta(seconds=2, microseconds=-100)) == 2.0
    assert words.seconds_between(start, start + timedelta(seconds=2, microseconds=-900)) == 2.0
    assert words.seconds_between(start, start + timedelta(seconds=2, microseconds=-901)) == 1.999
