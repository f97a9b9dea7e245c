"""Placement refuses if and only if it gives a reason, never gives more than there is, and keeps the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from compute import stored_messages
from compute.blockers import fair_share, queued
from compute.fair_queue import in_order
from compute.models import Node
from compute.placement import place
from compute.placement_types import (
    GIB,
    NOTHING,
    Cluster,
    Device,
    HostState,
    NodeState,
    Placement,
    PlacementRequest,
    Size,
    warning,
)

SMALL = Size(1, 2 * GIB)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CPU, GPU = UUID(int=1), UUID(int=2)
ANA, BEA = UUID(int=71), UUID(int=72)
CONDA = frozenset({"conda"})


def host_state(number: int, cores: float = 4, gpus: int = 0, **more: Any) -> HostState:
    devices = tuple(Device(f"GPU-{number}-{i}", "A100", 80 * GIB) for i in range(gpus))
    return HostState(
        UUID(int=number), f"host-{number}", Size(cores, int(cores * 4 * GIB), gpus), **{"devices": devices, **more}
    )


def cluster(size: Size = SMALL, max_nodes: int = 4, elastic: bool = True, key: UUID = CPU, **more: Any) -> Cluster:
    return Cluster(key, "cpu" if key == CPU else "gpu", size, "SIZE", max_nodes, elastic, **more)


def steps(count: int, key: UUID = CPU, first: int = 1000, **more: Any) -> list[PlacementRequest]:
    return [PlacementRequest(UUID(int=first + i), key, **more) for i in range(count)]


def busy(number: int, on: int, takes: Size = SMALL, key: UUID = CPU, **more: Any) -> NodeState:
    return NodeState(UUID(int=number), key, UUID(int=on), takes, **{"is_busy": True, **more})


def idle(number: int, on: int, takes: Size = SMALL, **more: Any) -> NodeState:
    return busy(number, on, takes, is_busy=False, **more)


def codes(answer: Placement, need: PlacementRequest) -> list[str]:
    return [reason.code for reason in answer.reasons(need.id)]


def text(answer: Placement, need: PlacementRequest) -> str:
    return " ".join(reason.text for reason in answer.reasons(need.id))


# --- where ---


def test_an_idle_node_is_taken_before_a_new_one_is_made() -> None:
    answer = place(steps(2), [cluster()], [idle(7, on=1)], [host_state(1)])
    assert [each.slot for each in answer.given] == [UUID(int=7), None]
    assert not answer.refused


def test_a_host_with_the_environment_then_one_with_the_inputs_then_the_emptiest_is_chosen() -> None:
    hosts = [host_state(1, 8), host_state(2, 4), host_state(3, 2)]
    near = PlacementRequest(UUID(int=1000), CPU, ready=frozenset({UUID(int=3)}), inputs=frozenset({UUID(int=2)}))
    assert place([near], [cluster()], [], hosts).given[0].node.host == UUID(int=3)
    assert place([near], [cluster()], [], hosts[:2]).given[0].node.host == UUID(int=2)
    assert place(steps(1), [cluster()], [], hosts).given[0].node.host == UUID(int=1)


def test_of_hosts_that_have_the_environment_the_one_with_most_of_the_inputs_in_its_cache_is_chosen() -> None:
    hosts, slots = [host_state(1, 8), host_state(2, 4), host_state(3, 2)], [idle(7, on=1)]
    first, second, third = (UUID(int=number) for number in (1, 2, 3))

    def chosen(**more: Any) -> UUID:
        return place([PlacementRequest(UUID(int=1000), CPU, **more)], [cluster()], slots, hosts).given[0].node.host

    assert chosen() == first, "an idle node, and most that is free"
    assert chosen(cached={second: 5}) == chosen(cached={second: 5, third: 4}) == second
    assert chosen(cached={second: 5, third: 6}, inputs=frozenset({second})) == third
    assert chosen(cached={third: 10**12}, ready=frozenset({second})) == second


def test_an_idle_node_that_cannot_serve_makes_way_for_one_elsewhere() -> None:
    slots = [idle(7, on=1), busy(8, on=1, takes=Size(4, 16 * GIB), key=GPU)]
    answer = place(steps(1), [cluster(max_nodes=1)], slots, [host_state(1), host_state(2)])
    assert (answer.given[0].node.host, answer.given[0].leaves) == (UUID(int=2), UUID(int=7))


def test_only_where_no_host_has_all_of_the_size_is_it_shrunk() -> None:
    size = Size(6, 24 * GIB)
    hosts = [host_state(1, 2), host_state(2, 8)]
    first = place(steps(2), [cluster(size)], [], hosts)
    assert [each.node.host for each in first.given] == [UUID(int=2)]
    assert codes(first, steps(2)[1]) == ["host_full"]
    alone = place(steps(1), [cluster(size)], [], hosts[:1])
    assert "6 cores (it has 2)" in alone.given[0].node.warning["text"]


def test_an_idle_node_gets_other_devices_when_its_own_are_taken() -> None:
    host = host_state(1, 8, gpus=2)
    size = Size(1, GIB, 1)
    slots = [
        idle(7, on=1, takes=size, key=GPU, gpus=("GPU-1-0",)),
        busy(8, on=1, takes=size, key=CPU, gpus=("GPU-1-0",)),
    ]
    (got,) = place(steps(1, GPU), [cluster(size, key=GPU)], slots, [host]).given
    assert (got.slot, got.gpus) == (UUID(int=7), ("GPU-1-1",))


def test_a_device_that_others_compute_on_is_not_given_and_the_reason_says_so() -> None:
    devices = (Device("GPU-a", "A100", 80 * GIB, 70 * GIB), Device("GPU-b", "A100", 80 * GIB, GIB))
    host = host_state(1, 8, devices=devices)
    host = HostState(host.id, host.name, Size(8, 32 * GIB, 2), devices)
    needs = steps(2, GPU)
    answer = place(needs, [cluster(Size(1, GIB, 1), key=GPU)], [], [host])
    assert [each.gpus for each in answer.given] == [("GPU-b",)]
    assert codes(answer, needs[1]) == ["no_gpu"]
    assert "10 GiB of 80 GiB are free: something outside the studio uses it" in text(answer, needs[1])


# --- why not ---


def test_each_blocker_is_named_with_its_numbers() -> None:
    one = steps(1)
    drained = host_state(2, drained_at=NOW)
    silent = host_state(3, is_alive=False, seen_at=NOW)
    full = [busy(7, on=1, takes=Size(3.5, GIB), key=GPU, holder="ana on gpu")]
    table: list[tuple[list[str], str, Cluster, Sequence[NodeState], list[HostState]]] = [
        (["no_host"], "No host is connected", cluster(), [], []),
        (["no_host"], "attached to cpu", cluster(hosts=frozenset({UUID(int=9)})), [], [host_state(1)]),
        (["silent"], "host-3 (last heard of 2026-01-01 12:00 UTC)", cluster(), [], [silent]),
        (["drained"], "host-2 (since 2026-01-01 12:00 UTC)", cluster(), [], [drained]),
        (["host_kind"], "needs a host that runs containers", cluster(launcher="docker"), [], [host_state(1)]),
        (["too_large"], "9 cores, 8 GiB", cluster(Size(9, 8 * GIB), elastic=False), [], [host_state(1)]),
        (["no_gpu"], "0 of 1 GPU of host-1 are free", cluster(Size(1, GIB, 1)), [busy(5, 1, Size(1, 1, 1), GPU, gpus=("GPU-1-0",))], [host_state(1, gpus=1)]),
        (["cluster_full"], "The one node of cpu is busy: bea (1 node: 1 core, 2 GiB)", cluster(max_nodes=1), [busy(5, 1, holder="bea")], [host_state(1)]),
        (["host_full"], "host-1 has 0.5 cores, 15 GiB free; a node of cpu takes 1 core, 2 GiB. Held by ana on gpu (1 node: 3.5 cores, 1 GiB).", cluster(), full, [host_state(1)]),
        (["silent", "drained", "host_full"], "", cluster(), full, [host_state(1), drained, silent]),
        (["cluster_full", "host_full"], "", cluster(max_nodes=1), [busy(5, 1), *full], [host_state(1)]),
    ]  # fmt: skip
    for expected, words, wanted, slots, hosts in table:
        answer = place(one, [wanted], slots, hosts)
        assert codes(answer, one[0]) == expected, words
        assert words in text(answer, one[0])


def test_conda_packages_need_a_host_that_can_build_them() -> None:
    one, plain, able = (
        PlacementRequest(UUID(int=1000), CPU, needs=CONDA),
        host_state(1, 8),
        host_state(2, 2, abilities=CONDA),
    )
    assert place([one], [cluster()], [], [plain, able]).given[0].node.host == able.id
    idle_elsewhere = place([one], [cluster(max_nodes=1)], [idle(7, on=1)], [plain, able])
    assert (idle_elsewhere.given[0].node.host, idle_elsewhere.given[0].leaves) == (able.id, UUID(int=7))
    lacking = place([one], [cluster()], [], [plain])
    assert codes(lacking, one) == ["no_conda"] and "host-1 (runs processes)" in text(lacking, one)
    full = place([one], [cluster()], [busy(7, on=2, takes=Size(2, GIB), key=GPU)], [plain, able])
    assert codes(full, one) == ["host_full"] and "host-2 has 0 cores" in text(full, one)
    small = place([one], [cluster(Size(4, GIB), elastic=False)], [], [plain, able])
    assert codes(small, one) == ["too_large"] and "host-1" not in text(small, one)
    silent = host_state(2, is_alive=False, abilities=CONDA)
    assert codes(place([one], [cluster()], [], [plain, silent]), one) == ["silent", "no_conda"]
    # Whoever comes later waits behind it, as behind any other.
    later = PlacementRequest(UUID(int=1001), CPU)
    assert codes(place([one, later], [cluster()], [], [plain]), later) == ["no_conda"]


def test_steps_of_r_go_where_r_is() -> None:
    one, plain = PlacementRequest(UUID(int=1000), CPU, needs=frozenset({"r"})), host_state(1, 8)
    able = host_state(2, 2, abilities=frozenset({"r"}))
    assert place([one], [cluster()], [], [plain, able]).given[0].node.host == able.id
    lacking = place([one], [cluster()], [], [plain])
    assert codes(lacking, one) == ["no_r"] and "Rscript" in text(lacking, one) and "r-base-core" in text(lacking, one)
    both = PlacementRequest(UUID(int=1001), CPU, needs=CONDA | {"r"})
    apart = place([both], [cluster()], [], [able, host_state(3, abilities=CONDA)])
    assert codes(apart, both) == ["no_conda", "no_r"], "each is there, but no host has both"


def test_a_cluster_that_was_made_smaller_takes_no_step_before_it_is_below_its_size() -> None:
    one, slots = steps(1), [busy(5, 1), busy(6, 1), idle(7, 1)]
    answer = place(one, [cluster(max_nodes=2)], slots, [host_state(1)])
    assert codes(answer, one[0]) == ["cluster_full"]


def test_a_retry_waits_for_its_delay_and_lets_others_go_first() -> None:
    late = PlacementRequest(UUID(int=1000), CPU, not_before=NOW + timedelta(seconds=30))
    other = PlacementRequest(UUID(int=1001), CPU)
    answer = place([late, other], [cluster()], [], [host_state(1)], at=NOW)
    assert [each.need for each in answer.given] == [other.id]
    assert codes(answer, late) == ["retry_delay"]
    assert "30 s" in text(answer, late)
    assert not place([late], [cluster()], [], [host_state(1)], at=NOW + timedelta(seconds=30)).refused


def test_the_warning_names_all_that_is_short() -> None:
    kept = warning(cluster(Size(8, 64 * GIB, 2)), host_state(1, cores=2))
    assert kept["text"].count(" and ") == 2
    for part in ("2 GPU (it has none)", "8 cores (it has 2)", "64 GiB of memory"):
        assert part in kept["text"]
    with translation.override("pt-pt"):
        message = stored_messages.localized(kept)
    assert (
        "2 GPU (não tem nenhuma)" in message
        and "8 núcleos (tem 2)" in message
        and "asks" not in message
        and " and " not in message
    )


def test_a_node_of_an_older_studio_tells_its_warning_as_it_was_kept() -> None:
    text = warning(cluster(Size(8, 64 * GIB, 2)), host_state(1, cores=2))["text"]
    with translation.override("pt-pt"):
        assert Node(warning=text).localized_warning == Node(warning=text).kept_warning == text


# --- in which order ---


def test_priority_comes_before_shares_and_shares_before_age() -> None:
    needs = [
        PlacementRequest(UUID(int=1), CPU, user=ANA, who="ana"),
        PlacementRequest(UUID(int=2), CPU, user=ANA, who="ana"),
        PlacementRequest(UUID(int=3), CPU, user=BEA, who="bea"),
        PlacementRequest(UUID(int=4), CPU, user=BEA, priority=5, who="bea"),
    ]
    order = [need.id.int for need in in_order(needs, {}, Size(4, 16 * GIB), SMALL)]
    assert order == [4, 1, 2, 3]
    held = {ANA: Size(2, GIB)}
    line = in_order(needs, held, Size(4, 16 * GIB), SMALL)
    assert [need.id.int for need in line] == [4, 3, 1, 2]
    (reason,) = fair_share(needs[0], line, held)
    assert (
        reason.text
        == "1 step that came later goes first, to share fairly: ana's running steps hold 2 cores, 1 GiB, bea's 0 cores, 0 B."
    )
    assert queued(needs[0], line, cluster(), NOW).facts["ahead"] == 2


def test_a_large_step_that_waits_is_not_overtaken_for_ever_by_small_ones_of_another_cluster() -> None:
    large = cluster(Size(4, 4 * GIB), key=GPU)
    running = [busy(5, 1), busy(6, 1)]
    needs = [*steps(1, GPU), *steps(1, CPU, first=2000)]
    answer = place(needs, [cluster(), large], running, [host_state(1)])
    assert not answer.given
    assert "Kept: 4 cores, 4 GiB for the next step of gpu, which comes first." in text(answer, needs[1])
    with_room = place(needs, [cluster(), large], running, [host_state(1, 7)])
    assert [each.cluster for each in with_room.given] == [GPU, CPU]


# --- what always holds ---

SIZES = st.sampled_from([SMALL, Size(2, 7 * GIB), Size(6, 56 * GIB, 1), Size(1, GIB, 2)])


@st.composite
def queues(draw: st.DrawFn, ids: list[UUID]) -> list[PlacementRequest]:
    """Steps that wait, whose environments and inputs are on some of the hosts."""
    users = st.sampled_from([None, ANA, BEA])
    return [
        PlacementRequest(
            UUID(int=1000 + number), draw(st.sampled_from([CPU, GPU])), draw(st.integers(0, 2)), draw(users),
            not_before=draw(st.sampled_from([None, None, NOW + timedelta(seconds=9)])), ready=frozenset(ids[-1:]),
            cached={each: draw(st.integers(0, 2)) for each in ids[:3]}, inputs=frozenset(ids[:1]), needs=draw(st.sampled_from([NOTHING, NOTHING, CONDA, CONDA | {"r"}])),
            nodes=draw(st.sampled_from([1, 1, 1, 2, 3])), since=draw(st.sampled_from([None, NOW])),
        )
        for number in range(draw(st.integers(0, 8)))
    ]  # fmt: skip


@st.composite
def worlds(
    draw: st.DrawFn,
) -> tuple[list[PlacementRequest], list[Cluster], list[NodeState], list[HostState], dict[UUID | None, Size]]:
    """Hosts of all kinds, clusters of all kinds, nodes as earlier rounds may have left them, and a queue."""
    hosts = []
    for number in range(draw(st.integers(0, 4))):
        gpus = draw(st.integers(0, 3))
        devices = tuple(
            Device(f"GPU-{number}-{i}", "A100", 80 * GIB, draw(st.sampled_from([None, 0, 70 * GIB])))
            for i in range(gpus)
        )
        hosts.append(
            host_state(
                100 + number, draw(st.sampled_from([1, 2, 4, 8])), gpus, devices=devices,
                is_alive=draw(st.booleans()) or draw(st.booleans()), launcher=draw(st.sampled_from(["process", "docker", "slurm"])),
                drained_at=draw(st.sampled_from([None, None, NOW])),
                abilities=draw(st.sampled_from([NOTHING, CONDA, CONDA | {"r"}, frozenset({"r"})])),
            )
        )  # fmt: skip
    ids = [each.id for each in hosts]
    clusters = [
        cluster(
            draw(SIZES), draw(st.integers(1, 4)), draw(st.booleans()), key, launcher=draw(st.sampled_from(["", "docker"])),
            hosts=draw(st.none() | st.sets(st.sampled_from(ids)).map(frozenset)) if ids else None,
        )
        for key in (CPU, GPU)
    ]  # fmt: skip
    slots: list[NodeState] = []
    for number in range(draw(st.integers(0, 3)) if hosts else 0):
        on, of = draw(st.sampled_from(hosts)), draw(st.sampled_from(clusters))
        given_before = place(steps(1, of.id, first=5000 + number), clusters, slots, [on])
        for each in given_before.given:
            slots = [slot for slot in slots if slot.id not in (each.slot, each.leaves)]
            slots.append(
                NodeState(UUID(int=600 + number), of.id, on.id, each.node.takes, each.gpus, is_busy=draw(st.booleans()))
            )
    return draw(queues(ids)), clusters, slots, hosts, {ANA: Size(draw(st.integers(0, 3)), GIB)}


@given(worlds())
@settings(max_examples=400, deadline=None)
def test_a_step_is_refused_if_and_only_if_there_is_a_reason(world: Any) -> None:
    needs, clusters, slots, hosts, held = world
    answer = place(needs, clusters, slots, hosts, held, NOW)
    got = Counter(each.need for each in answer.given)
    assert all(got[need.id] in (0, need.nodes) for need in needs), "all its nodes, or none"
    able, needed = {each.id: each.abilities for each in hosts}, {need.id: need.needs for need in needs}
    assert all(needed[each.need] <= able[each.node.host] for each in answer.given)
    for need in needs:
        assert (need.id in got) != bool(answer.reasons(need.id))
        assert all(reason.text and reason.code for reason in answer.reasons(need.id))


@given(worlds())
@settings(max_examples=400, deadline=None)
def test_no_host_device_or_cluster_is_ever_given_more_than_it_has(world: Any) -> None:
    needs, clusters, slots, hosts, held = world
    answer = place(needs, clusters, slots, hosts, held, NOW)
    running = [slot for slot in slots if slot.is_busy]
    for host in hosts:
        new = [each for each in answer.given if each.node.host == host.id]
        there = [slot for slot in running if slot.host == host.id]
        if host.is_queue:  # its own queue sees to it; here nothing is asked for that no node of it has
            assert all(each.node.takes.fits(host.has) for each in new)
            continue
        total = sum((each.node.takes for each in new), sum((slot.takes for slot in there), Size()))
        assert total.cores <= host.has.cores + 1e-6
        assert total.memory <= host.has.memory
        devices = [gpu for each in new for gpu in each.gpus]
        assert all(len(each.gpus) == each.node.takes.gpus for each in new)
        all_devices = [*devices, *(gpu for slot in there for gpu in slot.gpus)]
        assert len(all_devices) == len(set(all_devices))
        assert set(devices) <= {device.uuid for device in host.devices if device.has_room}
    for each in clusters:
        mine = [got for got in answer.given if got.cluster == each.id]
        assert len(mine) + sum(slot.cluster == each.id for slot in running) <= max(
            each.max_nodes, sum(slot.cluster == each.id for slot in running)
        )
        gone = [got.leaves for got in mine if got.leaves]
        present = sum(slot.cluster == each.id for slot in slots) + sum(got.slot is None for got in mine) - len(gone)
        assert present <= max(each.max_nodes, sum(slot.cluster == each.id for slot in slots))
    used = [got.slot for got in answer.given if got.slot] + [got.leaves for got in answer.given if got.leaves]
    assert len(used) == len(set(used))


def test_a_queue_gets_as_many_steps_as_the_cluster_may_have_whatever_they_take() -> None:
    slurm, gpus = host_state(1, 2, launcher="slurm"), host_state(2, 4, 2, launcher="slurm")
    answer = place(steps(5), [cluster(Size(2, GIB), 3)], [busy(601, 1, Size(2, GIB))], [slurm])
    assert len(answer.given) == 2
    assert [reason.code for reason in answer.reasons(UUID(int=1002))] == ["cluster_full"]
    # Which of its devices a step gets is the queue's choice.
    answer = place(steps(3, GPU), [cluster(Size(1, GIB, 2), 3, key=GPU)], [], [gpus])
    assert [len(each.gpus) for each in answer.given] == [2, 2, 2]
    large = place(steps(1), [cluster(Size(3, GIB), elastic=False)], [], [slurm])
    assert [reason.code for reason in large.reasons(UUID(int=1000))] == ["too_large"]


@given(worlds())
@settings(max_examples=400, deadline=None)
def test_of_one_cluster_nobody_is_served_before_one_who_comes_first(world: Any) -> None:
    needs, clusters, slots, hosts, held = world
    answer = place(needs, clusters, slots, hosts, held, NOW)
    got = {each.need for each in answer.given}
    ready = [need for need in needs if need.not_before is None]
    for first in ready:
        for second in ready:
            comes_first = first.cluster == second.cluster and (
                first.priority > second.priority
                or (first.priority == second.priority and first.user == second.user and first.id < second.id)
            )
            if comes_first and second.id in got and first.nodes == 1:
                assert first.id in got


@given(st.lists(st.tuples(st.sampled_from([CPU, GPU]), st.integers(1, 4)), min_size=2, max_size=8), st.data())
@settings(max_examples=150, deadline=None)
def test_steps_of_several_nodes_never_block_each_other_and_none_waits_for_ever(
    asked: list[tuple[UUID, int]], data: st.DataObject
) -> None:
    """Small steps of both clusters come all the time; what was there at first begins within some rounds all the same."""
    hosts, clusters = [host_state(1, 4), host_state(2, 4)], [cluster(), cluster(key=GPU)]
    waiting = [
        PlacementRequest(UUID(int=1000 + i), key, nodes=nodes, since=NOW) for i, (key, nodes) in enumerate(asked)
    ]
    first = {need.id for need in waiting}
    running: dict[UUID, list[NodeState]] = {}
    moment, number = NOW, 5000
    for _ in range(60):
        for key in (CPU, GPU):
            number += 1
            waiting.append(PlacementRequest(UUID(int=number), key, since=moment))
        slots = [slot for mine in running.values() for slot in mine]
        for each in place(waiting, clusters, slots, hosts, at=moment).given:
            number += 1
            slot = NodeState(UUID(int=number), each.cluster, each.node.host, each.node.takes, is_busy=True)
            running.setdefault(each.need, []).append(slot)
        waiting = [need for need in waiting if need.id not in running]
        if not first & {need.id for need in waiting}:
            return
        ended = data.draw(st.sets(st.sampled_from(sorted(running)), min_size=1)) if running else set()
        for key in ended | {next(iter(running), UUID(int=0))}:
            running.pop(key, None)
        moment += timedelta(seconds=5)
    raise AssertionError("a step still waits")


def test_a_step_of_several_nodes_is_overtaken_for_a_while_and_then_has_them_kept() -> None:
    gang = PlacementRequest(UUID(int=1), CPU, nodes=3, since=NOW)
    small = steps(2)
    there = [busy(7, on=1), busy(8, on=1)]
    young = place([gang, *small], [cluster()], there, [host_state(1)], at=NOW)
    assert [each.need for each in young.given] == [need.id for need in small] and codes(young, gang) == ["nodes"]
    assert "needs 3 nodes of cpu at once, of which 2 are free" in text(young, gang)
    later = place([gang, *small], [cluster()], there, [host_state(1)], at=NOW + timedelta(minutes=2))
    assert not later.given and codes(later, small[0]) == ["nodes_kept"]
    other = place(
        [gang, *steps(4, GPU, 2000)],
        [cluster(), cluster(key=GPU)],
        there,
        [host_state(1)],
        at=NOW + timedelta(minutes=2),
    )
    assert not other.given, "neither does another cluster take the room that is kept on the host"
    done = place([gang, *small], [cluster()], [there[0]], [host_state(1)], at=NOW + timedelta(minutes=2))
    assert [each.need for each in done.given] == [gang.id] * 3


def test_what_a_cluster_can_never_give_blocks_nobody_and_says_so() -> None:
    for nodes, most, words in ((5, 4, "cpu has 4 at most"), (4, 6, "the hosts of cpu have room for 2")):
        gang = PlacementRequest(UUID(int=1), CPU, nodes=nodes)
        answer = place([gang, *steps(1)], [cluster(max_nodes=most)], [], [host_state(1, 4 if most == 4 else 2)], at=NOW)
        assert codes(answer, gang)[0] == "too_large" and words in text(answer, gang)
        assert len(answer.given) == 1


@given(st.lists(st.sampled_from([ANA, BEA]), max_size=12), st.integers(1, 8))
def test_users_who_wait_share_alike(users: list[UUID], context: int) -> None:
    needs = [PlacementRequest(UUID(int=1000 + number), CPU, user=user) for number, user in enumerate(users)]
    answer = place(needs, [cluster(max_nodes=context)], [], [host_state(1, 16)])
    by_id = {need.id: need.user for need in needs}
    counts = Counter(by_id[each.need] for each in answer.given)
    for one, other in ((ANA, BEA), (BEA, ANA)):
        waits = any(need.user == one and need.id in answer.refused for need in needs)
        assert not waits or counts[one] + 1 >= counts[other]
