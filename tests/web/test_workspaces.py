"""The pages about workspaces as wholes: all of mine, a new one, settings, people, the audit, the end."""

from __future__ import annotations

import pytest
from django.test import Client

from core.clock import now
from runs.models import Run
from tests.web.conftest import Site, inline_parts
from tests.workspace_scenario import content
from workspaces.models import ApiToken, AuditEntry, Invitation, Member, Role, User, Workspace
from workspaces.services.workspaces import create_workspace

NEW = {"name": "soil", "description": "Samples of soil", "people": "a-reader\neve\n\neve", "role": "reader", "cluster": "cpu-one", "vm_size": "STANDARD_DS3_V2", "max_nodes": "2"}  # fmt: skip


def test_mine_are_listed_and_archived_ones_stand_last(site: Site) -> None:
    site.pipeline("a", status="Running")
    create_workspace(site.owner, "alone", "Only me")
    Workspace.objects.filter(name="alone").update(archived_at=now())
    page = site.page.get("/workspaces/").content.decode()
    assert page.index(">lab</a>") < page.index(">alone</a>") and "archived" in page and "Only me" in page
    assert inline_parts(page) == []
    # The switcher shows what is not archived, and leads to all.
    nav = page[page.index('id="workspaces"') : page.index("</nav>")]
    assert "/w/alone/" not in nav and 'href="/workspaces/new/"' in nav
    assert "/w/lab/" not in site.people["stranger"].get("/workspaces/").content.decode()
    assert Client().get("/workspaces/")["Location"].startswith("/accounts/login/")


def test_a_workspace_is_made_by_its_form_with_people_and_a_cluster(site: Site) -> None:
    assert "another" in site.people["reader"].get("/workspaces/new/").content.decode()
    assert b"Only who owns" in site.people["reader"].post("/workspaces/new/", NEW).content
    assert not Workspace.objects.filter(name="soil").exists()
    page = site.page.post("/workspaces/new/", NEW).content.decode()
    context = Workspace.objects.get(name="soil")
    assert context.default_compute == "cpu-one" and page.count("/start/") >= 1 and "is a member now" in page
    assert Invitation.objects.get(workspace=context).username == "eve"
    assert {each.user.username: each.role for each in context.members.select_related("user")} == {
        "ana": "owner",
        "a-reader": "reader",
    }
    # All or nothing, and what was typed stays.
    again = site.page.post("/workspaces/new/", {**NEW, "name": "other", "cluster": "-"}).content.decode()
    assert "cannot name a compute target" in again and not Workspace.objects.filter(name="other").exists()
    taken = site.page.post("/workspaces/new/", NEW).content.decode()
    assert "Choose another name" in taken and "Samples of soil" in taken
    alone = site.page.post("/workspaces/new/", {**NEW, "name": "third", "people": "", "cluster": ""})
    assert alone["Location"] == "/w/third/"


def test_owners_change_what_is_said_of_it_and_its_limits(site: Site) -> None:
    form = {
        "description": "New",
        "tags": "team: north\nstage:",
        "default_datastore": "workspacefilestore",
        "default_compute": "cpu",
    }
    assert site.send("settings/workspace/save/", **form).status_code == 302
    site.workspace.refresh_from_db()
    assert site.workspace.tags == {"team": "north", "stage": ""}
    assert (site.workspace.default_datastore, site.workspace.default_compute) == ("workspacefilestore", "cpu")
    wrong = site.send("settings/workspace/save/", **{**form, "tags": "no colon"}).content.decode()
    assert "is no tag" in wrong and "no colon" in wrong
    assert site.send("settings/workspace/limits/", storage="1.5", running_steps="", members="9").status_code == 302
    page = site.see("settings/workspace/").content.decode()
    assert 'value="1.5"' in page and "of 1.5 GiB" in page and "3 of 9" in page
    assert b"Ensure this value" in site.send("settings/workspace/limits/", storage="-1").content
    # What the form shows is what holds, to the byte: sent again it changes nothing.
    for size in (1, 10**9, 1_234_567_890_123, 9_223_372_036_854_775_807):
        limits = {"storage_bytes": size, "running_steps": 3_000_000, "members": None}
        assert site.patch("", {"limits": limits}).status_code == 200
        form = site.see("settings/workspace/").context["page"].limits
        shown = {
            name: form[name].value() if form[name].value() is not None else "" for name in limits if name in form.fields
        }
        answer = site.send("settings/workspace/limits/", **shown, storage=form["storage"].value())
        assert answer.status_code == 302, form["storage"].value()
        site.workspace.refresh_from_db()
        assert site.workspace.settings["limits"] == limits
    for path in ("save/", "limits/", "archive/", "hand-over/", "delete/"):
        assert site.send(f"settings/workspace/{path}", "contributor").status_code == 403, path


