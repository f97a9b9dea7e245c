"""The environments of steps that tests on this machine have built: later studios take them over, also those of a later run.

The first studio that needs one builds it, and so do the tests that are about building.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from studio.bootstrap import ROOT
from studio.testing.engine import cache_folder

READY = "duto-environment.json"  # the agent writes it last of all
KNOWN = "DUTO_TEST_AGENTS"
BUILDER = ROOT / "agent/src/duto_agent/environments"
KEPT_S = 14 * 86_400.0


@contextlib.contextmanager
def known_to_each_other() -> Iterator[None]:
    """For the length of a run: its processes tell each other where their agents live."""
    with tempfile.TemporaryDirectory(prefix="duto-agents-") as folder:
        os.environ[KNOWN] = folder
        yield
        del os.environ[KNOWN]


def take_over(agent: Path) -> None:
    """Give an agent's home what is kept and what the other agents of this run have built, and make it known to them."""
    if not (place := os.environ.get(KNOWN)):
        return
    for note in Path(place).iterdir():
        if (home := Path(note.read_text())) != agent:
            keep(home)
    for ready in kept("environments").glob(f"*/{READY}"):
        if (ready.parent / "bin/python").exists():  # its Python may be gone
            os.utime(ready.parent)
            _link(ready.parent, agent / "envs" / ready.parent.name, drafts=agent)
    (Path(place) / hashlib.sha256(os.fsencode(agent)).hexdigest()).write_text(str(agent))


def keep(agent: Path) -> None:
    """What an agent has built outlives its home."""
    if not os.environ.get(KNOWN):
        return
    place = kept("environments")
    for ready in agent.glob(f"envs/*/{READY}"):
        if any(ready.parent.glob("lib/*/site-packages/*.dist-info")):
            _link(ready.parent, place / ready.parent.name, drafts=place.parent)


def kept(kind: str) -> Path:
    """The folder of what is made once a machine; what nobody has used for two weeks goes. Another builder, or another Python, may make
    it differently."""
    code = hashlib.sha256(f"{sys.base_prefix} {sys.version}".encode())
    for file in sorted(BUILDER.glob("*.py")):
        code.update(file.read_bytes())
    folder = cache_folder() / kind / code.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob("*/*/"):
        if time.time() - old.stat().st_mtime > KEPT_S:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _link(made: Path, target: Path, drafts: Path) -> None:
    """Its files are read-only, and links into uv's cache already. Whoever builds the same now is left alone.

    `drafts`: not among an agent's environments, where one that starts puts drafts away.
    """
    for folder in (drafts.parent, drafts, target.parent):  # as a start makes them
        folder.mkdir(mode=0o700, exist_ok=True)
    draft = drafts / f"draft.{os.getpid()}"
    with target.with_name(f"{target.name}.lock").open("a") as lock, contextlib.suppress(OSError, shutil.Error):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not target.exists():
            try:
                shutil.copytree(made, draft, symlinks=True, copy_function=os.link)
                draft.rename(target)
            finally:  # from another device, or from a home that goes
                shutil.rmtree(draft, ignore_errors=True)
