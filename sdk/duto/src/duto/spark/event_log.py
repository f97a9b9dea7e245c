"""Spark's own log of an application's events: what its page tells no more once the application is over."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from duto.spec.stages import ACTIVE, CANCELED, COMPLETE, FAILED, PENDING, SKIPPED

_TASK = re.compile(rb'\{"Event":"SparkListenerTaskEnd","Stage ID":(\d+),"Stage Attempt ID":(\d+),')
_SUCCESS = b'"Task End Reason":{"Reason":"Success"}'
_WANTED = re.compile(rb'\{"Event":"SparkListener(?:ApplicationStart|JobStart|JobEnd|StageSubmitted|StageCompleted)"')
_BYTES = {
    "in": "internal.metrics.input.bytesRead",
    "out": "internal.metrics.output.bytesWritten",
    "sr": "internal.metrics.shuffle.read.localBytesRead",
    "rr": "internal.metrics.shuffle.read.remoteBytesRead",
    "sw": "internal.metrics.shuffle.write.bytesWritten",
}
Facts = Dict[str, Any]
# All processes of a step are asked to end at once; the driver notes it when it hears of it.
SLACK_S = 1.0


def stages_of(folder: Path, canceled_at: Optional[float] = None) -> Iterator[Facts]:
    """The stages of all applications whose logs lie in a folder, as facts of the ledger's lines. A stage that was under way
    when its application ended has failed, or was canceled, as one is that failed by the cancel; one that never began was
    skipped."""
    logs = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime) if folder.is_dir() else []
    for path in logs:
        if path.is_file():
            yield from _stages(path, canceled_at)


def _stages(path: Path, canceled_at: Optional[float]) -> Iterator[Facts]:
    app = path.name.partition(".")[0]
    found: Dict[Tuple[int, int], Facts] = {}
    tasks: Dict[Tuple[int, int], List[int]] = {}
    with path.open("rb") as lines:
        for raw in lines:
            task = _TASK.match(raw)
            if task is not None:  # most lines: they are not read as JSON
                ended = tasks.setdefault((int(task[1]), int(task[2])), [0, 0])
                ended[0 if _SUCCESS in raw else 1] += 1
            elif _WANTED.match(raw):
                try:
                    event = json.loads(raw)
                except ValueError:  # the last line of one that was killed
                    continue
                app = str(event.get("App ID") or app)
                for stage in _stages_of(event):
                    key = stage["id"], stage["t"]
                    found[key] = found.get(key, stage) if stage["s"] == PENDING else stage
    for key, stage in sorted(found.items()):
        stage["d"], stage["f"] = tasks.get(key, [0, 0])
        if stage["s"] == PENDING:
            stage["s"] = SKIPPED
        elif stage["s"] == ACTIVE:
            stage["s"] = FAILED if canceled_at is None else CANCELED
        elif stage["s"] == FAILED and canceled_at is not None and stage["z"] >= canceled_at - SLACK_S:
            stage["s"] = CANCELED
        yield {"app": app, **stage}


def _stages_of(event: Mapping[str, Any]) -> Iterator[Facts]:
    """The stages that an event tells of. A job names all that it may need, before they begin, and earlier ones of which it
    takes the result."""
    for info in (*event.get("Stage Infos", ()), *([event["Stage Info"]] if "Stage Info" in event else ())):
        if info.get("Completion Time") is not None:
            yield _facts(info, FAILED if info.get("Failure Reason") else COMPLETE)
        else:
            yield _facts(info, PENDING if info.get("Submission Time") is None else ACTIVE)


def _facts(info: Mapping[str, Any], status: str) -> Facts:
    sums = {str(each.get("Name")): each.get("Value") for each in info.get("Accumulables", ())}
    sizes = {key: _whole(sums.get(name)) for key, name in _BYTES.items()}
    sizes["sr"] += sizes.pop("rr")
    return {
        "id": int(info["Stage ID"]),
        "t": int(info.get("Stage Attempt ID", 0)),
        "name": str(info.get("Stage Name", "")),
        "s": status,
        "n": int(info.get("Number of Tasks", 0)),
        "d": 0,
        "a": 0,
        "f": 0,
        **sizes,
        "b": _seconds(info.get("Submission Time")),
        "z": _seconds(info.get("Completion Time")),
        "why": str(info.get("Failure Reason") or "")[:2000],
    }


def _whole(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0


def _seconds(milliseconds: Any) -> Any:
    return None if milliseconds is None else round(float(milliseconds) / 1000, 3)
