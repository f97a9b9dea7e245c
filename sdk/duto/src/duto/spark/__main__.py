"""`python -m duto.spark script.py arguments...`: the driver of a Spark step, by what `DUTO_SPARK` says (docs/spark.md).

It starts `spark-submit` of the step's environment on the script, in client mode: the script's log, exit code and end are the
step's. Meanwhile it looks at Spark's page and keeps the ledger of stages.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from duto.spark.java import NoJava, java_for
from duto.spark.watcher import MARK, Watcher
from duto.spec.spark import Node, Settings, Submission, is_local, settings_of, submission_of

VARIABLE = "DUTO_SPARK"
LOOPBACK = "127.0.0.1"
EVERY_S, LOOKS_OF_TIME = 1.0, 5
CANCELED = 143
# What a script gets as arguments on Databricks, where it has no variables of the run.
TOLD = (
    "AZUREML_RUN_TOKEN",
    "AZUREML_RUN_TOKEN_EXPIRY",
    "AZUREML_RUN_ID",
    "AZUREML_ARM_SUBSCRIPTION",
    "AZUREML_ARM_RESOURCEGROUP",
    "AZUREML_ARM_WORKSPACE_NAME",
    "AZUREML_ARM_PROJECT_NAME",
    "AZUREML_SERVICE_ENDPOINT",
    "AZUREML_WORKSPACE_ID",
    "AZUREML_EXPERIMENT_ID",
)


class CannotRun(Exception):
    """Told at the end of the step's log, and on its page."""


def main(given: Mapping[str, Any], arguments: Sequence[str]) -> int:
    """Run the step; its exit code. Raises CannotRun."""
    try:
        settings = settings_of(given["settings"])
        home, version = _spark()
        java = java_for(version, {**os.environ, **settings.variables})
    except (ValueError, NoJava) as error:
        raise CannotRun(str(error)) from None
    folder = Path(str(given["folder"]))
    for each in (folder, folder / "events", folder / "local"):
        each.mkdir(parents=True, exist_ok=True)
    _make_way(settings)
    master = settings.conf.get("spark.master", str(given.get("master") or ""))
    address = LOOPBACK if not master or is_local(master) else _own_address(master)
    mark, port = uuid.uuid4().hex, _port(settings, address)
    node = Node(int(given.get("cores") or os.cpu_count() or 1), given.get("memory"), str(folder))
    submission = submission_of(settings, master, node, _own(folder, mark, port))
    for note in submission.notes:
        print(note, flush=True)
    print(f"Spark {version} on {submission.master}, Java of {java}", flush=True)
    watcher = Watcher(Path(str(given["ledger"])), address, port, mark, folder / "events")
    return _run(
        _command(home, submission, settings, arguments), _variables(settings, home, java, folder, address), watcher
    )


def _run(command: List[str], variables: Dict[str, str], watcher: Watcher) -> int:
    canceled: List[float] = []
    process = subprocess.Popen(command, env=variables)

    def end(*_: object) -> None:
        canceled.append(time.time())
        with contextlib.suppress(OSError):
            process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    while process.poll() is None:
        began = time.monotonic()
        if not canceled:
            watcher.look()
        lasted = time.monotonic() - began
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(EVERY_S, lasted * LOOKS_OF_TIME))
    code = process.returncode
    if canceled:
        watcher.end("canceled", canceled_at=canceled[0])
        return CANCELED
    watcher.end("failed" if code else "completed", f"exit code {code}" if code else "")
    return code if code >= 0 else 128 - code


def _spark() -> Tuple[Path, str]:
    """The folder of the environment's pyspark, and its version."""
    found = importlib.util.find_spec("pyspark")
    place = Path(found.origin).parent if found is not None and found.origin else None
    if place is None or not (place / "bin/spark-class").is_file():
        raise CannotRun(
            "The environment of this step has no pyspark: name it among its packages (pip: pyspark==3.5.*), or leave the "
            "step's environment out for one that has it."
        )
    match = re.search(r'__version__[^=\n]*= *["\']([^"\']+)', (place / "version.py").read_text(encoding="utf-8"))
    return place, match[1] if match else "3.5"


def _make_way(settings: Settings) -> None:
    """Outputs of the mode hdfs: Spark refuses to write into a folder that is there."""
    for name in settings.new_outputs:
        with contextlib.suppress(OSError, KeyError):
            Path(os.environ[name]).rmdir()


def _own(folder: Path, mark: str, port: int) -> Dict[str, str]:
    """Settings that those of the step go before."""
    return {
        MARK: mark,
        "spark.ui.port": str(port),
        "spark.ui.killEnabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "WARN",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": (folder / "events").as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        # Without a file of checksums beside each that is written.
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    }


def _command(home: Path, submission: Submission, settings: Settings, arguments: Sequence[str]) -> List[str]:
    script, *rest = arguments
    if settings.tells_run:
        rest += [word for name in TOLD for word in (f"--{name}", os.environ.get(name, ""))]
        rest += ["--AZUREML_SCRIPT_DIRECTORY_NAME", "."]
    return [
        "bash",
        str(home / "bin/spark-class"),
        "org.apache.spark.deploy.SparkSubmit",
        *submission.words,
        script,
        *rest,
    ]


def _variables(settings: Settings, home: Path, java: Path, folder: Path, address: str) -> Dict[str, str]:
    own = {
        "SPARK_HOME": str(home),
        "JAVA_HOME": str(java),
        "SPARK_LOCAL_IP": address,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "TMPDIR": str(folder),
    }
    return {**os.environ, **own, **settings.variables}


def _own_address(master: str) -> str:
    """The address by which the master's workers reach this host: that of the way to it."""
    host, _, port = master[len("spark://") :].partition(",")[0].rpartition(":")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, int(port)))  # nothing is sent
            return str(probe.getsockname()[0])
    except (OSError, ValueError) as error:
        raise CannotRun(f"The master {master} of the compute target is not reached from this host: {error}") from None


def _port(settings: Settings, address: str) -> int:
    """Where Spark's page is looked for; 0 for nowhere."""
    if settings.conf.get("spark.ui.enabled", "").lower() == "false":
        return 0
    own = settings.conf.get("spark.ui.port")
    if own is not None:
        return int(own) if own.isdigit() else 0
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(json.loads(os.environ[VARIABLE]), sys.argv[1:]))
