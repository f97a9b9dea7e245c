"""Tells a database that others hold, or that cannot be reached now, from faults of the studio's own."""

from __future__ import annotations

import sqlite3

from django.db import Error, InterfaceError, OperationalError
from django.utils.translation import gettext_lazy

from core.errors import StudioBusy

SQLITES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# Of PostgreSQL: a serialization failure, a deadlock, a lock or a statement that took too long, no connection left, the
# server going down or coming up; and the class of connections that broke.
POSTGRESQLS = frozenset({"40001", "40P01", "55P03", "57014", "53300", "57P01", "57P02", "57P03"})
BROKEN = "08"
WORDS = gettext_lazy("The studio's database is busy, so nothing was done. Try again in a moment.")


def as_busy(error: BaseException | None) -> StudioBusy | None:
    """The refusal that the error stands for, or None where it tells of something else."""
    return StudioBusy(str(WORDS)) if isinstance(error, Error) and _is_busy(error) else None


def _is_busy(error: Error) -> bool:
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        # The low byte is the plain code; the others say more about it.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in SQLITES
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(cause, "sqlstate", None)
    # Without a word of the server there was none: the pool gave no connection in time, or it broke.
    return state is None or state in POSTGRESQLS or state.startswith(BROKEN)
