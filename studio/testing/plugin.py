"""The suite's pytest plugin. Loaded with `-p`, since pytest-django reads the settings before any conftest."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from studio.testing.order import Scheduling, ordered
from studio.testing.quick import collect_rarely, create_quickly, flush_quickly, hash_quickly, serve_quickly
from studio.testing.services import Services

MARK = "mark.sqlite"
# The shell has the same engine without what a desktop needs, and takes a quarter less processor time.
SHELL = ("chromium-headless-shell", "chrome-headless-shell")
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "chromium", "chromium-browser", "google-chrome")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The smaller set on the database of `up`."""
    parser.addoption("--sqlite", action="store_true", help="run the tests marked sqlite, on SQLite")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[Any]:
    """Start the services first of all; whatever ends the session stops them."""
    options = early_config.known_args_namespace
    if not options.help:
        services = Services(options.sqlite)
        early_config.add_cleanup(services.stop)
        # One that only hands out tests to workers asks no database.
        is_worker = "PYTEST_XDIST_WORKER" in os.environ
        services.start() if is_worker or not options.numprocesses else services.isolate()
    return (yield)


def pytest_configure() -> None:
    """The settings are read by now, and nothing has used them."""
    hash_quickly()
    create_quickly()
    flush_quickly()
    serve_quickly()


def pytest_collection_finish() -> None:
    """What is there by now stays."""
    collect_rarely()


def pytest_report_header(config: pytest.Config) -> str:
    """Which database this is about."""
    return f"database: {'SQLite' if config.getoption('--sqlite') else 'PostgreSQL'}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --sqlite, a file that marks nothing so needs not be imported by every worker: it has nothing to run."""
    is_file = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    return True if is_file and config.getoption("--sqlite") and MARK not in collection_path.read_text() else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --sqlite, only what is marked so; what is about SQLite alone stays out of the other set."""
    on_sqlite = config.getoption("--sqlite")

    def is_chosen(item: pytest.Item) -> bool:
        marker = item.get_closest_marker("sqlite")
        return bool(marker) if on_sqlite else not (marker and marker.kwargs.get("only"))

    chosen, others = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        (chosen if is_chosen(item) else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = ordered(chosen)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """For whole files; another distribution that somebody asks for is theirs."""
    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def find_chromium(*, whole: bool = False) -> str | None:
    """DUTO_CHROMIUM, then the usual names: of the shell alone, unless the `whole` browser is needed, as for notifications."""
    usual = CHROMIUM if whole else (*SHELL, *CHROMIUM)
    found = (shutil.which(name) for name in (os.environ.get("DUTO_CHROMIUM"), *usual) if name)
    return next((each for each in found if each), None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A browser test needs a browser: where one is required, its absence fails."""
    needs_browser = item.get_closest_marker("browser") is not None
    # Playwright's synchronous interface runs a loop in this thread, which Django would refuse; also for the tests of the same
    # file that come after one with a browser.
    if needs_browser or _is_looping():
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    else:
        os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
    if not needs_browser or find_chromium():
        return
    lacking("no Chromium was found (set DUTO_CHROMIUM, or install chromium)", "DUTO_REQUIRE_BROWSER")


def _is_looping() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def lacking(reason: str, required: str) -> NoReturn:
    """This machine has not what a test needs: the test is skipped with the reason, or fails where a variable insists."""
    if os.environ.get(required):
        pytest.fail(f"{reason}, and {required} is set", pytrace=False)
    pytest.skip(reason)
