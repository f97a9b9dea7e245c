"""Libraries of R packages: one folder for each list of them, made once by the R of this host, read-only."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from duto.spec.sentences import Said, said
from duto_agent.disk_space import is_mentioned_in, require_space
from duto_agent.environments.builder import PLAIN, READY, BuildFailed, Environments, Say, failure_of, make_read_only
from duto_agent.files import now, read_json, remove_tree, write_json
from duto_agent.launchers.base import Bind
from duto_protocol.messages import RSpec
from duto_protocol.reading import builtins_of

INSTALLER = Path(__file__).with_name("r_install.R")
# The last line of the installer where something could not be had: what, and of which package or address.
FAILED = re.compile(r"^duto: (no_r_index|no_r_package|no_r_version|r_not_installed) (.*)$", re.M)
PASSED = re.compile(r"(https?|no|all)_proxy|SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE", re.I)


class RLibraries:
    """Beside the environments of Python, and kept and removed like them."""

    def __init__(self, environments: Environments) -> None:
        self.environments = environments

    @cached_property
    def version(self) -> str:
        """That of the `Rscript` on the path; empty where there is none. Found once."""
        program = shutil.which("Rscript")
        if program is None:
            return ""
        try:
            done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, env=PLAIN)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = re.search(r"version (\d+\.\d+\.\d+)", done.stdout + done.stderr)
        return found[1] if found else ""

    def warnings(self, wanted: RSpec) -> list[Said]:
        """What to say of a step that asks for another R than this host has."""
        asked = wanted.version or ""
        is_it = not asked or f"{self.version}.".startswith(f"{asked}.")
        return [] if is_it else [said("other_r", asked=asked, used=self.version)]

    def ready(self, wanted: RSpec) -> Path | None:
        """The library, if it stands; None, too, where nothing is to be installed. Raises BuildFailed where there is no R."""
        if not self.version:
            raise BuildFailed(said("no_rscript"))
        path = self._path(wanted)
        if not (path / READY).exists():
            return None
        with contextlib.suppress(OSError):
            path.with_name(path.name + ".used").touch()
        return path

    def ensure(self, wanted: RSpec, say: Say) -> Path:
        """The library of these packages; whoever asks while it is made waits for the one that is. Raises BuildFailed,
        DiskFull, OSError."""
        path, folder = self._path(wanted), self.environments.folder
        with require_space(said("environment_named", name=path.name), folder), self.environments.only_one(path):
            if read_json(path / READY) is None:
                remove_tree(path)
                self._make(path, wanted, say)
        return self.ready(wanted) or path

    def _path(self, wanted: RSpec) -> Path:
        """Another release of R wants other builds of the same packages."""
        minor = ".".join(self.version.split(".")[:2])
        return self.environments.folder / f"{key_of(builtins_of(wanted))}-{minor}"

    def _make(self, path: Path, wanted: RSpec, say: Say) -> None:
        new = path.with_name(f"{path.name}.tmp.{os.getpid()}")
        remove_tree(new)
        say(f"Making the library {path.name} with R {self.version}.")
        try:
            new.mkdir()
            shutil.copyfile(INSTALLER, new / INSTALLER.name)
            lines, code = self.environments.follow(self._command(new, wanted), _variables(), say)
            if code != 0:
                raise _failure("\n".join(lines), new)
            if (sandboxed := self.environments.sandboxed_builds) is not None:
                sandboxed.take_back(new)
            (new / INSTALLER.name).unlink()
            write_json(new / READY, {"r": self.version, "built_at": now()})
            make_read_only(new)
            new.rename(path)
        except BaseException:
            remove_tree(new)
            raise
        say("The library is ready.")

    def _command(self, new: Path, wanted: RSpec) -> list[str]:
        packages = ["|".join((each.name, each.version or "", each.repository)) for each in wanted.packages]
        program = str(shutil.which("Rscript"))
        argv = [program, "--vanilla", str(new / INSTALLER.name), str(new), wanted.cran, *packages, *wanted.sources]
        sandboxed = self.environments.sandboxed_builds
        if sandboxed is None:
            return argv
        addresses = {wanted.cran, *(each.repository for each in wanted.packages)}
        places = {Path(unquote(found.path)) for each in addresses if (found := urlsplit(each)).scheme == "file"}
        shown = [Bind(place, place) for place in sorted(places) if place.exists()]
        return sandboxed.command(argv, program, new, shown)


def key_of(section: Mapping[str, Any]) -> str:
    """The beginning of the name of its libraries, by all that they hold."""
    made_of = {name: section.get(name) for name in ("packages", "sources", "cran")}
    return "r-" + hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:40]


def _variables() -> dict[str, str]:
    """A step's variables have no place here: what packages run while they are made knows the way to the network alone."""
    passed = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
    return {**PLAIN, "LANG": "C.UTF-8", "HOME": "/tmp", "R_LIBS_USER": "NULL", **passed}  # noqa: S108 - in a sandbox


def _failure(log: str, place: Path) -> Exception:
    """What to raise for an installation that said this and ended."""
    if is_mentioned_in(log):
        return failure_of(log, place)
    found = FAILED.search(log)
    if found is None:
        last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
        return BuildFailed(said("r_failed", error=last[:300]))
    name = found[2][:300]
    words = {
        "no_r_index": said("no_r_index", name=name),
        "no_r_package": said("no_r_package", name=name),
        "no_r_version": said("no_r_version", name=name),
    }
    return BuildFailed(words.get(found[1]) or said("r_not_installed", name=name))
