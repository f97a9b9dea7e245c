"""A script of somebody's tries to get out of its step: as a step of root's agent, of an ordinary user's, in a container."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from pytest_django.live_server_helper import LiveServer
from redis import Redis

import duto_agent
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.collect import collect
from duto_agent.files import remove_tree
from duto_agent.launchers import bubblewrap, seccomp
from duto_agent.launchers.base import Bind
from duto_agent.launchers.bubblewrap import Bubblewrap
from duto_agent.launchers.process import ProcessLauncher
from duto_agent.launchers.users import BadRange, Range, StepUsers, range_of
from studio.supervisor import broker
from studio.supervisor.layout import Layout, write_private
from tests.agent.containers import Boxes, gateway_of
from tests.agent.specs import step_of
from tests.agent.steps import Steps
from workspaces.models import User
from workspaces.services.workspaces import create_workspace

SDK = Path(duto_agent.__file__).parents[3] / "sdk/duto/src/duto"
ATTACK = Path(__file__).with_name("attack.py")
MARKER = "the-password-of-the-broker"
NOBODY = 65534
# Some engines' own filter lets these through: processes of one's own container, without more power, and a socket.
OWN_CONTAINER = ("ptrace", "vsock")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become others")


class Target:
    """What a step must not get at: an agent's home, a studio's data, another attempt, a process with a secret."""

    def __init__(self, folder: Path) -> None:
        self.home, self.data, self.sdk = folder / "home", folder / "data", folder / "home" / "sdk"
        for path in (
            "host.json",
            "agent.lock",
            "attempts/other-1/work/secret",
            "run/doorbell",
            "cache/blobs/x",
            "sdk/duto.py",
        ):
            self._leave(self.home / path)
        for path in ("secret", "db.sqlite3", "run/broker", "store/x"):
            self._leave(self.data / path)
        (self.sdk / "duto.py").write_text("")
        self.other = subprocess.Popen(["sleep", "300"], env={"REDISCLI_AUTH": MARKER})
        self.port = broker.free_port()
        layout = Layout(self.data)
        layout.valkey.mkdir()
        write_private(layout.valkey / "valkey.conf", broker.configuration(layout, self.port, MARKER))
        write_private(layout.broker, f"redis://:{MARKER}@127.0.0.1:{self.port}/0")
        command = (broker.find_binary(os.environ.get("DUTO_REDIS_BIN", "")), str(layout.valkey / "valkey.conf"))
        self.broker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        assert broker.wait_for(self.port, 60)

    def _leave(self, path: Path) -> None:
        """As careless as can be: it is the sandbox that is tried, not the permissions."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MARKER)
        path.chmod(0o666)
        path.parent.chmod(0o777)

    def order(self, **facts: object) -> str:
        given = {
            "home": str(self.home),
            "data": str(self.data),
            "marker": MARKER[:10] + MARKER[10:],
            "pid": self.other.pid,
            "host": "127.0.0.1",
            "broker": self.port,
        }
        return json.dumps(given | {"shown": [str(self.sdk)], **facts})

    def is_untouched(self) -> bool:
        """Whether its broker runs on, with its password and without a key."""
        with Redis(port=self.port, password=MARKER) as client:
            return bool(client.dbsize() == 0 and client.config_get("requirepass")["requirepass"] == MARKER)

    def close(self) -> None:
        for process in (self.other, self.broker):
            process.kill()
            process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below that of the other tests, which nobody else may enter."""
    made = Path(tempfile.mkdtemp(prefix="duto-attack-"))
    made.chmod(0o755)
    yield made
    remove_tree(made)


@pytest.fixture
def target(folder: Path) -> Iterator[Target]:
    made = Target(folder)
    yield made
    made.close()


def code_of(order: str) -> str:
    """The attack with its order in it: what it looks for must not stand in its own command."""
    text = ATTACK.read_text()
    assert text.count("json.loads(sys.argv[1])") == 1
    return text.replace(
        "json.loads(sys.argv[1])",
        f"json.loads({order.replace(MARKER, 'MARK')!r}.replace('MARK', '-'.join({MARKER.split('-')!r})))",
    )


def nothing_done(log: str, allowed: Collection[str] = ()) -> dict[str, str]:
    found: dict[str, str] = json.loads(log.strip().splitlines()[-1])
    assert {name: came for name, came in found.items() if not came.startswith("refused") and name not in allowed} == {}
    assert len(found) > 60
    return found


def nobody_let_in(found: dict[str, str]) -> None:
    """Broker and studio were reached, and said no."""
    answer = [came for name, came in found.items() if name.startswith("broker: ")]
    assert len(answer) > 15 and all("NOAUTH" in came or "WRONGPASS" in came for came in answer), answer
    asked = [came for name, came in found.items() if name.startswith("web: ")]
    assert len(asked) > 20 and set(asked) <= {"refused 401", "refused 403", "refused 404"}, asked


@pytest.fixture
def sandboxed(target: Target) -> Iterator[Steps]:
    program = bubblewrap.find()
    if program is None:
        pytest.skip("bubblewrap is not here, or may not make namespaces")
    made = Steps(target.home / "attempts")
    made.launcher = ProcessLauncher(made.root, made.zygote, sandbox=Bubblewrap(program, target.home, [target.data]))
    yield made
    made.close()


@pytest.fixture
def studio(live_server: LiveServer) -> dict[str, Any]:
    """A studio with a workspace that others have, and a session of somebody whose workspace is another."""
    owner, stranger = User.objects.create_user("ana"), User.objects.create_user("eva")
    for user, name in ((owner, "lab"), (stranger, "other")):
        create_workspace(user, name)
    client = Client()
    client.force_login(stranger)
    session = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    return {"web": int(live_server.url.rpartition(":")[2]), "session": session}


def test_a_step_in_a_sandbox_gets_out_by_no_way(
    sandboxed: Steps, target: Target, bare_python: str, studio: dict[str, Any]
) -> None:
    sandboxed.python = bare_python
    probe, directory = sandboxed.run(code_of(target.order(**studio)), binds=(Bind(target.sdk, target.sdk),))
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0, (directory / "log.data").read_text()
    nobody_let_in(nothing_done((directory / "log.data").read_text()))
    assert probe.verdict["left_over"] == 0 and target.other.poll() is None and target.is_untouched()


ORDINARY = """
import sys
import tempfile
sys.path[:0] = {paths!r}
from pathlib import Path
from duto_agent.launchers import bubblewrap
from duto_agent.launchers.base import Bind
from duto_agent.launchers.bubblewrap import Bubblewrap
from duto_agent.launchers.process import ProcessLauncher
from tests.agent.steps import Steps
program = bubblewrap.find()
if program is None:
    sys.exit("no sandbox")
