"""The end of a container, heard from the kernel: it knows long before the engine has tidied up and says so.

And of one that its engine has half forgotten: killed amid a start, the engine knows the container as never started,
while its processes are there.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal

from duto_agent.engine.client import Engine
from duto_agent.launchers.resource_usage import is_in_group


class ExitEvents:
    """Numbers of processes mean nothing where the engine is another machine's; one that was right shows that it is not."""

    def __init__(self) -> None:
        self._is_here = False

    def within(self, first: int, container: str, seconds: float) -> bool | None:
        """Whether the first process of a container has ended within that time, and all others of it with it.

        The kernel ends whatever else is in the namespace of the first before it lets that one go. None: not known here.
        """
        try:
            number = os.pidfd_open(first)
        except (OSError, OverflowError, AttributeError):
            return True if self._is_gone(first, container) else None
        try:
            if not is_in_group(first, container):
                return True if self._is_here else None
            self._is_here = True
            poll = select.poll()
            poll.register(number, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(number)

    def _is_gone(self, first: int, container: str) -> bool:
        return self._is_here and first > 0 and not is_in_group(first, container)


def discard(engine: Engine, name: str) -> None:
    """Remove a container together with processes of which its engine knows nothing. Raises EngineAway, EngineRefused."""
    container = str((engine.inspect(name) or {}).get("Id") or "")
    engine.remove(name)
    for number in os.listdir("/proc") if container else ():  # noqa: PTH208 (names are enough)
        if number.isdigit() and is_in_group(int(number), container):
            with contextlib.suppress(OSError):
                os.kill(int(number), signal.SIGKILL)
