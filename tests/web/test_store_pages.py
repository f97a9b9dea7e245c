"""Datastores by page: the form that adapts to their kind, the test, credentials that are never shown, the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.utils.html import escape

from datasets.models import Datastore
from datasets.stores import root_of, unsealed
from tests.datasets.store_servers import FaultySite
from tests.web.conftest import Site

pytestmark = pytest.mark.django_db
NEW = "/w/lab/data/new-store/"


@pytest.fixture
def server(settings: Any) -> Iterator[FaultySite]:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    found = FaultySite()
    yield found
    found.close()


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_form_adapts_to_the_kind(site: Site) -> None:
    blob, sftp = text(site.page.get(NEW)), text(site.page.get(f"{NEW}?kind=sftp"))
    assert 'name="credential_sas_token"' in blob and 'name="option_host_key"' not in blob
    assert 'name="option_host_key"' in sftp and 'name="credential_sas_token"' not in sftp
    assert 'value="22"' in sftp and 'name="create"' in sftp
    assert 'name="create"' not in text(site.page.get(f"{NEW}?kind=postgresql"))
    assert 'name="option_authority"' in blob and 'name="credential_client_secret"' in blob
    for kind, field in (("sqlite", "option_path"), ("duckdb", "option_path"), ("gcs", "credential_access_id")):
        assert f'name="{field}"' in text(site.page.get(f"{NEW}?kind={kind}")), kind
    assert site.page.get(f"{NEW}?kind=nonsense").status_code == 200
    assert NEW in text(site.page.get("/w/lab/data/stores/"))
    reader = site.people["reader"]
    assert reader.get(NEW).status_code == 403 and NEW not in text(reader.get("/w/lab/data/stores/"))


def test_a_store_is_registered_tested_and_taken_out(site: Site, server: FaultySite) -> None:
    values = {"name": "site", "option_endpoint": server.url, "credential_token": "secret-token", "check": "on"}
    made = site.page.post(f"{NEW}?kind=http", values)
    assert made.status_code == 302 and made["Location"] == "/w/lab/data/stores/site/", text(made)
    store = Datastore.objects.get(name="site")
    assert unsealed(store) == {"token": "secret-token"}
    pages = ["", "credentials/"]
    assert not [each for each in pages if "secret-token" in text(site.page.get(f"/w/lab/data/stores/site/{each}"))]
    tested = text(site.page.post("/w/lab/data/stores/site/test/"))
    assert tested.count("passed") == 6 and "not reached" not in tested
    server.faults = [401]
    tested = text(site.page.post("/w/lab/data/stores/site/test/"))
    assert (
        escape("refuses the credentials") in tested and tested.count("not reached") == 3 and tested.count("passed") == 2
    )
    assert site.page.post("/w/lab/data/stores/site/unregister/").status_code == 302
    assert not Datastore.objects.filter(name="site").exists()


def test_what_is_refused_is_told_at_its_field_and_no_secret_comes_back(site: Site, server: FaultySite) -> None:
    values = {"name": "Bad Name", "option_endpoint": server.url, "credential_token": "secret-token"}
    refused = text(site.page.post(f"{NEW}?kind=http", values))
    assert "lower-case letters" in refused and "secret-token" not in refused and server.url in refused
    gone = {"name": "site", "option_endpoint": "http://127.0.0.1:9", "credential_token": "secret-token", "check": "on"}
    refused = text(site.page.post(f"{NEW}?kind=http", gone))
    assert "cannot be reached" in refused and "secret-token" not in refused
    key = {
        "name": "files",
        "option_host": "h",
        "option_username": "u",
        "option_host_key": "none",
        "credential_private_key": "PRIVATE",
    }
    refused = text(site.page.post(f"{NEW}?kind=sftp", key))
    assert "ssh-keyscan" in refused and "PRIVATE" not in refused
    assert not Datastore.objects.exclude(kind="local").exists()


def test_credentials_are_set_anew(site: Site, server: FaultySite) -> None:
    site.page.post(f"{NEW}?kind=http", {"name": "site", "option_endpoint": server.url, "credential_token": "one"})
    server.files = {"/a.txt": b"a"}
    assert root_of(Datastore.objects.get(name="site")).read("a.txt") == b"a"
    answer = site.page.post("/w/lab/data/stores/site/credentials/", {"credential_token": "two", "check": "on"})
    assert answer.status_code == 302
    assert root_of(Datastore.objects.get(name="site")).read("a.txt") == b"a"
    assert server.asked[-1][2]["Authorization"] == "Bearer two"


def test_the_studios_own_folders_have_no_credentials(site: Site) -> None:
    page = text(site.page.get("/w/lab/data/stores/workspaceblobstore/"))
    assert "credentials/" not in page and "unregister" not in page
    assert Datastore.objects.filter(name="workspaceblobstore").exists()
    site.page.post("/w/lab/data/stores/workspaceblobstore/unregister/")
    assert Datastore.objects.filter(name="workspaceblobstore").exists()


def test_a_store_that_is_away_says_so_on_its_page(site: Site, server: FaultySite) -> None:
    site.page.post(f"{NEW}?kind=http", {"name": "site", "option_endpoint": server.url})
    shown = text(site.page.get("/w/lab/data/stores/site/"))
    assert "lists no folders" in shown and "file-drop" not in shown
    base = {"option_host": "h.example", "option_database": "d", "option_username": "u", "credential_password": "p"}
    site.page.post(f"{NEW}?kind=postgresql", {"name": "base", **base})
    shown = text(site.page.get("/w/lab/data/stores/base/"))
    assert "from_sql_query" in shown and "banner error" not in shown
