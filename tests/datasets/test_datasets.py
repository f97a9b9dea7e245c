"""Datasets through REST: definitions, versions, files, previews, and clear words for what cannot be."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from django.db.models import JSONField
from django.test import Client
from django.urls import reverse

from core.ids import uuid7
from datasets import references
from datasets.models import DatasetVersion
from datasets.services import files as dataset_files
from datasets.services.versions import save
from datasets.stores import root_by_name
from tests.workspace_scenario import RestClient, WorkspaceScenario, code, content, stays_constant
from workspaces.models import Role

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
STORE = "workspaceblobstore"
PENGUINS = (
    "species,mass,when,ok\nAdelie,3750.5,2007-11-11,true\nGentoo,NA,2008-01-02,false\nChinstrap,3800,2009-02-03,true\n"
)


def source(*paths: str, **more: Any) -> dict[str, Any]:
    return {"sources": [{"datastore": STORE, "path": path} for path in paths], **more}


def post(rest: RestClient, name: str | None, definition: Any, kind: str = "file", **more: Any) -> Any:
    return rest.post("datasets/", {"name": name, "kind": kind, "definition": definition, **more})


def test_a_table_has_columns_types_and_rows(scenario: WorkspaceScenario) -> None:
    scenario.put("raw/p.csv", PENGUINS)
    made = post(scenario.api, "penguins", source("raw/*.csv"), "tabular").json()
    types = {each["name"]: each["type"] for each in made["columns"]}
    assert types == {"species": "string", "mass": "float", "when": "datetime", "ok": "bool"}
    preview = scenario.api.get(f"dataset-versions/{made['id']}/preview/?limit=2").json()
    assert preview["rows"] == [
        ["Adelie", 3750.5, "2007-11-11T00:00:00", True],
        ["Gentoo", None, "2008-01-02T00:00:00", False],
    ]


def test_the_same_definition_again_is_the_same_version(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", PENGUINS)
    scenario.put("b.csv", PENGUINS)
    first = post(scenario.api, "p", source("a.csv")).json()
    assert post(scenario.api, "p", source("a.csv")).json()["id"] == first["id"]
    assert code(post(scenario.api, "p", source("b.csv"))) == (409, "exists")
    second = post(scenario.api, "p", source("b.csv"), create_new_version=True).json()
    assert (first["version"], second["version"]) == (1, 2)
    assert scenario.api.get("datasets/p/versions/latest/").json()["id"] == second["id"]
    assert scenario.api.get("datasets/p/versions/1/").json()["id"] == first["id"]
    assert [each["version"] for each in scenario.api.get("datasets/p/versions/").json()["items"]] == [2, 1]
    assert code(post(scenario.api, "p", source("a.csv"), "tabular", create_new_version=True)) == (409, "kind_differs")


def test_what_was_registered_last_is_the_newest_also_when_it_is_an_older_definition(
    scenario: WorkspaceScenario,
) -> None:
    for name in ("a.csv", "b.csv"):
        scenario.put(name, PENGUINS)
    made = [post(scenario.api, "p", source(f"{name}.csv"), create_new_version=True).json() for name in "abaab"]
    assert [each["version"] for each in made] == [1, 2, 3, 3, 4]
    assert made[2]["id"] == made[3]["id"] != made[0]["id"]
    assert scenario.api.get("datasets/p/").json()["id"] == made[4]["id"]
    assert scenario.api.get("datasets/p/versions/latest/").json()["definition"] == made[1]["definition"]
    (listed,) = scenario.api.get("datasets/").json()["items"]
    assert listed["latest_version"] == 4
    # Without create_new_version an older definition is another one, like any that is not the newest.
    assert code(post(scenario.api, "p", source("a.csv"))) == (409, "exists")
    assert post(scenario.api, "p", source("b.csv")).json()["version"] == 4


@pytest.mark.parametrize("kind", ["file", "tabular"])
def test_what_is_not_to_be_looked_at_is_registered_before_it_is_there(scenario: WorkspaceScenario, kind: str) -> None:
    assert code(post(scenario.api, "later", source("not/yet/*.csv"), kind)) == (422, "no_match")
    made = post(scenario.api, "later", source("not/yet/*.csv"), kind, validate=False)
    assert (made.status_code, made.json()["status"], made.json()["file_count"]) == (201, "ready", None)
    place = f"dataset-versions/{made.json()['id']}/"
    assert code(scenario.api.get(f"{place}files/")) == (422, "no_match")
    scenario.put("not/yet/a.csv", "x\n1\n")
    assert [each["path"] for each in scenario.api.get(f"{place}files/").json()["items"]] == ["a.csv"]
    again = post(scenario.api, "later", source("not/yet/*.csv"), kind)
    assert (again.json()["version"], again.json()["file_count"]) == (1, 1)


def test_without_a_name_it_is_kept_by_id_and_not_listed(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", PENGUINS)
    made = post(scenario.api, None, source("a.csv")).json()
    assert made["name"] is None
    assert post(scenario.api, None, source("a.csv")).json()["id"] == made["id"]
    assert scenario.api.get("datasets/").json()["items"] == []
    assert scenario.api.get(f"dataset-versions/{made['id']}/").json()["file_count"] == 1


@pytest.mark.parametrize(
    ("definition", "status", "why"),
    [
        (source("nothing/*.csv"), 422, "no_match"),
        (source("../../secret"), 400, "unsafe_path"),
        ({"sources": [{"datastore": "nowhere", "path": "a"}]}, 404, "unknown_datastore"),
        ({"sources": []}, 400, "bad_definition"),
        ({"sources": "a.csv"}, 400, "bad_definition"),
        ({"sources": [{"url": "file:///etc/passwd"}]}, 400, "bad_definition"),
        ({"sources": [{"url": "http://127.0.0.1/x.csv"}]}, 422, "private_address"),
        ({"sources": [{"url": "http://169.254.169.254/latest/"}]}, 422, "private_address"),
        (source("a.csv", operations=[{"op": "explode"}]), 400, "bad_definition"),
        (source("a.csv", operations=[{"op": "take", "count": -1}]), 400, "bad_definition"),
        (source("a.csv", operations=[{"op": "keep_columns", "columns": ["a"]}]), 400, "bad_definition"),
    ],
)
def test_a_definition_that_cannot_be_is_a_clear_error(
    scenario: WorkspaceScenario, definition: Any, status: int, why: str
) -> None:
    scenario.put("a.csv", PENGUINS)
    assert code(post(scenario.api, "p", definition)) == (status, why)
    assert scenario.api.get("datasets/").json()["items"] == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"<!DOCTYPE html><html><body>Not found</body></html>",
        b"a,b\n1,2\n1,2,3,4\n",
        b"a,b\n\xff\xfe\xfa,2\n",
        b"",
        b"   \n",
    ],
)
def test_a_csv_that_is_none_is_a_clear_error(scenario: WorkspaceScenario, data: bytes) -> None:
    scenario.put("a.csv", data)
    assert code(post(scenario.api, "p", source("a.csv"), "tabular")) == (422, "not_a_table")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'a,b\n1,"x\n2,y\n3,z\n', "line 2 is never closed"),
        (b'a,b\n1,2\n"3,z', "line 3 is never closed"),
        (b'a,b\r1,2\r3,"z""\r4,5\r', "line 3 is never closed"),
        (b'\xef\xbb\xbf"a,b\n1,x\n', "line 1 is never closed"),
        (b'a,b\n1,"x\n2,"y"\n3,z\n', "more text in line 3"),
        (b"a,b\n" + b"1,x\n" * 40_000 + b'1,"x\n' + b"2,y\n" * 700_000, "line 40002 is never closed"),
        (b"a,b\n1,2\n1,2,3,4\n", "line 3 has 4 values"),
        (b"a,b\n" + b"1,2\n" * 40_000 + b"1,\0\n", "NUL byte in line 40002"),
        (b"a,b\n1,\0\n", "not a text file"),
        ("a,b\n1,2\n".encode("utf-16"), "looks like utf-16; name its encoding"),
        (b"a,b\n1,Jos\xe9\n", "line 2 is not utf8; name its encoding"),
    ],
)
def test_what_is_wrong_with_a_csv_is_told_with_its_line(scenario: WorkspaceScenario, data: bytes, said: str) -> None:
    scenario.put("a.csv", data)
    refused = post(scenario.api, "p", source("a.csv"), "tabular")
    assert code(refused) == (422, "not_a_table")
    assert said in str(refused.json())
    assert scenario.api.get("datasets/").json()["items"] == []


def test_an_encoding_that_fails_far_into_the_file_is_told(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", b"a,b\n" + b"1,2\n" * 40_000 + b"1,\x81\x81\n")
    refused = post(scenario.api, "p", source("a.csv", format={"encoding": "cp1252"}), "tabular")
    assert code(refused) == (422, "not_a_table") and "is not cp1252" in str(refused.json())
    scenario.put("b.csv", b"a,b\n" + b"1,2\n" * 400_000 + b"1,\xe9\n")
    refused = post(scenario.api, "q", source("b.csv"), "tabular")
    assert code(refused) == (422, "not_a_table") and "line 400002 is not utf8" in str(refused.json())


@pytest.mark.parametrize("form", [{}, {"separator": "||"}, {"separator": "\t"}])
def test_quotes_that_open_nothing_are_text(scenario: WorkspaceScenario, form: dict[str, str]) -> None:
    rows = [['5" nail', "a"], ['"x, ""y"""', '"line\nline"'], ["", '""'], ['it is 5 "', "b"]]
    scenario.put("a.csv", "\n".join([form.get("separator", ",").join(row) for row in [["c", "d"], *rows]]))
    made = post(scenario.api, "p", source("a.csv", format=form), "tabular")
    assert made.status_code == 201, made.content
    got = scenario.api.get(f"dataset-versions/{made.json()['id']}/preview/").json()["rows"]
    assert got == [['5" nail', "a"], ['x, "y"', "line\nline"], [None, None], ['it is 5 "', "b"]]


