"""One try at sending one message, by each way. Whatever a receiver does, a try is over after `SECONDS`."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import httpx
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

from core import certificates, outbox, words
from core.clock import iso, now
from core.errors import StudioError
from core.sentences import Kept
from datasets import fetch
from notifications import messages, signing
from notifications.messages import Item, Message
from notifications.models import Delivery, Way
from notifications.queries import alerts_of
from notifications.services import channels, facts, links
from notifications.stored_messages import keep, of_connection
from workspaces.models import Workspace

SECONDS = 10
# Characters of a receiver's answer that are kept.
ANSWER_LENGTH = 1000
# HTTP's 410: the receiver wants no more tries.
GONE = 410
LONGEST_RETRY_AFTER = 3600


@dataclass(frozen=True)
class Outcome:
    """What became of a try. `is_final`: no further one can help. `wait`: seconds that the receiver asked for.
    `is_about_message_only`: the failure says nothing of other messages that go to the receiver."""

    is_sent: bool
    code: int | None = None
    answer: str = ""
    error: Kept = ""
    is_final: bool = False
    wait: int = 0
    is_about_message_only: bool = False


def send(delivery: Delivery) -> Outcome:
    """Try once. Raises nothing that a receiver can cause."""
    if delivery.way == Way.EMAIL:
        return _mail(delivery)
    if delivery.way == Way.BROWSER:
        is_sent = outbox.send(f"notices:{delivery.user_id}", notice(delivery))
        return Outcome(is_sent, error="" if is_sent else keep("broker_away"))
    return _webhook(delivery)


def message_of(delivery: Delivery) -> Message:
    """The message that is rendered: the same at each try."""
    workspace: Workspace = delivery.workspace
    return Message(
        id=f"msg_{delivery.pk.hex}",
        at=iso(delivery.closed_at) or "",
        workspace=workspace.name,
        rule=delivery.rule.name if delivery.rule else "",
        count=delivery.count,
        alerts=[Item(each.event, each.facts) for each in alerts_of(delivery, messages.LISTED[delivery.way])],
        url=facts.address(workspace, f"settings/notifications/deliveries/{delivery.pk}/"),
        settings_url=facts.address(workspace, "settings/notifications/"),
        is_test=delivery.purpose == Delivery.Purpose.TEST,
        unsubscribe_url=links.of_delivery(delivery) if delivery.way == Way.EMAIL else "",
    )


def notice(delivery: Delivery) -> dict[str, Any]:
    """The live frame for pages. `at` is no version: of two that are sent at once the later may come first."""
    return {**messages.browser(message_of(delivery)), "at": int((delivery.closed_at or now()).timestamp() * 1000)}


def _webhook(delivery: Delivery) -> Outcome:
    assert delivery.channel is not None
    try:
        address, key = channels.unsealed(delivery.channel)
    except StudioError as refusal:
        return Outcome(False, error=refusal.message, is_final=True)
    message = message_of(delivery)
    body = messages.body(delivery.way, message)
    headers = {"content-type": "application/json", "user-agent": "duto", "accept-encoding": "identity"}
    if delivery.way == Way.WEBHOOK:
        headers |= signing.headers(key, message.id, int(time.time()), body)
    deadline = time.monotonic() + SECONDS
    try:
        with (
            words.stored(),
            fetch.guarded_client(deadline) as client,
            client.stream("POST", address, content=body, headers=headers) as answer,
        ):
            return _outcome_of(answer, _read_beginning(answer))
    except StudioError as refusal:  # a private address: no further try leads elsewhere, unless its name does
        return Outcome(False, error=refusal.message, is_final=refusal.code == "private_address")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        late = time.monotonic() >= deadline
        return Outcome(False, error=keep("no_answer", seconds=SECONDS) if late else of_connection(error))


def _outcome_of(answer: httpx.Response, text: str) -> Outcome:
    code = answer.status_code
    if 200 <= code < 300:
        return Outcome(True, code, text)
    if answer.has_redirect_location:
        # A signed message goes where its address says, and nowhere else.
        return Outcome(False, code, text, keep("redirected"))
    wait = answer.headers.get("retry-after", "")
    seconds = min(int(wait), LONGEST_RETRY_AFTER) if wait.isascii() and wait.isdecimal() and len(wait) < 7 else 0
    return Outcome(False, code, text, keep("answered", code=code), is_final=code == GONE, wait=seconds)


def _read_beginning(answer: httpx.Response) -> str:
    """The first bytes of the body; no more is read."""
    found = b""
    # Its status has come, which counts also where the body never does.
    with contextlib.suppress(httpx.HTTPError):
        for chunk in answer.iter_raw():
            found += chunk
            if len(found) >= ANSWER_LENGTH:
                break
    return found[:ANSWER_LENGTH].decode("utf-8", "replace").replace("\0", "\ufffd")


def _mail(delivery: Delivery) -> Outcome:
    """A mail of its own for each address, by the server of the settings."""
    if not settings.EMAIL_HOST:
        return Outcome(False, error=keep("no_mail_server"), is_final=True)
    backend: Any = EmailBackend(timeout=SECONDS)
    backend.ssl_context = certificates.context()
    end = threading.Timer(2 * SECONDS, _abort, [backend])
    end.daemon = True
    end.start()
    try:
        backend.send_messages([_mail_message(delivery)])
    except smtplib.SMTPRecipientsRefused as refused:
        code, text = next(iter(refused.recipients.values()), (0, b""))
        return replace(_refused(code, text), is_about_message_only=True)
    except smtplib.SMTPResponseException as refused:
        return _refused(refused.smtp_code, refused.smtp_error, is_mail=isinstance(refused, smtplib.SMTPDataError))
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return Outcome(False, error=keep("mail_server", host=settings.EMAIL_HOST, why=of_connection(error)))
    finally:
        end.cancel()
    return Outcome(True, 250)


def _refused(code: int, answer: Any, *, is_mail: bool = True) -> Outcome:
    """5xx about this address or this mail is final; about the studio's password the studio may mend it, so it is tried again."""
    text = (answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)).replace("\0", "\ufffd")
    return Outcome(
        False,
        code,
        text[:ANSWER_LENGTH],
        keep("mail_refused", code=code),
        is_final=is_mail and 500 <= code < 600,
    )


def _abort(backend: EmailBackend) -> None:
    """Cut the connection to a server that sends a byte now and then, which no time limit of the socket notices."""
    connection = getattr(backend.connection, "sock", None)
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _mail_message(delivery: Delivery) -> EmailMultiAlternatives:
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"
    headers = {
        # By which a mail program knows that it has it already.
        "Message-ID": f"<{delivery.pk}@{domain}>",
        "Auto-Submitted": "auto-generated",
    }
    if delivery.purpose == Delivery.Purpose.CONFIRM:
        assert delivery.user_id is not None
        link = links.to_confirm(delivery.user_id, delivery.address)
        text = (
            f"Somebody, most likely you, wants messages of the studio at {settings.DUTO.running_url} to come to this "
            f"address. If it was you, open this link and press the button:\n\n{link}\n\nIf not, do nothing.\n"
        )
        subject = "Confirm your address"
        return EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [delivery.address], headers=headers)
    message = message_of(delivery)
    if message.unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    with words.stored():
        text, html = messages.mail(message)
    mail = EmailMultiAlternatives(
        message.subject, text, settings.DEFAULT_FROM_EMAIL, [delivery.address], headers=headers
    )
    mail.attach_alternative(html, "text/html")
    return mail
