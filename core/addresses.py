"""Parts of addresses that Django's own converters do not take."""

from __future__ import annotations

from django.urls import register_converter
from django.urls.converters import StringConverter


class FilePath(StringConverter):
    """The path of a file, whatever its names hold: line breaks, too, which the converter `path` does not take."""

    regex = r"[\s\S]+"


register_converter(FilePath, "file")
