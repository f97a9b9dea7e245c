"""`duto debug`: a step of a run in a folder of this machine, and its start there."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any, List, Tuple

from duto.cli.access import workspace_of
from duto.cli.output import Output, table
from duto.client.http import segment
from duto.debug import environment
from duto.debug.document import read
from duto.debug.folder import LAUNCH, DebugFolder
from duto.debug.starting import Start, notes_of, run_here, start_of, write_files
from duto.exceptions import NotFoundException, UserErrorException
from duto.spec.units import size_text


def debug(options: argparse.Namespace, output: Output) -> int:
    """GET runs/{id}/launch/, what it names, and the start of the script."""
    if output.is_json and not options.prepare_only:
        raise UserErrorException("What a script prints is no JSON document: --json goes with --prepare-only.")
    workspace = workspace_of(options)
    document = workspace._client.get(workspace._path(f"runs/{segment(_step_run(workspace, options))}/launch/"))
    launch = read(document)
    path = Path(options.folder or f"debug-{_plain(launch.step)}-{launch.run[:8]}").resolve()
    folder = DebugFolder(path, launch)
    folder.claim(options.overwrite)
    (path / LAUNCH).write_text(json.dumps(document), encoding="utf-8")
    missing = folder.missing()
    if not output.is_json:
        _show_inputs(folder, output)
    folder.require_assent(missing, options.yes)
    folder.bring(workspace, missing)
    python = _python(folder, options, output)
    start = start_of(folder, folder.bind(), python, workspace.studio_url)
    notes = [*notes_of(launch, folder.code), *folder.notes]
    write_files(folder, start, notes, _line(options))
    _print_result(folder, start, notes, output)
    if options.prepare_only:
        return 0
    sys.stdout.flush()
    return run_here(path, options.shell)


def _step_run(workspace: Any, options: argparse.Namespace) -> str:
    """The id of the step run that is meant: that of a step's name, or of the id itself."""
    run = str(options.run)
    try:
        facts = workspace._client.get(workspace._path(f"runs/{segment(run)}/"))
    except NotFoundException as error:
        if (error.facts or {}).get("workspace"):  # it is the workspace that there is not, and it says so
            raise
        raise NotFoundException(
            f"There is no run '{run}' in workspace '{workspace.name}'. A run is named by its id, which its page and "
            "`duto runs` show; one that was deleted cannot be debugged."
        ) from error
    if options.step is None:
        return str(facts["id"])
    steps = list(workspace._pages(f"runs/{segment(run)}/steps/"))
    named = [each["id"] for each in steps if options.step in (each["step"]["name"], each["id"])]
    if len(named) == 1:
        return str(named[0])
    if named:
        raise UserErrorException(
            f"Several steps of the run are called '{options.step}'; name one by its id: {', '.join(map(str, named))}."
        )
    names = ", ".join(each["step"]["name"] for each in steps[:20]) or "none"
    raise NotFoundException(f"The run {run} has no step '{options.step}'. It has: {names}.")


def _show_inputs(folder: DebugFolder, output: Output) -> None:
    launch = folder.launch
    output.lines(None, f"{launch.step}  {launch.status}  {launch.run}")
    rows: List[Tuple[object, ...]] = [
        (each.name, each.mode, len(each.files), size_text(each.size), each.origin) for each in launch.inputs
    ]
    if rows:
        output.lines(None, *table(("INPUT", "MODE", "FILES", "SIZE", "FROM"), rows))


def _python(folder: DebugFolder, options: argparse.Namespace, output: Output) -> str:
    """The interpreter that starts the script: built, or the one that runs this command."""
    found = folder.launch.environment
    environment.write_definition(folder.path / "environment", found)
    missing = environment.copy_sdk(folder.own / "sdk")
    if missing:
        folder.notes.append(
            "The names of Azure's SDK (azureml) are not installed here, and the script does not have them: "
            "pip install duto-azureml from the studio's index (docs/sdk.md)."
        )
    if options.no_environment:
        folder.notes.append(f"It starts with {sys.executable} and what is installed there, not with its own packages.")
        return sys.executable
    if found.is_user_managed:
        folder.notes.append(
            f"Its environment is managed by its users, so none is built: it starts with {sys.executable}."
        )
        return sys.executable
    say = (lambda line: None) if output.is_json else (lambda line: output.lines(None, line))
    return str(environment.ensure(folder.path / ".venv", found, say))


def _print_result(folder: DebugFolder, start: Start, notes: List[str], output: Output) -> None:
    document = {
        "run": folder.launch.run, "step": folder.launch.step, "folder": str(folder.path), "argv": start.argv,
        "cwd": start.cwd, "metrics": start.metrics, "notes": notes,
    }  # fmt: skip
    output.lines(document, *(f"note: {each}" for each in notes), f"The step lies in {folder.path}.")


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:40] or "step"


def _line(options: argparse.Namespace) -> str:
    words = ["duto", "debug", str(options.run), *([str(options.step)] if options.step else [])]
    return " ".join(f'"{each}"' if re.search(r"[^\w.-]", each) else each for each in words)
