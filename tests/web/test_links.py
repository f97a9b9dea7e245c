"""Every link of every page leads somewhere, for each kind of member (the owner's: test_portuguese.py); so does an address that
was cut short."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import Resolver404, resolve

from datasets.services.versions import find_version
from runs.models import Run
from tests.web.conftest import FOR_CONTRIBUTORS, FOR_OWNERS, Site

pytestmark = pytest.mark.django_db
# Attributes whose value a browser asks for.
ASKED = ("href", "hx-get", "data-href", "data-src", "src", "poster")
HOME = "/w/lab/"
# Of the links to one page or tab so many are followed, and as many of those pages are read for further links: two, so that
# one that is broken for what it names is met, and for the roles below an owner's one, to whom links may be shown that they may
# not use. The owner follows also one for each set of names that a query has.
FOLLOW = {"owner": 2, "contributor": 1, "reader": 1}
# Which view of the run stands beside what a link asks for.
CARRIED = "view"


class _Links(HTMLParser):
    """What of a page is asked for by a click, by htmx, or by its elements, and the documents that graphs are drawn from."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._document = ""
        self._in_document = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_document = tag == "script" and given.get("type") == "application/json"
        if tag not in ("use", "input"):
            self.found += [value for name in ASKED if (value := given.get(name))]
        if tag == "form" and given.get("method", "get") == "get" and given.get("action"):
            self.found.append(str(given["action"]))

    def handle_data(self, data: str) -> None:
        if self._in_document:
            self._document += data

    def handle_endtag(self, tag: str) -> None:
        if self._in_document and self._document:
            self.found += urls_in(json.loads(self._document))
        self._document, self._in_document = "", False


def urls_in(document: Any) -> Iterator[str]:
    """Every `url` of a JSON document."""
    if isinstance(document, dict):
        yield from (value for name, value in document.items() if name == "url" and isinstance(value, str))
        document = list(document.values())
    for each in document if isinstance(document, list) else []:
        yield from urls_in(each)


class Walk:
    """From the pages of a site to all that can be reached from them; `look` gets the address and the text of each page."""

    def __init__(
        self,
        client: Client,
        begin: list[str],
        most: int,
        language: str = "en",
        look: Callable[[str, str], None] | None = None,
    ) -> None:
        self.client, self.waiting, self.most = client, deque(begin), most
        self.headers, self.look = {"Accept": "*/*", "Accept-Language": language}, look
        self.seen = set(begin)
        self.asked: Counter[tuple[str, ...]] = Counter()
        self.read: Counter[tuple[str, ...]] = Counter()
        self.broken: dict[str, str] = {}
        self.came_from = dict.fromkeys(begin, "the list of pages")

    def all(self) -> Walk:
        while self.waiting:
            self._visit(self.waiting.popleft())
        return self

    def _visit(self, address: str) -> None:
        if urlsplit(address).path.startswith("/static/"):
            if finders.find(re.sub("^/static/([0-9a-f]{12}/)?", "", urlsplit(address).path)) is None:
                self.broken[address] = f"no such file, on {self.came_from[address]}"
            return
        answer = self.client.get(address, headers=self.headers)
        if answer.status_code >= 400:
            self.broken[address] = f"{answer.status_code} on {self.came_from[address]}"
        if answer.status_code in (301, 302):
            self._found(address, answer["Location"])
        if not answer.headers.get("Content-Type", "").startswith("text/html"):
            return
        page = answer.content.decode()
        if self.look and answer.status_code == 200:
            self.look(address, page)
        if self._is_enough(address):
            return
        for link in dict.fromkeys(_Links(page).found):
            self._found(address, link)

    def _found(self, page: str, link: str) -> None:
        address = urldefrag(urljoin(page, link)).url
        if not address.startswith("/") or address.startswith("/accounts/logout/") or address in self.seen:
            return
        self.seen.add(address)
        if self._is_asked(page, address):
            self.came_from[address] = page
            self.waiting.append(address)

    def _is_asked(self, page: str, address: str) -> bool:
        place, names = kind_of(address)
        if CARRIED in kind_of(page)[1]:
            names -= {CARRIED}
        kinds = [place, (*place, *sorted(names))] if self.most > 1 else [place]
        self.asked.update(set(kinds))
        return self.asked[place] <= self.most or self.asked[kinds[-1]] == 1

    def _is_enough(self, address: str) -> bool:
        place, names = kind_of(address)
        self.read[kind := (*place, *sorted(names))] += 1
        return self.read[kind] > self.most


def kind_of(address: str) -> tuple[tuple[str, ...], set[str]]:
    """The page or tab that an address is of, whatever it names there, and the names of its query."""
    parts = urlsplit(address)
    if parts.path.startswith("/static/"):
        return (parts.path,), set()
    query = parse_qsl(parts.query)
    try:
        route = resolve(parts.path).route
    except Resolver404:
        route = parts.path
    return (route, *(value for name, value in query if name == "tab")), {name for name, _ in query}


