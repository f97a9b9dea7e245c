"""Channels are made and changed by owners: messages of a workspace leave the studio by them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from core import encryption, once, outbox
from core.errors import Conflict, Invalid
from core.names import one_line
from datasets import fetch
from notifications import signing
from notifications.models import Channel
from workspaces.access import WorkspaceContext
from workspaces.models import Role
from workspaces.services import audit, edits

MOST, MOST_RECIPIENTS = 100, 50
LONGEST_URL = 2000
Kind = Channel.Kind


@sensitive_variables("asked", "key")
@transaction.atomic
def create(context: WorkspaceContext, asked: Mapping[str, Any]) -> tuple[Channel, str]:
    """A new channel, and of a webhook the key by which its messages are signed, which is shown this once.

    Raises Invalid for what cannot be an address, Conflict where the name is taken or there are too many, Unprocessable for
    a private address.
    """
    context.require(Role.OWNER).require_person()
    if Channel.objects.filter(workspace=context.workspace).count() >= MOST:
        raise Conflict(_("A workspace has at most %(most)d channels.") % {"most": MOST}, code="too_many")
    kind = str(asked.get("kind") or "")
    if kind not in Kind.values:
        raise Invalid(_("'kind' is one of %(kinds)s.") % {"kinds": ", ".join(Kind.values)}, code="bad_kind")
    made = Channel(workspace=context.workspace, kind=kind, created_by=context.user)
    _set_name(made, asked.get("name"))
    key = signing.new_key() if kind == Kind.WEBHOOK else ""
    if kind == Kind.EMAIL:
        _refuse_field(asked, "url")
        made.recipients = _recipients(asked.get("recipients"))
    else:
        _refuse_field(asked, "recipients")
        _seal(made, _url(asked.get("url")), key)
    made.save(force_insert=True)
    once.settle(made)
    audit.note(context, "notification.channel_created", made.name, kind=kind, host=made.host)
    _notify_pages(context)
    return made, key


@sensitive_variables("asked")
@transaction.atomic
def change(
    context: WorkspaceContext, channel: Channel, asked: Mapping[str, Any], *, seen: edits.Seen = None
) -> Channel:
    """Change its name, address or recipients; what is left out stays.

    Raises as `create`, and PreconditionFailed where it is not as it was `seen`.
    """
    found = _locked(context, channel)
    edits.require_unchanged(seen, state(found), context.workspace, id=str(found.pk))
    if asked.get("name") is not None:
        _set_name(found, asked["name"])
    if found.kind == Kind.EMAIL:
        _refuse_field(asked, "url")
        if asked.get("recipients") is not None:
            found.recipients = _recipients(asked["recipients"])
    else:
        _refuse_field(asked, "recipients")
        if asked.get("url"):
            _seal(found, _url(asked["url"]), unsealed(found)[1])
    found.save()
    facts = {"host": found.host, "id": str(found.pk)}
    edits.note(context, "notification.channel_changed", found.name, state(found), **facts)
    _notify_pages(context)
    return found


def state(channel: Channel) -> dict[str, Any]:
    """All that a change may overwrite; of what is encrypted, the ciphertext."""
    sealed = bytes(channel.sealed).hex() if channel.sealed is not None else ""
    return {"name": channel.name, "recipients": channel.recipients, "sealed": sealed}


@transaction.atomic
def new_key(context: WorkspaceContext, channel: Channel) -> str:
    """Another key for a webhook, shown this once; messages are signed by it from now on. Raises Invalid for the others."""
    found = _locked(context, channel)
    if found.kind != Kind.WEBHOOK:
        raise Invalid(_("Only messages of webhooks are signed."), code="no_key")
    key = signing.new_key()
    _seal(found, unsealed(found)[0], key)
    found.save(update_fields=["sealed"])
    edits.note(context, "notification.channel_changed", found.name, state(found), key="new", id=str(found.pk))
    return key


@transaction.atomic
def delete(context: WorkspaceContext, channel: Channel) -> None:
    """Remove it with its deliveries; rules that go by it stay, without it."""
    found = _locked(context, channel)
    audit.note(context, "notification.channel_deleted", found.name)
    found.delete()
    _notify_pages(context)


@sensitive_variables("facts")
def unsealed(channel: Channel) -> tuple[str, str]:
    """The address and the key. Raises Conflict where this studio's key opens them no more."""
    try:
        facts = json.loads(encryption.decrypt(bytes(channel.sealed or b""), _associated_data(channel)))
    except encryption.Undecipherable as error:
        text = _(
            "The address of the channel '%(name)s' was encrypted under another key of this studio. Name that key in "
            "DUTO_OLD_SECRET_KEYS, or set the address again."
        )
        raise Conflict(text % {"name": channel.name}, code="undecipherable") from error
    return facts["url"], facts["key"]


