"""Who is told of what: scopes, histories, digests, mutes; who may say so, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.clock import iso, now
from notifications.models import Alert, Channel, Delivery, Mute, Occurrence, Rule
from notifications.services import matching, rules, watching
from pipelines.services import endpoints
from registry import hooks as registry_hooks
from registry.models import ModelVersion, RegisteredModel
from runs.models import EndpointRun, Run
from runs.services.submission import publish
from schedules.models import Tick
from schedules.services import firing
from schedules.services.schedules import create as schedule
from tests.notifications.conftest import MailServer, Notified, Receiver
from workspaces.access import authorize
from workspaces.models import Member, Role, User, Workspace
from workspaces.services import members

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def titles(event: str = "") -> list[str]:
    """Titles of what is told, in the order in which it happened."""
    rows = Alert.objects.order_by("id")
    return [each.facts["title"] for each in (rows.filter(event=event) if event else rows)]


def test_nothing_is_written_where_nobody_wants_to_know(scenario: Notified, receiver: Receiver) -> None:
    scenario.ends("Failed")
    rule = scenario.rule(channels=[scenario.webhook(receiver)[0]])
    rules.change(scenario.context, rule, {"is_active": False})
    scenario.ends("Failed")
    assert not Occurrence.objects.exists()
    rules.change(scenario.context, rule, {"is_active": True})
    scenario.ends("Canceled", error=None)
    assert not Occurrence.objects.exists()


def test_failing_and_recovered_are_told_with_since_when(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule("failed", "recovered", channels=[scenario.webhook(receiver)[0]], digest_minutes=0)
    begin = now() - timedelta(hours=3)
    scenario.ends("Completed", at=begin)
    matching.match_all()
    assert not titles()
    for hour in (1, 2):
        scenario.ends("Failed", at=begin + timedelta(hours=hour))
        matching.match_all()
    scenario.ends("Completed")
    matching.match_all()
    scenario.ends("Completed")
    matching.match_all()
    facts = [each.facts for each in Alert.objects.order_by("id")]
    assert titles() == [
        "Palmer experiment #2 failed at the step train",
        "Palmer experiment #3 failed at the step train",
        "Palmer experiment #4 completed after 2 failures",
    ]
    first = (begin + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M")
    assert "the first failure in a row" in facts[0]["since_text"]
    assert facts[1]["since_text"].startswith(f"failing since {first}") and "2 runs" in facts[1]["since_text"]
    assert f"failing since {first}" in facts[2]["since_text"]


def test_of_a_flood_one_digest_goes_and_nothing_twice(scenario: Notified, receiver: Receiver) -> None:
    channel, _key = scenario.webhook(receiver)
    scenario.rule(channels=[channel])
    # Two rules that mean the same tell a channel once.
    scenario.rule(name="also", channels=[channel])
    scenario.ends("Failed")
    scenario.send()
    assert [each.document["data"]["count"] for each in receiver.calls] == [1]
    for _ in range(60):
        scenario.ends("Failed")
    matching.match_all()
    (held,) = Delivery.objects.filter(status="held")
    assert held.count == 60 and timedelta(minutes=4) < held.send_at - now() <= timedelta(minutes=5)
    scenario.send()
    document = receiver.calls[1].document
    assert (document["type"], document["data"]["count"], len(document["data"]["alerts"])) == ("digest", 60, 50)
    matching.match_all()
    assert len(receiver.calls) == 2 and Alert.objects.count() == 61
    # What comes after a message is closed goes by the next one.
    scenario.ends("Failed")
    matching.match_all()
    assert Delivery.objects.filter(status="held").get().count == 1


def test_a_rule_is_about_what_it_says(scenario: Notified, receiver: Receiver) -> None:
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="Nightly")
    other = publish.publish_graph(scenario.context, scenario.graph("train"), name="Other")
    endpoint = endpoints.create(scenario.context, "scoring", other)
    channel, _key = scenario.webhook(receiver)
    for name, asked in {
        "a pipeline": {"scope": "pipeline", "pipeline": pipeline.pk},
        "an endpoint": {"scope": "endpoint", "endpoint": endpoint.pk},
        "all": {},
    }.items():
        target, _key = scenario.webhook(receiver, name=name)
        scenario.rule(name=name, channels=[target], **asked)
    scenario.ends("Failed", published_pipeline_id=pipeline.pk)
    called = scenario.pipeline("train", published_pipeline_id=other.pk, started_at=now())
    EndpointRun.objects.create(run=called, endpoint=endpoint, version=endpoint.versions.get())
    Run.objects.filter(pk=called.pk).update(status="Failed", finished_at=now())
    Occurrence.objects.create(workspace=scenario.workspace, kind="run", subject=called.pk)
    scenario.ends("Failed")
    matching.match_all()
    counts = {each.rule.name: each.count for each in Delivery.objects.select_related("rule") if each.rule}
    assert counts == {"a pipeline": 1, "an endpoint": 1, "all": 3} and channel.name


def test_ones_own_rule_ends_with_ones_membership(scenario: Notified) -> None:
    bea = User.objects.create_user("bea")
    member = Member.objects.create(workspace=scenario.workspace, user=bea, role=Role.READER)
    context = authorize(bea, scenario.workspace.name)
    asked = {"name": "mine", "is_own": True, "scope": "mine", "events": ["failed"], "by_browser": True}
    rules.create(context, asked)
    scenario.ends("Failed", submitted_by=bea)
    scenario.ends("Failed")
    matching.match_all()
    assert Delivery.objects.get().user == bea and Delivery.objects.get().count == 1
    # Its messages are nobody else's to see, nor its rule.
    assert (
        scenario.get("notifications/deliveries/").json()["items"]
        == scenario.get("notifications/rules/").json()["items"]
        == []
    )
    assert scenario.get(f"notifications/deliveries/{Delivery.objects.get().pk}/").status_code == 404
    members.remove(scenario.context, member.pk)
    scenario.ends("Failed", submitted_by=bea)
    scenario.send()
    assert Delivery.objects.get().status == "dead" and "left" in Delivery.objects.get().why


def test_what_is_muted_is_kept_and_not_sent(scenario: Notified, receiver: Receiver) -> None:
    channel, _key = scenario.webhook(receiver)
    rule = scenario.rule(channels=[channel])
    answer = scenario.patch(f"notifications/rules/{rule.pk}/", {"muted_until": iso(now() + timedelta(hours=1))})
    assert answer.status_code == 200
    for _ in range(3):
        scenario.ends("Failed")
    scenario.send()
    assert not receiver.calls and Delivery.objects.get().status == "muted" and Delivery.objects.get().count == 3
    scenario.patch(f"notifications/rules/{rule.pk}/", {"muted_until": None})
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="Nightly")
    until = iso(now() + timedelta(hours=1))
    made = scenario.post("notifications/mutes/", {"pipeline": str(pipeline.pk), "until": until})
    assert made.status_code == 201
    scenario.ends("Failed", published_pipeline_id=pipeline.pk)
    scenario.ends("Failed")
    scenario.send()
    assert [each.document["data"]["count"] for each in receiver.calls] == [1]
    Mute.objects.update(until=now())
    scenario.ends("Failed", published_pipeline_id=pipeline.pk)
    scenario.send()
    assert len(receiver.calls) == 2
    # What was gathered before one mutes a rule is not sent either.
    scenario.ends("Failed")
    matching.match_all()
    scenario.patch(f"notifications/rules/{rule.pk}/", {"muted_until": until})
    scenario.send()
    assert len(receiver.calls) == 2 and not Delivery.objects.filter(status="held").exists()


def test_a_run_is_late_by_its_history_or_by_a_given_time(scenario: Notified, receiver: Receiver) -> None:
    channel, _key = scenario.webhook(receiver)
    scenario.rule("late", name="usual", channels=[channel])
    begin = now() - timedelta(hours=9)
    running = scenario.pipeline("train", started_at=now() - timedelta(minutes=12))
    watching.watch()
    assert not titles()  # too few runs before it have a usual time
    for number in range(20):
        root = scenario.pipeline("train", status="Completed", started_at=begin)
        took = timedelta(minutes=30 if number == 19 else 10)
        Run.objects.filter(pk=root.pk).update(finished_at=begin + took)
    for _ in range(3):
        watching.watch()
    (alert,) = Alert.objects.all()
    assert alert.subject == running.pk and "10 min" in alert.facts["why"] and alert.facts["title"].endswith("is late")
    other, _key = scenario.webhook(receiver, name="other")
    rule = scenario.rule("late", name="given", channels=[other], late_minutes=13)
    watching.watch()
    assert Alert.objects.count() == 1
    rules.change(scenario.context, rule, {"late_minutes": 11})
    watching.watch()
    assert Alert.objects.count() == 2


def test_a_step_that_waits_is_told_with_what_keeps_it(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule("waiting", channels=[scenario.webhook(receiver)[0]], wait_minutes=5)
    root = scenario.pipeline("train", status="Running")
    attempt = scenario.attempt(scenario.step(root, "train"), 1, "queued", queued_at=now() - timedelta(minutes=4))
    type(attempt).objects.update(host=None)
    watching.watch()
    assert not titles()
    type(attempt).objects.update(queued_at=now() - timedelta(minutes=6))
    type(scenario.host).objects.update(drained_at=now())
    for _ in range(2):
        watching.watch()
    (alert,) = Alert.objects.all()
    assert "waits for a place" in alert.facts["title"] and "tab=why" in alert.facts["url"]
    assert "Drained" in alert.facts["why"], alert.facts


def test_a_schedule_that_starts_nothing_is_told(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule("missed", channels=[scenario.webhook(receiver)[0]])
    pipeline = publish.publish_graph(scenario.context, scenario.graph("train"), name="Nightly")
    made = schedule(
        scenario.context,
        {
            "name": "often",
            "pipeline": pipeline.pk,
            "timetable": {"frequency": "Minute", "interval": 1},
            "overlap": "skip",
        },
    )
    for _ in range(2):
        type(made).objects.filter(pk=made.pk).update(next_at=now() - timedelta(seconds=2))
        firing.check_due()
        firing.fire_all()
    matching.match_all()
    alerts = list(Alert.objects.order_by("id"))
    assert titles() == ["The schedule often was skipped"] * Tick.objects.filter(status="skipped").count()
    assert alerts and "still under way" in alerts[0].facts["why"]
    # The studio was away: what was not made up for is one tick of the schedule, and told as such.
    type(made).objects.filter(pk=made.pk).update(next_at=now() - timedelta(minutes=30), catch_up=0)
    firing.check_due()
    matching.match_all()
    assert Alert.objects.count() > len(alerts) and "The studio was away" in Alert.objects.latest("id").facts["why"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"events": ["burned"]}, "burned"),
    ({"events": []}, "events"),
    ({"name": " "}, "name"),
    ({"name": "x" * 121}, "120"),
    ({"scope": "pipeline"}, "pipeline"),
    ({"scope": "mine"}, "is_own"),
    ({"scope": "galaxy"}, "galaxy"),
    ({"pipeline": str(uuid4())}, "pipeline"),
    ({"scope": "pipeline", "pipeline": str(uuid4())}, "pipeline"),
    ({"channels": []}, "channel"),
    ({"channels": [str(uuid4())]}, "channel"),
    ({"late_minutes": 0}, "late_minutes"),
    ({"wait_minutes": 10**9}, "wait_minutes"),
    ({"digest_minutes": -1}, "digest_minutes"),
    ({"by_email": True}, "by_email"),
    ({"muted_until": "2001-01-01T00:00:00Z"}, "future"),
    ({"is_own": True}, "channels"),
]


@pytest.mark.parametrize(("wrong", "named"), BAD)
def test_a_rule_that_cannot_be_meant_is_refused(
    scenario: Notified, receiver: Receiver, wrong: dict[str, Any], named: str
) -> None:
    channel, _key = scenario.webhook(receiver)
    asked = {"name": "a", "events": ["failed"], "channels": [str(channel.pk)], **wrong}
    answer = scenario.post("notifications/rules/", asked)
    assert answer.status_code in (400, 404, 409, 422), answer.json()
    assert named in str(answer.json()["error"]) and not Rule.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"url": "ftp://example.org/x"}, "https://"),
        ({"url": ""}, "url"),
        ({"url": "https://me:pw@example.org/x"}, "password"),
        ({"url": "https://exa mple.org/x"}, "https://"),
        ({"url": "https://example.org:99999/"}, "https://"),
        ({"url": "https://example.org:0/"}, "https://"),
        ({"url": "http://2130706433/"}, "private network"),
        ({"url": "http://0x7f.1/"}, "private network"),
        ({"kind": "pigeon"}, "pigeon"),
        ({"recipients": ["a@example.org"]}, "recipients"),
        ({"kind": "email", "url": None}, "url"),
        ({"kind": "email", "recipients": ["a@example.org"]}, "url"),
        ({"kind": "email", "url": ..., "recipients": ["nobody"]}, "nobody"),
        ({"kind": "email", "url": ..., "recipients": []}, "addresses"),
    ],
)
def test_a_channel_that_leads_nowhere_is_refused(scenario: Notified, wrong: dict[str, Any], named: str) -> None:
    asked = {"name": "a", "kind": "webhook", "url": "https://example.org/", **wrong}
    answer = scenario.post(
        "notifications/channels/", {name: value for name, value in asked.items() if value is not ...}
    )
    assert answer.status_code in (400, 409, 422) and named in str(answer.json()["error"]), answer.json()
    assert not Channel.objects.exists()


def test_owners_say_where_contributors_what_and_everybody_their_own(scenario: Notified, receiver: Receiver) -> None:
    channel, _key = scenario.webhook(receiver)
    asked = {"name": "shared", "events": ["failed"], "channels": [str(channel.pk)]}
    own = {"name": "own", "events": ["failed"], "is_own": True, "by_browser": True}
    hook = {"name": "mine", "kind": "webhook", "url": "https://example.org/"}
    codes = {}
    for role in (Role.READER, Role.CONTRIBUTOR, Role.OWNER):
        client = scenario.member(f"a-{role.value}", role)
        base = f"{scenario.base}notifications/"
        codes[role.value] = [
            client.post(f"{base}{what}/", body, content_type="application/json").status_code
            for what, body in (("channels", hook), ("rules", asked), ("rules", own))
        ]
    assert codes == {"reader": [403, 403, 201], "contributor": [403, 201, 201], "owner": [201, 201, 201]}
    mine = Rule.objects.filter(owner__username="a-reader").get()
    assert scenario.patch(f"notifications/rules/{mine.pk}/", {"name": "yours"}).status_code == 404
    root = scenario.pipeline("train")
    step = scenario.run_token(scenario.step(root, "train"))
    refused = step.post(f"{scenario.base}notifications/rules/", own, content_type="application/json")
    assert refused.json()["error"]["code"] == "run_scope"


def test_without_a_mail_server_no_rule_promises_mail(scenario: Notified, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    answer = scenario.post(
        "notifications/rules/", {"name": "a", "events": ["failed"], "is_own": True, "by_email": True}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_mail_server")


def test_pages(scenario: Notified, receiver: Receiver, mail: MailServer) -> None:
    """One walk by a person: a channel with its key shown once, a rule, a mute, a message, sent again."""
    page = Client()
    page.force_login(scenario.owner, backend="django.contrib.auth.backends.ModelBackend")
    at = "/w/lab/settings/notifications/"
    made = page.post(f"{at}channels/new/", {"kind": "webhook", "name": "ops", "url": receiver.url()})
    channel = Channel.objects.get()
    assert made.status_code == 200 and b"whsec_" in made.content and receiver.url().encode() not in made.content
    shown = page.get(f"{at}channels/{channel.pk}/").content
    assert b"whsec_" not in shown and receiver.url().encode() not in shown
    refused = page.post(
        f"{at}rules/new/",
        {"name": "r", "about": "workspace", "events": ["failed"], "wait_minutes": "15", "digest_minutes": "5"},
    )
    assert "Choose a channel" in refused.content.decode()
    page.post(
        f"{at}rules/new/",
        {
            "name": "r<1>",
            "about": "workspace",
            "events": ["failed"],
            "wait_minutes": "15",
            "digest_minutes": "5",
            "channels": [str(channel.pk)],
            "is_active": "on",
        },
    )
    rule = Rule.objects.get()
    scenario.ends("Failed", display_name="<b>nightly")
    receiver.answer(410, b"<script>gone")
    scenario.send()
    delivery = Delivery.objects.get()
    seen = page.get(f"{at}deliveries/{delivery.pk}/").content.decode()
    assert "&lt;b&gt;nightly #1 failed" in seen and "&lt;script&gt;gone" in seen and "410" in seen
    assert "r&lt;1&gt;" in page.get(at).content.decode()
    assert page.post(f"{at}deliveries/{delivery.pk}/again/").status_code == 302
    scenario.send()
    assert Delivery.objects.get().status == "sent"
    page.post(f"{at}rules/{rule.pk}/mute/", {"hours": "8"})
    rule.refresh_from_db()
    assert rule.muted_until and "muted until" in page.get(at).content.decode()
    page.post(f"{at}rules/{rule.pk}/delete/")
    page.post(f"{at}channels/{channel.pk}/delete/")
    assert not Rule.objects.exists() and not Delivery.objects.exists()


def test_a_version_of_a_model_names_who_made_it(scenario: Notified, receiver: Receiver) -> None:
    scenario.rule("model", channels=[scenario.webhook(receiver)[0]])
    model = RegisteredModel.objects.create(workspace=scenario.workspace, name="forest", latest_version=1)
    version = ModelVersion.objects.create(model=model, version=1, created_by=scenario.owner, description="Best yet")
    registry_hooks.version_made(scenario.context, version)
    matching.match_all()
    (alert,) = Alert.objects.all()
    assert alert.facts["why"] == "It was registered by ana: Best yet" and alert.facts["url"].endswith(
        "/models/named/forest/"
    )


def test_many_rules_cost_what_their_receivers_do(scenario: Notified) -> None:
    """Of many rules most name whom another one has named: nothing is asked or written for each of them."""
    users = User.objects.bulk_create(User(username=f"u{number}") for number in range(3))
    Member.objects.bulk_create(Member(workspace=scenario.workspace, user=each, role=Role.READER) for each in users)

    def cost(count: int) -> int:
        Rule.objects.bulk_create(
            Rule(workspace=scenario.workspace, owner=each, name="r", events=["failed"], by_browser=True)
            for each in users
            for _ in range(count)
        )
        scenario.ends("Failed")
        with CaptureQueriesContext(connection) as asked:
            matching.match_all()
        return len(asked)

    few = cost(2)
    assert cost(40) <= few + 3, "the second run looks for messages before it"
    assert Alert.objects.count() == 2 * len(users)


def test_late_runs_are_asked_of_once_however_many_rules(scenario: Notified) -> None:
    scenario.pipeline("train", status="Running", started_at=now() - timedelta(hours=1))

    def cost(count: int) -> int:
        for number in range(count):
            scenario.rule("late", name=f"{count} {number}", is_own=True, by_browser=True, late_minutes=2)
        watching.watch()
        with CaptureQueriesContext(connection) as asked:
            watching.watch()
        return len(asked)

    few = cost(1)
    assert cost(20) == few and Alert.objects.count() == 1


def test_a_name_with_line_breaks_and_turns_is_one_line(scenario: Notified, receiver: Receiver) -> None:
    channel, _key = scenario.webhook(receiver)
    scenario.rule(channels=[channel])
    scenario.ends("Failed", display_name="a\u202e b\r\n\u2066c")
    matching.match_all()
    assert Alert.objects.get().facts["title"].startswith("a b c #")


def test_of_an_archived_workspace_no_waiting_is_told(scenario: Notified) -> None:
    scenario.rule("late", "waiting", is_own=True, by_browser=True)
    assert watching._rules()
    Workspace.objects.filter(pk=scenario.workspace.pk).update(archived_at=now())
    assert not watching._rules()
