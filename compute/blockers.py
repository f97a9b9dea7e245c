"""What keeps a cluster's next step from a place, in the order in which a person would remove it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from compute.fleet import GIB, Cluster, Machine, Need, Reason, Size, Slot, reservation
from compute.line import User
from compute.room import Room, takes_steps
from core.clock import iso

LAUNCHERS = {"process": "processes", "docker": "containers"}
NAMED = 5


def blockers(cluster: Cluster, room: Room, conda: bool = False) -> tuple[Reason, ...]:
    """Why no step of the cluster gets a place now, or with `conda` none with conda packages; empty if and only if one
    can."""
    full = [_cluster_full(cluster, room)] if room.busy[cluster.id] >= cluster.max_nodes else []
    if room.fitting(cluster, conda):
        return tuple(full)
    away = [*_no_host(cluster, room), *_out_of_reach(cluster, room), *_too_small(cluster, room, conda)]
    away += _no_conda(cluster, room) if conda else []
    return (*away, *_no_devices(cluster, room, conda), *full, *_no_room(cluster, room, conda))


def delay(need: Need, at: datetime | None) -> tuple[Reason, ...]:
    """A retry that is not to begin yet."""
    if need.not_before is None or at is None or need.not_before <= at:
        return ()
    seconds = (need.not_before - at) / timedelta(seconds=1)
    text = f"It is tried again in {_seconds(seconds)}, as its step's retry delay says."
    return (Reason("retry_delay", text, {"not_before": iso(need.not_before), "seconds": round(seconds, 1)}),)


def fair_share(need: Need, line: Sequence[Need], held: Mapping[User, Size]) -> tuple[Reason, ...]:
    """Steps of the same priority that came later and go first, because their users hold less."""
    ahead = line[: line.index(need)]
    later = [each for each in ahead if each.priority == need.priority and each.id > need.id]
    if not later:
        return ()
    other = later[0]
    mine, theirs = held.get(need.user, Size()), held.get(other.user, Size())
    go = _verb(len(later), "goes", "go")
    text = (
        f"{_count(len(later), 'step')} that came later {go} first, to share fairly:"
        f" {need.who or 'nobody'}'s running steps hold {_size(mine)}, {other.who or 'nobody'}'s {_size(theirs)}."
    )
    facts = {"later_first": len(later), "mine": _numbers(mine), "theirs": _numbers(theirs)}
    return (Reason("fair_share", text, facts),)


def queued(need: Need, line: Sequence[Need], cluster: Cluster, since: datetime | None) -> Reason:
    """Where in the queue it is, and since when."""
    position, length = line.index(need) + 1, len(line)
    ahead = position - 1
    text = f"It is number {position} of {length} in the queue of {cluster.name}"
    text += f"; {_count(ahead, 'step')} {_verb(ahead, 'is', 'are')} ahead of it." if ahead else "."
    facts = {"position": position, "of": length, "ahead": ahead, "priority": need.priority, "since": iso(since)}
    return Reason("queue", text, facts)


def _no_host(cluster: Cluster, room: Room) -> Iterable[Reason]:
    if room.allowed(cluster):
        return
    where = f"attached to {cluster.name} is there" if cluster.hosts is not None and room.machines else "is connected"
    text = f"No host {where}. Start an agent, or look at the page Compute for why it is away."
    yield Reason("no_host", text, {"hosts": 0})


def _out_of_reach(cluster: Cluster, room: Room) -> Iterable[Reason]:
    """Machines that are silent, take no steps, or run them in another way."""
    allowed = room.allowed(cluster)
    if silent := [machine for machine in allowed if not machine.is_alive]:
        names = _names(
            (each, f"last heard of {_at(each.seen_at)}" if each.seen_at else "never heard") for each in silent
        )
        yield Reason("silent", f"No word from {names}.", {each.name: iso(each.seen_at) for each in silent[:NAMED]})
    alive = [machine for machine in allowed if machine.is_alive]
    if drained := [machine for machine in alive if machine.drained_at]:
        names = _names((each, f"since {_at(each.drained_at)}") for each in drained)
        text = f"Drained, so without new steps: {names}."
        yield Reason("drained", text, {each.name: iso(each.drained_at) for each in drained[:NAMED]})
    other = [each for each in alive if not each.drained_at and cluster.launcher not in ("", each.launcher)]
    if other:
        names = _names((each, f"runs {LAUNCHERS.get(each.launcher, each.launcher)}") for each in other)
        text = f"{cluster.name} needs a host that runs {LAUNCHERS.get(cluster.launcher, cluster.launcher)}: {names}."
        yield Reason("host_kind", text, {"needs": cluster.launcher, "hosts": len(other)})


def _no_conda(cluster: Cluster, room: Room) -> Iterable[Reason]:
    """Machines that take steps, but none with conda packages."""
    there = [machine for machine in room.allowed(cluster) if takes_steps(machine, cluster)]
    if there and not any(machine.conda for machine in there):
        names = _names((each, f"runs {LAUNCHERS.get(each.launcher, each.launcher)}") for each in there)
        text = f"Its environment has conda packages, and no host with a micromamba base is there: {names}."
        yield Reason("no_conda", text, {"hosts": len(there)})


def _too_small(cluster: Cluster, room: Room, conda: bool) -> Iterable[Reason]:
    """Machines that are too small for the size, where the policy is strict."""
    there = [machine for machine in room.allowed(cluster) if takes_steps(machine, cluster, conda)]
    small = [machine for machine in there if reservation(cluster, machine) is None]
    if small:
        what = "No host is large enough" if len(small) == len(there) else f"{_count(len(small), 'host')} too small"
        text = f"{what} for {cluster.size_name} ({_size(cluster.size)}): {_names((m, _size(m.has)) for m in small)}."
        yield Reason("too_large", text, {"size": cluster.size_name, "hosts": len(small), **_numbers(cluster.size)})


def _cluster_full(cluster: Cluster, room: Room) -> Reason:
    busy = room.busy[cluster.id]
    text = f"All {busy} nodes of {cluster.name} are busy" if busy > 1 else f"The one node of {cluster.name} is busy"
    if busy > cluster.max_nodes:
        text = f"{busy} nodes of {cluster.name} are busy, and since its resize it may have {cluster.max_nodes}"
    holders = _holders(slot for slots in room.holders.values() for slot in slots if slot.cluster == cluster.id)
    return Reason(
        "cluster_full",
        f"{text}: {holders}." if holders else f"{text}.",
        {"max_nodes": cluster.max_nodes, "busy": busy},
    )


def _no_devices(cluster: Cluster, room: Room, conda: bool) -> Iterable[Reason]:
    """Machines that would do but for their devices."""
    for machine, node in room.usable(cluster, conda)[:NAMED]:
        free, wanted = len(room.free_devices(machine)), node.takes.gpus
        if free >= wanted:
            continue
        text = f"{free} of {_count(len(machine.devices), 'GPU')} of {machine.name} {_verb(free)} free; a node of {cluster.name} takes {wanted}."
        text += _held_by(room, machine, (slot for slot in room.holders[machine.id] if slot.gpus))
        outside = [device for device in room.unheld(machine) if not device.has_room]
        for device in outside[:NAMED]:
            left = device.memory - (device.used or 0)
            text += f" Of {device.name} {left / GIB:.0f} of {device.memory / GIB:.0f} GiB are free: something outside the studio uses it."
        facts = {"host": machine.name, "free_gpus": free, "gpus": len(machine.devices), "takes": wanted}
        yield Reason("no_gpu", text, {**facts, "used_outside": len(outside)})


def _no_room(cluster: Cluster, room: Room, conda: bool) -> Iterable[Reason]:
    """Machines that would do but for their cores and memory, and who holds these."""
    for machine, node in room.usable(cluster, conda)[:NAMED]:
        takes = Size(node.takes.cores, node.takes.memory)
        if takes.fits(room.free[machine.id]):
            continue
        kept = sum((Size(size.cores, size.memory) for _, size in room.kept[machine.id]), Size())
        free = room.free[machine.id] + kept
        text = f"{machine.name} has {_size(Size(max(0, free.cores), max(0, free.memory)))} free; a node of {cluster.name} takes {_size(takes)}."
        text += _held_by(room, machine, room.holders[machine.id])
        facts = {"host": machine.name, "free_cores": free.cores, "free_memory": free.memory, **_numbers(takes)}
        yield Reason("host_full", text, {**facts, "kept_for": [name for name, _ in room.kept[machine.id]]})


def _held_by(room: Room, machine: Machine, slots: Iterable[Slot]) -> str:
    holders = _holders(slots)
    kept = ", ".join(f"{_size(size)} for the next step of {name}" for name, size in room.kept[machine.id])
    return (f" Held by {holders}." if holders else "") + (f" Kept: {kept}, which comes first." if kept else "")


def _holders(slots: Iterable[Slot]) -> str:
    """Who holds nodes, the largest first."""
    nodes: Counter[str] = Counter()
    sums: dict[str, Size] = {}
    for slot in slots:
        who = slot.holder or "a step"
        nodes[who] += 1
        sums[who] = sums.get(who, Size()) + slot.takes
    ranked = sorted(nodes, key=lambda who: (-sums[who].cores, who))
    told = [f"{who} ({_count(nodes[who], 'node')}: {_size(sums[who])})" for who in ranked[:NAMED]]
    return ", ".join(told) + _more(len(ranked))


def _names(pairs: Iterable[tuple[Machine, str]]) -> str:
    told = [f"{machine.name} ({words})" for machine, words in pairs]
    return ", ".join(told[:NAMED]) + _more(len(told))


def _more(count: int) -> str:
    return f" and {count - NAMED} more" if count > NAMED else ""


def _size(size: Size) -> str:
    """ "2 cores, 7 GiB, 1 GPU"."""
    memory = f"{size.memory / GIB:.1f}".removesuffix(".0")
    return f"{_cores(size.cores)}, {memory} GiB" + (f", {size.gpus} GPU" if size.gpus else "")


def _cores(cores: float) -> str:
    return f"{round(cores, 2):g} {'core' if cores == 1 else 'cores'}"


def _numbers(size: Size) -> dict[str, object]:
    return {"cores": size.cores, "memory": size.memory, "gpus": size.gpus}


def _count(number: int, what: str) -> str:
    return f"{number} {what if number == 1 else what + 's'}"


def _verb(number: int, one: str = "is", many: str = "are") -> str:
    return one if number == 1 else many


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