def rotate() -> None:
    """Encrypt all of them under the present key of the studio."""
    rows = list(Channel.objects.select_for_update().filter(sealed__isnull=False))
    for row in rows:
        _seal(row, *unsealed(row))
    Channel.objects.bulk_update(rows, ["sealed"])


def _locked(context: WorkspaceContext, channel: Channel) -> Channel:
    context.require(Role.OWNER).require_person()
    return Channel.objects.select_for_update(of=("self",)).select_related("workspace", "created_by").get(pk=channel.pk)


@sensitive_variables("url", "key", "data")
def _seal(channel: Channel, url: str, key: str) -> None:
    data = json.dumps({"url": url, "key": key}).encode()
    channel.sealed = encryption.encrypt(data, _associated_data(channel))
    channel.host = urlsplit(url).netloc[:255]


def _associated_data(channel: Channel) -> bytes:
    return f"channel:{channel.pk}".encode()


def _set_name(channel: Channel, given: Any) -> None:
    name = one_line(" ".join(str(given or "").split()))
    if not name or len(name) > 120:
        raise Invalid(_("A channel has a name of 1 to 120 characters."), code="bad_name")
    others = Channel.objects.filter(workspace=channel.workspace, name__iexact=name).exclude(pk=channel.pk)
    if others.exists():
        raise Conflict(_("There is a channel '%(name)s' already.") % {"name": name}, code="exists")
    channel.name = name


def _refuse_field(asked: Mapping[str, Any], name: str) -> None:
    """Refuse a field that the kind does not have, rather than drop it."""
    if asked.get(name):
        raise Invalid(_("A channel of this kind has no '%(name)s'.") % {"name": name}, code="bad_channel")


def _url(given: Any) -> str:
    """An address of the web. Raises Invalid, and Unprocessable for one that is private as it stands; a name is looked up at each
    message, since it may lead elsewhere by then."""
    url = str(given or "").strip()
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or len(url) > LONGEST_URL or any(letter.isspace() or ord(letter) < 32 for letter in url):
        raise Invalid(
            _("The address of a webhook begins with https:// or http:// and has at most %(most)d characters.")
            % {"most": LONGEST_URL},
            code="bad_url",
        )
    if parts.username or parts.password:
        raise Invalid(_("The address of a webhook has no name and password in it."), code="bad_url")
    fetch.check(url)
    return url


def _recipients(given: Any) -> list[str]:
    """Addresses, each once. Raises Invalid."""
    found = given if isinstance(given, list) else []
    addresses = list(dict.fromkeys(str(each).strip() for each in found if str(each).strip()))
    if not addresses or len(addresses) > MOST_RECIPIENTS:
        raise Invalid(
            _("A channel of e-mail has 1 to %(most)d addresses.") % {"most": MOST_RECIPIENTS}, code="bad_recipients"
        )
    for each in addresses:
        check_address(each)
    return addresses


def check_address(address: str) -> str:
    """The address itself. Raises Invalid."""
    try:
        validate_email(address)
    except ValidationError:
        raise Invalid(
            _("%(address)r is no e-mail address.") % {"address": address[:120]}, code="bad_recipients"
        ) from None
    if len(address) > 254:
        raise Invalid(_("%(address)r is no e-mail address.") % {"address": address[:120]}, code="bad_recipients")
    return address


def _notify_pages(context: WorkspaceContext) -> None:
    outbox.hint(f"list:{context.workspace.name}:notifications")
