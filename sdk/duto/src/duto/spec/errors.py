"""How a document is refused: every problem at once, each with a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, Optional, Tuple


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a stable code, a sentence for people, and the step it concerns."""

    code: str
    message: str
    step: Optional[str] = None

    def to_document(self) -> Dict[str, Any]:
        return {"code": self.code, "message": self.message, "step": self.step}


class SpecError(ValueError):
    """A document that breaks the rules. `problems` names each of them; the text joins their messages."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(problem.message for problem in self.problems))


def refuse(code: str, message: str, step: Optional[str] = None) -> SpecError:
    """The error of a single problem, ready to raise."""
    return SpecError([Problem(code, message, step)])
