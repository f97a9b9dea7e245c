"""Buckets of Amazon S3 and of what speaks its protocol (MinIO, Ceph, Garage)."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from secrets import token_hex
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Conflict, Invalid
from core.objects import checked
from core.storage import Stored
from datasets import guard
from datasets.kinds.base import Connection, Field, Kind, of_refusal, of_status, of_url, refused, require_parts

PIECE = 1 << 20
# A part of an upload is held in memory; 10,000 of them are the most that S3 takes.
LEAST_PART, MOST_PARTS = 8 << 20, 9_000
# What an object that was made of parts has among what it says of itself; how far its store's clock, and the moment in which an
# upload was begun, may be from the moment that is known here.
MARK, NEAR = "duto-upload", timedelta(minutes=15)
SIGN_IN = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthorizationHeaderMalformed",
    "InvalidClientTokenId",
)


class Bucket:
    """`core.objects.Objects` over one bucket."""

    # What has the store refuse a file that is there.
    if_new: dict[str, Any] = {"IfNoneMatch": "*"}

    def __init__(self, place: Connection, **settings: Any) -> None:
        """`settings`: what else botocore's `Config` is to have."""
        import boto3
        from botocore.config import Config

        self.store, self.bucket, self.host = place.name, place["bucket"], host_of(place)
        self._is_trusted = place.is_trusted
        session = boto3.session.Session(
            aws_access_key_id=place.secret("access_key_id") or None,
            aws_secret_access_key=place.secret("secret_access_key") or None,
            aws_session_token=place.secret("session_token") or None,
            # Nothing of the studio's own surroundings: no profile, no metadata service of a cloud's machine.
            botocore_session=_bare_session(),
        )
        # By name: else an address would be signed by a way that newer regions do not take.
        more: dict[str, Any] = {"signature_version": "s3v4", **settings}
        self.has_key = bool(place.secret("access_key_id"))
        if not self.has_key:
            from botocore import UNSIGNED

            more["signature_version"] = UNSIGNED
        self.client = session.client(
            "s3", endpoint_url=place["endpoint"] or None, region_name=place["region"] or "us-east-1",
            config=Config(
                s3={"addressing_style": "path" if place["path_style"] else "auto"},
                retries={"max_attempts": 4, "mode": "standard"}, connect_timeout=guard.CONNECT_SECONDS,
                read_timeout=guard.READ_SECONDS, **more,
            ),
        )  # fmt: skip
        self.client.meta.events.register("before-send.s3", self._send)

    @cached_property
    def _pool(self) -> Any:
        from datasets.kinds import wire

        return wire.pool(is_trusted=self._is_trusted, num_pools=4, maxsize=32)

    def _send(self, request: Any, **_more: Any) -> Any:
        """botocore lets a handler answer in its place: this one sends by guarded connections."""
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
        from urllib3 import Timeout
        from urllib3 import exceptions as urllib

        try:
            answer = self._pool.urlopen(
                request.method, request.url, body=request.body, headers=dict(request.headers), retries=False,
                redirect=False, preload_content=False, decode_content=False,
                timeout=Timeout(connect=guard.CONNECT_SECONDS, read=guard.READ_SECONDS),
            )  # fmt: skip
        except urllib.ReadTimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self.host, error=error) from error
        except (urllib.NewConnectionError, urllib.SSLError, OSError) as error:
            raise EndpointConnectionError(endpoint_url=self.host, error=error) from error
        except urllib.HTTPError as error:
            raise ConnectionClosedError(endpoint_url=self.host, error=error) from error
        response = AWSResponse(request.url, answer.status, answer.headers, answer)
        if not request.stream_output:
            response.content  # noqa: B018 - read now, as botocore's own sender does
        return response

    def stat(self, key: str) -> Stored | None:
        with self._asking(key) as missing:
            found = self.client.head_object(Bucket=self.bucket, Key=key)
        if missing:
            return None
        return Stored(key, int(found["ContentLength"]), found["LastModified"].timestamp(), found["ETag"].strip('"'))

    def walk(self, folder: str) -> Iterator[Stored]:
        for page in self._pages(f"{folder}/" if folder else ""):
            for each in page.get("Contents", ()):
                if not each["Key"].endswith("/"):  # a folder as consoles mark it
                    tag = each.get("ETag", "").strip('"')
                    yield Stored(checked(each["Key"]), int(each["Size"]), each["LastModified"].timestamp(), tag)

    def children(self, folder: str) -> Iterator[tuple[str, bool, int]]:
        start = f"{folder}/" if folder else ""
        for page in self._pages(start, Delimiter="/"):
            for each in page.get("CommonPrefixes", ()):
                yield checked(each["Prefix"][len(start) : -1]), True, 0
            for each in page.get("Contents", ()):
                if each["Key"] != start:
                    yield checked(each["Key"][len(start) :]), False, int(each["Size"])

    def _pages(self, start: str, **more: str) -> Iterator[dict[str, Any]]:
        with self._asking(""):
            yield from self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start, **more)

    def read(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        more = {**({"Range": f"bytes={start}-"} if start else {}), **({"IfMatch": f'"{tag}"'} if tag else {})}
        with self._asking(key):
            body = self.client.get_object(Bucket=self.bucket, Key=key, **more)["Body"]
        try:
            yield from body.iter_chunks(PIECE)
        except (BotoCoreError, HTTPError, OSError) as error:
            raise refused(self.store, "network", "store_broke", host=self.host) from error
        finally:
            body.close()

    def write(self, key: str, source: BinaryIO, size: int, *, overwrite: bool) -> None:
        from boto3.exceptions import S3UploadFailedError
        from boto3.s3.transfer import TransferConfig
        from botocore.exceptions import ClientError

        if not overwrite and self.stat(key) is not None:
            raise Conflict(_("%(key)r exists already. Say overwrite to replace it.") % {"key": key}, code="exists")
        part = max(LEAST_PART, -(-size // MOST_PARTS))
        config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, use_threads=False)
        with self._asking(key):
            try:
                if size <= part:
                    self.client.put_object(
                        Bucket=self.bucket, Key=key, Body=source.read(), **({} if overwrite else self.if_new)
                    )
                else:
                    self.client.upload_fileobj(_Unclosed(source), self.bucket, key, Config=config)
            except S3UploadFailedError as error:
                if isinstance(error.__context__, ClientError):
                    raise error.__context__ from error
                raise refused(self.store, "network", "store_broke", host=self.host) from error

    def presigned(self, key: str, seconds: int) -> str:
        if not self.has_key:
            return ""
        asked = {"Bucket": self.bucket, "Key": key}
        return str(self.client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds))

    def begin_upload(self, key: str) -> str:
        if not self.has_key:
            return ""
        # What is made of the parts is known by it.
        mark = token_hex(8)
        with self._asking(""):
            made = self.client.create_multipart_upload(Bucket=self.bucket, Key=key, Metadata={MARK: mark})
        return f"{mark}:{made['UploadId']}"

    def _named(self, key: str, upload: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": key, "UploadId": upload.rpartition(":")[2]}

    def part_address(self, key: str, upload: str, number: int, seconds: int) -> str:
        asked = {**self._named(key, upload), "PartNumber": number}
        return str(self.client.generate_presigned_url("upload_part", Params=asked, ExpiresIn=seconds))

    def commit_upload(self, key: str, upload: str, sizes: Sequence[int]) -> None:
        found: dict[int, dict[str, Any]] = {}
        named = self._named(key, upload)
        with self._asking(key) as missing:
            for page in self.client.get_paginator("list_parts").paginate(**named):
                found |= {int(each["PartNumber"]): each for each in page.get("Parts", ())}
        if missing and self.has_committed(key, upload):
            return
        has = {} if missing else {number: int(each["Size"]) for number, each in found.items()}
        require_parts(self.store, key, has, sizes)
        parts = [{"PartNumber": n, "ETag": found[n]["ETag"]} for n in range(1, len(sizes) + 1)]
        with self._asking(""):
            self.client.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})

    def has_committed(self, key: str, upload: str) -> bool:
        mark = upload.rpartition(":")[0]
        with self._asking(key) as missing:
            found = self.client.head_object(Bucket=self.bucket, Key=key)
        return bool(mark) and not missing and found["Metadata"].get(MARK) == mark

    def abort_upload(self, key: str, upload: str) -> None:
        with self._asking(key):
            self.client.abort_multipart_upload(**self._named(key, upload))

    def abort_unnoted(self, key: str, moment: datetime, known: Collection[str]) -> None:
        kept, begun = {each.rpartition(":")[2] for each in known}, list[str]()
        with self._asking(""):
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=key):
                for each in page.get("Uploads", ()):
                    if each["Key"] == key and abs(each["Initiated"] - moment) < NEAR and each["UploadId"] not in kept:
                        begun.append(each["UploadId"])
        for each in begun:
            self.abort_upload(key, each)

    def remove(self, key: str) -> None:
        with self._asking(key):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def remove_folder(self, folder: str) -> None:
        inside = [each["Key"] for page in self._pages(f"{folder}/") for each in page.get("Contents", ())]
        for key in inside:
            self.remove(key)

    def copy(self, key: str, to: str) -> None:
        with self._asking(key):
            self.client.copy({"Bucket": self.bucket, "Key": key}, self.bucket, to)

    def touch(self, key: str) -> bool:
        """Have the object count as new; whether there is one."""
        with self._asking(key) as missing:
            self.client.copy_object(
                Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": key}, MetadataDirective="REPLACE"
            )
        return not missing

    def check(self) -> None:
        """Raises StoreError where the bucket cannot be read."""
        with self._asking(""):
            self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)

    def make(self) -> None:
        """The bucket, unless it is there."""
        with self._asking("") as missing:
            region = self.client.meta.region_name
            more = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            with contextlib.suppress(self.client.exceptions.BucketAlreadyOwnedByYou):
                self.client.create_bucket(Bucket=self.bucket, **more)
        del missing

    @contextlib.contextmanager
    def _asking(self, key: str) -> Iterator[list[str]]:
        """botocore's errors in our words. Gives a list that has the key in it after the block where there is no such object."""
        from botocore.exceptions import BotoCoreError, ClientError

        missing: list[str] = []
        try:
            yield missing
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            answer = error.response.get("ResponseMetadata", {})
            status, date = int(answer.get("HTTPStatusCode", 0)), answer.get("HTTPHeaders", {}).get("date")
            if code in SIGN_IN:
                raise of_refusal(self.store, "sign_in", code, date) from error
            if key and code in ("404", "NoSuchKey", "NoSuchUpload", "NotFound"):
                missing.append(key)
                return
            if status == 412:
                raise refused(self.store, "away", "store_changed", path=key) from error
            raise of_status(self.store, status, code, key, self.bucket, date) from error
        except BotoCoreError as error:
            why = str(getattr(error, "kwargs", {}).get("error", "")) or type(error).__name__
            raise refused(self.store, "network", "store_network", host=self.host, why=why) from error


