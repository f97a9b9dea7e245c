"""The studio's own files on a real object store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from datasets.kinds import KINDS
from datasets.kinds.base import Connection
from tests.datasets.store_servers import StoreServer


def variables(server: StoreServer, endpoint: str = "") -> dict[str, str]:
    """`DUTO_ARTIFACT_STORE` and its like for a fresh bucket or container on the server, which is reached by `endpoint`."""
    name, keys = f"t{uuid4().hex[:20]}", server.credentials
    is_s3 = server.kind == "s3"
    options = {key: str(value) for key, value in server.options.items()}
    made = Connection(name, {**options, "bucket" if is_s3 else "container": name}, keys, is_trusted=True)
    files = KINDS[server.kind].files
    assert files is not None
    store: Any = files(made)
    store.make()
    query = urlencode({**options, **({"endpoint": endpoint} if endpoint else {})})
    own = {"DUTO_ARTIFACT_STORE": f"{'s3' if is_s3 else 'azure'}://{name}/some/studio?{query}"}
    if not is_s3:
        return {**own, "DUTO_ARTIFACT_STORE_KEY": keys["account_key"]}
    return {
        **own,
        "DUTO_ARTIFACT_STORE_KEY_ID": keys["access_key_id"],
        "DUTO_ARTIFACT_STORE_KEY": keys["secret_access_key"],
    }


def use(settings: Any, found: dict[str, str]) -> None:
    """Have this process keep the studio's files there."""
    values = {name.removeprefix("DUTO_").lower(): value for name, value in found.items()}
    settings.DUTO = replace(settings.DUTO, **values)
