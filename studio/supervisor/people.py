"""What a start asks of the apps: the first owner, the link, the local host. Imported after Django is loaded."""

from __future__ import annotations

import contextlib
import getpass
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from studio.supervisor.layout import Refusal


def _find(module: str) -> ModuleType | None:
    """A module that may not be part of this studio."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            return None
        raise


def os_user() -> str:
    """The name of whoever started the studio."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "owner"


def prepare_first_owner(url: str, is_loopback: bool) -> str:
    """Make the first owner; refuse to be reachable for others before they have a password."""
    first = _find("workspaces.services.first_start")
    if first is None:
        return ""
    with without_broker():
        owner = first.ensure_first_owner(os_user())
    has_password = first.owner_has_password()
    if not is_loopback and not has_password:
        raise Refusal(
            "No owner has a password yet, so the studio listens on this machine only.\n"
            "Start it once without --host, open the sign-in link and choose a password."
        )
    first.write_credentials(url, owner)
    return "" if has_password else url + first.sign_in_link(owner)


@contextlib.contextmanager
def without_broker() -> Iterator[None]:
    """No page is open before the first one is served, so what happens is told to nobody (and no client is loaded)."""
    from channels.layers import InMemoryChannelLayer, channel_layers

    channel_layers.backends["default"] = InMemoryChannelLayer()
    try:
        yield
    finally:
        del channel_layers.backends["default"]


def enrol_local_host(home: Path) -> bool:
    """Write the local agent's key; False when this studio has no agents."""
    hosts = _find("compute.services.hosts")
    if hosts is None:
        return False
    hosts.enrol_local_host(home)
    return True
