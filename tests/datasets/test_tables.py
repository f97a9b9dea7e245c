"""Tables in the studio: every door gives what the reference gives, and reading is bounded, cancelable and elsewhere."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Conflict, StudioError
from core.ids import uuid7
from core.objects import at_once
from core.storage import Root
from datasets import child, definitions, tables
from datasets.models import DatasetVersion
from datasets.services import fetching, inspection, leases
from datasets.services.files import files_of, find
from datasets.services.versions import get_version, save
from datasets.stores import root_by_name
from datasets.web import reading
from duto.data.tabular_reading import read_frame, read_local, source_of
from duto.exceptions import UserErrorException
from runs.stored_messages import localized
from tests.workspace_scenario import WorkspaceScenario, code, content
from workspaces.models import Role

pytestmark = pytest.mark.django_db
STORE = "workspaceblobstore"
TYPES = {"int64": "long", "float64": "float", "bool": "bool", "datetime64[ns]": "datetime", "object": "string"}


def source(*paths: str, **more: Any) -> dict[str, Any]:
    return {"sources": [{"datastore": STORE, "path": path} for path in paths], **more}


def table(
    scenario: WorkspaceScenario, path: str = "t.csv", data: str | bytes = "a,b\n1,2\n", **form: Any
) -> DatasetVersion:
    scenario.put(path, data)
    return save(scenario.context, None, "tabular", source(path, format=form))


# --- every door gives what the reference gives ---

TEXTS = st.sampled_from([
    "", "1", "007", "-3", "2.5", "1e3", "9007199254740993", "12345678901234567890", "true", "False", "NA", "NaN", "null",
    "2021-03-04", "2021-03-04T05:06:07Z", "2021-3-4 05:06", "x", "a b", 'say "x"', "a,b;c", "line\nbreak", "José", " 4 ",
])  # fmt: skip
COLUMN = st.lists(TEXTS, min_size=1, max_size=3, unique=True)


@st.composite
def odd_tables(draw: st.DrawFn) -> tuple[list[list[list[str]]], dict[str, Any], str]:
    """Files as lists of records with their headers, how they are written, and the ends of their lines."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c d", "é", '"q"']), min_size=1, max_size=4, unique=True))
    kinds = {name: draw(COLUMN) for name in names}
    made = []
    for _ in range(draw(st.integers(1, 3))):
        held = draw(st.permutations(names))[: draw(st.integers(1, len(names)))]
        count = draw(st.integers(0, 4))
        rows = [[draw(st.sampled_from(kinds[name])) for name in held] for _ in range(count)]
        made.append([held, *rows])
    return made, {"separator": draw(st.sampled_from([",", ";", "\t", "||"]))}, draw(st.sampled_from(["\n", "\r\n"]))


def written(records: list[list[str]], separator: str, end: str) -> str:
    lines = []
    for record in records:
        cells = [f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in record]
        lines.append(separator.join(cells) + end)
    return "".join(lines)


def reference(files: list[list[list[str]]]) -> tuple[list[tuple[str, str]], list[list[Any]]]:
    """The rules of docs/data.md, spelled out value by value over records that the standard library has read."""
    names = list(dict.fromkeys(name for records in files for name in records[0]))
    rows = [dict(zip(records[0], row, strict=True)) for records in files for row in records[1:]]
    columns, values = [], []
    for name in names:
        kind, made = column_of([row.get(name) for row in rows])
        columns.append((name, kind))
        values.append(made)
    return columns, [list(row) for row in zip(*values, strict=True)] if rows else []


def column_of(texts: list[str | None]) -> tuple[str, list[Any]]:
    words = {"", "NA", "NaN", "null"}
    found = [text for text in texts if text is not None and text.strip() not in words]
    for kind, turn in (("long", whole), ("float", number), ("bool", truth), ("datetime", moment)):
        try:
            known = {text: turn(text) for text in found}
        except ValueError:
            continue
        lossy = kind == "float" and any(text.strip().isdigit() and int(text) > 2**53 for text in found)
        if known and not lossy:
            return kind, [None if text is None else known.get(text) for text in texts]
    return "string", [None if text is None or text == "NaN" or not text.strip() else text for text in texts]


