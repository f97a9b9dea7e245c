"""The tab Stages of a Spark step, from the lines of its ledger."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.clock import now
from duto.parallel.ledger import line
from runs.models import Attempt
from tests.web.conftest import Site

pytestmark = pytest.mark.django_db
FACTS: dict[str, Any] = {"app": "local-1", "t": 0, "in": 2048, "out": 0, "sr": 0, "sw": 0, "b": 1_800_000_000.0}


def words(answer: Any) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_the_stages_of_a_spark_step_are_a_tab_of_its_page(site: Site) -> None:
    graph = site.graph("prepare -> count")
    graph["steps"][1]["kind"] = "spark"
    root = site.pipeline(graph=graph)
    attempt = site.attempt(site.step(root, "count"), started_at=now(), leased_at=now())
    place = f"runs/{root.pk}/"
    assert "No stages yet" in words(site.see(place, step="count")), "the first tab of such a step"
    assert "Stages" not in words(site.see(place, step="prepare"))
    told = [
        line("app", id="local-1", name="birds", version="3.5.7", master="local[2]"),
        line("stage", id=0, name="csv at X", s="COMPLETE", n=4, d=4, a=0, f=1, z=1_800_000_002.5, why="", **FACTS),
        line("stage", id=1, name="sum at X", s="ACTIVE", n=6, d=1, a=2, f=0, z=None, why="", **FACTS),
        line("stage", id=2, name="last at X", s="FAILED", n=1, d=0, a=0, f=4, z=None, why="Lost task <b>", **FACTS),
        line("stage", id=3, name="none", s="SKIPPED", n=90, d=0, a=0, f=0, z=None, why="", **FACTS),
        line("executor", app="local-1", id="driver", host="h:1", alive=True, cores=2, a=2, d=5, f=5, mem=1 << 30),
    ]
    assert site.bring(attempt, "ledger?offset=0", b"".join(told)).status_code == 200
    answer = site.see(place, step="count", tab="stages")
    page = words(answer)
    for text in ("Tasks done 5 of 11", "Stages done 1 of 3", "Running 2 in 1 stage", "birds · local-1 · Spark 3.5.7 ·"):
        assert text in page, page
    assert "sum at X running 1 / 6" in page and "csv at X done 4 / 4" in page and "skipped" in page
    assert "Lost task &lt;b&gt;" in page and "driver h:1 alive" in page
    assert f'topic="ledger:{attempt.pk}"' in answer.content.decode()
    Attempt.objects.filter(pk=attempt.pk).update(status="completed")
    assert "driver h:1 ended" in words(site.see(place, step="count", tab="stages"))
