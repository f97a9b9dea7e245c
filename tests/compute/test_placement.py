"""Placement refuses if and only if it gives a reason, and never gives more than there is."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from compute.placement import GIB, Cluster, IdleNode, Machine, Size, place, warning

SMALL = Size(1, 2 * GIB)


def machine(number: int, cores: float = 4, gpus: int = 0, free: float | None = None) -> Machine:
    has = Size(cores, int(cores * 4 * GIB), gpus)
    left = cores if free is None else free
    return Machine(UUID(int=number), f"host-{number}", has, Size(left, int(left * 4 * GIB), gpus))


def cluster(size: Size = SMALL, max_nodes: int = 4, elastic: bool = True) -> Cluster:
    return Cluster("cpu", size, "SIZE", max_nodes, elastic)


def steps(count: int) -> list[UUID]:
    return [UUID(int=1000 + i) for i in range(count)]


def test_an_idle_node_is_taken_before_a_new_one_is_made():
    idle = [IdleNode(UUID(int=7), UUID(int=1), SMALL)]
    answer = place(steps(2), cluster(), idle, 1, [machine(1)])
    assert answer.reused == ((UUID(int=1000), UUID(int=7)),)
    assert [step for step, _ in answer.made] == [UUID(int=1001)]
    assert answer.reasons == ()


def test_a_full_cluster_says_so():
    answer = place(steps(1), cluster(max_nodes=2), [], 2, [machine(1)])
    assert [reason.code for reason in answer.reasons] == ["cluster_full"]


def test_a_full_host_says_how_much_is_left():
    answer = place(steps(1), cluster(), [], 0, [machine(1, free=0.5)])
    assert [reason.code for reason in answer.reasons] == ["host_full"]
    assert "0.5 cores free" in answer.reasons[0].text


def test_elastic_shrinks_with_a_warning_and_strict_waits_with_a_reason():
    gpu = Size(6, 56 * GIB, 1)
    elastic = place(steps(1), cluster(gpu), [], 0, [machine(1, cores=2)])
    assert "1 GPU (it has none)" in elastic.made[0][1].warning
    strict = place(steps(1), cluster(gpu, elastic=False), [], 0, [machine(1, cores=2)])
    assert [reason.code for reason in strict.reasons] == ["too_large"]


def test_without_a_host_the_reason_is_that():
    assert [reason.code for reason in place(steps(1), cluster(), [], 0, []).reasons] == ["no_host"]


def test_the_warning_names_all_that_is_short():
    text = warning(cluster(Size(8, 64 * GIB, 2)), machine(1, cores=2))
    assert "2 GPU" in text
    assert "8 cores" in text
    assert "64 GiB" in text


@given(
    st.integers(0, 8),
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from([1, 2, 4, 8]), st.floats(0, 8)), max_size=4),
    st.sampled_from([SMALL, Size(2, 7 * GIB), Size(6, 56 * GIB, 1)]),
    st.booleans(),
)
def test_reasons_are_given_if_and_only_if_a_step_waits_and_no_host_is_overbooked(
    count, max_nodes, hosts, size, elastic
):
    machines = [machine(i + 1, cores, free=min(free, cores)) for i, (cores, free) in enumerate(hosts)]
    queue = steps(count)
    answer = place(queue, cluster(size, max_nodes, elastic), [], 0, machines)
    placed = len(answer.reused) + len(answer.made)
    assert bool(answer.reasons) == (placed < count)
    assert len(answer.made) <= max_nodes
    for host in machines:
        taken = [new.takes for _, new in answer.made if new.machine == host.id]
        assert sum(t.cores for t in taken) <= host.free.cores + 1e-6
        assert sum(t.memory for t in taken) <= host.free.memory
