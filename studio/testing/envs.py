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
    for folder in (agent.parent, agent, agent / "envs"):  # as a start makes them
        folder.mkdir(mode=0o700, exist_ok=True)
    for ready in kept("environments").glob(f"*/{READY}"):
        target = agent / "envs" / ready.parent.name
        if (ready.parent / "bin/python").exists() and not os.path.lexists(target):  # its Python may be gone
            os.utime(ready.parent)
            target.symlink_to(ready.parent)
    (Path(place) / hashlib.sha256(os.fsencode(agent)).hexdigest()).write_text(str(agent))


def keep(agent: Path) -> None:
    """What an agent has built outlives its home."""
    if not os.environ.get(KNOWN):
        return
    for ready in agent.glob(f"envs/*/{READY}"):
        made = ready.parent
        if not made.is_symlink() and any(made.glob("lib/*/site-packages/*.dist-info")):
            _copy(made, kept("environments") / made.name)


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


def _copy(made: Path, target: Path) -> None:
    """Its files are read-only, and links into uv's cache already. Whoever keeps the same now is left alone."""
    draft = target.parent.with_name(f"draft.{os.getpid()}")
    with target.with_name(f"{target.name}.lock").open("a") as lock, contextlib.suppress(OSError, shutil.Error):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not target.exists():
            try:
                shutil.copytree(made, draft, symlinks=True, copy_function=os.link)
                draft.rename(target)
            finally:  # from another device, or from a home that goes
                shutil.rmtree(draft, ignore_errors=True)
