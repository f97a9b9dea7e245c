"""Runs, hosts and people in random order: whatever comes when, and however often, each step comes to one right end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from compute.models import ComputeTarget, Host, Node
from core.clock import now
from core.errors import Conflict, Invalid
from core.models import Beat
from runs.models import Attempt, Run
from runs.services.maintenance import host_removal, lease_expiry, unresponsive
from runs.services.orchestration import cluster_removal, progress
from runs.services.orchestration.cancel import cancel_run
from runs.services.scheduling import autoscaler, placing
from runs.services.submission import resume, submit
from tests.runs.exchange import GIB, graph_of
from tests.runs.laws import BUSY, Laws, Seen
from tests.runs.protocol_messages import answer_to
from workspaces.models import User
from workspaces.services.workspaces import create_workspace

NAMES = ("alpha", "beta")
MAX_NODES = 3
MAX_RUNS = 8
MAX_CANCELS = 2  # of one example: where all is canceled, little happens
GOOD: dict[str, Any] = {"event": "finished", "exit_code": 0}
BAD: dict[str, Any] = {"event": "finished", "exit_code": 1, "cause": "user_error"}
WORDS: list[dict[str, Any]] = [
    {"event": "preparing"},
    {"event": "started"},
    {"event": "collecting"},
    GOOD,
    BAD,
    {"event": "finished", "exit_code": None, "cause": "data_missing"},
    {"event": "finished", "exit_code": None, "signal": 15, "cause": "canceled"},
    {"event": "finished", "exit_code": None, "cause": "lost"},
]
any_one = st.integers(0, 99)
any_host = st.sampled_from(NAMES)
any_word = st.sampled_from(WORDS)


class Studio(RuleBasedStateMachine):
    """A cluster of two hosts, some runs, and everything that may come to them."""

    def __init__(self) -> None:
        super().__init__()
        # Nothing is committed, so no wake-up is ever sent: what happens, happens by the duties of the ticker.
        self.block = transaction.atomic()
        self.block.__enter__()
        self.roots: list[Run] = []
        self.cancels = 0
        self.retries: dict[UUID, int | None] = {}
        self.held: dict[str, dict[str, int]] = {name: {} for name in NAMES}
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.laws = Laws(MAX_NODES)
        self.context = create_workspace(User.objects.create_user("ana"), "lab")
        for name in NAMES:
            Host.objects.create(name=name, key_digest=name, cores=4, memory=16 * GIB, last_seen_at=now())
        ComputeTarget.objects.create(
            workspace=self.context.workspace, name="cpu", vm_size="STANDARD_DS1_V2", cores=1, memory=GIB,
            max_nodes=MAX_NODES,
        )  # fmt: skip
        Beat.objects.create(name="web:x", since=now() - timedelta(minutes=5), at=now())
        self._submit("a -> b", 2, False, "pipeline")

    # --- people ---

    @precondition(lambda self: len(self.roots) < MAX_RUNS)
    @rule(
        chart=st.sampled_from(["a", "a -> b"]),
        retries=st.sampled_from([None, 0, 1, 2]),
        reuse=st.booleans(),
        kind=st.sampled_from(["pipeline", "pipeline", "script"]),
    )
    def submit(self, chart: str, retries: int | None, reuse: bool, kind: str) -> None:
        self._submit(chart, retries, reuse, kind)

    def _submit(self, chart: str, retries: int | None, reuse: bool, kind: str) -> None:
        graph = graph_of(self.context, "a" if kind == "script" else chart, retries=retries, allow_reuse=reuse)
        run = submit.submit_run(self.context, experiment="exp", graph=graph, kind=kind)
        self.roots.append(run)
        self.retries[run.pk] = retries
        progress.advance(run.pk)

    @precondition(lambda self: self.cancels < MAX_CANCELS)
    @rule(which=any_one)
    def cancel_a_run(self, which: int) -> None:
        self.cancels += 1
        cancel_run(self.context, Run.objects.get(pk=self.roots[which % len(self.roots)].pk))

    @precondition(lambda self: self.cancels < MAX_CANCELS)
    @rule(which=any_one)
    def cancel_a_step(self, which: int) -> None:
        self.cancels += 1
        steps = list(Run.objects.filter(step__isnull=False).order_by("id"))
        cancel_run(self.context, steps[which % len(steps)])

    @precondition(lambda self: len(self.roots) < MAX_RUNS - 1)
    @rule(which=any_one)
    def resume(self, which: int) -> None:
        """A run that is no pipeline, not over or all right is refused, any other one resumed."""
        if not self._fit():
            self._fail_half_way()
        fit = self._fit()
        any_root = Run.objects.get(pk=self.roots[which % len(self.roots)].pk)
        if any_root not in fit:
            with pytest.raises((Invalid, Conflict)):
                resume.resume(self.context, any_root)
        if not fit:
            return
        source = fit[which % len(fit)]
        run = resume.resume(self.context, source)
        self.roots.append(run)
        self.retries[run.pk] = self.retries[source.pk]
        progress.advance(run.pk)

    def _fit(self) -> list[Run]:
        over = Run.objects.filter(
            parent=None, kind=Run.Kind.PIPELINE, status__in=[Run.Status.FAILED, Run.Status.CANCELED]
        )
        return list(over.order_by("id"))

    def _fail_half_way(self) -> None:
        """A run whose first step finishes and whose second fails, where hosts have room for it."""
        self._submit("a -> b", 0, False, "pipeline")
        for _ in range(3):
            for name in NAMES:
                self.ask_for_work(name, True)
                for key, epoch in list(self.held[name].items()):
                    first = Attempt.objects.filter(pk=key, run__step__node_id="a").exists()
                    self._take(name, self._say(name, {"attempt": key, "epoch": epoch, **(GOOD if first else BAD)}))

    @rule(which=any_one)
    def remove_a_node(self, which: int) -> None:
        """Whether it rests, is promised, works or is leaving."""
        if found := list(Node.objects.order_by("id")):
            cluster_removal.remove_node(self.context, "cpu", found[which % len(found)].pk)

    @rule(name=any_host, drained=st.booleans())
    def drain(self, name: str, drained: bool) -> None:
        Host.objects.filter(name=name).update(drained_at=now() if drained else None)

    # --- the studio ---

    @rule()
    def look_around(self) -> None:
        host_removal.give_back_unfetched()
        autoscaler.reconcile_all()
        cluster_removal.drop_left()
        placing.place()
        for root in self.roots:
            progress.advance(root.pk)

    @rule(which=any_one, host_too=st.booleans())
    def fall_silent(self, which: int, host_too: bool) -> None:
        self._lease(which, 9, host_too)
        unresponsive.note()

    @rule(which=any_one, host_too=st.booleans())
    def lose(self, which: int, host_too: bool) -> None:
        attempt = self._lease(which, -1, host_too)
        assert lease_expiry.expire() >= (1 if attempt else 0)

    # --- agents ---

    @rule(name=any_host, arrives=st.sampled_from([True, True, False]))
    def ask_for_work(self, name: str, arrives: bool) -> None:
        """Sometimes the answer is lost on its way."""
        placing.place()
        answer = self._say(name, want=8)
        if arrives:
            self._take(name, answer)

    @rule(name=any_host)
    def ask_again(self, name: str) -> None:
        """Long after an answer was lost, what it gave is given again."""
        Attempt.objects.filter(status=Attempt.Status.LEASED).update(leased_at=now() - timedelta(seconds=9))
        self._take(name, self._say(name, want=8))

    @rule(name=any_host, ends=st.lists(st.sampled_from([GOOD, GOOD, BAD]), min_size=1, max_size=4))
    def work(self, name: str, ends: list[dict[str, Any]]) -> None:
        """As agents mostly do: one step after the other, as the answers bring them."""
        self.ask_for_work(name, True)
        for end in ends:
            if self.held[name]:
                key, epoch = min(self.held[name].items())
                self._take(name, self._say(name, {"attempt": key, "epoch": epoch, **end}, want=1))

    @rule(which=any_one, word=any_word)
    def report(self, which: int, word: dict[str, Any]) -> None:
        if held := self._held(which):
            name, key, epoch = held
            before = self._end_of(key)
            answer = self._say(name, {"attempt": key, "epoch": epoch, **word})
            if answer["refused"]:
                assert before is not None, "an attempt that is open takes its agent's word"
                self.held[name].pop(key, None)  # whoever is refused stops it
            elif word["event"] == "finished":
                assert self._end_of(key) is not None

    @precondition(lambda self: self.sent)
    @rule(which=any_one)
    def repeat(self, which: int) -> None:
        name, report = self.sent[which % len(self.sent)]
        self._say(name, report)

    @rule(which=any_one, word=any_word, wrong=st.sampled_from([-1, 1]), elsewhere=st.booleans())
    def report_what_is_not_its_own(self, which: int, word: dict[str, Any], wrong: int, elsewhere: bool) -> None:
        """With the number of another lease, or by the other host: refused, and nothing has changed."""
        if held := self._held(which):
            name, key, epoch = held
            before = Attempt.objects.values("status", "epoch", "cause").get(pk=key)
            if elsewhere:
                name = NAMES[1 - NAMES.index(name)]
            answer = self._say(name, {"attempt": key, "epoch": epoch + (0 if elsewhere else wrong), **word}, note=False)
            assert [each["code"] for each in answer["refused"]] == ["not_found" if elsewhere else "stale_epoch"]
            assert Attempt.objects.values("status", "epoch", "cause").get(pk=key) == before

    @rule(name=any_host)
    def forget(self, name: str) -> None:
        """An agent on a machine whose disk was lost."""
        self.held[name].clear()

    # --- laws ---

    @invariant()
    def the_laws_hold(self) -> None:
        self.laws.hold(Seen(), self.retries)

    def teardown(self) -> None:
        try:
            self._bring_to_an_end()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    def _bring_to_an_end(self) -> None:
        """From wherever they are: with willing agents and a ticker, all runs end and nothing is held."""
        Host.objects.update(drained_at=None)
        for _ in range(4 * len(self.roots) + 1):
            self.look_around()
            if not Run.objects.filter(root__in=self.roots).exclude(status__in=Run.ENDS).exists():
                break
            for name in NAMES:
                self.ask_again(name)
                for key, epoch in list(self.held[name].items()):
                    self._take(name, self._say(name, {"attempt": key, "epoch": epoch, **GOOD}))
            held = {key for mine in self.held.values() for key in mine}
            nobodys = Attempt.objects.exclude(status__in=[Attempt.Status.QUEUED, *Attempt.ENDS]).exclude(pk__in=held)
            nobodys.update(lease_until=now() - timedelta(seconds=1))
            lease_expiry.expire()
        self.look_around()
        self.the_laws_hold()
        seen = Seen()
        assert all(run.is_final for run in seen.runs.values())
        assert all(each.is_final for each in seen.attempts.values())
        assert not set(seen.nodes.values()) & set(BUSY)

    # --- helpers ---

    def _held(self, which: int) -> tuple[str, str, int] | None:
        """Host, attempt and epoch of one of those that agents hold; where they hold none, they find some work first."""
        if not any(self.held.values()):
            if len(self.roots) < MAX_RUNS and not Attempt.objects.exclude(status__in=Attempt.ENDS).exists():
                self._submit("a -> b", which % 3, False, "pipeline")
            for name in NAMES:
                self.ask_for_work(name, True)
        pairs = [(name, key, epoch) for name in NAMES for key, epoch in sorted(self.held[name].items())]
        return pairs[which % len(pairs)] if pairs else None

    def _end_of(self, key: str) -> str | None:
        return Attempt.objects.filter(pk=key, status__in=Attempt.ENDS).values_list("status", flat=True).first()

    def _lease(self, which: int, seconds: float, host_too: bool) -> Attempt | None:
        """So much is left of the lease of one of the attempts at work."""
        self._held(which)
        rows = list(Attempt.objects.exclude(status__in=[Attempt.Status.QUEUED, *Attempt.ENDS]).order_by("id"))
        if not rows:
            return None
        attempt = rows[which % len(rows)]
        Beat.objects.update(at=now())  # the studio itself has listened all the while
        Attempt.objects.filter(pk=attempt.pk).update(lease_until=now() + timedelta(seconds=seconds))
        if host_too and attempt.host_id:
            Host.objects.filter(pk=attempt.host_id).update(last_seen_at=now() - timedelta(minutes=2))
        return attempt

    def _say(self, name: str, *reports: dict[str, Any], want: int = 0, note: bool = True) -> dict[str, Any]:
        holding = [{"attempt": key, "epoch": epoch} for key, epoch in self.held[name].items()]
        if note:
            self.sent += [(name, report) for report in reports]
        answer = answer_to(Host.objects.get(name=name), {"holding": holding, "reports": list(reports), "want": want})
        mine = Attempt.objects.filter(pk__in=self.held[name], run__status=Run.Status.NOT_RESPONDING)
        assert not mine.exclude(status__in=Attempt.ENDS).exists(), "its agent has just spoken of it"
        return answer

    def _take(self, name: str, answer: dict[str, Any]) -> None:
        for work in answer["work"]:
            self.held[name][work["attempt"]] = work["epoch"]
        for gone in [*answer["drop"], *answer["refused"]]:
            self.held[name].pop(gone["attempt"], None)


@pytest.mark.django_db
def test_whatever_comes_in_whatever_order_every_run_comes_to_one_right_end() -> None:
    run_state_machine_as_test(
        Studio,
        settings=settings(
            max_examples=8,
            stateful_step_count=35,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # to look for a shorter example would take minutes
        ),
    )
