"""A whole agent process against the other end of its API: work in, bytes and verdicts out, whatever happens."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duto_agent.launchers.base import AttemptKey
from tests.agent.steps import alive, until
from tests.agent.studio import Studio, spec_of

RECORDED = Path(__file__).parents[1] / "runs/recorded/exchange-1.json"
_numbers = itertools.count(1)


class Host:
    """A home and the agent process in it."""

    def __init__(self, home: Path, studio: Studio, **config: Any) -> None:
        self.home, self.studio = home, studio
        home.mkdir(parents=True)
        settings = {"studio": studio.url, "name": "here", "key": "key", **config}
        (home / "host.json").write_text(json.dumps(settings))
        self.process: subprocess.Popen[bytes] | None = None
        self.before: tuple[str, ...] = ()  # a program that starts the agent

    def start(self) -> None:
        command = [*self.before, sys.executable, "-m", "duto_agent", "run", "--home", str(self.home)]
        env = {**os.environ, "AGENT_SECRET": "must not pass", "PYTHONDONTWRITEBYTECODE": "1"}
        env["DUTO_BWRAP"] = "off"  # the tests look at the processes' own numbers (sandbox: test_sandbox.py)
        with (self.home / "agent.out").open("ab") as out:
            self.process = subprocess.Popen(command, env=env, stdout=out, stderr=out)

    def end(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(120)

    def directory(self, key: AttemptKey) -> Path:
        return self.home / "attempts" / key.folder

    def give(self, code: str, files: dict[str, bytes] | None = None, **more: Any) -> AttemptKey:
        key = AttemptKey(f"0190-{next(_numbers)}", 1)
        self.studio.give(self.work(key, code, files, **more))
        return key

    def work(self, key: AttemptKey, code: str, files: dict[str, bytes] | None = None, **more: Any) -> dict[str, Any]:
        spec = spec_of(self.studio, {"train.py": code.encode(), **(files or {})}, key, **more)
        return {"type": "attempt", "attempt": key.attempt, "epoch": key.epoch, "spec": spec}

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)
        for directory in (self.home / "attempts").glob("*"):
            (directory / "cancel").write_text('{"grace_seconds": 0}')


@pytest.fixture
def studio() -> Iterator[Studio]:
    made = Studio()
    yield made
    made.close()


@pytest.fixture
def host(tmp_path: Path, studio: Studio) -> Iterator[Host]:
    made = Host(tmp_path / "home", studio)
    made.start()
    yield made
    print((made.home / "agent.out").read_text())
    made.close()


def test_what_a_step_uses_arrives_while_it_runs_and_after_a_kill(host: Host, studio: Studio) -> None:
    key = host.give("import time\nheld = bytearray(30 << 20)\ntime.sleep(60)")
    until(lambda: len(studio.samples.get(key.attempt, b"").splitlines()) >= 2)
    host.end(signal.SIGKILL)
    host.start()
    known = len(studio.samples[key.attempt].splitlines())
    until(lambda: len(studio.samples[key.attempt].splitlines()) > known)
    studio.ask_cancel(key, 0)
    studio.wait("finished", key.attempt)
    samples = [json.loads(line) for line in studio.samples[key.attempt].splitlines()]
    moments = [sample["at"] for sample in samples]
    assert moments == sorted(set(moments)) and samples[-1]["memory"] > 30 << 20


def test_a_step_runs_and_everything_of_it_arrives(host: Host, studio: Studio) -> None:
    code = """
