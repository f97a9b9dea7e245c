"""Whom the headers of a proxy are believed."""

from __future__ import annotations

from typing import Any

import pytest

from studio.forwarded import Forwarded


async def seen(trusted: bool, *headers: tuple[str, str], kind: str = "http") -> tuple[str, list[bytes]]:
    """The client's address and the headers, as what is behind sees them."""
    found: list[Any] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        found.append(scope)

    pairs = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": kind, "client": ("127.0.0.1", 5), "headers": pairs}
    await Forwarded(behind, trusted)(scope, None, None)
    return found[0]["client"][0], [name for name, _ in found[0]["headers"]]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_without_trust_nobody_hears_of_them(kind: str) -> None:
    said = [
        ("X-Forwarded-For", "9.9.9.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil"),
        ("X-Real-IP", "9.9.9.9"),
    ]
    assert await seen(False, *said, ("Forwarded", "for=9.9.9.9"), ("Host", "x"), kind=kind) == ("127.0.0.1", [b"host"])


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("1.1.1.1, 9.9.9.9", "9.9.9.9"),  # the first is what the client says of itself
        ("9.9.9.9,  2001:db8::1 ", "2001:db8::1"),
        ("unknown", "127.0.0.1"),
        ("9.9.9.9, x'; --", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_a_trusted_proxy_is_believed_its_own_word(value: str, address: str) -> None:
    assert (await seen(True, ("X-Forwarded-For", value)))[0] == address
    assert (await seen(True, ("X-Forwarded-For", "8.8.8.8"), ("X-Forwarded-For", value)))[0] == address
    assert (await seen(True, ("Host", "x")))[0] == "127.0.0.1"
