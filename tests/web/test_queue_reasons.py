"""Why a step waits in a queue of its host's, on its page and in REST, from its agent's word to its start."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest

from core.clock import iso, now
from runs import queue_reasons
from tests.web.conftest import Site
from tests.web.test_stages import words
from tests.web.test_transfers import tell

NEXT = "It is the next in Slurm's queue, and waits for nodes to become free. (Resources)"


@pytest.mark.django_db
def test_a_step_in_slurms_queue_says_why_until_it_begins(site: Site) -> None:
    root = site.pipeline("train", status="Running")
    step = site.step(root, "train")
    step.status = "Preparing"
    step.save(update_fields=["status"])
    attempt = site.attempt(step, status="leased", leased_at=now(), lease_until=now() + timedelta(minutes=1))
    tell(site, attempt, "preparing", queue_reason="Priority")
    tell(site, attempt, "preparing", queue_reason="Resources")
    root.refresh_from_db()
    version = root.version
    tell(site, attempt, "preparing", queue_reason="Resources")
    root.refresh_from_db()
    assert root.version == version, "nothing has changed"
    reason = {"code": "slurm", "text": NEXT, "facts": {"reason": "Resources"}}
    assert site.get(f"runs/{step.pk}/").json()["step"]["waiting"] == [reason]
    start = (now() + timedelta(minutes=25)).replace(microsecond=0)
    tell(site, attempt, "preparing", queue_reason="Resources", queue_position=3, queue_start=start.isoformat())
    text = (
        f"{NEXT} It is number 3 in the queue of its partition."
        f" Slurm expects it to begin in 25 min ({start:%Y-%m-%d %H:%M} UTC)."
    )
    reason = {
        "code": "slurm",
        "text": text,
        "facts": {"reason": "Resources", "position": 3, "expected_start": iso(start)},
    }
    assert site.get(f"runs/{step.pk}/").json()["step"]["waiting"] == [reason]
    text = unescape(words(site.see(f"runs/{root.pk}/", step="train", tab="logs", part="tab")))
    assert "Why it waits" in text and "It is number 3 in the queue" in text and "in 25 min" in text, text
    tell(site, attempt, "started")
    assert site.get(f"runs/{step.pk}/").json()["step"]["waiting"] == []
    assert "Why it waits" not in words(site.see(f"runs/{root.pk}/", step="train", tab="logs", part="tab"))


@pytest.mark.parametrize(
    ("reason", "begins"),
    [
        ("Priority", "Jobs with a higher priority"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-3]", "Nodes of Slurm's"),
        ("(Nodes required for job are DOWN, DRAINED or reserved)", "Nodes of Slurm's"),
        ("QOSMaxJobsPerUserLimit", "A limit of Slurm's"),
        ("AssocGrpCpuLimit", "A limit of Slurm's"),
        ("PartitionNodeLimit", "It asks for more"),
        ("PartitionConfig", "It asks for more"),
        ("QOSMaxCpuPerJobLimit", "It asks for more"),
        ("JobHeldAdmin", "Somebody holds"),
        ("None", "Slurm has its job"),
        ("Cleaning", "It waits in Slurm's queue. Slurm's reason: Cleaning."),
    ],
)
def test_slurms_words_are_sentences(reason: str, begins: str) -> None:
    assert queue_reasons.words(reason).startswith(begins)


def test_a_start_that_has_passed_is_not_told() -> None:
    assert "expects" not in queue_reasons.words("Priority", 2, now() - timedelta(minutes=1))
