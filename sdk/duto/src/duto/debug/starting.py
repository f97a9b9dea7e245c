"""Command and variables of a step on this machine, what is written beside it, and its start."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from duto import credentials
from duto.debug.document import Launch, read
from duto.debug.folder import LAUNCH, DebugFolder
from duto.exceptions import UserErrorException
from duto.run.offline import METRICS
from duto.spec import bindings, parallel, spark, step_variables
from duto.spec.bindings import Bound, Unbound
from duto.spec.filenames import unescaped_path
from duto.spec.kinds import KINDS
from duto.spec.secrets import VARIABLE, mark_of, variable_of
from duto.spec.step_variables import Surroundings
from duto.spec.units import counted

START = ".duto/start.json"
# Of one's own machine a step sees these: without them nothing starts on Windows, or reads as it should in a terminal.
KEPT = ("TERM", "COLORTERM", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS")
_ASKED = re.compile(r"""get_secret\(\s*(?:name\s*=\s*)?["']([A-Za-z0-9-]{1,127})["']""")
_CODE = (".py", ".ipynb", ".R", ".r", ".sh")
_READ_AT_MOST = 1 << 20
# One process of a script that is written for several.
_ALONE = {
    "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "NODE_RANK": "0",
    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "AZ_BATCHAI_TASK_INDEX": "0",
    "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0",
    "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Start:
    """What is started: the words of the command, its folder, its variables; the metrics go to a file."""

    argv: List[str]
    cwd: str
    variables: Dict[str, str]
    metrics: str

    def as_document(self) -> Dict[str, Any]:
        return {"argv": self.argv, "cwd": self.cwd, "variables": self.variables, "metrics": self.metrics}


def start_of(folder: DebugFolder, bound: Bound, python: str, studio: str) -> Start:
    """The step's own command and variables, over what lies in this folder.

    Raises:
        UserErrorException: this machine lacks what the kind of the step needs, or an argument names nothing.
    """
    launch = folder.launch
    _require_tools(launch)
    try:
        argv = _argv(folder, bound, python)
    except Unbound as error:
        raise UserErrorException(str(error)) from error
    (folder.own / "tmp" / "home").mkdir(parents=True, exist_ok=True)
    data = bindings.variables(launch.params, bound)
    own = dict(launch.environment.variables)
    around = Surroundings(
        home=str(folder.own / "tmp" / "home"),
        temporary=str(folder.own / "tmp"),
        tracking=(folder.own / "tmp" / "mlflow").resolve().as_uri(),
        python_path=(str(folder.own / "sdk"), str(folder.code)),
        bin_folder=str(Path(python).parent),
        cores=os.cpu_count() or 1,
        studio=studio,
        path=tuple(os.environ.get("PATH", os.defpath).split(os.pathsep)),
    )
    variables = {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **(_ALONE if launch.distribution else {}),
        **_driver_variables(folder),
        **step_variables.of_step(launch.variables, data, own, around),
        METRICS: str(folder.metrics),
    }
    variables.pop(credentials.FILE_VARIABLE, None)
    if credentials.credentials_path().is_file():
        variables[credentials.FILE_VARIABLE] = str(credentials.credentials_path())
    return Start(argv, str(folder.code), variables, str(folder.metrics))


def notes_of(launch: Launch, code: Path) -> List[str]:
    """What is other than in the studio, and what a person has to give themselves."""
    found = []
    if launch.reused_by:
        found.append(f"The step was reused: this is the run {launch.run} that did the work.")
    if launch.processes > 1:
        found.append(f"The studio starts {launch.processes} processes of the script; here it is one, of rank 0 of 1.")
    if launch.kind == parallel.KIND:
        found.append("All its mini-batches are worked on by one process, one after the other.")
    if launch.environment.image:
        found.append(f"It ran in a container of {launch.environment.image}; here it runs on this machine's own system.")
    if launch.environment.r:
        found.append("Packages of R are not brought: the script has those of this machine.")
    withheld = [name for name in launch.environment.withheld if name not in os.environ]
    if withheld:
        found.append(
            f"Variables that look like secrets are not brought: {', '.join(withheld)}. Set them in your own environment, "
            "from which they are passed on."
        )
    lacking = [variable_of(name) for name in launch.secrets if variable_of(name) not in os.environ]
    if lacking:
        found.append(f"Values of secret parameters are not brought; set these variables: {', '.join(lacking)}.")
    asked = [name for name in secrets_in(code) if variable_of(name) not in os.environ]
    if asked:
        given = ", ".join(f"{variable_of(name)} ({name})" for name in asked)
        found.append(f"Secrets of the workspace are not brought. The code asks for some; set these variables: {given}.")
    return found


def secrets_in(code: Path) -> List[str]:
    """Names of secrets that the code asks for by a text."""
    found: Dict[str, None] = {}
    for path in sorted(code.rglob("*")):
        if path.suffix in _CODE and path.is_file() and path.stat().st_size <= _READ_AT_MOST:
            found.update(dict.fromkeys(_ASKED.findall(path.read_text(encoding="utf-8", errors="replace"))))
    return list(found)


def write_files(folder: DebugFolder, start: Start, notes: Sequence[str], line: str) -> None:
    """`run.sh` (`run.cmd` on Windows), a launch file for VS Code, and a README."""
    words = [sys.executable, "-m", "duto.debug", str(folder.path)]
    (folder.path / START).write_text(json.dumps(start.as_document(), indent=1) + "\n", encoding="utf-8")
    sdk = str(folder.own / "sdk")
    if os.name == "nt":
        text = f'@set "PYTHONPATH={sdk}"\r\n@{subprocess.list2cmdline(words)} %*\r\n'
        (folder.path / "run.cmd").write_text(text, encoding="utf-8")
    else:
        script = folder.path / "run.sh"
        script.write_text(
            "#!/bin/sh\n# Starts the step again, with the code that lies in code/. With --shell: a shell in its environment.\n"
            f'PYTHONPATH={shlex.quote(sdk)} exec {" ".join(map(shlex.quote, words))} "$@"\n',
            encoding="utf-8",
        )
        script.chmod(0o755)
    if vscode := _of_vscode(folder.launch, start):
        place = folder.path / ".vscode" / "launch.json"
        place.parent.mkdir(exist_ok=True)
        text = json.dumps(vscode, indent=2).replace("${" + VARIABLE, "${env:" + VARIABLE)
        place.write_text(text + "\n", encoding="utf-8")
    (folder.path / "README.md").write_text(_readme(folder, notes, line), encoding="utf-8")


def run_here(path: Path, is_shell: bool = False) -> int:
    """Start what this folder holds and wait for its end; its exit code, of a signal 128 and its number."""
    try:
        found = json.loads((path / START).read_text(encoding="utf-8"))
        folder = DebugFolder(path, read(json.loads((path / LAUNCH).read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        raise UserErrorException(f"'{path}' is no folder that `duto debug` made: {error}") from error
    variables = {str(name): str(value) for name, value in found["variables"].items()}
    passed = [*folder.launch.environment.withheld, *(name for name in os.environ if name.startswith(VARIABLE))]
    variables.update({name: os.environ[name] for name in passed if name in os.environ})
    is_line = KINDS[folder.launch.kind].is_shell
    argv = _shell() if is_shell else [_with_secrets(str(each), folder.launch, is_line) for each in found["argv"]]
    variables = {name: _with_secrets(value, folder.launch) for name, value in variables.items()}
    if not is_shell:
        folder.clear_outputs()
        with contextlib.suppress(FileNotFoundError):
            folder.metrics.unlink()
    try:
        process = subprocess.Popen(argv, cwd=found["cwd"], env=variables)
    except OSError as error:
        raise UserErrorException(f"'{argv[0]}' could not be started: {error}") from error
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue  # the script hears of it as well, and says when it is done
    if not is_shell:
        _print_end(folder, code)
    return code if code >= 0 else 128 - code


def _with_secrets(text: str, launch: Launch, is_line: bool = False) -> str:
    """A text with the values of secret parameters, which are never written down: of variables that a person has set. In a line
    for a shell each stands in single quotes. Raises `UserErrorException` for one that is not set."""
    for name in launch.secrets:
        mark = mark_of(name)
        if mark not in text:
            continue
        value = os.environ.get(variable_of(name))
        if value is None:
            raise UserErrorException(
                f"The value of the secret parameter '{name}' was not brought to this machine. Give it by the variable "
                f"{variable_of(name)}."
            )
        text = text.replace(mark, value.replace("'", "'\"'\"'") if is_line else value)
    return text


def _print_end(folder: DebugFolder, code: int) -> None:
    """On stderr, so that what the script printed stays what it is."""
    count = metrics_in(folder.metrics)
    kept = f" {counted(count, 'metric value')} in {folder.metrics}." if count else ""
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    sys.stdout.flush()
    sys.stderr.write(f"duto: The step {ended}.{kept}\n")


def metrics_in(path: Path) -> int:
    """How many values a file of metrics holds."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(1 for line in lines if '"op": "metric"' in line)


def _shell() -> List[str]:
    if os.name == "nt":
        return [os.environ.get("COMSPEC", "cmd.exe")]
    return [os.environ.get("SHELL") or "/bin/sh"]


def _argv(folder: DebugFolder, bound: Bound, python: str) -> List[str]:
    launch = folder.launch
    kind = KINDS[launch.kind]
    if kind.is_shell:
        program = shutil.which("bash") or shutil.which("sh") or "/bin/sh"
        return [program, "-c", "--", bindings.command(launch.arguments, bound, launch.params), "command"]
    script = unescaped_path(launch.script)
    if kind.has_script and not (folder.code / script).is_file():
        raise UserErrorException(f"The code has no '{launch.script}', which the step starts.")
    if kind.runs_its_script and os.name != "nt":
        (folder.code / script).chmod(0o755)
    start = kind.starting(python, script, launch.settings)
    return [*start, *bindings.arguments(launch.arguments, bound, launch.params)]


def _require_tools(launch: Launch) -> None:
    kind = KINDS.get(launch.kind)
    if kind is None or not kind.runs_elsewhere:
        raise UserErrorException(f"A step of the kind '{launch.kind}' cannot be started by this SDK.")
    if kind.needs_r and shutil.which(str(launch.settings.get("rscript") or "Rscript")) is None:
        raise UserErrorException("The step runs a script of R, and there is no Rscript on the PATH. Install R.")
    if kind.needs_java and shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise UserErrorException("The step runs on Spark, and there is no java on the PATH. Install Java 8, 11 or 17.")
    if os.name == "nt" and (kind.is_shell or kind.runs_its_script) and shutil.which("sh") is None:
        raise UserErrorException("The step runs a line of a shell. Start it in WSL, or where sh is on the PATH.")


def _driver_variables(folder: DebugFolder) -> Dict[str, str]:
    """What the driver of a parallel or Spark step is told, as by an agent."""
    launch, own = folder.launch, folder.own / "tmp"
    config: Dict[str, Any] = {
        "settings": launch.settings,
        "cores": os.cpu_count() or 1,
        "ledger": str(own / "ledger.jsonl"),
    }
    if launch.kind == parallel.KIND:
        forms = {each.name: each.partition_format for each in launch.inputs if each.partition_format}
        config["settings"] = {**launch.settings, "node_count": 1, "process_count_per_node": 1}
        config.update(partition_formats=forms, folder=str(own / "parallel"), earlier=[])
        return {"DUTO_PARALLEL": json.dumps(config)}
    if launch.kind in spark.KINDS:
        config.update(master="", memory=None, folder=str(own / "spark"))
        return {"DUTO_SPARK": json.dumps(config)}
    return {}


def _of_vscode(launch: Launch, start: Start) -> Dict[str, Any]:
    """A configuration for its debugger; nothing for what is no program of Python."""
    words: Tuple[str, ...] = KINDS[launch.kind].start
    if KINDS[launch.kind].is_shell or words[:1] != ("{python}",):
        return {}
    if words[1] == "-m":
        target: Dict[str, Any] = {"module": start.argv[2], "args": start.argv[3:]}
    else:
        target = {"program": str(Path(start.cwd) / start.argv[1]), "args": start.argv[2:]}
    return {
        "version": "0.2.0",
        "configurations": [
            {
                "name": launch.step, "type": "debugpy", "request": "launch", "python": start.argv[0], "cwd": start.cwd,
                "env": start.variables, "console": "integratedTerminal", "justMyCode": True, **target,
            }
        ],
    }  # fmt: skip


def _readme(folder: DebugFolder, notes: Sequence[str], line: str) -> str:
    launch = folder.launch
    inputs = "".join(
        f"* `{each.name}` is {each.origin or 'nothing'}, {len(each.files)} files\n" for each in launch.inputs
    )
    differences = "".join(f"* {each}\n" for each in notes)
    return (
        f"# The step {launch.step}\n\n"
        f"Of the experiment {launch.experiment}, step run {launch.run} ({launch.status}). Made by:\n\n    {line}\n\n"
        "Change what lies in `code/` and start it by `run.sh` (`run.cmd` on Windows), by the debugger of VS Code, or by the "
        "same line once more, which keeps what you changed.\n\n"
        "| what | is |\n|---|---|\n"
        "| `code/` | the code of the run, and the folder in which the script starts |\n"
        "| `inputs/` | copies of what it read |\n"
        "| `outputs/` | what it writes; emptied at each start |\n"
        "| `metrics.jsonl` | what it logs, a JSON document a line; new at each start |\n"
        "| `environment/`, `.venv/` | its packages, and its Python where that was built |\n"
        "| `.duto/` | the SDK, the variables, and what was brought |\n\n"
        f"## Inputs\n\n{inputs or 'It has none.'}\n\n"
        + (f"## Other than in the studio\n\n{differences}" if differences else "")
    )
