"""A run of very many steps, through all that happens to one: how long each action and its longest transaction take."""

from __future__ import annotations

import hashlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.inside import fresh_studio, tell

WIDE, SLICE = 100, 500


class Watch:
    """The transactions of this process that wrote: how long each had the database to itself."""

    def __init__(self) -> None:
        from django.db import connection

        self.longest, self.since, self.wrote = 0.0, 0.0, False
        set_autocommit, commit = connection.set_autocommit, connection.commit

        def begin(on: bool, *more: Any, **named: Any) -> None:
            set_autocommit(on, *more, **named)
            self.since, self.wrote = time.perf_counter(), False

        def end() -> None:
            commit()
            self._seen(self.since)

        connection.set_autocommit = begin  # type: ignore[method-assign,assignment]
        connection.commit = end  # type: ignore[method-assign]
        connection.execute_wrappers.append(self._statement)
        self.connection = connection

    def _statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        result = execute(sql, params, many, context)
        self.wrote = self.wrote or sql.startswith(("INSERT", "UPDATE", "DELETE"))
        if not self.connection.in_atomic_block:
            self._seen(began)
        return result

    def _seen(self, began: float) -> None:
        if self.wrote:
            self.longest = max(self.longest, time.perf_counter() - began)
        self.wrote = False


class Figures:
    """Seconds of each action and look, and of each action's longest transaction."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.seconds: dict[str, float] = {}
        self.longest: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        self.watch.longest, began = 0.0, time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began
        self.longest[name] = self.watch.longest


def main(count: int) -> None:
    """Layers of a hundred steps; each reads what one of the layer before writes."""
    from runs.models import Run
    from runs.services.maintenance import delete_run
    from runs.services.orchestration import cancel, progress
    from runs.services.submission import resume as resuming
    from runs.services.submission import submit

    context, graph = _world(count)
    figures = Figures()
    with figures.of("submit"):
        root = submit.submit_run(context, experiment="large", graph=graph)
    with figures.of("start"):
        progress.advance(root.pk)
    floor = _floor(root)
    looks = _looks(context, root)
    for name, look in looks.items():
        with figures.of(name):
            look()
    with figures.of("cancel"):
        cancel.cancel_run(context, Run.objects.get(pk=root.pk))
        progress.advance(root.pk)
    with figures.of("preview"):
        looks["preview"]()
    with figures.of("resume"):
        again = resuming.resume(context, Run.objects.get(pk=root.pk))
        progress.advance(again.pk)
    with figures.of("delete"):
        delete_run.delete(context, Run.objects.get(pk=root.pk))
        delete_run.finish(root.pk)
    tell(seconds=figures.seconds, longest=figures.longest, floor=floor, looks=list(looks))


def _world(count: int) -> tuple[Any, dict[str, Any]]:
    """A workspace with a cluster, and the graph."""
    from compute.models import ComputeTarget
    from core.storage import artifact_store, blob_key
    from runs.services.submission import snapshots
    from workspaces.models import User
    from workspaces.services.workspaces import create_workspace

    context = create_workspace(User.objects.create_user("large"), "main")
    ComputeTarget.objects.create(
        workspace=context.workspace, name="bench", vm_size="one", cores=1, memory=1 << 30, max_nodes=1
    )
    data = b"pass\n"
    digest = hashlib.sha256(data).hexdigest()
    artifact_store(context.workspace.pk).write(blob_key(digest), io.BytesIO(data))
    files = [{"path": "step.py", "digest": digest, "size": len(data), "executable": False}]
    snapshot = snapshots.create(context.workspace, {"schema": 1, "files": files})
    steps = [step_of(number, snapshot.digest) for number in range(count)]
    return context, {"schema": 1, "steps": steps, "parameters": []}


def _floor(root: Any) -> float:
    """Seconds of one bare transaction that writes a slice of steps: the same rows, copied by the database itself."""
    from django.db import connection, transaction

    from runs.models import Run, StepRun

    tables = [model._meta.db_table for model in (Run, StepRun)]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"CREATE TABLE floor_{table} AS SELECT * FROM {table} WHERE 1 = 0")
        began = time.perf_counter()
        with transaction.atomic():
            for table in tables:
                cursor.execute(f"INSERT INTO floor_{table} SELECT * FROM {table} LIMIT {SLICE}")
        seconds = time.perf_counter() - began
        for table in tables:
            cursor.execute(f"DROP TABLE floor_{table}")
    return seconds


def step_of(number: int, snapshot: str) -> dict[str, Any]:
    """A step of a layered graph, which reads what one of the layer before writes."""
    name, above = f"step-{number:05}", number - WIDE
    source = {"step": f"step-{above:05}", "output": "made"}
    return {
        "id": name, "name": name, "kind": "python_script", "script": "step.py", "snapshot": snapshot,
        "compute": "bench", "environment": {"python": {"user_managed": True}},
        "arguments": ["--out", {"output": "made"}],
        "inputs": [{"name": "read", "from": source}] if above >= 0 else [],
        "outputs": [{"name": "made", "kind": "pipeline_data"}],
    }  # fmt: skip


def _looks(context: Any, root: Any) -> dict[str, Callable[[], None]]:
    """What pages and programs ask of a run, through the whole of the web's code."""
    from django.conf import settings
    from django.test import Client

    client = Client(headers={"host": settings.ALLOWED_HOSTS[0]})
    client.force_login(context.user)
    rest, page = f"/api/v1/workspaces/main/runs/{root.pk}/", f"/w/main/runs/{root.pk}/"
    paths = {
        "run": rest, "steps": f"{rest}steps/", "graph": f"{rest}graph/", "preview": f"{rest}resume-preview/",
        "page": page, "table": f"{page}?view=table", "head": f"{page}?part=head", "panel": f"{page}?part=panel&step=step-00050",
    }  # fmt: skip

    def look(path: str) -> None:
        status = client.get(path).status_code
        if status not in (200, 409):  # there is no preview of a run that is not over
            raise RuntimeError(f"{path} answered {status}")

    return {name: partial(look, path) for name, path in paths.items()}


if __name__ == "__main__":
    fresh_studio()
    main(int(sys.argv[1]))
