"""A studio that somebody starts who is not root: no capabilities, no control groups, a sandbox by namespaces of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from duto_agent.launchers import bubblewrap
from studio.testing.plugin import lacking
from tests.live.floods import survives
from tests.live.studio import Studio

pytestmark = [pytest.mark.slow]
WHO = """
import os
print(os.geteuid(), open("/proc/self/status").read().split("CapEff:")[1].split()[0], os.path.exists({secret!r}))
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(tmp_path_factory.mktemp("ordinary"))
    if os.geteuid() == 0:
        if bubblewrap.find() is None:
            lacking("bubblewrap is not here, or may not make namespaces", "DUTO_REQUIRE_DOCKER")
        # Root of the machine without being root: who may read this checkout, and may do nothing else that root may.
        made.live.command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--", *made.live.command]
    try:
        made.start()
        made.ensure_cluster()
        yield made
    finally:
        made.stop()


def test_steps_of_an_ordinary_user_run_in_a_sandbox(studio: Studio) -> None:
    run = studio.submit({"who": WHO.format(secret=str(studio.data_dir / "secret"))}).wait()
    user, capable, sees_secret = run.log("who").split()
    assert int(user) != 0 and int(capable, 16) == 0 and sees_secret == b"False"


@pytest.mark.parametrize("name", ["forks", "files"])
def test_floods_of_an_ordinary_user_are_bounded_too(studio: Studio, name: str) -> None:
    survives(studio, name)