def whole(text: str) -> int:
    if not -(2**63) <= int(text) < 2**63:
        raise ValueError
    return int(text)


def number(text: str) -> float:
    return float(text)


def truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"


def moment(text: str) -> str:
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M"):
        try:
            return datetime.strptime(text, form).isoformat()
        except ValueError:
            continue
    raise ValueError


class Remote:
    """A dataset as a program outside of the studio has it: its files come through REST."""

    def __init__(self, scenario: WorkspaceScenario, version: DatasetVersion) -> None:
        self._definition, self._scenario, self._client = version.definition, scenario, self
        self._at = f"dataset-versions/{version.pk}/"

    def _files(self) -> Any:
        return self._scenario.api.get(self._at + "files/").json()["items"]

    def _content(self) -> str:
        return self._at + "content/"

    def download(self, at: str, target: Path, *, path: str) -> None:
        target.write_bytes(content(self._scenario.api.client.get(self._scenario.api._at(at), {"path": path})))


def of_frame(frame: Any) -> tuple[list[str], list[list[Any]]]:
    columns = []
    for place in range(frame.shape[1]):
        cells = frame.iloc[:, place]
        plain = [each.isoformat() if hasattr(each, "isoformat") and each == each else each for each in cells]
        columns.append([None if each is None or each != each else each for each in plain])
    return list(frame.columns), [list(row) for row in zip(*columns, strict=True)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(odd=odd_tables())
def test_every_door_gives_what_the_reference_gives(scenario: WorkspaceScenario, tmp_path: Path, odd: Any) -> None:
    files, form, end = odd
    place = tmp_path / uuid7().hex
    texts = [written(records, form["separator"], end) for records in files]
    for number_, text in enumerate(texts):
        scenario.put(f"{place.name}/{number_}.csv", text)
        (place / f"{number_}.csv").parent.mkdir(exist_ok=True)
        (place / f"{number_}.csv").write_bytes(text.encode())
    version = save(scenario.context, None, "tabular", source(f"{place.name}/", format=form))
    columns, rows = reference(files)
    at = f"dataset-versions/{version.pk}/"

    assert [(each["name"], each["type"]) for each in scenario.api.get(at).json()["columns"]] == columns
    shown = scenario.api.get(at + "preview/").json()
    assert [(each["name"], each["type"]) for each in shown["columns"]] == columns
    assert shown["rows"] == rows
    found = list(csv.reader(io.StringIO(content(scenario.api.get(at + "content/")).decode(), newline="")))
    assert found[0] == [name for name, _ in columns]
    assert found[1:] == [["" if cell is None else str(cell) for cell in row] for row in rows]
    local = [source_of(each.name, each) for each in sorted(place.iterdir())]
    for frame in (read_frame(Remote(scenario, version)), read_local(local, version.definition)):
        names, cells = of_frame(frame)
        assert (names, cells) == ([name for name, _ in columns], rows)
        assert all(
            TYPES[str(kind)] in (given, "float", "string")
            for kind, (_, given) in zip(frame.dtypes, columns, strict=True)
        )


def test_the_doors_agree_about_declared_types_and_paths(scenario: WorkspaceScenario) -> None:
    scenario.put("d/CA/1.csv", "n;d;zip\n2,7;31.12.2021;007\n")
    scenario.put("d/NY/2.csv", "zip;n\nNA;3,5\n")
    form = {
        "separator": ";", "include_path": True, "partition_format": "/{state}/*.csv",
        "columns": {"n": {"type": "float", "decimal": ","}, "d": {"type": "datetime", "formats": ["%d.%m.%Y"]}, "zip": "string"},
    }  # fmt: skip
    version = save(scenario.context, None, "tabular", source("d/**", format=form))
    rows = [["/CA/1.csv", 2.7, "2021-12-31T00:00:00", "007", "CA"], ["/NY/2.csv", 3.5, None, "NA", "NY"]]
    shown = scenario.api.get(f"dataset-versions/{version.pk}/preview/").json()
    assert [each["name"] for each in shown["columns"]] == ["Path", "n", "d", "zip", "state"]
    assert shown["rows"] == rows
    assert of_frame(read_frame(Remote(scenario, version)))[1] == rows
    text = content(scenario.api.get(f"dataset-versions/{version.pk}/content/")).decode()
    assert text == "Path,n,d,zip,state\n/CA/1.csv,2.7,2021-12-31T00:00:00,007,CA\n/NY/2.csv,3.5,,NA,NY\n"


def test_a_path_that_is_not_of_the_partition_format_says_so(scenario: WorkspaceScenario) -> None:
    scenario.put("d/CA/1.csv", "n\n1\n")
    scenario.put("d/2.csv", "n\n2\n")
    form = {"partition_format": "/{state}/*.csv"}
    for kind, why in (("tabular", "not_a_table"), ("file", "no_partition")):
        refused = scenario.api.post("datasets/", {"kind": kind, "definition": source("d/**", format=form)})
        assert code(refused) == (422, why)
        assert "1 of 2 paths are not of the partition format '/{state}/*.csv'; one is '/2.csv'" in str(refused.json())
        made = scenario.api.post("datasets/", {"kind": kind, "definition": source("d/*/1.csv", format=form)})
        assert made.status_code == 201
    unlooked = save(scenario.context, None, "tabular", source("d/**", format=form), validate=False)
    assert "'/2.csv'" in str(scenario.api.get(f"dataset-versions/{unlooked.pk}/preview/").json())
    with pytest.raises(UserErrorException, match=r"'/2\.csv'"):
        read_frame(Remote(scenario, unlooked))


@pytest.mark.parametrize("name", ["a[1].csv", "st*r.csv", "who?.csv", "[a]/x.csv", "it's.csv", 'q"q.csv'])
def test_a_name_that_lies_there_means_itself(scenario: WorkspaceScenario, name: str) -> None:
    for other in ("a1.csv", "stir.csv", "whom.csv", "a/x.csv"):
        scenario.put(f"n/{other}", "x\nwrong\n")
    scenario.put(f"n/{name}", "x\nright\n")
    version = save(scenario.context, None, "tabular", source(f"n/{name}"))
    assert scenario.api.get(f"dataset-versions/{version.pk}/preview/").json()["rows"] == [["right"]]
    folder = save(scenario.context, None, "tabular", source(f"n/{name}" if "/" not in name else "n/[a]/*.csv"))
    assert [each.key for each in files_of(folder)] == [f"n/{name}"]
    everything = save(scenario.context, None, "tabular", source("n/"))
    assert len(scenario.api.get(f"dataset-versions/{everything.pk}/preview/").json()["rows"]) == 5


def test_a_table_whose_name_is_not_utf_8_is_read(scenario: WorkspaceScenario) -> None:
    scenario.put("odd/plain.csv", "x\n1\n")
    root = root_by_name(scenario.context.workspace, STORE)
    folder = root.place("odd")
    assert folder is not None
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.csv")).write_text("x\n2\n")
    version = save(scenario.context, None, "tabular", source("odd/"))
    assert sorted(scenario.api.get(f"dataset-versions/{version.pk}/preview/").json()["rows"]) == [[1], [2]]


# --- what cannot be meant is refused at the door ---


def formats(key: str, *values: Any) -> list[dict[str, Any]]:
    return [{"format": {key: value}} for value in values]


def actions(action: str, key: str, *values: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"operations": [{"op": action, **more, key: value}]} for value in values]


