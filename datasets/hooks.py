"""What data asks the apps above."""

from __future__ import annotations

from core.hooks import Hook
from datasets.models import DatasetVersion
from workspaces.access import WorkspaceContext

# A step is about to write a file to this path of a datastore: receivers raise Forbidden where it may not.
file_written: Hook[[WorkspaceContext, str, str], None] = Hook()
# A dataset has a new version, in the transaction in which it appears. It may be fetching still.
version_made: Hook[[WorkspaceContext, DatasetVersion], None] = Hook()
