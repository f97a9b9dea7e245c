"""What a step says about runs: taken once, in order, and never at the price of the run."""

from __future__ import annotations

import io
import json

import pytest
from django.utils import translation

from core.models import Event
from core.sentences import text_of
from datasets.services import versions as dataset_versions
from datasets.services.datastores import put_file
from duto.run.spool import RECORD_MAX, Spool
from duto.spec.sentences import said, with_said
from runs import stored_messages
from runs.models import Attempt, DataUse, MetricPoint, Run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


@pytest.fixture
def attempt(scenario):
    return scenario.attempt(scenario.step(scenario.pipeline(), "train"))


def lines(*records):
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def metric(run, name, value, **more):
    return {"run": str(run), "op": "metric", "name": name, "kind": "scalar", "value": value, **more}


def points(run_id):
    rows = MetricPoint.objects.filter(run=run_id).order_by("name", "index")
    return [(each.name, each.index, each.value if each.data is None else each.data) for each in rows]


def test_metrics_count_on_from_where_the_series_was(scenario, attempt):
    first = lines(metric(attempt.run_id, "loss", 0.5), metric(attempt.run_id, "loss", 0.4))
    size = scenario.bring(attempt, "spool?offset=0", first).json()["size"]
    scenario.bring(
        attempt, f"spool?offset={size}", lines(metric(attempt.run_id, "loss", 0.3), metric(attempt.run_id, "lr", 1))
    )
    assert points(attempt.run_id) == [("loss", 0, 0.5), ("loss", 1, 0.4), ("loss", 2, 0.3), ("lr", 0, 1.0)]


def test_what_a_script_says_of_a_metric_is_kept_and_the_last_word_counts(scenario, attempt):
    run = attempt.run_id
    data = lines(
        metric(run, "loss", 0.5, description="of the first batch"),
        metric(run, "loss", 0.4, description="cross entropy"),
        metric(run, "lr", 1),
        metric(run, "long", 2, description="x" * 2001),
        metric(run, "odd", 3, description=["x"]),
    )
    size = scenario.bring(attempt, "spool?offset=0", data).json()["size"]
    scenario.bring(attempt, f"spool?offset={size}", lines(metric(run, "loss", 0.3)))
    document = {each["name"]: each["description"] for each in scenario.get(f"runs/{run}/metrics/").json()["metrics"]}
    assert document == {"loss": "cross entropy", "lr": "", "long": "", "odd": ""}
    attempt.refresh_from_db()
    assert [
        any(f"'{name}'" in each for each in map(text_of, attempt.warnings)) for name in ("long", "odd", "loss")
    ] == [
        True,
        True,
        False,
    ]
    refused = scenario.post(f"runs/{run}/metrics/", {"records": [metric(run, "x", 1, description="x" * 2001)]})
    assert refused.status_code == 400 and "2000 characters" in refused.json()["error"]["message"]


def test_lines_brought_twice_are_written_once(scenario, attempt):
    data = lines(metric(attempt.run_id, "loss", 0.5))
    scenario.bring(attempt, "spool?offset=0", data)
    again = scenario.bring(attempt, "spool?offset=0", data)
    assert (again.status_code, again.json()["error"]["facts"]) == (409, {"size": len(data)})
    assert len(points(attempt.run_id)) == 1


def test_half_a_line_waits_for_its_other_half(scenario, attempt):
    data = lines(metric(attempt.run_id, "a", 1), metric(attempt.run_id, "b", 2))
    size = scenario.bring(attempt, "spool?offset=0", data[:-10]).json()["size"]
    assert size == data.index(b"\n") + 1
    assert scenario.bring(attempt, f"spool?offset={size}", data[size:]).json()["size"] == len(data)
    assert [name for name, _, _ in points(attempt.run_id)] == ["a", "b"]


def test_what_the_sdk_has_to_say_is_a_warning_once(scenario, attempt):
    said = lines({"op": "warning", "text": "It is\x00 so."}, {"op": "warning", "text": "x" * 9999})
    assert scenario.bring(attempt, "spool?offset=0", said + said).status_code == 200
    scenario.bring(attempt, f"spool?offset={len(said) * 2}", said)
    found = [text_of(each) for each in Attempt.objects.get(pk=attempt.pk).warnings]
    assert len(found) == 2 and found[0].startswith("It is") and len(found[1]) == 500


