"""The run page and its actions, through the door that people use."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from compute.models import Host
from core.clock import now
from runs.models import Artifact, Attempt, Output, RankLog, Run
from runs.web.panel_files import MOST_FILES
from runs.web.panel_metrics import MOST_IMAGES
from runs.web.preview import drawn
from tests.web.conftest import Site


def test_a_failed_run_opens_on_the_failed_step_and_says_whose_fault_it_is(site: Site) -> None:
    page = site.see(f"runs/{site.failed().pk}/").content.decode()
    assert "train failed" in page
    assert "ValueError: Input contains NaN." in page
    assert "Your script ended with exit code 1 in step.py:1, attempt 2 of 2." in page
    assert "Open line 1" in page
    assert re.search(r"<log-view[^>]*at-error", page)
    assert re.search(r"favicons/failed\.svg", page)


def test_the_line_of_the_traceback_is_marked_in_the_code(site: Site) -> None:
    page = site.see(f"runs/{site.failed().pk}/", step="train", tab="code", file="step.py", line="1").content.decode()
    assert 'class="hll"' in page


def test_a_table_is_shown_as_logged_and_markup_in_it_stays_text(site: Site) -> None:
    page = site.see(f"runs/{site.filled().pk}/", step="train", tab="metrics").content.decode()
    assert "Adelie" in page
    assert "&lt;b&gt;" in page
    assert "<metric-grid" in page


def test_a_page_that_a_script_wrote_has_no_rights(site: Site) -> None:
    run = site.step(site.filled(), "train")
    answer = site.see(f"runs/{run.pk}/framed/outputs/report.html")
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy


def test_a_picture_is_locked_and_everything_else_is_a_download(site: Site) -> None:
    run = site.step(site.filled(), "train")
    picture = site.see(f"runs/{run.pk}/artifacts/images/curve.svg")
    assert picture["Content-Type"] == "image/svg+xml"
    assert picture["Content-Security-Policy"].startswith("sandbox;")
    for path in ("outputs/report.html", "outputs/m.json"):
        answer = site.see(f"runs/{run.pk}/artifacts/{path}")
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["X-Content-Type-Options"] == "nosniff"


def test_only_what_a_manifest_names_can_be_downloaded(site: Site) -> None:
    run = site.step(site.filled(), "train")
    good = site.see(f"runs/{run.pk}/outputs/model/deep/a.json")
    assert good.content == b"{}"
    for path in ("model/deep/b.json", "model/../../raw/p.csv", "other/deep/a.json"):
        assert site.see(f"runs/{run.pk}/outputs/{path}").status_code == 404


def test_all_code_of_a_step_comes_as_one_archive(site: Site) -> None:
    answer = site.see(f"runs/{site.step(site.filled(), 'train').pk}/snapshot.zip")
    assert b"".join(answer.streaming_content).startswith(b"PK")


def test_resubmit_runs_the_same_graph_again(site: Site) -> None:
    run = site.failed()
    answer = site.send(f"runs/{run.pk}/resubmit/", force="1")
    made = Run.objects.get(cloned_from=run)
    assert answer["Location"] == f"/w/lab/runs/{made.pk}/"
    assert made.parameters == {"trees": 300, "rate": 0.1, "scale": True, "note": "nightly"}
    assert made.is_forced


def test_what_a_step_uses_is_drawn_and_followed_while_it_runs(site: Site) -> None:
    run = site.pipeline("a -> b", status="Running")
    attempt = site.attempt(site.step(run, "a"), started_at=now())
    page = site.see(f"runs/{run.pk}/", step="a", tab="usage").content.decode()
    assert f'/runs/{attempt.run_id}/usage/?attempt=1" topic="usage:{attempt.pk}"' in page
    assert "Nothing is used yet" in site.see(f"runs/{run.pk}/", step="b", tab="usage").content.decode()
    Attempt.objects.filter(pk=attempt.pk).update(status="failed", finished_at=now())
    page = site.see(f"runs/{run.pk}/", step="a", tab="usage").content.decode()
    assert "<usage-charts" in page and 'topic="usage:' not in page
    Attempt.objects.filter(pk=attempt.pk).update(log_removed_at=now())
    assert "The samples were removed" in site.see(f"runs/{run.pk}/", step="a", tab="usage").content.decode()


def test_resuming_shows_what_is_adopted_and_what_runs_and_then_does_it(site: Site) -> None:
    run = site.failed()
    page = site.see(f"runs/{run.pk}/").content.decode()
    assert re.search(rf'class="btn primary"[^>]*hx-get="/w/lab/runs/{run.pk}/resume/"', page)
    assert page.count("btn primary") == 1
    form = site.see(f"runs/{run.pk}/resume/").content.decode()
    assert f"Resume #{run.number}" in form and 'name="p_trees"' in form
    assert f"It failed in #{run.number}." in form
    site.send(f"runs/{run.pk}/resume/", p_trees="7", p_rate="0.5", p_scale="false", p_note="two words")
    made = Run.objects.get(resumed_from=run)
    assert made.parameters == {"trees": 7, "rate": 0.5, "scale": False, "note": "two words"}
    assert f"resumed by #{made.number}" in site.see(f"runs/{run.pk}/").content.decode()
    assert f"resumes #{run.number}" in site.see(f"runs/{made.pk}/").content.decode()


def test_looking_at_changed_values_submits_nothing(site: Site) -> None:
    run = site.failed()
    values = {"part": "preview", "p_rate": "0.5", "p_scale": "true", "p_note": ""}
    lines = site.send(f"runs/{run.pk}/resume/", p_trees="7", **values).content.decode()
    assert "resume-lines" in lines and "<form" not in lines
    wrong = site.send(f"runs/{run.pk}/resume/", p_trees="many", **values).content.decode()
    assert "is a whole number, but the value is" in wrong and "resume-lines" not in wrong
    marked = site.send(f"runs/{run.pk}/resume/", p_trees="many", p_rate="0.5", p_scale="true").content.decode()
    assert "Correct the marked values" in marked and "is a whole number, but the value is" in marked
    assert not Run.objects.filter(resumed_from=run).exists()


def test_what_needs_no_resuming_offers_none_and_says_why(site: Site) -> None:
    run = site.filled()
    assert f"runs/{run.pk}/resume/" not in site.see(f"runs/{run.pk}/").content.decode()
    answer = site.see(f"runs/{run.pk}/resume/")
    assert answer.status_code == 409 and "Submit it again instead" in answer.content.decode()


def test_publishing_leads_to_the_pipeline_with_its_form_and_its_address(site: Site) -> None:
    run = site.filled()
    made = site.send(f"runs/{run.pk}/publish/", name="nightly", version="1.0")
    page = site.people["owner"].get(made["Location"]).content.decode()
    assert 'name="p_rate"' in page
    assert "PipelineSubmit" in page
    assert "curl -X POST" in page


def test_the_curl_line_of_a_pipeline_starts_it(site: Site) -> None:
    made = site.send(f"runs/{site.filled().pk}/publish/", name="it's nightly")
    page = site.people["owner"].get(made["Location"]).content.decode()
    address = re.search(r"http://testserver(/api/v1/pipelines/v1\.0/[^ <&]+)", page)
    assert address
    body: dict[str, Any] = {"ExperimentName": "by address", "ParameterAssignments": {"trees": "5"}}
    answer = site.client.post(address.group(1), json.dumps(body), content_type="application/json")
    assert answer.status_code in (200, 201)
    assert Run.objects.get(pk=answer.json()["Id"]).parameters["trees"] == 5


def test_the_form_of_a_pipeline_starts_it_with_typed_values(site: Site) -> None:
    made = site.send(f"runs/{site.filled().pk}/publish/", name="nightly")["Location"].removeprefix("/w/lab/")
    answer = site.send(made, p_trees="9", p_rate="0.2", p_scale="false", p_note="x", experiment="by form")
    run = Run.objects.get(experiment__name="by form", parent=None)
    assert answer["Location"] == f"/w/lab/runs/{run.pk}/"
    assert run.parameters == {"trees": 9, "rate": 0.2, "scale": False, "note": "x"}


@pytest.mark.parametrize("default", ["a\nb", "a\r\nb", "a\rb\n", "\n a \n"])
def test_lines_that_nobody_touched_come_back_as_they_were(site: Site, default: str) -> None:
    graph = site.graph("train", parameters=[{"name": "note", "type": "string", "default": default}])
    run = site.pipeline(graph=graph, status="Completed")
    made = site.send(f"runs/{run.pk}/publish/", name="lines")["Location"].removeprefix("/w/lab/")
    page = site.see(made).content.decode()
    assert '<textarea name="p_note"' in page
    sent = default.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")  # as browsers do
    site.send(made, p_note=sent, experiment="same")
    site.send(made, p_note=sent + "c\r\nd", experiment="other")
    facts = {
        each.experiment.name: each.parameters["note"]
        for each in Run.objects.filter(published_pipeline_id__isnull=False)
    }
    assert facts["same"] == default
    assert facts["other"] == sent.replace("\r\n", "\n") + "c\nd"


def test_a_disabled_pipeline_is_not_started_and_says_so(site: Site) -> None:
    made = site.send(f"runs/{site.filled().pk}/publish/", name="nightly")["Location"].removeprefix("/w/lab/")
    site.send(f"{made}status/", status="Disabled")
    answer = site.send(made, p_trees="9", p_rate="0.2", p_scale="false", experiment="by form")
    assert "disabled" in answer.content.decode()
    assert not Run.objects.filter(experiment__name="by form").exists()


def test_cancel_is_written_down_with_who_asked(site: Site) -> None:
    run = site.pipeline("a -> b", status="Running")
    for step in run.tree.exclude(pk=run.pk):
        site.attempt(step)
    assert site.send(f"runs/{run.pk}/cancel/").status_code == 302
    assert Run.objects.get(pk=run.pk).cancel_requested_by == "ana"


def test_an_archived_run_leaves_the_list_and_comes_back(site: Site) -> None:
    run = site.failed()
    site.send(f"runs/{run.pk}/archive/", archived="1")
    assert str(run.pk) not in site.see("runs/").content.decode()
    assert str(run.pk) in site.see("runs/", archived="1").content.decode()
    site.send("runs/selected/", run=str(run.pk), operation="restore")
    assert str(run.pk) in site.see("runs/").content.decode()


def test_deleting_says_what_it_frees_first(site: Site) -> None:
    run = site.filled()
    assert "Frees" in site.see(f"runs/{run.pk}/delete/").content.decode()
    assert site.send(f"runs/{run.pk}/delete/")["Location"] == "/w/lab/runs/"
    assert not Run.objects.filter(pk=run.pk).exists()


# A refusal inside `changing` rolls the whole transaction back: that of the test must not be it.
@pytest.mark.django_db(transaction=True)
def test_a_run_under_way_cannot_be_deleted_and_the_dialog_says_why(site: Site) -> None:
    run = site.pipeline("a", status="Running")
    answer = site.send(f"runs/{run.pk}/delete/")
    assert "not over yet" in answer.content.decode()
    assert Run.objects.filter(pk=run.pk).exists()


def test_filters_of_the_list_stand_in_its_address(site: Site) -> None:
    bad, good = site.failed(), site.pipeline("a", status="Completed", tags={"season": "2024"})
    seen = site.see("runs/", state="failed").content.decode()
    assert str(bad.pk) in seen
    assert str(good.pk) not in seen
    assert str(good.pk) in site.see("runs/", tag="season=2024").content.decode()
    assert str(good.pk) not in site.see("runs/", q="nightly").content.decode()
    assert "No run fits these filters" in site.see("runs/", q="nothing like it").content.decode()


def test_a_waiting_step_says_why_where_its_log_would_be(site: Site) -> None:
    run = site.pipeline("a -> b", status="Queued")
    step = site.step(run, "a").step
    step.waiting = [{"code": "no_node", "text": "All 2 nodes of cpu are busy.", "facts": {}}]
    step.save()
    for tries in (0, 1):
        for tab in ("logs", "why"):
            page = site.see(f"runs/{run.pk}/", part="panel", step="a", tab=tab).content.decode()
            assert page.count("All 2 nodes of cpu are busy.") == 1
            assert "Why it waits" in page and "Why it ran" not in page and "<log-view" not in page
        before = site.see(f"runs/{run.pk}/", part="panel", step="b", tab="logs").content.decode()
        assert "It waits for 1 step before it: a (queued)." in before
        if not tries:
            site.attempt(site.step(run, "a"), 1, "queued", queued_at=now())


def test_the_logs_of_several_processes_stand_side_by_side(site: Site) -> None:
    graph = site.graph("a", distribution={"type": "tensorflow", "processes": 9, "parameter_servers": 1})
    run = site.pipeline(graph=graph, status="Running")
    step = site.step(run, "a")
    attempt = site.attempt(step, started_at=now())
    RankLog.objects.create(attempt=attempt, rank=1, exit_code=3)
    RankLog.objects.create(attempt=attempt, rank=2, was_ended=True, signal=15)
    Attempt.objects.filter(pk=attempt.pk).update(rank_count=3)
    page = site.see(f"runs/{run.pk}/", part="panel", step="a").content.decode()
    assert page.count("<log-view") == 8 and "Ranks 0 to 7 of 10" in page
    assert page.count(f'topic="log:{attempt.pk}-rank7"') == 1 and page.count("log/?rank=7") == 2
    assert "exit code 3" in page and "ended with the others" in page
    further = site.see(f"runs/{run.pk}/", part="panel", step="a", ranks="8").content.decode()
    assert further.count("<log-view") == 2 and "Rank 9, parameter server" in further
    for odd in ("x", "99", "-1", ""):
        assert site.see(f"runs/{run.pk}/", part="panel", step="a", ranks=odd).content.decode().count("<log-view") == 8
    together = site.see(f"runs/{run.pk}/", part="panel", step="a", ranks="together").content.decode()
    assert together.count("<log-view") == 1 and f'topic="log:{attempt.pk}"' in together
    alone = site.pipeline("a", status="Running")
    site.attempt(site.step(alone, "a"), started_at=now())
    assert "Side by side" not in site.see(f"runs/{alone.pk}/", part="panel", step="a").content.decode()


def test_the_log_of_an_earlier_attempt_is_there_while_the_next_one_waits(site: Site) -> None:
    run = site.pipeline("a", status="Queued")
    step = site.step(run, "a")
    Run.objects.filter(pk=step.pk).update(started_at=now())
    site.attempt(step, 1, "lost", started_at=now())
    site.attempt(step, 2, "queued", queued_at=now())
    page = site.see(f"runs/{run.pk}/", part="panel", step="a", attempt="1").content.decode()
    assert "<log-view" in page and 'attempt="1"' in page
    page = site.see(f"runs/{run.pk}/", part="panel", step="a").content.decode()
    assert "Why it waits" in page and "<log-view" not in page
    assert "Why it ran" not in site.see(f"runs/{run.pk}/", part="panel", step="a", tab="why").content.decode()


@pytest.mark.parametrize(
    ("status", "started", "decided", "heading"),
    [
        ("NotStarted", False, False, "Will it run?"),
        ("Queued", False, True, "Why it will run"),
        ("Running", True, True, "Why it ran"),
        ("Failed", True, True, "Why it ran"),
        ("Skipped", False, False, "Why it did not run"),
        ("Canceled", False, True, "Why it did not run"),
    ],
)
def test_the_heading_says_of_no_step_that_it_ran_which_did_not(
    site: Site, status: str, started: bool, decided: bool, heading: str
) -> None:
    run = site.pipeline("a", status=status)
    step = site.step(run, "a")
    if started:
        Run.objects.filter(pk=step.pk).update(started_at=now())
        site.attempt(step, 1, "running" if status == "Running" else "failed")
    if decided:
        step.step.reuse_explanation = {"text": "Not reused: no step of this name has completed here before."}
        step.step.save()
    page = site.see(f"runs/{run.pk}/", part="panel", step="a", tab="why").content.decode()
    assert f"<h3>{heading}</h3>" in page
    assert page.count("Why it ran") == (heading == "Why it ran")


def test_a_reused_step_shows_the_log_and_the_metrics_of_its_source(site: Site) -> None:
    source = site.step(site.filled(), "train")
    again = site.pipeline("prepare -> train", status="Completed")
    step = site.step(again, "train").step
    step.reused_from = source
    step.save()
    page = site.see(f"runs/{again.pk}/", step="train", tab="metrics").content.decode()
    assert f"/runs/{source.pk}/metrics/" in page
    assert "reused from #1" in page


def test_a_steps_identity_is_told_part_by_part_with_digests_short_enough_to_compare(site: Site) -> None:
    run = site.failed()
    step = site.step(run, "train").step
    outputs = [["model", "pipeline_data", "workspaceblobstore", "mount", None, True]]
    step.fingerprint_document = {"parts": {"snapshot": "ab" * 32, "outputs": outputs, "parameters": {"on": False}}}
    step.save()
    page = site.see(f"runs/{run.pk}/", step="train", tab="why").content.decode()
    assert "abababababababab…" in page and "ab" * 32 not in page
    assert "model: pipeline_data, workspaceblobstore, mount, folder" in page
    assert "on: False" in page


def test_every_attempt_is_listed_with_its_cause_its_line_and_what_was_left_of_it(site: Site) -> None:
    run = site.failed()
    step = site.step(run, "train")
    proof = {"left_over": 0, "signals": ["TERM", "KILL"], "seconds": 10.3}
    step.attempts.filter(number=1).update(cause="timeout", message="It took <longer>.", proof=proof)
    trace = {"file": "step.py", "line": 31, "text": "ValueError: no"}
    step.attempts.filter(number=2).update(cause="user_error", message="ValueError: no", traceback=trace)
    page = site.see(f"runs/{run.pk}/", step="train", tab="why").content.decode()
    assert "It took longer than it may" in page and "It took &lt;longer&gt;." in page
    assert "Ended with TERM then KILL in 10 s, nothing left running." in page
    assert "<code>step.py:31</code>" in page
    assert "attempt=1" in page and 'aria-label="Log of attempt 1"' in page


def test_a_long_message_of_an_attempt_is_folded_and_keeps_its_lines(site: Site) -> None:
    run = site.failed()
    message = "\n".join(["ValueError: no", *(f"  row {place}" for place in range(39))])
    site.step(run, "train").attempts.filter(number=1).update(cause="timeout", message=message)
    page = site.see(f"runs/{run.pk}/", part="panel", step="train", tab="why").content.decode()
    assert "ValueError: no<details" in page and "39 more lines" in page
    assert "  row 0\n  row 1\n" in page


def test_the_rest_of_a_first_line_that_is_cut_is_not_lost(site: Site) -> None:
    run = site.failed()
    line = "word " * 100 + "end"
    error = {**run.error, "message": line, "traceback": {}}
    Run.objects.filter(root=run.pk, status="Failed").update(error=error)
    assert line in site.see(f"runs/{run.pk}/", part="head").content.decode()


def test_a_step_that_is_tried_again_says_why_and_when(site: Site) -> None:
    graph = site.graph("a")
    graph["steps"][0]["retries"] = 4
    run = site.pipeline("a", status="Queued", graph=graph)
    step = site.step(run, "a")
    site.attempt(step, 1, "failed", cause="out_of_memory")
    site.attempt(step, 2, "queued", not_before=now() + timedelta(minutes=5))
    page = site.see(f"runs/{run.pk}/", step="a").content.decode()
    assert "Tried again because of attempt 1: out of memory. Attempt 2 of 5, next try at" in page
    step.attempts.filter(number=2).update(not_before=None)
    assert "Attempt 2 of 5." in site.see(f"runs/{run.pk}/", step="a").content.decode()


@pytest.mark.parametrize(
    ("ago", "words"), [(600, "No word from alpha since"), (0, "alpha is heard of, but not of this attempt, since")]
)
def test_a_step_that_does_not_respond_says_since_when(site: Site, ago: int, words: str) -> None:
    run = site.pipeline("a", status="NotResponding")
    site.attempt(site.step(run, "a"), 1, "running", lease_until=now())
    Host.objects.update(last_seen_at=now() - timedelta(seconds=ago))
    assert words in site.see(f"runs/{run.pk}/", step="a").content.decode()


def test_a_canceled_step_says_by_whom_and_what_was_left(site: Site) -> None:
    run = site.pipeline("a", status="Canceled")
    step = site.step(run, "a")
    Run.objects.filter(pk=step.pk).update(
        error={"cause": "canceled", "message": "Canceled by ana. Nothing of it was running."}
    )
    site.attempt(step, 1, "canceled", cause="canceled")
    assert "Canceled by ana. Nothing of it was running." in site.see(f"runs/{run.pk}/", step="a").content.decode()


@pytest.mark.parametrize("line", ["9" * 5000, "²", "-1", "x", "1e3", "٣"])
def test_any_line_may_be_asked_for(site: Site, line: str) -> None:
    run = site.pipeline("train", status="Completed")
    assert site.see(f"runs/{run.pk}/", step="train", tab="code", file="step.py", line=line).status_code == 200


def test_only_code_that_somebody_wrote_is_highlighted() -> None:
    assert 'class="k"' in drawn("a.py", "def f(): pass\n")
    assert 'class="k"' not in drawn("a.py", "def f(): pass  # " + "x" * 3000)
    assert 'class="k"' not in drawn("a.pl", "if (1) { print }\n")


def test_a_thousand_images_are_walked_through_and_none_is_left_out(site: Site) -> None:
    run = site.step(site.filled(), "train")
    Artifact.objects.filter(run=run).delete()
    names = [f"images/{number:04}.png" for number in range(1000)]
    Artifact.objects.bulk_create([Artifact(run=run, path=name, size=1, content_type="image/png") for name in names])
    path, asked = f"runs/{run.root_id}/", {"step": "train"}
    shown = r"images/\d{4}\.png(?=</span>)", r"(?<=Download )images/\d{4}\.png"
    for tab, word, most, found_by in (
        ("images", "from", MOST_IMAGES, shown[0]),
        ("outputs", "files", MOST_FILES, shown[1]),
    ):
        seen: list[str] = []
        start: str | None = "0"
        while start is not None:
            page = site.see(path, **asked, tab=tab, folder="images", **{word: start}).content.decode()
            seen += dict.fromkeys(re.findall(found_by, page))
            last = min(int(start) + most, 1000)
            assert f"{int(start) + 1} to {last} of 1000" in page.replace(",", "")
            found = [int(each) for each in re.findall(rf"[?&;]{word}=(\d+)", page)]
            start = str(int(start) + most) if int(start) + most in found else None
        assert seen == names
    for odd in ("9999999", "-1", "x", "1" * 5000, "²"):
        assert "1 to 60 of 1000" in site.see(path, **asked, tab="images", **{"from": odd}).content.decode().replace(
            ",", ""
        )


def test_a_large_folder_of_an_output_is_walked_through_too(site: Site) -> None:
    run = site.step(site.filled(), "train")
    files = [{"path": f"{number:04}.bin", "size": 1, "digest": "d"} for number in range(1200)]
    Output.objects.filter(run=run, name="model").update(files=files, file_count=1200)
    page = site.see(f"runs/{run.root_id}/", step="train", tab="outputs", output="model", **{"from": "500"})
    text = page.content.decode()
    assert "501 to 1000 of 1200" in text.replace(",", "") and "0500.bin" in text and "0499.bin" not in text
    assert "from=1000" in text and "from=0" in text


def test_a_run_without_steps_shows_all_that_it_logged_with_what_was_said_of_it(site: Site) -> None:
    run = site.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    matrix = {
        "schema_type": "confusion_matrix",
        "schema_version": "v1",
        "data": {"class_labels": ["x1", "x2"], "matrix": [[1, 2], [3, 4]]},
    }
    records = [
        {"op": "metric", "name": "loss", "kind": "scalar", "value": 0.5},
        {"op": "metric", "name": "scores", "kind": "table", "value": {"f1": [0.9]}, "description": "On <the> rest"},
        {"op": "metric", "name": "sure", "kind": "confusion_matrix", "value": matrix},
    ]
    assert site.post(f"runs/{run}/metrics/", {"records": records}).status_code == 200
    page = site.see(f"runs/{run}/").content.decode()
    assert "<metric-grid" in page and "scores" in page and "0.9" in page and "x2" in page
    assert page.count("On &lt;the&gt; rest") == 2
    empty = site.post("runs/", {"experiment": "e", "kind": "interactive"}).json()["id"]
    site.post(f"runs/{empty}/complete/")
    assert "No metrics were logged" in site.see(f"runs/{empty}/").content.decode()


def test_an_image_is_shown_with_what_was_said_of_it(site: Site) -> None:
    run = site.filled()
    train = site.step(run, "train")
    record = {
        "op": "metric",
        "name": "curve",
        "kind": "image",
        "value": {"artifact": "images/curve.svg"},
        "description": "Loss <by> epoch",
    }
    assert site.post(f"runs/{train.pk}/metrics/", {"records": [record]}).status_code == 200
    page = site.see(f"runs/{run.pk}/", part="panel", step="train", tab="images").content.decode()
    assert page.count("Loss &lt;by&gt; epoch") == 2


def test_a_long_message_stands_once_with_its_first_line_shown_and_the_rest_folded(site: Site) -> None:
    run = site.failed()
    lines = [f"message line {place:02}" for place in range(40)]
    error = {**run.error, "message": "\n".join(lines), "traceback": {"file": "step.py", "line": 1, "text": lines[0]}}
    Run.objects.filter(root=run.pk, status="Failed").update(error=error)
    for view in ("graph", "table"):
        page = site.see(f"runs/{run.pk}/", view=view).content.decode()
        assert [page.count(line) for line in lines] == [1] * 40
        assert "39 more lines" in page


def test_the_header_says_parameters_and_all_tags_and_cuts_long_names(site: Site) -> None:
    run = site.failed()
    name = "n" * 80
    Run.objects.filter(pk=run.pk).update(display_name=name, tags={f"tag{place}": "" for place in range(30)})
    page = site.see(f"runs/{run.pk}/", part="head").content.decode()
    assert f'<h1 title="{name} #{run.number}"><span class="truncate">' in page
    for each in ("trees = 300", "rate = 0.1", "scale = true", "note = nightly"):
        assert each in page
    assert all(f"?tag=tag{place}" in page for place in range(30))
    assert "+26" in page


def test_what_an_action_leads_to_shows_the_step_and_the_tab_that_were_looked_at(site: Site) -> None:
    run = site.failed()
    looked = {"HTTP_REFERER": f"http://testserver/w/lab/runs/{run.pk}/?step=prepare&tab=code&view=table&file=step.py"}
    for action, values in (("resubmit", {}), ("resume", {"p_trees": "8"})):
        values = {"p_rate": "0.1", "p_scale": "true", "p_note": "x", **values}
        answer = site.page.post(f"/w/lab/runs/{run.pk}/{action}/", values, **looked)
        assert answer["Location"].endswith("/?step=prepare&tab=code&view=table"), action
    made = Run.objects.filter(cloned_from=run).latest("id")
    answer = site.page.post(f"/w/lab/runs/{made.pk}/cancel/", **looked)
    assert answer["Location"] == f"/w/lab/runs/{made.pk}/?step=prepare&tab=code&view=table"
    foreign = site.page.post(f"/w/lab/runs/{run.pk}/resubmit/", HTTP_REFERER="http://evil.test/w/lab/?step=x")
    assert "?" not in foreign["Location"]


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        ({"kind": "page", "name": "ana"}, "ana, page"),
        ({"kind": "sdk", "name": "ana"}, "ana, program"),
        ({"kind": "rest", "name": "ana"}, "ana, token"),
        ({"kind": "published", "name": "nightly"}, "ana, pipeline “nightly”"),
        ({"kind": "schedule", "name": "at night"}, "ana, schedule “at night”"),
        ({"kind": "resubmit", "name": "#1"}, "ana"),
    ],
)
def test_by_names_the_person_and_the_way(site: Site, trigger: dict[str, str], words: str) -> None:
    run = site.failed()
    Run.objects.filter(pk=run.pk).update(trigger=trigger)
    assert f"<span>{words}</span>" in site.see(f"runs/{run.pk}/", part="head").content.decode()
    assert f">{words}</td>" in site.see("runs/").content.decode()


def test_by_names_the_run_whose_step_submitted_it(site: Site) -> None:
    first, second = site.failed(), site.failed()
    Run.objects.filter(pk=second.pk).update(submitted_in=first.pk, trigger={"kind": "sdk", "name": f"run {first.pk}"})
    assert f"ana, step of run #{first.number}" in site.see(f"runs/{second.pk}/").content.decode()
    assert f"ana, step of run #{first.number}" in site.see("runs/").content.decode()