def test_a_table_in_another_encoding_is_read_when_it_is_said(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", "name;n\nJosé;1\n".encode("latin-1"))
    form = {"separator": ";", "encoding": "latin-1"}
    made = post(scenario.api, "p", source("a.csv", format=form), "tabular").json()
    assert scenario.api.get(f"dataset-versions/{made['id']}/preview/").json()["rows"] == [["José", 1]]
    odd = post(scenario.api, "q", source("a.csv", format={"encoding": "klingon"}), "tabular")
    assert code(odd) == (400, "bad_definition")


def test_operations_are_done_in_their_order(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", "a,b,c\n" + "".join(f"{n},{n * 2},x\n" for n in range(20)))
    operations = [
        {"op": "skip", "count": 2},
        {"op": "drop_columns", "columns": ["c"]},
        {"op": "take", "count": 3},
        {"op": "keep_columns", "columns": ["b"]},
    ]
    made = post(scenario.api, "p", source("a.csv", operations=operations), "tabular").json()
    answer = scenario.api.get(f"dataset-versions/{made['id']}/content/")
    assert content(answer) == b"b\n4\n6\n8\n"


def test_a_split_has_every_row_once(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", "a\n" + "".join(f"{n}\n" for n in range(100)))
    parts = []
    for part in (0, 1):
        split = [{"op": "random_split", "percentage": 0.7, "seed": 3, "part": part}]
        made = post(scenario.api, None, source("a.csv", operations=split), "tabular").json()
        parts.append(set(content(scenario.api.get(f"dataset-versions/{made['id']}/content/")).split()[1:]))
    assert not parts[0] & parts[1] and len(parts[0] | parts[1]) == 100 and 50 < len(parts[0]) < 90


def test_types_that_were_asked_for_win(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", "id,n\n007,1\n008,x\n")
    form = {"columns": {"id": "string", "n": "long"}}
    answer = post(scenario.api, "p", source("a.csv", format=form), "tabular")
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert scenario.api.get(f"dataset-versions/{made['id']}/preview/").json()["rows"] == [["007", 1], ["008", None]]
    assert code(post(scenario.api, "q", source("a.csv", format={"columns": {"n": "complex"}}), "tabular"))[0] == 400


def test_a_header_is_where_it_was_said_to_be(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", "1,2\n3,4\n")
    made = post(scenario.api, "p", source("a.csv", format={"header": False}), "tabular").json()
    assert [each["name"] for each in made["columns"]] == ["Column1", "Column2"]
    scenario.put("b/1.csv", "a,b\n1,2\n")
    scenario.put("b/2.csv", "3,4\n")
    made = post(scenario.api, "q", source("b/*.csv", format={"header": "first"}), "tabular").json()
    assert scenario.api.get(f"dataset-versions/{made['id']}/preview/").json()["rows"] == [[1, 2], [3, 4]]


def test_parquet_and_json_lines_are_tables_too(scenario: WorkspaceScenario) -> None:
    import io

    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"a": [1, 2], "b": ["x", None]}), buffer)
    scenario.put("a.parquet", buffer.getvalue())
    made = post(scenario.api, "p", source("a.parquet", format={"type": "parquet"}), "tabular").json()
    assert scenario.api.get(f"dataset-versions/{made['id']}/preview/").json()["rows"] == [[1, "x"], [2, None]]
    scenario.put("a.jsonl", '{"a": 1}\n{"a": 2}\n')
    made = post(scenario.api, "j", source("a.jsonl", format={"type": "json_lines"}), "tabular").json()
    assert scenario.api.get(f"dataset-versions/{made['id']}/preview/").json()["rows"] == [[1], [2]]
    assert code(post(scenario.api, "n", source("a.jsonl", format={"type": "parquet"}), "tabular")) == (
        422,
        "not_a_table",
    )


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("raw/",), ["a.csv", "deep/b.csv", "deep/c.txt"]),
        (("raw/*.csv",), ["a.csv"]),
        (("raw/**/*.csv",), ["a.csv", "deep/b.csv"]),
        (("raw/**",), ["a.csv", "deep/b.csv", "deep/c.txt"]),
        (("raw/deep/b.csv",), ["b.csv"]),
        (("raw/deep/[bx].csv",), ["b.csv"]),
        (("raw/a.csv", "raw/deep"), ["a.csv", "deep/b.csv", "deep/c.txt"]),
        (("",), ["other.csv", "raw/a.csv", "raw/deep/b.csv", "raw/deep/c.txt"]),
    ],
)
def test_paths_and_patterns_find_their_files(
    scenario: WorkspaceScenario, paths: tuple[str, ...], names: list[str]
) -> None:
    for path in ("raw/a.csv", "raw/deep/b.csv", "raw/deep/c.txt", "other.csv"):
        scenario.put(path, path)
    version = save(scenario.context, None, "file", source(*paths))
    assert sorted(each.path for each in dataset_files.files_of(version)) == names
    made = scenario.api.get(f"dataset-versions/{version.pk}/files/").json()["items"]
    assert scenario.api.get(made[0]["url"].split("localhost")[-1].split("testserver")[-1]).status_code == 200


