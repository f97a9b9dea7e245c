"""How the mini-batches of a parallel step are shared out over its nodes. Pure: values in, values out.

A node has ranges of mini-batches. What it has not done when it is lost goes to the others. All is done when nothing is left and
each node has said that it is through with what it had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Range = tuple[int, int]
# Of what is left a node gets this part, divided by the number of nodes: the last ones are small, so that nobody waits long.
PART = 2


@dataclass
class Shared:
    """What was given to whom. Keys are those of members; `asked` are the numbers of their last questions."""

    count: int
    plan: str
    next: int = 0
    returned: list[Range] = field(default_factory=list)
    given: dict[str, list[Range]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    through: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    failed: dict[str, int] = field(default_factory=dict)
    items_failed: dict[str, int] = field(default_factory=dict)
    # Who makes the result of what all have done.
    joined: str = ""

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Shared:
        """As `as_document` has written it."""
        values = dict(document)
        values["returned"] = [(first, end) for first, end in values["returned"]]
        values["given"] = {key: [(first, end) for first, end in each] for key, each in values["given"].items()}
        return cls(**{**values, "through": set(values["through"]), "gone": set(values["gone"])})

    def as_document(self) -> dict[str, Any]:
        """For a row."""
        return {**vars(self), "through": sorted(self.through), "gone": sorted(self.gone)}

    @property
    def is_empty(self) -> bool:
        """Whether all mini-batches were given to nodes that are there, or have done them."""
        return self.next >= self.count and not self.returned

    def ask(self, member: str, q: int, processes: int, idle: bool, nodes: int) -> None:
        """A question of a member; the same one once more changes nothing."""
        mine = self.given.setdefault(member, [])
        if q > self.asked.get(member, 0) or member in self.through:  # it waits for what others may leave
            self.asked[member] = max(q, self.asked.get(member, 0))
            if (found := self._take(processes, nodes)) is not None:
                mine.append(found)
                self.through.discard(member)
            elif idle:
                self.through.add(member)

    def _take(self, processes: int, nodes: int) -> Range | None:
        if self.returned:
            return self.returned.pop(0)
        left = self.count - self.next
        if left <= 0:
            return None
        size = min(left, max(processes, -(-left // (PART * nodes))))
        self.next += size
        return self.next - size, self.next

    def lose(self, member: str, done: Collection[int]) -> None:
        """A member is gone: what it had is for the others, but for what it has done."""
        if member in self.gone:
            return
        self.gone.add(member)
        self.through.discard(member)
        self.returned += _without(self.given.get(member, ()), done)

    def is_done(self, members: Collection[str]) -> bool:
        """Whether these members, all that are there, are through and nothing is left."""
        return self.is_empty and all(each in self.through for each in members)


def _without(ranges: Iterable[Range], done: Collection[int]) -> list[Range]:
    found: list[Range] = []
    for first, end in ranges:
        for number in range(first, end):
            if number in done:
                continue
            if found and found[-1][1] == number:
                found[-1] = found[-1][0], number + 1
            else:
                found.append((number, number + 1))
    return found
