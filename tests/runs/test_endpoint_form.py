"""The form of an endpoint by link: what it shows, what it starts, when it is gone, and what it never tells."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.clock import now
from core.errors import Forbidden, NotFound
from core.ids import uuid7
from pipelines.models import PipelineEndpoint, PublishedPipeline
from pipelines.services import endpoint_access, endpoints
from pipelines.services import published as published_pipelines
from runs.models import EndpointRun, Run
from runs.services.submission import publish
from tests.runs.conftest import RunScenario
from workspaces.access import WorkspaceContext
from workspaces.models import ApiToken, AuditEntry, Member, Role, User, Workspace
from workspaces.services import members, tokens
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db(transaction=True)]
PARAMETERS = [
    {"name": "epochs", "type": "int", "default": 3},
    {"name": "note", "type": "string", "default": "plain"},
]


@pytest.fixture
def endpoint(scenario: RunScenario) -> PipelineEndpoint:
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train", parameters=PARAMETERS), name="Nightly")
    return endpoints.create(scenario.context, "Scoring", pipeline, "Scores what came in.")


def opened(scenario: RunScenario, endpoint: PipelineEndpoint, **asked: Any) -> str:
    """The path of the form."""
    return f"/forms/{endpoint_access.open_form(scenario.context, endpoint, **asked).text}/"


def seen(path: str, status: int = 200, client: Client | None = None) -> str:
    answer = (client or Client()).get(path)
    assert answer.status_code == status, answer.content
    return html.unescape(answer.content.decode())


def plain(answer: Any) -> str:
    """The page without what is another one each time."""
    return re.sub(r'content="\w{64}"', "", answer.content.decode())


def send(path: str, client: Client | None = None, **values: str) -> Any:
    return (client or Client()).post(path, {"p_epochs": "3", "p_note": "plain", **values})


def started(answer: Any) -> Run:
    assert answer.status_code == 302, html.unescape(answer.content.decode())
    return Run.objects.get(pk=answer["Location"].rstrip("/").rpartition("/")[2])


def test_whoever_has_the_link_runs_it_and_follows_that_run(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = opened(scenario, endpoint)
    page = seen(path)
    assert "Scoring" in page and "Scores what came in." in page and 'name="p_epochs"' in page
    assert 'name="experiment"' not in page and not re.search(r"\b(lab|ana)\b", page)
    answer = send(path, p_epochs="41", p_note="hush hush")
    run = started(answer)
    assert run.parameters == {"epochs": 41, "note": "hush hush"}
    assert (run.submitted_by, run.trigger) == (scenario.owner, {"kind": "form", "name": "Scoring"})
    assert run.by_endpoint.version.version == 0 and run.experiment.name == "Scoring"
    place = answer["Location"]
    assert place == f"{path}runs/{run.pk}/"
    for status, word in (
        ("Queued", "Queued"), ("Running", "Running"), ("Completed", "It is done."), ("Canceled", "It was canceled."),
    ):  # fmt: skip
        Run.objects.filter(pk=run.pk).update(status=status)
        assert word in seen(place) and ("hx-trigger" in seen(place)) == (status in ("Queued", "Running"))
    scenario_page = Client()
    scenario_page.force_login(scenario.owner)
    assert "form of the endpoint “Scoring”" in seen("/w/lab/runs/", client=scenario_page)


def test_a_failure_is_told_by_its_cause_alone(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    answer = send(opened(scenario, endpoint), p_note="hush hush")
    run = started(answer)
    error = {"cause": "out_of_memory", "message": "password is in /srv/secret of step train", "step": "train"}
    Run.objects.filter(pk=run.pk).update(status="Failed", error=error, display_name="Nightly of ana")
    page = seen(answer["Location"])
    assert "It has failed. Cause: Out of memory." in page
    for word in ("password", "/srv", "train", "hush hush", "Nightly", "ana", "lab", "cpu", "#1"):
        assert not re.search(rf"\b{re.escape(word)}\b", page), word


def test_its_page_follows_by_fragments_that_tell_what_is_new(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    run = started(answer := send(opened(scenario, endpoint)))
    Run.objects.filter(pk=run.pk).update(status="Running")
    place = f"{answer['Location']}?part=status&seen="
    assert Client().get(f"{place}Running").status_code == 204
    part = seen(f"{place}Queued")
    assert "Running" in part and "<html" not in part


def test_what_it_says_to_browsers_and_engines(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = opened(scenario, endpoint)
    run = send(path)["Location"]
    for place in (path, run, "/forms/none/"):
        answer = Client().get(place)
        assert "noindex" in answer["X-Robots-Tag"] and answer["Referrer-Policy"] == "same-origin"
        assert "no-store" in answer["Cache-Control"] and "private" in answer["Cache-Control"]
    assert 'name="robots" content="noindex' in seen(path) and 'name="robots" content="noindex' in seen(run)
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(path, {"p_epochs": "3"}).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', seen(path, client=strict))
    assert token and started(strict.post(path, {"p_epochs": "3", "csrfmiddlewaretoken": token[1]}))
    for answer in (Client().put(path), Client(enforce_csrf_checks=True).post(path), Client().get(f"{path}?x=%00")):
        assert answer.status_code in (400, 403, 405) and "no-store" in answer["Cache-Control"]


def test_a_program_opens_renews_and_closes_it(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    place = f"endpoints/{endpoint.pk}/form/"
    assert scenario.get(place).json()["error"]["code"] == "no_form"
    made = scenario.post(place, {"expires_in_days": 30, "runs_per_hour": 5})
    assert made.status_code == 201 and made.json()["runs_per_hour"] == 5 and made.json()["expires_at"]
    path = urlsplit(made.json()["url"]).path
    assert "Scoring" in seen(path)
    shown = scenario.get(place).json()
    assert "url" not in shown and {**shown, "last_used_at": None} == {
        name: value for name, value in made.json().items() if name != "url"
    }
    key = {"Idempotency-Key": "one"}
    asked = {"content_type": "application/json", "headers": key}
    renewed = scenario.client.post(scenario.base + place, {}, **asked)
    again = scenario.client.post(scenario.base + place, {}, **asked)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "shown_once")
    seen(path, 404)
    other = urlsplit(renewed.json()["url"]).path
    assert "Scoring" in seen(other)
    bo = User.objects.create_user("bo")
    Member.objects.create(workspace=scenario.workspace, user=bo, role=Role.CONTRIBUTOR)
    mine = scenario.client_for(
        tokens.create(WorkspaceContext(scenario.workspace, Role.CONTRIBUTOR, bo), "t", Role.CONTRIBUTOR).text
    )
    assert mine.get(scenario.base + place).status_code == 200
    assert mine.post(scenario.base + place, {}, content_type="application/json").status_code == 403
    assert mine.delete(scenario.base + place).status_code == 403
    assert scenario.client.delete(scenario.base + place).status_code == 204
    assert scenario.client.delete(scenario.base + place).status_code == 204
    seen(other, 404)
    for wrong in ({"expires_in_days": 0}, {"runs_per_hour": 0}, {"runs_per_hour": "5"}):
        assert scenario.post(place, wrong).status_code == 400


def test_wrong_off_renewed_and_expired_links_are_the_same_nothing(
    scenario: RunScenario, endpoint: PipelineEndpoint
) -> None:
    old = opened(scenario, endpoint)
    run = send(old)["Location"]
    renewed = opened(scenario, endpoint, expires_in_days=2)
    nothing = plain(Client().get("/forms/none/"))
    token = tokens.create(scenario.context, "t", Role.OWNER).text
    trigger = endpoint_access.create_token(scenario.context, endpoint, "client A").text

    def is_gone(*paths: str) -> None:
        for path in paths:
            for answer in (Client().get(path), Client().post(path, {"p_epochs": "3"})):
                is_run = "/runs/" in path and answer.status_code == 405
                assert is_run or (answer.status_code, plain(answer)) == (404, nothing), path

    is_gone(old, run, f"/forms/{token}/", f"/forms/{trigger}/", f"{renewed[:-3]}xx/", f"/forms/{'x' * 900}/")
    other = send(renewed)["Location"]
    is_gone(f"{renewed}runs/{uuid7()}/", run.replace(old, renewed), f"{renewed}runs/{scenario.pipeline().pk}/")
    step = scenario.step(Run.objects.get(pk=other.rstrip("/").rpartition("/")[2]), "train")
    is_gone(f"{renewed}runs/{step.pk}/")
    ApiToken.objects.filter(kind="form").update(expires_at=now() - timedelta(seconds=1))
    is_gone(renewed, other)
    last = opened(scenario, endpoint)
    assert seen(last)
    endpoint_access.close_form(scenario.context, endpoint)
    endpoint_access.close_form(scenario.context, endpoint)
    is_gone(last)
    assert AuditEntry.objects.filter(action="endpoint.form_closed").count() == 1


def test_its_secret_is_kept_as_a_digest_and_is_no_token(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = opened(scenario, endpoint)
    secret = path.split("/")[2]
    row = ApiToken.objects.get(kind="form")
    assert row.digest == tokens.digest_of(secret) and secret not in str(vars(row)) and len(secret) >= 43
    answer = scenario.client_for(secret).get(scenario.base)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "bad_token")


def test_it_leans_on_the_owner_who_opened_it(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    bo = User.objects.create_user("bo", password="long enough 1")
    member = Member.objects.create(workspace=scenario.workspace, user=bo, role=Role.CONTRIBUTOR)
    with pytest.raises(Forbidden):
        endpoint_access.open_form(WorkspaceContext(scenario.workspace, Role.CONTRIBUTOR, user=bo), endpoint)
    Member.objects.filter(pk=member.pk).update(role=Role.OWNER)
    made = endpoint_access.open_form(WorkspaceContext(scenario.workspace, Role.OWNER, user=bo), endpoint)
    path = f"/forms/{made.text}/"
    assert started(send(path)).submitted_by == bo
    members.change_role(scenario.context, member.pk, Role.CONTRIBUTOR)
    seen(path, 404)
    members.change_role(scenario.context, member.pk, Role.OWNER)
    assert seen(path)
    members.remove(scenario.context, member.pk)
    seen(path, 404)
    assert endpoint_access.form_of(endpoint) is None


def test_a_double_click_starts_one_run(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = opened(scenario, endpoint)
    key = re.search(r'name="once" value="([^"]+)"', seen(path))
    assert key
    first, again = (send(path, once=key[1]) for _ in range(2))
    assert first["Location"] == again["Location"] and Run.objects.filter(parent=None).count() == 1
    assert started(send(path, once=str(uuid7()))).pk != started(first).pk
    other = started(send(path, once=key[1], p_note="changed after going back"))
    assert other.parameters["note"] == "changed after going back" and other.pk != started(first).pk
    bad = send(path, once="\u00e9")
    assert bad.status_code == 400 and Run.objects.filter(parent=None).count() == 3


def test_a_value_that_does_not_fit_is_told_at_its_field_and_starts_nothing(
    scenario: RunScenario, endpoint: PipelineEndpoint
) -> None:
    answer = send(opened(scenario, endpoint), p_epochs="many", p_note="kept")
    page = html.unescape(answer.content.decode())
    assert "'epochs' is a whole number" in page and 'value="kept"' in page
    assert not Run.objects.filter(parent=None).exists()


def test_what_else_keeps_it_from_running_is_told_without_names(
    scenario: RunScenario, endpoint: PipelineEndpoint
) -> None:
    path = opened(scenario, endpoint)
    scenario.cluster.delete()
    answer = send(path)
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 422 and "It cannot be run at present." in page and "cpu" not in page


def test_it_starts_so_many_runs_an_hour(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = opened(scenario, endpoint, runs_per_hour=1)
    run = started(send(path))
    answer = send(path, p_note="kept")
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 429 and 3590 < int(answer["Retry-After"]) <= 3600
    assert "The limit of runs an hour, 1, is reached." in page and "60 minutes" in page and 'value="kept"' in page
    Run.objects.filter(pk=run.pk).update(created_at=now() - timedelta(hours=1))
    assert started(send(path)) and EndpointRun.objects.count() == 2


@pytest.mark.parametrize("off", ["disabled", "archived", "pipeline", "workspace"])
def test_what_takes_no_runs_says_so_calmly(scenario: RunScenario, endpoint: PipelineEndpoint, off: str) -> None:
    path = opened(scenario, endpoint)
    run = send(path)["Location"]
    if off == "workspace":
        Workspace.objects.filter(pk=scenario.workspace.pk).update(archived_at=now())
    elif off == "pipeline":
        published_pipelines.set_status(scenario.context, PublishedPipeline.objects.get(), "Disabled")
    else:
        endpoints.change(scenario.context, endpoint, {"status": off.capitalize()})
    page = seen(path)
    assert "This form takes no runs at present." in page and "<form" not in page
    assert send(path).status_code == 409 and Run.objects.filter(parent=None).count() == 1
    assert seen(run), "what was started is still followed"


def test_the_default_version_runs(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    graph = scenario.graph("train", parameters=[{"name": "depth", "type": "int", "default": 2}])
    path = opened(scenario, endpoint)
    endpoints.add(scenario.context, endpoint, publish.publish_graph(scenario.context, graph, name="N"), is_default=True)
    page = seen(f"{path}?version=0")
    assert "p_depth" in page and "p_epochs" not in page
    assert started(send(f"{path}?version=0&pipelineVersion=0", p_depth="4")).parameters == {"depth": 4}


def test_the_audit_tells_of_each_run(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    run = started(send(opened(scenario, endpoint, runs_per_hour=7)))
    made = AuditEntry.objects.get(action="endpoint.form_opened")
    assert (made.actor, made.facts["runs_per_hour"]) == ("ana", 7)
    entry = AuditEntry.objects.get(action="endpoint.form_run")
    row = ApiToken.objects.get(kind="form")
    assert (entry.actor, entry.person, entry.via) == ("ana", "ana", "form")
    assert (entry.target, entry.facts["run"]) == (str(endpoint.pk), str(run.pk)) and row.prefix in entry.through


def test_who_is_no_member_opens_none(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    other = create_workspace(User.objects.create_user("mallory"), "attic")
    with pytest.raises(NotFound):
        endpoint_access.open_form(WorkspaceContext(scenario.workspace, Role.OWNER, user=other.user), endpoint)
    assert not ApiToken.objects.filter(kind="form").exists()


def test_the_page_of_the_endpoint_opens_renews_and_closes_it(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    visitor = Client()
    visitor.force_login(scenario.owner)
    place = f"/w/lab/endpoints/{endpoint.pk}/"
    assert "Make a link" in seen(place, client=visitor)
    body = {"days": "30", "runs_per_hour": "5"}
    links = []
    for _ in range(2):
        page = html.unescape(visitor.post(f"{place}form/open/", body).content.decode())
        link = re.search(r"http://[^/\s\"]+(/forms/[\w-]+/)", page)
        assert link and link[1] not in seen(place, client=visitor)
        links.append(link[1])
    seen(links[0], 404)
    assert seen(links[1]) and "Renew the link" in seen(place, client=visitor)
    wrong = html.unescape(visitor.post(f"{place}form/open/", {**body, "runs_per_hour": "0"}).content.decode())
    assert "greater than or equal to 1" in wrong
    scenario.member("bo", Role.CONTRIBUTOR)
    contributor = Client()
    contributor.force_login(User.objects.get(username="bo"))
    assert "Switch off" not in seen(place, client=contributor)
    for path in ("open", "close"):
        assert contributor.post(f"{place}form/{path}/", body).status_code == 403
    assert visitor.post(f"{place}form/close/").status_code == 302
    seen(links[1], 404)


def test_it_asks_the_database_a_few_times(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    path = opened(scenario, endpoint)
    place = send(path)["Location"]
    for each in (path, place):
        seen(each)
        with CaptureQueriesContext(connection) as asked:
            seen(each)
        assert len(asked) <= 7, [query["sql"] for query in asked]


def test_a_secret_parameter_is_asked_for_and_shown_nowhere(scenario: RunScenario, endpoint: PipelineEndpoint) -> None:
    parameters = [{"name": "key", "type": "string", "secret": True}]
    graph = scenario.graph("train", parameters=parameters)
    endpoints.add(scenario.context, endpoint, publish.publish_graph(scenario.context, graph, name="N"), is_default=True)
    path = opened(scenario, endpoint)
    assert 'type="password"' in seen(path)
    assert Client().post(path, {}).status_code == 200 and not Run.objects.filter(parent=None).exists()
    answer = Client().post(path, {"p_key": "hush-hush"})
    run = started(answer)
    assert "hush-hush" not in str(run.parameters) + seen(answer["Location"])
    minted = endpoint_access.create_token(scenario.context, endpoint, "client A").text
    client = scenario.client_for(minted)
    address = scenario.get(f"endpoints/{endpoint.pk}/").json()["endpoint"].removeprefix("http://127.0.0.1:8000")
    body = {"ParameterAssignments": {"key": "hush-hush"}}
    key = client.post(address, body, content_type="application/json").json()["Id"]
    for place in ("", "steps/", "metrics/"):
        found = client.get(f"{scenario.base}runs/{key}/{place}")
        assert found.status_code == 200 and b"hush-hush" not in found.content
    assert "hush-hush" not in str(list(AuditEntry.objects.values_list("facts", "through")))