def test_one_file_of_a_dataset_can_be_read(scenario: WorkspaceScenario) -> None:
    scenario.put("raw/a.csv", "alpha")
    made = post(scenario.api, "p", source("raw/")).json()
    assert content(scenario.api.get(f"dataset-versions/{made['id']}/content/?path=a.csv")) == b"alpha"
    assert code(scenario.api.get(f"dataset-versions/{made['id']}/content/?path=b.csv"))[0] == 404
    assert code(scenario.api.get(f"dataset-versions/{made['id']}/content/?path=../a.csv"))[0] == 404
    assert code(scenario.api.get(f"dataset-versions/{made['id']}/content/"))[0] == 400


def test_the_identity_changes_with_the_files_and_with_nothing_else(scenario: WorkspaceScenario) -> None:
    scenario.put("raw/a.csv", PENGUINS)
    version = save(scenario.context, "p", "file", source("raw/"))
    before = dataset_files.identity(version)
    scenario.put("raw/a.csv", PENGUINS)
    assert dataset_files.identity(version) == before
    scenario.put("raw/b.csv", "x")
    assert dataset_files.identity(version)["content"] != before["content"]
    assert dataset_files.identity(version)["definition"] == before["definition"]


def test_a_file_in_whole_seconds_has_no_identity_before_its_second_is_over(scenario: WorkspaceScenario) -> None:
    """As SFTP tells them, and web servers without etags."""
    scenario.put("raw/a.csv", PENGUINS)
    version = save(scenario.context, "p", "file", source("raw/"))
    root = root_by_name(scenario.workspace, "workspaceblobstore")
    moment = int(time.time())
    os.utime(
        root.full("raw/a.csv"), (moment + 60, moment + 60)
    )  # by a clock that is ahead: so this test may take its time
    assert dataset_files.identity(version) is None
    assert references.path_identity(scenario.workspace, "workspaceblobstore", "raw") is None
    found = dataset_files.files_of(version)
    assert dataset_files.fingerprint(found) != dataset_files.fingerprint(found), "what was found of it is found anew"
    os.utime(root.full("raw/a.csv"), (moment - 60, moment - 60))
    assert dataset_files.identity(version) == dataset_files.identity(version) is not None
    known = references.path_identity(scenario.workspace, "workspaceblobstore", "raw")
    assert known == references.path_identity(scenario.workspace, "workspaceblobstore", "raw") is not None
    os.utime(root.full("raw/a.csv"), (moment + 0.5, moment + 0.5))
    assert dataset_files.identity(version) is not None, "a store that tells more than seconds"


