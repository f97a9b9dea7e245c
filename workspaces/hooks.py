"""What workspaces tell the apps above and ask them."""

from __future__ import annotations

from uuid import UUID

from core.hooks import Hook, Provider
from workspaces.models import User, Workspace

# A workspace was made, inside its transaction: datastores and curated environments are put into it. May be repeated, so
# that a workspace gets later what a later release brings.
workspace_created: Hook[[Workspace], None] = Hook()
# A workspace is being deleted, inside its transaction: keys of hosts and enrolment tokens end at once.
workspace_deleted: Hook[[UUID], None] = Hook()
# Somebody has lost rights in a workspace, inside the transaction: receivers look for themselves who may still do what.
rights_reduced: Hook[[UUID], None] = Hook()
# The secrets of the studio are encrypted anew, inside the transaction: what apps above keep encrypted follows.
secrets_rotated: Hook[[], None] = Hook()

open_runs: Provider[[Workspace], int] = Provider("how many runs of a workspace are not over")
open_runs_of: Provider[[Workspace, User], int] = Provider("how many open runs a person has in a workspace")
open_enrolments_of: Provider[[Workspace, User], int] = Provider("how many enrolments of hosts a person has open")
# The name as it is written; or a refusal.
check_default_compute: Provider[[Workspace, str], str] = Provider("may this cluster be the default")
check_default_datastore: Provider[[Workspace, str], str] = Provider("may this datastore be the default")
