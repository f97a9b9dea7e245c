"""What a line for a shell must be, so that each value in it stays one word. Pure."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Tuple

from duto.spec.placeholders import PLACEHOLDER
from duto.spec.shell import UNSAFE, open_at_end
from duto.spec.values import Step


def command_problems(step: Step, _files: Optional[Mapping[str, Any]]) -> Iterable[Tuple[str, str]]:
    """What is wrong with a command beside what may be wrong with any step."""
    if step.script:
        yield "bad_command", f"a command has no script, and it names {step.script!r}: let the command run that."
    texts = [each for each in step.arguments if isinstance(each, str)]
    if all(isinstance(each, str) and not each.strip() for each in step.arguments):
        yield "missing_command", "its command is empty."
    if any("\0" in text for text in texts):
        yield "bad_command", "its command holds a NUL character, which no shell takes."
    yield from _unsafe_values(step)


def _unsafe_values(step: Step) -> Iterable[Tuple[str, str]]:
    """A shell takes a value apart, or carries it out, where no quotes protect it."""
    line = ""
    for each in step.arguments:
        text = each if isinstance(each, str) else ""
        values = [(found[0], found.start()) for found in PLACEHOLDER.finditer(text)]
        if isinstance(each, Mapping):
            values.append((next(map(str, each.values()), ""), 0))
        for name, start in values:
            where = UNSAFE.get(open_at_end(line + text[:start]))
            if where:
                yield (
                    "bad_command",
                    f"its command has the value '{name}' {where}, where no quotes keep a value together: "
                    "write $(...) instead of backticks, and take a value into a variable before a here-document.",
                )
        line += f"{text} "
