"""Connections to checked addresses alone: those of datastores, and which the fetcher of web addresses may make (`datasets.fetch`).

What was looked up and checked is what is connected to, so a name that means another address a moment later leads nowhere else.
"""

from __future__ import annotations

import socket

from django.conf import settings

from core.errors import Unprocessable
from core.sentences import Kept
from datasets import addresses
from datasets.stored_messages import refusal, say

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0


def connect(host: str, port: int, timeout: float = CONNECT_SECONDS) -> socket.socket:
    """A connection. Raises Unprocessable for a private address and for no host, OSError where nobody answers."""
    failure: OSError | None = None
    for address in allowed_addresses(host, port):
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
    raise failure or OSError("no address answers")


def allowed_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host that may be asked. Raises Unprocessable if any of them is a private one."""
    try:
        found = addresses.resolve(host.rstrip("."), port)
    except (OSError, UnicodeError) as error:
        raise refuse_address(host, say("no_such_host")) from error
    for each in found:
        allow(host, each)
    return [str(each) for each in found]


def allow(host: str, address: addresses.Address) -> None:
    if not addresses.is_a_host(address):
        raise refuse_address(host, say("no_web_server"), code="private_address")
    if not addresses.is_public(address) and not settings.DUTO.fetch_private:
        raise refuse_address(host, say("private_network"), code="private_address")


def refuse_address(url: str, why: Kept, code: str = "not_fetched") -> Unprocessable:
    return refusal(Unprocessable, say("not_fetchable", url=url, why=why), code=code, url=url)
