"""What a cluster's owner may relax of the hardened options of containers: names and values. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from core.errors import Invalid
from duto.spec import slurm
from duto.spec.capabilities import CAPABILITIES

GIB = 1 << 30
_USER = re.compile(r"\d{1,9}(:\d{1,9})?")


def _number(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _capabilities(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value) and set(value) <= CAPABILITIES


def _slurm(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(slurm.options_of(value))
    except slurm.BadOption:
        return False


# Name: what is right, in words and as a test.
OPTIONS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "user": ("a user id, or user and group as '1000:1000'", lambda v: isinstance(v, str) and bool(_USER.fullmatch(v))),
    "read_only": ("true or false: whether the root of the file system is read-only", lambda v: isinstance(v, bool)),
    "no_new_privileges": ("true or false", lambda v: isinstance(v, bool)),
    "capabilities": (f"a list of {', '.join(sorted(CAPABILITIES))}", _capabilities),
    "pids_limit": ("a number of processes from 16 to 65536", _number(16, 65536)),
    "shm_size": ("bytes of shared memory, from 1 MiB to 1 TiB", _number(1 << 20, 1024 * GIB)),
    "tmp_size": ("bytes of /tmp, from 1 MiB to 1 TiB", _number(1 << 20, 1024 * GIB)),
    "slurm": (
        f"options of sbatch such as 'partition=gpu qos=long', of {', '.join(sorted(slurm.ALLOWED | slurm.FLAGS))}",
        _slurm,
    ),
    "swap": ("bytes of swap beside the memory, from 0 to 1 TiB", _number(0, 1024 * GIB)),
}


def checked(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they were asked for. Raises Invalid that names what is wrong, and what would be right."""
    for name, value in asked.items():
        if name not in OPTIONS:
            raise Invalid(
                f"There is no container option '{name}'. There are: {', '.join(OPTIONS)}.", code="unknown_option"
            )
        words, is_right = OPTIONS[name]
        if not is_right(value):
            raise Invalid(f"The container option '{name}' is {words}, not {value!r}.", code="bad_option")
    return dict(asked)
