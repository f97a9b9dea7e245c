"""What a failed step's page says of its line of code, and of what changed since the step last completed."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client
from django.utils.html import strip_tags

from core.storage import artifact_store, blob_key
from duto.spec import canonical
from environments.models import EnvironmentBuild, EnvironmentVersion
from runs.models import Attempt, Run, Snapshot, StepRun
from runs.queries.last_success import since_success
from runs.services.submission import submit
from tests.runs.exchange import Agent, agent, cluster, context, graph_of
from workspaces.access import WorkspaceContext

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["agent", "cluster", "context"]  # fixtures
FAILS = {"exit_code": 1, "cause": "user_error", "message": "ZeroDivisionError: division by zero"}


def submitted(context: WorkspaceContext, code: str, *arguments: str, **more: Any) -> Run:
    """A run of one step called `train` with this code in `step.py`."""
    source = code.encode()
    digest = sha256(source).hexdigest()
    artifact_store(context.workspace.pk).write(blob_key(digest), io.BytesIO(source))
    files = [{"path": "step.py", "digest": digest, "size": len(source), "executable": False}]
    snapshot = canonical.digest({"schema": 1, "files": files})
    Snapshot.objects.get_or_create(
        workspace=context.workspace, digest=snapshot, defaults={"files": files, "file_count": 1, "size": len(source)}
    )
    graph = graph_of(context, "train", snapshot=snapshot, arguments=list(arguments))
    return submit.submit_run(context, **{"experiment": "exp", "graph": graph, **more})


def page_of(context: WorkspaceContext, run: Run, **query: str) -> str:
    person = Client()
    assert context.user
    person.force_login(context.user, backend="django.contrib.auth.backends.ModelBackend")
    answer = person.get(f"/w/lab/runs/{run.pk}/", query)
    assert answer.status_code == 200
    return " ".join(strip_tags(answer.content.decode()).split())


def failed(context: WorkspaceContext, agent: Agent, code: str, *arguments: str, **more: Any) -> Run:
    run = submitted(context, code, *arguments, **more)
    line = next((n for n, text in enumerate(code.splitlines(), 1) if "/ 0" in text), 1)
    agent.finish(
        agent.say()["work"][0], **FAILS, traceback={"file": "step.py", "line": line, "text": "ZeroDivisionError"}
    )
    return run


def step_of(run: Run) -> StepRun:
    return StepRun.objects.get(run__parent=run)


def test_the_line_and_what_changed_since_the_step_last_completed_stand_with_the_failure(
    context: WorkspaceContext, cluster: Any, agent: Agent
) -> None:
    good = submitted(context, "print('ok')\n", "--lr", "0.1")
    agent.finish(agent.say()["work"][0])
    bad = failed(context, agent, "import os\n    x = 1 / 0  # <b>\n", "--lr", "0.2")
    page = page_of(context, bad)
    assert "2 x = 1 / 0 # &lt;b&gt;" in page
    assert f"Last completed in #{good.number}." in page
    assert "Since then: step.py changed, --lr 0.1 → 0.2." in page
    why = page_of(context, bad, tab="why")
    assert "Since it last completed" in why and "Nothing that the step depends on" not in why
    # One more failure is compared with the success, not with the failure before it.
    again = failed(context, agent, "print('ok')\n", "--lr", "0.1", regenerate_outputs=True)
    assert "Nothing that the step depends on has changed since then." in page_of(context, again)


def test_a_step_that_never_completed_in_its_experiment_is_compared_with_nothing(
    context: WorkspaceContext, cluster: Any, agent: Agent
) -> None:
    submitted(context, "print('ok')\n", experiment="other")
    agent.finish(agent.say()["work"][0])
    bad = failed(context, agent, "1 / 0\n")
    assert since_success(step_of(bad).pk) is None
    page = page_of(context, bad)
    assert "1 / 0" in page and "Last completed" not in page


def test_packages_and_the_host_that_differ_are_named(context: WorkspaceContext, cluster: Any, agent: Agent) -> None:
    submitted(context, "1\n")
    agent.finish(agent.say()["work"][0])
    good = StepRun.objects.latest("run_id")
    bad = submitted(context, "1 / 0\n")
    agent.finish(agent.say()["work"][0], **FAILS)
    Attempt.objects.filter(run=good.pk).update(host=Agent("beta").host)
    locks = ("numpy==1.26.4\npandas==2.2.0\n# by uv\n", "numpy==2.0.0 \\\n    --hash=sha256:00\nscipy==1.13.0\n")
    for step, lock in zip((good, step_of(bad)), locks, strict=True):
        build = EnvironmentBuild.objects.create(status="failed", recipe_digest="0", recipe={}, lock=lock)
        version = EnvironmentVersion.objects.create(
            workspace=context.workspace, definition={}, digest="0", recipe_digest="0", build=build
        )
        StepRun.objects.filter(pk=step.pk).update(environment_version_id=version.pk)
    found = since_success(step_of(bad).pk)
    assert found is not None
    assert [(each.name, each.old, each.new) for each in found.packages] == [
        ("numpy", "1.26.4", "2.0.0"),
        ("pandas", "2.2.0", None),
        ("scipy", None, "1.13.0"),
    ]
    page = page_of(context, bad, tab="why")
    assert found.host is not None and (found.host.old, found.host.new) == ("beta", "alpha")
    for text in (
        "host beta → alpha",
        "package numpy 1.26.4 → 2.0.0",
        "package pandas is gone",
        "package scipy 1.13.0 is new",
    ):
        assert text in page


@pytest.mark.parametrize(
    "trace",
    [
        {"file": "gone.py", "line": 1},
        {"file": "step.py", "line": 99},
        {"file": "/usr/lib/x.py", "line": 3},
        {"file": "step.py"},
    ],
)
def test_a_line_that_is_not_in_the_snapshot_is_not_shown(
    context: WorkspaceContext, cluster: Any, agent: Agent, trace: dict[str, Any]
) -> None:
    run = submitted(context, "1 / 0\n")
    agent.finish(agent.say()["work"][0], **FAILS, traceback={"text": "ZeroDivisionError", **trace})
    assert "1 / 0" not in page_of(context, run, tab="why").replace("division", "")
