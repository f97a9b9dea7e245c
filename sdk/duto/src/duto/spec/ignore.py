"""Which files of a folder stay behind: gitignore patterns, on the standard library alone.

Patterns mean what gitignore(5) says: a later pattern overrides an earlier one, `!` takes back, `/` at the end
names folders, a `/` elsewhere ties to the root, `**` spans folders. As in Azure ML, and unlike git, `!` may
take back a file below a folder that is ignored.
"""

from __future__ import annotations

import re
from typing import Iterable, List, Optional, Pattern, Tuple


class Ignore:
    """A compiled list of patterns."""

    def __init__(self, lines: Iterable[str]) -> None:
        compiled = (compile_pattern(line) for line in lines)
        self.rules: List[Tuple[Pattern[str], bool]] = [rule for rule in compiled if rule is not None]
        self._takes_back = any(not ignored for _, ignored in self.rules)

    def __call__(self, path: str) -> bool:
        """Whether the file at this path stays behind; the path is relative, with forward slashes."""
        for pattern, ignored in reversed(self.rules):
            if pattern.match(path):
                return ignored
        return False

    def prunes(self, folder: str) -> bool:
        """Whether nothing below this folder can be wanted, so that a walk need not enter it."""
        return not self._takes_back and self(folder + "/")


def compile_pattern(line: str) -> Optional[Tuple[Pattern[str], bool]]:
    """The pattern of a line and whether it ignores; None for a comment, a blank line, or what can match
    nothing."""
    text = _strip(line.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    ignored = not text.startswith("!")
    if not ignored:
        text = text[1:]
    only_folders = text.endswith("/")
    segments = text.rstrip("/").split("/") if only_folders else text.split("/")
    anchored = len(segments) > 1
    if anchored and segments[0] == "":
        segments = segments[1:]
    if not any(segments):
        return None
    body = _body(segments)
    if body is None:
        return None
    start = "" if anchored else "(?:.+/)?"
    # A folder's pattern covers all below it.
    end = "/.*" if only_folders else "(?:/.*)?"
    return re.compile(f"{start}{body}{end}\\Z", re.DOTALL), ignored


def _strip(line: str) -> str:
    """Without trailing blanks, unless a backslash keeps the last one."""
    text = line.rstrip()
    if len(text) < len(line) and text.endswith("\\") and not text.endswith("\\\\"):
        text += line[len(text)]
    return text


def _body(segments: List[str]) -> Optional[str]:
    parts: List[str] = []
    last = len(segments) - 1
    for index, segment in enumerate(segments):
        if segment == "**":
            if index == last:
                parts.append(".+" if index else ".*")
            elif not parts or parts[-1] != "(?:.+/)?":
                parts.append("(?:.+/)?")
            continue
        translated = _segment(segment)
        if translated is None:
            return None
        parts.append(translated + ("" if index == last else "/"))
    return "".join(parts)


def _segment(segment: str) -> Optional[str]:
    result, index = "", 0
    while index < len(segment):
        char = segment[index]
        index += 1
        if char == "*":
            result += "[^/]*" if not result.endswith("[^/]*") else ""
        elif char == "?":
            result += "[^/]"
        elif char == "\\":
            if index == len(segment):
                return None  # a lone backslash at the end is no pattern
            result += re.escape(segment[index])
            index += 1
        elif char == "[":
            taken = _char_class(segment, index)
            if taken is None:
                result += "\\["
            else:
                text, index = taken
                result += text
        else:
            result += re.escape(char)
    return result


def _char_class(segment: str, index: int) -> Optional[Tuple[str, int]]:
    """The class that starts after `[` at `index`, and where it ends; None when it never closes."""
    end = index
    if end < len(segment) and segment[end] in "!^":
        end += 1
    if end < len(segment) and segment[end] == "]":
        end += 1
    while end < len(segment) and segment[end] != "]":
        end += 1
    if end >= len(segment):
        return None
    inner = segment[index:end]
    negated = inner[:1] in ("!", "^")
    inner = (inner[1:] if negated else inner).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    inner = inner.replace("^", "\\^").replace("&&", "&\\&").replace("||", "|\\|").replace("~~", "~\\~")
    text = f"[{'^' if negated else ''}{inner}]"
    try:
        re.compile(text)
    except re.error:
        return None
    return text, end + 1
