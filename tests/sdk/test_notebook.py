"""What a notebook shows of a run and of the other things, and what a terminal does."""

from __future__ import annotations

import re
import sys
import threading
from datetime import UTC, datetime
from html.parser import HTMLParser
from types import ModuleType
from typing import Any

import pytest

from duto import Dataset, Experiment, Pipeline, PythonScriptStep, RunDetails, Workspace
from duto.run import widgets as widget_module
from duto.run.view import MOST_DRAWN, MOST_LINES, MOST_METRICS, MOST_STEPS, View, as_html, as_text, layers
from tests.sdk.fake_studio import FakeStudio
from tests.sdk.test_client import script, studio, ws

__all__ = ["script", "studio", "ws"]  # fixtures
EVIL = "<script>alert('x')</script>\"&"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Marks(HTMLParser):
    """Elements that are opened and closed, and the text between them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""
        self.feed(markup)
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.seen.append(tag)
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in ("br", "rect", "circle", "path", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def step(name: str, status: str = "Completed", **more: Any) -> dict[str, Any]:
    times = {"started_at": "2026-03-04T05:00:00Z", "finished_at": "2026-03-04T05:01:30Z"}
    return {"id": f"id-{name}", "name": name, "status": status, "step": {"id": name}, **times, **more}


def view(**more: Any) -> View:
    facts = {
        "id": "r",
        "kind": "pipeline",
        "name": "exp",
        "experiment": "exp",
        "number": 7,
        "status": "Running",
        **more.pop("facts", {}),
    }
    return View(facts, "http://studio/w/main/runs/r/", at=AT, **more)


def test_a_run_is_drawn_with_all_that_is_known() -> None:
    steps = [
        step("prep", is_reused=True),
        step("train", "Running", finished_at=None, step={"id": "train", "attempts": [1, 2]}),
        step("check", "Failed", error={"message": "Only 3 of 5 hold.\nmore"}),
        step("last", "Skipped", started_at=None, error={"message": "Skipped: it needs check."}),
    ]
    needs = {"prep": [], "train": ["prep"], "check": ["prep"], "last": ["train", "check"]}
    metrics = [
        {"run": "id-train", "name": "loss", "points": [[0, 1.0, "t"], [1, 0.25, "t"]], "description": "cross entropy"},
        {"run": "id-train", "name": "odd", "points": [[0, {"$numberDouble": "NaN"}, "t"]]},
    ]
    shown = Marks(as_html(view(steps=steps, needs=needs, metrics=metrics, log_of="check", log=["one", "two"])))
    for words in ("exp #7", "Running", "as of 2026-03-04 05:06:07 UTC", "Reused", "1 min 30 s", "6 min 7 s", "2 attempts",
                  "Only 3 of 5 hold.", "Skipped: it needs check.", "loss", "0.25", "nan", "End of the log of check", "one\ntwo"):  # fmt: skip
        assert words in shown.text, words
    assert "more" not in shown.text.split("Only 3 of 5 hold.")[1].split("\n")[0]
    assert shown.seen.count("rect") == 4 and shown.seen.count("path") == 4 and shown.seen.count("polyline") == 1
    assert 'title="cross entropy"' in as_html(view(metrics=metrics))


def test_what_is_over_is_dated() -> None:
    facts = {"status": "Completed", "started_at": "2026-03-04T05:00:00Z", "finished_at": "2026-03-04T07:05:00Z"}
    shown = Marks(as_html(view(facts=facts))).text
    assert "ended 2026-03-04 07:05:00 UTC; seen 2026-03-04 05:06:07 UTC" in shown and "2 h 5 min" in shown


def test_nothing_that_was_named_becomes_markup() -> None:
    found = view(
        facts={"display_name": EVIL, "experiment": EVIL, "error": {"step": EVIL, "message": EVIL}},
        steps=[step(EVIL, error={"message": EVIL}), step("b")],
        needs={EVIL: [], "b": [EVIL]},
        metrics=[{"run": f"id-{EVIL}", "name": EVIL, "description": EVIL, "points": [[0, EVIL, "t"]]}],
        log_of=EVIL,
        log=[EVIL],
    )
    shown = Marks(as_html(found))
    assert "script" not in shown.seen and shown.text.count(EVIL) >= 6
    assert "javascript:" not in as_html(View(found.facts, "javascript:alert(1)"))


def test_what_is_many_is_cut_and_says_so() -> None:
    many = MOST_STEPS + 5
    names = [f"s{number}" for number in range(many)]
    metrics = [{"run": "r", "name": f"m{number}", "points": [[0, 1, "t"]]} for number in range(MOST_METRICS + 3)]
    found = view(steps=[step(name) for name in names], needs={name: [] for name in names}, metrics=metrics)
    shown = Marks(as_html(found)).text
    assert (
        "and 5 more steps" in shown
        and "and 3 more metrics" in shown
        and f"graph of {many} steps is on the page" in shown
    )
    assert "and 5 more steps" in as_text(found, "PipelineRun")
    assert MOST_LINES < 100 and MOST_DRAWN < MOST_STEPS


@pytest.mark.parametrize(
    ("needs", "rows"),
    [
        ({"a": []}, [["a"]]),
        ({"b": ["a"], "a": []}, [["a"], ["b"]]),
        ({"a": [], "b": ["a"], "c": ["a", "b"]}, [["a"], ["b"], ["c"]]),
        ({"a": ["gone"]}, [["a"]]),
        ({"a": [], "x": [], "under x": ["x"], "under a": ["a"]}, [["a", "x"], ["under a", "under x"]]),
    ],
)
def test_each_step_stands_below_what_it_needs(needs: dict[str, list[str]], rows: list[list[str]]) -> None:
    assert layers(needs) == rows


def test_a_circle_is_drawn_too() -> None:
    assert sorted(node for row in layers({"a": ["b"], "b": ["a"]}) for node in row) == ["a", "b"]


def submitted(ws: Workspace, script: str) -> Any:
    first = PythonScriptStep(script, name="first", source_directory=".", compute_target="cpu-cluster")
    last = PythonScriptStep(script, name="last", source_directory=".", compute_target="cpu-cluster")
    last.run_after(first)
    return Experiment(ws, "e").submit(Pipeline(ws, [last]))


def test_outside_of_a_notebook_it_is_text(
    studio: FakeStudio, ws: Workspace, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = submitted(ws, script)
    capsys.readouterr()
    RunDetails(run).show()
    shown = capsys.readouterr().out
    assert re.search(rf"^PipelineRun {run.id}: Completed, as of \d{{4}}-", shown)
    assert "  first  Completed\n" in shown and shown.rstrip().endswith(run.get_portal_url()) and "<" not in shown
    assert RunDetails(run).get_widget_data()["status"] == "Completed"


class Drawing:
    """What IPython's display handle takes."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def update(self, page: Any) -> None:
        self.pages.append(page)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    """A kernel as far as the widget knows one."""
    drawing, ipython, shown = Drawing(), ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = type("ZMQInteractiveShell", (), {})  # type: ignore[attr-defined]
    shown.HTML = str  # type: ignore[attr-defined]

    def display(page: Any, display_id: bool) -> Drawing:
        drawing.pages.append(page)
        return drawing

    shown.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    monkeypatch.setattr(widget_module, "_PAUSE", 0.01)
    return drawing


