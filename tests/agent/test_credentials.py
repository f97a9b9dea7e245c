"""A registry that asks who we are: what `docker login` of the agent's user has written counts, as soon as it is written."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from duto_agent.engine.client import Engine, EngineRefused
from duto_agent.engine.registry import Registry
from duto_agent.environments.builder import BuildFailed
from studio.testing.engine import IMAGE, NoEngine, forget
from studio.testing.plugin import lacking
from studio.testing.registry import registry
from tests.agent.specs import step_of
from tests.agent.test_registry import Host, fresh

pytestmark = [pytest.mark.docker]
USERS = "ana:$2b$05$mDYKSRDFbvtXDh0zAJjvv.q7a9J2cw6DGx2jljyg2PKgSL22GX5qG\n"  # her password is `secret`


@pytest.fixture(scope="module")
def guarded(engine_socket: str) -> Iterator[str]:
    try:
        with registry(USERS) as address:
            yield address
    except NoEngine as reason:
        lacking(f"no registry here: {reason}", "DUTO_REQUIRE_DOCKER")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


@contextmanager
def home() -> Iterator[Path]:
    """A host's folder whose name is an image's, too."""
    with tempfile.TemporaryDirectory() as folder:
        (made := Path(folder, f"dutocred{uuid4().hex[:8]}")).mkdir()
        yield made


def log_in(config: Path, place: str) -> None:
    """By Docker's own command where it is installed."""
    if program := shutil.which("docker"):
        command = [program, "login", "--username", "ana", "--password-stdin", place]
        subprocess.run(command, input=b"secret", check=True, capture_output=True)
    else:
        config.write_text(json.dumps({"auths": {place: {"auth": base64.b64encode(b"ana:secret").decode()}}}))
    assert place in config.read_text()


def test_images_travel_once_somebody_has_logged_in(engine_socket: str, guarded: str, config: Path) -> None:
    with home() as folder:
        host = Host(engine_socket, folder, "one", guarded)
        text = fresh()
        _, tag = host.ensure(text)
        refused = [line for line in host.said if guarded in line]
        assert len(refused) == 2 and all("auth" in line for line in refused), "asked in vain, and not taken"
        log_in(config, guarded)
        host.images.registry.give(tag)  # type: ignore[union-attr]
        host.engine.remove_image(tag)
        host.ensure(text)
        assert host.last() == (tag, True), "the same agent fetches it now"
        forget(engine_socket, folder.name)


def test_a_base_image_that_needs_a_login_says_so(engine_socket: str, guarded: str, config: Path) -> None:
    with home() as folder:
        host = Host(engine_socket, folder, "one", guarded)
        log_in(config, guarded)
        host.engine.tag(IMAGE, f"{guarded}/base", "1")
        host.engine.push(f"{guarded}/base", "1")
        host.engine.remove_image(f"{guarded}/base:1")
        config.unlink()
        spec = {"container": {"base_image": f"{guarded}/base:1"}, "environment": {"user_managed": True}}
        with pytest.raises(BuildFailed, match=r"cannot be fetched: .*auth"):
            host.images.ensure(step_of(spec), host.said.append)
        log_in(config, guarded)
        assert (
            host.images.ensure(step_of(spec), host.said.append).name == (host.engine.inspect_image(IMAGE) or {})["Id"]
        )
        host.engine.remove_image(f"{guarded}/base:1")


@pytest.mark.filterwarnings("ignore:docker-credential-is-nowhere")
def test_a_store_of_credentials_that_is_broken_is_said_and_not_waited_for(
    engine_socket: str, guarded: str, config: Path
) -> None:
    config.write_text(json.dumps({"credsStore": "is-nowhere"}))
    engine = Engine(engine_socket)
    with pytest.raises(EngineRefused, match="credentials of its registry cannot be read"):
        engine.pull(f"{guarded}/base:1")
    with pytest.raises(EngineRefused, match="cannot be read"):
        engine.push(f"{guarded}/base", "1")
    with home() as folder:
        host = Host(engine_socket, folder, "one", guarded)
        assert isinstance(host.images.registry, Registry)
        host.ensure(fresh())
        assert any("asked for the image in vain: The credentials" in line for line in host.said)
        forget(engine_socket, folder.name)


def test_a_dockerfile_may_begin_with_an_image_that_needs_a_login(
    engine_socket: str, guarded: str, config: Path
) -> None:
    with home() as folder:
        host = Host(engine_socket, folder, "one", guarded)
        host.images.registry = None
        name = f"{guarded}/{folder.name}:1"
        text = f"ARG WHERE={guarded}\nFROM ${{WHERE}}/{folder.name}:1 AS one\nFROM one\nRUN echo > /{host.engine.socket[-3:]}\n"
        with pytest.raises(
            BuildFailed, match=rf"base image '{name}' is not on this host and cannot be fetched: .*auth"
        ):
            host.ensure(text)
        log_in(config, guarded)
        host.engine.tag(IMAGE, f"{guarded}/{folder.name}", "1")
        host.engine.push(f"{guarded}/{folder.name}", "1")
        host.engine.remove_image(name)
        try:
            assert host.ensure(text)[1].startswith("duto/base:")
        finally:
            host.engine.remove_image(name)
        forget(engine_socket, folder.name)
