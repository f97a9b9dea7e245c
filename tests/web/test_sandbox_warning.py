"""Owners are told when steps of several people run with no sandbox between them."""

from __future__ import annotations

import pytest

from compute.models import Host
from core.clock import now
from tests.web.conftest import Site

WARNING = "Steps run as the user of this studio"
ROOT = "Steps run as root on this host"


@pytest.mark.parametrize(
    ("launcher", "bwrap", "warned"),
    [("process", False, True), ("process", True, False), ("docker", False, False)],
)
def test_an_owner_is_warned_while_a_host_has_no_sandbox(site: Site, launcher: str, bwrap: bool, warned: bool) -> None:
    Host.objects.update(revoked_at=now())
    Host.objects.create(name="here", key_digest="d", launcher=launcher, facts={"isolation": {"bwrap": bwrap}})
    assert (WARNING in site.see("").content.decode()) is warned


@pytest.mark.parametrize(
    ("launcher", "isolation", "warned"),
    [
        ("process", {"bwrap": False, "root": True}, True),
        ("process", {"bwrap": True, "root": True}, False),
        ("process", {"bwrap": False, "root": False}, False),
        ("process", {}, False),
        ("docker", {"bwrap": False, "root": True}, False),
    ],
)
def test_the_page_of_a_host_warns_of_steps_that_are_root(
    site: Site, launcher: str, isolation: dict[str, bool], warned: bool
) -> None:
    Host.objects.create(name="rooted", key_digest="d", launcher=launcher, facts={"isolation": isolation})
    assert (ROOT in site.see("compute/hosts/rooted/").content.decode()) is warned
