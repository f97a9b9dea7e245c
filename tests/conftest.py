"""What all tests share. Fixtures of other plugins can be replaced from here only, not from a plugin of ours."""

from __future__ import annotations

import os
from typing import Any

import pytest

from studio.testing.plugin import find_chromium

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """For pytest-playwright: the machine's own Chromium, quiet, also as root."""
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    return {"executable_path": find_chromium(), "args": [*FLAGS, *sandbox], "headless": True}
