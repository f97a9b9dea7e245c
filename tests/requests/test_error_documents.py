"""The API answers its error document, whoever refused: our views, Django, its middleware, or nobody at all."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import AsyncRequestFactory, Client

from studio.handlers import PagesHandler
from tests.workspace_scenario import WorkspaceScenario

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def document(answer: Any) -> dict[str, Any]:
    assert answer["Content-Type"].startswith("application/json"), answer.content[:200]
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"code", "message", "facts"} and error["message"]
    return error


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "path",
    ["/api/", "/api/v2/", "/api/v1/nothing", "/api/v1/workspaces/a b/", "/agent/v1/nothing", "/agent/"],
)
def test_what_is_not_there(settings: Any, debug: bool, path: str) -> None:
    settings.DEBUG = debug
    answer = Client().get(path)
    assert (answer.status_code, document(answer)["code"]) == (404, "not_found")
    assert b"<html" not in answer.content


def test_a_method_that_an_address_does_not_take(scenario: WorkspaceScenario) -> None:
    answer = scenario.api.client.put(scenario.api.base + "tokens/")
    assert (answer.status_code, document(answer)["code"]) == (405, "method_not_allowed")
    assert "POST" in answer["Allow"]
    answer = Client().delete("/agent/v1/exchange")
    assert (answer.status_code, document(answer)["code"], answer["Allow"]) == (405, "method_not_allowed", "POST")


def test_an_answer_of_another_kind_than_there_is(scenario: WorkspaceScenario) -> None:
    answer = scenario.api.get("tokens/", accept="text/html")
    assert (answer.status_code, document(answer)["code"]) == (406, "not_acceptable")


def test_a_body_of_another_kind(scenario: WorkspaceScenario) -> None:
    answer = scenario.api.client.post(scenario.api.base + "tokens/", b"<a/>", content_type="text/xml")
    assert (answer.status_code, document(answer)["code"]) == (415, "unsupported_media_type")


def test_what_django_refuses_before_any_view(scenario: WorkspaceScenario, settings: Any) -> None:
    assert document(Client(headers={"Host": "elsewhere.example"}).get("/api/v1/"))["code"] == "invalid"
    client = Client(enforce_csrf_checks=True)
    client.force_login(scenario.owner, backend="django.contrib.auth.backends.ModelBackend")
    assert (
        document(client.post(f"{scenario.api.base}tokens/", {}, content_type="application/json"))["code"] == "forbidden"
    )


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_in_a_view_and_in_a_middleware(
    settings: Any, debug: bool, scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = debug

    def break_down(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    scenario.api.client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr("workspaces.queries.tokens_of", break_down)
        answer = scenario.api.get("tokens/")
        assert (answer.status_code, document(answer)["code"]) == (500, "fault")
    with monkeypatch.context() as broken:
        broken.setattr("studio.middleware.Language.process_request", break_down)
        answer = scenario.api.get("tokens/")
        assert (answer.status_code, document(answer)["code"]) == (500, "fault")
    assert b"ZeroDivision" not in answer.content


@pytest.mark.parametrize("charset", ["hex", "idna", "punycode", "undefined", "utf-16", "no-such", "zlib"])
def test_a_body_is_utf_8_whatever_codec_it_names(charset: str) -> None:
    scope = AsyncRequestFactory()._base_scope(
        path="/api/v1/me/",
        method="POST",
        query_string="a=%C3%A9",
        headers=[(b"content-type", f"application/json; charset={charset}".encode())],
    )  # type: ignore[attr-defined]
    request, refused = PagesHandler().create_request(scope, None)
    assert refused is None and request is not None
    assert (request.GET["a"], request.content_type) == ("é", "application/json")
