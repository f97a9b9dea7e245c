"""Tells a full disk of the studio's own from other faults, whoever noticed it: the file system or the database."""

from __future__ import annotations

import errno

from django.db import DatabaseError
from django.utils.translation import gettext_lazy

from core.errors import StudioFull

FULL = (errno.ENOSPC, errno.EDQUOT)
SQLITES, POSTGRESQLS = "database or disk is full", "53100"
WORDS = gettext_lazy(
    "The studio's disk is full, so this could not be kept. Whoever runs the studio must make room below its data "
    "directory or its database; agents try again until there is some."
)


def as_full(error: BaseException) -> StudioFull | None:
    """The refusal that the error stands for, or None where it tells of something else."""
    return StudioFull(str(WORDS)) if _is_full(error) else None


def _is_full(error: BaseException) -> bool:
    if isinstance(error, DatabaseError):
        return SQLITES in str(error) or getattr(error.__cause__, "sqlstate", None) == POSTGRESQLS
    return isinstance(error, OSError) and error.errno in FULL
