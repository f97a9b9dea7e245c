"""Who is next: priority, then whoever holds least, then first come. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from compute.placement_types import PlacementRequest, Size

User = UUID | None
# What orders the head of a user's line: priority downwards, share upwards, then age.
Rank = tuple[int, float, UUID]


class FairQueue:
    """The queue, one need after the other. What a user is given moves their next need back behind the others'."""

    def __init__(self, needs: Iterable[PlacementRequest], held: Mapping[User, Size], all_: Size) -> None:
        self.held, self.all = dict(held), all_
        self._waiting: dict[User, list[PlacementRequest]] = {}
        for need in needs:
            self._waiting.setdefault(need.user, []).append(need)
        self._heads: list[tuple[Rank, User]] = []
        self._shares: dict[User, float] = {}
        for user, mine in self._waiting.items():
            mine.sort(key=lambda need: (-need.priority, need.id), reverse=True)
            self._show(user)

    def next(self) -> PlacementRequest | None:
        """Whose turn it is. Ask again only after given() or passed()."""
        return self._waiting[self._heads[0][1]][-1] if self._heads else None

    def given(self, takes: Size) -> None:
        """The one whose turn it is got this much."""
        user = self._heads[0][1]
        self.held[user] = self.held.get(user, Size()) + takes
        self._shares.pop(user, None)
        self.passed()

    def passed(self) -> None:
        """The one whose turn it is stays where it is."""
        user = heapq.heappop(self._heads)[1]
        self._waiting[user].pop()
        self._show(user)

    def share(self, user: User) -> float:
        if user not in self._shares:
            self._shares[user] = self.held.get(user, Size()).share_of(self.all)
        return self._shares[user]

    def _show(self, user: User) -> None:
        if mine := self._waiting[user]:
            heapq.heappush(self._heads, ((-mine[-1].priority, self.share(user), mine[-1].id), user))


def in_order(
    needs: Sequence[PlacementRequest], held: Mapping[User, Size], all_: Size, takes: Size
) -> list[PlacementRequest]:
    """The queue of one cluster in the order in which it would be served if room came node by node."""
    line, found = FairQueue(needs, held, all_), []
    while (need := line.next()) is not None:
        found.append(need)
        line.given(takes * need.nodes)
    return found
