"""The bytes of a step on its page and in REST, while they come and go and afterwards, as its agent tells of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.clock import iso, now
from runs.models import Attempt, Run
from tests.runs.protocol_messages import answer_to
from tests.web.conftest import Site
from tests.web.test_stages import words

pytestmark = pytest.mark.django_db
MIB = 1 << 20
INPUTS = {
    "done": 30 * MIB, "total": 120 * MIB, "files": 3, "files_total": 8, "cached": 10 * MIB, "files_cached": 1, "seconds": 4.0, "rate": 9 * MIB,
}  # fmt: skip


def tell(site: Site, attempt: Attempt, event: str, **more: Any) -> None:
    report = {"attempt": str(attempt.pk), "epoch": 1, "event": event, "at": iso(now()), **more}
    body = {"host": {}, "holding": [{"attempt": str(attempt.pk), "epoch": 1}], "reports": [report], "want": 0}
    assert answer_to(site.host, body)["refused"] == []


def of_rest(site: Site, step: Run) -> Any:
    return site.get(f"runs/{step.pk}/").json()["step"]["attempts"][0]["transfers"]


def test_bytes_are_shown_while_they_come_and_as_they_came(site: Site) -> None:
    root = site.pipeline("train", status="Running")
    step = site.step(root, "train")
    attempt = site.attempt(step, status="leased", leased_at=now(), lease_until=now() + timedelta(minutes=1))
    place = f"runs/{root.pk}/"
    assert of_rest(site, step) is None

    tell(site, attempt, "preparing", transfers={"inputs": INPUTS})
    assert {name: of_rest(site, step)["inputs"][name] for name in INPUTS} == INPUTS
    page = site.see(place, step="train")
    assert f'topic="transfers:{attempt.pk}"' in page.content.decode()
    assert "30 MiB of 120 MiB Inputs to the host: 3 of 8 files 9 MiB/s, 10 s left" in words(page), words(page)
    version = site.step(root, "train").version
    tell(site, attempt, "preparing", transfers={"inputs": {**INPUTS, "done": 120 * MIB, "files": 8}})
    assert site.step(root, "train").version == version, "nothing but the numbers has changed"
    assert "Inputs to the host" not in words(site.see(place, step="train", part="moving")), "all are there"

    tell(site, attempt, "started", transfers={"inputs": {**INPUTS, "done": 120 * MIB, "files": 8, "seconds": 11.0}})
    uploads = {**INPUTS, "done": 0, "files": 0, "cached": 0, "files_cached": 0, "rate": 0}
    tell(site, attempt, "collecting", transfers={"uploads": uploads})
    moving = words(site.see(place, step="train", part="moving"))
    assert moving == "0 B of 120 MiB Files to the studio: 0 of 8 files", moving
    attempt.refresh_from_db()
    attempt.transfers["uploads"]["at"] = iso(now() - timedelta(seconds=25))
    attempt.save(update_fields=["transfers"])
    assert words(site.see(place, step="train", part="moving")).endswith("nothing for 25 s")

    last = {**uploads, "done": 120 * MIB, "files": 8, "seconds": 2.0}
    tell(site, attempt, "finished", exit_code=0, outputs=[], artifacts=[], transfers={"uploads": last})
    assert set(of_rest(site, step)) == {"inputs", "uploads"} and of_rest(site, step)["uploads"]["done"] == 120 * MIB
    text = words(site.see(place, step="train", tab="inputs", part="tab"))
    assert "Inputs to the host 8 120 MiB 11 s 10 MiB/s 1 file, 10 MiB" in text, text
    text = words(site.see(place, step="train", tab="outputs", part="tab"))
    assert "Files to the studio 8 120 MiB 2.0 s 60 MiB/s –" in text, text
    assert "Inputs to the host" not in text and 'topic="transfers' not in site.see(place, step="train").content.decode()


def test_what_makes_no_sense_is_not_kept(site: Site) -> None:
    step = site.step(site.pipeline("train", status="Running"), "train")
    attempt = site.attempt(step, status="preparing", leased_at=now(), lease_until=now() + timedelta(minutes=1))
    tell(site, attempt, "preparing", transfers={"inputs": {**INPUTS, "done": -5}, "sideways": INPUTS})
    found = of_rest(site, step)
    assert found is None or (set(found) == {"inputs"} and found["inputs"]["done"] >= 0)
