"""The calendar of schedules by keyboard, in a browser: a grid with one stop of Tab."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from core.clock import now
from tests.web.chrome import NARROW, WIDE, fits, open_page, ours
from tests.web.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DAY = "document.activeElement.closest('[role=gridcell]')?.querySelector('time').dateTime"


def test_the_calendar_is_a_grid_of_days(full: Site, page: Any, live_server: Any) -> None:
    said = open_page(full, page, live_server)
    page.set_viewport_size(WIDE)
    today = now().date()
    page.goto(f"{live_server.url}/w/lab/schedules/calendar/?view=month&zone=UTC&at={today:%Y-%m-%d}")

    def pressed(*keys: str) -> str:
        for key in keys:
            page.keyboard.press(key)
        return str(page.evaluate(DAY))

    page.locator(".calendar-steps a").last.focus()
    monday = today - timedelta(days=today.weekday())
    assert pressed("Tab") == f"{today}", "one stop, at today"
    assert pressed("Home") == f"{monday}" and pressed("ArrowRight") == f"{monday + timedelta(days=1)}"
    assert pressed("End") == f"{monday + timedelta(days=6)}" and pressed("ArrowLeft") == f"{monday + timedelta(days=5)}"
    first = pressed("Control+Home")
    assert pressed("ArrowLeft") == first and pressed("ArrowDown", "ArrowUp") == first
    page.locator(".calendar .day:has(a)").first.focus()
    day = page.evaluate(DAY)
    assert pressed("Enter") == day and page.evaluate("document.activeElement.tagName") == "A"
    assert pressed("Escape") == day and page.evaluate("document.activeElement.role") == "gridcell"
    assert page.locator('.calendar [tabindex="0"]').count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.calendar')") is None, "Tab leaves it"
    page.locator(".calendar .day").first.focus()
    page.keyboard.press("PageDown")
    page.wait_for_url(f"**/*at={(today.replace(day=1) + timedelta(days=32)).replace(day=1)}*")
    page.wait_for_selector(".calendar [role=gridcell]:focus")
    found = [each["id"] for each in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]]
    page.set_viewport_size(NARROW)
    page.goto(f"{live_server.url}/w/lab/schedules/calendar/?zone=UTC")
    page.locator('.calendar [tabindex="0"]').wait_for()
    assert fits(page) and not found and not ours(said), (found, said)
