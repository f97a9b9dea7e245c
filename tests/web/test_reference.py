"""The page of the REST interface: every operation and schema of the document, found by words, under our policy."""

from __future__ import annotations

import html
import re
import shlex
from typing import Any

import pytest
import yaml
from django.test import Client

from studio.reference import reference_of, type_of
from tests.openapi import document
from tests.web.conftest import Site


def seen(site: Site, words: str = "") -> str:
    answer = site.people["reader"].get("/api/v1/docs", {"q": words}, headers={"accept": "text/html"})
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_operation_and_every_schema_stands_on_the_page(site: Site) -> None:
    page = html.unescape(seen(site))
    for path, methods in document()["paths"].items():
        for method, node in methods.items():
            assert f'id="operation-{node["operationId"]}"' in page
            assert re.search(rf'data-method="{method.upper()}">\w+</span><code class="path">{re.escape(path)}<', page)
    schemas = set(document()["components"]["schemas"])
    assert set(re.findall(r'id="schema-(\w+)"', page)) == schemas >= set(re.findall(r'href="#schema-(\w+)"', page))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_every_operation_says_what_it_does_and_nothing_of_how_it_is_written() -> None:
    for group in reference_of(document()).groups:
        for each in group.operations:
            assert each.text and "self.context" not in each.text and "A view " not in each.text, each.id


def test_words_narrow_it_and_nothing_found_says_so(site: Site) -> None:
    page = seen(site, "cancel POST")
    found = re.findall(r'data-method="(\w+)">\w+</span><code class="path">([^<]+)<', page)
    assert ("POST", "/api/v1/workspaces/{workspace}/runs/{id}/cancel/") in found
    assert {method for method, _ in found} == {"POST"} and len(found) < 10
    assert "Nothing found" in seen(site, '"><script>')


def test_a_browser_without_a_session_is_led_to_one_and_a_program_is_told(db: None) -> None:
    client = Client()
    assert (
        client.get("/api/v1/docs", headers={"accept": "text/html"}).headers["Location"].startswith("/accounts/login/")
    )
    assert client.get("/api/v1/docs").json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 9}, "integer ≥ 0, ≤ 9"),
        ({"type": "integer", "minimum": -(1 << 63)}, "integer"),
        ({"type": "string", "maxLength": 255, "nullable": True}, "string up to 255 characters or null"),
        ({"type": "array", "items": {"type": "string", "format": "uuid"}}, "list of uuid"),
        ({"allOf": [{"$ref": "#/components/schemas/Run"}], "nullable": True}, "Run or null"),
        ({"type": "string", "enum": ["", "a"]}, 'one of "", a'),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({}, "any"),
    ],
)
def test_types_are_said_in_words(node: dict[str, Any], said: str) -> None:
    assert type_of(node) == said


def test_the_commands_are_ones_that_a_shell_takes(site: Site) -> None:
    for group in reference_of(document()).groups:
        for each in group.operations:
            words = shlex.split(each.command)
            assert words[0] == "curl" and words[-1].endswith(each.path), each.id


def test_the_document_itself_is_what_is_committed_whatever_the_language_and_the_form(site: Site) -> None:
    reader = site.people["reader"]
    for form in ("json", "yaml", "json"):
        answer = reader.get("/api/v1/schema", {"format": form}, headers={"accept-language": "pt-PT"})
        assert yaml.load(answer.content, Loader=yaml.CSafeLoader) == document(), form
        assert answer.headers["Content-Disposition"] == f'inline; filename="Duto.{form}"'
