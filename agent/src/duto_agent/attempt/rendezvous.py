"""Where a member of a step on several nodes is found by the others: an address of this host, and ports that are kept free."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from duto_protocol.messages import Meeting

ADDRESS = "DUTO_ADDRESS"
# Some address beyond this network: nothing is sent there, the way to it names the host's own.
ELSEWHERE = "192.0.2.1"
HERE = "127.0.0.1"


class MeetingPoint:
    """This host's address with so many ports, which are bound until `leave`, so that nobody gets them meanwhile."""

    def __init__(self, studio: str, ports: int) -> None:
        self._sockets = [socket.socket() for _ in range(ports)]
        for each in self._sockets:
            each.bind(("", 0))
        self.meeting = Meeting(address_of(studio), [int(each.getsockname()[1]) for each in self._sockets])

    def leave(self) -> None:
        """The ports are for the step now."""
        for each in self._sockets:
            each.close()


def address_of(studio: str) -> str:
    """What its owner says, or the address by which this host speaks with the studio, or with anybody where the studio is
    here; that of the machine itself where it has no network."""
    if given := os.environ.get(ADDRESS):
        return given
    for host in (urlsplit(studio).hostname or ELSEWHERE, ELSEWHERE):
        found = _own_address(host)
        if found and not found.startswith("127.") and found != "::1":
            return found
    return HERE


def _own_address(host: str) -> str:
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as way:
            way.connect(place)
            return str(way.getsockname()[0])
    except OSError:
        return ""
