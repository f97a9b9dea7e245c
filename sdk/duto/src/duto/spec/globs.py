"""Paths with wildcards, matched in one pass over the path: no pattern can make a match take longer.

`*` is any text and `?` one character within a folder, `[...]` one of the characters and ranges (`[!...]` and `[^...]` none of
them), `**` as a whole part of the path any folders. What is no class (`[`, `[]`, `[!]`) is meant as it stands, and a range
that runs backwards (`[z-a]`) holds nothing, as in Python's `fnmatch`.
"""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

# Characters whose masks are kept; a path of many others costs a look at each token for each of them.
_KEPT = 1024

Takes = Callable[[str], bool]


class Token(NamedTuple):
    """What takes one character of a path: `takes` says which."""

    takes: Takes


class Star(NamedTuple):
    """`*`: any characters of one folder's name; `across`: of folders, too."""

    across: bool = False


class Folders(NamedTuple):
    """`**/`: any number of whole folders, or none."""


class Glob:
    """A set of places between tokens, moved on by each character of the path: all that could match so far, at once."""

    def __init__(self, parts: Iterable[object]) -> None:
        self._tokens: List[Takes] = []
        # Places that a character keeps alive: within a folder, at all, and inside of folders that `**/` skips.
        self._stars = self._across = self._deep = 0
        self._masks: Dict[str, int] = {}
        for part in parts:
            here = 1 << len(self._tokens)
            if isinstance(part, Token):
                self._tokens.append(part.takes)
            elif isinstance(part, Star):
                self._stars |= here
                self._across |= here if part.across else 0
            else:
                self._deep |= here
        self._end = 1 << len(self._tokens)

    def fullmatch(self, path: str) -> bool:
        """Whether the whole path is of this pattern."""
        return bool(self._places(path) & self._end)

    def covers(self, path: str, only_folders: bool = False) -> bool:
        """Whether the path, or a folder that it lies in, is of this pattern."""
        places, skipping = 1, 0
        for char in path:
            if char == "/" and places & self._end:
                return True
            places, skipping = self._step(places, skipping, char)
        return bool(places & self._end) and not only_folders

    def _places(self, path: str) -> int:
        places, skipping = 1, 0
        for char in path:
            places, skipping = self._step(places, skipping, char)
            if not places and not skipping:
                break
        return places

    def _step(self, places: int, skipping: int, char: str) -> Tuple[int, int]:
        onward = (places & self._mask(char)) << 1
        if char == "/":
            return onward | (places & self._across) | skipping, 0
        return onward | (places & self._stars), skipping | (places & self._deep)

    def _mask(self, char: str) -> int:
        """The places whose token takes this character."""
        mask = self._masks.get(char)
        if mask is None:
            mask = sum(1 << place for place, takes in enumerate(self._tokens) if takes(char))
            if len(self._masks) < _KEPT:
                self._masks[char] = mask
        return mask


def compiled(path: str) -> Glob:
    """The pattern of a path. Empty parts (`a//b`) are none."""
    parts: List[object] = []
    segments = [segment for segment in path.split("/") if segment]
    for place, segment in enumerate(segments):
        is_last = place == len(segments) - 1
        if segment == "**":
            parts += [ANY, Star(across=True)] if is_last else [Folders()]
        else:
            parts += tokens(segment)
            if not is_last:
                parts.append(literal("/"))
    return Glob(parts)


def crossing(pattern: str) -> Glob:
    """As `fnmatch` has it: `*` and `?` take a `/`, too."""
    return Glob(tokens(pattern, across=True))


def tokens(segment: str, across: bool = False, escapes: bool = False) -> List[object]:
    """The parts of one name. With `escapes` a backslash has the next character mean itself.

    Raises ValueError for a backslash that nothing follows.
    """
    parts: List[object] = []
    place = 0
    while place < len(segment):
        char = segment[place]
        place += 1
        if char == "*":
            parts.append(Star(across))
        elif char == "?":
            parts.append(ANY if across else Token(_in_name))
        elif char == "\\" and escapes:
            if place == len(segment):
                raise ValueError("nothing follows the backslash")
            parts.append(literal(segment[place]))
            place += 1
        else:
            end = _end_of_class(segment, place) if char == "[" else None
            parts.append(literal(char) if end is None else Token(_class(segment[place:end])))
            place = place if end is None else end + 1
    return parts


def literal(char: str) -> Token:
    return Token(lambda other: other == char)


def _any(char: str) -> bool:
    return True


ANY = Token(_any)


def _in_name(char: str) -> bool:
    return char != "/"


def _end_of_class(segment: str, start: int) -> Optional[int]:
    """Where the class that begins at `start` is closed; None when it is none. A `]` at its beginning is one of it."""
    first = start + 1 if segment[start : start + 1] in ("!", "^") else start
    end = segment.find("]", first + 1)
    return None if end < 0 else end


def _class(text: str) -> Takes:
    negated = text[0] in "!^"
    text = text[1:] if negated else text
    single, ranges, place = set(), [], 0
    while place < len(text):
        if text[place + 1 : place + 2] == "-" and place + 2 < len(text):
            ranges.append((text[place], text[place + 2]))
            place += 3
        else:
            single.add(text[place])
            place += 1

    def takes(char: str) -> bool:
        found = char in single or any(low <= char <= high for low, high in ranges)
        return char != "/" and found is not negated

    return takes