def test_what_the_sdk_says_is_told_in_the_language_of_the_reader(scenario, attempt, tmp_path):
    spool = Spool(str(tmp_path / "spool"))
    spool.write(with_said({"op": "warning", "text": said("mlflow_goes", place="file:///mlruns")}))
    with pytest.warns(UserWarning, match="Left out: The metric 'long' has"):
        spool.write({"op": "metric", "name": "long", "value": "x" * RECORD_MAX})
    bad = {"op": "warning", "text": "It goes.", "said": {"It goes.": {"code": "mlflow_goes", "facts": {"place": "x"}}}}
    deep = {"op": "warning", "text": "deep", "said": {"deep": {"code": "foreign", "facts": {"text": "deep", "x": "y"}}}}
    data = (tmp_path / "spool").read_bytes() + lines(bad, deep)
    assert scenario.bring(attempt, "spool?offset=0", data).status_code == 200
    goes, plain, short, left = Attempt.objects.get(pk=attempt.pk).warnings
    assert plain == "It goes." and short["facts"] == {"text": "deep"}
    with translation.override("pt-pt"):
        text = stored_messages.warning(goes)
        assert "file:///mlruns" in text and "não chega a esta execução" in text
        text = stored_messages.warning(left)
        assert "A métrica 'long' tem 8\u00a0388\u00a0" in text and "has" not in text and "skipped" not in text


def test_lines_that_make_no_sense_are_skipped_and_told(scenario, attempt):
    run = str(attempt.run_id)
    bad = [
        b"not json\n", b"[1]\n", b"\xff\xfe\n", b"{}\n", b"\n",
        lines({"run": run, "op": "explode"}),
        lines({"run": "x", "op": "tag", "key": "k", "value": "v"}),
        lines({"run": run, "op": "metric", "name": "", "value": 1}),
        lines({"run": run, "op": "metric", "name": "a", "kind": "poem", "value": 1}),
        lines({"run": run, "op": "metric", "name": "a"}),
        lines({"run": run, "op": "metric", "name": "a", "kind": "row", "value": 3}),
        lines({"run": run, "op": "metric", "name": "a", "value": 1, "index": "x"}),
        lines({"run": run, "op": "tag", "key": "", "value": "v"}),
    ]  # fmt: skip
    answer = scenario.bring(attempt, "spool?offset=0", b"".join(bad) + lines(metric(run, "good", 1)))
    assert answer.status_code == 200
    assert points(attempt.run_id) == [("good", 0, 1.0)]
    warnings = [text_of(each) for each in Attempt.objects.get(pk=attempt.pk).warnings]
    assert len(warnings) == len(bad) - 1
    assert "There is no kind of metric 'poem'." in " ".join(warnings)


def test_values_that_json_lacks_are_spelt_and_not_mistaken_for_words(scenario, attempt):
    data = b'{"op":"metric","name":"x","value":NaN}\n{"op":"metric","name":"x","value":-Infinity}\n'
    data += lines(metric(attempt.run_id, "x", "NaN"), metric(attempt.run_id, "x", {"$numberDouble": "Infinity"}))
    scenario.bring(attempt, "spool?offset=0", data)
    as_json = [{"$numberDouble": "NaN"}, {"$numberDouble": "-Infinity"}, "NaN", {"$numberDouble": "Infinity"}]
    for place in ("metrics/", "metrics/points/"):
        answer = scenario.get(f"runs/{attempt.run_id}/{place}", name="x").json()
        (series,) = answer.get("metrics") or answer["items"]
        assert [point[1] for point in series["points"]] == as_json


def test_a_step_may_log_to_its_parent_but_not_to_another_tree(scenario, attempt):
    other = scenario.pipeline()
    root = attempt.run.root_id
    scenario.bring(attempt, "spool?offset=0", lines(metric(root, "best", 1), metric(other.pk, "spoilt", 1)))
    assert points(root) == [("best", 0, 1.0)]
    assert points(other.pk) == []
    assert "is not of this run's tree" in text_of(Attempt.objects.get(pk=attempt.pk).warnings[0])


