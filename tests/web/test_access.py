"""Nothing keeps people out: axe looks at every page, at every dialog, and at the pages before one is signed in; the console says
nothing meanwhile, and no page is wider than a small screen."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.urls import resolve

from pipelines.models import PipelineEndpoint
from pipelines.services import endpoint_access, endpoints
from runs.services.submission.publish import publish_run, trigger_endpoint
from tests.live.axe import violations
from tests.live.test_walk import addresses
from tests.web.chrome import NARROW, WIDE, fits, listen, open_page, ours
from tests.web.conftest import Site
from tests.web.test_links import with_data
from workspaces.access import WorkspaceContext
from workspaces.models import Member, Role, User
from workspaces.services import invitations

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
OPENERS = """[...document.querySelectorAll("[data-open]")].map((each, place) => {
  each.dataset.opener = place;
  return [place, each.dataset.open, each.getAttribute("hx-get") ?? each.dataset.open];
})"""
CLICK = "place => document.querySelector(`[data-opener='${place}']`).click()"
FILLED = "id => { const it = document.getElementById(id); return it?.open && !it.querySelector('.htmx-request') && it.querySelector('h2, input, form'); }"
MENUS = "[...document.querySelectorAll('[popovertarget]')].filter((each) => each.checkVisibility()).map((each) => each.getAttribute('popovertarget'))"
# The paths of the pages and fragments that have come since the page was asked for.
SHOWN = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter((each) => each.responseStatus < 300 && each.contentType === "text/html").map((each) => new URL(each.name).pathname)"""
# The reference of REST repeats one template some hundred times; of these words it has each kind of part.
SOME = "environment"
# Dialogs about several runs are of one kind.
OBJECT = re.compile("[0-9a-f-]{36}")
# A tab of a run: what it changes of the page stands in the panel.
TAB = re.compile(r"/runs/([0-9a-f-]{36})/\?.*\btab=")
# What stands in its page from the first, and is asked for alone when its topic speaks, or when something is typed.
HEARD = {"w/<slug:workspace>/runs/<uuid:run_id>/waiting/", "w/<slug:workspace>/schedules/preview/"}
# What a person may open by an address that is no page.
FILE = re.compile(r"<file:path>$|[.](json|txt|zip)$|/(file|log)/$")


class Look:
    """A browser, and all that was seen and said in it."""

    def __init__(self, page: Any, live_server: Any) -> None:
        self.page, self.url, self.said = page, live_server.url, listen(page)
        self.found: dict[str, list[str]] = {}
        self.seen: set[str] = set()
        self.opened: set[str] = set()
        self.runs: set[str] = set()
        self.sizes = [WIDE, NARROW]
        page.set_viewport_size(WIDE)

    def at(self, name: str, path: str, is_known: bool = False) -> None:
        """A page at both sizes, and each dialog and menu on it that was not looked at before. Of a run's second tab only the panel;
        of a page whose parts are known from another only whether it has room, and what the console says."""
        tab = TAB.search(path)
        part = "run-panel" if tab and tab.group(1) in self.runs else ""
        self.runs |= {tab.group(1)} if tab else set()
        answer = self.page.goto(f"{self.url}{path}")
        self.page.wait_for_load_state("networkidle")
        for size in self.sizes:
            self.page.set_viewport_size(size)
            if not fits(self.page):
                self.found[f"{name} at {size['width']}: width"] = ["wider than the window"]
            if is_known:
                continue
            self.note(f"{name} at {size['width']}", within=part)
            self._dialogs(name)
            self._menus(name)
            self._drawer(name)
        # The next page begins at the size that this one ends with.
        self.sizes.reverse()
        self.seen |= {resolve(each).route for each in self.page.evaluate(SHOWN)}
        # Of a page that is an error the console says that, too.
        if words := [each for each in ours(self.said) if answer.ok or not each.startswith("Failed to load resource")]:
            self.found[f"{name}: console"] = words
        self.said.clear()

    def _drawer(self, name: str) -> None:
        burger = self.page.locator(".burger")
        if burger.is_visible() and self._is_new("the drawer"):
            burger.click()
            self.note(f"{name}: the drawer", is_new=True)

    def note(self, where: str, is_new: bool = False, within: str = "") -> None:
        # What differs by size is the layout, and by theme the colours.
        if is_new:
            problems = violations(self.page, "light", colours="dark", within=within)
        elif self.page.viewport_size == WIDE:
            problems = violations(self.page, "light", within=within)
        else:
            problems = violations(self.page, layout="dark", within=within)
        if problems:
            self.found[where] = problems

    def _dialogs(self, name: str) -> None:
        for place, dialog, source in self.page.evaluate(OPENERS):
            if not self._is_new(source):
                continue
            self.page.evaluate(CLICK, place)
            self.page.wait_for_function(FILLED, arg=dialog)
            self.note(f"{name}: {source}", within=dialog)
            self.page.evaluate("id => document.getElementById(id).close()", dialog)

    def _menus(self, name: str) -> None:
        for menu in self.page.evaluate(MENUS):
            if not self._is_new(f"menu {menu}"):
                continue
            self.page.evaluate("id => document.getElementById(id).showPopover()", menu)
            self.note(f"{name}: menu {menu}", within=menu)
            self.page.evaluate("id => document.getElementById(id).hidePopover()", menu)

    def _is_new(self, source: str) -> bool:
        mark = f"{OBJECT.sub('', source)} at {self.page.viewport_size['width']}"
        is_new = mark not in self.opened
        self.opened.add(mark)
        return is_new