class _Unclosed:
    """A reader that the transfer manager does not close: it is its giver's."""

    def __init__(self, inner: BinaryIO) -> None:
        self.read, self.seek, self.tell = inner.read, inner.seek, inner.tell


def _bare_session() -> Any:
    from botocore.session import Session

    made = Session(session_vars={"config_file": (None, None, None, None), "credentials_file": (None, None, None, None)})
    made.get_component("credential_provider").providers[:] = []
    return made


def host_of(place: Connection) -> str:
    if place["endpoint"]:
        return urlsplit(place["endpoint"]).hostname or place["endpoint"]
    return f"s3.{place['region'] or 'us-east-1'}.amazonaws.com"


def check(place: Connection) -> None:
    """Raises Invalid for half a pair of keys."""
    if bool(place.secret("access_key_id")) != bool(place.secret("secret_access_key")):
        raise Invalid(
            _("An access key has two parts: its id and its secret. Give both, or none for a public bucket."),
            code="bad_credentials",
        )


KIND = Kind(
    "s3",
    gettext_lazy("S3 bucket"),
    "AmazonS3",
    options=(
        Field("bucket", gettext_lazy("Bucket"), True),
        Field("endpoint", gettext_lazy("Endpoint"), help=gettext_lazy("of a server of one's own, such as http://localhost:9000; empty for Amazon")),
        Field("region", gettext_lazy("Region"), help=gettext_lazy("such as eu-west-1; empty for us-east-1")),
        Field("path_style", gettext_lazy("The bucket stands in the path, not in the host’s name"), is_flag=True),
    ),
    credentials=(
        Field("access_key_id", gettext_lazy("Access key id")),
        Field("secret_access_key", gettext_lazy("Secret access key")),
        Field("session_token", gettext_lazy("Session token"), help=gettext_lazy("only of temporary keys")),
    ),
    files=Bucket,
    fingerprint="etag",
    can_presign=True,
    extra="s3",
    modules=("boto3",),
    check=check,
    address=lambda place: of_url(place["endpoint"]) if place["endpoint"] else (host_of(place), 443),
)  # fmt: skip
