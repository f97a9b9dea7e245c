"""The one studio that all live tests share, and what must be true of it at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.live.studio import Studio

# Low enough that a test can go beyond them, high enough for everything else.
LIMITS = {"DUTO_SNAPSHOT_MAX_BYTES": "2000000", "DUTO_SNAPSHOT_MAX_FILES": "200", "DUTO_REQUEST_MAX_BYTES": "2000000"}
FAULT = re.compile(r'Internal Server Error|Traceback \(most recent call last\)|" 500')


@pytest.fixture(scope="session")
def live_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Web, worker, agent and Valkey on SQLite, as `up` configures them. At the end nothing has crashed in it."""
    studio = Studio(tmp_path_factory.mktemp("live"), DUTO_FETCH_PRIVATE="true", **LIMITS)
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
