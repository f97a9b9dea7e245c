"""What the shim promises about a step's log, verdict and processes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from duto_agent.launchers.zygote import shim_command
from tests.agent.steps import Steps, alive, pid_in, until


def log(directory: Path) -> bytes:
    return (directory / "log.data").read_bytes()


def test_a_step_leaves_its_exit_code_and_what_it_said(steps: Steps) -> None:
    probe, directory = steps.run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert probe.verdict is not None and (probe.verdict["exit_code"], probe.verdict["signal"]) == (3, None)
    assert log(directory) == b"out\nerr\n"
    assert probe.verdict["log_size"] == len(log(directory))


def test_a_traceback_is_found_before_what_is_said_after_it(steps: Steps) -> None:
    code = "import atexit\natexit.register(print, 'x' * 30_000, 'said at the end')\nraise ValueError('no')"
    probe, directory = steps.run(code)
    assert probe.verdict is not None and log(directory).endswith(b"said at the end\n")
    assert probe.verdict["traceback"] == {"file": "script.py", "line": 3, "text": "ValueError: no"}


def test_the_traceback_names_the_users_own_line(steps: Steps) -> None:
    probe, _ = steps.run("import json\n\ndef load():\n    return json.loads('{')\n\nload()\n")
    assert probe.verdict is not None
    frame = probe.verdict["traceback"]
    assert (frame["file"], frame["line"]) == ("script.py", 4)
    assert frame["text"].startswith("json.decoder.JSONDecodeError: Expecting property name")


def test_a_syntax_error_names_its_line(steps: Steps) -> None:
    probe, _ = steps.run("x = 1\nif x\n    pass\n")
    assert probe.verdict is not None and probe.verdict["traceback"]["line"] == 2
    assert probe.verdict["traceback"]["text"].startswith("SyntaxError")


def test_an_error_of_r_is_told_in_its_own_words(steps: Steps) -> None:
    said = (
        "Error in f(1) : the first, which was caught\nError in g(x) : two\nlines of text\nCalls: f -> g\n"
        "In addition: Warning message:\nIn log(-1) : NaNs produced\nExecution halted\n"
    )
    probe, _ = steps.run(f"import sys; print({said!r}); sys.exit(1)")
    assert probe.verdict is not None
    assert probe.verdict["traceback"] == {"file": None, "line": None, "text": "Error in g(x) : two lines of text"}
    probe, _ = steps.run("import sys; print('Error in a report, of which a script went on'); sys.exit(1)")
    assert probe.verdict is not None and probe.verdict["traceback"] is None


def test_a_driver_says_in_its_last_line_why_it_could_not(steps: Steps) -> None:
    for each in ("cannot run", "has failed"):
        probe, _ = steps.run(f"import sys; print('a log'); sys.exit('This step {each}: a column is missing.')")
        assert probe.verdict is not None
        assert probe.verdict["traceback"] == {"file": None, "line": None, "text": "a column is missing."}


def test_a_line_is_visible_at_once(steps: Steps) -> None:
    key = steps.start("import time\nprint('here')\ntime.sleep(300)")
    path = steps.launcher.directory(key) / "log.data"
    until(lambda: path.exists() and path.read_bytes() == b"here\n")
    assert steps.launcher.probe(key).state == "running"
    steps.launcher.signal(key, 0)
    steps.wait(key)


def test_a_line_of_ten_megabytes_and_bytes_that_are_no_text(steps: Steps) -> None:
    code = "import os\nfor view in (b'\\xff\\xfe\\x1b[31m<script>\\n', b'x' * 10_000_000, b'\\n'):\n"
    code += "    while view:\n        view = view[os.write(1, view):]\n"
    _, directory = steps.run(code)
    assert log(directory) == b"\xff\xfe\x1b[31m<script>\n" + b"x" * 10_000_000 + b"\n"


def test_a_hundred_thousand_lines_arrive_byte_exact(steps: Steps) -> None:
    _, directory = steps.run("import sys\nfor i in range(100000): sys.stdout.write('line %d\\n' % i)")
    assert log(directory) == b"".join(b"line %d\n" % i for i in range(100_000))


def test_the_cap_is_kept_and_dropped_bytes_are_told(steps: Steps) -> None:
    probe, directory = steps.run("print('x' * 99_999)", log_cap=1000)
    assert probe.verdict is not None and probe.verdict["log_dropped"] == 99_000
    assert log(directory).startswith(b"x" * 1000 + b"\nduto: the log reached its limit of 1000 bytes")


def test_a_script_that_closes_its_streams_goes_on(steps: Steps) -> None:
    probe, directory = steps.run("import os, time\nos.close(1); os.close(2); time.sleep(0.3)\nopen('done', 'w')")
    assert probe.verdict is not None and probe.verdict["exit_code"] == 0
    assert (directory / "work" / "done").exists()
    assert probe.verdict["proof"] is None, "nobody ended it"


def test_a_child_that_keeps_the_pipe_does_not_keep_the_step(steps: Steps) -> None:
    code = "import subprocess\np = subprocess.Popen(['sleep', '60'])\nprint('bye')\n"
    code += "open('pid', 'w').write(str(p.pid))"
    probe, directory = steps.run(code)  # which waits less long than the child sleeps
    assert probe.verdict is not None
    assert (probe.verdict["exit_code"], probe.verdict["left_over"]) == (0, 0)
    assert log(directory) == b"bye\n" and not alive(int((directory / "work" / "pid").read_text()))


DAEMON = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open('daemon', 'w').write(str(os.getpid()))
    time.sleep(60)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(60)
"""


