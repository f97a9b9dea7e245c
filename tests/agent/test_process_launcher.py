"""The contract of a launcher, on real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from duto_agent.launchers.resource_usage import Processes
from tests.agent.steps import Steps, alive, kill, pid_in, until


def test_ensure_twice_starts_once(steps: Steps) -> None:
    launch = steps.launch("import time\nopen('ran', 'a').write('x')\ntime.sleep(0.3)")
    steps.launcher.ensure(launch)
    steps.launcher.ensure(launch)
    steps.wait(launch.key)
    steps.launcher.ensure(launch)
    assert (launch.cwd / "ran").read_text() == "x"


def test_probe_tells_the_four_states(steps: Steps) -> None:
    launch = steps.launch("import time; time.sleep(60)")
    assert steps.launcher.probe(launch.key).state == "none"
    steps.launcher.ensure(launch)
    until(lambda: steps.launcher.probe(launch.key).state == "running")
    steps.launcher.signal(launch.key, 0)
    assert steps.wait(launch.key).state == "exited"


def test_a_killed_shim_is_lost_and_its_script_ran_once_and_is_gone(steps: Steps) -> None:
    code = """
        import os, subprocess, time
        open('ran', 'a').write('x')
        subprocess.Popen(['sleep', '60'], start_new_session=True)
        open('pid', 'w').write(str(os.getpid()))
        time.sleep(60)
    """
    launch = steps.launch(textwrap.dedent(code))
    steps.launcher.ensure(launch)
    script = pid_in(launch.cwd / "pid")
    directory = steps.launcher.directory(launch.key)
    kill(json.loads((directory / "pid.json").read_text())["pid"])
    assert steps.wait(launch.key).state == "lost"
    steps.launcher.ensure(launch)
    steps.launcher.collect(launch.key)
    assert steps.launcher.probe(launch.key).state == "lost"
    assert (launch.cwd / "ran").read_text() == "x" and not alive(script)
    mark = launch.env["DUTO_STUDIO_FILE"].encode()
    assert not [p for p in Path("/proc").iterdir() if p.name.isdigit() and mark in _environ(p)]


def _environ(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def test_stats_count_the_whole_tree(steps: Steps) -> None:
    key = steps.start("import subprocess; subprocess.run(['sleep', '60'])")
    until(lambda: (sample := steps.launcher.stats(key, Processes.now())) is not None and sample.processes == 2)
    sample = steps.launcher.stats(key, Processes.now())
    assert sample is not None and sample.memory > 1 << 20
    steps.launcher.signal(key, 0)
    steps.wait(key)
    until(lambda: steps.launcher.stats(key, Processes.now()) is None)


def test_discover_and_cleanup(steps: Steps) -> None:
    _, directory = steps.run("import os; os.mkdir('ro'); open('ro/f', 'w'); os.chmod('ro', 0o500)")
    keys = steps.launcher.discover()
    assert [key.folder for key in keys] == [directory.name]
    for _ in range(2):
        steps.launcher.cleanup(keys[0])
    assert not directory.exists() and steps.launcher.discover() == []


def test_a_dead_zygote_is_started_again(steps: Steps) -> None:
    first = steps.zygote.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    probe, _ = steps.run("pass")
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0
    assert steps.zygote.pid not in (None, first)


AGENT = """
import sys, time
from pathlib import Path
from tests.agent.steps import Steps
steps = Steps(Path(sys.argv[1]))
key = steps.start('''
import sys, time
for i in range(20000):
    sys.stdout.write("line %d\\\\n" % i)
    if i % 1000 == 0: time.sleep(0.02)
sys.exit(5)
''')
print(key.attempt, flush=True)
time.sleep(60)
"""


def test_a_step_outlives_its_agent_and_is_found_again(tmp_path: Path, steps: Steps) -> None:
    root = Path(__file__).parent.parent.parent
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT, str(steps.root)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert agent.stdout is not None
    agent.stdout.readline()
    agent.kill()
    agent.wait()
    agent.stdout.close()
    (key,) = steps.launcher.discover()
    probe = steps.wait(key)
    assert probe.verdict is not None and probe.verdict["exit_code"] == 5
    log = (steps.launcher.directory(key) / "log.data").read_bytes()
    assert log == b"".join(b"line %d\n" % i for i in range(20_000))
