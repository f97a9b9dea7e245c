"""The secrets of a workspace: written by contributors, given to programs that ask for one by its name, shown on no page."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from core import encryption, slices
from core.clock import now
from core.errors import Conflict, Invalid, NotFound
from workspaces import hooks
from workspaces.access import WorkspaceContext, hold
from workspaces.models import Role, Secret, Workspace
from workspaces.services import audit

NAME = re.compile(r"[A-Za-z0-9-]{1,127}")
# Bytes of a value, as Azure's key vaults have it, which also suffices for certificates and their keys.
LARGEST = 25_600
MOST_SECRETS, MOST_AT_ONCE = 1000, 100
# Shorter texts stand in half of all words.
SHORTEST_HIDDEN = 4


def secrets_of(context: WorkspaceContext) -> QuerySet[Secret]:
    """Names and times for every member; nobody gets a value by them."""
    return Secret.objects.filter(workspace=context.require(Role.READER).workspace).defer("sealed")


@sensitive_variables("values", "value")
@transaction.atomic
def set_values(
    context: WorkspaceContext,
    values: Mapping[str, str],
    content_types: Mapping[str, str] | None = None,
    *,
    replace: bool = True,
) -> None:
    """Set these secrets, new or in place of what they were; all of them or none.

    Raises Invalid, Forbidden, and Conflict (`exists`) for one that is there and is not to be replaced.
    """
    content_types = content_types or {}
    if unknown := content_types.keys() - values.keys():
        raise Invalid(_("'content_types' names %(name)r, which is not among the secrets.") % {"name": min(unknown)})
    workspace = hold(context).require(Role.CONTRIBUTOR).workspace
    found = {name.lower(): (check_name(name), _checked(name, value)) for name, value in values.items()}
    if len(found) != len(values):
        raise Invalid(_("Two of these names are one: letters count the same, large or small."), code="bad_name")
    if len(found) > MOST_AT_ONCE:
        raise Invalid(_("At most %(most)d secrets go into one request.") % {"most": MOST_AT_ONCE}, code="too_many")
    known = {row.name.lower(): row for row in _named(workspace, found)}
    if known and not replace:
        raise Conflict(
            _("There is a secret '%(name)s' already. Say that its value is to be replaced, or choose another name.")
            % {"name": min(row.name for row in known.values())},
            code="exists",
        )
    if Secret.objects.filter(workspace=workspace).count() + len(found.keys() - known.keys()) > MOST_SECRETS:
        raise Invalid(
            _("A workspace has at most %(most)d secrets. Delete those that nobody needs.") % {"most": MOST_SECRETS},
            code="too_many",
        )
    for key, (name, value) in found.items():
        row = known.get(key) or Secret(workspace=workspace, name=name)
        row.sealed = encryption.encrypt(value, _about(workspace, name))
        row.content_type = content_types.get(name, "")
        row.changed_by, row.changed_at = context.actor[:150], now()
        row.save()
        audit.note(context, "secret.set", row.name, is_new=key not in known)


@transaction.atomic
def read_values(context: WorkspaceContext, names: Collection[str]) -> dict[str, str | None]:
    """The values of these secrets, None of a name that there is not; each that is given stands in the audit.

    Raises Forbidden for a reader, Conflict (`undecipherable`) where this studio's key does not open one.
    """
    context.require_role(Role.CONTRIBUTOR)
    if len(names) > MOST_AT_ONCE:
        raise Invalid(_("At most %(most)d secrets go into one request.") % {"most": MOST_AT_ONCE}, code="too_many")
    found = {row.name.lower(): row for row in _named(context.workspace, [check_name(name).lower() for name in names])}
    values = {key: _opened(row) for key, row in found.items()}
    for row in found.values():
        audit.note(context, "secret.read", row.name)
    return {name: values.get(name.lower()) for name in names}


@transaction.atomic
def delete(context: WorkspaceContext, name: str) -> None:
    """Delete a secret; there is no way back. Raises NotFound, Forbidden."""
    workspace = hold(context).require_role(Role.CONTRIBUTOR).workspace
    row = _named(workspace, [name.lower()]).first()
    if row is None:
        raise NotFound(_("There is no secret '%(name)s' in this workspace.") % {"name": name[:127]})
    row.delete()
    audit.note(context, "secret.deleted", row.name)


def rotate() -> int:
    """Encrypt every secret of the studio under its present key; how many. Raises Conflict, and changes none, where one
    opens under no key that is known."""
    with transaction.atomic():
        rows = list(Secret.objects.select_for_update(of=("self",)).select_related("workspace"))
        for row in rows:
            row.sealed = encryption.encrypt(_opened(row).encode(), _about(row.workspace, row.name))
        hooks.secrets_rotated()
        return Secret.objects.bulk_update(rows, ["sealed"], batch_size=slices.SLICE)


def check_name(name: str) -> str:
    """The name itself. Raises Invalid."""
    if not NAME.fullmatch(name):
        raise Invalid(
            _("%(name)r cannot name a secret: use 1 to 127 letters, digits and hyphens.") % {"name": name[:130]},
            code="bad_name",
        )
    return name


@sensitive_variables("value", "data")
def _checked(name: str, value: str) -> bytes:
    """The value's bytes. No message repeats it."""
    if "\ufffd" in value:  # what the studio reads in place of NUL and halves of pairs: another value than was meant
        raise Invalid(
            _(
                "The value of the secret '%(name)s' has a character that is none, such as NUL. Encode it, for example as base64."
            )
            % {"name": name},
            code="bad_value",
        )
    data = value.encode()
    if not data or len(data) > LARGEST:
        raise Invalid(
            _("The value of the secret '%(name)s' has %(size)d bytes: it takes 1 to %(most)d.")
            % {"name": name, "size": len(data), "most": LARGEST},
            code="bad_value",
        )
    return data


def hider(workspace: Workspace) -> Callable[[str], str]:
    """What puts `***` in place of the workspace's secrets in a text for people outside of it, by the rules by which the
    logs of steps do (`duto_agent.shim.masks`)."""
    texts: set[str] = set()
    for row in Secret.objects.filter(workspace=workspace).select_related("workspace"):
        try:
            value = _opened(row)
        except Conflict:  # under a key that the studio has no more: no step was given it since
            continue
        texts |= {value, value.strip(), *(line.strip() for line in value.splitlines())}
    hidden = sorted((each for each in texts if len(each) >= SHORTEST_HIDDEN), key=len, reverse=True)

    def hide(text: str) -> str:
        for each in hidden:
            text = text.replace(each, "***")
        return text

    return hide


def _named(workspace: Workspace, lowered: Collection[str]) -> QuerySet[Secret]:
    rows = Secret.objects.select_related("workspace").alias(lowered=Lower("name"))
    return rows.filter(workspace=workspace, lowered__in=list(lowered))


def _opened(row: Secret) -> str:
    try:
        data = encryption.decrypt(bytes(row.sealed), _about(row.workspace, row.name))
    except encryption.Undecipherable as error:
        raise Conflict(
            _(
                "The secret '%(name)s' was encrypted under another key of this studio. Name that key in DUTO_OLD_SECRET_KEYS, "
                "or set the secret again."
            )
            % {"name": row.name},
            code="undecipherable",
        ) from error
    return data.decode()


def _about(workspace: Workspace, name: str) -> bytes:
    return f"{workspace.pk}:{name.lower()}".encode()
