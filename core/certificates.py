"""Whose certificates the studio trusts where it speaks to others by TLS: mail servers, webhooks, web addresses."""

from __future__ import annotations

import ssl

import httpx
from django.conf import settings


def context() -> ssl.SSLContext:
    """A context that trusts the authorities of the system, those that are known everywhere, and those of `DUTO_CA_FILE`."""
    found = httpx.create_ssl_context()
    found.load_default_certs()
    if settings.DUTO.ca_file is not None:
        found.load_verify_locations(settings.DUTO.ca_file)
    return found


def untrusted_for(error: BaseException) -> str:
    """What is wrong with a certificate, in the words of OpenSSL; empty where it is about something else."""
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return ""
    return str(error).partition("certificate verify failed: ")[2].rpartition(" (_ssl.c")[0] or str(error)


def why_untrusted(error: BaseException) -> str:
    """The same, for whoever looks after the studio."""
    text = untrusted_for(error)
    return text and f"Its certificate is not trusted: {text}. An authority of one's own is named in DUTO_CA_FILE."