def test_a_missing_dataset_is_a_clear_error(scenario: WorkspaceScenario) -> None:
    assert code(scenario.api.get("datasets/nope/")) == (404, "unknown_dataset")
    assert code(scenario.api.get("datasets/nope/versions/3/")) == (404, "unknown_dataset")
    assert code(scenario.api.get(f"dataset-versions/{uuid7()}/")) == (404, "unknown_dataset")


def test_files_that_went_away_are_told_when_they_are_read(scenario: WorkspaceScenario) -> None:
    scenario.put("raw/a.csv", PENGUINS)
    made = post(scenario.api, "p", source("raw/a.csv"), "tabular").json()
    scenario.api.delete(f"datastores/{STORE}/files/raw/a.csv")
    assert code(scenario.api.get(f"dataset-versions/{made['id']}/preview/")) == (422, "no_match")


def test_an_unregistered_name_leaves_the_list_and_may_come_back(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", PENGUINS)
    made = post(scenario.api, "p", source("a.csv")).json()
    assert scenario.api.delete("datasets/p/").status_code == 204
    assert code(scenario.api.get("datasets/p/")) == (404, "unknown_dataset")
    assert scenario.api.get(f"dataset-versions/{made['id']}/").status_code == 200
    scenario.put("b.csv", PENGUINS)
    assert post(scenario.api, "p", source("b.csv")).json()["version"] == 2


def test_tags_and_description_may_change_and_a_reader_changes_nothing(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", PENGUINS)
    made = post(scenario.api, "p", source("a.csv")).json()
    place = f"dataset-versions/{made['id']}/"
    assert scenario.api.patch(place, {"tags": {"a": "1"}, "description": "d"}).json()["tags"] == {"a": "1"}
    reader = scenario.client_for(Role.READER)
    assert code(reader.patch(place, {"tags": {}})) == (403, "forbidden")
    assert code(post(reader, "q", source("a.csv"))) == (403, "forbidden")


def test_a_version_of_another_workspace_does_not_exist_here(scenario: WorkspaceScenario) -> None:
    from workspaces.services.workspaces import create_workspace

    scenario.put("a.csv", PENGUINS)
    made = post(scenario.api, "p", source("a.csv")).json()
    create_workspace(scenario.owner, "other")
    other = RestClient(workspace="other")
    other.client.force_login(scenario.owner)
    assert code(other.get(f"dataset-versions/{made['id']}/")) == (404, "unknown_dataset")


def test_the_list_of_datasets_costs_the_same_however_long(scenario: WorkspaceScenario) -> None:
    scenario.put("a.csv", PENGUINS)
    stays_constant(scenario.api, "datasets/", lambda n: save(scenario.context, f"d{n}", "file", source("a.csv")))


def test_no_list_reads_what_a_version_was_found_to_be(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile of a wide table is megabytes; a list shows of it the columns, the page's list their count."""
    scenario.put("raw/p.csv", PENGUINS)
    for name in ("one", "two"):
        assert post(scenario.api, name, source("raw/p.csv"), "tabular").status_code == 201
    assert post(scenario.api, "one", source("raw/*.csv"), "tabular", create_new_version=True).status_code == 201
    scenario.put("raw/a.bin", "x")
    assert post(scenario.api, "files", source("raw/a.bin")).status_code == 201
    bulk = "x" * (1 << 20)
    for version in DatasetVersion.objects.filter(kind="tabular"):
        version.profile["survey"] = bulk
        version.save(update_fields=["profile"])
    seen: list[int] = []
    read = JSONField.from_db_value

    def counted(field: Any, value: Any, *more: Any) -> Any:
        seen.append(len(value) if isinstance(value, str) else 0)
        return read(field, value, *more)

    monkeypatch.setattr(JSONField, "from_db_value", counted)
    listed = scenario.api.get("datasets/").json()["items"]
    assert {each["name"]: len(each["latest"]["columns"]) for each in listed} == {"one": 4, "two": 4, "files": 0}
    versions = scenario.api.get("datasets/one/versions/").json()["items"]
    assert [[column["name"] for column in each["columns"]] for each in versions] == [
        ["species", "mass", "when", "ok"]
    ] * 2
    person = Client()
    person.force_login(scenario.owner)
    page = person.get("/w/lab/data/").content.decode()
    assert page.count('<td class="num">4</td>') == 2
    assert person.get(reverse("datasets:dataset", args=["lab", "one"])).status_code == 200 and sum(seen) > len(
        bulk
    )  # this one is looked at
    seen.clear()
    scenario.api.get("datasets/"), scenario.api.get("datasets/one/versions/"), person.get("/w/lab/data/")
    assert seen and sum(seen) < 10_000
