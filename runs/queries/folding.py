"""A run of more steps than a picture can hold, folded: which nodes there are then. Touches nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# Above this many steps a graph is read by groups: steps whose names share a beginning fold into one node.
FOLD_ABOVE = 300
SMALLEST = 3
# So many groups may be open at once.
MOST_OPEN = 10
_NUMBER, _TAIL = re.compile(r"[-_./ ]*\d+$"), re.compile(r"[-_./][^-_./]*$")


@dataclass(frozen=True)
class Group:
    """Steps that are one node. `name` opens it, and is the same as long as the graph is."""

    name: str
    label: str
    members: tuple[str, ...]

    @property
    def node(self) -> str:
        return f"group:{self.name}"


@dataclass(frozen=True)
class Folded:
    """What is drawn, in the order of the graph: groups, and the steps that stand alone; and where each step is."""

    groups: list[Group]
    steps: list[str]
    home: Mapping[str, str]


def fold(names: Mapping[str, str], opened: Iterable[str] = ()) -> Folded:
    """Fold steps, given by node with their names. A group that is opened gives way to what it holds.

    What is drawn stays within FOLD_ABOVE nodes for the run and for each open group: what would be more is cut into
    groups of steps that follow each other.
    """
    wanted = frozenset(list(opened)[:MOST_OPEN])
    groups: list[Group] = []
    steps: list[str] = []
    for part in _parts(names, wanted):
        if isinstance(part, Group):
            groups.append(part)
        else:
            steps.append(part)
    home = {node: group.node for group in groups for node in group.members}
    return Folded(groups, steps, {**home, **{node: node for node in steps}})


def _parts(names: Mapping[str, str], opened: Collection[str]) -> Iterator[Group | str]:
    alike: dict[str, list[str]] = {}
    for node, name in names.items():
        alike.setdefault(stem(name), []).append(node)
    groups = [
        Group(name, f"{name} × {len(nodes)}", tuple(nodes)) for name, nodes in alike.items() if len(nodes) >= SMALLEST
    ]
    alone = [node for nodes in alike.values() if len(nodes) < SMALLEST for node in nodes]
    if len(groups) + len(alone) > FOLD_ABOVE:
        yield from _inside(Group("", "", tuple(names)), names, opened)
        return
    if len(groups) == 1 and not alone:  # one node is no picture
        opened = {*opened, groups[0].name}
    for group in groups:
        yield from _inside(group, names, opened) if group.name in opened else (group,)
    yield from alone


def _inside(group: Group, names: Mapping[str, str], opened: Collection[str]) -> Iterator[Group | str]:
    """The steps of a group that is open; where these are too many, groups of those that follow each other."""
    if len(group.members) <= FOLD_ABOVE:
        yield from group.members
        return
    for number, nodes in enumerate(_cut(group.members)):
        label = _from_to(names[nodes[0]], names[nodes[-1]])
        part = Group(f"{group.name}#{number}", label, tuple(nodes))
        yield from _inside(part, names, opened) if part.name in opened else (part,)


def _from_to(first: str, last: str) -> str:
    """`step-00000 … 00049`: of the last name what differs, where both are of a kind."""
    short = stem(last)
    tail = last.removeprefix(short).lstrip("-_./ ") if stem(first) == short else ""
    return f"{first} … {tail or last}"


def _cut(nodes: Sequence[str]) -> Iterator[Sequence[str]]:
    """Into about as many parts as each has steps, and no more than can be drawn."""
    size = max(math.isqrt(len(nodes)), -(-len(nodes) // FOLD_ABOVE))
    return (nodes[start : start + size] for start in range(0, len(nodes), size))


def stem(name: str) -> str:
    """What names of the same kind share: `train-7` and `train-8`, `part3-left` and `part3-right`."""
    short = _NUMBER.sub("", name)
    if not any(each.isdigit() for each in name):
        short = _TAIL.sub("", short)
    return short or name