@pytest.fixture
def look(page: Any, live_server: Any) -> Look:
    return Look(page, live_server)


def whole_pages(site: Site) -> dict[str, str]:
    """Without fragments, which nobody opens by themselves."""
    fragments = (
        "preview",
        "who uses it",
        "who used the cluster",
        "who holds it",
        "who is on it",
        "who used the host",
        "who used the model",
        "monitors of it",
    )
    return {name: path for name, path in site.everything().items() if name not in fragments}


def pages_of(site: Site) -> dict[str, str]:
    """All that can be opened by an address in a workspace and beside it, each with something on it."""
    reader = Member.objects.get(workspace=site.workspace, role=Role.READER)
    pages = {name: f"/w/lab/{path}" for name, path in whole_pages(site).items()}
    endpoint = PipelineEndpoint.objects.get()
    read = with_data(site)
    waiting = site.pipeline("prepare -> train", status="Running")
    site.attempt(site.step(waiting, "prepare"), 1, "queued")
    invitations.invite(site.context, "newcomer", Role.READER)
    invitations.invite_open(site.context, Role.READER)
    return pages | {
        "data": f"/w/lab/runs/{read.pk}/", "inputs": f"/w/lab/runs/{read.pk}/?step=train&tab=inputs", "waiting": f"/w/lab/runs/{waiting.pk}/?step=prepare&tab=why",
        "audit": "/w/lab/settings/audit/", "retention": "/w/lab/settings/retention/", "member": f"/w/lab/settings/members/{reader.pk}/",
        "the end": "/w/lab/settings/workspace/delete/", "register": "/w/lab/data/register/", "register a path": "/w/lab/data/register/?from=path",
        "register from the web": "/w/lab/data/register/?from=web", "lost": "/w/lab/no/such/page/", "nowhere": "/nowhere/",
        **{form: f"/w/lab/settings/{form}/" for form in ("people/link", "members/add", "tokens/create", "secrets/set")},
        **{f"endpoint {form}": f"/w/lab/endpoints/{endpoint.pk}/{form}/" for form in ("tokens/create", "form/open")},
        "workspaces": "/workspaces/", "new workspace": "/workspaces/new/", "docs": f"/api/v1/docs?q={SOME}",
        **{f"studio {tab}": f"/studio/{tab}" for tab in ("", "workspaces/", "people/", "banner/")},
        "password": "/accounts/password/change/", "who are you": "/accounts/reauthenticate/",
    }  # fmt: skip


