"""In which order the files of tests are handed to the workers, each to whoever is free."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from studio.bootstrap import ROOT

# By how long they take: what begins last must be short, or one worker ends long after the others.
LONGEST = (
    "tests/live/test_walk.py",
    "tests/web/test_access.py",
    "tests/web/test_links.py",
    "tests/web/test_browser.py",
    "tests/runs/test_resume.py",
    "tests/runs/test_random_order.py",
    "tests/live/test_chaos.py",
    "tests/benchmarks/test_bench.py",
    # The first of several that need the environment of the sample.
    "tests/live/test_two_hosts.py",
    "tests/live/test_acts.py",
    "tests/live/test_frame.py",
    "tests/live/test_fetch.py",
    "tests/live/test_languages.py",
    "tests/live/test_bad_input.py",
    "tests/live/test_floods.py",
    "tests/live/test_sdk.py",
    "tests/live/test_far_stores.py",
    "tests/live/test_artifact_store.py",
    "tests/live/test_examples.py",
    "tests/live/test_second_host.py",
    "tests/live/test_resilience.py",
    "tests/sdk/test_live_programs.py",
    "tests/test_contracts.py",
    "tests/test_up.py",
    "tests/agent/test_container_host.py",
    "tests/agent/test_agent.py",
    "tests/test_demo.py",
    "tests/agent/test_launcher_contract.py",
    "tests/agent/test_images.py",
    "tests/agent/test_slurm.py",
    "tests/live/test_container_studio.py",
    "tests/test_compose.py",
    "tests/test_bootstrap.py",
)
# These share a studio, which one worker starts for all of them.
SHARED = {
    "tests/live/test_acts.py": "frame fetch gone groups interactive languages notices slow_answers spark uses",
    "tests/live/test_bad_input.py": "clean_room command_line debug examples floods sdk secrets",
}
TOGETHER = {f"tests/live/test_{name}.py": first for first, names in SHARED.items() for name in names.split()}
DATABASE = frozenset({"db", "transactional_db", "live_server"})


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """Whole files to whoever is free, and those that share a studio at once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return TOGETHER.get(file, file)


def ordered(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Files that ask the database in this process or have a loop of their own come before those of browsers, whose loop
    stays in the worker's thread to the session's end; among both the longest first."""
    chosen = list(items)
    early = {item.path for item in chosen if needs_the_thread(item)}
    ranks = {ROOT / name: place for place, name in enumerate(LONGEST)}
    return sorted(chosen, key=lambda item: (item.path not in early, ranks.get(item.path, len(ranks))))


def needs_the_thread(item: pytest.Item) -> bool:
    """Whether no other loop may run in the thread of a test."""
    names = getattr(item, "fixturenames", ())
    is_async = inspect.iscoroutinefunction(getattr(item, "function", None))
    return is_async or item.get_closest_marker("django_db") is not None or not DATABASE.isdisjoint(names)
