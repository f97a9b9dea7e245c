"""The studio's own address, and parts of addresses that Django's own converters do not take."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import register_converter
from django.urls.converters import StringConverter, UUIDConverter


class FilePath(StringConverter):
    """The path of a file, whatever its names hold: line breaks, too, which the converter `path` does not take."""

    regex = r"[\s\S]+"


class Guid(UUIDConverter):
    """A GUID at the end of an address that programs have put together as text: in letters of any size, with or without a slash."""

    regex = UUIDConverter.regex.replace("a-f", "a-fA-F") + "/?"

    def to_python(self, value: str) -> UUID:
        return super().to_python(value.rstrip("/"))


class LastWord(StringConverter):
    """The last word of such an address."""

    regex = "[^/]+/?"

    def to_python(self, value: str) -> str:
        return value.rstrip("/")


register_converter(FilePath, "file")
register_converter(Guid, "guid")
register_converter(LastWord, "last")


def studio_address(request: HttpRequest) -> str:
    """Where other machines and programs reach this studio: the public address, or that by which this request came."""
    return str(settings.DUTO.public_url or request.build_absolute_uri("/")).rstrip("/")