def test_colours_that_passed_are_not_looked_at_again_and_no_others_are_missed(page: Any) -> None:
    def wrong(body: str) -> list[str]:
        page.set_content(
            f"<html lang=en><title>It</title><body style='background: #fff'><main><h1>It</h1>{body}</main></body></html>"
        )
        return [each for each in violations(page, "light") if "color-contrast" in each]

    def looked_at() -> int:
        return int(page.evaluate("document.querySelectorAll('[data-unseen]').length"))

    row, faint = "<p style='color: #333'>fine</p>", "color: #999; font-size: 15px"
    assert (wrong(row * 3), looked_at()) == ([], 4)
    assert (wrong(row * 3), looked_at()) == ([], 0)
    for _ in range(2):
        assert len(wrong(f"{row}<p style='{faint}'>faint</p>")) == 1 == looked_at()
    # What axe passes over says nothing of the same look elsewhere.
    for passed in (
        "<button style='{}' disabled>off</button>",
        "<p style='{}; clip-path: inset(50%)'>read aloud</p>",
        "<p style='{}; visibility: hidden'>hidden</p>",
    ):
        assert wrong(passed.format(f"{faint}; background: none")) == []
    assert len(wrong(f"<p style='{faint}; background: none'>faint</p>")) == 1
    # The same text on another ground, faded, or placed over something.
    assert len(wrong("<div style='background: #444'><p style='color: #333'>fine</p></div>")) == 1
    assert len(wrong("<div style='opacity: .3'><p style='color: #333'>fine</p></div>")) == 1
    dark = "<div style='position: relative; background: #444; height: 3em'><p style='color: #333; position: absolute'>fine</p></div>"
    assert len(wrong(dark)) == 1


def test_axe_and_the_console_find_nothing_on_any_page_menu_or_dialog(site: Site, look: Look, live_server: Any) -> None:
    User.objects.filter(pk=site.owner.pk).update(is_superuser=True)
    open_page(site, look.page, live_server)
    for name, path in pages_of(site).items():
        look.at(name, path)
    look.at("docs in full", "/api/v1/docs", is_known=True)
    assert len(look.opened) > 30
    assert not look.found, json.dumps(look.found, indent=1)
    shown = {each.route for each in addresses() if "GET" in getattr(each.view, "methods", ())}
    assert {route for route in shown - look.seen - HEARD if not FILE.search(route)} == set(), "open these in pages_of()"


def test_axe_finds_nothing_before_one_is_signed_in(site: Site, look: Look) -> None:
    named = invitations.invite(site.context, "newcomer", Role.READER)[1]
    anybody = invitations.invite_open(site.context, Role.READER)[1]
    endpoint = endpoints.create(site.context, "scoring", publish_run(site.context, site.filled(), name="nightly"))
    link = endpoint_access.open_form(site.context, endpoint)
    form = WorkspaceContext(site.workspace, Role.CONTRIBUTOR, user=site.owner, token=link.token)
    run = trigger_endpoint(form, endpoint)
    for path in (
        named,
        anybody,
        f"/forms/{link.text}/",
        f"/forms/{link.text}/runs/{run.pk}/",
        "/accounts/login/",
        "/accounts/password/reset/",
        "/accounts/inactive/",
        "/start/spent/",
        "/nowhere/",
    ):
        look.at(path, path)
    assert not look.found, json.dumps(look.found, indent=1)


def test_a_dialog_that_was_refused_says_so_within_the_policy(site: Site, page: Any, live_server: Any) -> None:
    said = open_page(site, page, live_server)
    page.goto(f"{live_server.url}/w/lab/compute/")
    page.get_by_role("button", name="New cluster").click()
    dialog = page.locator("#compute-dialog")
    dialog.get_by_label("Name").wait_for()
    dialog.locator("form").evaluate("form => { form.noValidate = true; }")
    # As if it had been made larger by hand, or moved by a script.
    dialog.locator("[id]").evaluate_all("all => all.forEach((each) => { each.style.maxWidth = '90%'; })")
    dialog.get_by_label("Name").fill("!")
    dialog.get_by_role("button", name="Create").click()
    dialog.locator("[role=alert]").first.wait_for()
    assert ours(said) == []
