"""Which addresses of the internet a stranger's link may lead to. Pure, but for the look-up of a name.

What counts is the address that a packet would end at: IPv4 in one of the forms that IPv6 has for it is that IPv4.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# By the registries of IANA: what Python calls global differs between its versions.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        # The first block holds the loopback, the nameless one and IPv4 in its old clothes (`::127.0.0.1`).
        "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16",
        "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
# A network that translates puts IPv4 here, and then the name of every web server may stand for it.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# `::5efe:a.b.c.d` as the lower half of any address is a tunnel to that host (ISATAP).
_ISATAP = (0x00005EFE, 0x02005EFE)


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name, each once. Raises OSError or UnicodeError where it has none."""
    found = [str(info[4][0]).split("%")[0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    return [ipaddress.ip_address(each) for each in dict.fromkeys(found)]


def is_public(address: Address) -> bool:
    """Whether it is one of the open internet, and not a way into a private network."""
    address = plain(address)
    if isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return not any(_lies_in(address, each) for each in _NOT_PUBLIC)


def is_a_host(address: Address) -> bool:
    """Whether a single machine can have it."""
    address = plain(address)
    return not (address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"))


def plain(address: Address) -> Address:
    """The IPv4 that a mapped or translated address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address


def _lies_in(address: Address, network: IPv4Network | IPv6Network) -> bool:
    return address.version == network.version and address in network
