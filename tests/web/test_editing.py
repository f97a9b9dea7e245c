"""Two people edit one thing at once: the second is told whose change stands, sees both values, and saves over it on purpose or not."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection

from compute.models import ComputeTarget
from compute.services import targets
from datasets.models import DatasetVersion
from datasets.services import versions
from notifications.models import Channel, Rule
from notifications.services import channels, rules
from pipelines.models import Module, ModuleVersion, PipelineEndpoint
from runs.services.maintenance import retention
from schedules.models import Schedule
from schedules.services import schedules
from tests.web.conftest import Site
from workspaces.models import AuditEntry, Banner, Workspace
from workspaces.services import edits, installation, workspaces
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


class Form(HTMLParser):
    """The fields of the form that is sent there, with what a browser would send."""

    def __init__(self, page: str, action: str) -> None:
        super().__init__()
        self.action, self.inside, self.values = action, False, dict[str, Any]()
        self.select, self.area = "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at: dict[str, str] = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = at.get("method") == "post" and at.get("action") == self.action
        if not self.inside:
            return
        if tag == "input" and at.get("name") and at.get("type") not in ("submit", "checkbox", "radio"):
            self.values[at["name"]] = at.get("value", "")
        if tag == "input" and at.get("type") == "checkbox" and "checked" in at:
            held = self.values.get(at["name"], [])
            self.values[at["name"]] = [*(held if isinstance(held, list) else [held]), at.get("value") or "on"]
        if tag == "select":
            self.select = at["name"]
        if tag == "option" and self.select and ("selected" in at or self.select not in self.values):
            self.values[self.select] = at.get("value", "")
        if tag == "textarea":
            self.area = at["name"]
            self.values[self.area] = ""

    def handle_data(self, data: str) -> None:
        if self.inside and self.area:
            self.values[self.area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = ""
        if tag == "select":
            self.select = ""
        if tag == "form":
            self.inside = False

    @property
    def sent(self) -> dict[str, Any]:
        return {name: value[1:] if isinstance(value, str) and value.startswith("\n") else value for name, value in self.values.items()}  # fmt: skip


def _night() -> Schedule:
    return Schedule.objects.get(name="every night")


def _rule() -> Rule:
    return Rule.objects.get(name="failures")


def _channel() -> Channel:
    return Channel.objects.get(kind="webhook")


def _penguins() -> DatasetVersion:
    return DatasetVersion.objects.get(dataset__name="penguins")


def _limits() -> Any:
    return Workspace.objects.get(name="lab").settings["limits"]["members"]


@dataclass(frozen=True)
class Case:
    """A form: its page, where it is sent, what another does meanwhile, what is typed; what is then saved, theirs and mine."""

    page: Callable[[], str]
    others: Callable[[Site], Any]
    mine: dict[str, str]
    value: Callable[[], Any]
    theirs: Any
    wanted: Any
    to: str = ""


CASES = {
    "schedule": Case(
        lambda: f"/w/lab/schedules/{_night().pk}/edit/",
        lambda site: schedules.change(site.context, _night(), {"description": "Theirs"}),
        {"description": "Mine"},
        lambda: _night().description,
        "Theirs",
        "Mine",
    ),
    "rule": Case(
        lambda: f"/w/lab/settings/notifications/rules/{_rule().pk}/",
        lambda site: rules.change(site.context, _rule(), {"digest_minutes": 17}),
        {"digest_minutes": "33"},
        lambda: _rule().digest_minutes,
        17,
        33,
    ),
    "channel": Case(
        lambda: f"/w/lab/settings/notifications/channels/{_channel().pk}/",
        lambda site: channels.change(site.context, _channel(), {"name": "theirs"}),
        {"name": "mine"},
        lambda: _channel().name,
        "theirs",
        "mine",
    ),
    "cluster": Case(
        lambda: "/w/lab/compute/clusters/cpu/resize/",
        lambda site: targets.update_target(site.context, "cpu", max_nodes=7),
        {"max_nodes": "9"},
        lambda: ComputeTarget.objects.get(name="cpu").max_nodes,
        7,
        9,
    ),
    "dataset": Case(
        lambda: "/w/lab/data/about/penguins/?version=1",
        lambda site: versions.annotate(site.context, _penguins().pk, description="Theirs"),
        {"description": "Mine"},
        lambda: _penguins().description,
        "Theirs",
        "Mine",
    ),
    "workspace": Case(
        lambda: "/w/lab/settings/workspace/",
        lambda site: workspaces.change(site.context, description="Theirs"),
        {"description": "Mine"},
        lambda: Workspace.objects.get(name="lab").description,
        "Theirs",
        "Mine",
        "/w/lab/settings/workspace/save/",
    ),
    "limits": Case(
        lambda: "/w/lab/settings/workspace/",
        lambda site: workspaces.set_limits(site.context, {"members": 70}),
        {"members": "90"},
        _limits,
        70,
        90,
        "/w/lab/settings/workspace/limits/",
    ),
    "retention": Case(
        lambda: "/w/lab/settings/retention/",
        lambda site: retention.set_policy(site.context, {"logs": 700}),
        {"logs": "900"},
        lambda: retention.policy_of(Workspace.objects.get(name="lab")).logs,
        700,
        900,
        "/w/lab/settings/retention/save/",
    ),
    "banner": Case(
        lambda: "/studio/banner/",
        lambda site: installation.say(site.person("ana"), "Theirs"),
        {"text": "Mine"},
        lambda: Banner.objects.get().text,
        "Theirs",
        "Mine",
    ),
}


@pytest.fixture
def full(full: Site) -> Site:
    create_workspace(full.owner, "main")  # whose first owner looks after the studio
    return full


@pytest.mark.parametrize("kind", CASES)
def test_a_form_saves_over_nobody_elses_change_without_a_word(full: Site, kind: str) -> None:
    case = CASES[kind]
    mine, value, theirs, wanted = case.mine, case.value, case.theirs, case.wanted
    place = case.to or case.page()
    form = Form(full.people["owner"].get(case.page()).content.decode(), place).sent
    assert re.fullmatch(r"[0-9a-f]{32}", form["seen"]), "the form knows what it was opened with"
    case.others(full)
    assert value() == theirs
    answer = full.people["owner"].post(place, {**form, **mine})
    assert answer.status_code == 200 and value() == theirs, "nothing is saved"
    said = answer.content.decode()
    assert "Save mine over it" in said and "ana has changed this meanwhile" in said
    shown = re.findall(r"<bdi>(.*?)</bdi>", said)
    first = [each[0] if isinstance(each, list) else str(each) for each in (theirs, wanted)]
    assert any(shown[at : at + 2] == first for at in range(len(shown))), f"both values are shown: {shown}"
    # Sending it again does not help; what was saved since the offer is not overwritten either.
    again = full.people["owner"].post(place, {**Form(said, place).sent, **mine})
    assert "Save mine over it" in again.content.decode() and value() == theirs
    over = re.findall(r'name="over" value="([0-9a-f]{32})"', said)[0]
    saved = full.people["owner"].post(place, {**form, **mine, "over": over})
    assert saved.status_code in (204, 302) and value() == wanted
    stale = full.people["owner"].post(place, {**form, **mine, "over": over})
    assert "Save mine over it" in stale.content.decode()


def test_a_form_without_the_field_saves_as_before(full: Site) -> None:
    """Programs that post forms, and pages of before an update."""
    answer = full.send("compute/clusters/cpu/resize/", min_nodes="0", max_nodes="5", idle_seconds="60")
    assert answer.status_code == 302 and ComputeTarget.objects.get(name="cpu").max_nodes == 5


def _rest(site: Site, path: str, method: str, body: Any = None, **headers: str) -> Any:
    call = getattr(site.people["owner"], method)
    return call(f"/api/v1/workspaces/lab/{path}", body, content_type="application/json", headers=headers)


def test_rest_changes_only_the_state_that_if_match_names(full: Site) -> None:
    schedule, endpoint = Schedule.objects.get(name="every night"), PipelineEndpoint.objects.get()
    rule, channel = Rule.objects.filter(owner=None).earliest("id"), Channel.objects.earliest("id")
    module = Module.objects.get()
    version = DatasetVersion.objects.get(dataset__name="penguins")
    places: dict[str, dict[str, Any]] = {
        f"schedules/{schedule.pk}/": {"description": "x"},
        f"endpoints/{endpoint.pk}/": {"description": "x"},
        f"notifications/rules/{rule.pk}/": {"digest_minutes": 44},
        f"notifications/channels/{channel.pk}/": {"name": "another"},
        f"modules/{module.pk}/": {"description": "x"},
        f"module-versions/{ModuleVersion.objects.get().pk}/": {"description": "x"},
        f"dataset-versions/{version.pk}/": {"description": "x"},
        "compute/cpu/": {"max_nodes": 4},
        "models/forest/versions/1/": {"description": "x"},
        "experiments/Palmer%20experiment/": {"description": "x"},
        "": {"description": "x"},
    }
    for place, body in places.items():
        tag = _rest(full, place, "get")["ETag"]
        done = _rest(full, place, "patch", body, **{"If-Match": tag})
        assert done.status_code == 200 and done["ETag"] != tag, place
        stale = _rest(full, place, "patch", body, **{"If-Match": tag})
        assert stale.status_code == 412, place
        found = stale.json()["error"]
        assert found["code"] == "changed" and found["facts"]["changed_by"] == "ana", (place, found)
        assert done["ETag"] == f'"{found["facts"]["etag"]}"'
        assert _rest(full, place, "patch", body, **{"If-Match": "*"}).status_code == 200
        assert _rest(full, place, "patch", body).status_code == 200, "the header is optional"
        weak = f'"0", "a,b",, W/{_rest(full, place, "get")["ETag"]}'
        assert _rest(full, place, "patch", body, **{"If-Match": weak}).status_code == 200
        assert _rest(full, place, "patch", body, **{"If-Match": '"*"'}).status_code == 412, "the tag of that text"
        assert _rest(full, place, "patch", body, **{"If-Match": "naked"}).json()["error"]["code"] == "bad_if_match"


def _who(site: Site, place: str, tag: str = '"0"') -> Any:
    refused = _rest(site, place, "patch", {"description": "Mine"}, **{"If-Match": tag})
    assert refused.status_code == 412
    return refused.json()["error"]["facts"].get("changed_by")


def test_who_left_the_present_state_is_named_and_nobody_else(full: Site) -> None:
    endpoint, bob = PipelineEndpoint.objects.get(), full.people["contributor"]
    place = f"endpoints/{endpoint.pk}/"
    _rest(full, place, "patch", {"description": "Theirs"})
    assert _who(full, place) == "ana"
    # By another action than the last change: a default is chosen.
    chosen = bob.patch(f"/api/v1/workspaces/lab/{place}", {"default_version": 1}, content_type="application/json")
    assert chosen.status_code == 200, chosen.content
    assert _who(full, place) == AuditEntry.objects.latest("id").actor != "ana"
    # One that stands in no audit.
    PipelineEndpoint.objects.update(description="By nobody")
    assert _who(full, place) is None
    # Of a workspace one thing and the other.
    _rest(full, "", "patch", {"description": "Theirs"})
    _rest(full, "", "patch", {"limits": {"members": 70}})
    assert AuditEntry.objects.latest("id").action == "workspace.limits" and _who(full, "") == "ana"
    Workspace.objects.filter(name="lab").update(description="By nobody")
    assert _who(full, "") is None


def test_two_modules_in_the_same_state_are_told_apart(full: Site) -> None:
    """Their states are alike, and so are their entity tags."""
    first = ModuleVersion.objects.get()
    second = ModuleVersion.objects.create(
        module=first.module, version="9", definition=first.definition, snapshot_digest=first.snapshot_digest
    )
    _rest(full, f"module-versions/{first.pk}/", "patch", {"description": "Same"})
    ModuleVersion.objects.filter(pk=second.pk).update(description="Same")
    assert _who(full, f"module-versions/{first.pk}/") == "ana"
    assert _who(full, f"module-versions/{second.pk}/") is None


def test_where_nothing_is_compared_if_match_is_refused(full: Site) -> None:
    answer = _rest(full, "datastores/workspaceblobstore/", "patch", {"is_default": True}, **{"If-Match": '"x"'})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_if_match"


def test_of_two_at_once_one_is_refused(full: Site) -> None:
    """Under the lock of the row: between looking and saving nobody comes in."""
    schedule = Schedule.objects.get(name="every night")
    seen = frozenset([edits.etag(schedules.state(schedule))])
    ready, refused, saved = threading.Barrier(4), list[str](), list[str]()

    def change(number: int) -> None:
        ready.wait()
        try:
            schedules.change(full.context, schedule, {"description": f"by {number}"}, seen=seen)
            saved.append(f"by {number}")
        except Exception as error:
            refused.append(getattr(error, "code", repr(error)))
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=[number]) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(saved) == 1 and set(refused) <= {"changed", "busy"} and len(refused) == 3
    assert Schedule.objects.get(pk=schedule.pk).description == saved[0]
    assert AuditEntry.objects.filter(action="schedule.changed", target=str(schedule.pk)).count() == 1
