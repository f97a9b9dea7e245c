"""Every state of an attempt × every event: a table of what becomes of the attempt, its run and the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from compute.models import ComputeTarget, Host, Node
from core.clock import now
from core.errors import NotFound
from core.models import Beat
from runs.models import Attempt, Run
from runs.services.maintenance import host_removal, lease_expiry, unresponsive
from runs.services.orchestration import cluster_removal, progress
from runs.services.orchestration.cancel import cancel_run
from runs.services.scheduling import placing
from runs.services.submission import submit
from tests.runs.exchange import GIB, graph_of
from tests.runs.protocol_messages import answer_to
from workspaces.access import WorkspaceContext
from workspaces.models import User
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db

PATHS: dict[str, tuple[str, ...]] = {
    "queued": (),
    "placed": ("place",),
    "leased": ("place", "claim"),
    "preparing": ("place", "claim", "preparing"),
    "running": ("place", "claim", "started"),
    "collecting": ("place", "claim", "started", "collecting"),
    "silent": ("place", "claim", "started", "silence"),
    "canceling": ("place", "claim", "started", "cancel"),
    "removing": ("place", "claim", "started", "remove"),
    "completed": ("place", "claim", "completed"),
    "failed": ("place", "claim", "failed"),
    "canceled": ("place", "claim", "cancel", "canceled"),
    "lost": ("place", "claim", "started", "expire"),
}

EVENTS = (
    *("place", "claim", "resend", "beat", "silence", "expire", "cancel", "remove", "detach", "stale"),
    *("preparing", "started", "collecting", "completed", "failed", "canceled", "gone"),
)
WORDS = "preparing started collecting"
VERDICTS = "completed failed canceled gone"
# A verdict on an attempt that is open: what it says holds, from whatever state.
ENDING = {
    "completed": "completed/Completed",
    "failed": "failed/Failed",
    "canceled": "canceled/Canceled",
    "gone expire": "lost/Failed",
    "detach": "lost/Queued",  # a lost host: tried again
    "stale": "!stale_epoch",
}
# A verdict that is there stays, and who repeats or contradicts it hears nothing bad: its agent may forget the attempt.
ENDED = {f"{WORDS} stale": "!stale_epoch"}
# Event: what becomes of the attempt and its run, or `!` and the code of the refusal.
# Events that are not named leave everything as it was, and are not refused.
TABLE: dict[str, dict[str, str]] = {
    "queued": {f"{WORDS} {VERDICTS} stale": "!not_found", "cancel": "canceled/Canceled", "remove": "!no_node"},
    "placed": {
        "claim resend": "leased/Preparing",
        "cancel": "canceled/Canceled",
        "detach remove": "queued/Queued",  # the same attempt waits for another place
        f"{WORDS} {VERDICTS} stale": "!stale_epoch",
    },
    "leased": {
        **ENDING,
        "preparing": "preparing/Preparing",
        "started": "running/Running",
        "collecting": "collecting/Finalizing",
        "silence": "leased/NotResponding",
        "cancel": "leased/CancelRequested",
    },
    "preparing": {
        **ENDING,
        "started": "running/Running",
        "collecting": "collecting/Finalizing",
        "silence": "preparing/NotResponding",
        "cancel": "preparing/CancelRequested",
    },
    "running": {
        **ENDING,
        "collecting": "collecting/Finalizing",
        "silence": "running/NotResponding",
        "cancel": "running/CancelRequested",
    },
    "collecting": {
        **ENDING,
        "silence": "collecting/NotResponding",
        "cancel": "collecting/CancelRequested",
    },
    "silent": {
        **ENDING,
        "claim beat preparing started": "running/Running",
        "collecting": "collecting/Finalizing",
        "stale": "running/Running !stale_epoch",  # the report is stale, but the agent speaks of the attempt
        "cancel": "running/CancelRequested",
    },
    "canceling": {
        # Nothing is tried again that somebody canceled; a script that was faster has completed.
        "completed": "completed/Completed",
        "failed": "failed/Canceled",
        "canceled": "canceled/Canceled",
        "gone expire detach": "lost/Canceled",
        "collecting": "collecting/CancelRequested",
        "stale": "!stale_epoch",
    },
    "removing": {
        **ENDING,
        "canceled": "lost/Queued",  # nobody canceled the step: tried again on another node
        "collecting": "collecting/Finalizing",
        "silence": "running/NotResponding",
        "cancel": "running/CancelRequested",
    },
    # To take the node away that it had is no matter of its own.
    "completed": ENDED,
    "failed": ENDED,
    "canceled": ENDED,
    "lost": {f"{WORDS} {VERDICTS} stale": "!stale_epoch"},
}


class Bench:
    """One step of one run with one host, and the events that can come to its first attempt."""

    def __init__(self) -> None:
        self.context: WorkspaceContext = create_workspace(
            User.objects.create_user("ana", password="long enough 1"), "lab"
        )
        self.host = Host.objects.create(name="alpha", key_digest="0", cores=4, memory=16 * GIB, last_seen_at=now())
        ComputeTarget.objects.create(
            workspace=self.context.workspace, name="cpu", vm_size="STANDARD_DS1_V2", cores=1, memory=GIB, max_nodes=2
        )
        Beat.objects.create(name="web:x", since=now() - timedelta(minutes=5), at=now())
        self.root = submit.submit_run(self.context, experiment="exp", graph=graph_of(self.context, "a -> b"))
        progress.advance(self.root.pk)
        self.key = Attempt.objects.get().pk
        self.holds = False

    @property
    def state(self) -> str:
        attempt = Attempt.objects.select_related("run").get(pk=self.key)
        return f"{attempt.status}/{attempt.run.status}"

    def come(self, event: str) -> str:
        """Let it happen; the refusal's code, or ""."""
        action: Callable[[], str] | None = getattr(self, f"_{event}", None)
        return action() if action else self._report(event)

    def _place(self) -> str:
        placing.place()
        return ""

    def _claim(self) -> str:
        given = [each["attempt"] for each in self._say(want=8)["work"]]
        self.holds = self.holds or str(self.key) in given
        return ""

    def _beat(self) -> str:
        self._say()
        return ""

    def _resend(self) -> str:
        """The answer with the work was lost: the agent asks again, holding nothing."""
        Attempt.objects.filter(pk=self.key, leased_at__isnull=False).update(leased_at=now() - timedelta(seconds=9))
        self.holds = False
        return self._claim()

    def _stale(self) -> str:
        return self._report("completed", epoch=-1)

    def _silence(self) -> str:
        self._lease(1)
        unresponsive.note()
        return ""

    def _expire(self) -> str:
        self._lease(-1)
        lease_expiry.expire()
        return ""

    def _cancel(self) -> str:
        cancel_run(self.context, Attempt.objects.select_related("run").get(pk=self.key).run)
        return ""

    def _remove(self) -> str:
        """Its node, or the one that it had."""
        node = Attempt.objects.get(pk=self.key).node_id or uuid4()
        try:
            cluster_removal.remove_node(self.context, "cpu", node)
        except NotFound as refusal:
            return refusal.code
        return ""

    def _detach(self) -> str:
        Host.objects.update(revoked_at=now())
        host_removal.give_up(Host.objects.get())
        return ""

    def check(self) -> None:
        """A node serves an open attempt or nobody, and a step has one open attempt or none."""
        busy = Node.objects.filter(status=Node.Status.RUNNING)
        for node in busy:
            assert node.attempts.exclude(status__in=Attempt.ENDS).count() == 1
        for run in Run.objects.filter(root=self.root.pk, step__isnull=False):
            assert run.attempts.exclude(status__in=Attempt.ENDS).count() == (
                0 if run.is_final or not run.attempts.exists() else 1
            )

    def _lease(self, seconds: float) -> None:
        rows = Attempt.objects.filter(pk=self.key, lease_until__isnull=False)
        rows.update(lease_until=now() + timedelta(seconds=seconds))

    def _report(self, event: str, epoch: int | None = None) -> str:
        attempt = Attempt.objects.get(pk=self.key)
        word: dict[str, Any] = {"attempt": str(self.key), "epoch": attempt.epoch if epoch is None else epoch}
        (refused,) = self._say({**word, **REPORTS[event]})["refused"] or [{"code": ""}]
        return str(refused["code"])

    def _say(self, *reports: dict[str, Any], want: int = 0) -> dict[str, Any]:
        epoch = Attempt.objects.get(pk=self.key).epoch
        holding = [{"attempt": str(self.key), "epoch": epoch}] if self.holds else []
        document = {"holding": holding, "reports": list(reports), "want": want}
        return answer_to(Host.objects.get(pk=self.host.pk), document)