BAD: list[dict[str, Any]] = [
    *formats("encoding", "hex", "base64", "bz2", "zip", "zlib", "uu", "rot13", "punycode", "idna", "undefined"),
    *formats("encoding", "unicode_escape", "klingon", "x" * 99, 7, ["utf8"]),
    *formats("separator", "12345", '"', "\n", "\0", 7, ["a"]),
    *formats(
        "columns", ["a"], {"a": "complex"}, {"a": ["long"]}, {"\0": "long"}, {"a": {"type": "float", "decimal": "x"}}
    ),
    *formats("columns", {"a": {"type": "datetime", "formats": "%d"}}, {"a": {"type": "datetime", "formats": ["%Q"]}}),
    *formats("index", "a", 7, ["a", 7], ["x" * 1001]),
    *formats("type", ["delimited"], "csv", 7),
    *formats("header", "last", 1, []),
    *formats("infer", "no", 0),
    *formats("invalid_lines", "skip", ["drop"]),
    *formats("partition_format", 7, "x" * 1001),
    *formats("glob", ["*"]),
    *formats("odd", 1),
    *({"format": value} for value in ("x", [], 7)),
    *actions("take", "count", 10**30, -1, 1.5, True, "1", None, [1]),
    *actions("skip", "count", 10**30, 2**63),
    *actions("sample", "seed", "x", 10**30, 1.5, True, [], probability=0.5),
    *actions("random_split", "percentage", 1.1, -0.1, "0.5", True, float("nan"), part=0),
    *actions("random_split", "part", 2, -1, True, "0", 0.0, percentage=0.5),
    *actions("keep_columns", "columns", "a", [1], [["a"]], ["\0"], ["\ud800"], {}),
    *actions("take", "odd", 1, count=1),
    *actions("timestamp_columns", "timestamp", ["a"], 7),
    *actions("time", "start", "2021-03-04"),
    *({"operations": [value]} for value in (["take"], {"op": ["take"]}, {"op": {}}, {"op": None}, {}, 7)),
    *({"operations": value} for value in ({"op": "take"}, "take", [{"op": "take", "count": 1}] * 101)),
    {
        "operations": [
            {"op": "timestamp_columns", "timestamp": "a"},
            {"op": "drop_columns", "columns": ["a"]},
            {"op": "time"},
        ]
    },
    *(
        {"operations": [{"op": "timestamp_columns", "timestamp": "a"}, {"op": "time", "start": value}]}
        for value in ("soon", 7, [], "2021-13-01")
    ),
    *({"sources": [{"datastore": STORE, "path": value}]} for value in (["a"], 7, "a\ud800")),
    *({"sources": [value]} for value in (7, {"datastore": [STORE]}, {"url": ["https://example.com"]}, {})),
    {"sources": [{"datastore": STORE, "path": "a", "odd": 1}]},
    {"odd": 1},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: ascii(bad)[:80])