def test_an_archived_workspace_says_so_on_every_page_and_offers_no_action(site: Site) -> None:
    site.send("settings/workspace/archive/", archived="1")
    for path in ("", "runs/", "compute/", "settings/people/"):
        page = site.see(path).content.decode()
        assert "This workspace is archived" in page, path
        assert "New cluster" not in page and "Add member" not in page
    refused = site.send("sample/")
    assert refused.status_code == 302 and not Run.objects.exists()
    assert "is archived" in site.see("runs/").content.decode()
    assert site.send("settings/workspace/archive/", archived="0").status_code == 302
    assert "This workspace is archived" not in site.see("").content.decode()


def test_it_is_deleted_by_typing_its_name_after_a_look_at_what_goes(site: Site) -> None:
    run = site.pipeline("a", status="Running", display_name="nightly")
    page = site.see("settings/workspace/delete/").content.decode()
    assert "1 run is not over" in page and f"/runs/{run.pk}/" in page and "Type lab to delete it" in page
    assert inline_parts(page) == []
    wrong = site.send("settings/workspace/delete/", confirm="Lab")
    assert wrong.status_code == 200 and b"Type the name" in wrong.content
    assert site.send("settings/workspace/delete/", confirm="lab")["Location"] == "/workspaces/"
    assert b"is deleted" in site.page.get("/workspaces/").content  # a page for who belongs to nothing
    assert site.see("").status_code == 404
    assert not ApiToken.objects.exists()


def test_who_belongs_to_it_is_told_with_tokens_and_what_would_end(site: Site) -> None:
    reader = Member.objects.get(user=site.person("a-contributor"))
    site.people["contributor"].post(
        "/w/lab/settings/tokens/create/", {"name": "nightly", "role": "reader", "days": "30"}
    )
    page = site.see("settings/people/").content.decode()
    assert "nightly" in page and inline_parts(page) == []
    assert "nightly" not in site.see("settings/people/", "reader").content.decode()
    one = site.see(f"settings/members/{reader.pk}/").content.decode()
    assert "1 token ends at once." in one and "Remove them" in one
    assert site.see(f"settings/members/{reader.pk}/", "contributor").status_code == 403
    site.send(f"settings/members/{reader.pk}/remove/")
    assert not Member.objects.filter(pk=reader.pk).exists()


def test_a_link_for_whoever_holds_it_is_shown_once(site: Site) -> None:
    page = site.send("settings/people/link/", role="reader", days="3", uses="5").content.decode()
    made = Invitation.objects.get()
    assert "/start/" in page and made.uses_left == 5
    listed = site.see("settings/people/").content.decode()
    assert "/start/" not in listed and "whoever holds the link" in listed
    site.send(f"settings/members/{made.pk}/withdraw/")
    assert not Invitation.objects.exists()
    assert b"makes no owner" not in site.send("settings/people/link/", role="owner", days="3", uses="5").content
    assert not Invitation.objects.exists()


def test_people_leave_and_hand_over(site: Site) -> None:
    assert site.send("settings/workspace/leave/", "reader")["Location"] == "/workspaces/"
    assert site.see("", "reader").status_code == 404
    heir = Member.objects.get(user=site.person("a-contributor"))
    site.send("settings/workspace/hand-over/", member=str(heir.pk))
    assert Member.objects.get(pk=heir.pk).role == Role.OWNER
    assert site.send("settings/workspace/save/").status_code == 403


@pytest.mark.parametrize(
    ("query", "shown"), [("", 3), ("?person=ana", 2), ("?action=run.delete", 1), ("?since=2100-01-01", 0)]
)
def test_the_audit_is_filtered(site: Site, query: str, shown: int) -> None:
    AuditEntry.objects.all().delete()
    for actor, action in (("ana", "run.delete"), ("ana", "member.added"), ("bea", "member.removed")):
        AuditEntry.objects.create(
            workspace=site.workspace, actor=actor, person=actor, via="page", action=action, facts={"n": "<b>"}
        )
    page = (
        site.see(f"settings/audit/{query}").content.decode()
        if not query
        else site.page.get(f"/w/lab/settings/audit/{query}").content.decode()
    )
    assert page.count('<tr class="tall">') == shown and inline_parts(page) == []
    lines = content(site.page.get(f"/w/lab/settings/audit/file/{query or '?'}&kind=jsonl")).splitlines()
    assert len(lines) == shown


def test_the_audit_is_its_owners(site: Site) -> None:
    for path in ("settings/audit/", "settings/audit/file/"):
        assert site.see(path, "contributor").status_code == 403
    assert b"is a day or a time" in site.see("settings/audit/", since="soon").content
    assert site.send("settings/audit/days/", days="30").status_code == 302
    assert 'value="30"' in site.see("settings/audit/").content.decode()
    assert site.send("settings/audit/days/", days="x").status_code == 302
    assert 'value="30"' in site.see("settings/audit/").content.decode()


def test_the_list_costs_the_same_with_two_and_with_ten(site: Site) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def cost() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert site.page.get("/workspaces/").status_code == 200
        return len(seen)

    cost()
    few = cost()
    for number in range(8):
        create_workspace(site.owner, f"w{number}")
    assert cost() == few and User.objects.exists()
