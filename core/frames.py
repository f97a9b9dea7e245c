"""Messages to groups of the channel layer from ordinary threads.

The layer itself speaks through an event loop, which costs several times more than the message. What it would send is
published by a plain client instead, many messages by one round trip; tests/workspaces/test_live.py receives them as
pages do.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from channels.layers import get_channel_layer
from django.conf import settings

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)
SEND_SECONDS = 5
Message = tuple[str, dict[str, Any]]
# So many wait for a broker that stands still; those beyond are dropped, since nothing depends on them.
_waiting: queue.Queue[Message] = queue.Queue(1_000)
_thread: threading.Thread | None = None


def start() -> None:
    """Let a thread of this process send what is posted, so that no request waits for the broker. May be called again."""
    global _thread
    if _thread is None:
        _thread = threading.Thread(target=_run, name="frames", daemon=True)
        _thread.start()


def post(group: str, message: dict[str, Any]) -> None:
    """Send it soon, in the order of posting; at once where this process has no thread for it."""
    if _thread is None:
        publish([(group, message)])
        return
    try:
        _waiting.put_nowait((group, message))
    except queue.Full:
        log.warning("a frame for %s was dropped: the broker is slow", group)


def _run() -> None:
    while True:
        _send_waiting()


def _send_waiting() -> None:
    messages = [_waiting.get()]
    while not _waiting.empty():  # nobody else takes from it
        messages.append(_waiting.get())
    publish(messages)


def publish(messages: Sequence[Message]) -> bool:
    """Send each message to its group; False when the broker is away: pages catch up by version."""
    try:
        layer = get_channel_layer()
        if not hasattr(layer, "serialize"):  # the one inside a process that has no broker, and nobody to tell
            return True
        with _client().pipeline(transaction=False) as sending:
            for group, message in messages:
                sending.publish(f"{_config('prefix')}__group__{group}", layer.serialize(message))
            sending.execute()
    except Exception as error:  # any transport error
        log.warning("%d frames not sent: %s", len(messages), error)
        return False
    return True


def answers() -> bool:
    """Whether the broker answers now."""
    try:
        return bool(_client().ping())
    except Exception as error:  # any transport error, and no broker at all
        log.info("the broker does not answer: %s", error)
        return False


def _config(name: str) -> Any:
    return settings.CHANNEL_LAYERS["default"]["CONFIG"][name]  # type: ignore[index]


@cache
def _client() -> Redis:
    """One for the process, each thread with a connection of its own. One that the broker has closed is made anew at once.

    Loaded at the first frame: a process that starts has none to send.
    """
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as BrokerAway
    from redis.retry import Retry

    return Redis.from_url(
        _config("hosts")[0],
        socket_timeout=SEND_SECONDS,
        socket_connect_timeout=SEND_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(BrokerAway,)),
    )


def group_of(topic: str) -> str:
    """The channel layer's name of a topic: it allows letters, digits, hyphen, underscore and full stop only."""
    return "t." + "".join(c if c.isalnum() or c in "-_." else "." for c in topic)[:90]


def of(topic: str, frame: dict[str, Any]) -> Message:
    """The frame of a topic, as its group is sent it."""
    return group_of(topic), {"type": "frame", "frame": {"topic": topic, **frame}}
