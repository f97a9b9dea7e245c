"""What the apps above may ask of data."""

from datasets.services.datastores import datastore
from datasets.services.fetching import ring_waiting
from datasets.services.files import (
    ResolvedFile,
    files_below,
    files_of,
    identity,
    is_one_file,
)
from datasets.services.staging import sweep as sweep_staged
from datasets.services.versions import find_version, get_version, save
from datasets.stores import relative_root, root_by_name, root_of

__all__ = [
    "ResolvedFile",
    "datastore",
    "files_below",
    "files_of",
    "find_version",
    "get_version",
    "identity",
    "is_one_file",
    "relative_root",
    "ring_waiting",
    "root_by_name",
    "root_of",
    "save",
    "sweep_staged",
]
