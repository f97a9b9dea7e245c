"""Code of packages runs in a sandbox while an environment is made: to resolve, to build, to compile."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from duto_agent.environments.builder import BuildFailed, Environments
from duto_agent.environments.pythons import Pythons, own
from duto_agent.environments.sandboxed_builds import local_places
from duto_agent.launchers import bubblewrap
from duto_agent.launchers.bubblewrap import Bubblewrap

# Tells what it sees of the host, tries to leave a mark there, and brings code that runs with each start of its Python.
SETUP = """
import pathlib
from setuptools import setup
from setuptools.command.build_py import build_py
home = pathlib.Path({home!r})
class Build(build_py):
    def run(self):
        super().run()
        lib = pathlib.Path(self.build_lib)
        (lib / "curious" / "saw.txt").write_text(str((home / "host.json").exists()))
        (lib / "curious.pth").write_text("import curious")
try: (home / "built").touch()
except OSError: pass
setup(name="duto-curious", version="1.0", packages=["curious", "curious.tests"], cmdclass={{"build_py": Build}})
"""
CODE = "try: open({mark!r}, 'w').close()\nexcept OSError: pass\n"
INFO = "Metadata-Version: 2.1\nName: duto-curious\nVersion: 1.0\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of an agent, and an index that has `curious` as source alone."""
    (made := tmp_path / "home").mkdir()
    (made / "host.json").write_text("the key of this host")
    (links := tmp_path / "links").mkdir()
    files = {
        "setup.py": SETUP.format(home=str(made)),
        "PKG-INFO": INFO,
        "curious/__init__.py": CODE.format(mark=str(made / "started")),
        "curious/tests/__init__.py": "",
    }
    with tarfile.open(links / "duto_curious-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"duto_curious-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    monkeypatch.setenv("UV_FIND_LINKS", str(links))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return made


def environments(home: Path, sandbox: Bubblewrap | None) -> Environments:
    return Environments(home / "envs", Pythons(), sandbox)


def sandbox_around(home: Path) -> Bubblewrap:
    program = bubblewrap.find()
    if program is None:
        pytest.skip("bubblewrap is not here, or may not make namespaces")
    return Bubblewrap(program, home)


def make(home: Path, sandbox: Bubblewrap | None) -> Path:
    """Resolve and build `curious`; its folder in the environment."""
    made = environments(home, sandbox)
    lock = made.resolve(["duto-curious"], own(), lambda line: None)
    assert lock == "duto-curious==1.0\n"
    (found,) = made.ensure(lock, None, lambda line: None).path.glob("lib/python*/site-packages/curious")
    return found


def test_without_a_sandbox_a_package_sees_the_agents_home_and_writes_there(home: Path) -> None:
    folder = make(home, None)
    assert (folder / "saw.txt").read_text() == "True"
    assert (home / "built").exists() and (home / "started").exists()


def test_in_a_sandbox_it_sees_nothing_leaves_no_mark_and_works(home: Path, tmp_path: Path) -> None:
    folder = make(home, sandbox_around(home))
    assert (folder / "saw.txt").read_text() == "False"
    assert not (home / "built").exists() and not (home / "started").exists()
    assert list(folder.glob("__pycache__/__init__*.pyc")) and not (folder / "__init__.py").stat().st_mode & 0o222
    assert (folder / "tests/__init__.py").exists() and not list(folder.glob("tests/__pycache__/*"))
    # What was built there is nothing that another environment is made from.
    assert not [path for path in (tmp_path / "uv-cache").rglob("*") if "curious" in path.name]
    assert not list((home / "cache" / "builds").iterdir()), "nor what another build finds"
    assert {path.lstat().st_uid for path in folder.parents[3].rglob("*")} == {os.geteuid()}
    python = next(folder.parents[3].glob("bin/python"))
    shown = subprocess.run([python, "-c", "import curious; print('works')"], capture_output=True, text=True, env={})
    assert shown.stdout == "works\n"


def test_what_fails_in_a_sandbox_has_the_same_words(home: Path) -> None:
    made = environments(home, sandbox_around(home))
    lines: list[str] = []
    with pytest.raises(BuildFailed, match="The package 'no-such-package-of-duto' does not exist"):
        made.resolve(["no-such-package-of-duto"], own(), lines.append)
    with pytest.raises(BuildFailed, match="duto-curious==2"):
        made.ensure("duto-curious==2.0\n", None, lines.append)
    assert not list(made.folder.glob("*.tmp*"))


def test_indexes_and_certificates_of_the_host_are_shown(tmp_path: Path) -> None:
    for name in ("links", "index", "cert.pem", ".netrc"):
        (tmp_path / name).mkdir()
    variables = {
        "HOME": str(tmp_path), "SSL_CERT_FILE": str(tmp_path / "cert.pem"), "NO_COLOR": "1",
        "UV_FIND_LINKS": f"{tmp_path}/links,https://a.example,{tmp_path}/gone",
        "UV_INDEX": f"mine=file://{tmp_path}/index https://b.example/simple", "UV_DEFAULT_INDEX": "https://c.example/simple",
    }  # fmt: skip
    assert local_places(variables) == [tmp_path / name for name in ("cert.pem", ".netrc", "links", "index")]
