"""What lies elsewhere is asked before the lock under which it decides.

Whoever decides under a lock does so in `deciding()`: there no far store is asked, and what is not known yet is noted. Once the lock
is given back, `look()` asks for it, and the decision is made again with what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from core.errors import StudioError

T = TypeVar("T")


class Far(Exception):
    """The answer lies elsewhere, and a lock is held."""


class Unobserved(Exception):
    """This has to be looked at first."""


class Observations:
    """What was found, and what is still to be looked at, for one who decides."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[Any, StudioError | None]] = {}
        self._missed: dict[Hashable, Callable[[], Any]] = {}

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """A lock is held in this block."""
        token = _deciding.set(self)
        try:
            yield
        finally:
            _deciding.reset(token)

    @property
    def are_missed(self) -> bool:
        return bool(self._missed)

    def look(self) -> bool:
        """Ask for all that was missed, without a lock; whether anything was. What is refused is refused when it is decided."""
        missed, self._missed = self._missed, {}
        for key, asked in missed.items():
            try:
                self._found[key] = asked(), None
            except StudioError as error:
                self._found[key] = None, error
        return bool(missed)

    def ask(self, key: Hashable, look: Callable[[], T]) -> T:
        """What was found, or what needs nothing from elsewhere. Raises Unobserved, and what the look has raised."""
        if key not in self._found:
            try:
                return look()
            except Far as error:
                self._missed[key] = look
                raise Unobserved(str(key)) from error
        found, refused = self._found[key]
        if refused is not None:
            raise refused
        return found  # type: ignore[no-any-return]


_deciding: ContextVar[Observations | None] = ContextVar("deciding", default=None)


def ask(key: Hashable, look: Callable[[], T]) -> T:
    """The answer to a question that may lie elsewhere: asked at once where no lock is held. Raises Unobserved."""
    observations = _deciding.get()
    return look() if observations is None else observations.ask(key, look)


def require_no_lock() -> None:
    """Raises Far where somebody decides under a lock."""
    if _deciding.get() is not None:
        raise Far