home, data = Path({home!r}), Path({data!r})
steps = Steps(home / "attempts")
sandbox = Bubblewrap(program, home, [data])
assert sandbox.users is None
steps.launcher, steps.python = ProcessLauncher(steps.root, steps.zygote, sandbox=sandbox), sys.executable
probe, directory = steps.run(Path({code!r}).read_text(), binds=(Bind(home / "sdk", home / "sdk"),), {options})
print(probe.verdict["exit_code"], probe.verdict["timed_out"], probe.verdict["left_over"])
print((directory / "log.data").read_text())
steps.close()
"""


def as_an_ordinary_user(target: Target, folder: Path, code: str, options: str = "") -> str:
    """What a step of this code says, and its verdict, of an agent that is nobody's."""
    python = "/usr/bin/python3"
    asked = subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], capture_output=True)
    if asked.returncode:
        pytest.skip("there is no Python here that an ordinary user could run")
    source = folder / "source"
    shutil.copytree(Path(duto_agent.__file__).parent, source / "duto_agent")
    shutil.copytree(SDK, source / "duto")
    (source / "tests" / "agent").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("steps.py"), source / "tests" / "agent")
    (folder / "code.py").write_text(code)
    text = ORDINARY.format(
        paths=[str(source)], home=str(target.home), data=str(target.data), code=str(folder / "code.py"), options=options
    )
    subprocess.run(["chown", "-R", str(NOBODY), folder], check=True)
    words = [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
    ]
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = [*words, python, "-B", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env=variables, timeout=120)
    if "no sandbox" in done.stderr:
        pytest.skip("an ordinary user may make no namespaces here")
    assert done.returncode == 0, done.stderr
    return done.stdout


