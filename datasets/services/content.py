"""The rows and bytes of a dataset version, for pages and programs."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Invalid, NotFound, Unprocessable
from datasets import tables
from datasets.models import Dataset, DatasetVersion
from datasets.services import files, inspection

PREVIEW_ROWS = 500
MOST_CELLS = 1_000_000


def preview_of(version: DatasetVersion, limit: int) -> dict[str, Any]:
    """`{"columns", "rows"}`: the first rows of a table, or the first files of a dataset of files."""
    found = files.files_of(version)
    if version.kind == Dataset.Kind.FILE:
        columns = [{"name": "path", "type": "string"}, {"name": "size", "type": "long"}]
        return {"columns": columns, "rows": [[each.path, each.size] for each in found[:limit]]}
    asked = inspection.question(version, found, tables.WAITED_FOR)
    width = len(asked.survey or ())
    if width * limit > MOST_CELLS:
        text = _(
            "This is too much for one answer (%(rows)s × %(columns)s values). Ask for fewer rows: at most %(fit)s."
        )
        facts = {"rows": limit, "columns": width, "fit": max(1, MOST_CELLS // width)}
        raise Unprocessable(text % facts, code="too_many_values")
    table = tables.first_rows(asked, limit, MOST_CELLS)
    return {"columns": [{"name": name, "type": type_} for name, type_ in table.columns], "rows": table.rows}


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
        raise Invalid(_("Say which file is meant: one of the paths that 'files/' lists."))
    found = files.files_of(version)
    yield from tables.as_csv(inspection.question(version, found, tables.AT_LENGTH))
