"""Shares of Azure Files, by their REST interface."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict
from core.objects import checked
from core.storage import Stored
from datasets.kinds import azure
from datasets.kinds.base import Connection, Field, Kind, of_url


class Share:
    """`core.objects.Objects` over one share."""

    def __init__(self, place: Connection) -> None:
        from azure.storage.fileshare import ShareClient

        self.store, self.container = place.name, place["container"]
        self.client = ShareClient(
            azure.account_url(place, "file"), share_name=self.container, credential=azure.credential(place), **azure.settings()
        )  # fmt: skip

    def stat(self, key: str) -> Stored | None:
        with self._asking(key) as missing:
            found = self.client.get_file_client(key).get_file_properties()
        return None if missing else _stored(key, found)

    def walk(self, folder: str) -> Iterator[Stored]:
        with self._asking(folder):
            found = list(self._below(folder))
            yield from sorted(found, key=lambda each: each.path)

    def _below(self, folder: str) -> Iterator[Stored]:
        for each in self._entries(folder):
            key = f"{folder}/{each.name}" if folder else each.name
            if each.is_directory:
                yield from self._below(checked(key))
            else:
                yield _stored(checked(key), each)

    def _entries(self, folder: str) -> Any:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            yield from self.client.list_directories_and_files(folder or None, include=["timestamps", "Etag"])
        except ResourceNotFoundError:
            if not folder:
                raise

    def children(self, folder: str) -> Iterator[tuple[str, bool, int]]:
        with self._asking(folder):
            for each in self._entries(folder):
                yield checked(each.name), bool(each.is_directory), 0 if each.is_directory else int(each.size)

    def read(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        with self._asking(key):
            yield from self.client.get_file_client(key).download_file(offset=start or None).chunks()

    def write(self, key: str, source: BinaryIO, size: int, *, overwrite: bool) -> None:
        """To a neighbour, then by rename: a file of a share is there, and empty, from its first byte."""
        from azure.core.exceptions import ResourceExistsError

        parent = key.rpartition("/")[0]
        part = f"{parent}/" if parent else ""
        with self._asking(key):
            self._make(parent)
            client = self.client.get_file_client(f"{part}.duto-part-{os.urandom(8).hex()}")
            try:
                client.upload_file(source, length=size)
                client.rename_file(key, overwrite=overwrite)
            except ResourceExistsError as error:
                with contextlib.suppress(Exception):
                    client.delete_file()
                raise Conflict(azure.exists(key), code="exists") from error

    def _make(self, folder: str) -> None:
        from azure.core.exceptions import ResourceExistsError

        parts = folder.split("/") if folder else []
        for count in range(1, len(parts) + 1):
            with contextlib.suppress(ResourceExistsError):
                self.client.create_directory("/".join(parts[:count]))

    def remove(self, key: str) -> None:
        with self._asking(key):
            self.client.get_file_client(key).delete_file()

    def remove_folder(self, folder: str) -> None:
        with self._asking(folder):
            for each in list(self._entries(folder)):
                if each.is_directory:
                    self.remove_folder(f"{folder}/{each.name}")
            self.client.delete_directory(folder)

    def copy(self, key: str, to: str) -> None:
        with azure.spooled(self.read(key, 0, "")) as spool:
            self.write(to, spool, os.fstat(spool.fileno()).st_size, overwrite=True)

    def check(self) -> None:
        """Raises StoreError where the share cannot be read."""
        with azure.asking(self.store, "", self.container, self.client.url):
            next(iter(self.client.list_directories_and_files()), None)

    def make(self) -> None:
        """The share, unless it is there."""
        from azure.core.exceptions import ResourceExistsError

        with azure.asking(self.store, "", self.container, self.client.url), contextlib.suppress(ResourceExistsError):
            self.client.create_share()

    @contextlib.contextmanager
    def _asking(self, key: str) -> Iterator[list[str]]:
        missing: list[str] = []
        with azure.asking(self.store, key, self.container, self.client.url, missing=missing):
            yield missing


def _stored(key: str, found: Any) -> Stored:
    changed = found.last_modified
    return Stored(key, int(found.size), changed.timestamp() if changed else 0.0, (found.etag or "").strip('"'))


KIND = Kind(
    "azure_files",
    _("Azure file share"),
    "AzureFile",
    options=(Field("container", _("File share"), True), *azure.ACCOUNT),
    credentials=azure.CREDENTIALS,
    files=Share,
    fingerprint="etag",
    extra="azure",
    modules=("azure.storage.fileshare",),
    check=azure.check,
    address=lambda place: of_url(azure.account_url(place, "file")),
)
