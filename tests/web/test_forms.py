"""Forms below runs: data, machines, people, the front door."""

from __future__ import annotations

import io
import os
from datetime import timedelta

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from compute.models import ComputeTarget
from core.clock import now
from datasets.models import Dataset, DatasetVersion
from datasets.services import staging
from datasets.services.files import files_of
from datasets.stores import STAGED, root_by_name
from tests.web.conftest import Site
from workspaces.models import ApiToken, Member, User
from workspaces.services import keyvault
from workspaces.services.accounts import sign_in_link

CSV = b"species,mass\nAdelie,3700\nGentoo,5000\n"


def test_a_csv_that_is_dragged_in_becomes_a_dataset_with_a_preview(site: Site) -> None:
    file = SimpleUploadedFile("penguins raw.csv", CSV, "text/csv")
    answer = site.send("data/register/?from=upload", name="penguins", kind="tabular", separator=",", file=file)
    assert answer["Location"] == "/w/lab/data/sets/penguins/"
    page = site.see("data/sets/penguins/", part="preview").content.decode()
    assert "Adelie" in page
    assert "mass" in page


def test_a_second_file_of_the_same_name_is_a_new_version_and_the_first_stays(site: Site) -> None:
    for data in (CSV, CSV + b"Chinstrap,3800\n"):
        file = SimpleUploadedFile("p.csv", data, "text/csv")
        site.send(
            "data/register/?from=upload", name="penguins", kind="tabular", separator=",", file=file, new_version="on"
        )
    assert Dataset.objects.get(name="penguins").latest_version == 2
    assert "Chinstrap" not in site.see("data/sets/penguins/", part="preview", version=1).content.decode()
    assert "Chinstrap" in site.see("data/sets/penguins/", part="preview").content.decode()


def test_several_files_come_with_the_form_where_no_script_runs(site: Site) -> None:
    files = [SimpleUploadedFile(f"{name}.csv", CSV, "text/csv") for name in "ab"]
    site.send("data/register/?from=upload", name="two", kind="tabular", file=files)
    version = Dataset.objects.get(name="two").versions.get()
    assert [each.path for each in files_of(version)] == ["a.csv", "b.csv"]
    assert version.definition["sources"] == [{"datastore": "workspaceblobstore", "path": "uploads/two/"}]


def test_files_are_sent_under_a_key_that_is_good_for_one_person(site: Site) -> None:
    key = staging.new_key(site.context)
    at = f"/w/lab/data/staged/{key}/deep/a b.csv"
    assert site.page.put(at, CSV).json() == {"path": "deep/a b.csv", "size": len(CSV)}
    assert [each.path for each in staging.held(site.context, key)] == ["deep/a b.csv"]
    found = site.people["contributor"].put(at, CSV)
    assert (found.status_code, found.json()["error"]["code"]) == (400, "bad_key")
    assert site.people["reader"].put(at, CSV).status_code == 403
    assert site.people["stranger"].put(at, CSV).status_code == 404
    assert site.page.put("/w/lab/data/staged/made-up/a.csv", CSV).status_code == 400
    assert site.page.put(f"/w/lab/data/staged/{key}/../../a.csv", CSV).status_code == 400
    assert (
        site.send("data/register/?from=upload", "contributor", name="theirs", kind="file", staged=key).status_code
        == 400
    )
    assert site.page.delete(at).status_code == 204
    assert staging.held(site.context, key) == []
    assert (
        "There is no file yet"
        in site.send("data/register/?from=upload", name="gone", kind="file", staged=key).content.decode()
    )


def test_a_form_names_a_file_of_which_only_a_part_has_come(site: Site) -> None:
    key = staging.new_key(site.context)
    at, piece = f"/w/lab/data/staged/{key}/", {"Content-Range": "bytes 0-3/8"}
    site.page.put(f"{at}whole.csv", CSV)
    assert site.page.put(f"{at}large.csv?changed=1&by=one", b"a,b\n", headers=piece).json()["received"] == 4
    assert site.page.put(f"{at}large.csv?changed=1&by=No", b"a,b\n", headers=piece).status_code == 400
    for kind in ("file", "tabular"):
        answer = site.send("data/register/?from=upload", name="partly", kind=kind, separator=",", staged=key)
        assert not Dataset.objects.exists()
        assert "only a part is here yet: &#x27;large.csv&#x27;" in answer.content.decode()
    assert site.page.delete(f"{at}large.csv").status_code == 204
    assert site.send("data/register/?from=upload", name="partly", kind="file", staged=key)["Location"]


