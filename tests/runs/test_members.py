"""A step on several nodes: all its nodes or none, members that find each other, and what the end of one means for the others."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from compute.models import ComputeTarget, Host, Node
from core.clock import now
from core.heartbeats import WEB
from core.models import Beat
from runs.models import Attempt, Run
from runs.services.maintenance import host_removal, lease_expiry
from runs.services.orchestration import cancel
from runs.services.planning.plan_run import plan_run
from runs.services.scheduling import placing
from runs.services.scheduling.waiting import reasons
from tests.runs.exchange import Agent, cluster, context, graph_of, states, submit_chain
from workspaces.access import WorkspaceContext

pytestmark = pytest.mark.django_db(transaction=True)
TORCH = {"distribution": {"type": "pytorch", "processes": 4}, "node_count": 2}
B = Run.Status
__all__ = ["cluster", "context"]  # fixtures


@pytest.fixture
def hosts(db: None) -> tuple[Player, Player]:
    pair = Player(), Player("beta")
    # Each has room for one node alone.
    Beat.objects.create(
        name=f"{WEB}test", owner="test", at=now() + timedelta(minutes=1), since=now() - timedelta(hours=1)
    )
    Host.objects.update(cores=1, facts={"abilities": ["members", "rendezvous"]})
    return pair


def parallel(nodes: int = 2) -> dict[str, Any]:
    settings = {"inputs": ["given"], "output_action": "summary_only", "node_count": nodes}
    source = {"name": "given", "from": {"datastore": "workspaceblobstore", "path": "raw/"}, "mode": "mount"}
    return {"kind": "parallel_run", "settings": settings, "inputs": [source]}


def writing(action: str) -> dict[str, Any]:
    output = {"name": "rows", "kind": "pipeline_data", "datastore": "workspaceblobstore", "mode": "mount"}
    step = parallel()
    return step | {"outputs": [output], "settings": {**step["settings"], "output_action": action, "output": "rows"}}


class Player(Agent):
    """One that notes all work that it was given."""

    def say(self, *reports: dict[str, Any], want: int = 8) -> dict[str, Any]:
        answer = super().say(*reports, want=want)
        self.works = [*getattr(self, "works", ()), *answer["work"]]
        return answer


def lose(attempt: Attempt) -> None:
    """Its host is not heard of any more."""
    Host.objects.filter(pk=attempt.host_id).update(last_seen_at=now() - timedelta(hours=1))
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=now() - timedelta(seconds=1))
    assert lease_expiry.expire() == 1


def take(*agents: Player) -> list[dict[str, Any]]:
    """The work of the newest try, one of each of these."""
    placing.place()
    for each in agents:
        each.say()
    return [each.works[-1] for each in agents]


def members(run: Run, number: int = 1) -> list[Attempt]:
    return list(Attempt.objects.filter(run__root=run, number=number).order_by("node_rank"))


def statuses(run: Run, number: int = 1) -> list[str]:
    return [each.status for each in members(run, number)]


def ask(agent: Agent, work: dict[str, Any], q: int, idle: bool = True, count: int = 10) -> dict[str, Any]:
    path = f"/agent/v1/attempts/{work['attempt']}/{work['epoch']}/share"
    body = json.dumps(
        {"q": q, "count": count, "plan": "p", "processes": 2, "idle": idle, "failed": 0, "items_failed": q}
    )
    answer = Client().put(path, body, content_type="application/json", headers={"Authorization": f"Bearer {agent.key}"})
    return dict(answer.json())


def bring(agent: Agent, work: dict[str, Any], *done: int) -> None:
    """A ledger in which these mini-batches are over."""
    lines = b"".join(b'{"e":"done","at":1.0,"n":%d,"w":0,"i":1,"o":1}\n' % number for number in done)
    path = f"/agent/v1/attempts/{work['attempt']}/{work['epoch']}/ledger?offset=0"
    answer = Client().put(path, lines, "application/octet-stream", headers={"Authorization": f"Bearer {agent.key}"})
    assert answer.status_code == 200, answer.content


def meet(agent: Agent, work: dict[str, Any], address: str) -> dict[str, Any]:
    path = f"/agent/v1/attempts/{work['attempt']}/{work['epoch']}/rendezvous"
    body = json.dumps({"address": address, "ports": [4000, 4001, 4002, 4003]})
    answer = Client().put(path, body, content_type="application/json", headers={"Authorization": f"Bearer {agent.key}"})
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def plan_of(context: WorkspaceContext, chart: str, step: dict[str, Any]) -> list[dict[str, Any]]:
    plan = plan_run(context, experiment="exp", graph=graph_of(context, chart, **step))
    steps: list[dict[str, Any]] = plan.as_document()["steps"]
    return steps


def test_a_plan_places_all_nodes_of_a_step_or_none(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    """As the placement of its run does, on the hosts that can do it."""
    (step,) = plan_of(context, "train", TORCH)
    assert (step["start"], step["host"], step["nodes"]) == ("now", "alpha", 2)
    run = submit_chain(context, "train", step=TORCH)
    placing.place()
    assert [str(each.host) for each in members(run)] == [str(each.host) for each in hosts]
    # Now the nodes are held, and another one is told what its run is.
    other = submit_chain(context, "other", step=TORCH)
    (step,) = plan_of(context, "train", TORCH)
    assert (step["start"], step["host"]) == ("waits", None)
    assert step["waits_for"] == [each.code for each in reasons(members(other)[0])]
    cancel.cancel_tree(run.pk, "ana")
    cancel.cancel_tree(other.pk, "ana")
    Attempt.objects.all().delete()
    Node.objects.all().delete()
    # Of hosts that cannot meet two are too few; a parallel step begins with what there is.
    Host.objects.update(facts={"abilities": ["members"]})
    (step,) = plan_of(context, "train", TORCH)
    assert (step["start"], step["nodes"]) == ("waits", 2) and "no_rendezvous" in step["waits_for"]
    assert plan_of(context, "score", parallel(2))[0]["start"] == "now"


def test_all_nodes_are_given_at_once_or_none(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    alpha, beta = hosts
    Host.objects.filter(pk=beta.host.pk).update(last_seen_at=now() - timedelta(hours=1))
    run = submit_chain(context, "train", step=TORCH)
    placing.place()
    (head,) = members(run)
    assert head.node is None and not Node.objects.filter(status="running").exists(), "nothing is half held"
    assert [each.code for each in reasons(head)][:2] == ["too_large", "silent"]
    Host.objects.filter(pk=beta.host.pk).update(last_seen_at=now())
    other = submit_chain(context, "small")
    placing.place()
    assert [each.node_rank for each in members(run) if each.node] == [0, 1]
    assert [each.node for each in members(other)] == [None]
    works = take(alpha, beta)
    assert [work["spec"]["member"] for work in works] == [
        {"rank": rank, "count": 2, "together": True} for rank in (0, 1)
    ]
    assert len({work["spec"]["token"] for work in works}) == 2


def test_a_step_that_runs_on_one_host_is_not_put_on_an_agent_that_knows_no_members(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    Host.objects.update(facts={"abilities": ["members"]})
    run = submit_chain(context, "train", step=TORCH)
    placing.place()
    assert [each.code for each in reasons(members(run)[0])] == ["nodes", "no_rendezvous", "queue"]


def test_members_hear_of_each_other_once_all_are_ready(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    submit_chain(context, "train", step=TORCH)
    first, second = take(*hosts)
    assert meet(hosts[0], first, "10.0.0.1") == {"members": [], "secret": ""}
    all_ = meet(hosts[1], second, "10.0.0.2")
    assert [each["address"] for each in all_["members"]] == ["10.0.0.1", "10.0.0.2"] and len(all_["secret"]) == 64
    assert meet(hosts[0], first, "10.0.0.1") == all_
    path = f"/agent/v1/attempts/{first['attempt']}/{first['epoch']}/rendezvous"
    for body in (b"[]", b"{}", b'{"address": "", "ports": [0]}'):
        answer = Client().put(path, body, headers={"Authorization": f"Bearer {hosts[0].key}"})
        assert answer.status_code == 400, answer.content


def test_the_step_is_over_when_all_have_ended_and_has_what_the_first_left(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    run = submit_chain(context, "train", step=TORCH)
    first, second = take(*hosts)
    (refused,) = hosts[0].finish(first)["refused"]
    assert refused["code"] == "members_open" and statuses(run) == ["leased", "leased"]
    left = [{"name": "model", "is_directory": True, "files": [{"path": "a", "size": 1, "digest": "0" * 64}]}]
    assert hosts[1].finish(second, outputs=left)["refused"] == []
    assert states(run) == {"train": "Preparing"} and statuses(run) == ["leased", "completed"]
    assert hosts[0].finish(first)["refused"] == []
    assert states(run) == {"train": B.COMPLETED} and Run.objects.get(pk=run.pk).status == B.COMPLETED
    assert not Node.objects.filter(status="running").exists()
    assert "Node 1 has written into model." in str(Run.objects.get(parent=run).warnings)


def test_one_that_fails_ends_the_others_and_its_cause_is_the_steps(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    run = submit_chain(context, "train", step={**TORCH, "retries": 1})
    first, second = take(*hosts)
    hosts[1].finish(second, exit_code=1, cause="user_error", message="ValueError: no")
    (asked,) = hosts[0].say()["cancel"]
    assert asked["attempt"] == first["attempt"] and states(run) == {"train": "Preparing"}
    hosts[0].finish(first, exit_code=None, canceled=True)
    assert statuses(run) == ["canceled", "failed"]
    again = members(run, 2)
    assert [(each.node_count, each.min_nodes, bool(each.node)) for each in again] == [(2, 2, True)] * 2, "all again"
    first, second = take(*hosts)
    assert statuses(run, 2) == ["leased", "leased"]
    hosts[1].finish(second, exit_code=1, cause="user_error", message="ValueError: no")
    assert hosts[0].finish(first)["refused"] == [], "what it did by itself is over, too"
    step = Run.objects.get(parent=run)
    assert step.status == B.FAILED and "ValueError: no" in step.error["message"]


def test_the_loss_of_a_host_is_the_loss_of_all(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    run = submit_chain(context, "train", step=TORCH)
    first, _second = take(*hosts)
    hosts[0].finish(first, exit_code=1, cause="user_error", message="connection reset by peer")
    lose(members(run)[1])
    assert statuses(run) == ["failed", "lost"] and statuses(run, 2) == ["queued"]
    Host.objects.update(last_seen_at=now())
    placing.place()
    assert statuses(run, 2) == ["queued", "queued"]
    Host.objects.filter(pk=members(run, 2)[1].host_id).update(last_seen_at=now() - timedelta(hours=1))
    assert host_removal.give_back_unfetched() >= 1
    assert set(statuses(run, 2)) == {"lost", "canceled"}, "nobody had it yet: it is lost as a whole"
    assert statuses(run, 3) == ["queued"] and members(run, 3)[0].node is None


def test_a_cancel_ends_all(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    run = submit_chain(context, "train", step=TORCH)
    placing.place()
    (first,) = hosts[0].say()["work"]
    cancel.cancel_run(context, run)
    assert statuses(run) == ["leased", "canceled"], "one that no agent has ends at once"
    assert [each["attempt"] for each in hosts[0].say()["cancel"]] == [first["attempt"]]
    hosts[0].finish(first, exit_code=None, canceled=True)
    assert states(run) == {"train": B.CANCELED} and not Node.objects.filter(status="running").exists()


def test_a_parallel_step_begins_with_one_node_and_goes_on_without_one_that_is_lost(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    busy = submit_chain(context, "busy")
    placing.place()
    run = submit_chain(context, "score", step=parallel(3))
    placing.place()
    assert [bool(each.node) for each in members(run)] == [True, False, False]
    for each in hosts:
        each.say()
    own, done = (members(each)[0] for each in (run, busy))
    of = {work["attempt"]: (each, work) for each in hosts for work in each.works}
    of[str(done.pk)][0].finish(of[str(done.pk)][1])
    placing.place()
    assert [bool(each.node) for each in members(run)] == [True, True, False], "the next one when a node comes free"
    for each in hosts:
        each.say()
    works = {work["attempt"]: (each, work) for each in hosts for work in each.works}
    lose(own)
    assert states(run) == {"score": "Preparing"} and not members(run, 2), "the other one goes on"
    stands, lost = members(run)[:2]
    assert (stands.status, lost.status, lost.pk) == ("leased", "lost", own.pk)
    agent_, work = works[str(stands.pk)]
    assert ask(agent_, work, 1, count=0)["join"]
    agent_.finish(work)
    assert states(run) == {"score": B.COMPLETED}
    assert statuses(run) == ["completed", "lost", "canceled"]


def test_a_parallel_step_fails_with_what_its_script_fails_by_and_is_lost_with_its_last_node(
    context: WorkspaceContext,
    cluster: ComputeTarget,
    hosts: tuple[Player, Player],
) -> None:
    run = submit_chain(context, "score", step=parallel())
    placing.place()
    first, second = take(*hosts)
    assert hosts[1].finish(second)["refused"] == [], "what is over has nothing more to do"
    lose(members(run)[0])
    Host.objects.update(last_seen_at=now())
    assert states(run) == {"score": "Queued"} and statuses(run, 2)[0] == "queued"
    placing.place()
    first, second = take(*hosts)
    hosts[1].finish(second, exit_code=1, cause="user_error", message="too many items have failed")
    hosts[0].finish(first, exit_code=143, canceled=True)
    step = Run.objects.get(parent=run)
    assert step.status == B.FAILED and step.error["message"] == "too many items have failed"


def test_mini_batches_are_shared_out_and_those_of_a_lost_node_go_to_the_other(
    context: WorkspaceContext, cluster: ComputeTarget, hosts: tuple[Player, Player]
) -> None:
    run = submit_chain(context, "score", step=writing("summary_only"))
    placing.place()
    first, second = take(*hosts)
    assert ask(hosts[0], first, 1)["ranges"] == [[0, 3]]
    assert ask(hosts[0], first, 1)["ranges"] == [[0, 3]], "the same question once more"
    assert ask(hosts[1], second, 1)["ranges"] == [[3, 5]]
    other = ask(hosts[1], second, 2, count=11)["error"]
    assert other["code"] == "other_plan" and "11 mini-batches that are not those" in other["message"]
    assert ask(hosts[0], first, 2)["ranges"] == [[0, 3], [5, 7]]
    assert ask(hosts[0], first, 3)["ranges"] == [[0, 3], [5, 7], [7, 9]]
    assert ask(hosts[0], first, 4)["ranges"][3:] == [[9, 10]]
    waits = ask(hosts[0], first, 5)
    assert (len(waits["ranges"]), waits["join"], waits["over"], waits["items_failed"]) == (4, False, False, 1)
    bring(hosts[1], second, 3)
    lose(members(run)[1])
    # Nothing of what the script wrote on the lost host is here.
    assert ask(hosts[0], first, 5)["ranges"][4:] == [[3, 5]]
    last = ask(hosts[0], first, 6)
    assert last["join"] and last["ledgers"] == [] and last["kept"] == []


def test_of_a_lost_node_the_rows_in_its_ledger_count(
    context: WorkspaceContext, cluster: ComputeTarget, hosts: tuple[Player, Player]
) -> None:
    run = submit_chain(context, "score", step=writing("append_row"))
    placing.place()
    first, second = take(*hosts)
    assert ask(hosts[1], second, 1)["ranges"] == [[0, 3]]
    bring(hosts[1], second, 0, 2)
    lose(members(run)[1])
    got = [ask(hosts[0], first, q) for q in range(1, 9)]
    assert got[0]["ranges"] == [[1, 2]] and sorted(n for a, b in got[-1]["ranges"] for n in range(a, b)) == [
        1,
        *range(3, 10),
    ]
    assert got[-1]["join"] and [each["path"] for each in got[-1]["ledgers"]] == [f"{second['attempt']}.jsonl"]
    fetched = Client().get(got[-1]["ledgers"][0]["get"], headers={"Authorization": f"Bearer {hosts[0].key}"})
    assert fetched.status_code == 200 and fetched.getvalue().count(b"done") == 2


def test_the_end_of_a_node_that_was_through_is_no_result(
    context: WorkspaceContext, cluster: ComputeTarget, hosts: tuple[Player, Player]
) -> None:
    run = submit_chain(context, "score", step=parallel())
    placing.place()
    first, second = take(*hosts)
    ask(hosts[0], first, 1, count=1)
    ask(hosts[0], first, 2, count=1)
    assert ask(hosts[1], second, 1, count=1)["over"]
    assert not ask(hosts[0], first, 2, count=1)["join"], "the other one has not ended"
    lose(members(run)[0])
    Host.objects.update(last_seen_at=now())
    hosts[1].finish(second)
    assert statuses(run) == ["lost", "lost"] and statuses(run, 2)[0] == "queued", "it is done again, not half a result"