def with_data(site: Site) -> Run:
    """A run that reads a dataset, a file of a datastore, a pattern, and what has been deleted since."""
    version = find_version(site.workspace, "penguins", "latest")
    sources = {
        "penguins": {"dataset": str(version.pk)},
        "one": {"datastore": "workspaceblobstore", "path": "raw/p.csv"},
        "several": {"datastore": "workspaceblobstore", "path": "raw/*.csv"},
        "gone": {"datastore": "workspaceblobstore", "path": "raw/was here/x.csv"},
    }
    inputs = [{"name": name, "mode": "mount", "from": source} for name, source in sources.items()]
    return site.pipeline("prepare -> train", status="Completed", graph=site.graph(inputs=inputs))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["contributor", "reader"])
def test_every_link_of_every_page_leads_somewhere(full: Site, who: str) -> None:
    kept_off = {"contributor": FOR_OWNERS, "reader": FOR_OWNERS | FOR_CONTRIBUTORS}[who]
    walk = Walk(full.people[who], beginnings(full, kept_off), FOLLOW[who]).all()
    assert walk.broken == {}
    assert len(walk.seen) > 150


def beginnings(full: Site, kept_off: set[str]) -> list[str]:
    """The pages that a walk begins at."""
    pages = [path for name, path in full.pages.items() if name not in kept_off]
    return [HOME + page for page in (*pages, f"runs/{with_data(full).pk}/")]


def test_the_data_of_a_graph_lead_to_their_pages(site: Site) -> None:
    site.dataset()
    run = with_data(site)
    nodes = {
        node["label"]: node["url"]
        for node in site.get(f"runs/{run.pk}/graph/").json()["nodes"]
        if node["type"] == "data"
    }
    assert nodes["penguins"] == "/w/lab/data/sets/penguins/?version=1"
    assert nodes["one"] == "/w/lab/data/stores/workspaceblobstore/?path=raw%2Fp.csv"
    for label, url in nodes.items():
        assert site.page.get(url).status_code == 200, label
    assert b"There is nothing at raw/was here/x.csv any more" in site.page.get(nodes["gone"]).content
    assert b"any more" not in site.page.get(nodes["several"]).content


CUT_SHORT = {
    "datasets/": "data/",
    "datasets": "data/",
    "datasets/penguins/?version=1": "data/sets/penguins/?version=1",
    "data/sets/": "data/",
    "data/penguins/": "data/sets/penguins/",
    "datastores/": "data/stores/",
    "datastores/workspaceblobstore/": "data/stores/workspaceblobstore/",
    "environments/named/": "environments/",
    "environments/slim/": "environments/named/slim/",
    "models/named/": "models/",
    "models/forest/": "models/named/forest/",
    "compute/hosts/": "compute/",
    "compute/clusters/": "compute/",
    "compute/cpu/": "compute/clusters/cpu/",
    "hosts/alpha/": "compute/hosts/alpha/",
    "clusters/cpu": "compute/clusters/cpu/",
    "runs/of/": "runs/",
    "settings/members/": "settings/people/",
    "settings/tokens/": "settings/",
}


def test_an_address_that_was_cut_short_leads_to_what_is_meant(full: Site) -> None:
    for place, meant in CUT_SHORT.items():
        answer = full.page.get(HOME + place)
        assert answer.status_code == 302, place
        assert answer["Location"] == HOME + meant, place
        assert full.page.get(HOME + meant).status_code == 200, place
        # Without a workspace, the one that was open last is meant.
        assert full.page.get(f"/{place}")["Location"] == HOME + meant, place
        assert Client().get(HOME + place)["Location"].startswith("/accounts/login/"), place
        assert full.see(place.partition("?")[0], "stranger").status_code == 404, place


def test_an_address_without_its_last_stroke_gets_it(site: Site) -> None:
    assert site.page.get("/w/lab/data?q=x")["Location"] == "/w/lab/data/?q=x"


def test_a_refusal_keeps_the_navigation(site: Site) -> None:
    failed = site.failed()
    for place, who, status in (
        ("no/such/page/", "reader", 404),
        (f"runs/{failed.pk}/publish/", "reader", 403),
        ("runs/7/", "owner", 404),
        (f"runs/{failed.pk}/artifacts/none.txt", "owner", 404),
    ):
        answer = site.see(place, who)
        assert answer.status_code == status, place
        assert b'class="shell"' in answer.content, place
        assert b'data-workspace="lab"' in answer.content, place
    assert b'class="shell"' in site.page.get("/nowhere/").content
    nobody = Client().get("/nowhere/")
    assert nobody.status_code == 404
    assert b'class="shell"' not in nobody.content