def test_a_new_version_of_one_without_sources_has_a_form_too(site: Site) -> None:
    """No definition that is saved today has none; a row may."""
    file = SimpleUploadedFile("p.csv", CSV, "text/csv")
    site.send("data/register/?from=upload", name="penguins", kind="tabular", separator=",", file=file)
    DatasetVersion.objects.update(definition={"sources": [], "format": {}, "operations": []})
    for way in ("", "&from=upload", "&from=path", "&from=web"):
        assert "penguins" in site.see(f"data/register/?of=penguins{way}").content.decode()


def test_what_nobody_registers_is_removed_after_a_day(site: Site) -> None:
    old, fresh = staging.new_key(site.context), staging.new_key(site.context)
    for key in (old, fresh):
        staging.put(site.context, key, "a.csv", io.BytesIO(CSV))
    [found] = staging.held(site.context, old)
    place = root_by_name(site.workspace, STAGED).place(found.key)
    assert place is not None
    long_ago = (now() - staging.KEPT - timedelta(minutes=1)).timestamp()
    os.utime(place, (long_ago, long_ago))
    staging.sweep()
    assert staging.held(site.context, old) == []
    assert len(staging.held(site.context, fresh)) == 1


def test_a_path_is_picked_folder_by_folder(site: Site) -> None:
    site.dataset()
    picker = site.see("data/register/", **{"from": "path", "part": "picker", "at": "raw"}).content.decode()
    assert "p.csv" in picker
    place = site.see(
        "data/register/", **{"from": "path", "part": "place", "datastore": "workspaceblobstore", "path": "raw/p.csv"}
    ).content.decode()
    assert 'value="raw/p.csv"' in place
    assert "<html" not in place
    site.send("data/register/?from=path", name="picked", kind="file", datastore="workspaceblobstore", path="raw/*.csv")
    assert Dataset.objects.filter(name="picked").exists()


def test_a_path_without_a_match_is_told_at_the_path(site: Site) -> None:
    answer = site.send(
        "data/register/?from=path", name="none", kind="file", datastore="workspaceblobstore", path="nothing/*.csv"
    )
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert not Dataset.objects.filter(name="none").exists()


def test_a_table_that_is_none_is_told_at_the_file(site: Site) -> None:
    file = SimpleUploadedFile("picture.csv", bytes(range(256)) * 20, "text/csv")
    answer = site.send("data/register/?from=upload", name="none", kind="tabular", separator=",", file=file)
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


def test_an_address_inside_the_house_is_not_fetched(site: Site) -> None:
    answer = site.send("data/register/?from=web", name="inside", kind="file", url="http://127.0.0.1:1/secret")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


def test_a_path_out_of_a_datastore_opens_nothing(site: Site) -> None:
    assert site.see("data/stores/workspaceblobstore/", path="../../secret").status_code == 400
    assert site.see("data/stores/workspaceblobstore/file/", path="../../secret").status_code == 400
    assert site.see("data/stores/_web/").status_code == 404


def test_a_cluster_is_created_resized_and_deleted_by_form(site: Site) -> None:
    values = {
        "name": "gpu-cluster",
        "vm_size": "STANDARD_NC6",
        "min_nodes": "0",
        "max_nodes": "2",
        "idle_seconds": "60",
    }
    assert site.send("compute/create/", **values)["Location"] == "/w/lab/compute/clusters/gpu-cluster/"
    site.send("compute/clusters/gpu-cluster/resize/", min_nodes="1", max_nodes="3", idle_seconds="60")
    assert ComputeTarget.objects.get(name="gpu-cluster").max_nodes == 3
    site.send("compute/clusters/gpu-cluster/delete/")
    assert not ComputeTarget.objects.filter(name="gpu-cluster").exists()


def test_a_bad_name_of_a_cluster_is_told_at_the_name(site: Site) -> None:
    answer = site.send(
        "compute/create/", name="1 bad", vm_size="STANDARD_DS1_V2", min_nodes="2", max_nodes="1", idle_seconds="60"
    )
    assert "less than the nodes that are kept" in answer.content.decode()
    answer = site.send(
        "compute/create/", name="1 bad", vm_size="STANDARD_DS1_V2", min_nodes="0", max_nodes="1", idle_seconds="60"
    )
    assert "cannot name a compute target" in answer.content.decode()


def test_a_token_is_shown_once_and_works_until_it_is_revoked(site: Site) -> None:
    page = site.send(
        "settings/tokens/create/", "contributor", name="nightly", role="contributor", days="30"
    ).content.decode()
    text = page.split('data-copy="duto_')[1].split('"')[0]
    visitor = site.client_for(f"duto_{text}")
    assert visitor.get("/api/v1/workspaces/lab/").status_code == 200
    assert text not in site.see("settings/", "contributor").content.decode()
    site.send(f"settings/tokens/{ApiToken.objects.get(name='nightly').pk}/revoke/", "contributor")
    assert visitor.get("/api/v1/workspaces/lab/").status_code == 401