@root_only
def test_a_step_of_an_ordinary_users_agent_gets_out_by_no_way(
    target: Target, folder: Path, studio: dict[str, Any]
) -> None:
    nobody_let_in(nothing_done(as_an_ordinary_user(target, folder, code_of(target.order(**studio)))))
    assert target.is_untouched()


@root_only
def test_what_programs_do_all_day_works_for_an_ordinary_users_agent_too(target: Target, folder: Path) -> None:
    log = as_an_ordinary_user(target, folder, ORDINARY_WORK)
    assert log.startswith("0 False 0") and "all done" in log, log


@root_only
def test_a_fork_bomb_of_an_ordinary_users_agent_is_counted_in_its_namespace(target: Target, folder: Path) -> None:
    if tuple(int(part) for part in platform.release().split(".")[:2]) < bubblewrap.COUNTS_BY_NAMESPACE:
        pytest.skip("this kernel counts the processes of a user in all namespaces together")
    log = as_an_ordinary_user(target, folder, COUNTED, "options={'pids_limit': 60}, grace_seconds=0.1")
    assert log.startswith("0 False 0")
    assert 20 < int(log.splitlines()[1]) < 60


@pytest.mark.docker
@pytest.mark.parametrize("network", ["none", "open"])
def test_a_step_in_a_container_gets_out_by_no_way(boxes: Boxes, target: Target, network: str) -> None:
    """Broker and web port are the machine's loopback's: from a container's network nothing answers."""
    order = target.order(most=8, own=False, host=gateway_of(boxes.engine.socket))
    probe, directory = boxes.run(code_of(order), network=network)
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0, (directory / "log.data").read_text()
    nothing_done((directory / "log.data").read_text(), OWN_CONTAINER)
    assert target.is_untouched()


def test_a_program_of_the_steps_own_choice_does_not_run_before_the_sandbox_stands(
    sandboxed: Steps, tmp_path: Path
) -> None:
    """The loader's variables are a step's own affair, not that of the programs that shut it in."""
    launch = sandboxed.launch("import os; print(os.environ['LD_PRELOAD'], os.environ['BASH_ENV'], os.environ['MINE'])")
    traced = {
        "LD_PRELOAD": str(launch.cwd / "evil.so"),
        "BASH_ENV": "/x",
        "MINE": "1",
        "LD_DEBUG": "libs",
        "LD_DEBUG_OUTPUT": str(tmp_path / "trace"),
    }
    launch.env.update(traced)
    sandboxed.launcher.ensure(launch)
    assert sandboxed.wait(launch.key).state == "exited"
    order = json.loads((sandboxed.launcher.directory(launch.key) / "launch.json").read_text())
    assert set(order["env"]).isdisjoint(set(traced) - {"MINE"}) and order["env"]["MINE"] == "1"
    assert f"{launch.cwd}/evil.so /x 1" in (sandboxed.launcher.directory(launch.key) / "log.data").read_text()
    assert not list(tmp_path.glob("trace*"))


LINKS = {
    "host's file": "os.symlink('/etc/shadow', '../outputs/o/shadow')",
    "folder of the host": "os.symlink('/etc', '../outputs/o/etc')",
    "pipe": "os.mkfifo('../outputs/o/pipe')",
    "socket": "import socket; s = socket.socket(socket.AF_UNIX); s.bind('../outputs/o/socket')",
    "setuid": "open('../outputs/o/su', 'w').close(); os.chmod('../outputs/o/su', 0o6755)",
    "hard link": "os.link('../launch.json', '../outputs/o/hard')",
}


