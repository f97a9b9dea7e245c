"""A form that is sent twice is carried out once, and says so."""

from __future__ import annotations

import re

import pytest

from runs.models import Run
from tests.web.conftest import Site
from workspaces.models import ApiToken

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
FIELD = re.compile(r'name="once" value="([^"]+)"')


def test_a_double_click_on_resubmit_makes_one_run(site: Site) -> None:
    run = site.failed()
    keys = FIELD.findall(site.see(f"runs/{run.pk}/").content.decode())
    assert keys
    first = site.send(f"runs/{run.pk}/resubmit/", once=keys[0])
    second = site.send(f"runs/{run.pk}/resubmit/", once=keys[0])
    made = Run.objects.get(cloned_from=run)
    assert first["Location"] == second["Location"] == f"/w/lab/runs/{made.pk}/"
    assert "was not carried out again" in site.see(f"runs/{made.pk}/").content.decode()
    fresh = FIELD.findall(site.see(f"runs/{run.pk}/").content.decode())[0]
    assert fresh != keys[0]
    site.send(f"runs/{run.pk}/resubmit/", once=fresh)
    assert Run.objects.filter(cloned_from=run).count() == 2


def test_who_clicks_twice_is_told_what_the_first_click_has_done(site: Site) -> None:
    """The browser drops the first answer, with its notice, once the second click has begun."""
    values = {"name": "Rain", "kind": "file", "datastore": "workspaceblobstore", "path": "raw/", "once": "k"}
    site.dataset("penguins")
    site.send("data/register/?from=path", **values)
    site.page.cookies.pop("messages")
    second = site.send("data/register/?from=path", **values)
    assert second["Location"] == "/w/lab/data/sets/Rain/"
    found = site.see("data/sets/Rain/").content.decode()
    assert "“Rain” version 1 is registered." in found and "was not carried out again" in found


def test_a_form_that_makes_something_carries_a_key(site: Site) -> None:
    run = site.failed()
    for page in (
        "settings/",
        "data/register/",
        f"runs/{run.pk}/publish/",
        f"runs/{run.pk}/resume/",
    ):
        assert FIELD.search(site.see(page).content.decode()), page


def test_a_token_is_made_once_by_its_form(site: Site) -> None:
    for _ in range(2):
        site.send("settings/tokens/create/", name="once", role="reader", once="k", days="90")
    assert ApiToken.objects.filter(name="once").count() == 1
