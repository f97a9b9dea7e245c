"""A run watched by somebody who reads Portuguese: every word of it, and every change, in that language alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, expect

from studio.words import po
from tests.live.browser import SLOW_MS, Person, has_ended, is_awake, mark, node, open_step, was_not_reloaded
from tests.live.studio import LiveRun, Studio

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ROOT = Path(__file__).resolve().parents[2]
WORDS = po.read((ROOT / "locale/pt_PT/LC_MESSAGES/django.po").read_text())
HOLE = re.compile(r"%\(\w+\)[.\d]*[srdf]|%[sd]|\{\w+\}")
# What the page may say in English would stand alone in an element or a label; words that both languages have do not count.
LEFT = [
    message
    for message in WORDS
    if message.id and not message.context and po.forms(message)[:1] != po.each(message.id)[:1]
]
ENGLISH = {text for message in LEFT for text in po.each(message.id)}
# A text with values in it is known by all that stands around them.
WITH_VALUES = [
    re.compile(".+?".join(map(re.escape, HOLE.split(text))), re.DOTALL)
    for text in ENGLISH
    if HOLE.search(text) and re.search("[a-z]{2}", HOLE.sub("", text))
]
# No word of Portuguese, and in nearly every English sentence: what nobody can translate has them, too.
COMMON = re.compile(
    r"\b(the|of|is|are|was|were|has|have|had|with|without|and|not|nothing|this|that|these|there|from|for|its|it|by|to|in|on|"
    r"at|last|first|all|failed|ago)\b"
)
# What the tests, the sample and the studio call their own things.
NAMES = {
    "Acts", "Languages", "x", "y", "credentials file",
    "344 penguins as they were recorded at Palmer Station, Antarctica (CC0).",
}  # fmt: skip
SAID = """() => [...document.querySelectorAll("body *")].flatMap((element) => [
  ...[...element.childNodes].filter((node) => node.nodeType === 3 && !element.closest("script, style, pre, code, .mono, .lines, .source")).map((node) => node.data),
  ...["aria-label", "title", "placeholder", "data-confirm", "data-confirm-detail", "data-confirm-button", "data-confirm-keep", "aria-description", "alt"]
    .map((name) => element.getAttribute(name)).filter(Boolean),
])"""
# All that a page says while it is looked at, also what stands there for a moment only.
LISTEN = f"""addEventListener("DOMContentLoaded", () => {{
  const said = {SAID};
  let pending = 0;
  window.everSaid = new Set();
  window.listen = () => {{ pending = 0; for (const text of said()) everSaid.add(text.trim()); }};
  new MutationObserver(() => {{ pending ||= requestAnimationFrame(listen); }})
    .observe(document.body, {{ subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["aria-label", "title", "placeholder"] }});
  listen();
}})"""
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
    with person.page(locale="pt-PT") as page:
        page.add_init_script(LISTEN)
        yield page


def left_in_english(page: Page, names: set[str] = NAMES) -> set[str]:
    """What the page says, or has said, of its own; names that people gave are their own."""
    said = {text.strip() for text in page.evaluate(SAID)}
    if page.evaluate("Boolean(window.everSaid)"):
        said |= set(page.evaluate("listen(), [...everSaid]"))
    return {text for text in said - names if is_english(text)}


def is_english(text: str) -> bool:
    return text in ENGLISH or any(each.fullmatch(text) for each in WITH_VALUES) or bool(COMMON.search(text))


@pytest.mark.parametrize("text", ["Runs", "3 lines", "Delete penguins?", "Nothing is left of it.", "2 of 3 files"])
def test_what_is_said_in_english_is_found(text: str) -> None:
    assert is_english(text)


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


# Words that their button, entry, tab or state has no room for.
CUT = """() => [...document.querySelectorAll(".btn, .nav .item, .tabs a, .state")]
  .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent.trim())"""
TABS = ("logs", "metrics", "usage", "images", "outputs", "inputs", "code", "environment")


def test_on_a_phone_the_longer_words_fit(echo: LiveRun, person: Person) -> None:
    run = f"/w/main/runs/{echo.id}/"
    paths = [run, f"{run}?view=timeline", f"{run}?view=table", *(f"{run}?step=echo&tab={tab}" for tab in TABS)]
    paths += [f"/w/main/{name}" for name in ("", "runs/", "experiments/", "pipelines/", "data/", "data/stores/")]
    paths += [f"/w/main/{name}" for name in ("environments/", "models/", "compute/", "settings/")]
    with person.page(locale="pt-PT", viewport={"width": 390, "height": 844}) as page:
        for path in paths:
            page.goto(path)
            is_awake(page)
            for theme in ("dark", "light"):
                page.emulate_media(color_scheme=theme)
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, theme)
                assert page.evaluate(CUT) == [], (path, theme)
            assert left_in_english(page) == set(), path


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


def test_all_that_scripts_draw_is_in_the_language(stage: Studio, page: Page) -> None:
    """Panes of a run, by scripts: graph, timeline, log, metrics, charts, use, and what opens above them."""
    code = (
        "import sys, time\nfrom azureml.core import Run\nrun = Run.get_context()\n"
        "for n in range(3): run.log('loss', 1 / (n + 1)); print('row', n, flush=True)\n"
        "run.log('word', 'penguin'); run.log_list('list', [1, 2]); run.log_row('row', x=1, y=2)\n"
        "print('ERROR: x', file=sys.stderr, flush=True)\ntime.sleep(4)\nraise ValueError('x')\n"
    )
    run = stage.submit(
        {"um": "print(1)", "dois": code, "três": "1"}, {"dois": ["um"], "três": ["dois"]}, experiment="Languages"
    )
    english: set[str] = set()
    page.goto(f"/w/main/runs/{run.id}/?step=dois&tab=logs")
    is_awake(page)
    view = page.locator("log-view")
    expect(view.locator(".lines")).to_contain_text("row 2", timeout=SLOW_MS)
    for tab in ("metrics", "usage", "logs"):
        page.locator(f'#run-panel .tabs a[href*="tab={tab}"]').click()
        expect(page.locator(f'#run-panel .tabs a[href*="tab={tab}"]')).to_have_attribute(
            "aria-current", re.compile(".")
        )
    has_ended(page, "Failed")
    view.get_by_role("searchbox").fill("row")
    expect(view).to_contain_text(re.compile(r"1 (de|/) 3"))
    view.get_by_role("searchbox").fill("em lado nenhum")
    expect(view).to_contain_text("sem ocorrências")
    english |= left_in_english(page)
    page.goto(f"/w/main/runs/{run.id}/?step=dois&tab=metrics")
    expect(page.locator("metric-chart").first).to_be_visible()
    page.locator("metric-chart").first.hover()
    page.locator("metric-chart summary").first.click()
    english |= left_in_english(page)
    page.goto(f"/w/main/runs/{run.id}/?step=dois&tab=usage&view=timeline")
    expect(page.locator("run-timeline .rows")).to_contain_text("dois")
    page.locator("run-timeline .rows [data-step]").first.hover()
    english |= left_in_english(page)
    is_awake(page)
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    palette = page.locator("dialog#palette")
    palette.locator("input").fill("Languages")
    expect(palette.locator("li").first).to_contain_text("Languages")
    palette.locator("input").fill("cpu")
    expect(palette.locator("li").first).to_contain_text("cpu-cluster")
    palette.locator("input").fill("em lado nenhum")
    expect(palette.locator("li.none")).to_contain_text("Nada")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Retomar…", exact=True).click()
    expect(page.locator("#run-dialog form").first).to_be_visible()
    english |= left_in_english(page)
    page.locator("#run-dialog [data-close]").first.click()
    page.get_by_role("button", name="Clonar", exact=True).click()
    page.wait_for_url("**/drafts/*/")
    english |= left_in_english(page)
    page.go_back()
    expect(page.locator("run-timeline .rows")).to_contain_text("dois")
    assert stage.rest("DELETE", f"runs/{run.id}/", role="owner").status_code < 300
    expect(page.locator("#content > .banner").first).to_be_visible()
    assert english | left_in_english(page) == set()


def test_files_are_sent_and_refused_in_the_language(person: Person, page: Page) -> None:
    page.goto("/w/main/data/register/")
    is_awake(page)
    files = page.locator('file-drop input[type="file"]').first
    tables = {"a.csv": b"a,b\n1,2\n", "b.csv": b"a,b\n3,4,5\n"}
    files.set_input_files([FilePayload(name=name, mimeType="text/csv", buffer=data) for name, data in tables.items()])
    expect(page.locator("file-drop li.done")).to_have_count(2)
    expect(page.locator("body")).to_contain_text("tem 3 valores, mas a tabela tem 2 colunas")
    page.route("**/staged/**", lambda route: route.abort())
    files.set_input_files({"name": "c.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"})
    expect(page.locator("file-drop li.bad")).to_contain_text("A ligação perdeu-se.")
    page.unroute("**/staged/**")
    assert left_in_english(page) == set()
    # The browser says that a request has failed, which is as it should be here.
    person.complaints = [each for each in person.complaints if "/staged/" not in each]
