"""Hooks: how an app asks or tells those above it, which it may not import.

The lower app declares a hook in its `hooks.py` and calls it; an app above registers its function in its
AppConfig.ready(). So the usages of a hook are all there is to it: its declaration, its calls, and who answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Hook(Generic[P, R]):
    """A moment of which any number of functions are told, in the order in which they were registered."""

    def __init__(self) -> None:
        self._receivers: list[Callable[P, R]] = []

    def register(self, receiver: Callable[P, R]) -> None:
        if receiver not in self._receivers:
            self._receivers.append(receiver)

    def unregister(self, receiver: Callable[P, R]) -> None:
        self._receivers.remove(receiver)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        for receiver in self._receivers:
            receiver(*args, **kwargs)


class Provider(Generic[P, R]):
    """A question that exactly one function answers."""

    def __init__(self, question: str) -> None:
        self.question = question
        self._answer: Callable[P, R] | None = None

    def register(self, answer: Callable[P, R]) -> None:
        """Raises RuntimeError where another function answers already: one would silently stand for the other."""
        if self._answer not in (None, answer):
            raise RuntimeError(f"Two functions answer '{self.question}': {self._answer} and {answer}.")
        self._answer = answer

    @property
    def is_answered(self) -> bool:
        return self._answer is not None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._answer is None:
            raise RuntimeError(f"No app answers '{self.question}': register a function in its AppConfig.ready().")
        return self._answer(*args, **kwargs)
