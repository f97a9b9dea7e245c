"""How two versions differ: schema, rows by a key and distributions, compared with what pandas says."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datasets import statistics
from datasets.models import DatasetVersion, ProfileRun
from datasets.services import profiling
from datasets.services.versions import save
from datasets.tasks import profile as task
from tests.workspace_scenario import WorkspaceScenario, code

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


def saved(scenario: WorkspaceScenario, text: str, number: int) -> DatasetVersion:
    scenario.put(f"v{number}.csv", text)
    definition = {"sources": [{"datastore": "workspaceblobstore", "path": f"v{number}.csv"}]}
    return save(scenario.context, "t", "tabular", definition, create_new_version=True)


def compared(scenario: WorkspaceScenario, before: str, after: str, *keys: str) -> ProfileRun:
    old, new = saved(scenario, before, 1), saved(scenario, after, 2)
    run = profiling.compare(scenario.context, new, old, keys)
    task(str(run.pk))
    return profiling.get_run(scenario.workspace, run.pk)


def found_of(run: ProfileRun) -> dict[str, Any]:
    assert run.status == "completed", run.error
    assert run.result is not None
    return dict(run.result)


def test_schema_rows_and_values(scenario: WorkspaceScenario) -> None:
    before = "id,x,kind,gone,n\n1,1.5,a,z,1\n2,2.5,b,z,2\n3,,b,z,3\n4,9.5,c,z,4\n"
    after = "id,kind,x,new,n\n2,b,2.5,q,2.5\n3,a,7.25,q,1\n4,c,9.5,q,1\n5,c,1,q,1\n6,c,1,q,1\n"
    found = found_of(compared(scenario, before, after, "id"))
    assert found["schema"]["added"] == [{"name": "new", "type": "string"}]
    assert found["schema"]["removed"] == [{"name": "gone", "type": "string"}]
    assert found["schema"]["changed"] == [{"name": "n", "before": "long", "after": "float"}]
    assert found["rows"] == {"before": 4, "after": 5}
    assert found["matched"] == {"added": 2, "removed": 1, "changed": 1, "same": 2}
    columns = {each["name"]: each for each in found["columns"]}
    assert list(columns) == ["id", "kind", "x"]
    assert {name: each["changed"] for name, each in columns.items()} == {"id": 0, "kind": 1, "x": 1}
    assert columns["kind"]["frequent"] == [
        {"value": "b", "before": 2, "after": 1}, {"value": "a", "before": 1, "after": 1}, {"value": "c", "before": 1, "after": 3},
    ]  # fmt: skip
    bins = columns["x"]["histogram"]
    assert (bins["edges"][0], bins["edges"][-1]) == (1, 9.5)
    assert bins["before"] == np.histogram([1.5, 2.5, 9.5], bins["edges"])[0].tolist()
    assert bins["after"] == np.histogram([2.5, 7.25, 9.5, 1, 1], bins["edges"])[0].tolist()
    assert (columns["x"]["before"]["missing"], columns["x"]["after"]["missing"]) == (1, 0)


def test_without_a_key_rows_are_not_told_apart(scenario: WorkspaceScenario) -> None:
    found = found_of(compared(scenario, "a,b\n1,x\n1,x\n", "a,b\n1,x\n"))
    assert found["matched"] is None and [each["changed"] for each in found["columns"]] == [None, None]


@pytest.mark.parametrize(
    ("before", "after", "keys", "why"),
    [
        ("a\n1\n", "b\n1\n", ["a"], "This version has no column 'a'"),
        ("b\n1\n", "a\n1\n", ["a"], "The earlier version has no column 'a'"),
        ("a\n1\n", "a\nx\n", ["a"], "another type"),
        ("a\n1\n1\n2\n", "a\n1\n", ["a"], "In the earlier version 2 rows share"),
        ("a\n1\n", "a,b\n7,1\n7,2\n7,3\n", ["a"], "In this version 3 rows share"),
    ],
)
def test_a_key_that_tells_no_rows_apart_is_said(
    scenario: WorkspaceScenario, before: str, after: str, keys: list[str], why: str
) -> None:
    run = compared(scenario, before, after, *keys)
    assert run.status == "failed" and why in run.localized_error


def test_real_data_with_a_key_of_two_columns_over_several_files(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_csv(ROOT / "examples" / "penguins" / "penguins-raw.csv", keep_default_na=True)
    frame = frame.drop_duplicates(["studyName", "Sample Number"]).reset_index(drop=True)
    later = frame.drop(index=[3, 7]).copy()
    later.loc[later.index[:30], "Body Mass (g)"] += 50
    later.loc[later.index[20:40], "Island"] = "Elsewhere"
    texts = []
    for each in (frame, later):
        buffer = io.StringIO()
        each.to_csv(buffer, index=False)
        texts.append(buffer.getvalue())
    found = found_of(compared(scenario, *texts, "studyName", "Sample Number"))
    both = frame.merge(later, on=["studyName", "Sample Number"], suffixes=("_a", "_b"))

    def differs(name: str) -> pd.Series:
        a, b = both[f"{name}_a"], both[f"{name}_b"]
        return ~((a == b) | (a.isna() & b.isna()))

    names = [name for name in frame.columns if name not in ("studyName", "Sample Number")]
    columns = {each["name"]: each for each in found["columns"]}
    assert {name: columns[name]["changed"] for name in names} == {name: int(differs(name).sum()) for name in names}
    changed = pd.concat([differs(name) for name in names], axis=1).any(axis=1).sum()
    assert found["matched"] == {"added": 0, "removed": 2, "changed": changed, "same": len(both) - changed}
    assert columns["Body Mass (g)"]["after"]["mean"] == pytest.approx(later["Body Mass (g)"].mean(), rel=1e-12)


def test_keys_that_lie_in_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets.differences import differences

    monkeypatch.setattr(statistics, "WIDTH", 1)
    connection = statistics.connect(tmp_path)
    spools = []
    for name, values in (
        ("a", [[1, 1, 2], ["x", "y", "x"], [5, 6, 7]]),
        ("b", [[2, 1, 3], ["x", "y", "x"], [7, 0, 7]]),
    ):
        (tmp_path / name).mkdir()
        spool = statistics.Spool(tmp_path / name, [("k", "long"), ("l", "string"), ("v", "long")], connection)
        spool.write(values, 3)
        spool.close()
        spools.append(spool)
    found = differences(spools[0], spools[1], ["k", "l"], lambda _done, _total: None)
    assert found["matched"] == {"added": 1, "removed": 1, "changed": 1, "same": 1}


def test_by_rest(scenario: WorkspaceScenario) -> None:
    old, new = saved(scenario, "a,b\n1,x\n", 1), saved(scenario, "a,b\n1,y\n", 2)
    at = f"dataset-versions/{new.pk}/comparisons/"
    asked = scenario.api.post(at, {"baseline": str(old.pk), "keys": ["a"]})
    assert (asked.status_code, asked.json()["baseline"], asked.json()["keys"]) == (201, str(old.pk), ["a"])
    assert scenario.api.post(at, {"baseline": str(old.pk), "keys": ["a"]}).json()["id"] == asked.json()["id"]
    assert code(scenario.api.post(at, {"baseline": str(old.pk), "keys": []})) == (409, "other_key")
    place = f"profile-runs/{asked.json()['id']}/"
    assert code(scenario.api.get(f"{place}differences/")) == (404, "no_profile")
    task(asked.json()["id"])
    assert scenario.api.get(f"{place}differences/").json()["differences"]["matched"]["changed"] == 1
    assert code(scenario.api.get(f"{place}profile/")) == (404, "no_profile")
    assert [each["id"] for each in scenario.api.get(at).json()["items"]] == [asked.json()["id"]]
    # A comparison is no profile.
    assert code(scenario.api.get(f"dataset-versions/{new.pk}/profile/")) == (404, "no_profile")
    assert code(scenario.api.post(at, {"baseline": str(scenario.workspace.pk)})) == (404, "unknown_dataset")
