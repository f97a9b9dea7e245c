"""Folders below the data directory, made and named by the studio: the two that every workspace has."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from datasets.kinds.base import Kind

KIND = Kind("local", _("Local folder"), "AzureBlob")
