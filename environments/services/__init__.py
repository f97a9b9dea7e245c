"""What the apps above may ask of environments."""

from environments.services.builds import (
    build_work,
    expire_builds,
    give_back_builds,
    queue_build,
    renew_builds,
    report_build,
    take_builds,
)
from environments.services.logs import append_build_log
from environments.services.versions import find, register, resolve

__all__ = [
    "append_build_log",
    "build_work",
    "expire_builds",
    "find",
    "give_back_builds",
    "queue_build",
    "register",
    "renew_builds",
    "report_build",
    "resolve",
    "take_builds",
]
