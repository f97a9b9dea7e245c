"""Values of secret parameters: encrypted where they are kept, opened where a step gets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from core import encryption
from core.errors import Unprocessable
from duto.spec.secrets import DIGEST, SEALED, is_sealed
from duto.spec.values import Parameter


@sensitive_variables()
def seal(workspace: UUID, declared: Iterable[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those of secrets encrypted. One that is so already is opened, so that none is kept that cannot be.

    Raises Unprocessable (`undecipherable`).
    """
    found = dict(values)
    for each in declared:
        value = found.get(each.name)
        if each.secret and value:
            text = _opened(workspace, each.name, value) if is_sealed(value) else str(value)
            found[each.name] = _sealed(workspace, text)
    return found


@sensitive_variables()
def opened(workspace: UUID, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values as a step gets them, and those of them that no log may show. Raises Unprocessable (`undecipherable`)."""
    plain = {name: _opened(workspace, name, value) for name, value in values.items() if is_sealed(value)}
    return {**values, **plain}, list(plain.values())


@sensitive_variables()
def sealed_anew(workspace: UUID, secrets: Mapping[str, Any]) -> dict[str, Any]:
    """The same secrets under the present key. Raises Unprocessable (`undecipherable`)."""
    return {name: _sealed(workspace, _opened(workspace, name, value)) for name, value in secrets.items()}


def _sealed(workspace: UUID, text: str) -> dict[str, str]:
    about = _about(workspace)
    sealed = encryption.encrypt(text.encode(), about)
    return {SEALED: sealed.hex(), DIGEST: encryption.keyed_digest(text.encode(), about)}


def _opened(workspace: UUID, name: str, value: Mapping[str, Any]) -> str:
    try:
        return encryption.decrypt(bytes.fromhex(str(value[SEALED])), _about(workspace)).decode()
    except (encryption.Undecipherable, ValueError) as error:
        text = _(
            "The value of the secret parameter '%(name)s' was encrypted under another key of this studio. Name that key in "
            "DUTO_OLD_SECRET_KEYS, or give the value again."
        )
        raise Unprocessable(text % {"name": name}, code="undecipherable") from error


def _about(workspace: UUID) -> bytes:
    return f"parameter:{workspace}".encode()