import json, os, sys
print('hello', sys.argv[1:], os.environ['AML_PARAMETER_epochs'])
assert 'AGENT_SECRET' not in os.environ and 'PYTHONDONTWRITEBYTECODE' not in os.environ
assert os.environ['AZUREML_RUN_TOKEN'] == 'duto_run_t' and os.environ['HOME'].startswith(os.environ['TMPDIR'])
import duto, azureml
with open(os.environ['DUTO_SPOOL'], 'a') as spool: spool.write('{"seq":1}\\n{"seq":2}\\n{"half')
os.makedirs(sys.argv[1] + '/deep')
open(sys.argv[1] + '/deep/m.json', 'w').write('{}')
open('outputs/note.txt', 'w').write('kept')
"""
    base = "/agent/v1/attempts/x/1/files"
    output = {"name": "model", "kind": "pipeline_data", "is_directory": None, "put": f"{base}/output/model/"}
    key = host.give(code, arguments=[{"output": "model"}, 7], outputs=[output], params={"epochs": "3"})
    report = studio.wait("finished", key.attempt)
    place = str(host.directory(key) / "outputs" / "model")
    assert bytes(studio.logs[key.attempt]) == f"hello ['{place}', '7'] 3\n".encode()
    assert (report["exit_code"], report["cause"], report["log_size"]) == (0, None, len(studio.logs[key.attempt]))
    assert bytes(studio.spools[key.attempt]) == b'{"seq":1}\n{"seq":2}\n' and report["spool_size"] == 20
    (found,) = report["outputs"]
    assert found["is_directory"] and [file["path"] for file in found["files"]] == ["deep/m.json"]
    assert [file["path"] for file in report["artifacts"]] == ["outputs/note.txt"]
    assert studio.uploads["output/model/deep/m.json"] == b"{}"
    assert studio.uploads["artifact/outputs/note.txt"] == b"kept"
    assert studio.report("started", key.attempt)
    until(lambda: not host.directory(key).exists())


def test_a_finished_report_brings_the_next_work(host: Host, studio: Studio) -> None:
    warm = host.give("pass")
    studio.wait("finished", warm.attempt)
    keys = [AttemptKey(f"chain-{number}", 1) for number in range(20)]
    works = [host.work(key, "pass") for key in keys]
    studio.next = works[1:]
    before = len(studio.exchanges)
    studio.give(works[0])
    studio.wait("finished", keys[-1].attempt, 60)
    reporting = [each for each in studio.exchanges[before:] if each["reports"]]
    assert len(reporting) <= 3 * len(keys), "a short step's reports travel together"
    assert all(studio.report("started", key.attempt) for key in keys)


def test_cancel_ends_the_tree_and_says_so(host: Host, studio: Studio) -> None:
    key = host.give("import subprocess\np = subprocess.Popen(['sleep', '60'])\nprint(p.pid, flush=True)\np.wait()")
    studio.wait("started", key.attempt)
    until(lambda: studio.logs.get(key.attempt))
    sleeper = int(studio.logs[key.attempt])
    studio.ask_cancel(key, 1)
    report = studio.wait("finished", key.attempt, 5)
    assert (report["cause"], report["left_over"]) == ("canceled", 0)
    assert (report["proof"]["left_over"], report["proof"]["signals"]) == (0, ["TERM"])
    assert "None of its processes is left" in report["message"] and not alive(sleeper)


def test_a_failure_names_file_and_line(host: Host, studio: Studio) -> None:
    output = {"name": "model_dir", "kind": "pipeline_data", "is_directory": None, "put": "/x/"}
    key = host.give("import sys\nopen(sys.argv[1] + '/m', 'w')", arguments=[{"output": "model_dir"}], outputs=[output])
    report = studio.wait("finished", key.attempt)
    assert (report["exit_code"], report["cause"]) == (1, "user_error")
    assert (report["traceback"]["file"], report["traceback"]["line"]) == ("train.py", 2)
    assert "output 'model_dir'" in report["message"] and "os.makedirs" in report["message"]


def test_what_cannot_be_staged_is_told_with_its_cause(host: Host, studio: Studio) -> None:
    gone = [{"path": "train.py", "digest": "0" * 64, "size": 1, "get": "/nowhere"}]
    key = host.give("pass", snapshot={"files": gone})
    assert studio.wait("finished", key.attempt)["cause"] == "data_missing"
    lock = {"key": "broken-3.11", "lock": "no-such-package-of-duto==1\n", "python": None, "variables": {}}
    key = host.give("pass", environment=lock)
    report = studio.wait("finished", key.attempt, 60)
    assert report["cause"] == "environment" and "no-such-package-of-duto" in report["message"]
    assert b"no-such-package-of-duto" in bytes(studio.logs[key.attempt])


TALK = """
import itertools, os, sys, time
for number in itertools.count():
    if os.path.exists('stop'):
        break
    sys.stdout.write('line %d\\n' % number)
    if number % 100 == 0:
        time.sleep(0.05)
