"""A script that goes on from a checkpoint, as Azure ML starts it: `--resume-from` and the path of the files."""

from __future__ import annotations

from typing import Any, List

from duto.data.references import DataPath, DataReference
from duto.exceptions import UserErrorException

# The input's name, by which scripts read `AZUREML_DATAREFERENCE_MODEL_LOCATION`.
MODEL_LOCATION = "MODEL_LOCATION"


def resuming(where: str, resume_from: Any) -> List[object]:
    """The arguments that `resume_from` of `where` stands for.

    Args:
        where: the class that was given it, for the error.
        resume_from: the path on a datastore, or None.

    Returns:
        The name of the argument and the mounted path; nothing for None.

    Raises:
        UserErrorException: it is no path on a datastore.
    """
    if resume_from is None:
        return []
    if not isinstance(resume_from, (DataPath, DataReference)) or resume_from.datastore is None:
        raise UserErrorException(
            f"{where}(resume_from=...) is the DataPath of the checkpoint's files on a datastore, not {resume_from!r}."
        )
    reference = DataReference(resume_from.datastore, MODEL_LOCATION, resume_from.path_on_datastore or None)
    return ["--resume-from", reference]
