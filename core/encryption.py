"""Encrypts what the database keeps and must not tell by itself: under keys derived from the studio's own, which lies outside."""

from __future__ import annotations

import hmac
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

NONCE = 12
PURPOSE, DIGESTS = b"duto keyvault", b"duto digests"


class Undecipherable(Exception):
    """No key of this studio opens it, or it is another's in this one's place."""


def encrypt(data: bytes, about: bytes) -> bytes:
    """The data under the present key. `about` says whose they are: in another's place they cannot be read."""
    nonce = os.urandom(NONCE)
    return nonce + _cipher(settings.SECRET_KEY).encrypt(nonce, data, about)


def decrypt(sealed: bytes, about: bytes) -> bytes:
    """The data again, under the present key or one that there was before. Raises Undecipherable."""
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _cipher(key).decrypt(sealed[:NONCE], sealed[NONCE:], about)
        except InvalidTag:
            continue
    raise Undecipherable


def keyed_digest(data: bytes, about: bytes) -> str:
    """The same for the same data and `about`, as long as the studio has this key; nobody without it can try values against it."""
    key = HKDF(SHA256(), 32, salt=None, info=DIGESTS).derive(settings.SECRET_KEY.encode())
    return hmac.digest(key, len(about).to_bytes(4, "big") + about + data, "sha256").hex()


@lru_cache(maxsize=16)
def _cipher(secret: str) -> AESGCM:
    """Derived, so that what signs sessions encrypts nothing itself."""
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(secret.encode()))