os.makedirs('outputs', exist_ok=True)
open('outputs/said', 'w').write(str(number))
sys.exit(7)
"""


def test_an_agent_killed_amid_a_step_is_no_loss(host: Host, studio: Studio) -> None:
    key = host.give(TALK)
    for _ in range(3):
        before = len(studio.logs.get(key.attempt, b""))
        until(lambda before=before: len(studio.logs.get(key.attempt, b"")) > before)
        host.end(signal.SIGKILL)
        time.sleep(0.1)
        host.start()
    (host.directory(key) / "work" / "stop").touch()
    report = studio.wait("finished", key.attempt)
    (said,) = (data for path, data in studio.uploads.items() if path.endswith("outputs/said"))
    assert bytes(studio.logs[key.attempt]) == b"".join(b"line %d\n" % number for number in range(int(said)))
    assert report["exit_code"] == 7 and report["log_size"] == len(studio.logs[key.attempt])


def test_a_verdict_that_the_release_before_kept_is_told_as_it_is(host: Host, studio: Studio) -> None:
    host.end(signal.SIGKILL)
    kept = [each for each in json.loads(RECORDED.read_bytes())["reports"] if each["event"] == "finished"]
    for report in kept:
        directory = host.directory(AttemptKey(report["attempt"], report["epoch"]))
        directory.mkdir(parents=True)
        (directory / "spec.json").write_text(json.dumps(spec_of(studio, {}, AttemptKey(report["attempt"], 1))))
        (directory / "finished.json").write_text(json.dumps(report))
    host.start()
    assert len(kept) > 3 and [studio.wait("finished", report["attempt"]) for report in kept] == kept


def test_term_ends_the_agent_at_once_and_the_step_goes_on(host: Host, studio: Studio) -> None:
    key = host.give(
        "import os, time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('done')"
    )
    until(lambda: studio.logs.get(key.attempt))
    host.end()
    assert not (host.directory(key) / "status.json").exists()
    (host.directory(key) / "work" / "go").touch()
    until((host.directory(key) / "status.json").exists)
    assert studio.report("finished", key.attempt) is None
    host.start()
    assert studio.wait("finished", key.attempt)["exit_code"] == 0
    assert bytes(studio.logs[key.attempt]) == b"up\ndone\n"


def test_a_killed_shim_is_told_as_lost_and_the_script_ran_once(host: Host, studio: Studio) -> None:
    key = host.give("import time\nopen('../../../ran', 'a').write('x')\nprint('up', flush=True)\ntime.sleep(60)")
    until(lambda: studio.logs.get(key.attempt))
    known = json.loads((host.directory(key) / "pid.json").read_text())
    os.kill(known["pid"], signal.SIGKILL)
    report = studio.wait("finished", key.attempt)
    assert (report["cause"], report["exit_code"]) == ("lost", None)
    assert (host.home / "ran").read_text() == "x" and not alive(known["child"])


def test_a_studio_that_is_away_costs_the_step_nothing(host: Host, studio: Studio) -> None:
    key = host.give("import time\nfor i in range(10):\n    print(i, flush=True)\n    time.sleep(0.1)")
    until(lambda: studio.logs.get(key.attempt))
    studio.broken = True
    until((host.directory(key) / "status.json").exists)  # it has ended meanwhile
    refused = studio.refused
    until(lambda: studio.refused > refused)
    studio.broken = False
    report = studio.wait("finished", key.attempt)
    assert report["exit_code"] == 0
    assert bytes(studio.logs[key.attempt]) == b"".join(b"%d\n" % i for i in range(10))


def test_a_stale_epoch_is_stopped_and_forgotten(host: Host, studio: Studio) -> None:
    key = host.give("import os, time\nwhile True:\n    print(os.getpid(), flush=True)\n    time.sleep(0.1)")
    until(lambda: studio.logs.get(key.attempt))
    script = int(bytes(studio.logs[key.attempt]).split()[0])
    studio.stale.add(key.attempt)
    until(lambda: not host.directory(key).exists())
    assert not alive(script) and studio.report("finished", key.attempt) is None


def test_the_same_work_twice_runs_once(host: Host, studio: Studio) -> None:
    key = host.give(TALK)
    studio.wait("started", key.attempt)
    studio.give(host.work(key, TALK))
    until(lambda: studio.logs.get(key.attempt))
    (host.directory(key) / "work" / "stop").touch()
    studio.wait("finished", key.attempt)
    assert bytes(studio.logs[key.attempt]).count(b"line 0\n") == 1


def test_a_build_streams_its_log_and_names_its_lock(host: Host, studio: Studio) -> None:
    studio.give({"type": "build", "build": "b1", "spec": {"python": None, "packages": ["six==1.17.0"]}})
    report = studio.wait("ready", "b1", 60)
    assert report["lock"] == "six==1.17.0\n" and report["python"].startswith("3.")
    assert b"six==1.17.0" in bytes(studio.logs["b1"])
    studio.give({"type": "build", "build": "b2", "spec": {"python": "3.11", "packages": ["no-such-package-of-duto"]}})
    assert "'no-such-package-of-duto' does not exist" in studio.wait("failed", "b2", 60)["message"]


def test_a_shared_disk_moves_no_bytes_over_http(tmp_path: Path, studio: Studio) -> None:
    data = tmp_path / "data"
    (data / "store").mkdir(parents=True)
    (data / "store-marker").write_text("m1")
    code = "import sys\nopen(sys.argv[1], 'w').write(open(sys.argv[2] + '/a.csv').read())"
    (data / "store" / "blob").write_text(code)
    (data / "datastores" / "raw").mkdir(parents=True)
    (data / "datastores" / "raw" / "a.csv").write_text("1,2")
    host = Host(data / "agent", studio, data_dir=str(data), store_marker="m1")
    host.start()
    try:
        file = {"path": "a.csv", "size": 3}
        key = host.give(
            "", snapshot={"files": [{"path": "train.py", "direct": "store/blob"}]},
            inputs=[{"name": "raw", "mode": "mount", "direct": "datastores/raw", "files": [file]}],
            outputs=[{"name": "copy", "kind": "pipeline_data", "is_directory": None, "put": "/x/"}],
            arguments=[{"output": "copy"}, {"input": "raw"}],
        )  # fmt: skip
        report = studio.wait("finished", key.attempt)
        assert report["message"] == "" and report["left_at"] == f"agent/attempts/{key.folder}"
        assert report["outputs"][0]["files"][0]["size"] == 3 and not report["outputs"][0]["is_directory"]
        assert not studio.uploads and studio.exchanges[0]["host"]["store_marker"] == "m1"
    finally:
        host.close()


def test_the_same_work_in_two_answers_at_once_runs_once(host: Host, studio: Studio) -> None:
    """The two conversations may both be told: one of them gets it, and the other's answer is used all the same."""
    code = "open('../../../ran-' + __import__('os').environ['AZUREML_RUN_ID'], 'a').write('x')"
    keys = [AttemptKey(f"twice-{number}", 1) for number in range(10)]
    works = [host.work(key, code, variables={"AZUREML_RUN_ID": key.attempt}) for key in keys]
    with studio.lock:
        studio.work += [each for work in works for each in (work, work)]
        studio.lock.notify_all()
    for key in keys:
        studio.wait("finished", key.attempt)
        until(lambda key=key: not host.directory(key).exists())
    assert [(host.home / f"ran-{key.attempt}").read_text() for key in keys] == ["x"] * 10
