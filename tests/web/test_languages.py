"""A page speaks the language of its reader; a program is answered in English."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import get_language

from compute.models import Host
from runs.models import Run, StepRun
from tests.web.conftest import Site

PORTUGUESE = "pt-PT,pt;q=0.9,en;q=0.5"


def see(site: Site, path: str = "", **headers: str) -> str:
    answer = site.page.get(f"/w/lab/{path}", headers={"Accept-Language": PORTUGUESE, **headers})
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.parametrize("asked", [PORTUGUESE, "pt", "pt-BR,en;q=0.1", "fr,pt;q=0.3,en;q=0.1"])
def test_a_page_is_in_the_first_language_that_the_browser_asks_for_and_the_studio_has(site: Site, asked: str) -> None:
    html = see(site, **{"Accept-Language": asked})
    assert '<html lang="pt-pt">' in html
    assert ">Início</h1>" in html
    assert re.search(r'<script defer src="/static/\w+/words/pt-pt\.js"></script>', html)


@pytest.mark.parametrize("asked", ["", "en-GB,en;q=0.9", "fr", "en;q=0.9,pt;q=0.1", "\x7f;;", "pt" * 400])
def test_any_other_page_is_in_english_and_loads_no_words(site: Site, asked: str) -> None:
    html = see(site, **{"Accept-Language": asked})
    assert '<html lang="en">' in html
    assert ">Home</h1>" in html
    assert "/words/" not in html


def test_a_language_that_is_chosen_holds_against_what_the_browser_says(site: Site) -> None:
    chosen = site.page.post("/language/", {"language": "en"}, headers={"Referer": "http://testserver/w/lab/runs/?q=a"})
    assert (chosen.status_code, chosen["Location"]) == (302, "http://testserver/w/lab/runs/?q=a")
    cookie = chosen.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert '<html lang="en">' in see(site)
    site.page.post("/language/", {"language": "pt-pt"})
    assert '<html lang="pt-pt">' in see(site, **{"Accept-Language": "en"})
    assert 'value="pt-pt" lang="pt-pt" aria-pressed="true"' in see(site)


@pytest.mark.parametrize("language", ["", "xx", "pt-pt\t", "../../etc"])
def test_a_language_that_is_none_changes_nothing(site: Site, language: str) -> None:
    answer = site.page.post("/language/", {"language": language}, headers={"Referer": "https://elsewhere.example/"})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert '<html lang="pt-pt">' in see(site)


def test_who_is_not_signed_in_reads_the_door_in_their_language() -> None:
    html = Client().get("/accounts/login/", headers={"Accept-Language": PORTUGUESE}).content.decode()
    assert "Manter a sessão iniciada" in html


def api(site: Site, **headers: str) -> HttpResponse:
    return site.page.get("/api/v1/workspaces/lab/runs/none/", headers={"Accept-Language": PORTUGUESE, **headers})


@pytest.mark.parametrize("asked", [None, "", "xx", "en", "\x7f" * 600])
def test_programs_are_answered_in_english(site: Site, asked: str | None) -> None:
    answer = api(site, **({} if asked is None else {"Duto-Language": asked}))
    assert answer["Content-Language"] == "en"


def test_the_script_of_a_page_is_answered_in_its_language(site: Site) -> None:
    run = site.failed()
    address = f"/api/v1/workspaces/lab/runs/{run.pk}/graph/"
    details = [
        [node["detail"] for node in site.page.get(address, headers=headers).json()["nodes"] if node["type"] == "step"]
        for headers in ({"Accept-Language": PORTUGUESE}, {"Duto-Language": "pt-pt"})
    ]
    assert any("attempt 2" in detail for detail in details[0])
    assert any("tentativa 2" in detail for detail in details[1])


def test_another_language_costs_no_query_and_few_bytes(site: Site) -> None:
    path = f"runs/{site.failed().pk}/"
    calls = []
    for language in ("en", PORTUGUESE):
        see(site, path, **{"Accept-Language": language})
        with CaptureQueriesContext(connection) as queries:
            html = see(site, path, **{"Accept-Language": language})
        calls.append((len(queries), len(html.encode())))
    (queries, size), (theirs, longer) = calls
    assert theirs == queries
    assert longer < size * 1.1


def test_the_language_ends_with_the_request(site: Site) -> None:
    see(site)
    assert get_language() == "en"
    Client().get("/accounts/login/", headers={"Accept-Language": PORTUGUESE})
    assert get_language() == "en"


def test_a_refusal_is_told_in_the_readers_language_on_a_page_and_in_english_to_a_program(site: Site) -> None:
    body = {"name": "cpu", "vm_size": "STANDARD_D2_V2", "min_nodes": 0, "max_nodes": 2, "idle_seconds": 60}
    page = site.page.post("/w/lab/compute/create/", body, headers={"Accept-Language": PORTUGUESE})
    assert "Há um destino de computação &#x27;cpu&#x27;" in page.content.decode()
    api = site.page.post(
        "/api/v1/workspaces/lab/compute/",
        body,
        content_type="application/json",
        headers={"Accept-Language": PORTUGUESE},
    )
    assert api.json()["error"]["message"].startswith("There is a compute target 'cpu'")


def test_what_is_stored_is_english_whoever_caused_it(site: Site) -> None:
    run = site.pipeline("prepare -> train", status="Running", graph=site.graph())
    step = site.step(run, "train")
    Run.objects.filter(pk=step.pk).update(status="Queued")
    site.attempt(step, 1, "queued")
    site.page.post(f"/w/lab/runs/{run.pk}/cancel/", headers={"Accept-Language": PORTUGUESE})
    step.refresh_from_db()
    assert step.status == "Canceled"
    assert step.error["message"].startswith("Canceled by ")


def test_a_sentence_that_is_kept_is_told_to_each_reader_in_their_language(site: Site) -> None:
    run = site.filled()
    step = StepRun.objects.get(run__root=run, name="train")
    kept = {"reused": False, "code": "first", "text": "Not reused: no step of this name has completed here before."}
    path = f"runs/{run.pk}/?step=train&tab=why"
    for text, english, theirs in (
        (kept["text"], kept["text"], "Não reutilizado: ainda nenhum passo com este nome foi concluído aqui."),
        ("Something else was said.", "Something else was said.", "Something else was said."),
    ):
        StepRun.objects.filter(pk=step.pk).update(reuse_explanation={**kept, "text": text})
        assert english in see(site, path, **{"Accept-Language": "en"})
        assert theirs in see(site, path)


def test_numbers_are_read_with_a_comma_and_sent_with_a_point(site: Site) -> None:
    run = site.failed()
    place = site.send("drafts/new/", run_id=str(run.pk))["Location"]
    form = see(site, place.removeprefix("/w/lab/"))
    assert 'value="0.1"' in form
    sent = {"trees": "300", "rate": "0.25", "scale": "true", "note": "x"}
    values = {name: sent[key] for name, key in re.findall(r'name="([^"]*(trees|rate|scale|note))"', form)}
    about = {"do": "submit", "version": "1", "name": "numbers", "experiment": "Palmer experiment", "priority": "0"}
    site.page.post(place, {**values, **about}, headers={"Accept-Language": PORTUGUESE})
    made = Run.objects.filter(kind="pipeline").latest("created_at")
    assert made.pk != run.pk
    assert made.parameters["rate"] == 0.25
    Host.objects.update(memory=(13 << 30) // 2)
    assert "6,5 GiB" in see(site, "compute/")
