"""Why a message was not sent, by real failures: known kinds in the reader's language, the library's words after them."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest
from django.utils import translation

from core.sentences import parts_of, text_of
from notifications.models import Delivery, DeliveryAttempt
from notifications.stored_messages import localized, of_connection
from tests.notifications.conftest import Notified, Receiver


@pytest.fixture
def server() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """A port at which each who comes is treated as told."""
    opened: list[socket.socket] = []

    def listen(treat: Callable[[socket.socket], None]) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        opened.append(listening)
        threading.Thread(target=lambda: treat(listening.accept()[0]), daemon=True).start()
        return int(listening.getsockname()[1])

    yield listen
    for each in opened:
        each.close()


def reset(came: socket.socket) -> None:
    came.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    came.close()


def hang_up(came: socket.socket) -> None:
    came.recv(4096)
    came.close()


def answer_plainly(came: socket.socket) -> None:
    came.sendall(b"HTTP/1.0 400 No\r\n\r\n")
    came.close()


def sentence_of(address: str) -> tuple[str, str, str]:
    """The code, in English, in Portuguese."""
    with pytest.raises(httpx.HTTPError) as failed:
        httpx.post(address, content=b"x", timeout=0.5, trust_env=False)
    kept = of_connection(failed.value)
    assert not isinstance(kept, str), kept
    with translation.override("pt-pt"):
        return kept["code"], text_of(kept), localized(text_of(kept), parts_of(kept) or {})


def test_known_kinds_are_told_apart(server: Callable[[Callable[[socket.socket], None]], int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    code, english, portuguese = sentence_of(f"http://127.0.0.1:{port}/")
    assert code == "not_connected" and "nothing listens" in english and "Connection refused" in english
    assert portuguese != english and "Connection refused" in portuguese and "recusada" in portuguese
    assert sentence_of("http://nowhere.invalid/")[0] == "no_such_name"
    waiting = threading.Event()

    def wait(came: socket.socket) -> None:
        waiting.wait(5)
        came.close()

    assert sentence_of(f"http://127.0.0.1:{server(wait)}/")[0] == "too_slow"
    waiting.set()
    plain = server(answer_plainly)
    assert sentence_of(f"https://127.0.0.1:{plain}/")[0] == "not_private"
    assert sentence_of(f"http://127.0.0.1:{server(reset)}/")[0] == "cut"
    assert sentence_of(f"http://127.0.0.1:{server(hang_up)}/")[0] == "cut"
    assert of_connection(ValueError("odd")) == "odd"


def test_it_is_kept_with_the_message_and_each_try(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule(channels=[scenario.webhook(receiver)[0]])
    receiver.answer(503, b"busy")
    scenario.ends("Failed")
    scenario.send()
    delivery, attempt = Delivery.objects.get(), DeliveryAttempt.objects.get()
    assert delivery.why == attempt.error == "It answers 503."
    with translation.override("pt-pt"):
        assert delivery.why_localized == attempt.error_localized == "Responde 503."
