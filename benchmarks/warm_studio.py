"""A warm studio with clients of it: what all benchmarks of running work start from."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import graphs
from benchmarks.bench_env import studio, token_of
from benchmarks.page import Page, open_page, sign_in
from benchmarks.registry import Setting
from benchmarks.rest import Rest
from studio.testing.live import LiveStudio

ENDS = frozenset({"Completed", "Failed", "Canceled", "Skipped"})
SILENCE_S = 2.0
PATIENCE_S = 600.0
WHO_AM_I = "import sys\nprint(sys.executable)\n"


@dataclass
class WarmStudio:
    """A studio, a program's REST, a person's page, and the Python that its steps run on."""

    live: LiveStudio
    rest: Rest
    cookie: str
    python: str = ""

    def submit(self, document: dict[str, Any], kind: str = "pipeline") -> str:
        """POST runs/; the id of the run."""
        return str(self.rest.post("runs/", graphs.submission(document, kind))["id"])

    def page(self) -> contextlib.AbstractContextManager[Page]:
        """An open page."""
        return open_page(self.live.url, self.cookie)

    def await_end(self, page: Page, run: str) -> float:
        """When the page hears that the run has completed (time.time()). Any other end is a fault of the studio."""
        page.subscribe(f"run:{run}", version=0)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            status = next(_ends(page, run), "")
            heard = time.time()
            # A page whose frames are late or lost asks for the state itself.
            status = status or str(self.rest.get(f"runs/{run}/")["status"])
            if status in ENDS:
                page.unsubscribe(f"run:{run}")
                self._require(run, status)
                return heard
        raise RuntimeError(f"run {run} has not ended within {PATIENCE_S:g} s")

    def complete(self, document: dict[str, Any], kind: str = "pipeline") -> tuple[str, float]:
        """Submit and wait; the run, and the seconds from the submit until the page knew of its end."""
        with self.page() as page:
            began = time.time()
            run = self.submit(document, kind)
            return run, self.await_end(page, run) - began

    def log_of(self, run: str) -> bytes:
        """The beginning of a log."""
        return self.rest.read(f"runs/{run}/log/?offset=0&limit=65536")

    def warm_up(self) -> None:
        """Use each node and its environment once."""
        asking = graphs.upload(self.rest, WHO_AM_I)
        run, _ = self.complete(graphs.fan(asking, graphs.NODES))
        first = self.rest.get(f"runs/{run}/steps/")["items"][0]
        self.python = self.log_of(first["id"]).decode().strip()

    def _require(self, run: str, status: str) -> None:
        if status != "Completed":
            error = self.rest.get(f"runs/{run}/")["error"]
            raise RuntimeError(f"run {run} ended as {status}: {error}")


@contextlib.contextmanager
def warm_studio(setting: Setting, env: Mapping[str, str] | None = None) -> Iterator[WarmStudio]:
    """A studio, told `env`, with a cluster whose nodes are idle and whose environment is ready."""
    with studio(setting, env) as live:
        rest = Rest.with_token(live.url, token_of(live))
        graphs.make_cluster(rest)
        made = WarmStudio(live, rest, sign_in(live))
        made.warm_up()
        try:
            yield made
        finally:
            rest.close()


def bare(python: str, count: int) -> float:
    """The floor of a row of steps: so many bare processes, one after the other; seconds for all."""
    began = time.monotonic()
    for _ in range(count):
        subprocess.run([python, "-c", "pass"], check=True)
    return time.monotonic() - began


def _ends(page: Page, run: str) -> Iterator[str]:
    """Statuses of the run itself that are ends."""
    for frame in page.frames(f"run:{run}", SILENCE_S):
        for change in frame.get("changes", ()):
            if change["run"] == run and change.get("status") in ENDS:
                yield change["status"]
