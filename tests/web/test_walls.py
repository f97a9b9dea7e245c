"""Owners are told when steps of several people run with no walls between them."""

from __future__ import annotations

import pytest

from compute.models import Host
from core.clock import now
from tests.web.conftest import Site

WARNING = "Steps run as the user of this studio"


@pytest.mark.parametrize(
    ("launcher", "bwrap", "warned"),
    [("process", False, True), ("process", True, False), ("docker", False, False)],
)
def test_an_owner_is_warned_while_a_host_has_no_walls(site: Site, launcher: str, bwrap: bool, warned: bool) -> None:
    Host.objects.update(revoked_at=now())
    Host.objects.create(name="here", key_digest="d", launcher=launcher, facts={"isolation": {"bwrap": bwrap}})
    assert (WARNING in site.see("").content.decode()) is warned
