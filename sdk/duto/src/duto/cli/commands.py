"""What each command does with a workspace: the SDK's own classes do it, here it is printed."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import uuid
from itertools import islice
from typing import Any, Dict, List

from duto.cli.access import workspace_of
from duto.cli.output import Output, duration, local_time, table
from duto.client.http import segment, waiting
from duto.exceptions import NotFoundException, UserErrorException
from duto.pipeline.pipeline_run import PipelineRun
from duto.pipeline.published import PublishedPipeline
from duto.run.lookup import failure_text
from duto.run.run import Run
from duto.run.watching import Follower
from duto.spec import status as statuses
from duto.spec.units import size_text
from duto.workspace.workspace import Workspace

FAILED, CANCELED = 6, 7
_PAGE, _PAUSE = 100, 1.0


def runs(options: argparse.Namespace, output: Output) -> int:
    """GET runs/."""
    asked = workspace_of(options)._pages(
        "runs/", experiment=options.experiment, status=options.status, limit=min(options.limit, _PAGE)
    )
    items = list(islice((item for item in asked if not item.get("parent")), options.limit))
    rows = [
        (
            item["id"],
            item["status"],
            item["experiment"],
            item.get("display_name"),
            local_time(item["created_at"]),
            duration(item),
        )
        for item in items
    ]
    output.table(items, ("ID", "STATUS", "EXPERIMENT", "NAME", "CREATED", "TOOK"), rows, "There are no such runs.")
    return 0


def run(options: argparse.Namespace, output: Output) -> int:
    """GET runs/{id}/ and its steps; with `--wait`, when it is over."""
    found: Any = Run.get(workspace_of(options), options.run)
    return _wait(found, output) if options.wait else _show(found, output)


def logs(options: argparse.Namespace, output: Output) -> int:
    """GET runs/{id}/log/ of the run, of one of its steps, or of all."""
    if options.follow and output.is_json:
        raise UserErrorException("A log that goes on is no JSON document: leave --json or --follow out.")
    found: Any = Run.get(workspace_of(options), options.run)
    chosen = _runs_with_logs(found, options.step)
    if output.is_json:
        texts = [
            {"id": each.id, "step": name, "log": _log(each).decode("utf-8", "replace")} for name, each in chosen.items()
        ]
        output.lines(texts)
    elif options.follow:
        _follow(found if options.step is None else next(iter(chosen.values())))
    else:
        for name, each in chosen.items():
            if len(chosen) > 1:
                Follower(each, f"[{name}] ").show(True)
            else:
                sys.stdout.buffer.write(_log(each))
    return 0


def cancel(options: argparse.Namespace, output: Output) -> int:
    """POST runs/{id}/cancel/."""
    found: Any = Run.get(workspace_of(options), options.run)
    found.cancel()
    facts = found._facts()
    output.lines(facts, f"{found.id}: {facts['status']}")
    return 0


def trigger(options: argparse.Namespace, output: Output) -> int:
    """Start a published pipeline by its address."""
    workspace = workspace_of(options)
    pipeline = _pipeline(workspace, options.pipeline)
    # What the SDK tells a program's reader is none of the document.
    with contextlib.redirect_stdout(sys.stderr if output.is_json else sys.stdout):
        started: Any = pipeline.submit(workspace, options.experiment, dict(options.parameter))
    if options.wait:
        return _wait(started, output)
    if output.is_json:
        output.lines(started._facts())
    return 0


def plan(options: argparse.Namespace, output: Output) -> int:
    """What starting a published pipeline would do."""
    found = _pipeline(workspace_of(options), options.pipeline).plan(
        options.experiment, dict(options.parameter), regenerate_outputs=options.regenerate_outputs
    )
    output.lines(found.to_dict(), *str(found).splitlines())
    return 0


def datasets(options: argparse.Namespace, output: Output) -> int:
    """GET datasets/, or the versions of one."""
    workspace = workspace_of(options)
    if options.name is None:
        items = list(workspace._pages("datasets/"))
        rows = [(each["name"], each["kind"], *_version(each.get("latest") or {})) for each in items]
    else:
        place = f"datasets/{segment(options.name)}/"
        workspace._client.get(workspace._path(place))  # a name that nobody has has no versions, and is refused here
        items = list(workspace._pages(f"{place}versions/"))
        rows = [(each["name"], each["kind"], *_version(each)) for each in items]
    headers = ("NAME", "KIND", "VERSION", "STATUS", "FILES", "SIZE", "CREATED")
    output.table(items, headers, rows, "There are no datasets.")
    return 0


def compute(options: argparse.Namespace, output: Output) -> int:
    """GET compute/, or one cluster with its nodes."""
    workspace = workspace_of(options)
    if options.name is not None:
        return _cluster(workspace._client.get(workspace._path(f"compute/{segment(options.name)}/")), output)
    items = list(workspace._pages("compute/"))
    rows = [
        (each["name"], each["vm_size"], each["min_nodes"], each["max_nodes"], each["provisioning_state"])
        for each in items
    ]
    output.table(items, ("NAME", "SIZE", "MIN", "MAX", "STATE"), rows, "There are no clusters.")
    return 0


def _cluster(found: Dict[str, Any], output: Output) -> int:
    rows = [(node["name"], node["state"], node["host"], node["run"]) for node in found["nodes"]]
    output.lines(
        found,
        f"{found['name']}  {found['vm_size']}  {found['min_nodes']} to {found['max_nodes']} nodes",
        *(table(("NODE", "STATE", "HOST", "RUN"), rows) if rows else ("It has no nodes now.",)),
    )
    return 0


def _version(item: Dict[str, Any]) -> List[object]:
    size = item.get("size")
    return [
        item.get("version"), item.get("status"), item.get("file_count"),
        "" if size is None else size_text(size), local_time(item.get("created_at")),
    ]  # fmt: skip


def _steps(found: Any) -> List[Any]:
    return list(found.get_steps()) if isinstance(found, PipelineRun) else []


def _show(found: Any, output: Output) -> int:
    """The run as it is now."""
    facts, steps = found._fresh(), [step._facts() for step in _steps(found)]
    lines = [
        f"{found.id}  {facts['status']}",
        f"{facts['experiment']}  {facts.get('display_name') or ''}  {local_time(facts['created_at'])}  {duration(facts)}".rstrip(),
        found.get_portal_url(),
    ]
    if facts.get("error"):
        lines.append(str(facts["error"].get("message") or facts["error"].get("cause") or ""))
    rows = [(each["step"]["name"], _state(each), duration(each), each["id"]) for each in steps]
    output.lines({**facts, "steps": steps}, *lines, *(table(("STEP", "STATUS", "TOOK", "ID"), rows) if rows else ()))
    return 0


def _state(item: Dict[str, Any]) -> str:
    return f"{item['status']} (reused)" if item.get("is_reused") else str(item["status"])


def _wait(found: Any, output: Output) -> int:
    """Wait for the end; how it ended is the exit code."""
    found.wait_for_completion(show_output=not output.is_json, raise_on_error=False)
    if output.is_json:
        _show(found, output)
    status = found._fresh()["status"]
    if status == statuses.COMPLETED:
        return 0
    sys.stderr.write(f"duto: {failure_text(found)}\n")
    return CANCELED if status == statuses.CANCELED else FAILED


def _runs_with_logs(found: Any, step: Any) -> Dict[str, Any]:
    """The runs that have a log, by the names of their steps."""
    steps = {each.name: each for each in _steps(found)}
    if step is None:
        return steps or {found.name: found}
    if step not in steps:
        raise NotFoundException(f"The run {found.id} has no step '{step}'. It has: {', '.join(steps) or 'none'}.")
    return {step: steps[step]}


def _log(found: Any) -> bytes:
    return b"".join(data for data, _offset, _attempt in found._log_windows())


@waiting()
def _follow(found: Any) -> None:
    """Print the log until the end."""
    if isinstance(found, PipelineRun):
        found.wait_for_completion(show_output=True, raise_on_error=False)
        return
    follower = Follower(found)
    while True:
        is_over = statuses.is_terminal(str(found._fresh()["status"]))
        follower.show(is_over)
        if is_over:
            return
        time.sleep(_PAUSE)


def _pipeline(workspace: Workspace, asked: str) -> PublishedPipeline:
    """The published pipeline of an id or a name. Raises where several have the name: a wrong one is worse than none."""
    with contextlib.suppress(ValueError):
        return PublishedPipeline.get(workspace, str(uuid.UUID(asked)))
    active = PublishedPipeline.list(workspace)
    named = [each for each in active if each.name == asked]
    if len(named) == 1:
        return named[0]
    if named:
        ids = "".join(f"{os.linesep}  {each.id}  version {each.version or '-'}" for each in named)
        raise UserErrorException(f"Several published pipelines are called '{asked}'; say which by its id:{ids}")
    names = sorted({each.name for each in active})
    raise NotFoundException(
        f"There is no active published pipeline '{asked}'. There are: {', '.join(names) or 'none'}."
    )
