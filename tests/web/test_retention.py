"""The page of retention: a dry run of the form's values, saving, and the button that removes."""

from __future__ import annotations

from core.clock import now
from runs.models import Attempt, Run
from tests.web.conftest import Site


def test_the_page_tries_saves_and_removes(site: Site) -> None:
    root = site.filled()
    long_ago = now().replace(year=2020)
    Run.objects.filter(root=root).update(finished_at=long_ago)
    Attempt.objects.filter(run__root=root).update(log_size=7)
    values = {"logs": "30", "artifacts": "", "outputs": "", "keep_last": "0", "attempts": "7"}
    tried = site.see("settings/retention/", **{**values, "try": "1"}).content.decode()
    assert "What these values would free now" in tried and "Remove now" not in tried
    assert site.send("settings/retention/save/", **values).status_code == 302
    assert "Remove now" in site.see("settings/retention/").content.decode()
    assert "Remove now" not in site.see("settings/retention/", "reader").content.decode()
    assert site.send("settings/retention/apply/").status_code == 302
    assert not Attempt.objects.filter(run__root=root, log_removed_at__isnull=True).exists()
    page = site.see(f"runs/{root.pk}/", step="train", tab="logs").content.decode()
    assert "The log is gone" in page


def test_a_wrong_number_is_told_at_its_field_and_nothing_is_saved(site: Site) -> None:
    answer = site.send("settings/retention/save/", logs="-3", keep_last="1")
    assert answer.status_code == 200 and "greater than or equal to 0" in answer.content.decode()
    site.workspace.refresh_from_db()
    assert "retention" not in site.workspace.settings


def test_a_contributor_may_look_and_not_save(site: Site) -> None:
    assert site.see("settings/retention/", "contributor").status_code == 200
    assert site.send("settings/retention/save/", "contributor", keep_last="1").status_code == 403
