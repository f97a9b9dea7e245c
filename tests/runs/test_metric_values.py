"""What is logged is what is read, by every door: type, digits, NaN, the number of values, rows that stay together."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import random
import struct
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.sentences import text_of
from duto.exceptions import UserErrorException
from duto.run import metrics as folding
from duto.run.metric_logging import RunLogging
from duto.run.spool import RECORD_MAX, Posting, Spool, plain
from runs.models import Attempt
from tests.runs.conftest import RunScenario

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
NAN = float("nan")
ODD: list[Any] = [
    0, 1, -1, 1.0, 0.1, -0.0, 5e-324, 1.7976931348623157e308, 1e16, 1e22, 123456789012345680.0, 2**53, 2**53 + 1, -(2**63), 2**64 + 1,
    10**30, NAN, math.inf, -math.inf, True, False, None, "", "NaN", "Infinity", "-Infinity", "null", "1", "é", "\U0001f600", "x" * 5000,
]  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Equal in type as well, with NaN equal to itself and -0.0 another than 0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


class Logger(RunLogging):
    """The logging half of a run, with a recorder of the test's choice."""

    def __init__(self, run_id: UUID, recorder: Any) -> None:
        self.id, self.recorder = str(run_id), recorder

    def _record(self, record: dict[str, Any]) -> None:
        self.recorder.write({"run": self.id, **record})


class ValuePaths:
    """An attempt, the ways by which values come to it, and the ways by which they are read."""

    def __init__(self, scenario: RunScenario, folder: Path) -> None:
        self.scenario = scenario
        self.attempt: Attempt = scenario.attempt(scenario.step(scenario.pipeline(), "train"))
        self.run_id = self.attempt.run_id
        self.path = folder / "spool.jsonl"
        self.inside = Logger(self.run_id, Spool(str(self.path)))
        self.outside = Logger(self.run_id, Posting(self, "metrics/"))
        self.shipped = 0

    def post(self, place: str, body: dict[str, Any], key: str = "") -> None:
        """The client of the SDK, as Posting needs it."""
        answer = self.scenario.post(f"runs/{self.run_id}/{place}", json.loads(json.dumps(body)))
        assert answer.status_code == 200, answer.content

    def arrive(self) -> None:
        """What the scripts logged is brought to the studio."""
        self.outside.recorder.wait()
        data = self.path.read_bytes()[self.shipped :] if self.path.exists() else b""
        while data:
            piece = data[: data.rfind(b"\n", 0, 1 << 20) + 1] or data
            answer = self.scenario.bring(self.attempt, f"spool?offset={self.shipped}", piece)
            assert answer.status_code == 200, answer.content
            self.shipped, data = answer.json()["size"], data[len(piece) :]

    def read(self) -> dict[str, Any]:
        """As `get_metrics()` reads: page after page, folded."""
        items: list[Any] = []
        after = ""
        while True:
            page = self.scenario.get(f"runs/{self.run_id}/metrics/points/", after=after).json()
            items += page["items"]
            after = page["next"]
            if not after:
                return folding.fold(items)

    def read_whole(self) -> dict[str, Any]:
        """By the address that the page's charts read."""
        return folding.fold(self.scenario.get(f"runs/{self.run_id}/metrics/", whole="1").json()["metrics"])


@pytest.fixture
def paths(scenario: RunScenario, tmp_path: Path) -> ValuePaths:
    return ValuePaths(scenario, tmp_path)


@pytest.mark.parametrize("way", ["inside", "outside"])
def test_odd_values_come_back_as_they_were_logged_by_every_door(way: str, paths: ValuePaths) -> None:
    run: Logger = getattr(paths, way)
    for number, value in enumerate(ODD):
        run.log(f"one {number}", value)
        run.log("all", value)
        run.log_row("row", number=number, value=value)
        if number % 2:
            run.log_row("row", extra=value)
    run.log_list("list", ODD)
    run.log_table("table", {"value": ODD, "short": [1, 1.0]})
    document = {
        "schema_type": "confusion_matrix",
        "schema_version": "v1",
        "data": {"class_labels": ODD, "matrix": [ODD, ODD]},
    }
    run.log_confusion_matrix("matrix", document)
    run.log_accuracy_table("accuracy", {**document, "schema_type": "accuracy_table"})
    paths.arrive()
    rows = [{"number": number, "value": value} for number, value in enumerate(ODD)]
    filled = [
        row for pair in ([row, {"extra": row["value"]}] if row["number"] % 2 else [row] for row in rows) for row in pair
    ]
    wanted: dict[str, Any] = {f"one {number}": value for number, value in enumerate(ODD)}
    wanted |= {"all": ODD, "list": ODD, "table": {"value": ODD, "short": [1, 1.0]}, "matrix": document}
    wanted["row"] = {key: [row.get(key) for row in filled] for key in ("number", "value", "extra")}
    wanted["accuracy"] = {**document, "schema_type": "accuracy_table"}
    for found in (paths.read(), paths.read_whole()):
        assert found.keys() == wanted.keys()
        wrong = {name: (wanted[name], found[name]) for name in wanted if not same(wanted[name], found[name])}
        assert not wrong
    assert not Attempt.objects.get(pk=paths.attempt.pk).warnings
    assert list(paths.read())[:4] == ["one 0", "all", "row", "one 1"]


