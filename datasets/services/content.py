"""The rows and bytes of a dataset version, for pages and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Invalid, NotFound
from datasets import preview, rows
from datasets.models import Dataset, DatasetVersion
from datasets.services import files

PREVIEW_ROWS = 500


def preview_of(version: DatasetVersion, limit: int) -> dict[str, Any]:
    """`{"columns", "rows"}`: the first rows of a table, or the first files of a dataset of files."""
    found = files.files_of(version)
    if version.kind == Dataset.Kind.FILE:
        columns = [{"name": "path", "type": "string"}, {"name": "size", "type": "long"}]
        return {"columns": columns, "rows": [[each.path, each.size] for each in found[:limit]]}
    table = preview.read(version.workspace, found, version.definition, limit)
    return {
        "columns": [{"name": name, "type": type_} for name, type_ in table.columns],
        "rows": [[rows.plain(value) for value in row] for row in table.rows],
    }


def file_in(version: DatasetVersion, path: str) -> files.ResolvedFile:
    """One file of a version by its path inside it. Raises NotFound."""
    wanted = path.lstrip("/")
    for each in files.files_of(version):
        if each.path == wanted:
            return each
    raise NotFound(_("The dataset has no file '%(path)s'.") % {"path": path}, path=path)


def csv_of(version: DatasetVersion) -> Generator[bytes, None, None]:
    """A table after its operations, as CSV, piece by piece. Raises Invalid for a dataset of files."""
    if version.kind == Dataset.Kind.FILE:
        raise Invalid(_("Say which file: '?path=' with one of the paths of 'files/'."))
    found = files.files_of(version)
    with preview.opened(version.workspace, found, version.definition) as (columns, stream):
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([name for name, _ in columns])
        for row in stream:
            writer.writerow(["" if value is None else rows.plain(value) for value in row])
            if buffer.tell() > 64 * 1024:
                yield _taken(buffer)
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
