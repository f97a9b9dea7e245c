"""Commands in the studio: what is drawn, shown and sent to the agent of a step that has no script."""

from __future__ import annotations

import html
import shlex
import subprocess
from typing import Any

import pytest
from django.test import Client

from core.errors import Unprocessable
from runs.models import Run
from runs.queries.graph import graph_document, plan_document
from runs.services.orchestration import progress
from runs.services.submission import publish, submit
from tests.runs.exchange import agent, cluster, context, graph_of, submit_chain
from workspaces.access import WorkspaceContext

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
__all__ = ["agent", "cluster", "context"]  # fixtures

LINE: list[Any] = ["echo 'one <two>' &&", "echo", {"parameter": "text"}, 3, ">", {"output": "made"}]
COMMAND = {"kind": "command", "script": "", "arguments": LINE, "outputs": [{"name": "made"}]}
TEXT = "it's $HOME; exit 3"


def submitted(context: WorkspaceContext) -> Run:
    graph = graph_of(context, "say", **COMMAND)
    graph["parameters"] = [{"name": "text", "type": "string", "default": TEXT}]
    return submit.submit_run(context, experiment="exp", graph=graph)


def test_a_value_of_a_parameter_reaches_the_shell_as_one_word(context, cluster, agent) -> None:
    progress.advance(submitted(context).pk)
    (work,) = agent.say()["work"]
    assert (work["spec"]["kind"], work["spec"].get("script", "")) == ("command", "")
    assert work["spec"]["arguments"] == ["echo 'one <two>' &&", "echo", shlex.quote(TEXT), "3", ">", {"output": "made"}]


@pytest.mark.parametrize("before,after", [("", ""), ("'a ", " b'"), ('"a ', ' b"'), ("\"$(printf %s '", "')\"")])
def test_a_value_stays_one_word_in_quotes(context, cluster, agent, before: str, after: str) -> None:
    graph = graph_of(context, "say", kind="command", script="", arguments=[f"printf '%s|' {before}", {"parameter": "text"}, after])  # fmt: skip
    graph["parameters"] = [{"name": "text", "type": "string", "default": TEXT + "' \" `ls`"}]
    progress.advance(submit.submit_run(context, experiment="exp", graph=graph).pk)
    (work,) = agent.say()["work"]
    done = subprocess.run(["sh", "-c", " ".join(work["spec"]["arguments"])], capture_output=True, text=True)
    assert (done.stdout.count("|"), done.stderr) == (1, "")
    assert TEXT + "' \" `ls`" in done.stdout


def test_several_processes_have_an_icon_of_their_own(context) -> None:
    spread = {"type": "tensorflow", "processes": {"parameter": "n"}, "parameter_servers": 1}
    graph = graph_of(context, "say", distribution=spread)
    graph["parameters"] = [{"name": "n", "type": "int", "default": 3}]
    planned = plan_document(context.workspace, graph)
    assert planned is not None
    assert (planned["nodes"][0]["icon"], planned["nodes"][0]["word"]) == ("ranks", "4 processes")


def test_it_is_told_from_scripts(context, cluster) -> None:
    run = submitted(context)
    (node,) = [each for each in graph_document(run)["nodes"] if each["type"] == "step"]
    assert (node["kind"], node["icon"], node["word"]) == ("command", "terminal", "command")
    planned = plan_document(context.workspace, run.graph)
    assert planned is not None and planned["nodes"][0]["kind"] == "command"
    assert Run.objects.get(parent=run).properties["StepType"] == "CommandStep"
    clone = submit.resubmit(context, run, parameters={"text": "other"})
    assert clone.graph == run.graph and Run.objects.get(parent=clone).properties["StepType"] == "CommandStep"
    script = submit_chain(context, "a")
    assert graph_document(script)["nodes"][0]["kind"] == "python_script"
    assert Run.objects.get(parent=script).properties["StepType"] == "PythonScriptStep"


def test_its_pages_show_the_command(context, cluster, client: Client) -> None:
    run = submitted(context)
    client.force_login(context.user)
    line = f"echo 'one <two>' && echo {shlex.quote(TEXT)} 3 > ‹output made›"
    page = client.get(f"/w/lab/runs/{run.pk}/?step=say&tab=inputs").content.decode()
    assert f">{line}</pre>" in html.unescape(page)
    assert client.get(f"/w/lab/runs/{run.pk}/?step=say&tab=code").status_code == 200
    pipeline = publish.publish_run(context, run, name="Say", description="", version="")
    page = client.get(f"/w/lab/pipelines/{pipeline.pk}/").content.decode()
    assert f">{line}</td>" in html.unescape(page)


@pytest.mark.parametrize("arguments,script", [([], ""), ([" "], ""), (["ls"], "step.py")])
def test_no_command_and_a_script_beside_it_are_refused(
    context,
    cluster,
    arguments: list[str],
    script: str,
) -> None:
    with pytest.raises(Unprocessable, match="command"):
        submit_chain(context, "a", step={"kind": "command", "arguments": arguments, "script": script})
