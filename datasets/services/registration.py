"""Datastores are registered, tested, given other credentials and taken out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from core import once, outbox
from core.clock import now
from core.errors import Conflict, Invalid, StudioError
from core.objects import StoreAway, StoreError
from core.spec import refusing
from datasets import guard, stores
from datasets.kinds import KINDS
from datasets.kinds.base import Connection, Field, Kind, refused
from datasets.models import Datastore
from datasets.services.datastores import open_to_people
from datasets.stores import STANDARD
from duto.spec.names import check_name
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.services import audit

MOST, LONGEST_NAME = 200, 64
LONGEST_OPTION, LONGEST_CREDENTIAL = 2000, 16_000
# How far a connection comes, in order. `answer`: it came through, and the store said something else.
STAGES = ("name", "network", "sign_in", "permission", "container", "answer")


@dataclass(frozen=True)
class Tested:
    """What a test found: the stage that failed with its sentence, or neither."""

    failed: str = ""
    message: str = ""

    @property
    def passed(self) -> tuple[str, ...]:
        """The stages before it."""
        return STAGES[: STAGES.index(self.failed)] if self.failed else STAGES


def registrable() -> list[Kind]:
    """The kinds that can be registered: folders of the studio's own come with the workspace."""
    return [each for each in KINDS.values() if each.files or each.database]


@sensitive_variables("credentials", "place")
def register(
    context: WorkspaceContext,
    name: str,
    kind: str,
    options: Mapping[str, Any],
    credentials: Mapping[str, Any],
    description: str = "",
    *,
    overwrite: bool = False,
    create: bool = False,
    validate: bool = True,
) -> Datastore:
    """A new datastore, or another in the place of one (`overwrite`). `create`: make its container where there is none.

    Raises Invalid, Conflict (`exists`, `too_many`), and unless `validate` is off StoreError that says what does not work.
    """
    context.require(Role.CONTRIBUTOR)
    with refusing():
        check_name("datastore", name)
    if len(name) > LONGEST_NAME:
        raise Invalid(
            _("The name of a datastore has at most %(most)d characters.") % {"most": LONGEST_NAME}, code="bad_name"
        )
    if name in STANDARD:
        raise Conflict(
            _("'%(name)s' is a folder of every workspace. Choose another name.") % {"name": name}, code="exists"
        )
    found = Datastore.objects.filter(workspace=context.workspace, name=name).first()
    if found is not None and not overwrite:
        raise Conflict(
            _("There is a datastore '%(name)s' already. Say overwrite to replace it.") % {"name": name}, code="exists"
        )
    if found is None and Datastore.objects.filter(workspace=context.workspace).count() >= MOST:
        raise Conflict(_("A workspace has at most %(most)d datastores.") % {"most": MOST}, code="too_many")
    place = checked(name, kind, options, credentials)
    row = found or Datastore(workspace=context.workspace, name=name)
    row.kind, row.options, row.description = kind, dict(place.options), description
    _give(row, place.credentials)
    if validate or create:  # nobody waits for a store with a transaction open
        probe(row, create=create)
    try:
        with transaction.atomic():
            row.save()
            once.settle(row)
            audit.note(context, "datastore.registered", name, kind=kind, host=_host(place), is_new=found is None)
    except IntegrityError as error:
        raise Conflict(
            _("There is a datastore '%(name)s' already. Say overwrite to replace it.") % {"name": name}, code="exists"
        ) from error
    _notify_pages(context)
    return row


@sensitive_variables("credentials", "place")
def set_credentials(
    context: WorkspaceContext, name: str, credentials: Mapping[str, Any], *, validate: bool = True
) -> Datastore:
    """Other credentials for a datastore, all of them anew; datasets and running steps read on with these.

    Raises as `register`.
    """
    context.require(Role.CONTRIBUTOR)
    row = _registered(context, name)
    place = checked(name, row.kind, row.options, credentials)
    _give(row, place.credentials)
    if validate:
        probe(row)
    with transaction.atomic():
        row.save(update_fields=["sealed", "credentials_set_at"])
        audit.note(context, "datastore.credentials_set", name)
    _notify_pages(context)
    return row


def unregister(context: WorkspaceContext, name: str) -> None:
    """Take it out of the workspace with its credentials. What lies there stays; datasets that read it are refused from now on.

    Raises Conflict for a folder of the studio's own, and for the default datastore.
    """
    context.require(Role.CONTRIBUTOR)
    row = _registered(context, name)
    if context.workspace.default_datastore == name:
        text = _("'%(name)s' is the default datastore. Make another one the default first.")
        raise Conflict(text % {"name": name}, code="is_default")
    with transaction.atomic():
        row.delete()
        audit.note(context, "datastore.unregistered", name)
    _notify_pages(context)