def test_what_a_definition_cannot_mean_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(StudioError) as refused:
        definitions.read("tabular", {**source("t.csv"), **bad})
    assert (refused.value.status, refused.value.code) == (400, "bad_definition")
    assert len(refused.value.message) < 400


@pytest.mark.parametrize("kind", [None, 7, ["file"], {}, "table", ""])
def test_a_kind_is_one_of_two(kind: Any) -> None:
    with pytest.raises(StudioError, match="file"):
        definitions.read(kind, source("t.csv"))


def test_json_however_odd_is_answered(scenario: WorkspaceScenario) -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    for definition in (
        deep,
        {"sources": deep},
        source("t.csv", format={"columns": deep}),
        source("t.csv", operations=deep),
    ):
        answer = scenario.api.post("datasets/", {"kind": "tabular", "definition": definition})
        assert answer.status_code == 400 and answer.json()["error"]["code"] in ("bad_definition", "invalid")
    text = '{"kind":"tabular","definition":' + "[" * 100_000 + "]" * 100_000 + "}"
    answer = scenario.api.client.post(scenario.api._at("datasets/"), text, content_type="application/json")
    assert answer.status_code == 400 and answer.json()["error"]["code"]


# --- reading is bounded ---


@contextmanager
def pipe(version: DatasetVersion) -> Iterator[Any]:
    """A file of this datastore that nobody ever writes to: its reader waits for ever."""
    root = root_by_name(version.workspace, STORE)
    assert root.local is not None
    os.mkfifo(root.local / "pipe.csv")
    yield SimpleNamespace(datastore=STORE, key="pipe.csv", path="pipe.csv")


