"""Addresses of a monitor: a rule tells them, over a channel that owners answer for, or they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, Forbidden
from monitors.models import Monitor
from monitors.services import monitors
from notifications.models import Alert, Channel, Rule
from notifications.services import matching, rules
from tests.monitors.test_monitors import flights, looked, made
from tests.runs.conftest import RunScenario
from workspaces.access import WorkspaceContext
from workspaces.models import Member, Role, User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
ADDRESSES = ["ana@example.org", "rui@example.org"]


@pytest.fixture
def mail(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example.org"


@pytest.mark.usefixtures("mail")
def test_addresses_are_told_of_their_monitor_alone(scenario: RunScenario) -> None:
    monitor = made(scenario, threshold=0.1, features=["month"], alert_emails=ADDRESSES)
    rule = Rule.objects.get()
    assert (rule.scope, rule.monitor_id, rule.events) == ("monitor", monitor.pk, ["drift", "performance"])
    assert list(rule.channels.values_list("recipients", flat=True)) == [ADDRESSES]
    other = made(scenario, name="other", baseline=flights(scenario, 2).pk, threshold=0.1, features=["month"])
    looked(scenario, other), matching.match_all()
    assert not Alert.objects.exists(), "a rule about one monitor says nothing of another one"
    window = looked(scenario, monitor)
    matching.match_all()
    alerts = Alert.objects.select_related("delivery")
    assert {(each.subject, each.delivery.address) for each in alerts} == {(window.pk, each) for each in ADDRESSES}
    monitors.change(scenario.context, monitor, {"alert_emails": ["ana@example.org"]})
    assert Rule.objects.get().pk == rule.pk and Channel.objects.count() == 2
    assert [each.recipients for each in Rule.objects.get().channels.all()] == [["ana@example.org"]]
    monitors.change(scenario.context, monitor, {"threshold": 0.2})
    monitors.change(scenario.context, monitor, {"alert_emails": []})
    assert not Rule.objects.exists()
    monitors.change(scenario.context, monitor, {"alert_emails": ADDRESSES})
    rules.delete(scenario.context, Rule.objects.get())
    assert Monitor.objects.get(pk=monitor.pk).alert_emails == [], "nobody tells them any more"


@pytest.mark.usefixtures("mail")
def test_owners_say_where_a_workspace_writes_to(scenario: RunScenario) -> None:
    user = User.objects.create_user("rui")
    Member.objects.create(workspace=scenario.workspace, user=user, role=Role.CONTRIBUTOR)
    context = WorkspaceContext(scenario.workspace, Role.CONTRIBUTOR, user=user)
    baseline, target = flights(scenario, 2), flights(scenario, 3, {"op": "timestamp_columns", "timestamp": "time_hour"})
    asked = {"name": "m", "frequency": "Day", "baseline": baseline.pk, "target": target.pk, "alert_emails": ADDRESSES}
    with pytest.raises(Forbidden, match="Ask one for a channel"):
        monitors.create(context, asked)
    assert not Monitor.objects.exists() and not Rule.objects.exists()
    channel = Channel.objects.create(workspace=scenario.workspace, name="m", kind="email", recipients=ADDRESSES[::-1])
    monitors.create(context, asked)
    assert list(Rule.objects.get().channels.all()) == [channel]
    monitors.create(scenario.context, {**asked, "name": "M", "alert_emails": ["eva@example.org"]})
    assert Channel.objects.get(recipients=["eva@example.org"]).name == "M 2", "names of channels are told apart"


def test_without_a_mail_server_addresses_are_refused(scenario: RunScenario, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    with pytest.raises(Conflict, match="DUTO_SMTP_HOST"):
        made(scenario, alert_emails=ADDRESSES)
    assert not Monitor.objects.exists()
