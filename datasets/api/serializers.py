"""What goes in and out of the addresses of this app."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from datasets.kinds import KINDS
from datasets.models import Dataset, DatasetVersion, Datastore


class DatastoreOut(serializers.Serializer[Datastore]):
    name = serializers.CharField()
    kind = serializers.CharField()
    description = serializers.CharField()
    is_default = serializers.SerializerMethodField()
    options = serializers.DictField(
        child=serializers.CharField(), help_text="What its kind takes, without credentials."
    )
    datastore_type = serializers.SerializerMethodField(help_text="What Azure ML calls its kind.")
    is_writable = serializers.SerializerMethodField()
    credentials_set_at = serializers.DateTimeField(allow_null=True)

    def get_is_default(self, datastore: Datastore) -> bool:
        return datastore.name == datastore.workspace.default_datastore

    def get_datastore_type(self, datastore: Datastore) -> str:
        return "AzureFile" if datastore.name == "workspacefilestore" else KINDS[datastore.kind].azure_type

    def get_is_writable(self, datastore: Datastore) -> bool:
        return KINDS[datastore.kind].is_writable


class DatastoreIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=255)
    kind = serializers.CharField(help_text="One of those that docs/data.md lists.")
    options = serializers.DictField(required=False, default=dict, child=serializers.CharField(allow_blank=True))
    credentials = serializers.DictField(
        required=False, default=dict, child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        help_text="Encrypted where they are kept, and told by no answer.",
    )  # fmt: skip
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=1000)
    overwrite = serializers.BooleanField(required=False, default=False, help_text="Replace the one of this name.")
    create_if_missing = serializers.BooleanField(
        required=False, default=False, help_text="Make its container, bucket, share or folder where there is none."
    )
    check = serializers.BooleanField(required=False, default=True, help_text="Reach it before it is kept.")


class CredentialsIn(serializers.Serializer[Any]):
    credentials = serializers.DictField(child=serializers.CharField(allow_blank=True, trim_whitespace=False))
    check = serializers.BooleanField(required=False, default=True)


class TestedOut(serializers.Serializer[Any]):
    failed = serializers.CharField(
        help_text="The stage that failed: `name`, `network`, `sign_in`, `permission`, `container` or `answer`; empty where all is well."
    )
    passed = serializers.ListField(child=serializers.CharField())
    message = serializers.CharField()


class DatastoreChange(serializers.Serializer[Any]):
    is_default = serializers.BooleanField()


class StoredOut(serializers.Serializer[Any]):
    path = serializers.CharField()
    size = serializers.IntegerField()
    modified_at = serializers.CharField(allow_null=True)


class DatasetFileOut(StoredOut):
    url = serializers.CharField()


class DatasetVersionOut(serializers.Serializer[DatasetVersion]):
    id = serializers.UUIDField()
    name = serializers.CharField(source="dataset.name", allow_null=True)
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(Dataset.Kind.choices)
    definition = serializers.JSONField()
    digest = serializers.CharField()
    description = serializers.CharField()
    tags = serializers.JSONField()
    status = serializers.ChoiceField(DatasetVersion.Status.choices)
    error = serializers.JSONField(
        allow_null=True, help_text="`{code, message}`: why what is on the web could not be fetched when last asked."
    )
    progress = serializers.ListField(
        child=serializers.IntegerField(), allow_null=True,
        help_text="`[done, total]` in bytes, while a worker looks through a large table.",
    )  # fmt: skip
    columns = serializers.SerializerMethodField()
    file_count = serializers.IntegerField(allow_null=True)
    size = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()

    def get_columns(self, version: DatasetVersion) -> list[dict[str, str]]:
        """Names and types of a table, as they were when it was saved."""
        if hasattr(version, "listed_columns"):
            return list(version.listed_columns or [])
        return list((version.profile or {}).get("columns", []))


class DatasetOut(serializers.Serializer[Dataset]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(Dataset.Kind.choices)
    description = serializers.CharField()
    latest_version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    latest = serializers.SerializerMethodField()

    def get_latest(self, dataset: Any) -> dict[str, Any] | None:
        if not dataset.newest:
            return None
        dataset.newest[0].dataset = dataset
        return dict(DatasetVersionOut(dataset.newest[0]).data)


class DatasetIn(serializers.Serializer[Any]):
    name = serializers.CharField(
        required=False, allow_null=True, default=None, max_length=255, trim_whitespace=False,
        help_text="Without a name the version is anonymous: kept by id, listed nowhere.",
    )  # fmt: skip
    kind = serializers.CharField()
    definition = serializers.JSONField()
    description = serializers.CharField(required=False, default="", allow_blank=True)
    tags = serializers.DictField(required=False, default=dict)
    create_new_version = serializers.BooleanField(required=False, default=False)
    validate = serializers.BooleanField(required=False, default=True)  # type: ignore[assignment]


class DatasetVersionChange(serializers.Serializer[Any]):
    description = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.DictField(required=False)


class PreviewOut(serializers.Serializer[Any]):
    columns = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    rows = serializers.ListField(child=serializers.ListField())
