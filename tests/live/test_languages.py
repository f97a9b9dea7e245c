"""A run watched by somebody who reads Portuguese: every word of it, and every change, in that language alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.words import po
from tests.live.browser import SLOW_MS, Person, has_ended, is_awake, mark, node, open_step, was_not_reloaded
from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
WORDS = po.read((ROOT / "locale/pt_PT/LC_MESSAGES/django.po").read_text())
# What the page may say in English would stand alone in an element or a label; words that both languages have do not count.
ENGLISH = {
    po.each(message.id)[0]
    for message in WORDS
    if message.id and not message.context and po.forms(message)[:1] != po.each(message.id)[:1]
}
# The experiment of the tests that share this studio.
NAMES = {"Acts"}
SAID = """() => [...document.querySelectorAll("body *")].flatMap((element) => [
  ...[...element.childNodes].filter((node) => node.nodeType === 3 && !element.closest("script, pre, code, .lines")).map((node) => node.data),
  ...["aria-label", "title", "placeholder"].map((name) => element.getAttribute(name)).filter(Boolean),
])"""
# Each state that the graph shows and each sentence of the polite region, as they come.
RECORD = """() => {
  window.heard = [];
  const keep = (text) => { if (text && !window.heard.includes(text)) window.heard.push(text); };
  new MutationObserver(() => keep(document.getElementById("announcer").textContent)).observe(document.getElementById("announcer"), { childList: true });
  new MutationObserver(() => document.querySelectorAll("run-graph .sub").forEach((sub) => keep(sub.textContent.split(" · ")[0])))
    .observe(document.querySelector("run-graph"), { childList: true, subtree: true, characterData: true });
}"""


@pytest.fixture
def page(person: Person) -> Iterator[Page]:
    """A signed-in page of a browser that asks for Portuguese; whatever its console has to say fails the test."""
    context = person.context(locale="pt-PT")
    yield context.new_page()
    context.close()
    complaints, person.complaints = person.complaints, []
    assert complaints == []


def left_in_english(page: Page) -> set[str]:
    """What the page says of its own; names that people gave are their own."""
    return {text.strip() for text in page.evaluate(SAID)} & (ENGLISH - NAMES)


def test_a_run_is_watched_live_in_portuguese(stage: Studio, page: Page) -> None:
    page.goto("/w/main/")
    expect(page.get_by_role("heading", name="Início")).to_be_visible()
    assert left_in_english(page) == set()
    # Others may have run the sample before, and a home with many runs no longer offers it.
    if known := stage.get("runs/", experiment="Palmer penguins")["items"]:
        page.goto(f"/w/main/runs/{known[0]['id']}/")
    else:
        page.get_by_role("button", name="Executar o pipeline de exemplo").click()
    is_awake(page)
    first = page.url
    page.get_by_role("button", name="Mais formas de submeter de novo").click()
    page.get_by_role("button", name="Forçar: executar de novo todos os passos").click()
    page.wait_for_url(lambda url: url != first)
    expect(page.locator("run-graph[ready]")).to_be_visible()
    is_awake(page)
    mark(page)
    page.evaluate(RECORD)
    expect(page.locator("[data-live-word]")).to_have_text("Em direto")
    expect(node(page, "prepare")).to_have_attribute("data-state", "Completed", timeout=SLOW_MS)
    open_step(page, "train forest")
    expect(page.locator("log-view .total")).to_contain_text("linhas", timeout=SLOW_MS)
    has_ended(page)
    expect(page.locator("#run-head .state").first).to_have_text("Concluído")
    expect(node(page, "compare").locator(".sub")).to_have_text(re.compile(r"^concluído · \d+(,\d)? s$"))
    assert was_not_reloaded(page)
    heard = page.evaluate("window.heard")
    assert {"por iniciar", "em execução", "concluído"} <= set(heard), heard
    assert any("train forest concluído" in text for text in heard), heard
    assert not [text for text in heard if re.search(r"[Rr]unning|[Cc]ompleted|[Qq]ueued|[Ff]inalizing|started", text)]
    assert left_in_english(page) == set()


TABS = ("logs", "metrics", "usage", "images", "outputs", "inputs", "code", "environment")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_the_longer_words_fit(echo: LiveRun, person: Person, theme: str) -> None:
    context = person.context(locale="pt-PT", viewport={"width": 390, "height": 844}, color_scheme=theme)
    page = context.new_page()
    run = f"/w/main/runs/{echo.id}/"
    paths = [run, f"{run}?view=timeline", f"{run}?view=table", *(f"{run}?step=echo&tab={tab}" for tab in TABS)]
    paths += [f"/w/main/{name}" for name in ("", "runs/", "experiments/", "pipelines/", "data/", "data/stores/")]
    paths += [f"/w/main/{name}" for name in ("environments/", "models/", "compute/", "settings/")]
    for path in paths:
        page.goto(path)
        is_awake(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        cut = page.evaluate("""() => [...document.querySelectorAll(".btn, .nav .item, .tabs a, .state")]
          .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent.trim())""")
        assert cut == [], path
        assert left_in_english(page) == set(), path
    context.close()
    complaints, person.complaints = person.complaints, []
    assert complaints == []


def test_the_reader_changes_the_language_in_the_menu_and_stays_on_the_page(stage: Studio, page: Page) -> None:
    page.goto("/w/main/runs/?state=failed")
    page.locator('button[popovertarget="account"]').click()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    assert page.url.endswith("/w/main/runs/?state=failed")
    assert (
        page.evaluate("performance.getEntriesByType('resource').some(({ name }) => name.includes('/words/'))") is False
    )
    page.locator('button[popovertarget="account"]').click()
    page.get_by_role("button", name="Português").click()
    expect(page.get_by_role("heading", name="Execuções")).to_be_visible()
    page.context.clear_cookies(name="duto_language")
