"""Programs that choose rows and files, and write tables as files again, over a real studio."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas
import pytest

from duto import Dataset, Workspace
from duto.exceptions import UserErrorException
from tests.workspace_scenario import WorkspaceScenario
from workspaces.models import Role
from workspaces.services import tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
BIRDS = "kind,mass,born,alive\nGull,1.5,2021-03-04,true\nTern,,2022-01-02,false\nGull,2.5,2022-05-06,\n"


@pytest.fixture
def ws(scenario: WorkspaceScenario, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    for name in ("AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "DUTO_STUDIO_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("DUTO_URL", live_server.url)
    monkeypatch.setenv("DUTO_TOKEN", tokens.create(scenario.context, "sdk", Role.OWNER).text)
    return Workspace(None, None, "lab")


def test_files_are_chosen_once(scenario: WorkspaceScenario, ws: Workspace, tmp_path: Path) -> None:
    for number in range(10):
        scenario.put(f"in/{number}.txt", "x" * number)
    files = Dataset.File.from_files((ws.get_default_datastore(), "in/*"))
    assert files.skip(1).skip(2).take(3).to_path() == ["/3.txt", "/4.txt", "/5.txt"]
    assert len(files.skip(8).download(str(tmp_path / "copy"))) == 2
    first, rest = files.random_split(0.5, seed=3)
    assert sorted(first.to_path() + rest.to_path()) == files.to_path()
    known = files.file_metadata
    assert files.filter((known("Extension") == ".txt") & known("CanSeek")).take(1).to_path() == ["/0.txt"]
    assert files.filter((known("Size") > 3) & ~(known("Path") == "/7.txt")).skip(1).to_path() == [
        "/5.txt", "/6.txt", "/8.txt", "/9.txt",
    ]  # fmt: skip
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert len(files.filter(known("LastModifiedTime") < soon).to_path()) == 10
    assert files.filter(known("LastModifiedTime") > soon).download(ignore_not_found=True) == []
    with pytest.raises(UserErrorException, match="are known, and no 'CreationTime'"):
        known("CreationTime")
    with pytest.raises(UserErrorException, match="compares 'Size'"):
        files.filter(known("Size") > "3")


def test_rows_are_chosen_wherever_they_are_read(scenario: WorkspaceScenario, ws: Workspace) -> None:
    scenario.put("birds.csv", BIRDS)
    birds = Dataset.Tabular.from_delimited_files((ws.get_default_datastore(), "birds.csv"))
    young = birds.filter(birds["born"] >= datetime(2022, 1, 1)).register(ws, "young")
    assert list(young.to_pandas_dataframe()["kind"]) == ["Tern", "Gull"]
    shown = scenario.api.get(f"dataset-versions/{young.id}/preview/").json()
    assert [row[0] for row in shown["rows"]] == ["Tern", "Gull"]
    heavy = young.filter(young["mass"] > 2)[["mass", "kind"]]
    assert heavy.to_pandas_dataframe().to_dict("records") == [{"mass": 2.5, "kind": "Gull"}]
    with pytest.raises(UserErrorException, match=r"compares 'mass' \(float\) with ''2'' \(string\) by >"):
        birds.filter(birds["mass"] > "2").register(ws, "odd")
    with pytest.raises(UserErrorException, match="no column weight"):
        birds.filter(birds["weight"] > 2).to_pandas_dataframe()


def test_a_table_becomes_files_and_is_the_same_again(scenario: WorkspaceScenario, ws: Workspace) -> None:
    scenario.put("birds.csv", BIRDS)
    store = ws.get_default_datastore()
    birds = Dataset.Tabular.from_delimited_files((store, "birds.csv"))
    frame = birds.to_pandas_dataframe()
    text = birds.to_csv_files(separator=";")
    (path,) = text.download()
    assert Path(path).read_text().splitlines()[:2] == ["kind;mass;born;alive", "Gull;1.5;2021-03-04T00:00:00;true"]
    again = Dataset.Tabular.from_delimited_files(
        [(store, each["path"]) for each in text._definition["sources"]], separator=";"
    )
    pandas.testing.assert_frame_equal(again.to_pandas_dataframe(), frame)
    packed = birds.to_parquet_files()
    assert packed._definition == birds.to_parquet_files()._definition
    pandas.testing.assert_frame_equal(
        Dataset.Tabular.from_parquet_files((store, packed._definition["sources"][0]["path"])).to_pandas_dataframe(),
        frame,
    )
    empty = birds.filter(birds["mass"] > 100).to_csv_files()
    assert Path(empty.download()[0]).read_text() == "kind,mass,born,alive\n"
    with pytest.raises(UserErrorException, match="one character"):
        birds.to_csv_files(separator="::")


def test_rows_of_many_files_are_in_parts(
    scenario: WorkspaceScenario, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        scenario.put(f"many/{number}.csv", f"n\n{number}\n{number}\n")
    monkeypatch.setattr("duto.data.table_files.CELLS_OF_A_FILE", 3)
    store = ws.get_default_datastore()
    parts = Dataset.Tabular.from_delimited_files((store, "many/*.csv")).to_csv_files()
    assert [Path(each).name for each in parts.to_path()] == [f"part-0000{n}.csv" for n in range(3)]
    again = Dataset.Tabular.from_delimited_files((store, parts._definition["sources"][0]["path"]))
    assert list(again.to_pandas_dataframe()["n"]) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_partitions_have_the_values_that_the_rows_had(
    scenario: WorkspaceScenario, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "city,year,at,ok,n\nFaro,2021,2021-03-04T05:06:07,true,1\nBraga,2021,2021-03-04,false,2\nFaro,2022,2021-03-04,true,3\n"
    scenario.put("t.csv", rows)
    store = ws.get_default_datastore()
    table = Dataset.Tabular.from_delimited_files((store, "t.csv"))
    monkeypatch.setattr("duto.data.table_files.CELLS_KEPT", 1)
    keys = ["city", "year", "at", "ok"]
    made: Any = table.partition_by(keys, (store, "apart"), name="apart", show_progress=False)
    assert made.name == "apart" and made.partition_keys == keys
    found = made.to_pandas_dataframe().sort_values("n").reset_index(drop=True)
    pandas.testing.assert_frame_equal(found[["city", "year", "at", "ok", "n"]], table.to_pandas_dataframe())
    assert {"city": "Faro", "year": "2022"} in made.get_partition_key_values(["city", "year"])
    files: Any = table.partition_by(["city"], (store, "files"), show_progress=False, partition_as_file_dataset=True)
    assert files.get_partition_key_values() == [{"city": "Braga"}, {"city": "Faro"}]
    with pytest.raises(UserErrorException, match="lies in that folder"):
        table.partition_by(["city"], (store, "files"))
    with pytest.raises(UserErrorException, match="no column 'town'"):
        table.partition_by(["town"], (store, "other"))
    with pytest.raises(UserErrorException, match="leave at least one"):
        table.partition_by(["city", "year", "at", "ok", "n"], (store, "other"))
    scenario.put("odd.csv", "a,b\nx/y,1\n,2\n")
    odd = Dataset.Tabular.from_delimited_files((store, "odd.csv"))
    with pytest.raises(UserErrorException, match="'x/y' of 'a' cannot be a folder's name"):
        odd.partition_by(["a"], (store, "other"))
    with pytest.raises(UserErrorException, match="no value of 'a'"):
        odd.filter(odd["b"] == 2).partition_by(["a"], (store, "other"))
