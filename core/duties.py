"""What the ticker does for apps that stand above it: each registers its own in its `AppConfig.ready()`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from django.utils.module_loading import import_string

_registered: dict[str, int] = {}


def register(every: int, duty: str) -> None:
    """Have `duty`, the dotted name of a function, called every so many seconds. It is imported when it is first due: most
    processes have no ticker."""
    _registered[duty] = every


def registered() -> list[tuple[int, Callable[[], object]]]:
    return [(every, _found(duty)) for duty, every in _registered.items()]


@cache
def _found(duty: str) -> Callable[[], object]:
    found: Callable[[], object] = import_string(duty)
    return found
