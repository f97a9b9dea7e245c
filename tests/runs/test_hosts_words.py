"""What hosts say of attempts, builds and images is told in each reader's language; what an older agent says, as it says it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from duto.spec.sentences import Said, said, with_said
from environments.models import EnvironmentBuild
from runs import stored_messages
from runs.models import Attempt, Run
from runs.services.agent_reports.spool import skip
from tests.runs.exchange import Agent, agent, cluster, context, submit_chain
from workspaces.access import WorkspaceContext

__all__ = ["agent", "cluster", "context"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite, pytest.mark.usefixtures("cluster")]
ENVIRONMENT = {"python": {"version": "3.8", "packages": ["six"]}}


def ended(agent: Agent, work: dict[str, Any], message: Said | str, *warnings: Said | str, **facts: Any) -> None:
    report = with_said({"message": message, "warnings": list(warnings)})
    agent.finish(work, exit_code=1, cause="user_error", **{**report, **facts})


def page_of(run: Run, language: str) -> str:
    """The page of a run with the tab of why it ran, as ana reads it."""
    client = Client()
    client.login(username="ana", password="long enough 1")
    address = f"/w/lab/runs/{run.pk}/?step=a&tab=why"
    answer = client.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_end_of_a_step_and_its_warnings_are_told_in_the_readers_language(
    context: WorkspaceContext, agent: Agent
) -> None:
    run = submit_chain(context, "a")
    (work,) = agent.say()["work"]
    ended(agent, work, said("exit_code", code=3), said("unwritten_output", name="model"))
    run.refresh_from_db()
    assert run.error is not None and run.error["message"] == "The script ended with exit code 3."
    english, portuguese = page_of(run, "en"), page_of(run, "pt-PT")
    for text, its in (
        ("The script ended with exit code 3.", "O script terminou com o código de saída 3."),
        ("without writing its output &#x27;model&#x27;", "sem escrever a sua saída &#x27;model&#x27;"),
    ):
        assert text in english and text not in portuguese
        assert its in portuguese and its not in english


def test_programs_get_it_in_english_as_texts(context: WorkspaceContext, agent: Agent) -> None:
    run = submit_chain(context, "a")
    (work,) = agent.say()["work"]
    ended(agent, work, said("exit_code", code=3), said("unwritten_output", name="model"))
    client = Client()
    client.login(username="ana", password="long enough 1")
    (step,) = client.get(f"/api/v1/workspaces/lab/runs/{run.pk}/steps/", headers={"Accept-Language": "pt-PT"}).json()[
        "items"
    ]
    (attempt,) = step["step"]["attempts"]
    assert attempt["message"] == step["error"]["message"] == "The script ended with exit code 3."
    assert attempt["warnings"] == step["warnings"] == ["The script ended without writing its output 'model'."]


def test_an_older_agent_that_sends_texts_alone_is_shown_as_it_says_it(context: WorkspaceContext, agent: Agent) -> None:
    run = submit_chain(context, "a")
    (work,) = agent.say()["work"]
    ended(agent, work, "The script ended with exit code 3.", "Something is odd.")
    assert "The script ended with exit code 3." in page_of(run, "pt-PT") and "Something is odd." in page_of(
        run, "pt-PT"
    )
    ended_at = Attempt.objects.get()
    assert (ended_at.said, ended_at.warnings) == (None, ["Something is odd."])


def test_what_is_sent_beside_another_text_is_left_aside(context: WorkspaceContext, agent: Agent) -> None:
    submit_chain(context, "a")
    (work,) = agent.say()["work"]
    text = "The script ended with exit code 3."
    ended(agent, work, text, said={text: {"code": "exit_code", "facts": {"code": 0}}})
    assert Attempt.objects.get().said is None


def test_why_a_build_failed_stands_on_the_run_and_the_build_in_the_readers_language(
    context: WorkspaceContext, agent: Agent
) -> None:
    run = submit_chain(context, "a", step={"environment": ENVIRONMENT})
    (build,) = (each for each in agent.say()["work"] if each["type"] == "build")
    other = said("other_python", asked="3.8", used="3.11.7")
    failed = said("two", first=said("no_package", name="sixx"), second=other)
    agent.say(with_said({"build": build["build"], "event": "failed", "message": failed, "warnings": [other]}))
    run.refresh_from_db()
    row = EnvironmentBuild.objects.get()
    assert row.localized_message == failed and row.localized_warnings == [other]
    with translation.override("pt-pt"):
        wanted = "O pacote 'sixx' não existe no índice de pacotes. O Python 3.8 não está neste anfitrião; é usado o Python 3.11.7."
        assert row.localized_message == stored_messages.error_text(run.error) == wanted
        assert row.localized_warnings == [stored_messages.warning(each) for each in run.warnings]
        assert row.localized_warnings == ["O Python 3.8 não está neste anfitrião; é usado o Python 3.11.7."]


def test_a_lock_that_is_not_taken_is_told_with_its_reason(context: WorkspaceContext, agent: Agent) -> None:
    submit_chain(context, "a", step={"environment": ENVIRONMENT})
    (build,) = (each for each in agent.say()["work"] if each["type"] == "build")
    agent.say({"build": build["build"], "event": "ready", "lock": "nine==1\n", "python": "3.11.7"})
    row = EnvironmentBuild.objects.get()
    assert row.localized_message.endswith("the package 'six' was asked for and is not in it.")
    with translation.override("pt-pt"):
        assert row.localized_message.endswith("o pacote 'six' foi pedido e não está entre as versões fixadas.")


def test_a_record_that_stays_with_its_host_is_told_by_what_it_is(context: WorkspaceContext, agent: Agent) -> None:
    submit_chain(context, "a")
    (work,) = agent.say()["work"]
    text = said("of_record", record=said("record_metric", name='"loss"'), why=said("long_line", length=9, most=8))
    answer = Client().put(
        f"/agent/v1/attempts/{work['attempt']}/{work['epoch']}/spool?offset=0&skip=9",
        text.encode(),
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {agent.key}", "X-Duto-Said": header_of(text)},
    )
    assert answer.status_code == 200, answer.content
    attempt = Attempt.objects.get()
    (warning,) = attempt.warnings
    assert stored_messages.warning(warning) == f"A record that the script logged was skipped: {text}"
    with translation.override("pt-pt"):
        assert stored_messages.warning(warning).endswith('métrica "loss": tem 9 bytes, e o máximo são 8')
    skip(attempt, 9, 1, "an older agent's words")
    assert stored_messages.warning(attempt.warnings[1]).endswith("an older agent's words")


def header_of(text: Said) -> str:
    import json

    from duto.spec.sentences import parts

    return json.dumps(parts(text))
