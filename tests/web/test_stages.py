"""The tab Stages of a Spark step, from the lines of its ledger."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.clock import now
from runs.models import Attempt
from tests.web.conftest import Site

pytestmark = pytest.mark.django_db


def words(answer: Any) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_the_stages_of_a_spark_step_are_a_tab_of_its_page(site: Site) -> None:
    graph = site.graph("prepare -> count")
    graph["steps"][1]["kind"] = "spark"
    root = site.pipeline(graph=graph)
    site.attempt(site.step(root, "count"), started_at=now(), leased_at=now())
    place = f"runs/{root.pk}/"
    assert "No stages yet" in words(site.see(place, step="count")), "the first tab of such a step"
    assert "Stages" not in words(site.see(place, step="prepare"))
    root = site.spark()
    attempt, place = Attempt.objects.get(run__root=root), f"runs/{root.pk}/"
    answer = site.see(place, step="count", tab="stages")
    page = words(answer)
    for text in ("Tasks done 5 of 11", "Stages done 1 of 3", "Running 2 in 1 stage", "birds · local-1 · Spark 3.5.7 ·"):
        assert text in page, page
    assert "sum at X running 1 / 6" in page and "csv at X done 4 / 4" in page and "skipped" in page
    assert "Lost task &lt;b&gt;" in page and "driver h:1 alive" in page
    assert f'topic="ledger:{attempt.pk}"' in answer.content.decode()
    Attempt.objects.filter(pk=attempt.pk).update(status="completed")
    assert "driver h:1 ended" in words(site.see(place, step="count", tab="stages"))
