"""The end of a container's first process, by the kernel's word. A slash is in the name of every control group."""

from __future__ import annotations

import subprocess
import sys

from duto_agent.launchers.exit_events import ExitEvents

ANY = "/"


def test_a_process_that_lives_has_not_ended_and_its_end_is_heard() -> None:
    endings, process = ExitEvents(), subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    assert endings.within(process.pid, ANY, 0.05) is False
    process.kill()
    assert endings.within(process.pid, ANY, 10) is True
    process.wait()
    assert endings.within(process.pid, ANY, 0) is True, "nobody has this number any more"


def test_of_an_engine_whose_processes_were_never_seen_nothing_is_known() -> None:
    endings, process = ExitEvents(), subprocess.Popen([sys.executable, "-c", "pass"])
    assert endings.within(process.pid, "another machine's container", 0) is None
    process.wait()
    assert endings.within(process.pid, ANY, 0) is None
    assert endings.within(1 << 40, ANY, 0) is None


def test_a_number_that_another_process_has_now_says_that_the_first_has_ended() -> None:
    endings, process = ExitEvents(), subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    assert endings.within(process.pid, ANY, 0) is False
    assert endings.within(process.pid, "a container that was here before", 0) is True
    process.kill()
    process.wait()
