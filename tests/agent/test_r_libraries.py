"""Libraries of R packages: of the versions that were asked for, made once, in a sandbox, and failures in words."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from duto_agent.environments import r_libraries
from duto_agent.environments.builder import BuildFailed, Environments
from duto_agent.environments.pythons import Pythons
from duto_agent.environments.r_libraries import RLibraries
from duto_agent.launchers import bubblewrap
from duto_agent.launchers.bubblewrap import Bubblewrap
from duto_protocol.messages import RPackage, RSpec
from duto_protocol.reading import builtins_of
from tests.cran import needs_r, package, repository


@pytest.fixture(scope="module")
def cran(tmp_path_factory: pytest.TempPathFactory) -> str:
    return repository(tmp_path_factory.mktemp("cran"))


@pytest.fixture
def libraries(tmp_path: Path) -> RLibraries:
    """Those of an agent that keeps code of packages in a sandbox where it can."""
    home, program = tmp_path / "home", bubblewrap.find()
    home.mkdir()
    return RLibraries(Environments(home / "envs", Pythons(), Bubblewrap(program, home) if program else None))


def spec(cran: str, *packages: str, sources: tuple[str, ...] = (), version: str | None = None) -> RSpec:
    pairs = [each.partition(" ")[::2] for each in packages]
    return RSpec(version, [RPackage(name, number or None, cran) for name, number in pairs], list(sources), cran)


def failure(libraries: RLibraries, wanted: RSpec, say: Callable[[str], object] = print) -> str:
    with pytest.raises(BuildFailed) as caught:
        libraries.ensure(wanted, say)
    assert not list(libraries.environments.folder.glob("r-*tmp*")), "nothing is left of it"
    return caught.value.message


@needs_r
def test_a_library_holds_the_versions_that_were_asked_for(libraries: RLibraries, cran: str) -> None:
    said: list[str] = []
    wanted = spec(cran, "meansof 1.0")
    assert libraries.ready(wanted) is None
    made = libraries.ensure(wanted, said.append)
    assert libraries.ready(wanted) == made and libraries.ensure(wanted, pytest.fail) == made, "made once"
    script = (
        "cat(as.character(packageVersion('meansof')), meansof::means_of(data.frame(kind = 'x', height = 1:3))$height)"
    )
    done = subprocess.run(
        ["Rscript", "-e", script], env={**os.environ, "R_LIBS_USER": str(made)}, capture_output=True, text=True
    )
    assert done.stdout == "1.0 2", done.stderr
    assert {each.name for each in made.iterdir() if each.is_dir()} == {"factors", "meansof"}, "with what it needs"
    assert not made.stat().st_mode & 0o222 and made.name.startswith(r_libraries.key_of(builtins_of(wanted)))
    newest = libraries.ensure(spec(cran, "meansof"), said.append)
    assert "Version: 2.0" in (newest / "meansof/DESCRIPTION").read_text() and newest != made
    assert libraries.version.split(".")[0] >= "3" and libraries.warnings(spec(cran, version=libraries.version)) == []
    (warning,) = libraries.warnings(spec(cran, version="1.2"))
    assert warning.startswith("R 1.2 is not on this host")


@needs_r
def test_what_cannot_be_had_is_named(libraries: RLibraries, cran: str, tmp_path: Path) -> None:
    assert failure(libraries, spec(cran, "nothere")) == "The repository of R packages has no 'nothere'."
    assert failure(libraries, spec(cran, "meansof 9.9")).endswith("has no meansof 9.9, nor has its archive.")
    assert failure(libraries, spec(cran, "broken")).startswith("The R package 'broken' could not be installed")
    assert "could not be read" in failure(libraries, spec((tmp_path / "none").as_uri(), "meansof"))
    said: list[str] = []
    assert "could not be read" in failure(libraries, spec("http://127.0.0.1:9", "meansof"), said.append)
    assert any("unable to access index" in line for line in said), "and the log says why"


@needs_r
def test_archives_of_addresses_are_packages_too(libraries: RLibraries, cran: str, tmp_path: Path) -> None:
    package(tmp_path / "web", "lonely", "0.1", "two <- function() 2", "factors")
    serve = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        made = libraries.ensure(spec(cran, sources=(f"{address}/lonely_0.1.tar.gz",)), print)
        said: list[str] = []
        gone = spec(cran, sources=(f"{address}/gone.tar.gz",))
        assert "gone.tar.gz" in failure(libraries, gone, said.append)
        assert any("404" in line for line in said), said
        (tmp_path / "web" / "page.tar.gz").write_text("<html>")
        failure(libraries, spec(cran, sources=(f"{address}/page.tar.gz",)), said.append)
        assert "It is no archive of the sources of one package." in "\n".join(said), said
        server.shutdown()
    assert (made / "lonely/DESCRIPTION").is_file() and (made / "factors").is_dir()


def test_a_host_without_r_says_so(libraries: RLibraries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert libraries.version == ""
    with pytest.raises(BuildFailed, match="no Rscript: install R"):
        libraries.ready(RSpec())
