"""Floods of local processes; tests/live/test_container_studio.py has the same in containers."""

from __future__ import annotations

import pytest

from tests.live.floods import FLOODS, survives
from tests.live.studio import Studio

pytestmark = [pytest.mark.slow]


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_kept_whole_in_bounded_memory(live_studio: Studio, name: str) -> None:
    survives(live_studio, name)
