"""What keeps a cluster's next step from a place, in the order in which a person would remove it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from compute.capacity import FreeCapacity, takes_steps
from compute.fair_queue import User
from compute.placement_types import (
    NOTHING,
    Abilities,
    Cluster,
    HostState,
    NodeState,
    PlacementRequest,
    Reason,
    Size,
    reservation,
)
from core.clock import iso
from core.words import decimal, duration_text, size_text
from duto.spec.spark import javas_of

LAUNCHERS = {
    "process": gettext_lazy("processes"),
    "docker": gettext_lazy("containers"),
    "slurm": gettext_lazy("jobs of Slurm"),
}
UNABLE = {
    "conda": gettext_lazy(
        "Its environment has conda packages, and no host with a micromamba base is there: %(hosts)s."
    ),
    "r": gettext_lazy(
        "It needs R, and no host that runs processes and has Rscript is there: %(hosts)s. Install R on one (Debian's "
        "r-base-core), and restart its agent."
    ),
    "members": gettext_lazy(
        "It runs on several nodes, and no host whose agent shares a step with others is there: %(hosts)s. Upgrade the agent "
        "of one."
    ),
    "rendezvous": gettext_lazy(
        "Its processes on several nodes talk to each other, which hosts of processes let them, and no such host of this "
        "release is there: %(hosts)s. Use a cluster of such hosts, or upgrade their agents."
    ),
    "java": gettext_lazy(
        "It runs on Spark, which needs Java %(javas)s, and no host that has it is there: %(hosts)s. Install one (Debian's "
        "openjdk-17-jre-headless), and restart its agent."
    ),
}
NAMED = 5


def blockers(cluster: Cluster, capacity: FreeCapacity, needs: Abilities = NOTHING) -> tuple[Reason, ...]:
    """Why no step of the cluster that needs this gets a place now; empty if and only if one can."""
    full = [_cluster_full(cluster, capacity)] if capacity.busy[cluster.id] >= cluster.max_nodes else []
    full = [*_not_allowed(cluster, capacity), *full]
    if capacity.fitting(cluster, needs):
        return tuple(full)
    away = [*_no_host(cluster, capacity), *_out_of_reach(cluster, capacity), *_too_small(cluster, capacity, needs)]
    away += _unable(cluster, capacity, needs)
    return (*away, *_no_devices(cluster, capacity, needs), *full, *_no_room(cluster, capacity, needs))


def delay(need: PlacementRequest, at: datetime | None) -> tuple[Reason, ...]:
    """A retry that is not to begin yet."""
    if need.not_before is None or at is None or need.not_before <= at:
        return ()
    seconds = (need.not_before - at) / timedelta(seconds=1)
    text = _("It is tried again in %(time)s, as its step's retry delay says.") % {"time": duration_text(seconds)}
    return (Reason("retry_delay", text, {"not_before": iso(need.not_before), "seconds": round(seconds, 1)}),)


def too_few(need: PlacementRequest, free: int, cluster: Cluster, capacity: FreeCapacity) -> tuple[Reason, ...]:
    """Why a step does not get all its nodes at once, of which so many are free."""
    most, names = capacity.most_nodes(cluster, need.needs), {"nodes": need.nodes, "cluster": cluster.name}
    facts: dict[str, object] = {"nodes": need.nodes, "free": free, "most": most}
    if need.nodes > cluster.max_nodes:
        text = _("It needs %(nodes)d nodes at once, and %(cluster)s has %(most)d at most. Raise its number of nodes.")
        return (Reason("too_large", text % {**names, "most": cluster.max_nodes}, facts),)
    if need.nodes > most > 0:
        text = _("It needs %(nodes)d nodes at once, and the hosts of %(cluster)s have room for %(most)d.")
        return (Reason("too_large", text % {**names, "most": most}, facts), *_out_of_reach(cluster, capacity))
    text = _("It needs %(nodes)d nodes of %(cluster)s at once, of which %(free)d are free. It begins with all of them.")
    return (Reason("nodes", text % {**names, "free": free}, facts),)


def kept_for(need: PlacementRequest, cluster: Cluster) -> tuple[Reason, ...]:
    """Why steps of the cluster wait behind one that needs several nodes at once."""
    text = _("A step that comes first needs %(nodes)d nodes of %(cluster)s at once: they are kept for it.")
    facts = {"nodes": need.nodes, "cluster": cluster.name}
    return (Reason("nodes_kept", text % facts, facts),)


def fair_share(
    need: PlacementRequest, line: Sequence[PlacementRequest], held: Mapping[User, Size]
) -> tuple[Reason, ...]:
    """Steps of the same priority that came later and go first, because their users hold less."""
    ahead = line[: line.index(need)]
    later = [each for each in ahead if each.priority == need.priority and each.id > need.id]
    if not later:
        return ()
    other = later[0]
    mine, theirs = held.get(need.user, Size()), held.get(other.user, Size())
    text = ngettext(
        "%(n)d step that came later goes first, to share fairly: %(who)s's running steps hold %(mine)s, %(other)s's %(theirs)s.",
        "%(n)d steps that came later go first, to share fairly: %(who)s's running steps hold %(mine)s, %(other)s's %(theirs)s.",
        len(later),
    ) % {
        "n": len(later),
        "who": need.who or _("nobody"),
        "mine": _size(mine),
        "other": other.who or _("nobody"),
        "theirs": _size(theirs),
    }
    facts = {"later_first": len(later), "mine": _numbers(mine), "theirs": _numbers(theirs)}
    return (Reason("fair_share", text, facts),)


def queued(
    need: PlacementRequest, line: Sequence[PlacementRequest], cluster: Cluster, since: datetime | None
) -> Reason:
    """Where in the queue it is, and since when."""
    position, length = line.index(need) + 1, len(line)
    ahead = position - 1
    text = _("It is number %(position)d of %(length)d in the queue of %(cluster)s.")
    if ahead:
        text = ngettext(
            "It is number %(position)d of %(length)d in the queue of %(cluster)s; %(ahead)d step is ahead of it.",
            "It is number %(position)d of %(length)d in the queue of %(cluster)s; %(ahead)d steps are ahead of it.",
            ahead,
        )
    text %= {"position": position, "length": length, "cluster": cluster.name, "ahead": ahead}
    facts = {"position": position, "of": length, "ahead": ahead, "priority": need.priority, "since": iso(since)}
    return Reason("queue", text, facts)


def _no_host(cluster: Cluster, capacity: FreeCapacity) -> Iterable[Reason]:
    if capacity.allowed(cluster):
        return
    text = _("No host is connected. Start an agent, or look at the page Compute for why it is away.")
    if cluster.hosts is not None and capacity.hosts:
        text = _(
            "No host attached to %(cluster)s is there. Start an agent, or look at the page Compute for why it is away."
        ) % {"cluster": cluster.name}
    yield Reason("no_host", text, {"hosts": 0})


def _out_of_reach(cluster: Cluster, capacity: FreeCapacity) -> Iterable[Reason]:
    """Hosts that are silent, take no steps, or run them in another way."""
    allowed = capacity.allowed(cluster)
    if silent := [host for host in allowed if not host.is_alive]:
        names = _names((each, _heard(each.seen_at)) for each in silent)
        text = _("No word from %(hosts)s.") % {"hosts": names}
        yield Reason("silent", text, {each.name: iso(each.seen_at) for each in silent[:NAMED]})
    alive = [host for host in allowed if host.is_alive]
    if drained := [host for host in alive if host.drained_at]:
        names = _names((each, _("since %(moment)s") % {"moment": _at(each.drained_at)}) for each in drained)
        text = _("Drained, so without new steps: %(hosts)s.") % {"hosts": names}
        yield Reason("drained", text, {each.name: iso(each.drained_at) for each in drained[:NAMED]})
    other = [each for each in alive if not each.drained_at and cluster.launcher not in ("", each.launcher)]
    if other:
        names = _names((each, _("runs %(what)s") % {"what": _launcher(each.launcher)}) for each in other)
        facts = {"cluster": cluster.name, "what": _launcher(cluster.launcher), "hosts": names}
        text = _("%(cluster)s needs a host that runs %(what)s: %(hosts)s.") % facts
        yield Reason("host_kind", text, {"needs": cluster.launcher, "hosts": len(other)})


def _not_allowed(cluster: Cluster, capacity: FreeCapacity) -> Iterable[Reason]:
    """The workspace is archived, or runs as many steps as it may."""
    allowed = cluster.allowance
    if allowed is None or capacity.may_start(cluster):
        return
    if allowed.is_archived:
        text = _("The workspace is archived: nothing starts in it until an owner brings it back.")
        yield Reason("archived", text, {})
        return
    text = ngettext(
        "The workspace may run %(n)d step at once, and does. An owner can raise the limit on the page Settings.",
        "The workspace may run %(n)d steps at once, and does. An owner can raise the limit on the page Settings.",
        allowed.most,
    ) % {"n": allowed.most}
    yield Reason("running_limit", text, {"running_steps": allowed.most})


def _unable(cluster: Cluster, capacity: FreeCapacity, needs: Abilities) -> Iterable[Reason]:
    """Hosts that take steps, but none that need this."""
    there = [host for host in capacity.allowed(cluster) if takes_steps(host, cluster)]
    if not there or any(needs <= host.abilities for host in there):
        return
    nowhere = [need for need in sorted(needs) if not any(need in host.abilities for host in there)]
    names = _names((each, _("runs %(what)s") % {"what": _launcher(each.launcher)}) for each in there)
    for need in nowhere or sorted(needs):  # each somewhere, but no host has them all
        word, *more = need.split(":")
        text = str(UNABLE[word]) % {"hosts": names, "javas": javas_of(more[0]) if more else ""}
        yield Reason(f"no_{word}", text, {"hosts": len(there)})


def _too_small(cluster: Cluster, capacity: FreeCapacity, needs: Abilities) -> Iterable[Reason]:
    """Hosts that are too small for the size, where the policy is strict."""
    there = [host for host in capacity.allowed(cluster) if takes_steps(host, cluster, needs)]
    small = [host for host in there if reservation(cluster, host) is None]
    if small:
        text = _("No host is large enough for %(size)s (%(needs)s): %(hosts)s.")
        if len(small) < len(there):
            text = ngettext(
                "%(n)d host too small for %(size)s (%(needs)s): %(hosts)s.",
                "%(n)d hosts too small for %(size)s (%(needs)s): %(hosts)s.",
                len(small),
            )
        names = _names((host, _size(host.has)) for host in small)
        text %= {"n": len(small), "size": cluster.size_name, "needs": _size(cluster.size), "hosts": names}
        yield Reason("too_large", text, {"size": cluster.size_name, "hosts": len(small), **_numbers(cluster.size)})


def _cluster_full(cluster: Cluster, capacity: FreeCapacity) -> Reason:
    busy = capacity.busy[cluster.id]
    text = _("All %(busy)d nodes of %(cluster)s are busy") if busy > 1 else _("The one node of %(cluster)s is busy")
    if busy > cluster.max_nodes:
        text = ngettext(
            "%(busy)d node of %(cluster)s is busy, and since its resize it may have %(most)d",
            "%(busy)d nodes of %(cluster)s are busy, and since its resize it may have %(most)d",
            busy,
        )
    text %= {"busy": busy, "cluster": cluster.name, "most": cluster.max_nodes}
    holders = _holders(slot for slots in capacity.holders.values() for slot in slots if slot.cluster == cluster.id)
    return Reason(
        "cluster_full",
        f"{text}: {holders}." if holders else f"{text}.",
        {"max_nodes": cluster.max_nodes, "busy": busy},
    )


def _no_devices(cluster: Cluster, capacity: FreeCapacity, needs: Abilities) -> Iterable[Reason]:
    """Hosts that would do but for their devices."""
    for host, node in capacity.usable(cluster, needs)[:NAMED]:
        free, wanted = len(capacity.free_devices(host)), node.takes.gpus
        if free >= wanted:
            continue
        devices = len(host.devices)
        text = ngettext(
            "%(free)d of %(devices)s of %(host)s is free; a node of %(cluster)s takes %(wanted)d.",
            "%(free)d of %(devices)s of %(host)s are free; a node of %(cluster)s takes %(wanted)d.",
            free,
        ) % {
            "free": free,
            "devices": ngettext("%(n)d GPU", "%(n)d GPUs", devices) % {"n": devices},
            "host": host.name,
            "cluster": cluster.name,
            "wanted": wanted,
        }
        text += _held_by(capacity, host, (slot for slot in capacity.holders[host.id] if slot.gpus))
        outside = [device for device in capacity.unheld(host) if not device.has_room]
        for device in outside[:NAMED]:
            left = device.memory - (device.used or 0)
            text += " " + _("Of %(device)s %(left)s of %(all)s are free: something outside the studio uses it.") % {
                "device": device.name,
                "left": size_text(left),
                "all": size_text(device.memory),
            }
        facts = {"host": host.name, "free_gpus": free, "gpus": len(host.devices), "takes": wanted}
        yield Reason("no_gpu", text, {**facts, "used_outside": len(outside)})


def _no_room(cluster: Cluster, capacity: FreeCapacity, needs: Abilities) -> Iterable[Reason]:
    """Hosts that would do but for their cores and memory, and who holds these."""
    for host, node in capacity.usable(cluster, needs)[:NAMED]:
        takes = Size(node.takes.cores, node.takes.memory)
        if takes.fits(capacity.free[host.id]):
            continue
        kept = sum((Size(size.cores, size.memory) for _, size in capacity.kept[host.id]), Size())
        free = capacity.free[host.id] + kept
        text = _("%(host)s has %(free)s free; a node of %(cluster)s takes %(takes)s.") % {
            "host": host.name,
            "free": _size(Size(max(0, free.cores), max(0, free.memory))),
            "cluster": cluster.name,
            "takes": _size(takes),
        }
        text += _held_by(capacity, host, capacity.holders[host.id])
        facts = {"host": host.name, "free_cores": free.cores, "free_memory": free.memory, **_numbers(takes)}
        yield Reason("host_full", text, {**facts, "kept_for": [name for name, _ in capacity.kept[host.id]]})


def _held_by(capacity: FreeCapacity, host: HostState, slots: Iterable[NodeState]) -> str:
    holders = _holders(slots)
    kept = ", ".join(
        _("%(size)s for the next step of %(cluster)s") % {"size": _size(size), "cluster": name}
        for name, size in capacity.kept[host.id]
    )
    held = " " + _("Held by %(holders)s.") % {"holders": holders} if holders else ""
    return held + (" " + _("Kept: %(kept)s, which comes first.") % {"kept": kept} if kept else "")


def _holders(slots: Iterable[NodeState]) -> str:
    """Who holds nodes, the largest first."""
    nodes: Counter[str] = Counter()
    sums: dict[str, Size] = {}
    for slot in slots:
        who = slot.holder or _("a step")
        nodes[who] += 1
        sums[who] = sums.get(who, Size()) + slot.takes
    ranked = sorted(nodes, key=lambda who: (-sums[who].cores, who))
    names = [f"{who} ({_nodes(nodes[who])}: {_size(sums[who])})" for who in ranked[:NAMED]]
    return ", ".join(names) + _more(len(ranked))


def _names(pairs: Iterable[tuple[HostState, str]]) -> str:
    names = [f"{host.name} ({words})" for host, words in pairs]
    return ", ".join(names[:NAMED]) + _more(len(names))


def _more(count: int) -> str:
    return " " + _("and %(n)d more") % {"n": count - NAMED} if count > NAMED else ""


def _size(size: Size) -> str:
    """ "2 cores, 7 GiB, 1 GPU"."""
    return f"{_cores(size.cores)}, {size_text(size.memory)}" + (f", {size.gpus} GPU" if size.gpus else "")


def _cores(cores: float) -> str:
    return f"{decimal(f'{round(cores, 2):g}')} {_('core') if cores == 1 else _('cores')}"


def _nodes(count: int) -> str:
    return ngettext("%(n)d node", "%(n)d nodes", count) % {"n": count}


def _numbers(size: Size) -> dict[str, object]:
    return {"cores": size.cores, "memory": size.memory, "gpus": size.gpus}


def _launcher(key: str) -> str:
    return str(LAUNCHERS.get(key, key))


def _heard(moment: datetime | None) -> str:
    return _("last heard of %(moment)s") % {"moment": _at(moment)} if moment else _("never heard")


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""
