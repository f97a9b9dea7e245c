"""Buckets of Google Cloud Storage, by the part of its XML interface that speaks S3, with HMAC keys of a service account."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from datasets.kinds.base import Connection, Field, Kind, of_url
from datasets.kinds.s3 import Bucket

GOOGLE = "https://storage.googleapis.com"


class GoogleBucket(Bucket):
    """`datasets.kinds.s3.Bucket` by what Google's interface knows of S3's: no checksums beside the bytes, no upload that must
    be new, no copy in parts, and regions that are none of Amazon's."""

    if_new: dict[str, Any] = {}

    def __init__(self, place: Connection) -> None:
        options = {
            "bucket": place["bucket"], "endpoint": place["endpoint"] or GOOGLE, "region": "auto", "path_style": "true",
        }  # fmt: skip
        keys = {"access_key_id": place.secret("access_id"), "secret_access_key": place.secret("secret")}
        super().__init__(
            Connection(place.name, options, keys), request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )  # fmt: skip

    def copy(self, key: str, to: str) -> None:
        with self._asking(key):
            self.client.copy_object(Bucket=self.bucket, Key=to, CopySource={"Bucket": self.bucket, "Key": key})

    def make(self) -> None:
        """The bucket, unless it is there, in the place that Google chooses for the project of the keys."""
        with self._asking(""):
            try:
                self.client.create_bucket(Bucket=self.bucket)
            except self.client.exceptions.BucketAlreadyOwnedByYou:
                return


def check(place: Connection) -> None:
    """Raises Invalid for half a pair of keys, and for the file of a service account."""
    given = [place.secret(name) for name in ("access_id", "secret")]
    if any(each.lstrip().startswith("{") for each in given):
        text = _(
            "This is the key file of a service account. Make an HMAC key for that account instead (gcloud storage hmac create), and give its access id and secret."
        )
        raise Invalid(text, code="bad_credentials")
    if any(given) and not all(given):
        text = _("An HMAC key has two parts: its access id and its secret. Give both, or none for a public bucket.")
        raise Invalid(text, code="bad_credentials")


KIND = Kind(
    "gcs",
    gettext_lazy("Google Cloud Storage bucket"),
    "GoogleCloudStorage",
    options=(
        Field("bucket", gettext_lazy("Bucket"), True),
        Field("endpoint", gettext_lazy("Endpoint"), help=gettext_lazy("empty for Google’s own")),
    ),
    credentials=(
        Field("access_id", gettext_lazy("Access id"), help=gettext_lazy("of an HMAC key of a service account; none for a public bucket")),
        Field("secret", gettext_lazy("Secret")),
    ),
    files=GoogleBucket,
    fingerprint="etag",
    can_presign=True,
    extra="s3",
    modules=("boto3",),
    check=check,
    address=lambda place: of_url(place["endpoint"] or GOOGLE),
)  # fmt: skip
