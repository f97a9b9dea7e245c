"""A request that carries a key is carried out once, however often it comes (`Idempotency-Key`, as the IETF draft has it).

The key is written in the transaction of the action: both hold or neither does. Of two at once the second waits for the
first, and is then told what that made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from core.clock import now
from core.errors import Invalid, Unprocessable
from core.models import IdempotencyKey

HEADER = "Idempotency-Key"
# The field of a form that carries its key.
FIELD = "once"
LONGEST = 255
KEPT = timedelta(days=2)


class Repeated(Exception):
    """The action was done before: `kept` says what it made, or what was answered."""

    def __init__(self, kept: IdempotencyKey) -> None:
        super().__init__(kept.key)
        self.kept = kept


@dataclass
class _Asked:
    """The key of the request that this thread carries out."""

    scope: str
    key: str
    fingerprint: str
    by_answer: bool = False
    # What the digest of an upload is found by while nobody has read it, and the digest itself.
    read: Callable[[], str] | None = None
    content: str = ""
    kept: IdempotencyKey | None = None


_asked: ContextVar[_Asked | None] = ContextVar("idempotency", default=None)


@contextmanager
def asking(
    scope: str,
    key: str | None,
    fingerprint: str = "",
    *,
    by_answer: bool = False,
    read: Callable[[], str] | None = None,
) -> Iterator[None]:
    """Carry out a request with its key, if it has one; `scope` is who asks and where, `fingerprint` what for.
    `by_answer`: it is the answer that the key stands for, whatever rows are made on the way. `read`: reads an upload to
    its end and gives its sha256; it is called only where the key is known, to tell a repetition from other bytes.

    Raises Repeated for one that was carried out before, Invalid for a key that is none, Unprocessable
    (`idempotency_key_reused`) for a key that stood for another request.
    """
    if key is None:
        yield
        return
    asked = _Asked(scope, _read(key), fingerprint, by_answer, read)
    _look(asked)
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def settle(made: models.Model | None = None, *, status: int = 200, body: Any = None, content: str = "") -> None:
    """What the present request's key stands for from now on: a row, or an answer. Inside the transaction of the action.
    `content`: the sha256 of what an upload has brought.

    Of several of one request the first counts; without a key it does nothing. Raises Repeated.
    """
    asked = _asked.get()
    if asked is None or asked.kept is not None or (asked.by_answer and made is not None):
        return
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A key is settled in the transaction of its action.")
    asked.content = content
    row = IdempotencyKey(
        scope=asked.scope, key=asked.key, fingerprint=asked.fingerprint, content=content, status=status, body=body,
        made=made._meta.label if made is not None else "", made_id=str(made.pk) if made is not None else "",
    )  # fmt: skip
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        _look(asked)
        raise
    asked.kept = row


def led_to(address: str, said: str = "") -> None:
    """Where the person who asked was sent on, and what they were told, for whom the same form sends again."""
    asked = _asked.get()
    if asked is not None and asked.kept is not None:
        IdempotencyKey.objects.filter(pk=asked.kept.pk).update(location=address[:1000], body=said or None)


def made_by(kept: IdempotencyKey) -> models.Model | None:
    """The row that was made; None where it is gone."""
    kind = apps.get_model(kept.made)
    found: models.Model | None = kind._default_manager.filter(pk=kept.made_id).first()
    return found


def prune() -> None:
    """Forget keys that nobody sends again."""
    IdempotencyKey.objects.filter(created_at__lt=now() - KEPT).delete()


def _read(key: str) -> str:
    """The draft writes it as a quoted string; callers send it plain as well."""
    text = key.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not text or len(text) > LONGEST or not text.isascii() or not text.isprintable():
        raise Invalid(
            _("'%(header)s' is 1 to %(longest)s printable characters of ASCII, such as a UUID.")
            % {"header": HEADER, "longest": LONGEST},
            code="bad_idempotency_key",
        )
    return text


def _look(asked: _Asked) -> None:
    kept = IdempotencyKey.objects.filter(scope=asked.scope, key=asked.key).first()
    if kept is None:
        return
    if kept.fingerprint != asked.fingerprint or not _is_content(asked, kept.content):
        raise Unprocessable(
            _("This '%(header)s' stood for another request. Send a new key with a new request.") % {"header": HEADER},
            code="idempotency_key_reused",
        )
    raise Repeated(kept)


def _is_content(asked: _Asked, kept: str) -> bool:
    """Whether the request brings the bytes that the key stands for."""
    if kept and not asked.content and asked.read is not None:
        asked.content = asked.read()
    return not kept or not asked.content or asked.content == kept
