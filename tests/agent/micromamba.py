"""A stand-in for an image with micromamba: the few options that the agent uses, over another solver and installer of
conda's packages (py-rattler, from PyPI). micromamba itself is no package of PyPI or Debian, so the tests cannot have it.

The image sets another user and a shell that runs nothing, as an image that the agent has not made may do.
"""

from __future__ import annotations

import bz2
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duto_agent.engine import buildkit
from duto_agent.engine.client import Engine
from duto_agent.environments.uv_tool import uv_binary, uv_environment
from studio.testing.engine import IMAGE, NoEngine

RATTLER = "0.28.0"
PYTHON = "3.11.2"  # that of the base image
DOCKERFILE = f"""FROM {IMAGE}
COPY rattler /opt/rattler
COPY micromamba /usr/local/bin/micromamba
USER 1000
SHELL ["/bin/false"]
"""
PROGRAM = """#!/usr/bin/python3 -I
import argparse, asyncio, json, os, re, sys
from pathlib import Path

sys.path.insert(0, "/opt/rattler")
import rattler

def channel_of(url):
    return url.rsplit("/", 2)[0]

async def create(prefix, channels, specs, explicit):
    if explicit:
        wanted = dict(line.split("#") for line in explicit)
        channels = list(dict.fromkeys(map(channel_of, wanted)))
        files = [url.rsplit("/", 1)[1].removesuffix(".tar.bz2").rsplit("-", 2) for url in wanted]
        specs = [f"{name} =={version} {build}" for name, version, build in files]
    gateway = rattler.Gateway(cache_dir=Path(os.environ["CONDA_PKGS_DIRS"]) / "repodata")
    virtual = rattler.VirtualPackage.detect()
    try:
        records = await rattler.solve(channels, specs, gateway=gateway, virtual_packages=virtual)
    except Exception as error:
        # In micromamba's own words, of which the agent makes a sentence.
        missing = re.search(r"No candidates were found for ([^ ]+)", str(error))
        print("error    libmamba Could not solve for environment specs", file=sys.stderr)
        print("    The following package could not be installed", file=sys.stderr)
        words = f"{missing[1]} =* * does not exist (perhaps a typo or a missing channel)" if missing else error
        sys.exit(f"    └─ {words}.\\ncritical libmamba Could not solve for environment specs")
    if explicit:
        assert {each.url: each.md5.hex() for each in records} == wanted, "another package than the list's"
    cache = Path(os.environ["CONDA_PKGS_DIRS"])
    await rattler.install(records, prefix, cache_dir=cache, show_progress=False)
    print(*(f"+ {each.name.normalized} {each.version}" for each in records), sep="\\n")

def export(prefix):
    found = [json.loads(path.read_text()) for path in sorted(Path(prefix, "conda-meta").glob("*.json"))]
    found.sort(key=lambda each: each["name"] != "python")
    print("# platform: linux-64", "@EXPLICIT", *(f"{each['url']}#{each['md5']}" for each in found), sep="\\n")

words = argparse.ArgumentParser()
words.add_argument("command", nargs="+", choices=None)
words.add_argument("-y", action="store_true", required="create" in sys.argv)
words.add_argument("-p", required=True)
words.add_argument("-f")
words.add_argument("-c", action="append", default=[])
words.add_argument("--override-channels", action="store_true")
words.add_argument("--explicit", action="store_true")
given = words.parse_intermixed_args()
if given.command == ["env", "export"]:
    assert given.explicit
    export(given.p)
else:
    assert given.command[0] == "create"
    lines = Path(given.f).read_text().splitlines() if given.f else []
    assert given.override_channels or lines[0] == "@EXPLICIT"
    asyncio.run(create(given.p, given.c, given.command[1:], lines[1:]))
    sys.stdout.flush()
    os._exit(0)  # its threads may be caught by the end of the interpreter, which then aborts
"""


def image(socket: str) -> str:
    """The name of the image on this engine. Raises NoEngine where its parts cannot be had."""
    name = f"duto-test/micromamba:{hashlib.sha256((PROGRAM + DOCKERFILE + RATTLER).encode()).hexdigest()[:12]}"
    engine = Engine(socket)
    if engine.image(name) is None:
        files = {"Dockerfile": DOCKERFILE.encode(), "micromamba": PROGRAM.encode(), **_rattler()}
        params = {"version": "2", "t": name}
        said = list(engine.lines(lambda api: buildkit.build(api, params, buildkit.context(files), buildkit.UNWATCHED)))
        assert engine.image(name) is not None, said
    return name


def _rattler() -> dict[str, bytes]:
    """Its files; they are kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "duto"
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / f"rattler-{RATTLER}"
    with (cache / "rattler.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            draft = cache / f"rattler.{os.getpid()}"
            options = ["--target", str(draft), "--python-version", PYTHON, "--only-binary", ":all:", "--no-deps"]
            command = [uv_binary(), "pip", "install", "--python", sys.executable, *options, f"py-rattler=={RATTLER}"]
            done = subprocess.run(command, env=uv_environment(), capture_output=True, text=True)
            if done.returncode != 0:
                shutil.rmtree(draft, ignore_errors=True)
                raise NoEngine(f"py-rattler cannot be fetched: {done.stderr[-300:]}")
            draft.rename(place)
    found = (path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"rattler/{path.relative_to(place)}": path.read_bytes() for path in found}


class Shop:
    """A channel in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages: dict[str, dict[str, Any]] = {"noarch": {}, "linux-64": {}}
        self.add("python", PYTHON, {
            "bin/python3.11": "->/usr/bin/python3.11", "bin/python3": "->python3.11", "bin/python": "->python3.11",
            # A real one brings its own standard library; this one borrows that of the base image.
            "pyvenv.cfg": f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n",
        }, subdir="linux-64")  # fmt: skip

    def add(
        self, name: str, version: str, files: Mapping[str, str], *, subdir: str = "noarch", kind: str = "generic"
    ) -> None:
        """Put a package into it; `kind` python: `site-packages/` is where the Python has them. `->` begins a link."""
        depends = ["python"] if kind == "python" else []
        index = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "subdir": subdir,
            "depends": depends,
        }
        index |= {"arch": None, "platform": None} | ({"noarch": kind} if subdir == "noarch" else {})
        paths = [_path(path, text) for path, text in files.items()]
        about = {
            "info/index.json": json.dumps(index),
            "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
            "info/files": "".join(f"{path}\n" for path in files),
        }
        if kind == "python":
            about["info/link.json"] = json.dumps({"noarch": {"type": "python"}, "package_metadata_version": 1})
        data = bz2.compress(_tar({**about, **files}))
        file = f"{name}-{version}-0.tar.bz2"
        digests = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
        self.packages[subdir][file] = {**index, **digests, "size": len(data)}
        for each, packages in self.packages.items():
            place = self.folder / each
            place.mkdir(parents=True, exist_ok=True)
            facts = {"info": {"subdir": each}, "packages": packages, "packages.conda": {}, "repodata_version": 1}
            (place / "repodata.json").write_text(json.dumps(facts))
        (self.folder / subdir / file).write_bytes(data)


def _path(path: str, text: str) -> dict[str, Any]:
    link = text.startswith("->")
    data = b"" if link else text.encode()
    more = {"sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
    return {"_path": path, "path_type": "softlink" if link else "hardlink", **more}


def _tar(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755 if name.startswith("bin/") else 0o644
            if text.startswith("->"):
                entry.type, entry.linkname = tarfile.SYMTYPE, text[2:]
                tar.addfile(entry)
            else:
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()