def test_tags_change_and_properties_are_added_once(scenario, attempt):
    run, root = str(attempt.run_id), str(attempt.run.root_id)
    data = lines(
        {"run": run, "op": "tag", "key": "best", "value": "rf"},
        {"run": root, "op": "tag", "key": "winner", "value": 3},
        {"run": run, "op": "property", "key": "k", "value": "v"},
    )
    size = scenario.bring(attempt, "spool?offset=0", data).json()["size"]
    more = lines(
        {"run": run, "op": "tag", "key": "best", "value": "svm"},
        {"run": run, "op": "property", "key": "k", "value": "other"},
        {"run": run, "op": "property", "key": "at once", "value": "first"},
        {"run": run, "op": "property", "key": "at once", "value": "second"},
    )
    scenario.bring(attempt, f"spool?offset={size}", more)
    step = Run.objects.get(pk=run)
    assert (step.tags, step.properties["k"], step.properties["at once"]) == ({"best": "svm"}, "v", "first")
    assert Run.objects.get(pk=root).tags == {"winner": "3"}
    refused = "\n".join(text_of(each) for each in Attempt.objects.get(pk=attempt.pk).warnings)
    assert all(f"property '{key}' is set already and cannot change" in refused for key in ("k", "at once"))
    found = [entry for event in Event.objects.order_by("id") for entry in event.payload["changes"]]
    assert {"run": root, "facts": {"tags": {"winner": "3"}}} in found


def test_a_dataset_that_a_script_names_is_read_by_its_step(scenario, attempt):
    put_file(scenario.context, "workspaceblobstore", "raw/a.csv", io.BytesIO(b"a\n1\n"), overwrite=True)
    sources = [{"datastore": "workspaceblobstore", "path": "raw/a.csv"}]
    version = dataset_versions.save(scenario.context, "numbers", kind="file", definition={"sources": sources})
    record = {"run": str(attempt.run_id), "op": "property", "key": "duto.read.numbers:1", "value": str(version.pk)}
    scenario.bring(attempt, "spool?offset=0", lines(record, record))
    use = DataUse.objects.get()
    assert (use.root_id, use.run_id, use.dataset_version_id) == (attempt.run.root_id, attempt.run_id, version.pk)


def test_a_program_may_send_records_for_an_interactive_run_and_is_told_what_is_wrong(scenario):
    run = scenario.post("runs/", {"experiment": "e", "kind": "interactive"}).json()
    sent = scenario.post(f"runs/{run['id']}/metrics/", {"records": [{"op": "metric", "name": "a", "value": 1}]})
    assert sent.json() == {"accepted": 1}
    bad = [{"op": "metric", "name": "a", "value": 2}, {"op": "nonsense"}]
    refused = scenario.post(f"runs/{run['id']}/metrics/", {"records": bad})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_record")
    assert points(run["id"]) == [("a", 0, 1.0)]


def test_a_long_series_comes_as_an_envelope_that_loses_no_peak(scenario, attempt):
    from core.clock import now

    peak = 7777
    MetricPoint.objects.bulk_create(
        MetricPoint(run=attempt.run, name="loss", kind="scalar", index=i, value=99.0 if i == peak else i % 10, at=now())
        for i in range(20_000)
    )
    series = scenario.get(f"runs/{attempt.run_id}/metrics/").json()["metrics"][0]
    assert (series["count"], series["thinned"]) == (20_000, True)
    assert len(series["points"]) <= 2000
    assert max(point[1] for point in series["points"]) == 99.0
    assert (series["points"][0][0], series["points"][-1][0]) == (0, 19_999)
    window = scenario.get(f"runs/{attempt.run_id}/metrics/", **{"from": 7000, "to": 7999}).json()["metrics"][0]
    assert (window["thinned"], len(window["points"])) == (False, 1000)


def test_reading_metrics_costs_the_same_for_one_series_and_for_forty(scenario, attempt, django_assert_num_queries):
    for many in (1, 40):
        records = [metric(attempt.run_id, f"m{number}", 1) for number in range(many)]
        scenario.post(f"runs/{attempt.run_id}/metrics/", {"records": records})
        with django_assert_num_queries(7):
            assert len(scenario.get(f"runs/{attempt.run_id}/metrics/").json()["metrics"]) == many


def test_rows_and_tables_name_their_columns(scenario, attempt):
    rows = [{"op": "metric", "name": "curve", "kind": "row", "value": {"x": 1, "y": 2}}, {"op": "metric", "name": "curve", "kind": "row", "value": {"x": 2, "z": 3}}]  # fmt: skip
    scenario.bring(attempt, "spool?offset=0", lines(*rows))
    series = scenario.get(f"runs/{attempt.run_id}/metrics/").json()["metrics"][0]
    assert (series["columns"], series["points"][0][1]) == (["x", "y", "z"], {"x": 1, "y": 2})
