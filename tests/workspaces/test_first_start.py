"""The first start: an owner, a workspace with all it needs, a link, a file for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from core.errors import Invalid, NotFound
from studio.supervisor.layout import Layout
from studio.supervisor.running import write_state
from tests.workspace_scenario import RestClient, WorkspaceScenario
from workspaces.models import ApiToken, Role, User, Workspace
from workspaces.services import accounts, first_start
from workspaces.services.tokens import verify

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def test_the_first_start_makes_an_owner_and_a_furnished_workspace() -> None:
    owner = first_start.ensure_first_owner("ana maria")
    assert owner.username == "ana-maria" and not owner.has_usable_password()
    rest = RestClient(workspace="main")
    rest.client.force_login(owner)
    assert {each["name"] for each in rest.get("datastores/").json()["items"]} == {
        "workspaceblobstore",
        "workspacefilestore",
    }
    assert "AzureML-Tutorial" in {each["name"] for each in rest.get("environments/").json()["items"]}


def test_another_start_changes_nothing() -> None:
    owner = first_start.ensure_first_owner("ana")
    assert first_start.ensure_first_owner("somebody else").pk == owner.pk
    assert Workspace.objects.count() == 1 and User.objects.count() == 1


def test_an_owner_has_a_password_once_they_have_chosen_one() -> None:
    owner = first_start.ensure_first_owner("ana")
    assert not first_start.owner_has_password()
    with pytest.raises(Invalid, match="short"):
        first_start.set_password(owner, "abc")
    first_start.set_password(owner, "a long sentence 7")
    assert first_start.owner_has_password()
    client = Client()
    client.post("/accounts/login/", {"login": "ana", "password": "a long sentence 7"})
    assert client.get("/api/v1/me/").json()["username"] == "ana"


def test_a_link_works_once_and_a_fresh_one_ends_the_old() -> None:
    owner = first_start.ensure_first_owner("ana")
    old = first_start.sign_in_link(owner).split("/")[2]
    new = first_start.sign_in_link(owner).split("/")[2]
    with pytest.raises(NotFound):
        first_start.redeem(old)
    assert first_start.redeem(new) == owner
    with pytest.raises(NotFound):
        accounts.holder_of(new)


def test_programs_find_a_token_that_only_their_user_can_read(home: Path) -> None:
    owner = first_start.ensure_first_owner("ana")
    path = first_start.write_credentials("http://127.0.0.1:8000", owner)
    assert path == home / ".config/duto/credentials.json"
    assert path.stat().st_mode & 0o777 == 0o600
    token = json.loads(path.read_text())["studios"]["http://127.0.0.1:8000"]["token"]
    assert verify(token).user == owner
    first_start.write_credentials("http://127.0.0.1:8000", owner)
    assert ApiToken.objects.count() == 1
    first_start.write_credentials("http://127.0.0.1:9000", owner)
    assert set(json.loads(path.read_text())["studios"]) == {"http://127.0.0.1:8000", "http://127.0.0.1:9000"}


def test_the_command_prints_a_token_that_works() -> None:
    first_start.ensure_first_owner("ana")
    out = StringIO()
    call_command("token", "--workspace", "main", "--role", "contributor", stdout=out)
    token = verify(out.getvalue().strip())
    assert token.role == Role.CONTRIBUTOR
    with pytest.raises(CommandError, match="no workspace"):
        call_command("token", "--workspace", "nowhere")


def test_the_command_prints_a_sign_in_link() -> None:
    first_start.ensure_first_owner("ana")
    out = StringIO()
    call_command("signin-link", "--user", "ana", stdout=out)
    assert first_start.redeem(out.getvalue().strip().rstrip("/").rsplit("/", 1)[-1]).username == "ana"
    with pytest.raises(CommandError, match="no account"):
        call_command("signin-link", "--user", "nobody")


def test_the_sign_in_link_leads_to_the_studio_that_runs(settings: Any, tmp_path: Path) -> None:
    """The port of `up` may be another than the one that is set; the public address goes before both."""
    first_start.ensure_first_owner("ana")

    def printed(**set_: Any) -> str:
        settings.DUTO = replace(settings.DUTO, data_dir=tmp_path, **set_)
        out = StringIO()
        call_command("signin-link", "--user", "ana", stdout=out)
        return out.getvalue()

    layout = Layout(tmp_path)
    layout.run.mkdir()
    assert printed(public_url="", port=8123).startswith("http://127.0.0.1:8123/")
    write_state(layout, "http://127.0.0.1:9456", {})
    assert printed().startswith("http://127.0.0.1:9456/")
    assert printed(public_url="https://duto.example").startswith("https://duto.example/")
    for left in ("", "[]", '{"url": 7}'):
        layout.state.write_text(left)
        assert printed(public_url="").startswith("http://127.0.0.1:8123/")


def test_strangers_cannot_sign_up(scenario: WorkspaceScenario) -> None:
    Client().post(
        "/accounts/signup/",
        {"username": "mallory", "password1": "long enough 1", "password2": "long enough 1"},
    )
    assert not User.objects.filter(username="mallory").exists()