def test_cancel_ends_a_deaf_script_and_its_daemon(steps: Steps) -> None:
    key = steps.start(DAEMON)
    daemon = pid_in(steps.launcher.directory(key) / "work" / "daemon")
    steps.launcher.signal(key, 0.3)
    probe = steps.wait(key)  # less long than both of them sleep
    assert probe.verdict is not None
    verdict = probe.verdict
    assert (verdict["canceled"], verdict["signal"], verdict["left_over"]) == (True, 9, 0)
    assert (verdict["proof"]["signals"], verdict["proof"]["left_over"]) == (["TERM", "KILL"], 0)
    assert verdict["proof"]["seconds"] >= 0.3
    assert not alive(daemon)


def test_a_script_that_hears_term_says_goodbye(steps: Steps) -> None:
    code = "import signal, sys, time\nsignal.signal(15, lambda *a: (print('saved'), sys.exit(7)))\n"
    code += "print('up')\ntime.sleep(60)"
    key = steps.start(code)
    directory = steps.launcher.directory(key)
    until(lambda: log(directory) == b"up\n" if (directory / "log.data").exists() else False)
    steps.launcher.signal(key, 10)
    probe = steps.wait(key, 2)
    assert probe.verdict is not None and (probe.verdict["exit_code"], probe.verdict["canceled"]) == (7, True)
    assert probe.verdict["proof"]["signals"] == ["TERM"]
    assert log(directory) == b"up\nsaved\n"


def test_the_time_limit_ends_a_script(steps: Steps) -> None:
    probe, _ = steps.run("import time; time.sleep(60)", timeout_seconds=0.3, grace_seconds=1)
    assert probe.verdict is not None and (probe.verdict["timed_out"], probe.verdict["signal"]) == (True, 15)


def test_a_cancel_that_comes_first_means_that_nothing_runs(steps: Steps) -> None:
    launch = steps.launch("open('ran', 'w')")
    steps.launcher.signal(launch.key, 1)
    steps.launcher.ensure(launch)
    probe = steps.wait(launch.key)
    assert probe.verdict is not None and probe.verdict["canceled"] and not (launch.cwd / "ran").exists()


def test_an_interpreter_that_is_not_there_is_told_in_the_log(steps: Steps) -> None:
    launch = steps.launch("")
    broken = type(launch)(launch.key, ("/no/such/python", "x"), launch.cwd, launch.env)
    steps.launcher.ensure(broken)
    probe = steps.wait(launch.key)
    assert probe.verdict is not None and probe.verdict["exit_code"] == 127
    assert b"could not be started" in log(steps.launcher.directory(launch.key))


def test_a_shim_refuses_to_run_again(steps: Steps) -> None:
    _, directory = steps.run("open('ran', 'a').write('x')")
    assert subprocess.run(shim_command(str(directory))).returncode == 76
    (directory / "status.json").unlink()
    assert subprocess.run(shim_command(str(directory))).returncode == 76, "pid.json without a verdict"
    assert (directory / "work" / "ran").read_text() == "x"


def test_a_second_shim_finds_the_lock_held(steps: Steps) -> None:
    key = steps.start("import time; time.sleep(60)")
    directory = steps.launcher.directory(key)
    until((directory / "pid.json").exists)
    assert subprocess.run(shim_command(str(directory))).returncode == 75
    assert json.loads((directory / "pid.json").read_text())["pid"]
