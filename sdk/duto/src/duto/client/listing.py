"""Things of a workspace by name, made into objects only when they are looked at."""

from __future__ import annotations

from typing import Any, Callable, Dict, ItemsView, Iterable, Iterator, Mapping, Optional, ValuesView

# So many names stand in an error.
_NAMED = 20


class UnknownName(KeyError):
    """The KeyError of a name that is none of a workspace's; it says which there are."""

    def __init__(self, name: object, known: Iterable[str]) -> None:
        super().__init__(name)
        self._known = sorted(known)

    def __str__(self) -> str:
        more = f", and {len(self._known) - _NAMED} more" if len(self._known) > _NAMED else ""
        return f"There is no {self.args[0]!r}. There are: {', '.join(self._known[:_NAMED]) or 'none'}{more}."


class LazyMapping(Mapping[str, Any]):
    """A mapping whose list is fetched on first use and whose values are made one by one."""

    def __init__(self, fetch: Callable[[], Dict[str, Any]], make: Callable[[Any], Any]) -> None:
        self._fetch = fetch
        self._make = make
        self._found: Optional[Dict[str, Any]] = None
        self._made: Dict[str, Any] = {}

    def _items(self) -> Dict[str, Any]:
        if self._found is None:
            self._found = self._fetch()
        return self._found

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in self._items():
                raise UnknownName(name, self._items())
            self._made[name] = self._make(self._items()[name])
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._items())

    def __len__(self) -> int:
        return len(self._items())

    def __repr__(self) -> str:
        return repr(dict(self))


class TakenMapping(Mapping[str, Any]):
    """Such a mapping that tells which values are taken by their names; those that are only gone through are not."""

    def __init__(self, looked_at: LazyMapping, taken: Callable[[Any], Any]) -> None:
        self._looked_at = looked_at
        self._taken = taken

    def __getitem__(self, name: str) -> Any:
        return self._taken(self._looked_at[name])

    def __contains__(self, name: object) -> bool:
        return name in self._looked_at

    def __iter__(self) -> Iterator[str]:
        return iter(self._looked_at)

    def __len__(self) -> int:
        return len(self._looked_at)

    def values(self) -> ValuesView[Any]:
        return self._looked_at.values()

    def items(self) -> ItemsView[str, Any]:
        return self._looked_at.items()

    def __repr__(self) -> str:
        return repr(self._looked_at)
