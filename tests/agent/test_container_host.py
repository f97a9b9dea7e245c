"""A whole agent whose steps run in containers: images, logs, outputs, adoption."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
import uuid
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from duto_agent.engine.buildkit import messages
from duto_agent.host.launching import Identity, Unprotected
from duto_agent.images.environment_images import reachable, tag_of
from duto_agent.launchers.container import UID
from duto_agent.worker import containers_of
from studio.testing.engine import IMAGE, forget
from tests.agent.containers import gateway_of
from tests.agent.steps import until
from tests.agent.studio import Studio
from tests.agent.test_agent import Host

docker = [pytest.mark.docker]
LOCK = f"dutoprobe==1.0\n# {uuid.uuid4().hex}\n"  # never built before


@pytest.fixture
def studio() -> Iterator[Studio]:
    made = Studio()
    yield made
    made.close()


@pytest.fixture
def image_store(engine_socket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package on a server that builds reach: the tests need no index of the world's."""
    with zipfile.ZipFile(tmp_path / "dutoprobe-1.0-py3-none-any.whl", "w") as wheel:
        folder = "dutoprobe-1.0.dist-info"
        wheel.writestr("dutoprobe.py", f"made = {tmp_path.name!r}\n")
        wheel.writestr(f"{folder}/METADATA", "Metadata-Version: 2.1\nName: dutoprobe\nVersion: 1.0\n")
        wheel.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(
            f"{folder}/RECORD", f"dutoprobe.py,,\n{folder}/METADATA,,\n{folder}/WHEEL,,\n{folder}/RECORD,,\n"
        )
    gateway = gateway_of(engine_socket)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer((gateway, 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("UV_FIND_LINKS", f"http://{gateway}:{server.server_port}/")
        monkeypatch.setenv("UV_NO_INDEX", "1")
        yield
        server.shutdown()


@pytest.fixture
def host(engine_socket: str, studio: Studio) -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="duto-host-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        settings = {"launcher": "docker", "engine": engine_socket, "base_image": IMAGE, "store_marker": folder[-8:]}
        made = Host(home, studio, **settings)
        made.start()
        yield made
        print((home / "agent.out").read_text())
        made.close()
        identity = Identity(settings["store_marker"], "here", studio.url)
        containers = containers_of(home, identity, settings, None)
        assert containers is not None
        for each in containers.engine.containers({"duto.installation": settings["store_marker"]}):
            containers.engine.remove(each["Id"])
        for each in containers.engine.images({"duto.installation": settings["store_marker"]}):
            containers.engine.remove_image(each["Id"])


def environment(lock: str = "") -> dict[str, object]:
    return {"key": "k", "lock": lock, "python": "3.11", "user_managed": not lock, "variables": {"MINE": "1"}}


class TestHost:
    """With a real engine."""

    pytestmark = docker

    def test_a_step_runs_in_a_container_and_everything_of_it_arrives(self, host: Host, studio: Studio) -> None:
        code = """
import json, os, sys, urllib.request
import duto, azureml
from pathlib import Path
assert os.path.exists('/.dockerenv') and os.environ['MINE'] == '1' and os.environ['AZUREML_RUN_TOKEN']
open('outputs/note.txt', 'w').write('kept')
os.makedirs(sys.argv[1])
open(sys.argv[1] + '/m', 'w').write('model')
with open(os.environ['DUTO_SPOOL'], 'a') as spool: spool.write('{"seq":1}\\n')
url = json.loads(Path(os.environ['DUTO_STUDIO_FILE']).read_text())['url']
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url + '/here').read().decode())
"""
        studio.blobs["/here"] = b"the studio"
        output = {
            "name": "model",
            "kind": "pipeline_data",
            "is_directory": None,
            "put": "/agent/v1/x/files/output/model/",
        }
        key = host.give(code, arguments=[{"output": "model"}], outputs=[output], environment=environment())
        report = studio.wait("finished", key.attempt, 60)
        assert bytes(studio.logs[key.attempt]) == b"the studio\n", report
        assert (report["exit_code"], report["cause"]) == (0, None)
        assert bytes(studio.spools[key.attempt]) == b'{"seq":1}\n'
        assert studio.uploads["output/model/m"] == b"model" and studio.uploads["artifact/outputs/note.txt"] == b"kept"
        until(lambda: not host.directory(key).exists())
        found = studio.exchanges[-1]["host"]
        assert found["launcher"] == "docker" and found["facts"]["engine"]["version"]

    def test_a_step_has_a_home_of_its_own_on_the_disk_which_goes_with_it(self, host: Host, studio: Studio) -> None:
        code = """
import os, tempfile
from pathlib import Path
for place in (Path.home() / '.cache' / 'model', Path(tempfile.gettempdir()) / 'scratch'):
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b'x' * 1000)
    print(place)
mounts = {line.split()[1]: line.split()[2] for line in open('/proc/mounts')}
nearest = max((place for place in mounts if str(Path.home()).startswith(place)), key=len)
print(os.getuid(), os.stat(Path.home()).st_uid, mounts[nearest] == 'tmpfs')
"""
        key = host.give(code, environment=environment())
        report = studio.wait("finished", key.attempt, 60)
        lines = bytes(studio.logs[key.attempt]).decode().splitlines()
        directory = host.directory(key)
        assert lines[:2] == [f"{directory}/tmp/home/.cache/model", f"{directory}/tmp/scratch"], (report, lines)
        user = UID if os.geteuid() == 0 else os.geteuid()
        assert lines[2] == f"{user} {user} False"
        until(lambda: not directory.exists())

    def test_an_agent_that_was_killed_is_followed_by_one_that_adopts_its_containers(
        self, host: Host, studio: Studio
    ) -> None:
        code = "import time\nfor n in range(200): print(n, flush=True); time.sleep(0.02)"
        key = host.give(code, environment=environment())
        until(lambda: len(studio.logs.get(key.attempt, b"")) > 20)
        host.end(signal.SIGKILL)
        host.start()
        report = studio.wait("finished", key.attempt, 60)
        assert report["exit_code"] == 0
        assert bytes(studio.logs[key.attempt]) == "".join(f"{n}\n" for n in range(200)).encode()

    def test_an_engine_that_is_away_is_waited_for_and_no_fault_of_the_step(
        self, engine_socket: str, studio: Studio
    ) -> None:
        with tempfile.TemporaryDirectory(prefix="duto-host-", ignore_cleanup_errors=True) as folder:
            address, marker = Path(folder) / "engine", folder[-8:]
            settings = {"launcher": "docker", "engine": str(address), "base_image": IMAGE, "store_marker": marker}
            host = Host(Path(folder) / "home", studio, **settings)
            host.start()
            try:
                key = host.give("print('ran')", environment=environment())
                until(lambda: "waits: The container engine" in (host.home / "agent.out").read_text())
                assert studio.report("finished", key.attempt) is None
                address.symlink_to(engine_socket)
                assert studio.wait("finished", key.attempt, 60)["exit_code"] == 0
                assert bytes(studio.logs[key.attempt]) == b"ran\n"
            finally:
                host.close()
                forget(engine_socket, marker)

    def test_an_agent_whose_engine_stands_still_speaks_to_the_studio_all_the_same(self, studio: Studio) -> None:
        with tempfile.TemporaryDirectory(prefix="duto-host-") as folder, socket.socket(socket.AF_UNIX) as mute:
            mute.bind(f"{folder}/engine")
            mute.listen(16)  # connections are taken, and nothing is answered
            settings = {"launcher": "docker", "engine": f"{folder}/engine", "base_image": IMAGE}
            host = Host(Path(folder) / "home", studio, **settings)
            (host.home / "attempts" / "left-1").mkdir(parents=True)
            (host.home / "attempts" / "left-1" / "spec.json").write_text("{}")
            host.start()
            try:
                until(lambda: studio.exchanges)
                assert studio.exchanges[0]["host"]["facts"]["engine"] is None
                # It is said beside the first exchange, by another thread.
                until(lambda: "1 attempts adopted" in (host.home / "agent.out").read_text())
            finally:
                host.close()

    def test_a_cancel_ends_the_container(self, host: Host, studio: Studio) -> None:
        key = host.give("import time\nprint('on', flush=True)\ntime.sleep(60)", environment=environment())
        until(lambda: studio.logs.get(key.attempt))
        studio.ask_cancel(key, 1)
        report = studio.wait("finished", key.attempt, 30)
        assert (report["cause"], report["left_over"]) == ("canceled", 0)

    def test_an_environment_becomes_an_image_once_and_its_log_is_the_steps(
        self, image_store: None, host: Host, studio: Studio
    ) -> None:
        code = "import dutoprobe, sys\nprint(sys.prefix, dutoprobe.__file__)"
        first = host.give(code, environment=environment(LOCK))
        report = studio.wait("finished", first.attempt, 300)
        log = bytes(studio.logs[first.attempt]).decode()
        assert report["exit_code"] == 0, (report, log)
        assert "Building the image duto/env:" in log and "dutoprobe==1.0" in log
        assert "/opt/duto/env /opt/duto/env/lib/" in log
        second = host.give(code, environment=environment(LOCK))
        assert studio.wait("finished", second.attempt, 60)["exit_code"] == 0
        assert b"Building" not in studio.logs[second.attempt]

    def test_what_cannot_be_built_is_the_fault_of_the_environment_in_words(
        self, image_store: None, host: Host, studio: Studio
    ) -> None:
        wrong = environment("no-such-package-of-ours==1.0\n")
        report = studio.wait("finished", host.give("pass", environment=wrong).attempt, 300)
        assert report["cause"] == "environment" and "no-such-package-of-ours" in report["message"]
        other = {"base_image": "localhost:1/duto-test/nowhere:1"}
        report = studio.wait("finished", host.give("pass", environment=environment(), container=other).attempt, 120)
        assert report["cause"] == "environment" and "nowhere:1" in report["message"]

    def test_an_environment_may_bring_its_base_as_a_dockerfile_and_a_few_arguments(
        self, host: Host, studio: Studio
    ) -> None:
        text = f"FROM {IMAGE}\nRUN echo '{LOCK.split()[-1]}' > /etc/mine\nENV FROM_IMAGE=yes\n"
        asked = {"base_dockerfile": text, "arguments": ["--shm-size", "64m", "-e", "ASKED=1"], "options": {}}
        code = """
import os, shutil
print(open('/etc/mine').read().strip(), os.environ['FROM_IMAGE'], os.environ['ASKED'])
print(shutil.disk_usage('/dev/shm').total >> 20)
"""
        key = host.give(code, environment=environment(), container=asked)
        report = studio.wait("finished", key.attempt, 120)
        log = bytes(studio.logs[key.attempt]).decode()
        assert report["exit_code"] == 0 and f"{LOCK.split()[-1]} yes 1\n64\n" in log, (report, log)
        wrong = {"base_dockerfile": f"FROM {IMAGE}\nRUN echo seen-first; exit 7\n"}
        report = studio.wait("finished", host.give("pass", environment=environment(), container=wrong).attempt, 120)
        assert report["cause"] == "environment" and "seen-first" in report["message"]

    def test_an_option_of_the_cluster_that_is_none_fails_the_step_in_words(self, host: Host, studio: Studio) -> None:
        asked = {"options": {"privileged": True}}
        report = studio.wait("finished", host.give("pass", environment=environment(), container=asked).attempt, 60)
        assert report["cause"] == "environment" and "privileged" in report["message"]


def test_what_the_owner_of_a_host_asks_for_is_what_runs_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = Identity("i", "here", "http://127.0.0.1:1")
    nobody = {"engine": str(tmp_path / "none.sock"), "base_image": "x"}
    assert containers_of(tmp_path, me, {}, None) is None
    assert containers_of(tmp_path, me, nobody | {"launcher": "auto"}, None) is None, "no engine answers"
    assert containers_of(tmp_path, me, nobody | {"launcher": "docker"}, None) is not None
    monkeypatch.setenv("DUTO_LAUNCHER", "process")
    assert containers_of(tmp_path, me, nobody | {"launcher": "docker"}, None) is None, "the variable wins"
    monkeypatch.setenv("DUTO_LAUNCHER", "podman")
    with pytest.raises(Unprotected, match="process, docker, auto"):
        containers_of(tmp_path, me, {}, None)


def test_an_image_is_named_by_what_it_is_made_of() -> None:
    assert tag_of("sha256:1", LOCK) == tag_of("sha256:1", LOCK)
    assert len({tag_of("sha256:1", LOCK), tag_of("sha256:2", LOCK), tag_of("sha256:1", "")}) == 3


def test_the_lines_of_a_build_are_read_from_its_trace() -> None:
    line = b"Installed 1 package\n + iniconfig\n"
    inner = b"\x0a\x02ab" + b"\x18\x01" + b"\x22" + bytes([len(line)]) + line
    assert messages(b"\x08\x01" + b"\x1a" + bytes([len(inner)]) + inner) == line.decode()
    assert messages(b"") == ""


def test_a_build_is_told_of_indexes_that_it_reaches_and_of_no_folder_of_the_host() -> None:
    given = {"UV_INDEX": "https://a.example/simple file:///opt/b", "UV_FIND_LINKS": "/opt/wheels", "UV_X": "1"}
    found, left_out = reachable(given)
    assert found == {"UV_INDEX": "https://a.example/simple", "UV_X": "1"}
    assert left_out == ["file:///opt/b", "/opt/wheels"]
