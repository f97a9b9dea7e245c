"""A person's own notices, as the page's socket hears them: at once, and what came while no page was open."""

# mypy: disallow-untyped-calls=False
from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from notifications.models import Delivery
from tests.notifications.conftest import Notified
from tests.socket import Page
from workspaces.models import User

pytestmark = [pytest.mark.django_db(transaction=True)]


def fails(scenario: Notified) -> None:
    scenario.ends("Failed")
    scenario.send()


async def test_a_page_hears_the_notices_of_its_person_and_what_came_before(transactional_db: None) -> None:
    scenario = await sync_to_async(Notified)()
    own = {"is_own": True, "scope": "mine", "by_browser": True, "digest_minutes": 0}
    await sync_to_async(scenario.rule)("failed", **own)
    topic = f"notices:{scenario.owner.pk}"
    page = await sync_to_async(Page.of)(scenario.owner)
    assert await page.connect()
    await page.send_text(f'{{"subscribe": [{{"topic": "{topic}"}}]}}')
    assert await page.say({"ping": 1}) == {"pong": 1}
    await sync_to_async(fails)(scenario)
    heard = await page.hear()
    assert heard["title"] == "[lab] Palmer experiment #1 failed at the step train" and "NaN" in heard["body"]
    assert heard["url"].endswith(f"/w/lab/runs/{heard['url'].split('/')[-2]}/") and heard["topic"] == topic
    assert (await sync_to_async(Delivery.objects.get)()).status == "sent"
    await page.close()
    await sync_to_async(fails)(scenario)
    # Another page of this browser knows when it heard last.
    later = await sync_to_async(Page.of)(scenario.owner)
    assert await later.connect()
    # What it has shown already may come again, and is known by its id.
    asked = {"subscribe": [{"topic": topic, "version": heard["at"]}]}
    first, second = await later.say(asked), await later.hear()
    assert first["notice"] == heard["notice"] != second["notice"]
    assert "#2 failed" in second["title"] and second["at"] > first["at"]
    assert await later.say({"subscribe": [{"topic": topic}], "ping": 1}) == {"pong": 1}
    await later.close()
    stranger = await sync_to_async(Page.of)(await sync_to_async(User.objects.create_user)("mallory"))
    assert await stranger.connect()
    refused = await stranger.say({"subscribe": [{"topic": topic, "version": 0}]})
    assert refused["error"]["code"] == "not_found"
    await stranger.close()