def question(version: DatasetVersion, found: Any, **more: Any) -> tables.Question:
    return tables.Question(version.workspace, [found], {"format": {}, "operations": []}, **more)


def refused(action: Callable[[], object]) -> StudioError:
    with pytest.raises(StudioError) as refusal:
        action()
    return refusal.value


def test_what_takes_too_long_is_ended_and_told(scenario: WorkspaceScenario) -> None:
    version = table(scenario)
    with pipe(version) as waits:
        found = refused(lambda: tables.look(question(version, waits, seconds=1)))
    assert (found.status, found.code) == (422, "table_too_slow")
    assert "longer than 1.0 s" in found.message
    assert not children()


class Away(Root):
    """A store elsewhere, whose files come slowly."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__("memory://away")
        self.seconds, self.opened, self.woken = seconds, list[str](), threading.Event()
        for number in range(3):
            self.fs.pipe(f"{self.base}/{number}.csv", b"a\n%d\n" % number)

    def open(self, key: str) -> Any:
        self.opened.append(key)
        self.woken.wait(self.seconds)
        return super().open(key)

    def files(self, count: int = 3) -> list[Any]:
        return [SimpleNamespace(datastore=STORE, key=f"{n}.csv", path=f"{n}.csv") for n in range(count)]


def away(version: DatasetVersion, root: Away, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tables.Question:
    monkeypatch.setattr(tables, "root_by_name", lambda _workspace, _name: root)
    return tables.Question(version.workspace, root.files(), {"format": {}, "operations": []}, **more)


def test_files_that_lie_elsewhere_are_brought_together_in_their_order(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = away(table(scenario), root := Away(), monkeypatch)
    assert tables.first_rows(asked, 10, 10).rows == [[0], [1], [2]]
    assert sorted(root.opened) == ["0.csv", "1.csv", "2.csv"]


def test_bringing_files_counts_for_the_time_that_a_question_has(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that keeps silent for minutes does not keep the turn for longer."""
    root, began = Away(60.0), time.monotonic()
    found = refused(lambda: tables.look(away(table(scenario), root, monkeypatch, seconds=1)))
    assert time.monotonic() - began < 30
    root.woken.set()
    assert found.code == "table_too_slow" and "longer than 1.0 s" in found.message
    assert not children()


def test_files_that_come_one_soon_after_another_keep_nobody_from_calling_off() -> None:
    """No one of them takes as long as it is waited for at a time."""
    ticks = list[int]()

    def tick() -> None:
        ticks.append(1)
        raise KeyError

    with pytest.raises(KeyError):
        at_once([partial(time.sleep, 0.1)] * 160, tick)
    assert ticks == [1]


def test_bringing_files_can_be_called_off(scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    class CalledOff(Exception):
        """By whoever waits."""

    def alive(_done: int, _total: int) -> None:
        raise CalledOff

    with pytest.raises(CalledOff):
        tables.look(away(table(scenario), Away(1.0), monkeypatch, alive=alive))


def test_a_reader_that_waits_can_be_called_off(scenario: WorkspaceScenario) -> None:
    version = table(scenario)

    def off(done: int, total: int) -> None:
        raise Conflict("It was called off.", code="off")

    with pipe(version) as waits:
        assert refused(lambda: tables.look(question(version, waits, alive=off))).code == "off"
    assert not children()


def test_a_reader_that_is_killed_is_told(scenario: WorkspaceScenario) -> None:
    version = table(scenario)

    def kill() -> None:
        while not (found := children()):
            pass
        found[0].kill()

    with pipe(version) as waits:
        killer = threading.Thread(target=kill)
        killer.start()
        assert refused(lambda: tables.look(question(version, waits))).code == "table_killed"
        killer.join()


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "tables_child" in " ".join(each.cmdline())]


