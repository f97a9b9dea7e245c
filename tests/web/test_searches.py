"""The tab Trials of a step of automated machine learning, from its child runs."""

from __future__ import annotations

import re

import pytest

from runs.models import MetricPoint, Run, StepRun
from tests.web.conftest import Site
from tests.web.test_stages import words

pytestmark = pytest.mark.django_db


def test_the_trials_of_a_search_are_the_first_tab_of_its_page(site: Site) -> None:
    root = site.searched()
    place = f"runs/{root.pk}/"
    answer = site.see(place, step="search")
    page, source = words(answer), answer.content.decode()
    assert "5 of at most 9 trials, compared by AUC_weighted (more is better)" in page
    order = [re.search(r"#\d", row).group() for row in source.split('<tr id="trial-')[1:]]  # type: ignore[union-attr]
    assert order == ["#1", "#3", "#0", "#2", "#4"], "the best first, then those without a value"
    assert "#1 best LogisticRegression 0.97 1 min C = 1" in page, page
    assert "VotingEnsemble 0.95 1 min LightGBM_0" in page and "learning_rate = 0.1 …" in page
    assert "ValueError: n_neighbors &lt;= n_samples" in page and 'title="kneighbor"' in source
    assert source.count("<circle") == 3 and 'class="best"' in source
    assert "Child runs" not in page, "they are the trials"
    by_number = site.see(place, step="search", order="trial").content.decode()
    assert re.findall(r">(#\d)</a>", by_number) == ["#0", "#1", "#2", "#3", "#4"]
    assert f'topic="children:{site.step(root, "search").pk}"' in source


def test_less_of_an_error_is_better_and_a_reused_search_shows_its_source(site: Site) -> None:
    root = site.searched()
    root.graph["steps"][0]["settings"] |= {
        "task": "regression", "primary_metric": "normalized_root_mean_squared_error", "models": ["LightGBM"],
    }  # fmt: skip
    root.save(update_fields=["graph"])
    MetricPoint.objects.update(name="normalized_root_mean_squared_error")
    first = site.see(f"runs/{root.pk}/", step="search").content.decode()
    assert "(less is better)" in first and re.findall(r">(#\d)</a>", first)[:3] == ["#0", "#3", "#1"]
    again = site.pipeline(graph=root.graph)
    step = site.step(again, "search")
    StepRun.objects.filter(run=step).update(reused_from=site.step(root, "search"))
    Run.objects.filter(pk=step.pk).update(status="Completed")
    shown = site.see(f"runs/{again.pk}/", step="search").content.decode()
    assert re.findall(r">(#\d)</a>", shown)[:3] == ["#0", "#3", "#1"]


def test_a_search_that_has_tried_nothing_says_so(site: Site) -> None:
    root = site.searched()
    Run.objects.filter(kind="child").delete()
    assert "They start once the data are read." in words(site.see(f"runs/{root.pk}/", step="search"))
    Run.objects.filter(root=root).update(status="Failed")
    page = words(site.see(f"runs/{root.pk}/", step="search"))
    assert "None was started: the log tells why." in page and "Logs" in page
