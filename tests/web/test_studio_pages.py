"""The pages and addresses of the installation: for those alone who look after it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from compute.models import Host
from core.clock import now
from core.models import Beat
from runs.queries import health
from tests.web.conftest import Site, inline_parts
from workspaces.models import ApiToken, AuditEntry, Banner, Member, Role, User
from workspaces.services import tokens
from workspaces.services.workspaces import create_workspace

PATHS = ("", "workspaces/", "people/", "banner/")
API = ("health/", "workspaces/", "people/", "message/")


@pytest.fixture
def keeper(site: Site) -> Client:
    """Whoever looks after the studio: the first owner of the workspace that it begins with."""
    create_workspace(site.owner, "main")
    return site.page


def test_they_exist_for_those_alone_who_look_after_the_studio(site: Site, keeper: Client) -> None:
    for path in PATHS:
        page = keeper.get(f"/studio/{path}")
        assert page.status_code == 200 and inline_parts(page.content.decode()) == [], path
        for who in ("contributor", "reader", "stranger"):
            assert site.people[who].get(f"/studio/{path}").status_code == 404, (path, who)
        assert Client().get(f"/studio/{path}")["Location"].startswith("/accounts/login/")
    for path in API:
        assert keeper.get(f"/api/v1/studio/{path}").status_code == 200, path
        assert site.people["contributor"].get(f"/api/v1/studio/{path}").status_code == 404, path
        assert Client().get(f"/api/v1/studio/{path}").status_code == 401, path
        # A token is for one workspace, whoever's it is.
        token = tokens.mint(site.owner, site.workspace, Role.OWNER, "t").text
        assert Client(headers={"Authorization": f"Bearer {token}"}).get(f"/api/v1/studio/{path}").status_code == 404
    nav = 'href="/studio/"'
    assert nav in keeper.get("/w/lab/").content.decode() and nav not in site.see("", "reader").content.decode()


def test_a_superuser_looks_after_it_too(site: Site, keeper: Client) -> None:
    User.objects.filter(username="mallory").update(is_superuser=True)
    assert site.people["stranger"].get("/studio/people/").status_code == 200


def test_each_part_is_told_with_the_reason_and_what_mends_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def states() -> dict[str, str]:
        return {part.name: part.state for part in health.parts()}

    Host.objects.update(last_seen_at=now())
    Beat.objects.create(name="ticker", owner="w", since=now(), at=now())
    Beat.objects.create(name="web:here", owner="1", since=now(), at=now())
    monkeypatch.setattr("core.frames.answers", lambda: True)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"total": 10**12, "free": 10**11})())
    assert set(states().values()) == {"good"} and not [part for part in health.parts() if part.action]
    Host.objects.update(last_seen_at=now() - timedelta(hours=1))
    Beat.objects.update(at=now() - timedelta(hours=1))
    monkeypatch.setattr("core.frames.answers", lambda: False)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"total": 10**12, "free": 10**8})())
    found = states()
    assert found == {
        "web": "warning",
        "worker": "bad",
        "database": "good",
        "broker": "warning",
        "hosts": "bad",
        "disk": "bad",
    }
    assert all(part.action and part.reason for part in health.parts() if part.state != "good")


def test_a_broker_that_is_away_is_told_and_never_raised(site: Site) -> None:
    from core import frames

    assert frames.answers() in (True, False)
    assert settings.DUTO.data_dir


def test_an_account_is_closed_with_all_that_leans_on_it_and_opened_again(site: Site, keeper: Client) -> None:
    reader = site.person("a-reader")
    tokens.mint(reader, site.workspace, Role.READER, "t")
    path = f"/studio/people/{reader.pk}/active/"
    assert site.people["contributor"].post(path, {"active": "0"}).status_code == 404
    assert keeper.post(path, {"active": "0"}).status_code == 302
    reader.refresh_from_db()
    assert not reader.is_active and not ApiToken.objects.filter(user=reader).exists()
    assert site.see("", "reader").status_code == 302
    entry = AuditEntry.objects.get(action="account.closed")
    assert (entry.person, entry.target) == ("ana", "a-reader")
    found = keeper.patch(f"/api/v1/studio/people/{reader.pk}/", {"is_active": True}, content_type="application/json")
    assert found.json()["is_active"] and found.json()["workspaces"] == 1
    own = keeper.patch(f"/api/v1/studio/people/{site.owner.pk}/", {"is_active": False}, content_type="application/json")
    assert (own.status_code, own.json()["error"]["code"]) == (409, "own_account")
    # Nor is a workspace left without an owner.
    bob = User.objects.create_user("bob")
    create_workspace(bob, "bobs")
    assert (
        keeper.patch(
            f"/api/v1/studio/people/{bob.pk}/", {"is_active": False}, content_type="application/json"
        ).status_code
        == 409
    )
    assert Member.objects.filter(user=bob).exists()


def test_a_message_stands_on_every_page_until_its_end(site: Site, keeper: Client) -> None:
    saved = keeper.post("/studio/banner/", {"text": "We move on <Friday>.", "level": "warning", "until": ""})
    assert saved.status_code == 302
    for client, path in (
        (site.people["reader"], "/w/lab/"),
        (site.people["stranger"], "/workspaces/"),
        (keeper, "/studio/"),
    ):
        assert "We move on &lt;Friday&gt;." in client.get(path).content.decode(), path
    assert keeper.get("/api/v1/studio/message/").json()["level"] == "warning"
    Banner.objects.update(until=now() - timedelta(seconds=1))
    assert "We move on" not in keeper.get("/w/lab/").content.decode()
    past = keeper.post("/studio/banner/", {"text": "x", "level": "info", "until": "2020-01-01"})
    assert b"over already" in past.content
    keeper.put("/api/v1/studio/message/", {"text": "Soon"}, content_type="application/json")
    assert Banner.objects.get().text == "Soon"
    keeper.post("/studio/banner/", {"text": "", "level": "info"})
    assert not Banner.objects.exists()


def test_the_lists_cost_the_same_with_few_and_with_many(site: Site, keeper: Client) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert keeper.get(path).status_code == 200
        return len(seen)

    paths = ("/studio/workspaces/", "/studio/people/", "/api/v1/studio/workspaces/", "/api/v1/studio/people/")
    few = [cost(path) for path in paths]
    few = [cost(path) for path in paths]
    for number in range(8):
        create_workspace(User.objects.create_user(f"u{number}"), f"w{number}")
    assert [cost(path) for path in paths] == few
