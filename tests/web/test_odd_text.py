"""Text that no database keeps: cleaned wherever it comes in, and no page ends where a row holds it all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from duto.spec.text import CUT, clean, cleaned
from runs.models import Attempt, Run
from runs.services.results.metrics import add, read
from tests.web.conftest import Site

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
ODD = "half \ud800, nul \0, \udcff, cut \ud83d\ude00\ud83d"
LISTS = (
    "runs/", "experiments/", "datasets/", "models/", "environments/", "compute/", "pipelines/", "tokens/", "members/", "palette/?q=a",
    "datastores/", "images/",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain", "plain"), ("\U0001f600", "\U0001f600"), ("a\0b", "a\ufffdb"), ("\ud800", "\ufffd"), ("a\udfffb", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"), ("\ude00\ud83d", "\ufffd\ufffd"), ("\ud800\ud800\udc00", "\ufffd\U00010000"),
    ],
)  # fmt: skip
def test_halves_are_replaced_and_pairs_are_joined(text: str, kept: str) -> None:
    assert clean(text) == kept


def test_a_document_is_cleaned_to_its_keys_and_loses_none() -> None:
    found = cleaned({"a\ud800": 1, chr(97) + "\udfff": 2, "b": ["\0", {"c": True}], "d": None})
    assert found == {"a\ufffd": 1, "a\ufffd\ufffd": 2, "b": ["\ufffd", {"c": True}], "d": None}
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    inner, depth = cleaned(deep), 0
    while isinstance(inner, list):
        inner, depth = inner[0], depth + 1
    assert inner == CUT and depth <= 101


def looks_well(site: Site) -> None:
    """Every page and every list opens, also of each run that is there already, and holds nothing but characters."""
    runs = list(Run.objects.values_list("pk", flat=True))
    paths = [f"/w/lab/{path}" for path in site.everything().values()]
    for run in runs:
        paths += [f"/w/lab/runs/{run}/"]
        paths += [
            f"{site.base}runs/{run}/{part}"
            for part in ("", "metrics/", "metrics/points/", "graph/", "steps/", "outputs/", "artifacts/")
        ]
    for path in [*paths, *(site.base + path for path in LISTS)]:
        answer = (site.client if path.startswith("/api") else site.page).get(path, follow=True)
        assert answer.status_code == 200, (path, answer.content[-500:])
        text = answer.content.decode()
        assert "\0" not in text, path
        if path.startswith("/api"):
            assert cleaned(json.loads(text)) == json.loads(text), path


def what_a_step_logs(site: Site) -> None:
    odd = ODD
    run = site.step(site.pipeline(), "train")
    attempt = site.attempt(run)
    records = [
        {"op": "metric", "name": odd, "value": 1},
        {"op": "metric", "name": "text", "value": odd},
        {"op": "metric", "name": f"row {odd}", "kind": "row", "value": {odd: odd, "b": 1}},
        {"op": "metric", "name": "table", "kind": "table", "value": {odd: [odd, 1]}},
        {"op": "metric", "name": "matrix", "kind": "confusion_matrix", "value": {"data": {"class_labels": [odd], "matrix": [[1]]}}},
        {"op": "tag", "key": odd, "value": odd},
        {"op": "property", "key": odd, "value": odd},
        {"op": odd}, {"op": "metric", "name": odd, "kind": odd, "value": 1}, {"run": odd, "op": "tag", "key": "k", "value": "v"},
        {"op": "metric", "name": "a", "value": 1, "at": odd}, {"op": "metric", "name": "a", "value": 1, "index": odd},
        {"op": "metric", "name": "a", "kind": ["row"], "value": 1}, {"op": "tag", "key": "k", "value": {odd: odd}},
    ]  # fmt: skip
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    data += (
        b'{"op":"tag","key":"raw","value":"\xed\xa0\x80 \xff"}\n'
        + b'{"op":"metric","name":"deep","value":'
        + b"[" * 900
        + b"]" * 900
        + b"}\n"
    )
    answer = site.bring(attempt, "spool?offset=0", data)
    assert (answer.status_code, answer.json()) == (200, {"size": len(data)})
    step = Run.objects.get(pk=run.pk)
    assert step.tags[clean(odd)] == clean(odd) and step.properties[clean(odd)] == clean(odd) and "raw" in step.tags
    names = {item["name"] for item in site.get(f"runs/{run.pk}/metrics/points/").json()["items"]}
    assert names == {clean(odd), "text", f"row {clean(odd)}", "table", "matrix", "a"}
    skipped = site.agent.put(
        f"/agent/v1/attempts/{attempt.pk}/1/spool?offset={len(data)}&skip=7", odd.encode("utf-8", "surrogatepass"),
        content_type="application/octet-stream",
    )  # fmt: skip
    assert skipped.json() == {"size": len(data) + 7}
    assert len(Attempt.objects.get(pk=attempt.pk).warnings) == 7


def what_programs_send(site: Site) -> None:
    odd = ODD
    tags = {odd: odd}
    run = site.post("runs/", {"experiment": "e", "kind": "interactive"}).json()
    records = [{"op": "metric", "name": odd, "value": odd}, {"op": "tag", "key": odd, "value": odd}]
    version = site.dataset()
    pipeline = site.filled()
    sent = [
        ("post", "runs/", {"experiment": odd, "kind": "interactive"}),
        ("post", "runs/", {"experiment": "e", "kind": "interactive", "tags": tags}),
        ("patch", f"runs/{run['id']}/", {"display_name": "half \ud800"}),
        ("post", f"runs/{run['id']}/metrics/", {"records": records}),
        ("post", f"runs/{run['id']}/fail/", {"message": odd, "error_details": odd}),
        ("patch", "experiments/Palmer experiment/", {"description": odd, "tags": tags}),
        ("patch", f"dataset-versions/{version.pk}/", {"description": odd, "tags": tags}),
        ("post", "datasets/", {"name": odd, "kind": "file", "description": odd, "tags": tags, "definition": {"sources": [{"datastore": odd, "path": odd}]}}),
        ("post", "compute/", {"name": odd, "vm_size": odd}),
        ("patch", "compute/cpu/", {"description": odd, "tags": tags}),
        ("post", "environments/", {"name": "slim", "python": {"version": "3.11", "packages": [odd]}, "variables": tags}),
        ("post", "models/", {"name": odd, "files": [{"path": odd, "digest": odd}]}),
        ("post", "models/", {"name": "m", "run_id": str(pipeline.pk), "path": odd, "tags": tags, "description": odd}),
        ("post", "pipelines/", {"name": odd, "description": odd, "version": odd, "run_id": str(pipeline.pk)}),
        ("post", "tokens/", {"name": odd, "role": "reader"}),
        ("post", "members/", {"user": odd, "name": odd, "role": "reader"}),
        ("post", "blobs/missing/", {"digests": [odd]}),
        ("post", "snapshots/", {"schema": 1, "files": [{"path": odd, "digest": odd, "size": 1, "executable": False}]}),
        ("post", f"runs/{pipeline.pk}/resubmit/", {"parameters": {odd: odd}}),
    ]  # fmt: skip
    for method, path, body in sent:
        answer = getattr(site, method)(path, body)
        assert answer.status_code == 400, (path, answer.content)
        assert "half of a surrogate pair" in answer.json()["error"]["message"], path
    whole = site.client.patch(
        f"{site.base}runs/{run['id']}/", b'{"display_name": "\\ud83d\\ude00"}', content_type="application/json"
    )
    assert whole.status_code == 200 and whole.json()["display_name"] == "\U0001f600", "two halves make one"
    for place in ("resume-preview/", "log/search/"):
        answer = site.get(
            f"runs/{pipeline.pk}/{place}", parameters=json.dumps(tags), q=odd.encode("utf-8", "replace").decode()
        )
        assert answer.status_code < 500, place


def what_agents_tell(site: Site) -> None:
    odd = ODD
    run = site.step(site.pipeline(), "train")
    attempt = site.attempt(run)
    key = {"attempt": str(attempt.pk), "epoch": 1}
    finished = {
        **key, "event": "finished", "at": odd, "exit_code": 1, "signal": None, "cause": "user_error", "message": odd, "warnings": [odd],
        "traceback": {"file": odd, "line": 1, "text": odd}, "outputs": [], "artifacts": [{"path": odd, "size": 1, "digest": odd}],
        "usage": {odd: odd}, "proof": {odd: odd},
    }  # fmt: skip
    image = {
        "image": odd,
        "event": "failed",
        "message": odd,
        "attempt": str(attempt.pk),
        "recipe": {odd: odd},
        "progress": {"text": odd},
    }
    reports = [
        {**key, "event": "preparing", "detail": odd},
        {"build": odd, "event": odd, "message": odd},
        image,
        finished,
        {odd: odd},
    ]
    facts = {"gpus": [{"uuid": odd, "name": odd}], "pythons": [odd], "agent": odd, "facts": {odd: odd}}
    body = json.dumps(
        {"host": facts, "holding": [{"attempt": odd, "epoch": odd}], "reports": reports, "want": 0, "wait": 0}
    )
    answer = site.agent.post("/agent/v1/exchange", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    step = Run.objects.get(pk=run.pk)
    assert step.status == "Failed" and clean(odd) in step.error["message"]
    other = site.attempt(site.step(site.pipeline(), "train"))
    samples = json.dumps({"at": odd, "cpu": odd, "gpus": [{"uuid": odd}], odd: odd}).encode() + b"\n"
    for place in ("samples", "log"):
        assert site.bring(other, f"{place}?offset=0", samples).status_code == 200
    assert site.get(f"runs/{other.run_id}/usage/").status_code == 200
    enrol = site.agent.post(
        "/agent/v1/enrol", json.dumps({"token": odd, "name": odd, "agent": odd}), content_type="application/json"
    )
    assert enrol.status_code == 401


def what_forms_of_pages_send(site: Site) -> None:
    odd = "nul \0"
    run = site.filled()
    draft = site.post("drafts/", {"run_id": str(run.pk)}).json()["id"]
    forms = {
        "settings/members/add/": {"name": odd, "user": odd, "role": odd}, "settings/tokens/create/": {"name": odd, "role": odd, "days": odd},
        "compute/create/": {"name": odd, "description": odd, "vm_size": odd}, "compute/add-host/": {"name": odd},
        "data/register/": {"name": odd, "datastore": odd, "path": odd, "description": odd, "kind": odd},
        f"runs/{run.pk}/publish/": {"name": odd, "description": odd, "version": odd}, "drafts/new/": {"run_id": odd}, "drafts/selected/": {"draft": odd},
        f"drafts/{draft}/": {"p_note": odd, "experiment": odd, "name": odd, "tags": odd, "version": odd, "over": odd},
        f"drafts/{draft}/steps/0/": {"step-arguments": odd, "step-compute": odd, "node": odd, "version": odd},
        f"runs/{run.pk}/archive/": {"archived": odd}, "runs/selected/": {"run": odd, "operation": odd}, "settings/retention/save/": {"logs": odd},
    }  # fmt: skip
    for path, fields in forms.items():
        answer = site.send(path, **fields)
        assert answer.status_code == 400 and "null character" in answer.content.decode(), (path, answer.content[-300:])
    for path in ("/accounts/login/", "/language/", "/accounts/password/reset/"):
        assert site.page.post(path, {"login": odd, "password": odd, "language": odd, "email": odd}).status_code < 500


def test_what_comes_in_is_refused_or_cleaned_and_ends_no_page(site: Site) -> None:
    """From all doors into one workspace, so that each page is opened once with what came by all of them."""
    what_a_step_logs(site)
    what_programs_send(site)
    what_agents_tell(site)
    what_forms_of_pages_send(site)
    looks_well(site)


@pytest.mark.parametrize("body", [b'{"tags": {"a": "1", "a": "2"}}', b'{"display_name": "a", "display_name": "b"}'])
def test_a_key_that_is_there_twice_is_refused(site: Site, body: bytes) -> None:
    run = site.post("runs/", {"experiment": "e", "kind": "interactive"}).json()
    answer = site.client.patch(f"{site.base}runs/{run['id']}/", body, content_type="application/json")
    assert answer.status_code == 400 and "twice" in answer.json()["error"]["message"]


def test_what_commands_are_told(site: Site) -> None:
    for words in (
        ["token", "--workspace", "\udcff"],
        ["account", "close", "--user", "\udcff"],
        ["signin-link", "--user", "\udcff"],
    ):
        with pytest.raises((CommandError, SystemExit)):
            call_command(*words)


@pytest.mark.sqlite(only=True)
def test_rows_that_hold_such_text_already_end_no_page(site: Site) -> None:
    """SQLite keeps JSON as it is spelt; PostgreSQL takes none of these, so there are none."""
    odd = {"a\ud800": "b\udcff", "nul \0": "\0"}
    site.failed()
    run = site.filled()
    step = site.step(run, "train")
    Run.objects.all().update(tags=odd, properties=odd, warnings=list(odd))
    Run.objects.filter(status="Failed").update(error={"cause": "user_error", "message": "a\ud800"})
    Attempt.objects.all().update(warnings=list(odd))
    add(
        [
            read(step.pk, {"name": "row", "kind": "row", "value": odd}),
            read(step.pk, {"name": "text", "value": "\ud800"}),
        ]
    )
    looks_well(site)
