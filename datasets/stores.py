"""Where the files of a datastore are, as a root of the storage module."""

from __future__ import annotations

from core.storage import Root, data_dir, safe
from datasets.models import Datastore
from workspaces.models import Workspace

# Copies of what was fetched from web addresses: readable like a datastore, listed nowhere, written by the fetcher.
WEB = "_web"
# What forms have sent that is not registered yet.
STAGED = "_staged"


def root_of(datastore: Datastore) -> Root:
    return root_by_name(datastore.workspace, datastore.name)


def root_by_name(workspace: Workspace, name: str) -> Root:
    """The root of a datastore whose name is known to be good; asks the database nothing."""
    return Root(str(data_dir() / relative_root(workspace, name)))


def relative_root(workspace: Workspace, name: str) -> str:
    """The folder below the data directory; an agent on the same disk reads there directly."""
    if name in (WEB, STAGED):
        return f"store/{workspace.pk}/{name[1:]}"
    return f"datastores/{workspace.pk}/{safe(name)}"