@pytest.mark.parametrize("what", LINKS)
def test_nothing_but_files_of_the_step_is_taken_from_its_outputs(sandboxed: Steps, what: str) -> None:
    launch = sandboxed.launch(
        f"import os\nos.chmod('../outputs/o', 0o700)\nopen('../outputs/o/mine', 'w').close()\nos.chmod('../outputs/o/mine', 0)\ntry: {LINKS[what]}\nexcept OSError as error: print(error)"
    )
    directory = launch.cwd.parent
    (directory / "outputs" / "o").mkdir(parents=True)
    (directory / "spool.jsonl").touch()
    sandboxed.launcher.ensure(launch)
    sandboxed.wait(launch.key)
    sandboxed.launcher.collect(launch.key)
    found = collect(
        directory,
        step_of({"outputs": [{"name": "o"}]}),
        Bound(outputs={"o": str(directory / "outputs/o")}),
        ended_well=True,
    )
    names = {file.path for file in found.outputs[0].files}
    assert names == {"mine"} | ({"su"} if what == "setuid" else set())
    for path in (directory / "outputs/o", *(directory / "outputs/o" / name for name in names)):
        facts = path.lstat()
        assert (facts.st_uid, facts.st_mode & 0o7022) == (os.geteuid(), 0)
        assert facts.st_mode & 0o444 == (0o444 if os.geteuid() == 0 else facts.st_mode & 0o444)


def test_a_folder_that_was_swapped_for_a_link_is_not_followed(steps: Steps, tmp_path: Path) -> None:
    """Without a sandbox, and in a container of the agent's own user, a script can move the folders themselves."""
    target = tmp_path / "prey"
    (target / "outputs").mkdir(parents=True)
    (target / "outputs" / "secret").write_text(MARKER)
    (target / "o").write_text(MARKER)
    code = f"import os\nos.rename('../work', '../w')\nos.symlink({str(target)!r}, '../work')\nos.rename('../outputs', '../x')\nos.symlink({str(target)!r}, '../outputs')"
    launch = steps.launch(code)
    directory = launch.cwd.parent
    (directory / "outputs").mkdir()
    steps.launcher.ensure(launch)
    steps.wait(launch.key)
    assert (directory / "work").is_symlink() and (directory / "outputs").is_symlink()
    steps.launcher.collect(launch.key)
    found = collect(
        directory,
        step_of({"outputs": [{"name": "o"}]}),
        Bound(outputs={"o": str(directory / "outputs/o")}),
        ended_well=True,
    )
    assert (found.outputs[0].missing, found.artifacts) == (True, [])
    assert (target / "o").read_text() == MARKER


def test_the_way_to_a_place_that_the_program_chose_is_not_followed_out(tmp_path: Path) -> None:
    directory, target = tmp_path / "attempt", tmp_path / "prey"
    for folder in (directory / "work", directory / "outputs", target):
        folder.mkdir(parents=True)
    (target / "o").write_text(MARKER)
    (directory / "work" / "way").symlink_to(target)
    bound = Bound(outputs={"o": str(directory / "work/way/o")})
    found = collect(directory, step_of({"outputs": [{"name": "o"}]}), bound, ended_well=True)
    assert found.outputs[0].missing and "leads out" in found.warnings[0]
    assert (target / "o").read_text() == MARKER and not (directory / "outputs" / "o").exists()


ORDINARY_WORK = """
import getpass, multiprocessing, os, shutil, sqlite3, subprocess, sys, tempfile, threading
def square(x): return x * x
if __name__ == '__main__':
    for method in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(9))[-1] == 64
    from multiprocessing import shared_memory
    piece = shared_memory.SharedMemory(create=True, size=1 << 16); piece.unlink()
    lock = multiprocessing.Lock()
    assert subprocess.run(['sh', '-c', 'echo $HOME | cat'], capture_output=True, check=True).stdout
    assert getpass.getuser() and os.path.expanduser('~') and os.getloadavg()
    with tempfile.NamedTemporaryFile(dir='.') as file: os.link(file.name, 'linked')
    os.symlink('linked', 'soft'); os.chmod('linked', 0o600)
    sqlite3.connect('x.db').execute('create table t (a)')
    threading.Thread(target=print, args=('thread',)).start()
    open('/dev/stdout', 'w').write('by name\\n'); open('/dev/stderr', 'w').write('by name\\n')
    open('/dev/shm/x', 'w').close(); open('/tmp/x', 'w').close(); open('/dev/null', 'w').write('x')
    os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(1)
    import ctypes, mmap, socket, ssl, resource
    mmap.mmap(-1, 1 << 16); socket.create_server(('127.0.0.1', 0)); resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    if shutil.which('git'):
        for words in ('init -q .', 'add linked', '-c user.name=a -c user.email=a@b commit -qm x'):
            subprocess.run(['git', *words.split()], check=True)
    print('all done')
"""