REPORTS: dict[str, dict[str, Any]] = {
    "preparing": {"event": "preparing"},
    "started": {"event": "started"},
    "collecting": {"event": "collecting"},
    "completed": {"event": "finished", "exit_code": 0},
    "failed": {"event": "finished", "exit_code": 1, "cause": "user_error"},
    "canceled": {"event": "finished", "exit_code": None, "signal": 15, "cause": "canceled"},
    "gone": {"event": "finished", "exit_code": None, "cause": "lost"},
}


def expected(state: str, event: str, before: str) -> str:
    """What the table says."""
    (found,) = [answer for events, answer in TABLE[state].items() if event in events.split()] or [""]
    after, _, code = found.partition("!")
    return f"{after.strip() or before} !{code}"


@pytest.mark.parametrize("state", PATHS)
def test_what_every_event_does_in_this_state(state: str) -> None:
    bench = Bench()
    for event in PATHS[state]:
        assert bench.come(event) == ""
    before, held, wrong = bench.state, bench.holds, {}
    for event in EVENTS:
        bench.holds = held
        step = transaction.savepoint()
        code = bench.come(event)
        seen = f"{bench.state} !{code}"
        bench.check()
        if seen != expected(state, event, before):
            wrong[event] = (seen, expected(state, event, before))
        transaction.savepoint_rollback(step)
    assert wrong == {}


def test_the_table_is_whole() -> None:
    assert {PATHS[state][-1] for state in PATHS if PATHS[state]} <= set(EVENTS)
    assert set(TABLE) == set(PATHS)
    known = {status.value for status in Attempt.Status}
    assert {state for state in PATHS if state in known} == known
    for state, row in TABLE.items():
        named = [event for events in row for event in events.split()]
        assert sorted(named) == sorted(set(named)) and set(named) <= set(EVENTS), state
