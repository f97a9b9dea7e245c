"""Runs that programs open themselves, and the child runs below them and below steps: their tabs, files and lists."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.core.management import call_command

from core import outbox
from core.clock import now
from core.storage import artifact_store
from runs.models import Artifact, MetricPoint, Output, Run
from runs.queries.children import NAMES, last_numbers
from runs.queries.metrics import SERIES_MAX, TAIL, WHOLE, metric_documents
from runs.web.panel_children import COLUMNS, MOST_CHILDREN
from runs.web.panel_files import MOST_LINES
from runs.web.panel_metrics import MOST_ROWS
from runs.web.preview import LARGEST
from tests.web.conftest import Site

pytestmark = [pytest.mark.django_db]


def opened(site: Site, parent: object = None, **more: Any) -> str:
    body = {"experiment": "Notebook", "kind": "interactive", **({"parent": str(parent)} if parent else {}), **more}
    answer = site.post("runs/", body)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def logged(site: Site, run: str, *records: dict[str, Any]) -> None:
    answer = site.post(f"runs/{run}/metrics/", {"records": [{"op": "metric", **each} for each in records]})
    assert answer.status_code == 200, answer.content


def text(site: Site, at: str, /, **query: Any) -> str:
    answer = site.see(at, **query)
    assert answer.status_code == 200, answer.content
    return str(answer.content.decode())


def tabs_of(page: str) -> list[str]:
    nav = re.findall(r'<nav class="tabs"[^>]*>(.*?)</nav>', page, re.DOTALL)[-1]
    return [" ".join(re.sub(r"<.*?>", " ", link).split()) for link in re.findall(r"<a [^>]*>(.*?)</a>", nav, re.DOTALL)]


# --- a run of its own ---


def test_a_run_without_steps_has_the_tabs_of_a_step_that_hold_something_for_it(site: Site) -> None:
    run, child = site.interactive()
    page = text(site, f"runs/{run.pk}/")
    assert tabs_of(page) == ["Metrics", "Images", "Files", "Child runs 1", "Details"]
    assert "keeps this run open" not in page
    assert "<metric-grid" in page and "depth" in page and f'topic="metrics:{run.pk}"' in page
    assert "curve.svg" in text(site, f"runs/{run.pk}/", tab="images")
    assert "report.txt" in text(site, f"runs/{run.pk}/", tab="outputs", folder="outputs")
    assert f"/runs/{child.pk}/" in text(site, f"runs/{run.pk}/", tab="children")
    assert tabs_of(text(site, f"runs/{child.pk}/")) == ["Metrics", "Images", "Files", "Details"]
    # What only a step has is no tab of it, whatever the address says.
    for tab in ("logs", "usage", "environment", "why", "nonsense"):
        assert "<metric-grid" in text(site, f"runs/{run.pk}/", tab=tab)


def test_an_ended_run_is_not_said_to_be_open_and_its_page_listens_to_nothing(site: Site) -> None:
    run, _child = site.interactive()
    assert site.post(f"runs/{run.pk}/complete/").status_code == 200
    for tab in ("metrics", "images", "outputs", "children", "details"):
        page = text(site, f"runs/{run.pk}/", tab=tab)
        assert "open" not in re.sub(r"<[^>]*>", "", page[page.index('id="run-panel"') :]).split()
        assert not re.search(r'<live-region class="panel"[^>]*topic=', page), tab


def test_what_was_given_to_a_run_and_said_of_it_stands_in_its_details(site: Site) -> None:
    run = opened(site, tags={"team": "<blue>"}, properties={"source": "a\nb"}, display_name="by hand")
    assert site.patch(f"runs/{run}/", {"description": "Why\nit ran"}).status_code == 200
    site.post(f"runs/{run}/fail/", {"message": "No luck <here>", "code": "E7"})
    page = text(site, f"runs/{run}/", tab="details")
    for said in ("&lt;blue&gt;", "a<br>b", "Why<br>it ran", "No luck &lt;here&gt;", "E7", "Interactive", run):
        assert said in page, said


def test_what_a_script_says_of_its_step_stands_among_its_inputs(site: Site) -> None:
    root = site.pipeline(status="Running")
    step = site.step(root, "train")
    Run.objects.filter(pk=step.pk).update(tags={"team": "<blue>"}, properties={"rows": "344"})
    page = text(site, f"runs/{root.pk}/", step="train", tab="inputs")
    assert "&lt;blue&gt;" in page and "344" in page and "Details" not in tabs_of(page)


def test_the_code_that_a_program_kept_with_its_run_is_read_and_downloaded(site: Site) -> None:
    snapshot = site.snapshot(**{"train.py": "print('hi')\n"})
    run = opened(site, properties={"ContentSnapshotId": snapshot.digest})
    assert "Code" in tabs_of(text(site, f"runs/{run}/"))
    assert "train.py" in text(site, f"runs/{run}/", tab="code")
    assert 'class="highlight"' in text(site, f"runs/{run}/", tab="code", file="train.py")
    assert b"".join(site.see(f"runs/{run}/snapshot.zip").streaming_content).startswith(b"PK")
    other = opened(site, properties={"ContentSnapshotId": "0" * 64})
    assert "No code was kept for this run" in text(site, f"runs/{other}/", tab="code")
    assert site.see(f"runs/{other}/snapshot.zip").status_code == 404


def test_a_pipeline_run_has_a_place_for_what_its_steps_log_to_it(site: Site) -> None:
    root = site.filled()
    MetricPoint.objects.create(run=root, name="best", kind="row", index=0, data={"model": "forest"}, at=now())
    assert "forest" not in text(site, f"runs/{root.pk}/")
    page = text(site, f"runs/{root.pk}/", of="run")
    assert "The run itself" in page and "forest" in page and tabs_of(page) == ["Metrics", "Images", "Files", "Details"]
    # Its steps are none of its child runs.
    assert "No child runs" in text(site, f"runs/{root.pk}/", of="run", tab="children")


# --- child runs ---


def test_child_runs_come_by_a_metric_that_is_chosen(site: Site) -> None:
    run = opened(site)
    numbers = {"low": [9, 1], "high": [0, 3], "middle": [2], "none": []}
    children = {name: opened(site, run, display_name=name) for name in numbers}
    for name, child in children.items():
        logged(site, child, *({"name": "acc", "value": value, "index": at} for at, value in enumerate(numbers[name])))
        logged(site, child, {"name": "loss", "value": 1})

    def order(asked: str) -> list[str]:
        page = text(site, f"runs/{run}/", tab="children", order=asked)
        return re.findall(r">\s*(low|high|middle|none)\s*</a>", page[page.index('id="run-panel"') :])

    assert order("-acc") == ["high", "middle", "low", "none"]
    assert order("acc") == ["low", "middle", "high", "none"]
    assert order("-nothing") == order("") == ["none", "middle", "high", "low"]
    page = text(site, f"runs/{run}/", tab="children", order="-acc")
    assert re.search(r'aria-sort="descending"[^>]*>\s*<a[^>]*href="[^"]*order=acc[^"]*"', page)
    assert re.search(r'<th[^>]*title="loss"[^>]*>\s*<a[^>]*href="[^"]*order=-loss[^"]*"', page)


def test_a_child_run_has_a_page_of_its_own_that_leads_up(site: Site) -> None:
    root = site.pipeline(status="Running")
    step = site.step(root, "train")
    fold = opened(site, step.pk, display_name="fold 1")
    inner = opened(site, fold)
    page = text(site, f"runs/{inner}/")
    crumbs = re.search(r'<nav class="crumbs".*?</nav>', page, re.DOTALL)
    assert crumbs
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]*)"', crumbs.group())]
    assert links[2:] == [f"/w/lab/runs/{root.pk}/", f"/w/lab/runs/{root.pk}/?step=train", f"/w/lab/runs/{fold}/"]
    assert f"<title>{inner[-8:]}" in page and "#0" not in page
    assert f'topic="run:{root.pk}" version="{Run.objects.get(pk=root.pk).version}"' in page
    # A run that is part of another is not archived or deleted by itself.
    assert f"/runs/{inner}/delete/" not in page and f"/runs/{inner}/cancel/" in page
    assert site.get(f"runs/{inner}/").json()["url"].endswith(f"/w/lab/runs/{inner}/")
    assert site.see(f"runs/{step.pk}/")["Location"].endswith(f"/runs/{root.pk}/?step=train")


def test_a_canceled_child_run_stays_on_its_page(site: Site) -> None:
    run = opened(site)
    child = opened(site, run)
    assert site.send(f"runs/{child}/cancel/")["Location"] == f"/w/lab/runs/{child}/"
    assert Run.objects.get(pk=child).status == "Canceled" and Run.objects.get(pk=run).status == "Running"


def test_the_child_runs_of_a_step_stand_on_its_panel_with_their_numbers(site: Site) -> None:
    root = site.pipeline(status="Running")
    step = site.step(root, "train")
    assert "Child runs" not in text(site, f"runs/{root.pk}/", step="train")
    fold = opened(site, step.pk, display_name="fold 1")
    logged(site, fold, {"name": "loss", "value": 0.5}, {"name": "loss", "value": 1e-05}, {"name": "word", "value": "x"})
    assert "Child runs 1" in tabs_of(text(site, f"runs/{root.pk}/", step="train"))
    assert "Child runs" not in text(site, f"runs/{root.pk}/", step="prepare")
    page = text(site, f"runs/{root.pk}/", step="train", tab="children")
    assert "fold 1" in page and "1e-05" in page and 'title="loss"' in page and 'title="word"' not in page
    assert f'topic="children:{step.pk}"' in page


def test_the_children_of_a_step_that_was_reused_are_those_of_its_source(site: Site) -> None:
    source = site.step(site.pipeline(status="Running"), "train")
    fold = opened(site, source.pk, display_name="fold 1")
    root = site.pipeline(status="Completed")
    again = site.step(root, "train")
    again.step.reused_from = source
    again.step.save()
    assert f"/runs/{fold}/" in text(site, f"runs/{root.pk}/", step="train", tab="children")


def test_thousands_of_child_runs_come_in_pages_at_the_price_of_three(site: Site) -> None:
    few, many = (Run.objects.get(pk=opened(site)) for _ in range(2))
    for run, number in ((few, 3), (many, 1200)):
        fields = {"workspace": run.workspace, "experiment": run.experiment, "parent": run, "root": run}
        rows = [Run(kind="child", status="Completed", display_name=f"fold-{n:04}", **fields) for n in range(number)]
        Run.objects.bulk_create(rows)
        points = [
            MetricPoint(run=row, name=name, kind="scalar", index=index, value=index, at=now())
            for row in rows
            for name in ("loss", "accuracy")
            for index in range(2)
        ]
        MetricPoint.objects.bulk_create(points)
    site.see("")
    asked = {"tab": "children"}
    assert site.queries(f"runs/{many.pk}/", **asked) == site.queries(f"runs/{few.pk}/", **asked)
    seen: list[str] = []
    start: int | None = 0
    while start is not None:
        page = text(site, f"runs/{many.pk}/", tab="children", children=start)
        found = re.findall(r"fold-\d{4}(?=</a>)", page)
        assert len(found) == min(MOST_CHILDREN, 1200 - start) and page.count('<td class="num">1</td>') == 2 * len(found)
        seen += found
        start = start + MOST_CHILDREN if f"children={start + MOST_CHILDREN}" in page else None
    assert seen == [f"fold-{number:04}" for number in reversed(range(1200))]


def test_the_last_numbers_of_runs_are_found_whatever_else_they_logged(site: Site) -> None:
    one, two, none = (Run.objects.get(pk=opened(site)) for _ in range(3))
    logged(
        site, str(one.pk),
        {"name": "a", "value": 3}, {"name": "a", "value": 4}, {"name": "nan", "value": {"$numberDouble": "NaN"}},
        {"name": "text", "value": "x"}, {"name": "row", "kind": "row", "value": {"x": 1}},
        {"name": "late", "value": 1, "index": 9}, {"name": "late", "value": 2, "index": 5},
    )  # fmt: skip
    logged(site, str(two.pk), *({"name": f"m{number:03}", "value": number} for number in range(2 * NAMES)))
    found = last_numbers([one.pk, two.pk, none.pk])
    assert found[one.pk] == {"a": 4.0, "late": 1.0}
    assert found[two.pk] == {f"m{number:03}": float(number) for number in range(NAMES)}
    assert none.pk not in found and last_numbers([]) == {}
    parent = Run.objects.get(pk=opened(site))
    Run.objects.filter(pk__in=[one.pk, two.pk]).update(parent=parent, root=parent, kind="child")
    page = text(site, f"runs/{parent.pk}/", tab="children")
    assert page.count('<th class="num" title=') == COLUMNS


# --- files ---


@pytest.fixture
def files(site: Site) -> str:
    """A run with files in folders, of odd names and of all kinds."""
    run = opened(site)
    for path, data in (
        ("outputs/report.txt", b"one\n<b>two</b>\n"),
        ("outputs/deep/er/a.json", b'{"a": 1}'),
        ("outputs/blob.bin", b"\0\1\2"),
        ("outputs/page.html", b"<h1>hello</h1>"),
        ("outputs/long.log", b"a line\n" * (LARGEST // 7 + 1000)),
        ("outputs/wide.log", (b"x" * 999 + b"\n") * 700),
        ("outputs/no end", b"x" * (LARGEST + 1)),
        ("outputs/empty", b""),
        ("OUTPUTS/other.txt", b"capital"),
        ("a & b?#%/c d.txt", b"odd"),
        ("images/curve.svg", b"<svg/>"),
    ):
        artifact_store(site.workspace.pk).write(f"artifacts/{run}/{path}", io.BytesIO(data))
        Artifact.objects.create(run_id=run, path=path, size=len(data))
    return run


def names_in(page: str) -> list[str]:
    card = page[page.index("Files of the run") :]
    return [name.strip() for name in re.findall(r"</svg> ?<bdi>([^<]+)</bdi></a>", card)]


def test_files_are_browsed_folder_by_folder(site: Site, files: str) -> None:
    page = text(site, f"runs/{files}/", tab="outputs")
    assert sorted(names_in(page)) == ["OUTPUTS", "a &amp; b?#%", "images", "outputs"]
    assert "11 files" in page
    level = text(site, f"runs/{files}/", tab="outputs", folder="outputs")
    assert sorted(names_in(level)) == [
        "blob.bin",
        "deep",
        "empty",
        "long.log",
        "no end",
        "page.html",
        "report.txt",
        "wide.log",
    ]
    assert names_in(text(site, f"runs/{files}/", tab="outputs", folder="OUTPUTS")) == ["other.txt"]
    assert names_in(text(site, f"runs/{files}/", tab="outputs", folder="outputs/deep")) == ["er"]
    assert names_in(text(site, f"runs/{files}/", tab="outputs", folder="a & b?#%")) == ["c d.txt"]
    for odd in ("nothing", "outputs/report.txt", "../..", "out", "%"):
        assert "An empty folder" in text(site, f"runs/{files}/", tab="outputs", folder=odd), odd


def test_every_link_to_a_file_leads_to_it(site: Site, files: str) -> None:
    for folder in ("outputs", "a & b?#%", "outputs/deep/er"):
        page = text(site, f"runs/{files}/", tab="outputs", folder=folder)
        for link in re.findall(r'href="(\?[^"]*file=[^"]*)"', page):
            opened_page = site.people["owner"].get(f"/w/lab/runs/{files}/{link.replace('&amp;', '&')}").content.decode()
            assert 'id="preview"' in opened_page and "no such file" not in opened_page, link
        for link in re.findall(r'href="([^"?]*/artifacts/[^"]*download=1)"', page):
            assert site.people["owner"].get(link.replace("&amp;", "&")).status_code == 200, link


def preview(site: Site, run: str, path: str, **more: str) -> str:
    page = text(site, f"runs/{run}/", tab="outputs", file=path, **more)
    return page[page.index('id="preview"') : page.index("</section>", page.index('id="preview"'))]


def test_a_file_is_shown_as_what_it_is(site: Site, files: str) -> None:
    shown = preview(site, files, "outputs/report.txt")
    assert "&lt;b&gt;two&lt;/b&gt;" in shown and "<b>two" not in shown
    assert 'class="nt"' in preview(site, files, "outputs/deep/er/a.json")
    assert "it is not text" in preview(site, files, "outputs/blob.bin")
    assert re.search(
        r'<iframe src="[^"]*/framed/outputs/page.html" sandbox="allow-scripts"',
        preview(site, files, "outputs/page.html"),
    )
    assert re.search(r'<img src="[^"]*/artifacts/images/curve.svg"', preview(site, files, "images/curve.svg"))
    assert 'class="highlight"' in preview(site, files, "outputs/empty")
    long = preview(site, files, "outputs/long.log")
    assert "The first" in long and long.count("a line\n") == MOST_LINES
    assert preview(site, files, "outputs/wide.log").count("x" * 999) == LARGEST // 1000
    assert "x" * LARGEST in preview(site, files, "outputs/no end")
    assert "no such file" in preview(site, files, "outputs/none.txt")


def test_a_file_that_is_gone_is_told_where_it_would_stand(site: Site, files: str) -> None:
    artifact_store(site.workspace.pk).remove(f"artifacts/{files}/outputs/report.txt")
    assert "There is no file" in preview(site, files, "outputs/report.txt")


def test_a_file_of_an_output_is_shown_and_only_what_its_manifest_names(site: Site) -> None:
    root = site.filled()
    asked = {"step": "train", "output": "model"}
    assert "{}" in re.sub(r"<[^>]*>", "", preview(site, str(root.pk), "deep/a.json", **asked))
    for path in ("deep/b.json", "../raw/p.csv", "/etc/passwd", "outputs/m.json", "a\nb"):
        assert "no such file" in preview(site, str(root.pk), path, **asked)
    Output.objects.filter(name="model").update(removed_at=now())
    page = text(site, f"runs/{root.pk}/", tab="outputs", folder="deep", **asked)
    assert not re.search(r"file=deep", page)
    assert "Download" in preview(site, str(root.pk), "deep/a.json", **asked)


# --- texts ---


def test_a_series_too_long_to_come_whole_that_holds_no_number_comes_with_its_end(site: Site) -> None:
    run = Run.objects.get(pk=opened(site))
    rows = [
        MetricPoint(run=run, name="phase", kind="scalar", index=number, data=f"phase {number}", at=now())
        for number in range(WHOLE + 5)
    ]
    MetricPoint.objects.bulk_create(rows)
    (found,) = metric_documents(run).series
    assert found["thinned"] and found["count"] == WHOLE + 5
    assert [point[:2] for point in found["points"]] == [
        [number, f"phase {number}"] for number in range(WHOLE + 5 - TAIL, WHOLE + 5)
    ]


def test_more_series_and_tables_than_a_page_holds_are_counted_not_left_out_without_a_word(site: Site) -> None:
    run = Run.objects.get(pk=opened(site))
    MetricPoint.objects.bulk_create(
        [
            *(
                MetricPoint(run=run, name=f"loss {number}", kind="scalar", index=index, value=1.0, at=now())
                for number in range(SERIES_MAX + 3)
                for index in range(2)
            ),
            MetricPoint(run=run, name="t 0", kind="table", index=0, data={"a": [1]}, at=now()),
        ]
    )
    answer = site.get(f"runs/{run.pk}/metrics/").json()
    assert (len(answer["metrics"]), answer["total"]) == (SERIES_MAX, SERIES_MAX + 4)
    assert site.get(f"runs/{run.pk}/metrics/", name="loss 502").json()["total"] == 1
    more = "More tables and rows were logged"
    assert more not in text(site, f"runs/{run.pk}/", tab="metrics")
    MetricPoint.objects.bulk_create(
        MetricPoint(run=run, name=f"t {number}", kind="table", index=0, data={"a": [1]}, at=now())
        for number in range(1, MOST_ROWS * 4 + 1)
    )
    assert more in text(site, f"runs/{run.pk}/", tab="metrics")


# --- live ---


def test_who_watches_a_run_is_told_of_files_and_of_child_runs(
    site: Site, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(outbox, "hint", lambda topic, frame=None: calls.append(f"{topic} {frame}"))
    run = opened(site)
    assert site.put(f"runs/{run}/artifacts/a.txt", b"x").status_code == 201
    assert calls == [f"files:{run} {{'reload': True}}"]
    calls.clear()
    child = opened(site, run)
    site.post(f"runs/{child}/complete/")
    opened(site, run)
    site.post(f"runs/{run}/complete/")
    assert calls == [f"children:{run} {{'reload': True}}"] * 4
    call_command("check")