def test_in_a_notebook_it_is_drawn_until_the_run_is_over(
    studio: FakeStudio, ws: Workspace, script: str, drawn: Drawing
) -> None:
    run = submitted(ws, script)
    studio.run["status"] = "Running"
    details = RunDetails(run)
    details.show()
    assert details._watcher is not None and ">Running<" in drawn.pages[0]
    studio.run.update(status="Completed", finished_at="2026-03-04T07:05:00Z")
    details._watcher.join(60)
    assert not details._watcher.is_alive() and "ended 2026-03-04 07:05:00 UTC" in drawn.pages[-1]
    RunDetails(run).show()
    assert [each.name for each in threading.enumerate() if each.name == "duto-widget"] == []


def test_the_last_drawing_stays_when_the_run_is_gone(
    studio: FakeStudio, ws: Workspace, script: str, drawn: Drawing
) -> None:
    run = submitted(ws, script)
    studio.run["status"] = "Running"
    details = RunDetails(run)
    details.show()
    studio.runs = lambda *_: None  # type: ignore[method-assign]  # deleted meanwhile
    assert details._watcher is not None
    details._watcher.join(60)
    assert not details._watcher.is_alive() and ">Running<" in drawn.pages[-1]


def test_everything_has_a_look(studio: FakeStudio, ws: Workspace, script: str) -> None:
    from duto import AmlCompute, ComputeTarget

    run = submitted(ws, script)
    cluster = ComputeTarget.create(
        ws, "cpu", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2, tags={EVIL: "1"})
    )
    store = ws.get_default_datastore()
    loose = Dataset.File.from_files((store, f"raw/{EVIL}"))
    kept = Dataset.File.from_files((store, "raw/*")).register(ws, "raw", description=EVIL)
    calls = len(studio.calls)
    assert "unregistered" in Marks(loose._repr_html_()).text and len(studio.calls) == calls  # to look saves nothing
    looks = {"Run": run, "Workspace": ws, "Experiment": run.experiment, "Compute target": cluster, "FileDataset": kept}
    for word, thing in looks.items():
        shown = Marks(thing._repr_html_())
        assert shown.text.strip().startswith(word) and "Open in the studio" in shown.text, word
        assert "script" not in shown.seen
    assert EVIL in Marks(kept._repr_html_()).text
    studio.server.shutdown()
    studio.server.server_close()
    ws.service_context.patience = 0.0
    for thing in looks.values():  # a studio that is away is no error of a look
        assert Marks(thing._repr_html_()).text
