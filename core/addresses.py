"""The studio's own address, and parts of addresses that Django's own converters do not take."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.urls import register_converter
from django.urls.converters import StringConverter


class FilePath(StringConverter):
    """The path of a file, whatever its names hold: line breaks, too, which the converter `path` does not take."""

    regex = r"[\s\S]+"


register_converter(FilePath, "file")


def studio_address(request: HttpRequest) -> str:
    """Where other machines and programs reach this studio: the public address, or that by which this request came."""
    return str(settings.DUTO.public_url or request.build_absolute_uri("/")).rstrip("/")
