"""What the apps above may ask of environments."""

from environments.services.builds import (
    build_work,
    expire_builds,
    fail_build,
    give_back_builds,
    on_queued,
    queue_build,
    queued_with_conda,
    renew_builds,
    report_build,
    take_builds,
)
from environments.services.images import cancel_image, image_cancels, interrupt_images, report_image
from environments.services.logs import append_build_log
from environments.services.versions import find, register, resolve, warnings_of

__all__ = [
    "append_build_log",
    "build_work",
    "cancel_image",
    "expire_builds",
    "fail_build",
    "find",
    "give_back_builds",
    "image_cancels",
    "interrupt_images",
    "on_queued",
    "queue_build",
    "queued_with_conda",
    "register",
    "renew_builds",
    "report_build",
    "report_image",
    "resolve",
    "take_builds",
    "warnings_of",
]