def test_a_secret_is_written_on_the_page_and_never_shown(site: Site) -> None:
    value = "hunter2\n  second line "
    site.send("settings/secrets/set/", "contributor", name="db-password", value=value.replace("\n", "\r\n"))
    assert keyvault.read_values(site.context, ["db-password"]) == {"db-password": value}
    # One that is there stays as it is unless that is said, and what was typed does not come back.
    refused = site.send("settings/secrets/set/", name="DB-password", value="hunter3").content.decode()
    assert "already" in refused and "hunter3" not in refused and "hunter2" not in refused
    bad = site.send("settings/secrets/set/", name="under_score", value="hunter3").content.decode()
    assert "cannot name a secret" in bad and "hunter3" not in bad
    site.send("settings/secrets/set/", name="db-password", value="hunter3", replace="on")
    assert keyvault.read_values(site.context, ["db-password"]) == {"db-password": "hunter3"}
    for who in ("reader", "contributor", "owner"):
        page = site.see("settings/", who).content.decode()
        assert "db-password" in page and "hunter" not in page
        assert ("secrets/db-password/delete/" in page) is (who != "reader")
    assert site.send("settings/secrets/db-password/delete/", "reader").status_code == 403
    site.send("settings/secrets/db-password/delete/")
    assert keyvault.read_values(site.context, ["db-password"]) == {"db-password": None}


def test_nobody_makes_a_token_larger_than_their_role(site: Site) -> None:
    site.send("settings/tokens/create/", "reader", name="mine", role="owner")
    assert not ApiToken.objects.filter(name="mine").exists()


def test_a_new_member_gets_a_link_that_works_once(site: Site) -> None:
    page = site.send("settings/members/add/", username="bo", role="reader").content.decode()
    path = "/start/" + page.split("/start/")[1].split('"')[0].split("<")[0]
    visitor = Client()
    assert b"Welcome, bo" in visitor.get(path).content
    assert visitor.post(path, {"password": "a good long one 7", "again": "a good long one 7"})["Location"] == "/w/lab/"
    assert visitor.get("/w/lab/").status_code == 200
    assert Client().get(path).status_code == 404


def test_the_last_owner_stays(site: Site) -> None:
    member = Member.objects.get(user=site.owner)
    site.send(f"settings/members/{member.pk}/role/", role="reader")
    assert Member.objects.get(pk=member.pk).role == "owner"


def test_a_weak_or_mistyped_password_is_told_at_its_field(site: Site) -> None:
    path = sign_in_link(User.objects.create_user("bo", password=None))
    visitor = Client()
    assert "not the same" in visitor.post(path, {"password": "a good long one 7", "again": "another"}).content.decode()
    assert 'role="alert"' in visitor.post(path, {"password": "12345678", "again": "12345678"}).content.decode()
    assert visitor.get(path).status_code == 200


def test_the_front_door_leads_to_the_workspace_that_was_open_last(site: Site) -> None:
    assert Client().get("/")["Location"].startswith("/accounts/login/")
    site.see("runs/")
    assert site.people["owner"].get("/")["Location"] == "/w/lab/"
    assert site.people["stranger"].get("/").status_code == 200


def test_the_sign_in_page_takes_name_and_password(site: Site) -> None:
    visitor = Client()
    assert b"Sign in" in visitor.get("/accounts/login/").content
    for path in ("login/", "password/change/", "reauthenticate/"):
        html = (visitor if path == "login/" else site.page).get(f"/accounts/{path}", follow=True).content.decode()
        assert 'type="password"' in html and "<label" in html and "placeholder" not in html, path
    assert visitor.post("/accounts/login/", {"login": "ana", "password": "long enough 1"})["Location"] == "/"


def test_config_json_names_the_workspace_and_holds_no_secret(site: Site) -> None:
    held = site.see("settings/config.json", "reader").json()
    assert held["workspace_name"] == "lab"
    assert set(held) == {"subscription_id", "resource_group", "workspace_name", "studio_url"}


def test_a_dialog_that_is_opened_by_its_address_finds_nothing_wrong_yet(site: Site) -> None:
    for place in ("members/add/", "people/link/", "tokens/create/"):
        page = site.page.get(f"/w/lab/settings/{place}")
        assert page.status_code == 200 and "This field is required." not in page.content.decode(), place
