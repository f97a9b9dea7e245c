"""What an attempt's mounts tell while its script runs: it goes to the step's log, and explains the end of the script."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from duto.spec.sentences import Said, said
from duto_agent.files import open_plain
from duto_agent.mounts.supervision import Mounts
from duto_agent.mounts.tally import transfer_in
from duto_protocol.messages import Transfer

EVERY_S = 0.5
# A step that is to end and does not, although its mounts have been given that long to answer, waits for them.
ENDING_S = 20.0
log = logging.getLogger("duto.agent")


class MountWatch:
    """Of one attempt, in its thread. Without mounts it does nothing."""

    def __init__(self, directory: Path, mounts: Mounts) -> None:
        self.directory, self.mounts = directory, mounts
        self.faults: list[Said] = []
        # What came through the mounts, once they are taken away.
        self.transfer = Transfer()
        self._is_mounted = self._is_gone = False
        self._offset, self._looked, self._ending_since = 0, 0.0, 0.0

    def begin(self, mounted: Mapping[str, str]) -> None:
        self._is_mounted = bool(mounted)
        if mounted:
            self.mounts.moved(self.directory)

    def look(self, is_ending: bool = False, is_last: bool = False) -> None:
        """Hear what is new. A mount that answers nobody is ended, so that nobody waits for it for ever."""
        moment = time.monotonic()
        if not self._is_mounted or self._is_gone or (moment - self._looked < EVERY_S and not is_last):
            return
        self._looked = moment
        self._hear()
        if is_ending:
            self._ending_since = self._ending_since or moment
            if moment - self._ending_since > ENDING_S:
                self.mounts.places(self.directory).end()
        self.mounts.end_silent(self.directory)
        if not self.mounts.is_alive(self.directory):
            self._is_gone = True
            if not is_ending:
                self._note(said("mount_gone"))

    def end(self) -> list[Said]:
        """Take the mounts away; what could not be read of them."""
        if self._is_mounted:
            places = self.mounts.places(self.directory)
            # Nothing comes any more, and what came is counted.
            places.unmount()
            places.end()
            self.transfer = transfer_in(places.tally)
        with contextlib.suppress(OSError):  # told when the attempt is cleaned up
            self.mounts.release(self.directory)
        self._is_mounted = False
        return self.faults

    def _hear(self) -> None:
        found, self._offset = self.mounts.news(self.directory, self._offset)
        for each in found:
            self._note(each)

    def _note(self, why: Said) -> None:
        self.faults.append(why)
        line = f"duto: {why}\n".encode("utf-8", "replace")
        try:
            with open_plain(self.directory / "log.data", os.O_WRONLY | os.O_APPEND) as data:
                data.write(line)
        except OSError as error:
            log.warning("the log of %s does not say that %s (%s)", self.directory.name, why, error)
