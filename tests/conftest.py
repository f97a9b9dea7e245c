"""What all tests share. Fixtures of other plugins can be replaced from here only, not from a plugin of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from studio.testing.engine import NoEngine, engine
from studio.testing.plugin import find_chromium, lacking
from studio.testing.slurm import NoSlurm, SlurmCluster, cluster

# Pages of an address bar that nobody sees, which each window loads: 0.7 s of processor time for each context. A second list
# of features replaces Playwright's, so that one's are repeated.
WITHOUT = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "TcpPortRandomizationWin",
    "ThirdPartyStoragePartitioning",
)
FLAGS = (
    f"--disable-features={','.join(WITHOUT)}",
    "--disable-gpu",
    # A page lives too short for optimised code to pay: of what axe takes on a page, a third went into making it.
    "--js-flags=--always-sparkplug --no-maglev --no-turbofan",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Each turning icon keeps a software renderer busy.
    "--force-prefers-reduced-motion",
)

# Two cores may be shared with others; an expectation that is met early does not wait.
STEP_MS = 60_000
expect.set_options(timeout=STEP_MS)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """For pytest-playwright: the machine's own Chromium, quiet, also as root."""
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    return {"executable_path": find_chromium(), "args": [*FLAGS, *sandbox], "headless": True}


def begin_anew(context: BrowserContext) -> None:
    """What a test has left in its browser is gone; what the browser has compiled stays, which a new context would not have."""
    context.clear_cookies()
    context.clear_permissions()
    kept = {"origin": "*", "storageTypes": "local_storage"}
    context.new_cdp_session(context.pages[0]).send("Storage.clearDataForOrigin", kept)


@pytest.fixture(scope="session")
def engine_socket() -> Iterator[str]:
    """An engine with a base image: where one is required, its absence fails."""
    try:
        with engine() as socket:
            yield socket
    except NoEngine as reason:
        lacking(f"no containers here: {reason}", "DUTO_REQUIRE_DOCKER")


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A cluster of three nodes: where one is required, its absence fails."""
    try:
        with cluster() as made:
            yield made
    except NoSlurm as reason:
        lacking(f"no Slurm here: {reason}", "DUTO_REQUIRE_SLURM")
