"""Hooks: what is told reaches everybody, what is asked has one answer, and the studio answers all that is asked."""

from __future__ import annotations

import pytest

import compute.hooks
import pipelines.hooks
import registry.hooks
import workspaces.hooks
from core.hooks import Hook, Provider


def test_a_hook_tells_each_receiver_once_in_order() -> None:
    calls: list[str] = []
    hook: Hook[[str], None] = Hook()

    def first(text: str) -> None:
        calls.append(f"first {text}")

    def second(text: str) -> None:
        calls.append(f"second {text}")

    hook("nobody hears")
    for receiver in (first, second, first):
        hook.register(receiver)
    hook("both hear")
    hook.unregister(first)
    hook("one hears")
    assert calls == ["first both hear", "second both hear", "second one hears"]


def test_a_question_has_one_answer() -> None:
    question: Provider[[int], int] = Provider("how much it is")
    with pytest.raises(RuntimeError, match="No app answers 'how much it is'"):
        question(1)

    def double(number: int) -> int:
        return 2 * number

    question.register(double)
    question.register(double)
    assert question(2) == 4
    with pytest.raises(RuntimeError, match="Two functions answer 'how much it is'"):
        question.register(abs)


def test_the_studio_answers_all_that_its_apps_ask() -> None:
    modules = (compute.hooks, pipelines.hooks, registry.hooks, workspaces.hooks)
    asked = [each for module in modules for each in vars(module).values() if isinstance(each, Provider)]
    assert len(asked) >= 11 and not [each.question for each in asked if not each.is_answered]
