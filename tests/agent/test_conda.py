"""Environments with conda packages: their lock, and the images that are made of it on an engine."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import uuid
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from duto.spec.sentences import SENTENCES
from duto_agent.engine.client import Engine
from duto_agent.environments import conda
from studio.testing.engine import IMAGE, NoEngine, forget
from studio.testing.plugin import lacking
from tests.agent import micromamba
from tests.agent.containers import gateway_of
from tests.agent.micromamba import Shop
from tests.agent.studio import Studio
from tests.agent.test_agent import Host
from tests.agent.test_container_host import environment, studio  # noqa: F401 - fixture

EXPORTED = """# This file may be used to create an environment using:
# platform: linux-64
@EXPLICIT
https://conda.example/forge/linux-64/python-3.11.4-hab00c5b_0_cpython.conda#1c
https://conda.example/forge/linux-64/openjdk-20.0.2-h0_1.conda#2d
"""
LOCK = conda.join(EXPORTED, "numpy==1.26.0\npip==24.0\n", "numpy==2.0.0\npip==24.0\nlightgbm==4.5.0\n")


def test_a_lock_is_what_each_of_the_two_installers_takes() -> None:
    explicit, requirements = conda.split(LOCK)
    assert explicit.splitlines() == ["@EXPLICIT", *EXPORTED.splitlines()[3:]], "in the order in which it was told"
    assert requirements == "lightgbm==4.5.0\nnumpy==2.0.0\n", "what uv has added, and what it has replaced"
    assert conda.is_lock(LOCK) and not conda.is_lock("numpy==1.26.0\n")
    assert (conda.python_of(LOCK), conda.python_of("numpy==1\n")) == ("3.11.4", "")


def test_channels_and_packages_are_words_and_nothing_else() -> None:
    asked = {"channels": ["https://a.example/x y"], "packages": ["r-base>=4,<5", "a[build='b$(touch x)']", "`id`"]}
    script = conda.asked(asked, "3.9") + 'printf "%s\\n" "$@"'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    options = ["--override-channels", "-c", "https://a.example/x y"]
    assert said.splitlines() == [*options, "python=3.9", *asked["packages"]]
    assert "'python>=3.8'" in conda.asked({}, None), "there is a Python in any case"
    assert "'python>=3.9,<3.11'" in conda.asked({}, ">=3.9,<3.11")
    assert [conda.is_too_old(each) for each in ("3.7", "2.7.18", "<3.8", "3.8", "3.11", "<3.9", None)] == [
        True,
        True,
        True,
        *[False] * 4,
    ]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (
            "error libmamba Could not solve for environment specs\n    The following package could not be installed\n"
            "    └─ samtolls =* * does not exist (perhaps a typo or a missing channel).",
            "the package 'samtolls'",
        ),
        ("error libmamba Could not solve for environment specs\nnothing provides requested gdall", "'gdall'"),
        (
            "critical libmamba Could not solve for environment specs\n a 1 needs b 2",
            "do not fit together: a 1 needs b 2",
        ),
    ],
)
def test_what_micromamba_could_not_solve_is_one_sentence(said: str, wanted: str) -> None:
    assert wanted in str(conda.explain(said))
    assert conda.explain("anything else") is None


def test_a_host_of_processes_says_what_it_lacks(tmp_path: Path, studio: Studio) -> None:  # noqa: F811
    host = Host(tmp_path / "home", studio)
    host.start()
    try:
        key = host.give("pass", environment=environment(LOCK))
        studio.give({"type": "build", "build": "b", "spec": {"conda": {"packages": ["gdal"]}, "packages": []}})
        report = studio.wait("finished", key.attempt)
        assert (report["cause"], report["message"]) == ("environment", SENTENCES["conda_by_processes"])
        assert studio.wait("failed", "b")["message"] == SENTENCES["conda_by_processes"]
    finally:
        host.close()


class Served:
    """A channel and an index of wheels on a server that builds reach."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.shop, self.mark = Shop(folder / "channel"), uuid.uuid4().hex
        self.shop.add("dutotool", "2.5", {"bin/dutotool": f"#!/bin/sh\necho tool {self.mark}\n"})
        self.sell("1.0")
        with zipfile.ZipFile(folder / "dutowheel-3.0-py3-none-any.whl", "w") as wheel:
            info = "dutowheel-3.0.dist-info"
            wheel.writestr("dutowheel.py", "import dutoconda\nbelow = dutoconda.made\n")
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: dutowheel\nVersion: 3.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", f"dutowheel.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
        handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
        self.server = ThreadingHTTPServer((gateway, 0), handler)
        self.url = f"http://{gateway}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def sell(self, version: str) -> None:
        """A Python package that is nowhere but here."""
        files = {"site-packages/dutoconda.py": f"made = '{version} {self.mark}'\n"}
        self.shop.add("dutoconda", version, files, kind="python")

    def recipe(self, *packages: str) -> dict[str, Any]:
        section = {"channels": [f"{self.url}/channel"], "packages": list(packages)}
        return {"python": "3.11", "packages": ["dutowheel"], "conda": section}


