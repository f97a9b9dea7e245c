"""The environments of steps that this run of the suite has built: its later studios take them over.

The first studio that needs one builds it, and so do the tests that are about building.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

READY = "duto-environment.json"  # the agent writes it last of all
KNOWN = "DUTO_TEST_AGENTS"


@contextlib.contextmanager
def known_to_each_other() -> Iterator[None]:
    """For the length of a run: its processes tell each other where their agents live."""
    with tempfile.TemporaryDirectory(prefix="duto-agents-") as folder:
        os.environ[KNOWN] = folder
        yield
        del os.environ[KNOWN]


def take_over(agent: Path) -> None:
    """Give an agent's home what the other agents of this run have built, and make it known to them."""
    if not (place := os.environ.get(KNOWN)):
        return
    for note in Path(place).iterdir():
        if (home := Path(note.read_text())) != agent:
            for ready in home.glob(f"envs/*/{READY}"):
                if any(ready.parent.glob("lib/*/site-packages/*.dist-info")):
                    _link(ready.parent, agent / "envs" / ready.parent.name)
    (Path(place) / hashlib.sha256(os.fsencode(agent)).hexdigest()).write_text(str(agent))


def _link(made: Path, target: Path) -> None:
    """Its files are read-only, and links into uv's cache already. Whoever builds the same now is left alone."""
    agent = target.parent.parent
    for folder in (agent.parent, agent, target.parent):  # as a start makes them
        folder.mkdir(mode=0o700, exist_ok=True)
    draft = agent / f"draft.{os.getpid()}"  # not among the environments, where an agent that starts puts drafts away
    with target.with_name(f"{target.name}.lock").open("a") as lock, contextlib.suppress(OSError, shutil.Error):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not target.exists():
            try:
                shutil.copytree(made, draft, symlinks=True, copy_function=os.link)
                draft.rename(target)
            finally:  # from another device, or from a home that goes
                shutil.rmtree(draft, ignore_errors=True)