def test(context: WorkspaceContext, name: str) -> Tested:
    """Whether it can be reached and read, by its present credentials."""
    context.require(Role.CONTRIBUTOR)
    try:
        probe(open_to_people(context.workspace, name))
    except StudioError as error:
        return Tested(str(error.facts.get("stage", "answer")), error.message)
    return Tested()


def probe(row: Datastore, *, create: bool = False) -> None:
    """Reach it stage by stage. Raises StoreError of the stage that fails; nobody is to try again by themselves."""
    if row.kind == Datastore.Kind.LOCAL:
        return
    try:
        _reach(row, create)
    except StoreAway as error:
        raise StoreError(error.message, **error.facts) from error


def _reach(row: Datastore, create: bool) -> None:
    kind, place = KINDS[row.kind], stores.connection_of(row)
    kind.require_modules(row.name)
    if kind.address is not None:
        _connect(row.name, *kind.address(place))
    opened: Any = kind.files(place) if kind.files else kind.database(place) if kind.database else None
    if create and hasattr(opened, "make"):
        opened.make()
    opened.check()


def _connect(name: str, host: str, port: int) -> None:
    try:
        guard.connect(host, port).close()
    except StudioError as error:
        raise StoreError(error.message, code=error.code, stage="name") from error
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        raise refused(name, "network", "store_network", host=host, why=why) from error


def rotate() -> None:
    """Encrypt the credentials of all datastores under the studio's present key."""
    rows = list(Datastore.objects.select_for_update().filter(sealed__isnull=False))
    for row in rows:
        stores.seal(row, stores.unsealed(row))
    Datastore.objects.bulk_update(rows, ["sealed"], batch_size=500)


@sensitive_variables("credentials", "secrets")
def checked(name: str, kind: str, options: Mapping[str, Any], credentials: Mapping[str, Any]) -> Connection:
    """The values that this kind takes. Raises Invalid that names the field; no message repeats a credential."""
    if kind not in KINDS or not (KINDS[kind].files or KINDS[kind].database):
        there = ", ".join(each.name for each in registrable())
        raise Invalid(_("A datastore is of one of the kinds %(kinds)s.") % {"kinds": there}, code="bad_kind")
    found = KINDS[kind]
    plain = _values(found.options, options, LONGEST_OPTION, "bad_option")
    secrets = _values(found.credentials, credentials, LONGEST_CREDENTIAL, "bad_credentials")
    place = Connection(name, plain, secrets)
    found.check(place)
    if found.address is not None:
        found.address(place)
    return place


@sensitive_variables("given", "made", "value", "text")
def _values(fields: tuple[Field, ...], given: Mapping[str, Any], longest: int, code: str) -> dict[str, str]:
    known = {each.name: each for each in fields}
    if unknown := [key for key in given if key not in known]:
        text = _("This kind of datastore has no '%(name)s'; it has %(names)s.")
        raise Invalid(text % {"name": str(unknown[0])[:80], "names": ", ".join(known) or "–"}, code=code)
    made: dict[str, str] = {}
    for each in fields:
        value = given.get(each.name)
        if each.is_flag:
            if value not in (None, "", False):
                made[each.name] = "true"
            continue
        text = str(value).strip() if value is not None else ""
        if not text and each.is_required:
            raise Invalid(
                _("Say '%(name)s': this kind of datastore needs it.") % {"name": each.name}, code=code, field=each.name
            )
        has_odd = any(ord(sign) < 32 or sign == "\ufffd" for sign in text if not (each.is_long and sign in "\r\n\t"))
        if len(text) > longest or has_odd:
            why = _("'%(name)s' is a text of at most %(most)d characters without line breaks.")
            raise Invalid(why % {"name": each.name, "most": longest}, code=code, field=each.name)
        if text:
            made[each.name] = text
    return made


def _give(row: Datastore, credentials: Mapping[str, str]) -> None:
    stores.seal(row, dict(credentials))
    row.credentials_set_at = now() if credentials else None


def _registered(context: WorkspaceContext, name: str) -> Datastore:
    row = open_to_people(context.workspace, name)
    if row.kind == Datastore.Kind.LOCAL:
        text = _("'%(name)s' is a folder of the studio's own: it is part of its workspace, and has no credentials.")
        raise Conflict(text % {"name": name}, code="is_local")
    return row


def _host(place: Connection) -> str:
    return place["host"] or place["endpoint"] or place["account"] or place["region"] or place["path"]


def _notify_pages(context: WorkspaceContext) -> None:
    outbox.hint(f"list:{context.workspace.name}:datasets")