@pytest.fixture
def served(engine_socket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    made = Served(tmp_path, gateway_of(engine_socket))
    monkeypatch.setenv("UV_FIND_LINKS", f"{made.url}/")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def host(engine_socket: str, served: Served, studio: Studio) -> Iterator[Host]:  # noqa: F811
    try:
        base = micromamba.image(engine_socket)
    except NoEngine as reason:
        lacking(f"no conda packages here: {reason}", "DUTO_REQUIRE_DOCKER")
    with tempfile.TemporaryDirectory(prefix="duto-host-", ignore_cleanup_errors=True) as folder:
        settings = {"launcher": "docker", "engine": engine_socket, "base_image": IMAGE, "store_marker": folder[-8:]}
        made = Host(Path(folder) / "home", studio, **settings, conda_image=base)
        made.start()
        yield made
        print((made.home / "agent.out").read_text())
        made.close()
        forget(engine_socket, settings["store_marker"])


@pytest.mark.docker
class TestEngine:
    """With a real engine, and a stand-in for micromamba."""

    def test_a_step_imports_and_runs_what_only_a_channel_has(
        self,
        host: Host,
        served: Served,
        studio: Studio,  # noqa: F811
        engine_socket: str,
    ) -> None:
        studio.give({"type": "build", "build": "b1", "spec": served.recipe("dutotool", "dutoconda")})
        built = studio.wait("ready", "b1", 400)
        lock, python = built["lock"], built["python"]
        names = [line.partition("#")[0].rpartition("/")[2] for line in conda.split(lock)[0].splitlines()[1:]]
        assert sorted(names) == ["dutoconda-1.0-0.tar.bz2", "dutotool-2.5-0.tar.bz2", "python-3.11.2-0.tar.bz2"]
        assert all("#" in line for line in conda.split(lock)[0].splitlines()[1:]), "each with its digest"
        assert (conda.split(lock)[1], python) == ("dutowheel==3.0\n", micromamba.PYTHON)
        assert studio.exchanges[-1]["host"]["facts"]["conda"].startswith("duto-test/micromamba:")

        served.sell("1.1")  # newer than the lock, which holds all the same
        code = """
import subprocess, sys, dutoconda, dutowheel
print(sys.prefix, dutoconda.made, dutowheel.below == dutoconda.made)
print(dutoconda.__cached__.endswith('.pyc') and __import__('os').path.exists(dutoconda.__cached__))
print(subprocess.run(['dutotool'], capture_output=True, text=True, check=True).stdout, end='')
"""
        key = host.give(code, environment=environment(lock))
        report = studio.wait("finished", key.attempt, 400)
        said = bytes(studio.logs[key.attempt]).decode()
        assert report["exit_code"] == 0, said
        assert f"/opt/duto/env 1.0 {served.mark} True\nTrue\ntool {served.mark}\n" in said
        ready = next(each for each in studio.reports if each.get("image") and each["event"] == "ready")
        bases = {Engine(engine_socket).image(name).id for name in (IMAGE, micromamba.image(engine_socket))}  # type: ignore[union-attr]
        assert {ready["recipe"]["base"], ready["recipe"]["micromamba"]} == bases
        left = Engine(engine_socket).images({"duto.installation": host.home.parent.name[-8:], "duto.kind": "lock"})
        assert left == [], "what was only made to look at is gone"

    def test_what_no_channel_has_fails_the_build_by_name(
        self,
        host: Host,
        served: Served,
        studio: Studio,  # noqa: F811
    ) -> None:
        studio.give({"type": "build", "build": "b2", "spec": served.recipe("dutonowhere")})
        assert "has the package 'dutonowhere'" in studio.wait("failed", "b2", 400)["message"]
        old = served.recipe("dutotool") | {"python": "3.7"}
        studio.give({"type": "build", "build": "b3", "spec": old})
        assert "3.7" in studio.wait("failed", "b3", 60)["message"]

    def test_a_host_without_a_base_for_conda_says_what_it_lacks(self, engine_socket: str, studio: Studio) -> None:  # noqa: F811
        with tempfile.TemporaryDirectory(prefix="duto-host-", ignore_cleanup_errors=True) as folder:
            settings = {"launcher": "docker", "engine": engine_socket, "base_image": IMAGE, "store_marker": folder[-8:]}
            host = Host(Path(folder) / "home", studio, **settings)
            host.start()
            try:
                key = host.give("pass", environment=environment(LOCK))
                studio.give({"type": "build", "build": "b", "spec": {"conda": {"packages": ["gdal"]}, "packages": []}})
                report = studio.wait("finished", key.attempt, 60)
                assert (report["cause"], report["message"]) == ("environment", SENTENCES["no_conda_base"])
                assert studio.wait("failed", "b", 60)["message"] == SENTENCES["no_conda_base"]
            finally:
                host.close()
                forget(engine_socket, settings["store_marker"])