def test_memory_is_bounded_and_the_studio_lives(scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MEMORY", 80 << 20)
    scenario.put("wide.json", "{" + ",".join(f'"k{n}": {n}' for n in range(900_000)) + "}\n")
    found = refused(lambda: tables.look(tables.Question(scenario.workspace, files_of(save(scenario.context, None, "file", source("wide.json"))), {"format": {"type": "json_lines"}})))  # fmt: skip
    assert found.code == "table_too_large" and "more than 80 MiB of memory" in found.message
    monkeypatch.undo()
    assert table(scenario).profile is not None


def test_only_so_many_are_read_at_once(scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    version = table(scenario)
    monkeypatch.setattr(child, "PATIENCE", 0.01)
    monkeypatch.setitem(child._turns, "rows", threading.BoundedSemaphore(1))
    child._turns["rows"].acquire()
    answer = scenario.api.get(f"dataset-versions/{version.pk}/preview/")
    assert code(answer) == (503, "busy")
    child._turns["rows"].release()
    assert scenario.api.get(f"dataset-versions/{version.pk}/preview/").status_code == 200


def test_a_download_that_is_left_ends_its_reader(scenario: WorkspaceScenario) -> None:
    version = table(scenario, data="a\n" + "some text\n" * 500_000)
    answer = scenario.api.get(f"dataset-versions/{version.pk}/content/")
    assert next(iter(answer.streaming_content)).startswith(b"a\nsome text\n")
    assert len(children()) == 1
    answer.close()
    del answer
    assert not children()


def test_the_reader_has_nothing_of_the_studio(scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUTO_SECRET_KEY", "secret")
    version = table(scenario)
    with pipe(version) as waits:
        seen: list[dict[str, str]] = []

        def look() -> None:
            while not (found := children()):
                pass
            seen.append(found[0].environ())
            found[0].kill()

        watcher = threading.Thread(target=look)
        watcher.start()
        refused(lambda: tables.look(question(version, waits)))
        watcher.join()
    assert set(seen[0]) <= {"PATH", "OMP_NUM_THREADS", "ARROW_DEFAULT_MEMORY_POOL", "LC_CTYPE"}


def test_many_columns_are_read_and_too_many_values_refused(scenario: WorkspaceScenario) -> None:
    wide = ",".join(f"c{n}" for n in range(10_000)) + "\n" + (",".join("1" * 10_000) + "\n") * 5
    version = table(scenario, data=wide)
    at = f"dataset-versions/{version.pk}/preview/"
    assert len(scenario.api.get(at + "?limit=5").json()["rows"][4]) == 10_000
    assert code(scenario.api.get(at + "?limit=500")) == (422, "too_many_values")


# --- large tables are looked through by a worker ---


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten bytes are much."""
    monkeypatch.setattr(inspection, "AT_ONCE", 10)


@pytest.mark.sqlite
def test_a_large_table_is_looked_through_by_a_worker(scenario: WorkspaceScenario, large: None) -> None:
    scenario.put("t.csv", "a,b\n1,2\n3,x\n")
    version = save(scenario.context, "t", "tabular", source("t.csv"))
    at = f"dataset-versions/{version.pk}/"
    assert scenario.api.get(at).json()["status"] == "fetching"
    fetching.fetch(version.pk)
    document = scenario.api.get(at).json()
    assert (document["status"], document["error"], document["progress"], document["file_count"]) == (
        "ready",
        None,
        None,
        1,
    )
    assert document["columns"] == [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]
    assert save(scenario.context, "t", "tabular", source("t.csv")).status == "ready"
    scenario.put("t.csv", "a,b\n1,2\n3,4\n")
    assert save(scenario.context, "t", "tabular", source("t.csv")).status == "fetching"
    assert scenario.api.get(at + "preview/").json()["rows"] == [[1, 2], [3, 4]]
    scenario.put("t.csv", 'a,b\n1,"2\n3,4\n')
    fetching.fetch(version.pk)
    document = scenario.api.get(at).json()
    assert document["status"] == "ready" and "never closed" in document["error"]["message"]


NO_TABLES = [
    (b'a,b\n1,"2\n3,4\n', {}, "the quote in line 2 is never closed.", "a aspa na linha 2 nunca é fechada.", ""),
    (b"a;b\n1;2;3\n", {"separator": ";"}, "or is a quote missing?", "a linha 2 tem 3 valores, mas a tabela tem 2 colunas.", ""),
    ("a\né\n".encode("cp1252"), {"encoding": "utf8"}, "name its encoding.", "; indique a sua codificação.", "; escolha aqui a sua codificação."),
    (b"PAR1\0", {"type": "delimited"}, "say that it is one.", "; diga que é uma.", "; escolha aqui esse formato."),
    (b"a\n9\n[1]\n", {"type": "json_lines"}, "are left out.", "Com invalid_lines='drop', tais linhas ficam de fora.", "linha 1 não é um objeto JSON:"),
    (b"a\n1\n", {"glob": "*.txt"}, "is not like '*.txt'.", "'t.csv' não é como '*.txt'.", ""),
]  # fmt: skip


@pytest.mark.parametrize(("data", "form", "english", "portuguese", "in_form"), NO_TABLES)
def test_why_files_are_no_table_is_told_in_the_readers_language(
    scenario: WorkspaceScenario,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    form: dict[str, Any],
    english: str,
    portuguese: str,
    in_form: str,
) -> None:
    monkeypatch.setattr(inspection, "AT_ONCE", 0)
    version = table(scenario, data=data, **form)
    with translation.override("pt-pt"):  # whoever caused it is not who reads it
        fetching.fetch(version.pk)
    version.refresh_from_db()
    assert version.status == "failed" and version.error is not None
    assert version.localized_error == version.error["message"] and version.error["message"].endswith(english)
    refused = scenario.api.get(f"dataset-versions/{version.pk}/preview/").json()["error"]
    kept = {"text": refused["message"], "code": refused["code"], "facts": refused["facts"]}
    with translation.override("pt-pt"):
        assert (
            version.localized_error.startswith("Isto não pode ser lido como tabela: ")
            and portuguese in version.localized_error
        )
        assert portuguese in localized(kept) and english not in localized(kept)
        shown = reading.look(
            scenario.workspace, find(scenario.workspace, version.definition["sources"]), version.definition
        )
        assert shown.error.startswith("Isto não pode") and (in_form or portuguese) in shown.error
        assert "invalid_lines" not in shown.error
    version.error = {"code": "not_a_table", "message": version.error["message"]}
    with translation.override("pt-pt"):
        assert version.localized_error == version.error["message"], "kept before sentences had codes"


def test_that_the_files_have_gone_is_told_in_the_readers_language(scenario: WorkspaceScenario, large: None) -> None:
    version = table(scenario, data="a,b\n1,2\n3,x\n")
    root_by_name(scenario.workspace, STORE).remove("t.csv")
    fetching.fetch(version.pk)
    version.refresh_from_db()
    assert version.error is not None and version.error["code"] == "no_match"
    with translation.override("pt-pt"):
        assert "finds no file" in version.error["message"] and "não encontra" in version.localized_error


@pytest.mark.sqlite
def test_looking_through_shows_how_far_it_is_and_can_be_canceled(
    scenario: WorkspaceScenario, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.put("t.csv", "a,b\n1,2\n3,4\n")
    version = save(scenario.context, "t", "tabular", source("t.csv"))
    at, seen = f"dataset-versions/{version.pk}/", []
    reader = scenario.client_for(Role.READER)

    def look(asked: tables.Question) -> dict[str, Any]:
        assert asked.alive is not None
        asked.alive(5, 12)
        seen.append(scenario.api.get(at).json()["progress"])
        assert code(reader.post(at + "cancel/")) == (403, "forbidden")
        assert scenario.api.post(at + "cancel/").json()["status"] == "failed"
        monkeypatch.setattr(leases, "TELL_SECONDS", 0.0)
        asked.alive(6, 12)
        raise AssertionError("it was canceled")

    monkeypatch.setattr(tables, "look", look)
    fetching.fetch(version.pk)
    document = scenario.api.get(at).json()
    assert seen == [[5, 12]]
    assert (document["status"], document["error"]["code"], document["progress"]) == ("failed", "canceled", None)
    assert code(scenario.api.post(at + "cancel/")) == (409, "not_fetching")
    monkeypatch.undo()
    fetching.ask(get_version(scenario.workspace, version.pk))
    fetching.fetch(version.pk)
    assert scenario.api.get(at).json()["status"] == "ready"


def test_what_was_found_is_used_while_the_files_are_the_same(scenario: WorkspaceScenario) -> None:
    version = table(scenario)
    found = files_of(version)
    assert inspection.question(version, found, 1).survey is not None
    scenario.put("t.csv", "a,b\n1,2\nx,4\n")
    assert inspection.question(version, files_of(version), 1).survey is None
    assert scenario.api.get(f"dataset-versions/{version.pk}/preview/").json()["rows"] == [["1", 2], ["x", 4]]
    assert save(scenario.context, None, "tabular", source("t.csv", format={})).pk == version.pk
    version.refresh_from_db()
    assert [each["type"] for each in (version.profile or {})["columns"]] == ["string", "long"]


def test_a_page_shows_some_of_many_columns_and_says_so(scenario: WorkspaceScenario) -> None:
    from django.test import Client

    page = Client()
    page.force_login(scenario.owner, backend="django.contrib.auth.backends.ModelBackend")
    scenario.put("w.csv", ",".join(f"c{n}" for n in range(300)) + "\n" + ",".join("1" * 300) + "\n")
    save(scenario.context, "w", "tabular", source("w.csv"))
    text = page.get("/w/lab/data/sets/w/?part=preview").content.decode()
    assert "the first 100 of 300 columns" in text and text.count("<th ") == 100


def test_canceling_what_is_not_under_way_is_a_conflict(scenario: WorkspaceScenario) -> None:
    with pytest.raises(Conflict):
        fetching.cancel(scenario.context, table(scenario))


def test_a_survey_is_what_a_row_can_hold(scenario: WorkspaceScenario) -> None:
    version = table(scenario, data='"a\n",é\n1,2021-03-04\n')
    assert json.dumps(version.profile)
    assert [each[1] for each in (version.profile or {})["survey"]] == ["long", "datetime"]


def test_rows_that_are_much_text_are_cut_on_the_page_and_refused_beyond(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = table(scenario, data="a,b\n" + ("x" * 20_000 + ",1\n") * 40)
    asked = inspection.question(version, files_of(version), 10)
    assert {len(row[0]) for row in tables.first_rows(asked, 50, 100, longest=500).rows} == {501}
    at = f"dataset-versions/{version.pk}/preview/"
    assert len(scenario.api.get(at).json()["rows"][0][0]) == 20_000
    monkeypatch.setattr(tables, "MOST_BYTES", 100_000)
    assert code(scenario.api.get(at)) == (422, "too_many_values")
    assert len(scenario.api.get(at + "?limit=3").json()["rows"]) == 3


def test_thousands_of_files_are_one_table(scenario: WorkspaceScenario) -> None:
    root = root_by_name(scenario.workspace, STORE)
    assert root.local is not None
    (root.local / "many").mkdir(parents=True)
    for number_ in range(3000):
        (root.local / f"many/{number_:04}.csv").write_text("n\n7\n" if number_ != 2999 else "n\nA7\n")
    version = save(scenario.context, None, "tabular", source("many/*.csv"))
    assert (version.profile or {})["columns"] == [{"name": "n", "type": "string"}]
    text = content(scenario.api.get(f"dataset-versions/{version.pk}/content/"))
    assert text == b"n\n" + b"7\n" * 2999 + b"A7\n"
