"""Where the files of a datastore are, as a root of the storage module; and databases, as what takes queries."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from core import encryption
from core.errors import Conflict
from core.objects import ObjectRoot
from core.storage import Root, direct, is_own_far, own_folder, safe
from datasets.kinds import KINDS
from datasets.kinds.base import Connection, Database, Kind, PartUploads, refused
from datasets.models import Datastore
from datasets.stored_messages import localized, say
from duto.spec import canonical
from workspaces.models import Workspace

# Copies of what was fetched from web addresses and databases: readable like a datastore, listed nowhere, written by the fetcher.
WEB = "_web"
# What forms have sent that is not registered yet.
STAGED = "_staged"
# Both are in every workspace from its first moment, as folders; programs name them.
STANDARD = ("workspaceblobstore", "workspacefilestore")
# So many clients of far stores stay open in one process.
MOST_OPEN = 64
_open: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
_turn = threading.Lock()


def root_of(datastore: Datastore) -> Root:
    """Raises StoreError for a database, Conflict (`undecipherable`)."""
    if datastore.kind == Datastore.Kind.LOCAL:
        return local_root(datastore.workspace, datastore.name)
    kind = KINDS[datastore.kind]
    if kind.files is None:
        raise refused(datastore.name, "answer", "store_is_database")
    found = _opened(datastore, kind)
    assert isinstance(found, ObjectRoot)
    return found


def database_of(datastore: Datastore) -> Database:
    """Raises StoreError for a store of files, Conflict (`undecipherable`)."""
    kind = KINDS[datastore.kind]
    if kind.database is None:
        raise refused(datastore.name, "answer", "store_is_files")
    found: Database = _opened(datastore, kind)
    return found


def root_by_name(workspace: Workspace, name: str) -> Root:
    """The root of a datastore whose name is known to be good; of those that are always folders, nobody is asked."""
    if name in (WEB, STAGED, *STANDARD):
        return local_root(workspace, name)
    found = Datastore.objects.filter(workspace=workspace, name=name).first()
    if found is None:
        return local_root(workspace, name)
    found.workspace = workspace
    return root_of(found)


def local_root(workspace: Workspace, name: str) -> Root:
    return own_folder(relative_root(workspace, name))


@dataclass(frozen=True)
class StoreLocation:
    """Where the files of a datastore lie for a host: below the studio's data directory (`direct`), or elsewhere, in a place
    that is another one (`identity`) once the datastore was registered anew."""

    direct: str | None
    identity: str = ""


def place_of(workspace: Workspace, name: str) -> StoreLocation:
    """The place of a datastore of any kind."""
    if name not in (WEB, STAGED, *STANDARD):
        found = Datastore.objects.filter(workspace=workspace, name=name).only("kind", "options").first()
        if found is not None and found.kind != Datastore.Kind.LOCAL:
            return StoreLocation(None, canonical.digest([str(found.pk), found.kind, found.options]))
    own = relative_root(workspace, name)
    return StoreLocation(direct(own), canonical.digest([settings.DUTO.artifact_store, own]) if is_own_far() else "")


def presigned(workspace: Workspace, name: str, key: str, seconds: int) -> str:
    """An address of the store itself at which this one file is read for so long; empty where there is none to be had."""
    root = root_by_name(workspace, name)
    return presigned_in(root, key, seconds) if isinstance(root, ObjectRoot) else ""


def presigned_in(root: ObjectRoot, key: str, seconds: int) -> str:
    """The same for a file of a root; empty where its store signs none."""
    signing = getattr(root.objects, "presigned", None)
    return str(signing(safe(key), seconds)) if signing is not None else ""


def can_presign(workspace: Workspace, name: str) -> bool:
    """Whether its kind can sign addresses of the store's own; its credentials may not be able to."""
    kind = Datastore.objects.filter(workspace=workspace, name=name).values_list("kind", flat=True).first()
    return kind is not None and kind != Datastore.Kind.LOCAL and KINDS[kind].can_presign


def part_uploads_of(datastore: Datastore) -> PartUploads:
    """A store whose kind can sign, as what takes files in parts. Raises StoreError, Conflict (`undecipherable`)."""
    root = root_of(datastore)
    assert isinstance(root, ObjectRoot)
    return cast(PartUploads, root.objects)


def is_here(host: str | None) -> bool:
    """Whether an address of this host leads to this very machine, and so is of use to no other."""
    return host in ("localhost", "127.0.0.1", "::1")


def relative_root(workspace: Workspace, name: str) -> str:
    """The folder of a local one below the data directory; an agent on the same disk reads there directly."""
    if name in (WEB, STAGED):
        return f"store/{workspace.pk}/{name[1:]}"
    return f"datastores/{workspace.pk}/{safe(name)}"


@sensitive_variables("place")
def _opened(datastore: Datastore, kind: Kind) -> Any:
    """The client, made once a process for the same options and credentials: those that were set anew make another."""
    key = (datastore.pk, datastore.kind, json.dumps(datastore.options, sort_keys=True), bytes(datastore.sealed or b""))
    with _turn:
        if key in _open:
            _open.move_to_end(key)
            return _open[key]
    place = connection_of(datastore)
    kind.require_modules(datastore.name)
    made: Any = ObjectRoot(kind.files(place)) if kind.files else kind.database(place) if kind.database else None
    with _turn:
        _open[key] = made
        while len(_open) > MOST_OPEN:
            _open.popitem(last=False)
    return made


@sensitive_variables("credentials")
def connection_of(datastore: Datastore) -> Connection:
    """What its kind opens. Raises Conflict where this studio's key opens its credentials no more."""
    credentials = unsealed(datastore)
    return Connection(datastore.name, {key: str(value) for key, value in datastore.options.items()}, credentials)


@sensitive_variables("credentials", "data")
def seal(datastore: Datastore, credentials: dict[str, str]) -> None:
    """Put the credentials on the row, encrypted for it alone."""
    data = json.dumps(credentials).encode()
    datastore.sealed = encryption.encrypt(data, _about(datastore)) if credentials else None


@sensitive_variables("data")
def unsealed(datastore: Datastore) -> dict[str, str]:
    """Raises Conflict (`undecipherable`)."""
    if datastore.sealed is None:
        return {}
    try:
        data = encryption.decrypt(bytes(datastore.sealed), _about(datastore))
    except encryption.Undecipherable as error:
        raise Conflict(localized(say("store_sealed", store=datastore.name)), code="undecipherable") from error
    return dict(json.loads(data))


def _about(datastore: Datastore) -> bytes:
    return f"datastore:{datastore.pk}".encode()
