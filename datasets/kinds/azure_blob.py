"""Containers of Azure Blob Storage and of what speaks its protocol; Data Lake Storage Gen2 by the same."""

from __future__ import annotations

import contextlib
import secrets
import string
from base64 import b64encode
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict
from core.objects import StoreError, checked
from core.storage import Stored
from datasets.kinds import azure
from datasets.kinds.base import Connection, Field, Kind, of_url, require_parts

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

# What is held in memory of an upload, of which Azure takes 50,000, and of a download.
BLOCK, PIECE = 8 << 20, 4 << 20
# For how long the store signs for a service principal (a week at most), how much clocks may differ, and when a store that
# does not is asked again.
DELEGATED, EARLY, ASKED_AGAIN = timedelta(days=1), timedelta(minutes=5), timedelta(minutes=10)


# What a blob that was made of parts has among what it says of itself.
MARK = "duto_upload"
# A block's name is that of its upload and three digits of base 36. It is as long as those that Azure's client gives (nine bytes):
# all names of a blob must be of one length, those of blocks that nobody committed too.
UPLOAD_NAME, DIGITS = 6, string.digits + string.ascii_lowercase


class Blobs:
    """`core.objects.Objects` over one container."""

    def __init__(self, place: Connection) -> None:
        from azure.storage.blob import BlobServiceClient

        self.store, self.container = place.name, place["container"]
        self.account, self.account_key = place["account"], place.secret("account_key")
        self.is_principal = bool(azure.authority(place))
        # What signs addresses in the place of the account's key, and until when; without a key the store gave none.
        self._delegated: tuple[Any, datetime] | None = None
        self.service = BlobServiceClient(
            azure.account_url(place, "blob"), credential=azure.credential(place), max_block_size=BLOCK,
            max_single_put_size=BLOCK, min_large_block_upload_threshold=1,
            max_single_get_size=PIECE, max_chunk_get_size=PIECE, **azure.settings(is_trusted=place.is_trusted),
        )  # fmt: skip
        self.client: ContainerClient = self.service.get_container_client(self.container)

    def stat(self, key: str) -> Stored | None:
        with self._asking(key) as missing:
            found = self.client.get_blob_client(key).get_blob_properties()
        return None if missing or _is_folder(found) else _stored(key, found)

    def walk(self, folder: str) -> Iterator[Stored]:
        with self._asking(folder):
            for each in self.client.list_blobs(name_starts_with=f"{folder}/" if folder else None, include=["metadata"]):
                if not _is_folder(each):
                    yield _stored(checked(each.name), each)

    def children(self, folder: str) -> Iterator[tuple[str, bool, int]]:
        start = f"{folder}/" if folder else ""
        with self._asking(folder):
            found: Iterator[Any] = iter(self.client.walk_blobs(name_starts_with=start or None, delimiter="/"))
            for each in found:
                name = each.name[len(start) :]
                if name.endswith("/"):
                    yield checked(name[:-1]), True, 0
                elif name and not _is_folder(each):
                    yield checked(name), False, int(each.size)

    def read(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        from azure.core import MatchConditions

        same: dict[str, Any] = {"etag": f'"{tag}"', "match_condition": MatchConditions.IfNotModified} if tag else {}
        with self._asking(key):
            reader = self.client.get_blob_client(key).download_blob(offset=start or None, decompress=False, **same)
            yield from reader.chunks()

    def write(self, key: str, source: BinaryIO, size: int, *, overwrite: bool) -> None:
        from azure.core.exceptions import ResourceExistsError

        with self._asking(key):
            try:
                self.client.get_blob_client(key).upload_blob(source, length=size, overwrite=overwrite)
            except ResourceExistsError as error:
                if overwrite:
                    raise
                raise Conflict(azure.exists(key), code="exists") from error

    def presigned(self, key: str, seconds: int) -> str:
        return self._signed(key, seconds, read=True)

    def _signed(self, key: str, seconds: int, **rights: bool) -> str:
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        present = datetime.now(UTC)
        signing = self._signing(present, seconds)
        if not signing:
            return ""
        signature = generate_blob_sas(
            self.account, self.container, key, permission=BlobSasPermissions(**rights), start=present - EARLY,
            expiry=present + timedelta(seconds=seconds), **signing,
        )  # fmt: skip
        return f"{self.client.get_blob_client(key).url.partition('?')[0]}?{signature}"

    def begin_upload(self, key: str) -> str:
        """Blocks are told apart by their names alone, so the store need not be asked."""
        return secrets.token_urlsafe(UPLOAD_NAME)[:UPLOAD_NAME] if self._signing(datetime.now(UTC), 0) else ""

    def part_address(self, key: str, upload: str, number: int, seconds: int) -> str:
        name = quote(b64encode(_block(upload, number).encode()), safe="")
        return f"{self._signed(key, seconds, write=True)}&comp=block&blockid={name}"

    def commit_upload(self, key: str, upload: str, sizes: Sequence[int]) -> None:
        from azure.storage.blob import BlobBlock

        client, names = self.client.get_blob_client(key), [_block(upload, n) for n in range(1, len(sizes) + 1)]
        with self._asking(key) as missing:
            found = {str(each.id): int(each.size) for each in client.get_block_list("uncommitted")[1]}
        has = {} if missing else {n: found[name] for n, name in enumerate(names, 1) if name in found}
        if not has and self.has_committed(key, upload):
            return
        require_parts(self.store, key, has, sizes)
        with self._asking(key):
            client.commit_block_list([BlobBlock(block_id=name) for name in names], metadata={MARK: upload})

    def has_committed(self, key: str, upload: str) -> bool:
        with self._asking(key) as missing:
            found = self.client.get_blob_client(key).get_blob_properties()
        return not missing and found.metadata.get(MARK) == upload

    def abort_upload(self, key: str, upload: str) -> None:
        """Azure forgets blocks that are not committed with the next commit of the blob, or after a week."""

    def abort_unnoted(self, key: str, moment: datetime, known: Collection[str]) -> None:
        """Nothing is begun there."""

    def _signing(self, present: datetime, seconds: int) -> dict[str, Any]:
        """What signs an address that is good for so long: the account's key, or what the store gives a service principal for
        it, which needs a right of its own (`generateUserDelegationKey`)."""
        if self.account_key:
            return {"account_key": self.account_key}
        if not self.is_principal:
            return {}
        known = self._delegated
        if known is None or known[1] < present + timedelta(seconds=seconds):
            until = present + DELEGATED
            try:
                with self._asking(""):
                    known = self.service.get_user_delegation_key(present - EARLY, until), until
            except StoreError:  # files come through the studio then; it is asked again after a while
                known = None, present + timedelta(seconds=seconds) + ASKED_AGAIN
            self._delegated = known
        return {"user_delegation_key": known[0]} if known[0] is not None else {}

    def remove(self, key: str) -> None:
        with self._asking(key):
            self.client.delete_blob(key, delete_snapshots="include")

    def remove_folder(self, folder: str) -> None:
        with self._asking(folder):
            inside = [each.name for each in self.client.list_blobs(name_starts_with=f"{folder}/")]
        for key in (
            *sorted(inside, key=len, reverse=True),
            folder,
        ):  # the deepest first: a Data Lake removes none that holds others
            self.remove(key)

    def copy(self, key: str, to: str) -> None:
        source = self.client.get_blob_client(key)
        with self._asking(key):
            properties = source.get_blob_properties()
            with azure.spooled(self.read(key, 0, "")) as spool:
                self.client.get_blob_client(to).upload_blob(spool, length=properties.size, overwrite=True)

    def touch(self, key: str) -> bool:
        """Have the blob count as new; whether there is one."""
        with self._asking(key) as missing:
            self.client.get_blob_client(key).set_blob_metadata({})
        return not missing

    def check(self) -> None:
        """Raises StoreError where the container cannot be read."""
        with self._asking(""):
            next(iter(self.client.list_blobs(results_per_page=1)), None)

    def make(self) -> None:
        """The container, unless it is there."""
        from azure.core.exceptions import ResourceExistsError

        with self._asking(""), contextlib.suppress(ResourceExistsError):
            self.client.create_container()

    @contextlib.contextmanager
    def _asking(self, key: str) -> Iterator[list[str]]:
        """Gives a list that has the key in it after the block where there is no such blob."""
        missing: list[str] = []
        with azure.asking(self.store, key, self.container, self.service.url, missing):
            yield missing


def _block(upload: str, number: int) -> str:
    """The name of a block: nine letters."""
    high, low = divmod(number, 36)
    return f"{upload}{DIGITS[high // 36]}{DIGITS[high % 36]}{DIGITS[low]}"


def _stored(key: str, found: Any) -> Stored:
    return Stored(key, int(found.size), found.last_modified.timestamp(), (found.etag or "").strip('"'))


def _is_folder(found: Any) -> bool:
    """Data Lakes, and tools for them, mark folders by blobs without bytes."""
    return (found.metadata or {}).get("hdi_isfolder", "").lower() == "true" or str(found.name).endswith("/")


KIND = Kind(
    "azure_blob",
    _("Azure Blob container"),
    "AzureBlob",
    options=(Field("container", _("Container"), True), *azure.ACCOUNT, *azure.AUTHORITY),
    credentials=(*azure.CREDENTIALS, *azure.PRINCIPAL),
    files=Blobs,
    fingerprint="etag",
    can_presign=True,
    extra="azure",
    modules=("azure.storage.blob", "azure.identity"),
    check=azure.check,
    address=lambda place: of_url(azure.account_url(place, "blob")),
)

GEN2 = Kind(
    "adls_gen2",
    _("Azure Data Lake Storage Gen2"),
    "AzureDataLakeGen2",
    options=(Field("container", _("File system"), True), *azure.ACCOUNT, *azure.AUTHORITY),
    credentials=(*azure.CREDENTIALS, *azure.PRINCIPAL),
    files=Blobs,
    fingerprint="etag",
    can_presign=True,
    extra="azure",
    modules=("azure.storage.blob", "azure.identity"),
    check=azure.check,
    address=KIND.address,
)
