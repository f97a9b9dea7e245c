"""The studios that live tests share, and what must be true of them at the end."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.live.browser import Person
from tests.live.studio import LiveRun, Studio

# Low enough that a test can go beyond them, high enough for everything else.
LIMITS = {"DUTO_SNAPSHOT_MAX_BYTES": "2000000", "DUTO_SNAPSHOT_MAX_FILES": "200", "DUTO_REQUEST_MAX_BYTES": "2000000"}
FAULT = re.compile(r'Internal Server Error|Traceback \(most recent call last\)|" 500')


@contextlib.contextmanager
def running(base: Path) -> Iterator[Studio]:
    """Web, worker, agent and Valkey on SQLite, as `up` configures them. At the end nothing has crashed in it."""
    studio = Studio(base, DUTO_FETCH_PRIVATE="true", **LIMITS)
    try:
        studio.start()
        studio.ensure_cluster()
        yield studio
        for part in ("web", "worker", "agent"):
            log = studio.part_log(part)
            found = FAULT.search(log)
            assert not found, f"the {part} process crashed: {log[max(0, found.start() - 500) : found.end() + 4000]}"
    finally:
        studio.stop()


@pytest.fixture(scope="session")
def live_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The studio of programs."""
    with running(tmp_path_factory.mktemp("live")) as studio:
        yield studio


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The studio of the acts: nobody has been in it before."""
    with running(tmp_path_factory.mktemp("stage")) as studio:
        yield studio


@pytest.fixture(scope="session")
def person(stage: Studio, browser: Browser) -> Person:
    made = Person(stage, browser)
    made.sign_in()
    return made


@pytest.fixture
def page(person: Person) -> Iterator[Page]:
    """A signed-in page; whatever its console has to say fails the test."""
    with person.page() as page:
        yield page


PARAMETERS = [
    {"name": "rounds", "type": "int", "default": 3},
    {"name": "rate", "type": "float", "default": 0.5},
    {"name": "scale", "type": "bool", "default": True},
    {"name": "note", "type": "string", "default": "nightly"},
]
ECHO = "import sys\nprint('got', sys.argv[1:])"


@pytest.fixture
def echo(stage: Studio) -> LiveRun:
    """A run of one step that tells its parameters."""
    graph = stage.graph({"echo": ECHO}, arguments=[{"parameter": each["name"]} for each in PARAMETERS])
    return stage.submit_graph({**graph, "parameters": PARAMETERS}, experiment="Rehearsal").wait()