@pytest.mark.parametrize("seed", range(2))
def test_random_values_of_all_types_come_back(seed: int, paths: ValuePaths) -> None:
    draw = random.Random(seed)

    def scalar() -> Any:
        return draw.choice([
            lambda: draw.getrandbits(draw.randint(1, 200)) * draw.choice((1, -1)),
            lambda: struct.unpack("d", draw.randbytes(8))[0],
            lambda: draw.choice(ODD),
            lambda: "".join(chr(draw.choice((draw.randint(32, 0xD7FF), draw.randint(0xE000, 0x10FFFF)))) for _ in range(9)),
        ])()  # fmt: skip

    series = {f"s{number}": [scalar() for _ in range(draw.randint(2, 40))] for number in range(8)}
    table = {f"c{number}": [scalar() for _ in range(7)] for number in range(5)}
    for name, values in series.items():
        for value in values:
            paths.inside.log(name, value)
    paths.inside.log_table("table", table)
    paths.arrive()
    found = paths.read()
    assert same(found, {**series, "table": table})


def test_every_one_of_many_values_is_there_and_the_chart_gets_an_envelope(paths: ValuePaths) -> None:
    values = [0.1 * number for number in range(25_000)]
    lines = [{"op": "metric", "name": "loss", "value": value} for value in values]
    paths.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    paths.inside.log("lr", 7)
    paths.arrive()
    assert same(paths.read(), {"loss": values, "lr": 7})
    (chart,) = paths.scenario.get(f"runs/{paths.run_id}/metrics/", name="loss").json()["metrics"]
    assert (chart["count"], chart["thinned"]) == (25_000, True) and len(chart["points"]) <= 2000


def test_numbers_and_times_of_other_libraries_become_pythons_own() -> None:
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    pairs: list[tuple[Any, Any]] = [
        (np.int64(2**62 + 1), 2**62 + 1), (np.uint64(2**64 - 1), 2**64 - 1), (np.float64(0.1), 0.1), (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5), (np.bool_(True), True), (np.float64("nan"), {"$numberDouble": "NaN"}), (np.str_("a"), "a"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]), (np.array(3), 3), (np.datetime64("2026-01-02T03:04:05.000000001"), "2026-01-02T03:04:05.000000001"),
        (decimal.Decimal("0.1"), 0.1), (decimal.Decimal(2**70 + 1), 2**70 + 1), (decimal.Decimal("NaN"), {"$numberDouble": "NaN"}),
        (moment, "2026-01-02T03:04:05+00:00"), (moment.date(), "2026-01-02"), (1 + 2j, "(1+2j)"), ((1, 2), [1, 2]), ({1: 2}, {"1": 2}),
    ]  # fmt: skip
    for value, wanted in pairs:
        assert same(plain(value), wanted), value


def test_one_record_beyond_the_limit_is_refused_where_it_is_logged_and_the_others_arrive(paths: ValuePaths) -> None:
    words = r"The metric 'note' has .* bytes as JSON.*upload_file"
    for run, each in (
        (paths.inside, pytest.warns(UserWarning, match=words)),
        (paths.outside, pytest.raises(UserErrorException, match=words)),
    ):
        run.log("before", 1)
        with each:
            run.log("note", "x" * RECORD_MAX)
        run.log("long", "x" * (4 << 20))
        run.log("after", 2)
    paths.arrive()
    found = paths.read()
    assert found["before"] == [1, 1] and found["after"] == [2, 2] and len(found["long"][1]) == 4 << 20
    (warning,) = Attempt.objects.get(pk=paths.attempt.pk).warnings
    assert "The metric 'note' has" in text_of(warning) and "note" not in found


def test_two_kinds_under_one_name_lose_nothing(paths: ValuePaths) -> None:
    paths.inside.log("x", 1)
    paths.inside.log_list("x", [2, 3])
    paths.inside.log("x", 4)
    paths.inside.log("y", 1)
    paths.inside.log_row("y", a=1)
    paths.arrive()
    assert paths.read() == {"x": [1, 2, 3, 4], "y": [1, {"a": 1}]}


def test_rows_of_a_table_stay_together_over_several_calls(paths: ValuePaths) -> None:
    paths.inside.log_table("t", {"a": [1, 2], "b": ["x", "y"]})
    paths.inside.log_table("t", {"b": ["z"], "c": [True]})
    paths.arrive()
    assert paths.read() == {"t": {"a": [1, 2, None], "b": ["x", "y", "z"], "c": [None, None, True]}}


def test_two_steps_that_were_reused_from_one_both_show_its_metrics(paths: ValuePaths, scenario: RunScenario) -> None:
    paths.inside.log("loss", 0.5)
    paths.arrive()
    again = scenario.pipeline("a -> b")
    steps = [scenario.step(again, name) for name in ("a", "b")]
    for step in steps:
        step.step.reused_from = paths.attempt.run
        step.step.save()
    for place, key in (("metrics/points/", "items"), ("metrics/", "metrics")):
        found = folding.fold_by_run(scenario.get(f"runs/{again.pk}/{place}", recursive="1").json()[key])
        assert found == {str(step.pk): {"loss": 0.5} for step in steps}


@pytest.mark.parametrize("after", ["x", "W10", "WyJhIiwiYiIsMSwyXQ", "WzFd"])
def test_a_foreign_cursor_is_refused(after: str, paths: ValuePaths) -> None:
    answer = paths.scenario.get(f"runs/{paths.run_id}/metrics/points/", after=after)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


def test_writing_and_reading_cost_the_same_statements_however_much_there_is(
    paths: ValuePaths, django_assert_max_num_queries: Any
) -> None:
    for many in (10, 2000):
        lines = [{"op": "metric", "name": f"m{number % 150}", "value": number} for number in range(many)]
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        with django_assert_max_num_queries(12):
            size = paths.scenario.bring(paths.attempt, f"spool?offset={paths.shipped}", data).json()["size"]
        paths.shipped = size
        with django_assert_max_num_queries(12):
            paths.read()
