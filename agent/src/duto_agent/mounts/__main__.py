"""`python -m duto_agent.mounts PLAN`: the process that serves the mounts of one attempt, until they are taken away.

It holds a lock for as long as it lives, which tells the agent of its end, and stamps it with the kernel's clock, which
tells that it still answers. It outlives the agent.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from duto.spec.sentences import Said, with_said
from duto_agent.files import read_json
from duto_agent.mounts.filesystem import FileSystem, serve
from duto_agent.mounts.lazy_file import Source
from duto_agent.mounts.lazy_files import LazyFiles
from duto_agent.mounts.listing import Listing
from duto_agent.mounts.places import Places
from duto_agent.mounts.tally import Tally
from duto_agent.studio.client import StudioClient
from duto_agent.studio.file_cache import FileCache
from duto_agent.studio.transfers import AT_ONCE
from duto_protocol.messages import InputSpec
from duto_protocol.reading import of_document

EVERY_S = 1.0
log = logging.getLogger("duto.agent")


class Process:
    """The client, the files, and what the agent may want of them."""

    def __init__(self, places: Places) -> None:
        self.places = places
        plan = read_json(places.plan, own=True)
        home, self.attempt = Path(plan["home"]), Path(plan["attempt"])
        self.client = StudioClient(plan["studio"], read_json(home / "host.json")["key"])
        self.source = Source(self.client, ThreadPoolExecutor(AT_ONCE, "ranges"), Tally(places.tally))
        given = [of_document(each, InputSpec).message for each in plan["inputs"]]
        listing = Listing({each.name: each.files for each in given})
        cache = FileCache(home / "cache" / "blobs", int(plan["most"]), sweeps=False)
        files = LazyFiles(listing.files, cache, self.source, self.tell)
        self.system, self.is_for_all = FileSystem(listing, files, self.begun), bool(plan["is_for_all"])
        self.lock = places.lock.open("a")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self._planned = places.plan.stat().st_mtime_ns

    def begun(self) -> None:
        """The kernel knows the mount: whoever started this process waits for the word."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        print("mounted", flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def tell(self, why: Said) -> None:
        """For the step's log, by way of the agent."""
        line = json.dumps(with_said({"text": why})) + "\n"
        with contextlib.suppress(OSError), self.places.notes.open("a") as notes:
            notes.write(line)

    def _watch(self) -> None:
        while True:
            moment = time.monotonic_ns()
            with contextlib.suppress(OSError):
                os.utime(self.lock.fileno(), ns=(moment, moment))
                if (self.attempt / "cancel").exists():
                    self.source.is_ending.set()
                changed = self.places.plan.stat().st_mtime_ns
                if changed != self._planned:  # the studio has moved
                    self._planned, self.client.url = (
                        changed,
                        read_json(self.places.plan, own=True)["studio"].rstrip("/"),
                    )
            if not self.attempt.exists():  # and nobody was there to say so
                self.places.unmount()
                os._exit(0)
            time.sleep(EVERY_S)


def main() -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s mounts: %(message)s")
    places = Places.of_plan(Path(sys.argv[1]))
    process = Process(places)
    try:
        serve(process.system, str(places.root), is_for_all=process.is_for_all)
    except RuntimeError:  # libfuse has said why
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
