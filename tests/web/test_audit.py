"""Each kind of action leaves a row that says who did what, when and from where; the row is shown, filtered and exported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from compute.models import Host, Node
from core.clock import iso, now
from notifications.models import Delivery, Mute
from pipelines.services import endpoint_access, endpoints
from runs.services.submission.publish import publish_run
from tests import monitor_scenario
from tests.web.conftest import Site
from tests.workspace_scenario import content
from workspaces import actions
from workspaces.models import ApiToken, AuditEntry, Member, Role, User
from workspaces.services import accounts, invitations, keyvault, members, tokens
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db]
PASSWORD = "a long pass phrase 7"
# What makes something ready comes first; the action itself is what is given back, to be done in the measured time.
Action = Callable[[], Any]
PAGE, TOKEN, FORM, STUDIO = "page", "token", "form", "studio"


def member(site: Site, role: Role = Role.READER) -> Member:
    return Member.objects.get(workspace=site.workspace, role=role)


def neighbour(site: Site) -> None:
    """Somebody with whom the owner shares another workspace."""
    other = create_workspace(site.owner, "other")
    Member.objects.create(workspace=other.workspace, user=User.objects.create_user("bea"), role=Role.READER)


def far_store(site: Site) -> Any:
    options = {"host": "store.example", "database": "shop", "username": "ana"}
    body = {"name": "far", "kind": "postgresql", "options": options, "credentials": {"password": "p"}, "check": False}
    return site.post("datastores/", body)


def newcomer(site: Site) -> Action:
    _made, path = invitations.invite(site.context, "eve", Role.READER)
    return lambda: Client().post(path, {"password": PASSWORD, "again": PASSWORD})


def joins(site: Site) -> Action:
    _made, path = invitations.invite(site.context, "mallory", Role.READER)
    return lambda: site.people["stranger"].post(path)


def named_twice(site: Site) -> Action:
    """Two workspaces expect somebody of this name, who comes to the other one."""
    other = create_workspace(site.owner, "other")
    invitations.invite(site.context, "eve", Role.READER)
    _made, path = invitations.invite(other, "eve", Role.READER)
    return lambda: Client().post(path, {"password": PASSWORD, "again": PASSWORD})


def link_used(site: Site) -> Action:
    User.objects.get(username="mallory").set_unusable_password()
    path = accounts.sign_in_link(site.person("mallory"))
    return lambda: Client().post(path, {"password": PASSWORD, "again": PASSWORD})


def node(site: Site) -> Action:
    made = Node.objects.create(compute_target=site.cluster, host=site.host, name="cpu-0", cores=1, memory=1)
    Node.objects.filter(pk=made.pk).update(status="idle")
    return lambda: site.send(f"runs/of/cluster/cpu/nodes/{made.pk}/remove/")


def enrols(site: Site) -> Action:
    token = site.post("host-enrolments/", {"name": "beta"}).json()["token"]
    asked = {"token": token, "name": "beta", "agent": "0"}
    return lambda: Client().post("/agent/v1/enrol", asked, content_type="application/json")


def own_host(site: Site) -> None:
    Host.objects.filter(pk=site.host.pk).update(workspace=site.workspace)


def model(site: Site) -> Action:
    root = site.filled()
    asked = {"name": "forest", "run_id": str(site.step(root, "train").pk), "path": "outputs/m.json"}
    return lambda: site.post("models/", asked)


def published(site: Site) -> Any:
    return publish_run(site.context, site.filled(), name="nightly", version="1.0")


def over(site: Site) -> Action:
    root = site.filled()
    return lambda: site.send(f"runs/{root.pk}/delete/", confirm="1")


RETENTION = {"logs": "30", "artifacts": "", "outputs": "", "keep_last": "0", "attempts": "7"}


def after(ready: Any, action: Action) -> Action:
    """The action, with what it needs made before."""
    return action


def a_token(site: Site) -> Action:
    made = tokens.create(site.context, "t", Role.READER).token
    return lambda: site.send(f"settings/tokens/{made.pk}/revoke/")


def removed_model(site: Site) -> Action:
    model(site)()
    return lambda: site.client.delete(f"{site.base}models/forest/versions/1/")


def a_module(site: Site) -> str:
    made: str = site.post("modules/", {"name": "add"}).json()["id"]
    return f"modules/{made}/"


def changes_module(site: Site) -> Action:
    place = a_module(site)
    return lambda: site.patch(place, {"description": "Adds"})


def publishes_module(site: Site) -> Action:
    code = site.snapshot(add_py="print('sum')\n").digest
    place = a_module(site)
    definition = {"kind": "module", "script": "add.py", "snapshot": code}
    return lambda: site.post(f"{place}versions/", {"definition": definition})


def withdraw(site: Site) -> Action:
    made, _path = invitations.invite(site.context, "eve", Role.READER)
    return lambda: site.send(f"settings/members/{made.pk}/withdraw/")


def publishes(site: Site) -> Action:
    root = site.filled()
    return lambda: site.send(f"runs/{root.pk}/publish/", name="nightly", version="1.0")


def an_endpoint(site: Site) -> str:
    made: str = site.post("endpoints/", {"name": "scoring", "pipeline": str(published(site).pk)}).json()["id"]
    return f"endpoints/{made}/"


def adds_a_version(site: Site) -> Action:
    place = an_endpoint(site)
    other = publish_run(site.context, site.filled(), name="nightly", version="2")
    return lambda: site.post(f"{place}versions/", {"pipeline": str(other.pk)})


def chooses_a_version(site: Site) -> Action:
    place = an_endpoint(site)
    other = publish_run(site.context, site.filled(), name="nightly", version="2")
    site.post(f"{place}versions/", {"pipeline": str(other.pk)})
    return lambda: site.send(f"{place}change/", default_version="1")


def changes_endpoint(site: Site) -> Action:
    place = an_endpoint(site)
    return lambda: site.send(f"{place}change/", status="Disabled")


def makes_endpoint_token(site: Site) -> Action:
    place = an_endpoint(site)
    return lambda: site.post(f"{place}tokens/", {"name": "client A"})


def revokes_endpoint_token(site: Site) -> Action:
    place = an_endpoint(site)
    made = site.post(f"{place}tokens/", {"name": "client A"}).json()["id"]
    return lambda: site.send(f"{place}tokens/{made}/revoke/")


def opens_form(site: Site) -> Action:
    place = an_endpoint(site)
    return lambda: site.send(f"{place}form/open/", days="30", runs_per_hour="5")


def closes_form(site: Site) -> Action:
    place = an_endpoint(site)
    site.send(f"{place}form/open/", days="30", runs_per_hour="5")
    return lambda: site.send(f"{place}form/close/")


def runs_by_form(site: Site) -> Action:
    endpoint = endpoints.create(site.context, "scoring", published(site))
    link = endpoint_access.open_form(site.context, endpoint).text
    graph = endpoint.versions.get().pipeline.graph
    values = {f"p_{each['name']}": str(each.get("default", "")).lower() for each in graph.get("parameters", [])}
    return lambda: Client().post(f"/forms/{link}/", values)


def a_draft(site: Site) -> str:
    made: str = site.post("drafts/", {"run_id": str(site.filled().pk)}).json()["id"]
    return f"drafts/{made}/"


def changes_draft(site: Site) -> Action:
    place = a_draft(site)
    return lambda: site.patch(place, {"name": "other"})


def makes_draft(site: Site) -> Action:
    run = site.filled()
    return lambda: site.send("drafts/new/", run_id=str(run.pk))


def deletes_draft(site: Site) -> Action:
    place = a_draft(site)
    return lambda: site.send(f"{place}delete/")


def a_schedule(site: Site) -> str:
    body = {"name": "night", "pipeline": str(published(site).pk), "timetable": {"frequency": "Day", "interval": 1}}
    made: str = site.post("schedules/", body).json()["id"]
    return f"schedules/{made}/"


def makes_schedule(site: Site) -> Action:
    body = {"name": "night", "pipeline": str(published(site).pk), "timetable": {"frequency": "Day", "interval": 1}}
    return lambda: site.post("schedules/", body)


def changes_schedule(site: Site) -> Action:
    place = a_schedule(site)
    return lambda: site.send(f"{place}status/", status="Disabled")


def deletes_schedule(site: Site) -> Action:
    place = a_schedule(site)
    return lambda: site.send(f"{place}delete/")


def backfills(site: Site) -> Action:
    """Makes a backfill of a schedule that began later."""
    body = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"}
    place = a_schedule(site)
    return lambda: site.post(f"{place}backfills/", body)


def cancels_backfill(site: Site) -> Action:
    place = a_schedule(site)
    key = site.post(f"{place}backfills/", {"start": "2026-01-01T00:00:00Z", "end": "2026-01-03T00:00:00Z"}).json()["id"]
    return lambda: site.send(f"{place}backfill/{key}/cancel/")


def a_monitor(site: Site) -> str:
    return f"monitors/{monitor_scenario.a_monitor(site.context).pk}/"


def makes_monitor(site: Site) -> Action:
    version = monitor_scenario.a_monitor(site.context).baseline_id
    body = {"name": "other", "baseline": str(version), "target": str(version), "frequency": "Day"}
    return lambda: site.post("monitors/", body)


def changes_monitor(site: Site) -> Action:
    place = a_monitor(site)
    return lambda: site.patch(place, {"is_enabled": False})


def deletes_monitor(site: Site) -> Action:
    place = a_monitor(site)
    return lambda: site.client.delete(site.base + place)


def runs_monitor(site: Site) -> Action:
    place = a_monitor(site)
    return lambda: site.post(f"{place}run/", {"at": "2026-09-01T00:00:00Z"})


NOTIFICATIONS = "settings/notifications/"


def a_channel(site: Site) -> str:
    made: str = site.post(
        "notifications/channels/", {"name": "ops", "kind": "slack", "url": "https://example.org/x"}
    ).json()["id"]
    return made


def a_rule(site: Site) -> str:
    made: str = site.post(
        "notifications/rules/", {"name": "failures", "events": ["failed"], "channels": [a_channel(site)]}
    ).json()["id"]
    return made


def makes_rule(site: Site) -> Action:
    body = {"name": "failures", "events": ["failed"], "channels": [a_channel(site)]}
    return lambda: site.post("notifications/rules/", body)


def sends_again(site: Site) -> Action:
    made = site.post(f"notifications/channels/{a_channel(site)}/test/").json()[0]["id"]
    Delivery.objects.update(status="dead")
    return lambda: site.send(f"{NOTIFICATIONS}deliveries/{made}/again/")


def with_id(ready: str, action: Callable[[str], Any]) -> Action:
    return lambda: action(ready)


def unmutes(site: Site) -> Action:
    site.send(f"{NOTIFICATIONS}mutes/", pipeline=str(published(site).pk), hours="1")
    mute = Mute.objects.get()
    return lambda: site.send(f"{NOTIFICATIONS}mutes/{mute.pk}/delete/")


def makes_endpoint(site: Site) -> Action:
    pipeline = str(published(site).pk)
    return lambda: site.post("endpoints/", {"name": "scoring", "pipeline": pipeline})


def disables(site: Site) -> Action:
    made = published(site)
    return lambda: site.send(f"pipelines/{made.pk}/status/", status="Disabled")


# By its code: from where it comes, who is told to have done it, and how it is done.
ACTIONS: dict[str, tuple[str, str, Callable[[Site], Action]]] = {
    "account.closed": (PAGE, "ana", lambda s: lambda: s.page.post(f"/studio/people/{s.person('mallory').pk}/active/", {"active": "0"})),
    "account.created": (PAGE, "eve", newcomer),
    "account.link_used": (PAGE, "mallory", link_used),
    "account.opened": (PAGE, "ana", lambda s: after(members.close_account("mallory"), lambda: s.page.post(f"/studio/people/{s.person('mallory').pk}/active/", {"active": "1"}))),
    "account.password_set": (PAGE, "mallory", link_used),
    "compute.changed": (TOKEN, "ana", lambda s: lambda: s.patch("compute/cpu/", {"max_nodes": 3})),
    "compute.created": (TOKEN, "ana", lambda s: lambda: s.post("compute/", {"name": "far", "vm_size": "STANDARD_DS1_V2"})),
    "compute.deleted": (PAGE, "ana", lambda s: lambda: s.send("compute/clusters/cpu/delete/")),
    "compute.node_removed": (PAGE, "ana", node),
    "dataset.changed": (PAGE, "ana", lambda s: after(s.dataset(), lambda: s.send("data/about/penguins/", description="Birds", tags=""))),
    "dataset.registered": (TOKEN, "ana", lambda s: after(s.dataset(), lambda: s.post("datasets/", {"name": "more", "kind": "file", "definition": {"sources": [{"datastore": "workspaceblobstore", "path": "raw/p.csv"}]}}))),
    "dataset.unregistered": (PAGE, "ana", lambda s: after(s.dataset(), lambda: s.send("data/unregister/penguins/"))),
    "datastore.credentials_set": (TOKEN, "ana", lambda s: after(far_store(s), lambda: s.client.put(f"{s.base}datastores/far/credentials/", {"credentials": {"password": "p"}, "check": False}, content_type="application/json"))),
    "datastore.registered": (TOKEN, "ana", lambda s: lambda: far_store(s)),
    "datastore.removed": (TOKEN, "ana", lambda s: after(s.dataset(), lambda: s.client.delete(f"{s.base}datastores/workspaceblobstore/files/raw/p.csv"))),
    "datastore.unregistered": (TOKEN, "ana", lambda s: after(far_store(s), lambda: s.client.delete(f"{s.base}datastores/far/"))),
    "draft.changed": (TOKEN, "ana", changes_draft),
    "draft.created": (PAGE, "ana", makes_draft),
    "draft.deleted": (PAGE, "ana", deletes_draft),
    "endpoint.changed": (PAGE, "ana", changes_endpoint),
    "endpoint.created": (TOKEN, "ana", makes_endpoint),
    "endpoint.default_chosen": (PAGE, "ana", chooses_a_version),
    "endpoint.form_closed": (PAGE, "ana", closes_form),
    "endpoint.form_opened": (PAGE, "ana", opens_form),
    "endpoint.form_run": (FORM, "ana", runs_by_form),
    "endpoint.token_created": (TOKEN, "ana", makes_endpoint_token),
    "endpoint.token_revoked": (PAGE, "ana", revokes_endpoint_token),
    "endpoint.version_added": (TOKEN, "ana", adds_a_version),
    "environment.registered": (TOKEN, "ana", lambda s: lambda: s.post("environments/", {"name": "slim", "python": {"version": "3.11", "packages": ["pandas"]}})),
    "experiment.changed": (TOKEN, "ana", lambda s: after(s.post("experiments/", {"name": "e"}), lambda: s.patch("experiments/e/", {"description": "First"}))),
    "host.detached": (PAGE, "ana", lambda s: after(own_host(s), lambda: s.send("compute/hosts/alpha/detach/"))),
    "host.drained": (PAGE, "ana", lambda s: lambda: s.send("compute/hosts/alpha/drain/")),
    "host.enrolled": (TOKEN, "ana", enrols),
    "host.invited": (PAGE, "ana", lambda s: lambda: s.send("compute/add-host/", name="beta", hours="1")),
    "host.undrained": (PAGE, "ana", lambda s: after(s.send("compute/hosts/alpha/drain/"), lambda: s.send("compute/hosts/alpha/undrain/"))),
    "invitation.ended": (STUDIO, "studio", named_twice),
    "invitation.withdrawn": (PAGE, "ana", withdraw),
    "member.added": (PAGE, "ana", lambda s: after(neighbour(s), lambda: s.send("settings/members/add/", username="bea", role="reader"))),
    "member.changed": (PAGE, "ana", lambda s: lambda: s.send(f"settings/members/{member(s).pk}/role/", role="contributor")),
    "member.invited": (PAGE, "ana", lambda s: lambda: s.send("settings/members/add/", username="eve", role="reader", days="2")),
    "member.joined": (PAGE, "mallory", joins),
    "member.left": (PAGE, "a-reader", lambda s: lambda: s.send("settings/workspace/leave/", "reader")),
    "member.link_made": (PAGE, "ana", lambda s: lambda: s.send("settings/people/link/", role="reader", days="3", uses="5")),
    "member.removed": (PAGE, "ana", lambda s: lambda: s.send(f"settings/members/{member(s).pk}/remove/")),
    "model.changed": (TOKEN, "ana", lambda s: after(model(s)(), lambda: s.patch("models/forest/versions/1/", {"description": "Trees"}))),
    "model.registered": (TOKEN, "ana", model),
    "model.removed": (TOKEN, "ana", removed_model),
    "module.changed": (TOKEN, "ana", changes_module),
    "module.created": (TOKEN, "ana", lambda s: lambda: s.post("modules/", {"name": "add"})),
    "module.published": (TOKEN, "ana", publishes_module),
    "notification.channel_changed": (TOKEN, "ana", lambda s: with_id(a_channel(s), lambda made: s.patch(f"notifications/channels/{made}/", {"name": "others"}))),
    "notification.channel_created": (TOKEN, "ana", lambda s: lambda: a_channel(s)),
    "notification.channel_deleted": (PAGE, "ana", lambda s: with_id(a_channel(s), lambda made: s.send(f"{NOTIFICATIONS}channels/{made}/delete/"))),
    "notification.muted": (PAGE, "ana", lambda s: with_id(str(published(s).pk), lambda made: s.send(f"{NOTIFICATIONS}mutes/", pipeline=made, hours="1"))),
    "notification.rule_changed": (PAGE, "ana", lambda s: with_id(a_rule(s), lambda made: s.send(f"{NOTIFICATIONS}rules/{made}/mute/", hours="1"))),
    "notification.rule_created": (TOKEN, "ana", makes_rule),
    "notification.rule_deleted": (PAGE, "ana", lambda s: with_id(a_rule(s), lambda made: s.send(f"{NOTIFICATIONS}rules/{made}/delete/"))),
    "notification.sent_again": (PAGE, "ana", sends_again),
    "notification.unmuted": (PAGE, "ana", unmutes),
    "pipeline.published": (PAGE, "ana", publishes),
    "pipeline.status": (PAGE, "ana", disables),
    "retention.applied": (PAGE, "ana", lambda s: after(s.send("settings/retention/save/", **RETENTION), lambda: s.send("settings/retention/apply/"))),
    "retention.changed": (PAGE, "ana", lambda s: lambda: s.send("settings/retention/save/", **RETENTION)),
    "run.delete": (PAGE, "ana", over),
    "monitor.changed": (TOKEN, "ana", changes_monitor),
    "monitor.created": (TOKEN, "ana", makes_monitor),
    "monitor.deleted": (TOKEN, "ana", deletes_monitor),
    "monitor.ran": (TOKEN, "ana", runs_monitor),
    "schedule.backfill_canceled": (PAGE, "ana", cancels_backfill),
    "schedule.backfilled": (TOKEN, "ana", backfills),
    "schedule.changed": (PAGE, "ana", changes_schedule),
    "schedule.created": (TOKEN, "ana", makes_schedule),
    "schedule.deleted": (PAGE, "ana", deletes_schedule),
    "secret.deleted": (PAGE, "ana", lambda s: after(keyvault.set_values(s.context, {"db": "x"}), lambda: s.send("settings/secrets/db/delete/"))),
    "secret.read": (TOKEN, "ana", lambda s: after(keyvault.set_values(s.context, {"db": "x"}), lambda: s.post("secrets/values/", {"names": ["db"]}))),
    "secret.set": (PAGE, "ana", lambda s: lambda: s.send("settings/secrets/set/", name="db", value="x")),
    "studio.message": (PAGE, "ana", lambda s: lambda: s.page.post("/studio/banner/", {"text": "Tonight", "level": "info"})),
    "token.created": (PAGE, "ana", lambda s: lambda: s.send("settings/tokens/create/", name="nightly", role="reader", days="30")),
    "token.revoked": (PAGE, "ana", a_token),
    "workspace.archived": (PAGE, "ana", lambda s: lambda: s.send("settings/workspace/archive/", archived="1")),
    "workspace.audit_days": (PAGE, "ana", lambda s: lambda: s.send("settings/audit/days/", days="30")),
    "workspace.changed": (TOKEN, "ana", lambda s: lambda: s.patch("", {"description": "Soil"})),
    "workspace.created": (PAGE, "ana", lambda s: lambda: None),
    "workspace.deleted": (PAGE, "ana", lambda s: lambda: s.send("settings/workspace/delete/", confirm="lab")),
    "workspace.handed_over": (PAGE, "ana", lambda s: lambda: s.send("settings/workspace/hand-over/", member=str(member(s).pk))),
    "workspace.limits": (TOKEN, "ana", lambda s: lambda: s.patch("", {"limits": {"members": 9}})),
    "workspace.restored": (PAGE, "ana", lambda s: after(s.send("settings/workspace/archive/", archived="1"), lambda: s.send("settings/workspace/archive/", archived="0"))),
    "workspace.run_token_scope": (TOKEN, "ana", lambda s: lambda: s.patch("", {"run_token_scope": "restricted"})),
}  # fmt: skip
# Of the installation, not of one workspace: they stand on its own page.
OUTSIDE = {
    "account.closed",
    "account.link_used",
    "account.opened",
    "account.password_set",
    "studio.message",
    "workspace.deleted",
}


def test_every_action_is_tried() -> None:
    assert ACTIONS.keys() == actions.WORDS.keys()


@pytest.mark.parametrize("code", sorted(ACTIONS))
def test_an_action_leaves_a_row_that_is_shown_filtered_and_exported(site: Site, code: str) -> None:
    via, person, make = ACTIONS[code]
    User.objects.filter(pk=site.owner.pk).update(is_superuser=True)
    action = make(site)
    if code != "workspace.created":
        AuditEntry.objects.update(created_at=now() - timedelta(days=2))
    known = set(AuditEntry.objects.values_list("pk", flat=True)) if code != "workspace.created" else set()
    begun = now() if known else now() - timedelta(hours=1)
    answer = action()
    entry = AuditEntry.objects.filter(action=code).exclude(pk__in=known).first()
    assert entry is not None, answer and (answer.status_code, answer.content[:3000])
    assert begun <= entry.created_at <= now()
    assert (entry.actor, entry.via) == (person, via)
    assert entry.person == ("" if via == STUDIO else person)
    assert bool(entry.through) == (via in (TOKEN, FORM))
    assert entry.target
    if code in OUTSIDE:
        assert entry.workspace is None
        assert str(actions.WORDS[code]) in site.page.get("/studio/").content.decode()
        return
    assert entry.workspace == site.workspace
    Member.objects.update_or_create(workspace=site.workspace, user=site.owner, defaults={"role": Role.OWNER})
    shown_and_exported(site, entry)


def shown_and_exported(site: Site, entry: AuditEntry) -> None:
    """By the page, by REST and by both files; and left out by a filter that means another kind, person or time."""
    fits: dict[str, Any] = {"action": entry.action, "person": entry.actor, "since": entry.created_at.date().isoformat()}
    page = site.see("settings/audit/", **fits).content.decode()
    assert escape(str(actions.WORDS[entry.action])) in page and escape(entry.target) in page
    items = site.get("audit/", **fits).json()["items"][0]
    row = {
        "at": iso(entry.created_at), "person": entry.person, "actor": entry.actor, "via": entry.via,
        "through": entry.through, "action": entry.action, "target": entry.target, "facts": entry.facts,
    }  # fmt: skip
    assert items == row
    lines = content(site.get("audit/file/", kind="jsonl", **fits)).splitlines()
    assert json.loads(lines[0]) == row
    (first, *_) = csv.DictReader(io.StringIO(content(site.see("settings/audit/file/", kind="csv", **fits)).decode()))
    assert {**first, "facts": json.loads(first["facts"])} == row
    tomorrow = (now() + timedelta(days=1)).date().isoformat()
    for other in ({"action": "moon.landed"}, {"person": "nobody"}, {"since": tomorrow}):
        assert site.get("audit/", **{**fits, **other}).json()["items"] == []


def test_a_step_is_told_with_its_run_and_its_submitter(site: Site) -> None:
    root = site.pipeline("train", status="Running")
    step = site.step(root, "train")
    minted = tokens.mint_run_token(site.workspace, step.pk, root.pk, user=site.owner)
    program = Client(headers={"Authorization": f"Bearer {minted}"})
    asked = {"name": "slim", "python": {"version": "3.11", "packages": ["pandas"]}}
    assert program.post(f"{site.base}environments/", asked, content_type="application/json").status_code == 201
    entry = AuditEntry.objects.get(action="environment.registered")
    assert (entry.person, entry.actor) == (site.owner.username, f"run {step.pk}")
    assert (entry.via, entry.through) == ("run", str(step.pk))
    assert ApiToken.objects.filter(run_id=step.pk).exists()
