"""Why a message was not sent: kept in English with a code, shown in the reader's language. What a library says stays as it is."""

from __future__ import annotations

import errno
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from django.utils.translation import gettext_noop as _

from core import certificates, sentences
from core.sentences import Kept

SENTENCES: Mapping[str, str] = {
    "not_connected": _("The connection was refused: nothing listens at this address and port (%(why)s)."),
    "no_such_name": _("There is no host of this name (%(why)s)."),
    "too_slow": _("It did not answer in time (%(why)s)."),
    "no_answer": _("No answer within %(seconds)s s."),
    "not_private": _("A connection by TLS could not be made (%(why)s)."),
    "cut": _("The connection was cut before the answer was complete (%(why)s)."),
    "no_way_there": _("There is no way to this address from the studio's machine (%(why)s)."),
    "untrusted": _("Its certificate is not trusted: %(why)s. An authority of one's own is named in DUTO_CA_FILE."),
    "mail_server": _("The mail server %(host)s could not be spoken to: %(why)s"),
    "mail_refused": _("The mail server refuses it: %(code)s."),
    "no_mail_server": _("The studio knows no mail server: DUTO_SMTP_HOST is not set."),
    "answered": _("It answers %(code)s."),
    "redirected": _("It answers with a redirect, which is not followed. Give the address that it leads to."),
    "broker_away": _("The broker is away."),
    "receiver_left": _("Whose message it is has left."),
    "studio_fault": _("A fault of the studio; its log says more."),
}
_HALF = ("disconnected", "peer closed connection")
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)


def keep(code: str, /, **facts: Any) -> dict[str, Any]:
    """The sentence, to be kept with a row."""
    return sentences.made(code, SENTENCES, **facts)


def localized(text: str, said: Mapping[str, Any]) -> str:
    """In the reader's language; what is none of ours, as it was told."""
    return sentences.localized({"text": text, **said} if said else text, SENTENCES)


def of_connection(error: BaseException) -> Kept:
    """Why nobody was spoken to, with the words of the library; those alone where the kind is not known."""
    if reason := certificates.untrusted_for(error):
        return keep("untrusted", why=reason)
    words = str(error) or type(error).__name__
    for each in _chain(error):
        if code := _code_of(each):
            return keep(code, why=words)
    return words


def _code_of(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "no_such_name"
    if isinstance(error, ssl.SSLError):
        return "not_private"
    if isinstance(error, TimeoutError):
        return "too_slow"
    if isinstance(error, ConnectionRefusedError):
        return "not_connected"
    if isinstance(error, ConnectionError | EOFError | smtplib.SMTPServerDisconnected) or _is_half(error):
        return "cut"
    return "no_way_there" if isinstance(error, OSError) and error.errno in _NO_WAY else ""


def _is_half(error: BaseException) -> bool:
    """An answer that ends too soon; httpx has one class for it and for an answer that is no HTTP."""
    return isinstance(error, httpx.RemoteProtocolError) and any(each in str(error) for each in _HALF)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from: libraries wrap those of the system."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