def test_what_programs_do_all_day_works_in_a_sandbox(sandboxed: Steps, bare_python: str) -> None:
    sandboxed.python = bare_python
    probe, directory = sandboxed.run(ORDINARY_WORK)
    log = (directory / "log.data").read_text()
    assert "all done" in log and log.count("by name") == 2, log
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0


COUNTED = """
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError:
    print(made)
"""
BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: break\nimport time; time.sleep(60)"


@root_only
def test_a_fork_bomb_without_control_groups_ends_at_the_limit_of_its_user(sandboxed: Steps) -> None:
    launch = sandboxed.launch(BOMB, options={"pids_limit": 60}, timeout_seconds=3.0, grace_seconds=0.1)
    sandboxed.launcher.ensure(launch)
    user = (sandboxed.launcher.directory(launch.key) / "work").stat().st_uid
    most = 0
    while sandboxed.launcher.probe(launch.key).state in ("none", "running"):
        most = max(most, sum(_is_of(path, user) for path in Path("/proc").iterdir() if path.name.isdigit()))
        time.sleep(0.02)
    verdict = sandboxed.launcher.probe(launch.key).verdict
    assert verdict is not None and (verdict["timed_out"], verdict["left_over"]) == (True, 0)
    assert 20 < most <= 60
    assert not any(_is_of(path, user) for path in Path("/proc").iterdir() if path.name.isdigit())
    _, directory = sandboxed.run("print('next')")
    assert (directory / "log.data").read_text() == "next\n"


def _is_of(process: Path, user: int) -> bool:
    try:
        return process.stat().st_uid == user
    except OSError:
        return False


@root_only
def test_each_attempt_has_a_user_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name / "work").mkdir(parents=True)
    users = StepUsers(Range(70_000, 3), tmp_path)
    first, second = users.of(tmp_path / "a"), users.of(tmp_path / "b")
    assert {first, second} == {70_001, 70_002}
    assert StepUsers(Range(70_000, 3), tmp_path).of(tmp_path / "a") == first
    assert users.of(tmp_path / "c") in (first, second)  # more attempts than users: two share one


@pytest.mark.parametrize("given", ["", "0:9", "5", "5:1", "a:b", "4294967290:10", "1900000000:65536:1"])
def test_a_range_of_users_that_is_none_is_refused(given: str) -> None:
    whole = "0 0 4294967295\n"
    if not given:
        assert range_of(given, whole) == Range(1_900_000_000, 65_536)
        assert range_of(given, "0 100000 65536\n").first + 477 < 65_535
        return
    with pytest.raises(BadRange):
        range_of(given, whole)


def test_the_filter_is_well_formed_on_each_machine_that_it_knows() -> None:
    for machine in seccomp.MACHINES:
        lines = seccomp.program(machine)
        assert lines is not None and len(lines) % 8 == 0
        count = len(lines) // 8
        for place in range(count):
            code, yes, no = (
                int.from_bytes(lines[place * 8 : place * 8 + 2], "little"),
                lines[place * 8 + 2],
                lines[place * 8 + 3],
            )
            assert place + 1 + max(yes, no) < count or code == seccomp.RETURN
    assert seccomp.program("mips") is None


def test_folders_of_the_host_are_shared_by_steps_of_different_users(target: Target, folder: Path) -> None:
    """Also where they lie below a folder that only root may enter, and hold the agent's home."""
    program = bubblewrap.find()
    if program is None:
        pytest.skip("bubblewrap is not here, or may not make namespaces")
    folder.chmod(0o700)
    (shared := folder / "shared").mkdir()
    shared.chmod(0o777)
    made = Steps(target.home / "attempts")
    sandbox = Bubblewrap(program, target.home, [target.data], [shared])
    made.launcher = ProcessLauncher(made.root, made.zygote, sandbox=sandbox)
    for _ in range(2):
        probe, directory = made.run(f"open({str(shared / 'marks')!r}, 'a').write('x')")
        assert probe.verdict is not None and probe.verdict["exit_code"] == 0, (directory / "log.data").read_text()
    made.close()
    assert (shared / "marks").read_text() == "xx"
