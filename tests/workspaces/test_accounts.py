"""The pages of accounts as strangers use them: tries that are counted, names that are not told, doors that are none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import BasePasswordHasher, get_hasher
from django.core.cache import cache
from django.test import Client

from tests.workspace_scenario import WorkspaceScenario
from workspaces.models import User
from workspaces.services.accounts import sign_in_link

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
RIGHT = "a long sentence 7"


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def ana(scenario: WorkspaceScenario) -> User:
    scenario.owner.set_password(RIGHT)
    scenario.owner.email = "ana@example.org"
    scenario.owner.save()
    return scenario.owner


def outcome(login: str, password: str, address: str = "10.0.0.1", host: str = "localhost") -> str:
    """`in`, or what the page says."""
    at = {"REMOTE_ADDR": address, "HTTP_HOST": host}
    answer = Client().post("/accounts/login/", {"login": login, "password": password}, **at)
    if answer.status_code == 302:
        return "in"
    return " ".join(re.findall(r'role="alert">([^<]*)<', answer.content.decode()))


def test_a_stranger_elsewhere_shuts_nobody_out(ana: User) -> None:
    for number in range(30):
        outcome("ana", "wrong", f"10.1.{number % 3}.1")
    assert "Too many" in outcome("ana", RIGHT, "10.1.0.1")
    assert outcome("ana", RIGHT, "10.0.0.9") == "in"


def test_tries_of_one_name_are_counted_whatever_its_spelling_and_the_hosts_name(ana: User) -> None:
    for login, host in (
        ("ana", "localhost"),
        ("ANA", "127.0.0.1"),
        ("\uff41na", "localhost"),
        ("Ana", "localhost"),
        ("anA", "127.0.0.1"),
    ):
        assert "Too many" not in outcome(login, "wrong", host=host)
    assert "Too many" in outcome("ana", RIGHT)
    # The way back that waits for nothing.
    link = Client().post(sign_in_link(ana), {"password": "another sentence 8", "again": "another sentence 8"})
    assert link.status_code == 302


def test_one_address_has_not_all_names_to_try() -> None:
    said = [outcome(f"name-{number}", "wrong") for number in range(12)]
    assert ["Too many" in each for each in said] == [False] * 10 + [True] * 2
    assert "Too many" not in outcome("name-x", "wrong", "10.0.0.2")
    # One network of IPv6 is one address: whoever has one has them all.
    for number in range(10):
        outcome(f"name-{number}", "wrong", f"2001:db8::{number + 1:x}")
    assert "Too many" in outcome("name-y", "wrong", "2001:db8::ffff")


def test_who_signs_in_uses_up_no_tries(ana: User) -> None:
    assert [outcome("ana", RIGHT) for _ in range(15)] == ["in"] * 15


@pytest.mark.parametrize(("known", "unknown"), [("ana", "nobody"), ("ana@example.org", "nobody@example.org")])
def test_known_and_unknown_names_are_answered_alike(
    ana: User, known: str, unknown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []
    hasher = type(get_hasher())

    def counted(method: str) -> None:
        real = getattr(hasher, method)

        def count(self: BasePasswordHasher, *given: Any, **more: Any) -> Any:
            hashed.append(1)
            return real(self, *given, **more)

        monkeypatch.setattr(hasher, method, count)

    counted("encode")
    found = []
    for login in (known, unknown):
        hashed.clear()
        found.append((outcome(login, "wrong").replace(login, "?"), len(hashed)))
    assert found[0] == found[1] and found[0][1] > 0


@pytest.mark.parametrize("email", ["ana@example.org", "nobody@example.org", "x", ""])
def test_a_forgotten_password_is_told_what_to_do_about(ana: User, email: str) -> None:
    for answer in (
        Client().get("/accounts/password/reset/"),
        Client().post("/accounts/password/reset/", {"email": email}),
    ):
        assert answer.status_code == 200
        text = answer.content.decode()
        assert "mails no way in" in text and "signin-link" in text and "<form" not in text


@pytest.mark.parametrize("who", ["nobody", "ana"])
@pytest.mark.parametrize("method", ["get", "post", "head", "put", "delete", "options"])
def test_no_page_of_accounts_is_a_fault(ana: User, who: str, method: str) -> None:
    client = Client(raise_request_exception=True)
    if who == "ana":
        client.force_login(ana, backend="django.contrib.auth.backends.ModelBackend")
    for page in (
        "", "login/", "inactive/", "reauthenticate/", "password/change/", "password/set/", "password/reset/", "password/reset/done/",
        "password/reset/key/done/", "password/reset/key/1-x/", "password/reset/key/zz-set-password/", "signup/", "email/",
        "confirm-email/", "confirm-email/abc/", "login/code/confirm/", "login/code/", "phone/verify/", "2fa/", "social/",
    ):  # fmt: skip
        answer = getattr(client, method)(f"/accounts/{page}")
        assert answer.status_code in (200, 302, 400, 403, 404, 405), (page, answer.status_code)
    assert client.get("/accounts/email/").status_code == 404
