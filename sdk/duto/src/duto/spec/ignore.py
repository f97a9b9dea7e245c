"""Which files of a folder stay behind: gitignore patterns, on the standard library alone.

Patterns mean what gitignore(5) says: a later pattern overrides an earlier one, `!` takes back, `/` at the end
names folders, a `/` elsewhere ties to the root, `**` spans folders. As in Azure ML, and unlike git, `!` may
take back a file below a folder that is ignored.
"""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional

from duto.spec import globs


class Rule(NamedTuple):
    """One line: the pattern, whether it names folders only, and whether it ignores or takes back."""

    glob: globs.Glob
    only_folders: bool
    ignores: bool

    def matches(self, path: str) -> bool:
        """Whether it is about this file, or a folder around it."""
        return self.glob.covers(path, self.only_folders)


class Ignore:
    """A compiled list of patterns."""

    def __init__(self, lines: Iterable[str]) -> None:
        rules = (rule_of(line) for line in lines)
        self.rules: List[Rule] = [rule for rule in rules if rule is not None]
        self._takes_back = any(not rule.ignores for rule in self.rules)

    def __call__(self, path: str) -> bool:
        """Whether the file at this path stays behind; the path is relative, with forward slashes."""
        for rule in reversed(self.rules):
            if rule.matches(path):
                return rule.ignores
        return False

    def prunes(self, folder: str) -> bool:
        """Whether nothing below this folder can be wanted, so that a walk need not enter it."""
        return not self._takes_back and self(folder + "/")


def rule_of(line: str) -> Optional[Rule]:
    """The rule of a line; None for a comment, a blank line, or what can match nothing."""
    text = _strip(line.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    ignores = not text.startswith("!")
    if not ignores:
        text = text[1:]
    only_folders = text.endswith("/")
    segments = text.rstrip("/").split("/") if only_folders else text.split("/")
    anchored = len(segments) > 1
    if anchored and segments[0] == "":
        segments = segments[1:]
    if not any(segments):
        return None
    try:
        parts = _parts(segments)
    except ValueError:
        return None  # a lone backslash at the end is no pattern
    return Rule(globs.Glob(parts if anchored else [globs.Folders(), *parts]), only_folders, ignores)


def _strip(line: str) -> str:
    """Without trailing blanks, unless a backslash keeps the last one."""
    text = line.rstrip()
    if len(text) < len(line) and text.endswith("\\") and not text.endswith("\\\\"):
        text += line[len(text)]
    return text


def _parts(segments: List[str]) -> List[object]:
    parts: List[object] = []
    last = len(segments) - 1
    for index, segment in enumerate(segments):
        if segment == "**":
            parts += [globs.ANY, globs.Star(across=True)] if index == last else [globs.Folders()]
            continue
        parts += globs.tokens(segment, escapes=True)
        if index < last:
            parts.append(globs.literal("/"))
    return parts
