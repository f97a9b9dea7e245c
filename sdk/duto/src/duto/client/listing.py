"""Things of a workspace by name, made into objects only when they are looked at."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Mapping, Optional


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
            self._made[name] = self._make(self._items()[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items())

    def __len__(self) -> int:
        return len(self._items())

    def __repr__(self) -> str:
        return repr(dict(self))
